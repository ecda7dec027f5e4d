// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* switch.c: rows E and the ownership of design.md section 4. */
#include "../lib/one.h"
#include "../lib/one-counter.h"

#define WORK(n) (&(struct stub_work){.instructions = (n), .branches = 1, .cycles = 3})

static u64 accesses(const struct stub_cpu *cpu)
{
	return cpu->reads + cpu->writes + cpu->routes;
}

static u64 host_accesses(struct unit_world *world)
{
	return accesses(&world->machine.cpus[0]);
}

static void resident_exits(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u64 before = host_accesses(world);
	u32 i;

	for (i = 0; i < 100; i++) {
		stub_guest_run(vcpu, WORK(7));
		stub_exit(vcpu);
		assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	}
	assert_int_equal(host_accesses(world), before);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 700);
}

static void untouched_exits(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u32 i;

	(void)map;
	host_event(world, true);
	for (i = 0; i < 100; i++) {
		stub_guest_run(vcpu, WORK(7));
		stub_exit(vcpu);
		stub_perf_run(&world->machine, WORK(3));
	}
	stub_vcpu_put(vcpu);
	assert_int_equal(host_accesses(world), 0);
	host_event(world, false);
	assert_int_equal(world->machine.here->perf.events[0].count, 300);
}

/* A second acquire by the same vCPU writes what is not known to be 0 alone. */
static void only_what_differs(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u64 writes;

	stub_guest_run(vcpu, WORK(7));
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	writes = vcpu->cpu->writes;
	stub_enter(vcpu);
	/* Counter, selector, and FIXED_CTR_CTRL or GLOBAL_CTL. */
	assert_int_equal(vcpu->cpu->writes - writes, 3);
	writes = vcpu->cpu->writes;
	stub_vcpu_put(vcpu);
	assert_true(vcpu->cpu->writes - writes <= 3);
}

static void put_scrubs(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);
	struct stub_pmu *pmu = &vcpu->cpu->pmu;
	u32 i;

	stub_guest_run(vcpu, WORK(0x20));
	stub_vcpu_put(vcpu);
	for (i = 0; i < MPMU_MAX_GP; i++)
		assert_int_equal(pmu->gp[i].value | pmu->eventsel[i].value, 0);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		assert_int_equal(pmu->fixed[i].value, 0);
	assert_int_equal(pmu->fixed_ctrl.value | pmu->status, 0);
	assert_int_equal(pmu->global_ctrl.value, vcpu->cpu->perf.global_ctrl);
	assert_int_equal(pmu->lvtpc.route, STUB_NMI_OF_HOST);
}

static void put_keeps(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_guest_run(vcpu, WORK(100));
	unit_wrmsr(vcpu, map->global_ctrl, 3);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	stub_guest_run(vcpu, WORK(50));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 150);
	assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 3);
	assert_int_equal(unit_rdmsr(vcpu, map->eventsel), 0x5300c0);
}

static void reclaim_keeps(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_guest_run(vcpu, WORK(100));
	stub_exit(vcpu);
	host_event(world, true);
	stub_perf_run(&world->machine, WORK(11));
	assert_null(vcpu->cpu->mpmu.owner);
	stub_guest_run(vcpu, WORK(50));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 150);
	stub_exit(vcpu);
	stub_perf_run(&world->machine, WORK(12));
	host_event(world, false);
	assert_int_equal(vcpu->cpu->perf.events[0].count, 23);
}

/* With a host event here, each exit gives the PMU back, each entry takes it. */
static void displaced(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	stub_exit(vcpu);
	host_event(world, true);
	for (i = 0; i < 10; i++) {
		stub_guest_run(vcpu, WORK(5));
		assert_true(vcpu->cpu->mpmu.displaced && vcpu->cpu->perf.displaced);
		stub_exit(vcpu);
		assert_false(vcpu->cpu->mpmu.displaced || vcpu->cpu->perf.displaced);
		assert_null(vcpu->cpu->mpmu.owner);
		stub_perf_run(&world->machine, WORK(2));
	}
	host_event(world, false);
	assert_int_equal(vcpu->cpu->perf.events[0].count, 20);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 50);
}

/*
 * Counters that the host has not used are still known to be 0.  The guest's counter
 * and selector are written at the entry and at the exit, those of the host's event at
 * the entry, and the global registers: on Intel FIXED_CTR_CTRL, on AMD GLOBAL_CTL twice.
 */
static void displaced_writes(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u64 before;

	stub_exit(vcpu);
	host_event(world, true);
	stub_guest_run(vcpu, WORK(5));
	stub_exit(vcpu);
	stub_perf_run(&world->machine, WORK(2));
	before = vcpu->cpu->writes;
	stub_guest_run(vcpu, WORK(5));
	stub_exit(vcpu);
	assert_int_equal(vcpu->cpu->writes - before, map == &intel ? 7 : 8);
	host_event(world, false);
}

static void no_host_value(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	host_event(world, true);
	stub_perf_run(&world->machine, WORK(1234));
	host_event(world, false);
	assert_int_not_equal(vcpu->cpu->pmu.gp[1].value, 0);
	count(world, map, 0);
	assert_int_equal(vcpu->cpu->pmu.gp[1].value, 0);
}

static void overflow_survives(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);

	stub_guest_run(vcpu, WORK(0x20));
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	stub_exit(vcpu);
	host_event(world, true);
	host_event(world, false);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	assert_int_equal(vcpu->pmis, 1);
}

/* The interrupt arrives after the vCPU has left; it is the vCPU's. */
static void late_after(struct unit_world *world, const struct map *map, bool reclaim)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0), other;
	struct stub_cpu *cpu = vcpu->cpu;

	cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	if (reclaim)
		stub_perf_reclaim(&world->machine);
	stub_vcpu_put(vcpu);
	stub_take_interrupts(&world->machine);
	assert_false(cpu->pmu.pending[STUB_VECTOR_OF_GUEST] || cpu->pmu.pending[STUB_NMI_OF_HOST]);
	stub_vcpu_init(&other, &world->machine, unit_caps(map->model));
	stub_vcpu_load(&other, cpu);
	unit_rdmsr(&other, map->counter);
	stub_enter(&other);
	stub_vcpu_put(&other);
	assert_int_equal(other.pmis, 0);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
}

static void late_after_put(struct unit_world *world, const struct map *map)
{
	late_after(world, map, false);
}

static void late_after_reclaim(struct unit_world *world, const struct map *map)
{
	late_after(world, map, true);
}

/* mpmu_enter() with IRQs off, as they were since the put before. */
static int enter_at_once(struct unit_world *world, struct stub_cpu *cpu, struct stub_vcpu *vcpu)
{
	int err;

	world->machine.irqs_off = true;
	err = mpmu_enter(&cpu->mpmu, &vcpu->mpmu);
	mpmu_put(&cpu->mpmu, &vcpu->mpmu);
	world->machine.irqs_off = false;
	return err;
}

/* A vCPU put with an interrupt latched, and beside it one that would enter. */
static struct stub_vcpu *latch(struct unit_world *world, const struct map *map,
			       struct stub_vcpu *other)
{
	struct stub_cpu *cpu = world->vcpu.cpu;
	struct stub_vcpu *vcpu;

	stub_vcpu_init(other, &world->machine, unit_caps(map->model));
	stub_vcpu_load(other, cpu);
	unit_wrmsr(other, map->eventsel, 0x5300c0);
	stub_enter(other);
	stub_vcpu_put(other);
	vcpu = count(world, map, 0xfffffffffff0);
	cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	assert_int_equal(enter_at_once(world, cpu, vcpu), 0);
	assert_true(cpu->pmu.pending[STUB_VECTOR_OF_GUEST]);
	return vcpu;
}

static void latched_is_not_taken(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = latch(world, map, &other);
	struct stub_cpu *cpu = vcpu->cpu;

	assert_int_equal(enter_at_once(world, cpu, &other), -EAGAIN);
	assert_null(cpu->mpmu.owner);
	stub_take_interrupts(&world->machine);
	assert_true(vcpu->requests.pmi);
	assert_false(other.requests.pmi);
	assert_int_equal(enter_at_once(world, cpu, &other), 0);
}

static void latched_has_come(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = latch(world, map, &other);

	stub_take_interrupts(&world->machine);
	assert_int_equal(enter_at_once(world, vcpu->cpu, &other), 0);
}

static void latched_is_ones_own(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = latch(world, map, &other);

	assert_int_equal(enter_at_once(world, vcpu->cpu, vcpu), 0);
}

/* LVTPC gets another use, and the interrupt was on its way: the owner gets it. */
static void drained(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);
	struct stub_cpu *cpu = vcpu->cpu;

	cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	assert_false(vcpu->requests.pmi);
	world->machine.irqs_off = true;
	mpmu_drain(&cpu->mpmu);
	world->machine.irqs_off = false;
	assert_false(cpu->late_pmi);
	assert_true(cpu->mpmu.pmi_latched);
	assert_true(mpmu_resident(&cpu->mpmu, &vcpu->mpmu));
	stub_take_interrupts(&world->machine);
	assert_true(vcpu->requests.pmi);
}

/* Nothing has overflowed, or nobody owns the PMU: nothing to wait for. */
static void not_drained(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	struct stub_cpu *cpu = vcpu->cpu;
	u64 before;

	stub_guest_run(vcpu, WORK(0x20));
	stub_exit(vcpu);
	cpu->late_pmi = true;
	world->machine.irqs_off = true;
	mpmu_drain(&cpu->mpmu);
	mpmu_put(&cpu->mpmu, &vcpu->mpmu);
	before = accesses(cpu);
	mpmu_drain(&cpu->mpmu);
	world->machine.irqs_off = false;
	assert_true(cpu->late_pmi);
	assert_false(cpu->mpmu.pmi_latched);
	assert_int_equal(accesses(cpu), before);
}

static void nobody_is_target(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_vcpu_put(vcpu);
	world->machine.irqs_off = true;
	mpmu_cpu_forget_vcpu(&vcpu->cpu->mpmu, &vcpu->mpmu);
	mpmu_pmi(&vcpu->cpu->mpmu);
	world->machine.irqs_off = false;
	assert_false(vcpu->requests.pmi);
	assert_null(vcpu->cpu->mpmu.pmi_target);
}

/* A host overflow whose NMI has not come: nothing of the guest gets in. */
static void host_pmi_first(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	struct stub_cpu *cpu = vcpu->cpu;

	stub_exit(vcpu);
	stub_perf_reclaim(&world->machine);
	host_event(world, true);
	cpu->pmu.gp[1].value = 0xfffffffffff0;
	stub_perf_run(&world->machine, WORK(0x20));
	assert_true(cpu->pmu.pending[STUB_NMI_OF_HOST]);
	world->machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	world->machine.irqs_off = false;
	assert_null(cpu->mpmu.owner);
	assert_false(cpu->mpmu.displaced || cpu->perf.displaced || cpu->pmu.owned);
	assert_true(cpu->pmu.status & 2);
	stub_enter(vcpu);
	assert_int_equal(cpu->perf.samples, 1);
	assert_true(mpmu_resident(&cpu->mpmu, &vcpu->mpmu));
}

static void two_on_one_cpu(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *a = count(world, map, 0), b;
	u32 i;

	stub_exit(a);
	stub_vcpu_init(&b, &world->machine, unit_caps(map->model));
	stub_vcpu_put(a);
	stub_vcpu_load(&b, &world->machine.cpus[0]);
	unit_wrmsr(&b, map->eventsel, map == &amd ? 0x5300c2 : 0x5300c4);
	stub_vcpu_put(&b);
	for (i = 0; i < 20; i++) {
		stub_vcpu_load(a, &world->machine.cpus[0]);
		stub_guest_run(a, WORK(10));
		stub_check_invariants(a);
		stub_vcpu_put(a);
		stub_vcpu_load(&b, &world->machine.cpus[0]);
		stub_guest_run(&b, WORK(10));
		stub_check_invariants(&b);
		stub_vcpu_put(&b);
	}
	stub_vcpu_load(a, &world->machine.cpus[0]);
	assert_int_equal(unit_rdmsr(a, map->counter), 200);
	stub_vcpu_put(a);
	stub_vcpu_load(&b, &world->machine.cpus[0]);
	assert_int_equal(unit_rdmsr(&b, map->counter), 20);
	stub_vcpu_put(&b);
}

/* The vCPU before was not put: who enters takes the PMU from it. */
static void taken_over(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *a = count(world, map, 0), b;

	stub_guest_run(a, WORK(10));
	stub_exit(a);
	stub_vcpu_init(&b, &world->machine, unit_caps(map->model));
	stub_vcpu_load(&b, &world->machine.cpus[0]);
	unit_wrmsr(&b, map->eventsel, 0x5300c0);
	stub_guest_run(&b, WORK(33));
	assert_int_equal(unit_rdmsr(&b, map->counter), 33);
	stub_vcpu_put(&b);
	stub_vcpu_load(a, &world->machine.cpus[0]);
	assert_int_equal(unit_rdmsr(a, map->counter), 10);
}

/* A counting vCPU that has left its registers, and one beside it that will count, too. */
static struct stub_vcpu *park(struct unit_world *world, const struct map *map,
			      struct stub_vcpu *other, u64 eventsel)
{
	struct stub_vcpu *vcpu;

	world->machine.parks = true;
	stub_vcpu_init(other, &world->machine, unit_caps(map->model));
	stub_vcpu_load(other, &world->machine.cpus[0]);
	unit_wrmsr(other, map->eventsel, eventsel);
	unit_wrmsr(other, map->counter, 5);
	stub_vcpu_put(other);
	stub_make_room(&world->machine);
	vcpu = count(world, map, 0);
	stub_guest_run(vcpu, WORK(7));
	stub_vcpu_put(vcpu);
	return vcpu;
}

static void parked(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);
	u64 before = host_accesses(world);

	stub_vcpu_load(vcpu, vcpu->cpu);
	stub_guest_run(vcpu, WORK(7));
	stub_vcpu_put(vcpu);
	assert_int_equal(host_accesses(world), before);
	assert_true(mpmu_held(&vcpu->mpmu));
	assert_int_equal(vcpu->cpu->pmu.gp[0].value, 14);
}

static void evicted(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);

	stub_vcpu_evict(&other);
	/* Nor does the call itself, which may come when others own the PMU by now. */
	mpmu_evict(&vcpu->cpu->mpmu, &other.mpmu);
	assert_true(mpmu_held(&vcpu->mpmu));
	stub_vcpu_evict(vcpu);
	assert_false(mpmu_held(&vcpu->mpmu));
	assert_int_equal(vcpu->stats.owner_changes[MPMU_CAUSE_PUT], 1);
	assert_int_equal(vcpu->cpu->pmu.gp[0].value, 0);
	assert_int_equal(vcpu->mpmu.gp[0], 7);
	/* What is known of hardware still is. */
	assert_int_not_equal(vcpu->cpu->mpmu.zero_counters, 0);
}

static void moved(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);

	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	assert_false(mpmu_held(&vcpu->mpmu));
	stub_guest_run(vcpu, WORK(7));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 14);
	stub_vcpu_put(vcpu);
	stub_check_invariants(vcpu);
}

/* Reads as at a put; the counter is written, and what else differs. */
static void check_take_over(struct unit_world *world, const struct map *map, u64 eventsel,
			    u64 differing)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, eventsel);
	struct stub_cpu *cpu = vcpu->cpu;
	u64 reads = cpu->reads, writes = cpu->writes;

	stub_vcpu_load(&other, cpu);
	stub_enter(&other);
	assert_int_equal(cpu->reads - reads, map == &intel ? 13 : 8);
	/* AMD: and GLOBAL_CTL. */
	assert_int_equal(cpu->writes - writes, 1 + differing + (map == &amd));
	assert_int_equal(vcpu->stats.owner_changes[MPMU_CAUSE_OTHER], 1);
	assert_int_equal(cpu->pmu.gp[0].value, 5);
	assert_int_equal(vcpu->mpmu.gp[0], 7);
	stub_vcpu_put(&other);
	stub_vcpu_end(&other);
}

static void taken_over_alike(struct unit_world *world, const struct map *map)
{
	check_take_over(world, map, COUNTS, 0);
}

static const struct stub_vcpu *looked_at;
static u32 seen_free;

static void op_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	seen_free += !mpmu_held(&looked_at->mpmu);
	stub_ops.wrmsr(vcpu, msr, value);
}

/* Another CPU would run it, and change what is compared here. */
static void taken_over_held(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);
	struct mpmu_ops ops = stub_ops;

	ops.wrmsr = op_wrmsr;
	world->machine.host.ops = &ops;
	looked_at = vcpu;
	seen_free = 0;
	stub_vcpu_load(&other, vcpu->cpu);
	stub_enter(&other);
	world->machine.host.ops = &stub_ops;
	assert_int_equal(seen_free, 0);
	assert_false(mpmu_held(&vcpu->mpmu));
	stub_vcpu_put(&other);
	stub_vcpu_end(&other);
}

static void taken_over_different(struct unit_world *world, const struct map *map)
{
	check_take_over(world, map, COUNTS & ~STUB_EVENTSEL_INT, 1);
}

static void taken_over_refused(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);
	struct stub_cpu *cpu = vcpu->cpu;

	stub_vcpu_load(vcpu, cpu);
	unit_wrmsr(vcpu, map->counter, 0xfffffffffff0);
	cpu->late_pmi = true;
	stub_guest_run(vcpu, WORK(0x20));
	stub_vcpu_put(vcpu);
	stub_vcpu_load(&other, cpu);
	world->machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&cpu->mpmu, &other.mpmu), -EAGAIN);
	assert_null(cpu->mpmu.owner);
	world->machine.irqs_off = false;
	stub_check_invariants(vcpu);
	stub_take_interrupts(&world->machine);
	assert_true(vcpu->requests.pmi);
	stub_enter(&other);
	stub_vcpu_put(&other);
	stub_vcpu_end(&other);
}

/* Fixed counters: their control is written if it differs. */
static void taken_over_fixed(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);
	struct stub_cpu *cpu = vcpu->cpu;
	u64 writes;

	stub_vcpu_load(vcpu, cpu);
	unit_wrmsr(vcpu, 0x38d, 0xb);
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(&other, cpu);
	writes = cpu->writes;
	stub_enter(&other);
	assert_int_equal(cpu->writes - writes, 2);
	assert_int_equal(cpu->pmu.fixed_ctrl.value, 0);
	stub_vcpu_put(&other);
	stub_vcpu_end(&other);
}

/* By a guest with fewer counters: the others are not to be seen. */
static void taken_over_by_small(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu other, *vcpu = park(world, map, &other, COUNTS);
	struct stub_cpu *cpu = vcpu->cpu;
	bool is_intel = map == &intel;

	stub_vcpu_init(&other, &world->machine,
		       unit_caps(is_intel ? "intel-v4-small" : "amd-v2-small"));
	stub_vcpu_load(&other, cpu);
	unit_wrmsr(&other, map->eventsel, COUNTS);
	stub_enter(&other);
	stub_vcpu_put(&other);
	stub_vcpu_load(vcpu, cpu);
	unit_wrmsr(vcpu, is_intel ? 0x4c6 : 0xc001020b, 9);
	unit_wrmsr(vcpu, is_intel ? 0x18b : 0xc001020a, COUNTS);
	/* A selector that does not enable its counter leaves that at 0. */
	unit_wrmsr(vcpu, is_intel ? 0x18a : 0xc0010208, 0x1300c0);
	stub_enter(vcpu);
	assert_true(cpu->pmu.gp[5].value && cpu->pmu.eventsel[5].value);
	assert_true(!cpu->pmu.gp[4].value && cpu->pmu.eventsel[4].value);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(&other, cpu);
	stub_enter(&other);
	assert_int_equal(vcpu->stats.owner_changes[MPMU_CAUSE_OTHER], 2);
	assert_int_equal(cpu->pmu.gp[5].value | cpu->pmu.eventsel[5].value, 0);
	assert_int_equal(cpu->pmu.eventsel[4].value, 0);
	stub_vcpu_put(&other);
	stub_vcpu_end(&other);
}

/* PT's status bit is neither shown, cleared, nor carried to another CPU. */
static void foreign_status(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);
	u64 *status = &vcpu->cpu->pmu.status;

	stub_vcpu_set_flags(vcpu, MPMU_VCPU_HOST_STATUS, 0);
	*status |= STUB_STATUS_PT;
	stub_guest_run(vcpu, WORK(0x20));
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	unit_wrmsr(vcpu, 0x390, 1);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 0);
	stub_vcpu_put(vcpu);
	assert_int_equal(*status, STUB_STATUS_PT);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 0);
	assert_int_equal(vcpu->cpu->pmu.status, 0);
}

/* Bits of no counter that a guest of AMD sets without an exit: no other finds them. */
static void settable_status(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);
	u64 *status = &vcpu->cpu->pmu.status;

	assert_int_equal(mpmu_msr_intercepts(&vcpu->mpmu, 0xc0000303), 0);
	unit_wrmsr(vcpu, 0xc0000303, STUB_STATUS_FROZEN | 0x2);
	assert_int_equal(*status, STUB_STATUS_FROZEN | 0x2);
	stub_vcpu_put(vcpu);
	assert_int_equal(*status, 0);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	stub_enter(vcpu);
	assert_int_equal(*status, 0x2);
}

static void masked_lvtpc(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0xfffffffffff0);

	stub_guest_mask_lvtpc(vcpu, true);
	stub_guest_run(vcpu, WORK(0x20));
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 0);
}

/* A counter of another CPU, suspended: nothing is known about it. */
static void reset_forgets(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_guest_run(vcpu, WORK(9));
	stub_vcpu_put(vcpu);
	assert_int_not_equal(vcpu->cpu->mpmu.zero_counters, 0);
	stub_cpu_reset(&world->machine, vcpu->cpu);
	assert_int_equal(vcpu->cpu->mpmu.zero_counters, 0);
	assert_int_equal(vcpu->cpu->mpmu.zero_eventsels, 0);
	stub_vcpu_load(vcpu, vcpu->cpu);
	stub_guest_run(vcpu, WORK(1));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 10);
}

/*
 * A reclaim leaves all as 0, and what the host uses then it names.  The guest's
 * selector is written, and on Intel FIXED_CTR_CTRL, on AMD GLOBAL_CTL.
 */
static void reclaim_writes(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);
	u64 before;

	stub_exit(vcpu);
	stub_perf_reclaim(&world->machine);
	before = vcpu->cpu->writes;
	stub_enter(vcpu);
	assert_int_equal(vcpu->cpu->writes - before, 2);
	stub_exit(vcpu);
	host_event(world, true);
	stub_perf_run(&world->machine, WORK(2));
	host_event(world, false);
	before = vcpu->cpu->writes;
	stub_enter(vcpu);
	assert_int_equal(vcpu->cpu->writes - before, 4);
	assert_int_equal(vcpu->cpu->pmu.gp[1].value | vcpu->cpu->pmu.eventsel[1].value, 0);
}

/* Reclaim on a CPU that nobody owns touches nothing. */
static void reclaim_of_nobody(struct unit_world *world, const struct map *map)
{
	(void)map;
	stub_perf_reclaim(&world->machine);
	assert_int_equal(host_accesses(world), 0);
}

static const struct row rows[] = {
	BOTH("E5 resident: no access per exit", resident_exits),
	BOTH("E5 untouched: no access, host events count", untouched_exits),
	BOTH("E5 a change of owner writes what differs", only_what_differs),
	BOTH("E1 after put hardware is clean", put_scrubs),
	BOTH("E1 nothing of the host in the guest", no_host_value),
	BOTH("E2 values survive put and another CPU", put_keeps),
	BOTH("A11 values survive reclaim, the host event is exact", reclaim_keeps),
	BOTH("A2 displaced between entry and exit alone", displaced),
	BOTH("A2 displaced: what nobody used is not written", displaced_writes),
	BOTH("E2 pending overflow survives put, move and reclaim", overflow_survives),
	BOTH("E9 parked: a put and an entry access nothing", parked),
	BOTH("E9 parked: evicted", evicted),
	BOTH("E9 parked: moved to another CPU", moved),
	BOTH("E9 taken over by one alike: the counter alone is written", taken_over_alike),
	BOTH("E9 taken over: what differs is written", taken_over_different),
	BOTH("E9 taken over: it is held until all is written", taken_over_held),
	BOTH("E9 taken over: an interrupt is in the way", taken_over_refused),
	{"E9 taken over: FIXED_CTR_CTRL", taken_over_fixed, &intel},
	BOTH("E9 taken over by a guest with fewer counters", taken_over_by_small),
	BOTH("G late PMI after put", late_after_put),
	BOTH("G late PMI after reclaim", late_after_reclaim),
	BOTH("G a latched PMI defers another's entry", latched_is_not_taken),
	BOTH("G a PMI that has come defers none", latched_has_come),
	BOTH("G a latched PMI does not defer its own vCPU", latched_is_ones_own),
	BOTH("G drained: a late PMI is latched, the owner stays", drained),
	BOTH("G drained without an overflow or an owner", not_drained),
	BOTH("G late PMI of a forgotten vCPU is dropped", nobody_is_target),
	BOTH("G guest LVTPC masked: nothing delivered", masked_lvtpc),
	BOTH("E1 a host overflow in flight defers the entry", host_pmi_first),
	BOTH("E4 two vCPUs on one CPU", two_on_one_cpu),
	BOTH("E4 entry without put takes over", taken_over),
	{"E3 PT status bit", foreign_status, &intel},
	{"E3 status bits of no counter that a guest sets", settable_status, &amd},
	BOTH("D10 CPU reset forgets", reset_forgets),
	BOTH("A11 a reclaim: what nobody used is not written", reclaim_writes),
	BOTH("A11 reclaim of nobody", reclaim_of_nobody),
};

/* A guest with fewer counters writes through the hypervisor, while resident. */
static void global_ctrl_live(void)
{
	struct mpmu_caps four = *unit_caps("amd-v2");
	const struct stub_reg *live = &one.machine.cpus[0].pmu.global_ctrl;

	four.counters = 0xf;
	unit_world_init(&one, "amd-v2", "amd-v2");
	stub_vcpu_init(&one.vcpu, &one.machine, &four);
	stub_vcpu_load(&one.vcpu, &one.machine.cpus[0]);
	one_wrmsr(0xc0010200, GUEST_COUNTS);
	stub_enter(&one.vcpu);
	assert_int_equal(live->value, 0xf);
	one_wrmsr(0xc0000301, 0x1);
	assert_true(mpmu_resident(&one.vcpu.cpu->mpmu, &one.vcpu.mpmu));
	assert_int_equal(live->value, 0x1);
	assert_int_equal(one_rdmsr(0xc0000301), 0x1);
}

/* A guest without status registers has no status. */
static void no_status(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v1-fw");
	one_wrmsr(0x4c1, 0xfffffffffff0);
	one_wrmsr(0x186, GUEST_COUNTS);
	stub_guest_run(&one.vcpu, &(struct stub_work){.instructions = 0x20});
	assert_int_equal(one.machine.cpus[0].pmu.status, 1);
	one_put(1);
	assert_int_equal(one.vcpu.mpmu.global_status, 0);
}

/* The owner stays. */
static void another_put(void)
{
	struct stub_cpu *cpu = &one.machine.cpus[0];
	struct stub_vcpu other;

	one_owns_beside(&other);
	one.machine.irqs_off = true;
	mpmu_put(&cpu->mpmu, &other.mpmu);
	one.machine.irqs_off = false;
	assert_ptr_equal(cpu->mpmu.owner, &one.vcpu.mpmu);
}

static void assert_known(mpmu_pmcs counters, u32 eventsels)
{
	const struct mpmu_cpu *cpu = &one.machine.cpus[0].mpmu;

	assert_int_equal(cpu->zero_counters, counters);
	assert_int_equal(cpu->zero_eventsels, eventsels);
}

/* An owner's registers hold what it likes, those of the others were cleaned at first. */
static void known_zeros(void)
{
	const mpmu_pmcs large = GP(8) | FIXED(4), small = GP(4) | FIXED(2);
	struct stub_vcpu other;

	unit_world_init(&one, "intel-v5-8-4", "intel-v4-small");
	one_counts(&one.vcpu);
	assert_known(large & ~small, 0xf0);
	stub_vcpu_put(&one.vcpu);
	assert_known(large, 0xff);
	stub_vcpu_init(&other, &one.machine, unit_caps("intel-v5-8-4"));
	one_counts(&other);
	assert_known(0, 0);
	stub_vcpu_put(&other);
	assert_known(large, 0xff);
	one_counts(&one.vcpu);
	assert_known(large & ~small, 0xf0);
	stub_vcpu_put(&one.vcpu);
	assert_known(large, 0xff);
}

/* Events of the host are back in their registers after an exit: they are named. */
static void known_after_host(void)
{
	const struct stub_pmu *pmu = &one.machine.cpus[0].pmu;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(&one.vcpu);
	stub_exit(&one.vcpu);
	stub_perf_install(&one.machine, 0, 6, GUEST_COUNTS, 5);
	stub_enter(&one.vcpu);
	stub_exit(&one.vcpu);
	assert_int_not_equal(pmu->eventsel[6].value, 0);
	stub_enter(&one.vcpu);
	assert_int_equal(pmu->gp[6].value | pmu->eventsel[6].value, 0);
	stub_exit(&one.vcpu);
	stub_vcpu_put(&one.vcpu);
	stub_perf_remove(&one.machine, 0);
}

/* What the host calls dirty is not taken for 0, whatever was known. */
static void dirty_zeros(void)
{
	const struct stub_reg left = {.value = 5, .origin = STUB_OF_HOST};
	struct stub_cpu *cpu = &one.machine.cpus[0];

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(&one.vcpu);
	stub_vcpu_put(&one.vcpu);
	cpu->pmu.gp[3] = cpu->pmu.eventsel[3] = left;
	cpu->perf.dirty = 1 << 3;
	stub_vcpu_load(&one.vcpu, cpu);
	stub_enter(&one.vcpu);
	assert_int_equal(cpu->pmu.gp[3].value | cpu->pmu.eventsel[3].value, 0);
}

/* A counter that no register of the core's reaches stays dirty: the host cleans it. */
static void dirty_out_of_reach(void)
{
	const struct stub_reg left = {.value = 5, .origin = STUB_OF_HOST};
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	struct stub_cpu *cpu = &one.machine.cpus[0];

	caps.counters |= 1 << 9;
	unit_world_start(&one, &caps, unit_caps("intel-v4-small"));
	cpu->pmu.gp[7] = cpu->pmu.gp[9] = left;
	cpu->perf.dirty = 1 << 7 | 1 << 9;
	one_counts(&one.vcpu);
	assert_int_equal(cpu->pmu.gp[7].value, 0);
	assert_int_equal(cpu->pmu.gp[9].value, 5);
	assert_int_equal(cpu->perf.dirty, 1 << 9);
}

/* Values that nobody has marked, of counters beyond the model, too. */
static void leave_behind(struct stub_pmu *pmu)
{
	const struct stub_reg left = {.value = 0x4300c0, .origin = STUB_OF_HOST};

	pmu->gp[2] = pmu->gp[7] = pmu->eventsel[2] = pmu->eventsel[7] = left;
	pmu->fixed[3] = pmu->metrics = left;
}

static void check_nothing_left(const struct stub_pmu *pmu)
{
	assert_int_equal(stub_pmu_counters_of(pmu, STUB_OF_HOST), 0);
	assert_int_equal(stub_pmu_eventsels_of(pmu, STUB_OF_HOST), 0);
}

/* Firmware leaves anything, and so does a CPU that was off; later it is perf's to mark. */
static void firmware(void)
{
	struct stub_cpu *cpu = &one.machine.cpus[0];
	u64 written;

	unit_world_init(&one, "intel-spr", "intel-v4-small");
	leave_behind(&cpu->pmu);
	one_counts(&one.vcpu);
	check_nothing_left(&cpu->pmu);
	stub_vcpu_put(&one.vcpu);
	stub_perf_reclaim(&one.machine);
	written = one.vcpu.stats.registers.written;
	one_counts(&one.vcpu);
	assert_int_equal(one.vcpu.stats.registers.written - written, 2);
	stub_vcpu_put(&one.vcpu);
	stub_cpu_reset(&one.machine, cpu);
	leave_behind(&cpu->pmu);
	one_counts(&one.vcpu);
	check_nothing_left(&cpu->pmu);
	stub_vcpu_put(&one.vcpu);
}

/*
 * What a guest with fewer counters leaves known of the others: counter and
 * selector of the host were zeroed.
 */
static void beside_small_guest(void)
{
	struct stub_cpu *cpu = &one.machine.cpus[0];
	struct stub_vcpu large;

	unit_world_init(&one, "intel-v5-8-4", "intel-v4-small");
	stub_perf_install(&one.machine, 0, 6, GUEST_COUNTS, 5);
	stub_perf_remove(&one.machine, 0);
	one_wrmsr(0x186, GUEST_COUNTS);
	one_put(1);
	assert_true(cpu->mpmu.zero_counters & 1 << 6 && cpu->mpmu.zero_eventsels & 1 << 6);
	assert_int_equal(cpu->pmu.eventsel[6].value | cpu->pmu.gp[6].value, 0);
	stub_vcpu_put(&one.vcpu);
	stub_vcpu_init(&large, &one.machine, unit_caps("intel-v5-8-4"));
	stub_vcpu_load(&large, cpu);
	unit_wrmsr(&large, 0x186, GUEST_COUNTS);
	stub_enter(&large);
	assert_int_equal(cpu->pmu.eventsel[6].value, 0);
	stub_vcpu_put(&large);
}

/* Who uses no PMU enters at once, and the owner before has left. */
static void untouched_enters(void)
{
	struct stub_cpu *cpu = &one.machine.cpus[0];
	struct stub_vcpu other;

	one_owns_beside(&other);
	one.machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&cpu->mpmu, &other.mpmu), 0);
	one.machine.irqs_off = false;
	assert_null(cpu->mpmu.owner);
}

/* A late interrupt of the host, whose event is gone. */
static void refused_alone(void)
{
	struct stub_vcpu *vcpu = &one.vcpu;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &one.machine.cpus[0]);
	vcpu->cpu->pmu.status = 2;
	one.machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_false(vcpu->cpu->mpmu.displaced || vcpu->cpu->mpmu.owner);
	vcpu->cpu->pmu.status = 0;
	one.machine.irqs_off = false;
}

static void forgotten_owner(void)
{
	struct stub_vcpu *vcpu = &one.vcpu;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(vcpu);
	stub_exit(vcpu);
	mpmu_cpu_forget_vcpu(&vcpu->cpu->mpmu, &vcpu->mpmu);
	assert_true(!vcpu->cpu->mpmu.owner && !vcpu->cpu->mpmu.pmi_target);
}

/* What it had is in hardware still, beyond the model of the next one, too. */
static void forgotten_values(void)
{
	struct stub_cpu *cpu = &one.machine.cpus[0];
	struct stub_vcpu small;

	unit_world_init(&one, "intel-spr", "intel-spr");
	one_wrmsr(0x186 + 6, GUEST_COUNTS);
	one_counts(&one.vcpu);
	stub_exit(&one.vcpu);
	assert_int_not_equal(cpu->pmu.eventsel[6].value, 0);
	mpmu_cpu_forget_vcpu(&cpu->mpmu, &one.vcpu.mpmu);
	cpu->pmu.owned = false;
	stub_vcpu_init(&small, &one.machine, unit_caps("intel-v4-small"));
	stub_vcpu_load(&small, cpu);
	unit_wrmsr(&small, 0x186, GUEST_COUNTS);
	stub_enter(&small);
	assert_int_equal(cpu->pmu.eventsel[6].value | cpu->pmu.gp[6].value, 0);
	stub_vcpu_put(&small);
}

static const struct unit_case cases_of_one[] = {
	{"E1 an interrupt of the host without an event defers the entry", refused_alone},
	{"D10 an owner that is forgotten is gone", forgotten_owner},
	{"D10 and no guest finds its values", forgotten_values},
	{"GLOBAL_CTL written through reaches hardware", global_ctrl_live},
	{"a guest without status registers saves no status", no_status},
	{"another vCPU is put", another_put},
	{"what is known to be 0 with owners of two sizes", known_zeros},
	{"what is known to be 0 beside events of the host", known_after_host},
	{"what is known to be 0 and dirty", dirty_zeros},
	{"a dirty counter out of reach", dirty_out_of_reach},
	{"E1 what firmware left, in the model or not", firmware},
	{"what is known beside a guest with fewer counters", beside_small_guest},
	{"a vCPU without a PMU enters after an owner", untouched_enters},
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_CASES(cases_of_one);
	return unit_run("switch");
}
