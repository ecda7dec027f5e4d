// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Models of PMUs, real ones and ones that real ones may become. */
#include "pmu.h"

#define INTEL_V2 (MPMU_FEAT_GLOBAL)
#define INTEL_V4 \
	(MPMU_FEAT_GLOBAL | MPMU_FEAT_FW_WRITES | MPMU_FEAT_STATUS_SET | MPMU_FEAT_VMCS_GLOBAL_CTRL)
#define AMD_CORE (MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_SVM)
#define AMD_V2   (AMD_CORE | MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET)

#define INTEL(version_, features_, counters_, gp_width_, fixed_width_)                           \
	{                                                                                        \
		.vendor = MPMU_VENDOR_INTEL, .version = (version_), .features = (features_),     \
		.counters = (counters_), .gp_width = (gp_width_), .fixed_width = (fixed_width_), \
		.arch_events = 0x7f,                                                             \
	}

#define INTEL_METRICS(version_, counters_, metrics_width_)                                     \
	{                                                                                      \
		.vendor = MPMU_VENDOR_INTEL, .version = (version_),                            \
		.features = INTEL_V4 | MPMU_FEAT_METRICS, .counters = (counters_),             \
		.gp_width = 48, .fixed_width = 48, .metrics_width = (metrics_width_),          \
		.global_ctrl_extra = STUB_METRICS_BIT, .arch_events = 0x7f,                    \
	}

#define AMD(version_, features_, counters_)                                                \
	{                                                                                  \
		.vendor = MPMU_VENDOR_AMD, .version = (version_), .features = (features_), \
		.counters = (counters_), .gp_width = 48,                                   \
	}

const struct stub_model stub_models[] = {
	{"intel-v1", INTEL(1, 0, GP(2), 40, 0)},
	{"intel-v1-fw", INTEL(1, MPMU_FEAT_FW_WRITES, GP(8), 48, 0)},
	{"intel-v2", INTEL(2, INTEL_V2, GP(4) | FIXED(3), 48, 48)},
	{"intel-v2-fw", INTEL(2, INTEL_V2 | MPMU_FEAT_FW_WRITES, GP(8) | FIXED(3), 48, 48)},
	{"intel-v4", INTEL(4, INTEL_V4, GP(8) | FIXED(3), 48, 48)},
	{"intel-v4-small", INTEL(4, INTEL_V4, GP(4) | FIXED(2), 48, 48)},
	{"intel-v4-tsx", INTEL(4, INTEL_V4 | MPMU_FEAT_TSX, GP(4) | FIXED(3), 48, 48)},
	{"intel-v5-8-3", INTEL(5, INTEL_V4, GP(8) | FIXED(3), 48, 48)},
	{"intel-v5-8-4", INTEL(5, INTEL_V4, GP(8) | FIXED(4), 48, 48)},
	{"intel-v5-odd", INTEL(5, INTEL_V4, GP(6) | FIXED(3), 40, 44)},
	{"intel-v5-holes", INTEL(5, INTEL_V4, 0xcb | 0xbull << MPMU_FIXED_BASE, 48, 48)},
	{"intel-icx", INTEL_METRICS(5, GP(8) | FIXED(4), 32)},
	{"intel-spr", INTEL_METRICS(5, GP(8) | FIXED(4), 64)},
	{"intel-metrics-holes", INTEL_METRICS(5, 0xd3 | 0xbull << MPMU_FIXED_BASE, 64)},
	{"amd-k7", AMD(1, 0, GP(4))},
	{"amd-core6", AMD(1, AMD_CORE, GP(6))},
	{"amd-v2", AMD(2, AMD_V2, GP(6))},
	{"amd-v2-small", AMD(2, AMD_V2, GP(4))},
	{"amd-v2-nb", AMD(2, AMD_V2 | MPMU_FEAT_RDPMC_UNCORE, GP(6))},
};

const u32 stub_nr_models = sizeof(stub_models) / sizeof(stub_models[0]);

const struct stub_model *stub_model_find(const char *name)
{
	u32 i;

	for (i = 0; i < stub_nr_models; i++)
		if (!strcmp(stub_models[i].name, name))
			return &stub_models[i];
	return NULL;
}
