/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Life of the objects: machine and vCPU, and whether a vCPU uses its PMU.
 */
#include "internal.h"

/* Flags that the backend sets from state outside the PMU. */
#define OUTSIDE_FLAGS                                                                    \
	(MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE | MPMU_VCPU_HOST_STATUS | MPMU_VCPU_DIRECT | \
	 MPMU_VCPU_UNCORE_RDPMC)

MPMU_STATIC_ASSERT(sizeof(struct mpmu_vcpu) < 1536, "a vCPU is small");

/* The table is slots and nothing else. */
static bool vcpu_ops_complete(const struct mpmu_ops *ops)
{
	void (*slot)(void);
	u32 i;

	for (i = 0; i < sizeof(*ops); i += sizeof(slot)) {
		memcpy(&slot, (const char *)ops + i, sizeof(slot));
		if (!slot)
			return false;
	}
	return true;
}

MPMU_COLD int mpmu_host_init(struct mpmu_host *host, const struct mpmu_ops *ops,
			     const struct mpmu_caps *caps)
{
	if (!host || !ops || !caps || !vcpu_ops_complete(ops))
		return -EINVAL;
	if (mpmu_caps_missing(caps))
		return -EOPNOTSUPP;
	if (!mpmu_caps_valid(caps))
		return -EINVAL;
	host->ops = ops;
	host->caps = *caps;
	host->desc = mpmu_desc_of(caps->vendor);
	host->pmcs = mpmu_all_pmcs(caps);
	host->reachable = host->pmcs & host->desc->reachable;
	return 0;
}

MPMU_COLD void mpmu_vcpu_init(struct mpmu_vcpu *vcpu, const struct mpmu_host *host,
			      struct mpmu_stats *stats)
{
	mpmu_assert(vcpu && host && stats);
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->host = host;
	vcpu->stats = stats;
	vcpu->caps.vendor = host->caps.vendor;
}

static u32 vcpu_count_pmcs(mpmu_pmcs set)
{
	u32 count = 0;

	for (; set; set &= set - 1)
		count++;
	return count;
}

/* Counters and the status are read; selectors and FIXED_CTR_CTRL are known. */
void mpmu_count_registers(struct mpmu_vcpu *vcpu)
{
	bool in_vmcs = mpmu_has(&vcpu->host->caps, MPMU_FEAT_VMCS_GLOBAL_CTRL);

	vcpu->moved = mpmu_all_pmcs(&vcpu->caps) & ~vcpu->lent;
	vcpu->reported = vcpu->host->pmcs | mpmu_desc(vcpu)->status_settable;
	vcpu->readable = vcpu_count_pmcs(vcpu->moved) + 1 + !in_vmcs;
	vcpu->writable = vcpu->readable + vcpu_count_pmcs(vcpu->moved & MPMU_GP_MASK) +
			 !!mpmu_desc(vcpu)->fixed_ctrl;
}

/* Everything but the machine, the model, statistics and what comes from outside. */
static void vcpu_reset_registers(struct mpmu_vcpu *vcpu)
{
	const struct mpmu_host *host = vcpu->host;
	struct mpmu_stats *stats = vcpu->stats;
	struct mpmu_caps caps = vcpu->caps;
	u32 flags = vcpu->flags & OUTSIDE_FLAGS;
	mpmu_pmcs lent = vcpu->lent;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->host = host;
	vcpu->caps = caps;
	vcpu->stats = stats;
	vcpu->flags = flags;
	/* The port has been told, and goes by that. */
	vcpu->lent = lent;
	/* Also of a model without the register, which has GP counters alone. */
	vcpu->global_ctrl = caps.counters & MPMU_GP_MASK;
	mpmu_count_registers(vcpu);
}

/* The first use: from here on the registers are worth switching. */
void mpmu_touch(struct mpmu_vcpu *vcpu)
{
	if (mpmu_touched(vcpu))
		return;
	vcpu->flags |= MPMU_VCPU_TOUCHED;
	vcpu->idle_switches = 0;
	/* First: with it the port makes the place that GLOBAL_CTRL is put in. */
	mpmu_call(vcpu, set_touched, true);
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		mpmu_global_ctrl_write(NULL, vcpu, vcpu->global_ctrl);
	mpmu_call(vcpu, request_intercepts);
}

void mpmu_untouch(struct mpmu_vcpu *vcpu)
{
	if (!mpmu_touched(vcpu))
		return;
	/* The reverse: that place, and who reads it, are gone after set_touched. */
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		vcpu->global_ctrl = mpmu_global_ctrl_read(NULL, vcpu);
	vcpu->flags &= ~(u32)MPMU_VCPU_TOUCHED;
	mpmu_call(vcpu, set_touched, false);
	mpmu_call(vcpu, request_intercepts);
}

MPMU_COLD int mpmu_vcpu_configure(struct mpmu_vcpu *vcpu, const struct mpmu_caps *caps)
{
	struct mpmu_caps offer;

	mpmu_assert_vcpu(vcpu);
	if (!mpmu_caps_valid(caps))
		return -EINVAL;
	/* While the old model says which bits of GLOBAL_CTRL are the guest's. */
	mpmu_untouch(vcpu);
	/* A port may offer less than that, but never what hardware lacks. */
	mpmu_caps_offer(&offer, &vcpu->host->caps, MPMU_POLICY_FULL);
	vcpu->caps = *caps;
	mpmu_caps_clamp(&vcpu->caps, &offer);
	vcpu_reset_registers(vcpu);
	mpmu_call(vcpu, request_intercepts);
	return 0;
}

MPMU_COLD void mpmu_vcpu_reset(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_vcpu(vcpu);
	/* The values go, but hardware would keep them: scrub it. */
	if (mpmu_live(cpu, vcpu))
		mpmu_release(cpu, MPMU_CAUSE_RESET);
	mpmu_untouch(vcpu);
	vcpu_reset_registers(vcpu);
}

/* Enabled selectors whose meaning depends on the mode. */
static mpmu_pmcs vcpu_mode_dependent(const struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u64 modes = desc->sel_host_only | desc->sel_guest_only;

	return mpmu_enabled_by_guest(vcpu) & mpmu_pmcs_with(vcpu, modes, 0);
}

void mpmu_vcpu_set_flags(struct mpmu_vcpu *vcpu, u32 set, u32 clear)
{
	u32 flags, changed;

	mpmu_assert_vcpu(vcpu);
	flags = (vcpu->flags & ~(clear & OUTSIDE_FLAGS)) | (set & OUTSIDE_FLAGS);
	changed = flags ^ vcpu->flags;
	vcpu->flags = flags;
	if (changed & (MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE))
		mpmu_request_reprogram(vcpu, vcpu_mode_dependent(vcpu));
	if (changed & (MPMU_VCPU_HOST_STATUS | MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC))
		mpmu_call(vcpu, request_intercepts);
}
