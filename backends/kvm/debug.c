// SPDX-License-Identifier: GPL-2.0-only
/*
 * CONFIG_MPMU_DEBUG: do the registers of this CPU hold what the core believes of
 * them?  Asked before each entry of a guest, after each exit, and before the host
 * gets its PMU back.  While no vCPU owns it, the core believes nothing.  Numbers of
 * registers are the kernel's: the core's own would hide a wrong one.
 */
#include <linux/bits.h>
#include <linux/percpu.h>

#include <asm/msr.h>

#include "glue.h"

/* PERF_METRICS in sets of PMCs. */
#define DEBUG_METRICS	48
#define DEBUG_NR_PMCS	(DEBUG_METRICS + 1)

struct debug_msrs {
	u32 counter;
	u32 eventsel;
	u32 stride;
	u32 global_ctrl;
	u32 status;
	/* Bits of no counter that a guest sets without an exit. */
	u64 status_settable;
};

static const struct debug_msrs debug_intel = {
	.counter = MSR_IA32_PERFCTR0,
	.eventsel = MSR_P6_EVNTSEL0,
	.stride = 1,
	.global_ctrl = MSR_CORE_PERF_GLOBAL_CTRL,
	.status = MSR_CORE_PERF_GLOBAL_STATUS,
};

static const struct debug_msrs debug_amd = {
	.counter = MSR_F15H_PERF_CTR,
	.eventsel = MSR_F15H_PERF_CTL,
	.stride = 2,
	.global_ctrl = MSR_AMD64_PERF_CNTR_GLOBAL_CTL,
	.status = MSR_AMD64_PERF_CNTR_GLOBAL_STATUS,
	.status_settable = GENMASK_ULL(59, 58),
};

/* The counters of the owner as the last VM-exit left them; no owner: not known. */
struct debug_record {
	const struct mpmu_vcpu *owner;
	u64 counters[DEBUG_NR_PMCS];
};

static DEFINE_PER_CPU(struct debug_record, debug_record);

static const struct debug_msrs *debug_msrs(void)
{
	return kvm_mpmu_host.caps.vendor == MPMU_VENDOR_INTEL ? &debug_intel : &debug_amd;
}

static u32 debug_counter_msr(u32 pmc)
{
	const struct debug_msrs *msrs = debug_msrs();

	if (pmc == DEBUG_METRICS)
		return MSR_PERF_METRICS;
	if (pmc >= MPMU_FIXED_BASE)
		return MSR_CORE_PERF_FIXED_CTR0 + pmc - MPMU_FIXED_BASE;
	return msrs->counter + pmc * msrs->stride;
}

/* The one place that warns, so once. */
static void debug_expect(const char *name, u32 msr, u64 mask, u64 want)
{
	u64 holds = __rdmsr(msr) & mask;

	WARN_ONCE(holds != want, "mpmu: CPU %d: %s, MSR %#x, holds %#llx, not %#llx\n",
		  smp_processor_id(), name, msr, holds, want);
}

static void debug_expect_counter(u32 pmc, u64 want)
{
	const char *name = pmc >= MPMU_FIXED_BASE ? "fixed counter" : "counter";

	debug_expect(name, debug_counter_msr(pmc), ~0ull, want);
}

/* PERF_METRICS is among the fixed ones.  @want: by counter; NULL: 0. */
static void debug_expect_counters(mpmu_pmcs pmcs, const u64 *want)
{
	u32 pmc;

	for (pmc = 0; pmc < DEBUG_NR_PMCS; pmc++)
		if (pmcs & BIT_ULL(pmc))
			debug_expect_counter(pmc, want ? want[pmc] : 0);
}

static void debug_expect_selectors(mpmu_pmcs pmcs, const u64 *want)
{
	const struct debug_msrs *msrs = debug_msrs();
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (pmcs & BIT_ULL(i))
			debug_expect("selector", msrs->eventsel + i * msrs->stride, ~0ull,
				     want ? want[i] : 0);
}

/* Fields of counters that are lent are the host's. */
static void debug_expect_fixed_ctrl(const struct mpmu_vcpu *core, u64 want)
{
	u64 mask = ~0ull;
	u32 i;

	if (!(kvm_mpmu_host.reachable & MPMU_FIXED_MASK))
		return;
	for (i = 0; i < 16; i++)
		if (core->lent & BIT_ULL(MPMU_FIXED_BASE + i))
			mask &= ~(0xfull << 4 * i);
	debug_expect("FIXED_CTR_CTRL", MSR_CORE_PERF_FIXED_CTR_CTRL, mask, want & mask);
}

static mpmu_pmcs debug_pmcs_of(const struct mpmu_vcpu *core)
{
	return (core->caps.counters | core->caps.global_ctrl_extra) & ~core->lent;
}

/*
 * What others had beyond the owner's model is gone.  PERF_METRICS follows fixed
 * counter 3, and a counter that perf does not lend may hold anything.
 */
static mpmu_pmcs debug_beyond(const struct mpmu_vcpu *core)
{
	mpmu_pmcs beyond = kvm_mpmu_host.reachable & ~(debug_pmcs_of(core) | core->lent);

	return kvm_mpmu_lends_all ? beyond & ~BIT_ULL(DEBUG_METRICS) : 0;
}

static void debug_expect_owner(const struct mpmu_vcpu *core)
{
	const struct debug_msrs *msrs = debug_msrs();
	mpmu_pmcs beyond = debug_beyond(core);

	debug_expect_selectors(debug_pmcs_of(core), core->eventsel_hw);
	debug_expect_selectors(beyond, NULL);
	debug_expect_counters(beyond, NULL);
	debug_expect_fixed_ctrl(core, core->fixed_ctrl_hw);
	/* VM-exit loads it.  Elsewhere the guest writes it as it likes. */
	if (kvm_mpmu_host.caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL)
		debug_expect("GLOBAL_CTRL", msrs->global_ctrl, ~core->lent, 0);
}

/* Whoever enters: the owner, running or parked, lost and gained nothing since its VM-exit. */
void kvm_mpmu_debug_before_entry(const struct mpmu_cpu *cpu)
{
	const struct debug_record *record = this_cpu_ptr(&debug_record);

	if (!cpu->owner)
		return;
	debug_expect_owner(cpu->owner);
	if (record->owner == cpu->owner)
		debug_expect_counters(debug_pmcs_of(cpu->owner), record->counters);
}

void kvm_mpmu_debug_after_exit(const struct mpmu_cpu *cpu)
{
	struct debug_record *record = this_cpu_ptr(&debug_record);
	mpmu_pmcs pmcs;
	u32 pmc;

	record->owner = cpu->owner;
	if (!cpu->owner)
		return;
	debug_expect_owner(cpu->owner);
	pmcs = debug_pmcs_of(cpu->owner);
	for (pmc = 0; pmc < DEBUG_NR_PMCS; pmc++)
		if (pmcs & BIT_ULL(pmc))
			record->counters[pmc] = __rdmsr(debug_counter_msr(pmc));
}

/* The owner's counters are about to change: an instruction is emulated, or one is written. */
void kvm_mpmu_debug_counters_change(void)
{
	this_cpu_ptr(&debug_record)->owner = NULL;
}

/* The host gets its PMU back: no value of a guest is in it. */
void kvm_mpmu_debug_before_release(const struct mpmu_vcpu *core)
{
	mpmu_pmcs pmcs = debug_pmcs_of(core) | debug_beyond(core);
	const struct debug_msrs *msrs = debug_msrs();

	kvm_mpmu_debug_counters_change();
	debug_expect_selectors(pmcs, NULL);
	debug_expect_counters(pmcs, NULL);
	debug_expect_fixed_ctrl(core, 0);
	debug_expect("GLOBAL_CTRL", msrs->global_ctrl, ~core->lent, 0);
	debug_expect("GLOBAL_STATUS", msrs->status,
		     (kvm_mpmu_host.pmcs & ~core->lent) | msrs->status_settable, 0);
}
