// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What must hold at any time, whatever a test does. */
#include "hv.h"

/* Host-Only and Guest-Only as the guest's own hypervisor means them. */
static bool mode_allows(const struct mpmu_vcpu *vcpu, u64 eventsel)
{
	bool l2 = vcpu->flags & MPMU_VCPU_GUEST_MODE;

	if (vcpu->caps.vendor != MPMU_VENDOR_AMD ||
	    !(eventsel & (STUB_EVENTSEL_GUEST_ONLY | STUB_EVENTSEL_HOST_ONLY)))
		return true;
	return vcpu->flags & MPMU_VCPU_SVME &&
	       eventsel & (l2 ? STUB_EVENTSEL_GUEST_ONLY : STUB_EVENTSEL_HOST_ONLY);
}

static bool may_count(const struct stub_vcpu *vcpu, u32 index)
{
	u64 eventsel = vcpu->mpmu.eventsel[index];

	return eventsel & STUB_EVENTSEL_ENABLE && mode_allows(&vcpu->mpmu, eventsel) &&
	       mpmu_filter_allows(vcpu->filter, eventsel);
}

static void check_gp(const struct stub_vcpu *vcpu, const struct stub_pmu *pmu, u32 i)
{
	u64 hw = vcpu->mpmu.eventsel_hw[i];

	if (hw & STUB_EVENTSEL_ENABLE && !stub_has(vcpu->mpmu.reprogram, i) && !may_count(vcpu, i))
		stub_fault("invariant 1: selector %u is enabled in hardware", i);
	if (pmu && stub_has(vcpu->mpmu.caps.counters, i) && stub_pmu_of_guest(pmu, i) &&
	    pmu->eventsel[i].value != hw)
		stub_fault("invariant 1: selector %u differs from its image", i);
}

static void check_fixed(const struct stub_vcpu *vcpu, u32 i)
{
	u64 hw = vcpu->mpmu.fixed_ctrl_hw >> (4 * i) & 0xf;
	u64 wanted = vcpu->mpmu.fixed_ctrl >> (4 * i) & 0xf;

	if (!(hw & 3) || stub_has(vcpu->mpmu.reprogram, MPMU_FIXED_BASE + i))
		return;
	if (hw & ~wanted || !mpmu_filter_allows_fixed(vcpu->filter, i))
		stub_fault("invariant 1: fixed counter %u is enabled in hardware", i);
}

static void check_images(const struct stub_vcpu *vcpu, const struct stub_pmu *pmu)
{
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		check_gp(vcpu, pmu, i);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		check_fixed(vcpu, i);
	if (pmu &&
	    (pmu->fixed_ctrl.value ^ vcpu->mpmu.fixed_ctrl_hw) & ~stub_fixed_fields(pmu->lent))
		stub_fault("invariant 1: FIXED_CTR_CTRL differs from its image");
}

/* What the library remembers of images and saved values, so as not to look at each. */
static void check_sets(const struct stub_vcpu *vcpu, bool resident)
{
	const struct mpmu_vcpu *core = &vcpu->mpmu;
	mpmu_pmcs enabled = 0, nonzero = 0;
	u32 eventsels = 0, i;

	for (i = 0; i < MPMU_MAX_GP; i++) {
		enabled |= (mpmu_pmcs)!!(core->eventsel_hw[i] & STUB_EVENTSEL_ENABLE) << i;
		eventsels |= (u32)!!core->eventsel_hw[i] << i;
		nonzero |= (mpmu_pmcs)!!core->gp[i] << i;
	}
	for (i = 0; i < MPMU_MAX_FIXED; i++) {
		enabled |= (mpmu_pmcs)!!(core->fixed_ctrl_hw >> (4 * i) & 3) << (MPMU_FIXED_BASE + i);
		nonzero |= (mpmu_pmcs)!!core->fixed[i] << (MPMU_FIXED_BASE + i);
	}
	if (core->metrics)
		nonzero |= STUB_METRICS_BIT;
	if (core->enabled != enabled || core->nonzero_eventsels != eventsels)
		stub_fault("the sets of images differ from the images");
	if ((core->nonzero_counters ^ nonzero) & (resident ? core->lent : ~0ull))
		stub_fault("the set of saved counters differs from the values");
}

static void check_clean(const struct stub_cpu *cpu)
{
	const struct stub_pmu *pmu = &cpu->pmu;

	if (pmu->owned != (cpu->mpmu.owner != NULL))
		stub_fault("invariant 2: owner and hardware disagree");
	if (stub_pmu_counters_of(pmu, STUB_OF_GUEST) & pmu->lent ||
	    stub_pmu_eventsels_of(pmu, STUB_OF_GUEST) & pmu->lent ||
	    pmu->status_of_guest & pmu->lent)
		stub_fault("invariant 2: a value of a guest is in a counter of the host");
	if (pmu->owned || pmu->guest_mode)
		return;
	if (stub_pmu_counters_of(pmu, STUB_OF_GUEST) || stub_pmu_eventsels_of(pmu, STUB_OF_GUEST) ||
	    pmu->fixed_ctrl.origin == STUB_OF_GUEST || pmu->global_ctrl.origin == STUB_OF_GUEST ||
	    pmu->status_of_guest)
		stub_fault("invariant 2: a value of a guest is left in hardware");
}

static void check_msr(const struct stub_vcpu *vcpu, u32 msr)
{
	const struct mpmu_caps *guest = &vcpu->mpmu.caps;

	if (!(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED))
		stub_fault("invariant 4: MSR %#x of an untouched PMU is direct", msr);
	if (!stub_msr_is_data(guest, msr))
		stub_fault("invariant 4: MSR %#x is direct, not a data register", msr);
	if (vcpu->mpmu.lent &&
	    (stub_msr_is_global(guest, msr) || stub_has(vcpu->mpmu.lent, stub_msr_pmc(guest, msr))))
		stub_fault("invariant 4: MSR %#x is direct, and the host's", msr);
	if (stub_msr_writable(guest, msr) != stub_msr_writable(&vcpu->mpmu.host->caps, msr) &&
	    !(vcpu->mpmu.flags & MPMU_VCPU_DIRECT && stub_msr_is_global(guest, msr)))
		stub_fault("invariant 4: MSR %#x is direct, a write needs a check", msr);
}

static void check_rdpmc(const struct stub_vcpu *vcpu)
{
	const struct mpmu_caps *guest = &vcpu->mpmu.caps, *host = &vcpu->mpmu.host->caps;
	u32 flags = vcpu->mpmu.flags, pmc;

	if (!vcpu->rdpmc_direct)
		return;
	for (pmc = 0; pmc <= STUB_METRICS; pmc++)
		if (stub_has(stub_pmcs(guest), pmc) && stub_width(guest, pmc) != stub_width(host, pmc))
			stub_fault("invariant 4: RDPMC is direct, PMC %u has another width", pmc);
	if (stub_pmcs(guest) != stub_pmcs(host) && !(flags & MPMU_VCPU_DIRECT))
		stub_fault("invariant 4: RDPMC is direct");
	if (host->features & MPMU_FEAT_RDPMC_UNCORE &&
	    ~flags & (MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC))
		stub_fault("invariant 4: RDPMC reads counters of the whole host");
	if (!(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED))
		stub_fault("invariant 4: RDPMC of an untouched PMU is direct");
	if (vcpu->mpmu.lent)
		stub_fault("invariant 4: RDPMC reads counters of the host");
}

/* One CPU at most, and that is where it entered last. */
static void check_held(const struct stub_vcpu *vcpu)
{
	const struct stub_cpu *cpus = vcpu->machine->cpus;
	u32 i, holders = 0;

	for (i = 0; i < STUB_CPUS; i++)
		holders += mpmu_resident(&cpus[i].mpmu, &vcpu->mpmu);
	if (holders != mpmu_held(&vcpu->mpmu) || holders > mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu))
		stub_fault("invariant 9: %u CPUs hold the vCPU's values", holders);
}

void stub_check_invariants(const struct stub_vcpu *vcpu)
{
	bool resident = mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu);
	u32 i;

	check_images(vcpu, resident ? &vcpu->cpu->pmu : NULL);
	check_sets(vcpu, resident);
	check_held(vcpu);
	for (i = 0; i < STUB_CPUS; i++)
		check_clean(&vcpu->machine->cpus[i]);
	if (vcpu->requests.intercepts)
		return;
	for (i = 0; i < STUB_NR_MSRS; i++)
		if (vcpu->direct[i])
			check_msr(vcpu, stub_msr_at(i));
	check_rdpmc(vcpu);
	stub_check_beyond(vcpu);
}

static u64 visible(struct stub_vcpu *vcpu, u32 msr)
{
	struct mpmu_cpu *cpu = vcpu->loaded ? &vcpu->cpu->mpmu : NULL;
	u64 value = 0;

	vcpu->machine->irqs_off = true;
	if (mpmu_msr_read(cpu, &vcpu->mpmu, msr, MPMU_BY_HOST, &value) != MPMU_DONE)
		value = 0;
	vcpu->machine->irqs_off = false;
	return value;
}

void stub_check_round_trip(struct stub_vcpu *vcpu)
{
	static u64 before[STUB_NR_MSRS];
	u32 i;

	stub_exit(vcpu);
	for (i = 0; i < STUB_NR_MSRS; i++)
		before[i] = visible(vcpu, stub_msr_at(i));
	stub_enter(vcpu);
	stub_exit(vcpu);
	for (i = 0; i < STUB_NR_MSRS; i++)
		if (visible(vcpu, stub_msr_at(i)) != before[i])
			stub_fault("invariant 3: enter and exit change MSR %#x", stub_msr_at(i));
}
