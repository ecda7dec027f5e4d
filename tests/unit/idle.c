// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * switch.c, a PMU that counts nothing: its vCPU becomes untouched where owners
 * change, whatever changes them.
 */
#include "../lib/one.h"
#include "../lib/one-counter.h"

#define WORK(n) (&(struct stub_work){.instructions = (n), .cycles = 1})
#define IDLE    8

static bool touched(const struct stub_vcpu *vcpu)
{
	return vcpu->mpmu.flags & MPMU_VCPU_TOUCHED;
}

/* The guest looks at its PMU once, and counts nothing. */
static struct stub_vcpu *look(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	unit_wrmsr(vcpu, map->counter, 7);
	stub_enter(vcpu);
	unit_wrmsr(vcpu, map->global_ctrl, 5);
	stub_exit(vcpu);
	assert_true(touched(vcpu));
	return vcpu;
}

/* The guest's registers are what they were, though nothing holds them. */
static void check_kept(struct stub_vcpu *vcpu, const struct map *map)
{
	assert_false(touched(vcpu));
	assert_int_equal(vcpu->mpmu.global_ctrl, 5);
	assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 5);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 7);
	assert_true(touched(vcpu));
}

/* The host's event is displaced a few times, and then no more. */
static void displaced(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	/* This ends the first of the owner changes. */
	host_event(world, true);
	for (i = 1; i < IDLE; i++) {
		assert_true(touched(vcpu));
		stub_guest_run(vcpu, WORK(3));
		assert_true(vcpu->cpu->perf.displaced);
		stub_exit(vcpu);
		stub_perf_run(&world->machine, WORK(2));
	}
	for (i = 0; i < 10; i++) {
		stub_guest_run(vcpu, WORK(3));
		assert_false(vcpu->cpu->perf.displaced);
		stub_exit(vcpu);
		stub_perf_run(&world->machine, WORK(2));
	}
	host_event(world, false);
	assert_int_equal(vcpu->cpu->perf.events[0].count, 2 * (IDLE - 1) + 20);
	check_kept(vcpu, map);
}

/* Each entry takes the PMU anew, from nobody. */
static void reclaimed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u64 before = vcpu->mpmu.stats->owner_changes[MPMU_CAUSE_ENTRY];
	u32 i;

	for (i = 0; i < 20; i++) {
		stub_perf_reclaim(&world->machine);
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	/* That of look() was the first. */
	assert_int_equal(vcpu->mpmu.stats->owner_changes[MPMU_CAUSE_ENTRY] - before, IDLE - 1);
	check_kept(vcpu, map);
}

/* The entry that finds it out has a request to serve, and says so. */
static void reclaimed_at_entry(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	for (i = 1; i < IDLE; i++) {
		stub_perf_reclaim(&world->machine);
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	stub_perf_reclaim(&world->machine);
	world->machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_true(vcpu->requests.intercepts);
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), 0);
	world->machine.irqs_off = false;
	assert_null(vcpu->cpu->mpmu.owner);
	check_kept(vcpu, map);
}

/* Once more idle, or not idle, is no reason to refuse an entry. */
static void not_yet(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	for (i = 0; i < 2; i++) {
		stub_perf_reclaim(&world->machine);
		world->machine.irqs_off = true;
		assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), 0);
		mpmu_exit(&vcpu->cpu->mpmu, &vcpu->mpmu);
		world->machine.irqs_off = false;
		assert_int_equal(vcpu->mpmu.idle_switches, !i);
		unit_wrmsr(vcpu, map->eventsel, COUNTS);
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
}

/* An owner that nobody disturbs costs nothing: it stays. */
static void resident(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	for (i = 0; i < 100; i++) {
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	assert_true(touched(vcpu) && mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	assert_int_equal(vcpu->mpmu.idle_switches, 0);
}

/* One way to change the owner counts like another. */
static void mixed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	for (i = 0; i < 4; i++) {
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &world->machine.cpus[0]);
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	host_event(world, true);
	for (i = 0; i < 3; i++) {
		assert_true(touched(vcpu));
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	host_event(world, false);
	check_kept(vcpu, map);
}

static void counting(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = look(world, map);
	u32 i;

	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	stub_exit(vcpu);
	host_event(world, true);
	for (i = 0; i < 30; i++) {
		stub_enter(vcpu);
		assert_true(vcpu->cpu->perf.displaced);
		stub_exit(vcpu);
	}
	host_event(world, false);
	for (i = 0; i < 30; i++) {
		stub_perf_reclaim(&world->machine);
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	assert_true(touched(vcpu));
}

static const struct row rows[] = {
	BOTH("A2 idle, displaced at each exit", displaced),
	BOTH("A11 idle, reclaimed before each entry", reclaimed),
	BOTH("A11 idle: the entry that finds it out", reclaimed_at_entry),
	BOTH("A11 not idle for long, or not at all", not_yet),
	BOTH("E5 idle and undisturbed", resident),
	BOTH("E5 idle over puts, displaced exits and reclaims", mixed),
	BOTH("E5 counting is not idle", counting),
};

static void idle_again(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_rdmsr(0xc1);
	one_put(IDLE_PUTS);
	assert_false(one_touched());
	one_rdmsr(0xc1);
	one_put(IDLE_PUTS - 1);
	assert_true(one_touched());
	one_put(1);
	assert_false(one_touched());
}

/* Puts in a row: one that counts starts over. */
static void idle_interrupted(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_rdmsr(0xc1);
	one_put(IDLE_PUTS - 1);
	one_wrmsr(0x186, GUEST_COUNTS);
	one_put(1);
	one_wrmsr(0x186, 0);
	one_put(IDLE_PUTS - 1);
	assert_true(one_touched());
}

/* A look at control registers is no use of the PMU. */
static void look_at_controls(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_rdmsr(0x186);
	one_rdmsr(0x38d);
	one_wrmsr(0x38d, 0);
	one_wrmsr(0x186, GUEST_COUNTS & ~STUB_EVENTSEL_ENABLE);
	assert_false(one_touched());
}

/* An event that the filter denies leaves the PMU idle. */
static void idle_denied(void)
{
	const u64 event = 0xc0;
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.nr_events = 1,
		.events = &event,
	};
	u64 filter[8];

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	assert_true(mpmu_filter_size(1) <= sizeof(filter));
	assert_int_equal(mpmu_filter_compile((void *)filter, MPMU_VENDOR_INTEL, &spec), 0);
	stub_vcpu_set_filter(&one.vcpu, (void *)filter);
	one_wrmsr(0x186, GUEST_COUNTS);
	one_put(IDLE_PUTS);
	assert_false(one_touched());
	assert_int_equal(one_rdmsr(0x186), GUEST_COUNTS);
}

static void fixed_touches(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_wrmsr(0x38d, 3);
	assert_true(one_touched());
}

static const struct unit_case cases_of_one[] = {
	{"idle again takes as long as the first time", idle_again},
	{"a put that counts starts the idle ones over", idle_interrupted},
	{"reading control registers does not touch", look_at_controls},
	{"denied events leave a PMU idle", idle_denied},
	{"the first enabled field touches", fixed_touches},
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_CASES(cases_of_one);
	return unit_run("idle");
}
