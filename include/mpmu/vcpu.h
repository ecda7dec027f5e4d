/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief The PMU of a vCPU and its life: configuration, register access,
 *        world switch.
 *
 * Context of all functions unless stated otherwise: IRQs off, on the CPU
 * whose struct mpmu_cpu is passed; one thread per vCPU at a time.
 */
#ifndef MPMU_VCPU_H
#define MPMU_VCPU_H

#include <mpmu/caps.h>
#include <mpmu/filter.h>
#include <mpmu/ops.h>

MPMU_BEGIN_DECLS

struct mpmu_desc;

/** One per machine; constant after mpmu_host_init(). */
struct mpmu_host {
	/** The backend. */
	const struct mpmu_ops *ops;
	/** What the hardware has. */
	struct mpmu_caps caps;
	/** The core's table of the vendor. */
	const struct mpmu_desc *desc;
	/** Counters, and PERF_METRICS, of the hardware. */
	mpmu_pmcs pmcs;
	/** Those of them that have MSR numbers which the core knows. */
	mpmu_pmcs reachable;
};

/** One per physical CPU; zero-initialised. */
struct mpmu_cpu {
	/** The owner, if its next entry and exit have nothing to do; NULL: they have. */
	const struct mpmu_vcpu *settled;
	/** The vCPU whose values are in the registers, or NULL: the host. */
	struct mpmu_vcpu *owner;
	/** The vCPU that a late performance interrupt belongs to, or NULL. */
	struct mpmu_vcpu *pmi_target;
	/** Counters, and PERF_METRICS, that hold 0 unless the host has used them since. */
	mpmu_pmcs zero_counters;
	/** Those that hold nothing of the host but what take_dirty() says. */
	mpmu_pmcs cleaned;
	/** Counters of the host, whoever owns the rest: mpmu_share(). */
	mpmu_pmcs lent;
	/**
	 * Of these the owner has some until mpmu_exit(), as it has enabled them; bit
	 * 63: all other events of the host are off this CPU's PMU until then.
	 */
	mpmu_pmcs displaced;
	/** GP selectors that hold 0, the same. */
	u32 zero_eventsels;
	/** One may be latched by the local APIC, and has not come yet. */
	bool pmi_latched;
};

/** State of a vCPU that decides intercepts besides its capabilities. */
enum mpmu_vcpu_flag {
	/** The guest has used its PMU; registers may be direct. */
	MPMU_VCPU_TOUCHED = 1u << 0,
	/** EFER.SVME of the guest (AMD). */
	MPMU_VCPU_SVME = 1u << 1,
	/** The vCPU runs its own guest (L2). */
	MPMU_VCPU_GUEST_MODE = 1u << 2,
	/** Status registers hold bits of the host (PT): intercept them. */
	MPMU_VCPU_HOST_STATUS = 1u << 3,
	/** The vCPU has owned a PMU since it was last looked whether that is idle. */
	MPMU_VCPU_ENTERED = 1u << 4,
	/**
	 * Policy direct: GLOBAL_CTRL, the status and RDPMC are not intercepted for
	 * what the host has beyond the model, as that is inert: it reads 0 and never
	 * counts.  The guest can notice: see docs/msr-policy.md.
	 */
	MPMU_VCPU_DIRECT = 1u << 5,
	/**
	 * With MPMU_VCPU_DIRECT, a consent of the machine's owner: RDPMC is direct on
	 * hosts with MPMU_FEAT_RDPMC_UNCORE, too.  The guest can then read the NB and
	 * L3 counters of the host, which count what all others do.
	 */
	MPMU_VCPU_UNCORE_RDPMC = 1u << 6,
};

/** Classes of registers, for struct mpmu_stats. */
enum mpmu_class {
	/** A counter, or PERF_METRICS, by MSR. */
	MPMU_CLASS_COUNTER,
	/** A GP selector. */
	MPMU_CLASS_EVENTSEL,
	/** FIXED_CTR_CTRL. */
	MPMU_CLASS_FIXED_CTRL,
	/** GLOBAL_CTRL. */
	MPMU_CLASS_GLOBAL_CTRL,
	/** GLOBAL_STATUS, the registers that clear and set it, GLOBAL_INUSE. */
	MPMU_CLASS_STATUS,
	/** The same, by RDPMC. */
	MPMU_CLASS_RDPMC,
	/** Number of classes. */
	MPMU_NR_CLASSES,
};

/** Why a vCPU became the owner of a PMU, or ceased to be it. */
enum mpmu_cause {
	/** It entered the guest: now it is the owner.  All others end that. */
	MPMU_CAUSE_ENTRY,
	/** It left the CPU, or returned to user space; or is evicted later for that. */
	MPMU_CAUSE_PUT,
	/** The host took the PMU back for an event of its own. */
	MPMU_CAUSE_RECLAIM,
	/** VM-exit, and events of the host were displaced by the entry. */
	MPMU_CAUSE_DISPLACED,
	/** Another vCPU entered on this CPU, without a put between. */
	MPMU_CAUSE_OTHER,
	/** RESET of the vCPU. */
	MPMU_CAUSE_RESET,
	/** Number of causes. */
	MPMU_NR_CAUSES,
};

/** Registers where the owner of a PMU changes. */
struct mpmu_moves {
	/** Read. */
	u64 read;
	/** Written. */
	u64 written;
	/** Not written, being known to hold the value. */
	u64 skipped;
};

/**
 * What has happened to a vCPU: events, not time.  The caller's, who may clear
 * it, and reads it as it is.  Kept by mpmu_vcpu_configure() and
 * mpmu_vcpu_reset(), part of no snapshot.  Plain counters without a lock: a
 * reader on another CPU may see any mix of old and new, and an interrupt that
 * arrives late, where the vCPU no longer is, may be missing.
 */
struct mpmu_stats {
	/** Changes of owner, by enum mpmu_cause. */
	u64 owner_changes[MPMU_NR_CAUSES];
	/** The registers of all of them. */
	struct mpmu_moves registers;
	/** Performance interrupts raised in the vCPU. */
	u64 pmis;
	/** PMCs that the guest enabled and mpmu_vcpu_reprogram() found denied. */
	u64 denied_events;
	/** Accesses by the guest that were not direct, refused ones included. */
	u64 exits[MPMU_NR_CLASSES];
};

/**
 * The PMU of one vCPU.  Plain data, caller-owned, copyable while no CPU owns
 * it; written by the functions below only.  A copy of a touched vCPU lacks the
 * GLOBAL_CTRL that is in its VMCS: mpmu_snapshot_save() reads that, too.
 */
struct mpmu_vcpu {
	/** The machine. */
	const struct mpmu_host *host;
	/** The guest's model, clamped to the host's. */
	struct mpmu_caps caps;
	/** GP selectors as the guest wrote them. */
	u64 eventsel[MPMU_MAX_GP];
	/** GP selectors as hardware gets them. */
	u64 eventsel_hw[MPMU_MAX_GP];
	/** GP counters, valid while not resident, or lent. */
	u64 gp[MPMU_MAX_GP];
	/** Fixed counters, valid while not resident, or lent. */
	u64 fixed[MPMU_MAX_FIXED];
	/** PERF_METRICS, valid while not resident, or lent. */
	u64 metrics;
	/** FIXED_CTR_CTRL as the guest wrote it. */
	u64 fixed_ctrl;
	/** FIXED_CTR_CTRL as hardware gets it. */
	u64 fixed_ctrl_hw;
	/**
	 * GLOBAL_CTRL, bits of the model.  Not valid while it lives in the VMCS (the
	 * host has MPMU_FEAT_VMCS_GLOBAL_CTRL and the vCPU is touched) or in
	 * hardware (resident otherwise); but always while counters are lent.
	 */
	u64 global_ctrl;
	/**
	 * GLOBAL_STATUS; of an owner beside lent counters the bits that the guest has
	 * been told of, and 0 of any other.  Aligned, as mpmu_nmi() sets bits in it.
	 */
	u64 global_status __attribute__((__aligned__(8)));
	/** PMCs whose _hw image must be computed before the next entry. */
	mpmu_pmcs reprogram;
	/** PMCs enabled in their _hw selector that count retired instructions. */
	mpmu_pmcs counts_instructions;
	/** The same for retired branches. */
	mpmu_pmcs counts_branches;
	/** PMCs of these that do not count at each CPL: of others mpmu_emulate() takes any. */
	mpmu_pmcs counts_by_cpl;
	/** PMCs that their _hw image enables, GLOBAL_CTRL apart. */
	mpmu_pmcs enabled;
	/** PMCs whose _hw image enabled them, and was changed since the vCPU became the owner. */
	mpmu_pmcs disabled;
	/** PMCs whose saved value is not 0, valid as that is. */
	mpmu_pmcs nonzero_counters;
	/** Counters of the host where the vCPU entered last, beyond the model, too. */
	mpmu_pmcs lent;
	/** PMCs that a change of owner moves: those of the model that are not lent. */
	mpmu_pmcs moved;
	/** Status bits that are its own while it owns the PMU, beyond the model, too. */
	mpmu_pmcs reported;
	/** GP selectors whose _hw image is not 0. */
	u32 nonzero_eventsels;
	/** enum mpmu_vcpu_flag bits. */
	u32 flags;
	/** Owner changes in a row without an enabled PMC. */
	u32 idle_switches;
	/** Owner changes to come that waits in vain for an interrupt have used up. */
	u32 drain_debt;
	/** How many registers of the model a change of owner reads. */
	u8 readable;
	/** How many it may have to write. */
	u8 writable;
	/** A CPU's PMU holds its values: mpmu_held(). */
	bool held;
	/** The caller's, for whoever wants to know; decides nothing. */
	struct mpmu_stats *stats;
};

/**
 * Check a backend and describe the machine.  Once, before the other functions;
 * any context.
 *
 * @return 0; -EINVAL: NULL, an op that is NULL, or @p caps contradicts itself;
 *         -EOPNOTSUPP: mpmu_caps_missing() names the reason.  Nothing is
 *         written on an error.
 */
int mpmu_host_init(struct mpmu_host *host, const struct mpmu_ops *ops,
		   const struct mpmu_caps *caps);

/**
 * Make an unconfigured vCPU: no PMU, every register intercepted, untouched.
 * What happens to it is added to @p stats, which nothing here sets to 0, and
 * which copies of the vCPU share.
 * Asserted: @p vcpu, @p host and @p stats are not NULL.
 */
void mpmu_vcpu_init(struct mpmu_vcpu *vcpu, const struct mpmu_host *host,
		    struct mpmu_stats *stats);

/**
 * Give the vCPU a model, clamped to the host's, and reset it.  The vCPU must
 * not own a PMU, which is not looked at.  Requests new intercepts.
 *
 * @return 0; -EINVAL: @p caps is NULL or contradicts itself (see
 *         mpmu_caps_valid()); nothing changed
 *
 * Asserted: @p vcpu.
 */
int mpmu_vcpu_configure(struct mpmu_vcpu *vcpu, const struct mpmu_caps *caps);

/**
 * RESET of the vCPU's PMU: all registers to their architectural reset values,
 * untouched again.  Its statistics go on.  @p cpu as in mpmu_msr_read().  A
 * performance interrupt that is latched by then still comes, through mpmu_pmi():
 * the reset of the guest's local APIC decides what becomes of it.
 * Asserted: @p vcpu.
 */
void mpmu_vcpu_reset(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);

/**
 * The vCPU goes away or its memory moves: no CPU may remember it.  Call for
 * each CPU, after the last mpmu_put(), or mpmu_evict().  Any context in which @p cpu
 * cannot change.  Where it owns the PMU all the same, its values are lost, and those in
 * hardware stay there, counting, until another vCPU owns it, which does not find them.
 * Asserted: @p cpu and @p vcpu are not NULL.
 */
void mpmu_cpu_forget_vcpu(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu);

/**
 * Hardware was reset or lost power (hotplug, resume): nothing is known, and no
 * counter is lent until mpmu_share() says so.  An owner's values are lost:
 * mpmu_reclaim() before the power goes.
 * Asserted: @p cpu.
 */
void mpmu_cpu_reset(struct mpmu_cpu *cpu);

/**
 * Is @p msr a register of this vCPU's PMU?  Pure; any context.
 * Asserted: @p vcpu.
 */
bool mpmu_msr_exists(const struct mpmu_vcpu *vcpu, u32 msr);

/**
 * Read a PMU MSR, live or saved (Intel SDM, "Performance Monitoring"; AMD APM,
 * "Performance Monitoring Counters").  @p cpu is this CPU, or NULL where no CPU
 * holds values of the vCPU; so for all accesses below.  NULL or not, the VMCS of
 * a touched vCPU is current where GLOBAL_CTRL is in it: get_global_ctrl may be
 * called.
 * Asserted: @p vcpu, @p value, and that @p by is a known initiator.
 */
enum mpmu_result mpmu_msr_read(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr,
			       enum mpmu_initiator by, u64 *value);

/**
 * The guest executes WRMSR, which has exited: check, then commit, and the
 * instruction retires.  PMCs that it stops count it, those that it starts do not.
 * After MPMU_DONE the caller does not advance counters for it again.  A selector
 * takes effect after mpmu_vcpu_reprogram(); until then it is disabled in hardware.
 * Asserted: @p vcpu.
 */
enum mpmu_result mpmu_wrmsr(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr, u64 value);

/**
 * The owner of the VM writes a register of a vCPU, by an ioctl or its like: never
 * for an exit of the guest.  No instruction retires, and the guest has not used
 * its PMU by that.  The owner may write the status, and a counter in full by
 * either of its names.
 * Asserted: @p vcpu.
 */
enum mpmu_result mpmu_owner_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr, u64 value);

/**
 * A VM-entry or VM-exit of the guest's own guest loads a register, by a field of
 * the VMCS or a list of MSRs: checked as the guest's WRMSR, but no instruction.
 * Asserted: @p vcpu.
 */
enum mpmu_result mpmu_nested_msr_load(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr,
				      u64 value);

/**
 * RDPMC with @p ecx (Intel SDM and AMD APM, "RDPMC" in the instruction
 * reference).  CPL and CR4.PCE are the caller's to check.
 * Asserted: @p vcpu, @p value.
 */
enum mpmu_result mpmu_rdpmc(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 ecx, u64 *value);

/** Would mpmu_rdpmc() be valid?  Pure; any context.  Asserted: @p vcpu. */
bool mpmu_rdpmc_valid(const struct mpmu_vcpu *vcpu, u32 ecx);

/**
 * Compute _hw images of requested PMCs against @p filter (NULL: all allowed).
 * Asserted: @p vcpu, and that a filter is of the host's vendor.
 */
void mpmu_vcpu_reprogram(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			 const struct mpmu_filter *filter);

/**
 * A new filter holds: request all PMCs.  Any CPU; no other call for this vCPU at
 * the same time, and it does not run guest code.  Asserted: @p vcpu.
 */
void mpmu_vcpu_filter_changed(struct mpmu_vcpu *vcpu);

/**
 * Something outside the PMU has changed that decides about it.  On AMD that is
 * EFER.SVME, or guest mode.  On Intel, whether status registers hold bits of the
 * host.  On both, what policy direct lets the guest reach.
 *
 * @param vcpu  the vCPU
 * @param set   enum mpmu_vcpu_flag bits to set (SVME, GUEST_MODE, HOST_STATUS,
 *              DIRECT, UNCORE_RDPMC)
 * @param clear bits to clear, but for those to set
 *
 * They outlast mpmu_vcpu_configure() and mpmu_vcpu_reset().  Other bits, known or
 * not, are ignored.  Asserted: @p vcpu.
 */
void mpmu_vcpu_set_flags(struct mpmu_vcpu *vcpu, u32 set, u32 clear);

/**
 * Which accesses (enum mpmu_access bits) of @p msr are intercepted?  All of an
 * MSR that is not this PMU's.  Pure.  Asserted: @p vcpu.
 */
u32 mpmu_msr_intercepts(const struct mpmu_vcpu *vcpu, u32 msr);

/** Is RDPMC intercepted?  Pure.  Asserted: @p vcpu. */
bool mpmu_rdpmc_intercepted(const struct mpmu_vcpu *vcpu);

/**
 * Which accesses of @p msr are intercepted while the vCPU runs a guest of its
 * own?  One is direct just where this vCPU has it direct, and its hypervisor
 * passes it through.  A filter of the VM's owner wins here, too.  Pure.
 *
 * @param vcpu the vCPU
 * @param msr  any MSR: one that is not this PMU's is intercepted
 * @param l1   enum mpmu_access bits that the guest's hypervisor intercepts:
 *             what the bitmap of its VMCS or VMCB says of this very number
 *             (AMD: each alias has its own), both where it uses no bitmap;
 *             with any other bit, everything is intercepted
 *
 * Asserted: @p vcpu.
 */
u32 mpmu_nested_msr_intercepts(const struct mpmu_vcpu *vcpu, u32 msr, u32 l1);

/**
 * The same for RDPMC; @p l1: the guest's hypervisor intercepts it.  Pure.
 * Asserted: @p vcpu.
 */
bool mpmu_nested_rdpmc_intercepted(const struct mpmu_vcpu *vcpu, bool l1);

/**
 * Apply what is intercepted to every PMU MSR and RDPMC through the ops.
 * Asserted: @p vcpu.
 */
void mpmu_vcpu_update_intercepts(const struct mpmu_vcpu *vcpu);

/**
 * Before VM-entry.  After success the vCPU owns the PMU, if it is touched.
 * Pairs with mpmu_exit().  Calls no op where the vCPU owned it before, lent
 * counters that it uses apart, or is untouched and nobody did.
 *
 * @return 0, or -EAGAIN: open IRQs, handle requests and try again.  There are
 *         four causes.  A performance interrupt of the host is pending.  One of
 *         the PMU's last owner is pending, which is another vCPU.  The vCPU
 *         has counted nothing for some owner changes: it is untouched now, and
 *         requests new intercepts.  Or it entered last where other counters were
 *         lent: it requests new intercepts.  Another vCPU that was the owner has
 *         lost the PMU in any case; this one may be the owner.
 *         -EINVAL: another CPU holds the vCPU's values (see mpmu_park()); nothing
 *         changed.
 *
 * Asserted: @p cpu, @p vcpu.
 */
int mpmu_enter(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);

/**
 * After VM-exit, while the vCPU's VMCS is current.  Accesses registers only if host
 * events were displaced.  A vCPU whose PMU has counted nothing for some owner
 * changes becomes untouched then.
 * Asserted: @p cpu, @p vcpu.
 */
void mpmu_exit(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);

/**
 * The vCPU leaves this CPU or returns to user space, before its VMCS is put
 * away.  Its registers are saved and scrubbed; where it owns nothing, no register
 * is accessed.  A vCPU whose PMU has counted nothing for some owner changes becomes
 * untouched.  GLOBAL_CTRL that lives in the VMCS stays there while it is touched.
 * Asserted: @p cpu, @p vcpu.
 */
void mpmu_put(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);

/**
 * Instead of mpmu_put(): the vCPU leaves, and its registers stay, for as long as
 * nobody else wants the PMU of this CPU.  No register is accessed.  What ends that
 * is one of: the entry of another vCPU here, which takes the registers over;
 * mpmu_reclaim(); mpmu_evict(), which is the port's to call
 * - before the vCPU is loaded on another CPU, or its registers are accessed or
 *   saved from elsewhere: on this CPU, by an interprocessor call, if mpmu_held();
 * - before this CPU runs a guest that the library does not know;
 * - before code of the host that may use RDPMC runs here (CR4.PCE is set, or set
 *   for the task that is switched to);
 * - before this CPU goes offline or stops virtualization, and the vCPU's end.
 *
 * A performance interrupt may arrive here while the vCPU is elsewhere.
 * Asserted: @p cpu, @p vcpu.
 */
void mpmu_park(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);

/**
 * If @p vcpu owns the PMU of this CPU, save and scrub its registers; NULL: if any
 * vCPU does.  The contract of mpmu_reclaim(), for other users than the host's events.
 * Asserted: @p cpu.
 */
void mpmu_evict(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu);

/**
 * Does the PMU of some CPU hold the vCPU's values?  That is where it entered last.
 * Any CPU: once this is false, the values saved by that CPU are seen.
 * Asserted: @p vcpu is not NULL.
 */
static inline bool mpmu_held(const struct mpmu_vcpu *vcpu)
{
	mpmu_assert(vcpu);
	return __atomic_load_n(&vcpu->held, __ATOMIC_ACQUIRE);
}

/**
 * The host is about to use this CPU's PMU: save and scrub the owner's
 * registers.  IRQs off, any locks; no-op where the host owns it.  To be called
 * before any event of the host is on the PMU: the entry of an owner does not
 * look for one.  Asserted: @p cpu.
 */
void mpmu_reclaim(struct mpmu_cpu *cpu);

/**
 * From now on exactly these counters of this CPU are the host's, for plain events:
 * a counter and its control, that count in the host alone.  Guests have the others,
 * and neither an entry nor an exit stops these events.  The contract of
 * mpmu_reclaim(), which this takes the place of, if the set changes; no-op
 * otherwise.  To be called before the first of them is written, and after the last
 * has been.  Bits that the machine lacks lend nothing.  PERF_METRICS goes with fixed
 * counter 3.
 *
 * While a vCPU owns the rest, the host writes the registers of these counters, their
 * fields of FIXED_CTR_CTRL, and their bits of GLOBAL_CTRL and of the status, and
 * keeps the others.  The library reads FIXED_CTR_CTRL and writes it back with IRQs off:
 * no NMI handler of the host may write it in between.  So an event that a handler stops,
 * as one that samples, has a GP counter, or the port displaces it.
 *
 * LVTPC is the host's then, and mpmu_nmi() finds the guest's part.  A port that never
 * calls this has none of it, and displaces.
 * Asserted: @p cpu.
 */
void mpmu_share(struct mpmu_cpu *cpu, mpmu_pmcs host);

/**
 * A performance interrupt of the host has come on this CPU, of which the port has
 * handled what belongs to lent counters.  Has a counter of the owner caused it, the
 * guest gets an interrupt through request_pmi, and its status bit goes to what is
 * saved.  Any context, NMI too; so is request_pmi then.
 *
 * @param cpu this CPU
 *
 * @return true: the guest has got one.  False, and no counter of the host had a bit:
 *         it came late, after the owner had changed, and was told in time.
 *
 * Asserted: @p cpu.
 */
bool mpmu_nmi(struct mpmu_cpu *cpu);

/**
 * The host is about to use LVTPC for an interrupt of its own, while a vCPU goes on
 * owning the PMU: Intel PT traces the host, for one.  If an interrupt of the owner
 * is on its way, this waits for it, by drain_pmi.  Counters of the guest stand
 * still, as after VM-exit.  No-op where the host owns the PMU.  Asserted: @p cpu.
 */
void mpmu_drain(struct mpmu_cpu *cpu);

/** Does the vCPU own this CPU's PMU?  Not where @p cpu is NULL. */
static inline bool mpmu_resident(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	return cpu && cpu->owner == vcpu;
}

/**
 * The guest's performance interrupt arrived on this CPU.  Where no vCPU has
 * owned its PMU, nothing happens.  Asserted: @p cpu.
 */
void mpmu_pmi(struct mpmu_cpu *cpu);

/**
 * An instruction of the guest was emulated or skipped: advance the PMCs that
 * count @p event at @p cpl (0 to 3; any but 0 is the user's; whatever it says, if no
 * PMC with the event is in counts_by_cpl), with what a wrap entails (Intel SDM,
 * "Performance Monitoring", on overflow; AMD APM, "Performance Monitoring Counters").
 * An unknown event advances none.
 * Asserted: @p vcpu.
 */
void mpmu_emulate(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, enum mpmu_event event, u32 cpl);

MPMU_END_DECLS

#endif
