/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Register access by RDMSR, WRMSR and RDPMC: decode, check, commit.
 */
#include "internal.h"

#define INUSE_PMI (1ull << 63)

/* Bits 31:0, sign-extended: what a legacy counter write means. */
static u64 access_extend_legacy(u64 value)
{
	return ((value & 0xffffffffull) ^ 0x80000000ull) - 0x80000000ull;
}

static u64 access_eventsel_writable(const struct mpmu_vcpu *vcpu, u32 pmc)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u64 writable = desc->sel_writable;

	if (mpmu_has(&vcpu->caps, MPMU_FEAT_TSX))
		writable |= desc->sel_in_tx | (pmc == desc->in_txcp_gp ? desc->sel_in_txcp : 0);
	if (mpmu_has(&vcpu->caps, MPMU_FEAT_SVM))
		writable |= desc->sel_host_only | desc->sel_guest_only;
	return writable;
}

/*
 * Bits of a status register that are no counter's are accepted and are never set: where
 * the registers are direct the guest could neither see nor clear a saved one.
 */
static u64 access_writable(const struct mpmu_vcpu *vcpu, struct mpmu_reg reg)
{
	mpmu_pmcs pmcs = mpmu_all_pmcs(&vcpu->caps);

	switch (reg.kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		return mpmu_mask(mpmu_width(&vcpu->caps, reg.pmc));
	case MPMU_KIND_EVENTSEL:
		return access_eventsel_writable(vcpu, reg.pmc);
	case MPMU_KIND_FIXED_CTRL:
		return mpmu_fixed_fields(vcpu->caps.counters, MPMU_FIXED_WRITABLE);
	case MPMU_KIND_GLOBAL_CTRL:
	case MPMU_KIND_STATUS_SET:
		return pmcs;
	case MPMU_KIND_STATUS:
	case MPMU_KIND_STATUS_CLEAR:
		return pmcs | mpmu_desc(vcpu)->status_extra;
	case MPMU_KIND_NONE:
	case MPMU_KIND_INUSE:
		break;
	}
	return ~0ull;
}

/* The status itself is for the owner of the VM to write. */
static bool access_is_read_only(struct mpmu_reg reg)
{
	return reg.kind == MPMU_KIND_STATUS || reg.kind == MPMU_KIND_INUSE;
}

/* The owner of a VM may restore what another width held. */
static bool access_drops_excess(struct mpmu_reg reg, enum mpmu_initiator by)
{
	return reg.kind == MPMU_KIND_GP_LEGACY ||
	       (by == MPMU_BY_HOST &&
		(reg.kind == MPMU_KIND_FIXED || reg.kind == MPMU_KIND_METRICS));
}

/*
 * All that can fail; makes *value what access_commit() stores.  Reserved bits fault
 * or are dropped, as the vendor has it.  What the owner of the VM restores of a legacy
 * counter was read in full: there is no sign to extend.
 */
static enum mpmu_result access_check(const struct mpmu_vcpu *vcpu, struct mpmu_reg reg,
				     enum mpmu_initiator by, u64 *value)
{
	u64 writable = access_writable(vcpu, reg);

	if (reg.kind == MPMU_KIND_NONE)
		return MPMU_NOT_PMU;
	if (mpmu_desc(vcpu)->strict && !access_drops_excess(reg, by) &&
	    (*value & ~writable || (by == MPMU_BY_GUEST && access_is_read_only(reg))))
		return MPMU_GP;
	if (by == MPMU_BY_GUEST && reg.kind == MPMU_KIND_GP_LEGACY)
		*value = access_extend_legacy(*value);
	*value &= writable;
	return MPMU_DONE;
}

static void access_commit_eventsel(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	/* The filter has answered for it already, and what is denied stays off. */
	if (vcpu->eventsel[pmc] == value)
		return;
	/* A request of the old value must not enable the new one. */
	mpmu_cancel_reprogram(vcpu, mpmu_bit(pmc));
	mpmu_eventsel_hw_write(cpu, vcpu, pmc, mpmu_eventsel_disabled(mpmu_desc(vcpu), value));
	vcpu->eventsel[pmc] = value;
	if (value & MPMU_SEL_ENABLE)
		mpmu_request_reprogram(vcpu, mpmu_bit(pmc));
}

/* A field that stays as it is keeps its image: a denied one stays denied. */
static void access_commit_fixed_ctrl(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 value)
{
	mpmu_pmcs changed = 0, enabled = 0;
	u32 pmc;
	u64 hw;

	mpmu_for_each_pmc(pmc, vcpu->caps.counters & MPMU_FIXED_MASK) {
		u32 field = mpmu_fixed_field(value, pmc);

		if (field == mpmu_fixed_field(vcpu->fixed_ctrl, pmc))
			continue;
		changed |= mpmu_bit(pmc);
		if (field)
			enabled |= mpmu_bit(pmc);
	}
	mpmu_cancel_reprogram(vcpu, changed);
	hw = vcpu->fixed_ctrl_hw & ~mpmu_fixed_fields(changed, MPMU_FIXED_FIELD);
	mpmu_fixed_ctrl_hw_write(cpu, vcpu, hw);
	vcpu->fixed_ctrl = value;
	mpmu_request_reprogram(vcpu, enabled);
}

/*
 * Restoring a list of MSRs writes all three, in any order: the status itself is
 * for the owner of the VM, which the guest cannot write, and the two that change
 * it are for the guest alone.
 */
static void access_commit_status(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, enum mpmu_kind kind,
				 enum mpmu_initiator by, u64 value)
{
	if ((kind == MPMU_KIND_STATUS) != (by == MPMU_BY_HOST))
		return;
	value &= mpmu_all_pmcs(&vcpu->caps);
	if (kind == MPMU_KIND_STATUS)
		mpmu_status_clear(cpu, vcpu, mpmu_all_pmcs(&vcpu->caps));
	if (kind == MPMU_KIND_STATUS_CLEAR)
		mpmu_status_clear(cpu, vcpu, value);
	else
		mpmu_status_set(cpu, vcpu, value);
}

static void access_commit(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, struct mpmu_reg reg,
			  enum mpmu_initiator by, u64 value)
{
	switch (reg.kind) {
	case MPMU_KIND_NONE:
	case MPMU_KIND_INUSE:
		break;
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		mpmu_counter_write(cpu, vcpu, reg.pmc, value);
		break;
	case MPMU_KIND_EVENTSEL:
		access_commit_eventsel(cpu, vcpu, reg.pmc, value);
		break;
	case MPMU_KIND_FIXED_CTRL:
		access_commit_fixed_ctrl(cpu, vcpu, value);
		break;
	case MPMU_KIND_GLOBAL_CTRL:
		mpmu_global_ctrl_write(cpu, vcpu, value);
		break;
	case MPMU_KIND_STATUS:
	case MPMU_KIND_STATUS_CLEAR:
	case MPMU_KIND_STATUS_SET:
		access_commit_status(cpu, vcpu, reg.kind, by, value);
		break;
	}
}

/* Event selects other than 0, enabled fields, and any PMI enable. */
static u64 access_inuse(const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs pmcs = mpmu_pmcs_with(vcpu, MPMU_SEL_EVENT, MPMU_FIXED_OS | MPMU_FIXED_USR);

	return pmcs | (mpmu_pmcs_with(vcpu, MPMU_SEL_INT, MPMU_FIXED_PMI) ? INUSE_PMI : 0);
}

static u64 access_fetch(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, struct mpmu_reg reg)
{
	switch (reg.kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		return mpmu_counter_read(cpu, vcpu, reg.pmc);
	case MPMU_KIND_EVENTSEL:
		return vcpu->eventsel[reg.pmc];
	case MPMU_KIND_FIXED_CTRL:
		return vcpu->fixed_ctrl;
	case MPMU_KIND_GLOBAL_CTRL:
		return mpmu_global_ctrl_read(cpu, vcpu);
	case MPMU_KIND_STATUS:
		return mpmu_status_read(cpu, vcpu);
	case MPMU_KIND_INUSE:
		return access_inuse(vcpu);
	case MPMU_KIND_NONE:
	case MPMU_KIND_STATUS_CLEAR:
	case MPMU_KIND_STATUS_SET:
		break;
	}
	return 0;
}

/*
 * Will the guest go on to read counters, or count?  Kernels that never count write
 * GLOBAL_CTRL and the status, and clear selectors, as they boot: that is no use.
 */
static bool access_uses_pmu(struct mpmu_reg reg, bool write, u64 value)
{
	switch (reg.kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
		return true;
	case MPMU_KIND_EVENTSEL:
		return write && value & MPMU_SEL_ENABLE;
	case MPMU_KIND_FIXED_CTRL:
		return write && value;
	case MPMU_KIND_NONE:
	case MPMU_KIND_GLOBAL_CTRL:
	case MPMU_KIND_STATUS:
	case MPMU_KIND_STATUS_CLEAR:
	case MPMU_KIND_STATUS_SET:
	case MPMU_KIND_INUSE:
		break;
	}
	return false;
}

static const u8 classes[] = {
	[MPMU_KIND_GP] = MPMU_CLASS_COUNTER,
	[MPMU_KIND_GP_LEGACY] = MPMU_CLASS_COUNTER,
	[MPMU_KIND_FIXED] = MPMU_CLASS_COUNTER,
	[MPMU_KIND_METRICS] = MPMU_CLASS_COUNTER,
	[MPMU_KIND_EVENTSEL] = MPMU_CLASS_EVENTSEL,
	[MPMU_KIND_FIXED_CTRL] = MPMU_CLASS_FIXED_CTRL,
	[MPMU_KIND_GLOBAL_CTRL] = MPMU_CLASS_GLOBAL_CTRL,
	[MPMU_KIND_STATUS] = MPMU_CLASS_STATUS,
	[MPMU_KIND_STATUS_CLEAR] = MPMU_CLASS_STATUS,
	[MPMU_KIND_STATUS_SET] = MPMU_CLASS_STATUS,
	[MPMU_KIND_INUSE] = MPMU_CLASS_STATUS,
};

/* The register that the guest, or somebody else, wants. */
static MPMU_NOINLINE struct mpmu_reg access_find(struct mpmu_vcpu *vcpu, u32 msr,
						 enum mpmu_initiator by)
{
	struct mpmu_reg reg = mpmu_decode(vcpu, msr);

	if (by == MPMU_BY_GUEST && reg.kind != MPMU_KIND_NONE)
		vcpu->stats->exits[classes[reg.kind]]++;
	return reg;
}

enum mpmu_result mpmu_msr_read(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr,
			       enum mpmu_initiator by, u64 *value)
{
	struct mpmu_reg reg;

	mpmu_assert_vcpu(vcpu);
	mpmu_assert_initiator(by);
	mpmu_assert(value);
	reg = access_find(vcpu, msr, by);
	if (reg.kind == MPMU_KIND_NONE)
		return MPMU_NOT_PMU;
	if (by == MPMU_BY_GUEST && access_uses_pmu(reg, false, 0))
		mpmu_touch(vcpu);
	*value = access_fetch(cpu, vcpu, reg);
	return MPMU_DONE;
}

/* Would a write be done?  Changes nothing. */
enum mpmu_result mpmu_check_write(const struct mpmu_vcpu *vcpu, u32 msr, enum mpmu_initiator by,
				  u64 value)
{
	return access_check(vcpu, mpmu_decode(vcpu, msr), by, &value);
}

/* After its check. */
static void access_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, struct mpmu_reg reg,
			 enum mpmu_initiator by, u64 value)
{
	if (by == MPMU_BY_GUEST && access_uses_pmu(reg, true, value))
		mpmu_touch(vcpu);
	access_commit(cpu, vcpu, reg, by, value);
}

static MPMU_NOINLINE enum mpmu_result access_check_and_write(struct mpmu_cpu *cpu,
							     struct mpmu_vcpu *vcpu, u32 msr,
							     enum mpmu_initiator by, u64 value)
{
	struct mpmu_reg reg = access_find(vcpu, msr, by);
	enum mpmu_result result = access_check(vcpu, reg, by, &value);

	if (result == MPMU_DONE)
		access_write(cpu, vcpu, reg, by, value);
	return result;
}

enum mpmu_result mpmu_owner_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	mpmu_assert_vcpu(vcpu);
	return access_check_and_write(cpu, vcpu, msr, MPMU_BY_HOST, value);
}

enum mpmu_result mpmu_nested_msr_load(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr,
				      u64 value)
{
	mpmu_assert_vcpu(vcpu);
	return access_check_and_write(cpu, vcpu, msr, MPMU_BY_GUEST, value);
}

/* Do writes of it start and stop counters? */
static bool access_controls(struct mpmu_reg reg)
{
	return reg.kind == MPMU_KIND_EVENTSEL || reg.kind == MPMU_KIND_FIXED_CTRL ||
	       reg.kind == MPMU_KIND_GLOBAL_CTRL;
}

/*
 * Hardware counts an instruction as it retires, by the controls that it started
 * with.  A counter that it stops counts it, and one that it starts does not: so it
 * is emulated before a control is written.  A counter that it writes counts it on
 * top of the new value: so it is emulated after any other write.
 */
enum mpmu_result mpmu_wrmsr(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	enum mpmu_result result;
	struct mpmu_reg reg;

	mpmu_assert_vcpu(vcpu);
	reg = access_find(vcpu, msr, MPMU_BY_GUEST);
	result = access_check(vcpu, reg, MPMU_BY_GUEST, &value);
	if (result != MPMU_DONE)
		return result;
	if (access_controls(reg))
		mpmu_emulate(cpu, vcpu, MPMU_EVENT_INSTRUCTIONS, 0);
	access_write(cpu, vcpu, reg, MPMU_BY_GUEST, value);
	if (!access_controls(reg))
		mpmu_emulate(cpu, vcpu, MPMU_EVENT_INSTRUCTIONS, 0);
	return MPMU_DONE;
}

enum mpmu_result mpmu_rdpmc(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 ecx, u64 *value)
{
	u32 pmc;

	mpmu_assert_vcpu(vcpu);
	mpmu_assert(value);
	/* It has exited, even if it faults. */
	vcpu->stats->exits[MPMU_CLASS_RDPMC]++;
	if (!mpmu_decode_rdpmc(vcpu, ecx, &pmc))
		return MPMU_GP;
	mpmu_touch(vcpu);
	*value = mpmu_counter_read(cpu, vcpu, pmc);
	return MPMU_DONE;
}
