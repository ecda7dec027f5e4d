/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief What a hypervisor supplies: the table of operations.
 *
 * Every slot is called with IRQs off, on the CPU that runs or last ran the
 * vCPU, and must not sleep; the request_ slots on any CPU.  "This CPU" is the one
 * that executes the slot, and the one whose struct mpmu_cpu the caller passed to
 * the library.  Where it passed NULL, no slot is called that is about a CPU: only
 * those about GLOBAL_CTRL in the VMCS, and requests.  Slots marked
 * (reclaim) may also be called from mpmu_reclaim(), with scheduler and host-PMU
 * locks held: raw register accesses only, no printing, no VMREAD or VMWRITE.
 * No slot is optional.
 */
#ifndef MPMU_OPS_H
#define MPMU_OPS_H

#include <mpmu/types.h>

MPMU_BEGIN_DECLS

struct mpmu_vcpu;

/** Access bits of mpmu_ops.set_intercept. */
enum mpmu_access {
	/** RDMSR. */
	MPMU_READ = 1,
	/** WRMSR. */
	MPMU_WRITE = 2,
};

/**
 * The operations.  In the order of ops.def:
 *
 * - rdmsr (reclaim): read a PMU MSR of this CPU.
 * - wrmsr (reclaim): write a PMU MSR of this CPU; the core writes no reserved
 *   bit and nothing while the host owns the PMU.
 * - get_global_ctrl: the GLOBAL_CTRL that VM-entry loads and VM-exit saves for
 *   this vCPU (a VMREAD, or the auto-store slot).  Only where the host has
 *   MPMU_FEAT_VMCS_GLOBAL_CTRL; the vCPU's VMCS is current.
 * - set_global_ctrl: set it; pairs with get_global_ctrl.
 * - set_intercept: intercept, or pass through, RDMSR and/or WRMSR (enum
 *   mpmu_access bits) of one MSR for this vCPU.  A filter of the VM's owner
 *   wins over "pass through".
 * - set_rdpmc_intercept: the same for RDPMC.
 * - set_touched: the vCPU uses its PMU from now on (true): load GLOBAL_CTRL at
 *   entry and exit, stop the host's own switch of it; or no longer (false).
 * - host_active: is an event of the host on this CPU's PMU now, on a counter that is
 *   not lent (mpmu_share())?  Called only while no vCPU owns the PMU.  The owner's
 *   entry does not ask: the host has to call mpmu_reclaim() before it puts an event
 *   on the PMU.
 * - displace: take these events off this CPU's PMU.  Pairs with restore.
 * - restore: let them run again.
 * - share: while this vCPU runs, the events of the host that count go on on exactly
 *   these counters, all lent.  From now on VM-exit loads their bits, and no other,
 *   into GLOBAL_CTRL, if the host has MPMU_FEAT_VMCS_GLOBAL_CTRL.  If the vCPU owns
 *   the PMU, events on other lent counters stop now, their counts kept, and those
 *   that had been stopped go on: the core has written guest values to their registers,
 *   and to their field of FIXED_CTR_CTRL, or does so next.  A lent counter that goes
 *   back with no event of the host on it gets 0, and so does its control: nothing of
 *   the guest stays there.  Without that feature the bits
 *   of all lent counters stay set in GLOBAL_CTRL while a vCPU owns the PMU.
 *   A good time to move such an event to another counter.  False: one that has to
 *   stop has overflowed, and its interrupt is still to come; nothing changed.  Called
 *   by mpmu_enter() and, with all lent counters, by mpmu_exit(); by nothing else, and
 *   never where mpmu_share() is not.
 * - own: the registers of this CPU's PMU hold a guest's values from now on;
 *   NMIs of the host must not read or acknowledge them.  Called before the
 *   first write of a guest value, with no host event on the PMU but those on lent
 *   counters, which go on.  True: but for the bits of these GLOBAL_CTRL is 0 in hardware and
 *   no status bit is set of a counter or of PERF_METRICS, whether guests have it or
 *   not; pairs with disown.  False: a
 *   status bit says that a performance interrupt of the host is still to come;
 *   nothing changed.  The backend bounds how often in a row it says so.
 * - disown (reclaim): they hold none any more, though own may have been called for
 *   another vCPU, whose registers were taken over since; restore what the host believes
 *   of control registers, and the routing of the PMI to the host.
 * - take_dirty: which of the given counters, bit 48 for PERF_METRICS among them,
 *   has the host used since it was asked last, so that these, or their selectors, may
 *   hold values of the host?  All others hold what the core left in them.  PERF_METRICS
 *   does not wherever fixed counter 3 has counted.  The caller overwrites all that are
 *   named, and the port forgets them.  One too many costs a write; none may be named
 *   that was not asked for.  Others stay for the host to clean, before one of its tasks
 *   may read them, and also while a vCPU owns the PMU: selectors, too.
 * - route_pmi: route this CPU's performance interrupt to the guest's vector,
 *   masked as the guest's own LVTPC is.  Not called while counters are lent: then it
 *   stays the host's, and not masked.
 * - drain_pmi (reclaim): counters stand still, and a counter of the guest may
 *   have overflowed just now.  Wait until the local APIC has latched the interrupt
 *   that may be on its way.  It still is the guest's vector, so it reaches
 *   mpmu_pmi() once IRQs are open.  The backend bounds the wait well above what an
 *   interrupt takes.  If @p briefly is true it bounds it just above that, at a few
 *   polls: the guest has made it wait in vain lately.  True: it has waited in vain,
 *   to the end.  Nothing to wait for where LVTPC is masked.
 * - request_pmi (reclaim): raise a performance interrupt in the vCPU through its
 *   LVTPC, before its next entry; wakes it, but not under a lock that the caller may
 *   hold: from mpmu_reclaim(), mpmu_share() and mpmu_nmi() the wake-up is left to
 *   another interrupt.
 * - request_reprogram: call mpmu_vcpu_reprogram() before the next entry.
 * - request_intercepts: call mpmu_vcpu_update_intercepts() before the next
 *   entry.
 */
struct mpmu_ops {
#define MPMU_OP(ret, name, args) ret(*name) args;
#include <mpmu/ops.def>
#undef MPMU_OP
};

MPMU_END_DECLS

#endif
