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

static bool contains(const struct mpmu_msr_range *range, u32 msr)
{
	u32 offset = msr - range->first;

	return msr >= range->first && offset >> range->shift < range->count &&
	       !(offset & ((1u << range->shift) - 1));
}

static const struct mpmu_msr_range *find_range(const struct mpmu_desc *desc, u32 msr)
{
	u32 i;

	for (i = 0; i < desc->nr_ranges; i++) {
		if (contains(&desc->ranges[i], msr))
			return &desc->ranges[i];
	}
	return NULL;
}

/* Any PMC will do for a register that is not of one. */
static mpmu_pmcs needed_pmcs(const struct mpmu_msr_range *range, u32 pmc)
{
	return range->pmc == MPMU_NO_PMC ? ~0ull : mpmu_bit(pmc);
}

static u32 range_pmc(const struct mpmu_msr_range *range, u32 msr)
{
	u32 index = (msr - range->first) >> range->shift;

	if (range->pmc == MPMU_NO_PMC)
		return 0;
	return range->pmc + mpmu_nospec(index, range->count);
}

struct mpmu_reg mpmu_decode(const struct mpmu_vcpu *vcpu, u32 msr)
{
	const struct mpmu_msr_range *range = find_range(mpmu_desc(vcpu), msr);
	struct mpmu_reg reg = {.kind = MPMU_KIND_NONE};
	u32 pmc;

	if (!range || !mpmu_has(&vcpu->caps, range->features))
		return reg;
	pmc = range_pmc(range, msr);
	if (!(vcpu->caps.counters & needed_pmcs(range, pmc)))
		return reg;
	reg.kind = range->kind;
	reg.pmc = pmc;
	return reg;
}

bool mpmu_decode_rdpmc(const struct mpmu_vcpu *vcpu, u32 ecx, u32 *pmc)
{
	u32 fixed = mpmu_desc(vcpu)->rdpmc_fixed;

	if (ecx < MPMU_MAX_GP)
		*pmc = mpmu_nospec(ecx, MPMU_MAX_GP);
	else if (fixed && ecx >= fixed && ecx - fixed < MPMU_MAX_FIXED)
		*pmc = MPMU_FIXED_BASE + mpmu_nospec(ecx - fixed, MPMU_MAX_FIXED);
	else
		return false;
	return vcpu->caps.counters & mpmu_bit(*pmc);
}

bool mpmu_msr_exists(const struct mpmu_vcpu *vcpu, u32 msr)
{
	return mpmu_decode(vcpu, msr).kind != MPMU_KIND_NONE;
}

bool mpmu_rdpmc_valid(const struct mpmu_vcpu *vcpu, u32 ecx)
{
	u32 pmc;

	return mpmu_decode_rdpmc(vcpu, ecx, &pmc);
}
