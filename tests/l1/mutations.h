/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ways to break the PMU model, by the names that the emulator takes. */
#ifndef TEST_MUTATIONS_H
#define TEST_MUTATIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../rig/emulator/mpmu_magic.h"

/* False if there is no such mutation; "none" is none of them. */
static inline bool mutation_find(const char *name, uint64_t *mask)
{
	static const struct {
		const char *name;
		uint64_t mask;
	} mutations[] = {
		{ "none", 0 },
		{ "vmresume-credit", MPMU_MUTATE_VMRESUME_CREDIT },
		{ "lose-pmi", MPMU_MUTATE_LOSE_PMI },
		{ "sticky-status", MPMU_MUTATE_STICKY_STATUS },
		{ "status-set-ignored", MPMU_MUTATE_STATUS_SET_IGNORED },
		{ "no-global-save", MPMU_MUTATE_NO_GLOBAL_SAVE },
		{ "skid-64", MPMU_MUTATE_SKID_64 },
		{ "leak-counter", MPMU_MUTATE_LEAK_COUNTER },
		{ "leak-metrics", MPMU_MUTATE_LEAK_METRICS },
		{ "rdpmc-l3", MPMU_MUTATE_RDPMC_L3 },
#define ROW(flaw_name, flaw) { flaw_name, flaw },
		MPMU_FLAW_NAMES(ROW)
#undef ROW
	};
	size_t i;

	for (i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		if (strcmp(name, mutations[i].name))
			continue;
		*mask = mutations[i].mask;
		return true;
	}
	return false;
}

#endif
