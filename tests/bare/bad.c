// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Guests that misbehave, beside one that goes on counting exactly. */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000

/* Exceptions without a table to handle them; a jump to where nothing is. */
static const u8 triple_fault[] = { 0x0f, 0x0b };
static const u8 runs_off[] = { 0xb8, 0x00, 0x00, 0x00, 0x10, 0xff, 0xe0 };
static const u8 hypercalls[][3] = {
	[MPMU_VENDOR_INTEL] = { 0x0f, 0x01, 0xc1 },
	[MPMU_VENDOR_AMD] = { 0x0f, 0x01, 0xd9 },
};

static u64 next(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* First MSR, and how many: all that a PMU of either vendor has, and more. */
static const struct {
	u32 first, count;
} ranges[] = {
	{ 0xc1, 16 }, { 0x186, 16 }, { 0x309, 6 }, { 0x329, 1 }, { 0x345, 1 }, { 0x38d, 6 },
	{ 0x4c1, 16 }, { 0xc0010000, 8 }, { 0xc0010200, 16 }, { 0xc0000300, 4 },
};

static void fuzz(struct guest *guest, u64 *seed)
{
	struct guest_job *job = guest_job(guest);

	for (u32 i = 0; i < GUEST_MAX_SETUP; i++) {
		u64 dice = next(seed), value = next(seed);
		u32 range = dice % (sizeof(ranges) / sizeof(ranges[0]));

		job->setup[i].op = (dice >> 8) % 4 ? OP_WRMSR : (dice >> 10) % 2 ? OP_RDMSR : OP_RDPMC;
		job->setup[i].index = ranges[range].first + (u32)(dice >> 16) % ranges[range].count;
		if (job->setup[i].op == OP_RDPMC)
			job->setup[i].index = (u32)value >> (dice >> 12) % 32;
		job->setup[i].value = (dice >> 20) % 2 ? value & 0x7fffff : value;
	}
	job->nr_setup = GUEST_MAX_SETUP;
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_PLAIN;
	job->count = 50;
}

static void beside(struct guest *victim, u64 want, struct guest *bad, const char *name)
{
	struct guest *const guests[] = { victim, bad };

	job_window(guest_job(victim), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	guests_run(guests, 2, SLICE);
	check(bad->vcpu.dead, name);
	check_eq(guest_counted(victim), want, "and the other guest counts on");
}

static void beside_fuzzer(struct guest *victim, u64 want, struct guest *bad)
{
	u64 seed = 1, jobs = 0;

	job_window(guest_job(victim), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	fuzz(bad, &seed);
	while (guest_slice(victim, SLICE)) {
		if (guest_slice(bad, SLICE))
			continue;
		jobs++;
		fuzz(bad, &seed);
	}
	print("# %u jobs of %u accesses\n", jobs, (u64)GUEST_MAX_SETUP);
	check(jobs > 5 && !bad->vcpu.dead && !bad->area->result.crashed,
	      "a guest that fuzzes its PMU gets faults, and no more");
	check_eq(guest_counted(victim), want, "and the other guest counts on");
}

void test_bad(void)
{
	static struct guest victim, bad;
	u64 want;

	if (!guest_create(&victim, "victim"))
		return;
	want = expected(&victim, EVENT_INSTRUCTIONS, TURNS);
	if (guest_create_raw(&bad, "bad", triple_fault, sizeof(triple_fault)))
		beside(&victim, want, &bad, "a triple fault is the end of a guest");
	if (guest_create_raw(&bad, "bad", runs_off, sizeof(runs_off)))
		beside(&victim, want, &bad, "a guest that leaves its memory is stopped");
	if (guest_create_raw(&bad, "bad", hypercalls[pmu_host.caps.vendor], 3))
		beside(&victim, want, &bad, "a guest that calls a hypervisor is stopped");
	if (guest_create(&bad, "fuzzer"))
		beside_fuzzer(&victim, want, &bad);
	while (guest_create(&bad, "one too many"))
		;
	check(true, "memory for guests ends with a line");
	job_window(guest_job(&victim), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	guest_run(&victim);
	check_eq(guest_counted(&victim), want, "and the other guest counts on");
}

/* For machines that cannot run guests. */
void test_refused(void)
{
	check(!guest_mode, "this machine runs no guests");
}
