/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does a port keep the promises of mpmu/ops.h and docs/porting.md?  A port
 * links conformance.c with the library and itself, describes itself in a
 * struct conformance_port and calls conformance_run().  No libc is needed.
 */
#ifndef MPMU_TESTS_CONFORMANCE_H
#define MPMU_TESTS_CONFORMANCE_H

#include <mpmu/mpmu.h>

/*
 * The port, on one CPU that nobody else uses.  IRQs are on in all hooks but
 * intercepts, rdpmc_intercepted, raw and routed_to_guest, which are called
 * with IRQs on and off.
 */
struct conformance_port {
	/* As mpmu_host_init() made it. */
	const struct mpmu_host *host;
	/* The CPU, and a vCPU of the port that has all counters of the host. */
	struct mpmu_cpu *cpu;
	struct mpmu_vcpu *vcpu;
	/* First argument of each hook. */
	void *data;

	/* One line of TAP, without its end. */
	void (*print)(void *data, const char *line);
	/* Close IRQs; or open them, and take what is pending. */
	void (*irqs)(void *data, bool on);
	/* RDMSR of this CPU, whoever owns the PMU. */
	u64 (*raw)(void *data, u32 msr);
	/* Which accesses of the vCPU to a MSR are intercepted now? */
	u32 (*intercepts)(void *data, u32 msr);
	bool (*rdpmc_intercepted)(void *data);
	/* Does the performance interrupt of this CPU go to the guests' vector? */
	bool (*routed_to_guest)(void *data);

	/* The vCPU is scheduled in, or out. */
	void (*load)(void *data);
	void (*put)(void *data);
	/* By the port's own way in and out: count instructions at CPL 0, RDMSR, WRMSR. */
	void (*guest_run)(void *data, u32 count);
	u64 (*guest_rdmsr)(void *data, u32 msr);
	void (*guest_wrmsr)(void *data, u32 msr, u64 value);
	/* The guest unmasks its LVTPC. */
	void (*guest_unmask)(void *data);
	/* Performance interrupts that the guest has got, pending ones included. */
	u32 (*guest_pmis)(void *data);
	/* The filter of the VM; NULL: none. */
	void (*set_filter)(void *data, const struct mpmu_filter *filter);

	/* An event of the host counts its kernel's instructions here; or no longer. */
	void (*host_event)(void *data, bool on);
	/* What it has counted; valid until the next one starts. */
	u64 (*host_count)(void *data);
	/* Count instructions of the host's kernel; IRQs may be off. */
	void (*host_run)(void *data, u32 count);
	/* The host's event also counts up to this many instructions per hook; 0: none. */
	u32 host_overhead;

	/* Optional: a counter of the host has overflowed; the interrupt comes once IRQs are on. */
	void (*host_overflow)(void *data);
	/* Optional: the next interrupt of the guest is late: it waits for drain_pmi. */
	void (*delay_pmi)(void *data);
};

/* Run all checks as TAP; returns how many have failed. */
u32 conformance_run(const struct conformance_port *port);

#endif
