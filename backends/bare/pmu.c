// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The port of libmpmu: the table of operations, and the host's own use of the
 * PMU, one event that counts the hypervisor and has an interrupt like any other.
 */
#include "bare.h"

/* More than hardware needs to raise an interrupt; a sixteenth is what it needs. */
#define DRAIN_POLLS	256
/* A status bit without an interrupt is not waited for any longer. */
#define MAX_REFUSALS	100

/* Counter 5; its event: instructions of the kernel, with an interrupt. */
#define HOST_PMC	BIT(5)
#define EVENT		(0xc0 | BIT(17) | BIT(20) | BIT(22))
#define SEL_HOST_ONLY	BIT(41)
#define MASK48		(BIT(48) - 1)

/* Where the two vendors have the registers of the host's own use. */
static const struct registers {
	u32 eventsel, counter, global_ctrl, status, status_clear;
	u64 event;
} registers[] = {
	[MPMU_VENDOR_INTEL] = { 0x18b, 0x4c6, 0x38f, 0x38e, 0x390, EVENT },
	[MPMU_VENDOR_AMD] = { 0xc001020a, 0xc001020b, 0xc0000301, 0xc0000300, 0xc0000302,
			      EVENT | SEL_HOST_ONLY },
};
static const struct registers *r;
struct mpmu_host pmu_host;

#define ALL_PMCS (pmu_host.caps.counters | pmu_host.caps.global_ctrl_extra)
#define vcpu_of(vcpu) ((struct vcpu *)(vcpu))	/* its first member */

static void write_global_ctrl(struct cpu *cpu, u64 value)
{
	cpu->global_ctrl = value;
	wrmsr(r->global_ctrl, value);
}

/* The host's own event, with IRQs off, on its CPU. */
static bool op_host_active(const struct mpmu_vcpu *vcpu)
{
	return this_cpu()->global_ctrl;
}

static void op_displace(const struct mpmu_vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	write_global_ctrl(cpu, 0);
	cpu->event = rdmsr(r->counter);
	cpu->dirty = HOST_PMC;
	wrmsr(r->eventsel, 0);
}

static void op_restore(const struct mpmu_vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	wrmsr(r->counter, cpu->event);
	wrmsr(r->eventsel, r->event);
	write_global_ctrl(cpu, HOST_PMC);
}

static mpmu_pmcs op_take_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	mpmu_pmcs dirty = this_cpu()->dirty & counters;

	this_cpu()->dirty &= ~dirty;
	return dirty;
}

void pmu_start(u64 value)
{
	mpmu_reclaim(&this_cpu()->mpmu);
	this_cpu()->event = value & MASK48;
	op_restore(NULL);
}

u64 pmu_stop(void)
{
	if (op_host_active(NULL))
		op_displace(NULL);
	return this_cpu()->event;
}

/* Where a vCPU owns the PMU, the status is the guest's: own() has seen to this one's. */
void pmu_host_interrupt(struct cpu *cpu, u64 rip)
{
	if (cpu->mpmu.owner)
		return;
	wrmsr(r->status_clear, rdmsr(r->status) & ALL_PMCS);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
	bare_overflow(rip);
}

void pmu_guest_interrupt(struct cpu *cpu)
{
	mpmu_pmi(&cpu->mpmu);
	/* Intel has masked the LVTPC as it delivered the interrupt. */
	if (cpu->mpmu.owner)
		mpmu_call(cpu->mpmu.owner, route_pmi);
}

static u64 op_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	return rdmsr(msr);
}

static void op_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	wrmsr(msr, value);
}

/* VMX keeps it; for SVM it is hardware's, and the core asks for neither. */
static u64 op_get_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	return vcpu_of(vcpu)->global_ctrl;
}

static void op_set_global_ctrl(const struct mpmu_vcpu *vcpu, u64 value)
{
	vcpu_of(vcpu)->global_ctrl = value;
}

static void op_set_intercept(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	vcpu_intercept(vcpu_of(vcpu), msr, access, intercept);
}

static void op_set_rdpmc_intercept(const struct mpmu_vcpu *vcpu, bool intercept)
{
	vcpu_of(vcpu)->rdpmc_intercepted = intercept;
}

/* Untouched: nothing counts in the guest.  The core sets the value otherwise. */
static void op_set_touched(const struct mpmu_vcpu *vcpu, bool touched)
{
	if (!touched)
		vcpu_of(vcpu)->global_ctrl = 0;
}

/* Not called, as this port lends the host no counter: it displaces. */
static bool op_share(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	return true;
}

/* A status bit is an interrupt of the host that is late. */
static bool op_own(const struct mpmu_vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();
	u64 status = rdmsr(r->status) & ALL_PMCS;

	if (status && cpu->refusals++ < MAX_REFUSALS)
		return false;
	cpu->refusals = 0;
	wrmsr(r->status_clear, status);
	wrmsr(r->global_ctrl, 0);
	return true;
}

static void op_disown(const struct mpmu_vcpu *vcpu)
{
	wrmsr(r->global_ctrl, this_cpu()->global_ctrl);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
}

static void op_route_pmi(const struct mpmu_vcpu *vcpu)
{
	apic(APIC_LVTPC) = VEC_GUEST_PMI | (vcpu_of(vcpu)->lvtpc & LVT_MASKED);
}

/* Once the local APIC has latched it, it has the guest's vector for good. */
static bool op_drain_pmi(const struct mpmu_vcpu *vcpu, bool briefly)
{
	for (u32 i = briefly ? DRAIN_POLLS / 16 : DRAIN_POLLS; i; i--)
		if (apic(APIC_LVTPC) & LVT_MASKED ||
		    apic(APIC_IRR + VEC_GUEST_PMI / 32 * 0x10) & BIT(VEC_GUEST_PMI % 32))
			return false;
	return true;
}

#define OP_REQUEST(name, request)				\
static void op_request_##name(const struct mpmu_vcpu *vcpu)	\
{								\
	vcpu_request(vcpu_of(vcpu), request);			\
}
OP_REQUEST(pmi, REQ_PMI)
OP_REQUEST(reprogram, REQ_REPROGRAM)
OP_REQUEST(intercepts, REQ_INTERCEPTS)

const struct mpmu_ops bare_ops = {
#define MPMU_OP(ret, name, args) .name = op_##name,
#include <mpmu/ops.def>
#undef MPMU_OP
};

static int read_caps(struct mpmu_caps *caps)
{
	struct cpuid pmu = cpuid(0xa, 0), v2 = cpuid(0x80000022, 0);
	struct mpmu_cpuid leaves = {
		.vendor = guest_mode->vendor,
		.leaf_0a = { pmu.eax, pmu.ebx, pmu.ecx, pmu.edx },
		.leaf_80000022 = { v2.eax, v2.ebx },
		.leaf_80000001_ecx = cpuid(0x80000001, 0).ecx,
		.leaf_07_ebx = cpuid(7, 0).ebx,
	};

	if (cpuid(1, 0).ecx & BIT(15))
		leaves.perf_capabilities = rdmsr(MSR_PERF_CAPABILITIES);
	if (mpmu_caps_decode(caps, &leaves))
		return -1;
	/* Guests would reach what the library ignores. */
	return leaves.perf_capabilities & PERF_CAP_METRICS && !caps->metrics_width ? -1 : 0;
}

/* No leaf tells the fields of PERF_METRICS: Sapphire, Emerald and Granite Rapids have eight. */
static u8 metrics_width(void)
{
	static const u32 eight[] = { 0x806f0, 0xc06f0, 0xa06d0, 0xa06e0 };
	u32 model = cpuid(1, 0).eax & 0x0fff0ff0;

	for (u32 i = 0; i < sizeof(eight) / sizeof(eight[0]); i++)
		if (model == eight[i])
			return 64;
	return 32;
}

const char *pmu_init(void)
{
	struct mpmu_caps caps;
	const char *missing;

	if (read_caps(&caps))
		return "a PMU that CPUID describes without contradiction";
	caps.features |= guest_mode->features;
	caps.metrics_width = caps.metrics_width ? metrics_width() : 0;
	missing = mpmu_caps_missing(&caps) ?:
		  caps.counters & HOST_PMC ? NULL : "a sixth counter, for the host";
	if (!missing && mpmu_host_init(&pmu_host, &bare_ops, &caps))
		missing = "a PMU that libmpmu supports";
	r = &registers[caps.vendor];
	return missing;
}

/* Firmware may leave the registers in any state; the core writes what it does not know. */
void pmu_init_cpu(struct cpu *cpu)
{
	mpmu_cpu_reset(&cpu->mpmu);
	write_global_ctrl(cpu, 0);
	wrmsr(r->status_clear, rdmsr(r->status) & ALL_PMCS);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
}
