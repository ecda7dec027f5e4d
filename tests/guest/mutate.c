/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* mutate NAME | none: break the PMU model, on all CPUs, from now on. */
#include <stdio.h>
#include <string.h>

#include "emu.h"

struct mutation {
	const char *name;
	uint64_t mask;
};

static const struct mutation mutations[] = {
	{ "none", 0 },
	{ "vmresume-credit", MPMU_MUTATE_VMRESUME_CREDIT },
	{ "lose-pmi", MPMU_MUTATE_LOSE_PMI },
	{ "sticky-status", MPMU_MUTATE_STICKY_STATUS },
	{ "status-set-ignored", MPMU_MUTATE_STATUS_SET_IGNORED },
	{ "no-global-save", MPMU_MUTATE_NO_GLOBAL_SAVE },
	{ "skid-64", MPMU_MUTATE_SKID_64 },
	{ "leak-counter", MPMU_MUTATE_LEAK_COUNTER },
	{ }
};

int main(int argc, char **argv)
{
	const struct mutation *m;

	for (m = mutations; m->name; m++) {
		if (argc == 2 && !strcmp(m->name, argv[1])) {
			emu_mutate(m->mask);
			return 0;
		}
	}
	fprintf(stderr, "unknown mutation\n");
	return 2;
}
