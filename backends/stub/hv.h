/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hypervisor in miniature on software PMUs, and an example of a port: ops.c
 * is the table that a port fills in, hv.c where it calls the library, perf.c
 * what the rest of its host does with the PMU.  An instruction that exits is no
 * work here; a port retires it, by mpmu_wrmsr() or mpmu_emulate().
 */
#ifndef STUB_HV_H
#define STUB_HV_H

#include "pmu.h"

#define STUB_CPUS        2
#define STUB_HOST_EVENTS 4

/* An event of the host on one counter; it never counts a guest. */
struct stub_host_event {
	bool installed;
	/* It stays on its counter while a guest runs. */
	bool plain;
	u32 pmc;
	u64 eventsel;
	u64 start;
	u64 count;
	/* What it must have counted. */
	u64 truth;
};

/* The host's user of a CPU's PMU. */
struct stub_perf {
	struct stub_host_event events[STUB_HOST_EVENTS];
	/* Events that are not plain are in hardware. */
	bool running;
	bool displaced;
	/* Counters of plain events. */
	mpmu_pmcs lent;
	/* What the host believes the control registers to hold. */
	u64 global_ctrl;
	u64 fixed_ctrl;
	/* Counters that the host has used and left as they were. */
	mpmu_pmcs dirty;
	u32 samples;
	/* NMIs that came when the guest had been told already. */
	u32 strays;
	/* A guest has been told, but not by the NMI: it is still to come. */
	bool expects_nmi;
	bool in_nmi;
	/* The NMI that is pending comes after so many accesses of the library; 0: not so. */
	u32 nmi_after;
};

struct stub_cpu {
	struct mpmu_cpu mpmu;
	struct stub_pmu pmu;
	struct stub_perf perf;
	/* Register accesses of the library on this CPU. */
	u64 reads;
	u64 writes;
	u64 routes;
	/* mpmu_reclaim() is on the stack. */
	bool reclaiming;
	/* The performance interrupt is late: on its way to the local APIC. */
	bool late_pmi;
	/* The NMI of a guest's overflow comes some time after the exit. */
	bool late_nmi;
	/* Times that plain events were stopped for a guest, or one of them refused that. */
	u64 swaps;
	u64 refusals;
	/* Late ones that were waited for, and polls for some that did not come. */
	u64 drained;
	u64 polls;
};

/* How long an interrupt is waited for in vain. */
#define STUB_DRAIN_POLLS 256
#define STUB_BRIEF_POLLS 16

/* MSRs that have an intercept bit, three ranges in one row; the rest is intercepted. */
#define STUB_BITMAP_LOW    0x800
#define STUB_BITMAP_GLOBAL 0xc0000300
#define STUB_NR_GLOBAL     16
#define STUB_BITMAP_AMD    0xc0010000
#define STUB_NR_AMD        0x300
#define STUB_NR_MSRS       (STUB_BITMAP_LOW + STUB_NR_GLOBAL + STUB_NR_AMD)

struct stub_vcpu {
	struct mpmu_vcpu mpmu;
	struct mpmu_stats stats;
	struct stub_machine *machine;
	/* Where it runs or last ran. */
	struct stub_cpu *cpu;
	bool loaded;
	bool in_guest;
	const struct mpmu_filter *filter;
	u64 vmcs_global_ctrl;
	/* What VM-exit loads. */
	u64 vmcs_host_global_ctrl;
	/* VM-entry and VM-exit load GLOBAL_CTRL. */
	bool touched;
	bool lvtpc_masked;
	struct {
		bool pmi;
		bool reprogram;
		bool intercepts;
	} requests;
	/* Performance interrupts that the guest has seen. */
	u32 pmis;
	u64 exits;
	/* What the guest does to the MSR of this place, of MPMU_READ and MPMU_WRITE. */
	u8 direct[STUB_NR_MSRS];
	bool rdpmc_direct;
};

struct stub_machine {
	struct mpmu_host host;
	struct stub_cpu cpus[STUB_CPUS];
	/* The CPU that executes now, and its IRQ flag. */
	struct stub_cpu *here;
	bool irqs_off;
	/* A vCPU that leaves a CPU leaves its registers there, until somebody wants it. */
	bool parks;
	/* Events of the host that are installed from now on are plain. */
	bool shares;
	/* Called wherever an interrupt or preemption may come in, IRQs on. */
	void (*interruptible)(struct stub_machine *machine, void *data);
	void *data;
};

extern const struct mpmu_ops stub_ops;

static inline struct stub_vcpu *stub_vcpu_of(const struct mpmu_vcpu *vcpu)
{
	return (struct stub_vcpu *)((char *)vcpu - offsetof(struct stub_vcpu, mpmu));
}

/* Machine.  Returns what mpmu_host_init() says. */
int stub_machine_init(struct stub_machine *machine, const struct mpmu_caps *caps);
/* CPU hotplug, suspend: registers are at reset, the host starts over. */
void stub_cpu_reset(struct stub_machine *machine, struct stub_cpu *cpu);

/* A vCPU and its moves between CPUs. */
void stub_vcpu_init(struct stub_vcpu *vcpu, struct stub_machine *machine,
		    const struct mpmu_caps *caps);
void stub_vcpu_load(struct stub_vcpu *vcpu, struct stub_cpu *cpu);
void stub_vcpu_put(struct stub_vcpu *vcpu);
void stub_vcpu_reset(struct stub_vcpu *vcpu);
/* Nobody uses it any more. */
void stub_vcpu_end(struct stub_vcpu *vcpu);

/*
 * What ends the stay of parked registers, besides loading the vCPU elsewhere: on
 * the CPU of the vCPU; on this CPU, whosever they are.  To be called before the two
 * that follow, and before a CPU is switched off.
 */
void stub_vcpu_evict(struct stub_vcpu *vcpu);
void stub_make_room(struct stub_machine *machine);
/* A task of the host may use RDPMC here. */
void stub_task_rdpmc(struct stub_machine *machine);
/* A guest of which the library knows nothing runs here. */
void stub_foreign_run(struct stub_machine *machine, const struct stub_work *work);
void stub_vcpu_set_flags(struct stub_vcpu *vcpu, u32 set, u32 clear);
void stub_vcpu_set_filter(struct stub_vcpu *vcpu, const struct mpmu_filter *filter);

/* World switch; both do nothing where the vCPU is on the wanted side. */
void stub_enter(struct stub_vcpu *vcpu);
void stub_exit(struct stub_vcpu *vcpu);

/* What guest code does; false is #GP(0).  Each enters first. */
bool stub_guest_rdmsr(struct stub_vcpu *vcpu, u32 msr, u64 *value);
bool stub_guest_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value);
bool stub_guest_rdpmc(struct stub_vcpu *vcpu, u32 ecx, u64 *value);
void stub_guest_run(struct stub_vcpu *vcpu, const struct stub_work *work);
void stub_guest_mask_lvtpc(struct stub_vcpu *vcpu, bool masked);
/* One instruction that the hypervisor emulates. */
void stub_guest_emulated(struct stub_vcpu *vcpu, bool branch, u32 cpl);

/* The same, without leaving the section in which IRQs are off. */
void stub_guest_fastpath(struct stub_vcpu *vcpu, bool branch, u32 cpl);

/* Access by the owner of the VM, from anywhere. */
enum mpmu_result stub_host_rdmsr(struct stub_vcpu *vcpu, u32 msr, u64 *value);
enum mpmu_result stub_host_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value);

/* The MSR and RDPMC bitmaps: which MSR has place I of STUB_NR_MSRS. */
u32 stub_msr_at(u32 i);
u32 stub_intercepts(const struct stub_vcpu *vcpu, u32 msr);
void stub_set_intercept(struct stub_vcpu *vcpu, u32 msr, u32 access, bool intercept);

/* Interrupts that are due on this CPU. */
void stub_take_interrupts(struct stub_machine *machine);
/* LVTPC of the owner's CPU follows the guest's. */
void stub_sync_lvtpc(struct stub_vcpu *vcpu);

/* Invariant 8 of docs/design.md; a broken one is a fault. */
void stub_check_beyond(const struct stub_vcpu *vcpu);
/* Invariants 1, 2 and 4. */
void stub_check_invariants(const struct stub_vcpu *vcpu);
/* Invariant 3: enter and exit, with nothing counting, and compare. */
void stub_check_round_trip(struct stub_vcpu *vcpu);

/* The host's perf, on machine->here unless a CPU is given. */
void stub_perf_init(struct stub_cpu *cpu);
void stub_perf_install(struct stub_machine *machine, u32 slot, u32 pmc, u64 eventsel, u64 start);
void stub_perf_remove(struct stub_machine *machine, u32 slot);
bool stub_perf_active(const struct stub_cpu *cpu);
/* While a guest runs, plain events go on on these counters alone; false: not yet. */
bool stub_perf_share(struct stub_machine *machine, mpmu_pmcs host);
void stub_perf_displace(struct stub_machine *machine);
void stub_perf_restore(struct stub_machine *machine);
void stub_perf_take_nmi(struct stub_machine *machine);
/* Host code runs; host events are checked against the truth. */
void stub_perf_run(struct stub_machine *machine, const struct stub_work *work);
/* The hook before each use of the PMU by the host. */
void stub_perf_reclaim(struct stub_machine *machine);

#endif
