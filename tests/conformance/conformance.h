/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does a port keep the promises of mpmu/ops.h and docs/porting.md?  A port
 * links conformance.c with the library and itself, describes itself in a
 * struct conformance_port and calls conformance_run().  No libc is needed.
 */
#ifndef MPMU_TESTS_CONFORMANCE_H
#define MPMU_TESTS_CONFORMANCE_H

#include <mpmu/mpmu.h>

/* What a port says that it never does: its promises are left out then. */
enum conformance_without {
	/* Intel: no status bit but the counters' is ever the host's (PT). */
	CONFORMANCE_WITHOUT_HOST_STATUS = 1u << 0,
	/* LVTPC is for performance interrupts alone, while a vCPU owns the PMU. */
	CONFORMANCE_WITHOUT_OTHER_LVTPC = 1u << 1,
	/* AMD: no guest may set EFER.SVME. */
	CONFORMANCE_WITHOUT_SVME = 1u << 2,
	/* The machine has one CPU. */
	CONFORMANCE_WITHOUT_SECOND_CPU = 1u << 3,
	/* It lends no counter to its host: no mpmu_share(). */
	CONFORMANCE_WITHOUT_SHARING = 1u << 4,
};

/*
 * The port: CPUs that nobody else uses, and two vCPUs of one VM, which have all
 * counters of the host.  A hook that is NULL makes the promises incomplete that
 * need it.  IRQs are on in all hooks but raw, intercepts, rdpmc_intercepted,
 * routed_to_guest and host_run, which are called with IRQs on and off.
 */
struct conformance_port {
	/* As mpmu_host_init() made it. */
	const struct mpmu_host *host;
	struct mpmu_cpu *cpus[2];
	struct mpmu_vcpu *vcpus[2];
	/* First argument of each hook. */
	void *data;
	/* enum conformance_without bits. */
	u32 without;
	/* The host's event also counts up to this many instructions per hook; 0: none. */
	u32 host_overhead;

	/* One line of TAP, without its end. */
	void (*print)(void *data, const char *line);
	/* Close IRQs; or open them, and take what is pending. */
	void (*irqs)(void *data, bool on);
	/* From now on the hooks are about this CPU; about this vCPU.  At first: 0. */
	void (*use_cpu)(void *data, u32 cpu);
	void (*use_vcpu)(void *data, u32 vcpu);

	/* RDMSR of this CPU, whoever owns the PMU. */
	u64 (*raw)(void *data, u32 msr);
	/* Which accesses of the vCPU to a MSR are intercepted now? */
	u32 (*intercepts)(void *data, u32 msr);
	bool (*rdpmc_intercepted)(void *data);
	/* Does the performance interrupt of this CPU go to the guests' vector? */
	bool (*routed_to_guest)(void *data);
	/* This CPU loses its power and gets it back.  A vCPU may own the PMU. */
	void (*power_cycle)(void *data);

	/* The vCPU is scheduled in on this CPU, or out. */
	void (*load)(void *data);
	void (*put)(void *data);
	/* RESET of the vCPU, which is loaded. */
	void (*reset)(void *data);
	/* The vCPU, which is not loaded, goes away; a new one takes its memory. */
	void (*remake)(void *data);

	/*
	 * What the guest does at CPL 0, by the port's own way in and out.  Each
	 * instruction retires, whether it exits or not; false: it got #GP.
	 */
	void (*guest_run)(void *data, u32 count);
	bool (*guest_rdmsr)(void *data, u32 msr, u64 *value);
	bool (*guest_wrmsr)(void *data, u32 msr, u64 value);
	bool (*guest_rdpmc)(void *data, u32 ecx, u64 *value);
	/* Instructions that exit and are emulated, such as CPUID; eight at most. */
	void (*guest_emulated)(void *data, u32 count);
	/* The guest masks its LVTPC, or unmasks it. */
	void (*guest_lvtpc)(void *data, bool masked);
	/* Performance interrupts that the guest has got, pending ones included. */
	u32 (*guest_pmis)(void *data);
	/* AMD: the guest sets EFER.SVME, or clears it. */
	void (*guest_svme)(void *data, bool on);

	/* The VM's owner: a filter (NULL: none); the registers out, and in. */
	void (*set_filter)(void *data, const struct mpmu_filter *filter);
	u32 (*save)(void *data, struct mpmu_msr *list, u32 room);
	bool (*restore)(void *data, const struct mpmu_msr *list, u32 count);

	/* An event of the host counts its kernel's instructions here; or no longer. */
	void (*host_event)(void *data, bool on);
	/* A plain one does, on this general counter, that is lent: mpmu_share(). */
	void (*host_plain)(void *data, u32 pmc, bool on);
	/* What it has counted; valid until the next one starts. */
	u64 (*host_count)(void *data);
	/* Count instructions of the host's kernel. */
	void (*host_run)(void *data, u32 count);
	/*
	 * A counter of the host has overflowed.  The interrupt comes once IRQs are
	 * on; late: not before the port has tried to enter a guest.
	 */
	void (*host_overflow)(void *data, bool late);
	/* The next interrupt of the guest is late: it waits for drain_pmi. */
	void (*delay_pmi)(void *data);
	/* Intel: the host uses a status bit that is no counter's, or no longer. */
	void (*host_status)(void *data, bool on);
	/* LVTPC gets another use for a moment; a vCPU goes on owning the PMU. */
	void (*other_lvtpc)(void *data);
};

/* Run all checks as TAP; returns how many promises are broken or incomplete. */
u32 conformance_run(const struct conformance_port *port);

#endif
