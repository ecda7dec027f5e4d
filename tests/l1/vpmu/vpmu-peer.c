// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What exits cost on any kernel, and what a guest's use of its PMU costs: one that
 * starts, reads and stops counters as perf stat does, and one that samples.  A line
 * "# cost: HOST|WHAT|USE|WRMSR|RDPMC|RDMSR|ROOT|GUEST|EXITS" for each; tests/bench/peer
 * judges them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exits.h"

#define WRAP			(1ULL << 48)
#define BODY_INSTRUCTIONS	4	/* in a turn of BODY_PLAIN */

/* --- counters start, are read and stop --- */

static void write_selectors(const struct pmu *pmu, struct guest_job *job, uint64_t counters,
			    uint64_t select)
{
	for (; counters; counters &= counters - 1)
		job_write(job, pmu_eventsel(pmu, __builtin_ctzll(counters)), select);
}

static void read_counters(struct guest_job *job, uint64_t counters)
{
	for (; counters; counters &= counters - 1) {
		uint32_t index = pmu_rdpmc(__builtin_ctzll(counters));

		job->setup[job->nr_setup++] = (struct guest_access){ .op = OP_RDPMC, .index = index };
	}
}

/* In the order of Linux's driver. */
static void give_stat(const struct pmu *pmu, struct guest_job *job, const struct op *op,
		      const struct use *use, uint64_t times)
{
	const uint64_t counters = use_counters(use, pmu) & 0xffffffff;
	uint64_t left;

	(void)op;
	job->program = PROGRAM_REPEAT;
	job->count = times;
	job_write(job, pmu->ctrl, 0);
	for (left = counters; left; left &= left - 1)
		job_write(job, pmu_counter(pmu, __builtin_ctzll(left)), 0);
	write_selectors(pmu, job, counters,
			pmu_select(pmu, pmu_fixed_event(use->fixed), MODE_ALL, false));
	job_write(job, pmu->ctrl, counters);
	read_counters(job, counters);
	job_write(job, pmu->ctrl, 0);
	write_selectors(pmu, job, counters, 0);
	read_counters(job, counters);
	job_read(job, OP_RDMSR, pmu_counter(pmu, 0));
}

static bool stat_done(const struct guest_cpu *area, const struct use *use, uint64_t times)
{
	const struct guest_result *result = &area->result;

	(void)use, (void)times;
	return result->read[0] && !result->setup_faults && !result->access_faults;
}

/* --- a loop of a user's is sampled, or not --- */

static void sample(const struct pmu *pmu, struct guest_job *job, const struct op *op)
{
	job_clear(job, pmu);
	job_write(job, pmu->ack, pmu_counters(pmu));
	job_write(job, pmu_counter(pmu, 0), WRAP - op->period);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_USER, true));
	job->pmi_msr[0] = pmu_counter(pmu, 0);
	job->pmi_period[0] = op->period;
	job->start = 1;
}

/* As many turns, with samples or without. */
static void give_samples(const struct pmu *pmu, struct guest_job *job, const struct op *op,
			 const struct use *use, uint64_t times)
{
	job->ctrl = MSR_HARMLESS;
	if (use->counts)
		sample(pmu, job, op);
	job->program = PROGRAM_PMI;
	job->body = BODY_PLAIN;
	job->flags |= JOB_USER;
	job->count = op->period / BODY_INSTRUCTIONS;
	job->pmi_target = UINT64_MAX;
	job->pmi_max_turns = times;
}

/* The handler is not counted: each turn ends a period. */
static bool samples_done(const struct guest_cpu *area, const struct use *use, uint64_t times)
{
	const struct guest_result *result = &area->result;

	return result->turns == times && result->pmi_hits[0] + 1 >= (use->counts ? times : 0) &&
	       result->pmi_hits[0] <= (use->counts ? times + 1 : 0);
}

#define SAMPLES		.give = give_samples, .done = samples_done

static const struct op op_stat = {
	.give = give_stat, .done = stat_done, .name = "start, read, stop", .times = 400
};

static const struct op op_samples[] = {
	{ SAMPLES, .name = "a sample per 10,000", .period = 10000, .times = 400 },
	{ SAMPLES, .name = "a sample per 100,000", .period = 100000, .times = 40 },
	{ SAMPLES, .name = "a sample per 1,000,000", .period = 1000000, .times = 8 },
};

static const struct use stat_uses[] = {
	{ .name = "1, cycles", .fixed = 1, .counts = true },
	{ .name = "all, cycles", .fixed = 1, .counts = true, .all = true },
};

static const struct use sample_uses[] = {
	{ .name = "no PMU", .no_pmu = true },
	{ .name = "1, instructions", .fixed = 0, .counts = true },
};

/* --- all of it --- */

static void print_cost(const struct op *op, const struct use *use)
{
	struct figures s[SLOPES], *median = &s[SLOPES / 2];
	struct pmu pmu;
	int status = measure(op, use, s, &pmu);

	printf("# cost: %s|%s|%s|", host_title(options.host), op->name, use->name);
	if (status == -EBUSY)	/* events of the host are in the way */
		printf("refused|||||\n");
	else if (status)
		fatal("no VM: %s", strerror(-status));
	else
		printf("%.2f|%.2f|%.2f|%.1f|%.1f|%.2f\n", median->wrmsr, median->rdpmc,
		       median->rdmsr, median->root, median->guest, median->exits);
}

static void print_costs(const struct op *op, const struct use *use, size_t nr)
{
	size_t i;

	for (i = 0; i < nr && wanted(op->name); i++)
		print_cost(op, &use[i]);
}

int test_peer(void)
{
	static const struct op *const exits[] = { &op_cpuid, &op_port, &op_hlt, &op_turns };
	size_t i;

	if (!emu_present())
		fatal("the emulator counts");
	halts_sleep(true);
	for (i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		print_costs(exits[i], exit_uses, NR_USES);
	print_costs(&op_stat, stat_uses, sizeof(stat_uses) / sizeof(stat_uses[0]));
	for (i = 0; i < sizeof(op_samples) / sizeof(op_samples[0]); i++)
		print_costs(&op_samples[i], sample_uses, sizeof(sample_uses) / sizeof(sample_uses[0]));
	halts_sleep(false);
	check(true, "what it costs is printed");
	return 0;
}
