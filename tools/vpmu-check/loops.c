// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Work whose counts are known.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

__attribute__((noinline)) void spin(u64 turns)
{
	if (turns)
		__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}

static u64 nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The fastest of some: what comes between makes a run slower, never faster. */
u64 turns_per_second(void)
{
	const u64 turns = 300000;
	u64 best = ULLONG_MAX, from, took;
	int i;

	for (i = 0; i < 5; i++) {
		from = nanoseconds();
		spin(turns);
		took = nanoseconds() - from;
		if (took && took < best)
			best = took;
	}
	return turns * 1000000000ull / best;
}

void walk_memory(void)
{
	const size_t size = 8 << 20, line = 64;
	volatile char *memory = malloc(size);
	size_t i;

	for (i = 0; memory && i < 4 * size; i += line)
		memory[i % size]++;
	free((void *)memory);
}
