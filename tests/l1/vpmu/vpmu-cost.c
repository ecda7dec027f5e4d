// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a guest can make the switches of its PMU cost the host: a status bit that
 * it leaves set, and a PMU that it used once.  The emulator counts the host's
 * instructions and its accesses to the PMU.
 */
#include <string.h>

#include "vpmu.h"

#define EXITS		200
#define RUNS		5	/* the host's timer falls into some of them */
#define COUNTED_LONG	100000	/* more than a counter holds that wrapped just now */

/* What ends the guest's time with the PMU. */
static const struct way {
	const char *name;
	enum guest_body body;
	bool host_event;
} ways[] = {
	{ "a put", BODY_PORT_USER, false },
	{ "an exit beside a host event", BODY_CPUID, true },
};

/* A status bit from before: none, of an overflow long ago, or as if of a new one. */
static const struct leftover {
	const char *name;
	uint64_t status, counter;
	double most;		/* instructions of the host more than with none */
} leftovers[] = {
	{ "an old overflow", 1, COUNTED_LONG, 200 },
	{ "what looks like a new overflow", 1, 0, 800 },
};

static double root_instructions(const struct guest_cpu *area)
{
	const unsigned long long *from = area->region[0].instructions[MPMU_ROOT];
	const unsigned long long *to = area->region[1].instructions[MPMU_ROOT];

	return (double)(to[0] + to[1] - from[0] - from[1]);
}

/* Counter 0 counts cycles, its interrupt is open, and nobody clears the status. */
static void program(const struct pmu *pmu, struct guest_job *job, const struct way *way,
		    uint64_t counter)
{
	job_clear(job, pmu);
	job_write(job, pmu_counter(pmu, 0), counter);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, true));
	job_read(job, OP_RDMSR, pmu->status);
	job->program = PROGRAM_PMI;
	job->body = way->body;
	job->count = 1;
	job->start = 1;
	job->pmi_target = ~0ULL;
	job->pmi_max_turns = EXITS;
}

/* Instructions of the host for each exit. */
static double cost_once(struct machine *machine, const struct way *way, uint64_t status,
			uint64_t counter)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	struct guest_result *result = &vcpu->area->result;

	program(&machine->pmu, &vcpu->area->job, way, counter);
	if (vcpu_set_msr(vcpu, machine->pmu.status, status) || machine_run(machine))
		fatal("the guest ended");
	if (result->pmis || result->read[0] != status)
		fatal("%d interrupts, status %#llx", (int)result->pmis,
		      (unsigned long long)result->read[0]);
	return root_instructions(vcpu->area) / EXITS;
}

static double cost(struct machine *machine, const struct way *way, uint64_t status,
		   uint64_t counter)
{
	double least = cost_once(machine, way, status, counter), once;
	int i;

	for (i = 1; i < RUNS; i++) {
		once = cost_once(machine, way, status, counter);
		if (once < least)
			least = once;
	}
	return least;
}

static void test_leftovers(struct machine *machine, const struct way *way)
{
	double usual, more;
	size_t i;

	usual = cost(machine, way, 0, COUNTED_LONG);
	for (i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++) {
		const struct leftover *left = &leftovers[i];

		more = cost(machine, way, left->status, left->counter) - usual;
		check(more < left->most, "E5 %s costs %s at most %.0f instructions more", left->name,
		      way->name, left->most);
		note("%.0f, and %.0f more", usual, more);
	}
	vcpu_set_msr(&machine->vm.cpu[0], machine->pmu.status, 0);
}

/* Accesses of the host's to PMU registers, in one run without an exit to user space. */
static uint64_t accesses(struct machine *machine, bool counting)
{
	const struct pmu *pmu = &machine->pmu;
	struct guest_cpu *area = machine->vm.cpu[0].area;
	const struct mpmu_region *from = &area->region[0], *to = &area->region[1];
	struct guest_job *job = &area->job;

	job_clear(job, pmu);
	job_write(job, pmu_counter(pmu, 0), 5);
	if (counting)
		job_write(job, pmu_eventsel(pmu, 0),
			  pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	job_read(job, OP_RDMSR, pmu_counter(pmu, 0));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = EXITS;
	if (machine_run(machine))
		fatal("the guest ended");
	check(area->result.read[0] == 5, "E5 its counter keeps its value");
	return to->pmu_rdmsr[MPMU_ROOT] - from->pmu_rdmsr[MPMU_ROOT] +
	       to->pmu_wrmsr[MPMU_ROOT] - from->pmu_wrmsr[MPMU_ROOT];
}

/* Used once, and from then on nothing counts: the host's events stay in place. */
static void test_idle(struct machine *machine)
{
	int fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	uint64_t idle, counting;

	if (fd < 0)
		fatal("no host event");
	idle = accesses(machine, false);
	counting = accesses(machine, true);
	host_event_close(fd);
	/* A tick may preempt it once or twice. */
	if (host_shares())
		check(counting < EXITS, "E6 beside a plain event a guest that counts is not switched");
	else
		check(counting > 10 * EXITS,
		      "E5 beside a host event a guest that can count is switched");
	check(idle < 2 * EXITS, "E5 one that has used its PMU once is not, after some exits");
	note("%d exits: %d accesses, and %d", EXITS, (int)counting, (int)idle);
}

int test_cost(void)
{
	struct machine machine;
	size_t i;
	int fd;

	if (!emu_present())
		fatal("the emulator counts");
	park_guests(false);
	machine_start(&machine, &(struct vm_config){ 0 });
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		fd = ways[i].host_event ? host_event(options.cpu, HOST_EXCLUDE_GUEST, 0) : -1;
		test_leftovers(&machine, &ways[i]);
		if (fd >= 0)
			host_event_close(fd);
	}
	test_idle(&machine);
	machine_stop(&machine);
	park_guests(true);
	return 0;
}
