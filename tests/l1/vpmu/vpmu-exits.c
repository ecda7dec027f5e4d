// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a CPUID exit costs the host, and a pause of the vCPU: PMU register accesses
 * and instructions in root mode, counted by the emulator.  A figure is the slope
 * between N and 2N exits; the median of several, with the spread, since the host's
 * timer falls into some of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exits.h"

#define HALT_POLL	"/sys/module/kvm/parameters/halt_poll_ns"

const struct use exit_uses[NR_USES] = {
	{ .name = "no PMU", .no_pmu = true },
	{ .name = "untouched" },
	{ .name = "idle after use", .fixed = 1, .counts = true, .all = true, .idle = true },
	{ .name = "1, cycles", .fixed = 1, .counts = true },
	{ .name = "all, cycles", .fixed = 1, .counts = true, .all = true },
	{ .name = "1, instructions", .fixed = 0, .counts = true },
	{ .name = "all, instructions", .fixed = 0, .counts = true, .all = true },
};

/* The same, with the values taken out each time as without parking. */
static const struct pause_use {
	struct use use;
	bool taken_out;
} pause_uses[] = {
	{ { .name = "no PMU", .no_pmu = true }, false },
	{ { .name = "1, cycles", .fixed = 1, .counts = true }, false },
	{ { .name = "1, cycles, not parked", .fixed = 1, .counts = true }, true },
};

uint64_t use_counters(const struct use *use, const struct pmu *pmu)
{
	if (!use->counts)
		return 0;
	return use->all ? pmu_counters(pmu) & (0xffffffff | 1ULL << (PMC_FIXED + use->fixed)) : 1;
}

/*
 * KVM executes CPUID for the guest: it reads and writes each counter that counts
 * instructions, and no other.  On AMD it reads GLOBAL_CTRL before, which is in the
 * VMCS on Intel.
 */
static double use_accesses(const struct use *use, const struct pmu *pmu)
{
	if (!use->counts || use->idle || pmu_fixed_event(use->fixed) != EVENT_INSTRUCTIONS)
		return 0;
	return 2 * __builtin_popcountll(use_counters(use, pmu)) + !pmu->intel;
}

/* What counted keeps its value. */
static void stop(const struct pmu *pmu, struct guest_job *job, uint64_t counters)
{
	job_write(job, pmu->ctrl, 0);
	for (counters &= 0xffffffff; counters; counters &= counters - 1)
		job_write(job, pmu_eventsel(pmu, __builtin_ctzll(counters)), 0);
	if (pmu->nr_fixed)
		job_write(job, 0x38d, 0);
}

static void program_use(const struct pmu *pmu, struct guest_job *job, const struct use *use)
{
	uint64_t left, fixed = 0, counters = use_counters(use, pmu);

	if (!counters)
		return;
	job_clear(job, pmu);
	for (left = counters; left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, bit), 0);
		if (bit >= PMC_FIXED)
			fixed |= pmu_fixed_field(bit - PMC_FIXED, MODE_ALL, false);
		else
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, pmu_fixed_event(use->fixed), MODE_ALL, false));
	}
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job_write(job, pmu->ctrl, counters);
	if (use->idle)
		stop(pmu, job, counters);
	job_read(job, OP_RDMSR, pmu_counter(pmu, 0));
}

static void give_loop(const struct pmu *pmu, struct guest_job *job, const struct op *op,
		      const struct use *use, uint64_t times)
{
	program_use(pmu, job, use);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = op->body;
	job->count = times;
	job->pointer = 500000;	/* of the timer: long enough to fall asleep */
}

/* By what its first counter has. */
static bool loop_done(const struct guest_cpu *area, const struct use *use, uint64_t times)
{
	return !use->counts || area->result.read[0] >= (use->idle ? 1 : times);
}

const struct op op_cpuid = {
	.give = give_loop, .done = loop_done, .name = "a CPUID exit", .column = "", .body = BODY_CPUID,
	.times = 2000
};

const struct op op_port = {
	.give = give_loop, .done = loop_done, .name = "an exit to user space",
	.column = "user space, ", .body = BODY_PORT_USER, .times = 400
};

const struct op op_hlt = {
	.give = give_loop, .done = loop_done, .name = "HLT and wake-up", .column = "HLT, ",
	.body = BODY_HLT, .times = 100
};

static double accesses(const struct figures *figures)
{
	return figures->wrmsr + figures->rdpmc + figures->rdmsr;
}

static void give_job(struct machine *machine, struct vcpu *vcpu, const struct op *op,
		     const struct use *use, uint64_t times)
{
	struct guest_job *job = &vcpu->area->job;

	memset(job, 0, sizeof(*job));
	op->give(&machine->pmu, job, op, use, times);
	job->region = (uint32_t)vcpu->index;
}

const struct op op_turns = {
	.give = give_loop, .done = loop_done, .name = "a change of vCPU", .body = BODY_PORT_USER,
	.times = 400, .turns = true
};

static void take_turns(struct vcpu *vcpu)
{
	if (vcpu_step(&vcpu->vm->cpu[1]) < 0)
		fatal("the second guest ended");
}

static double instructions(const struct mpmu_region *from, const struct mpmu_region *to, int mode)
{
	return (double)(to->instructions[mode][0] + to->instructions[mode][1] -
			from->instructions[mode][0] - from->instructions[mode][1]);
}

static struct figures difference(const struct mpmu_region *from, const struct mpmu_region *to)
{
	return (struct figures){
		.wrmsr = (double)(to->pmu_wrmsr[MPMU_ROOT] - from->pmu_wrmsr[MPMU_ROOT] +
				  to->lvtpc_writes - from->lvtpc_writes),
		.rdpmc = (double)(to->rdpmc[MPMU_ROOT] - from->rdpmc[MPMU_ROOT]),
		.rdmsr = (double)(to->pmu_rdmsr[MPMU_ROOT] - from->pmu_rdmsr[MPMU_ROOT]),
		.root = instructions(from, to, MPMU_ROOT),
		.guest = instructions(from, to, MPMU_GUEST),
		.exits = (double)(to->vmexits_total - from->vmexits_total),
	};
}

static struct figures run(struct machine *machine, const struct op *op, const struct use *use,
			  uint64_t times)
{
	struct vcpu *vcpu = machine->vm.cpu;

	give_job(machine, vcpu, op, use, times);
	vcpu->on_user_exit = op->turns ? take_turns : NULL;
	/* It is not done before the first one is. */
	if (op->turns)
		give_job(machine, vcpu + 1, op, use, times + 1);
	if (machine_run(machine) || (op->turns && vcpu_run_job(vcpu + 1)))
		fatal("the guest ended");
	if (!op->done(vcpu->area, use, times))
		fatal("%s, %s: the counter does not count", op->name, use->name);
	return difference(&vcpu->area->region[0], &vcpu->area->region[1]);
}

static int compare(const void *a, const void *b)
{
	const struct figures *x = a, *y = b;

	return (x->root > y->root) - (x->root < y->root);
}

static void slopes(struct machine *machine, const struct op *op, const struct use *use,
		   struct figures out[SLOPES])
{
	const uint64_t scaled = op->times / (unsigned int)options.scale, turns = scaled > 1 ? scaled : 2;
	/* In turn, both vCPUs exit each time. */
	const double times = (double)turns * (op->turns ? 2 : 1);
	int i;

	run(machine, op, use, turns);
	for (i = 0; i < SLOPES; i++) {
		struct figures once = run(machine, op, use, turns);
		struct figures twice = run(machine, op, use, 2 * turns);

		out[i] = (struct figures){
			.wrmsr = (twice.wrmsr - once.wrmsr) / times,
			.rdpmc = (twice.rdpmc - once.rdpmc) / times,
			.rdmsr = (twice.rdmsr - once.rdmsr) / times,
			.root = (twice.root - once.root) / times,
			.guest = (twice.guest - once.guest) / times,
			.exits = (twice.exits - once.exits) / times,
		};
	}
	qsort(out, SLOPES, sizeof(out[0]), compare);
}

int measure(const struct op *op, const struct use *use, struct figures s[SLOPES],
	    struct pmu *pmu)
{
	const struct vm_config config = { .no_pmu = use->no_pmu, .nr_cpus = op->turns ? 2 : 1 };
	struct machine machine;
	int status = vm_create(&machine.vm, &config);

	if (status)
		return status;
	pmu_detect(&machine.pmu, &machine.vm);
	*pmu = machine.pmu;
	slopes(&machine, op, use, s);
	machine_stop(&machine);
	return 0;
}

void halts_sleep(bool sleep)
{
	/* Or KVM waits for so short a time without leaving the CPU. */
	write_file(HALT_POLL, sleep ? "0" : "200000");
}

/* A row of the table, and its accesses. */
static double measure_row(const struct op *op, const struct use *use, double *base, double *right)
{
	struct figures s[SLOPES], *median = &s[SLOPES / 2];
	struct pmu pmu;
	char row[40];
	int status = measure(op, use, s, &pmu);

	if (status)
		fatal("no VM: %s", strerror(-status));
	*right = use_accesses(use, &pmu);
	if (use->no_pmu)
		*base = median->root;
	snprintf(row, sizeof(row), "%s%s", op->column, use->name);
	printf("# table: %-34s %10.2f %14.1f %7.3f   %.1f to %.1f\n", row, accesses(median),
	       median->root, median->root / *base, s[0].root, s[SLOPES - 1].root);
	return accesses(median);
}

static void measure_cpuid(void)
{
	double base = 0, right;
	size_t i;

	for (i = 0; i < NR_USES; i++) {
		double found = measure_row(&op_cpuid, &exit_uses[i], &base, &right);

		check(found > right - 0.05 && found < right + 0.05,
		      "E5 %s with %s: %.0f accesses to PMU registers", op_cpuid.name, exit_uses[i].name,
		      right);
	}
}

/* None, but for those that take the values out. */
static void measure_pause(const struct op *op)
{
	double base = 0, right;
	size_t i;

	for (i = 0; i < sizeof(pause_uses) / sizeof(pause_uses[0]); i++) {
		const struct pause_use *pause = &pause_uses[i];
		double found;

		park_guests(!pause->taken_out);
		found = measure_row(op, &pause->use, &base, &right);
		check((found > 0.05) == pause->taken_out,
		      "E9 %s with %s: %s", op->name, pause->use.name,
		      pause->taken_out ? "accesses to PMU registers" : "none to PMU registers");
	}
	park_guests(true);
}

int test_exits(void)
{
	if (!emu_present())
		fatal("the emulator counts");
	measure_cpuid();
	halts_sleep(true);
	measure_pause(&op_port);
	measure_pause(&op_hlt);
	halts_sleep(false);
	return 0;
}
