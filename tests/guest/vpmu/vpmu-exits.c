// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a CPUID exit costs the host: PMU register accesses and instructions in
 * root mode, counted by the emulator.  A figure is the slope between N and 2N
 * exits; the median of several, with the spread, since the host's timer falls
 * into some of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vpmu.h"

#define EXITS		2000
#define SLOPES		7

struct figures {
	double accesses, instructions;
};

enum use { NO_PMU, UNTOUCHED, ONE_COUNTER, ALL_COUNTERS, NR_USES };

static const char *const uses[NR_USES] = {
	[NO_PMU] = "no PMU", [UNTOUCHED] = "untouched", [ONE_COUNTER] = "1 counter",
	[ALL_COUNTERS] = "all counters",
};

/*
 * Those that can count cycles.  A counter of instructions would cost a read and
 * a write each: the hypervisor executes CPUID for the guest and counts it.
 */
static uint64_t cycles_counters(const struct pmu *pmu)
{
	return pmu_counters(pmu) & (0xffffffff | 2ULL << PMC_FIXED);
}

static void program_use(const struct pmu *pmu, struct guest_job *job, enum use use)
{
	uint64_t left, fixed = 0;
	uint64_t counters = use == ONE_COUNTER ? 1 : cycles_counters(pmu);

	if (use < ONE_COUNTER)
		return;
	job_clear(job, pmu);
	for (left = counters; left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, bit), 0);
		if (bit >= PMC_FIXED)
			fixed |= pmu_fixed_field(bit - PMC_FIXED, MODE_ALL, false);
		else
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	}
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job_write(job, pmu->ctrl, counters);
	job_read(job, OP_RDMSR, pmu_counter(pmu, 0));
}

static struct figures run(struct machine *machine, enum use use, uint64_t exits)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	struct guest_job *job = &area->job;
	const struct mpmu_region *from = &area->region[0], *to = &area->region[1];
	struct figures figures;

	memset(job, 0, sizeof(*job));
	program_use(&machine->pmu, job, use);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = exits;
	if (machine_run(machine))
		fatal("the guest ended");
	if (use >= ONE_COUNTER && area->result.read[0] < exits)
		fatal("%s: the counter does not count", uses[use]);
	figures.accesses = (double)(to->pmu_rdmsr[MPMU_ROOT] - from->pmu_rdmsr[MPMU_ROOT] +
				    to->pmu_wrmsr[MPMU_ROOT] - from->pmu_wrmsr[MPMU_ROOT] +
				    to->rdpmc[MPMU_ROOT] - from->rdpmc[MPMU_ROOT] +
				    to->lvtpc_writes - from->lvtpc_writes);
	figures.instructions = (double)(to->instructions[MPMU_ROOT][0] + to->instructions[MPMU_ROOT][1] -
					from->instructions[MPMU_ROOT][0] - from->instructions[MPMU_ROOT][1]);
	return figures;
}

static int compare(const void *a, const void *b)
{
	const struct figures *x = a, *y = b;

	return (x->instructions > y->instructions) - (x->instructions < y->instructions);
}

static void slopes(struct machine *machine, enum use use, struct figures out[SLOPES])
{
	int i;

	run(machine, use, EXITS);
	for (i = 0; i < SLOPES; i++) {
		struct figures once = run(machine, use, EXITS), twice = run(machine, use, 2 * EXITS);

		out[i].accesses = (twice.accesses - once.accesses) / EXITS;
		out[i].instructions = (twice.instructions - once.instructions) / EXITS;
	}
	qsort(out, SLOPES, sizeof(out[0]), compare);
}

int test_exits(void)
{
	double base = 0;
	int use;

	if (!emu_present())
		fatal("the emulator counts");
	for (use = NO_PMU; use < NR_USES; use++) {
		struct figures s[SLOPES], median;
		struct machine machine;

		machine_start(&machine, &(struct vm_config){ .no_pmu = use == NO_PMU });
		slopes(&machine, (enum use)use, s);
		machine_stop(&machine);
		median = s[SLOPES / 2];
		if (use == NO_PMU)
			base = median.instructions;
		check(median.accesses > -0.05 && median.accesses < 0.05,
		      "E5 a CPUID exit with %s: no access to a PMU register", uses[use]);
		printf("# table: %-12s %10.2f %14.1f %7.3f   %.1f to %.1f\n", uses[use],
		       median.accesses, median.instructions, median.instructions / base,
		       s[0].instructions, s[SLOPES - 1].instructions);
	}
	return 0;
}
