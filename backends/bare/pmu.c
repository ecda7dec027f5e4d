// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The port of libmpmu: the table of operations, and the host's own user of the
 * PMU, a profiler that samples the hypervisor by an interrupt like any other.
 */
#include "bare.h"

#define MSR_PERF_CAPABILITIES	0x345

/* More instructions than hardware needs to raise an interrupt. */
#define DRAIN_POLLS	256
/* A status bit without an interrupt is not waited for any longer. */
#define MAX_REFUSALS	100

/* The profiler's counter; its event: instructions of the kernel. */
#define PROFILER_PMC	5
#define EVENT		0xc0ull
#define SEL_OS		BIT(17)
#define SEL_INT		BIT(20)
#define SEL_ENABLE	BIT(22)
#define SEL_HOST_ONLY	BIT(41)		/* AMD */
#define MASK48		(BIT(48) - 1)

/* Where the two vendors have the registers of the host's own use. */
static const struct registers {
	u32 counter, eventsel, shift, global_ctrl, status, status_clear;
	u64 host_only;
} registers[] = {
	[MPMU_VENDOR_INTEL] = { 0x4c1, 0x186, 0, 0x38f, 0x38e, 0x390, 0 },
	[MPMU_VENDOR_AMD] = { 0xc0010201, 0xc0010200, 1, 0xc0000301, 0xc0000300, 0xc0000302,
			      SEL_HOST_ONLY },
};
static const struct registers *r;
static u32 counter, eventsel;

struct mpmu_host pmu_host;

static struct vcpu *vcpu_of(const struct mpmu_vcpu *vcpu)
{
	return (struct vcpu *)vcpu;	/* its first member */
}

static void write_global_ctrl(struct cpu *cpu, u64 value)
{
	cpu->global_ctrl = value;
	wrmsr(r->global_ctrl, value);
}

/* --- the profiler --- */

/* With IRQs off, on its CPU: into the registers, and out of them. */
static void profiler_resume(struct cpu *cpu)
{
	struct profiler *p = &cpu->profiler;

	p->running = true;
	p->start = p->period ? (p->count % p->period - p->period) & MASK48 : 0;
	wrmsr(counter, p->start);
	wrmsr(eventsel, EVENT | SEL_OS | SEL_INT | SEL_ENABLE | r->host_only);
	write_global_ctrl(cpu, BIT(PROFILER_PMC));
}

static void profiler_pause(struct cpu *cpu)
{
	struct profiler *p = &cpu->profiler;

	write_global_ctrl(cpu, 0);
	p->count += (rdmsr(counter) - p->start) & MASK48;
	p->running = false;
	p->dirty = BIT(PROFILER_PMC);
	wrmsr(eventsel, 0);
}

void profiler_start(u64 period)
{
	struct cpu *cpu = this_cpu();

	mpmu_reclaim(&cpu->mpmu);
	cpu->profiler = (struct profiler){ .on = true, .period = period };
	profiler_resume(cpu);
}

void profiler_stop(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->profiler.running)
		profiler_pause(cpu);
	cpu->profiler.on = false;
}

u64 profiler_count(const struct cpu *cpu)
{
	const struct profiler *p = &cpu->profiler;

	return p->count + (p->running ? (rdmsr(counter) - p->start) & MASK48 : 0);
}

void pmu_host_interrupt(struct cpu *cpu, u64 rip)
{
	u64 status = rdmsr(r->status) & pmu_host.caps.counters;

	cpu->profiler.samples++;
	cpu->profiler.last_rip = rip;
	if (cpu->profiler.running)
		profiler_pause(cpu);
	wrmsr(r->status_clear, status);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
	if (cpu->profiler.on)
		profiler_resume(cpu);
}

void pmu_guest_interrupt(struct cpu *cpu)
{
	mpmu_pmi(&cpu->mpmu);
	/* Intel has masked the LVTPC as it delivered the interrupt. */
	if (cpu->mpmu.owner)
		mpmu_call(cpu->mpmu.owner, route_pmi);
}

/* --- the operations --- */

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

static bool op_host_active(const struct mpmu_vcpu *vcpu)
{
	return this_cpu()->profiler.running;
}

static void op_displace(const struct mpmu_vcpu *vcpu)
{
	profiler_pause(this_cpu());
}

static void op_replace(const struct mpmu_vcpu *vcpu)
{
	profiler_resume(this_cpu());
}

/* A status bit is an interrupt of the host that is late. */
static bool op_own(const struct mpmu_vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();
	u64 status = rdmsr(r->status) & vcpu->host->caps.counters;

	if (status && cpu->refusals++ < MAX_REFUSALS)
		return false;
	cpu->refusals = 0;
	if (status)
		wrmsr(r->status_clear, status);
	wrmsr(r->global_ctrl, 0);
	return true;
}

static void op_disown(const struct mpmu_vcpu *vcpu)
{
	wrmsr(r->global_ctrl, this_cpu()->global_ctrl);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
}

static mpmu_pmcs op_take_dirty(const struct mpmu_vcpu *vcpu)
{
	struct profiler *p = &this_cpu()->profiler;
	mpmu_pmcs dirty = p->dirty;

	p->dirty = 0;
	return dirty;
}

static void op_route_pmi(const struct mpmu_vcpu *vcpu)
{
	apic(APIC_LVTPC) = VEC_GUEST_PMI | (vcpu_of(vcpu)->lvtpc & LVT_MASKED);
}

/* Once the local APIC has latched it, it has the guest's vector for good. */
static void op_drain_pmi(const struct mpmu_vcpu *vcpu)
{
	for (u32 i = 0; i < DRAIN_POLLS; i++) {
		if (apic(APIC_IRR + VEC_GUEST_PMI / 32 * 0x10) & BIT(VEC_GUEST_PMI % 32))
			return;
		__builtin_ia32_pause();
	}
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

/* --- the machine --- */

static void read_leaves(struct mpmu_cpuid *leaves)
{
	struct cpuid pmu = cpuid(0xa, 0), v2 = cpuid(0x80000022, 0);

	*leaves = (struct mpmu_cpuid){
		.vendor = guest_mode->vendor,
		.leaf_0a = { pmu.eax, pmu.ebx, pmu.ecx, pmu.edx },
		.leaf_80000022 = { v2.eax, v2.ebx },
		.leaf_80000001_ecx = cpuid(0x80000001, 0).ecx,
		.leaf_07_ebx = cpuid(7, 0).ebx,
	};
	if (cpuid(1, 0).ecx & BIT(15))
		leaves->perf_capabilities = rdmsr(MSR_PERF_CAPABILITIES);
}

const char *pmu_init(void)
{
	struct mpmu_cpuid leaves;
	struct mpmu_caps caps;
	const char *missing;

	read_leaves(&leaves);
	if (mpmu_caps_decode(&caps, &leaves))
		return "a PMU that CPUID describes without contradiction";
	caps.features |= guest_mode->features;
	missing = mpmu_caps_missing(&caps);
	if (missing || mpmu_host_init(&pmu_host, &bare_ops, &caps))
		return missing ? missing : "a PMU that libmpmu supports";
	r = &registers[caps.vendor];
	counter = r->counter + (PROFILER_PMC << r->shift);
	eventsel = r->eventsel + (PROFILER_PMC << r->shift);
	return NULL;
}

/* Firmware may leave the registers in any state. */
void pmu_init_cpu(struct cpu *cpu)
{
	u32 pmc;

	mpmu_cpu_reset(&cpu->mpmu);
	write_global_ctrl(cpu, 0);
	for (pmc = 0; pmc < 32; pmc++)
		if (pmu_host.caps.counters & BIT(pmc))
			wrmsr(r->eventsel + (pmc << r->shift), 0);
	wrmsr(r->status_clear, rdmsr(r->status) & pmu_host.caps.counters);
	apic(APIC_LVTPC) = VEC_HOST_PMI;
}
