// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sharing by counter: plain events of the host beside a guest that counts, on other
 * counters and on its own.  The guest's counter is 0 (map), the host's event counts
 * instructions.
 */
#include "../lib/one-counter.h"

#define WORK(n) (&(struct stub_work){.instructions = (n), .cycles = 1})
#define LAST    0xfffffffffff0ull

/* A plain event on a counter of the first CPU, in slot 1, or no longer. */
static void plain_from(struct unit_world *world, u32 pmc, u64 start)
{
	bool is_amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;

	stub_exit(&world->vcpu);
	world->machine.shares = true;
	stub_perf_install(&world->machine, 1, pmc, COUNTS | (is_amd ? STUB_EVENTSEL_HOST_ONLY : 0),
			  start);
	world->machine.shares = false;
}

static void plain(struct unit_world *world, u32 pmc)
{
	plain_from(world, pmc, 0);
}

static void close_plain(struct unit_world *world)
{
	const struct stub_host_event *event = &world->machine.cpus[0].perf.events[1];

	stub_exit(&world->vcpu);
	stub_perf_remove(&world->machine, 1);
	assert_int_equal(event->count, event->truth);
}

static u64 accesses(const struct stub_vcpu *vcpu)
{
	return vcpu->cpu->reads + vcpu->cpu->writes;
}

/* Register accesses of the library in so many entries and exits. */
static u64 accesses_of(struct stub_vcpu *vcpu, u32 entries)
{
	u64 before;

	stub_enter(vcpu);
	stub_exit(vcpu);
	before = accesses(vcpu);
	while (entries--) {
		stub_enter(vcpu);
		stub_guest_run(vcpu, WORK(1));
		stub_exit(vcpu);
		stub_perf_run(vcpu->machine, WORK(1));
	}
	return accesses(vcpu) - before;
}

static void costs_nothing(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 1);
	assert_int_equal(accesses_of(vcpu, 100), 0);
	assert_int_equal(world->machine.cpus[0].swaps, 0);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 100);
	assert_int_equal(world->machine.cpus[0].perf.events[1].truth, 100);
	close_plain(world);
	assert_int_equal(accesses_of(vcpu, 100), 0);
}

/* What is not plain is displaced as ever, and the plain event beside it is not. */
static void displaces_the_rest(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 2);
	host_event(world, true);
	assert_true(accesses_of(vcpu, 10) >= 40);
	assert_int_equal(world->machine.cpus[0].swaps, 0);
	assert_false(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	host_event(world, false);
	assert_int_equal(world->machine.cpus[0].perf.events[0].count, 11 - 1);
	close_plain(world);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 10);
}

/* The same counter: read, written, selector, status at a wrap; and by the host. */
static void swaps_one(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	unit_wrmsr(vcpu, map->eventsel + (map == &amd ? 2 : 1), COUNTS);
	plain(world, 0);
	/* Two written at the entry; at the exit one read.  GLOBAL_CTRL has both sides' bits. */
	assert_int_equal(accesses_of(vcpu, 10), 30);
	assert_int_equal(world->machine.cpus[0].swaps, 11);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	assert_int_equal(vcpu->stats.owner_changes[MPMU_CAUSE_DISPLACED], 0);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 10);
	assert_int_equal(unit_rdmsr(vcpu, map->counter + (map == &amd ? 2 : 1)), 10);
	close_plain(world);
	assert_int_equal(world->machine.cpus[0].perf.events[1].count, 10);
}

/* The guest goes over to another counter: there is nothing to swap any more. */
static void settles_again(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 0);
	assert_true(accesses_of(vcpu, 1) > 0);
	unit_wrmsr(vcpu, map->eventsel, 0);
	assert_int_equal(accesses_of(vcpu, 10), 0);
	assert_ptr_equal(vcpu->cpu->mpmu.settled, &vcpu->mpmu);
	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	assert_true(accesses_of(vcpu, 1) > 0);
	/* GLOBAL_CTRL stops and starts it just as well. */
	unit_wrmsr(vcpu, map->global_ctrl, 0);
	assert_int_equal(accesses_of(vcpu, 10), 0);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 2);
	unit_wrmsr(vcpu, map->global_ctrl, 1);
	assert_true(accesses_of(vcpu, 1) > 0);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 3);
	/* Where it starts and stops nothing that the host has, the owner stays settled. */
	unit_wrmsr(vcpu, map->eventsel, 0);
	assert_int_equal(accesses_of(vcpu, 1), 0);
	unit_wrmsr(vcpu, map->global_ctrl, 6);
	assert_ptr_equal(vcpu->cpu->mpmu.settled, &vcpu->mpmu);
	close_plain(world);
}

/* The host's event moves, and so does what is intercepted. */
static void moves(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 0);
	assert_true(accesses_of(vcpu, 1) > 0);
	close_plain(world);
	plain(world, 3);
	assert_int_equal(accesses_of(vcpu, 10), 0);
	assert_int_equal(stub_intercepts(vcpu, map->counter), 0);
	close_plain(world);
}

/* Registers of the host, by any name, exit; those of the others do not. */
static void intercepts(struct unit_world *world, const struct map *map)
{
	const u32 all = MPMU_READ | MPMU_WRITE, next = map->counter + (map == &amd ? 2 : 1);
	struct stub_vcpu *vcpu = count(world, map, 0);
	u64 value;

	assert_false(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	plain_from(world, 1, 0x1234);
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, next), all);
	assert_int_equal(stub_intercepts(vcpu, map->counter), 0);
	assert_int_equal(stub_intercepts(vcpu, map->global_ctrl), all);
	assert_int_equal(stub_intercepts(vcpu, map->status), all);
	assert_int_equal(stub_intercepts(vcpu, map->status_clear), all);
	assert_true(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	assert_int_equal(mpmu_nested_msr_intercepts(&vcpu->mpmu, next, 0), all);
	assert_true(mpmu_nested_rdpmc_intercepted(&vcpu->mpmu, false));
	assert_true(stub_guest_rdpmc(vcpu, 1, &value));
	assert_int_equal(value, 0);
	assert_int_equal(vcpu->stats.exits[MPMU_CLASS_RDPMC], 1);
	/* The guest's is in memory, and stays. */
	unit_wrmsr(vcpu, next, 77);
	assert_int_equal(unit_rdmsr(vcpu, next), 77);
	close_plain(world);
	stub_enter(vcpu);
	assert_false(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	assert_int_equal(stub_intercepts(vcpu, next), 0);
	assert_int_equal(unit_rdmsr(vcpu, next), 77);
}

/* All of GLOBAL_CTRL is the guest's to write, and to find again. */
static void keeps_global_ctrl(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	unit_wrmsr(vcpu, map->global_ctrl, 7);
	plain(world, 1);
	stub_enter(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 7);
	stub_enter(vcpu);
	if (map == &intel)
		assert_int_equal(vcpu->vmcs_global_ctrl, 5);
	unit_wrmsr(vcpu, map->global_ctrl, 3);
	stub_guest_run(vcpu, WORK(5));
	assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 3);
	assert_int_equal(world->machine.cpus[0].perf.events[1].truth, 0);
	close_plain(world);
	stub_enter(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 3);
	stub_guest_run(vcpu, WORK(5));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 10);
}

/* The guest, which counts from LAST, overflows: so many interrupts it has been told of. */
static void overflow(struct stub_vcpu *vcpu, u32 told)
{
	stub_guest_run(vcpu, WORK(0x20));
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, told);
}

static void clear_status(struct stub_vcpu *vcpu, const struct map *map)
{
	unit_wrmsr(vcpu, map->status_clear, 1);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 0);
}

/* An overflow of the guest is an NMI, and told once; one of the host is its own. */
static void interrupts_the_guest(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain_from(world, 1, LAST);
	overflow(vcpu, 1);
	stub_guest_mask_lvtpc(vcpu, false);
	stub_exit(vcpu);
	stub_perf_run(&world->machine, WORK(0x20));
	assert_int_equal(world->machine.cpus[0].perf.samples, 1);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	/* The old bit does not hide a new overflow. */
	unit_wrmsr(vcpu, map->counter, LAST);
	overflow(vcpu, 2);
	clear_status(vcpu, map);
	close_plain(world);
	assert_int_equal(world->machine.cpus[0].perf.strays, 0);
	/* The guest has LVTPC again. */
	assert_int_equal(world->machine.cpus[0].routes, 1);
	stub_enter(vcpu);
	assert_int_equal(world->machine.cpus[0].routes, 2);
}

/* The same, of the counter that both want. */
static void interrupts_the_guest_swapped(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 0);
	overflow(vcpu, 1);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	stub_guest_mask_lvtpc(vcpu, false);
	unit_wrmsr(vcpu, map->counter, LAST);
	overflow(vcpu, 2);
	clear_status(vcpu, map);
	close_plain(world);
}

/* Its NMI comes after the exit has given the counter back, or the owner has gone. */
static void late_swapped(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 0);
	world->machine.cpus[0].late_nmi = true;
	overflow(vcpu, 1);
	assert_int_equal(world->machine.cpus[0].perf.strays, 1);
	close_plain(world);
}

/* The guest overflows, and exits; interrupts are off, and the NMI has yet to come. */
static void exit_before_nmi(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	stub_enter(vcpu);
	stub_pmu_run(&vcpu->cpu->pmu, WORK(0x20));
	vcpu->cpu->late_nmi = true;
	world->machine.interruptible = NULL;
	vcpu->in_guest = false;
	vcpu->cpu->pmu.guest_mode = false;
	if (map == &intel)
		vcpu->cpu->pmu.global_ctrl = (struct stub_reg){2, STUB_OF_HOST};
	mpmu_exit(&vcpu->cpu->mpmu, &vcpu->mpmu);
}

/* It comes, when the guest has been told or has not: once it has in any case. */
static void take_late_nmi(struct unit_world *world, bool told)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u32 pmis = vcpu->pmis, strays = vcpu->cpu->perf.strays;

	assert_int_equal(vcpu->requests.pmi, told);
	world->machine.irqs_off = false;
	stub_take_interrupts(&world->machine);
	assert_int_equal(vcpu->cpu->perf.strays, strays + told);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, pmis + 1);
}

static void put_before_nmi(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	exit_before_nmi(world, map);
	mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	take_late_nmi(world, true);
	close_plain(world);
}

static void late_put(struct unit_world *world, const struct map *map)
{
	count(world, map, LAST);
	plain(world, 1);
	put_before_nmi(world, map);
}

/* The same of a bit that the guest has had, and cleared. */
static void late_put_again(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 1);
	overflow(vcpu, 1);
	unit_wrmsr(vcpu, map->status_clear, 1);
	unit_wrmsr(vcpu, map->counter, LAST);
	stub_guest_mask_lvtpc(vcpu, false);
	put_before_nmi(world, map);
	assert_int_equal(vcpu->pmis, 2);
}

/*
 * It comes in the middle of what the host does with the guest's registers, after each
 * access of that: whoever finds the bit, the guest is told before it is gone.
 */
static void late_anywhere(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);
	u32 after, pmis = 0;

	plain(world, 1);
	for (after = 1; after < 20; after++) {
		exit_before_nmi(world, map);
		/* Long after the NMI before, which nobody expects any more. */
		vcpu->cpu->perf.expects_nmi = false;
		vcpu->cpu->perf.nmi_after = after;
		assert_int_equal(mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, map->status_clear, 1), 0);
		mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
		vcpu->cpu->perf.nmi_after = 0;
		assert_true(vcpu->requests.pmi);
		world->machine.irqs_off = false;
		stub_take_interrupts(&world->machine);
		stub_enter(vcpu);
		assert_int_equal(vcpu->pmis, ++pmis);
		stub_exit(vcpu);
		unit_wrmsr(vcpu, map->counter, LAST);
		stub_guest_mask_lvtpc(vcpu, false);
	}
	close_plain(world);
}

/* The host has overflowed, too, by the time it comes; the guest's bit is there before. */
static void both_at_once(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain_from(world, 1, LAST);
	overflow(vcpu, 1);
	unit_wrmsr(vcpu, map->counter, LAST);
	stub_guest_mask_lvtpc(vcpu, false);
	exit_before_nmi(world, map);
	stub_pmu_run(&vcpu->cpu->pmu, WORK(0x20));
	take_late_nmi(world, false);
	assert_int_equal(vcpu->cpu->perf.samples, 1);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
}

/* The guest's own access comes first: what overflowed did so before it. */
static void access_before_nmi(struct unit_world *world, const struct map *map, u32 msr, u64 value)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 1);
	exit_before_nmi(world, map);
	assert_int_equal(mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value), MPMU_DONE);
	take_late_nmi(world, true);
	close_plain(world);
}

static void late_clear(struct unit_world *world, const struct map *map)
{
	access_before_nmi(world, map, map->status_clear, 1);
	assert_int_equal(unit_rdmsr(&world->vcpu, map->status), 0);
}

static void late_selector(struct unit_world *world, const struct map *map)
{
	access_before_nmi(world, map, map->eventsel, COUNTS & ~STUB_EVENTSEL_INT);
	assert_int_equal(unit_rdmsr(&world->vcpu, map->status), 1);
}

static void late_fixed_ctrl(void)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");

	count(&world, &intel, 0);
	unit_wrmsr(vcpu, intel.global_ctrl, 1ull << 32);
	unit_wrmsr(vcpu, 0x309, LAST);
	unit_wrmsr(vcpu, 0x38d, 0xb);
	plain(&world, 1);
	exit_before_nmi(&world, &intel);
	assert_int_equal(mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, 0x38d, 3), MPMU_DONE);
	take_late_nmi(&world, true);
	close_plain(&world);
}

/* A guest that cannot clear a bit, beside a host that overflows as often. */
static void without_status(const char *host, const char *model, const struct map *map)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, host, model);
	u32 i;

	count(&world, map, LAST);
	plain_from(&world, 1, LAST);
	for (i = 0; i < 3; i++) {
		unit_wrmsr(vcpu, map->counter, LAST);
		stub_guest_mask_lvtpc(vcpu, false);
		exit_before_nmi(&world, map);
		if (!i)
			stub_pmu_run(&vcpu->cpu->pmu, WORK(0x20));
		take_late_nmi(&world, false);
	}
	assert_int_equal(vcpu->mpmu.global_status, 0);
}

static void models_without_status(void)
{
	without_status("intel-v5-8-4", "intel-v1-fw", &intel);
	without_status("amd-v2", "amd-core6", &amd);
}

/* A status bit of the host is not the guest's to save, to clear or to see. */
static void status_of_the_host(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 1);
	stub_enter(vcpu);
	stub_exit(vcpu);
	vcpu->cpu->pmu.status |= 2;
	world->machine.irqs_off = true;
	mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	world->machine.irqs_off = false;
	assert_int_equal(vcpu->cpu->pmu.status, 2);
	assert_int_equal(vcpu->mpmu.global_status, 0);
	stub_enter(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 0);
	assert_int_equal(vcpu->cpu->pmu.status, 2);
	vcpu->cpu->pmu.status = 0;
	close_plain(world);
}

/* No interrupt without INT; setting that later makes an old bit no news. */
static void silent_bits(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 1);
	unit_wrmsr(vcpu, map->eventsel, COUNTS & ~STUB_EVENTSEL_INT);
	stub_guest_run(vcpu, WORK(0x20));
	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 0);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 1);
	unit_wrmsr(vcpu, map->status_set, 3);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 0);
	assert_int_equal(unit_rdmsr(vcpu, map->status), 3);
	close_plain(world);
}

/* The host's event has overflowed as the guest wants its counter. */
static void refuses(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 0);
	stub_exit(vcpu);
	world->machine.irqs_off = true;
	vcpu->cpu->pmu.status |= 1;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_int_equal(vcpu->cpu->mpmu.displaced, 0);
	assert_int_equal(vcpu->cpu->refusals, 1);
	vcpu->cpu->pmu.status &= ~1ull;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), 0);
	assert_int_equal(vcpu->cpu->mpmu.displaced, 1);
	/* The host takes all back before the exit: nothing is left to do then. */
	vcpu->cpu->reclaiming = false;
	mpmu_evict(&vcpu->cpu->mpmu, &vcpu->mpmu);
	assert_int_equal(vcpu->cpu->mpmu.displaced, 0);
	mpmu_exit(&vcpu->cpu->mpmu, &vcpu->mpmu);
	world->machine.irqs_off = false;
	close_plain(world);
}

/* The others, that are not plain, are displaced by then, and come back. */
static void refuses_beside_others(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	plain(world, 0);
	host_event(world, true);
	stub_enter(vcpu);
	stub_exit(vcpu);
	world->machine.irqs_off = true;
	vcpu->cpu->pmu.status |= 1;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_false(vcpu->cpu->perf.displaced);
	assert_int_equal(vcpu->cpu->mpmu.displaced, 0);
	vcpu->cpu->pmu.status &= ~1ull;
	world->machine.irqs_off = false;
	host_event(world, false);
	close_plain(world);
}

/* A vCPU finds other counters lent than where it was, or none. */
static void moves_to_another_cpu(struct unit_world *world, const struct map *map)
{
	struct stub_cpu *cpus = world->machine.cpus;
	struct stub_vcpu *vcpu = count(world, map, 0);
	u32 i;

	unit_wrmsr(vcpu, map->global_ctrl, 5);
	plain(world, 1);
	for (i = 0; i < 4; i++) {
		stub_guest_run(vcpu, WORK(3));
		assert_int_equal(mpmu_rdpmc_intercepted(&vcpu->mpmu), !(i & 1));
		assert_int_equal(unit_rdmsr(vcpu, map->global_ctrl), 5);
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &cpus[!(i & 1)]);
	}
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 12);
	close_plain(world);
}

/* RESET while counters are lent, and the first use after it. */
static void resets(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 9);

	plain(world, 0);
	stub_guest_run(vcpu, WORK(3));
	stub_vcpu_reset(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 0);
	close_plain(world);
	count(world, map, 4);
	assert_int_equal(vcpu->vmcs_host_global_ctrl, 0);
	stub_guest_run(vcpu, WORK(3));
	assert_int_equal(unit_rdmsr(vcpu, map->counter), 7);
}

/* Bits that the machine lacks mean nothing; the same set again, neither. */
static void odd_sets(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, 0);

	stub_exit(vcpu);
	world->machine.irqs_off = true;
	mpmu_share(&vcpu->cpu->mpmu, 1ull << 31 | 1ull << 63);
	world->machine.irqs_off = false;
	assert_int_equal(accesses_of(vcpu, 10), 0);
	assert_int_equal(vcpu->mpmu.lent, 0);
	world->machine.irqs_off = true;
	/* The vCPU owns the PMU, and nothing is lent: no NMI is the guest's. */
	assert_false(mpmu_nmi(&vcpu->cpu->mpmu));
	mpmu_share(&vcpu->cpu->mpmu, 1ull << 31 | 1ull << 63);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	mpmu_share(&vcpu->cpu->mpmu, 0);
	assert_false(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	assert_false(mpmu_nmi(&vcpu->cpu->mpmu));
	/* Metrics go with slots, and not without. */
	mpmu_share(&vcpu->cpu->mpmu, STUB_METRICS_BIT | 1);
	assert_int_equal(vcpu->cpu->mpmu.lent, 1);
	mpmu_share(&vcpu->cpu->mpmu, 0);
	world->machine.irqs_off = false;
}

/* PT, or whoever else wants LVTPC: it is the host's already. */
static void drains_nothing(struct unit_world *world, const struct map *map)
{
	struct stub_vcpu *vcpu = count(world, map, LAST);

	plain(world, 1);
	exit_before_nmi(world, map);
	mpmu_drain(&vcpu->cpu->mpmu);
	assert_int_equal(vcpu->cpu->polls, 0);
	take_late_nmi(world, false);
	close_plain(world);
}

/* A counter beyond the model of the guest, under policy direct, too. */
static void beyond_the_model(void)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-3");
	u64 value;

	stub_vcpu_set_flags(vcpu, MPMU_VCPU_DIRECT, 0);
	count(&world, &intel, 0);
	assert_false(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	plain_from(&world, STUB_SLOTS, 0x777);
	stub_enter(vcpu);
	assert_true(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	assert_false(stub_guest_rdpmc(vcpu, 1u << 30 | 3, &value));
	assert_int_equal(accesses_of(vcpu, 10), 0);
	close_plain(&world);
	stub_enter(vcpu);
	assert_false(mpmu_rdpmc_intercepted(&vcpu->mpmu));
	assert_true(stub_guest_rdpmc(vcpu, 1u << 30 | 3, &value));
	assert_int_equal(value, 0);
}

/* One register controls all fixed counters, of both sides. */
static void fixed_counters(void)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "intel-spr", "intel-spr");

	unit_wrmsr(vcpu, 0x38d, 0x3003);
	unit_wrmsr(vcpu, 0x38f, 1ull << 35 | 1ull << 32 | STUB_METRICS_BIT);
	plain(&world, MPMU_FIXED_BASE + 1);
	assert_int_equal(accesses_of(vcpu, 10), 0);
	assert_int_equal(vcpu->cpu->pmu.fixed_ctrl.value, 0x30b3);
	unit_wrmsr(vcpu, 0x38d, 0x3000);
	stub_enter(vcpu);
	assert_int_equal(vcpu->cpu->pmu.fixed_ctrl.value, 0x30b0);
	assert_int_equal(unit_rdmsr(vcpu, 0x38d), 0x3000);
	close_plain(&world);
	/* PERF_METRICS goes with slots. */
	plain(&world, STUB_SLOTS);
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, 0x329), MPMU_READ | MPMU_WRITE);
	assert_int_equal(vcpu->cpu->mpmu.displaced, 1ull << 35 | STUB_METRICS_BIT);
	stub_guest_run(vcpu, &(struct stub_work){.instructions = 3, .cycles = 5});
	assert_int_equal(unit_rdmsr(vcpu, 0x329) & 0xff, 13);
	assert_int_equal(vcpu->cpu->pmu.metrics.value, 0);
	close_plain(&world);
	stub_check_invariants(vcpu);
}

/* What the machine here says of a host that does not keep to the rules. */
static void negative(u32 pmc, void (*wrong)(struct unit_world *world), const char *fault)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");

	count(&world, &intel, 0);
	plain(&world, pmc);
	stub_enter(vcpu);
	unit_allow_faults();
	wrong(&world);
	unit_expect_fault(fault);
}

static void make_rdpmc_direct(struct unit_world *world)
{
	world->vcpu.rdpmc_direct = true;
	stub_check_invariants(&world->vcpu);
}

static void make_counter_direct(struct unit_world *world)
{
	stub_set_intercept(&world->vcpu, 0x4c2, MPMU_READ, false);
	stub_check_invariants(&world->vcpu);
}

static void make_status_direct(struct unit_world *world)
{
	stub_set_intercept(&world->vcpu, 0x38e, MPMU_READ, false);
	stub_check_invariants(&world->vcpu);
}

static void start_hosts(struct unit_world *world)
{
	world->vcpu.cpu->pmu.global_ctrl.value |= 2;
	stub_pmu_run(&world->vcpu.cpu->pmu, WORK(1));
}

static void write_hosts(struct unit_world *world)
{
	stub_pmu_wrmsr_strict(&world->vcpu.cpu->pmu, 0x4c2, 1);
}

static void leave_in_hosts(struct unit_world *world)
{
	world->vcpu.cpu->pmu.gp[1] = (struct stub_reg){1, STUB_OF_GUEST};
	stub_check_invariants(&world->vcpu);
}

static void negatives(void)
{
	negative(1, make_rdpmc_direct, "RDPMC reads counters of the host");
	negative(1, make_counter_direct, "MSR 0x4c2 is direct, and the host's");
	negative(1, make_status_direct, "MSR 0x38e is direct, and the host's");
	negative(1, start_hosts, "of the host counts in guest mode");
	negative(1, write_hosts, "of what is lent to the host");
	negative(1, leave_in_hosts, "a value of a guest is in a counter of the host");
}

static const struct row rows[] = {
	BOTH("E6 a plain event on another counter costs nothing", costs_nothing),
	BOTH("E6 an event that is not plain is displaced beside it", displaces_the_rest),
	BOTH("E6 one counter for both is swapped alone", swaps_one),
	BOTH("E6 a counter that the guest stops is not swapped", settles_again),
	BOTH("E6 an event that moves out of the way", moves),
	BOTH("E6 accesses that reach the host's counters exit", intercepts),
	BOTH("E6 GLOBAL_CTRL of the guest is whole", keeps_global_ctrl),
	BOTH("E6 overflows of both sides", interrupts_the_guest),
	BOTH("E6 overflows of a counter of both", interrupts_the_guest_swapped),
	BOTH("E6 an NMI after the swap", late_swapped),
	BOTH("E6 an NMI after the put", late_put),
	BOTH("E6 an NMI after the put, of a bit that was cleared", late_put_again),
	BOTH("E6 an NMI after each access of a put", late_anywhere),
	BOTH("E6 an NMI for both", both_at_once),
	BOTH("E6 an NMI after the guest has cleared the bit", late_clear),
	BOTH("E6 an NMI after the guest has changed the selector", late_selector),
	BOTH("E6 status bits of the host", status_of_the_host),
	BOTH("E6 bits without an interrupt", silent_bits),
	BOTH("E6 an overflow of the host refuses the swap", refuses),
	BOTH("E6 and leaves no event displaced", refuses_beside_others),
	BOTH("E6 other counters on another CPU", moves_to_another_cpu),
	BOTH("E6 RESET while counters are lent", resets),
	BOTH("E6 sets with bits that are no counter", odd_sets),
	BOTH("E6 no wait for a guest's interrupt", drains_nothing),
};

static const struct unit_case cases[] = {
	{"a counter beyond the model", beyond_the_model},
	{"fixed counters and metrics", fixed_counters},
	{"an NMI after the guest has changed FIXED_CTR_CTRL", late_fixed_ctrl},
	{"overflows of models without status registers", models_without_status},
	{"what is wrong is found", negatives},
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_CASES(cases);
	return unit_run("sharing by counter");
}
