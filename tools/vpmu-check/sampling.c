// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Overflows: their samples, their interrupts, and how late they come.
 *
 * Sources: Intel SDM, "Handling Performance Monitoring Interrupts" and "Local Vector
 * Table" (the mask bit that delivery sets); AMD APM, "Performance Monitoring
 * Counter Extended Interrupt".
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define PAGES      16
#define OVERFLOWS  1000
#define PER_SECOND 20000 /* samples at most; perf throttles from its own limit on */
#define SECONDS    1.5   /* for all overflows */
#define TRIES      3
#define TURNS      1000000

/* A column of a CPU in /proc/interrupts. */
static u64 column(const char *line, unsigned int nr)
{
	u64 value = 0;
	int used;

	do {
		if (sscanf(line, "%llu%n", &value, &used) != 1)
			return 0;
		line += used;
	} while (nr--);
	return value;
}

/* The header names the CPUs that are online: "CPU0 CPU2". */
static int find_column(const char *header, int cpu)
{
	int nr = 0, number, used;

	while (sscanf(header, " CPU%d%n", &number, &used) == 1) {
		if (number == cpu)
			return nr;
		header += used;
		nr++;
	}
	return -1;
}

struct interrupts interrupts_now(void)
{
	static char line[MAX_CPUS * 16];
	struct interrupts seen = {};
	FILE *f = fopen("/proc/interrupts", "r");
	int nr = -1;
	char *row;

	if (!f)
		return seen;
	if (fgets(line, sizeof(line), f))
		nr = find_column(line, machine.cpu);
	while (nr >= 0 && fgets(line, sizeof(line), f)) {
		for (row = line; *row == ' '; row++)
			;
		if (!strncmp(row, "PMI:", 4)) {
			seen.pmi = column(row + 4, nr);
			seen.known = true;
		} else if (!strncmp(row, "NMI:", 4)) {
			seen.nmi = column(row + 4, nr);
		}
	}
	fclose(f);
	return seen;
}

struct run {
	u64 period, count;
	u64 samples, throttled;
	u64 pmi, nmi;
	u64 others; /* PMIs in as many turns without the event */
	bool ran, interrupts_known;
	s64 skid; /* the farthest */
};

struct record {
	struct perf_event_header header;
	struct reading seen;
};

/* The k-th overflow is at k periods; a sample has the count at its interrupt. */
static void drain(struct run *run, const struct counter *c)
{
	const char *data = (const char *)c->page + c->page->data_offset;
	const struct record *record;
	u64 at;
	s64 skid;

	for (at = 0; at < c->page->data_head; at += record->header.size) {
		record = (const void *)(data + at);
		run->throttled += record->header.type == PERF_RECORD_THROTTLE;
		if (record->header.type != PERF_RECORD_SAMPLE)
			continue;
		run->samples++;
		skid = record->seen.value - run->samples * run->period;
		if (skid > run->skid)
			run->skid = skid;
	}
}

/* The ring has room for all records: each of 32 bytes. */
static bool sample(struct run *run, const struct event *e, u64 period, u64 turns)
{
	struct perf_event_attr attr = event_attr(e);
	struct interrupts idle, before, after;
	struct reading seen = {};
	struct counter c;

	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_READ;
	*run = (struct run){.period = period, .skid = LLONG_MIN};
	idle = interrupts_now();
	spin(turns);
	before = interrupts_now();
	if (counter_open(&c, &attr, PAGES))
		return false;
	counter_enable(&c);
	spin(turns);
	counter_disable(&c);
	after = interrupts_now();
	counter_read(&c, &seen);
	drain(run, &c);
	run->ran = seen.running && seen.running == seen.enabled;
	run->count = seen.value;
	run->pmi = after.pmi - before.pmi;
	run->nmi = after.nmi - before.nmi;
	run->others = before.pmi - idle.pmi;
	run->interrupts_known = after.known;
	counter_close(&c);
	return true;
}

/*
 * So many overflows, no faster than perf allows and not for ever.  Perf lowers its
 * limit where an interrupt takes long, and throttles: then again, slower.
 */
static bool overflows(struct run *run, struct result *r, const struct event *e, unsigned int wanted)
{
	u64 turns = turns_per_second(), rate, period;
	struct run once;
	int try;

	/* What an event counts in a turn, as not all say. */
	if (!sample(&once, e, 1ull << 31, 200000) || !once.ran) {
		absent(r, "%s found no counter of its own", e->name);
		return false;
	}
	for (try = 1; try <= TRIES; try++) {
		rate = number_in("/proc/sys/kernel/perf_event_max_sample_rate", 4 * PER_SECOND) /
		       4 / try / try;
		if (rate > PER_SECOND)
			rate = PER_SECOND;
		if (wanted > rate * SECONDS)
			wanted = rate * SECONDS + 1;
		period = (double)turns * once.count / 200000 / (rate + 1) + 5003;
		if (!sample(run, e, period | 1,
			    (wanted + 0.5) * period * 200000 / (once.count + 1)))
			break;
		if (!run->throttled && run->ran)
			return true;
	}
	absent(r, "perf throttles %s, or takes the counter from it", e->name);
	return false;
}

void check_samples(struct result *r)
{
	const struct event *const events[] = {&event_cycles, &event_instructions, &event_branches};
	u64 due, all = 0;
	struct run run;
	unsigned int e;

	if (!perf_works(r))
		return;
	for (e = 0; e < 3; e++) {
		if (!overflows(&run, r, events[e], 19))
			return;
		due = run.count / run.period;
		all += due;
		/* The last one may be on its way. */
		if (run.samples + 1 >= due && run.samples <= due + 1)
			continue;
		wrong(r, "%s: %llu samples, %llu are due", events[e]->name, run.samples, due);
		return;
	}
	ok(r, "%llu samples of 3 events", all);
}

void check_skid(struct result *r)
{
	struct run run;

	if (!perf_works(r) || !overflows(&run, r, &event_instructions, OVERFLOWS))
		return;
	if (!run.samples)
		absent(r, "no sample came of %llu", (run.count / run.period));
	else if (run.skid > options.skid)
		wrong(r,
		      "%lld instructions at the farthest of %llu samples, one per %llu; %u are "
		      "allowed",
		      run.skid, run.samples, run.period, options.skid);
	else
		ok(r, "%lld instructions at the farthest of %llu samples", run.skid, run.samples);
}

/* Of others: the watchdog's, and NMIs that AMD's handler lets pass. */
void check_interrupts(struct result *r)
{
	const unsigned int others = watchdog_runs() ? 3 : 1;
	u64 due;
	struct run run;

	if (!perf_works(r) || !overflows(&run, r, &event_instructions, OVERFLOWS))
		return;
	due = run.count / run.period;
	if (!run.interrupts_known)
		absent(r, "/proc/interrupts has no line of PMIs");
	else if (run.others >= others)
		absent(r, "others' events interrupt this CPU");
	else if (run.pmi + 1 >= due && run.pmi <= due + others && run.nmi <= 2 * due + others)
		ok(r, "%llu interrupts, %llu NMIs, %llu overflows", run.pmi, run.nmi, due);
	else
		wrong(r, "%llu interrupts, %llu NMIs, %llu overflows", run.pmi, run.nmi, due);
}

/* The longest start value that a PMU without full-width writes can have. */
static void start_registers(struct result *r)
{
	const u64 start = 0x80000001,
		  want = (1ull << machine.model.gp_width) - (1ull << 32) + start;
	u32 msr = 0xc1 + machine.model.nr_gp - 1;
	struct result ignored;
	u64 value;

	if (!machine.model.intel || !options.write || !msr_writable(&ignored))
		return;
	if (msr_write(machine.cpu, msr, start) || !msr_read(machine.cpu, msr, &value))
		return;
	msr_write(machine.cpu, msr, 0);
	if (value != want)
		wrong(r, "counter %#x reads %#llx after a write of %#llx, not %#llx", msr, value,
		      start, want);
}

void check_start(struct result *r)
{
	const struct event *const events[] = {&event_instructions, &event_branches};
	const unsigned int others = watchdog_runs() ? 2 : 1;
	struct run run;
	unsigned int e;

	if (!perf_works(r))
		return;
	ok(r, "no interrupt long before the overflow, of 2 events");
	for (e = 0; e < 2; e++) {
		if (!sample(&run, events[e], 0x7fffffff, 300000))
			continue;
		if (!run.interrupts_known) {
			absent(r, "/proc/interrupts has no line of PMIs");
		} else if (run.pmi > others || run.nmi > 2 * others) {
			wrong(r, "%s: %llu interrupts, %llu NMIs, no overflow", events[e]->name,
			      run.pmi, run.nmi);
			return;
		}
	}
	start_registers(r);
}

/* What a counter grows by in each of three loops, 0 if it stands still in one. */
static u64 growth_of(u32 index)
{
	u64 last = __builtin_ia32_rdpmc(index), all = 0, now, grown;
	int i;

	for (i = 0; i < 3; i++) {
		spin(TURNS);
		now = __builtin_ia32_rdpmc(index);
		grown = (now - last) & ((1ull << machine.model.gp_width) - 1);
		if (!grown)
			return 0;
		all += grown;
		last = now;
	}
	return all;
}

/*
 * RDPMC shows whether a counter runs that perf has stopped.  Perf may clear it, which
 * looks like growth, once.
 */
static bool runs_on(const struct event *e, u64 *growth, u64 *pmi, bool *looked)
{
	struct perf_event_attr attr = event_attr(e);
	struct interrupts before;
	struct counter c;
	u32 index;

	attr.sample_period = TURNS;
	attr.exclude_kernel = 0;
	if (counter_open(&c, &attr, 0)) {
		attr.exclude_kernel = 1;
		if (counter_open(&c, &attr, 0))
			return false;
	}
	counter_enable(&c);
	spin(TURNS / 10);
	index = c.page->cap_user_rdpmc ? c.page->index : 0;
	counter_disable(&c);
	if (!index) {
		counter_close(&c);
		return false;
	}
	*looked = true;
	before = interrupts_now();
	*growth = growth_of(index - 1);
	*pmi = interrupts_now().pmi - before.pmi;
	counter_close(&c);
	return *growth != 0;
}

void check_stop(struct result *r)
{
	const struct event *const events[] = {&event_ref_cycles, &event_slots, &event_instructions,
					      &event_cycles, &event_branches};
	u64 growth, pmi;
	bool looked = false;
	unsigned int e;

	if (!perf_works(r))
		return;
	for (e = 0; e < 5; e++) {
		if (!runs_on(events[e], &growth, &pmi, &looked))
			continue;
		wrong(r, "the counter of %s goes on after its end: by %llu, with %llu interrupts",
		      events[e]->name, growth, pmi);
		return;
	}
	if (looked)
		ok(r, "no counter goes on");
	else
		absent(r, "perf does not open RDPMC to users");
}
