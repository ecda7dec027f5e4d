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

#define LVT_MODE	0x700
#define LVT_NMI		0x400
#define LVT_MASKED	0x10000

static const u32 direct_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_FMASK };

/* Guest-physical 0 up to VCPU_MEMORY, and nothing beyond. */
static bool make_memory(struct vcpu *vcpu)
{
	u64 *pdpt = alloc_pages(1), *pd = alloc_pages(1);

	vcpu->nested_root = alloc_pages(1);
	vcpu->memory = alloc_pages(VCPU_MEMORY / 0x1000);
	if (!pdpt || !pd || !vcpu->nested_root || !vcpu->memory)
		return false;
	vcpu->nested_root[0] = (u64)pdpt | NESTED_FLAGS;
	pdpt[0] = (u64)pd | NESTED_FLAGS;
	pd[0] = (u64)vcpu->memory | NESTED_FLAGS | NESTED_LARGE | guest_mode->nested_leaf;
	return true;
}

static void set_bit(u8 *map, u32 bit, bool on)
{
	u8 mask = (u8)(1 << bit % 8);

	map[bit / 8] = on ? map[bit / 8] | mask : map[bit / 8] & ~mask;
}

void vcpu_intercept(struct vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	if (access & MPMU_READ)
		set_bit(vcpu->msr_bitmap, guest_mode->bitmap_bit(msr, false), intercept);
	if (access & MPMU_WRITE)
		set_bit(vcpu->msr_bitmap, guest_mode->bitmap_bit(msr, true), intercept);
}

bool vcpu_intercepted(const struct vcpu *vcpu, u32 msr, bool write)
{
	u32 bit = guest_mode->bitmap_bit(msr, write);

	return vcpu->msr_bitmap[bit / 8] >> bit % 8 & 1;
}

static bool make_bitmap(struct vcpu *vcpu)
{
	vcpu->msr_bitmap = alloc_pages(2);
	if (!vcpu->msr_bitmap)
		return false;
	memset(vcpu->msr_bitmap, 0xff, 0x2000);
	for (u32 i = 0; i < sizeof(direct_msrs) / sizeof(direct_msrs[0]); i++)
		vcpu_intercept(vcpu, direct_msrs[i], MPMU_READ | MPMU_WRITE, false);
	return true;
}

bool vcpu_create(struct vcpu *vcpu, const char *name, const struct vcpu_start *start)
{
	struct mpmu_caps offer;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->name = name;
	vcpu->cpu = this_cpu();
	vcpu->lvtpc = LVT_MASKED;
	vcpu->efer = EFER_LME | EFER_LMA;
	vcpu->requests = REQ_INTERCEPTS;
	if (!make_memory(vcpu) || !make_bitmap(vcpu) || !guest_mode->create(vcpu, start))
		return false;
	mpmu_caps_offer(&offer, &pmu_host.caps, MPMU_POLICY_FULL);
	mpmu_vcpu_init(&vcpu->mpmu, &pmu_host);
	return !mpmu_vcpu_configure(&vcpu->mpmu, &offer);
}

void vcpu_load(struct vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	vcpu->cpu = cpu;
	cpu->running = vcpu;
	guest_mode->load(vcpu);
}

/* What is latched for the guest arrives before another vCPU is loaded. */
void vcpu_put(struct vcpu *vcpu)
{
	mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	guest_mode->put(vcpu);
	vcpu->cpu->running = NULL;
	irqs_window();
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	__atomic_fetch_or(&vcpu->requests, request, __ATOMIC_SEQ_CST);
	if (vcpu->cpu != this_cpu() && vcpu->cpu->running == vcpu)
		kick(vcpu->cpu);
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
static void retire(struct vcpu *vcpu, const struct exit *exit, bool counted)
{
	guest_mode->set_rip(vcpu, guest_mode->rip(vcpu) + exit->length);
	vcpu->emulated++;
	if (!counted)
		mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_INSTRUCTIONS,
			     guest_mode->cpl(vcpu));
}

static void emulate_cpuid(struct vcpu *vcpu, const struct exit *exit)
{
	struct cpuid r = cpuid((u32)vcpu->regs.rax, (u32)vcpu->regs.rcx);

	vcpu->regs.rax = r.eax;
	vcpu->regs.rbx = r.ebx;
	vcpu->regs.rcx = r.ecx;
	vcpu->regs.rdx = r.edx;
	retire(vcpu, exit, false);
}

static bool is_x2apic(u32 msr)
{
	return msr >= MSR_X2APIC && msr <= MSR_X2APIC_END;
}

static enum mpmu_result read_msr(struct vcpu *vcpu, u32 msr, u64 *value)
{
	*value = 0;
	if (msr == MSR_EFER)
		*value = vcpu->efer;
	else if (is_x2apic(msr))
		*value = msr == MSR_X2APIC_LVTPC ? vcpu->lvtpc : 0;
	else
		return mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_GUEST, value);
	return MPMU_DONE;
}

static enum mpmu_result write_msr(struct vcpu *vcpu, u32 msr, u64 value)
{
	if (msr == MSR_EFER)
		guest_mode->write_efer(vcpu, vcpu->efer = (value & EFER_SCE) | EFER_LME | EFER_LMA);
	else if (msr == MSR_X2APIC_LVTPC)
		vcpu_write_lvtpc(vcpu, (u32)value);
	else if (!is_x2apic(msr))
		return MPMU_NOT_PMU;
	return MPMU_DONE;
}

/* The result of RDMSR or RDPMC, in EDX:EAX, or #GP. */
static void finish_read(struct vcpu *vcpu, const struct exit *exit, enum mpmu_result result,
			u64 value)
{
	if (result != MPMU_DONE) {
		guest_mode->inject_gp(vcpu);
		return;
	}
	vcpu->regs.rax = (u32)value;
	vcpu->regs.rdx = value >> 32;
	retire(vcpu, exit, false);
}

static void emulate_rdmsr(struct vcpu *vcpu, const struct exit *exit)
{
	u64 value;
	enum mpmu_result result = read_msr(vcpu, (u32)vcpu->regs.rcx, &value);

	finish_read(vcpu, exit, result, value);
}

static void emulate_rdpmc(struct vcpu *vcpu, const struct exit *exit)
{
	enum mpmu_result result = MPMU_GP;
	u64 value = 0;

	if (!guest_mode->cpl(vcpu) || guest_mode->cr4(vcpu) & CR4_PCE)
		result = mpmu_rdpmc(&vcpu->cpu->mpmu, &vcpu->mpmu, (u32)vcpu->regs.rcx, &value);
	finish_read(vcpu, exit, result, value);
}

/* mpmu_wrmsr() lets the instruction retire by itself. */
static void emulate_wrmsr(struct vcpu *vcpu, const struct exit *exit)
{
	u32 msr = (u32)vcpu->regs.rcx;
	u64 value = (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;
	bool is_pmu = mpmu_msr_exists(&vcpu->mpmu, msr);
	enum mpmu_result result = is_pmu ? mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value)
					 : write_msr(vcpu, msr, value);

	if (result == MPMU_DONE)
		retire(vcpu, exit, is_pmu);
	else
		guest_mode->inject_gp(vcpu);
}

/* No device is there, but the one that calls the program. */
static bool emulate_io(struct vcpu *vcpu, const struct exit *exit)
{
	if (exit->detail & 1)
		vcpu->regs.rax |= 0xff;
	retire(vcpu, exit, false);
	return exit->detail >> 16 == CALL_PORT;
}

static void kill(struct vcpu *vcpu, const char *why, const struct exit *exit)
{
	vcpu->dead = true;
	if (vcpu->name)
		print("%s: %s at %x, exit %x, %x; it is stopped\n", vcpu->name, why,
		      guest_mode->rip(vcpu), exit->code, exit->detail);
}

/* True: the program is called. */
static bool handle_exit(struct vcpu *vcpu, const struct exit *exit)
{
	switch (exit->kind) {
	case EXIT_INTERRUPT:
	case EXIT_WINDOW:
		break;
	case EXIT_CPUID:
		emulate_cpuid(vcpu, exit);
		break;
	case EXIT_HLT:
		retire(vcpu, exit, false);
		vcpu->halted = true;
		break;
	case EXIT_RDMSR:
		emulate_rdmsr(vcpu, exit);
		break;
	case EXIT_WRMSR:
		emulate_wrmsr(vcpu, exit);
		break;
	case EXIT_RDPMC:
		emulate_rdpmc(vcpu, exit);
		break;
	case EXIT_IO:
		return emulate_io(vcpu, exit);
	case EXIT_SHUTDOWN:
		kill(vcpu, "triple fault", exit);
		break;
	case EXIT_MEMORY:
		kill(vcpu, "it ran off its memory", exit);
		break;
	case EXIT_OTHER:
		kill(vcpu, "an exit that nobody expects", exit);
		break;
	}
	return false;
}

/* Something to do in guest mode, and the PMU in the right hands? */
static bool may_enter(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;

	handle_requests(vcpu);
	if (mpmu_enter(&cpu->mpmu, &vcpu->mpmu))
		return false;
	if (!vcpu->requests)
		return true;
	mpmu_exit(&cpu->mpmu, &vcpu->mpmu);
	return false;
}

static bool is_idle(struct vcpu *vcpu)
{
	vcpu->halted &= !(vcpu->nmi_pending || vcpu->irq_pending || vcpu->requests);
	return vcpu->halted;
}

enum vcpu_event vcpu_run(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;

	for (;;) {
		struct exit exit;

		irqs_window();
		if (cpu->tick) {
			cpu->tick = false;
			return VCPU_TICK;
		}
		if (vcpu->dead)
			return VCPU_DEAD;
		if (is_idle(vcpu))
			return VCPU_IDLE;
		if (!may_enter(vcpu))
			continue;
		guest_mode->inject(vcpu);
		exit = guest_mode->enter(vcpu);
		vcpu->exits++;
		mpmu_exit(&cpu->mpmu, &vcpu->mpmu);
		if (handle_exit(vcpu, &exit))
			return VCPU_CALL;
	}
}
