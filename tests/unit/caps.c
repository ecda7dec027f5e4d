// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* caps.c: from CPUID to a model that a guest may have. */
#include "../lib/unit.h"

#define GP(n)    ((1ull << (n)) - 1)
#define FIXED(n) (GP(n) << MPMU_FIXED_BASE)

struct decode_row {
	const char *id;
	struct mpmu_cpuid leaves;
	int result;
	struct mpmu_caps caps;
};

#define INTEL_LEAF(version, gp, width, length, ebx, ecx, edx) \
	.vendor = MPMU_VENDOR_INTEL,                          \
	.leaf_0a = {(version) | (gp) << 8 | (width) << 16 | (u32)(length) << 24, ebx, ecx, edx}

static const struct decode_row decodes[] = {
	{"A10 Sapphire Rapids",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 0xf, 4 | 48 << 5 | 1 << 15), .perf_capabilities = 0x2000},
	 0,
	 {.counters = GP(8) | FIXED(4),
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_FW_WRITES}},
	{"A10 PERF_METRICS brings GLOBAL_CTRL bit 48",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 0xf, 4 | 48 << 5), .perf_capabilities = 0xa000},
	 0,
	 {.counters = GP(8) | FIXED(4),
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .global_ctrl_extra = 1ull << 48,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_FW_WRITES |
		      MPMU_FEAT_METRICS}},
	{"A10 version 5 adds fixed counters by mask",
	 {INTEL_LEAF(5, 4, 48, 8, 0, 0x11, 3 | 48 << 5)},
	 0,
	 {.counters = GP(4) | FIXED(3) | 1ull << 36,
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET}},
	{"A10 version 4 has no such mask",
	 {INTEL_LEAF(4, 4, 48, 8, 0, 0x11, 3 | 48 << 5)},
	 0,
	 {.counters = GP(4) | FIXED(3),
	  .version = 4,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET}},
	{"A10 version 2 has no STATUS_SET",
	 {INTEL_LEAF(2, 4, 48, 7, 1 << 6, 0, 3 | 40 << 5)},
	 0,
	 {.counters = GP(4) | FIXED(3),
	  .version = 2,
	  .gp_width = 48,
	  .fixed_width = 40,
	  .arch_events = 0x3f,
	  .features = MPMU_FEAT_GLOBAL}},
	{"A10 version 1 ignores leaf EDX",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 3 | 40 << 5)},
	 0,
	 {.counters = GP(2), .version = 1, .gp_width = 40, .arch_events = 0x7f}},
	{"A10 no PMU: all zero", {INTEL_LEAF(0, 8, 48, 8, 0, 0, 0)}, 0, {0}},
	{"A10 width is 0 where the count is 0",
	 {INTEL_LEAF(2, 4, 48, 7, 0, 0, 48 << 5)},
	 0,
	 {.counters = GP(4),
	  .version = 2,
	  .gp_width = 48,
	  .arch_events = 0x7f,
	  .features = MPMU_FEAT_GLOBAL}},
	{"A10 counters of width 0", {INTEL_LEAF(2, 4, 0, 7, 0, 0, 3 | 48 << 5)}, -EINVAL, {0}},
	{"A10 counters of width 80", {INTEL_LEAF(2, 4, 80, 7, 0, 0, 0)}, -EINVAL, {0}},
	{"A10 33 counters", {INTEL_LEAF(2, 33, 48, 7, 0, 0, 0)}, -EINVAL, {0}},
	{"A10 17 fixed counters", {INTEL_LEAF(2, 4, 48, 7, 0, 0, 17 | 48 << 5)}, -EINVAL, {0}},
	{"A10 unknown vendor", {.vendor = 7}, -EINVAL, {0}},
	{"A10 TSX",
	 {INTEL_LEAF(4, 4, 48, 7, 0, 0, 3 | 48 << 5), .leaf_07_ebx = 1 << 11},
	 0,
	 {.counters = GP(4) | FIXED(3),
	  .version = 4,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0x7f,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_TSX}},
	{"A10 K7",
	 {.vendor = MPMU_VENDOR_AMD},
	 0,
	 {.vendor = MPMU_VENDOR_AMD, .counters = GP(4), .version = 1, .gp_width = 48}},
	{"A10 core extension",
	 {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1 << 23 | 1 << 2},
	 0,
	 {.vendor = MPMU_VENDOR_AMD,
	  .counters = GP(6),
	  .version = 1,
	  .gp_width = 48,
	  .features = MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_SVM}},
	{"A10 PerfMonV2",
	 {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1 << 23, .leaf_80000022 = {1, 6}},
	 0,
	 {.vendor = MPMU_VENDOR_AMD,
	  .counters = GP(6),
	  .version = 2,
	  .gp_width = 48,
	  .features = MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET}},
	{"A10 PerfMonV2 with NB counters",
	 {.vendor = MPMU_VENDOR_AMD,
	  .leaf_80000001_ecx = 1 << 23 | 1 << 24,
	  .leaf_80000022 = {1, 6 | 4 << 10}},
	 0,
	 {.vendor = MPMU_VENDOR_AMD,
	  .counters = GP(6),
	  .version = 2,
	  .gp_width = 48,
	  .features = MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET |
		      MPMU_FEAT_RDPMC_UNCORE}},
	{"A10 PerfMonV2 without counters",
	 {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1 << 23, .leaf_80000022 = {1, 0}},
	 -EINVAL,
	 {0}},
};

static void check_same(const struct mpmu_caps *got, const struct mpmu_caps *want)
{
	assert_int_equal(got->counters, want->counters);
	assert_int_equal(got->global_ctrl_extra, want->global_ctrl_extra);
	assert_int_equal(got->features, want->features);
	assert_int_equal(got->arch_events, want->arch_events);
	assert_int_equal(got->vendor, want->vendor);
	assert_int_equal(got->version, want->version);
	assert_int_equal(got->gp_width, want->gp_width);
	assert_int_equal(got->fixed_width, want->fixed_width);
}

static void check_decode(void **state)
{
	const struct decode_row *row = *state;
	struct mpmu_caps caps, before;

	memset(&caps, 0x5a, sizeof(caps));
	before = caps;
	assert_int_equal(mpmu_caps_decode(&caps, &row->leaves), row->result);
	check_same(&caps, row->result ? &before : &row->caps);
}

struct missing_row {
	const char *id;
	const char *host;
	/* Features to take away. */
	u32 without;
	/* Part of the phrase; NULL: nothing is missing. */
	const char *phrase;
};

static const struct missing_row missings[] = {
	{"B2 version 4", "intel-v4", 0, NULL},
	{"B2 version 5", "intel-v5-8-4", 0, NULL},
	{"B2 version 2", "intel-v2-fw", 0, "version 4"},
	{"B2 version 1", "intel-v1-fw", 0, "version 4"},
	{"B2 no STATUS_SET", "intel-v4", MPMU_FEAT_STATUS_SET, "version 4"},
	{"B2 no FW_WRITES", "intel-v5-8-4", MPMU_FEAT_FW_WRITES, "FW_WRITES"},
	{"B2 no VMCS load", "intel-v5-8-4", MPMU_FEAT_VMCS_GLOBAL_CTRL, "VM-entry"},
	{"B3 PerfMonV2", "amd-v2", 0, NULL},
	{"B3 core extension", "amd-core6", 0, "PerfMonV2"},
	{"B3 K7", "amd-k7", 0, "PerfMonV2"},
};

static void check_missing(void **state)
{
	const struct missing_row *row = *state;
	struct mpmu_caps caps = *unit_caps(row->host);
	const char *phrase;

	caps.features &= ~row->without;
	phrase = mpmu_caps_missing(&caps);
	assert_int_equal(phrase != NULL, row->phrase != NULL);
	if (phrase && !strstr(phrase, row->phrase))
		fail_msg("\"%s\" lacks \"%s\"", phrase, row->phrase);
}

struct offer_row {
	const char *id;
	const char *host;
	enum mpmu_policy policy;
	mpmu_pmcs counters;
	u32 version;
};

static const struct offer_row offers[] = {
	{"B7 compat on 8 + 4", "intel-v5-8-4", MPMU_POLICY_COMPAT, GP(8) | FIXED(3), 5},
	{"B7 full on 8 + 4", "intel-v5-8-4", MPMU_POLICY_FULL, GP(8) | FIXED(4), 5},
	{"B7 compat on 4 + 3", "intel-v4-tsx", MPMU_POLICY_COMPAT, GP(4) | FIXED(3), 4},
	{"B7 compat on holes", "intel-v5-holes", MPMU_POLICY_COMPAT, 0xcb | FIXED(2), 5},
	{"B7 full on holes", "intel-v5-holes", MPMU_POLICY_FULL, 0xcb | FIXED(2) | 1ull << 35, 5},
	{"B7 compat on PerfMonV2", "amd-v2", MPMU_POLICY_COMPAT, GP(6), 2},
	{"B7 full on PerfMonV2", "amd-v2-nb", MPMU_POLICY_FULL, GP(6), 2},
};

static void check_offer(void **state)
{
	const struct offer_row *row = *state;
	struct mpmu_caps offer;

	mpmu_caps_offer(&offer, unit_caps(row->host), row->policy);
	assert_int_equal(offer.counters, row->counters);
	assert_int_equal(offer.version, row->version);
	/* Never offered: properties of the machine. */
	assert_int_equal(offer.features & (MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_VMCS_GLOBAL_CTRL), 0);
}

struct clamp_row {
	const char *id;
	const char *host;
	struct mpmu_caps guest;
	struct mpmu_caps want;
};

#define INTEL_ALL (MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_FW_WRITES)

static const struct clamp_row clamps[] = {
	{"B7 more counters than the host",
	 "intel-v5-8-3",
	 {.counters = GP(16) | FIXED(8),
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .features = INTEL_ALL},
	 {.counters = GP(8) | FIXED(3),
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .features = INTEL_ALL}},
	{"B7 wider than the host",
	 "intel-v5-odd",
	 {.counters = GP(2) | FIXED(1),
	  .version = 5,
	  .gp_width = 64,
	  .fixed_width = 64,
	  .features = INTEL_ALL},
	 {.counters = GP(2) | FIXED(1),
	  .version = 5,
	  .gp_width = 40,
	  .fixed_width = 44,
	  .features = INTEL_ALL}},
	{"B7 narrower than the host",
	 "intel-v5-8-3",
	 {.counters = GP(2) | FIXED(1),
	  .version = 5,
	  .gp_width = 40,
	  .fixed_width = 40,
	  .features = INTEL_ALL},
	 {.counters = GP(2) | FIXED(1),
	  .version = 5,
	  .gp_width = 40,
	  .fixed_width = 40,
	  .features = INTEL_ALL}},
	{"B7 newer than the host",
	 "intel-v4",
	 {.counters = GP(2), .version = 9, .gp_width = 48, .features = INTEL_ALL},
	 {.counters = GP(2), .version = 4, .gp_width = 48, .features = INTEL_ALL}},
	{"D5 version 1 loses fixed counters and global registers",
	 "intel-v4",
	 {.counters = GP(2) | FIXED(3),
	  .version = 1,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .features = INTEL_ALL},
	 {.counters = GP(2), .version = 1, .gp_width = 48, .features = MPMU_FEAT_FW_WRITES}},
	{"D5 version 2 loses STATUS_SET",
	 "intel-v4",
	 {.counters = GP(2), .version = 2, .gp_width = 48, .features = INTEL_ALL},
	 {.counters = GP(2),
	  .version = 2,
	  .gp_width = 48,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_FW_WRITES}},
	{"B7 TSX that the host lacks",
	 "intel-v4",
	 {.counters = GP(2), .version = 4, .gp_width = 48, .features = INTEL_ALL | MPMU_FEAT_TSX},
	 {.counters = GP(2), .version = 4, .gp_width = 48, .features = INTEL_ALL}},
	{"B7 no counter left: no PMU",
	 "intel-v5-holes",
	 {.counters = 4, .version = 4, .gp_width = 48, .features = INTEL_ALL},
	 {0}},
	{"B7 the other vendor: no PMU",
	 "amd-v2",
	 {.counters = GP(2), .version = 2, .gp_width = 48},
	 {.vendor = MPMU_VENDOR_AMD}},
	{"D5 no core extension: 4 counters",
	 "amd-v2",
	 {.vendor = MPMU_VENDOR_AMD, .counters = GP(6), .version = 1, .gp_width = 48},
	 {.vendor = MPMU_VENDOR_AMD, .counters = GP(4), .version = 1, .gp_width = 48}},
};

static void check_clamp(void **state)
{
	const struct clamp_row *row = *state;
	struct mpmu_caps guest = row->guest;

	mpmu_caps_clamp(&guest, unit_caps(row->host));
	check_same(&guest, &row->want);
}

struct extra_row {
	const char *id;
	u64 host;
	u64 guest;
	u64 want;
};

static const struct extra_row extras[] = {
	{"B7 GLOBAL_CTRL bit of both", 1ull << 48, 1ull << 48, 1ull << 48},
	{"B7 GLOBAL_CTRL bit of the guest alone", 0, 1ull << 48, 0},
	{"B7 GLOBAL_CTRL bit of the host alone", 1ull << 48, 0, 0},
};

static void check_extra(void **state)
{
	const struct extra_row *row = *state;
	struct mpmu_caps host = *unit_caps("intel-v5-8-4"), guest = host;

	host.global_ctrl_extra = row->host;
	guest.global_ctrl_extra = row->guest;
	mpmu_caps_clamp(&guest, &host);
	assert_int_equal(guest.global_ctrl_extra, row->want);
}

int main(void)
{
	UNIT_TABLE(decodes, check_decode);
	UNIT_TABLE(missings, check_missing);
	UNIT_TABLE(offers, check_offer);
	UNIT_TABLE(clamps, check_clamp);
	UNIT_TABLE(extras, check_extra);
	return unit_run("caps");
}
