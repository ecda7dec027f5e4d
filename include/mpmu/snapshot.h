/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief A vCPU's PMU as a list of architectural MSRs, for save and restore.
 *
 * A pending performance interrupt is not among them: it is in the vCPU's local
 * APIC.  A pending overflow is, as a bit of GLOBAL_STATUS; restoring that
 * raises no interrupt.  Bits of it that no model has, 58, 59, 62 and 63 on Intel, are
 * accepted and dropped.  Registers that change others (STATUS_RESET, STATUS_SET) are accepted,
 * too, and do nothing.  Context: as in vcpu.h.
 */
#ifndef MPMU_SNAPSHOT_H
#define MPMU_SNAPSHOT_H

#include <mpmu/vcpu.h>

MPMU_BEGIN_DECLS

/** One register. */
struct mpmu_msr {
	/** MSR number. */
	u32 index;
	/** Value, as the owner of the VM reads and writes it. */
	u64 value;
};

/**
 * How many registers mpmu_snapshot_save() lists for this model: 0 where the
 * vCPU has no PMU.  Pure.  Asserted: @p vcpu.
 */
u32 mpmu_snapshot_size(const struct mpmu_vcpu *vcpu);

/**
 * List all registers that hold state, each once, whatever aliases it has.
 *
 * @param cpu  as in mpmu_msr_read()
 * @param vcpu the vCPU
 * @param list room for mpmu_snapshot_size() registers, all of which are written
 *
 * Asserted: @p vcpu, @p list.
 */
void mpmu_snapshot_save(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, struct mpmu_msr *list);

/**
 * Write a list of registers, in any order, all or none.  Registers that the
 * list lacks keep their values.
 *
 * @param cpu     as in mpmu_msr_read()
 * @param vcpu    the vCPU
 * @param list    the registers; where one is listed twice, the last counts
 * @param count   how many, in any number
 * @param err_msr where to store the MSR that was rejected, or NULL
 * @return 0; -EINVAL: not a register of this PMU, or not a value of it
 *         (*err_msr says which), or @p list is NULL and @p count is not 0;
 *         nothing changed
 *
 * Asserted: @p vcpu.
 */
int mpmu_snapshot_restore(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			  const struct mpmu_msr *list, u32 count, u32 *err_msr);

MPMU_END_DECLS

#endif
