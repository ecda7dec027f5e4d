// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * switch.c in all combinations: each counter of each model, each way out of the
 * PMU, each moment at which an interrupt may land.
 */
#include "../lib/unit.h"

#define OVERFLOWS (&(struct stub_work){.instructions = 0x20, .cycles = 0x20})
#define TEN       (&(struct stub_work){.instructions = 10, .branches = 4, .cycles = 10})
#define MAX_LIST  128

/* One vendor's registers. */
struct map {
	const char *model;
	u32 gp;
	u32 eventsel;
	u32 shift;
	u32 status;
	u32 status_clear;
};

static const struct map intel = {"intel-v5-8-4", 0xc1, 0x186, 0, 0x38e, 0x390};
static const struct map amd = {"amd-v2", 0xc0010201, 0xc0010200, 1, 0xc0000300, 0xc0000302};

#define FIXED_CTR  0x309
#define FIXED_CTRL 0x38d

static bool is_fixed(u32 pmc)
{
	return pmc >= MPMU_FIXED_BASE;
}

/* K7 registers have no core alias; they are next to each other. */
static bool has_core(const struct stub_vcpu *vcpu)
{
	return vcpu->mpmu.caps.features & MPMU_FEAT_PERFCTR_CORE;
}

static const struct map *map_of(const struct stub_vcpu *vcpu)
{
	static const struct map k7 = {.gp = 0xc0010004, .eventsel = 0xc0010000};

	if (vcpu->mpmu.caps.vendor == MPMU_VENDOR_INTEL)
		return &intel;
	return has_core(vcpu) ? &amd : &k7;
}

static u32 counter(const struct stub_vcpu *vcpu, u32 pmc)
{
	const struct map *map = map_of(vcpu);

	return is_fixed(pmc) ? FIXED_CTR + pmc - MPMU_FIXED_BASE : map->gp + (pmc << map->shift);
}

static u32 width(const struct stub_vcpu *vcpu, u32 pmc)
{
	return is_fixed(pmc) ? vcpu->mpmu.caps.fixed_width : vcpu->mpmu.caps.gp_width;
}

/* A legacy write cannot reach the top: the owner of the VM sets it there. */
static void set_counter(struct stub_vcpu *vcpu, u32 pmc, u64 value)
{
	value &= stub_width_mask(width(vcpu, pmc));
	assert_int_equal(stub_host_wrmsr(vcpu, counter(vcpu, pmc), value), MPMU_DONE);
	stub_vcpu_load(vcpu, vcpu->cpu);
}

/* PMC counts what goes on at CPL 0, and interrupts. */
static void enable(struct stub_vcpu *vcpu, u32 pmc)
{
	const struct map *map = map_of(vcpu);

	if (is_fixed(pmc))
		unit_wrmsr(vcpu, FIXED_CTRL,
			   unit_rdmsr(vcpu, FIXED_CTRL) | 0xbull << (4 * (pmc - MPMU_FIXED_BASE)));
	else
		unit_wrmsr(vcpu, map->eventsel + (pmc << map->shift), 0x5300c0);
	if (vcpu->mpmu.caps.features & MPMU_FEAT_GLOBAL)
		unit_wrmsr(vcpu, map == &intel ? 0x38f : 0xc0000301, vcpu->mpmu.caps.counters);
}

static mpmu_pmcs counters_of(const struct stub_vcpu *vcpu)
{
	return vcpu->mpmu.caps.counters;
}

/* Each host that can have guests, with each model of its vendor on it. */
static void each_pair(void (*test)(struct unit_world *world, u32 arg), u32 arg)
{
	static struct unit_world world;
	u32 i, j;

	for (i = 0; i < stub_nr_models; i++) {
		const struct stub_model *host = &stub_models[i];

		for (j = 0; j < stub_nr_models && !mpmu_caps_missing(&host->caps); j++) {
			if (stub_models[j].caps.vendor != host->caps.vendor)
				continue;
			unit_world_init(&world, host->name, stub_models[j].name);
			test(&world, arg);
		}
	}
}

/* Where a PMU goes that a guest has left: put, reclaim, ... */
enum way { PUT, RECLAIM, DISPLACED, RESET, VISITED, TAKEN_OVER, WAYS };

static void host_event(struct unit_world *world)
{
	bool is_amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;
	u64 eventsel = 0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_OS | STUB_EVENTSEL_INT;

	stub_perf_install(&world->machine, 0, 0, eventsel | (is_amd ? STUB_EVENTSEL_HOST_ONLY : 0),
			  0);
}

/* Another guest enters, untouched or as the next owner, and is gone. */
static void visit(struct unit_world *world, bool touched)
{
	static struct stub_vcpu other;
	u64 value;

	stub_vcpu_init(&other, &world->machine, &world->machine.host.caps);
	other.lvtpc_masked = false;
	stub_vcpu_load(&other, &world->machine.cpus[1]);
	if (touched)
		assert_true(stub_guest_rdpmc(&other, 0, &value));
	stub_vcpu_put(&other);
	stub_vcpu_load(&other, world->vcpu.cpu);
	stub_enter(&other);
	stub_exit(&other);
	stub_enter(&other);
	assert_int_equal(other.pmis, 0);
	stub_vcpu_put(&other);
}

static void leave(struct unit_world *world, enum way way)
{
	stub_exit(&world->vcpu);
	switch (way) {
	case PUT:
		stub_vcpu_put(&world->vcpu);
		break;
	case RECLAIM:
		stub_perf_reclaim(&world->machine);
		break;
	case DISPLACED:
		host_event(world);
		stub_enter(&world->vcpu);
		stub_exit(&world->vcpu);
		break;
	case RESET:
		stub_vcpu_reset(&world->vcpu);
		break;
	case VISITED:
		visit(world, false);
		break;
	case TAKEN_OVER:
		visit(world, true);
		break;
	case WAYS:
		break;
	}
}

static u64 dump(const struct stub_pmu *pmu)
{
	u64 all = pmu->fixed_ctrl.value | pmu->status;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		all |= pmu->gp[i].value | pmu->eventsel[i].value;
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		all |= pmu->fixed[i].value;
	return all;
}

/* No register of hardware holds anything of the guest, nor its image. */
static void check_clean(const struct stub_cpu *cpu, enum way way)
{
	const struct stub_pmu *pmu = &cpu->pmu;

	assert_int_equal(stub_pmu_counters_of(pmu, STUB_OF_GUEST), 0);
	assert_int_equal(stub_pmu_eventsels_of(pmu, STUB_OF_GUEST), 0);
	assert_int_not_equal(pmu->fixed_ctrl.origin, STUB_OF_GUEST);
	assert_int_equal(pmu->status_of_guest, 0);
	assert_int_equal(pmu->lvtpc.route, STUB_NMI_OF_HOST);
	assert_false(pmu->owned);
	if (way != DISPLACED)
		assert_int_equal(dump(pmu), 0);
}

/* Every register of the model holds something, and is found again elsewhere. */
static void check_way(struct unit_world *world, u32 way)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	struct stub_cpu *cpu = vcpu->cpu;
	mpmu_pmcs left;
	u64 value;
	u32 pmc;

	for (left = counters_of(vcpu); left; left &= left - 1) {
		pmc = __builtin_ctzll(left);
		set_counter(vcpu, pmc, 0x1000 + pmc);
		enable(vcpu, pmc);
	}
	assert_true(stub_guest_rdpmc(vcpu, __builtin_ctzll(counters_of(vcpu)), &value));
	stub_enter(vcpu);
	assert_int_equal(stub_pmu_counters_of(&cpu->pmu, STUB_OF_GUEST), counters_of(vcpu));
	leave(world, way);
	check_clean(cpu, way);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	for (left = counters_of(vcpu); left; left &= left - 1) {
		pmc = __builtin_ctzll(left);
		assert_int_equal(unit_rdmsr(vcpu, counter(vcpu, pmc)),
				 way == RESET ? 0 : 0x1000 + pmc);
	}
}

struct way_row {
	const char *id;
	enum way way;
};

static const struct way_row ways[] = {
	{"E1 clean after put, each model", PUT},
	{"E1 clean after reclaim, each model", RECLAIM},
	{"E1 clean after an exit to host events, each model", DISPLACED},
	{"E1 clean after RESET, each model", RESET},
	{"E1 clean after an untouched vCPU's entry, each model", VISITED},
	{"E1 clean after the next owner, each model", TAKEN_OVER},
};

static void check_ways(void **state)
{
	const struct way_row *row = *state;

	each_pair(check_way, row->way);
}

/* An overflow of each counter in turn is there, whatever came in between. */
static void check_overflow(struct unit_world *world, u32 way)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	const struct map *map = map_of(vcpu);
	mpmu_pmcs left = counters_of(vcpu);
	struct mpmu_caps caps = vcpu->mpmu.caps;

	if (!(caps.features & MPMU_FEAT_GLOBAL) ||
	    caps.gp_width != world->machine.host.caps.gp_width)
		return;
	for (; left; left &= left - 1) {
		u32 pmc = __builtin_ctzll(left);

		stub_vcpu_init(vcpu, &world->machine, &caps);
		stub_vcpu_load(vcpu, &world->machine.cpus[0]);
		set_counter(vcpu, pmc, -0x10ull);
		enable(vcpu, pmc);
		stub_guest_run(vcpu, OVERFLOWS);
		leave(world, way);
		stub_perf_remove(&world->machine, 0);
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &world->machine.cpus[1]);
		assert_int_equal(unit_rdmsr(vcpu, map->status), 1ull << pmc);
		unit_wrmsr(vcpu, map->status_clear, 1ull << pmc);
		assert_int_equal(unit_rdmsr(vcpu, map->status), 0);
		stub_vcpu_put(vcpu);
	}
}

static const struct way_row overflows[] = {
	{"E2 overflow of each counter survives put", PUT},
	{"E2 overflow of each counter survives reclaim", RECLAIM},
	{"E2 overflow of each counter survives host events", DISPLACED},
	{"E2 overflow of each counter survives an untouched vCPU", VISITED},
	{"E2 overflow of each counter survives the next owner", TAKEN_OVER},
};

static void check_overflows(void **state)
{
	const struct way_row *row = *state;

	each_pair(check_overflow, row->way);
}

/* When an interrupt lands that was late. */
struct late_row {
	const char *id;
	const struct map *map;
	u32 pmc;
	/* RESET: none of these, but just after VM-exit. */
	enum way way;
	bool masked;
};

#define LATE(id, pmc, way)                                                      \
	{"G late PMI " id " (Intel)", &intel, pmc, way, false},                 \
		{"G late PMI, masked, " id " (Intel)", &intel, pmc, way, true}, \
		{"G late PMI " id " (AMD)", &amd, (pmc)&31, way, false},        \
	{                                                                       \
		"G late PMI, masked, " id " (AMD)", &amd, (pmc)&31, way, true   \
	}

static const struct late_row lates[] = {
	LATE("after exit, GP", 0, RESET),
	LATE("after exit, fixed 3", 35, RESET),
	LATE("after put, GP", 3, PUT),
	LATE("after put, fixed 0", 32, PUT),
	LATE("after reclaim, GP", 5, RECLAIM),
	LATE("after reclaim, fixed 1", 33, RECLAIM),
	LATE("after an untouched vCPU's entry, GP", 1, VISITED),
	LATE("after an untouched vCPU's entry, fixed 0", 32, VISITED),
	LATE("after the next owner's entry, GP", 1, TAKEN_OVER),
	LATE("after the next owner's entry, fixed 0", 32, TAKEN_OVER),
	LATE("with host events, GP", 2, DISPLACED),
	LATE("with host events, fixed 0", 32, DISPLACED),
};

/* One overflow with its interrupt on the way, then out; back on either CPU. */
static void overflow_late(struct unit_world *world, const struct late_row *row, u32 round)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	stub_enter(vcpu);
	vcpu->cpu->late_pmi = true;
	stub_guest_run(vcpu, OVERFLOWS);
	if (row->way == RESET)
		stub_exit(vcpu);
	else
		leave(world, row->way);
	vcpu->cpu->late_pmi = false;
	stub_take_interrupts(&world->machine);
	assert_false(vcpu->cpu->pmu.pending[STUB_NMI_OF_HOST]);
	stub_perf_remove(&world->machine, 0);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[round & 1]);
	stub_enter(vcpu);
}

/* Many overflows, each with one interrupt, or none where LVTPC is masked. */
static void check_late(void **state)
{
	const struct late_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->map->model, row->map->model);
	u32 i;

	enable(vcpu, row->pmc);
	for (i = 1; i <= 10; i++) {
		stub_guest_mask_lvtpc(vcpu, row->masked);
		set_counter(vcpu, row->pmc, -0x10ull);
		overflow_late(&world, row, i);
		assert_int_equal(vcpu->pmis, row->masked ? 0 : i);
		assert_int_equal(vcpu->lvtpc_masked, row->masked || row->map == &intel);
		assert_int_equal(unit_rdmsr(vcpu, row->map->status), 1ull << row->pmc);
		unit_wrmsr(vcpu, row->map->status_clear, 1ull << row->pmc);
		stub_guest_run(vcpu, TEN);
	}
	assert_int_equal(vcpu->pmis, row->masked ? 0 : 10);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

/* An overflow, saved and restored on another machine. */
struct move_row {
	const char *id;
	const struct map *map;
	u32 pmc;
	/* The guest has seen the interrupt already. */
	bool delivered;
	/* The new vCPU has counted, and is the owner. */
	bool resident;
};

#define MOVES(id, delivered, resident)                                                           \
	{"D7 pending overflow: " id " (Intel)", &intel, 1, delivered, resident},                 \
		{"D7 pending overflow: " id " (Intel, fixed)", &intel, 35, delivered, resident}, \
	{                                                                                        \
		"D7 pending overflow: " id " (AMD)", &amd, 4, delivered, resident                \
	}

static const struct move_row moves[] = {
	MOVES("one PMI", false, false),
	MOVES("one PMI, restored while resident", false, true),
	MOVES("none where it was delivered", true, false),
	MOVES("none where it was delivered, restored while resident", true, true),
};

/* What migrates with the local APIC: LVTPC, and the interrupt itself. */
static void move_lapic(struct stub_vcpu *to, const struct stub_vcpu *from)
{
	to->lvtpc_masked = from->lvtpc_masked;
	to->requests.pmi = from->requests.pmi;
	stub_sync_lvtpc(to);
}

static void move(struct stub_vcpu *to, struct stub_vcpu *from)
{
	struct mpmu_msr list[MAX_LIST];
	u32 count = mpmu_snapshot_size(&from->mpmu), err_msr;

	stub_exit(to);
	stub_vcpu_load(from, from->cpu);
	assert_in_range(count, 1, MAX_LIST);
	from->machine->irqs_off = true;
	mpmu_snapshot_save(&from->cpu->mpmu, &from->mpmu, list);
	from->machine->irqs_off = false;
	to->machine->irqs_off = true;
	assert_int_equal(mpmu_snapshot_restore(&to->cpu->mpmu, &to->mpmu, list, count, &err_msr),
			 0);
	move_lapic(to, from);
	to->machine->irqs_off = false;
}

static void overflow_once(struct stub_vcpu *vcpu, u32 pmc, bool delivered)
{
	stub_guest_mask_lvtpc(vcpu, false);
	enable(vcpu, pmc);
	set_counter(vcpu, pmc, -0x10ull);
	stub_guest_run(vcpu, OVERFLOWS);
	stub_exit(vcpu);
	if (delivered)
		stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	assert_int_equal(vcpu->pmis, delivered);
	assert_int_equal(vcpu->requests.pmi, !delivered);
}

static void check_move(void **state)
{
	const struct move_row *row = *state;
	static struct unit_world from, to;
	struct stub_vcpu *vcpu = unit_world_init(&to, row->map->model, row->map->model);

	unit_world_init(&from, row->map->model, row->map->model);
	overflow_once(&from.vcpu, row->pmc, row->delivered);
	if (row->resident) {
		enable(vcpu, 0);
		stub_guest_run(vcpu, TEN);
	}
	move(vcpu, &from.vcpu);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, !row->delivered);
	assert_int_equal(unit_rdmsr(vcpu, row->map->status), 1ull << row->pmc);
	stub_guest_run(vcpu, TEN);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &to.machine.cpus[1]);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, !row->delivered);
	/* The next one is one more. */
	unit_wrmsr(vcpu, row->map->status_clear, 1ull << row->pmc);
	stub_guest_mask_lvtpc(vcpu, false);
	set_counter(vcpu, row->pmc, -0x10ull);
	stub_guest_run(vcpu, OVERFLOWS);
	stub_exit(vcpu);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1 + !row->delivered);
	stub_exit(vcpu);
}

/* Host-Only and Guest-Only of a guest hypervisor: each change of mode. */
struct mode_row {
	const char *id;
	u64 bits;
	/* Bit i: counts in mode i. */
	u32 counts;
};

#define GO STUB_EVENTSEL_GUEST_ONLY
#define HO STUB_EVENTSEL_HOST_ONLY

static const u32 modes[] = {0, MPMU_VCPU_SVME, MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE};

static const struct mode_row mode_rows[] = {
	{"D9 changes of mode, neither bit", 0, 7},
	{"D9 changes of mode, Host-Only", HO, 2},
	{"D9 changes of mode, Guest-Only", GO, 4},
	{"D9 changes of mode, both bits", HO | GO, 6},
};

static void set_mode(struct stub_vcpu *vcpu, u32 mode)
{
	stub_vcpu_set_flags(vcpu, modes[mode], ~modes[mode] & modes[2]);
}

static u64 counted(struct stub_vcpu *vcpu)
{
	u64 before = unit_rdmsr(vcpu, counter(vcpu, 0));

	stub_guest_run(vcpu, TEN);
	stub_check_invariants(vcpu);
	return unit_rdmsr(vcpu, counter(vcpu, 0)) - before;
}

/* While the owner, without a write of the guest, from each to each. */
static void check_modes(void **state)
{
	const struct mode_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "amd-v2", "amd-v2");
	u32 from, to;

	unit_rdmsr(vcpu, counter(vcpu, 0));
	unit_wrmsr(vcpu, amd.eventsel, 0x5300c0 | row->bits);
	for (from = 0; from < ARRAY_SIZE(modes); from++) {
		for (to = 0; to < ARRAY_SIZE(modes); to++) {
			set_mode(vcpu, from);
			assert_int_equal(counted(vcpu), row->counts >> from & 1 ? 10 : 0);
			set_mode(vcpu, to);
			/* Hardware is programmed anew where it matters alone. */
			assert_int_equal(vcpu->mpmu.reprogram, row->bits && from != to);
			assert_int_equal(counted(vcpu), row->counts >> to & 1 ? 10 : 0);
			assert_int_equal(unit_rdmsr(vcpu, amd.eventsel), 0x5300c0 | row->bits);
		}
	}
	assert_int_equal(vcpu->cpu->pmu.eventsel[0].value & HO, 0);
	stub_exit(vcpu);
}

/* Three VMs of other models on one CPU, each with an event of its own. */
struct crowd_row {
	const char *id;
	const char *host;
	const char *guests[3];
	u64 events[3];
	u64 adds[3];
};

static const struct crowd_row crowds[] = {
	{"E4 three models on one CPU (Intel)",
	 "intel-v5-8-4",
	 {"intel-v5-8-4", "intel-v2-fw", "intel-v1-fw"},
	 {0x5300c0, 0x5300c4, 0x53003c},
	 {10, 4, 10}},
	{"E4 three models on one CPU (AMD)",
	 "amd-v2",
	 {"amd-v2", "amd-core6", "amd-k7"},
	 {0x5300c0, 0x5300c2, 0x5300c0},
	 {10, 4, 10}},
};

static void check_crowd(void **state)
{
	const struct crowd_row *row = *state;
	static struct stub_machine machine;
	static struct stub_vcpu vcpus[3];
	u32 i, round;

	assert_int_equal(stub_machine_init(&machine, unit_caps(row->host)), 0);
	for (round = 0; round < 30; round++) {
		struct stub_vcpu *vcpu = &vcpus[round % 3];

		if (round < 3)
			stub_vcpu_init(vcpu, &machine, unit_caps(row->guests[round]));
		stub_vcpu_load(vcpu, &machine.cpus[0]);
		if (round < 3)
			unit_wrmsr(vcpu, map_of(vcpu)->eventsel, row->events[round]);
		stub_guest_run(vcpu, TEN);
		stub_check_invariants(vcpu);
		/* Every other time the next one takes over from it. */
		if (round & 1)
			stub_vcpu_put(vcpu);
		else
			stub_exit(vcpu);
	}
	for (i = 0; i < 3; i++) {
		stub_vcpu_put(&vcpus[i]);
		stub_vcpu_load(&vcpus[i], &machine.cpus[1]);
		assert_int_equal(unit_rdmsr(&vcpus[i], counter(&vcpus[i], 0)), 10 * row->adds[i]);
		stub_vcpu_put(&vcpus[i]);
	}
}

/* A filter that denies one fixed counter, in each state of the vCPU. */
enum where { UNTOUCHED, SAVED, RESIDENT, IN_GUEST };

struct filter_row {
	const char *id;
	enum where where;
};

static const struct filter_row filters[] = {
	{"F a filter for an untouched vCPU", UNTOUCHED},
	{"F a filter for a saved vCPU", SAVED},
	{"F a filter for the owner", RESIDENT},
	{"F a filter for a vCPU in guest mode", IN_GUEST},
};

static void bring_to(struct stub_vcpu *vcpu, enum where where)
{
	if (where != UNTOUCHED)
		stub_guest_run(vcpu, TEN);
	if (where == RESIDENT)
		stub_exit(vcpu);
	if (where != SAVED)
		return;
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
}

static u64 fixed_counts(struct stub_vcpu *vcpu, u32 index)
{
	u64 before = unit_rdmsr(vcpu, FIXED_CTR + index);

	stub_guest_run(vcpu, TEN);
	stub_check_invariants(vcpu);
	return unit_rdmsr(vcpu, FIXED_CTR + index) - before;
}

/* Fields of others change, the denied one stays; it must not come to life. */
static void toggle_others(struct stub_vcpu *vcpu, u32 denied)
{
	u64 all = unit_rdmsr(vcpu, FIXED_CTRL);
	u32 other;

	for (other = 0; other < 4; other++) {
		if (other == denied)
			continue;
		unit_wrmsr(vcpu, FIXED_CTRL, all & ~(0xfull << 4 * other));
		assert_int_equal(fixed_counts(vcpu, denied), 0);
		assert_int_equal(fixed_counts(vcpu, other), 0);
		unit_wrmsr(vcpu, FIXED_CTRL, all);
		assert_int_equal(fixed_counts(vcpu, denied), 0);
		assert_int_not_equal(fixed_counts(vcpu, other), 0);
	}
	assert_int_equal(unit_rdmsr(vcpu, FIXED_CTRL), all);
}

static void check_filter(void **state)
{
	const struct filter_row *row = *state;
	struct unit_world world;
	u32 denied;

	for (denied = 0; denied < 4; denied++) {
		const struct mpmu_filter_spec spec = {
			.action = MPMU_FILTER_DENY,
			.fixed_bitmap = 1u << denied,
		};
		struct stub_vcpu *vcpu = unit_world_init(&world, intel.model, intel.model);
		struct mpmu_filter filter;

		assert_int_equal(mpmu_filter_compile(&filter, MPMU_VENDOR_INTEL, &spec), 0);
		unit_wrmsr(vcpu, 0x38f, 0xfull << 32);
		if (row->where != UNTOUCHED)
			unit_wrmsr(vcpu, FIXED_CTRL, 0x3333);
		bring_to(vcpu, row->where);
		stub_vcpu_set_filter(vcpu, &filter);
		unit_wrmsr(vcpu, FIXED_CTRL, 0x3333);
		assert_int_equal(fixed_counts(vcpu, denied), 0);
		toggle_others(vcpu, denied);
		stub_vcpu_set_filter(vcpu, NULL);
		assert_int_not_equal(fixed_counts(vcpu, denied), 0);
		stub_exit(vcpu);
	}
}

int main(void)
{
	UNIT_TABLE(ways, check_ways);
	UNIT_TABLE(overflows, check_overflows);
	UNIT_TABLE(lates, check_late);
	UNIT_TABLE(moves, check_move);
	UNIT_TABLE(mode_rows, check_modes);
	UNIT_TABLE(crowds, check_crowd);
	UNIT_TABLE(filters, check_filter);
	return unit_run("switch, each");
}
