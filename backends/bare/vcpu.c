// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a vCPU: made, loaded on a CPU, run from exit to exit, put.  All
 * calls of libmpmu but those of its ops are here and in pmu.c.
 */
#include "bare.h"

#define NESTED_FLAGS	7	/* EPT: read, write, execute; NPT: present, writable, user */
#define NESTED_LARGE	0x80
#define RFLAGS_IF	BIT(9)
#define MSR_MISC_ENABLE	0x1a0
#define MISC_ENABLE	(BIT(7) | BIT(11) | BIT(12))	/* a PMU, neither BTS nor PEBS */
#define MSR_X2APIC	0x800
#define MSR_X2APIC_LVTPC 0x834

const u32 syscall_msrs[NR_SYSCALL_MSRS] = { 0xc0000081, 0xc0000082, 0xc0000084 };

/*
 * Which bit of the bitmap intercepts it?  MSRs come in ranges from 0, C000_0000
 * and C001_0000; VMX has the writes behind all reads, SVM side by side.
 */
u32 vcpu_bitmap_bit(u32 msr, bool write)
{
	u32 range = msr >> 31 ? 1 + (msr >> 16 & 1) : 0;

	return guest_mode->msr_bits * (0x2000 * range + (msr & 0x1fff)) + write * guest_mode->write_bit;
}

void vcpu_intercept(struct vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	for (u32 write = 0; write < 2; write++) {
		u32 bit = vcpu_bitmap_bit(msr, write);
		u8 *byte = &vcpu->pages->msr_bitmap[bit / 8], mask = (u8)(1 << bit % 8);

		if (access & (write ? MPMU_WRITE : MPMU_READ))
			*byte = intercept ? *byte | mask : *byte & ~mask;
	}
}

/* The guest has its memory, and nothing beyond. */
bool vcpu_create(struct vcpu *vcpu, const char *name, struct vcpu_pages *pages, u64 rip, u64 cr3)
{
	struct mpmu_caps offer;

	*vcpu = (struct vcpu){
		.name = name, .cpu = this_cpu(), .pages = pages, .rip = rip, .lvtpc = LVT_MASKED,
		.requests = REQ_INTERCEPTS, .rdpmc_intercepted = true,
	};
	pages->pml4[0] = (u64)pages->pdpt | NESTED_FLAGS;
	pages->pdpt[0] = (u64)pages->pd | NESTED_FLAGS;
	pages->pd[0] = (u64)pages->memory | NESTED_FLAGS | NESTED_LARGE | guest_mode->nested_leaf;
	memset(pages->msr_bitmap, 0xff, sizeof(pages->msr_bitmap));
	for (u32 i = 0; i < NR_SYSCALL_MSRS; i++)
		vcpu_intercept(vcpu, syscall_msrs[i], MPMU_READ | MPMU_WRITE, false);
	guest_mode->create(vcpu, cr3);
	mpmu_caps_offer(&offer, &pmu_host.caps, MPMU_POLICY_FULL);
	mpmu_vcpu_init(&vcpu->mpmu, &pmu_host, &vcpu->stats);
	return !mpmu_vcpu_configure(&vcpu->mpmu, &offer);
}

void vcpu_load(struct vcpu *vcpu)
{
	vcpu->cpu = this_cpu();
	vcpu->launched = false;
}

/* What is latched for the guest arrives before another vCPU is loaded. */
void vcpu_put(struct vcpu *vcpu)
{
	mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	if (guest_mode->put)
		guest_mode->put(vcpu);
	irqs_window();
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	__atomic_fetch_or(&vcpu->requests, request, __ATOMIC_SEQ_CST);
	if (vcpu->cpu != this_cpu())
		send_ipi(IPI_TO_OTHERS | VEC_KICK);
}

void vcpu_set_filter(struct vcpu *vcpu, const struct mpmu_filter *filter)
{
	vcpu->filter = filter;
	mpmu_vcpu_filter_changed(&vcpu->mpmu);
}

void vcpu_write_lvtpc(struct vcpu *vcpu, u32 value)
{
	vcpu->lvtpc = value;
	if (mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu))
		bare_ops.route_pmi(&vcpu->mpmu);
}

/* Through the guest's LVTPC, which Intel masks then, and AMD does not. */
static void deliver_pmi(struct vcpu *vcpu)
{
	if (vcpu->lvtpc & LVT_MASKED)
		return;
	if ((vcpu->lvtpc & LVT_MODE) == LVT_NMI)
		vcpu->pending[PENDING_NMI] = INJECT_NMI;
	else
		vcpu->pending[PENDING_IRQ] = INJECT_IRQ | (vcpu->lvtpc & 0xff);
	if (guest_mode->vendor == MPMU_VENDOR_INTEL)
		vcpu_write_lvtpc(vcpu, vcpu->lvtpc | LVT_MASKED);
}

/* One per entry, of those that nothing holds back. */
u32 vcpu_take_event(struct vcpu *vcpu, bool shadow, bool in_nmi, u64 rflags)
{
	const bool blocked[] = { false, shadow || in_nmi, shadow || !(rflags & RFLAGS_IF) };

	for (u32 i = 0; i < NR_EVENTS; i++) {
		u32 event = blocked[i] ? 0 : vcpu->pending[i];

		vcpu->pending[i] -= event;
		if (event)
			return event;
	}
	return 0;
}

/* Reprogramming may ask for intercepts, so it comes first. */
static void handle_requests(struct vcpu *vcpu)
{
	u32 requests = __atomic_exchange_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST);

	if (requests & REQ_REPROGRAM)
		mpmu_vcpu_reprogram(&vcpu->cpu->mpmu, &vcpu->mpmu, vcpu->filter);
	requests |= __atomic_fetch_and(&vcpu->requests, ~(u32)REQ_INTERCEPTS, __ATOMIC_SEQ_CST);
	if (requests & REQ_INTERCEPTS)
		mpmu_vcpu_update_intercepts(&vcpu->mpmu);
	if (requests & REQ_PMI)
		deliver_pmi(vcpu);
}

/* The guest's instruction is done: it retires here. */
static void retire(struct vcpu *vcpu)
{
	vcpu->rip += vcpu->exit.length;
	mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_INSTRUCTIONS, vcpu->cpl);
}

/* What the host has and no guest: debug stores, leaf 23H, IBS, NB and L3 counters. */
static const struct { u32 leaf; struct cpuid bits; } hidden[] = {
	{ 1, { .ecx = BIT(2) | BIT(4), .edx = BIT(21) } }, { 7, { .eax = BIT(8) } },
	{ 0x23, { ~0u, ~0u, ~0u, ~0u } }, { 0x8000001b, { ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000001, { .ecx = BIT(10) | BIT(24) | BIT(28) } },
};

/* No leaf but 0AH depends on the model. */
static void emulate_cpuid(struct vcpu *vcpu)
{
	u32 leaf = (u32)vcpu->regs.rax;
	struct cpuid r = cpuid(leaf, (u32)vcpu->regs.rcx);
	struct mpmu_cpuid pmu = { .vendor = guest_mode->vendor };

	for (u32 i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (hidden[i].leaf != leaf)
			continue;
		r.eax &= ~hidden[i].bits.eax;
		r.ebx &= ~hidden[i].bits.ebx;
		r.ecx &= ~hidden[i].bits.ecx;
		r.edx &= ~hidden[i].bits.edx;
	}
	if (leaf == 0xa) {
		mpmu_caps_encode(&pmu, &vcpu->mpmu.caps);
		r = (struct cpuid){ pmu.leaf_0a[0], pmu.leaf_0a[1], pmu.leaf_0a[2], pmu.leaf_0a[3] };
	}
	vcpu->regs.rax = r.eax;
	vcpu->regs.rbx = r.ebx;
	vcpu->regs.rcx = r.ecx;
	vcpu->regs.rdx = r.edx;
	retire(vcpu);
}

static void emulate_hlt(struct vcpu *vcpu)
{
	retire(vcpu);
	vcpu->halted = true;
}

/* The result of RDMSR or RDPMC, in EDX:EAX, or #GP. */
static void finish_read(struct vcpu *vcpu, enum mpmu_result result, u64 value)
{
	if (result != MPMU_DONE) {
		vcpu->pending[PENDING_GP] = INJECT_GP;
		return;
	}
	vcpu->regs.rax = (u32)value;
	vcpu->regs.rdx = value >> 32;
	retire(vcpu);
}

/* EFER, what is beside the PMU, and a local APIC of which LVTPC alone does anything. */
static bool is_other_msr(u32 msr)
{
	return msr == MSR_EFER || (msr & ~0x3fu) == MSR_X2APIC ||
	       (guest_mode == &vmx && (msr == MSR_MISC_ENABLE || msr == MSR_PERF_CAPABILITIES));
}

static void emulate_rdmsr(struct vcpu *vcpu)
{
	u64 caps = BIT(13) | (vcpu->mpmu.caps.features & MPMU_FEAT_METRICS ? PERF_CAP_METRICS : 0);
	u32 msr = (u32)vcpu->regs.rcx;
	u64 value = msr == MSR_EFER ? EFER_GUEST : msr == MSR_X2APIC_LVTPC ? vcpu->lvtpc :
		    msr == MSR_MISC_ENABLE ? MISC_ENABLE : msr == MSR_PERF_CAPABILITIES ? caps : 0;
	enum mpmu_result result = is_other_msr(msr) ? MPMU_DONE :
		mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_GUEST, &value);

	finish_read(vcpu, result, value);
}

static void emulate_rdpmc(struct vcpu *vcpu)
{
	enum mpmu_result result = MPMU_GP;
	u64 value = 0;

	if (!vcpu->cpl || vcpu->cr4 & CR4_PCE)
		result = mpmu_rdpmc(&vcpu->cpu->mpmu, &vcpu->mpmu, (u32)vcpu->regs.rcx, &value);
	finish_read(vcpu, result, value);
}

/* The core retires its own. */
static void emulate_wrmsr(struct vcpu *vcpu)
{
	u32 msr = (u32)vcpu->regs.rcx;
	u64 value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;

	if (msr == MSR_X2APIC_LVTPC)
		vcpu_write_lvtpc(vcpu, (u32)value);
	if (is_other_msr(msr))
		retire(vcpu);
	else if (mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value) == MPMU_DONE)
		vcpu->rip += vcpu->exit.length;
	else
		vcpu->pending[PENDING_GP] = INJECT_GP;
}

/* No device is there to answer a read, but the one that calls the program. */
static void emulate_io(struct vcpu *vcpu)
{
	vcpu->called = (vcpu->exit.info >> 16 & 0xffff) == CALL_PORT;
	retire(vcpu);
}

/* Exits by their number on Intel and on AMD: emulated, or the end, or nothing is left to do. */
static const struct exit {
	u64 codes[2];
	void (*emulate)(struct vcpu *vcpu);
	const char *end;
} exits[] = {
	{ { 1, 0x60 }, NULL, NULL },		/* an interrupt of the host */
	{ { 7, 0x64 }, NULL, NULL },		/* the guest can take one, or an NMI */
	{ { 8, 0x74 }, NULL, NULL },
	{ { 28, 0x10 }, NULL, NULL },		/* CR0 or CR4, which vmx.c has seen to */
	{ { 10, 0x72 }, emulate_cpuid, NULL },
	{ { 12, 0x78 }, emulate_hlt, NULL },
	{ { 15, 0x6f }, emulate_rdpmc, NULL },
	{ { 30, 0x7b }, emulate_io, NULL },
	{ { 31, 0x7c }, emulate_rdmsr, NULL },
	{ { 32, 0x1007c }, emulate_wrmsr, NULL },
	{ { 2, 0x7f }, NULL, "triple fault" },
	{ { 48, 0x400 }, NULL, "it ran off its memory" },
	{ { 0, 0 }, NULL, "an exit that nobody expects" },	/* the last one */
};

static void handle_exit(struct vcpu *vcpu)
{
	const struct exit *exit = exits;

	while (exit->codes[0] && exit->codes[guest_mode->vendor] != vcpu->exit.code)
		exit++;
	vcpu->exits++;
	if (exit->emulate)
		exit->emulate(vcpu);
	vcpu->dead = exit->end != NULL;
	if (vcpu->dead && vcpu->name)
		print("%s: %s at %x, exit %x, %x, %x; it is stopped\n", vcpu->name, exit->end,
		      vcpu->rip, vcpu->exit.code, vcpu->exit.info, vcpu->exit.address);
}

enum vcpu_event vcpu_run(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;
	bool entered;

	for (vcpu->called = false; !vcpu->called;) {
		irqs_window();
		if (cpu->tick) {
			cpu->tick = false;
			return VCPU_TICK;
		}
		if (vcpu->dead)
			return VCPU_DEAD;
		handle_requests(vcpu);
		vcpu->halted &= !(vcpu->pending[PENDING_NMI] || vcpu->pending[PENDING_IRQ]);
		if (vcpu->halted)
			return VCPU_IDLE;
		if (mpmu_enter(&cpu->mpmu, &vcpu->mpmu))
			continue;
		entered = !vcpu->requests;	/* there may be new ones */
		if (entered)
			guest_mode->enter(vcpu);
		mpmu_exit(&cpu->mpmu, &vcpu->mpmu);
		if (entered)
			handle_exit(vcpu);
	}
	return VCPU_CALL;
}
