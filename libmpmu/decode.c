/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an MSR number or RDPMC index to a kind and a PMC.  Numbers that a
 * guest supplies are clamped here, once.
 */
#include "internal.h"

const struct mpmu_desc *mpmu_desc_of(u32 vendor)
{
	switch ((enum mpmu_vendor)vendor) {
	case MPMU_VENDOR_INTEL:
		return &mpmu_intel;
	case MPMU_VENDOR_AMD:
		return &mpmu_amd;
	}
	return NULL;
}

/* Any PMC will do for a register that is not of one. */
static bool decode_exists(const struct mpmu_caps *caps, const struct mpmu_msr_row *row)
{
	if (!mpmu_has(caps, row->features))
		return false;
	return row->per_pmc ? mpmu_all_pmcs(caps) & mpmu_bit(row->pmc) : caps->counters;
}

struct mpmu_reg mpmu_decode(const struct mpmu_vcpu *vcpu, u32 msr)
{
	const struct mpmu_msr_block *block = &mpmu_desc(vcpu)->blocks[MPMU_MSR_SLOT(msr)];
	struct mpmu_reg reg = {.kind = MPMU_KIND_NONE};
	u32 index = msr - block->first;
	const struct mpmu_msr_row *row;

	if (index >= block->count)
		return reg;
	row = &block->rows[mpmu_nospec(index, block->count)];
	if (!decode_exists(&vcpu->caps, row))
		return reg;
	reg.kind = row->kind;
	reg.pmc = row->pmc;
	return reg;
}

bool mpmu_decode_rdpmc(const struct mpmu_vcpu *vcpu, u32 ecx, u32 *pmc)
{
	u32 metrics = mpmu_desc(vcpu)->rdpmc_metrics;
	u32 fixed = mpmu_desc(vcpu)->rdpmc_fixed;

	if (ecx < MPMU_MAX_GP)
		*pmc = mpmu_nospec(ecx, MPMU_MAX_GP);
	else if (fixed && ecx >= fixed && ecx - fixed < MPMU_MAX_FIXED)
		*pmc = MPMU_FIXED_BASE + mpmu_nospec(ecx - fixed, MPMU_MAX_FIXED);
	else if (ecx == metrics)
		*pmc = MPMU_METRICS;
	else
		return false;
	return mpmu_all_pmcs(&vcpu->caps) & mpmu_bit(*pmc);
}

bool mpmu_msr_exists(const struct mpmu_vcpu *vcpu, u32 msr)
{
	mpmu_assert_vcpu(vcpu);
	return mpmu_decode(vcpu, msr).kind != MPMU_KIND_NONE;
}

bool mpmu_rdpmc_valid(const struct mpmu_vcpu *vcpu, u32 ecx)
{
	u32 pmc;

	mpmu_assert_vcpu(vcpu);
	return mpmu_decode_rdpmc(vcpu, ecx, &pmc);
}
