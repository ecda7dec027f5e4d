// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * RDPMC in user mode: which indices it takes.
 *
 * Sources: Intel SDM and AMD APM, "RDPMC".
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

#include "check.h"

#define RDPMC_FIXED (1u << 30)

static sigjmp_buf before;

static void on_fault(int signal)
{
	siglongjmp(before, signal);
}

/* Whether it faults. */
static bool faults(u32 index)
{
	if (sigsetjmp(before, 1))
		return true;
	signal(SIGSEGV, on_fault);
	__builtin_ia32_rdpmc(index);
	return false;
}

/* RDPMC is open to a process while it has an event mapped. */
static bool open_to_us(struct counter *c, struct result *r)
{
	struct perf_event_attr attr = event_attr(&event_cycles);

	if (!perf_works(r))
		return false;
	attr.pinned = 1;
	if (!counter_open(c, &attr, 0)) {
		counter_enable(c);
		if (c->page->cap_user_rdpmc)
			return true;
		counter_close(c);
	}
	absent(r, "perf does not open RDPMC to users");
	return false;
}

void check_rdpmc(struct result *r)
{
	const struct model *m = &machine.model;
	unsigned int i, nr = 0;
	struct counter c;

	if (!open_to_us(&c, r))
		return;
	for (i = 0; i < 64; i++) {
		u32 index = i < 32 ? i : RDPMC_FIXED | (i - 32);

		if (i < 32 ? i >= m->nr_gp : !(m->fixed >> (i - 32) & 1))
			continue;
		nr++;
		if (faults(index)) {
			wrong(r,
			      "index %#x faults; CPUID shows %u general counters, fixed ones %#x",
			      index, m->nr_gp, m->fixed);
			return;
		}
	}
	ok(r, "%u counters", nr);
}

/* Beyond all counters that any processor has, and other types. */
void check_rdpmc_others(struct result *r)
{
	const u32 others[] = {63, RDPMC_FIXED | 31};
	struct counter c;
	unsigned int i;

	if (!open_to_us(&c, r))
		return;
	for (i = 0; i < 2; i++) {
		if (!faults(others[i])) {
			wrong(r, "index %#x can be read", others[i]);
			return;
		}
	}
	ok(r, "%u others fault", i);
}

void check_rdpmc_pce(struct result *r)
{
	char file[128];
	s64 mode;

	if (!perf_works(r))
		return;
	snprintf(file, sizeof(file), "%s/rdpmc", machine.pmu);
	mode = number_in(file, -1);
	if (mode == 2)
		absent(r, "RDPMC is open to all: %s is 2", file);
	else if (faults(0))
		ok(r, "it faults");
	else if (mode < 0)
		absent(r, "RDPMC is open; whether to all, %s says to root alone", file);
	else
		wrong(r, "counter 0 can be read by a process without events");
}
