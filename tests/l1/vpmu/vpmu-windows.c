// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Host events beside a guest: those of user mode are exact, and those of the
 * kernel lack what ran in the windows in which a guest that counts displaces
 * them, no more and no less.  The emulator knows these windows by the addresses
 * of the functions that displace events and put them back, and counts what
 * their kernel instructions are with no counter enabled for them.
 *
 * Where plain events count on beside a guest, no window is there.  An event whose
 * counter the guest wants, too, is stopped from an entry to the next exit.
 */
#include <string.h>

#include "vpmu.h"

#define READINGS	20	/* one of them at least has no interrupt in it */
#define MAX_TRIES	1000
#define MAX_WINDOW	4000	/* instructions */
#define REGION		2

/* All read at one place of the program; the kernel's way there is the same. */
struct sample {
	uint64_t user, kernel;
	struct mpmu_truth before, truth;
	struct mpmu_watch watch;
	struct mpmu_region region;
};

/* What one measurement found. */
struct span {
	int64_t user, kernel;		/* instructions that the events lack */
	int64_t outside, inside;	/* of the kernel's, those not counted */
	uint64_t windows, entries, longest;
	bool clash;			/* the guest's counter is one of the host's events */
};

struct events {
	int user, kernel;
};

/* The host's events are on the last counters if they are shared, else on the first. */
static const struct guest {
	const char *name;
	bool counts;
	bool last;	/* on its last GP counter, not on its first */
} guests[] = {
	{ "a guest that never counted", false, false },
	{ "a guest that counts", true, false },
	{ "a guest that counts on its last counter", true, true },
};

static __attribute__((noinline)) void read_once(struct sample *sample, const struct events *events)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &sample->before);
	sample->user = host_event_read(events->user);
	sample->kernel = host_event_read(events->kernel);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &sample->truth);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &sample->watch);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, REGION, &sample->region);
}

static uint64_t in_kernel(const struct mpmu_truth *a, const struct mpmu_truth *b)
{
	return b->instructions[MPMU_ROOT][MPMU_KERNEL] - a->instructions[MPMU_ROOT][MPMU_KERNEL];
}

/* The kernel's way through a reading that nothing interrupts. */
static uint64_t usual_way(const struct events *events)
{
	static struct sample sample;
	uint64_t least = ~0ULL;
	int i;

	for (i = 0; i < READINGS; i++) {
		read_once(&sample, events);
		if (in_kernel(&sample.before, &sample.truth) < least)
			least = in_kernel(&sample.before, &sample.truth);
	}
	return least;
}

static void take_sample(struct sample *sample, const struct events *events, uint64_t usual)
{
	int tries = 0;

	do {
		if (tries++ == MAX_TRIES)
			fatal("no reading of the events goes the usual way");
		read_once(sample, events);
	} while (in_kernel(&sample->before, &sample->truth) != usual);
}

/* Without disabling all counters first: while that goes on, the PMU is idle. */
static void program_guest(const struct machine *machine, struct guest_job *job,
			  const struct guest *guest)
{
	const struct pmu *pmu = &machine->pmu;
	int gp = guest->last ? pmu->nr_gp - 1 : 0;

	memset(job, 0, sizeof(*job));
	if (!guest->counts)
		return;
	job_clear(job, pmu);
	job->nr_setup = 0;
	job_write(job, pmu_counter(pmu, gp), 0);
	job_write(job, pmu_eventsel(pmu, gp), pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
	job_write(job, pmu->ctrl, 1ULL << gp);
	if (guest->last)
		job_write(job, pmu_eventsel(pmu, 0), 0);
}

static void exit_often(struct machine *machine, const struct guest *guest, enum guest_body body,
		       uint64_t exits)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	program_guest(machine, job, guest);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = body;
	job->count = exits;
	if (machine_run(machine))
		fatal("the guest ended");
}

static struct span between(const struct sample *a, const struct sample *b)
{
	return (struct span){
		.user = (int64_t)(b->truth.instructions[MPMU_ROOT][MPMU_USER] -
				  a->truth.instructions[MPMU_ROOT][MPMU_USER] -
				  (b->user - a->user)),
		.kernel = (int64_t)(in_kernel(&a->truth, &b->truth) - (b->kernel - a->kernel)),
		.outside = (int64_t)(b->watch.missed[0] - a->watch.missed[0]),
		.inside = (int64_t)(b->watch.missed[1] - a->watch.missed[1]),
		.windows = b->watch.hits[MPMU_WATCH_BEGIN] - a->watch.hits[MPMU_WATCH_BEGIN],
		.entries = b->region.vmentries - a->region.vmentries,
		.longest = b->watch.longest,
	};
}

/* Outside of windows all is counted, unless both sides want one counter. */
static void judge_outside(const struct span *span, const struct guest *guest, const char *exits)
{
	if (span->clash)
		check(span->outside > 0 && (uint64_t)span->outside <= options.swap * span->entries,
		      "E6 %s, %s: an entry hides no more than %u instructions (%lld of %llu)",
		      guest->name, exits, options.swap, (long long)span->outside,
		      (unsigned long long)span->entries);
	else
		check(!span->outside, "A2 %s, %s: all are counted outside the windows (%lld not)",
		      guest->name, exits, (long long)span->outside);
}

/* Not where the host has counters that no guest gets: its events are there. */
static bool clashes(const struct pmu *pmu, const struct guest *guest)
{
	struct pmu host;

	pmu_detect_host(&host, pmu->intel);
	return host_shares() && guest->last && pmu->nr_gp - 1 == pmu_host_last_gp(&host);
}

static void judge(const struct span *span, const struct guest *which, const char *exits)
{
	uint64_t windows = which->counts && !host_shares() ? span->entries : 0;
	const char *guest = which->name;

	note("%s, %s: windows: %llu in %llu entries, mean %.0f instructions, longest %llu", guest,
	     exits, (unsigned long long)span->windows, (unsigned long long)span->entries,
	     span->windows ? (double)span->inside / (double)span->windows : 0,
	     (unsigned long long)span->longest);
	check(!span->user, "A2 %s, %s: user instructions of the host exact (%lld lacking)", guest,
	      exits, (long long)span->user);
	check(span->kernel == span->inside + span->outside,
	      "A2 %s, %s: kernel instructions counted and not counted are the truth (%lld, %lld)",
	      guest, exits, (long long)span->kernel, (long long)(span->inside + span->outside));
	judge_outside(span, which, exits);
	check(span->windows == windows, "J %s, %s: as many windows as entries that displace", guest,
	      exits);
	check(span->longest <= MAX_WINDOW, "A2 %s, %s: no window longer than %d instructions", guest,
	      exits, MAX_WINDOW);
}

static const struct {
	enum guest_body body;
	const char *name;
	uint64_t exits;
} bodies[] = {
	{ BODY_CPUID, "exits", 2000 },
	{ BODY_PORT_USER, "exits to user space", 500 },
};

static void measure(struct machine *machine, const struct events *events,
		    const struct guest *guest)
{
	static struct sample before, after;
	uint64_t usual = usual_way(events);
	struct span span;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		uint64_t exits = options.exits ? options.exits : bodies[i].exits;

		exit_often(machine, guest, bodies[i].body, 10);
		take_sample(&before, events, usual);
		exit_often(machine, guest, bodies[i].body, exits + random_below(100));
		take_sample(&after, events, usual);
		span = between(&before, &after);
		span.clash = clashes(&machine->pmu, guest);
		judge(&span, guest, bodies[i].name);
	}
}

/* What the guest reads at the end of a job that is always the same. */
static uint64_t count_at_end(struct machine *machine, int gp)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	memset(job, 0, sizeof(*job));
	job_read(job, OP_RDPMC, pmu_rdpmc(gp));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = 100;
	if (machine_run(machine))
		fatal("the guest ended");
	return machine->vm.cpu[0].area->result.read[0];
}

static void set_filter(const struct machine *machine, bool deny)
{
	if (deny_instructions(machine, deny))
		fatal("the filter is refused");
}

/*
 * Not the guest but a filter stops a counter, and starts it again.  In between entries
 * had nothing to do for it, though both sides want it; now they do.  What a job does
 * after its reading is counted by the next one.
 */
static void change_filter(struct machine *machine, const struct guest *guest)
{
	int gp = machine->pmu.nr_gp - 1, i;
	uint64_t counts[7];

	exit_often(machine, guest, BODY_CPUID, 10);
	for (i = 0; i < 7; i++) {
		if (i == 3 || i == 5)
			set_filter(machine, i == 3);
		counts[i] = count_at_end(machine, gp);
	}
	check(counts[4] == counts[3], "E6 %s: not what a new filter denies", guest->name);
	check(counts[6] - counts[5] == counts[2] - counts[1] && counts[2] > counts[1],
	      "E6 %s: all that it allows again (%llu of %llu)", guest->name,
	      (unsigned long long)(counts[6] - counts[5]),
	      (unsigned long long)(counts[2] - counts[1]));
}

int test_windows(void)
{
	const unsigned int flags = HOST_EXCLUDE_GUEST | HOST_PINNED;
	struct machine machine;
	struct events events;
	size_t i;

	if (!emu_present())
		fatal("counts are compared with the emulator's truth");
	machine_start(&machine, &(struct vm_config){ 0 });
	events.kernel = host_event(options.cpu, flags | HOST_EXCLUDE_USER, 0);
	events.user = host_event(options.cpu, flags | HOST_EXCLUDE_KERNEL, 0);
	emu_watch(MPMU_WATCH_BEGIN, kernel_function("perf_load_guest_context"));
	emu_watch(MPMU_WATCH_END, kernel_function("perf_put_guest_context"));
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, REGION);
	for (i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
		measure(&machine, &events, &guests[i]);
	change_filter(&machine, &guests[i - 1]);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, REGION);
	emu_watch(MPMU_WATCH_BEGIN, 0);
	emu_watch(MPMU_WATCH_END, 0);
	host_event_close(events.user);
	host_event_close(events.kernel);
	machine_stop(&machine);
	return 0;
}
