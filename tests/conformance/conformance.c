// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One check per promise of a port.  The name of a check is the promise that is
 * broken where it fails; it starts with the slot or the place that makes it.
 */
#include "conformance.h"

#define ALL     (MPMU_READ | MPMU_WRITE)
/* Instructions retired at any CPL, with an interrupt, enabled. */
#define COUNTS  0x5300c0ull
#define ENABLE  (1ull << 22)
#define PATTERN 0x5a5a5a5a5a5aull

typedef const struct conformance_port port_t;

/* Where the registers of a vendor are. */
struct map {
	u32 counter;
	u32 eventsel;
	u32 shift;
	u32 fixed;
	u32 metrics;
	u32 global_ctrl;
	u32 status;
};

static const struct map maps[] = {
	[MPMU_VENDOR_INTEL] = {0x4c1, 0x186, 0, 0x309, 0x329, 0x38f, 0x38e},
	[MPMU_VENDOR_AMD] = {0xc0010201, 0xc0010200, 1, 0, 0, 0xc0000301, 0xc0000300},
};

/* PERF_METRICS in sets of PMCs. */
#define METRICS 48

struct check {
	const char *promise;
	/* Has the port what this check needs? */
	bool (*applies)(port_t *port);
	bool (*run)(port_t *port);
};

static const struct map *map_of(port_t *port)
{
	return &maps[port->host->caps.vendor];
}

/* Through the port's own way to call an op. */
#define call(port, slot, ...) mpmu_call((port)->vcpu, slot, ##__VA_ARGS__)

static bool has(mpmu_pmcs set, u32 pmc)
{
	return set >> pmc & 1;
}

static u32 counter_msr(port_t *port, u32 pmc)
{
	const struct map *map = map_of(port);

	if (pmc == METRICS)
		return map->metrics;
	return pmc < MPMU_FIXED_BASE ? map->counter + (pmc << map->shift)
				     : map->fixed + pmc - MPMU_FIXED_BASE;
}

static u32 eventsel_msr(port_t *port, u32 pmc)
{
	const struct map *map = map_of(port);

	return map->eventsel + (pmc << map->shift);
}

/* Counters and PERF_METRICS. */
static mpmu_pmcs all_pmcs(const struct mpmu_caps *caps)
{
	return caps->counters | caps->global_ctrl_extra;
}

/* The next PMC of the model at or after @pmc; 64: none. */
static u32 next(port_t *port, u32 pmc)
{
	while (pmc < 64 && !has(all_pmcs(&port->vcpu->caps), pmc))
		pmc++;
	return pmc;
}

static u64 width_mask(port_t *port, u32 pmc)
{
	u32 width = pmc < MPMU_FIXED_BASE ? port->host->caps.gp_width
		    : pmc == METRICS	  ? port->host->caps.metrics_width
					  : port->host->caps.fixed_width;

	return width < 64 ? (1ull << width) - 1 : ~0ull;
}

static u64 raw(port_t *port, u32 msr)
{
	return port->raw(port->data, msr);
}

static void irqs(port_t *port, bool on)
{
	port->irqs(port->data, on);
}

static void run(port_t *port, u32 count)
{
	port->guest_run(port->data, count);
}

/*
 * Runs are this much longer where the host's event counts the port's own
 * instructions too: what they add in a check is then less than any run.
 */
#define HOOKS 8

static u32 scale(port_t *port)
{
	return 1 + HOOKS * port->host_overhead;
}

static void run_scaled(port_t *port, u32 count)
{
	run(port, count * scale(port));
}

static void host_run(port_t *port, u32 count)
{
	port->host_run(port->data, count * scale(port));
}

static bool host_counted(port_t *port, u32 count)
{
	u64 want = (u64)count * scale(port), got = port->host_count(port->data);

	return got >= want && got - want < scale(port);
}

/* PMC 0 counts instructions from @start; on Intel all PMCs are on at reset. */
static void start_counting(port_t *port, u64 start)
{
	port->guest_wrmsr(port->data, counter_msr(port, 0), start);
	port->guest_wrmsr(port->data, eventsel_msr(port, 0), COUNTS);
}

static u64 counted(port_t *port)
{
	return port->guest_rdmsr(port->data, counter_msr(port, 0));
}

/* Scheduled out and in again, reset, without events of the host or a filter. */
static void begin(port_t *port)
{
	port->put(port->data);
	port->host_event(port->data, false);
	port->load(port->data);
	irqs(port, false);
	mpmu_vcpu_reset(port->cpu, port->vcpu);
	irqs(port, true);
	port->set_filter(port->data, NULL);
}

/* The guest's values would be in hardware between these, IRQs off. */
static bool own(port_t *port)
{
	irqs(port, false);
	return call(port, own);
}

static void disown(port_t *port)
{
	call(port, disown);
	irqs(port, true);
}

static bool own_stops(port_t *port)
{
	bool ok = own(port) && !raw(port, map_of(port)->global_ctrl);

	disown(port);
	return ok;
}

static bool own_has_no_status(port_t *port)
{
	bool ok = own(port) && !(raw(port, map_of(port)->status) & all_pmcs(&port->host->caps));

	disown(port);
	return ok;
}

static bool has_host_overflow(port_t *port)
{
	return port->host_overflow;
}

static bool own_refuses(port_t *port)
{
	bool owned;

	port->host_overflow(port->data);
	owned = own(port);
	if (owned)
		call(port, disown);
	irqs(port, true);
	return !owned;
}

static bool refusal_changes_nothing(port_t *port)
{
	u64 before = raw(port, map_of(port)->global_ctrl), after;

	port->host_overflow(port->data);
	own(port);
	after = raw(port, map_of(port)->global_ctrl);
	irqs(port, true);
	return before == after && !port->routed_to_guest(port->data);
}

static bool disown_restores_control(port_t *port)
{
	u64 before = raw(port, map_of(port)->global_ctrl);

	own(port);
	disown(port);
	return raw(port, map_of(port)->global_ctrl) == before;
}

/* Write a register, see what hardware and rdmsr say, clear it. */
static bool write_arrives(port_t *port, u32 msr, u64 value)
{
	bool ok;

	call(port, wrmsr, msr, value);
	ok = raw(port, msr) == value;
	call(port, wrmsr, msr, 0);
	return ok && !raw(port, msr);
}

static bool wrmsr_counters(port_t *port)
{
	bool ok = own(port);
	u32 pmc;

	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1))
		ok &= write_arrives(port, counter_msr(port, pmc), PATTERN & width_mask(port, pmc));
	disown(port);
	return ok;
}

static bool wrmsr_eventsels(port_t *port)
{
	bool ok = own(port);
	u32 pmc;

	for (pmc = next(port, 0); pmc < MPMU_FIXED_BASE; pmc = next(port, pmc + 1))
		ok &= write_arrives(port, eventsel_msr(port, pmc), COUNTS & ~ENABLE);
	disown(port);
	return ok;
}

static bool rdmsr_reads(port_t *port)
{
	bool ok = own(port);
	u32 pmc;

	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1)) {
		u32 msr = counter_msr(port, pmc);

		call(port, wrmsr, msr, PATTERN & width_mask(port, pmc));
		ok &= call(port, rdmsr, msr) == raw(port, msr);
		call(port, wrmsr, msr, 0);
		ok &= call(port, rdmsr, msr) == raw(port, msr);
	}
	disown(port);
	return ok;
}

static bool has_vmcs(port_t *port)
{
	return port->host->caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL;
}

static bool global_ctrl_is_kept(port_t *port)
{
	mpmu_pmcs all = all_pmcs(&port->host->caps);
	bool ok;

	irqs(port, false);
	call(port, set_global_ctrl, all);
	ok = call(port, get_global_ctrl) == all;
	call(port, set_global_ctrl, 1);
	ok &= call(port, get_global_ctrl) == 1;
	irqs(port, true);
	return ok;
}

/* What the guest itself writes, by an exit or without one. */
static bool global_ctrl_is_saved(port_t *port)
{
	u64 saved;

	start_counting(port, 0);
	run(port, 1);
	port->guest_wrmsr(port->data, map_of(port)->global_ctrl, 1);
	irqs(port, false);
	saved = call(port, get_global_ctrl);
	irqs(port, true);
	return saved == 1;
}

static void close_all(port_t *port)
{
	u32 pmc;

	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1))
		call(port, set_intercept, counter_msr(port, pmc), ALL, true);
}

/* Are all counters intercepted but one, which is for the other accesses? */
static bool only_open(port_t *port, u32 open, u32 access)
{
	u32 pmc;

	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1)) {
		u32 expected = pmc == open ? ALL & ~access : ALL;

		if (port->intercepts(port->data, counter_msr(port, pmc)) != expected)
			return false;
	}
	return true;
}

static bool intercept_opens(port_t *port)
{
	bool ok = true;
	u32 pmc, access;

	irqs(port, false);
	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1)) {
		for (access = MPMU_READ; access <= ALL; access++) {
			close_all(port);
			call(port, set_intercept, counter_msr(port, pmc), access, false);
			ok &= only_open(port, pmc, access);
		}
	}
	close_all(port);
	irqs(port, true);
	return ok;
}

static bool intercept_closes(port_t *port)
{
	u32 msr = counter_msr(port, 0);
	bool ok;

	irqs(port, false);
	call(port, set_intercept, msr, ALL, false);
	call(port, set_intercept, msr, MPMU_WRITE, true);
	ok = port->intercepts(port->data, msr) == MPMU_WRITE;
	call(port, set_intercept, msr, ALL, true);
	ok &= port->intercepts(port->data, msr) == ALL;
	irqs(port, true);
	return ok;
}

static bool rdpmc_opens_and_closes(port_t *port)
{
	bool ok;

	irqs(port, false);
	call(port, set_rdpmc_intercept, false);
	ok = !port->rdpmc_intercepted(port->data);
	call(port, set_rdpmc_intercept, true);
	ok &= port->rdpmc_intercepted(port->data);
	irqs(port, true);
	return ok;
}

static bool touched_loads(port_t *port)
{
	start_counting(port, 0);
	run(port, 100);
	return counted(port) == 100;
}

static bool untouched_is_idle(port_t *port)
{
	port->host_event(port->data, true);
	run_scaled(port, 100);
	host_run(port, 30);
	port->host_event(port->data, false);
	return host_counted(port, 30);
}

static bool active(port_t *port)
{
	bool is_active;

	irqs(port, false);
	is_active = call(port, host_active);
	irqs(port, true);
	return is_active;
}

static bool host_active_sees_events(port_t *port)
{
	port->host_event(port->data, true);
	return active(port);
}

static bool host_active_sees_none(port_t *port)
{
	return !active(port);
}

/* The host's instructions that its event counts while displaced. */
static bool displace_stops(port_t *port)
{
	bool is_active;

	port->host_event(port->data, true);
	host_run(port, 10);
	irqs(port, false);
	call(port, displace);
	is_active = call(port, host_active);
	host_run(port, 100);
	call(port, replace);
	irqs(port, true);
	return !is_active && host_counted(port, 10);
}

static bool replace_resumes(port_t *port)
{
	bool is_active;

	port->host_event(port->data, true);
	host_run(port, 10);
	irqs(port, false);
	call(port, displace);
	call(port, replace);
	is_active = call(port, host_active);
	irqs(port, true);
	host_run(port, 5);
	return is_active && host_counted(port, 15);
}

/* Leave counters and selectors as 0, as the caller of take_dirty would. */
static void clean(port_t *port, mpmu_pmcs dirty)
{
	u32 pmc;

	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1)) {
		if (!has(dirty, pmc))
			continue;
		call(port, wrmsr, counter_msr(port, pmc), 0);
		if (pmc < MPMU_FIXED_BASE)
			call(port, wrmsr, eventsel_msr(port, pmc), 0);
	}
}

/* Asked for no counter first, a port names none, and forgets none. */
static bool dirty_is_complete(port_t *port)
{
	mpmu_pmcs dirty;
	bool ok;
	u32 pmc;

	port->host_event(port->data, true);
	host_run(port, 100);
	port->host_event(port->data, false);
	ok = own(port);
	ok &= !call(port, take_dirty, 0);
	dirty = call(port, take_dirty, all_pmcs(&port->host->caps));
	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1))
		ok &= !raw(port, counter_msr(port, pmc)) || has(dirty, pmc);
	clean(port, dirty);
	disown(port);
	return ok;
}

static bool routes_while_owned(port_t *port)
{
	bool ok = own(port);

	call(port, route_pmi);
	ok &= port->routed_to_guest(port->data);
	disown(port);
	return ok;
}

static bool disown_routes_back(port_t *port)
{
	own(port);
	call(port, route_pmi);
	disown(port);
	return !port->routed_to_guest(port->data);
}

/* Five instructions before a wrap, ten to run. */
static void overflow_soon(port_t *port)
{
	port->guest_unmask(port->data);
	start_counting(port, width_mask(port, 0) - 4);
	run(port, 1);
}

static bool overflow_is_one_pmi(port_t *port)
{
	u32 before = port->guest_pmis(port->data);

	overflow_soon(port);
	run(port, 10);
	irqs(port, true);
	run(port, 1);
	return port->guest_pmis(port->data) == before + 1;
}

static bool can_delay(port_t *port)
{
	return port->delay_pmi;
}

static bool late_pmi_is_drained(port_t *port)
{
	u32 before = port->guest_pmis(port->data);

	overflow_soon(port);
	port->delay_pmi(port->data);
	run(port, 10);
	port->put(port->data);
	irqs(port, true);
	port->load(port->data);
	run(port, 1);
	return port->guest_pmis(port->data) == before + 1;
}

/* With an interrupt on its way or, as none ever was, in vain. */
static bool drain(port_t *port)
{
	bool in_vain;

	irqs(port, false);
	in_vain = call(port, drain_pmi, true);
	irqs(port, true);
	return in_vain;
}

static bool drain_is_in_vain(port_t *port)
{
	start_counting(port, 0);
	port->guest_unmask(port->data);
	run(port, 1);
	return drain(port);
}

static bool drain_is_not_in_vain(port_t *port)
{
	overflow_soon(port);
	port->delay_pmi(port->data);
	run(port, 10);
	return !drain(port);
}

static bool request_pmi_arrives(port_t *port)
{
	u32 before = port->guest_pmis(port->data);

	port->guest_unmask(port->data);
	irqs(port, false);
	call(port, request_pmi);
	irqs(port, true);
	run(port, 1);
	return port->guest_pmis(port->data) == before + 1;
}

static bool reprograms_before_entry(port_t *port)
{
	start_counting(port, 0);
	run(port, 1);
	return port->vcpu->eventsel_hw[0] & ENABLE;
}

static bool updates_before_entry(port_t *port)
{
	u32 msr = counter_msr(port, 0);

	start_counting(port, 0);
	run(port, 1);
	return port->intercepts(port->data, msr) == mpmu_msr_intercepts(port->vcpu, msr);
}

/* Selectors, counters and status of the model. */
static bool put_leaves_nothing(port_t *port)
{
	bool ok = true;
	u32 pmc;

	overflow_soon(port);
	run(port, 10);
	port->put(port->data);
	for (pmc = next(port, 0); pmc < 64; pmc = next(port, pmc + 1)) {
		ok &= !raw(port, counter_msr(port, pmc));
		ok &= pmc >= MPMU_FIXED_BASE || !raw(port, eventsel_msr(port, pmc));
	}
	ok &= !(raw(port, map_of(port)->status) & all_pmcs(&port->host->caps));
	port->load(port->data);
	return ok && !port->cpu->owner;
}

static bool put_keeps(port_t *port)
{
	start_counting(port, 0);
	run(port, 100);
	port->put(port->data);
	port->load(port->data);
	run(port, 11);
	return counted(port) == 111;
}

static bool exit_stops(port_t *port)
{
	start_counting(port, 0);
	run(port, 100);
	host_run(port, 1000);
	run(port, 10);
	return counted(port) == 110;
}

static bool reclaim_ends_ownership(port_t *port)
{
	bool owned;

	start_counting(port, 0);
	run(port, 1);
	owned = port->cpu->owner == port->vcpu;
	port->host_event(port->data, true);
	return owned && !port->cpu->owner;
}

/* A host event arrives beside a guest that counts, and leaves again. */
static void beside_host_event(port_t *port)
{
	start_counting(port, 0);
	run_scaled(port, 100);
	port->host_event(port->data, true);
	host_run(port, 50);
	run_scaled(port, 10);
	host_run(port, 7);
	port->host_event(port->data, false);
}

static bool reclaim_is_exact(port_t *port)
{
	beside_host_event(port);
	return host_counted(port, 57);
}

static bool reclaim_keeps(port_t *port)
{
	beside_host_event(port);
	return counted(port) == 110ull * scale(port);
}

static bool filter_holds(port_t *port)
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

	if (mpmu_filter_compile(filter, (enum mpmu_vendor)port->host->caps.vendor, &spec))
		return false;
	start_counting(port, 0);
	run(port, 10);
	port->set_filter(port->data, filter);
	run(port, 10);
	count = counted(port);
	port->set_filter(port->data, NULL);
	run(port, 10);
	return count == 10 && counted(port) == 20;
}

/* First those that compare with what the host has left. */
static const struct check checks[] = {
	{"own: a refusal changes nothing", has_host_overflow, refusal_changes_nothing},
	{"own: refuses while an interrupt of the host is to come", has_host_overflow, own_refuses},
	{"disown: GLOBAL_CTRL is as the host left it", NULL, disown_restores_control},
	{"own: GLOBAL_CTRL is 0 in hardware", NULL, own_stops},
	{"own: no status bit of a counter is set", NULL, own_has_no_status},
	{"disown: the interrupt is the host's", NULL, disown_routes_back},
	{"wrmsr: counters hold what was written", NULL, wrmsr_counters},
	{"wrmsr: selectors hold what was written", NULL, wrmsr_eventsels},
	{"rdmsr: reads what hardware holds", NULL, rdmsr_reads},
	{"set_global_ctrl: get_global_ctrl gets it back", has_vmcs, global_ctrl_is_kept},
	{"get_global_ctrl: what the guest wrote is saved at exit", has_vmcs, global_ctrl_is_saved},
	{"set_intercept: opens the access it names, and no other", NULL, intercept_opens},
	{"set_intercept: closes the access it names, and no other", NULL, intercept_closes},
	{"set_rdpmc_intercept: opens and closes", NULL, rdpmc_opens_and_closes},
	{"set_touched: GLOBAL_CTRL is the guest's from then on", NULL, touched_loads},
	{"untouched: host events stay, and do not count the guest", NULL, untouched_is_idle},
	{"host_active: true while an event of the host counts", NULL, host_active_sees_events},
	{"host_active: false without one", NULL, host_active_sees_none},
	{"displace: the host's events stand still", NULL, displace_stops},
	{"replace: the host's events count on", NULL, replace_resumes},
	{"take_dirty: names each counter that is not 0", NULL, dirty_is_complete},
	{"route_pmi: the interrupt is the guest's", NULL, routes_while_owned},
	{"route_pmi: an overflow is exactly one interrupt", NULL, overflow_is_one_pmi},
	{"drain_pmi: a late interrupt reaches its guest", can_delay, late_pmi_is_drained},
	{"drain_pmi: says so after a wait in vain", NULL, drain_is_in_vain},
	{"drain_pmi: says so after no other", can_delay, drain_is_not_in_vain},
	{"request_pmi: the guest gets the interrupt", NULL, request_pmi_arrives},
	{"request_reprogram: done before the next entry", NULL, reprograms_before_entry},
	{"request_intercepts: done before the next entry", NULL, updates_before_entry},
	{"put: no value of the guest is left", NULL, put_leaves_nothing},
	{"put: the guest's count goes on", NULL, put_keeps},
	{"exit: the guest's counters stand still", NULL, exit_stops},
	{"reclaim: an event of the host has no owner beside it", NULL, reclaim_ends_ownership},
	{"reclaim: the host's event counts all of the host, nothing else", NULL, reclaim_is_exact},
	{"reclaim: the guest loses nothing", NULL, reclaim_keeps},
	{"filter: holds from the next entry on, and no longer than set", NULL, filter_holds},
};

#define NR_CHECKS (sizeof(checks) / sizeof(checks[0]))

/* A line in pieces, cut where it is full. */
struct line {
	u32 used;
	char text[120];
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

static void report(port_t *port, u32 number, const struct check *check, bool skipped, bool ok)
{
	struct line line = {0};

	append(&line, ok ? "ok " : "not ok ");
	append_number(&line, number);
	append(&line, " - ");
	append(&line, check->promise);
	if (skipped)
		append(&line, " # SKIP the port has no such hook");
	port->print(port->data, line.text);
}

u32 conformance_run(const struct conformance_port *port)
{
	struct line plan = {0};
	u32 failed = 0, i;

	for (i = 0; i < NR_CHECKS; i++) {
		bool skipped = checks[i].applies && !checks[i].applies(port), ok = true;

		if (!skipped) {
			begin(port);
			ok = checks[i].run(port);
		}
		report(port, i + 1, &checks[i], skipped, ok);
		failed += !ok;
	}
	append(&plan, "1..");
	append_number(&plan, NR_CHECKS);
	port->print(port->data, plan.text);
	return failed;
}
