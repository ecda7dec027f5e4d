// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theorems about the core, for a model checker: any machine, any model, any value.
 * VENDOR is an enum mpmu_vendor, COUNTERS how many counters a machine has at most,
 * wherever they are; ENTRIES those of a list or a filter.
 */
/* Its check is not public, and one of its functions has another in its place here. */
#define mpmu_owner_write core_owner_write
#include "access.c"
#undef mpmu_owner_write

#define claim(condition, text) __CPROVER_assert(condition, text)
#define suppose(condition)     __CPROVER_assume(condition)

u64 nondet_u64(void);
u32 nondet_u32(void);
bool nondet_bool(void);
struct mpmu_caps nondet_caps(void);
struct mpmu_vcpu nondet_vcpu(void);

/* The PMU of the one CPU, and what a VMCS holds. */
static struct {
	u64 gp[MPMU_MAX_GP];
	u64 eventsel[MPMU_MAX_GP];
	u64 fixed[MPMU_MAX_FIXED];
	u64 metrics;
	u64 fixed_ctrl;
	u64 global_ctrl;
	u64 status;
	bool owned;
	u64 vmcs_global_ctrl;
} hw;

/* Operations that changed something, but for requests. */
static u32 changes;

static struct mpmu_host host;
static struct mpmu_cpu cpu;
static struct mpmu_vcpu vcpu;
static struct mpmu_stats stats;

#define IS_AMD (VENDOR == MPMU_VENDOR_AMD)

#define SLOTS   0x30c
#define METRICS 0x329

static bool has_metrics(const struct mpmu_caps *caps)
{
	return mpmu_all_pmcs(caps) & mpmu_bit(MPMU_METRICS);
}

enum { STATUS, CTRL, CLEAR, SET, NR_GLOBALS };

static const u32 globals[] = {
	[STATUS] = IS_AMD ? 0xc0000300 : 0x38e,
	[CTRL] = IS_AMD ? 0xc0000301 : 0x38f,
	[CLEAR] = IS_AMD ? 0xc0000302 : 0x390,
	[SET] = IS_AMD ? 0xc0000303 : 0x391,
};

/* Bits of no counter that the guest sets, where SET is direct. */
static const u64 status_settable = IS_AMD ? 3ull << 58 : 0;

/* A register that holds what was written. */
static u64 *plain_register(u32 msr)
{
	if (msr == globals[CTRL])
		return &hw.global_ctrl;
	if (IS_AMD) {
		u32 index = msr - 0xc0010200;

		suppose(index < 2 * MPMU_MAX_GP);
		return index % 2 ? &hw.gp[index / 2] : &hw.eventsel[index / 2];
	}
	if (msr == 0x38d)
		return &hw.fixed_ctrl;
	claim(msr != METRICS || has_metrics(&host.caps), "hardware: it has PERF_METRICS");
	if (msr == METRICS)
		return &hw.metrics;
	if (msr - 0x309 < MPMU_MAX_FIXED)
		return &hw.fixed[msr - 0x309];
	if (msr - 0x4c1 < MPMU_MAX_GP)
		return &hw.gp[msr - 0x4c1];
	claim(msr - 0x186 < MPMU_MAX_GP, "hardware: a register that exists");
	return &hw.eventsel[(msr - 0x186) % MPMU_MAX_GP];
}

u64 proof_rdmsr(const struct mpmu_vcpu *v, u32 msr)
{
	return msr == globals[STATUS] ? hw.status : *plain_register(msr);
}

void proof_wrmsr(const struct mpmu_vcpu *v, u32 msr, u64 value)
{
	claim(hw.owned, "hardware: nothing is written while the host owns the PMU");
	changes++;
	if (msr == globals[CLEAR])
		hw.status &= ~value;
	else if (msr == globals[SET])
		hw.status |= value;
	else
		*plain_register(msr) = value;
	/* PERF_METRICS is derived from slots, in a way of the machine's own. */
	if (msr == SLOTS && has_metrics(&host.caps))
		hw.metrics = nondet_u64();
}

u64 proof_get_global_ctrl(const struct mpmu_vcpu *v)
{
	return hw.vmcs_global_ctrl;
}

void proof_set_global_ctrl(const struct mpmu_vcpu *v, u64 value)
{
	changes++;
	hw.vmcs_global_ctrl = value;
}

void proof_set_intercept(const struct mpmu_vcpu *v, u32 msr, u32 access, bool intercept)
{
}

void proof_set_rdpmc_intercept(const struct mpmu_vcpu *v, bool intercept)
{
}

void proof_set_touched(const struct mpmu_vcpu *v, bool touched)
{
	changes++;
}

bool proof_host_active(const struct mpmu_vcpu *v)
{
	return nondet_bool();
}

void proof_displace(const struct mpmu_vcpu *v)
{
	changes++;
}

void proof_restore(const struct mpmu_vcpu *v)
{
	changes++;
}

bool proof_share(const struct mpmu_vcpu *v, mpmu_pmcs host)
{
	changes++;
	return nondet_bool();
}

bool proof_own(const struct mpmu_vcpu *v)
{
	if (hw.status & mpmu_all_pmcs(&host.caps))
		return false;
	hw.owned = true;
	hw.global_ctrl = 0;
	changes++;
	return true;
}

static bool is_clean(void);

void proof_disown(const struct mpmu_vcpu *v)
{
	claim(is_clean(), "disown: no value of the guest is in hardware");
	hw.owned = false;
	changes++;
}

/* The host has cleaned nothing, and names all of it, or more. */
mpmu_pmcs proof_take_dirty(const struct mpmu_vcpu *v, mpmu_pmcs counters)
{
	return counters;
}

void proof_route_pmi(const struct mpmu_vcpu *v)
{
}

bool proof_drain_pmi(const struct mpmu_vcpu *v, bool briefly)
{
	return nondet_bool();
}

void proof_request_pmi(const struct mpmu_vcpu *v)
{
}

void proof_request_reprogram(const struct mpmu_vcpu *v)
{
}

void proof_request_intercepts(const struct mpmu_vcpu *v)
{
}

/* Few counters, wherever they are. */
static void suppose_few(mpmu_pmcs counters)
{
	u32 i;

	for (i = 0; i < COUNTERS; i++)
		counters &= counters - 1;
	suppose(!counters);
}

/* Any machine that the core accepts, and any vCPU that it makes there. */
static void begin(void)
{
	struct mpmu_caps caps = nondet_caps(), model = nondet_caps();

	suppose(caps.vendor == VENDOR);
	suppose(mpmu_caps_valid(&caps) && !mpmu_caps_missing(&caps));
	suppose_few(caps.counters);
	host.caps = caps;
	host.desc = mpmu_desc_of(VENDOR);
	host.pmcs = mpmu_all_pmcs(&caps);
	host.reachable = host.pmcs & host.desc->reachable;
	mpmu_vcpu_init(&vcpu, &host, &stats);
	suppose(!mpmu_vcpu_configure(&vcpu, &model));
}

/* Any registers, as far as each write has been checked, of a vCPU that owns no PMU. */
static void any_registers(void)
{
	struct mpmu_vcpu any = nondet_vcpu();

	any.host = vcpu.host;
	any.caps = vcpu.caps;
	any.stats = vcpu.stats;
	any.held = false;
	vcpu = any;
}

/*
 * A register that the guest reaches without an exit takes from it what the core
 * would take: the machine, which has all that it has, refuses and drops the same.
 * Not with policy direct: what the machine has beyond the model takes more.
 */
void direct_needs_no_check(void)
{
	u32 msr = nondet_u32();
	u64 value = nondet_u64(), guests = value, machines = value;
	struct mpmu_vcpu machine;
	enum mpmu_result result;
	struct mpmu_reg reg;

	begin();
	any_registers();
	suppose(!(vcpu.flags & MPMU_VCPU_DIRECT));
	reg = mpmu_decode(&vcpu, msr);
	suppose(!(mpmu_msr_intercepts(&vcpu, msr) & MPMU_WRITE));
	machine = vcpu;
	machine.caps = host.caps;
	claim(mpmu_msr_exists(&machine, msr), "direct: the machine has it");
	claim(reg.kind != MPMU_KIND_EVENTSEL && reg.kind != MPMU_KIND_FIXED_CTRL,
	      "direct: it is no control register");
	result = access_check(&vcpu, reg, MPMU_BY_GUEST, &guests);
	claim(access_check(&machine, reg, MPMU_BY_GUEST, &machines) == result,
	      "direct: the machine refuses what the core refuses");
	claim(result != MPMU_DONE || guests == machines,
	      "direct: the machine drops what the core drops");
}

/* Any filter of so many entries, masked or not; or none. */
static u64 room[3 + ENTRIES];

static const struct mpmu_filter *any_filter(void)
{
	static u64 events[ENTRIES];
	struct mpmu_filter *filter = (struct mpmu_filter *)room;
	struct mpmu_filter_spec spec = {
		.action = nondet_u32(),
		.flags = nondet_u32(),
		.fixed_bitmap = nondet_u32(),
		.nr_events = nondet_u32(),
		.events = events,
	};
	u32 i;

	if (nondet_bool())
		return NULL;
	for (i = 0; i < ENTRIES; i++)
		events[i] = nondet_u64();
	suppose(spec.nr_events <= ENTRIES);
	suppose(!mpmu_filter_compile(filter, VENDOR, &spec));
	return filter;
}

/*
 * A PMC that hardware is given enabled was enabled by the guest, and the filter
 * allows its event; or it is due to be looked at, before the next entry.
 */
static bool allowed(const struct mpmu_filter *filter, u32 pmc)
{
	u64 field = 0xfull << (4 * (pmc % 32));

	if (vcpu.reprogram >> pmc & 1)
		return true;
	if (pmc < MPMU_FIXED_BASE)
		return !(vcpu.eventsel_hw[pmc] & MPMU_SEL_ENABLE) ||
		       (vcpu.eventsel[pmc] & MPMU_SEL_ENABLE &&
			mpmu_filter_allows(filter, vcpu.eventsel_hw[pmc]));
	return !(vcpu.fixed_ctrl_hw & field) ||
	       (!(vcpu.fixed_ctrl_hw & field & ~vcpu.fixed_ctrl) &&
		mpmu_filter_allows_fixed(filter, pmc - MPMU_FIXED_BASE));
}

static mpmu_pmcs any_pmc(void)
{
	u32 pmc = nondet_u32();

	suppose(pmc < MPMU_FIXED_BASE + MPMU_MAX_FIXED);
	return pmc;
}

static const struct mpmu_filter *filter;
static u32 watched;

static void begin_events(void)
{
	watched = any_pmc();
	begin();
	any_registers();
	filter = any_filter();
	suppose(vcpu.caps.counters >> watched & 1 && allowed(filter, watched));
}

/* What hardware is given for a PMC, if that is enabled. */
static u64 enabled_image(u32 pmc)
{
	if (pmc < MPMU_FIXED_BASE)
		return vcpu.eventsel_hw[pmc] & MPMU_SEL_ENABLE ? vcpu.eventsel_hw[pmc] : 0;
	return vcpu.fixed_ctrl_hw & 0xfull << (4 * (pmc - MPMU_FIXED_BASE));
}

/* Whatever the guest writes: that is for reprogramming to enable. */
void no_denied_event_by_a_write(void)
{
	u64 before;

	begin_events();
	before = enabled_image(watched);
	mpmu_nested_msr_load(NULL, &vcpu, nondet_u32(), nondet_u64());
	claim(!enabled_image(watched) || enabled_image(watched) == before,
	      "write: nothing is enabled by it");
	claim(allowed(filter, watched), "write: no denied event is enabled");
}

/* Whatever is reprogrammed. */
void no_denied_event_by_reprogramming(void)
{
	begin_events();
	suppose(!(vcpu.reprogram & ~vcpu.caps.counters));
	mpmu_vcpu_reprogram(NULL, &vcpu, filter);
	claim(!vcpu.reprogram, "reprogram: all that was asked for is done");
	claim(allowed(filter, watched), "reprogram: no denied event is enabled");
}

/*
 * Counters of the model; what else they hold is the host's.  Every status bit that a
 * guest writes: with policy direct, those of all counters.
 */
static bool is_clean(void)
{
	mpmu_pmcs counters = vcpu.caps.counters;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (counters >> i & 1 && (hw.gp[i] || hw.eventsel[i]))
			return false;
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (counters >> (MPMU_FIXED_BASE + i) & 1 && hw.fixed[i])
			return false;
	return !(has_metrics(&vcpu.caps) && hw.metrics) && !hw.fixed_ctrl && !hw.global_ctrl &&
	       !(hw.status & (mpmu_all_pmcs(&host.caps) | status_settable));
}

/*
 * What the core knows about hardware is true.  PERF_METRICS that the guest does not
 * have never counts for it, and what a write of slots makes of that is not looked at.
 */
static bool knowledge_is_true(void)
{
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if ((cpu.zero_counters >> i & 1 && hw.gp[i]) ||
		    (cpu.zero_eventsels >> i & 1 && hw.eventsel[i]))
			return false;
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (cpu.zero_counters >> (MPMU_FIXED_BASE + i) & 1 && hw.fixed[i])
			return false;
	return !(cpu.zero_counters & mpmu_bit(MPMU_METRICS) && has_metrics(&vcpu.caps) &&
		 hw.metrics);
}

/* What a guest can do to hardware without an exit: count, and write what is direct. */
static void guest_runs(void)
{
	mpmu_pmcs counters = vcpu.caps.counters;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (counters >> i & 1)
			hw.gp[i] = nondet_u64();
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (counters >> (MPMU_FIXED_BASE + i) & 1)
			hw.fixed[i] = nondet_u64();
	if (has_metrics(&vcpu.caps))
		hw.metrics = nondet_u64();
	hw.status ^= (hw.status ^ nondet_u64()) & (mpmu_all_pmcs(&host.caps) | status_settable);
	if (IS_AMD)
		hw.global_ctrl = nondet_u64();
	else
		hw.global_ctrl = 0;
}

/* As the invariants of the stub hold it: what is in the set is not 0. */
static bool images_are_in_their_set(void)
{
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (!vcpu.eventsel_hw[i] == (vcpu.nonzero_eventsels >> i & 1))
			return false;
	return true;
}

/*
 * The vCPU owns the PMU, and has used it: hardware holds what is enabled, and any
 * count.  The host takes it back, as a put and the entry of another vCPU do.
 */
void nothing_is_left(void)
{
	u32 i;

	begin();
	any_registers();
	suppose(images_are_in_their_set() &&
		!(vcpu.nonzero_eventsels & ~(u32)vcpu.caps.counters));
	for (i = 0; i < MPMU_MAX_GP; i++)
		hw.eventsel[i] = vcpu.eventsel_hw[i];
	hw.fixed_ctrl = IS_AMD ? 0 : vcpu.fixed_ctrl_hw;
	hw.owned = true;
	guest_runs();
	cpu.owner = &vcpu;
	vcpu.held = true;
	cpu.zero_counters = nondet_u64();
	cpu.zero_eventsels = nondet_u32();
	suppose(knowledge_is_true());
	mpmu_release(&cpu, MPMU_CAUSE_PUT);
	claim(!cpu.owner && !hw.owned, "release: the host owns the PMU");
	claim(is_clean(), "release: no value of the guest is in hardware");
	claim(knowledge_is_true(), "release: what is known of hardware is true");
}

static u32 writes;

/* What it is called for has passed the check.  It may change any register, and no model. */
enum mpmu_result mpmu_owner_write(struct mpmu_cpu *c, struct mpmu_vcpu *v, u32 msr, u64 value)
{
	claim(v == &vcpu && mpmu_check_write(v, msr, MPMU_BY_HOST, value) == MPMU_DONE,
	      "restore: what it writes has been checked");
	writes++;
	any_registers();
	return MPMU_DONE;
}

/* A vCPU that owns nothing, as at a migration. */
void restore_is_all_or_nothing(void)
{
	struct mpmu_msr list[ENTRIES];
	u32 count = nondet_u32(), err_msr = 0, bad = nondet_u32(), i;
	int err;

	for (i = 0; i < ENTRIES; i++)
		list[i] = (struct mpmu_msr){nondet_u32(), nondet_u64()};
	begin();
	any_registers();
	suppose(count <= ENTRIES);
	err = mpmu_snapshot_restore(NULL, &vcpu, list, count, &err_msr);
	claim(!err || err == -EINVAL, "restore: it is done, or refused");
	claim(writes == (err ? 0 : count), "restore: all is written, or nothing");
	suppose(bad < count);
	claim(err || mpmu_check_write(&vcpu, list[bad].index, MPMU_BY_HOST, list[bad].value) ==
			     MPMU_DONE,
	      "restore: a list with a bad register is refused");
}
