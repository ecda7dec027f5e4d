/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * AMD64 core performance counters, with and without PerfMonV2.
 */
#include "internal.h"

#define AMD_K7_EVENTSEL     0xc0010000
#define AMD_K7_CTR          0xc0010004
#define AMD_CORE_EVENTSEL   0xc0010200
#define AMD_CORE_CTR        0xc0010201
#define AMD_GLOBAL_STATUS   0xc0000300
#define AMD_GLOBAL_CTL      0xc0000301
#define AMD_STATUS_CLR      0xc0000302
#define AMD_STATUS_SET      0xc0000303
/* First of the four above. */
#define AMD_GLOBAL          AMD_GLOBAL_STATUS

#define AMD_K7_GP           4
#define AMD_CORE_GP         6
/* What CPUID has room for. */
#define AMD_MAX_GP          15
#define AMD_WIDTH           48

/* Event 7:0 and 35:32, unit mask, USR, OS, edge, INT, EN, INV, CMASK. */
#define AMD_SEL_WRITABLE    0x0000000fffd7ffffull
#define AMD_SEL_EVENT       0x0000000f000000ffull
#define AMD_SEL_GUEST_ONLY  (1ull << 40)
#define AMD_SEL_HOST_ONLY   (1ull << 41)

#define AMD_LEAF_22_EAX_V2  (1u << 0)
#define AMD_LEAF_22_EBX_GP  0xfu
#define AMD_LEAF_1_ECX_SVM  (1u << 2)
#define AMD_LEAF_1_ECX_CORE (1u << 23)
#define AMD_LEAF_1_ECX_NB   (1u << 24)
#define AMD_LEAF_1_ECX_LLC  (1u << 28)

#define AMD_FEATURES                                                                        \
	(MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_SVM | \
	 MPMU_FEAT_RDPMC_UNCORE)

static const struct mpmu_msr_row amd_k7[] = {
	MPMU_MSR_OF_4(MPMU_KIND_EVENTSEL, 0, 0),
	MPMU_MSR_OF_4(MPMU_KIND_GP, 0, 0),
};

/* Selector and counter by turns. */
#define AMD_PAIR(pmc)                                                 \
	MPMU_MSR_OF(MPMU_KIND_EVENTSEL, pmc, MPMU_FEAT_PERFCTR_CORE), \
		MPMU_MSR_OF(MPMU_KIND_GP, pmc, MPMU_FEAT_PERFCTR_CORE)

static const struct mpmu_msr_row amd_core[] = {
	AMD_PAIR(0),  AMD_PAIR(1),  AMD_PAIR(2),  AMD_PAIR(3),  AMD_PAIR(4),
	AMD_PAIR(5),  AMD_PAIR(6),  AMD_PAIR(7),  AMD_PAIR(8),  AMD_PAIR(9),
	AMD_PAIR(10), AMD_PAIR(11), AMD_PAIR(12), AMD_PAIR(13), AMD_PAIR(14),
};

static const struct mpmu_msr_row amd_global[] = {
	[AMD_GLOBAL_STATUS - AMD_GLOBAL] = MPMU_MSR_SINGLE(MPMU_KIND_STATUS, MPMU_FEAT_GLOBAL),
	[AMD_GLOBAL_CTL - AMD_GLOBAL] = MPMU_MSR_SINGLE(MPMU_KIND_GLOBAL_CTRL, MPMU_FEAT_GLOBAL),
	[AMD_STATUS_CLR - AMD_GLOBAL] = MPMU_MSR_SINGLE(MPMU_KIND_STATUS_CLEAR, MPMU_FEAT_GLOBAL),
	[AMD_STATUS_SET - AMD_GLOBAL] = MPMU_MSR_SINGLE(MPMU_KIND_STATUS_SET, MPMU_FEAT_STATUS_SET),
};

static const struct mpmu_msr_block amd_blocks[MPMU_MSR_SLOTS] = {
	MPMU_MSR_BLOCK(AMD_K7_EVENTSEL, amd_k7),
	MPMU_MSR_BLOCK(AMD_CORE_EVENTSEL, amd_core),
	MPMU_MSR_BLOCK(AMD_GLOBAL, amd_global),
};

static const struct mpmu_sel_extra amd_sel_extras[] = {
	{.feature = MPMU_FEAT_SVM, .gps = ~0u, .bits = AMD_SEL_GUEST_ONLY | AMD_SEL_HOST_ONLY},
};

static const struct mpmu_requirement amd_requirements[] = {
	{MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_PERFCTR_CORE, "PerfMonV2"},
	{MPMU_FEAT_SVM, "SVM (selectors with Guest-Only)"},
};

static const struct mpmu_since amd_since[] = {
	{MPMU_FEAT_GLOBAL, 2, false},
	{MPMU_FEAT_STATUS_SET, 2, false},
	{MPMU_FEAT_PERFCTR_CORE, 2, true},
};

static const struct mpmu_feature_bit amd_feature_bits[] = {
	{MPMU_FEAT_PERFCTR_CORE, AMD_LEAF_1_ECX_CORE, AMD_LEAF_1_ECX_CORE, MPMU_WORD_80000001_ECX},
	{MPMU_FEAT_RDPMC_UNCORE, AMD_LEAF_1_ECX_NB | AMD_LEAF_1_ECX_LLC, AMD_LEAF_1_ECX_NB,
	 MPMU_WORD_80000001_ECX},
	{MPMU_FEAT_SVM, AMD_LEAF_1_ECX_SVM, AMD_LEAF_1_ECX_SVM, MPMU_WORD_80000001_ECX},
};

static int amd_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	bool v2 = leaves->leaf_80000022[0] & AMD_LEAF_22_EAX_V2;
	u32 gp = leaves->leaf_80000022[1] & AMD_LEAF_22_EBX_GP;

	if (!v2)
		gp = mpmu_has(caps, MPMU_FEAT_PERFCTR_CORE) ? AMD_CORE_GP : AMD_K7_GP;
	else if (!gp || !mpmu_has(caps, MPMU_FEAT_PERFCTR_CORE))
		return -EINVAL;
	caps->counters = mpmu_mask(gp);
	caps->version = v2 ? 2 : 1;
	caps->gp_width = AMD_WIDTH;
	return 0;
}

/* Before version 2 the number of counters follows from the features. */
static void amd_encode(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps)
{
	if (caps->version < 2)
		return;
	leaves->leaf_80000022[0] = AMD_LEAF_22_EAX_V2;
	leaves->leaf_80000022[1] = mpmu_first_pmc(~caps->counters) & AMD_LEAF_22_EBX_GP;
}

const struct mpmu_desc mpmu_amd = {
	.blocks = amd_blocks,
	.sel_extras = amd_sel_extras,
	.nr_sel_extras = MPMU_ARRAY_SIZE(amd_sel_extras),
	.requirements = amd_requirements,
	.nr_requirements = MPMU_ARRAY_SIZE(amd_requirements),
	.since = amd_since,
	.nr_since = MPMU_ARRAY_SIZE(amd_since),
	.feature_bits = amd_feature_bits,
	.nr_feature_bits = MPMU_ARRAY_SIZE(amd_feature_bits),
	.features = AMD_FEATURES,
	.max_version = 2,
	.compat_version = 2,
	.compat_gp = AMD_CORE_GP,
	.narrow_gp = AMD_K7_GP,
	.wide_gp_feature = MPMU_FEAT_PERFCTR_CORE,
	.reachable = (1ull << AMD_MAX_GP) - 1,
	.gp = AMD_CORE_CTR,
	.gp_stride = 2,
	.eventsel = AMD_CORE_EVENTSEL,
	.global_ctrl = AMD_GLOBAL_CTL,
	.status = AMD_GLOBAL_STATUS,
	.status_clear = AMD_STATUS_CLR,
	.status_set = AMD_STATUS_SET,
	.status_set_direct = true,
	.sel_writable = AMD_SEL_WRITABLE,
	.sel_event = AMD_SEL_EVENT,
	.sel_host_only = AMD_SEL_HOST_ONLY,
	.sel_guest_only = AMD_SEL_GUEST_ONLY,
	.events = {
		[MPMU_EVENT_INSTRUCTIONS] = 0xc0,
		[MPMU_EVENT_BRANCHES] = 0xc2,
	},
	.decode = amd_decode,
	.encode = amd_encode,
};
