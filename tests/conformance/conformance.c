// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One check per promise of a port.  The name of a check is the promise that is
 * broken where it fails; it starts with the slot or the place that makes it.
 */
#include "conformance.h"

#define ALL         (MPMU_READ | MPMU_WRITE)
/* Instructions retired at any CPL, with an interrupt, enabled; or in user mode. */
#define COUNTS      0x5300c0ull
#define COUNTS_USER 0x4100c0ull
#define ENABLE      (1ull << 22)
#define HOST_ONLY   (1ull << 41)
#define PATTERN     0x5a5a5a5a5a5aull

/* Registers beside the PMU, which are the port's. */
#define MSR_MISC_ENABLE       0x1a0
#define MISC_ENABLE_PERFMON   (1ull << 7)
#define MISC_ENABLE_NO_BTS    (1ull << 11)
#define MISC_ENABLE_NO_PEBS   (1ull << 12)
#define MSR_DEBUGCTL          0x1d9
#define DEBUGCTL_FREEZE       (3ull << 11)
#define STATUS_FROZEN         (3ull << 58)
#define MSR_PERF_CAPABILITIES 0x345
#define PERF_CAP_PEBS         (0x0fc0ull | 1ull << 14 | 1ull << 16 | 1ull << 17)
#define PERF_CAP_PMU          (1ull << 13 | 1ull << 15)

/* Idleness that makes a PMU untouched again: more owner changes than that takes. */
#define IDLE_CHANGES 20

/* Registers of a snapshot, at most. */
#define LIST_ROOM 128

/* Where the registers of a vendor are. */
struct map {
	u32 counter;
	u32 eventsel;
	u32 shift;
	u32 fixed;
	u32 metrics;
	u32 fixed_ctrl;
	u32 global_ctrl;
	u32 status;
	u32 status_clear;
	u32 rdpmc_fixed;
};

static const struct map maps[] = {
	[MPMU_VENDOR_INTEL] = {0x4c1, 0x186, 0, 0x309, 0x329, 0x38d, 0x38f, 0x38e, 0x390,
			       1u << 30},
	[MPMU_VENDOR_AMD] = {0xc0010201, 0xc0010200, 1, 0, 0, 0, 0xc0000301, 0xc0000300,
			     0xc0000302, 0},
};

/* PERF_METRICS in sets of PMCs. */
#define METRICS 48

/* The port, and what the suite is at. */
struct suite {
	const struct conformance_port *port;
	struct mpmu_cpu *cpu;
	struct mpmu_vcpu *vcpu;
	/* The first hook that a check wanted and did not find. */
	const char *missing;
	/* An event of the host is on this CPU, wherever no guest runs. */
	bool beside;
};

/* Where a check has a meaning, and how it is run. */
enum scope {
	/* Once more, with an event of the host beside the guest. */
	BESIDE = 1,
	INTEL = 2,
	AMD = 4,
	/* GLOBAL_CTRL is in a VMCS. */
	VMCS = 8,
};

struct check {
	const char *promise;
	bool (*run)(struct suite *s);
	/* enum scope bits. */
	u32 scope;
	/* Left out where the port says so: enum conformance_without bits. */
	u32 without;
};

static bool note_missing(struct suite *s, const char *hook)
{
	if (!s->missing)
		s->missing = hook;
	return false;
}

/* A hook that is not there does nothing, and says 0. */
#define has(s, hook)      ((s)->port->hook ? true : note_missing(s, #hook))
#define ask(s, hook, ...) (has(s, hook) ? (s)->port->hook((s)->port->data, ##__VA_ARGS__) : 0)
#define tell(s, hook, ...)                                             \
	do {                                                           \
		if (has(s, hook))                                      \
			(s)->port->hook((s)->port->data, ##__VA_ARGS__); \
	} while (0)

/* Through the port's own way to call an op. */
#define call(s, slot, ...) mpmu_call((s)->vcpu, slot, ##__VA_ARGS__)

static const struct mpmu_caps *caps_of(const struct suite *s)
{
	return &s->port->host->caps;
}

static bool is_amd(const struct suite *s)
{
	return caps_of(s)->vendor == MPMU_VENDOR_AMD;
}

static const struct map *map_of(const struct suite *s)
{
	return &maps[caps_of(s)->vendor];
}

static bool is_in(mpmu_pmcs set, u32 pmc)
{
	return set >> pmc & 1;
}

static u32 counter_msr(const struct suite *s, u32 pmc)
{
	const struct map *map = map_of(s);

	if (pmc == METRICS)
		return map->metrics;
	return pmc < MPMU_FIXED_BASE ? map->counter + (pmc << map->shift)
				     : map->fixed + pmc - MPMU_FIXED_BASE;
}

static u32 eventsel_msr(const struct suite *s, u32 pmc)
{
	const struct map *map = map_of(s);

	return map->eventsel + (pmc << map->shift);
}

/* ECX of RDPMC. */
static u32 rdpmc_index(const struct suite *s, u32 pmc)
{
	if (pmc == METRICS)
		return 1u << 29;
	return pmc < MPMU_FIXED_BASE ? pmc : map_of(s)->rdpmc_fixed + pmc - MPMU_FIXED_BASE;
}

/* Counters and PERF_METRICS. */
static mpmu_pmcs all_pmcs(const struct mpmu_caps *caps)
{
	return caps->counters | caps->global_ctrl_extra;
}

/* The next PMC of the model at or after @pmc; 64: none. */
static u32 next(const struct suite *s, u32 pmc)
{
	while (pmc < 64 && !is_in(all_pmcs(&s->vcpu->caps), pmc))
		pmc++;
	return pmc;
}

#define for_each_pmc(pmc, s) for ((pmc) = next(s, 0); (pmc) < 64; (pmc) = next(s, (pmc) + 1))

static u64 width_mask(const struct suite *s, u32 pmc)
{
	u32 width = pmc < MPMU_FIXED_BASE ? caps_of(s)->gp_width
		    : pmc == METRICS	  ? caps_of(s)->metrics_width
					  : caps_of(s)->fixed_width;

	return width < 64 ? (1ull << width) - 1 : ~0ull;
}

/* A value of its own for each counter. */
static u64 pattern(const struct suite *s, u32 pmc)
{
	return (PATTERN + pmc) & width_mask(s, pmc);
}

static u64 raw(struct suite *s, u32 msr)
{
	return ask(s, raw, msr);
}

static void irqs(struct suite *s, bool on)
{
	tell(s, irqs, on);
}

/* Without another CPU or vCPU the check goes on, and its promise is incomplete. */
static void use_cpu(struct suite *s, u32 index)
{
	if (!has(s, use_cpu) || !has(s, cpus[index]))
		return;
	tell(s, use_cpu, index);
	s->cpu = s->port->cpus[index];
}

static void use_vcpu(struct suite *s, u32 index)
{
	if (!has(s, use_vcpu) || !has(s, vcpus[index]))
		return;
	tell(s, use_vcpu, index);
	s->vcpu = s->port->vcpus[index];
}

static void run(struct suite *s, u32 count)
{
	tell(s, guest_run, count);
}

static bool wrmsr(struct suite *s, u32 msr, u64 value)
{
	return ask(s, guest_wrmsr, msr, value);
}

/* All ones: it got a fault. */
static u64 rdmsr(struct suite *s, u32 msr)
{
	u64 value = 0;

	return ask(s, guest_rdmsr, msr, &value) ? value : ~0ull;
}

static u64 rdpmc(struct suite *s, u32 pmc)
{
	u64 value = 0;

	return ask(s, guest_rdpmc, rdpmc_index(s, pmc), &value) ? value : ~0ull;
}

static u32 pmis(struct suite *s)
{
	return ask(s, guest_pmis);
}

static u32 intercepts(struct suite *s, u32 msr)
{
	return ask(s, intercepts, msr);
}

static bool is_touched(const struct suite *s)
{
	return s->vcpu->flags & MPMU_VCPU_TOUCHED;
}

/* Are the intercepts of a register as the policy has them now? */
static bool as_policy_says(struct suite *s, u32 msr)
{
	return intercepts(s, msr) == mpmu_msr_intercepts(s->vcpu, msr);
}

/*
 * Runs are this much longer where the host's event counts the port's own
 * instructions too: what they add in a check is then less than any run.
 */
#define HOOKS 8

static u32 scale(const struct suite *s)
{
	return 1 + HOOKS * s->port->host_overhead;
}

static void run_scaled(struct suite *s, u32 count)
{
	run(s, count * scale(s));
}

static void host_run(struct suite *s, u32 count)
{
	tell(s, host_run, count * scale(s));
}

static bool host_counted(struct suite *s, u32 count)
{
	u64 want = (u64)count * scale(s), got = ask(s, host_count);

	return got >= want && got - want < scale(s);
}

/* PMC 0 counts instructions from @start; on Intel all PMCs are on at reset. */
static void start_counting(struct suite *s, u64 start)
{
	wrmsr(s, counter_msr(s, 0), start);
	wrmsr(s, eventsel_msr(s, 0), COUNTS);
}

static u64 counted(struct suite *s)
{
	return rdmsr(s, counter_msr(s, 0));
}

/* The guest has counted one instruction, and has its registers open. */
static void touch(struct suite *s)
{
	start_counting(s, 0);
	run(s, 1);
}

static void put_and_load(struct suite *s)
{
	tell(s, put);
	tell(s, load);
}

/*
 * Scheduled out and in again, reset, without a filter.  The host is not idle: an
 * event of it has counted, and left its counter as it was; or it is there.
 */
static void begin(struct suite *s)
{
	tell(s, put);
	tell(s, host_event, false);
	tell(s, load);
	irqs(s, false);
	mpmu_vcpu_reset(s->cpu, s->vcpu);
	irqs(s, true);
	tell(s, set_filter, NULL);
	tell(s, guest_lvtpc, true);
	tell(s, host_event, true);
	tell(s, host_run, 20);
	tell(s, host_event, false);
	if (s->beside)
		tell(s, host_event, true);
}

/* The guest's values would be in hardware between these, IRQs off. */
static bool own(struct suite *s)
{
	irqs(s, false);
	if (s->beside)
		call(s, displace);
	return call(s, own);
}

static void disown(struct suite *s)
{
	call(s, disown);
	if (s->beside)
		call(s, restore);
	irqs(s, true);
}

static bool own_stops(struct suite *s)
{
	bool ok = own(s) && !raw(s, map_of(s)->global_ctrl);

	disown(s);
	return ok;
}

static bool own_has_no_status(struct suite *s)
{
	bool ok = own(s) && !(raw(s, map_of(s)->status) & all_pmcs(caps_of(s)));

	disown(s);
	return ok;
}

static bool own_refuses(struct suite *s)
{
	bool owned;

	tell(s, host_overflow, false);
	owned = own(s);
	if (owned)
		call(s, disown);
	irqs(s, true);
	return !owned;
}

static bool refusal_changes_nothing(struct suite *s)
{
	u64 before = raw(s, map_of(s)->global_ctrl), after;

	tell(s, host_overflow, false);
	own(s);
	after = raw(s, map_of(s)->global_ctrl);
	irqs(s, true);
	return before == after && !ask(s, routed_to_guest);
}

/* What the core writes and clears between own and disown. */
static void use_control(struct suite *s)
{
	if (!(caps_of(s)->features & MPMU_FEAT_VMCS_GLOBAL_CTRL)) {
		call(s, wrmsr, map_of(s)->global_ctrl, 1);
		call(s, wrmsr, map_of(s)->global_ctrl, 0);
	}
	if (is_in(caps_of(s)->counters, MPMU_FIXED_BASE)) {
		call(s, wrmsr, map_of(s)->fixed_ctrl, 3);
		call(s, wrmsr, map_of(s)->fixed_ctrl, 0);
	}
}

static u64 fixed_ctrl(struct suite *s)
{
	return map_of(s)->fixed_ctrl ? raw(s, map_of(s)->fixed_ctrl) : 0;
}

/* With the host's event displaced, too, whatever that leaves. */
static bool disown_restores_control(struct suite *s)
{
	u64 global, fixed;
	bool ok;

	irqs(s, false);
	if (s->beside)
		call(s, displace);
	global = raw(s, map_of(s)->global_ctrl);
	fixed = fixed_ctrl(s);
	ok = call(s, own);
	use_control(s);
	call(s, disown);
	ok &= raw(s, map_of(s)->global_ctrl) == global && fixed_ctrl(s) == fixed;
	if (s->beside)
		call(s, restore);
	irqs(s, true);
	return ok;
}

static bool event_survives_owner(struct suite *s)
{
	bool ok;

	tell(s, host_event, true);
	host_run(s, 10);
	irqs(s, false);
	call(s, displace);
	ok = call(s, own);
	use_control(s);
	call(s, disown);
	call(s, restore);
	irqs(s, true);
	host_run(s, 5);
	return ok && host_counted(s, 15);
}

/* Write a register, see what hardware and rdmsr say, clear it. */
static bool write_arrives(struct suite *s, u32 msr, u64 value)
{
	bool ok;

	call(s, wrmsr, msr, value);
	ok = raw(s, msr) == value;
	call(s, wrmsr, msr, 0);
	return ok && !raw(s, msr);
}

static bool wrmsr_counters(struct suite *s)
{
	bool ok = own(s);
	u32 pmc;

	for_each_pmc(pmc, s)
		ok &= write_arrives(s, counter_msr(s, pmc), pattern(s, pmc));
	disown(s);
	return ok;
}

static bool wrmsr_eventsels(struct suite *s)
{
	bool ok = own(s);
	u32 pmc;

	for (pmc = next(s, 0); pmc < MPMU_FIXED_BASE; pmc = next(s, pmc + 1))
		ok &= write_arrives(s, eventsel_msr(s, pmc), COUNTS & ~ENABLE);
	disown(s);
	return ok;
}

static bool rdmsr_reads(struct suite *s)
{
	bool ok = own(s);
	u32 pmc;

	for_each_pmc(pmc, s) {
		u32 msr = counter_msr(s, pmc);

		call(s, wrmsr, msr, pattern(s, pmc));
		ok &= call(s, rdmsr, msr) == raw(s, msr);
		call(s, wrmsr, msr, 0);
		ok &= call(s, rdmsr, msr) == raw(s, msr);
	}
	disown(s);
	return ok;
}

static bool global_ctrl_is_kept(struct suite *s)
{
	mpmu_pmcs all = all_pmcs(caps_of(s));
	bool ok;

	irqs(s, false);
	call(s, set_global_ctrl, all);
	ok = call(s, get_global_ctrl) == all;
	call(s, set_global_ctrl, 1);
	ok &= call(s, get_global_ctrl) == 1;
	irqs(s, true);
	return ok;
}

/* What the guest itself writes, by an exit or without one. */
static bool global_ctrl_is_saved(struct suite *s)
{
	u64 saved;

	touch(s);
	wrmsr(s, map_of(s)->global_ctrl, 1);
	irqs(s, false);
	saved = call(s, get_global_ctrl);
	irqs(s, true);
	return saved == 1;
}

/* Two vCPUs that count by different values, by turns. */
static bool global_ctrl_is_each_ones(struct suite *s)
{
	bool ok;

	touch(s);
	wrmsr(s, map_of(s)->global_ctrl, 0);
	tell(s, put);
	use_vcpu(s, 1);
	begin(s);
	touch(s);
	tell(s, put);
	use_vcpu(s, 0);
	tell(s, load);
	run(s, 10);
	ok = rdmsr(s, map_of(s)->global_ctrl) == 0;
	wrmsr(s, map_of(s)->global_ctrl, 1);
	run(s, 10);
	return ok && rdmsr(s, map_of(s)->global_ctrl) == 1;
}

static void close_all(struct suite *s)
{
	u32 pmc;

	for_each_pmc(pmc, s)
		call(s, set_intercept, counter_msr(s, pmc), ALL, true);
}

/* Are all counters intercepted but one, which is for the other accesses? */
static bool only_open(struct suite *s, u32 open, u32 access)
{
	u32 pmc;

	for_each_pmc(pmc, s) {
		u32 expected = pmc == open ? ALL & ~access : ALL;

		if (intercepts(s, counter_msr(s, pmc)) != expected)
			return false;
	}
	return true;
}

static bool intercept_opens(struct suite *s)
{
	bool ok = true;
	u32 pmc, access;

	irqs(s, false);
	for_each_pmc(pmc, s) {
		for (access = MPMU_READ; access <= ALL; access++) {
			close_all(s);
			call(s, set_intercept, counter_msr(s, pmc), access, false);
			ok &= only_open(s, pmc, access);
		}
	}
	close_all(s);
	irqs(s, true);
	return ok;
}

static bool intercept_closes(struct suite *s)
{
	u32 msr = counter_msr(s, 0);
	bool ok;

	irqs(s, false);
	call(s, set_intercept, msr, ALL, false);
	call(s, set_intercept, msr, MPMU_WRITE, true);
	ok = intercepts(s, msr) == MPMU_WRITE;
	call(s, set_intercept, msr, ALL, true);
	ok &= intercepts(s, msr) == ALL;
	irqs(s, true);
	return ok;
}

/* The other vCPU's registers stay closed. */
static bool intercept_is_each_ones(struct suite *s)
{
	u32 msr = counter_msr(s, 0);
	bool ok;

	touch(s);
	run(s, 1);
	ok = as_policy_says(s, msr);
	tell(s, put);
	use_vcpu(s, 1);
	begin(s);
	run(s, 1);
	ok &= intercepts(s, msr) == ALL && ask(s, rdpmc_intercepted);
	tell(s, put);
	use_vcpu(s, 0);
	tell(s, load);
	return ok;
}

static bool rdpmc_opens_and_closes(struct suite *s)
{
	bool ok;

	irqs(s, false);
	call(s, set_rdpmc_intercept, false);
	ok = !ask(s, rdpmc_intercepted);
	call(s, set_rdpmc_intercept, true);
	ok &= ask(s, rdpmc_intercepted);
	irqs(s, true);
	return ok;
}

static bool touched_loads(struct suite *s)
{
	start_counting(s, 0);
	run(s, 100);
	return counted(s) == 100;
}

static bool untouched_is_idle(struct suite *s)
{
	tell(s, host_event, true);
	run_scaled(s, 100);
	host_run(s, 30);
	tell(s, host_event, false);
	return host_counted(s, 30);
}

/* It was touched, and is no longer: a RESET did that. */
static bool untouched_again_is_idle(struct suite *s)
{
	touch(s);
	tell(s, reset);
	return untouched_is_idle(s) && !s->cpu->owner;
}

static bool active(struct suite *s)
{
	bool is_active;

	irqs(s, false);
	is_active = call(s, host_active);
	irqs(s, true);
	return is_active;
}

static bool host_active_sees_events(struct suite *s)
{
	tell(s, host_event, true);
	return active(s);
}

static bool host_active_sees_none(struct suite *s)
{
	return !active(s);
}

/* The host's instructions that its event counts while displaced. */
static bool displace_stops(struct suite *s)
{
	bool is_active;

	tell(s, host_event, true);
	host_run(s, 10);
	irqs(s, false);
	call(s, displace);
	is_active = call(s, host_active);
	host_run(s, 100);
	call(s, restore);
	irqs(s, true);
	return !is_active && host_counted(s, 10);
}

static bool restore_resumes(struct suite *s)
{
	bool is_active;

	tell(s, host_event, true);
	host_run(s, 10);
	irqs(s, false);
	call(s, displace);
	call(s, restore);
	is_active = call(s, host_active);
	irqs(s, true);
	host_run(s, 5);
	return is_active && host_counted(s, 15);
}

/* Leave counters and selectors as 0, as the caller of take_dirty would. */
static void clean(struct suite *s, mpmu_pmcs dirty)
{
	u32 pmc;

	for_each_pmc(pmc, s) {
		if (!is_in(dirty, pmc))
			continue;
		call(s, wrmsr, counter_msr(s, pmc), 0);
		if (pmc < MPMU_FIXED_BASE)
			call(s, wrmsr, eventsel_msr(s, pmc), 0);
	}
}

/* A counter or its selector holds something. */
static bool holds(struct suite *s, u32 pmc)
{
	return raw(s, counter_msr(s, pmc)) ||
	       (pmc < MPMU_FIXED_BASE && raw(s, eventsel_msr(s, pmc)));
}

/* Asked for no counter first, a port names none, and forgets none. */
static bool dirty_is_complete(struct suite *s)
{
	mpmu_pmcs dirty;
	bool ok;
	u32 pmc;

	tell(s, host_event, true);
	host_run(s, 100);
	tell(s, host_event, false);
	ok = own(s);
	call(s, take_dirty, 0);
	dirty = call(s, take_dirty, all_pmcs(caps_of(s)));
	for_each_pmc(pmc, s)
		ok &= !holds(s, pmc) || is_in(dirty, pmc);
	clean(s, dirty);
	disown(s);
	return ok;
}

/* The core writes whatever is named: a guest may have no such counter. */
static bool dirty_is_what_was_asked_for(struct suite *s)
{
	mpmu_pmcs dirty, all = all_pmcs(caps_of(s));
	u32 pmc;
	bool ok;

	tell(s, host_event, true);
	host_run(s, 100);
	tell(s, host_event, false);
	ok = own(s) && !call(s, take_dirty, 0);
	for_each_pmc(pmc, s) {
		dirty = call(s, take_dirty, 1ull << pmc);
		ok &= !(dirty & ~(1ull << pmc));
		clean(s, dirty);
	}
	ok &= !(call(s, take_dirty, all) & ~all);
	disown(s);
	return ok;
}

static bool routes_while_owned(struct suite *s)
{
	bool ok = own(s);

	call(s, route_pmi);
	ok &= ask(s, routed_to_guest);
	disown(s);
	return ok;
}

static bool disown_routes_back(struct suite *s)
{
	own(s);
	call(s, route_pmi);
	disown(s);
	return !ask(s, routed_to_guest);
}

/* Five instructions before a wrap, of which one has run. */
static void overflow_soon(struct suite *s)
{
	tell(s, guest_lvtpc, false);
	start_counting(s, width_mask(s, 0) - 4);
	run(s, 1);
}

static void overflow(struct suite *s)
{
	overflow_soon(s);
	run(s, 10);
	irqs(s, true);
	run(s, 1);
}

/* Is the guest's number of interrupts that many more than before? */
static bool got_pmis(struct suite *s, u32 before, u32 more)
{
	return pmis(s) == before + more;
}

static bool overflow_is_one_pmi(struct suite *s)
{
	u32 before = pmis(s);

	overflow(s);
	return got_pmis(s, before, 1);
}

static bool overflow_sets_status(struct suite *s)
{
	bool ok;

	overflow(s);
	ok = rdmsr(s, map_of(s)->status) == 1;
	put_and_load(s);
	ok &= rdmsr(s, map_of(s)->status) == 1;
	ok &= wrmsr(s, map_of(s)->status_clear, 1);
	return ok && !rdmsr(s, map_of(s)->status);
}

/* What has overflowed, counts on, and may do so again. */
static void overflow_again(struct suite *s)
{
	wrmsr(s, map_of(s)->status_clear, 1);
	wrmsr(s, counter_msr(s, 0), width_mask(s, 0) - 4);
	run(s, 10);
	irqs(s, true);
	run(s, 1);
}

static bool mask_holds_back(struct suite *s)
{
	u32 before = pmis(s);

	touch(s);
	overflow_again(s);
	return got_pmis(s, before, 0);
}

static bool unmask_lets_through(struct suite *s)
{
	u32 before = pmis(s);

	touch(s);
	overflow_again(s);
	tell(s, guest_lvtpc, false);
	overflow_again(s);
	return got_pmis(s, before, 1);
}

/* Intel's local APIC masks LVTPC as it delivers; AMD's does not. */
static bool delivery_masks(struct suite *s)
{
	u32 before = pmis(s);
	bool ok;

	overflow(s);
	ok = got_pmis(s, before, 1);
	overflow_again(s);
	ok &= got_pmis(s, before, is_amd(s) ? 2 : 1);
	tell(s, guest_lvtpc, false);
	overflow_again(s);
	return ok && got_pmis(s, before, is_amd(s) ? 3 : 2);
}

static bool late_pmi_is_drained(struct suite *s)
{
	u32 before = pmis(s);

	overflow_soon(s);
	tell(s, delay_pmi);
	run(s, 10);
	tell(s, put);
	irqs(s, true);
	tell(s, load);
	run(s, 1);
	return got_pmis(s, before, 1);
}

static bool late_pmi_finds_its_vcpu(struct suite *s)
{
	u32 before = pmis(s), others;

	overflow_soon(s);
	tell(s, delay_pmi);
	run(s, 10);
	tell(s, put);
	use_vcpu(s, 1);
	begin(s);
	tell(s, guest_lvtpc, false);
	others = pmis(s);
	touch(s);
	others = pmis(s) - others;
	tell(s, put);
	use_vcpu(s, 0);
	tell(s, load);
	run(s, 1);
	return !others && got_pmis(s, before, 1);
}

/* With an interrupt on its way or, as none ever was, in vain. */
static bool drain(struct suite *s)
{
	bool in_vain;

	irqs(s, false);
	in_vain = call(s, drain_pmi, true);
	irqs(s, true);
	return in_vain;
}

static bool drain_is_in_vain(struct suite *s)
{
	tell(s, guest_lvtpc, false);
	touch(s);
	return drain(s);
}

static bool drain_is_not_in_vain(struct suite *s)
{
	overflow_soon(s);
	tell(s, delay_pmi);
	run(s, 10);
	return !drain(s);
}

static bool drains_before_other_use(struct suite *s)
{
	u32 before = pmis(s);

	overflow_soon(s);
	tell(s, delay_pmi);
	run(s, 10);
	tell(s, other_lvtpc);
	irqs(s, true);
	run(s, 1);
	return got_pmis(s, before, 1);
}

static bool other_use_ends(struct suite *s)
{
	u32 before = pmis(s);

	overflow_soon(s);
	tell(s, other_lvtpc);
	run(s, 10);
	irqs(s, true);
	run(s, 1);
	return got_pmis(s, before, 1);
}

static bool request_pmi_arrives(struct suite *s)
{
	u32 before = pmis(s);

	tell(s, guest_lvtpc, false);
	irqs(s, false);
	call(s, request_pmi);
	irqs(s, true);
	run(s, 1);
	return got_pmis(s, before, 1);
}

static bool request_pmi_is_masked(struct suite *s)
{
	u32 before = pmis(s);

	irqs(s, false);
	call(s, request_pmi);
	irqs(s, true);
	run(s, 1);
	tell(s, guest_lvtpc, false);
	run(s, 1);
	return got_pmis(s, before, 0);
}

static bool reprograms_before_entry(struct suite *s)
{
	touch(s);
	return s->vcpu->eventsel_hw[0] & ENABLE;
}

static bool updates_before_entry(struct suite *s)
{
	touch(s);
	return as_policy_says(s, counter_msr(s, 0)) &&
	       ask(s, rdpmc_intercepted) == mpmu_rdpmc_intercepted(s->vcpu);
}

/* A counter that the VM's owner started: reprogramming it opens the intercepts. */
static bool reprograms_first(struct suite *s)
{
	const struct mpmu_msr list[] = {
		{counter_msr(s, 0), 5},
		{eventsel_msr(s, 0), COUNTS},
	};
	bool ok;

	irqs(s, false);
	ok = !mpmu_snapshot_restore(s->cpu, s->vcpu, list, 2, NULL);
	irqs(s, true);
	run(s, 10);
	return ok && as_policy_says(s, counter_msr(s, 0)) && counted(s) == 15;
}

static bool refusal_is_no_entry(struct suite *s)
{
	touch(s);
	tell(s, host_overflow, true);
	run(s, 100);
	run(s, 10);
	return counted(s) == 111;
}

/* Idle for long enough, a PMU is closed by an entry, which is refused for that. */
static bool refusal_asks(struct suite *s)
{
	u32 i;

	touch(s);
	wrmsr(s, eventsel_msr(s, 0), 0);
	for (i = 0; i < IDLE_CHANGES && is_touched(s); i++) {
		tell(s, host_event, true);
		tell(s, host_event, false);
		run(s, 1);
	}
	return !is_touched(s) && intercepts(s, counter_msr(s, 0)) == ALL && !s->cpu->owner;
}

static bool enter_makes_owner(struct suite *s)
{
	bool ok;

	run(s, 1);
	ok = !s->cpu->owner;
	touch(s);
	return ok && s->cpu->owner == s->vcpu;
}

/* Selectors, counters and status of the model. */
static bool is_clean(struct suite *s)
{
	bool ok = !(raw(s, map_of(s)->status) & all_pmcs(caps_of(s)));
	u32 pmc;

	for_each_pmc(pmc, s) {
		ok &= !raw(s, counter_msr(s, pmc));
		ok &= pmc >= MPMU_FIXED_BASE || !raw(s, eventsel_msr(s, pmc));
	}
	return ok;
}

static bool put_leaves_nothing(struct suite *s)
{
	bool ok;

	overflow_soon(s);
	run(s, 10);
	tell(s, put);
	ok = is_clean(s);
	tell(s, load);
	return ok && !s->cpu->owner;
}

static bool put_keeps(struct suite *s)
{
	start_counting(s, 0);
	run(s, 100);
	put_and_load(s);
	run(s, 11);
	return counted(s) == 111;
}

static bool put_keeps_each(struct suite *s)
{
	bool ok = true;
	u32 pmc;

	for_each_pmc(pmc, s)
		wrmsr(s, counter_msr(s, pmc), pattern(s, pmc));
	run(s, 1);
	put_and_load(s);
	run(s, 1);
	for_each_pmc(pmc, s)
		ok &= rdmsr(s, counter_msr(s, pmc)) == pattern(s, pmc);
	return ok;
}

static bool exit_stops(struct suite *s)
{
	start_counting(s, 0);
	run(s, 100);
	host_run(s, 1000);
	run(s, 10);
	return counted(s) == 110;
}

static bool reclaim_ends_ownership(struct suite *s)
{
	bool owned;

	touch(s);
	owned = s->cpu->owner == s->vcpu;
	tell(s, host_event, true);
	return owned && !s->cpu->owner;
}

/* A host event arrives beside a guest that counts, and leaves again. */
static void beside_host_event(struct suite *s)
{
	start_counting(s, 0);
	run_scaled(s, 100);
	tell(s, host_event, true);
	host_run(s, 50);
	run_scaled(s, 10);
	host_run(s, 7);
	tell(s, host_event, false);
}

static bool reclaim_is_exact(struct suite *s)
{
	beside_host_event(s);
	return host_counted(s, 57);
}

static bool reclaim_keeps(struct suite *s)
{
	beside_host_event(s);
	return counted(s) == 110ull * scale(s);
}

/* A plain event of the host on a counter, while PMC 0 of the guest counts. */
static void beside_plain_event(struct suite *s, u32 pmc)
{
	start_counting(s, 0);
	run_scaled(s, 100);
	tell(s, host_plain, pmc, true);
	host_run(s, 50);
	run_scaled(s, 10);
	host_run(s, 7);
	run_scaled(s, 1);
}

static bool ends_plain_event(struct suite *s, u32 pmc, bool ok)
{
	tell(s, host_plain, pmc, false);
	return ok && host_counted(s, 57);
}

static bool shares_counters(struct suite *s)
{
	beside_plain_event(s, 1);
	return ends_plain_event(s, 1, s->cpu->owner == s->vcpu && s->cpu->lent == 2) &&
	       counted(s) == 111ull * scale(s);
}

static bool shares_one_counter(struct suite *s)
{
	beside_plain_event(s, 0);
	return ends_plain_event(s, 0, s->cpu->owner == s->vcpu && s->cpu->lent == 1) &&
	       counted(s) == 111ull * scale(s);
}

static bool shares_no_value(struct suite *s)
{
	bool ok;

	beside_plain_event(s, 1);
	ok = !rdpmc(s, 1) && !rdmsr(s, counter_msr(s, 1));
	return ends_plain_event(s, 1, ok && ask(s, rdpmc_intercepted));
}

static bool shares_interrupts(struct suite *s, u32 pmc)
{
	u32 before = pmis(s);
	bool ok;

	tell(s, host_plain, pmc, true);
	overflow(s);
	ok = got_pmis(s, before, 1);
	tell(s, host_plain, pmc, false);
	return ok;
}

static bool shares_overflows(struct suite *s)
{
	return shares_interrupts(s, 1) && shares_interrupts(s, 0);
}

static bool filter_holds(struct suite *s)
{
	static const u64 event = 0xc0;
	static u64 room[8];
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.nr_events = 1,
		.events = &event,
	};
	struct mpmu_filter *filter = (struct mpmu_filter *)room;
	u64 count;

	if (mpmu_filter_compile(filter, (enum mpmu_vendor)caps_of(s)->vendor, &spec))
		return false;
	start_counting(s, 0);
	run(s, 10);
	tell(s, set_filter, filter);
	run(s, 10);
	count = counted(s);
	tell(s, set_filter, NULL);
	run(s, 10);
	return count == 10 && counted(s) == 20;
}

static bool rdmsr_is_the_guests(struct suite *s)
{
	bool ok = rdmsr(s, eventsel_msr(s, 0)) == 0 && rdmsr(s, counter_msr(s, 0)) == 0;

	wrmsr(s, eventsel_msr(s, 0), COUNTS & ~ENABLE);
	wrmsr(s, counter_msr(s, 0), PATTERN & width_mask(s, 0));
	run(s, 1);
	return ok && rdmsr(s, eventsel_msr(s, 0)) == (COUNTS & ~ENABLE) &&
	       rdmsr(s, counter_msr(s, 0)) == (PATTERN & width_mask(s, 0));
}

/* What a selector counts does not change while it is read. */
static bool rdmsr_retires_once(struct suite *s)
{
	bool ok;

	start_counting(s, 0);
	run(s, 10);
	ok = rdmsr(s, eventsel_msr(s, 0)) == COUNTS;
	ok &= counted(s) == 11;
	return ok && counted(s) == 12;
}

/* By the state that it finds, whether it starts or stops a counter. */
static bool wrmsr_retires_once(struct suite *s)
{
	bool ok;

	start_counting(s, 0);
	run(s, 10);
	wrmsr(s, eventsel_msr(s, 1), COUNTS & ~ENABLE);
	ok = counted(s) == 11;
	wrmsr(s, eventsel_msr(s, 0), 0);
	ok &= counted(s) == 13;
	wrmsr(s, eventsel_msr(s, 0), COUNTS);
	run(s, 5);
	return ok && counted(s) == 18;
}

/* A reserved bit of a selector and, where it is intercepted or not, of GLOBAL_CTRL. */
static bool wrmsr_checks(struct suite *s)
{
	bool ok = true;

	touch(s);
	ok &= wrmsr(s, eventsel_msr(s, 1), ~0ull) == is_amd(s);
	ok &= is_amd(s) || !rdmsr(s, eventsel_msr(s, 1));
	wrmsr(s, eventsel_msr(s, 1), 0);
	ok &= wrmsr(s, map_of(s)->global_ctrl, 1ull << 63) == is_amd(s);
	ok &= !is_amd(s) || !rdmsr(s, map_of(s)->global_ctrl);
	return ok;
}

static bool rdpmc_reads(struct suite *s)
{
	bool ok = !rdpmc(s, 0);
	u32 pmc;

	for_each_pmc(pmc, s)
		wrmsr(s, counter_msr(s, pmc), pattern(s, pmc));
	for_each_pmc(pmc, s)
		ok &= rdpmc(s, pmc) == pattern(s, pmc);
	return ok;
}

/* Its first use is a use of the PMU, like any other. */
static bool rdpmc_touches(struct suite *s)
{
	bool ok = !rdpmc(s, 0) && is_touched(s);

	run(s, 1);
	return ok && ask(s, rdpmc_intercepted) == mpmu_rdpmc_intercepted(s->vcpu);
}

static bool rdpmc_retires_once(struct suite *s)
{
	bool ok;

	start_counting(s, 0);
	run(s, 10);
	ok = rdpmc(s, 0) == 10;
	return ok && rdpmc(s, 0) == 11;
}

/* Untouched, and as direct as it can be. */
static bool rdpmc_faults(struct suite *s)
{
	u64 value;
	u32 ecx = 0;
	bool ok;

	while (mpmu_rdpmc_valid(s->vcpu, ecx))
		ecx++;
	ok = !ask(s, guest_rdpmc, ecx, &value);
	touch(s);
	return ok && !ask(s, guest_rdpmc, ecx, &value) && !ask(s, guest_rdpmc, 1u << 31, &value);
}

static bool emulated_count(struct suite *s)
{
	start_counting(s, 0);
	run(s, 10);
	tell(s, guest_emulated, 7);
	run(s, 3);
	return counted(s) == 20;
}

static bool emulated_at_their_cpl(struct suite *s)
{
	wrmsr(s, counter_msr(s, 0), 0);
	wrmsr(s, eventsel_msr(s, 0), COUNTS_USER);
	run(s, 10);
	tell(s, guest_emulated, 7);
	return counted(s) == 0;
}

static bool emulated_overflow(struct suite *s)
{
	u32 before = pmis(s);

	overflow_soon(s);
	tell(s, guest_emulated, 8);
	run(s, 1);
	return got_pmis(s, before, 1) && counted(s) == 5;
}

static bool reset_clears(struct suite *s)
{
	bool ok;

	overflow(s);
	tell(s, reset);
	ok = !s->cpu->owner && is_clean(s) && !is_touched(s);
	run(s, 10);
	ok &= intercepts(s, counter_msr(s, 0)) == ALL && ask(s, rdpmc_intercepted);
	ok &= !rdmsr(s, eventsel_msr(s, 0)) && !rdmsr(s, map_of(s)->status);
	return ok && !counted(s);
}

static bool reset_starts_over(struct suite *s)
{
	touch(s);
	tell(s, reset);
	start_counting(s, 0);
	run(s, 10);
	return counted(s) == 10;
}

/* What a list says of a register; all ones: nothing. */
static u64 listed(const struct mpmu_msr *list, u32 count, u32 msr)
{
	while (count--)
		if (list[count].index == msr)
			return list[count].value;
	return ~0ull;
}

/* A general counter has two names on both vendors: either will do. */
static u64 listed_counter(const struct suite *s, const struct mpmu_msr *list, u32 count)
{
	u64 value = listed(list, count, counter_msr(s, 0));

	return value != ~0ull ? value : listed(list, count, is_amd(s) ? 0xc0010004 : 0xc1);
}

static u32 save(struct suite *s, struct mpmu_msr *list)
{
	u32 count = ask(s, save, list, LIST_ROOM);

	return count < LIST_ROOM ? count : LIST_ROOM;
}

static bool save_lists(struct suite *s)
{
	static struct mpmu_msr list[LIST_ROOM];
	u32 count;

	overflow(s);
	count = save(s, list);
	return count >= mpmu_snapshot_size(s->vcpu) && listed_counter(s, list, count) == 7 &&
	       listed(list, count, map_of(s)->status) == 1 &&
	       listed(list, count, map_of(s)->global_ctrl) & 1;
}

static bool save_disturbs_nothing(struct suite *s)
{
	static struct mpmu_msr list[LIST_ROOM];

	start_counting(s, 0);
	run(s, 10);
	save(s, list);
	run(s, 5);
	return counted(s) == 15;
}

/* By the other vCPU where there is one: all but the interrupt goes with it. */
static bool restore_goes_on(struct suite *s)
{
	static struct mpmu_msr list[LIST_ROOM];
	u32 count;
	bool ok;

	overflow(s);
	count = save(s, list);
	tell(s, put);
	use_vcpu(s, 1);
	begin(s);
	ok = count && ask(s, restore, list, count);
	run(s, 11);
	ok &= counted(s) == 18 && rdmsr(s, map_of(s)->status) == 1;
	tell(s, put);
	use_vcpu(s, 0);
	tell(s, load);
	return ok;
}

/* The guest itself may not write the status; nor what no register is. */
static bool restore_is_all_or_nothing(struct suite *s)
{
	const struct mpmu_msr list[] = {
		{counter_msr(s, 0), 1000},
		{eventsel_msr(s, 0), 0},
		{MSR_PERF_CAPABILITIES + 1, 0},
	};

	start_counting(s, 0);
	run(s, 10);
	if (ask(s, restore, list, 3))
		return false;
	run(s, 5);
	return counted(s) == 15;
}

static bool remake_forgets(struct suite *s)
{
	u32 i;

	overflow(s);
	tell(s, put);
	tell(s, remake);
	for (i = 0; i < 2; i++) {
		const struct mpmu_cpu *cpu = s->port->cpus[i];

		if (cpu && (cpu->owner == s->vcpu || cpu->pmi_target == s->vcpu))
			return false;
	}
	tell(s, load);
	run(s, 1);
	return !is_touched(s) && !counted(s) && !rdmsr(s, eventsel_msr(s, 0));
}

static bool vcpus_are_apart(struct suite *s)
{
	bool ok;

	start_counting(s, 0);
	run(s, 100);
	tell(s, put);
	use_vcpu(s, 1);
	begin(s);
	ok = !rdmsr(s, eventsel_msr(s, 0)) && !counted(s);
	start_counting(s, 1000);
	run(s, 7);
	ok &= counted(s) == 1007 && (s->beside || s->cpu->owner == s->vcpu);
	tell(s, put);
	use_vcpu(s, 0);
	tell(s, load);
	run(s, 11);
	return ok && counted(s) == 111;
}

static bool moves_to_another_cpu(struct suite *s)
{
	bool ok;

	start_counting(s, 0);
	run(s, 100);
	tell(s, put);
	use_cpu(s, 1);
	tell(s, load);
	run(s, 11);
	ok = s->cpu->owner == s->vcpu && !s->port->cpus[0]->owner;
	ok &= counted(s) == 111;
	tell(s, put);
	ok &= is_clean(s) && !s->cpu->owner;
	use_cpu(s, 0);
	ok &= is_clean(s);
	tell(s, load);
	run(s, 5);
	return ok && counted(s) == 117;
}

static bool power_is_forgotten(struct suite *s)
{
	touch(s);
	tell(s, put);
	tell(s, power_cycle);
	if (s->cpu->owner || s->cpu->pmi_target || s->cpu->zero_counters || s->cpu->zero_eventsels)
		return false;
	tell(s, load);
	run(s, 10);
	return counted(s) == 11;
}

static bool power_costs_no_count(struct suite *s)
{
	start_counting(s, 0);
	run(s, 100);
	tell(s, power_cycle);
	run(s, 11);
	return counted(s) == 111;
}

static bool host_status_closes(struct suite *s)
{
	u32 msr = map_of(s)->status;
	bool ok;

	touch(s);
	tell(s, host_status, true);
	run(s, 1);
	ok = intercepts(s, msr) == ALL && intercepts(s, map_of(s)->status_clear) == ALL;
	ok &= rdmsr(s, msr) == 0;
	tell(s, host_status, false);
	run(s, 1);
	return ok && s->vcpu && as_policy_says(s, msr) && !(s->vcpu->flags & MPMU_VCPU_HOST_STATUS);
}

/* Host-Only means the guest, where it is a hypervisor, and nothing where it is none. */
static bool svme_decides(struct suite *s)
{
	bool ok;

	wrmsr(s, eventsel_msr(s, 0), COUNTS | HOST_ONLY);
	run(s, 10);
	ok = counted(s) == 0;
	tell(s, guest_svme, true);
	run(s, 10);
	wrmsr(s, eventsel_msr(s, 0), 0);
	tell(s, guest_svme, false);
	return ok && counted(s) == 11;
}

static bool shows_perf_capabilities(struct suite *s)
{
	struct mpmu_cpuid leaves;

	return !mpmu_caps_encode(&leaves, &s->vcpu->caps) &&
	       (rdmsr(s, MSR_PERF_CAPABILITIES) & PERF_CAP_PMU) ==
		       (leaves.perf_capabilities & PERF_CAP_PMU);
}

/* PEBS is there in both registers, or in none. */
static bool shows_misc_enable(struct suite *s)
{
	bool no_pebs = !(rdmsr(s, MSR_PERF_CAPABILITIES) & PERF_CAP_PEBS);
	u64 value = rdmsr(s, MSR_MISC_ENABLE);

	return value != ~0ull && value & MISC_ENABLE_PERFMON &&
	       !(value & MISC_ENABLE_NO_PEBS) == !no_pebs &&
	       (!no_pebs || value & MISC_ENABLE_NO_BTS);
}

/* Refused, ignored, or with bits of the status that the guest can clear. */
static bool freezes_consistently(struct suite *s)
{
	u64 frozen;

	if (!wrmsr(s, MSR_DEBUGCTL, DEBUGCTL_FREEZE) || !(rdmsr(s, MSR_DEBUGCTL) & DEBUGCTL_FREEZE))
		return true;
	overflow(s);
	frozen = rdmsr(s, map_of(s)->status) & STATUS_FROZEN;
	wrmsr(s, MSR_DEBUGCTL, 0);
	return wrmsr(s, map_of(s)->status_clear, frozen | 1) &&
	       !(rdmsr(s, map_of(s)->status) & STATUS_FROZEN);
}

/* First those that compare with what the host has left. */
static const struct check checks[] = {
	{"own: a refusal changes nothing", refusal_changes_nothing, 0, 0},
	{"own: refuses while an interrupt of the host is to come", own_refuses, 0, 0},
	{"disown: control registers are as the host left them", disown_restores_control, BESIDE, 0},
	{"disown: an event of the host counts on after it", event_survives_owner, 0, 0},
	{"own: GLOBAL_CTRL is 0 in hardware", own_stops, BESIDE, 0},
	{"own: no status bit of a counter is set", own_has_no_status, BESIDE, 0},
	{"disown: the interrupt is the host's", disown_routes_back, BESIDE, 0},
	{"wrmsr: counters hold what was written", wrmsr_counters, 0, 0},
	{"wrmsr: selectors hold what was written", wrmsr_eventsels, 0, 0},
	{"rdmsr: reads what hardware holds", rdmsr_reads, 0, 0},
	{"set_global_ctrl: get_global_ctrl gets it back", global_ctrl_is_kept, VMCS, 0},
	{"get_global_ctrl: what the guest wrote is saved at exit", global_ctrl_is_saved,
	 VMCS | BESIDE, 0},
	{"GLOBAL_CTRL: each vCPU has its own", global_ctrl_is_each_ones, BESIDE, 0},
	{"set_intercept: opens the access it names, and no other", intercept_opens, 0, 0},
	{"set_intercept: closes the access it names, and no other", intercept_closes, 0, 0},
	{"set_intercept: each vCPU has its own", intercept_is_each_ones, BESIDE, 0},
	{"set_rdpmc_intercept: opens and closes", rdpmc_opens_and_closes, 0, 0},
	{"set_touched: GLOBAL_CTRL is the guest's from then on", touched_loads, BESIDE, 0},
	{"untouched: host events stay, and do not count the guest", untouched_is_idle, 0, 0},
	{"untouched: and no more so after a use of the PMU", untouched_again_is_idle, 0, 0},
	{"host_active: true while an event of the host counts", host_active_sees_events, 0, 0},
	{"host_active: false without one", host_active_sees_none, 0, 0},
	{"displace: the host's events stand still", displace_stops, 0, 0},
	{"restore: the host's events count on", restore_resumes, 0, 0},
	{"take_dirty: names each counter that is not 0", dirty_is_complete, 0, 0},
	{"take_dirty: names no counter that it is not asked for", dirty_is_what_was_asked_for, 0, 0},
	{"route_pmi: the interrupt is the guest's", routes_while_owned, BESIDE, 0},
	{"route_pmi: an overflow is exactly one interrupt", overflow_is_one_pmi, BESIDE, 0},
	{"drain_pmi: a late interrupt reaches its guest", late_pmi_is_drained, 0, 0},
	{"drain_pmi: a late interrupt reaches no other guest", late_pmi_finds_its_vcpu, 0, 0},
	{"drain_pmi: says so after a wait in vain", drain_is_in_vain, 0, 0},
	{"drain_pmi: says so after no other", drain_is_not_in_vain, 0, 0},
	{"drain: LVTPC gets no other use while an interrupt is on its way", drains_before_other_use,
	 0, CONFORMANCE_WITHOUT_OTHER_LVTPC},
	{"drain: LVTPC is the guest's again after another use", other_use_ends, 0,
	 CONFORMANCE_WITHOUT_OTHER_LVTPC},
	{"share: a plain event and a guest count beside each other", shares_counters, 0,
	 CONFORMANCE_WITHOUT_SHARING},
	{"share: and take turns on one counter", shares_one_counter, 0,
	 CONFORMANCE_WITHOUT_SHARING},
	{"share: the guest reads nothing of the host's", shares_no_value, 0,
	 CONFORMANCE_WITHOUT_SHARING},
	{"nmi: an overflow of the guest is told to it", shares_overflows, 0,
	 CONFORMANCE_WITHOUT_SHARING},
	{"request_pmi: the guest gets the interrupt", request_pmi_arrives, BESIDE, 0},
	{"request_pmi: a masked LVTPC lets none through", request_pmi_is_masked, BESIDE, 0},
	{"LVTPC: the guest's mask holds overflows back", mask_holds_back, BESIDE, 0},
	{"LVTPC: unmasked, it lets the next one through", unmask_lets_through, BESIDE, 0},
	{"LVTPC: Intel masks it at delivery, AMD does not", delivery_masks, BESIDE, 0},
	{"request_reprogram: done before the next entry", reprograms_before_entry, BESIDE, 0},
	{"request_intercepts: done before the next entry", updates_before_entry, BESIDE, 0},
	{"request_reprogram: done before request_intercepts", reprograms_first, BESIDE, 0},
	{"enter: a refusal is no entry", refusal_is_no_entry, 0, 0},
	{"enter: what a refusal asks for is done first", refusal_asks, 0, 0},
	{"enter: a vCPU that uses its PMU is the owner, no other", enter_makes_owner, 0, 0},
	{"put: no value of the guest is left", put_leaves_nothing, 0, 0},
	{"put: the guest's count goes on", put_keeps, BESIDE, 0},
	{"put: each counter comes back", put_keeps_each, BESIDE, 0},
	{"exit: the guest's counters stand still", exit_stops, BESIDE, 0},
	{"reclaim: an event of the host has no owner beside it", reclaim_ends_ownership, 0, 0},
	{"reclaim: the host's event counts all of the host, nothing else", reclaim_is_exact, 0, 0},
	{"reclaim: the guest loses nothing", reclaim_keeps, 0, 0},
	{"filter: holds from the next entry on, and no longer than set", filter_holds, BESIDE, 0},
	{"RDMSR: reads what the guest wrote", rdmsr_is_the_guests, BESIDE, 0},
	{"RDMSR: counts as one instruction", rdmsr_retires_once, BESIDE, 0},
	{"WRMSR: counts as one instruction, by the state that it finds", wrmsr_retires_once, BESIDE,
	 0},
	{"WRMSR: a reserved bit is a fault on Intel, dropped on AMD", wrmsr_checks, BESIDE, 0},
	{"RDPMC: reads the counter", rdpmc_reads, BESIDE, 0},
	{"RDPMC: is a use of the PMU", rdpmc_touches, BESIDE, 0},
	{"RDPMC: counts as one instruction", rdpmc_retires_once, BESIDE, 0},
	{"RDPMC: a counter that the guest lacks is a fault", rdpmc_faults, BESIDE, 0},
	{"emulate: each instruction counts once", emulated_count, BESIDE, 0},
	{"emulate: by the CPL that it runs at", emulated_at_their_cpl, BESIDE, 0},
	{"emulate: an overflow is an interrupt", emulated_overflow, BESIDE, 0},
	{"status: an overflow sets its bit, which the guest clears", overflow_sets_status, BESIDE, 0},
	{"reset: nothing is left of what the guest wrote", reset_clears, 0, 0},
	{"reset: the PMU can be used again", reset_starts_over, BESIDE, 0},
	{"save: lists all registers as they are", save_lists, BESIDE, 0},
	{"save: disturbs nothing", save_disturbs_nothing, BESIDE, 0},
	{"restore: another vCPU goes on with them", restore_goes_on, BESIDE, 0},
	{"restore: a list with a bad register changes nothing", restore_is_all_or_nothing, BESIDE, 0},
	{"forget: no CPU remembers a vCPU that is gone", remake_forgets, 0, 0},
	{"vCPUs: each has its own counters", vcpus_are_apart, BESIDE, 0},
	{"CPUs: a vCPU that moves takes its counters along", moves_to_another_cpu, 0,
	 CONFORMANCE_WITHOUT_SECOND_CPU},
	{"power: nothing is known of a CPU that comes back", power_is_forgotten, 0, 0},
	{"power: an owner's values are saved before it goes", power_costs_no_count, 0, 0},
	{"flags: status registers close while the host uses a bit", host_status_closes, INTEL,
	 CONFORMANCE_WITHOUT_HOST_STATUS},
	{"flags: EFER.SVME decides on Host-Only", svme_decides, AMD, CONFORMANCE_WITHOUT_SVME},
	{"PERF_CAPABILITIES: shows what the model has", shows_perf_capabilities, INTEL, 0},
	{"MISC_ENABLE: shows a PMU, and no BTS or PEBS but with it", shows_misc_enable, INTEL, 0},
	{"DEBUGCTL: the guest can clear what it can set by a freeze", freezes_consistently, 0, 0},
};

#define NR_CHECKS (sizeof(checks) / sizeof(checks[0]))

/* What became of a promise. */
enum verdict {
	KEPT,
	BROKEN,
	INCOMPLETE,
	LEFT_OUT,
	NR_VERDICTS,
};

/* A line in pieces, cut where it is full. */
struct line {
	u32 used;
	char text[160];
};

static void append(struct line *line, const char *text)
{
	while (*text && line->used < sizeof(line->text) - 1)
		line->text[line->used++] = *text++;
	line->text[line->used] = 0;
}

static void append_number(struct line *line, u32 number)
{
	char digits[11];
	u32 at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = '0' + number % 10;
	while (number /= 10);
	append(line, digits + at);
}

static void print_line(const struct suite *s, const struct line *line)
{
	if (s->port->print)
		s->port->print(s->port->data, line->text);
}

static void report(const struct suite *s, u32 number, const struct check *check,
		   enum verdict verdict)
{
	struct line line = {0};

	append(&line, verdict == BROKEN || verdict == INCOMPLETE ? "not ok " : "ok ");
	append_number(&line, number);
	append(&line, " - ");
	append(&line, check->promise);
	if (verdict == BROKEN && s->beside)
		append(&line, " (beside an event of the host)");
	if (verdict == INCOMPLETE) {
		append(&line, " # incomplete: the port has no hook ");
		append(&line, s->missing);
	}
	if (verdict == LEFT_OUT)
		append(&line, " # SKIP it has no meaning for this port");
	print_line(s, &line);
}

/* "# 60 kept, 0 broken, ..." */
static void summarize(const struct suite *s, const u32 *counts)
{
	static const char *const names[] = {
		[KEPT] = " kept, ",
		[BROKEN] = " broken, ",
		[INCOMPLETE] = " incomplete, ",
		[LEFT_OUT] = " without a meaning here",
	};
	struct line line = {0};
	u32 i;

	append(&line, "# ");
	for (i = 0; i < NR_VERDICTS; i++) {
		append_number(&line, counts[i]);
		append(&line, names[i]);
	}
	print_line(s, &line);
}

static bool has_meaning(const struct suite *s, const struct check *check)
{
	u32 other_vendor = is_amd(s) ? INTEL : AMD;

	if (check->scope & other_vendor || check->without & s->port->without)
		return false;
	return !(check->scope & VMCS) || caps_of(s)->features & MPMU_FEAT_VMCS_GLOBAL_CTRL;
}

static enum verdict judge(struct suite *s, const struct check *check)
{
	bool ok;

	if (!has_meaning(s, check))
		return LEFT_OUT;
	s->beside = false;
	do {
		begin(s);
		s->missing = NULL;
		ok = check->run(s);
		if (s->missing)
			return INCOMPLETE;
		if (!ok)
			return BROKEN;
		s->beside = !s->beside;
	} while (s->beside && check->scope & BESIDE);
	return KEPT;
}

u32 conformance_run(const struct conformance_port *port)
{
	struct suite s = {.port = port, .cpu = port->cpus[0], .vcpu = port->vcpus[0]};
	u32 counts[NR_VERDICTS] = {0}, i;
	struct line plan = {0};

	append(&plan, "1..");
	append_number(&plan, NR_CHECKS);
	print_line(&s, &plan);
	for (i = 0; i < NR_CHECKS; i++) {
		enum verdict verdict = judge(&s, &checks[i]);

		counts[verdict]++;
		report(&s, i + 1, &checks[i], verdict);
	}
	summarize(&s, counts);
	return counts[BROKEN] + counts[INCOMPLETE];
}
