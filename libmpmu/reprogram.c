/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what the guest asked for to what hardware gets: the one place that
 * enables a PMC.
 */
#include "internal.h"

/* Fail-closed image: the guest's, never enabled, never counting outside it. */
u64 mpmu_eventsel_disabled(const struct mpmu_desc *desc, u64 eventsel)
{
	if (!eventsel)
		return 0;
	eventsel &= ~(MPMU_SEL_ENABLE | desc->sel_host_only);
	return eventsel | desc->sel_guest_only;
}

/*
 * Host-Only and Guest-Only of a guest that is a hypervisor itself: its own
 * guests are this vCPU's guest mode.
 */
static bool reprogram_mode_matches(const struct mpmu_vcpu *vcpu, u64 eventsel)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u64 both = desc->sel_host_only | desc->sel_guest_only;
	u64 wanted = eventsel & both;

	if (!wanted)
		return true;
	if (!(vcpu->flags & MPMU_VCPU_SVME))
		return false;
	if (wanted == both)
		return true;
	return !!(vcpu->flags & MPMU_VCPU_GUEST_MODE) == (wanted == desc->sel_guest_only);
}

/* PMCs in which the guest has set one of these bits: of a selector, of a field. */
MPMU_COLD mpmu_pmcs mpmu_pmcs_with(const struct mpmu_vcpu *vcpu, u64 bits, u32 field)
{
	mpmu_pmcs pmcs = 0;
	u32 pmc;

	mpmu_for_each_pmc(pmc, vcpu->caps.counters & MPMU_GP_MASK) {
		if (vcpu->eventsel[pmc] & bits)
			pmcs |= mpmu_bit(pmc);
	}
	mpmu_for_each_pmc(pmc, vcpu->caps.counters & MPMU_FIXED_MASK) {
		if (mpmu_fixed_field(vcpu->fixed_ctrl, pmc) & field)
			pmcs |= mpmu_bit(pmc);
	}
	return pmcs;
}

/* A field that is not 0 is worth a look, whatever it says. */
mpmu_pmcs mpmu_enabled_by_guest(const struct mpmu_vcpu *vcpu)
{
	return mpmu_pmcs_with(vcpu, MPMU_SEL_ENABLE, MPMU_FIXED_FIELD);
}

/* Does an overflow of the PMC raise an interrupt? */
bool mpmu_interrupts(const struct mpmu_vcpu *vcpu, u32 pmc)
{
	pmc = mpmu_controlling(pmc);
	return pmc < MPMU_FIXED_BASE ? vcpu->eventsel[pmc] & MPMU_SEL_INT
				     : mpmu_fixed_field(vcpu->fixed_ctrl, pmc) & MPMU_FIXED_PMI;
}

void mpmu_request_reprogram(struct mpmu_vcpu *vcpu, mpmu_pmcs pmcs)
{
	if (!pmcs)
		return;
	vcpu->reprogram |= pmcs;
	mpmu_call(vcpu, request_reprogram);
}

/* The PMCs are disabled in hardware, or about to be, until the next request. */
void mpmu_cancel_reprogram(struct mpmu_vcpu *vcpu, mpmu_pmcs pmcs)
{
	vcpu->reprogram &= ~pmcs;
	vcpu->counts_instructions &= ~pmcs;
	vcpu->counts_branches &= ~pmcs;
}

/*
 * Only a plain count of an event advances by one with each instruction; an
 * exit aborts a transaction, so none is emulated in one.  INV inverts the
 * threshold of CMASK and is ignored where there is none.
 */
static bool reprogram_selects(const struct mpmu_desc *desc, u64 eventsel, enum mpmu_event event)
{
	u64 bits = desc->sel_event | desc->sel_in_tx | MPMU_SEL_UMASK | MPMU_SEL_EDGE |
		   MPMU_SEL_CMASK;

	return (eventsel & bits) == desc->events[event];
}

/* Its count tells what a register of the host holds. */
static bool reprogram_has_extra_register(const struct mpmu_desc *desc, u64 eventsel)
{
	u32 i;

	for (i = 0; i < desc->nr_extra_events; i++) {
		const struct mpmu_extra_event *extra = &desc->extra_events[i];

		if ((eventsel & desc->sel_event) == extra->event &&
		    (eventsel >> 8 & extra->mask) == extra->match)
			return true;
	}
	return false;
}

/* Only an allow list names what it allows: that is a consent. */
static bool reprogram_filter_allows_gp(const struct mpmu_vcpu *vcpu,
				       const struct mpmu_filter *filter, u64 eventsel)
{
	bool consent = filter && filter->action == MPMU_FILTER_ALLOW;

	return mpmu_filter_allows(filter, eventsel) &&
	       (consent || !reprogram_has_extra_register(mpmu_desc(vcpu), eventsel));
}

static bool reprogram_filter_allows(struct mpmu_vcpu *vcpu, const struct mpmu_filter *filter,
				    u32 pmc)
{
	bool allowed = pmc < MPMU_FIXED_BASE
			       ? reprogram_filter_allows_gp(vcpu, filter, vcpu->eventsel[pmc])
			       : mpmu_filter_allows_fixed(filter, pmc - MPMU_FIXED_BASE);

	if (!allowed) {
		vcpu->stats->denied_events++;
		mpmu_trace_denied(vcpu, pmc);
	}
	return allowed;
}

static void reprogram_cpl(struct mpmu_vcpu *vcpu, u32 pmc, bool at_each)
{
	mpmu_assign(&vcpu->counts_by_cpl, mpmu_bit(pmc), !at_each);
}

static void reprogram_gp(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			 const struct mpmu_filter *filter, u32 pmc)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u64 eventsel = vcpu->eventsel[pmc];
	u64 hw = mpmu_eventsel_disabled(desc, eventsel);

	if (eventsel & MPMU_SEL_ENABLE && reprogram_mode_matches(vcpu, eventsel) &&
	    reprogram_filter_allows(vcpu, filter, pmc)) {
		hw |= MPMU_SEL_ENABLE;
		if (reprogram_selects(desc, eventsel, MPMU_EVENT_INSTRUCTIONS))
			vcpu->counts_instructions |= mpmu_bit(pmc);
		if (reprogram_selects(desc, eventsel, MPMU_EVENT_BRANCHES))
			vcpu->counts_branches |= mpmu_bit(pmc);
	}
	reprogram_cpl(vcpu, pmc, !(~eventsel & (MPMU_SEL_OS | MPMU_SEL_USR)));
	mpmu_eventsel_hw_write(cpu, vcpu, pmc, hw);
}

static void reprogram_fixed(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			    const struct mpmu_filter *filter, mpmu_pmcs pmcs)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs allowed = 0;
	u32 pmc;
	u64 hw;

	mpmu_for_each_pmc(pmc, pmcs) {
		u32 field = mpmu_fixed_field(vcpu->fixed_ctrl, pmc);

		if (reprogram_filter_allows(vcpu, filter, pmc))
			allowed |= mpmu_bit(pmc);
		reprogram_cpl(vcpu, pmc, !(~field & (MPMU_FIXED_OS | MPMU_FIXED_USR)));
	}
	vcpu->counts_instructions |= allowed & desc->fixed_events[MPMU_EVENT_INSTRUCTIONS];
	vcpu->counts_branches |= allowed & desc->fixed_events[MPMU_EVENT_BRANCHES];
	hw = vcpu->fixed_ctrl_hw & ~mpmu_fixed_fields(pmcs, MPMU_FIXED_FIELD);
	hw |= vcpu->fixed_ctrl & mpmu_fixed_fields(allowed, MPMU_FIXED_FIELD);
	mpmu_fixed_ctrl_hw_write(cpu, vcpu, hw);
}

void mpmu_vcpu_reprogram(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			 const struct mpmu_filter *filter)
{
	mpmu_pmcs pmcs;
	u32 pmc;

	mpmu_assert_vcpu(vcpu);
	mpmu_assert(!filter || filter->vendor == vcpu->host->caps.vendor);
	pmcs = vcpu->reprogram;
	if (!pmcs)
		return;
	mpmu_cancel_reprogram(vcpu, pmcs);
	mpmu_for_each_pmc(pmc, pmcs & MPMU_GP_MASK)
		reprogram_gp(cpu, vcpu, filter, pmc);
	reprogram_fixed(cpu, vcpu, filter, pmcs & MPMU_FIXED_MASK);
	/* Restored by the owner of the VM, the guest counts without an access. */
	if (vcpu->enabled)
		mpmu_touch(vcpu);
}

void mpmu_vcpu_filter_changed(struct mpmu_vcpu *vcpu)
{
	mpmu_assert_vcpu(vcpu);
	mpmu_request_reprogram(vcpu, mpmu_enabled_by_guest(vcpu));
}
