// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Statistics: what each counter counts, and what leaves it alone. */
#include "../lib/one-counter.h"

#define WORK(n) (&(struct stub_work){.instructions = (n)})

/* Registers of an entry and its put, with one PMC in use. */
static const struct mpmu_moves *both(const struct map *map)
{
	/*
	 * 12 counters and the status are read.  Counter, selector and
	 * FIXED_CTR_CTRL are written, counter and selector scrubbed; 11 counters, 7
	 * selectors and the status are skipped twice, FIXED_CTR_CTRL once.
	 */
	static const struct mpmu_moves on_intel = {.read = 13, .written = 5, .skipped = 39};
	/*
	 * 6 counters, the status and GLOBAL_CTL are read.  Counter, selector and
	 * GLOBAL_CTL are written twice; 5 counters, 5 selectors and the status are
	 * skipped twice.
	 */
	static const struct mpmu_moves on_amd = {.read = 8, .written = 6, .skipped = 22};

	return map == &intel ? &on_intel : &on_amd;
}

static struct mpmu_stats *stats(struct unit_world *world)
{
	return world->vcpu.mpmu.stats;
}

static void put_and_load(struct stub_vcpu *vcpu)
{
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
}

/* By cause, as often as the rows have it. */
#define CHANGES(...) ((const u64[MPMU_NR_CAUSES]){__VA_ARGS__})

static void expect_changes(struct unit_world *world, const u64 *changes)
{
	assert_memory_equal(stats(world)->owner_changes, changes,
			    sizeof(stats(world)->owner_changes));
}

static void unused(struct unit_world *world, const struct map *map)
{
	(void)map;
	stub_enter(&world->vcpu);
	put_and_load(&world->vcpu);
	expect_changes(world, CHANGES(0));
}

static void put(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1));
	stub_exit(vcpu);
	stub_enter(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1));
	put_and_load(vcpu);
	put_and_load(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_PUT] = 1));
	stub_enter(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 2, [MPMU_CAUSE_PUT] = 1));
}

/* The event stays: each exit after the reclaim gives the PMU back. */
static void reclaimed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_exit(vcpu);
	host_event(world, true);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_RECLAIM] = 1));
	put_and_load(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_RECLAIM] = 1));
	stub_enter(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 2, [MPMU_CAUSE_RECLAIM] = 1));
	stub_exit(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 2, [MPMU_CAUSE_RECLAIM] = 1,
				      [MPMU_CAUSE_DISPLACED] = 1));
}

static void other(struct unit_world *world, const struct map *map)
{
	struct mpmu_cpu *cpu = &world->vcpu.cpu->mpmu;
	struct stub_vcpu *vcpu = count(world, map, 0);
	struct stub_vcpu second;

	stub_exit(vcpu);
	stub_vcpu_init(&second, &world->machine, &vcpu->mpmu.caps);
	world->machine.irqs_off = true;
	assert_int_equal(mpmu_enter(cpu, &second.mpmu), 0);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_OTHER] = 1));
	assert_int_equal(second.stats.owner_changes[MPMU_CAUSE_ENTRY], 0);
	mpmu_exit(cpu, &second.mpmu);
	world->machine.irqs_off = false;
}

static void reset(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_vcpu_reset(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_RESET] = 1));
	stub_vcpu_reset(vcpu);
	expect_changes(world, CHANGES([MPMU_CAUSE_ENTRY] = 1, [MPMU_CAUSE_RESET] = 1));
}

/* An interrupt of the host is pending: no change, and no register moves. */
static void refused(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	struct mpmu_stats before;

	put_and_load(vcpu);
	before = *stats(world);
	world->machine.irqs_off = true;
	vcpu->cpu->mpmu.pmi_latched = true;
	vcpu->cpu->mpmu.pmi_target = NULL;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	world->machine.irqs_off = false;
	assert_memory_equal(stats(world), &before, sizeof(before));
}

/* Again, with the same values and nothing forgotten. */
static void one_change(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 7);
	struct mpmu_stats before;
	u64 reads, writes;

	put_and_load(vcpu);
	before = *stats(world);
	reads = vcpu->cpu->reads;
	writes = vcpu->cpu->writes;
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	assert_int_equal(stats(world)->registers.read - before.registers.read, both(map)->read);
	assert_int_equal(stats(world)->registers.written - before.registers.written,
			 both(map)->written);
	assert_int_equal(stats(world)->registers.skipped - before.registers.skipped,
			 both(map)->skipped);
	assert_int_equal(vcpu->cpu->reads - reads, both(map)->read);
	assert_int_equal(vcpu->cpu->writes - writes, both(map)->written);
}

/* No exit of a resident vCPU counts anything. */
static void resident(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	struct mpmu_stats before = *stats(world);
	u32 i;

	for (i = 0; i < 10; i++) {
		stub_guest_run(vcpu, WORK(3));
		stub_exit(vcpu);
	}
	assert_memory_equal(stats(world), &before, sizeof(before));
}

static void pmis(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);

	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	assert_int_equal(stats(world)->pmis, 1);
	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	assert_int_equal(stats(world)->pmis, 1);
}

static void emulated_pmi(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xffffffffffff);

	stub_guest_emulated(vcpu, false, 0);
	assert_int_equal(stats(world)->pmis, 1);
	stub_guest_emulated(vcpu, false, 0);
	assert_int_equal(stats(world)->pmis, 1);
}

static const struct mpmu_filter *deny_instructions(enum mpmu_vendor vendor)
{
	static const u64 event = 0xc0;
	static u64 room[16];
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.fixed_bitmap = 1,
		.nr_events = 1,
		.events = &event,
	};
	struct mpmu_filter *filter = (struct mpmu_filter *)room;

	assert_true(mpmu_filter_size(1) <= sizeof(room));
	assert_int_equal(mpmu_filter_compile(filter, vendor, &spec), 0);
	return filter;
}

static void denied(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	stub_vcpu_set_filter(vcpu, deny_instructions(world->machine.host.caps.vendor));
	unit_wrmsr(vcpu, map->eventsel, 0x5300d1);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 0);
	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 1);
	unit_wrmsr(vcpu, map->eventsel, 0xc0);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 1);
	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 2);
}

/* Nothing counts, so nothing is worth switching. */
static void denied_restore(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	stub_vcpu_set_filter(vcpu, deny_instructions(world->machine.host.caps.vendor));
	assert_int_equal(stub_host_wrmsr(vcpu, map->eventsel, COUNTS), MPMU_DONE);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 1);
	expect_changes(world, CHANGES(0));
	assert_false(vcpu->touched);
}

static void denied_fixed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	(void)map;
	stub_vcpu_set_filter(vcpu, deny_instructions(MPMU_VENDOR_INTEL));
	unit_wrmsr(vcpu, 0x38d, 0x333);
	stub_enter(vcpu);
	assert_int_equal(stats(world)->denied_events, 1);
}

/* Everything but registers: a snapshot restores none of it, a reset keeps it. */
static void kept(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 7);
	struct mpmu_msr list[64];
	struct mpmu_stats before;
	u32 size, err;

	stub_vcpu_put(vcpu);
	before = *stats(world);
	assert_int_not_equal(before.owner_changes[MPMU_CAUSE_ENTRY], 0);
	size = mpmu_snapshot_size(&vcpu->mpmu);
	assert_true(size <= ARRAY_SIZE(list));
	stub_vcpu_load(vcpu, vcpu->cpu);
	world->machine.irqs_off = true;
	mpmu_snapshot_save(&vcpu->cpu->mpmu, &vcpu->mpmu, list);
	mpmu_vcpu_configure(&vcpu->mpmu, unit_caps(map->model));
	assert_int_equal(mpmu_snapshot_restore(&vcpu->cpu->mpmu, &vcpu->mpmu, list, size, &err), 0);
	world->machine.irqs_off = false;
	stub_vcpu_reset(vcpu);
	assert_memory_equal(stats(world), &before, sizeof(before));
}

static const struct row rows[] = {
	BOTH("statistics: no owner changes of a PMU that nobody uses", unused),
	BOTH("statistics: owner changes by entry and put", put),
	BOTH("statistics: owner changes by reclaim and displacing", reclaimed),
	BOTH("statistics: owner changes by another vCPU", other),
	BOTH("statistics: owner changes by reset", reset),
	BOTH("statistics: none for a refused entry", refused),
	BOTH("statistics: registers of a change of owner", one_change),
	BOTH("statistics: none for a resident exit", resident),
	BOTH("statistics: PMIs of an overflow", pmis),
	BOTH("statistics: PMIs of an emulated instruction", emulated_pmi),
	BOTH("statistics: denied events", denied),
	{"statistics: denied fixed counters", denied_fixed, &intel},
	BOTH("statistics: restored, and denied", denied_restore),
	BOTH("statistics: kept over configuration, restore and reset", kept),
};

/* An access of the guest, and what it counts as. */
struct access {
	const char *id;
	const struct map *map;
	u32 msr;
	enum mpmu_class class;
	/* A value that is refused; 0: there is none. */
	u64 refused;
};

#define NO_CLASS MPMU_NR_CLASSES

static const struct access accesses[] = {
	{"statistics: class of IA32_PERFCTR0", &intel, 0xc1, MPMU_CLASS_COUNTER, 0},
	{"statistics: class of IA32_PMC0", &intel, 0x4c1, MPMU_CLASS_COUNTER, 1ull << 50},
	{"statistics: class of FIXED_CTR1", &intel, 0x30a, MPMU_CLASS_COUNTER, 1ull << 50},
	{"statistics: class of PERFEVTSEL2", &intel, 0x188, MPMU_CLASS_EVENTSEL, 1 << 21},
	{"statistics: class of FIXED_CTR_CTRL", &intel, 0x38d, MPMU_CLASS_FIXED_CTRL, 4},
	{"statistics: class of GLOBAL_CTRL", &intel, 0x38f, MPMU_CLASS_GLOBAL_CTRL, 1 << 20},
	{"statistics: class of GLOBAL_STATUS", &intel, 0x38e, MPMU_CLASS_STATUS, 1},
	{"statistics: class of STATUS_RESET", &intel, 0x390, MPMU_CLASS_STATUS, 1 << 20},
	{"statistics: class of STATUS_SET", &intel, 0x391, MPMU_CLASS_STATUS, 1 << 20},
	{"statistics: class of GLOBAL_INUSE", &intel, 0x392, MPMU_CLASS_STATUS, 1},
	{"statistics: class of MISC_ENABLE", &intel, 0x1a0, NO_CLASS, 0},
	{"statistics: class of PERFEVTSEL0", &amd, 0xc0010000, MPMU_CLASS_EVENTSEL, 0},
	{"statistics: class of PERFCTR0", &amd, 0xc0010004, MPMU_CLASS_COUNTER, 0},
	{"statistics: class of F15H_PERF_CTL1", &amd, 0xc0010202, MPMU_CLASS_EVENTSEL, 0},
	{"statistics: class of F15H_PERF_CTR1", &amd, 0xc0010203, MPMU_CLASS_COUNTER, 0},
	{"statistics: class of GLOBAL_STATUS (AMD)", &amd, 0xc0000300, MPMU_CLASS_STATUS, 0},
	{"statistics: class of GLOBAL_CTL", &amd, 0xc0000301, MPMU_CLASS_GLOBAL_CTRL, 0},
	{"statistics: class of STATUS_CLR", &amd, 0xc0000302, MPMU_CLASS_STATUS, 0},
	{"statistics: class of STATUS_SET (AMD)", &amd, 0xc0000303, MPMU_CLASS_STATUS, 0},
};

/* @number exits have been counted, all of one class. */
static void expect_exits(struct stub_vcpu *vcpu, u32 class, u64 number)
{
	u32 i;

	for (i = 0; i < MPMU_NR_CLASSES; i++)
		assert_int_equal(vcpu->mpmu.stats->exits[i], i == class ? number : 0);
}

/* Untouched, so that all is intercepted; WRMSR in both ways. */
static void check_access(void **state)
{
	const struct access *access = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, access->map->model, access->map->model);
	struct mpmu_cpu *cpu = &vcpu->cpu->mpmu;
	u64 value;

	world.machine.irqs_off = true;
	mpmu_msr_read(cpu, &vcpu->mpmu, access->msr, MPMU_BY_HOST, &value);
	mpmu_owner_write(cpu, &vcpu->mpmu, access->msr, 0);
	expect_exits(vcpu, NO_CLASS, 0);
	mpmu_msr_read(cpu, &vcpu->mpmu, access->msr, MPMU_BY_GUEST, &value);
	expect_exits(vcpu, access->class, 1);
	mpmu_nested_msr_load(cpu, &vcpu->mpmu, access->msr, 0);
	mpmu_wrmsr(cpu, &vcpu->mpmu, access->msr, 0);
	expect_exits(vcpu, access->class, 3);
	if (access->refused)
		assert_int_equal(mpmu_wrmsr(cpu, &vcpu->mpmu, access->msr, access->refused),
				 MPMU_GP);
	expect_exits(vcpu, access->class, access->refused ? 4 : 3);
	world.machine.irqs_off = false;
}

static const struct row direct[] = {
	{"statistics: RDPMC, and what is direct (Intel)", NULL, &intel},
	{"statistics: RDPMC, and what is direct (AMD)", NULL, &amd},
};

/* The first RDPMC opens the intercepts; what is direct is nobody's to count. */
static void check_direct(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->map->model, row->map->model);
	u64 value;

	assert_false(stub_guest_rdpmc(vcpu, 0x3f, &value));
	expect_exits(vcpu, MPMU_CLASS_RDPMC, 1);
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	assert_true(stub_guest_rdmsr(vcpu, row->map->counter, &value));
	assert_true(stub_guest_rdmsr(vcpu, row->map->status, &value));
	expect_exits(vcpu, MPMU_CLASS_RDPMC, 2);
}

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_TABLE(accesses, check_access);
	UNIT_TABLE(direct, check_direct);
	return unit_run("stats");
}
