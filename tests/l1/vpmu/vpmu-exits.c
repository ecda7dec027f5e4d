// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a CPUID exit costs the host, and a pause of the vCPU: PMU register accesses
 * and instructions in root mode, counted by the emulator.  A figure is the slope
 * between N and 2N exits; the median of several, with the spread, since the host's
 * timer falls into some of them.  The list "exits" judges the accesses; "peer" prints
 * what any kernel costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vpmu.h"

#define HALT_POLL	"/sys/module/kvm/parameters/halt_poll_ns"
#define SLOPES		7

/* Of one exit. */
struct figures {
	double wrmsr, rdpmc, rdmsr, instructions;
};

/* One counter, or all that can count the event of a fixed counter, that one among them. */
struct use {
	const char *name;
	bool no_pmu, counts, all;
	int fixed;
};

static const struct use uses[] = {
	{ .name = "no PMU", .no_pmu = true },
	{ .name = "untouched" },
	{ .name = "1, cycles", .fixed = 1, .counts = true },
	{ .name = "all, cycles", .fixed = 1, .counts = true, .all = true },
	{ .name = "1, instructions", .fixed = 0, .counts = true },
	{ .name = "all, instructions", .fixed = 0, .counts = true, .all = true },
};

/* What is done N times. */
struct op {
	const char *name, *column;
	enum guest_body body;
	uint64_t times;
	/* Another vCPU that does the same has its turn each time. */
	bool turns;
};

static const struct op op_cpuid = { "a CPUID exit", "", BODY_CPUID, 2000, false };

static const struct op pauses[] = {
	{ "an exit to user space", "user space, ", BODY_PORT_USER, 400, false },
	{ "HLT and wake-up", "HLT, ", BODY_HLT, 100, false },
};

static const struct op op_turns = {
	.name = "a change of vCPU", .body = BODY_PORT_USER, .times = 400, .turns = true
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

static uint64_t use_counters(const struct use *use, const struct pmu *pmu)
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
	if (!use->counts || pmu_fixed_event(use->fixed) != EVENT_INSTRUCTIONS)
		return 0;
	return 2 * __builtin_popcountll(use_counters(use, pmu)) + !pmu->intel;
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
	job_read(job, OP_RDMSR, pmu_counter(pmu, 0));
}

static double accesses(const struct figures *figures)
{
	return figures->wrmsr + figures->rdpmc + figures->rdmsr;
}

static void give_job(struct machine *machine, struct vcpu *vcpu, const struct op *op,
		     const struct use *use, uint64_t times)
{
	struct guest_job *job = &vcpu->area->job;

	memset(job, 0, sizeof(*job));
	program_use(&machine->pmu, job, use);
	job->program = PROGRAM_LOOP_ONCE;
	job->region = (uint32_t)vcpu->index;
	job->body = op->body;
	job->count = times;
	job->pointer = 500000;	/* of the timer: long enough to fall asleep */
}

static void take_turns(struct vcpu *vcpu)
{
	if (vcpu_step(&vcpu->vm->cpu[1]) < 0)
		fatal("the second guest ended");
}

static struct figures run(struct machine *machine, const struct op *op, const struct use *use,
			  uint64_t times)
{
	struct vcpu *vcpu = machine->vm.cpu;
	const struct mpmu_region *from = &vcpu->area->region[0], *to = &vcpu->area->region[1];

	give_job(machine, vcpu, op, use, times);
	vcpu->on_user_exit = op->turns ? take_turns : NULL;
	/* It is not done before the first one is. */
	if (op->turns)
		give_job(machine, vcpu + 1, op, use, times + 1);
	if (machine_run(machine) || (op->turns && vcpu_run_job(vcpu + 1)))
		fatal("the guest ended");
	if (use->counts && vcpu->area->result.read[0] < times)
		fatal("%s: the counter does not count", use->name);
	return (struct figures){
		.wrmsr = (double)(to->pmu_wrmsr[MPMU_ROOT] - from->pmu_wrmsr[MPMU_ROOT] +
				  to->lvtpc_writes - from->lvtpc_writes),
		.rdpmc = (double)(to->rdpmc[MPMU_ROOT] - from->rdpmc[MPMU_ROOT]),
		.rdmsr = (double)(to->pmu_rdmsr[MPMU_ROOT] - from->pmu_rdmsr[MPMU_ROOT]),
		.instructions = (double)(to->instructions[MPMU_ROOT][0] + to->instructions[MPMU_ROOT][1] -
					 from->instructions[MPMU_ROOT][0] -
					 from->instructions[MPMU_ROOT][1]),
	};
}

static int compare(const void *a, const void *b)
{
	const struct figures *x = a, *y = b;

	return (x->instructions > y->instructions) - (x->instructions < y->instructions);
}

static void slopes(struct machine *machine, const struct op *op, const struct use *use,
		   struct figures out[SLOPES])
{
	const uint64_t turns = op->times / (unsigned int)options.scale;
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
			.instructions = (twice.instructions - once.instructions) / times,
		};
	}
	qsort(out, SLOPES, sizeof(out[0]), compare);
}

/* Of a new VM; the median is in the middle.  How many accesses a CPUID exit may have. */
static double measure(const struct op *op, const struct use *use, struct figures s[SLOPES])
{
	struct machine machine;
	double right;

	machine_start(&machine, &(struct vm_config){ .no_pmu = use->no_pmu,
						     .nr_cpus = op->turns ? 2 : 1 });
	slopes(&machine, op, use, s);
	right = use_accesses(use, &machine.pmu);
	machine_stop(&machine);
	return right;
}

/* A row of the table, and its accesses. */
static double measure_row(const struct op *op, const struct use *use, double *base, double *right)
{
	struct figures s[SLOPES], *median = &s[SLOPES / 2];
	char row[40];

	*right = measure(op, use, s);
	if (use->no_pmu)
		*base = median->instructions;
	snprintf(row, sizeof(row), "%s%s", op->column, use->name);
	printf("# table: %-34s %10.2f %14.1f %7.3f   %.1f to %.1f\n", row, accesses(median),
	       median->instructions, median->instructions / *base, s[0].instructions,
	       s[SLOPES - 1].instructions);
	return accesses(median);
}

static void measure_cpuid(void)
{
	double base = 0, right;
	size_t i;

	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		double found = measure_row(&op_cpuid, &uses[i], &base, &right);

		check(found > right - 0.05 && found < right + 0.05,
		      "E5 %s with %s: %.0f accesses to PMU registers", op_cpuid.name, uses[i].name,
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
	size_t i;

	if (!emu_present())
		fatal("the emulator counts");
	measure_cpuid();
	/* Or KVM waits for so short a time without leaving the CPU. */
	write_file(HALT_POLL, "0");
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		measure_pause(&pauses[i]);
	write_file(HALT_POLL, "200000");
	return 0;
}

int test_peer(void)
{
	const struct op *ops[] = { &op_cpuid, &pauses[0], &pauses[1], &op_turns };
	struct figures s[SLOPES], *median = &s[SLOPES / 2];
	size_t i, j;

	if (!emu_present())
		fatal("the emulator counts");
	write_file(HALT_POLL, "0");
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		for (j = 0; j < sizeof(uses) / sizeof(uses[0]); j++) {
			measure(ops[i], &uses[j], s);
			printf("# cost: %s|%s|%s|%.2f|%.2f|%.2f|%.1f\n",
			       options.host_event ? "one event" : "no event", ops[i]->name,
			       uses[j].name, median->wrmsr, median->rdpmc, median->rdmsr,
			       median->instructions);
		}
	}
	write_file(HALT_POLL, "200000");
	check(true, "E5 what an exit costs is printed");
	return 0;
}
