/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Instructions that the hypervisor completes instead of hardware.
 */
#include "internal.h"

static mpmu_pmcs emulate_counting(const struct mpmu_vcpu *vcpu, enum mpmu_event event)
{
	switch (event) {
	case MPMU_EVENT_INSTRUCTIONS:
		return vcpu->counts_instructions;
	case MPMU_EVENT_BRANCHES:
		return vcpu->counts_branches;
	}
	return 0;
}

static bool emulate_cpl_matches(const struct mpmu_vcpu *vcpu, u32 pmc, u32 cpl)
{
	if (pmc < MPMU_FIXED_BASE)
		return vcpu->eventsel[pmc] & (cpl ? MPMU_SEL_USR : MPMU_SEL_OS);
	return mpmu_fixed_field(vcpu->fixed_ctrl, pmc) & (cpl ? MPMU_FIXED_USR : MPMU_FIXED_OS);
}

/* What hardware does at a wrap. */
static void emulate_overflow(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc)
{
	mpmu_status_set(cpu, vcpu, mpmu_bit(pmc));
	if (mpmu_interrupts(vcpu, pmc))
		mpmu_raise_pmi(vcpu);
}

static void emulate_advance(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc)
{
	u64 value = mpmu_counter_read(cpu, vcpu, pmc) + 1;

	value &= mpmu_mask(mpmu_width(&vcpu->caps, pmc));
	mpmu_counter_write(cpu, vcpu, pmc, value);
	if (!value)
		emulate_overflow(cpu, vcpu, pmc);
}

void mpmu_emulate(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, enum mpmu_event event, u32 cpl)
{
	mpmu_pmcs pmcs;
	u32 pmc;

	mpmu_assert_vcpu(vcpu);
	pmcs = emulate_counting(vcpu, event);
	/* As most often: reading GLOBAL_CTRL costs a VMREAD, or an RDMSR. */
	if (!pmcs)
		return;
	mpmu_for_each_pmc(pmc, pmcs & mpmu_global_ctrl_read(cpu, vcpu)) {
		if (emulate_cpl_matches(vcpu, pmc, cpl))
			emulate_advance(cpu, vcpu, pmc);
	}
}
