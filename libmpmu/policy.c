/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which registers the guest reaches without an exit: a pure function of the
 * model, the machine and the state of the vCPU, applied by one loop.
 */
#include "internal.h"

#define ALL_ACCESS (MPMU_READ | MPMU_WRITE)

/* A register's check is hardware's own only where the widths agree. */
static bool policy_width_matches(const struct mpmu_vcpu *vcpu, u32 pmc)
{
	return mpmu_width(&vcpu->caps, pmc) == mpmu_width(&vcpu->host->caps, pmc);
}

/*
 * Policy direct: what the host has beyond the model reads 0 and never counts, as
 * it was cleaned, and its controls are checked.  That takes registers that the core
 * reaches; and PERF_METRICS of the host counts with fixed counter 3 of the guest.
 */
static bool policy_beyond_is_inert(const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs host = mpmu_all_pmcs(&vcpu->host->caps);
	mpmu_pmcs beyond = host & ~mpmu_all_pmcs(&vcpu->caps);

	if (beyond & mpmu_bit(MPMU_METRICS) && vcpu->caps.counters & mpmu_bit(MPMU_SLOTS))
		return false;
	return vcpu->flags & MPMU_VCPU_DIRECT && !(beyond & ~mpmu_desc(vcpu)->reachable);
}

/* One register speaks for all PMCs: the guest has them all, or reaches none beyond. */
static bool policy_may_reach_all(const struct mpmu_vcpu *vcpu)
{
	return !vcpu->lent && (mpmu_all_pmcs(&vcpu->caps) == mpmu_all_pmcs(&vcpu->host->caps) ||
			       policy_beyond_is_inert(vcpu));
}

static bool policy_status_direct(const struct mpmu_vcpu *vcpu)
{
	return policy_may_reach_all(vcpu) && !(vcpu->flags & MPMU_VCPU_HOST_STATUS);
}

static bool policy_direct(const struct mpmu_vcpu *vcpu, struct mpmu_reg reg)
{
	if (!mpmu_touched(vcpu))
		return false;
	switch (reg.kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		return !(vcpu->lent & mpmu_bit(reg.pmc)) && policy_width_matches(vcpu, reg.pmc);
	case MPMU_KIND_GLOBAL_CTRL:
		return policy_may_reach_all(vcpu);
	case MPMU_KIND_STATUS:
	case MPMU_KIND_STATUS_CLEAR:
		return policy_status_direct(vcpu);
	case MPMU_KIND_STATUS_SET:
		return mpmu_desc(vcpu)->status_set_direct && policy_status_direct(vcpu);
	case MPMU_KIND_NONE:
	case MPMU_KIND_EVENTSEL:
	case MPMU_KIND_FIXED_CTRL:
	case MPMU_KIND_INUSE:
		break;
	}
	return false;
}

u32 mpmu_msr_intercepts(const struct mpmu_vcpu *vcpu, u32 msr)
{
	mpmu_assert_vcpu(vcpu);
	return policy_direct(vcpu, mpmu_decode(vcpu, msr)) ? 0 : ALL_ACCESS;
}

/* A kind of which the model has none has no width, and is inert or nowhere. */
static bool policy_widths_match(const struct mpmu_caps *guest, const struct mpmu_caps *host)
{
	return (!guest->gp_width || guest->gp_width == host->gp_width) &&
	       (!guest->fixed_width || guest->fixed_width == host->fixed_width) &&
	       (!guest->metrics_width || guest->metrics_width == host->metrics_width);
}

/* NB and L3 counters count what others do. */
static bool policy_may_read_uncore(const struct mpmu_vcpu *vcpu)
{
	const u32 consent = MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC;

	return !mpmu_has(&vcpu->host->caps, MPMU_FEAT_RDPMC_UNCORE) ||
	       (vcpu->flags & consent) == consent;
}

/* Hardware must fault on, or the guest may read, all that RDPMC can name. */
MPMU_NOINLINE bool mpmu_rdpmc_intercepted(const struct mpmu_vcpu *vcpu)
{
	mpmu_assert_vcpu(vcpu);
	return !mpmu_touched(vcpu) || !policy_may_reach_all(vcpu) ||
	       !policy_may_read_uncore(vcpu) ||
	       !policy_widths_match(&vcpu->caps, &vcpu->host->caps);
}

u32 mpmu_nested_msr_intercepts(const struct mpmu_vcpu *vcpu, u32 msr, u32 l1)
{
	mpmu_assert_vcpu(vcpu);
	if (l1 & ~(u32)ALL_ACCESS)
		return ALL_ACCESS;
	return mpmu_msr_intercepts(vcpu, msr) | l1;
}

bool mpmu_nested_rdpmc_intercepted(const struct mpmu_vcpu *vcpu, bool l1)
{
	mpmu_assert_vcpu(vcpu);
	return l1 || mpmu_rdpmc_intercepted(vcpu);
}

void mpmu_vcpu_update_intercepts(const struct mpmu_vcpu *vcpu)
{
	u32 msr;

	mpmu_assert_vcpu(vcpu);
	mpmu_for_each_msr(msr, mpmu_desc(vcpu)) {
		bool intercept = mpmu_msr_intercepts(vcpu, msr);

		mpmu_call(vcpu, set_intercept, msr, ALL_ACCESS, intercept);
	}
	mpmu_call(vcpu, set_rdpmc_intercept, mpmu_rdpmc_intercepted(vcpu));
}
