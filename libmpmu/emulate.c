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

/* An exit does this: so where the value is, is asked once for all of them. */
static void emulate_advance(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, bool absent)
{
	bool gp = pmc < MPMU_FIXED_BASE;
	u64 mask = mpmu_mask(gp ? vcpu->caps.gp_width : vcpu->caps.fixed_width);
	u32 msr = mpmu_counter_msr(mpmu_desc(vcpu), pmc);
	u64 value;

	if (absent) {
		value = (*mpmu_saved_counter(vcpu, pmc) + 1) & mask;
		mpmu_save_counter(vcpu, pmc, value);
	} else {
		value = (mpmu_call(vcpu, rdmsr, msr) + 1) & mask;
		mpmu_call(vcpu, wrmsr, msr, value);
	}
	if (!value)
		emulate_overflow(cpu, vcpu, pmc);
}

void mpmu_emulate(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, enum mpmu_event event, u32 cpl)
{
	mpmu_pmcs pmcs, absent;
	u32 pmc;

	mpmu_assert_vcpu(vcpu);
	pmcs = emulate_counting(vcpu, event);
	/* As most often: reading GLOBAL_CTRL costs a VMREAD, or an RDMSR. */
	if (!pmcs)
		return;
	absent = mpmu_absent(cpu, vcpu);
	mpmu_for_each_pmc(pmc, pmcs & mpmu_global_ctrl_read(cpu, vcpu)) {
		if (emulate_cpl_matches(vcpu, pmc, cpl))
			emulate_advance(cpu, vcpu, pmc, absent & mpmu_bit(pmc));
	}
}
