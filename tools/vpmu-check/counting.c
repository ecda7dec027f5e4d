// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts of loops whose length is known, through perf.
 *
 * Sources: Intel SDM, "Architectural Performance Monitoring Version 2", "Full-Width
 * Writes to Performance Counter Registers", "Performance Monitoring and Intel TSX",
 * "Off-core Response Performance Monitoring"; AMD APM, "Performance Event-Select
 * Registers".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define TURNS 1000000
#define MOST  64 /* counters of a PMU */

/* Of this thread, on whichever counter perf takes for it. */
static bool open_raw(struct counter *c, u64 config, bool pinned, int group)
{
	const struct event raw = {.type = PERF_TYPE_RAW, .config = config};
	struct perf_event_attr attr = event_attr(&raw);

	attr.pinned = pinned;
	return !counter_open_in(c, &attr, group);
}

static void close_all(struct counter *c, unsigned int nr)
{
	while (nr)
		counter_close(&c[--nr]);
}

static u64 event_branches_code(void)
{
	return machine.model.intel ? 0xc4 : 0xc2;
}

/*
 * As many pinned events as the PMU has counters: perf puts one on each.  Those
 * that find none are in error, as those of others' may be in the way.
 */
void check_counts(struct result *r)
{
	const u64 want = TURNS * TURN_INSTRUCTIONS;
	unsigned int nr = 0, live = 0, i;
	struct counter c[MOST];
	struct reading seen;
	s64 off, worst = 0;

	if (!perf_works(r))
		return;
	while (nr < MOST && nr < machine.model.nr_gp + 1 &&
	       open_raw(&c[nr], SELECTOR_INSTRUCTIONS, true, -1))
		nr++;
	events_enable();
	spin(TURNS);
	events_disable();
	for (i = 0; i < nr; i++) {
		if (!counter_read(&c[i], &seen) || !seen.running)
			continue;
		live++;
		off = seen.value - want;
		if (off > worst || -off > worst)
			worst = off;
	}
	close_all(c, nr);
	if (!live)
		absent(r, "none of %u events found a counter: others hold them", nr);
	else if (near(want + worst, want))
		ok(r, "%u counters, the worst by %+lld of %llu instructions", live, worst, want);
	else
		wrong(r, "%u counters, the worst by %+lld of %llu instructions", live, worst, want);
}

/* True if the event ran all the time and counted nothing. */
static bool is_dead(const struct event *e, struct reading *seen)
{
	struct perf_event_attr attr = event_attr(e);
	struct counter c;
	bool dead;

	if (counter_open(&c, &attr, 0))
		return false;
	counter_enable(&c);
	spin(TURNS / 50);
	counter_disable(&c);
	dead = counter_read(&c, seen) && seen->running && seen->running == seen->enabled &&
	       !seen->value;
	counter_close(&c);
	return dead;
}

void check_spin(struct result *r)
{
	const struct event *const events[] = {&event_cycles, &event_instructions, &event_branches,
					      &event_ref_cycles};
	struct reading seen;
	unsigned int i, e;

	if (!perf_works(r))
		return;
	for (i = 0; i < machine.nr_cpus; i++) {
		if (!pin(machine.cpus[i]))
			continue;
		for (e = 0; e < 4; e++) {
			if (!is_dead(events[e], &seen))
				continue;
			wrong(r, "%s on CPU %d: enabled %llu ns, running %llu ns, count 0",
			      events[e]->name, machine.cpus[i], seen.enabled, seen.running);
			return;
		}
	}
	ok(r, "%u CPUs, none of 4 events stays 0", machine.nr_cpus);
}

struct group_reading {
	u64 nr, enabled, running, values[MOST];
};

static unsigned int open_group(struct counter *c, unsigned int most)
{
	const u64 configs[] = {SELECTOR_INSTRUCTIONS, event_branches_code()};
	unsigned int nr = 0;
	struct event raw = {.type = PERF_TYPE_RAW};
	struct perf_event_attr attr;

	for (nr = 0; nr < most; nr++) {
		raw.config = configs[nr % 2];
		attr = event_attr(&raw);
		attr.read_format |= PERF_FORMAT_GROUP;
		attr.disabled = !nr;
		if (counter_open_in(&c[nr], &attr, nr ? c[0].fd : -1))
			break;
	}
	return nr;
}

/* One less than the general counters: another event may have one for good. */
void check_group(struct result *r)
{
	unsigned int most = machine.model.nr_gp > 2 ? machine.model.nr_gp - 1 : 2, nr, i;
	struct group_reading seen = {};
	struct counter c[MOST];
	u64 want;

	if (!perf_works(r))
		return;
	nr = open_group(c, most < MOST ? most : MOST);
	if (!nr) {
		absent(r, "no group: %s", strerror(errno));
		return;
	}
	counter_enable(&c[0]);
	spin(TURNS);
	counter_disable(&c[0]);
	if (read(c[0].fd, &seen, sizeof(seen)) < 0 || !seen.running)
		absent(r, "a group of %u events never ran: others hold the counters", nr);
	else
		ok(r, "%u events, each as long as its loop", nr);
	/* A group that shared its counters with others ran for a part of the time. */
	for (i = 0; i < nr && seen.running == seen.enabled && seen.running; i++) {
		want = i % 2 ? TURNS : TURNS * TURN_INSTRUCTIONS;
		if (near(seen.values[i], want))
			continue;
		wrong(r, "event %u of a group of %u counts %llu of %llu", i + 1, nr, seen.values[i],
		      want);
		break;
	}
	close_all(c, nr);
}

static bool count_from(const struct event *e, u64 period, struct reading *seen)
{
	struct perf_event_attr attr = event_attr(e);
	struct counter c;
	bool ran;

	attr.sample_period = period;
	if (counter_open(&c, &attr, 0))
		return false;
	counter_enable(&c);
	spin(TURNS);
	counter_disable(&c);
	ran = counter_read(&c, seen) && seen->running == seen->enabled && seen->running;
	counter_close(&c);
	return ran;
}

/* Perf starts a counter at the negative of its period. */
void check_large(struct result *r)
{
	const struct event *const events[] = {&event_instructions, &event_branches};
	static const u64 periods[] = {1ull << 33, 3ull << 31, (1ull << 31) - 1};
	struct reading seen;
	unsigned int i, e, ran = 0;
	u64 want;

	if (!perf_works(r))
		return;
	for (i = 0; i < 6; i++) {
		e = i % 2;
		want = TURNS * (u64)events[e]->per_turn;
		if (!count_from(events[e], periods[i / 2], &seen))
			continue;
		ran++;
		if (near(seen.value, want))
			continue;
		wrong(r, "%s from -%#llx count %lld, %+lld of the truth", events[e]->name,
		      periods[i / 2], seen.value, (seen.value - want));
		return;
	}
	if (ran)
		ok(r, "%u counts from up to -%#llx, each is its loop", ran, periods[0]);
	else
		absent(r, "no event ran all the time: others hold the counters");
}

#define MUX_SECONDS 0.3
#define MUX_PERCENT 25

/* Twice the counters, so that perf lets each event run half of the time. */
void check_multiplex(struct result *r)
{
	unsigned int wanted = 2 * (machine.model.nr_gp + __builtin_popcount(machine.model.fixed)),
		     nr = 0, idle = 0, i;
	u64 turns = turns_per_second() * MUX_SECONDS;
	double scaled, off, worst = 0;
	struct counter c[2 * MOST];
	struct reading seen;

	if (!perf_works(r))
		return;
	while (nr < wanted && nr < 2 * MOST &&
	       open_raw(&c[nr], nr % 2 ? event_branches_code() : SELECTOR_INSTRUCTIONS, false, -1))
		nr++;
	events_enable();
	spin(turns);
	events_disable();
	for (i = 0; i < nr; i++) {
		if (!counter_read(&c[i], &seen) || !seen.running) {
			idle++;
			continue;
		}
		scaled = (double)seen.value * seen.enabled / seen.running;
		off = 100 * (scaled / (turns * (i % 2 ? 1 : TURN_INSTRUCTIONS)) - 1);
		if (off * off > worst * worst)
			worst = off;
	}
	close_all(c, nr);
	if (nr < wanted)
		absent(r, "only %u of %u events could be opened", nr, wanted);
	else if (idle)
		absent(r, "%u of %u events never ran: others hold the counters", idle, nr);
	else if (worst >= -MUX_PERCENT && worst <= MUX_PERCENT)
		ok(r, "%u events, the worst by %+.1f %%", nr, worst);
	else
		wrong(r, "%u events, the worst by %+.1f %%", nr, worst);
}

/*
 * On AMD these bits are part of the event: there is no event 1C0H, and it is not
 * C0H.  On Intel perf does not pass them on: see msr.c.
 */
static void selector_amd(struct result *r)
{
	struct reading seen = {};
	struct counter c;

	if (!perf_works(r))
		return;
	if (!open_raw(&c, 1ull << 32 | SELECTOR_INSTRUCTIONS, false, -1)) {
		absent(r, "perf has no event 1C0H: %s", strerror(errno));
		return;
	}
	counter_enable(&c);
	spin(TURNS);
	counter_disable(&c);
	if (!counter_read(&c, &seen) || !seen.running)
		absent(r, "the event found no counter");
	else if (near(seen.value, TURNS * TURN_INSTRUCTIONS))
		wrong(r, "event 1C0H counts %llu in a loop of %u instructions, as event C0H",
		      seen.value, TURNS * TURN_INSTRUCTIONS);
	else
		ok(r, "event 1C0H counts %llu in a loop of %u instructions", seen.value,
		   TURNS * TURN_INSTRUCTIONS);
	counter_close(&c);
}

/* Only event logging to LBRs gives bit 35 a meaning: leaf 1CH. */
static void selector_intel(struct result *r)
{
	u32 msr = msr_selector(machine.model.nr_gp - 1);
	int error;

	if (cpuid(0x1c, 0).ecx >> 16 & 0xf) {
		absent(r, "bit 35 logs events to LBRs here");
		return;
	}
	if (!msr_writable(r))
		return;
	error = msr_write(machine.cpu, msr, 1ull << 35);
	if (error == EIO) {
		ok(r, "bit 35 of selector %#x is refused", msr);
		return;
	}
	msr_write(machine.cpu, msr, 0);
	wrong(r, "bit 35 of selector %#x is taken", msr);
}

void check_selector(struct result *r)
{
	if (machine.model.amd)
		selector_amd(r);
	else
		selector_intel(r);
}

#define IN_TXCP (1ull << 33)

static bool has_txcp(struct result *r)
{
	char file[128];

	if (!perf_works(r))
		return false;
	snprintf(file, sizeof(file), "%s/format/in_tx_cp", machine.pmu);
	if (machine.model.intel && machine.model.tsx && !access(file, F_OK))
		return true;
	absent(r, "this machine has no TSX, or perf does not know of it");
	return false;
}

void check_txcp(struct result *r)
{
	const u64 want = TURNS * TURN_INSTRUCTIONS;
	struct reading first = {}, seen = {};
	struct counter c;
	int i;

	if (!has_txcp(r))
		return;
	if (!open_raw(&c, IN_TXCP | SELECTOR_INSTRUCTIONS, false, -1)) {
		absent(r, "perf refuses IN_TXCP: %s", strerror(errno));
		return;
	}
	for (i = 0; i < 2; i++) {
		counter_enable(&c);
		spin(TURNS);
		counter_disable(&c);
		if (!counter_read(&c, i ? &seen : &first) || (i && seen.running != seen.enabled)) {
			absent(r, "the event found no counter");
			goto out;
		}
	}
	if (near(first.value, want) && near(seen.value, 2 * want))
		ok(r, "%llu, then %llu instructions", first.value, seen.value);
	else
		wrong(r, "%llu, then %llu instructions, in two loops of %llu", first.value,
		      seen.value, want);
out:
	counter_close(&c);
}

void check_txcp_pair(struct result *r)
{
	const u64 want = TURNS * TURN_INSTRUCTIONS;
	struct reading with = {}, without = {};
	struct counter c[2];

	if (!has_txcp(r))
		return;
	if (!open_raw(&c[0], IN_TXCP | SELECTOR_INSTRUCTIONS, false, -1) ||
	    !open_raw(&c[1], SELECTOR_INSTRUCTIONS, false, -1)) {
		absent(r, "perf refuses IN_TXCP: %s", strerror(errno));
		return;
	}
	events_enable();
	spin(TURNS);
	events_disable();
	if (!counter_read(&c[0], &with) || !counter_read(&c[1], &without) ||
	    with.running != with.enabled || without.running != without.enabled)
		absent(r, "the events found no counters");
	else if (near(with.value, want) && near(without.value, want))
		ok(r, "%llu with, %llu without", with.value, without.value);
	else
		wrong(r, "%llu with, %llu without, in a loop of %llu instructions", with.value,
		      without.value, want);
	close_all(c, 2);
}

/* Events of OFFCORE_RSP: up to Cascade Lake and Ice Lake, then from Golden Cove on. */
static const u64 extra_events[] = {0x1b7, 0x12a};

/* Perf refuses what the other register does not have: so it knows the event. */
static bool knows_extra(u64 config)
{
	const struct event raw = {.type = PERF_TYPE_RAW, .config = config};
	struct perf_event_attr attr = event_attr(&raw);
	struct counter c;

	attr.config1 = ~0ull;
	if (!counter_open_in(&c, &attr, -1)) {
		counter_close(&c);
		return false;
	}
	return errno == EINVAL;
}

/* The count while memory is read, with this in the other register; -1: refused. */
static s64 count_extra(u64 config, u64 other)
{
	const struct event raw = {.type = PERF_TYPE_RAW, .config = config};
	struct perf_event_attr attr = event_attr(&raw);
	struct reading seen = {};
	struct counter c;

	attr.config1 = other;
	if (counter_open_in(&c, &attr, -1))
		return -1;
	counter_enable(&c);
	walk_memory();
	counter_disable(&c);
	counter_read(&c, &seen);
	counter_close(&c);
	return seen.value;
}

/* With no request selected there is nothing to count. */
void check_extra(struct result *r)
{
	s64 none, all;
	unsigned int i;

	if (!machine.model.intel) {
		absent(r, "no such event on this vendor's");
		return;
	}
	if (!perf_works(r))
		return;
	for (i = 0; i < 2 && !knows_extra(extra_events[i]); i++)
		;
	if (i == 2) {
		absent(r, "perf knows no event with another register here");
		return;
	}
	none = count_extra(extra_events[i], 0);
	all = count_extra(extra_events[i], 0x10001);
	if (none < 0)
		ok(r, "event %#llx is refused", extra_events[i]);
	else if (!none && all <= 0)
		absent(r, "event %#llx counts nothing here, whatever is selected", extra_events[i]);
	else if (none > all / 8 + 64)
		wrong(r,
		      "event %#llx counts %lld with no request selected, %lld with reads of data",
		      extra_events[i], none, all);
	else
		ok(r, "event %#llx counts %lld with no request selected, %lld with reads of data",
		   extra_events[i], none, all);
}
