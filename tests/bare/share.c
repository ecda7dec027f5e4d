// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Several guests on one CPU, a slice each in turn. */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000

static bool is_untouched(const struct guest *guest)
{
	return !(guest->vcpu.mpmu.flags & MPMU_VCPU_TOUCHED) &&
	       this_cpu()->mpmu.owner != &guest->vcpu.mpmu;
}

/* A counts instructions, B branches, C nothing at all. */
void test_share(void)
{
	static struct guest a, b, c;
	struct guest *const guests[] = { &a, &b, &c };
	struct guest_job *idle;
	u64 want_a, want_b;

	if (!guest_create(&a, "A") || !guest_create(&b, "B") || !guest_create(&c, "C"))
		return;
	want_a = expected(&a, EVENT_INSTRUCTIONS, TURNS);
	want_b = expected(&b, EVENT_BRANCHES, TURNS);
	job_window(guest_job(&a), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	job_window(guest_job(&b), EVENT_BRANCHES, BODY_PLAIN, TURNS);
	idle = guest_job(&c);
	idle->program = PROGRAM_LOOP_ONCE;
	idle->body = BODY_PLAIN;
	idle->count = TURNS;
	guests_run(guests, 3, SLICE);
	check(a.slices > 5 && b.slices > 5 && c.slices > 5, "three guests share a CPU");
	check_eq(guest_counted(&a), want_a, "A counts its instructions");
	check_eq(guest_counted(&b), want_b, "B counts its branches");
	check(is_untouched(&c), "C, which counts nothing, owns nothing");
	check_eq(c.vcpu.mpmu.flags & MPMU_VCPU_ENTERED, 0, "and never did");
}

/* The emulator is at most one of its traces late. */
#define SKID 32

static const struct {
	const char *name;
	u32 flags, delay, period, hits;
	mpmu_pmcs counters;
} pmis[] = {
	{ "PMIs as NMIs", 0, 0, 5000, 300, ~0ull },
	{ "PMIs as a vector", JOB_PMI_FIXED, 0, 5000, 300, ~0ull },
	{ "PMIs as NMIs, late", 0, 200, 5000, 300, ~0ull },
	{ "PMIs as a vector, late", JOB_PMI_FIXED, 60, 5000, 300, ~0ull },
	{ "PMIs in user mode", JOB_USER, 0, 5000, 300, ~0ull },
	/* No other counter's PMI does what is left of one that was lost. */
	{ "PMIs of one counter", 0, 0, 1009, 1200, 0x1 },
};

void test_pmi(void)
{
	static struct guest a, b;
	struct guest *const guests[] = { &a, &b };

	if (!guest_create(&a, "A") || !guest_create(&b, "B"))
		return;
	for (u32 i = 0; i < sizeof(pmis) / sizeof(pmis[0]); i++) {
		pmi_delay(pmis[i].delay);
		job_pmi(guest_job(&a), pmis[i].counters & all_counters(), pmis[i].period,
			pmis[i].hits, pmis[i].flags);
		job_pmi(guest_job(&b), pmis[i].counters & 0x3, 3001, 300, pmis[i].flags);
		guests_run(guests, 2, SLICE / 2);
		print("# %u slices, %u and %u PMIs, late by %u and %u\n", (u64)a.slices,
		      a.area->result.pmis, b.area->result.pmis, pmis_late(&a), pmis_late(&b));
		check(pmis_are_exact(&a), pmis[i].name);
		check(pmis_are_exact(&b), "and of the other guest");
		if (pmis[i].flags & JOB_USER)
			check(pmis_late(&a) <= SKID && pmis_late(&b) <= SKID, "PMIs are in time");
	}
	pmi_delay(0);
}

/* Exits per access: 0 where it is direct, 1 where it is intercepted. */
static u64 exits_per_access(struct guest *guest, enum guest_op op, u32 index)
{
	const u64 accesses = 100;
	u64 exits[3];

	for (u32 i = 0; i < 3; i++) {
		struct guest_job *job = guest_job(guest);

		job->program = PROGRAM_ACCESS;
		job->access = (struct guest_access){ op, index, 0 };
		job->count = i * accesses;
		exits[i] = guest->vcpu.exits;
		guest_run(guest);
		exits[i] = guest->vcpu.exits - exits[i];
	}
	return (exits[2] - exits[1]) / accesses;
}

void test_access(void)
{
	static struct guest guest;
	const u32 status = pmu_host.caps.vendor == MPMU_VENDOR_INTEL ? 0x38e : 0xc0000300;
	const u32 ctrl = pmu_host.caps.vendor == MPMU_VENDOR_INTEL ? 0x38f : 0xc0000301;
	const bool uncore = pmu_host.caps.features & MPMU_FEAT_RDPMC_UNCORE;
	const struct {
		const char *name;
		enum guest_op op;
		u32 index;
		u64 exits;
	} rows[] = {
		{ "direct: reads of a counter", OP_RDMSR, counter_msr(1), 0 },
		{ "direct: writes of a counter", OP_WRMSR, counter_msr(1), 0 },
		{ uncore ? "intercepted: RDPMC, which reads the whole host's" : "direct: RDPMC",
		  OP_RDPMC, 1, uncore },
		{ "direct: reads of GLOBAL_STATUS", OP_RDMSR, status, 0 },
		{ "direct: reads of GLOBAL_CTRL", OP_RDMSR, ctrl, 0 },
		{ "direct: writes of GLOBAL_CTRL", OP_WRMSR, ctrl, 0 },
		{ "intercepted: reads of a selector", OP_RDMSR, eventsel_msr(1), 1 },
		{ "intercepted: writes of a selector", OP_WRMSR, eventsel_msr(1), 1 },
	};

	if (!guest_create(&guest, "guest"))
		return;
	check_eq(exits_per_access(&guest, OP_RDMSR, ctrl), 1, "intercepted: all, while untouched");
	expected(&guest, EVENT_INSTRUCTIONS, 100);
	for (u32 i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_eq(exits_per_access(&guest, rows[i].op, rows[i].index), rows[i].exits,
			 rows[i].name);
}
