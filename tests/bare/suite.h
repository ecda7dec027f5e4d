/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tests of the hypervisor in backends/bare, inside it: guests that run the
 * payload of tests/l1/vpmu, and the emulator's truth about each of them.
 */
#ifndef TESTS_BARE_SUITE_H
#define TESTS_BARE_SUITE_H

#define GUEST_START	0x9000		/* start.S, on the way to the payload */

#ifndef __ASSEMBLER__

#include "bare.h"
#include "payload.h"

#define VCPU_MEMORY	sizeof(((struct vcpu_pages *)NULL)->memory)

/* A guest, one job at a time. */
struct guest {
	struct vcpu vcpu;
	struct guest_cpu *area;
	/* What its CPU did between put and load while it was in a window. */
	struct mpmu_truth away, at_put;
	bool busy;
	u32 slices;
};

/* TAP. */
void check(bool ok, const char *name);
void check_eq(u64 got, u64 want, const char *name);

/* suite.c */
struct vcpu_pages *alloc_vcpu_pages(void);	/* NULL and a line: no memory */
void cpu_run(u32 index, void (*work)(void *data), void *data);	/* and wait */

/* profiler.c: this CPU's, which samples the hypervisor. */
struct profiler {
	bool on;
	u64 period;		/* 0: it counts, and takes no samples */
	u64 count;		/* up to the last time it was stopped */
	u64 start;		/* the counter's value since then */
	u64 samples;
	u64 last_rip;
};
extern struct profiler profiler;
void profiler_start(u64 period);
void profiler_stop(void);
u64 profiler_count(void);	/* stops it for a moment where it runs */

/* guest.c */
void map_identity(u8 *memory);
/* A guest without a program, but for the code at GUEST_IMAGE. */
bool guest_create_raw(struct guest *guest, const char *name, const void *code, u64 size);
bool guest_create(struct guest *guest, const char *name);
struct guest_job *guest_job(struct guest *guest);	/* an empty one */
void guest_load(struct guest *guest);
void guest_put(struct guest *guest);
bool guest_slice(struct guest *guest, u32 ticks);	/* false: the job is done */
/* Run all jobs to their end, a slice each in turn. */
void guests_run(struct guest *const *guests, u32 count, u32 ticks);
void guest_run(struct guest *guest);		/* one, in one piece */
/* After a job: the truth about the guest between the window's two ends. */
void guest_truth(const struct guest *guest, struct mpmu_truth *truth);
u64 guest_instructions(const struct mpmu_truth *truth);
u64 guest_counted(const struct guest *guest);	/* all ones: counters differ */

/* jobs.c: the PMU that guests have, and what to do with it. */
enum event { EVENT_INSTRUCTIONS, EVENT_BRANCHES, EVENT_CYCLES };
#define MODE_USER	1
#define MODE_KERNEL	2
u32 counter_msr(u32 pmc);
u32 eventsel_msr(u32 gp);
u64 selector(enum event event, u32 modes, bool interrupt);
mpmu_pmcs all_counters(void);
void job_write(struct guest_job *job, u32 msr, u64 value);
void job_read(struct guest_job *job, enum guest_op op, u32 index);
/* Count an event on all counters over a body. */
void job_window(struct guest_job *job, enum event event, u32 body, u64 turns);
/* Sample on some counters, with periods from this one on; JOB_USER: in user mode alone. */
void job_pmi(struct guest_job *job, mpmu_pmcs counters, u64 period, u64 hits, u32 flags);
void pmi_delay(u64 instructions);
/* Did the guest see each overflow once, and nothing else? */
bool pmis_are_exact(const struct guest *guest);
/* Instructions that a counter had run past its overflow when its PMI was handled, at most. */
u64 pmis_late(const struct guest *guest);
/* Measures a window of so many turns in one piece: what is to be expected. */
u64 expected(struct guest *guest, enum event event, u64 turns);

/* The tests; each is one part of the command line. */
void test_count(void);
void test_share(void);
void test_pmi(void);
void test_access(void);
void test_filter(void);
void test_idle(void);
void test_snapshot(void);
void test_profile(void);
void test_migrate(void);
void test_state(void);
void test_conform(void);
void test_bad(void);
void test_refused(void);

#endif
#endif
