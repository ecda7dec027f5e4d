/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Save and restore as a list of MSRs, which any version of the library and
 * any other PMU of the same model can read.
 */
#include "internal.h"

static bool snapshot_holds_state(enum mpmu_kind kind)
{
	switch (kind) {
	case MPMU_KIND_GP:
	case MPMU_KIND_GP_LEGACY:
	case MPMU_KIND_FIXED:
	case MPMU_KIND_METRICS:
	case MPMU_KIND_EVENTSEL:
	case MPMU_KIND_FIXED_CTRL:
	case MPMU_KIND_GLOBAL_CTRL:
	case MPMU_KIND_STATUS:
		return true;
	case MPMU_KIND_NONE:
	case MPMU_KIND_STATUS_CLEAR:
	case MPMU_KIND_STATUS_SET:
	case MPMU_KIND_INUSE:
		break;
	}
	return false;
}

/* Sets of PMCs whose counter and selector are listed already. */
struct listed {
	mpmu_pmcs counters;
	mpmu_pmcs eventsels;
};

/* The first name of a register counts, others are aliases. */
static bool snapshot_is_alias(struct listed *listed, struct mpmu_reg reg)
{
	bool eventsel = reg.kind == MPMU_KIND_EVENTSEL;
	mpmu_pmcs *set = eventsel ? &listed->eventsels : &listed->counters;
	bool known = *set & mpmu_bit(reg.pmc);

	if (reg.kind != MPMU_KIND_GP && reg.kind != MPMU_KIND_GP_LEGACY && !eventsel)
		return false;
	*set |= mpmu_bit(reg.pmc);
	return known;
}

/* With list NULL, count only. */
static u32 snapshot_list_all(const struct mpmu_vcpu *vcpu, struct mpmu_msr *list)
{
	struct listed listed = {0};
	u32 count = 0, msr;

	mpmu_for_each_msr(msr, mpmu_desc(vcpu)) {
		struct mpmu_reg reg = mpmu_decode(vcpu, msr);

		if (!snapshot_holds_state(reg.kind) || snapshot_is_alias(&listed, reg))
			continue;
		if (list)
			list[count].index = msr;
		count++;
	}
	return count;
}

MPMU_COLD u32 mpmu_snapshot_size(const struct mpmu_vcpu *vcpu)
{
	mpmu_assert_vcpu(vcpu);
	return snapshot_list_all(vcpu, NULL);
}

MPMU_COLD void mpmu_snapshot_save(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
				  struct mpmu_msr *list)
{
	u32 count, i;

	mpmu_assert_vcpu(vcpu);
	mpmu_assert(list);
	count = snapshot_list_all(vcpu, list);
	for (i = 0; i < count; i++)
		mpmu_msr_read(cpu, vcpu, list[i].index, MPMU_BY_HOST, &list[i].value);
}

/* The first that is rejected; count where none is. */
static u32 snapshot_first_bad(const struct mpmu_vcpu *vcpu, const struct mpmu_msr *list, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (mpmu_check_write(vcpu, list[i].index, MPMU_BY_HOST, list[i].value) !=
		    MPMU_DONE)
			break;
	}
	return i;
}

MPMU_COLD int mpmu_snapshot_restore(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
				    const struct mpmu_msr *list, u32 count, u32 *err_msr)
{
	u32 i;

	mpmu_assert_vcpu(vcpu);
	if (count && !list)
		return -EINVAL;
	i = snapshot_first_bad(vcpu, list, count);
	if (i < count) {
		if (err_msr)
			*err_msr = list[i].index;
		return -EINVAL;
	}
	/* A check looks at the model alone, so no write makes a later one fail. */
	for (i = 0; i < count; i++)
		mpmu_owner_write(cpu, vcpu, list[i].index, list[i].value);
	return 0;
}
