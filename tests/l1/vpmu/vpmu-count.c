// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every counter counts exactly, whatever leaves the guest in between.
 *
 * A window is measured three times: empty, N turns and 2N turns.  Start and
 * stop are the same in all three, so differences have no frame.  What a counter
 * must show is the truth of the emulator plus the instructions that the
 * hypervisor emulated; and, where no guest handler runs, the disassembly.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vpmu.h"

#define MSR_FIXED_CTRL	0x38d
#define NR_COMBOS	8
#define MAX_ROTATIONS	100

struct kind {
	const char *name;
	enum guest_body body;
	uint64_t insns, branches;	/* of one turn; 0 0: a handler runs too */
	uint64_t turns;			/* at least */
	enum exit_kind exit;
	bool kernel_only;
	bool preempt;			/* the truth is of both vCPUs: do not compare */
	unsigned int region;
	bool elsewhere;			/* the truth is of one CPU, the guest of more: as well */
};

static const struct kind kinds[] = {
	{ "D3 a loop", BODY_PLAIN, 4, 1, 1000, EXIT_NONE, false, false, 0, false },
	{ "H CPUID", BODY_CPUID, 4, 1, 100, EXIT_CPUID, false, false, 0, false },
	{ "H a port in the kernel", BODY_PORT_KERNEL, 4, 1, 100, EXIT_IO, false, false, 0, false },
	{ "H a port in user space", BODY_PORT_USER, 4, 1, 100, EXIT_IO, false, false, 0, false },
	{ "D3 HLT", BODY_HLT, 0, 0, 100, EXIT_HLT, true, false, 0, false },
	{ "D3 nested page faults", BODY_TOUCH, 4, 1, 100, EXIT_PAGE, false, false, 0, false },
	{ "H a mixture", BODY_MIXED, 31, 8, 100, EXIT_CPUID, false, false, 0, false },
	{ "D3 REP strings", BODY_REP, 5, 1, 100, EXIT_NONE, false, false, 0, false },
	{ "D3 interrupts", BODY_PLAIN, 4, 1, 1000000, EXIT_INTERRUPT, false, false, 0, false },
	{ "E4 preemption by a counting vCPU", BODY_PLAIN, 4, 1, 200000, EXIT_INTERRUPT, false, true, 0, false },
};

static const struct combo {
	enum event event;
	int mode;
} combos[NR_COMBOS] = {
	{ EVENT_INSTRUCTIONS, MODE_USER }, { EVENT_BRANCHES, MODE_USER },
	{ EVENT_INSTRUCTIONS, MODE_KERNEL }, { EVENT_BRANCHES, MODE_KERNEL },
	{ EVENT_CYCLES, MODE_USER }, { EVENT_CYCLES, MODE_KERNEL },
	{ EVENT_INSTRUCTIONS, MODE_ALL }, { EVENT_SLOTS, MODE_ALL },
};

/* What a window showed. */
struct measure {
	uint64_t counter[64];
	struct mpmu_truth truth;	/* differences */
	uint64_t emulated[2];		/* instructions, kernel and user */
	uint64_t wrmsr_exits;
	uint64_t exits;
};

/* Of a turn of BODY_PLAIN; the truth of its own windows vouches for them. */
static uint64_t loop_cycles, loop_slots;

static struct combo combo_of(const struct pmu *pmu, int bit, int rotation)
{
	struct combo combo;

	if (bit < PMC_FIXED) {
		combo = combos[(bit + rotation) % NR_COMBOS];
		if (combo.event == EVENT_SLOTS && !pmu->slots)
			combo.event = EVENT_BRANCHES;
		return combo;
	}
	combo.event = pmu_fixed_event(bit - PMC_FIXED);
	combo.mode = 1 + (bit + rotation) % 3;
	return combo;
}

static void program_counters(const struct pmu *pmu, struct guest_job *job, int rotation)
{
	uint64_t left, fixed = 0;

	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);
		struct combo combo = combo_of(pmu, bit, rotation);

		job_write(job, pmu_counter(pmu, bit), 0);
		if (bit < PMC_FIXED)
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, combo.event, combo.mode, false));
		else
			fixed |= pmu_fixed_field(bit - PMC_FIXED, combo.mode, false);
		job_read(job, bit & 1 ? OP_RDPMC : OP_RDMSR,
			 bit & 1 ? pmu_rdpmc(bit) : pmu_counter(pmu, bit));
	}
	if (pmu->nr_fixed)
		job_write(job, MSR_FIXED_CTRL, fixed);
	job->start = pmu->ctrl ? pmu_counters(pmu) : 0;
}

static void subtract_truth(struct mpmu_truth *to, const struct mpmu_truth *from)
{
	unsigned long long *a = &to->instructions[0][0];
	const unsigned long long *b = &from->instructions[0][0];
	size_t i;

	for (i = 0; i < 20; i++)
		a[i] -= b[i];
}

/* CPUID and ports execute where the body does, the others at CPL 0. */
static void take(const struct pmu *pmu, const struct guest_cpu *area, enum exit_kind kind,
		 struct measure *measure)
{
	bool user = area->job.flags & JOB_USER;
	uint64_t left;
	int i = 0;

	for (left = pmu_counters(pmu); left; left &= left - 1)
		measure->counter[__builtin_ctzll(left)] = area->result.read[i++];
	measure->truth = area->window.truth1;
	subtract_truth(&measure->truth, &area->window.truth0);
	measure->wrmsr_exits = exits_of(pmu, area, EXIT_WRMSR);
	measure->emulated[0] = exits_of(pmu, area, EXIT_HLT) + measure->wrmsr_exits;
	measure->emulated[1] = 0;
	measure->emulated[user] += exits_of(pmu, area, EXIT_CPUID) + exits_of(pmu, area, EXIT_IO);
	measure->exits = kind ? exits_of(pmu, area, kind) : 0;
}

static int measure_window(struct machine *machine, const struct kind *kind, bool user,
			  int rotation, uint64_t turns, struct measure *measure)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	struct guest_job *job = &area->job;

	job_clear(job, &machine->pmu);
	program_counters(&machine->pmu, job, rotation);
	job->program = PROGRAM_WINDOW;
	job->region = kind->region;
	job->body = turns ? kind->body : BODY_EMPTY;
	job->count = turns;
	job->pointer = kind->body == BODY_HLT ? 500000 : GUEST_TOUCH;
	job->flags |= user ? JOB_USER : 0;
	if (kind->body == BODY_TOUCH)
		vm_forget_pages(&machine->vm);
	if (machine_run(machine))
		return -1;
	take(&machine->pmu, area, kind->exit, measure);
	return 0;
}

static uint64_t truth_of(const struct measure *m, enum event event, int cpl)
{
	switch (event) {
	case EVENT_INSTRUCTIONS:
		return m->truth.instructions[MPMU_GUEST][cpl] + m->emulated[cpl];
	case EVENT_BRANCHES:
		return m->truth.branches[MPMU_GUEST][cpl];
	case EVENT_CYCLES:
		return m->truth.cycles[MPMU_GUEST][cpl];
	case EVENT_REF_CYCLES:
		return m->truth.ref_cycles[MPMU_GUEST][cpl];
	case EVENT_SLOTS:
		return m->truth.slots[MPMU_GUEST][cpl];
	case EVENT_NONE:
	case NR_EVENTS:
		break;
	}
	return 0;
}

static uint64_t expected(const struct measure *m, struct combo combo)
{
	uint64_t sum = 0;

	if (combo.mode & MODE_KERNEL)
		sum += truth_of(m, combo.event, MPMU_KERNEL);
	if (combo.mode & MODE_USER)
		sum += truth_of(m, combo.event, MPMU_USER);
	return sum;
}

/* What the disassembly says about turns, or -1 where it says nothing. */
static int64_t disassembly(const struct kind *kind, struct combo combo, bool user, uint64_t turns)
{
	bool here = combo.mode & (user ? MODE_USER : MODE_KERNEL);

	if (!kind->insns)
		return -1;
	if (kind->preempt && combo.event == EVENT_CYCLES)
		return here ? (int64_t)(loop_cycles * turns) : 0;
	if (kind->preempt && combo.event == EVENT_SLOTS)
		return here ? (int64_t)(loop_slots * turns) : 0;
	if (combo.event == EVENT_INSTRUCTIONS)
		return here ? (int64_t)(kind->insns * turns) : 0;
	if (combo.event == EVENT_BRANCHES)
		return here ? (int64_t)(kind->branches * turns) : 0;
	return -1;
}

/*
 * A WRMSR to GLOBAL_CTRL that exits has its own cycle before the counters start or
 * stop, one that does not has it after that.  Which it is changes with the host's
 * events, if the host shares: then it exits in one window, and not in the other, or
 * at one end only.
 */
static int64_t edge(const struct measure m[2], struct combo combo)
{
	const struct mpmu_truth *truth = &m[0].truth;

	if (!(combo.mode & MODE_KERNEL) || !host_shares() ||
	    (m[0].wrmsr_exits == m[1].wrmsr_exits && m[0].wrmsr_exits != 1))
		return 0;
	if (combo.event == EVENT_SLOTS)
		return (int64_t)(truth->slots[MPMU_GUEST][0] / truth->cycles[MPMU_GUEST][0]);
	return combo.event == EVENT_CYCLES;
}

/* Sums over rotations and counters, per event and mode. */
struct tally {
	unsigned int right[NR_EVENTS][4], wrong[NR_EVENTS][4];
	unsigned int notes;
	uint64_t exits;
};

static void judge(const struct pmu *pmu, const struct kind *kind, bool user, int rotation,
		  const struct measure m[3], uint64_t turns, struct tally *tally)
{
	uint64_t left;

	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);
		struct combo combo = combo_of(pmu, bit, rotation);
		int64_t got = (int64_t)(m[1].counter[bit] - m[0].counter[bit]);
		int64_t want = (int64_t)(expected(&m[1], combo) - expected(&m[0], combo));
		int64_t twice = (int64_t)(m[2].counter[bit] - m[1].counter[bit]);
		int64_t code = disassembly(kind, combo, user, turns);

		if (combo.event == EVENT_REF_CYCLES)
			continue;
		if (kind->preempt || kind->elsewhere)
			want = got;
		if (llabs(got - want) <= edge(m, combo) && (code < 0 || twice == code)) {
			tally->right[combo.event][combo.mode]++;
			continue;
		}
		tally->wrong[combo.event][combo.mode]++;
		if (tally->notes++ < 6)
			note("counter %d, %s, mode %d, %llu turns: counted %lld, truth %lld; "
			     "2N-N %lld, disassembly %lld", bit, event_names[combo.event],
			     combo.mode, (unsigned long long)turns, (long long)got,
			     (long long)want, (long long)twice, (long long)code);
	}
}

static void calibrate(const struct measure m[3], uint64_t turns)
{
	const struct mpmu_truth *once = &m[1].truth, *twice = &m[2].truth;

	loop_cycles = (twice->cycles[MPMU_GUEST][0] - once->cycles[MPMU_GUEST][0]) / turns;
	loop_slots = (twice->slots[MPMU_GUEST][0] - once->slots[MPMU_GUEST][0]) / turns;
}

static void report(const struct kind *kind, bool user, const struct tally *tally)
{
	static const char *const modes[] = { "", "user", "kernel", "all" };
	int event, mode;

	for (event = EVENT_INSTRUCTIONS; event < NR_EVENTS; event++)
		for (mode = 1; mode < 4; mode++)
			if (tally->right[event][mode] + tally->wrong[event][mode])
				check(!tally->wrong[event][mode], "%s at CPL %d: %s %s exact",
				      kind->name, user ? 3 : 0, modes[mode], event_names[event]);
	if (kind->exit != EXIT_NONE)
		check(tally->exits >= 100, "%s at CPL %d: at least 100 exits (%llu)", kind->name,
		      user ? 3 : 0, (unsigned long long)tally->exits);
}

static volatile unsigned int rival_runs;

/* Nobody knows how long a host's timer takes to interrupt 100 times. */
static bool lacking(const struct kind *kind, const struct tally *tally, int rotation)
{
	if (rotation >= MAX_ROTATIONS)
		return false;
	return (kind->exit == EXIT_INTERRUPT && tally->exits < 100) ||
	       (kind->preempt && rival_runs < 100);
}

static int run_kind(struct machine *machine, const struct kind *kind, bool user)
{
	struct tally tally = { .notes = 0 };
	struct measure m[3];
	int rotation, i;

	for (rotation = 0; rotation < NR_COMBOS || lacking(kind, &tally, rotation); rotation++) {
		uint64_t turns = kind->turns + random_below(kind->turns);

		for (i = 0; i < 3; i++) {
			if (measure_window(machine, kind, user, rotation, i * turns, &m[i]))
				return -1;
			tally.exits += m[i].exits;
		}
		judge(&machine->pmu, kind, user, rotation, m, turns, &tally);
		if (kind == kinds && !user)
			calibrate(m, turns);
	}
	report(kind, user, &tally);
	return 0;
}

/* The vCPU that preempts: a short exact window of its own, then a pause. */
struct rival {
	struct machine machine;
	pthread_t thread;
	volatile bool stop;
	unsigned int wrong;
};

static void *rival_run(void *argument)
{
	static const struct kind kind = { "rival", BODY_PLAIN, 4, 1, 50, EXIT_NONE, false, true, 1, false };
	struct sched_param fifo = { .sched_priority = 1 };
	struct timespec pause = { .tv_nsec = 500000 };
	struct rival *rival = argument;
	struct tally tally = { .notes = 0 };
	struct measure m[3];
	int i;

	pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo);
	while (!rival->stop) {
		for (i = 0; i < 3; i++) {
			nanosleep(&pause, NULL);
			if (measure_window(&rival->machine, &kind, true, 0, i * 50, &m[i]))
				return NULL;
			rival_runs++;
		}
		judge(&rival->machine.pmu, &kind, true, 0, m, 50, &tally);
	}
	for (i = 0; i < NR_EVENTS * 4; i++)
		rival->wrong += (&tally.wrong[0][0])[i];
	return NULL;
}

static int run_preempted(struct machine *machine, const struct kind *kind, bool user)
{
	struct rival rival = { .stop = false };
	int status;

	rival_runs = 0;
	machine_start(&rival.machine, &(struct vm_config){ 0 });
	if (pthread_create(&rival.thread, NULL, rival_run, &rival))
		fatal("no thread");
	status = run_kind(machine, kind, user);
	rival.stop = true;
	pthread_join(rival.thread, NULL);
	check(rival_runs >= 100, "%s at CPL %d: preempted at least 100 times", kind->name,
	      user ? 3 : 0);
	check(!rival.wrong, "%s at CPL %d: the other vCPU exact too", kind->name, user ? 3 : 0);
	note("%u runs of the other vCPU", rival_runs);
	machine_stop(&rival.machine);
	return status;
}

static unsigned int count_kind_wrong(struct machine *machine, const struct kind *kind, bool user)
{
	struct tally tally = { .notes = 0 };
	struct measure m[3];
	unsigned int wrong = 0;
	int i;

	for (i = 0; i < 3; i++)
		if (measure_window(machine, kind, user, 0, (uint64_t)i * kind->turns, &m[i]))
			return 1;
	judge(&machine->pmu, kind, user, 0, m, kind->turns, &tally);
	for (i = 0; i < NR_EVENTS * 4; i++)
		wrong += (&tally.wrong[0][0])[i];
	return wrong;
}

unsigned int count_wrong(struct machine *machine, enum guest_body body, uint64_t turns, bool user)
{
	const struct kind kind = { "", body, 4, 1, turns, EXIT_NONE, false, false, 0, false };

	return count_kind_wrong(machine, &kind, user);
}

unsigned int count_wrong_elsewhere(struct machine *machine, enum guest_body body, uint64_t turns,
				   bool user)
{
	const struct kind kind = { "", body, 4, 1, turns, EXIT_NONE, false, false, 0, true };

	return count_kind_wrong(machine, &kind, user);
}

static int run_kinds(struct machine *machine)
{
	size_t i;
	int user, status = 0;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !status; i++)
		for (user = 0; wanted(kinds[i].name) &&
			       user < (kinds[i].kernel_only ? 1 : 2) && !status; user++)
			status = kinds[i].preempt ? run_preempted(machine, &kinds[i], user)
						  : run_kind(machine, &kinds[i], user);
	return status;
}

/* Less of a PMU than the host has counts as well. */
static void run_model(const char *name, const struct vm_config *config)
{
	struct machine machine;
	unsigned int wrong = 0;
	int user;

	machine_start(&machine, config);
	for (user = 0; user < 2; user++)
		wrong += count_wrong(&machine, BODY_PLAIN, 1000, user) +
			 count_wrong(&machine, BODY_CPUID, 100, user);
	check(!wrong, "B7 a PMU with %s counts exactly (%d GP, %d fixed)", name, machine.pmu.nr_gp,
	      machine.pmu.nr_fixed);
	machine_stop(&machine);
}

int test_count(void)
{
	struct machine machine;
	int status;

	if (!emu_present())
		fatal("counts are compared with the emulator's truth");
	machine_start(&machine, &(struct vm_config){ 0 });
	note("%s, version %d, %d GP, %d fixed", machine.pmu.intel ? "Intel" : "AMD",
	     machine.pmu.version, machine.pmu.nr_gp, machine.pmu.nr_fixed);
	status = run_kinds(&machine);
	machine_stop(&machine);
	if (status || *options.only)
		return status;
	run_model("2 GP counters", &(struct vm_config){ .nr_gp = 2 });
	run_model("version 1", &(struct vm_config){ .version = 1, .nr_fixed = -1 });
	run_model("version 2", &(struct vm_config){ .version = 2 });
	run_model("old counters", &(struct vm_config){ .no_full_width = true });
	return 0;
}

/* The exit is a trap behind the instruction: that is the guest's still. */
int test_tpr(void)
{
	const struct kind kind = { "D3 traps of the TPR", BODY_TPR, 0, 0, 100, EXIT_TPR, true, false, 0, false };
	struct machine machine;
	int status;

	if (!emu_present())
		fatal("counts are compared with the emulator's truth");
	machine_start(&machine, &(struct vm_config){ 0 });
	status = run_kind(&machine, &kind, false);
	machine_stop(&machine);
	return status;
}
