/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The PMU that a guest has, for tests: registers and events by vendor. */
#ifndef PMU_H
#define PMU_H

#include "vmm.h"

#define PMC_FIXED	32	/* bit of fixed counter 0 in GLOBAL_CTRL */
#define MSR_HARMLESS	0x277	/* PAT: starts and stops nothing */

enum event {
	EVENT_NONE,
	EVENT_INSTRUCTIONS,
	EVENT_BRANCHES,
	EVENT_CYCLES,
	EVENT_REF_CYCLES,
	EVENT_SLOTS,
	NR_EVENTS,
};

#define MODE_USER	1
#define MODE_KERNEL	2
#define MODE_ALL	3

struct pmu {
	bool intel;
	int version;		/* AMD: 0 K7, 1 core extension, 2 PerfMonV2 */
	int nr_gp;
	int nr_fixed;
	bool full_width;
	bool metrics;		/* PERF_METRICS */
	bool slots;		/* an event of GP counters */
	uint32_t ctrl, status, ack, status_set;	/* 0: does not exist */
};

extern const char *const event_names[NR_EVENTS];

/* From the CPUID that the VM has; full_width also asks the first vCPU. */
void pmu_detect(struct pmu *pmu, struct vm *vm);

/* What there is to have: the counters alone. */
void pmu_detect_host(struct pmu *host, bool intel);
/* The GP counter that a plain event of the host moves to. */
int pmu_host_last_gp(const struct pmu *host);
/* RDPMC reads counters of the whole host there: by default it is intercepted. */
bool pmu_host_has_uncore(bool intel);

uint64_t pmu_counters(const struct pmu *pmu);
uint32_t pmu_eventsel(const struct pmu *pmu, int gp);
uint32_t pmu_counter(const struct pmu *pmu, int bit);
uint32_t pmu_rdpmc(int bit);

/* Selector of an event, enabled; 0 if this vendor has no such event. */
uint64_t pmu_select(const struct pmu *pmu, enum event event, int mode, bool interrupt);
enum event pmu_fixed_event(int fixed);
uint64_t pmu_fixed_field(int fixed, int mode, bool interrupt);

/* Steps of a job. */
void job_clear(struct guest_job *job, const struct pmu *pmu);
void job_write(struct guest_job *job, uint32_t msr, uint64_t value);
void job_read(struct guest_job *job, enum guest_op op, uint32_t index);

/* Index into vmexits[] for a kind of exit. */
enum exit_kind {
	EXIT_NONE, EXIT_INTERRUPT, EXIT_CPUID, EXIT_HLT, EXIT_RDPMC, EXIT_IO,
	EXIT_RDMSR, EXIT_WRMSR, EXIT_TPR, EXIT_PAGE, NR_EXIT_KINDS,
};

uint64_t exits_of(const struct pmu *pmu, const struct guest_cpu *area, enum exit_kind kind);

#endif
