// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * switch.c, waits for interrupts: none for an old overflow, few that a guest can
 * cause, and each for one that is on its way.
 */
#include "../lib/one-counter.h"

#define WORK(n)           (&(struct stub_work){.instructions = (n), .cycles = 1})
#define LAST              0xfffffffffff0ull
#define JUST_WRAPPED      0x10000
/* What one wait in vain may cost each of many owner changes, and some at once. */
#define POLLS_OF(changes) ((changes) * (STUB_BRIEF_POLLS + 8) + 4 * STUB_DRAIN_POLLS)

/* It overflows; the guest gets the interrupt, and acknowledges nothing. */
static struct stub_vcpu *overflow(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	stub_guest_run(vcpu, WORK(0x20));
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
	stub_guest_mask_lvtpc(vcpu, false);
	return vcpu;
}

static void put(struct stub_vcpu *vcpu)
{
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &vcpu->machine->cpus[0]);
}

/* The polls of one more put. */
static u64 polls_of_put(struct stub_vcpu *vcpu)
{
	u64 before = vcpu->cpu->polls;

	put(vcpu);
	return vcpu->cpu->polls - before;
}

/* The counter has counted on since. */
static void counted_on(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);
	u32 i;

	stub_guest_run(vcpu, WORK(JUST_WRAPPED - 0x10));
	for (i = 0; i < 20; i++)
		assert_int_equal(polls_of_put(vcpu), 0);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), JUST_WRAPPED);
}

/* At one less it might be new. */
static void counted_little(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);

	stub_guest_run(vcpu, WORK(JUST_WRAPPED - 0x11));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), JUST_WRAPPED - 1);
	assert_int_equal(polls_of_put(vcpu), STUB_DRAIN_POLLS);
}

/* An event of the host displaces the guest at each exit. */
static void counted_on_displaced(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);
	u32 i;

	stub_guest_run(vcpu, WORK(JUST_WRAPPED));
	stub_exit(vcpu);
	host_event(world, true);
	vcpu->cpu->polls = 0;
	for (i = 0; i < 20; i++) {
		stub_enter(vcpu);
		stub_exit(vcpu);
	}
	assert_int_equal(vcpu->cpu->polls, 0);
	host_event(world, false);
}

/* PT uses LVTPC between exit and entry. */
static void counted_on_resident(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);

	stub_guest_run(vcpu, WORK(JUST_WRAPPED));
	stub_exit(vcpu);
	world->machine.irqs_off = true;
	mpmu_drain(&vcpu->cpu->mpmu);
	world->machine.irqs_off = false;
	assert_int_equal(vcpu->cpu->polls, 0);
}

/* A counter that does not count overflows never, whatever the status says. */
static void never_counted(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_ENABLE);
	unit_wrmsr(vcpu, map->status_set, 1);
	put(vcpu);
	vcpu->cpu->polls = 0;
	assert_int_equal(polls_of_put(vcpu), 0);
	unit_wrmsr(vcpu, map->counter, 5);
	assert_int_equal(polls_of_put(vcpu), 0);
	/* Nor does it count for a write of its selector, or another counter's. */
	stub_enter(vcpu);
	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_ENABLE & ~STUB_EVENTSEL_OS);
	if (map == &intel)
		unit_wrmsr(vcpu, 0x38d, 0x33);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	assert_int_equal(polls_of_put(vcpu), 0);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
}

static void never_counted_fixed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	unit_wrmsr(vcpu, 0x38d, 0x98a);
	put(vcpu);
	unit_wrmsr(vcpu, map->status_set, 2ull << MPMU_FIXED_BASE);
	assert_int_equal(polls_of_put(vcpu), 0);
	stub_enter(vcpu);
	unit_wrmsr(vcpu, 0x38d, 0x989);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	assert_int_equal(polls_of_put(vcpu), 0);
	unit_wrmsr(vcpu, map->status_set, 4ull << MPMU_FIXED_BASE);
	assert_int_equal(polls_of_put(vcpu), STUB_DRAIN_POLLS);
	unit_wrmsr(vcpu, map->status_clear, 7ull << MPMU_FIXED_BASE);
	unit_wrmsr(vcpu, map->status_set, 1ull << MPMU_FIXED_BASE);
	assert_int_equal(polls_of_put(vcpu), STUB_DRAIN_POLLS);
}

/* Masked by the guest: nothing can come, and nothing is held against it. */
static void masked(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);
	u32 i;

	stub_guest_mask_lvtpc(vcpu, true);
	for (i = 0; i < 20; i++)
		assert_int_equal(polls_of_put(vcpu), 0);
	stub_guest_mask_lvtpc(vcpu, false);
	assert_int_equal(polls_of_put(vcpu), STUB_DRAIN_POLLS);
}

/* Each time it looks as if the counter had overflowed just now. */
static void feign(struct stub_vcpu *vcpu, const struct map *map)
{
	unit_wrmsr(vcpu, map->counter, 3);
	unit_wrmsr(vcpu, map->status_set, 1);
}

static void feigned(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	for (i = 0; i < 1000; i++) {
		feign(vcpu, map);
		put(vcpu);
	}
	assert_in_range(vcpu->cpu->polls, 1000, POLLS_OF(1000));
}

static void feigned_displaced(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	stub_exit(vcpu);
	host_event(world, true);
	for (i = 0; i < 1000; i++) {
		feign(vcpu, map);
		stub_exit(vcpu);
	}
	/* Of an entry for each of two accesses, where they exit. */
	assert_in_range(vcpu->cpu->polls, 1000, POLLS_OF(3000));
	host_event(world, false);
}

/* The guest's real interrupts in between do not buy it waits. */
static void feigned_between(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	for (i = 0; i < 500; i++) {
		feign(vcpu, map);
		put(vcpu);
		unit_wrmsr(vcpu, map->status_clear, 1);
		unit_wrmsr(vcpu, map->counter, LAST);
		stub_guest_mask_lvtpc(vcpu, false);
		stub_guest_run(vcpu, WORK(0x20));
		put(vcpu);
		stub_guest_mask_lvtpc(vcpu, false);
	}
	assert_int_equal(vcpu->pmis, 500);
	assert_in_range(vcpu->cpu->polls, 500, POLLS_OF(1000));
}

/* Of many waits in vain the first are long, and then one in 32. */
static void patience(struct unit_world *world, const struct map *map)
{
	/* Brief ones before the next that is long. */
	static const u32 brief[] = {0, 0, 0, 0, 0, 28, 31, 31, 31};
	struct stub_vcpu *vcpu = overflow(world, map);
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(brief); i++) {
		for (j = 0; j < brief[i]; j++)
			assert_int_equal(polls_of_put(vcpu), STUB_BRIEF_POLLS);
		assert_int_equal(polls_of_put(vcpu), STUB_DRAIN_POLLS);
	}
	unit_wrmsr(vcpu, map->status_clear, 1);
	for (i = 0; i < 5 * 32; i++)
		assert_int_equal(polls_of_put(vcpu), 0);
	assert_int_equal(vcpu->mpmu.drain_debt, 0);
}

/* An overflow whose interrupt is late, as the vCPU leaves. */
static void late_put(struct stub_vcpu *vcpu, const struct map *map)
{
	unit_wrmsr(vcpu, map->counter, LAST);
	vcpu->cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	assert_true(vcpu->cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
	stub_vcpu_put(vcpu);
	assert_false(vcpu->cpu->late_pmi || vcpu->cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
	stub_vcpu_load(vcpu, &vcpu->machine->cpus[0]);
	stub_enter(vcpu);
}

/* Waited for in vain until the host has lost its patience: none is lost. */
static void late_after_feigned(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	for (i = 0; i < 100; i++) {
		feign(vcpu, map);
		put(vcpu);
	}
	late_put(vcpu, map);
	assert_int_equal(vcpu->pmis, 1);
}

/* The guest has not acknowledged the last one, and the counter wraps again. */
static void late_again(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = overflow(world, map);
	u32 i;

	for (i = 0; i < 10; i++)
		put(vcpu);
	stub_guest_mask_lvtpc(vcpu, false);
	late_put(vcpu, map);
	assert_int_equal(vcpu->pmis, 2);
}

/* The guest writes the selector, by an exit, before its counter's interrupt comes. */
static void late_and_written(struct unit_world *world, const struct map *map, u64 value)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	vcpu->cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	unit_wrmsr(vcpu, map->eventsel, value);
	stub_vcpu_put(vcpu);
	assert_false(vcpu->cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
}

static void late_and_disabled(struct unit_world *world, const struct map *map)
{
	late_and_written(world, map, COUNTS & ~STUB_EVENTSEL_ENABLE);
}

/* INT is gone, too. */
static void late_and_cleared(struct unit_world *world, const struct map *map)
{
	late_and_written(world, map, 0);
}

/* Without INT none comes: not of the counter, nor of one that is enabled with it again. */
static void silent(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_INT);
	put(vcpu);
	stub_enter(vcpu);
	stub_guest_run(vcpu, WORK(0x20));
	assert_int_equal(polls_of_put(vcpu), 0);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
}

/* Another one that counts is stopped after it. */
static void late_and_both_disabled(struct unit_world *world, const struct map *map)
{
	const u32 other = map->eventsel + (map == &amd ? 2 : 1);
	struct stub_vcpu *vcpu = count(world, map, LAST);

	unit_wrmsr(vcpu, other, COUNTS);
	stub_enter(vcpu);
	vcpu->cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_ENABLE);
	unit_wrmsr(vcpu, other, 0);
	stub_vcpu_put(vcpu);
	assert_false(vcpu->cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
}

static void late_and_written_fixed(struct unit_world *world, u64 value)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	unit_wrmsr(vcpu, 0x38f, 7ull << MPMU_FIXED_BASE);
	unit_wrmsr(vcpu, 0x309, LAST);
	unit_wrmsr(vcpu, 0x38d, 0x3b);
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	vcpu->cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	unit_wrmsr(vcpu, 0x38d, value);
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	assert_false(vcpu->cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
}

static void late_and_disabled_fixed(struct unit_world *world, const struct map *map)
{
	(void)map;
	late_and_written_fixed(world, 0x08);
}

static void late_and_cleared_fixed(struct unit_world *world, const struct map *map)
{
	(void)map;
	late_and_written_fixed(world, 0);
}

/* What was disabled in the time of one owner is not so in that of the next. */
static void disabled_before(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_ENABLE);
	assert_int_equal(vcpu->mpmu.disabled, 1);
	put(vcpu);
	stub_enter(vcpu);
	assert_int_equal(vcpu->mpmu.disabled, 0);
}

static const struct row rows[] = {
	BOTH("G no wait for an overflow long ago", counted_on),
	BOTH("G a wait for one that may be new", counted_little),
	BOTH("G no wait at an exit beside the host", counted_on_displaced),
	BOTH("G no wait before another use of LVTPC", counted_on_resident),
	BOTH("G no wait for a counter that did not count", never_counted),
	{"G no wait for a fixed counter that did not count", never_counted_fixed, &intel},
	BOTH("G no wait where LVTPC is masked", masked),
	BOTH("G feigned overflows cost little", feigned),
	BOTH("G feigned overflows beside the host cost little", feigned_displaced),
	BOTH("G real ones between them do not pay for them", feigned_between),
	BOTH("G patience comes back", patience),
	BOTH("G a late PMI after feigned ones", late_after_feigned),
	BOTH("G a late PMI on top of an old one", late_again),
	BOTH("G a late PMI of a counter that is disabled since", late_and_disabled),
	BOTH("G a late PMI of a counter whose selector is cleared", late_and_cleared),
	BOTH("G no wait for a counter that raises none", silent),
	BOTH("G a late PMI of a counter that is disabled first", late_and_both_disabled),
	{"G a late PMI of a fixed counter that is disabled since", late_and_disabled_fixed, &intel},
	{"G a late PMI of a fixed counter whose field is cleared", late_and_cleared_fixed, &intel},
	BOTH("G disabled in the time of another owner", disabled_before),
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	return unit_run("drain");
}
