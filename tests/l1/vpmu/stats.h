/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* KVM's statistics and tracepoints of a mediated PMU, as user space has them. */
#ifndef STATS_H
#define STATS_H

#include <linux/perf_event.h>

#include "vmm.h"

enum pmu_stat {
	STAT_ENTRY, STAT_PUT, STAT_RECLAIM, STAT_DISPLACED, STAT_OTHER, STAT_RESET,
	STAT_READ, STAT_WRITTEN, STAT_SKIPPED,
	STAT_PMIS, STAT_DENIED,
	STAT_COUNTER, STAT_EVENTSEL, STAT_FIXED_CTRL, STAT_GLOBAL_CTRL, STAT_STATUS, STAT_RDPMC,
	NR_PMU_STATS,
	STAT_EXITS = NR_PMU_STATS,	/* KVM's own: all exits */
	NR_STATS,
};

struct stats {
	uint64_t value[NR_STATS];
};

extern const char *const stat_names[NR_STATS];

/* By KVM_GET_STATS_FD.  How many of the names are not there. */
unsigned int stats_of_vcpu(const struct vcpu *vcpu, struct stats *stats);

/* The sum over a VM's vCPUs, from debugfs; and set one to 0 there. */
unsigned int stats_of_vm(const struct vm *vm, struct stats *stats);
bool stats_clear(const struct vm *vm, enum pmu_stat stat);

void stats_since(struct stats *stats, const struct stats *before);

/* Tracepoints of KVM, by tracefs: from trace_begin() to trace_end(). */
enum trace_event { TRACE_OWNER, TRACE_INTERCEPTS, TRACE_PMI, TRACE_DENIED, NR_TRACE_EVENTS };

extern const char *const trace_names[NR_TRACE_EVENTS];

bool trace_begin(void);
void trace_end(void);

/* What the lines of the trace add up to. */
struct traced {
	struct stats stats;
	uint64_t opened, closed;
	uint64_t strange;	/* lines that cannot be read, or say what was not asked */
	uint64_t lines;
	uint64_t denied;	/* the selector that was, in GP counter 1 */
};

void traced_add(struct traced *traced, enum trace_event event, const char *text);

/* Add the lines of a file that have one of the events, as tracefs or perf print them. */
void trace_read(const char *path, struct traced *traced);

/* A tracepoint as a perf event of a CPU, and its records; 0 or -errno. */
struct trace_ring {
	int fd;
	struct perf_event_mmap_page *page;
};

int trace_ring_open(struct trace_ring *ring, enum trace_event event, int cpu);
uint64_t trace_ring_records(const struct trace_ring *ring);
void trace_ring_close(struct trace_ring *ring);

#endif
