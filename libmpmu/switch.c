/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * World switch: registers move when their owner changes, never because a
 * VM-exit happened.
 */
#include "internal.h"

/*
 * More than any event counts while an interrupt is on its way: a counter that
 * has overflowed just now holds less.
 */
#define JUST_WRAPPED 0x10000

/*
 * A wait in vain is made up for by that many owner changes; a vCPU that owes for
 * a few of them is waited for briefly.
 */
#define VAIN_WAIT 32
#define VAIN_DEBT (4 * VAIN_WAIT)

static void forget(struct mpmu_cpu *cpu)
{
	cpu->zero_counters = 0;
	cpu->zero_eventsels = 0;
}

static u64 read_register(struct mpmu_vcpu *vcpu, u32 msr)
{
	vcpu->stats->registers.read++;
	return mpmu_call(vcpu, rdmsr, msr);
}

/* Hardware may be known to hold the value. */
static void write_register(struct mpmu_vcpu *vcpu, u32 msr, u64 value, bool known)
{
	if (known) {
		vcpu->stats->registers.skipped++;
		return;
	}
	vcpu->stats->registers.written++;
	mpmu_call(vcpu, wrmsr, msr, value);
}

/*
 * Counters of the model get the guest's values; others that hold a value of
 * the host get 0, since a guest may reach them by RDPMC.  Fixed counter 3 comes
 * before PERF_METRICS, which is not known to be 0 any more after that.
 */
static void load_counters(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, mpmu_pmcs dirty)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs mine = mpmu_all_pmcs(&vcpu->caps);
	mpmu_pmcs all = mine | dirty;
	u32 pmc;

	mpmu_for_each_pmc(pmc, all) {
		u64 value = mine & mpmu_bit(pmc) ? *mpmu_saved_counter(vcpu, pmc) : 0;
		bool known = !value && cpu->zero_counters & mpmu_bit(pmc);

		write_register(vcpu, mpmu_counter_msr(desc, pmc), value, known);
		if (pmc == MPMU_SLOTS && !known)
			cpu->zero_counters &= ~mpmu_bit(MPMU_METRICS);
	}
	cpu->zero_counters = (cpu->zero_counters | all) & ~mine;
}

/* Those beyond the model have no image: 0. */
static void load_eventsels(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, mpmu_pmcs dirty)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs mine = vcpu->caps.counters & MPMU_GP_MASK;
	mpmu_pmcs all = mine | (dirty & MPMU_GP_MASK);
	u32 pmc;

	mpmu_for_each_pmc(pmc, all) {
		u64 hw = vcpu->eventsel_hw[pmc];

		write_register(vcpu, mpmu_eventsel_msr(desc, pmc), hw,
			       !hw && cpu->zero_eventsels & mpmu_bit(pmc));
	}
	cpu->zero_eventsels = (cpu->zero_eventsels | (u32)all) & ~(u32)mine;
}

/*
 * What the host left, or whoever had the CPU before: firmware, another kernel.
 * No mark tells of these.
 */
static mpmu_pmcs find_dirty(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs reachable = mpmu_all_pmcs(&vcpu->host->caps) & mpmu_desc(vcpu)->reachable;
	mpmu_pmcs dirty = mpmu_call(vcpu, take_dirty, reachable) | (reachable & ~cpu->cleaned);

	cpu->cleaned = reachable;
	return dirty;
}

static void load(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs dirty = find_dirty(cpu, vcpu);
	u64 status = vcpu->global_status;

	vcpu->disabled = 0;

	/* The host also leaves a selector behind where it leaves a counter. */
	cpu->zero_counters &= ~dirty;
	cpu->zero_eventsels &= ~(u32)dirty;
	load_counters(cpu, vcpu, dirty);
	load_eventsels(cpu, vcpu, dirty);
	if (desc->fixed_ctrl)
		write_register(vcpu, desc->fixed_ctrl, vcpu->fixed_ctrl_hw, false);
	write_register(vcpu, desc->status_set, status, !status);
	if (!mpmu_global_ctrl_in_vmcs(vcpu))
		write_register(vcpu, desc->global_ctrl, vcpu->global_ctrl, false);
}

/* It is read before fixed counter 3 is scrubbed, and scrubbed after that. */
static void save_metrics(struct mpmu_vcpu *vcpu)
{
	if (mpmu_has(&vcpu->caps, MPMU_FEAT_METRICS))
		vcpu->metrics = read_register(vcpu, mpmu_desc(vcpu)->metrics);
}

static void scrub_metrics(struct mpmu_vcpu *vcpu)
{
	u64 slots = *mpmu_saved_counter(vcpu, MPMU_SLOTS);

	if (mpmu_has(&vcpu->caps, MPMU_FEAT_METRICS))
		write_register(vcpu, mpmu_desc(vcpu)->metrics, 0, !(slots | vcpu->metrics));
}

static void save_counters(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u32 pmc;

	save_metrics(vcpu);
	mpmu_for_each_pmc(pmc, vcpu->caps.counters) {
		u32 msr = mpmu_counter_msr(desc, pmc);
		u64 value = read_register(vcpu, msr);

		*mpmu_saved_counter(vcpu, pmc) = value;
		write_register(vcpu, msr, 0, !value);
	}
	scrub_metrics(vcpu);
	cpu->zero_counters |= mpmu_all_pmcs(&vcpu->caps);
}

static void scrub_eventsels(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs mine = vcpu->caps.counters & MPMU_GP_MASK;
	u32 pmc;

	mpmu_for_each_pmc(pmc, mine)
		write_register(vcpu, mpmu_eventsel_msr(desc, pmc), 0, !vcpu->eventsel_hw[pmc]);
	if (desc->fixed_ctrl)
		write_register(vcpu, desc->fixed_ctrl, 0, !vcpu->fixed_ctrl_hw);
	cpu->zero_eventsels |= (u32)mine;
}

/* All of these are the guest's while it owns the PMU, bits beyond its model, too. */
static mpmu_pmcs read_status(struct mpmu_vcpu *vcpu)
{
	return read_register(vcpu, mpmu_desc(vcpu)->status) & mpmu_all_pmcs(&vcpu->host->caps);
}

/* PERF_METRICS does not tell by its value; its overflow is rare. */
static bool has_wrapped(struct mpmu_vcpu *vcpu, u32 pmc)
{
	return pmc == MPMU_METRICS ||
	       read_register(vcpu, mpmu_counter_msr(mpmu_desc(vcpu), pmc)) < JUST_WRAPPED;
}

/*
 * May the interrupt of an overflow be on its way?  A status bit alone does not
 * say so: it stays until the guest clears it, and on AMD the guest sets it
 * without an exit.
 */
static bool just_overflowed(struct mpmu_vcpu *vcpu, mpmu_pmcs status)
{
	u32 pmc;

	mpmu_for_each_pmc(pmc, status) {
		if (mpmu_interrupts(vcpu, pmc) && mpmu_may_have_counted(vcpu, pmc) &&
		    has_wrapped(vcpu, pmc))
			return true;
	}
	return false;
}

static void drain(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, mpmu_pmcs status)
{
	bool briefly = vcpu->drain_debt >= VAIN_DEBT;

	if (!just_overflowed(vcpu, status))
		return;
	if (mpmu_call(vcpu, drain_pmi, briefly) && !briefly)
		vcpu->drain_debt += VAIN_WAIT;
	cpu->pmi_latched = true;
}

/* A guest without status registers cannot clear a bit: drop it. */
static void save_status(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs status = read_status(vcpu);

	drain(cpu, vcpu, status);
	write_register(vcpu, mpmu_desc(vcpu)->status_clear, status, !status);
	vcpu->global_status =
		mpmu_has(&vcpu->caps, MPMU_FEAT_GLOBAL) ? mpmu_of_model(vcpu, status) : 0;
}

/* Where VM-exit loads GLOBAL_CTRL, everything has stopped already. */
static void stop(struct mpmu_vcpu *vcpu)
{
	u32 msr = mpmu_desc(vcpu)->global_ctrl;

	if (mpmu_global_ctrl_in_vmcs(vcpu))
		return;
	vcpu->global_ctrl = mpmu_of_model(vcpu, read_register(vcpu, msr));
	write_register(vcpu, msr, 0, false);
}

/* @before: the registers moved up to this change, which is complete. */
static void owner_changed(struct mpmu_vcpu *vcpu, enum mpmu_cause cause,
			  const struct mpmu_moves *before)
{
	vcpu->stats->owner_changes[cause]++;
	mpmu_trace_owner(vcpu, cause, before);
}

/* Hand the PMU back to the host; late interrupts stay the guest's. */
void mpmu_release(struct mpmu_cpu *cpu, enum mpmu_cause cause)
{
	struct mpmu_vcpu *vcpu = cpu->owner;
	struct mpmu_moves before;

	if (!vcpu)
		return;
	before = vcpu->stats->registers;
	stop(vcpu);
	save_status(cpu, vcpu);
	scrub_eventsels(cpu, vcpu);
	save_counters(cpu, vcpu);
	mpmu_call(vcpu, disown);
	cpu->owner = NULL;
	owner_changed(vcpu, cause, &before);
}

static void displace(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_call(vcpu, displace);
	cpu->displaced = true;
}

/* The host writes its registers again: what was known is not. */
static void replace(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	if (!cpu->displaced)
		return;
	forget(cpu);
	cpu->displaced = false;
	mpmu_call(vcpu, replace);
}

static int acquire(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_moves before = vcpu->stats->registers;

	if (mpmu_call(vcpu, host_active))
		displace(cpu, vcpu);
	if (!mpmu_call(vcpu, own)) {
		replace(cpu, vcpu);
		return -EAGAIN;
	}
	load(cpu, vcpu);
	mpmu_call(vcpu, route_pmi);
	vcpu->flags |= MPMU_VCPU_ENTERED;
	vcpu->drain_debt -= !!vcpu->drain_debt;
	cpu->owner = vcpu;
	cpu->pmi_target = vcpu;
	owner_changed(vcpu, MPMU_CAUSE_ENTRY, &before);
	return 0;
}

/*
 * A latched interrupt is its target's.  IRQs are open after a refusal, and in a
 * guest that is the target.
 */
static bool owed_to_another(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	bool owed = cpu->pmi_latched && cpu->pmi_target != vcpu;

	cpu->pmi_latched = false;
	return owed;
}

/*
 * A PMU that counts nothing for some switches is not worth switching.  Where it
 * was owned since the last time; true: it becomes untouched.
 */
static bool account_idle(struct mpmu_vcpu *vcpu)
{
	if (!(vcpu->flags & MPMU_VCPU_ENTERED))
		return false;
	vcpu->flags &= ~(u32)MPMU_VCPU_ENTERED;
	if (vcpu->reprogram || mpmu_enabled_in_hw(vcpu)) {
		vcpu->idle_switches = 0;
		return false;
	}
	if (++vcpu->idle_switches < MPMU_IDLE_SWITCHES)
		return false;
	mpmu_untouch(vcpu);
	return true;
}

/*
 * Apart from mpmu_enter(), which most of the time has nothing to do.  Whoever
 * lost the PMU by a reclaim has not been accounted for it.
 */
static MPMU_NOINLINE int change_owner(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_release(cpu, MPMU_CAUSE_OTHER);
	if (!mpmu_touched(vcpu))
		return 0;
	if (account_idle(vcpu) || owed_to_another(cpu, vcpu))
		return -EAGAIN;
	return acquire(cpu, vcpu);
}

/* An owner has no event of the host beside it, as the host reclaims first. */
int mpmu_enter(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->owner == vcpu || !(cpu->owner || mpmu_touched(vcpu)))
		return 0;
	return change_owner(cpu, vcpu);
}

void mpmu_exit(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (!cpu->displaced)
		return;
	mpmu_release(cpu, MPMU_CAUSE_DISPLACED);
	replace(cpu, vcpu);
	account_idle(vcpu);
}

void mpmu_put(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->owner == vcpu)
		mpmu_release(cpu, MPMU_CAUSE_PUT);
	account_idle(vcpu);
}

void mpmu_reclaim(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	mpmu_release(cpu, MPMU_CAUSE_RECLAIM);
	forget(cpu);
}

void mpmu_drain(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	if (cpu->owner)
		drain(cpu, cpu->owner, read_status(cpu->owner));
}

void mpmu_pmi(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	cpu->pmi_latched = false;
	if (cpu->pmi_target)
		mpmu_raise_pmi(cpu->pmi_target);
}

void mpmu_cpu_forget_vcpu(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_assert(cpu && vcpu);
	if (cpu->owner == vcpu)
		cpu->owner = NULL;
	if (cpu->pmi_target == vcpu)
		cpu->pmi_target = NULL;
}

void mpmu_cpu_reset(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	memset(cpu, 0, sizeof(*cpu));
}
