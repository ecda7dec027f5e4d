/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capabilities: from CPUID, to what a guest may be offered.
 */
#include "internal.h"

#define COMPAT_FIXED  3

/* Properties of a machine or a policy, not of a PMU that a guest can have. */
#define HOST_FEATURES (MPMU_FEAT_METRICS | MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_VMCS_GLOBAL_CTRL)

static bool width_valid(mpmu_pmcs counters, u32 width)
{
	return !counters || (width && width <= 64);
}

int mpmu_caps_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	const struct mpmu_desc *desc = mpmu_desc_of(leaves->vendor);
	struct mpmu_caps found;
	int err;

	if (!desc)
		return -EINVAL;
	memset(&found, 0, sizeof(found));
	found.vendor = leaves->vendor;
	err = desc->decode(&found, leaves);
	if (err)
		return err;
	if (!width_valid(found.counters & MPMU_GP_MASK, found.gp_width) ||
	    !width_valid(found.counters & MPMU_FIXED_MASK, found.fixed_width))
		return -EINVAL;
	*caps = found;
	return 0;
}

const char *mpmu_caps_missing(const struct mpmu_caps *host)
{
	const struct mpmu_desc *desc = mpmu_desc_of(host->vendor);
	u32 i;

	if (!desc || !(host->counters & MPMU_GP_MASK))
		return "a PMU";
	for (i = 0; i < desc->nr_requirements; i++) {
		if (!mpmu_has(host, desc->requirements[i].features))
			return desc->requirements[i].name;
	}
	return NULL;
}

static mpmu_pmcs policy_pmcs(const struct mpmu_desc *desc, enum mpmu_policy policy)
{
	switch (policy) {
	case MPMU_POLICY_COMPAT:
		return mpmu_mask(desc->compat_gp) | mpmu_mask(COMPAT_FIXED) << MPMU_FIXED_BASE;
	case MPMU_POLICY_FULL:
		return ~0ull;
	}
	return 0;
}

static u8 smaller(u8 a, u8 b)
{
	return a < b ? a : b;
}

/* Drop what the version, the features or the counters left over rule out. */
static void make_consistent(struct mpmu_caps *caps, const struct mpmu_desc *desc)
{
	u32 i;

	for (i = 0; i < desc->nr_since; i++) {
		if (caps->version < desc->since[i].version)
			caps->features &= ~desc->since[i].feature;
	}
	if (!mpmu_has(caps, desc->wide_gp_feature))
		caps->counters &= mpmu_mask(desc->narrow_gp) | MPMU_FIXED_MASK;
	if (!mpmu_has(caps, MPMU_FEAT_GLOBAL))
		caps->counters &= MPMU_GP_MASK;
	if (!(caps->counters & MPMU_GP_MASK))
		caps->gp_width = 0;
	if (!(caps->counters & MPMU_FIXED_MASK))
		caps->fixed_width = 0;
}

/* No PMU, of a vendor. */
static void no_pmu(struct mpmu_caps *caps, u8 vendor)
{
	memset(caps, 0, sizeof(*caps));
	caps->vendor = vendor;
}

void mpmu_caps_offer(struct mpmu_caps *offer, const struct mpmu_caps *host, enum mpmu_policy policy)
{
	const struct mpmu_desc *desc = mpmu_desc_of(host->vendor);

	if (!desc) {
		no_pmu(offer, host->vendor);
		return;
	}
	*offer = *host;
	offer->counters &= policy_pmcs(desc, policy) & desc->reachable;
	offer->global_ctrl_extra = 0;
	offer->features &= ~(u32)HOST_FEATURES;
	offer->version = smaller(host->version, desc->max_version);
	make_consistent(offer, desc);
}

void mpmu_caps_clamp(struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	const struct mpmu_desc *desc = mpmu_desc_of(offer->vendor);

	if (!desc || guest->vendor != offer->vendor || !guest->version) {
		no_pmu(guest, offer->vendor);
		return;
	}
	guest->counters &= offer->counters;
	guest->global_ctrl_extra &= offer->global_ctrl_extra;
	guest->features &= offer->features;
	guest->arch_events &= offer->arch_events;
	guest->version = smaller(guest->version, offer->version);
	guest->gp_width = smaller(guest->gp_width, offer->gp_width);
	guest->fixed_width = smaller(guest->fixed_width, offer->fixed_width);
	make_consistent(guest, desc);
	if (!guest->counters)
		no_pmu(guest, offer->vendor);
}
