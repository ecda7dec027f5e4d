// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A PMU that runs, with an overflow that waits, moves to another VM: the same
 * values, the same speed, and one interrupt for the overflow.
 */
#include <errno.h>
#include <string.h>

#include "vpmu.h"

#define MAX_MSRS	64
#define WRAP		(1ULL << 48)

struct state {
	int nr;
	uint32_t msr[MAX_MSRS];
	uint64_t value[MAX_MSRS];
};

/* Control last: nothing counts before all is in place. */
static void list_msrs(const struct pmu *pmu, struct state *state)
{
	uint64_t left;

	state->nr = 0;
	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		if (bit < PMC_FIXED)
			state->msr[state->nr++] = pmu_eventsel(pmu, bit);
		state->msr[state->nr++] = pmu_counter(pmu, bit);
	}
	if (pmu->nr_fixed)
		state->msr[state->nr++] = 0x38d;
	state->msr[state->nr++] = pmu->status;
	state->msr[state->nr++] = pmu->ctrl;
}

static unsigned int get_state(struct machine *machine, struct state *state)
{
	unsigned int failed = 0;
	int i;

	list_msrs(&machine->pmu, state);
	for (i = 0; i < state->nr; i++)
		failed += vcpu_get_msr(&machine->vm.cpu[0], state->msr[i], &state->value[i]) != 0;
	return failed;
}

static unsigned int set_state(struct machine *machine, const struct state *state)
{
	unsigned int failed = 0;
	int i;

	for (i = 0; i < state->nr; i++)
		failed += vcpu_set_msr(&machine->vm.cpu[0], state->msr[i], state->value[i]) != 0;
	return failed;
}

static unsigned int differing(const struct state *a, const struct state *b)
{
	unsigned int count = 0;
	int i;

	for (i = 0; i < a->nr; i++) {
		if (a->value[i] == b->value[i])
			continue;
		if (count++ < 4)
			note("MSR %#x: %#llx became %#llx", a->msr[i],
			     (unsigned long long)a->value[i], (unsigned long long)b->value[i]);
	}
	return count;
}

/* All counters run on after the job; the second one has wrapped. */
static void start_counters(const struct pmu *pmu, struct guest_job *job)
{
	uint64_t left, fixed = 0;

	job_clear(job, pmu);
	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, bit), bit == 1 ? WRAP - 100 : 1000u * (unsigned int)bit);
		if (bit < PMC_FIXED)
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
		else
			fixed |= pmu_fixed_field(bit - PMC_FIXED, MODE_ALL, false);
	}
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job_write(job, pmu->ctrl, pmu_counters(pmu));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_PLAIN;
	job->count = 1000;
}

/* Without setup: what the counters advance by is the job itself. */
static uint64_t advance(struct machine *machine, int bit)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	uint64_t before, after;

	memset(&area->job, 0, sizeof(area->job));
	area->job.program = PROGRAM_LOOP_ONCE;
	area->job.body = BODY_PLAIN;
	area->job.count = 500;
	vcpu_get_msr(&machine->vm.cpu[0], pmu_counter(&machine->pmu, bit), &before);
	if (machine_run(machine))
		fatal("the guest ended");
	vcpu_get_msr(&machine->vm.cpu[0], pmu_counter(&machine->pmu, bit), &after);
	return after - before;
}

static void test_refusals(struct machine *machine)
{
	struct state before, after;
	struct vcpu *vcpu = &machine->vm.cpu[0];

	get_state(machine, &before);
	if (machine->pmu.intel) {
		check(vcpu_set_msr(vcpu, 0x186, 1ULL << 40) == -EINVAL,
		      "D6 a selector with reserved bits is refused");
		check(vcpu_set_msr(vcpu, machine->pmu.ctrl, 1ULL << 20) == -EINVAL,
		      "D6 GLOBAL_CTRL with a counter that is not there is refused");
	}
	get_state(machine, &after);
	check(!differing(&before, &after), "D7 what is refused changes nothing");
}

/* A list has the registers that change the status, too, before it or behind it. */
static void test_status(struct machine *machine)
{
	const struct pmu *pmu = &machine->pmu;
	struct vcpu *vcpu = &machine->vm.cpu[0];
	uint64_t status = 0;

	check(!vcpu_set_msr(vcpu, pmu->status, 2) && !vcpu_set_msr(vcpu, pmu->ack, 3),
	      "D6 the registers of the status can be written");
	if (pmu->status_set)
		check(!vcpu_set_msr(vcpu, pmu->status_set, 1), "D6 the one that sets it, too");
	vcpu_get_msr(vcpu, pmu->status, &status);
	check(status == 2, "D6 those that change it do not, written by user space (%llu)",
	      (unsigned long long)status);
	if (!pmu->intel)
		return;
	check(!vcpu_set_msr(vcpu, pmu->status, 3ULL << 62 | 2), "D6 bits of no counter can be written");
	vcpu_get_msr(vcpu, pmu->status, &status);
	check(status == 2, "D6 and are dropped (%#llx)", (unsigned long long)status);
}

int test_state(void)
{
	struct machine from, to;
	struct state saved, restored;
	uint64_t here, there;

	machine_start(&from, &(struct vm_config){ 0 });
	start_counters(&from.pmu, &from.vm.cpu[0].area->job);
	if (machine_run(&from))
		return -1;
	here = advance(&from, 0);
	check(!get_state(&from, &saved), "D6 every register can be read");
	check(saved.value[saved.nr - 2] & 2, "D7 the overflow waits in the status");
	machine_start(&to, &(struct vm_config){ 0 });
	check(!set_state(&to, &saved), "D6 every register can be written");
	check(!get_state(&to, &restored) && !differing(&saved, &restored),
	      "D7 the other VM has the same values");
	/* The OUT that its vCPU stopped at is not of this state: run past it. */
	advance(&to, 0);
	there = advance(&to, 0);
	check(here == there && here >= 2000, "D7 the other VM counts on, as fast (%llu, %llu)",
	      (unsigned long long)here, (unsigned long long)there);
	get_state(&to, &restored);
	check(restored.value[restored.nr - 2] & 2, "D7 the overflow still waits");
	test_refusals(&to);
	test_status(&to);
	machine_stop(&to);
	machine_stop(&from);
	return 0;
}
