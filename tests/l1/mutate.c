/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* mutate NAME | none: break the PMU model, on all CPUs, from now on. */
#include <stdio.h>

#include "emu.h"
#include "mutations.h"

int main(int argc, char **argv)
{
	uint64_t mask;

	if (argc != 2 || !mutation_find(argv[1], &mask)) {
		fprintf(stderr, "unknown mutation\n");
		return 2;
	}
	emu_mutate(mask);
	return 0;
}
