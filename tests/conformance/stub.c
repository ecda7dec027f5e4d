// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The conformance suite on the stub, and on backends that break one promise
 * each, which the suite must name.
 */
#include "../lib/unit.h"

#include "subject.h"

static void init(struct subject *subject, const char *model, const struct mpmu_ops *ops)
{
	assert_int_equal(subject_init(subject, unit_caps(model), ops), 0);
}

/* Backends that conform but for one slot. */

static u64 rdmsr_32_bits(const struct mpmu_vcpu *vcpu, u32 msr)
{
	return (u32)stub_ops.rdmsr(vcpu, msr);
}

static void wrmsr_32_bits(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	stub_ops.wrmsr(vcpu, msr, (u32)value);
}

static void wrmsr_no_eventsel(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	if ((msr & ~0xfu) != 0x180 && (msr & ~0xfeu) != 0xc0010200)
		stub_ops.wrmsr(vcpu, msr, value);
}

static void wrmsr_no_metrics(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	if (msr != 0x329)
		stub_ops.wrmsr(vcpu, msr, value);
}

static u64 get_global_ctrl_reset(const struct mpmu_vcpu *vcpu)
{
	return vcpu->host->caps.counters & MPMU_GP_MASK;
}

static void nothing_with_value(const struct mpmu_vcpu *vcpu, u64 value)
{
	(void)vcpu;
	(void)value;
}

static void nothing_with_bool(const struct mpmu_vcpu *vcpu, bool on)
{
	(void)vcpu;
	(void)on;
}

static void nothing(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
}

static void set_intercept_both(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	(void)access;
	stub_ops.set_intercept(vcpu, msr, MPMU_READ | MPMU_WRITE, intercept);
}

static void set_intercept_sticky(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	if (!intercept)
		stub_ops.set_intercept(vcpu, msr, access, false);
}

static bool host_never_active(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	return false;
}

static bool host_always_active(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

static bool own_leaves_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	struct stub_pmu *pmu = &stub_vcpu_of(vcpu)->cpu->pmu;
	struct stub_reg before = pmu->global_ctrl;
	bool owned = stub_ops.own(vcpu);

	pmu->global_ctrl = before;
	return owned;
}

static bool own_anyway(const struct mpmu_vcpu *vcpu)
{
	stub_vcpu_of(vcpu)->cpu->pmu.status = 0;
	return stub_ops.own(vcpu);
}

static bool own_refuses_late(const struct mpmu_vcpu *vcpu)
{
	bool owned = stub_ops.own(vcpu);

	if (!owned)
		stub_vcpu_of(vcpu)->cpu->pmu.global_ctrl.value = 0;
	return owned;
}

static void disown_leaves_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	stub_ops.disown(vcpu);
	stub_vcpu_of(vcpu)->cpu->pmu.global_ctrl.value = 0;
}

static void disown_leaves_route(const struct mpmu_vcpu *vcpu)
{
	stub_ops.disown(vcpu);
	stub_vcpu_of(vcpu)->cpu->pmu.lvtpc.route = STUB_VECTOR_OF_GUEST;
}

static mpmu_pmcs nothing_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	stub_ops.take_dirty(vcpu, counters);
	return 0;
}

static mpmu_pmcs forgets_others(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	return stub_ops.take_dirty(vcpu, ~0ull) & counters;
}

/* But the selectors that the host leaves. */
static mpmu_pmcs cleans_counters_itself(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	mpmu_pmcs dirty = stub_ops.take_dirty(vcpu, counters);
	u32 pmc;

	for (pmc = 0; pmc < MPMU_FIXED_BASE; pmc++)
		if (dirty >> pmc & 1)
			stub_vcpu_of(vcpu)->cpu->pmu.gp[pmc].value = 0;
	return 0;
}

static bool drain_nothing(const struct mpmu_vcpu *vcpu, bool briefly)
{
	(void)vcpu;
	(void)briefly;
	return true;
}

static bool drain_never_in_vain(const struct mpmu_vcpu *vcpu, bool briefly)
{
	stub_ops.drain_pmi(vcpu, briefly);
	return false;
}

static bool drain_always_in_vain(const struct mpmu_vcpu *vcpu, bool briefly)
{
	stub_ops.drain_pmi(vcpu, briefly);
	return true;
}

static void request_pmi_twice(const struct mpmu_vcpu *vcpu)
{
	stub_ops.request_pmi(vcpu);
	stub_vcpu_of(vcpu)->pmis++;
}

static bool share_nothing(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	(void)host;
	return stub_ops.share(vcpu, 0);
}

static bool stop_nothing(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	stub_vcpu_of(vcpu)->vmcs_host_global_ctrl = host;
	return true;
}

struct wrong {
	const char *name;
	const char *model;
	/* The slot, and what is in it. */
	size_t slot;
	void (*op)(void);
	/* The check that must name it. */
	const char *promise;
};

#define INTEL "intel-v5-8-4"
#define AMD   "amd-v2"
#define WRONG(name_, model_, slot_, op_, promise_)                            \
	{                                                                     \
		.name = "wrong backend: " name_, .model = (model_),           \
		.slot = offsetof(struct mpmu_ops, slot_),                     \
		.op = (void (*)(void))(op_), .promise = #slot_ ": " promise_, \
	}

static const struct wrong wrongs[] = {
	WRONG("rdmsr cuts to 32 bits", INTEL, rdmsr, rdmsr_32_bits, "reads what hardware"),
	WRONG("wrmsr cuts to 32 bits", INTEL, wrmsr, wrmsr_32_bits, "counters hold"),
	WRONG("wrmsr skips PERF_METRICS", "intel-spr", wrmsr, wrmsr_no_metrics, "counters hold"),
	WRONG("wrmsr skips selectors (Intel)", INTEL, wrmsr, wrmsr_no_eventsel, "selectors hold"),
	WRONG("wrmsr skips selectors (AMD)", AMD, wrmsr, wrmsr_no_eventsel, "selectors hold"),
	WRONG("get_global_ctrl is stale", INTEL, get_global_ctrl, get_global_ctrl_reset,
	      "what the guest wrote"),
	WRONG("set_global_ctrl does nothing", INTEL, set_global_ctrl, nothing_with_value,
	      "get_global_ctrl gets it back"),
	WRONG("set_intercept ignores the access", INTEL, set_intercept, set_intercept_both,
	      "opens the access it names"),
	WRONG("set_intercept never closes", AMD, set_intercept, set_intercept_sticky,
	      "closes the access it names"),
	WRONG("set_rdpmc_intercept does nothing", AMD, set_rdpmc_intercept, nothing_with_bool,
	      "opens and closes"),
	WRONG("set_touched does nothing", INTEL, set_touched, nothing_with_bool,
	      "GLOBAL_CTRL is the guest's"),
	WRONG("host_active never", AMD, host_active, host_never_active, "true while"),
	WRONG("host_active always", INTEL, host_active, host_always_active, "false without"),
	WRONG("displace does nothing", INTEL, displace, nothing, "the host's events stand still"),
	WRONG("restore does nothing", AMD, restore, nothing, "the host's events count on"),
	WRONG("own leaves GLOBAL_CTRL", INTEL, own, own_leaves_global_ctrl, "GLOBAL_CTRL is 0"),
	WRONG("own overrides the host's interrupt", AMD, own, own_anyway, "refuses while"),
	WRONG("own refuses, but late", INTEL, own, own_refuses_late, "a refusal changes"),
	WRONG("disown leaves GLOBAL_CTRL", INTEL, disown, disown_leaves_global_ctrl,
	      "control registers are as the host"),
	WRONG("disown leaves the route", AMD, disown, disown_leaves_route, "the interrupt is"),
	WRONG("take_dirty knows nothing", AMD, take_dirty, nothing_dirty, "names each counter"),
	WRONG("take_dirty forgets the others", AMD, take_dirty, forgets_others, "names each counter"),
	WRONG("take_dirty forgets selectors", AMD, take_dirty, cleans_counters_itself,
	      "names each counter"),
	WRONG("route_pmi does nothing", INTEL, route_pmi, nothing, "the interrupt is the guest's"),
	WRONG("share lets the host's events stand", INTEL, share, share_nothing,
	      "a plain event and a guest count"),
	WRONG("share stops nothing (Intel)", INTEL, share, stop_nothing, "and take turns"),
	WRONG("share stops nothing (AMD)", AMD, share, stop_nothing, "and take turns"),
	WRONG("drain_pmi does nothing", INTEL, drain_pmi, drain_nothing, "a late interrupt"),
	WRONG("drain_pmi is never in vain", AMD, drain_pmi, drain_never_in_vain,
	      "says so after a wait in vain"),
	WRONG("drain_pmi is always in vain", INTEL, drain_pmi, drain_always_in_vain,
	      "says so after no other"),
	WRONG("request_pmi does nothing", AMD, request_pmi, nothing, "the guest gets"),
	WRONG("request_pmi twice", INTEL, request_pmi, request_pmi_twice, "the guest gets"),
	WRONG("request_reprogram does nothing", AMD, request_reprogram, nothing, "done before"),
	WRONG("request_intercepts does nothing", INTEL, request_intercepts, nothing, "done before"),
};

struct right {
	const char *name;
	const char *model;
};

static void ignore(const char *what)
{
	(void)what;
}

/* The suite fails, and says that the promise is broken. */
static void expect_failure(struct subject *subject, const char *promise)
{
	stub_fault_hook = ignore;
	conformance_run(&subject->port);
	stub_fault_hook = unit_fail;
	if (!strstr(subject->failures, promise))
		fail_msg("\"%s\" is not among the failures:\n%s", promise, subject->failures);
}

static void check_wrong(void **state)
{
	const struct wrong *wrong = *state;
	struct mpmu_ops ops = stub_ops;
	static struct subject subject;

	memcpy((char *)&ops + wrong->slot, &wrong->op, sizeof(wrong->op));
	init(&subject, wrong->model, &ops);
	expect_failure(&subject, wrong->promise);
}

static struct stub_cpu *here(void *data)
{
	return ((struct subject *)data)->machine.here;
}

/* A host that does not reclaim: its event is beside the owner. */
static void host_event_beside_owner(void *data, bool on)
{
	here(data)->perf.events[0].installed = on;
	here(data)->perf.running = on;
}

/* A host that lends itself a counter, and does not tell. */
static void host_plain_untold(void *data, u32 pmc, bool on)
{
	here(data)->perf.events[0] = (struct stub_host_event){.installed = on, .plain = true,
							      .pmc = pmc};
}

/* A host that takes an overflow of the guest for nobody's. */
static void host_plain_untold_nmi(void *data, u32 pmc, bool on)
{
	struct subject *subject = data;

	stub_perf_remove(&subject->machine, 0);
	subject->machine.shares = true;
	if (on)
		stub_perf_install(&subject->machine, 0, pmc, 0x4200c0, 0);
	here(data)->pmu.lvtpc.masked = on;
	subject->machine.shares = false;
}

/* A host that traces, and does not tell. */
static void host_status_untold(void *data, bool on)
{
	here(data)->pmu.status ^= (here(data)->pmu.status ^ (on ? ~0ull : 0)) & STUB_STATUS_PT;
}

static void svme_untold(void *data, bool on)
{
	(void)data;
	(void)on;
}

/* What was on its way is taken for an interrupt of the other use. */
static void other_lvtpc_undrained(void *data)
{
	here(data)->pmu.pending[STUB_VECTOR_OF_GUEST] = false;
	here(data)->late_pmi = false;
}

static void other_lvtpc_for_good(void *data)
{
	here(data)->pmu.lvtpc.masked = true;
}

/* Places that a port has outside its table of operations. */
struct wrong_place {
	const char *name;
	const char *model;
	/* The hook, and what is in it. */
	size_t hook;
	void (*function)(void);
	const char *promise;
};

#define PLACE(name_, model_, hook_, function_, promise_)                                      \
	{                                                                                     \
		.name = "wrong place: " name_, .model = (model_),                             \
		.hook = offsetof(struct conformance_port, hook_),                             \
		.function = (void (*)(void))(function_), .promise = (promise_),               \
	}

static const struct wrong_place places[] = {
	PLACE("no reclaim (Intel)", INTEL, host_event, host_event_beside_owner,
	      "reclaim: an event of the host has no owner"),
	PLACE("no reclaim (AMD)", AMD, host_event, host_event_beside_owner,
	      "reclaim: an event of the host has no owner"),
	PLACE("no mpmu_share() (Intel)", INTEL, host_plain, host_plain_untold,
	      "share: a plain event and a guest count"),
	PLACE("no mpmu_share() (AMD)", AMD, host_plain, host_plain_untold,
	      "share: a plain event and a guest count"),
	PLACE("LVTPC is masked beside a plain event", INTEL, host_plain, host_plain_untold_nmi,
	      "nmi: an overflow of the guest"),
	PLACE("PT starts, and nobody says so", INTEL, host_status, host_status_untold,
	      "flags: status registers close"),
	PLACE("EFER.SVME is set, and nobody says so", AMD, guest_svme, svme_untold,
	      "flags: EFER.SVME decides"),
	PLACE("LVTPC is used without mpmu_drain() (Intel)", INTEL, other_lvtpc,
	      other_lvtpc_undrained, "drain: LVTPC gets no other use"),
	PLACE("LVTPC is used without mpmu_drain() (AMD)", AMD, other_lvtpc, other_lvtpc_undrained,
	      "drain: LVTPC gets no other use"),
	PLACE("LVTPC is not given back", INTEL, other_lvtpc, other_lvtpc_for_good,
	      "drain: LVTPC is the guest's again"),
};

static void check_place(void **state)
{
	const struct wrong_place *place = *state;
	static struct subject subject;

	init(&subject, place->model, &stub_ops);
	memcpy((char *)&subject.port + place->hook, &place->function, sizeof(place->function));
	expect_failure(&subject, place->promise);
}

static const struct right rights[] = {
	{"the stub conforms: intel-v5-8-4", "intel-v5-8-4"},
	{"the stub conforms: intel-v4-small", "intel-v4-small"},
	{"the stub conforms: intel-v5-odd", "intel-v5-odd"},
	{"the stub conforms: intel-v5-holes", "intel-v5-holes"},
	{"the stub conforms: intel-icx", "intel-icx"},
	{"the stub conforms: intel-spr", "intel-spr"},
	{"the stub conforms: amd-v2", "amd-v2"},
	{"the stub conforms: amd-v2-nb", "amd-v2-nb"},
};

static void check_right(void **state)
{
	const struct right *right = *state;
	static struct subject subject;

	init(&subject, right->model, &stub_ops);
	if (conformance_run(&subject.port))
		fail_msg("%s%s", subject.failures, subject.summary);
	assert_true(subject.lines > 80);
}

/* The table of wrong backends grows with the list of slots. */
static const struct slot {
	const char *name;
	size_t slot;
} slots[] = {
#define MPMU_OP(ret, name, args) {"some wrong backend breaks " #name, offsetof(struct mpmu_ops, name)},
#include <mpmu/ops.def>
#undef MPMU_OP
};

static void check_slot(void **state)
{
	const struct slot *slot = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrongs); i++)
		if (wrongs[i].slot == slot->slot)
			return;
	fail_msg("there is none");
}

int main(void)
{
	UNIT_TABLE(rights, check_right);
	UNIT_TABLE(wrongs, check_wrong);
	UNIT_TABLE(places, check_place);
	UNIT_TABLE(slots, check_slot);
	return unit_run("conformance");
}
