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

/* Events of the host beyond the lent counters are off the PMU: a bit that no PMC has. */
#define ALL_DISPLACED (1ull << 63)

/* Visit the bits of a set of 32. */
#define switch_for_each(index, set) \
	for (u32 left_ = (set); left_ && ((index) = __builtin_ctz(left_), true); left_ &= left_ - 1)

static u32 switch_fixed_of(mpmu_pmcs pmcs)
{
	return (u32)(pmcs >> MPMU_FIXED_BASE) & (u32)(MPMU_FIXED_MASK >> MPMU_FIXED_BASE);
}

/* Those of the model that are not written are known to hold the value. */
static void switch_count_moves(struct mpmu_vcpu *vcpu, u32 read, u32 written)
{
	struct mpmu_moves *moves = &vcpu->stats->registers;

	moves->read += read;
	moves->written += written;
	moves->skipped += vcpu->writable - written;
}

/*
 * Those beyond the model get 0 whatever guest comes: the host marks them once, so
 * whoever takes the marks cleans.  Under policy direct the next owner can read them,
 * by RDPMC, and start them, by GLOBAL_CTRL.
 */
static MPMU_COLD void switch_clean(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, mpmu_pmcs beyond)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u32 pmc;

	beyond = mpmu_with_metrics(beyond, vcpu->host->pmcs);
	mpmu_for_each_pmc(pmc, beyond) {
		mpmu_call(vcpu, wrmsr, mpmu_counter_msr(desc, pmc), 0);
		vcpu->stats->registers.written++;
		if (pmc >= MPMU_FIXED_BASE)
			continue;
		mpmu_call(vcpu, wrmsr, mpmu_eventsel_msr(desc, pmc), 0);
		vcpu->stats->registers.written++;
	}
	cpu->zero_counters |= beyond;
	cpu->zero_eventsels |= (u32)beyond;
}

/*
 * What the host left, or whoever had the CPU before: firmware, another kernel.
 * No mark tells of these.  It leaves a selector behind where it leaves a counter.
 */
static void switch_take_dirty(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs reachable = vcpu->host->reachable & ~vcpu->lent;
	mpmu_pmcs dirty = mpmu_call(vcpu, take_dirty, reachable) | (reachable & ~cpu->cleaned);

	if (!dirty)
		return;
	cpu->cleaned = reachable;
	cpu->zero_counters &= ~dirty;
	cpu->zero_eventsels &= ~(u32)dirty;
	switch_clean(cpu, vcpu, dirty & ~mpmu_all_pmcs(&vcpu->caps));
}

/*
 * Hardware derives PERF_METRICS from fixed counter 3, which is written before
 * it: then it is not known to be 0 any more.
 */
static mpmu_pmcs switch_with_metrics(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu,
				     mpmu_pmcs pmcs)
{
	if (!(pmcs & mpmu_bit(MPMU_SLOTS)))
		return pmcs;
	cpu->zero_counters &= ~mpmu_bit(MPMU_METRICS);
	return pmcs | (vcpu->caps.global_ctrl_extra & mpmu_bit(MPMU_METRICS));
}

/*
 * The values of the owner before are saved, and still in hardware: so they are
 * known.  What it had beyond the next one's model is not to be seen any more.
 */
static void switch_learn(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, const struct mpmu_vcpu *from)
{
	mpmu_pmcs left = from->nonzero_counters | from->nonzero_eventsels;
	mpmu_pmcs beyond = left & ~(mpmu_all_pmcs(&vcpu->caps) | vcpu->lent);

	cpu->zero_counters |= from->moved & ~from->nonzero_counters;
	cpu->zero_eventsels |= (u32)from->moved & ~from->nonzero_eventsels;
	if (beyond)
		switch_clean(cpu, vcpu, beyond);
}

/* Counters that are 0 and known to be 0 are not written; PERF_METRICS comes last. */
static inline u32 switch_load_counters(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs mine = vcpu->moved, pmcs;
	u32 i, written = 0;

	pmcs = switch_with_metrics(cpu, vcpu,
				   mine & (vcpu->nonzero_counters | ~cpu->zero_counters));
	cpu->zero_counters &= ~mine;
	switch_for_each(i, (u32)pmcs) {
		mpmu_call(vcpu, wrmsr, desc->gp + i * desc->gp_stride, vcpu->gp[i]);
		written++;
	}
	switch_for_each(i, switch_fixed_of(pmcs)) {
		mpmu_call(vcpu, wrmsr, desc->fixed + i, vcpu->fixed[i]);
		written++;
	}
	if (pmcs & mpmu_bit(MPMU_METRICS)) {
		mpmu_call(vcpu, wrmsr, desc->metrics, vcpu->metrics);
		written++;
	}
	return written;
}

/* As mpmu_merge_fixed_ctrl() would, but at once where there is nothing to merge. */
static inline void switch_write_fixed_ctrl(const struct mpmu_vcpu *vcpu, u64 hw)
{
	if (!vcpu->lent)
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->fixed_ctrl, hw);
	else
		mpmu_merge_fixed_ctrl(vcpu, hw, vcpu->lent);
}

static inline u32 switch_load_controls(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
				       const struct mpmu_vcpu *from)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u32 mine = (u32)vcpu->moved;
	u32 gps = mine & (vcpu->nonzero_eventsels | ~cpu->zero_eventsels);
	u32 i, written = 0;

	cpu->zero_eventsels &= ~mine;
	switch_for_each(i, gps) {
		u64 hw = vcpu->eventsel_hw[i];

		/* One that is 0 may be beyond the model of the owner before. */
		if (from && hw && from->eventsel_hw[i] == hw)
			continue;
		mpmu_call(vcpu, wrmsr, desc->eventsel + i * desc->gp_stride, hw);
		written++;
	}
	if (desc->fixed_ctrl && !(from && from->fixed_ctrl_hw == vcpu->fixed_ctrl_hw)) {
		switch_write_fixed_ctrl(vcpu, vcpu->fixed_ctrl_hw);
		written++;
	}
	return written;
}

/* While the vCPU is touched, as each owner is. */
static bool switch_moves_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	return !mpmu_has(&vcpu->host->caps, MPMU_FEAT_VMCS_GLOBAL_CTRL);
}

static inline u32 switch_load_globals(struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u32 written = 0;

	if (vcpu->global_status && !vcpu->lent) {
		mpmu_call(vcpu, wrmsr, desc->status_set, vcpu->global_status);
		vcpu->global_status = 0;
		written++;
	}
	if (switch_moves_global_ctrl(vcpu)) {
		if (!vcpu->lent)
			mpmu_call(vcpu, wrmsr, desc->global_ctrl, vcpu->global_ctrl);
		else
			mpmu_merge(vcpu, desc->global_ctrl, vcpu->global_ctrl, vcpu->lent);
		written++;
	}
	return written;
}

/* @from: the owner before, whose values are in the registers; NULL: the host. */
static inline void switch_load(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu,
			       const struct mpmu_vcpu *from)
{
	u32 written;

	vcpu->disabled = 0;
	if (from)
		switch_learn(cpu, vcpu, from);
	else
		switch_take_dirty(cpu, vcpu);
	written = switch_load_counters(cpu, vcpu);
	written += switch_load_controls(cpu, vcpu, from);
	written += switch_load_globals(vcpu);
	switch_count_moves(vcpu, 0, written);
}

/* True: it was not 0, and has been scrubbed, where that is wanted. */
static inline bool switch_save_counter(struct mpmu_vcpu *vcpu, u32 msr, u64 *saved, bool scrub)
{
	*saved = mpmu_call(vcpu, rdmsr, msr);
	if (!*saved)
		return false;
	if (scrub)
		mpmu_call(vcpu, wrmsr, msr, 0);
	return true;
}

/* PERF_METRICS is read before fixed counter 3 is scrubbed, and scrubbed after that. */
static inline u32 switch_save_counters(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, bool scrub)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs mine = vcpu->moved;
	bool metrics = mine & mpmu_bit(MPMU_METRICS);
	u32 i, gps = 0, fixed = 0, written = 0;

	if (metrics)
		vcpu->metrics = mpmu_call(vcpu, rdmsr, desc->metrics);
	switch_for_each(i, (u32)mine) {
		if (switch_save_counter(vcpu, desc->gp + i * desc->gp_stride, &vcpu->gp[i],
					scrub)) {
			gps |= 1u << i;
			written++;
		}
	}
	switch_for_each(i, switch_fixed_of(mine)) {
		if (switch_save_counter(vcpu, desc->fixed + i, &vcpu->fixed[i], scrub)) {
			fixed |= 1u << i;
			written++;
		}
	}
	vcpu->nonzero_counters = (vcpu->nonzero_counters & vcpu->lent) | gps |
				 (mpmu_pmcs)fixed << MPMU_FIXED_BASE;
	if (metrics)
		mpmu_assign(&vcpu->nonzero_counters, mpmu_bit(MPMU_METRICS), vcpu->metrics);
	if (!scrub)
		return 0;
	cpu->zero_counters |= mine;
	if (!metrics || !(vcpu->nonzero_counters & (mpmu_bit(MPMU_SLOTS) | mpmu_bit(MPMU_METRICS))))
		return written;
	mpmu_call(vcpu, wrmsr, desc->metrics, 0);
	return written + 1;
}

static inline u32 switch_scrub_controls(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	u32 i, written = 0;

	cpu->zero_eventsels |= (u32)vcpu->moved;
	switch_for_each(i, vcpu->nonzero_eventsels & ~(u32)vcpu->lent) {
		mpmu_call(vcpu, wrmsr, desc->eventsel + i * desc->gp_stride, 0);
		written++;
	}
	if (vcpu->fixed_ctrl_hw) {
		switch_write_fixed_ctrl(vcpu, 0);
		written++;
	}
	return written;
}

/*
 * All but the lent are the guest's while it owns the PMU: bits beyond its model, and
 * those of no counter that it may set without an exit, too.
 */
static inline u64 switch_read_status(const struct mpmu_vcpu *vcpu)
{
	return mpmu_call(vcpu, rdmsr, mpmu_desc(vcpu)->status) & vcpu->reported;
}

/* PERF_METRICS does not tell by its value; its overflow is rare. */
static bool switch_has_wrapped(struct mpmu_vcpu *vcpu, u32 pmc)
{
	if (pmc == MPMU_METRICS)
		return true;
	vcpu->stats->registers.read++;
	return mpmu_call(vcpu, rdmsr, mpmu_counter_msr(mpmu_desc(vcpu), pmc)) < JUST_WRAPPED;
}

/*
 * Since the vCPU became the owner.  A control that it has changed meanwhile, by an
 * exit, is not known any more: with that its counter may have interrupted.
 */
static bool switch_may_have_interrupted(const struct mpmu_vcpu *vcpu, u32 pmc)
{
	mpmu_pmcs control = mpmu_bit(mpmu_controlling(pmc));

	return vcpu->disabled & control ||
	       (vcpu->enabled & control && mpmu_interrupts(vcpu, pmc));
}

/*
 * May the interrupt of an overflow be on its way?  A status bit alone does not
 * say so: it stays until the guest clears it, and on AMD the guest sets it
 * without an exit.
 */
static bool switch_just_overflowed(struct mpmu_vcpu *vcpu, u64 status)
{
	u32 pmc;

	mpmu_for_each_pmc(pmc, status & vcpu->host->pmcs) {
		if (switch_may_have_interrupted(vcpu, pmc) && switch_has_wrapped(vcpu, pmc))
			return true;
	}
	return false;
}

static MPMU_COLD void switch_drain(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 status)
{
	bool briefly = vcpu->drain_debt >= VAIN_DEBT;

	if (!switch_just_overflowed(vcpu, status))
		return;
	if (mpmu_call(vcpu, drain_pmi, briefly) && !briefly)
		vcpu->drain_debt += VAIN_WAIT;
	cpu->pmi_latched = true;
}

static inline u32 switch_save_status(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	u64 status = switch_read_status(vcpu);

	if (!status)
		return 0;
	if (vcpu->lent) {
		mpmu_collect_status(cpu, vcpu);
		return 0;
	}
	switch_drain(cpu, vcpu, status);
	mpmu_save_status(vcpu, status);
	return 1;
}

/* Where VM-exit loads GLOBAL_CTRL, everything has stopped already. */
static inline u32 switch_stop(struct mpmu_vcpu *vcpu, bool scrub)
{
	u32 msr = mpmu_desc(vcpu)->global_ctrl;

	if (!switch_moves_global_ctrl(vcpu))
		return 0;
	if (vcpu->lent) {
		if (scrub)
			mpmu_merge(vcpu, msr, 0, vcpu->lent);
		return scrub;
	}
	vcpu->global_ctrl = mpmu_call(vcpu, rdmsr, msr) & vcpu->moved;
	if (scrub)
		mpmu_call(vcpu, wrmsr, msr, 0);
	return scrub;
}

/* @before: the registers moved up to this change, which is complete. */
static void switch_owner_changed(struct mpmu_vcpu *vcpu, enum mpmu_cause cause,
				 const struct mpmu_moves *before)
{
	vcpu->stats->owner_changes[cause]++;
	mpmu_trace_owner(vcpu, cause, before);
}

/*
 * A latched interrupt is its target's.  IRQs are open after a refusal, and in a
 * guest that is the target.
 */
static bool switch_owed_to_another(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	bool owed = cpu->pmi_latched && cpu->pmi_target != vcpu;

	cpu->pmi_latched = false;
	return owed;
}

/* Another CPU may look for it now, run it, and change what is saved. */
static void switch_let_go(struct mpmu_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->held, false, __ATOMIC_RELEASE);
}

/*
 * Counters that both sides want: the guest has had them, and the host gets them
 * back.  All accesses of the guest to these exit: a value that is less than before
 * has wrapped.
 */
static MPMU_COLD void switch_swap_out(struct mpmu_cpu *cpu)
{
	struct mpmu_vcpu *vcpu = cpu->owner;
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs swapped = cpu->displaced & ~ALL_DISPLACED;
	mpmu_pmcs wrapped = swapped & mpmu_bit(MPMU_METRICS);
	u32 pmc;

	mpmu_for_each_pmc(pmc, swapped) {
		u64 value = mpmu_call(vcpu, rdmsr, mpmu_counter_msr(desc, pmc));

		if (value < *mpmu_saved_counter(vcpu, pmc))
			wrapped |= mpmu_bit(pmc);
		mpmu_save_counter(vcpu, pmc, value);
		vcpu->stats->registers.read++;
	}
	if (swapped & mpmu_bit(MPMU_METRICS))
		mpmu_call(vcpu, wrmsr, desc->metrics, 0);
	if (wrapped)
		mpmu_collect_status(cpu, vcpu);
	cpu->displaced &= ALL_DISPLACED;
	mpmu_call(vcpu, share, vcpu->lent);
}

/*
 * The guest has enabled these though they are lent: they are its own until the exit.
 * -EAGAIN: one of the host's that is in the way has overflowed just now.
 */
static MPMU_COLD int switch_swap_in(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	const struct mpmu_desc *desc = mpmu_desc(vcpu);
	mpmu_pmcs swapped = mpmu_contended(vcpu);
	u32 pmc;

	cpu->settled = swapped ? NULL : vcpu;
	if (swapped && !mpmu_call(vcpu, share, vcpu->lent & ~swapped)) {
		mpmu_exit(cpu, vcpu);
		return -EAGAIN;
	}
	cpu->displaced |= swapped;
	mpmu_for_each_pmc(pmc, swapped) {
		mpmu_counter_write(cpu, vcpu, pmc, *mpmu_saved_counter(vcpu, pmc));
		if (pmc < MPMU_FIXED_BASE)
			mpmu_call(vcpu, wrmsr, mpmu_eventsel_msr(desc, pmc),
				  vcpu->eventsel_hw[pmc]);
		vcpu->stats->registers.written++;
	}
	if (swapped & MPMU_FIXED_MASK)
		mpmu_merge_fixed_ctrl(vcpu, vcpu->fixed_ctrl_hw, mpmu_absent(cpu, vcpu));
	/* Elsewhere the bits of lent counters are set in any case. */
	if (mpmu_global_ctrl_in_vmcs(vcpu))
		mpmu_call(vcpu, set_global_ctrl, vcpu->global_ctrl & (~vcpu->lent | swapped));
	return 0;
}

/*
 * Save the owner's values.  For @next, who enters, they stay in the registers, and
 * it is still held, unless an interrupt is in the way: then false, as for the host,
 * who gets the PMU back scrubbed.  Late interrupts stay the guest's.  The status
 * comes first, while the counters still show which of them has overflowed just now.
 */
static MPMU_NOINLINE bool switch_take_out(struct mpmu_cpu *cpu, enum mpmu_cause cause,
					  const struct mpmu_vcpu *next)
{
	struct mpmu_vcpu *vcpu = cpu->owner;
	const struct mpmu_moves before = vcpu->stats->registers;
	u32 written;

	if (cpu->displaced & ~ALL_DISPLACED)
		switch_swap_out(cpu);
	written = switch_save_status(cpu, vcpu);
	if (next && switch_owed_to_another(cpu, next))
		next = NULL;
	written += switch_stop(vcpu, !next);
	if (!next)
		written += switch_scrub_controls(cpu, vcpu);
	written += switch_save_counters(cpu, vcpu, !next);
	switch_count_moves(vcpu, vcpu->readable, written);
	if (!next)
		mpmu_call(vcpu, disown);
	cpu->owner = NULL;
	cpu->settled = NULL;
	switch_owner_changed(vcpu, cause, &before);
	if (!next)
		switch_let_go(vcpu);
	return next;
}

/* Hand the PMU back to the host. */
void mpmu_release(struct mpmu_cpu *cpu, enum mpmu_cause cause)
{
	if (cpu->owner)
		switch_take_out(cpu, cause, NULL);
}

static void switch_displace(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_call(vcpu, displace);
	cpu->displaced = ALL_DISPLACED;
}

/* What the host writes now take_dirty names at the next entry: all else is known. */
static void switch_restore(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	if (!cpu->displaced)
		return;
	cpu->displaced = 0;
	mpmu_call(vcpu, restore);
}

/* From the host, or from another vCPU, for which the host's events are off already. */
static int switch_acquire(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, struct mpmu_vcpu *from)
{
	const struct mpmu_moves before = vcpu->stats->registers;

	if (!from && mpmu_call(vcpu, host_active))
		switch_displace(cpu, vcpu);
	if (!from && !mpmu_call(vcpu, own)) {
		switch_restore(cpu, vcpu);
		return -EAGAIN;
	}
	switch_load(cpu, vcpu, from);
	if (from)
		switch_let_go(from);
	vcpu->flags |= MPMU_VCPU_ENTERED;
	if (vcpu->drain_debt)
		vcpu->drain_debt--;
	vcpu->held = true;
	cpu->settled = cpu->owner = vcpu;
	cpu->pmi_target = vcpu;
	switch_owner_changed(vcpu, MPMU_CAUSE_ENTRY, &before);
	if (vcpu->lent)
		return switch_swap_in(cpu, vcpu);
	mpmu_call(vcpu, route_pmi);
	return 0;
}

/*
 * A PMU that counts nothing for some switches is not worth switching.  Where it
 * was owned since the last time; true: it becomes untouched.
 */
static MPMU_NOINLINE bool switch_account_idle(struct mpmu_vcpu *vcpu)
{
	if (!(vcpu->flags & MPMU_VCPU_ENTERED))
		return false;
	vcpu->flags &= ~(u32)MPMU_VCPU_ENTERED;
	if (vcpu->reprogram | vcpu->enabled) {
		vcpu->idle_switches = 0;
		return false;
	}
	if (++vcpu->idle_switches < MPMU_IDLE_SWITCHES)
		return false;
	mpmu_untouch(vcpu);
	return true;
}

/* The values are in memory, and GLOBAL_CTRL stays what it is; its place may not. */
static MPMU_COLD void switch_set_lent(struct mpmu_vcpu *vcpu, mpmu_pmcs lent)
{
	u64 ctrl = mpmu_global_ctrl_read(NULL, vcpu);

	vcpu->lent = lent;
	mpmu_count_registers(vcpu);
	mpmu_global_ctrl_write(NULL, vcpu, ctrl);
	mpmu_call(vcpu, share, lent);
	mpmu_call(vcpu, request_intercepts);
}

/* True: here the host has other counters than where the vCPU entered last. */
static bool switch_adopt_lent(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs lent = cpu->lent & vcpu->host->pmcs;

	if (vcpu->lent == lent)
		return false;
	switch_set_lent(vcpu, lent);
	return true;
}

/*
 * Apart from mpmu_enter(), which most of the time has nothing to do.  Whoever
 * lost the PMU by a reclaim has not been accounted for it.
 */
static MPMU_NOINLINE int switch_change_owner(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	struct mpmu_vcpu *from = cpu->owner;

	if (mpmu_held(vcpu))
		return from == vcpu ? switch_swap_in(cpu, vcpu) : -EINVAL;
	if (!mpmu_touched(vcpu)) {
		mpmu_release(cpu, MPMU_CAUSE_OTHER);
		return 0;
	}
	if ((vcpu->flags & MPMU_VCPU_ENTERED && switch_account_idle(vcpu)) ||
	    switch_adopt_lent(cpu, vcpu)) {
		mpmu_release(cpu, MPMU_CAUSE_OTHER);
		return -EAGAIN;
	}
	if (from ? !switch_take_out(cpu, MPMU_CAUSE_OTHER, vcpu)
		 : switch_owed_to_another(cpu, vcpu))
		return -EAGAIN;
	return switch_acquire(cpu, vcpu, from);
}

/* A settled owner has no event of the host in its way, as the host reclaims first. */
int mpmu_enter(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->settled == vcpu || !(cpu->owner || mpmu_touched(vcpu)))
		return 0;
	return switch_change_owner(cpu, vcpu);
}

/* Apart from mpmu_exit(), which most of the time has nothing to do. */
static MPMU_NOINLINE void switch_hand_back(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	if (!(cpu->displaced & ALL_DISPLACED)) {
		switch_swap_out(cpu);
		return;
	}
	mpmu_release(cpu, MPMU_CAUSE_DISPLACED);
	switch_restore(cpu, vcpu);
	switch_account_idle(vcpu);
}

void mpmu_exit(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->displaced)
		switch_hand_back(cpu, vcpu);
}

void mpmu_put(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->owner == vcpu)
		switch_take_out(cpu, MPMU_CAUSE_PUT, NULL);
	switch_account_idle(vcpu);
}

/* What host events made of the time since the last entry is told as by a put. */
void mpmu_park(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu)
{
	mpmu_assert_cpu(cpu, vcpu);
	if (cpu->owner != vcpu)
		switch_account_idle(vcpu);
}

void mpmu_evict(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_assert(cpu);
	if (!vcpu || cpu->owner == vcpu)
		mpmu_release(cpu, MPMU_CAUSE_PUT);
}

void mpmu_reclaim(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	mpmu_release(cpu, MPMU_CAUSE_RECLAIM);
}

void mpmu_share(struct mpmu_cpu *cpu, mpmu_pmcs host)
{
	mpmu_assert(cpu);
	host = mpmu_with_metrics(host & ~mpmu_bit(MPMU_METRICS), ~0ull);
	if (cpu->lent == host)
		return;
	mpmu_release(cpu, MPMU_CAUSE_RECLAIM);
	cpu->lent = host;
	cpu->zero_counters &= ~host;
	cpu->zero_eventsels &= ~(u32)host;
}

void mpmu_drain(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	if (cpu->owner && !cpu->owner->lent)
		switch_drain(cpu, cpu->owner, switch_read_status(cpu->owner));
}

void mpmu_pmi(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	if (cpu->pmi_target)
		mpmu_raise_pmi(cpu->pmi_target);
	/* Last: what another CPU looks for is either still to come, or there. */
	cpu->pmi_latched = false;
}

bool mpmu_nmi(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	return cpu->owner && cpu->owner->lent && mpmu_collect_status(cpu, cpu->owner);
}

/*
 * The owner's values are gone: nobody has to be asked for them.  What is left in
 * hardware, the next one's entry cleans.
 */
static void switch_lose(struct mpmu_cpu *cpu)
{
	if (cpu->owner)
		cpu->owner->held = false;
	cpu->owner = NULL;
	cpu->cleaned = 0;
	cpu->settled = NULL;
}

void mpmu_cpu_forget_vcpu(struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_assert(cpu && vcpu);
	if (cpu->owner == vcpu)
		switch_lose(cpu);
	if (cpu->pmi_target == vcpu)
		cpu->pmi_target = NULL;
}

void mpmu_cpu_reset(struct mpmu_cpu *cpu)
{
	mpmu_assert(cpu);
	switch_lose(cpu);
	memset(cpu, 0, sizeof(*cpu));
}
