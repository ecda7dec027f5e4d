// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A sampling profiler of the hypervisor: what perf is on other hosts.  On the first CPU alone. */
#include "suite.h"

#define MASK48	(BIT(48) - 1)

struct profiler profiler;

/* So that the next overflow ends a period, whatever was counted before. */
static void resume(void)
{
	profiler.start = profiler.period ? (profiler.count % profiler.period - profiler.period) & MASK48
					 : 0;
	pmu_start(profiler.start);
}

static void pause(void)
{
	profiler.count += (pmu_stop() - profiler.start) & MASK48;
}

void profiler_start(u64 period)
{
	profiler = (struct profiler){ .on = true, .period = period };
	resume();
}

void profiler_stop(void)
{
	if (profiler.on)
		pause();
	profiler.on = false;
}

u64 profiler_count(void)
{
	if (profiler.on) {
		pause();
		resume();
	}
	return profiler.count;
}

/* One that was on its way as the profiler stopped is a sample, too. */
void bare_overflow(u64 rip)
{
	profiler.samples++;
	profiler.last_rip = rip;
	profiler_count();
}
