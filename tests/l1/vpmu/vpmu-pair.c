// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An event of an AMD host that adds more than one a cycle has two counters: its own, and
 * the next one, with the Merge event, for the upper bits.  Neither is anybody else's to
 * read, and both go on.
 */
#include <linux/perf_event.h>

#include "vpmu.h"

#define RETIRED_FLOPS	0x0f03
#define MERGE		0xf004000ffULL
#define ROUNDS		20

static int open_pair(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_RAW, .config = RETIRED_FLOPS, .size = sizeof(attr),
		.exclude_guest = 1, .pinned = 1,
	};

	return host_event_open(&attr, -1, options.cpu, -1, 0);
}

static struct mpmu_regs regs;

/* The counter that has the Merge event, or -1. */
static int merging(void)
{
	int i;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	for (i = 0; i < MPMU_MAX_PMCS; i++)
		if (regs.eventsel[i] == MERGE)
			return i;
	return -1;
}

/* Where an event ended, the next one may have the Merge event. */
static void test_goes_on(void)
{
	int one = host_event(options.cpu, HOST_PINNED, 0), two = host_event(options.cpu, HOST_PINNED, 0);
	int pair, fd, i;
	void *page;

	host_event_close(one);
	host_event_close(two);
	pair = open_pair();
	i = merging();
	check(pair >= 0 && i > 0, "A12 pair: the event has two counters (%d)", i);
	fd = host_reader_begin(&page);
	check(i > 0 && merging() == i && regs.gp[i], "A12 pair: it goes on as a task gets RDPMC");
	host_reader_end(fd, page);
	host_event_close(pair);
}

static void test_leaves_nothing(void)
{
	int pair = open_pair(), i = merging(), fd;
	void *page;

	host_event_close(pair);
	check(i > 0 && merging() < 0 && regs.gp[i], "A12 pair: where it ended, a value is left");
	fd = host_reader_begin(&page);
	merging();
	check(i > 0 && !regs.gp[i - 1] && !regs.gp[i], "A12 pair: but none for a task that gets RDPMC");
	host_reader_end(fd, page);
}

/* One counts, so that the guest keeps its PMU; it reads all others. */
static unsigned int found(struct machine *machine)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	const struct pmu *pmu = &machine->pmu;
	const int last = pmu->nr_gp - 1;
	unsigned int wrong = 0;
	int i;

	job_clear(job, pmu);
	job_write(job, pmu_eventsel(pmu, last), pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
	for (i = 0; i < last; i++)
		job_read(job, OP_RDMSR, pmu_counter(pmu, i));
	job->start = 1ULL << last;
	job->program = PROGRAM_WINDOW;
	job->body = BODY_CPUID;
	job->count = 10;
	if (machine_run(machine))
		fatal("the guest ended");
	for (i = 0; i < last; i++)
		wrong += machine->vm.cpu[0].area->result.read[i] != 0;
	return wrong;
}

static void test_guest(void)
{
	unsigned int before, beside = 0, after = 0, paired = 0;
	struct machine machine;
	int i;

	machine_start(&machine, &(struct vm_config){ 0 });
	before = found(&machine);
	for (i = 0; i < ROUNDS; i++) {
		int fd = open_pair();

		paired += merging() > 0;
		beside += found(&machine);
		host_event_close(fd);
		after += found(&machine);
	}
	check(!before, "E1 pair: a guest's counters are 0");
	check(paired == ROUNDS, "E1 pair: an event of the host has two counters (%u)", paired);
	check(!beside, "E1 pair: beside it, the guest's are 0 (%u are not)", beside);
	check(!after, "E1 pair: after it, the guest's are 0 (%u are not)", after);
	machine_stop(&machine);
}

int test_pair(void)
{
	if (!emu_present())
		fatal("the emulator dumps the registers");
	test_goes_on();
	test_leaves_nothing();
	test_guest();
	return 0;
}
