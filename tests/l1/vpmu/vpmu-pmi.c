// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One interrupt per overflow.  Periods of the disturbed runs are so short that
 * most exits, puts and reclaims fall within 64 instructions of an overflow, which
 * the emulator counts: some 16 branches in a loop of 4 instructions, or 100 cycles
 * of one instruction each.
 *
 * Nothing counts instructions where the hypervisor could execute one for the
 * guest: an overflow that this causes is real, but hardware does not know it.
 */
#include <string.h>

#include "vpmu.h"

#define WRAP		(1ULL << 48)
#define SKID		32	/* instructions, the emulator's contract */
#define TURNS		200	/* of a body, between two looks at the hits */
#define ENTRY		1500	/* instructions from an exit to the next entry, at most */

#define USER		0x1
#define RECLAIMS	0x2
#define MASKED		0x4
#define TRACED		0x8	/* what reclaims is PT */
#define PARKED		0x10	/* in user space its values stay */
#define BESIDE		0x20	/* samples of the host come in between */
#define BLIND		0x40	/* the guest knows of no status, and clears no bit */

struct run {
	const char *name;
	enum guest_body body;
	enum event event;
	uint64_t period;		/* 0: all counters, periods at random */
	uint64_t hits;
	uint64_t delay;
	unsigned int flags;
};

static const struct run runs[] = {
	{ "all counters", BODY_PLAIN, EVENT_CYCLES, 0, 3000, 0, 0 },
	{ "all counters, late", BODY_PLAIN, EVENT_CYCLES, 0, 2000, 100, 0 },
	{ "all counters at CPL 3", BODY_PLAIN, EVENT_CYCLES, 0, 1000, 0, USER },
	{ "at CPL 3", BODY_PLAIN, EVENT_INSTRUCTIONS, 500, 1000, 0, USER },
	{ "at CPL 3 with IF clear", BODY_CLOSED, EVENT_CYCLES, 256, 1000, 0, USER },
	{ "exits and puts", BODY_MIXED, EVENT_BRANCHES, 13, 2000, 0, 0 },
	{ "exits and puts, late", BODY_MIXED, EVENT_BRANCHES, 13, 1500, 150, USER },
	{ "exits, parked", BODY_MIXED, EVENT_BRANCHES, 13, 1000, 0, PARKED },
	{ "exits, parked, late", BODY_MIXED, EVENT_BRANCHES, 13, 1000, 150, USER | PARKED },
	{ "reclaims", BODY_PLAIN, EVENT_CYCLES, 100, 7500, 0, RECLAIMS },
	{ "reclaims, late", BODY_PLAIN, EVENT_CYCLES, 100, 7500, 60, RECLAIMS },
	{ "all counters, reclaims", BODY_MIXED, EVENT_BRANCHES, 0, 1000, 30, USER | RECLAIMS },
	{ "LVTPC masked", BODY_PLAIN, EVENT_CYCLES, 500, 100, 0, MASKED },
};

/*
 * The interrupt is an NMI of the host.  Who clears bits of the status hears of an overflow
 * before its NMI comes, which finds nothing to do then.  The last one comes somewhere
 * between an exit and the next entry: the guest must not run to its next exit before it
 * hears of that.
 */
static const struct run beside_runs[] = {
	{ "no status, beside samples", BODY_PLAIN, EVENT_CYCLES, 2000, 500, 0, BESIDE | BLIND },
	{ "no status, beside samples, late", BODY_MIXED, EVENT_BRANCHES, 201, 500, 100,
	  BESIDE | BLIND },
	{ "bits cleared beside samples, late", BODY_CLEAR, EVENT_CYCLES, 2001, 500, ENTRY, BESIDE },
	{ "beside samples, as late as an entry", BODY_SELDOM, EVENT_CYCLES, 4017, 500, ENTRY,
	  BESIDE | USER },
};

/* PT shares the interrupt while it is on, with a guest that owns the counters, too. */
static const struct run traced_runs[] = {
	{ "PT comes and goes", BODY_PLAIN, EVENT_CYCLES, 100, 3000, 0, RECLAIMS | TRACED },
	{ "PT comes and goes, late", BODY_PLAIN, EVENT_CYCLES, 100, 3000, 60, RECLAIMS | TRACED },
	{ "PT comes and goes, exits", BODY_MIXED, EVENT_BRANCHES, 13, 1000, 0, RECLAIMS | TRACED },
};

/* Odd, so that overflows walk through the 8 branches of a turn. */
static uint64_t some_branches(uint64_t least)
{
	return least + 2 * random_below(4);
}

static uint64_t choose_period(const struct run *run)
{
	uint64_t usual = run->body == BODY_MIXED ? 200 : 2000;

	if (!run->period)
		return usual + random_below(2 * usual);
	return run->event == EVENT_BRANCHES ? some_branches(run->period) : run->period;
}

static int mode_of(const struct run *run)
{
	return run->flags & USER ? MODE_USER : MODE_ALL;
}

static void arm(const struct pmu *pmu, struct guest_job *job, const struct run *run, int bit,
		uint64_t *fixed)
{
	uint64_t period = choose_period(run);

	job->pmi_msr[bit] = pmu_counter(pmu, bit);
	job->pmi_period[bit] = period;
	job->start |= 1ULL << bit;
	job_write(job, pmu_counter(pmu, bit), WRAP - period);
	job_read(job, OP_RDMSR, pmu_counter(pmu, bit));
	if (bit >= PMC_FIXED)
		*fixed |= pmu_fixed_field(bit - PMC_FIXED, mode_of(run), true);
	else
		job_write(job, pmu_eventsel(pmu, bit),
			  pmu_select(pmu, run->event, mode_of(run), true));
}

/*
 * Slots wrap too often, reference cycles depend on the clock, and the fixed
 * counter of instructions sees what is emulated at CPL 0.
 */
static uint64_t counters_of(const struct pmu *pmu, const struct run *run)
{
	uint64_t counters = pmu_counters(pmu) & ~((run->flags & USER ? 0xcULL : 0xdULL) << PMC_FIXED);

	if (run->body == BODY_MIXED)
		counters &= 0xffffffff;
	/* The truth is of a counter, and the host's event is on the last, or on the first. */
	if (run->flags & BESIDE)
		return 1ULL << 1;
	return run->period ? 1ULL << random_below((uint64_t)pmu->nr_gp) : counters;
}

static void prepare(const struct pmu *pmu, struct guest_job *job, const struct run *run, bool vector)
{
	uint64_t counters = counters_of(pmu, run), left, fixed = 0;

	job_clear(job, pmu);
	/* The run whose interrupts were masked leaves its overflows behind. */
	if (pmu->ack)
		job_write(job, pmu->ack, pmu_counters(pmu));
	for (left = counters; left; left &= left - 1)
		arm(pmu, job, run, __builtin_ctzll(left), &fixed);
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job->program = PROGRAM_PMI;
	job->body = run->body;
	job->count = TURNS;
	job->pointer = pmu->ack;
	job->pmi_target = run->hits;
	job->pmi_max_turns = 2 + run->hits * (run->period ? run->period : 5000) / TURNS;
	job->flags |= (vector ? JOB_PMI_FIXED : 0) | (run->flags & USER ? JOB_USER : 0) |
		      (run->flags & MASKED ? JOB_PMI_MASKED : 0) |
		      (run->flags & BLIND ? JOB_PMI_BLIND : 0);
}

static int run_guest(struct machine *machine, const struct run *run, struct reclaimer *reclaimer)
{
	int status, event;

	if (run->flags & BESIDE) {
		event = host_event(options.cpu, HOST_EXCLUDE_GUEST, 20011);
		status = machine_run(machine);
		host_event_close(event);
		return status;
	}
	if (!(run->flags & RECLAIMS))
		return machine_run(machine);
	reclaimer_start(reclaimer);
	status = machine_run(machine);
	reclaimer_stop(reclaimer);
	return status;
}

static const struct mpmu_truth_pmc *truth_of(const struct mpmu_truth *truth, int bit)
{
	return bit >= PMC_FIXED ? &truth->fixed[bit - PMC_FIXED] : &truth->gp[bit];
}

/* What happened to the guest in a run, as the emulator saw it on this CPU. */
struct disturbance {
	uint64_t puts, reclaims;
	uint64_t exits_near, puts_near, reclaims_near;	/* to an overflow */
};

static void add_disturbance(struct disturbance *sum, int sign, const struct vcpu *vcpu)
{
	struct mpmu_watch watch;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &watch);
	sum->puts += sign * vcpu->user_exits;
	sum->reclaims += sign * watch.hits[MPMU_WATCH_RECLAIM];
	sum->exits_near += sign * watch.exits_near_overflow;
	sum->puts_near += sign * watch.near_overflow[MPMU_WATCH_DISOWN];
	sum->reclaims_near += sign * watch.near_overflow[MPMU_WATCH_RECLAIM];
}

struct outcome {
	uint64_t overflows, hits;
	unsigned int wrong;		/* counters */
	uint64_t late;
};

static struct outcome compare(const struct guest_cpu *area)
{
	const struct guest_result *result = &area->result;
	struct outcome outcome = { .wrong = 0 };
	int bit;

	for (bit = 0; bit < 64; bit++) {
		uint64_t overflows;

		if (!area->job.pmi_msr[bit])
			continue;
		overflows = truth_of(&area->window.truth1, bit)->overflows -
			    truth_of(&area->window.truth0, bit)->overflows;
		outcome.overflows += overflows;
		outcome.hits += result->pmi_hits[bit];
		if (result->pmi_late[bit] > outcome.late)
			outcome.late = result->pmi_late[bit];
		if (overflows == result->pmi_hits[bit])
			continue;
		if (outcome.wrong++ < 3)
			note("counter %d: %llu overflows, %llu handled, at most %#llx late", bit,
			     (unsigned long long)overflows,
			     (unsigned long long)result->pmi_hits[bit],
			     (unsigned long long)result->pmi_late[bit]);
	}
	return outcome;
}

/* Without a host event, all that takes the PMU from its owner is a put. */
static void judge_disturbance(const struct run *run, const char *how,
			      const struct disturbance *was)
{
	const unsigned int all = run->flags & TRACED ? 200 : 1000;
	const unsigned long long least = all / (unsigned int)options.scale;

	if (run->body == BODY_MIXED) {
		check(was->exits_near >= least, "%s, %s: at least %llu exits near an overflow", how,
		      run->name, least);
	}
	if (run->body == BODY_MIXED && !(run->flags & PARKED)) {
		check(was->puts_near >= least, "%s, %s: at least %llu puts near an overflow", how,
		      run->name, least);
	}
	if (run->flags & RECLAIMS)
		check(was->reclaims_near >= least, "%s, %s: at least %llu reclaims near an overflow",
		      how, run->name, least);
	note("%llu puts, %llu reclaims; near an overflow: %llu exits, %llu puts, %llu reclaims",
	     (unsigned long long)was->puts, (unsigned long long)was->reclaims,
	     (unsigned long long)was->exits_near,
	     (unsigned long long)was->puts_near, (unsigned long long)was->reclaims_near);
}

/* In user mode the handler does not count; a fixed vector waits for IF. */
static bool is_judged_late(const struct run *run, bool vector)
{
	return run->flags & USER && run->period && (!run->delay || run->flags & BESIDE) &&
	       !(run->body == BODY_CLOSED && vector);
}

static void judge(const struct run *run, const struct guest_cpu *area, bool vector,
		  const struct disturbance *was, uint64_t *total)
{
	const struct guest_result *result = &area->result;
	const char *how = vector ? "G fixed vector" : "G NMI";
	struct outcome outcome = compare(area);

	*total += outcome.hits;
	if (run->flags & MASKED) {
		check(outcome.overflows && !result->pmis, "%s, %s: overflows but no interrupt", how,
		      run->name);
		return;
	}
	check(!outcome.wrong && outcome.hits >= run->hits,
	      "%s, %s: as many overflows handled as the truth has, per counter", how, run->name);
	check(!result->pmi_foreign, "%s, %s: no status bit of another counter", how, run->name);
	if (run->period)
		check(result->pmis - result->pmi_spurious == outcome.hits && !result->pmi_spurious,
		      "%s, %s: one interrupt each", how, run->name);
	if (is_judged_late(run, vector))
		check(outcome.late <= run->delay + SKID,
		      "%s, %s: at most %llu instructions late (%llu)", how, run->name,
		      (unsigned long long)run->delay + SKID, (unsigned long long)outcome.late);
	note("%llu handled, %llu interrupts, %llu of them with no bit",
	     (unsigned long long)outcome.hits, (unsigned long long)result->pmis,
	     (unsigned long long)result->pmi_spurious);
	if (run->period && !(run->flags & BESIDE))
		judge_disturbance(run, how, was);
}

struct run_list {
	const struct run *runs;
	size_t nr;
	uint64_t least;		/* overflows, in all */
};

static const struct run_list all_runs = {
	runs, sizeof(runs) / sizeof(runs[0]), 10000
};
static const struct run_list all_beside_runs = {
	beside_runs, sizeof(beside_runs) / sizeof(beside_runs[0]), 1500
};
static const struct run_list all_traced_runs = {
	traced_runs, sizeof(traced_runs) / sizeof(traced_runs[0]), 5000
};

static int run_all(struct machine *machine, const struct run_list *list, bool vector)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < list->nr; i++) {
		struct reclaimer reclaimer = { .traces = list->runs[i].flags & TRACED };
		struct disturbance was = { .puts = 0 };
		struct run run = list->runs[i];

		if (!wanted(run.name))
			continue;
		run.hits = (run.hits + (uint64_t)options.scale - 1) / (uint64_t)options.scale;
		prepare(&machine->pmu, &vcpu->area->job, &run, vector);
		emu_pmi_delay(run.delay);
		park_guests(run.flags & PARKED);
		add_disturbance(&was, -1, vcpu);
		if (run_guest(machine, &run, &reclaimer))
			return -1;
		add_disturbance(&was, 1, vcpu);
		emu_pmi_delay(0);
		park_guests(true);
		judge(&run, vcpu->area, vector, &was, &total);
	}
	if (options.scale == 1 && !*options.only)
		check(total >= list->least, "%s: over %llu overflows (%llu)",
		      vector ? "G fixed vector" : "G NMI", (unsigned long long)list->least,
		      (unsigned long long)total);
	return 0;
}

static int test_list(const struct run_list *list)
{
	struct machine machine;
	int status;

	if (!emu_present())
		fatal("interrupts are compared with the emulator's truth");
	emu_watch(MPMU_WATCH_RECLAIM, kernel_function("x86_guest_pmu_reclaim"));
	emu_watch(MPMU_WATCH_DISOWN, kernel_function("x86_perf_guest_disown"));
	machine_start(&machine, &(struct vm_config){ 0 });
	status = run_all(&machine, list, false);
	if (!status)
		status = run_all(&machine, list, true);
	emu_watch(MPMU_WATCH_RECLAIM, 0);
	emu_watch(MPMU_WATCH_DISOWN, 0);
	machine_stop(&machine);
	check(!log_count("NMI received for unknown reason"), "A6 somebody claims each NMI");
	return status;
}

int test_pmi(void)
{
	int status = test_list(&all_runs);

	return status ? status : test_list(&all_beside_runs);
}

/* For a machine that has PT. */
int test_pt(void)
{
	return test_list(&all_traced_runs);
}
