/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which registers the guest reaches without an exit: a pure function of the
 * model, the machine and the state of the vCPU, applied by one loop.
 */
#include "internal.h"

#define ALL_ACCESS (MPMU_READ | MPMU_WRITE)

/* A register's check is hardware's own only where the widths agree. */
static bool width_matches(const struct mpmu_vcpu *vcpu, u32 pmc)
{
	return mpmu_width(&vcpu->caps, pmc) == mpmu_width(&vcpu->host->caps, pmc);
}

/* One register speaks for all PMCs: the guest must have them all. */
static bool has_all(const struct mpmu_vcpu *vcpu)
{
	return mpmu_all_pmcs(&vcpu->caps) == mpmu_all_pmcs(&vcpu->host->caps);
}

static bool status_direct(const struct mpmu_vcpu *vcpu)
{
	return has_all(vcpu) && !(vcpu->flags & MPMU_VCPU_HOST_STATUS);
}

static bool direct(const struct mpmu_vcpu *vcpu, struct mpmu_reg reg)
{
	if (!mpmu_touched(vcpu))
		return false;
	switch (reg.kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		return width_matches(vcpu, reg.pmc);
	case MPMU_KIND_GLOBAL_CTRL:
		return has_all(vcpu);
	case MPMU_KIND_STATUS:
	case MPMU_KIND_STATUS_CLEAR:
		return status_direct(vcpu);
	case MPMU_KIND_STATUS_SET:
		return mpmu_desc(vcpu)->status_set_direct && status_direct(vcpu);
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
	return direct(vcpu, mpmu_decode(vcpu, msr)) ? 0 : ALL_ACCESS;
}

/* Hardware must fault on, or the guest must have, all that RDPMC can name. */
bool mpmu_rdpmc_intercepted(const struct mpmu_vcpu *vcpu)
{
	const struct mpmu_caps *guest, *host;

	mpmu_assert_vcpu(vcpu);
	guest = &vcpu->caps;
	host = &vcpu->host->caps;
	return !mpmu_touched(vcpu) || !has_all(vcpu) || guest->gp_width != host->gp_width ||
	       guest->fixed_width != host->fixed_width ||
	       guest->metrics_width != host->metrics_width ||
	       host->features & MPMU_FEAT_RDPMC_UNCORE;
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

/* The first use: from here on the registers are worth switching. */
void mpmu_touch(struct mpmu_vcpu *vcpu)
{
	if (mpmu_touched(vcpu))
		return;
	vcpu->flags |= MPMU_VCPU_TOUCHED;
	vcpu->idle_switches = 0;
	mpmu_call(vcpu, set_touched, true);
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		mpmu_call(vcpu, set_global_ctrl, vcpu->global_ctrl);
	mpmu_call(vcpu, request_intercepts);
}

void mpmu_untouch(struct mpmu_vcpu *vcpu)
{
	if (!mpmu_touched(vcpu))
		return;
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		vcpu->global_ctrl = mpmu_call(vcpu, get_global_ctrl);
	vcpu->flags &= ~(u32)MPMU_VCPU_TOUCHED;
	mpmu_call(vcpu, set_touched, false);
	mpmu_call(vcpu, request_intercepts);
}
