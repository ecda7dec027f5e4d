/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Intel 64 architectural performance monitoring.
 */
#include "internal.h"

#define INTEL_PERFCTR            0x0c1
#define INTEL_PMC                0x4c1
#define INTEL_EVENTSEL           0x186
#define INTEL_FIXED_CTR          0x309
#define INTEL_METRICS            0x329
#define INTEL_FIXED_CTR_CTRL     0x38d
#define INTEL_GLOBAL_STATUS      0x38e
#define INTEL_GLOBAL_CTRL        0x38f
#define INTEL_STATUS_RESET       0x390
#define INTEL_STATUS_SET         0x391
#define INTEL_GLOBAL_INUSE       0x392
/* First of the six above. */
#define INTEL_CONTROL            INTEL_FIXED_CTR_CTRL

/* The ranges above have room for eight; later ones are elsewhere. */
#define INTEL_MAX_GP             8

/* All but AnyThread, bit 21. */
#define INTEL_SEL_WRITABLE       0xffdfffffull
#define INTEL_SEL_IN_TX          (1ull << 32)
#define INTEL_SEL_IN_TXCP        (1ull << 33)

/* LBRs, counters: a freeze by DEBUGCTL, which no guest has. */
#define INTEL_STATUS_FROZEN      (3ull << 58)
#define INTEL_STATUS_OVF_BUF     (1ull << 62)
#define INTEL_STATUS_COND_CHGD   (1ull << 63)
#define INTEL_CTRL_METRICS       (1ull << MPMU_METRICS)

#define INTEL_PERF_CAP_FW_WRITES (1u << 13)
#define INTEL_PERF_CAP_METRICS   (1u << 15)
#define INTEL_LEAF_07_EBX_HLE    (1u << 4)
#define INTEL_LEAF_07_EBX_RTM    (1u << 11)
#define INTEL_LEAF_07_1_EAX_23H  (1u << 8)
#define INTEL_LEAF_0A_ANY_DEPR   (1u << 15)
/* Subleaves of 23H. */
#define INTEL_23_MAIN            (1u << 0)
#define INTEL_23_COUNTERS        (1u << 1)
#define INTEL_23_EVENTS          (1u << 3)

#define INTEL_FEATURES                                                                       \
	(MPMU_FEAT_FW_WRITES | MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_METRICS | \
	 MPMU_FEAT_TSX | MPMU_FEAT_VMCS_GLOBAL_CTRL)

static const struct mpmu_msr_row intel_perfctr[] = {
	MPMU_MSR_OF_4(MPMU_KIND_GP_LEGACY, 0, 0),
	MPMU_MSR_OF_4(MPMU_KIND_GP_LEGACY, 4, 0),
};

static const struct mpmu_msr_row intel_pmc[] = {
	MPMU_MSR_OF_4(MPMU_KIND_GP, 0, MPMU_FEAT_FW_WRITES),
	MPMU_MSR_OF_4(MPMU_KIND_GP, 4, MPMU_FEAT_FW_WRITES),
};

static const struct mpmu_msr_row intel_eventsel[] = {
	MPMU_MSR_OF_4(MPMU_KIND_EVENTSEL, 0, 0),
	MPMU_MSR_OF_4(MPMU_KIND_EVENTSEL, 4, 0),
};

static const struct mpmu_msr_row intel_fixed_ctr[] = {
	MPMU_MSR_OF_4(MPMU_KIND_FIXED, MPMU_FIXED_BASE, 0),
	MPMU_MSR_OF_4(MPMU_KIND_FIXED, MPMU_FIXED_BASE + 4, 0),
	MPMU_MSR_OF_4(MPMU_KIND_FIXED, MPMU_FIXED_BASE + 8, 0),
	MPMU_MSR_OF_4(MPMU_KIND_FIXED, MPMU_FIXED_BASE + 12, 0),
};

static const struct mpmu_msr_row intel_metrics[] = {
	MPMU_MSR_OF(MPMU_KIND_METRICS, MPMU_METRICS, MPMU_FEAT_METRICS),
};

static const struct mpmu_msr_row intel_control[] = {
	[INTEL_FIXED_CTR_CTRL - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_FIXED_CTRL, MPMU_FEAT_GLOBAL),
	[INTEL_GLOBAL_STATUS - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_STATUS, MPMU_FEAT_GLOBAL),
	[INTEL_GLOBAL_CTRL - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_GLOBAL_CTRL, MPMU_FEAT_GLOBAL),
	[INTEL_STATUS_RESET - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_STATUS_CLEAR, MPMU_FEAT_GLOBAL),
	[INTEL_STATUS_SET - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_STATUS_SET, MPMU_FEAT_STATUS_SET),
	[INTEL_GLOBAL_INUSE - INTEL_CONTROL] =
		MPMU_MSR_SINGLE(MPMU_KIND_INUSE, MPMU_FEAT_STATUS_SET),
};

static const struct mpmu_msr_block intel_blocks[MPMU_MSR_SLOTS] = {
	MPMU_MSR_BLOCK(INTEL_PERFCTR, intel_perfctr),
	MPMU_MSR_BLOCK(INTEL_EVENTSEL, intel_eventsel),
	MPMU_MSR_BLOCK(INTEL_FIXED_CTR, intel_fixed_ctr),
	MPMU_MSR_BLOCK(INTEL_METRICS, intel_metrics),
	MPMU_MSR_BLOCK(INTEL_CONTROL, intel_control),
	MPMU_MSR_BLOCK(INTEL_PMC, intel_pmc),
};

/*
 * What these count is chosen by a register that is the host's: OFFCORE_RSP,
 * SNOOP_RSP, PEBS_LD_LAT_THRESHOLD, PEBS_FRONTEND.  All generations at once: an
 * event that has another meaning, or none, in one of them is denied there, too.
 */
static const struct mpmu_extra_event intel_extra_events[] = {
	{0x27, 0x01, 0x01}, /* snoop responses */
	{0x27, 0x02, 0x02},
	{0x2a, 0x00, 0x00}, /* offcore responses, since Alder Lake */
	{0x2b, 0x00, 0x00},
	{0xad, 0x40, 0x40}, /* unknown branches */
	{0xb7, 0x00, 0x00}, /* offcore responses */
	{0xbb, 0x00, 0x00},
	{0xc2, 0x04, 0x04}, /* instructions of the microcode sequencer */
	{0xc6, 0x00, 0x00}, /* front end */
	{0xcd, 0x01, 0x01}, /* latency of loads */
	{0xd0, 0xff, 0x05}, /* the same in small cores */
	{0xd0, 0xff, 0x06},
};

static bool intel_has_23(const struct mpmu_cpuid *leaves, u32 subleaf)
{
	return leaves->leaf_07_1_eax & INTEL_LEAF_07_1_EAX_23H && leaves->leaf_23_eax & subleaf;
}

static u64 intel_gp(const struct mpmu_cpuid *leaves)
{
	if (intel_has_23(leaves, INTEL_23_COUNTERS))
		return leaves->leaf_23_1[0];
	return mpmu_mask((leaves->leaf_0a[0] >> 8) & 0xff);
}

/* Version 2 counts fixed counters from 0; version 5 adds a mask. */
static u64 intel_fixed(const struct mpmu_cpuid *leaves, u32 version)
{
	u64 fixed;

	if (version < 2)
		return 0;
	if (intel_has_23(leaves, INTEL_23_COUNTERS))
		return leaves->leaf_23_1[1];
	fixed = mpmu_mask(leaves->leaf_0a[3] & 0x1f);
	return version < 5 ? fixed : fixed | leaves->leaf_0a[2];
}

/* EBX has a bit for each event that is missing, EAX the number of bits that count. */
static u32 intel_arch_events(const struct mpmu_cpuid *leaves)
{
	if (intel_has_23(leaves, INTEL_23_EVENTS))
		return leaves->leaf_23_3_eax;
	return ~leaves->leaf_0a[1] & mpmu_mask(leaves->leaf_0a[0] >> 24);
}

/* CPUID has bits for some features; others come with a version. */
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

static MPMU_COLD int intel_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves)
{
	u32 version = leaves->leaf_0a[0] & 0xff;
	u64 gp = intel_gp(leaves);
	u64 fixed = intel_fixed(leaves, version);

	if (!version)
		return 0;
	if (gp & ~mpmu_mask(MPMU_MAX_GP) || fixed & ~mpmu_mask(MPMU_MAX_FIXED))
		return -EINVAL;
	caps->counters = gp | fixed << MPMU_FIXED_BASE;
	caps->global_ctrl_extra = INTEL_CTRL_METRICS;
	caps->features = intel_features(leaves, version);
	caps->version = version;
	caps->gp_width = leaves->leaf_0a[0] >> 16;
	caps->fixed_width = leaves->leaf_0a[3] >> 5;
	caps->metrics_width = MPMU_METRICS_WIDTH;
	caps->arch_events = intel_arch_events(leaves);
	return 0;
}

/* Counters from 0 on, up to the first gap. */
static u32 intel_contiguous(u64 counters)
{
	return mpmu_first_pmc(~counters);
}

/* Counters behind a gap, for guests that know of leaf 23H. */
static void intel_encode_23(struct mpmu_cpuid *leaves, u32 gp, u32 fixed)
{
	leaves->leaf_07_1_eax = INTEL_LEAF_07_1_EAX_23H;
	leaves->leaf_23_eax = INTEL_23_MAIN | INTEL_23_COUNTERS;
	leaves->leaf_23_1[0] = gp;
	leaves->leaf_23_1[1] = fixed;
}

static void intel_encode_features(struct mpmu_cpuid *leaves, u32 features)
{
	if (features & MPMU_FEAT_FW_WRITES)
		leaves->perf_capabilities = INTEL_PERF_CAP_FW_WRITES;
	if (features & MPMU_FEAT_METRICS)
		leaves->perf_capabilities |= INTEL_PERF_CAP_METRICS;
	if (features & MPMU_FEAT_TSX)
		leaves->leaf_07_ebx = INTEL_LEAF_07_EBX_RTM;
}

static MPMU_COLD void intel_encode(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps)
{
	u32 gp = caps->counters, fixed = caps->counters >> MPMU_FIXED_BASE;
	u32 gps = intel_contiguous(gp), fixeds = intel_contiguous(fixed);
	u32 events = caps->arch_events ? 32 - __builtin_clz(caps->arch_events) : 0;

	leaves->leaf_0a[0] = caps->version | gps << 8 | (u32)caps->gp_width << 16 | events << 24;
	leaves->leaf_0a[1] = ~caps->arch_events & mpmu_mask(events);
	leaves->leaf_0a[3] = fixeds | (u32)caps->fixed_width << 5;
	/* AnyThread counts what the other thread of the core does, a stranger maybe. */
	if (caps->version >= 2)
		leaves->leaf_0a[3] |= INTEL_LEAF_0A_ANY_DEPR;
	if (caps->version >= 5)
		leaves->leaf_0a[2] = fixed;
	if (gp != mpmu_mask(gps) || (caps->version < 5 && fixed != mpmu_mask(fixeds)))
		intel_encode_23(leaves, gp, fixed);
	intel_encode_features(leaves, caps->features);
}

static MPMU_COLD void intel_match_version(struct mpmu_caps *caps)
{
	if (caps->version >= 2 && !mpmu_has(caps, MPMU_FEAT_GLOBAL))
		caps->version = 1;
	if (caps->version >= 4 && !mpmu_has(caps, MPMU_FEAT_STATUS_SET))
		caps->version = 3;
	if (caps->version < 2)
		caps->features &= ~(u32)MPMU_FEAT_GLOBAL;
	if (caps->version < 4)
		caps->features &= ~(u32)MPMU_FEAT_STATUS_SET;
}

static const char *intel_missing(const struct mpmu_caps *host)
{
	if (!mpmu_has(host, MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET))
		return "PMU version 4 or later";
	if (!mpmu_has(host, MPMU_FEAT_FW_WRITES))
		return "full-width counter writes (PERF_CAPABILITIES.FW_WRITES)";
	if (!mpmu_has(host, MPMU_FEAT_VMCS_GLOBAL_CTRL))
		return "VM-entry and VM-exit load of PERF_GLOBAL_CTRL";
	return NULL;
}

const struct mpmu_desc mpmu_intel = {
	.blocks = intel_blocks,
	.extra_events = intel_extra_events,
	.nr_extra_events = MPMU_ARRAY_SIZE(intel_extra_events),
	.features = INTEL_FEATURES,
	.arch_events = ~0u,
	.metrics_ctrl = INTEL_CTRL_METRICS,
	.max_version = 5,
	.compat_version = 2,
	.compat_gp = 8,
	.reachable = INTEL_CTRL_METRICS | MPMU_FIXED_MASK | ((1ull << INTEL_MAX_GP) - 1),
	.gp = INTEL_PMC,
	.gp_stride = 1,
	.eventsel = INTEL_EVENTSEL,
	.fixed = INTEL_FIXED_CTR,
	.metrics = INTEL_METRICS,
	.fixed_ctrl = INTEL_FIXED_CTR_CTRL,
	.global_ctrl = INTEL_GLOBAL_CTRL,
	.status = INTEL_GLOBAL_STATUS,
	.status_clear = INTEL_STATUS_RESET,
	.status_set = INTEL_STATUS_SET,
	.strict = true,
	.rdpmc_fixed = 1u << 30,
	.rdpmc_metrics = 1u << 29,
	.status_extra = INTEL_STATUS_FROZEN | INTEL_STATUS_OVF_BUF | INTEL_STATUS_COND_CHGD,
	.sel_writable = INTEL_SEL_WRITABLE,
	.sel_event = MPMU_SEL_EVENT,
	.sel_in_tx = INTEL_SEL_IN_TX,
	.sel_in_txcp = INTEL_SEL_IN_TXCP,
	.in_txcp_gp = 2,
	.events = {
		[MPMU_EVENT_INSTRUCTIONS] = 0xc0,
		[MPMU_EVENT_BRANCHES] = 0xc4,
	},
	.fixed_events = {
		[MPMU_EVENT_INSTRUCTIONS] = 1ull << MPMU_FIXED_BASE,
	},
	.decode = intel_decode,
	.encode = intel_encode,
	.match_version = intel_match_version,
	.missing = intel_missing,
};
