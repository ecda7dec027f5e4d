// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tracepoints, by tracefs and as perf events, against the statistics of the same
 * time.  Perf's records are written where the scheduler's and perf's own locks
 * are held: a kernel that proves its locking runs this list, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "stats.h"
#include "vpmu.h"

#define TURNS		100
#define IDLE_PUTS	8	/* after which the intercepts close */
#define RECLAIMS	20

static void run(struct machine *machine)
{
	if (machine_run(machine))
		fatal("the guest ended");
}

/* What is in the job's setup, then the body. */
static void loop(struct machine *machine, enum guest_body body, uint64_t turns)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	job->program = PROGRAM_LOOP_ONCE;
	job->body = body;
	job->count = turns;
	run(machine);
}

static struct guest_job *program(struct machine *machine, uint64_t ctrl)
{
	const struct pmu *pmu = &machine->pmu;
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	job_clear(job, pmu);
	if (!ctrl)
		return job;
	job_write(job, pmu_counter(pmu, 0), 0);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	job_write(job, pmu->ctrl, ctrl);
	return job;
}

uint64_t denied_event(const struct pmu *pmu)
{
	return pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false);
}

static void be_denied(struct machine *machine)
{
	struct {
		struct kvm_pmu_event_filter head;
		uint64_t event;
	} filter = { .head = { .action = KVM_PMU_EVENT_DENY, .nevents = 1 }, .event = 0xc0 };
	struct guest_job *job = program(machine, 1);

	if (ioctl(machine->vm.fd, KVM_SET_PMU_EVENT_FILTER, &filter))
		fatal("no filter: %s", strerror(errno));
	job->program = PROGRAM_ACCESS;
	job->access = (struct guest_access){
		OP_WRMSR, pmu_eventsel(&machine->pmu, 1), denied_event(&machine->pmu),
	};
	job->count = 1;
	run(machine);
	filter.head.nevents = 0;
	if (ioctl(machine->vm.fd, KVM_SET_PMU_EVENT_FILTER, &filter))
		fatal("no filter: %s", strerror(errno));
}

static void be_displaced(struct machine *machine)
{
	int fd;

	/* Programmed anew beside an event, the PMU would pass as idle. */
	machine->vm.cpu[0].area->job.nr_setup = 0;
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0);
	loop(machine, BODY_CPUID, TURNS);
	host_event_close(fd);
}

/* Everything that has a tracepoint; a reclaim needs another CPU. */
void do_everything(struct machine *machine, bool displaced)
{
	park_guests(false);
	program(machine, 1);
	loop(machine, BODY_PORT_USER, TURNS);
	if (displaced)
		be_displaced(machine);
	pmi_job(&machine->pmu, &machine->vm.cpu[0].area->job, BODY_PLAIN, TURNS, false);
	run(machine);
	be_denied(machine);
	program(machine, 0);
	loop(machine, BODY_PORT_USER, IDLE_PUTS + 2);
	park_guests(true);
}

static void check_stat(const struct stats *traced, const struct stats *stats, enum pmu_stat stat,
		       bool some)
{
	uint64_t got = traced->value[stat], want = stats->value[stat];

	check(got == want && (want || !some), "J trace: %s (%llu, %llu)", stat_names[stat],
	      (unsigned long long)got, (unsigned long long)want);
}

static void test_lines(void)
{
	static const enum pmu_stat some[] = {
		STAT_ENTRY, STAT_PUT, STAT_DISPLACED, STAT_READ, STAT_WRITTEN, STAT_SKIPPED,
		STAT_PMIS, STAT_DENIED,
	};
	struct traced traced = { .lines = 0 }, after = { .lines = 0 };
	struct machine machine;
	struct stats before, stats;
	size_t i;

	machine_start(&machine, &(struct vm_config){ 0 });
	traced.denied = after.denied = denied_event(&machine.pmu);
	stats_of_vcpu(&machine.vm.cpu[0], &before);
	check(trace_begin(), "J trace: the events can be enabled");
	do_everything(&machine, true);
	trace_end();
	stats_of_vcpu(&machine.vm.cpu[0], &stats);
	stats_since(&stats, &before);
	trace_read("/sys/kernel/tracing/trace", &traced);
	check(traced.lines && !traced.strange, "J trace: every line says what it must");
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		check_stat(&traced.stats, &stats, some[i], true);
	check_stat(&traced.stats, &stats, STAT_RECLAIM, false);
	check_stat(&traced.stats, &stats, STAT_RESET, false);
	check(traced.opened == 1 && traced.closed == 1,
	      "J trace: intercepts are opened once, and closed once (%llu, %llu)",
	      (unsigned long long)traced.opened, (unsigned long long)traced.closed);
	do_everything(&machine, true);
	trace_read("/sys/kernel/tracing/trace", &after);
	check(after.lines == traced.lines, "J trace: none while the events are off");
	machine_stop(&machine);
}

static uint64_t changes(const struct stats *stats)
{
	uint64_t sum = 0;
	int i;

	for (i = STAT_ENTRY; i <= STAT_RESET; i++)
		sum += stats->value[i];
	return sum;
}

/* Records make each change of owner long: without a pause the guest is kept out. */
static void loop_reclaimed(struct machine *machine)
{
	struct reclaimer reclaimer = { .more_pauses = 9 };

	program(machine, 1);
	reclaimer_start(&reclaimer);
	loop(machine, BODY_PLAIN, 400000);
	reclaimer_stop(&reclaimer);
}

/* Records wake their reader, where a reclaim happens, too. */
static void test_perf(bool reclaims)
{
	struct trace_ring ring;
	struct machine machine;
	struct stats before, stats;
	uint64_t records;
	int status;

	machine_start(&machine, &(struct vm_config){ 0 });
	status = trace_ring_open(&ring, TRACE_OWNER, options.cpu);
	if (!check(!status, "J perf: the owner changes as an event, beside the VM (%d)", status))
		fatal("no event");
	stats_of_vcpu(&machine.vm.cpu[0], &before);
	if (reclaims)
		loop_reclaimed(&machine);
	else
		do_everything(&machine, true);
	stats_of_vcpu(&machine.vm.cpu[0], &stats);
	stats_since(&stats, &before);
	records = trace_ring_records(&ring);
	check(records == changes(&stats) && records > 2 * TURNS * !reclaims,
	      "J perf: a record for each (%llu, %llu)", (unsigned long long)records,
	      (unsigned long long)changes(&stats));
	if (reclaims)
		check(stats.value[STAT_RECLAIM] >= RECLAIMS, "J perf: %d reclaims and more (%llu)",
		      RECLAIMS, (unsigned long long)stats.value[STAT_RECLAIM]);
	trace_ring_close(&ring);
	machine_stop(&machine);
}

int test_trace(void)
{
	if (wanted("lines"))
		test_lines();
	if (wanted("perf"))
		test_perf(false);
	if (!strcmp(options.only, "reclaims"))
		test_perf(true);
	return 0;
}
