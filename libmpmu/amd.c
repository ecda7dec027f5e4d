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

/* LBRs, or counters, are frozen. */
#define AMD_STATUS_FROZEN   (3ull << 58)

#define AMD_LEAF_22_EAX_V2  (1u << 0)
#define AMD_LEAF_22_EBX_GP  0xfu
#define AMD_LEAF_1_ECX_SVM  (1u << 2)
#define AMD_LEAF_1_ECX_CORE (1u << 23)
#define AMD_LEAF_1_ECX_NB   (1u << 24)
#define AMD_LEAF_1_ECX_LLC  (1u << 28)

/* What came with version 2. */
#define AMD_V2              ((u32)(MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET))
#define AMD_FEATURES \
	(AMD_V2 | MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_SVM | MPMU_FEAT_RDPMC_UNCORE)

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

/* Either of NB and LLC makes RDPMC valid beyond the core counters. */
static u32 amd_features(u32 ecx, bool v2)
{
	u32 features = v2 ? AMD_V2 : 0;

	if (ecx & AMD_LEAF_1_ECX_CORE)
		features |= MPMU_FEAT_PERFCTR_CORE;
	if (ecx & (AMD_LEAF_1_ECX_NB | AMD_LEAF_1_ECX_LLC))
		features |= MPMU_FEAT_RDPMC_UNCORE;
	if (ecx & AMD_LEAF_1_ECX_SVM)
		features |= MPMU_FEAT_SVM;
	return features;
}

static u32 amd_gp(const struct mpmu_cpuid *leaves, bool v2)
{
	if (v2)
		return leaves->leaf_80000022[1] & AMD_LEAF_22_EBX_GP;
	return leaves->leaf_80000001_ecx & AMD_LEAF_1_ECX_CORE ? AMD_CORE_GP : AMD_K7_GP;
}

static MPMU_COLD int amd_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	bool v2 = leaves->leaf_80000022[0] & AMD_LEAF_22_EAX_V2;
	u32 gp = amd_gp(leaves, v2);

	/* The registers of version 2 are those of the core extension. */
	if (!gp || (v2 && !(leaves->leaf_80000001_ecx & AMD_LEAF_1_ECX_CORE)))
		return -EINVAL;
	caps->counters = mpmu_mask(gp);
	caps->features = amd_features(leaves->leaf_80000001_ecx, v2);
	caps->version = v2 ? 2 : 1;
	caps->gp_width = AMD_WIDTH;
	return 0;
}

static u32 amd_encode_features(u32 features)
{
	u32 ecx = 0;

	if (features & MPMU_FEAT_PERFCTR_CORE)
		ecx |= AMD_LEAF_1_ECX_CORE;
	if (features & MPMU_FEAT_RDPMC_UNCORE)
		ecx |= AMD_LEAF_1_ECX_NB;
	if (features & MPMU_FEAT_SVM)
		ecx |= AMD_LEAF_1_ECX_SVM;
	return ecx;
}

/* Before version 2 the number of counters follows from the features. */
static MPMU_COLD void amd_encode(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps)
{
	leaves->leaf_80000001_ecx = amd_encode_features(caps->features);
	if (caps->version < 2)
		return;
	leaves->leaf_80000022[0] = AMD_LEAF_22_EAX_V2;
	leaves->leaf_80000022[1] = mpmu_first_pmc(~caps->counters) & AMD_LEAF_22_EBX_GP;
}

/* PERFCTR_CORE is older than version 2, and stays. */
static MPMU_COLD void amd_match_version(struct mpmu_caps *caps)
{
	if (caps->version >= 2 && !mpmu_has(caps, AMD_V2 | MPMU_FEAT_PERFCTR_CORE))
		caps->version = 1;
	if (caps->version < 2)
		caps->features &= ~AMD_V2;
}

static const char *amd_missing(const struct mpmu_caps *host)
{
	if (!mpmu_has(host, AMD_V2 | MPMU_FEAT_PERFCTR_CORE))
		return "PerfMonV2";
	return mpmu_has(host, MPMU_FEAT_SVM) ? NULL : "SVM (selectors with Guest-Only)";
}

const struct mpmu_desc mpmu_amd = {
	.blocks = amd_blocks,
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
	.status_settable = AMD_STATUS_FROZEN,
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
	.match_version = amd_match_version,
	.missing = amd_missing,
};
