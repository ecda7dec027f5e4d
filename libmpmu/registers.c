/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a register's value is: in hardware while the vCPU is resident, saved
 * in memory otherwise; GLOBAL_CTRL may live in the VMCS.  Nothing else in the
 * core decides that.
 */
#include "internal.h"

u32 mpmu_counter_msr(const struct mpmu_desc *desc, u32 pmc)
{
	if (pmc < MPMU_FIXED_BASE)
		return desc->gp + pmc * desc->gp_stride;
	if (pmc == MPMU_METRICS)
		return desc->metrics;
	return desc->fixed + pmc - MPMU_FIXED_BASE;
}

u32 mpmu_eventsel_msr(const struct mpmu_desc *desc, u32 pmc)
{
	return desc->eventsel + pmc * desc->gp_stride;
}

static u64 *registers_saved_counter(struct mpmu_vcpu *vcpu, u32 pmc)
{
	if (pmc == MPMU_METRICS)
		return &vcpu->metrics;
	return pmc < MPMU_FIXED_BASE ? &vcpu->gp[pmc] : &vcpu->fixed[pmc - MPMU_FIXED_BASE];
}

u64 mpmu_counter_read(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc)
{
	u64 value;

	if (mpmu_live(cpu, vcpu))
		value = mpmu_call(vcpu, rdmsr, mpmu_counter_msr(mpmu_desc(vcpu), pmc));
	else
		value = *registers_saved_counter(vcpu, pmc);
	return value & mpmu_mask(mpmu_width(&vcpu->caps, pmc));
}

static void registers_write_live(const struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	mpmu_call(vcpu, wrmsr, mpmu_counter_msr(mpmu_desc(vcpu), pmc), value);
}

/* Hardware derives PERF_METRICS from fixed counter 3, and wants that written first. */
static void registers_write_slots(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 value)
{
	u64 metrics = mpmu_counter_read(cpu, vcpu, MPMU_METRICS);

	registers_write_live(vcpu, MPMU_SLOTS, value);
	registers_write_live(vcpu, MPMU_METRICS, metrics);
}

static void registers_write_saved(struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	*registers_saved_counter(vcpu, pmc) = value;
	mpmu_assign(&vcpu->nonzero_counters, mpmu_bit(pmc), value);
}

void mpmu_counter_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 value)
{
	if (!mpmu_live(cpu, vcpu))
		registers_write_saved(vcpu, pmc, value);
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

u64 mpmu_global_ctrl_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		return mpmu_of_model(vcpu, mpmu_call(vcpu, get_global_ctrl));
	if (mpmu_live(cpu, vcpu))
		return mpmu_of_model(vcpu, mpmu_call(vcpu, rdmsr, mpmu_desc(vcpu)->global_ctrl));
	return vcpu->global_ctrl;
}

void mpmu_global_ctrl_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 value)
{
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		mpmu_call(vcpu, set_global_ctrl, value);
	else if (mpmu_live(cpu, vcpu))
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->global_ctrl, value);
	else
		vcpu->global_ctrl = value;
}

/* Only the bits of its PMCs are the guest's in the live status. */
u64 mpmu_status_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	if (mpmu_live(cpu, vcpu))
		return mpmu_of_model(vcpu, mpmu_call(vcpu, rdmsr, mpmu_desc(vcpu)->status));
	return vcpu->global_status;
}

void mpmu_status_set(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits)
{
	if (!mpmu_live(cpu, vcpu))
		vcpu->global_status |= bits;
	else
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_set, bits);
}

void mpmu_status_clear(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits)
{
	if (!mpmu_live(cpu, vcpu))
		vcpu->global_status &= ~bits;
	else
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_clear, bits);
}

void mpmu_eventsel_hw_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 hw)
{
	mpmu_pmcs bit = mpmu_bit(pmc);

	if (vcpu->eventsel_hw[pmc] == hw)
		return;
	vcpu->disabled |= vcpu->enabled & bit;
	vcpu->eventsel_hw[pmc] = hw;
	vcpu->nonzero_eventsels &= ~(u32)bit;
	if (hw)
		vcpu->nonzero_eventsels |= (u32)bit;
	mpmu_assign(&vcpu->enabled, bit, hw & MPMU_SEL_ENABLE);
	if (mpmu_live(cpu, vcpu))
		mpmu_call(vcpu, wrmsr, mpmu_eventsel_msr(mpmu_desc(vcpu), pmc), hw);
}

void mpmu_fixed_ctrl_hw_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 hw)
{
	u32 pmc;

	if (vcpu->fixed_ctrl_hw == hw)
		return;
	vcpu->disabled |= vcpu->enabled & MPMU_FIXED_MASK;
	vcpu->fixed_ctrl_hw = hw;
	mpmu_for_each_pmc(pmc, vcpu->caps.counters & MPMU_FIXED_MASK)
		mpmu_assign(&vcpu->enabled, mpmu_bit(pmc),
			    mpmu_fixed_field(hw, pmc) & (MPMU_FIXED_OS | MPMU_FIXED_USR));
	if (mpmu_live(cpu, vcpu))
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->fixed_ctrl, hw);
}
