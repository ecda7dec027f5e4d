// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The hypervisor's own profiler, beside guests that count and one that does
 * not.  It counts all of the hypervisor but what runs while it is displaced,
 * which is read off the truth, and three constants: instructions between the
 * truth and the counter at both ends, per displacement and per sample.
 */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000
#define PERIOD	20000

static struct mpmu_ops ops;
static struct {
	u64 begin, instructions, count;
} displaced;

static struct {
	s64 ends, per_displacement, per_sample;
} constants;

static u64 host_instructions(void)
{
	static struct mpmu_truth truth;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth);
	return truth.instructions[MPMU_ROOT][MPMU_KERNEL];
}

static void watched_displace(const struct mpmu_vcpu *vcpu)
{
	bare_ops.displace(vcpu);
	displaced.begin = host_instructions();
}

static void watched_restore(const struct mpmu_vcpu *vcpu)
{
	displaced.instructions += host_instructions() - displaced.begin;
	displaced.count++;
	bare_ops.restore(vcpu);
}

static u64 begin_of_truth;

static void begin(void)
{
	memset(&displaced, 0, sizeof(displaced));
	profiler_start(PERIOD);
	begin_of_truth = host_instructions();
}

/* How much more the truth has than the profiler and displaced windows. */
static s64 end(void)
{
	u64 truth = host_instructions() - begin_of_truth;

	profiler_stop();
	irqs_window();
	return (s64)(truth - displaced.instructions - profiler_count());
}

static s64 missing(u32 displacements, u32 samples)
{
	begin();
	for (u32 i = 0; i < displacements; i++) {
		pmu_host.ops->displace(NULL);
		pmu_host.ops->restore(NULL);
	}
	for (u32 i = 0; i < samples; i++) {
		u64 turns = PERIOD / 2;

		__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
		irqs_window();
	}
	return end();
}

static void calibrate(void)
{
	constants.ends = missing(0, 0);
	constants.per_displacement = (missing(10, 0) - constants.ends) / 10;
	constants.per_sample = (missing(0, 10) - missing(0, 0)) / 10;
	print("# -%u instructions at the ends, %u per displacement, %u per sample\n",
	      (u64)-constants.ends, (u64)constants.per_displacement, (u64)constants.per_sample);
}

static u64 explained(void)
{
	return (u64)(constants.ends + constants.per_displacement * (s64)displaced.count +
		     constants.per_sample * (s64)profiler.samples);
}

static void run_beside(struct guest *const *guests, u32 count, const char *name)
{
	s64 more;

	begin();
	guests_run(guests, count, SLICE);
	more = end();
	print("# %u instructions, %u samples, displaced %u times\n", profiler.count,
	      profiler.samples, displaced.count);
	check_eq((u64)more, explained(), name);
	check_eq(profiler.samples, profiler.count / PERIOD, "each period is a sample");
}

void test_profile(void)
{
	static struct guest a, b, c;
	struct guest *const all[] = { &a, &b, &c }, *const quiet[] = { &c };
	u64 want_a, want_b;

	if (!guest_create(&a, "A") || !guest_create(&b, "B") || !guest_create(&c, "C"))
		return;
	want_a = expected(&a, EVENT_INSTRUCTIONS, TURNS);
	want_b = expected(&b, EVENT_BRANCHES, TURNS);
	ops = bare_ops;
	ops.displace = watched_displace;
	ops.restore = watched_restore;
	pmu_host.ops = &ops;
	calibrate();

	*guest_job(&c) = (struct guest_job){
		.program = PROGRAM_LOOP_ONCE, .body = BODY_CPUID, .count = TURNS / 100,
	};
	run_beside(quiet, 1, "the profiler counts the hypervisor beside an untouched guest");
	check_eq(displaced.count, 0, "and is never displaced by it");
	job_window(guest_job(&a), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	job_window(guest_job(&b), EVENT_BRANCHES, BODY_PLAIN, TURNS);
	run_beside(all, 3, "and beside guests that count");
	check(displaced.count > 0, "which displace it");
	check_eq(guest_counted(&a), want_a, "A counts its instructions");
	check_eq(guest_counted(&b), want_b, "B counts its branches");
	/* The truth about overflows is one per counter: leave the profiler's out. */
	job_pmi(guest_job(&a), 0xf, 5000, 300, 0);
	job_pmi(guest_job(&b), 0x3, 3001, 300, JOB_PMI_FIXED);
	run_beside(all, 2, "and beside guests that sample");
	check(pmis_are_exact(&a) && pmis_are_exact(&b), "who get their own PMIs, and no other");
	pmu_host.ops = &bare_ops;
}
