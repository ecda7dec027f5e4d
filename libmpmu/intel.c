/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Intel 64 architectural performance monitoring.
 */
#include "internal.h"

#define INTEL_PERFCTR            0x0c1
#define INTEL_PMC                0x4c1
#define INTEL_EVENTSEL           0x186
#define INTEL_FIXED_CTR          0x309
#define INTEL_FIXED_CTR_CTRL     0x38d
#define INTEL_GLOBAL_STATUS      0x38e
#define INTEL_GLOBAL_CTRL        0x38f
#define INTEL_STATUS_RESET       0x390
#define INTEL_STATUS_SET         0x391
#define INTEL_GLOBAL_INUSE       0x392

/* The ranges above have room for eight; later ones are elsewhere. */
#define INTEL_MAX_GP             8

/* All but AnyThread, bit 21. */
#define INTEL_SEL_WRITABLE       0xffdfffffull
#define INTEL_SEL_IN_TX          (1ull << 32)
#define INTEL_SEL_IN_TXCP        (1ull << 33)
/* The one counter that can check-point. */
#define INTEL_TXCP_GPS           (1u << 2)

#define INTEL_STATUS_OVF_BUF     (1ull << 62)
#define INTEL_STATUS_COND_CHGD   (1ull << 63)
#define INTEL_CTRL_METRICS       (1ull << 48)

#define INTEL_PERF_CAP_FW_WRITES (1ull << 13)
#define INTEL_PERF_CAP_METRICS   (1ull << 15)
#define INTEL_LEAF_07_EBX_HLE    (1u << 4)
#define INTEL_LEAF_07_EBX_RTM    (1u << 11)

static const struct mpmu_msr_range intel_ranges[] = {
	MPMU_PER_PMC(MPMU_KIND_GP_LEGACY, INTEL_PERFCTR, 0, INTEL_MAX_GP, 0, 0),
	MPMU_PER_PMC(MPMU_KIND_GP, INTEL_PMC, 0, INTEL_MAX_GP, 0, MPMU_FEAT_FW_WRITES),
	MPMU_PER_PMC(MPMU_KIND_EVENTSEL, INTEL_EVENTSEL, 0, INTEL_MAX_GP, 0, 0),
	MPMU_PER_PMC(MPMU_KIND_FIXED, INTEL_FIXED_CTR, 0, MPMU_MAX_FIXED, MPMU_FIXED_BASE, 0),
	MPMU_SINGLE(MPMU_KIND_FIXED_CTRL, INTEL_FIXED_CTR_CTRL, MPMU_FEAT_GLOBAL),
	MPMU_SINGLE(MPMU_KIND_STATUS, INTEL_GLOBAL_STATUS, MPMU_FEAT_GLOBAL),
	MPMU_SINGLE(MPMU_KIND_GLOBAL_CTRL, INTEL_GLOBAL_CTRL, MPMU_FEAT_GLOBAL),
	MPMU_SINGLE(MPMU_KIND_STATUS_CLEAR, INTEL_STATUS_RESET, MPMU_FEAT_GLOBAL),
	MPMU_SINGLE(MPMU_KIND_STATUS_SET, INTEL_STATUS_SET, MPMU_FEAT_STATUS_SET),
	MPMU_SINGLE(MPMU_KIND_INUSE, INTEL_GLOBAL_INUSE, MPMU_FEAT_STATUS_SET),
};

static const struct mpmu_sel_extra intel_sel_extras[] = {
	{.feature = MPMU_FEAT_TSX, .gps = ~0u, .bits = INTEL_SEL_IN_TX},
	{.feature = MPMU_FEAT_TSX, .gps = INTEL_TXCP_GPS, .bits = INTEL_SEL_IN_TXCP},
};

static const struct mpmu_requirement intel_requirements[] = {
	{MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET, "PMU version 4 or later"},
	{MPMU_FEAT_FW_WRITES, "full-width counter writes (PERF_CAPABILITIES.FW_WRITES)"},
	{MPMU_FEAT_VMCS_GLOBAL_CTRL, "VM-entry and VM-exit load of PERF_GLOBAL_CTRL"},
};

static const struct mpmu_since intel_since[] = {
	{MPMU_FEAT_GLOBAL, 2},
	{MPMU_FEAT_STATUS_SET, 4},
};

static u32 intel_features(const struct mpmu_cpuid *leaves, u32 version)
{
	u32 features = 0;

	if (version >= 2)
		features |= MPMU_FEAT_GLOBAL;
	if (version >= 4)
		features |= MPMU_FEAT_STATUS_SET;
	if (leaves->perf_capabilities & INTEL_PERF_CAP_FW_WRITES)
		features |= MPMU_FEAT_FW_WRITES;
	if (leaves->perf_capabilities & INTEL_PERF_CAP_METRICS)
		features |= MPMU_FEAT_METRICS;
	if (leaves->leaf_07_ebx & (INTEL_LEAF_07_EBX_HLE | INTEL_LEAF_07_EBX_RTM))
		features |= MPMU_FEAT_TSX;
	return features;
}

/* Version 2 counts fixed counters from 0; version 5 adds a mask. */
static mpmu_pmcs intel_fixed(const struct mpmu_cpuid *leaves, u32 version)
{
	u64 fixed = 0;

	if (version >= 2)
		fixed = mpmu_mask(leaves->leaf_0a[3] & 0x1f);
	if (version >= 5)
		fixed |= leaves->leaf_0a[2];
	return fixed;
}

static int intel_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	u32 eax = leaves->leaf_0a[0];
	u32 version = eax & 0xff;
	u32 gp = (eax >> 8) & 0xff;
	u64 fixed = intel_fixed(leaves, version);

	if (!version || !(gp || fixed))
		return 0;
	if (gp > MPMU_MAX_GP || fixed & ~mpmu_mask(MPMU_MAX_FIXED))
		return -EINVAL;
	caps->counters = mpmu_mask(gp) | fixed << MPMU_FIXED_BASE;
	caps->version = version;
	caps->gp_width = gp ? (eax >> 16) & 0xff : 0;
	caps->fixed_width = fixed ? (leaves->leaf_0a[3] >> 5) & 0xff : 0;
	caps->arch_events = ~leaves->leaf_0a[1] & mpmu_mask(eax >> 24);
	caps->features = intel_features(leaves, version);
	if (caps->features & MPMU_FEAT_METRICS)
		caps->global_ctrl_extra = INTEL_CTRL_METRICS;
	return 0;
}

const struct mpmu_desc mpmu_intel = {
	.ranges = intel_ranges,
	.nr_ranges = MPMU_ARRAY_SIZE(intel_ranges),
	.sel_extras = intel_sel_extras,
	.nr_sel_extras = MPMU_ARRAY_SIZE(intel_sel_extras),
	.requirements = intel_requirements,
	.nr_requirements = MPMU_ARRAY_SIZE(intel_requirements),
	.since = intel_since,
	.nr_since = MPMU_ARRAY_SIZE(intel_since),
	.max_version = 5,
	.compat_gp = 8,
	.narrow_gp = INTEL_MAX_GP,
	.reachable = MPMU_FIXED_MASK | ((1ull << INTEL_MAX_GP) - 1),
	.gp = INTEL_PMC,
	.eventsel = INTEL_EVENTSEL,
	.fixed = INTEL_FIXED_CTR,
	.fixed_ctrl = INTEL_FIXED_CTR_CTRL,
	.global_ctrl = INTEL_GLOBAL_CTRL,
	.status = INTEL_GLOBAL_STATUS,
	.status_clear = INTEL_STATUS_RESET,
	.status_set = INTEL_STATUS_SET,
	.strict = true,
	.rdpmc_fixed = 1u << 30,
	.status_extra = INTEL_STATUS_OVF_BUF | INTEL_STATUS_COND_CHGD,
	.sel_writable = INTEL_SEL_WRITABLE,
	.sel_event = MPMU_SEL_EVENT,
	.sel_in_tx = INTEL_SEL_IN_TX,
	.events = {
		[MPMU_EVENT_INSTRUCTIONS] = 0xc0,
		[MPMU_EVENT_BRANCHES] = 0xc4,
	},
	.fixed_events = {
		[MPMU_EVENT_INSTRUCTIONS] = 1ull << MPMU_FIXED_BASE,
	},
	.decode = intel_decode,
};
