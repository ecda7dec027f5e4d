// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of operations over the software PMU. */
#include "hv.h"

/* Contract of every slot: IRQs off, on the vCPU's CPU. */
static struct stub_cpu *here(const struct mpmu_vcpu *vcpu, const char *op)
{
	struct stub_vcpu *v = stub_vcpu_of(vcpu);

	if (!v->machine->irqs_off)
		stub_fault("%s: IRQs are on", op);
	if (v->cpu != v->machine->here)
		stub_fault("%s: on another CPU than the vCPU's", op);
	return v->machine->here;
}

/* The slots that must not be called from mpmu_reclaim(). */
static struct stub_cpu *here_no_reclaim(const struct mpmu_vcpu *vcpu, const char *op)
{
	struct stub_cpu *cpu = here(vcpu, op);

	if (cpu->reclaiming)
		stub_fault("%s: called from reclaim", op);
	return cpu;
}

/* An NMI comes in the middle of anything. */
static void accessed(const struct mpmu_vcpu *vcpu)
{
	struct stub_machine *machine = stub_vcpu_of(vcpu)->machine;
	struct stub_perf *perf = &machine->here->perf;

	if (perf->nmi_after && !--perf->nmi_after)
		stub_perf_take_nmi(machine);
}

static u64 op_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	struct stub_cpu *cpu = here(vcpu, "rdmsr");
	u64 value;

	cpu->reads++;
	value = stub_pmu_rdmsr_strict(&cpu->pmu, msr);
	accessed(vcpu);
	return value;
}

static void op_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	struct stub_cpu *cpu = here(vcpu, "wrmsr");

	cpu->writes++;
	stub_pmu_wrmsr_strict(&cpu->pmu, msr, value);
	accessed(vcpu);
}

/* VMREAD and VMWRITE reach the current VMCS alone. */
static struct stub_vcpu *current_vmcs(const struct mpmu_vcpu *vcpu, const char *op)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, op);
	struct stub_vcpu *v = stub_vcpu_of(vcpu);

	if (!(cpu->pmu.caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL))
		stub_fault("%s: this host has no GLOBAL_CTRL in a VMCS", op);
	if (!v->loaded)
		stub_fault("%s: the VMCS is not current", op);
	return v;
}

static u64 op_get_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	return current_vmcs(vcpu, "get_global_ctrl")->vmcs_global_ctrl;
}

static void op_set_global_ctrl(const struct mpmu_vcpu *vcpu, u64 value)
{
	const struct mpmu_caps *caps = &vcpu->host->caps;

	if (value & ~stub_pmcs(caps))
		stub_fault("set_global_ctrl: reserved bits, VM-entry would fail");
	current_vmcs(vcpu, "set_global_ctrl")->vmcs_global_ctrl = value;
}

static void op_set_intercept(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	here_no_reclaim(vcpu, "set_intercept");
	stub_set_intercept(stub_vcpu_of(vcpu), msr, access, intercept);
}

static void op_set_rdpmc_intercept(const struct mpmu_vcpu *vcpu, bool intercept)
{
	here_no_reclaim(vcpu, "set_rdpmc_intercept");
	stub_vcpu_of(vcpu)->rdpmc_direct = !intercept;
}

static void op_set_touched(const struct mpmu_vcpu *vcpu, bool touched)
{
	here_no_reclaim(vcpu, "set_touched");
	stub_vcpu_of(vcpu)->touched = touched;
}

static bool op_host_active(const struct mpmu_vcpu *vcpu)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, "host_active");

	if (cpu->mpmu.owner)
		stub_fault("host_active: a vCPU owns the PMU");
	return stub_perf_active(cpu);
}

static void op_displace(const struct mpmu_vcpu *vcpu)
{
	here_no_reclaim(vcpu, "displace");
	stub_perf_displace(stub_vcpu_of(vcpu)->machine);
}

static void op_restore(const struct mpmu_vcpu *vcpu)
{
	here_no_reclaim(vcpu, "restore");
	stub_perf_restore(stub_vcpu_of(vcpu)->machine);
}

static bool op_share(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, "share");
	struct stub_vcpu *v = stub_vcpu_of(vcpu);

	if (host & ~cpu->perf.lent)
		stub_fault("share: counters that are not lent");
	if (!stub_perf_share(v->machine, host))
		return false;
	v->vmcs_host_global_ctrl = host;
	return true;
}

static bool op_own(const struct mpmu_vcpu *vcpu)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, "own");

	if (cpu->pmu.owned)
		stub_fault("own: the PMU is owned already");
	if (stub_perf_active(cpu))
		stub_fault("own: host events are on the PMU");
	/* Its interrupt is late, and the host's to take. */
	if (cpu->pmu.status & stub_pmcs(&cpu->pmu.caps) & ~cpu->perf.lent)
		return false;
	cpu->pmu.owned = true;
	cpu->pmu.lent = cpu->perf.lent;
	stub_pmu_set_global_ctrl(&cpu->pmu, cpu->perf.lent & cpu->perf.global_ctrl);
	cpu->pmu.metrics_unsettled = false;
	return true;
}

/* No value of a guest may be left (invariant 2). */
static void check_scrubbed(const struct stub_pmu *pmu)
{
	mpmu_pmcs counters = stub_pmu_counters_of(pmu, STUB_OF_GUEST);
	u32 eventsels = stub_pmu_eventsels_of(pmu, STUB_OF_GUEST);

	if (counters || eventsels)
		stub_fault("disown: counters %#llx, selectors %#x hold values of the guest",
			   (unsigned long long)counters, eventsels);
	if (pmu->fixed_ctrl.origin == STUB_OF_GUEST || pmu->global_ctrl.origin == STUB_OF_GUEST)
		stub_fault("disown: a control register holds a value of the guest");
	if (pmu->metrics_unsettled && pmu->metrics.value)
		stub_fault("disown: PERF_METRICS was not written after fixed counter 3");
	if (pmu->status_of_guest)
		stub_fault("disown: status %#llx of the guest is left",
			   (unsigned long long)pmu->status_of_guest);
}

static void op_disown(const struct mpmu_vcpu *vcpu)
{
	struct stub_cpu *cpu = here(vcpu, "disown");
	struct stub_pmu *pmu = &cpu->pmu;

	if (!pmu->owned)
		stub_fault("disown: the host owns the PMU");
	if (cpu->late_pmi && pmu->pending[STUB_VECTOR_OF_GUEST])
		stub_fault("disown: an interrupt of the guest is on its way");
	check_scrubbed(pmu);
	if (pmu->lent != cpu->perf.lent)
		stub_fault("disown: plain events of the host do not count");
	pmu->owned = false;
	pmu->lent = 0;
	pmu->global_ctrl = (struct stub_reg){cpu->perf.global_ctrl, STUB_OF_HOST};
	pmu->fixed_ctrl = (struct stub_reg){cpu->perf.fixed_ctrl, STUB_OF_HOST};
	pmu->lvtpc.route = STUB_NMI_OF_HOST;
	pmu->lvtpc.masked = false;
}

static mpmu_pmcs op_take_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, "take_dirty");
	mpmu_pmcs dirty = cpu->perf.dirty & counters;

	cpu->perf.dirty &= ~dirty;
	return dirty;
}

static void op_route_pmi(const struct mpmu_vcpu *vcpu)
{
	struct stub_cpu *cpu = here_no_reclaim(vcpu, "route_pmi");

	if (!cpu->pmu.owned)
		stub_fault("route_pmi: the host owns the PMU");
	if (cpu->pmu.lent)
		stub_fault("route_pmi: the interrupt is the host's");
	cpu->routes++;
	cpu->pmu.lvtpc.route = STUB_VECTOR_OF_GUEST;
	cpu->pmu.lvtpc.masked = stub_vcpu_of(vcpu)->lvtpc_masked;
}

/* What is on its way arrives; a wait in vain does not end before its time. */
static bool op_drain_pmi(const struct mpmu_vcpu *vcpu, bool briefly)
{
	struct stub_cpu *cpu = here(vcpu, "drain_pmi");
	bool pending = cpu->pmu.pending[STUB_VECTOR_OF_GUEST];

	if (!cpu->pmu.owned || cpu->pmu.lvtpc.route != STUB_VECTOR_OF_GUEST)
		stub_fault("drain_pmi: the vector is not the guest's");
	cpu->drained += cpu->late_pmi && pending;
	cpu->late_pmi = false;
	if (pending || cpu->pmu.lvtpc.masked)
		return false;
	cpu->polls += briefly ? STUB_BRIEF_POLLS : STUB_DRAIN_POLLS;
	return true;
}

static void irqs_must_be_off(const struct mpmu_vcpu *vcpu, const char *op)
{
	if (!stub_vcpu_of(vcpu)->machine->irqs_off)
		stub_fault("%s: IRQs are on", op);
}

static void op_request_pmi(const struct mpmu_vcpu *vcpu)
{
	struct stub_vcpu *v = stub_vcpu_of(vcpu);

	irqs_must_be_off(vcpu, "request_pmi");
	v->requests.pmi = true;
	v->machine->here->perf.expects_nmi |= vcpu->lent && !v->machine->here->perf.in_nmi;
}

static void op_request_reprogram(const struct mpmu_vcpu *vcpu)
{
	irqs_must_be_off(vcpu, "request_reprogram");
	stub_vcpu_of(vcpu)->requests.reprogram = true;
}

static void op_request_intercepts(const struct mpmu_vcpu *vcpu)
{
	irqs_must_be_off(vcpu, "request_intercepts");
	stub_vcpu_of(vcpu)->requests.intercepts = true;
}

const struct mpmu_ops stub_ops = {
#define MPMU_OP(ret, name, args) .name = op_##name,
#include <mpmu/ops.def>
#undef MPMU_OP
};
