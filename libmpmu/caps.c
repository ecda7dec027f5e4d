/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capabilities: from CPUID, to what a guest may be offered, and back.
 */
#include "internal.h"

#define COMPAT_FIXED  3

/* Properties of a machine or a policy, not of a PMU that a guest can have. */
#define HOST_FEATURES (MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_VMCS_GLOBAL_CTRL)

/* Compared as bytes. */
MPMU_STATIC_ASSERT(sizeof(struct mpmu_caps) == 32, "struct mpmu_caps has no padding");

static bool caps_same(const struct mpmu_caps *a, const struct mpmu_caps *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* No PMU, of a vendor. */
static void caps_no_pmu(struct mpmu_caps *caps, u8 vendor)
{
	memset(caps, 0, sizeof(*caps));
	caps->vendor = vendor;
}

/* PERF_METRICS, its bits of GLOBAL_CTRL and the counter of slots, all or none. */
static void caps_match_metrics(struct mpmu_caps *caps, const struct mpmu_desc *desc)
{
	bool metrics = mpmu_has(caps, MPMU_FEAT_METRICS) &&
		       caps->global_ctrl_extra & desc->metrics_ctrl &&
		       caps->counters & mpmu_bit(MPMU_SLOTS) && caps->metrics_width &&
		       caps->metrics_width <= MPMU_METRICS_WIDTH;

	if (!metrics) {
		caps->features &= ~(u32)MPMU_FEAT_METRICS;
		caps->metrics_width = 0;
	}
	caps->global_ctrl_extra = metrics ? desc->metrics_ctrl : 0;
}

/* No counters of one kind without a width, no width without counters. */
static void caps_match_width(struct mpmu_caps *caps, mpmu_pmcs kind, u8 *width)
{
	if (!*width || *width > 64)
		caps->counters &= ~kind;
	if (!(caps->counters & kind))
		*width = 0;
}

static void caps_match_counters(struct mpmu_caps *caps, const struct mpmu_desc *desc)
{
	caps->counters &= MPMU_GP_MASK | MPMU_FIXED_MASK;
	if (!mpmu_has(caps, desc->wide_gp_feature))
		caps->counters &= mpmu_mask(desc->narrow_gp);
	if (!mpmu_has(caps, MPMU_FEAT_GLOBAL) || !desc->fixed)
		caps->counters &= MPMU_GP_MASK;
	caps_match_width(caps, MPMU_GP_MASK, &caps->gp_width);
	caps_match_width(caps, MPMU_FIXED_MASK, &caps->fixed_width);
}

/* Drop what contradicts the rest; what is left makes sense. */
static void caps_make_valid(struct mpmu_caps *caps, const struct mpmu_desc *desc)
{
	caps->features &= desc->features;
	caps->arch_events &= desc->arch_events;
	memset(caps->reserved, 0, sizeof(caps->reserved));
	desc->match_version(caps);
	caps_match_counters(caps, desc);
	caps_match_metrics(caps, desc);
	if (!caps->version || !caps->counters)
		caps_no_pmu(caps, caps->vendor);
}

MPMU_COLD bool mpmu_caps_valid(const struct mpmu_caps *caps)
{
	const struct mpmu_desc *desc = caps ? mpmu_desc_of(caps->vendor) : NULL;
	struct mpmu_caps copy;

	if (!desc)
		return false;
	copy = *caps;
	caps_make_valid(&copy, desc);
	return caps_same(&copy, caps);
}

MPMU_COLD int mpmu_caps_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	const struct mpmu_desc *desc = leaves ? mpmu_desc_of(leaves->vendor) : NULL;
	struct mpmu_caps found;
	mpmu_pmcs counters;

	if (!caps || !desc)
		return -EINVAL;
	caps_no_pmu(&found, leaves->vendor);
	if (desc->decode(&found, leaves))
		return -EINVAL;
	counters = found.counters;
	caps_make_valid(&found, desc);
	/* A feature of a later version is ignored; counters without a width are not. */
	if (found.counters != counters)
		return -EINVAL;
	*caps = found;
	return 0;
}

/* Do the leaves say all that CPUID can say of a PMU? */
static bool caps_says(const struct mpmu_cpuid *leaves, const struct mpmu_caps *caps)
{
	struct mpmu_caps wanted = *caps, found;

	wanted.features &= ~(u32)MPMU_FEAT_VMCS_GLOBAL_CTRL;
	if (wanted.metrics_width)
		wanted.metrics_width = MPMU_METRICS_WIDTH;
	return !mpmu_caps_decode(&found, leaves) && caps_same(&found, &wanted);
}

MPMU_COLD int mpmu_caps_encode(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps)
{
	const struct mpmu_desc *desc;
	struct mpmu_cpuid made;

	if (!leaves || !mpmu_caps_valid(caps))
		return -EINVAL;
	desc = mpmu_desc_of(caps->vendor);
	memset(&made, 0, sizeof(made));
	made.vendor = caps->vendor;
	desc->encode(&made, caps);
	if (!caps_says(&made, caps))
		return -EOPNOTSUPP;
	*leaves = made;
	return 0;
}

MPMU_COLD const char *mpmu_caps_missing(const struct mpmu_caps *host)
{
	const struct mpmu_desc *desc = host ? mpmu_desc_of(host->vendor) : NULL;

	if (!desc || !(host->counters & MPMU_GP_MASK))
		return "a PMU";
	return desc->missing(host);
}

static mpmu_pmcs caps_policy_pmcs(const struct mpmu_desc *desc, enum mpmu_policy policy)
{
	switch (policy) {
	case MPMU_POLICY_COMPAT:
	case MPMU_POLICY_DIRECT:
		return mpmu_mask(desc->compat_gp) | mpmu_mask(COMPAT_FIXED) << MPMU_FIXED_BASE;
	case MPMU_POLICY_FULL:
		return ~0ull;
	}
	return 0;
}

static u8 caps_policy_version(const struct mpmu_desc *desc, enum mpmu_policy policy)
{
	return policy == MPMU_POLICY_FULL ? desc->max_version : desc->compat_version;
}

static u8 caps_smaller(u8 a, u8 b)
{
	return a < b ? a : b;
}

MPMU_COLD void mpmu_caps_offer(struct mpmu_caps *offer, const struct mpmu_caps *host,
			       enum mpmu_policy policy)
{
	const struct mpmu_desc *desc;

	mpmu_assert(offer && host);
	desc = mpmu_desc_of(host->vendor);
	if (!desc) {
		caps_no_pmu(offer, host->vendor);
		return;
	}
	*offer = *host;
	offer->counters &= caps_policy_pmcs(desc, policy) & desc->reachable;
	offer->features &= ~(u32)HOST_FEATURES;
	offer->version = caps_smaller(host->version, caps_policy_version(desc, policy));
	caps_make_valid(offer, desc);
}

MPMU_COLD void mpmu_caps_clamp(struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	const struct mpmu_desc *desc;

	mpmu_assert(guest && offer);
	desc = mpmu_desc_of(offer->vendor);
	if (!desc || guest->vendor != offer->vendor) {
		caps_no_pmu(guest, offer->vendor);
		return;
	}
	guest->counters &= offer->counters;
	guest->global_ctrl_extra &= offer->global_ctrl_extra;
	guest->features &= offer->features;
	guest->arch_events &= offer->arch_events;
	guest->version = caps_smaller(guest->version, offer->version);
	guest->gp_width = caps_smaller(guest->gp_width, offer->gp_width);
	guest->fixed_width = caps_smaller(guest->fixed_width, offer->fixed_width);
	guest->metrics_width = caps_smaller(guest->metrics_width, offer->metrics_width);
	caps_make_valid(guest, desc);
}

/* What a guest's model may lack on a host, each with how to say it. */
#define GP_NAME(i)    [i] = "GP counter " #i
#define FIXED_NAME(i) [MPMU_FIXED_BASE + (i)] = "fixed counter " #i

static const char counter_names[][sizeof("fixed counter 15")] = {
	GP_NAME(0),     GP_NAME(1),     GP_NAME(2),     GP_NAME(3),     GP_NAME(4),
	GP_NAME(5),     GP_NAME(6),     GP_NAME(7),     GP_NAME(8),     GP_NAME(9),
	GP_NAME(10),    GP_NAME(11),    GP_NAME(12),    GP_NAME(13),    GP_NAME(14),
	GP_NAME(15),    GP_NAME(16),    GP_NAME(17),    GP_NAME(18),    GP_NAME(19),
	GP_NAME(20),    GP_NAME(21),    GP_NAME(22),    GP_NAME(23),    GP_NAME(24),
	GP_NAME(25),    GP_NAME(26),    GP_NAME(27),    GP_NAME(28),    GP_NAME(29),
	GP_NAME(30),    GP_NAME(31),    FIXED_NAME(0),  FIXED_NAME(1),  FIXED_NAME(2),
	FIXED_NAME(3),  FIXED_NAME(4),  FIXED_NAME(5),  FIXED_NAME(6),  FIXED_NAME(7),
	FIXED_NAME(8),  FIXED_NAME(9),  FIXED_NAME(10), FIXED_NAME(11), FIXED_NAME(12),
	FIXED_NAME(13), FIXED_NAME(14), FIXED_NAME(15),
};

static const char *caps_lacks_version(const struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	return guest->version > offer->version ? "a later PMU version" : NULL;
}

static const char *caps_lacks_counter(const struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	mpmu_pmcs lacking = guest->counters & ~offer->counters;

	return lacking ? counter_names[mpmu_first_pmc(lacking)] : NULL;
}

static const char *caps_lacks_width(const struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	if (guest->gp_width && guest->gp_width != offer->gp_width)
		return "GP counters of that width";
	if (guest->fixed_width && guest->fixed_width != offer->fixed_width)
		return "fixed counters of that width";
	if (guest->metrics_width && offer->metrics_width &&
	    guest->metrics_width != offer->metrics_width)
		return "PERF_METRICS of that width";
	return NULL;
}

/* Others come with a version, or are required of each host. */
static const char *caps_lacks_feature(const struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	u32 lacking = guest->features & ~offer->features;

	if (lacking & MPMU_FEAT_METRICS)
		return "PERF_METRICS";
	if (lacking & MPMU_FEAT_TSX)
		return "selectors with the bits of TSX";
	return lacking ? "a feature of machines, not of guests" : NULL;
}

static const char *caps_lacks_event(const struct mpmu_caps *guest, const struct mpmu_caps *offer)
{
	return guest->arch_events & ~offer->arch_events ? "an architectural event" : NULL;
}

MPMU_COLD const char *mpmu_caps_obstacle(const struct mpmu_caps *guest,
					 const struct mpmu_caps *host, enum mpmu_policy policy)
{
	struct mpmu_caps offer;
	const char *missing;

	if (!mpmu_caps_valid(guest))
		return "a model that contradicts itself";
	if (!guest->counters)
		return NULL;
	missing = mpmu_caps_missing(host);
	if (missing)
		return missing;
	if (guest->vendor != host->vendor)
		return "the PMU of another vendor";
	mpmu_caps_offer(&offer, host, policy);
	return caps_lacks_version(guest, &offer) ?:
	       caps_lacks_counter(guest, &offer) ?:
	       caps_lacks_width(guest, &offer) ?:
	       caps_lacks_feature(guest, &offer) ?:
	       caps_lacks_event(guest, &offer);
}
