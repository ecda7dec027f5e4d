// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a vCPU: made, loaded on a CPU, run from exit to exit, put.  All
 * calls of libmpmu but those of its ops are here and in pmu.c.
 */
#include "bare.h"

#define NESTED_FLAGS	7	/* EPT: read, write, execute; NPT: present, writable, user */
#define NESTED_LARGE	0x80

#define MSR_X2APIC	0x800
#define MSR_X2APIC_END	0x83f
#define MSR_X2APIC_LVTPC 0x834

/* STAR, LSTAR, FMASK: the guest's for as long as it is loaded. */
const u32 syscall_msrs[NR_SYSCALL_MSRS] = { 0xc0000081, 0xc0000082, 0xc0000084 };

/* Guest-physical 0 up to VCPU_MEMORY, and nothing beyond. */
static bool make_memory(struct vcpu *vcpu)
{
	u64 *pml4 = alloc_pages(4), *pdpt = pml4 + 512, *pd = pdpt + 512;

	vcpu->memory = alloc_pages(VCPU_MEMORY / 0x1000);
	vcpu->nested_root = pml4;
	if (!pml4 || !vcpu->memory)
		return false;
	pml4[0] = (u64)pdpt | NESTED_FLAGS;
	pdpt[0] = (u64)pd | NESTED_FLAGS;
	pd[0] = (u64)vcpu->memory | NESTED_FLAGS | NESTED_LARGE | guest_mode->nested_leaf;
	return true;
}

void vcpu_intercept(struct vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	for (u32 write = 0; write < 2; write++) {
		u32 bit = guest_mode->bitmap_bit(msr, write);
		u8 *byte = &vcpu->msr_bitmap[bit / 8], mask = (u8)(1 << bit % 8);

		if (access & (write ? MPMU_WRITE : MPMU_READ))
			*byte = intercept ? *byte | mask : *byte & ~mask;
	}
}

bool vcpu_create(struct vcpu *vcpu, const char *name, const struct vcpu_start *start)
{
	struct mpmu_caps offer;

	*vcpu = (struct vcpu){
		.name = name, .cpu = this_cpu(), .msr_bitmap = alloc_pages(2),
		.rip = start->rip, .efer = EFER_LME | EFER_LMA,
		.lvtpc = LVT_MASKED, .requests = REQ_INTERCEPTS, .rdpmc_intercepted = true,
	};
	if (!vcpu->msr_bitmap || !make_memory(vcpu))
		return false;
	memset(vcpu->msr_bitmap, 0xff, 0x2000);
	for (u32 i = 0; i < NR_SYSCALL_MSRS; i++)
		vcpu_intercept(vcpu, syscall_msrs[i], MPMU_READ | MPMU_WRITE, false);
	if (!guest_mode->create(vcpu, start))
		return false;
	mpmu_caps_offer(&offer, &pmu_host.caps, MPMU_POLICY_FULL);
	mpmu_vcpu_init(&vcpu->mpmu, &pmu_host);
	return !mpmu_vcpu_configure(&vcpu->mpmu, &offer);
}

void vcpu_load(struct vcpu *vcpu)
{
	vcpu->cpu = this_cpu();
	vcpu->cpu->running = vcpu;
	vcpu->launched = false;
	if (guest_mode->load)
		guest_mode->load(vcpu);
}

/* What is latched for the guest arrives before another vCPU is loaded. */
void vcpu_put(struct vcpu *vcpu)
{
	mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	if (guest_mode->put)
		guest_mode->put(vcpu);
	vcpu->cpu->running = NULL;
	irqs_window();
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	__atomic_fetch_or(&vcpu->requests, request, __ATOMIC_SEQ_CST);
	if (vcpu->cpu != this_cpu() && vcpu->cpu->running == vcpu)
		send_ipi(vcpu->cpu->apic_id, VEC_KICK);
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
	if ((vcpu->lvtpc & LVT_MODE) == LVT_NMI) {
		vcpu->nmi_pending = true;
	} else {
		vcpu->irq_pending = true;
		vcpu->irq_vector = (u8)vcpu->lvtpc;
	}
	if (guest_mode->vendor == MPMU_VENDOR_INTEL)
		vcpu_write_lvtpc(vcpu, vcpu->lvtpc | LVT_MASKED);
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

static void emulate_cpuid(struct vcpu *vcpu)
{
	struct cpuid r = cpuid((u32)vcpu->regs.rax, (u32)vcpu->regs.rcx);

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
	vcpu->gp_pending = result != MPMU_DONE;
	if (vcpu->gp_pending)
		return;
	vcpu->regs.rax = (u32)value;
	vcpu->regs.rdx = value >> 32;
	retire(vcpu);
}

static void emulate_rdmsr(struct vcpu *vcpu)
{
	u32 msr = (u32)vcpu->regs.rcx;
	enum mpmu_result result = MPMU_DONE;
	u64 value = 0;

	if (msr == MSR_EFER)
		value = vcpu->efer;
	else if (msr == MSR_X2APIC_LVTPC)
		value = vcpu->lvtpc;
	else if (msr < MSR_X2APIC || msr > MSR_X2APIC_END)
		result = mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_GUEST, &value);
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

static void emulate_wrmsr(struct vcpu *vcpu)
{
	u32 msr = (u32)vcpu->regs.rcx;
	u64 value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;

	if (mpmu_msr_exists(&vcpu->mpmu, msr)) {
		vcpu->gp_pending = mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value);
		vcpu->rip += vcpu->gp_pending ? 0 : vcpu->exit.length;	/* it has retired */
		return;
	}
	if (msr == MSR_EFER)
		vcpu->efer = (value & EFER_SCE) | EFER_LME | EFER_LMA;
	else if (msr == MSR_X2APIC_LVTPC)
		vcpu_write_lvtpc(vcpu, (u32)value);
	vcpu->gp_pending = msr != MSR_EFER && (msr < MSR_X2APIC || msr > MSR_X2APIC_END);
	if (!vcpu->gp_pending)
		retire(vcpu);
}

/* No device is there, but the one that calls the program. */
static void emulate_io(struct vcpu *vcpu)
{
	if (vcpu->exit.detail & 1)
		vcpu->regs.rax |= 0xff;
	vcpu->called = vcpu->exit.detail >> 16 == CALL_PORT;
	retire(vcpu);
}

/* An exit is emulated, or the end. */
static const struct {
	void (*emulate)(struct vcpu *vcpu);
	const char *end;
} exits[NR_EXITS] = {
	[EXIT_CPUID] = { .emulate = emulate_cpuid },
	[EXIT_HLT] = { .emulate = emulate_hlt },
	[EXIT_RDMSR] = { .emulate = emulate_rdmsr },
	[EXIT_WRMSR] = { .emulate = emulate_wrmsr },
	[EXIT_RDPMC] = { .emulate = emulate_rdpmc },
	[EXIT_IO] = { .emulate = emulate_io },
	[EXIT_SHUTDOWN] = { .end = "triple fault" },
	[EXIT_MEMORY] = { .end = "it ran off its memory" },
	[EXIT_OTHER] = { .end = "an exit that nobody expects" },
};

static void handle_exit(struct vcpu *vcpu)
{
	const char *end = exits[vcpu->exit.kind].end;

	if (exits[vcpu->exit.kind].emulate)
		exits[vcpu->exit.kind].emulate(vcpu);
	vcpu->dead = end != NULL;
	if (end && vcpu->name)
		print("%s: %s at %x, exit %x, %x; it is stopped\n", vcpu->name, end, vcpu->rip,
		      vcpu->exit.code, vcpu->exit.detail);
}

/* Something to do in guest mode, and the PMU in the right hands? */
static bool may_enter(struct vcpu *vcpu)
{
	handle_requests(vcpu);
	if (mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu))
		return false;
	if (!vcpu->requests)
		return true;
	mpmu_exit(&vcpu->cpu->mpmu, &vcpu->mpmu);
	return false;
}

enum vcpu_event vcpu_run(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;

	for (vcpu->called = false; !vcpu->called;) {
		irqs_window();
		if (cpu->tick) {
			cpu->tick = false;
			return VCPU_TICK;
		}
		if (vcpu->dead)
			return VCPU_DEAD;
		vcpu->halted &= !(vcpu->nmi_pending || vcpu->irq_pending || vcpu->requests);
		if (vcpu->halted)
			return VCPU_IDLE;
		if (!may_enter(vcpu))
			continue;
		guest_mode->enter(vcpu);
		vcpu->exits++;
		mpmu_exit(&cpu->mpmu, &vcpu->mpmu);
		handle_exit(vcpu);
	}
	return VCPU_CALL;
}
