/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The strongest check of a counter: what it did between two snapshots against
 * the emulator's truth, whatever ran in between.
 */
#ifndef TEST_AUDIT_H
#define TEST_AUDIT_H

#include "emu.h"

#define EVENTSEL_USR	(1ULL << 16)
#define EVENTSEL_OS	(1ULL << 17)
#define EVENTSEL_EDGE	(1ULL << 18)
#define EVENTSEL_INT	(1ULL << 20)
#define EVENTSEL_EN	(1ULL << 22)
#define EVENTSEL_INV	(1ULL << 23)
#define EVENTSEL_CMASK	(0xffULL << 24)
#define AMD_GUESTONLY	(1ULL << 40)
#define AMD_HOSTONLY	(1ULL << 41)

#define COUNTER_MASK	((1ULL << 48) - 1)

/* The last are counts[] of the truth, in its order. */
enum truth_kind {
	TRUTH_NONE, TRUTH_INSTRUCTIONS, TRUTH_BRANCHES, TRUTH_CYCLES,
	TRUTH_REF_CYCLES, TRUTH_SLOTS,
	TRUTH_CONDITIONAL, TRUTH_TAKEN, TRUTH_CALLS, TRUTH_RETURNS, TRUTH_FAR,
	TRUTH_LOADS, TRUTH_STORES, TRUTH_INTERRUPTS,
};

/* Whose event codes. */
enum core { CORE_SKYLAKE = 1, CORE_SUNNY_COVE = 2, CORE_GOLDEN_COVE = 4, CORE_ZEN = 8 };

#define CORE_COVES	(CORE_SUNNY_COVE | CORE_GOLDEN_COVE)
#define CORE_INTEL	(CORE_SKYLAKE | CORE_COVES)

static inline enum core core_of(const struct mpmu_regs *r)
{
	if (!r->intel)
		return CORE_ZEN;
	switch (r->signature >> 4) {
	case 0x5065: return CORE_SKYLAKE;
	case 0x606a: return CORE_SUNNY_COVE;
	}
	return CORE_GOLDEN_COVE;
}

struct truth_event {
	uint16_t select;	/* umask << 8 | event */
	enum truth_kind kind;
	unsigned int cores;
	const char *name;
};

static const struct truth_event truth_events[] = {
	{ 0x00c0, TRUTH_INSTRUCTIONS, CORE_INTEL | CORE_ZEN, "instructions" },
	{ 0x00c4, TRUTH_BRANCHES, CORE_INTEL, "branches" },
	{ 0x00c2, TRUTH_BRANCHES, CORE_ZEN, "branches" },
	{ 0x003c, TRUTH_CYCLES, CORE_INTEL, "cycles" },
	{ 0x0076, TRUTH_CYCLES, CORE_ZEN, "cycles" },
	{ 0x01a4, TRUTH_SLOTS, CORE_INTEL, "slots" },
	{ 0x01c4, TRUTH_CONDITIONAL, CORE_SKYLAKE, "conditional branches" },
	{ 0x11c4, TRUTH_CONDITIONAL, CORE_COVES, "conditional branches" },
	{ 0x00d1, TRUTH_CONDITIONAL, CORE_ZEN, "conditional branches" },
	{ 0x20c4, TRUTH_TAKEN, CORE_INTEL, "taken branches" },
	{ 0x02c4, TRUTH_CALLS, CORE_INTEL, "calls" },
	{ 0x08c4, TRUTH_RETURNS, CORE_INTEL, "returns" },
	{ 0x00c8, TRUTH_RETURNS, CORE_ZEN, "returns" },
	{ 0x40c4, TRUTH_FAR, CORE_INTEL, "far branches" },
	{ 0x00c6, TRUTH_FAR, CORE_ZEN, "far branches" },
	{ 0x81d0, TRUTH_LOADS, CORE_INTEL, "loads" },
	{ 0x0129, TRUTH_LOADS, CORE_ZEN, "loads" },
	{ 0x82d0, TRUTH_STORES, CORE_INTEL, "stores" },
	{ 0x0229, TRUTH_STORES, CORE_ZEN, "stores" },
	{ 0x01cb, TRUTH_INTERRUPTS, CORE_INTEL, "interrupts" },
	{ 0x002c, TRUTH_INTERRUPTS, CORE_ZEN, "interrupts" },
	{ }
};

/* Or the empty one at the end. */
static inline const struct truth_event *truth_event_of(enum core core, enum truth_kind kind)
{
	const struct truth_event *e = truth_events;

	while (e->kind && !(e->kind == kind && (e->cores & core)))
		e++;
	return e;
}

static const enum truth_kind fixed_events[] = {
	TRUTH_INSTRUCTIONS, TRUTH_CYCLES, TRUTH_REF_CYCLES, TRUTH_SLOTS,
};

static inline const unsigned long long (*truth_of(const struct mpmu_truth *t,
						  enum truth_kind kind))[2]
{
	switch (kind) {
	case TRUTH_INSTRUCTIONS: return t->instructions;
	case TRUTH_BRANCHES: return t->branches;
	case TRUTH_CYCLES: return t->cycles;
	case TRUTH_REF_CYCLES: return t->ref_cycles;
	case TRUTH_SLOTS: return t->slots;
	case TRUTH_CONDITIONAL:
	case TRUTH_TAKEN:
	case TRUTH_CALLS:
	case TRUTH_RETURNS:
	case TRUTH_FAR:
	case TRUTH_LOADS:
	case TRUTH_STORES:
	case TRUTH_INTERRUPTS: return t->counts[kind - TRUTH_CONDITIONAL];
	case TRUTH_NONE: break;
	}
	return 0;
}

/*
 * Which modes an Intel counter counts in is not in its selector: the hypervisor
 * switches GLOBAL_CTRL.  AUDIT_GUEST: only there, so it is off at a snapshot.
 */
enum audit_mode { AUDIT_BOTH, AUDIT_ROOT, AUDIT_GUEST };

/* One counter, as its control register describes it. */
struct counter {
	enum truth_kind kind;
	bool usr, os, root, guest;
};

static inline bool has_global_ctrl(const struct mpmu_regs *r)
{
	return r->version >= 2;
}

static inline bool counter_enabled(const struct mpmu_regs *r, int bit, enum audit_mode mode)
{
	if (r->intel && mode == AUDIT_GUEST)
		return true;
	return !has_global_ctrl(r) || (r->global_ctrl >> bit & 1);
}

static inline bool counter_gp(const struct mpmu_regs *r, int i, enum audit_mode mode,
			      struct counter *c)
{
	const struct truth_event *e = truth_events;
	const enum core core = core_of(r);
	uint64_t sel = r->eventsel[i];
	uint64_t only = r->intel ? 0 : sel & (AMD_GUESTONLY | AMD_HOSTONLY);

	if (!(sel & EVENTSEL_EN) || (sel & (EVENTSEL_EDGE | EVENTSEL_CMASK)))
		return false;
	if (!counter_enabled(r, i, mode))
		return false;
	while (e->kind && !(e->select == (sel & 0xffff) && (e->cores & core)))
		e++;
	c->kind = e->kind;
	c->usr = sel & EVENTSEL_USR;
	c->os = sel & EVENTSEL_OS;
	c->root = only != AMD_GUESTONLY && (!r->intel || mode != AUDIT_GUEST);
	c->guest = only != AMD_HOSTONLY && (!r->intel || mode != AUDIT_ROOT);
	return e->kind != TRUTH_NONE;
}

static inline bool counter_fixed(const struct mpmu_regs *r, int i, enum audit_mode mode,
				 struct counter *c)
{
	unsigned int field = r->fixed_ctrl >> (4 * i) & 3;

	if (!field || !counter_enabled(r, 32 + i, mode) || i > 3)
		return false;
	c->kind = fixed_events[i];
	c->os = field & 1;
	c->usr = field & 2;
	c->root = mode != AUDIT_GUEST;
	c->guest = mode != AUDIT_ROOT;
	return true;
}

static inline uint64_t truth_sum(const struct counter *c, const unsigned long long (*a)[2],
				 const unsigned long long (*b)[2])
{
	uint64_t sum = 0;
	int mode, cpl;

	for (mode = 0; mode < 2; mode++)
		for (cpl = 0; cpl < 2; cpl++)
			if ((mode ? c->guest : c->root) && (cpl ? c->usr : c->os))
				sum += b[mode][cpl] - a[mode][cpl];
	return sum;
}

static inline uint64_t truth_delta(const struct counter *c, const struct mpmu_truth *from,
				   const struct mpmu_truth *to)
{
	return truth_sum(c, truth_of(from, c->kind), truth_of(to, c->kind));
}

/*
 * How far fields of PERF_METRICS are from the truth between two points, in
 * 255ths of the slots: the field that is farthest.
 */
static inline unsigned int metrics_off(uint64_t metrics, unsigned int fields,
				       const struct counter *c, const struct mpmu_truth *from,
				       const struct mpmu_truth *to)
{
	const uint64_t slots = truth_sum(c, from->slots, to->slots);
	unsigned int i, worst = 0;

	if (!slots)
		return 255;
	for (i = 0; i < fields; i++) {
		uint64_t used = truth_sum(c, from->topdown[i], to->topdown[i]);
		int off = (int)(metrics >> (8 * i) & 0xff) - (int)(used * 255 / slots);

		if (off < 0)
			off = -off;
		if ((unsigned int)off > worst)
			worst = off;
	}
	return worst;
}

/* What an audit found: bits as in PERF_GLOBAL_CTRL. */
struct audit {
	uint64_t active;	/* counted from end to end, same selector */
	uint64_t wrong;
	int64_t worst;		/* largest difference */
};

static inline void audit_one(struct audit *a, unsigned int bit, const struct counter *c,
			     uint64_t got, const struct snapshot *from,
			     const struct snapshot *to)
{
	uint64_t want = truth_delta(c, &from->truth, &to->truth) & COUNTER_MASK;

	a->active |= 1ULL << bit;
	if (got == want)
		return;
	a->wrong |= 1ULL << bit;
	a->worst = (int64_t)(got - want);
}

static inline struct audit audit(const struct snapshot *from, const struct snapshot *to,
				 enum audit_mode mode)
{
	const struct mpmu_regs *r = &from->regs, *s = &to->regs;
	struct audit a = { 0 };
	struct counter c;
	int i;

	for (i = 0; i < MPMU_MAX_PMCS; i++) {
		if (r->eventsel[i] == s->eventsel[i] && counter_gp(r, i, mode, &c))
			audit_one(&a, i, &c, (s->gp[i] - r->gp[i]) & COUNTER_MASK, from, to);
		if (r->intel && r->fixed_ctrl == s->fixed_ctrl && counter_fixed(r, i, mode, &c))
			audit_one(&a, 32 + i, &c, (s->fixed[i] - r->fixed[i]) & COUNTER_MASK,
				  from, to);
	}
	return a;
}

#endif
