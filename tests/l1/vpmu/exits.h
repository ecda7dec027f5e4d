/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What something that a guest does costs: the lists "exits" and "peer". */
#ifndef EXITS_H
#define EXITS_H

#include "vpmu.h"

#define SLOPES		7

/* Of one time. */
struct figures {
	double wrmsr, rdpmc, rdmsr;	/* by the host, WRMSR of LVTPC among them */
	double root, guest;		/* instructions */
	double exits;
};

/* One counter, or all that can count the event of a fixed counter, that one among them. */
struct use {
	const char *name;
	bool no_pmu, counts, all;
	bool idle;		/* stopped again before it begins */
	int fixed;
};

/* What is done N times. */
struct op {
	const char *name, *column;
	uint64_t times;
	/* Another vCPU that does the same has its turn each time. */
	bool turns;
	/* The guest's job, which is all 0 so far, and whether the guest did it. */
	void (*give)(const struct pmu *pmu, struct guest_job *job, const struct op *op,
		     const struct use *use, uint64_t times);
	bool (*done)(const struct guest_cpu *area, const struct use *use, uint64_t times);
	enum guest_body body;	/* of a loop */
	uint64_t period;	/* of samples */
};

#define NR_USES		7

extern const struct use exit_uses[NR_USES];
extern const struct op op_cpuid, op_port, op_hlt, op_turns;

uint64_t use_counters(const struct use *use, const struct pmu *pmu);
/*
 * Of a new VM, and the VM's PMU; the median is in the middle.  0 or -errno: there is no
 * such VM.
 */
int measure(const struct op *op, const struct use *use, struct figures s[SLOPES],
	    struct pmu *pmu);
/* As on a host whose threads sleep when a guest halts. */
void halts_sleep(bool sleep);

#endif
