// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* caps.c: from CPUID to a model that a guest may have. */
#include "../lib/one.h"

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
	  .metrics_width = 64,
	  .global_ctrl_extra = 1ull << 48,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_FW_WRITES |
		      MPMU_FEAT_METRICS}},
	{"A10 PERF_METRICS without fixed counter 3 is nothing",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 7, 3 | 48 << 5), .perf_capabilities = 0xa000},
	 0,
	 {.counters = GP(8) | FIXED(3),
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET | MPMU_FEAT_FW_WRITES}},
	{"A10 leaf 23H with fixed counter 3 behind a gap, and PERF_METRICS",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 0, 48 << 5), .perf_capabilities = 0xa000,
	  .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3, .leaf_23_1 = {0xd5, 0xa}},
	 0,
	 {.counters = 0xd5 | 0xaull << 32,
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .metrics_width = 64,
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
	{"A10 33 GP counters, and fixed ones",
	 {INTEL_LEAF(4, 33, 48, 7, 0, 0, 3 | 48 << 5)},
	 -EINVAL,
	 {0}},
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
	{"A10 TSX by HLE alone",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_ebx = 1 << 4},
	 0,
	 {.counters = GP(2),
	  .version = 1,
	  .gp_width = 40,
	  .arch_events = 0x7f,
	  .features = MPMU_FEAT_TSX}},
	{"A10 neither HLE nor RTM",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_ebx = ~(1u << 4 | 1u << 11)},
	 0,
	 {.counters = GP(2), .version = 1, .gp_width = 40, .arch_events = 0x7f}},
	{"A10 leaf 23H has gaps, 0AH none",
	 {INTEL_LEAF(5, 2, 48, 8, 0, 0x3, 2 | 48 << 5), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3,
	  .leaf_23_1 = {0xcb, 0x13}},
	 0,
	 {.counters = 0xcb | 0x13ull << MPMU_FIXED_BASE,
	  .version = 5,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET}},
	{"A10 leaf 23H without counter 0",
	 {INTEL_LEAF(4, 0, 48, 8, 0, 0, 48 << 5), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 2,
	  .leaf_23_1 = {0xfe, 0x4}},
	 0,
	 {.counters = 0xfe | 0x4ull << MPMU_FIXED_BASE,
	  .version = 4,
	  .gp_width = 48,
	  .fixed_width = 48,
	  .arch_events = 0xff,
	  .features = MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET}},
	{"A10 leaf 23H, version 1 has no fixed counters",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 2,
	  .leaf_23_1 = {0x5, 0xf}},
	 0,
	 {.counters = 0x5, .version = 1, .gp_width = 40, .arch_events = 0x7f}},
	{"A10 leaf 23H without the subleaf of counters",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 5,
	  .leaf_23_1 = {0xff, 0xf}},
	 0,
	 {.counters = 0x3, .version = 1, .gp_width = 40, .arch_events = 0x7f}},
	{"A10 leaf 23H that is not announced",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_1_eax = ~(1 << 8), .leaf_23_eax = ~0,
	  .leaf_23_1 = {0xff, 0xf}, .leaf_23_3_eax = 1},
	 0,
	 {.counters = 0x3, .version = 1, .gp_width = 40, .arch_events = 0x7f}},
	{"A10 leaf 23H names the events",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 9,
	  .leaf_23_3_eax = 0xfff},
	 0,
	 {.counters = 0x3, .version = 1, .gp_width = 40, .arch_events = 0xfff}},
	{"A10 leaf 23H without counters: no PMU",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 0xf, 4 | 48 << 5), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3},
	 0,
	 {0}},
	{"A10 leaf 23H with a 17th fixed counter",
	 {INTEL_LEAF(5, 8, 48, 8, 0, 0xf, 4 | 48 << 5), .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3,
	  .leaf_23_1 = {0xff, 1 << 16}},
	 -EINVAL,
	 {0}},
	{"A10 PERF_METRICS of version 1 is nothing",
	 {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0), .perf_capabilities = 0x8000},
	 0,
	 {.counters = 0x3, .version = 1, .gp_width = 40, .arch_events = 0x7f}},
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
	assert_memory_equal(got, want, sizeof(*want));
}

static void check_decode(void **state)
{
	const struct decode_row *row = *state;
	struct mpmu_caps caps, before;

	memset(&caps, 0x5a, sizeof(caps));
	before = caps;
	assert_int_equal(mpmu_caps_decode(&caps, &row->leaves), row->result);
	check_same(&caps, row->result ? &before : &row->caps);
	assert_int_equal(mpmu_caps_valid(&caps), !row->result);
}

struct encode_row {
	const char *id;
	const char *model;
	/* Counters, in place of the model's. */
	mpmu_pmcs counters;
	int result;
	struct mpmu_cpuid leaves;
};

/* EDX of 0AH: AnyThread is deprecated. */
#define NO_ANY (1 << 15)

static const struct encode_row encodes[] = {
	{"B7 leaves of 8 + 4",
	 "intel-v5-8-4",
	 GP(8) | FIXED(4),
	 0,
	 {INTEL_LEAF(5, 8, 48, 7, 0, 0xf, 4 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000}},
	{"B7 leaves of version 2",
	 "intel-v2",
	 GP(4) | FIXED(3),
	 0,
	 {INTEL_LEAF(2, 4, 48, 7, 0, 0, 3 | 48 << 5 | NO_ANY)}},
	{"B7 leaves of version 1", "intel-v1", GP(2), 0, {INTEL_LEAF(1, 2, 40, 7, 0, 0, 0)}},
	{"B7 leaves with TSX",
	 "intel-v4-tsx",
	 GP(4) | FIXED(3),
	 0,
	 {INTEL_LEAF(4, 4, 48, 7, 0, 0, 3 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000,
	  .leaf_07_ebx = 1 << 11}},
	{"B7 gaps between GP counters need 23H",
	 "intel-v5-holes",
	 0xcb | 0xbull << MPMU_FIXED_BASE,
	 0,
	 {INTEL_LEAF(5, 2, 48, 7, 0, 0xb, 2 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000,
	  .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3, .leaf_23_1 = {0xcb, 0xb}}},
	{"B7 gaps between fixed counters do not, in version 5",
	 "intel-v5-8-4",
	 GP(8) | 0xbull << MPMU_FIXED_BASE,
	 0,
	 {INTEL_LEAF(5, 8, 48, 7, 0, 0xb, 2 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000}},
	{"B7 gaps between fixed counters do, in version 4",
	 "intel-v4",
	 GP(8) | 0x5ull << MPMU_FIXED_BASE,
	 0,
	 {INTEL_LEAF(4, 8, 48, 7, 0, 0, 1 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000,
	  .leaf_07_1_eax = 1 << 8, .leaf_23_eax = 3, .leaf_23_1 = {0xff, 0x5}}},
	{"B7 leaves of 32 counters",
	 "intel-v5-8-4",
	 GP(32) | FIXED(16),
	 0,
	 {INTEL_LEAF(5, 32, 48, 7, 0, 0xffff, 16 | 48 << 5 | NO_ANY), .perf_capabilities = 0x2000}},
	{"B7 leaves of K7", "amd-k7", GP(4), 0, {.vendor = MPMU_VENDOR_AMD}},
	{"B7 leaves of the core extension",
	 "amd-core6",
	 GP(6),
	 0,
	 {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1 << 23 | 1 << 2}},
	{"B7 leaves of PerfMonV2",
	 "amd-v2",
	 GP(6),
	 0,
	 {.vendor = MPMU_VENDOR_AMD,
	  .leaf_80000001_ecx = 1 << 23 | 1 << 2,
	  .leaf_80000022 = {1, 6}}},
	{"B7 leaves of 15 counters",
	 "amd-v2",
	 GP(15),
	 0,
	 {.vendor = MPMU_VENDOR_AMD,
	  .leaf_80000001_ecx = 1 << 23 | 1 << 2,
	  .leaf_80000022 = {1, 15}}},
	{"B7 AMD: no leaf for gaps", "amd-v2", 0x35, -EOPNOTSUPP, {.vendor = 0}},
	{"B7 AMD: no leaf for 16 counters", "amd-v2", GP(16), -EOPNOTSUPP, {.vendor = 0}},
	{"B7 AMD: no leaf for 5 counters of 6", "amd-core6", GP(5), -EOPNOTSUPP, {.vendor = 0}},
	{"B7 AMD: no leaf for 3 counters of 4", "amd-k7", GP(3), -EOPNOTSUPP, {.vendor = 0}},
	{"B7 leaves of a contradiction", "intel-v1", GP(2) | FIXED(1), -EINVAL, {.vendor = 0}},
};

static void check_encode(void **state)
{
	const struct encode_row *row = *state;
	struct mpmu_caps caps = *unit_caps(row->model);
	struct mpmu_cpuid leaves, before;

	caps.counters = row->counters;
	memset(&leaves, 0x5a, sizeof(leaves));
	before = leaves;
	assert_int_equal(mpmu_caps_encode(&leaves, &caps), row->result);
	if (row->result) {
		assert_memory_equal(&leaves, &before, sizeof(leaves));
		return;
	}
	assert_memory_equal(leaves.leaf_0a, row->leaves.leaf_0a, sizeof(leaves.leaf_0a));
	assert_memory_equal(leaves.leaf_80000022, row->leaves.leaf_80000022,
			    sizeof(leaves.leaf_80000022));
	assert_int_equal(leaves.leaf_80000001_ecx, row->leaves.leaf_80000001_ecx);
	assert_int_equal(leaves.leaf_07_ebx, row->leaves.leaf_07_ebx);
	assert_int_equal(leaves.leaf_07_1_eax, row->leaves.leaf_07_1_eax);
	assert_int_equal(leaves.leaf_23_eax, row->leaves.leaf_23_eax);
	assert_memory_equal(leaves.leaf_23_1, row->leaves.leaf_23_1, sizeof(leaves.leaf_23_1));
	assert_int_equal(leaves.leaf_23_3_eax, row->leaves.leaf_23_3_eax);
	assert_int_equal(leaves.perf_capabilities, row->leaves.perf_capabilities);
	assert_int_equal(leaves.vendor, row->leaves.vendor);
}

struct valid_row {
	const char *id;
	struct mpmu_caps caps;
	bool valid;
};

#define MODEL(features_, counters_, version_) \
	.features = (features_), .counters = (counters_), .version = (version_)
#define V2     MPMU_FEAT_GLOBAL
#define V4     (MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET)
#define WIDTHS .gp_width = 48, .fixed_width = 48
#define AMD    .vendor = MPMU_VENDOR_AMD, .gp_width = 48
#define CORE   MPMU_FEAT_PERFCTR_CORE
#define METRICS(counters_, width, extra)                                                  \
	MODEL(V4 | MPMU_FEAT_METRICS, counters_, 5), WIDTHS, .metrics_width = (width),    \
		.global_ctrl_extra = (extra)

static const struct valid_row valids[] = {
	{"B7 valid: no PMU", {0}, true},
	{"B7 valid: no PMU (AMD)", {.vendor = MPMU_VENDOR_AMD}, true},
	{"B7 valid: 32 + 16", {MODEL(V4, GP(32) | FIXED(16), 5), WIDTHS}, true},
	{"B7 valid: fixed counters alone", {MODEL(V4, FIXED(4), 5), .fixed_width = 48}, true},
	{"B7 valid: metrics", {METRICS(GP(8) | FIXED(4), 64, 1ull << 48)}, true},
	{"B7 valid: metrics of four fields", {METRICS(GP(8) | FIXED(4), 32, 1ull << 48)}, true},
	{"B7 valid: metrics beside fixed counter 3 alone",
	 {METRICS(GP(8) | 8ull << 32, 64, 1ull << 48)},
	 true},
	{"B7 metrics without fixed counter 3", {METRICS(GP(8) | FIXED(3), 64, 1ull << 48)}, false},
	{"B7 metrics without a width", {METRICS(GP(8) | FIXED(4), 0, 1ull << 48)}, false},
	{"B7 metrics of width 65", {METRICS(GP(8) | FIXED(4), 65, 1ull << 48)}, false},
	{"B7 a width of metrics without metrics",
	 {MODEL(V4, GP(8) | FIXED(4), 5), WIDTHS, .metrics_width = 64},
	 false},
	{"B7 unknown vendor", {.vendor = 7}, false},
	{"B7 counters of no version", {MODEL(0, GP(4), 0), .gp_width = 48}, false},
	{"B7 a version without counters", {.version = 4}, false},
	{"B7 events without counters", {.arch_events = 1}, false},
	{"B7 features without counters", {.features = MPMU_FEAT_FW_WRITES}, false},
	{"B7 a fixed counter 16", {MODEL(V4, GP(8) | FIXED(17), 5), WIDTHS}, false},
	{"B7 GP counters without a width",
	 {MODEL(V4, GP(8) | FIXED(3), 5), .fixed_width = 48},
	 false},
	{"B7 GP counters of width 65",
	 {MODEL(V4, GP(8) | FIXED(3), 5), .gp_width = 65, .fixed_width = 48},
	 false},
	{"B7 fixed counters without a width",
	 {MODEL(V4, GP(8) | FIXED(3), 5), .gp_width = 48},
	 false},
	{"B7 a width without GP counters", {MODEL(V4, FIXED(3), 5), WIDTHS}, false},
	{"B7 a width without fixed counters", {MODEL(V4, GP(8), 5), WIDTHS}, false},
	{"B7 fixed counters of version 1", {MODEL(0, GP(2) | FIXED(1), 1), WIDTHS}, false},
	{"B7 version 1 with GLOBAL_CTRL", {MODEL(V2, GP(2), 1), .gp_width = 48}, false},
	{"B7 version 2 without GLOBAL_CTRL", {MODEL(0, GP(2), 2), .gp_width = 48}, false},
	{"B7 version 3 with STATUS_SET", {MODEL(V4, GP(2), 3), .gp_width = 48}, false},
	{"B7 version 4 without STATUS_SET", {MODEL(V2, GP(2), 4), .gp_width = 48}, false},
	{"B7 metrics without their bit of GLOBAL_CTRL",
	 {METRICS(GP(8) | FIXED(4), 64, 0)},
	 false},
	{"B7 the bit of metrics without metrics",
	 {MODEL(V4, GP(8), 5), .gp_width = 48, .global_ctrl_extra = 1ull << 48},
	 false},
	{"B7 metrics of version 1",
	 {MODEL(MPMU_FEAT_METRICS, GP(8), 1), .gp_width = 48, .global_ctrl_extra = 1ull << 48},
	 false},
	{"B7 another bit of GLOBAL_CTRL", {METRICS(GP(8) | FIXED(4), 64, 3ull << 48)}, false},
	{"B7 a feature of AMD", {MODEL(V4 | CORE, GP(8), 5), .gp_width = 48}, false},
	{"B7 an unknown feature", {MODEL(V4 | 1u << 31, GP(8), 5), .gp_width = 48}, false},
	{"B7 reserved is not 0", {MODEL(V4, GP(8), 5), .gp_width = 48, .reserved = {1}}, false},
	{"B7 the last of reserved is not 0",
	 {MODEL(V4, GP(8), 5), .gp_width = 48, .reserved = {0, 0, 1}},
	 false},
	{"B7 valid: PerfMonV2", {MODEL(V4 | CORE, GP(6), 2), AMD}, true},
	{"B7 valid: core extension", {MODEL(CORE, GP(6), 1), AMD}, true},
	{"B7 PerfMonV2 without the core extension", {MODEL(V4, GP(4), 2), AMD}, false},
	{"B7 6 counters without the core extension", {MODEL(0, GP(6), 1), AMD}, false},
	{"B7 fixed counters (AMD)",
	 {MODEL(V4 | CORE, GP(6) | FIXED(1), 2), AMD, .fixed_width = 48},
	 false},
	{"B7 architectural events (AMD)",
	 {MODEL(V4 | CORE, GP(6), 2), AMD, .arch_events = 1},
	 false},
	{"B7 a feature of Intel", {MODEL(CORE | MPMU_FEAT_TSX, GP(6), 1), AMD}, false},
};

/* What is not valid is refused, offered or clamped in part, twice the same. */
static void check_valid(void **state)
{
	const struct valid_row *row = *state;
	struct mpmu_caps part = row->caps, again;
	struct mpmu_cpuid leaves;

	assert_int_equal(mpmu_caps_valid(&row->caps), row->valid);
	assert_int_equal(mpmu_caps_encode(&leaves, &row->caps) == -EINVAL, !row->valid);
	mpmu_caps_clamp(&part, &row->caps);
	if (row->valid)
		check_same(&part, &row->caps);
	again = part;
	mpmu_caps_clamp(&again, &part);
	check_same(&again, &part);
	mpmu_caps_offer(&again, &row->caps, MPMU_POLICY_FULL);
	if (row->caps.vendor <= MPMU_VENDOR_AMD) {
		assert_true(mpmu_caps_valid(&part));
		assert_true(mpmu_caps_valid(&again));
	}
}

static u64 any(u64 below)
{
	return ((u64)random() << 40 ^ (u64)random() << 20 ^ (u64)random()) % below;
}

/* Leaves as they might be, and some that cannot be. */
static void any_leaves(struct mpmu_cpuid *leaves)
{
	static const u8 widths[] = {0, 32, 40, 48, 48, 48, 64, 80};

	memset(leaves, 0, sizeof(*leaves));
	leaves->vendor = any(2);
	leaves->leaf_0a[0] = any(8) | any(10) << 8 | (u32)widths[any(8)] << 16 | (u32)any(40) << 24;
	leaves->leaf_0a[1] = any(256);
	leaves->leaf_0a[2] = any(32);
	leaves->leaf_0a[3] = any(8) | (u32)widths[any(8)] << 5 | any(2) << 15;
	leaves->leaf_07_ebx = any(1ull << 32);
	leaves->leaf_07_1_eax = any(2) << 8;
	leaves->leaf_23_eax = any(16);
	leaves->leaf_23_1[0] = any(1 << 12);
	leaves->leaf_23_1[1] = any(1 << (any(20) ? 6 : 18));
	leaves->leaf_23_3_eax = any(1 << 13);
	leaves->perf_capabilities = any(1 << 16);
	leaves->leaf_80000001_ecx = any(1ull << 32);
	leaves->leaf_80000022[0] = any(4);
	leaves->leaf_80000022[1] = any(1 << 16);
}

/* decode(encode(caps)) is caps; encode(decode(leaves)) does so twice alike. */
static void check_back(const struct mpmu_caps *caps)
{
	struct mpmu_caps want = *caps, found;
	struct mpmu_cpuid leaves, again;

	memset(&leaves, 0, sizeof(leaves));
	memset(&again, 0, sizeof(again));
	want.features &= ~(u32)MPMU_FEAT_VMCS_GLOBAL_CTRL;
	want.metrics_width = want.metrics_width ? 64 : 0;
	assert_int_equal(mpmu_caps_encode(&leaves, caps), 0);
	assert_int_equal(mpmu_caps_decode(&found, &leaves), 0);
	check_same(&found, &want);
	assert_int_equal(mpmu_caps_encode(&again, &found), 0);
	assert_memory_equal(&again, &leaves, sizeof(leaves));
}

static void back_models(void)
{
	u32 i;

	for (i = 0; i < stub_nr_models; i++) {
		assert_true(mpmu_caps_valid(&stub_models[i].caps));
		check_back(&stub_models[i].caps);
	}
}

static void back_leaves(void)
{
	struct mpmu_cpuid leaves;
	struct mpmu_caps caps;
	u32 i, done = 0;

	for (i = 0; i < 100000; i++) {
		any_leaves(&leaves);
		if (mpmu_caps_decode(&caps, &leaves))
			continue;
		done++;
		check_back(&caps);
	}
	/* Neither all of them nor none. */
	assert_in_range(done, 20000, 90000);
}

/* Models that a guest may have on a machine that has everything. */
static void back_models_made(void)
{
	const struct mpmu_caps all = {
		.counters = MPMU_GP_MASK | MPMU_FIXED_MASK,
		.global_ctrl_extra = ~0ull,
		.features = ~0u,
		.arch_events = ~0u,
		.version = 9,
		.gp_width = 64,
		.fixed_width = 64,
	};
	u32 i;

	for (i = 0; i < 100000; i++) {
		struct mpmu_caps caps = {
			.counters = any(1ull << 48),
			.global_ctrl_extra = any(2) << 48,
			.features = any(1u << 9),
			.arch_events = any(1ull << (1 + any(32))),
			.version = any(10),
			.gp_width = any(70),
			.fixed_width = any(70),
			.metrics_width = any(3) * 32,
			.reserved = {any(2)},
		};

		mpmu_caps_clamp(&caps, &all);
		assert_true(mpmu_caps_valid(&caps));
		check_back(&caps);
	}
}

/* No architectural event, none in the length of their vector. */
static void back_no_events(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v1");
	struct mpmu_cpuid leaves;

	caps.arch_events = 0;
	assert_int_equal(mpmu_caps_encode(&leaves, &caps), 0);
	assert_int_equal(leaves.leaf_0a[0], 1 | 2 << 8 | 40 << 16);
	assert_int_equal(leaves.leaf_0a[1], 0);
}

static const struct unit_case backs[] = {
	{"B7 leaves without an architectural event", back_no_events},
	{"B7 encode, decode: each model", back_models},
	{"B7 decode, encode, decode: any leaves", back_leaves},
	{"B7 encode, decode: any model", back_models_made},
};

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
	{"B3 no Guest-Only", "amd-v2", MPMU_FEAT_SVM, "Guest-Only"},
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
	{"B7 compat on 8 + 4", "intel-v5-8-4", MPMU_POLICY_COMPAT, GP(8) | FIXED(3), 2},
	{"B7 full on 8 + 4", "intel-v5-8-4", MPMU_POLICY_FULL, GP(8) | FIXED(4), 5},
	{"B7 compat on 4 + 3", "intel-v4-tsx", MPMU_POLICY_COMPAT, GP(4) | FIXED(3), 2},
	{"B7 full on 4 + 3", "intel-v4-tsx", MPMU_POLICY_FULL, GP(4) | FIXED(3), 4},
	{"B7 compat on holes", "intel-v5-holes", MPMU_POLICY_COMPAT, 0xcb | FIXED(2), 2},
	{"B7 compat on version 1", "intel-v1-fw", MPMU_POLICY_COMPAT, GP(8), 1},
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
	/* What came with version 4 of Intel's, or with version 2 of AMD's. */
	assert_int_equal(!!(offer.features & MPMU_FEAT_STATUS_SET),
			 row->version >= (offer.vendor == MPMU_VENDOR_INTEL ? 4 : 2));
	/* Never offered: properties of the machine. */
	assert_int_equal(offer.features & (MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_VMCS_GLOBAL_CTRL), 0);
}

struct metrics_row {
	const char *id;
	const char *host;
	enum mpmu_policy policy;
	u8 width;
};

/* All of it, or nothing; whoever has fixed counter 3 at all. */
static const struct metrics_row metrics[] = {
	{"B7 full: PERF_METRICS of eight fields", "intel-spr", MPMU_POLICY_FULL, 64},
	{"B7 full: PERF_METRICS of four fields", "intel-icx", MPMU_POLICY_FULL, 32},
	{"B7 full: PERF_METRICS beside gaps", "intel-metrics-holes", MPMU_POLICY_FULL, 64},
	{"B7 full: no PERF_METRICS of a host without", "intel-v5-8-4", MPMU_POLICY_FULL, 0},
	{"B7 compat: no PERF_METRICS", "intel-spr", MPMU_POLICY_COMPAT, 0},
	{"B7 direct: no PERF_METRICS", "intel-spr", MPMU_POLICY_DIRECT, 0},
};

static void check_metrics(void **state)
{
	const struct metrics_row *row = *state;
	struct mpmu_caps offer;
	struct mpmu_cpuid leaves;

	mpmu_caps_offer(&offer, unit_caps(row->host), row->policy);
	assert_int_equal(offer.metrics_width, row->width);
	assert_int_equal(!!(offer.features & MPMU_FEAT_METRICS), row->width > 0);
	assert_int_equal(offer.global_ctrl_extra, row->width ? 1ull << 48 : 0);
	assert_int_equal(mpmu_caps_encode(&leaves, &offer), 0);
	assert_int_equal(leaves.perf_capabilities >> 15, row->width > 0);
}

/* A guest that is shown three fixed counters has no metrics either. */
static void clamp_metrics(void)
{
	struct mpmu_caps guest = *unit_caps("intel-spr");

	guest.counters &= ~(8ull << 32);
	mpmu_caps_clamp(&guest, unit_caps("intel-spr"));
	assert_int_equal(guest.counters, GP(8) | FIXED(3));
	assert_int_equal(guest.features & MPMU_FEAT_METRICS, 0);
	assert_int_equal(guest.global_ctrl_extra | guest.metrics_width, 0);
	guest = *unit_caps("intel-spr");
	mpmu_caps_clamp(&guest, unit_caps("intel-icx"));
	assert_int_equal(guest.metrics_width, 32);
	mpmu_caps_clamp(&guest, unit_caps("intel-spr"));
	assert_int_equal(guest.metrics_width, 32);
}

/* Policy direct has the model of compat, on each host. */
static void offer_direct(void)
{
	struct mpmu_caps compat, direct;
	u32 i;

	for (i = 0; i < stub_nr_models; i++) {
		mpmu_caps_offer(&compat, &stub_models[i].caps, MPMU_POLICY_COMPAT);
		mpmu_caps_offer(&direct, &stub_models[i].caps, MPMU_POLICY_DIRECT);
		check_same(&direct, &compat);
	}
}

static const struct unit_case offer_cases[] = {
	{"B7 direct: the model of compat", offer_direct},
	{"B7 PERF_METRICS of a smaller model", clamp_metrics},
};

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
	{"B7 no STATUS_SET: version 3",
	 "intel-v5-8-3",
	 {.counters = GP(2), .version = 5, .gp_width = 48, .features = MPMU_FEAT_GLOBAL},
	 {.counters = GP(2), .version = 3, .gp_width = 48, .features = MPMU_FEAT_GLOBAL}},
	{"B7 PerfMonV2 without its registers: version 1",
	 "amd-v2",
	 {.vendor = MPMU_VENDOR_AMD,
	  .counters = GP(6),
	  .version = 2,
	  .gp_width = 48,
	  .features = MPMU_FEAT_PERFCTR_CORE},
	 {.vendor = MPMU_VENDOR_AMD,
	  .counters = GP(6),
	  .version = 1,
	  .gp_width = 48,
	  .features = MPMU_FEAT_PERFCTR_CORE}},
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
	struct mpmu_caps host = *unit_caps("intel-spr"), guest = host;

	host.global_ctrl_extra = row->host;
	guest.global_ctrl_extra = row->guest;
	mpmu_caps_clamp(&guest, &host);
	assert_int_equal(guest.global_ctrl_extra, row->want);
	assert_int_equal(!(guest.features & MPMU_FEAT_METRICS), !row->want);
}

struct obstacle_row {
	const char *id;
	const char *guest;
	const char *host;
	enum mpmu_policy policy;
	/* What differs from the guest's model: bits that are flipped. */
	struct mpmu_caps flip;
	/* Features that the host's model lacks. */
	u32 without;
	const char *phrase;
};

#define COMPAT MPMU_POLICY_COMPAT
#define FULL   MPMU_POLICY_FULL

static const struct obstacle_row obstacles[] = {
	{"B7 moves: the same model", "intel-v5-8-3", "intel-v5-8-3", FULL, {0}, 0, NULL},
	{"B7 moves: to more counters", "intel-v5-8-3", "intel-v5-8-4", FULL, {0}, 0, NULL},
	{"B7 moves: version 2 to version 5", "intel-v2-fw", "intel-v5-8-4", COMPAT, {0}, 0, NULL},
	{"B7 moves: fixed counter 3 under full",
	 "intel-v5-8-4",
	 "intel-v5-8-4",
	 FULL,
	 {0},
	 0,
	 NULL},
	{"B7 moves: K7 on PerfMonV2", "amd-k7", "amd-v2", COMPAT, {0}, 0, NULL},
	{"B7 moves: fixed counters alone",
	 "intel-v2-fw",
	 "intel-v5-8-3",
	 COMPAT,
	 {.counters = GP(8), .gp_width = 48},
	 0,
	 NULL},
	{"B7 moves: no NB counters for the guest", "amd-v2", "amd-v2-nb", FULL, {0}, 0, NULL},
	{"B7 obstacle: version 5 under compat",
	 "intel-v5-8-3",
	 "intel-v5-8-3",
	 COMPAT,
	 {0},
	 0,
	 "a later PMU version"},
	{"B7 obstacle: fixed counter 3 under compat",
	 "intel-v2-fw",
	 "intel-v5-8-4",
	 COMPAT,
	 {.counters = FIXED(4) ^ FIXED(3)},
	 0,
	 "fixed counter 3"},
	{"B7 obstacle: a policy that nobody knows",
	 "intel-v4",
	 "intel-v4",
	 7,
	 {0},
	 0,
	 "a later PMU version"},
	{"B7 obstacle: a model that contradicts itself",
	 "intel-v4",
	 "intel-v4",
	 FULL,
	 {.gp_width = 48},
	 0,
	 "a model that contradicts itself"},
	{"B7 obstacle: vendor",
	 "amd-k7",
	 "intel-v5-8-4",
	 FULL,
	 {0},
	 0,
	 "the PMU of another vendor"},
	{"B7 obstacle: a host of version 2",
	 "intel-v2",
	 "intel-v2-fw",
	 FULL,
	 {0},
	 0,
	 "PMU version 4 or later"},
	{"B7 obstacle: a host without full-width writes",
	 "intel-v4",
	 "intel-v4",
	 FULL,
	 {0},
	 MPMU_FEAT_FW_WRITES,
	 "full-width counter writes (PERF_CAPABILITIES.FW_WRITES)"},
	{"B7 obstacle: a host without PerfMonV2",
	 "amd-core6",
	 "amd-core6",
	 FULL,
	 {0},
	 0,
	 "PerfMonV2"},
	{"B7 obstacle: version", "intel-v5-8-3", "intel-v4", FULL, {0}, 0, "a later PMU version"},
	{"B7 obstacle: GP counter", "intel-v5-8-4", "intel-v5-holes", FULL, {0}, 0, "GP counter 2"},
	{"B7 obstacle: a GP counter in a gap",
	 "intel-v5-holes",
	 "intel-v5-odd",
	 FULL,
	 {.gp_width = 48 ^ 40, .fixed_width = 48 ^ 44},
	 0,
	 "GP counter 6"},
	{"B7 obstacle: fixed counter",
	 "intel-v5-8-4",
	 "intel-v5-8-3",
	 FULL,
	 {0},
	 0,
	 "fixed counter 3"},
	{"B7 obstacle: wider GP counters",
	 "intel-v5-8-3",
	 "intel-v5-8-3",
	 FULL,
	 {.gp_width = 1},
	 0,
	 "GP counters of that width"},
	{"B7 obstacle: narrower GP counters",
	 "intel-v1",
	 "intel-v5-8-3",
	 FULL,
	 {.features = MPMU_FEAT_FW_WRITES},
	 0,
	 "GP counters of that width"},
	{"B7 obstacle: other fixed counters",
	 "intel-v5-8-3",
	 "intel-v5-8-3",
	 FULL,
	 {.fixed_width = 16},
	 0,
	 "fixed counters of that width"},
	{"B7 obstacle: TSX",
	 "intel-v4-tsx",
	 "intel-v5-8-3",
	 FULL,
	 {0},
	 0,
	 "selectors with the bits of TSX"},
	{"B7 moves: metrics", "intel-spr", "intel-spr", FULL, {0}, 0, NULL},
	{"B7 obstacle: metrics", "intel-spr", "intel-v5-8-4", FULL, {0}, 0, "PERF_METRICS"},
	{"B7 obstacle: metrics of eight fields",
	 "intel-spr",
	 "intel-icx",
	 FULL,
	 {0},
	 0,
	 "PERF_METRICS of that width"},
	{"B7 obstacle: metrics of four fields",
	 "intel-icx",
	 "intel-spr",
	 FULL,
	 {0},
	 0,
	 "PERF_METRICS of that width"},
	{"B7 obstacle: a host without Guest-Only",
	 "amd-v2",
	 "amd-v2",
	 FULL,
	 {0},
	 MPMU_FEAT_SVM,
	 "SVM (selectors with Guest-Only)"},
	{"B7 obstacle: a host's capabilities as a guest's",
	 "amd-v2-nb",
	 "amd-v2-nb",
	 FULL,
	 {0},
	 0,
	 "a feature of machines, not of guests"},
	{"B7 obstacle: an event",
	 "intel-v5-8-3",
	 "intel-v5-8-3",
	 FULL,
	 {.arch_events = 0x80},
	 0,
	 "an architectural event"},
};

static void flip(struct mpmu_caps *caps, const struct mpmu_caps *bits)
{
	caps->counters ^= bits->counters;
	caps->global_ctrl_extra ^= bits->global_ctrl_extra;
	caps->features ^= bits->features;
	caps->arch_events ^= bits->arch_events;
	caps->gp_width ^= bits->gp_width;
	caps->fixed_width ^= bits->fixed_width;
	caps->metrics_width ^= bits->metrics_width;
}

/* A guest has no property of its machine but SVM. */
static struct mpmu_caps guest_model(const char *model)
{
	struct mpmu_caps caps = *unit_caps(model);

	caps.features &= ~(u32)MPMU_FEAT_VMCS_GLOBAL_CTRL;
	return caps;
}

static void check_obstacle(void **state)
{
	const struct obstacle_row *row = *state;
	struct mpmu_caps guest = guest_model(row->guest), host = *unit_caps(row->host);
	const char *phrase;

	flip(&guest, &row->flip);
	host.features &= ~row->without;
	phrase = mpmu_caps_obstacle(&guest, &host, row->policy);
	if (!row->phrase)
		assert_null(phrase);
	else if (!phrase || strcmp(phrase, row->phrase))
		fail_msg("\"%s\" is not \"%s\"", phrase ? phrase : "no obstacle", row->phrase);
}

/* Nothing is in the way just where the offer takes nothing away. */
static bool keeps_all(const struct mpmu_caps *guest, const struct mpmu_caps *host,
		      enum mpmu_policy policy)
{
	struct mpmu_caps offer, clamped = *guest;

	if (!mpmu_caps_valid(guest))
		return false;
	if (!guest->counters)
		return true;
	mpmu_caps_offer(&offer, host, policy);
	mpmu_caps_clamp(&clamped, &offer);
	return !mpmu_caps_missing(host) && !memcmp(&clamped, guest, sizeof(clamped)) &&
	       (!guest->gp_width || guest->gp_width == offer.gp_width) &&
	       (!guest->fixed_width || guest->fixed_width == offer.fixed_width) &&
	       (!guest->metrics_width || guest->metrics_width == offer.metrics_width);
}

/* A model, and now and then a bit of it flipped. */
static struct mpmu_caps any_model(void)
{
	struct mpmu_caps caps = guest_model(stub_models[any(stub_nr_models)].name);
	struct mpmu_caps bits = {
		.counters = any(4) ? 0 : 1ull << any(64),
		.global_ctrl_extra = any(8) ? 0 : 1ull << 48,
		.features = any(4) ? 0 : 1u << any(10),
		.arch_events = any(8) ? 0 : 1u << any(32),
		.gp_width = any(8) ? 0 : 1u << any(8),
		.fixed_width = any(8) ? 0 : 1u << any(8),
		.metrics_width = any(40) ? 0 : 1u << any(8),
	};

	flip(&caps, &bits);
	if (!any(20))
		caps.counters = 0;
	return caps;
}

static void obstacle_pairs(void)
{
	u32 i, free = 0;

	for (i = 0; i < 200000; i++) {
		struct mpmu_caps guest = any_model(), host = any_model();
		enum mpmu_policy policy = any(2);
		bool none;

		if (host.vendor == MPMU_VENDOR_INTEL)
			host.features ^= MPMU_FEAT_VMCS_GLOBAL_CTRL;
		none = !mpmu_caps_obstacle(&guest, &host, policy);
		assert_int_equal(none, keeps_all(&guest, &host, policy));
		free += none;
	}
	assert_in_range(free, 5000, 195000);
}

/* What one machine offers, the other has to offer, too. */
static void obstacle_hosts(void)
{
	struct mpmu_caps model;
	u32 i;

	for (i = 0; i < stub_nr_models; i++) {
		const struct mpmu_caps *host = &stub_models[i].caps;

		mpmu_caps_offer(&model, host, MPMU_POLICY_FULL);
		if (!mpmu_caps_missing(host))
			assert_null(mpmu_caps_obstacle(&model, host, MPMU_POLICY_FULL));
	}
}

/* Also to a host that can have no mediated PMU, and to none at all. */
static void obstacle_no_pmu(void)
{
	const struct mpmu_caps none = {0}, none_amd = {.vendor = MPMU_VENDOR_AMD};
	u32 i;

	for (i = 0; i < stub_nr_models; i++) {
		assert_null(mpmu_caps_obstacle(&none, &stub_models[i].caps, MPMU_POLICY_COMPAT));
		assert_null(
			mpmu_caps_obstacle(&none_amd, &stub_models[i].caps, MPMU_POLICY_COMPAT));
	}
	assert_null(mpmu_caps_obstacle(&none, NULL, MPMU_POLICY_COMPAT));
}

/* Of the one counter that the host lacks. */
static void obstacle_names(void)
{
	u32 pmc;

	for (pmc = 0; pmc < MPMU_FIXED_BASE + MPMU_MAX_FIXED; pmc++) {
		struct mpmu_caps guest = guest_model("intel-v5-8-4");
		struct mpmu_caps host = *unit_caps("intel-v5-8-4");
		char name[20];

		guest.counters |= 1ull << pmc;
		host.counters &= ~(1ull << pmc);
		snprintf(name, sizeof(name),
			 pmc < MPMU_FIXED_BASE ? "GP counter %u" : "fixed counter %u",
			 pmc % MPMU_FIXED_BASE);
		assert_string_equal(mpmu_caps_obstacle(&guest, &host, FULL), name);
	}
}

static const struct unit_case pairs[] = {
	{"B7 obstacle: the name of each counter", obstacle_names},
	{"B7 obstacle: none for a guest without a PMU", obstacle_no_pmu},
	{"B7 obstacle: none where the offer takes nothing", obstacle_pairs},
	{"B7 obstacle: none from a host to itself", obstacle_hosts},
};

static void extra_bits_clamped(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4"), guest = host, offer;

	host.global_ctrl_extra = guest.global_ctrl_extra = 1ull << 48;
	host.version = 6;
	mpmu_caps_offer(&offer, &host, MPMU_POLICY_FULL);
	assert_int_equal(offer.version, 5);
	mpmu_caps_clamp(&guest, &offer);
	assert_int_equal(guest.global_ctrl_extra, 0);
}

static u32 decoded(struct mpmu_cpuid leaves)
{
	struct mpmu_caps caps;

	assert_int_equal(mpmu_caps_decode(&caps, &leaves), 0);
	return caps.features;
}

/* Each bit by itself, and all of a word: none is counted on from its neighbours. */
static void feature_words(void)
{
	struct mpmu_cpuid amd = {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1u << 28};
	struct mpmu_cpuid intel = {.vendor = MPMU_VENDOR_INTEL,
				   .leaf_0a = {0x07300402, 0, 0, 0x604},
				   .leaf_07_ebx = ~0u,
				   .perf_capabilities = ~0ull};

	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = 1u << 24;
	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = ~(1u << 24 | 1u << 28);
	assert_false(decoded(amd) & MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = ~0u;
	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_PERFCTR_CORE |
					       MPMU_FEAT_SVM);
	intel.leaf_07_ebx = 1u << 4;
	assert_true(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = 1u << 11;
	assert_true(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = ~(1u << 4 | 1u << 11);
	assert_false(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = ~0u;
	assert_int_equal(decoded(intel), MPMU_FEAT_TSX | MPMU_FEAT_FW_WRITES |
						 MPMU_FEAT_METRICS | MPMU_FEAT_GLOBAL);
}

/*
 * PerfMonV2 is all three of its features, version 4 both of them; and counters
 * of AMD stop outside guests.
 */
static void requirements(void)
{
	static const struct {
		const char *model;
		u32 features;
	} rows[] = {
		{"amd-v2", MPMU_FEAT_GLOBAL},       {"amd-v2", MPMU_FEAT_STATUS_SET},
		{"amd-v2", MPMU_FEAT_PERFCTR_CORE}, {"amd-v2", MPMU_FEAT_SVM},
		{"intel-v5-8-4", MPMU_FEAT_GLOBAL}, {"intel-v5-8-4", MPMU_FEAT_STATUS_SET},
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mpmu_caps host = *unit_caps(rows[i].model);

		host.features &= ~rows[i].features;
		assert_non_null(mpmu_caps_missing(&host));
	}
}

static void check_offered(const char *model, u32 version, u32 counters)
{
	struct mpmu_caps host = *unit_caps(model), offer;

	host.version++;
	host.counters |= (1 << 20) - 1;
	mpmu_caps_offer(&offer, &host, MPMU_POLICY_FULL);
	assert_int_equal(offer.version, version);
	assert_int_equal(offer.counters & MPMU_GP_MASK, counters);
}

static void largest_offer(void)
{
	check_offered("amd-v2", 2, (1 << 15) - 1);
	check_offered("intel-v5-8-4", 5, 0xff);
}

/* A version that lacks what came with it is the last one without that. */
static void versions(void)
{
	struct mpmu_caps guest = *unit_caps("amd-v2");

	guest.version = 1;
	mpmu_caps_clamp(&guest, unit_caps("amd-v2"));
	assert_false(guest.features & (MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET));
	guest = *unit_caps("intel-v5-8-4");
	guest.features &= ~(u32)MPMU_FEAT_STATUS_SET;
	mpmu_caps_clamp(&guest, unit_caps("intel-v5-8-4"));
	assert_int_equal(guest.version, 3);
}

static void contradictions(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4"), guest;

	caps.gp_width = caps.fixed_width = 64;
	assert_true(mpmu_caps_valid(&caps));
	caps.gp_width = 65;
	assert_false(mpmu_caps_valid(&caps));
	caps = *unit_caps("intel-v5-8-4");
	caps.features |= MPMU_FEAT_METRICS;
	assert_false(mpmu_caps_valid(&caps));
	caps.global_ctrl_extra = 1ull << 48;
	assert_false(mpmu_caps_valid(&caps));
	caps.metrics_width = 64;
	assert_true(mpmu_caps_valid(&caps));
	assert_false(mpmu_caps_valid(NULL));
	guest = caps;
	guest.global_ctrl_extra = 0;
	mpmu_caps_clamp(&guest, &caps);
	assert_false(guest.global_ctrl_extra || guest.features & MPMU_FEAT_METRICS);
}

struct leaf_row {
	const char *id;
	struct mpmu_cpuid leaves;
	int result;
	mpmu_pmcs counters;
};

#define INTEL_LEAVES(version, gp, width, edx) \
	.vendor = MPMU_VENDOR_INTEL, .leaf_0a = {(version) | (gp) << 8 | (width) << 16, 0, 0, edx}
#define AMD_LEAVES(ecx, ebx) \
	.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = (ecx), .leaf_80000022 = {1, ebx}

static const struct leaf_row leaf_rows[] = {
	{"A10 a version without counters is no PMU", {INTEL_LEAVES(5, 0, 48, 0)}, 0, 0},
	{"A10 fixed counters alone", {INTEL_LEAVES(5, 0, 0, 3 | 48 << 5)}, 0, FIXED(3)},
	{"A10 fixed counters of width 0", {INTEL_LEAVES(5, 4, 48, 3)}, -EINVAL, 0},
	{"A10 fixed counters of width 65", {INTEL_LEAVES(5, 4, 48, 3 | 65 << 5)}, -EINVAL, 0},
	{"A10 PerfMonV2 without counters", {AMD_LEAVES(1 << 23, 0)}, -EINVAL, 0},
	{"A10 PerfMonV2 without the core extension", {AMD_LEAVES(0, 6)}, -EINVAL, 0},
	{"A10 PerfMonV2 with 15 counters", {AMD_LEAVES(1 << 23, 15)}, 0, GP(15)},
};

static void check_leaves(void **state)
{
	const struct leaf_row *row = *state;
	struct mpmu_caps caps;

	memset(&caps, 0, sizeof(caps));
	assert_int_equal(mpmu_caps_decode(&caps, &row->leaves), row->result);
	assert_int_equal(caps.counters, row->counters);
}

static void unknown_vendor(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4"), caps = host;
	struct mpmu_filter_spec spec = {0};
	struct mpmu_filter filter;

	host.vendor = 7;
	assert_string_equal(mpmu_caps_missing(&host), "a PMU");
	assert_int_equal(mpmu_filter_compile(&filter, (enum mpmu_vendor)7, &spec), -EINVAL);
	mpmu_caps_clamp(&caps, &host);
	assert_true(!caps.counters && caps.vendor == 7);
	caps = *unit_caps("intel-v5-8-4");
	mpmu_caps_offer(&caps, &host, MPMU_POLICY_FULL);
	assert_true(!caps.counters && caps.vendor == 7);
}

static void unknown_policy(void)
{
	struct mpmu_caps caps;

	mpmu_caps_offer(&caps, unit_caps("intel-v5-8-4"), (enum mpmu_policy)9);
	assert_int_equal(caps.counters, 0);
}

static void nothing_in_common(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");

	caps.version = 0;
	mpmu_caps_clamp(&caps, unit_caps("intel-v5-8-4"));
	assert_int_equal(caps.counters, 0);
	caps = *unit_caps("intel-v5-8-4");
	mpmu_caps_clamp(&caps, unit_caps("amd-v2"));
	assert_true(!caps.counters && caps.vendor == MPMU_VENDOR_AMD);
}

static void no_gp(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4");

	host.counters &= MPMU_FIXED_MASK;
	assert_string_equal(mpmu_caps_missing(&host), "a PMU");
}

static const struct unit_case unknowns[] = {
	{"B2 unknown vendor: no PMU", unknown_vendor},
	{"B2 no general counters: no PMU", no_gp},
	{"B7 unknown policy: nothing is offered", unknown_policy},
	{"B7 a guest of another vendor, or version 0: no PMU", nothing_in_common},
};

static const struct unit_case cases_of_one[] = {
	{"GLOBAL_CTRL bits and versions beyond the offer", extra_bits_clamped},
	{"features from single bits and from full words", feature_words},
	{"a host without one of the features that are needed", requirements},
	{"a host beyond what is known", largest_offer},
	{"a version without what came with it", versions},
	{"models at the edge of a contradiction", contradictions},
};

int main(void)
{
	UNIT_TABLE(decodes, check_decode);
	UNIT_TABLE(encodes, check_encode);
	UNIT_TABLE(valids, check_valid);
	UNIT_CASES(backs);
	UNIT_TABLE(obstacles, check_obstacle);
	UNIT_CASES(pairs);
	UNIT_TABLE(missings, check_missing);
	UNIT_TABLE(offers, check_offer);
	UNIT_TABLE(metrics, check_metrics);
	UNIT_CASES(offer_cases);
	UNIT_TABLE(clamps, check_clamp);
	UNIT_TABLE(extras, check_extra);
	UNIT_CASES(cases_of_one);
	UNIT_TABLE(leaf_rows, check_leaves);
	UNIT_CASES(unknowns);
	return unit_run("caps");
}
