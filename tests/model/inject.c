// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Invariant 6 at every point: each scenario runs once to count the points at
 * which something may come in between, then once per point and disturbance;
 * with MPMU_TIER=full, once per two of them.
 *
 * MPMU_CASE=SCENARIO:DISTURBANCE:POINT:DISTURBANCE:POINT runs one of them.
 */
#include "twin.h"

#define LAST48  0xffffffffffffull
#define MAX_OPS 24

struct scenario {
	const char *name;
	const char *host;
	const char *guest;
	/* Of the vCPU: policy direct. */
	u32 flags;
	struct op ops[MAX_OPS];
};

#define RD(msr)                                \
	{                                      \
		.kind = OP_RDMSR, .reg = (msr) \
	}
#define WR(msr, v)                                           \
	{                                                    \
		.kind = OP_WRMSR, .reg = (msr), .value = (v) \
	}
#define PMC(ecx)                               \
	{                                      \
		.kind = OP_RDPMC, .reg = (ecx) \
	}
#define RUN(n, level)                        \
	{                                    \
		.kind = OP_RUN, .work = {    \
			.instructions = (n), \
			.branches = (n) / 4, \
			.cycles = (n),       \
			.cpl = (level)       \
		}                            \
	}
#define EMULATED(branch, level)                                                   \
	{                                                                         \
		.kind = OP_EMULATED, .value = (branch), .work = {.cpl = (level) } \
	}
#define UNMASK                               \
	{                                    \
		.kind = OP_LVTPC, .value = 0 \
	}
#define FILTER(n)                               \
	{                                       \
		.kind = OP_FILTER, .value = (n) \
	}
#define MODE(n)                               \
	{                                     \
		.kind = OP_MODE, .value = (n) \
	}
#define RESET                    \
	{                        \
		.kind = OP_RESET \
	}

static const struct scenario scenarios[] = {
	{"sampling",
	 "intel-v5-8-4",
	 "intel-v5-8-4",
	 0,
	 {UNMASK, WR(0x4c1, LAST48 - 9), WR(0x186, 0x5300c0), RUN(5, 0), RUN(5, 3), RD(0x38e),
	  WR(0x390, 1), WR(0x4c1, LAST48 - 3), UNMASK, RUN(3, 0), EMULATED(1, 0), EMULATED(0, 0),
	  RD(0x38e), PMC(0), RD(0x38f), WR(0x38f, 0), RUN(9, 0), PMC(0)}},
	{"fixed counters, 3 of 4",
	 "intel-v5-8-4",
	 "intel-v5-8-3",
	 0,
	 {UNMASK, WR(0x38d, 0xb3b), WR(0x38f, 7ull << 32), WR(0x309, LAST48 - 4), RUN(4, 3),
	  EMULATED(1, 3), RD(0x38e), RUN(7, 0), PMC(0x40000000), PMC(0x40000001), WR(0x38d, 0x303),
	  RUN(4, 0), PMC(0x40000001), RD(0x30b), WR(0x390, 1ull << 32), RD(0x38e), RD(0x392)}},
	{"filter",
	 "intel-v5-8-3",
	 "intel-v4",
	 0,
	 {WR(0x186, 0x4300c0),
	  WR(0x187, 0x4300c4),
	  WR(0x38d, 3),
	  WR(0x38f, 1ull << 32 | 3),
	  RUN(8, 0),
	  FILTER(1),
	  RUN(8, 0),
	  EMULATED(1, 0),
	  PMC(0),
	  PMC(1),
	  FILTER(2),
	  RUN(8, 0),
	  EMULATED(1, 0),
	  PMC(0),
	  PMC(1),
	  PMC(0x40000000),
	  FILTER(0),
	  RUN(8, 0),
	  PMC(0),
	  PMC(1),
	  RD(0x186)}},
	{"version 1",
	 "intel-v5-8-4",
	 "intel-v1-fw",
	 0,
	 {UNMASK, WR(0xc1, 0xfffffff8), WR(0x186, 0x5300c0), RUN(9, 0), RD(0xc1), UNMASK,
	  WR(0x4c1, LAST48), EMULATED(0, 0), RD(0xc1), WR(0x186, 0), RUN(5, 0), RD(0xc1),
	  RD(0x38f)}},
	{"status by software",
	 "intel-v4",
	 "intel-v4",
	 0,
	 {WR(0x391, 5), RD(0x38e), PMC(0), WR(0x391, 1ull << 33), RD(0x38e), WR(0x390, 4),
	  RD(0x38e), WR(0x38e, 0), RD(0x38e), RUN(3, 0), RD(0x38e), RESET, RD(0x38e), RD(0x38f)}},
	{"metrics",
	 "intel-spr",
	 "intel-spr",
	 0,
	 {UNMASK, WR(0x30c, 0x100), WR(0x329, 0xf0), WR(0x38d, 0xb000), WR(0x38f, 1ull << 48 | 1ull << 35),
	  RUN(5, 0), PMC(0x20000000), RUN(20, 0), RD(0x38e), PMC(0x20000000), WR(0x390, 1ull << 48),
	  UNMASK, WR(0x38f, 1ull << 35), RUN(9, 0), PMC(0x20000000), WR(0x38f, 1ull << 48),
	  RUN(9, 3), PMC(0x20000000), WR(0x391, 1ull << 48), RD(0x38e), RESET, RD(0x329)}},
	{"metrics of four fields, a filter",
	 "intel-icx",
	 "intel-icx",
	 0,
	 {UNMASK, WR(0x30c, 0), WR(0x329, 0xfffefdfc), WR(0x38d, 0xb000),
	  WR(0x38f, 1ull << 48 | 1ull << 35), RUN(9, 3), RD(0x329), FILTER(4), RUN(9, 3), RD(0x329),
	  RD(0x38e), WR(0x390, 1ull << 48 | 1ull << 35), FILTER(0), WR(0x329, 1ull << 32), RUN(3, 0),
	  PMC(0x20000000), PMC(0x40000003), RD(0x30c)}},
	{"gaps, and metrics of the host alone",
	 "intel-metrics-holes",
	 "intel-v5-holes",
	 0,
	 {UNMASK, WR(0x30c, 0x100), WR(0x38d, 0xb00b), WR(0x38f, 9ull << 32), RUN(5, 0),
	  PMC(0x40000003), RD(0x329), PMC(0x20000000), WR(0x38f, 1ull << 48), WR(0x390, 1ull << 48),
	  RUN(5, 3), EMULATED(0, 0), PMC(0x40000000), PMC(0x40000002), RD(0x38e)}},
	{"policy direct",
	 "intel-spr",
	 "intel-v2-fw",
	 MPMU_VCPU_DIRECT,
	 {UNMASK, WR(0x4c1, LAST48 - 3), WR(0x186, 0x5300c0), WR(0x38f, 0xfull << 32 | 0xff | 1ull << 48),
	  RUN(5, 0), RD(0x38e), RD(0x38f), PMC(0x40000003), PMC(0x20000000), PMC(0), WR(0x38d, 0xb000),
	  WR(0x390, 8ull << 32 | 1), WR(0x38d, 0xbbb), RUN(5, 3), RD(0x38f), PMC(0x40000003),
	  PMC(0x40000004), PMC(0x40000002), WR(0x38f, 8ull << 32), RD(0x30c), RD(0x329), RD(0x38e)}},
	{"policy direct, with a consent (AMD)",
	 "amd-v2-nb",
	 "amd-v2-small",
	 MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC,
	 {UNMASK, WR(0xc0010201, LAST48 - 3), WR(0xc0010200, 0x5300c0), WR(0xc0000301, 0x3f),
	  RUN(5, 0), RD(0xc0000300), PMC(4), PMC(5), PMC(6), PMC(15), WR(0xc0000303, 0x3f),
	  RD(0xc0000300), WR(0xc0000302, 0x15), RD(0xc0000300), WR(0xc0010208, 0x5300c0),
	  EMULATED(0, 0), RD(0xc0000301), PMC(0), PMC(16)}},
	{"sampling (AMD)",
	 "amd-v2",
	 "amd-v2",
	 0,
	 {UNMASK, WR(0xc0010201, LAST48 - 9), WR(0xc0010200, 0x5300c0), RUN(5, 0), RUN(5, 3),
	  RD(0xc0000300), WR(0xc0000302, 1), WR(0xc0010004, LAST48 - 3), RUN(3, 0), EMULATED(1, 0),
	  EMULATED(0, 0), RD(0xc0000300), PMC(0), RD(0xc0000301), WR(0xc0000301, 0), RUN(9, 0),
	  PMC(0), WR(0xc0000303, 6), RD(0xc0000300)}},
	{"a guest's hypervisor (AMD)",
	 "amd-v2-nb",
	 "amd-v2",
	 0,
	 {WR(0xc0010200, 3ull << 40 | 0x4300c0), WR(0xc0010202, 1ull << 40 | 0x4300c0),
	  WR(0xc0010204, 2ull << 40 | 0x4300c0), RUN(5, 0), MODE(1), RUN(6, 0), EMULATED(0, 0),
	  MODE(2), RUN(7, 0), EMULATED(0, 3), MODE(1), RUN(3, 3), MODE(0), RUN(9, 0), PMC(0),
	  PMC(1), PMC(2), PMC(6), RD(0xc0010202)}},
	{"K7",
	 "amd-v2",
	 "amd-k7",
	 0,
	 {UNMASK, WR(0xc0010007, LAST48 - 2), WR(0xc0010003, 0x5300c2), RUN(12, 0), PMC(3),
	  RD(0xc0010207), WR(0xc0010003, 0x5300c0), RUN(2, 0), EMULATED(1, 0), PMC(3),
	  RD(0xc0000300)}},
};

/* Index of disturbances[], and when. */
struct injection {
	u32 which;
	u32 point;
};

struct world {
	struct injection injections[2];
	struct stub_machine machine;
	struct stub_vcpu vcpu;
	struct stub_vcpu other;
	struct twin twin;
	/* Points that went by. */
	u32 passed;
	bool inside;
};

static void nothing(struct world *world)
{
	(void)world;
}

static void reclaim(struct world *world)
{
	stub_perf_reclaim(&world->machine);
}

static void put(struct world *world)
{
	stub_vcpu_put(&world->vcpu);
	stub_vcpu_load(&world->vcpu, world->vcpu.cpu);
}

static void move(struct world *world)
{
	struct stub_cpu *cpus = world->machine.cpus;

	stub_vcpu_put(&world->vcpu);
	stub_vcpu_load(&world->vcpu, &cpus[world->vcpu.cpu == &cpus[0]]);
}

static void reclaim_and_move(struct world *world)
{
	reclaim(world);
	move(world);
}

static u64 host_event(const struct world *world)
{
	bool is_amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;

	return 0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_OS | STUB_EVENTSEL_INT |
	       (is_amd ? STUB_EVENTSEL_HOST_ONLY : 0);
}

/* It stays: from here on each entry displaces it. */
static void event_comes(struct world *world)
{
	struct stub_work work = {.instructions = 100};

	if (world->machine.here->perf.events[0].installed)
		return;
	stub_perf_install(&world->machine, 0, 0, host_event(world), 0);
	stub_perf_run(&world->machine, &work);
}

static void event_passes(struct world *world)
{
	event_comes(world);
	stub_perf_remove(&world->machine, 0);
}

/* The host counts slots, and metrics with them, and leaves both as they are. */
static void slots_pass(struct world *world)
{
	struct stub_work work = {.instructions = 100, .cycles = 100};

	if (!stub_has(world->machine.host.caps.counters, STUB_SLOTS) ||
	    world->machine.here->perf.displaced)
		return;
	stub_perf_install(&world->machine, 2, STUB_SLOTS, 0, 0);
	stub_perf_run(&world->machine, &work);
	stub_perf_remove(&world->machine, 2);
}

/* An event that stays while guests run, counts, and is one short of an overflow then. */
static void plain_comes(struct world *world, u32 pmc)
{
	struct stub_work work = {.instructions = 100, .cycles = 100};
	u64 width = stub_width(&world->machine.host.caps, pmc);

	if (!stub_has(world->machine.host.caps.counters, pmc) ||
	    world->machine.here->perf.displaced || world->machine.here->perf.events[3].installed)
		return;
	world->machine.shares = true;
	stub_perf_install(&world->machine, 3, pmc, host_event(world), stub_width_mask(width) - 200);
	stub_perf_run(&world->machine, &work);
	world->machine.shares = false;
}

/* On a counter that guests count with, too; on one that they do not use. */
static void plain_clashes(struct world *world)
{
	plain_comes(world, 0);
}

static void plain_clashes_fixed(struct world *world)
{
	plain_comes(world, MPMU_FIXED_BASE);
}

static void plain_clashes_slots(struct world *world)
{
	plain_comes(world, STUB_SLOTS);
}

static void plain_keeps_off(struct world *world)
{
	plain_comes(world, 3);
}

static void plain_passes(struct world *world)
{
	if (world->machine.here->perf.displaced || world->machine.here->perf.events[3].installed)
		return;
	plain_comes(world, 0);
	stub_perf_remove(&world->machine, 3);
}

/* It overflows, here and at each point to come. */
static void plain_overflows(struct world *world)
{
	struct stub_work work = {.instructions = 300};

	plain_comes(world, 0);
	stub_perf_run(&world->machine, &work);
}

/* Interrupts of the guest while its counters are shared come after the exit. */
static void late_nmi(struct world *world)
{
	plain_comes(world, 0);
	world->machine.here->late_nmi = true;
}

/* A host event overflows; its NMI is pending when the guest wants to enter. */
static void host_overflow(struct world *world)
{
	struct stub_work work = {.instructions = 100};

	if (world->machine.here->perf.events[1].installed)
		return;
	stub_perf_install(&world->machine, 1, 1, host_event(world),
			  stub_width_mask(world->machine.host.caps.gp_width) - 50);
	stub_perf_run(&world->machine, &work);
}

/* Another vCPU runs and counts here, and leaves overflows behind. */
static void other_runs(struct world *world)
{
	bool is_amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;
	struct stub_work work = {.instructions = 100, .branches = 100, .cycles = 100};

	stub_vcpu_put(&world->vcpu);
	stub_vcpu_load(&world->other, world->vcpu.cpu);
	stub_guest_wrmsr(&world->other, is_amd ? 0xc0010004 : 0x4c1, LAST48 - 50);
	stub_guest_wrmsr(&world->other, is_amd ? 0xc0010000 : 0x186, 0x5300c0);
	stub_guest_mask_lvtpc(&world->other, false);
	stub_guest_run(&world->other, &work);
	stub_vcpu_put(&world->other);
	stub_vcpu_load(&world->vcpu, world->vcpu.cpu);
}

static void copy(struct world *world)
{
	static struct mpmu_vcpu saved;
	u32 i;

	stub_vcpu_put(&world->vcpu);
	for (i = 0; i < STUB_CPUS; i++)
		mpmu_cpu_forget_vcpu(&world->machine.cpus[i].mpmu, &world->vcpu.mpmu);
	saved = world->vcpu.mpmu;
	memset(&world->vcpu.mpmu, 0x5a, sizeof(saved));
	world->vcpu.mpmu = saved;
	stub_vcpu_load(&world->vcpu, world->vcpu.cpu);
}

/* Suspend and resume. */
static void power_off(struct world *world)
{
	stub_vcpu_put(&world->vcpu);
	stub_cpu_reset(&world->machine, world->vcpu.cpu);
	stub_vcpu_load(&world->vcpu, world->vcpu.cpu);
}

/* From here on the guest's interrupts are slow. */
static void late(struct world *world)
{
	world->machine.here->late_pmi = true;
}

static const struct {
	const char *name;
	void (*run)(struct world *world);
} disturbances[] = {
	{"nothing", nothing},
	{"reclaim", reclaim},
	{"put", put},
	{"move", move},
	{"reclaim and move", reclaim_and_move},
	{"host event comes", event_comes},
	{"host event passes", event_passes},
	{"host counts slots", slots_pass},
	{"host overflow", host_overflow},
	{"other vCPU", other_runs},
	{"copy", copy},
	{"power off", power_off},
	{"late PMI", late},
	{"plain event on GP 0", plain_clashes},
	{"plain event on GP 3", plain_keeps_off},
	{"plain event on fixed 0", plain_clashes_fixed},
	{"plain event on slots", plain_clashes_slots},
	{"plain event passes", plain_passes},
	{"plain event overflows", plain_overflows},
	{"late NMI", late_nmi},
};

static void at_point(struct stub_machine *machine, void *data)
{
	struct world *world = data;
	u32 i, point;

	(void)machine;
	if (world->inside)
		return;
	world->inside = true;
	point = world->passed++;
	for (i = 0; i < 2; i++)
		if (world->injections[i].point == point)
			disturbances[world->injections[i].which].run(world);
	world->inside = false;
}

static struct {
	char name[120];
	u32 op;
} position;

static void say_position(const char *what)
{
	print_error("%s, operation %u\n", what, position.op);
	print_error("again: MPMU_CASE='%s' build/tests/model/inject.t\n", position.name);
	fail_msg("%s", what);
}

static void check_host_events(struct world *world)
{
	u32 i, slot;

	for (i = 0; i < STUB_CPUS; i++) {
		world->machine.here = &world->machine.cpus[i];
		for (slot = 0; slot < STUB_HOST_EVENTS; slot++) {
			struct stub_host_event *event = &world->machine.here->perf.events[slot];

			if (event->installed)
				stub_perf_remove(&world->machine, slot);
			if (event->count != event->truth)
				say_position("invariant 7: an event of the host counted wrong");
		}
	}
}

static void prepare(struct world *world, const struct scenario *scenario)
{
	memset(world, 0, sizeof(*world));
	assert_int_equal(stub_machine_init(&world->machine, unit_caps(scenario->host)), 0);
	stub_vcpu_init(&world->vcpu, &world->machine, unit_caps(scenario->guest));
	stub_vcpu_init(&world->other, &world->machine, unit_caps(scenario->guest));
	stub_vcpu_load(&world->vcpu, &world->machine.cpus[0]);
	stub_vcpu_set_flags(&world->vcpu, scenario->flags, 0);
	twin_init(&world->twin, &world->vcpu);
	world->machine.interruptible = at_point;
	world->machine.data = world;
}

static bool is_end(const struct op *op)
{
	static const struct op none;

	return !memcmp(op, &none, sizeof(none));
}

/* Returns how many points there are. */
static u32 run(const struct scenario *scenario, struct injection first, struct injection second)
{
	static struct world world;
	u32 i, points;

	snprintf(position.name, sizeof(position.name), "%s:%s:%u:%s:%u", scenario->name,
		 disturbances[first.which].name, first.point, disturbances[second.which].name,
		 second.point);
	if (getenv("MPMU_CASE") && first.which && strcmp(getenv("MPMU_CASE"), position.name))
		return 0;
	prepare(&world, scenario);
	world.injections[0] = first;
	world.injections[1] = second;
	for (i = 0; i < MAX_OPS && !is_end(&scenario->ops[i]); i++) {
		position.op = i;
		if (!twin_do(&world.twin, &scenario->ops[i]))
			say_position("invariant 6: mediated differs from native");
		stub_check_invariants(&world.vcpu);
	}
	points = world.passed;
	if (!twin_compare(&world.twin))
		say_position("invariant 6: registers differ in the end");
	stub_vcpu_put(&world.vcpu);
	check_host_events(&world);
	return points;
}

/* All that may follow @first, or nothing. */
static u32 run_seconds(const struct scenario *scenario, struct injection first, u32 points)
{
	struct injection second;
	u32 runs = 0;

	for (second.which = 1; second.which < ARRAY_SIZE(disturbances); second.which++)
		for (second.point = first.point; second.point < points; second.point++, runs++)
			run(scenario, first, second);
	return runs;
}

static void check_scenario(void **state)
{
	const struct scenario *scenario = *state;
	const struct injection none = {0};
	const char *tier = getenv("MPMU_TIER");
	bool pairs = getenv("MPMU_CASE") || (tier && !strcmp(tier, "full"));
	struct injection first;
	u32 points, runs = 0;

	stub_fault_hook = say_position;
	points = run(scenario, none, none);
	for (first.which = 1; first.which < ARRAY_SIZE(disturbances); first.which++) {
		for (first.point = 0; first.point < points; first.point++, runs++) {
			run(scenario, first, none);
			if (pairs)
				runs += run_seconds(scenario, first, points);
		}
	}
	print_message("# %s: %u points, %u runs\n", scenario->name, points, runs);
	assert_true(points > 10);
}

int main(void)
{
	UNIT_TABLE(scenarios, check_scenario);
	return unit_run("at every point");
}
