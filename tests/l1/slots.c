/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program for perf: a loop, and in the end how the truth says its slots were
 * used, in percent, and how many instructions of it loaded and stored:
 * "retiring=P bad-spec=P fe-bound=P be-bound=P slots=N loads=N stores=N".
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>

#include "tap.h"
#include "audit.h"

static const char *const names[] = { "retiring", "bad-spec", "fe-bound", "be-bound" };

static __attribute__((noinline)) void work(long turns)
{
	for (volatile long i = 0; i < turns; i++)
		if (i % 3 == 0)
			i++;
}

int main(int argc, char **argv)
{
	static struct snapshot from, to;
	struct counter user = { .kind = TRUTH_SLOTS, .usr = true };
	uint64_t slots;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	emu_count_memory();
	emu_snapshot(&from);
	work(argc > 1 ? atol(argv[1]) : 3000000);
	emu_snapshot(&to);
	/* The VMM of a guest may run meanwhile. */
	user.guest = from.regs.guest_mode;
	user.root = !user.guest;
	slots = truth_sum(&user, from.truth.slots, to.truth.slots);
	for (int i = 0; i < 4; i++)
		printf("%s=%.1f ", names[i], 100. * truth_sum(&user, from.truth.topdown[i],
							      to.truth.topdown[i]) / slots);
	printf("slots=%llu ", (unsigned long long)slots);
	user.kind = TRUTH_LOADS;
	printf("loads=%llu ", (unsigned long long)truth_delta(&user, &from.truth, &to.truth));
	user.kind = TRUTH_STORES;
	printf("stores=%llu\n", (unsigned long long)truth_delta(&user, &from.truth, &to.truth));
	return 0;
}
