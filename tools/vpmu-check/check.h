/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vpmu-check: what a check is, and what checks share.
 *
 * Each check runs in a process of its own, on one CPU, and writes its verdict
 * into memory that it shares with main().  It may die, hang or fault: that is a
 * verdict, too.
 */
#ifndef VPMU_CHECK_H
#define VPMU_CHECK_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>

typedef unsigned int u32;
typedef unsigned long long u64; /* as printf() has it */
typedef long long s64;

enum verdict {
	ABSENT, /* there is nothing to check, or no way to */
	OK,
	WRONG,
};

struct result {
	enum verdict verdict;
	char saw[200]; /* figures, for a person */
};

struct check {
	const char *name;
	const char *right; /* what a right PMU does */
	void (*run)(struct result *r);
};

void verdict(struct result *r, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define ok(r, ...)     verdict(r, OK, __VA_ARGS__)
#define wrong(r, ...)  verdict(r, WRONG, __VA_ARGS__)
#define absent(r, ...) verdict(r, ABSENT, __VA_ARGS__)

/* --- options --- */

struct options {
	bool write;        /* registers may be written */
	unsigned int skid; /* instructions that a sample may come late */
};

extern struct options options;

/* --- the machine: machine.c --- */

#define MAX_CPUS 4096

/* What CPUID says on the CPU it ran on. */
struct model {
	bool intel, amd, hypervisor, hybrid, tsx;
	unsigned int version; /* Intel: leaf 0AH; AMD: 2 with leaf 8000_0022H, 1 with the core
				 extension */
	unsigned int nr_gp, gp_width;
	u32 fixed; /* a mask */
	unsigned int fixed_width;
};

struct machine {
	struct model model;
	const char *pmu;    /* its folder in sysfs */
	int cpu;            /* where the checks run */
	int cpus[MAX_CPUS]; /* those of the PMU that may be used */
	unsigned int nr_cpus;
};

extern struct machine machine;

struct leaf {
	u32 eax, ebx, ecx, edx;
};

struct leaf cpuid(u32 leaf, u32 subleaf);
void machine_find(void);
struct model model_here(void);
bool pin(int cpu);
/* The number in a file, or otherwise. */
s64 number_in(const char *file, s64 otherwise);
/* Perf's own event of hard lockups takes a counter, and interrupts now and then. */
bool watchdog_runs(void);

/* --- loops: loops.c --- */

/* Two instructions and one branch each turn, in user mode. */
#define TURN_INSTRUCTIONS 2
void spin(u64 turns);
u64 turns_per_second(void);
/* Reads more memory than a cache holds. */
void walk_memory(void);

/* --- events: event.c --- */

struct counter {
	int fd;
	struct perf_event_mmap_page *page; /* NULL if not mapped */
	size_t size;                       /* of the mapping */
};

struct reading {
	u64 value, enabled, running;
};

/* A kind of event that checks go through. */
struct event {
	const char *name;
	u32 type;
	u64 config;
	unsigned int per_turn; /* of spin(); 0: not known */
};

extern const struct event event_instructions, event_branches, event_cycles, event_ref_cycles,
	event_slots;

/* Of this thread's user mode, disabled, not pinned. */
struct perf_event_attr event_attr(const struct event *e);
/* -1 with errno.  With pages the counter is mapped, pages of data after the first. */
int counter_open(struct counter *c, struct perf_event_attr *attr, unsigned int pages);
int counter_open_in(struct counter *c, struct perf_event_attr *attr, int group);
void counter_close(struct counter *c);
bool counter_read(const struct counter *c, struct reading *reading);
void counter_enable(const struct counter *c);
void counter_disable(const struct counter *c);
/* All of this thread's events. */
void events_enable(void);
void events_disable(void);
/* False, with the reason as the verdict, if perf gives no events. */
bool perf_works(struct result *r);
/* value is near want: one in a thousand, for interrupts, and what the calls around take. */
bool near(u64 value, u64 want);

/* --- samples and interrupts: sampling.c --- */

struct interrupts {
	u64 pmi, nmi;
	bool known;
};

struct interrupts interrupts_now(void);

/* --- registers: msr.c --- */

bool msr_read(int cpu, u32 msr, u64 *value);
/* Errno, 0 if it was done. */
int msr_write(int cpu, u32 msr, u64 value);
/* False, with the reason as the verdict, if registers cannot be read, or written. */
bool msr_readable(struct result *r);
bool msr_writable(struct result *r);
u32 msr_selector(unsigned int i);
u32 msr_counter(unsigned int i);

#define IA32_PERF_CAPABILITIES          0x345
#define IA32_PMC0                       0x4c1
#define IA32_FIXED_CTR0                 0x309
#define IA32_FIXED_CTR_CTRL             0x38d
#define IA32_PERF_GLOBAL_STATUS         0x38e
#define IA32_PERF_GLOBAL_CTRL           0x38f
#define IA32_PERF_GLOBAL_OVF_CTRL       0x390
#define IA32_PEBS_ENABLE                0x3f1
#define AMD_PERF_CNTR_GLOBAL_STATUS_CLR 0xc0000302

#define SELECTOR_USR                    (1u << 16)
#define SELECTOR_OS                     (1u << 17)
#define SELECTOR_INT                    (1u << 20)
#define SELECTOR_EN                     (1u << 22)
#define SELECTOR_GUEST_ONLY             (1ull << 40) /* AMD */
#define SELECTOR_INSTRUCTIONS           0xc0         /* both vendors */

/* --- the checks --- */

void check_counts(struct result *r);
void check_spin(struct result *r);
void check_group(struct result *r);
void check_large(struct result *r);
void check_stop(struct result *r);
void check_multiplex(struct result *r);
void check_txcp(struct result *r);
void check_txcp_pair(struct result *r);
void check_selector(struct result *r);
void check_extra(struct result *r);
void check_samples(struct result *r);
void check_skid(struct result *r);
void check_interrupts(struct result *r);
void check_start(struct result *r);
void check_rdpmc(struct result *r);
void check_rdpmc_others(struct result *r);
void check_rdpmc_pce(struct result *r);
void check_hybrid(struct result *r);
void check_widths(struct result *r);
void check_firmware(struct result *r);
void check_global(struct result *r);
void check_sign(struct result *r);
void check_capabilities(struct result *r);
void check_lbr(struct result *r);
void check_restore(struct result *r);

#endif
