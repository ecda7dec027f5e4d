/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a register's value is: in hardware while the vCPU is resident, saved
 * in memory otherwise; GLOBAL_CTRL may live in the VMCS.  Nothing else in the
 * core decides that.
 */
#include "internal.h"

u32 mpmu_eventsel_msr(const struct mpmu_desc *desc, u32 pmc)
{
	return desc->eventsel + pmc * desc->gp_stride;
}

/* The PMCs whose values are saved: of an owner the lent ones that it does not have now. */
MPMU_NOINLINE mpmu_pmcs mpmu_absent(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	return mpmu_live(cpu, vcpu) ? vcpu->lent & ~cpu->displaced : ~0ull;
}

MPMU_NOINLINE u64 *mpmu_saved_counter(struct mpmu_vcpu *vcpu, u32 pmc)
{
	if (pmc == MPMU_METRICS)
		return &vcpu->metrics;
	return pmc < MPMU_FIXED_BASE ? &vcpu->gp[pmc] : &vcpu->fixed[pmc - MPMU_FIXED_BASE];
}

u64 mpmu_counter_read(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc)
{
	u64 value;

	if (mpmu_absent(cpu, vcpu) & mpmu_bit(pmc))
		value = *mpmu_saved_counter(vcpu, pmc);
	else
		value = mpmu_call(vcpu, rdmsr, mpmu_counter_msr(mpmu_desc(vcpu), pmc));
	return value & mpmu_mask(mpmu_width(&vcpu->caps, pmc));
}

static void registers_write_live(const struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	mpmu_call(vcpu, wrmsr, mpmu_counter_msr(mpmu_desc(vcpu), pmc), value);
}

/* Hardware derives PERF_METRICS from fixed counter 3, and wants that written first. */
static MPMU_NOINLINE void registers_write_slots(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
						u64 value)
{
	u64 metrics = mpmu_counter_read(cpu, vcpu, MPMU_METRICS);

	registers_write_live(vcpu, MPMU_SLOTS, value);
	registers_write_live(vcpu, MPMU_METRICS, metrics);
}

MPMU_NOINLINE void mpmu_save_counter(struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	*mpmu_saved_counter(vcpu, pmc) = value;
	mpmu_assign(&vcpu->nonzero_counters, mpmu_bit(pmc), value);
}

void mpmu_counter_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	if (mpmu_absent(cpu, vcpu) & mpmu_bit(pmc))
		mpmu_save_counter(vcpu, pmc, value);
	else if (pmc == MPMU_SLOTS && mpmu_has(&vcpu->caps, MPMU_FEAT_METRICS))
		registers_write_slots(cpu, vcpu, value);
	else
		registers_write_live(vcpu, pmc, value);
}

/* An untouched vCPU enters with the host's own GLOBAL_CTRL, so no VMCS has it. */
bool mpmu_global_ctrl_in_vmcs(const struct mpmu_vcpu *vcpu)
{
	return mpmu_touched(vcpu) && mpmu_has(&vcpu->host->caps, MPMU_FEAT_VMCS_GLOBAL_CTRL);
}

/* With a bit of a lent counter the guest would start what is the host's. */
u64 mpmu_global_ctrl_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	if (vcpu->lent)
		return vcpu->global_ctrl;
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		return mpmu_of_model(vcpu, mpmu_call(vcpu, get_global_ctrl));
	if (mpmu_live(cpu, vcpu))
		return mpmu_of_model(vcpu, mpmu_call(vcpu, rdmsr, mpmu_desc(vcpu)->global_ctrl));
	return vcpu->global_ctrl;
}

/* Bits of lent counters follow at the next entry, which swaps what both sides want. */
MPMU_COLD void mpmu_global_ctrl_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 value)
{
	bool live = mpmu_live(cpu, vcpu), in_vmcs = mpmu_global_ctrl_in_vmcs(vcpu);

	if (cpu && (vcpu->global_ctrl ^ value) & vcpu->lent & vcpu->enabled)
		cpu->settled = NULL;
	if (vcpu->lent || !(in_vmcs || live))
		vcpu->global_ctrl = value;
	if (in_vmcs)
		mpmu_call(vcpu, set_global_ctrl, value & ~vcpu->lent);
	else if (live)
		mpmu_merge(vcpu, mpmu_desc(vcpu)->global_ctrl, value, vcpu->lent);
}

/* An NMI may save others in the middle. */
static void registers_or_status(struct mpmu_vcpu *vcpu, mpmu_pmcs status)
{
	__atomic_or_fetch(&vcpu->global_status, status, __ATOMIC_RELAXED);
}

/* What hardware holds of the guest's: others may be the host's. */
static mpmu_pmcs registers_live_status(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs absent = mpmu_absent(cpu, vcpu);

	if (!~absent)
		return 0;
	return mpmu_call(vcpu, rdmsr, mpmu_desc(vcpu)->status) & vcpu->host->pmcs & ~absent;
}

/* From hardware.  A guest without status registers cannot clear a bit: drop it. */
MPMU_NOINLINE void mpmu_save_status(struct mpmu_vcpu *vcpu, mpmu_pmcs status)
{
	mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_clear, status);
	if (mpmu_has(&vcpu->caps, MPMU_FEAT_GLOBAL))
		registers_or_status(vcpu, mpmu_of_model(vcpu, status));
}

/* Does one of these overflows interrupt?  Then the guest is told. */
static bool registers_tell(struct mpmu_vcpu *vcpu, mpmu_pmcs status)
{
	u32 pmc;

	mpmu_for_each_pmc(pmc, mpmu_of_model(vcpu, status)) {
		if (mpmu_interrupts(vcpu, pmc)) {
			mpmu_raise_pmi(vcpu);
			return true;
		}
	}
	return false;
}

/*
 * Beside lent counters the interrupts of all are the host's, and each access of a guest
 * to its status exits.  So hardware holds the bits of which nobody has been told; here,
 * or in an NMI by mpmu_nmi(), whichever comes first, they are, and are saved: the next
 * overflow sets them again.
 */
MPMU_COLD bool mpmu_collect_status(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs status = registers_live_status(cpu, vcpu);
	bool told;

	if (!status)
		return false;
	/* An NMI in between finds the bit, and tells again, or comes when it is expected. */
	told = registers_tell(vcpu, status);
	mpmu_save_status(vcpu, status);
	vcpu->stats->registers.written++;
	return told;
}

/*
 * Saved bits of an owner are there beside lent counters only.  An NMI moves bits from
 * hardware to memory, so memory is read last.
 */
MPMU_COLD u64 mpmu_status_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs live = mpmu_of_model(vcpu, registers_live_status(cpu, vcpu));

	__atomic_signal_fence(__ATOMIC_ACQUIRE);
	return live | vcpu->global_status;
}

/* What software sets raises no interrupt. */
MPMU_COLD void mpmu_status_set(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits)
{
	if (mpmu_live(cpu, vcpu) && !vcpu->lent)
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_set, bits);
	else
		registers_or_status(vcpu, bits);
}

MPMU_COLD void mpmu_status_clear(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits)
{
	if (mpmu_live(cpu, vcpu) && !vcpu->lent) {
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_clear, bits);
		return;
	}
	mpmu_collect_status(cpu, vcpu);
	__atomic_and_fetch(&vcpu->global_status, ~bits, __ATOMIC_RELAXED);
}

/* The bits of a field, in the field of each of these. */
MPMU_NOINLINE u64 mpmu_fixed_fields(mpmu_pmcs pmcs, u32 field)
{
	u64 fields = 0;
	u32 pmc;

	mpmu_for_each_pmc(pmc, pmcs & MPMU_FIXED_MASK)
		fields |= (u64)field << (4 * (pmc - MPMU_FIXED_BASE));
	return fields;
}

/* Bits of others stay as they are. */
MPMU_NOINLINE void mpmu_merge(const struct mpmu_vcpu *vcpu, u32 msr, u64 value, u64 others)
{
	if (others)
		value = (value & ~others) | (mpmu_call(vcpu, rdmsr, msr) & others);
	mpmu_call(vcpu, wrmsr, msr, value);
}

MPMU_NOINLINE void mpmu_merge_fixed_ctrl(const struct mpmu_vcpu *vcpu, u64 value, mpmu_pmcs others)
{
	mpmu_merge(vcpu, mpmu_desc(vcpu)->fixed_ctrl, value,
		   mpmu_fixed_fields(others, MPMU_FIXED_FIELD));
}

/*
 * An owner that starts or stops a lent counter has to swap it, or no longer.  What has
 * overflowed by now did so by the control that changes.
 */
static MPMU_NOINLINE mpmu_pmcs registers_image_changed(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
						       mpmu_pmcs pmcs)
{
	vcpu->disabled |= vcpu->enabled & pmcs;
	if (mpmu_live(cpu, vcpu) && vcpu->lent) {
		mpmu_collect_status(cpu, vcpu);
		if (vcpu->lent & pmcs)
			cpu->settled = NULL;
	}
	return mpmu_absent(cpu, vcpu);
}

void mpmu_eventsel_hw_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 hw)
{
	mpmu_pmcs bit = mpmu_bit(pmc);

	if (vcpu->eventsel_hw[pmc] == hw)
		return;
	vcpu->eventsel_hw[pmc] = hw;
	vcpu->nonzero_eventsels &= ~(u32)bit;
	if (hw)
		vcpu->nonzero_eventsels |= (u32)bit;
	if (!(registers_image_changed(cpu, vcpu, bit) & bit))
		mpmu_call(vcpu, wrmsr, mpmu_eventsel_msr(mpmu_desc(vcpu), pmc), hw);
	mpmu_assign(&vcpu->enabled, bit, hw & MPMU_SEL_ENABLE);
}

void mpmu_fixed_ctrl_hw_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 hw)
{
	mpmu_pmcs absent;
	u32 pmc;

	if (vcpu->fixed_ctrl_hw == hw)
		return;
	vcpu->fixed_ctrl_hw = hw;
	absent = registers_image_changed(cpu, vcpu, MPMU_FIXED_MASK);
	if (~absent)
		mpmu_merge_fixed_ctrl(vcpu, hw, absent);
	mpmu_for_each_pmc(pmc, vcpu->caps.counters & MPMU_FIXED_MASK)
		mpmu_assign(&vcpu->enabled, mpmu_bit(pmc),
			    mpmu_fixed_field(hw, pmc) & (MPMU_FIXED_OS | MPMU_FIXED_USR));
}
