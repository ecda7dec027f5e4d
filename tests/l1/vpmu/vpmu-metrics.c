// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest's PERF_METRICS: exact across exits, of nobody else, in no other's
 * hands, and free of charge.  Fixed counter 3 and the metrics count.
 */
#include <linux/perf_event.h>
#include <string.h>
#include <unistd.h>

#include "vpmu.h"
#include "../audit.h"

#define MSR_SLOTS		0x30c
#define MSR_PERF_METRICS	0x329
#define MSR_FIXED_CTRL		0x38d
#define RDPMC_SLOTS		0x40000003
#define RDPMC_METRICS		0x20000000
#define TOPDOWN			(1ULL << 48 | 1ULL << 35)	/* of GLOBAL_CTRL */

#define TURNS			20000
#define EXITS			4000
#define EDGES			300	/* slots of what opens and closes a window */
#define ROUNDING		2	/* 255ths, and the edges */

static const struct body {
	const char *name;
	enum guest_body body;
	uint64_t turns;
	bool rounds;		/* they are saved and loaded each turn, in 255ths */
} bodies[] = {
	{ "a loop", BODY_PLAIN, TURNS, false },
	{ "CPUID", BODY_CPUID, EXITS, false },
	{ "a port in the kernel", BODY_PORT_KERNEL, EXITS, false },
	{ "a port in user space", BODY_PORT_USER, EXITS, true },
	{ "HLT", BODY_HLT, 200, false },
	{ "REP", BODY_REP, EXITS, false },
	{ "all of them", BODY_MIXED, EXITS, true },
};

static unsigned int fields;	/* of the register */

static void program(const struct pmu *pmu, struct guest_job *job)
{
	job_clear(job, pmu);
	job_write(job, MSR_SLOTS, 0);
	job_write(job, MSR_PERF_METRICS, 0);
	job_write(job, MSR_FIXED_CTRL, pmu_fixed_field(3, MODE_ALL, false));
	job_read(job, OP_RDMSR, MSR_SLOTS);
	job_read(job, OP_RDMSR, MSR_PERF_METRICS);
	job_read(job, OP_RDPMC, RDPMC_METRICS);
	job->start = TOPDOWN;
	job->program = PROGRAM_WINDOW;
}

static void run_body(struct machine *machine, const struct body *body, bool user)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	program(&machine->pmu, job);
	job->body = body->body;
	job->count = body->turns;
	job->pointer = 500000;
	job->flags |= user ? JOB_USER : 0;
	if (machine_run(machine))
		fatal("the guest ended");
}

/* The first four fields are parts of the whole. */
static unsigned int level_1(uint64_t metrics)
{
	return (metrics & 0xff) + (metrics >> 8 & 0xff) + (metrics >> 16 & 0xff) +
	       (metrics >> 24 & 0xff);
}

static void test_body(struct machine *machine, const struct body *body, bool user)
{
	static const struct counter guest = { TRUTH_SLOTS, true, true, false, true };
	const struct guest_cpu *area = machine->vm.cpu[0].area;
	const struct guest_window *window = &area->window;
	const uint64_t *read = area->result.read;
	uint64_t slots;
	unsigned int off;

	run_body(machine, body, user);
	slots = truth_sum(&guest, window->truth0.slots, window->truth1.slots);
	off = metrics_off(read[1], fields, &guest, &window->truth0, &window->truth1);
	/* What starts and stops the window is counted in part. */
	check(read[0] <= slots && slots - read[0] < EDGES,
	      "metrics over %s at CPL %d: slots are those of the truth", body->name, user ? 3 : 0);
	if (!body->rounds)
		check(off <= ROUNDING, "metrics over %s at CPL %d: fractions are those of the truth",
		      body->name, user ? 3 : 0);
	check(level_1(read[1]) == 255, "metrics over %s at CPL %d: they are all of the slots",
	      body->name, user ? 3 : 0);
	check(read[1] == read[2], "metrics over %s at CPL %d: RDPMC reads them", body->name,
	      user ? 3 : 0);
	note("%llu slots of %llu, metrics %#llx, off by %u of 255", (unsigned long long)read[0],
	     (unsigned long long)slots, (unsigned long long)read[1], off);
}

/* Registers as they are here and now. */
static void nothing_left(const char *when)
{
	static struct snapshot now;

	emu_snapshot(&now);
	if (!check(!now.regs.perf_metrics && !now.regs.fixed[3] && !(now.regs.fixed_ctrl >> 12 & 0xf),
		   "metrics: none in hardware %s", when))
		note("metrics %#llx, slots %#llx, FIXED_CTR_CTRL %#llx", now.regs.perf_metrics,
		     now.regs.fixed[3], now.regs.fixed_ctrl);
}

static uint64_t root_accesses(struct machine *machine, uint64_t exits)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	const struct mpmu_region *from = &area->region[0], *to = &area->region[1];
	struct guest_job *job = &area->job;

	program(&machine->pmu, job);
	job_write(job, machine->pmu.ctrl, TOPDOWN);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = exits;
	if (machine_run(machine))
		fatal("the guest ended");
	check(area->result.read[0] && area->result.read[1], "metrics: both count over %d exits",
	      (int)exits);
	return emu_root_accesses(to) - emu_root_accesses(from);
}

/* The ticks of the host's timer come beside exits. */
static void test_exit_cost(struct machine *machine)
{
	uint64_t once = root_accesses(machine, EXITS), more = root_accesses(machine, 9 * EXITS);

	check(more < once + EXITS, "metrics: an exit in the kernel accesses no PMU register");
	note("%d exits: %d accesses, %d exits: %d", EXITS, (int)once, 9 * EXITS, (int)more);
}

/* As a migration does: fixed counter 3, then what follows from it. */
static void test_moves(struct machine *machine)
{
	struct vcpu *from = &machine->vm.cpu[0], *to;
	struct machine other;
	struct guest_job *job;
	uint64_t slots, metrics;

	run_body(machine, &bodies[0], false);
	if (vcpu_get_msr(from, MSR_SLOTS, &slots) || vcpu_get_msr(from, MSR_PERF_METRICS, &metrics))
		fatal("the registers cannot be read");
	check(slots && metrics == from->area->result.read[1],
	      "metrics: the VM's owner reads what the guest does");
	machine_start(&other, &(struct vm_config){ 0 });
	to = &other.vm.cpu[0];
	check(!vcpu_set_msr(to, MSR_SLOTS, slots) && !vcpu_set_msr(to, MSR_PERF_METRICS, metrics),
	      "metrics: another VM's owner writes them");
	job = &to->area->job;
	memset(job, 0, sizeof(*job));
	job->ctrl = other.pmu.ctrl;
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = 1;
	job_read(job, OP_RDMSR, MSR_SLOTS);
	job_read(job, OP_RDMSR, MSR_PERF_METRICS);
	job_read(job, OP_RDPMC, RDPMC_METRICS);
	if (machine_run(&other))
		fatal("the guest ended");
	check(to->area->result.read[0] == slots && to->area->result.read[1] == metrics &&
	      to->area->result.read[2] == metrics, "metrics: its guest reads the same");
	machine_stop(&other);
}

static int open_raw(uint64_t config, int group)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_RAW, .size = sizeof(attr), .config = config,
	};

	/* Metrics count with a leader of slots, and neither leaves the guest out by itself. */
	attr.exclude_guest = 1;
	return host_event_open(&attr, -1, options.cpu, group, 0);
}

static void nothing_of_host(struct machine *machine)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	struct guest_job *job = &area->job;

	job_clear(job, &machine->pmu);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = EXITS;
	job_read(job, OP_RDMSR, MSR_PERF_METRICS);
	job_read(job, OP_RDPMC, RDPMC_METRICS);
	if (machine_run(machine))
		fatal("the guest ended");
	check(!area->result.read[0] && !area->result.read[1],
	      "metrics: beside the host's a guest reads its own, 0 (%#llx)",
	      (unsigned long long)area->result.read[0]);
}

/* The host counts topdown while the guest does not, and while it does. */
static void test_host_metrics(void)
{
	int slots = open_raw(0x400, -1), retiring = open_raw(0x8000, slots);
	uint64_t counted[2];
	struct machine machine;

	if (slots < 0 || retiring < 0)
		fatal("no topdown event of the host");
	machine_start(&machine, &(struct vm_config){ 0 });
	nothing_of_host(&machine);
	test_body(&machine, &bodies[0], false);
	machine_stop(&machine);
	counted[0] = host_event_read(slots);
	counted[1] = host_event_read(retiring);
	check(counted[0] && counted[1] && counted[1] < counted[0],
	      "metrics: those of the host go on (%llu of %llu slots retire)",
	      (unsigned long long)counted[1], (unsigned long long)counted[0]);
	host_event_close(retiring);
	host_event_close(slots);
}

int test_metrics(void)
{
	static struct snapshot now;
	struct machine machine;
	size_t i;

	if (!emu_present())
		fatal("the emulator knows how slots are used");
	emu_snapshot(&now);
	fields = now.regs.metrics;
	machine_start(&machine, &(struct vm_config){ 0 });
	if (!check(fields && machine.pmu.metrics, "metrics: the guest has the host's"))
		fatal("%u fields", fields);
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		park_guests(false);
		test_body(&machine, &bodies[i], false);
		nothing_left("after the guest ran");
		/* Parked; HLT is for CPL 0 alone. */
		park_guests(true);
		test_body(&machine, &bodies[i], bodies[i].body != BODY_HLT);
	}
	test_exit_cost(&machine);
	test_moves(&machine);
	machine_stop(&machine);
	nothing_left("after the VM is gone");
	test_host_metrics();
	return 0;
}
