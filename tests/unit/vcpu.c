// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* vcpu.c: the machine, and the life of a vCPU. */
#include "../lib/one.h"

#define INTEL "intel-v5-8-4"
#define AMD   "amd-v2"

struct op_row {
	const char *id;
	size_t offset;
};

static const struct op_row ops[] = {
#define MPMU_OP(ret, name, args) {"no slot is optional: " #name, offsetof(struct mpmu_ops, name)},
#include <mpmu/ops.def>
#undef MPMU_OP
};

static void check_op(void **state)
{
	const struct op_row *row = *state;
	struct mpmu_ops table = stub_ops;
	struct mpmu_host host = {0};

	assert_int_equal(mpmu_host_init(&host, &table, unit_caps(INTEL)), 0);
	memset(&host, 0, sizeof(host));
	memset((char *)&table + row->offset, 0, sizeof(void (*)(void)));
	assert_int_equal(mpmu_host_init(&host, &table, unit_caps(INTEL)), -EINVAL);
	assert_null(host.ops);
}

struct host_row {
	const char *id;
	const char *model;
	int result;
};

static const struct host_row hosts[] = {
	{"B2 Intel version 1", "intel-v1", -EOPNOTSUPP},
	{"B2 Intel version 2", "intel-v2", -EOPNOTSUPP},
	{"B2 Intel version 4", "intel-v4", 0},
	{"B2 Intel version 5", "intel-v5-8-4", 0},
	{"B3 K7", "amd-k7", -EOPNOTSUPP},
	{"B3 core extension", "amd-core6", -EOPNOTSUPP},
	{"B3 PerfMonV2", "amd-v2", 0},
};

static void check_host(void **state)
{
	const struct host_row *row = *state;
	struct mpmu_host host = {0};

	assert_int_equal(mpmu_host_init(&host, &stub_ops, unit_caps(row->model)), row->result);
	assert_int_equal(host.ops != NULL, !row->result);
}

/* Host-Only and Guest-Only of a guest that is a hypervisor. */
struct mode_row {
	const char *id;
	u64 bits;
	u32 flags;
	bool counts;
};

#define GO   STUB_EVENTSEL_GUEST_ONLY
#define HO   STUB_EVENTSEL_HOST_ONLY
#define SVME MPMU_VCPU_SVME
#define L2   MPMU_VCPU_GUEST_MODE

static const struct mode_row modes[] = {
	{"D9 none, no SVME", 0, 0, true},           {"D9 none, L1", 0, SVME, true},
	{"D9 none, L2", 0, SVME | L2, true},        {"D9 Host-Only, no SVME", HO, 0, false},
	{"D9 Host-Only, L1", HO, SVME, true},       {"D9 Host-Only, L2", HO, SVME | L2, false},
	{"D9 Guest-Only, no SVME", GO, 0, false},   {"D9 Guest-Only, L1", GO, SVME, false},
	{"D9 Guest-Only, L2", GO, SVME | L2, true}, {"D9 both, no SVME", GO | HO, 0, false},
	{"D9 both, L1", GO | HO, SVME, true},       {"D9 both, L2", GO | HO, SVME | L2, true},
};

static u64 counted(struct stub_vcpu *vcpu)
{
	struct stub_work work = {.instructions = 10};
	u64 before, after;

	assert_true(stub_guest_rdmsr(vcpu, 0xc0010201, &before));
	stub_guest_run(vcpu, &work);
	stub_check_invariants(vcpu);
	assert_true(stub_guest_rdmsr(vcpu, 0xc0010201, &after));
	return after - before;
}

/* The flags come after the selector, and before it. */
static void check_mode(void **state)
{
	const struct mode_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, AMD, AMD);

	assert_true(stub_guest_wrmsr(vcpu, 0xc0010200, 0x5300c0 | row->bits));
	stub_vcpu_set_flags(vcpu, row->flags, 0);
	assert_int_equal(counted(vcpu), row->counts ? 10 : 0);
	stub_vcpu_set_flags(vcpu, 0, SVME | L2);
	assert_int_equal(counted(vcpu), row->bits ? 0 : 10);
	stub_vcpu_set_flags(vcpu, row->flags, 0);
	assert_true(stub_guest_wrmsr(vcpu, 0xc0010200, 0));
	assert_true(stub_guest_wrmsr(vcpu, 0xc0010200, 0x5300c0 | row->bits));
	assert_int_equal(counted(vcpu), row->counts ? 10 : 0);
	stub_exit(vcpu);
}

struct row {
	const char *id;
	void (*run)(struct unit_world *world, bool intel);
	const char *model;
};

static u32 eventsel(bool intel)
{
	return intel ? 0x186 : 0xc0010200;
}

static u32 counter(bool intel)
{
	return intel ? 0x4c1 : 0xc0010201;
}

static void use_pmu(struct stub_vcpu *vcpu, bool intel)
{
	struct stub_work work = {.instructions = 0x20};

	unit_wrmsr(vcpu, counter(intel), 0xfffffffffff0);
	unit_wrmsr(vcpu, eventsel(intel), 0x4300c0);
	stub_guest_run(vcpu, &work);
}

static void check_reset_values(struct stub_vcpu *vcpu, bool intel)
{
	assert_false(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
	assert_int_equal(unit_rdmsr(vcpu, eventsel(intel)), 0);
	assert_int_equal(unit_rdmsr(vcpu, intel ? 0x38e : 0xc0000300), 0);
	assert_int_equal(unit_rdmsr(vcpu, intel ? 0x38f : 0xc0000301), intel ? 0xff : 0x3f);
	assert_int_equal(unit_rdmsr(vcpu, counter(intel)), 0);
	if (intel)
		assert_int_equal(unit_rdmsr(vcpu, 0x38d), 0);
}

static void reset_of_owner(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	use_pmu(vcpu, intel);
	if (intel)
		unit_wrmsr(vcpu, 0x38d, 0x33);
	stub_enter(vcpu);
	stub_exit(vcpu);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	stub_vcpu_reset(vcpu);
	stub_check_invariants(vcpu);
	check_reset_values(vcpu, intel);
}

static void reset_of_saved(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	use_pmu(vcpu, intel);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[1]);
	stub_vcpu_reset(vcpu);
	check_reset_values(vcpu, intel);
}

static void enter_and_put(struct stub_vcpu *vcpu)
{
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
}

/* Eight puts, not seven, until a PMU without an enabled PMC is closed. */
static void expect_closing(struct stub_vcpu *vcpu)
{
	u32 i;

	for (i = 0; i < 8; i++) {
		assert_true(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
		enter_and_put(vcpu);
	}
	assert_false(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
}

/* No enabled PMC for eight puts: closed again, and the values are there. */
static void idle_closes(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	use_pmu(vcpu, intel);
	unit_wrmsr(vcpu, intel ? 0x38f : 0xc0000301, 5);
	unit_wrmsr(vcpu, eventsel(intel), 0);
	expect_closing(vcpu);
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, counter(intel)), MPMU_READ | MPMU_WRITE);
	stub_exit(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, intel ? 0x38f : 0xc0000301), 5);
	assert_int_equal(unit_rdmsr(vcpu, counter(intel)), 0x10);
}

/* Each use starts the count of idle puts anew. */
static void idle_again(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	unit_rdmsr(vcpu, counter(intel));
	expect_closing(vcpu);
	unit_rdmsr(vcpu, counter(intel));
	expect_closing(vcpu);
}

static void count_between(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u32 i;

	unit_rdmsr(vcpu, counter(intel));
	for (i = 0; i < 7; i++)
		enter_and_put(vcpu);
	unit_wrmsr(vcpu, eventsel(intel), 0x4300c0);
	enter_and_put(vcpu);
	unit_wrmsr(vcpu, eventsel(intel), 0);
	expect_closing(vcpu);
}

/* An event that the filter denies is no use of the PMU. */
static void denied_is_idle(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	struct mpmu_filter filter;
	struct mpmu_filter_spec spec = {.action = MPMU_FILTER_ALLOW};

	assert_int_equal(mpmu_filter_compile(&filter, vcpu->mpmu.caps.vendor, &spec), 0);
	stub_vcpu_set_filter(vcpu, &filter);
	unit_wrmsr(vcpu, eventsel(intel), 0x4300c0);
	expect_closing(vcpu);
	stub_vcpu_set_filter(vcpu, NULL);
	stub_enter(vcpu);
	stub_exit(vcpu);
}

static void counting_stays_open(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u32 i;

	use_pmu(vcpu, intel);
	for (i = 0; i < 20; i++) {
		stub_enter(vcpu);
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	}
	assert_true(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
}

/* Puts of a vCPU that did not enter in between are not switches. */
static void puts_without_entry(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u32 i;

	use_pmu(vcpu, intel);
	unit_wrmsr(vcpu, eventsel(intel), 0);
	stub_enter(vcpu);
	for (i = 0; i < 20; i++) {
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	}
	assert_true(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
}

/* Programming without enabling is no use; enabling is. */
static void what_touches(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	unit_wrmsr(vcpu, eventsel(intel), 0x1300c0);
	unit_rdmsr(vcpu, eventsel(intel));
	unit_rdmsr(vcpu, intel ? 0x38f : 0xc0000301);
	stub_enter(vcpu);
	assert_false(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
	assert_null(vcpu->cpu->mpmu.owner);
	unit_wrmsr(vcpu, eventsel(intel), 0x5300c0);
	stub_enter(vcpu);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
	stub_exit(vcpu);
}

/* The owner of the VM restores a counting PMU: it counts at once. */
static void restored_counts(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	struct stub_work work = {.instructions = 7};

	assert_int_equal(stub_host_wrmsr(vcpu, counter(intel), 5), MPMU_DONE);
	assert_int_equal(stub_host_wrmsr(vcpu, eventsel(intel), 0x5300c0), MPMU_DONE);
	assert_false(vcpu->mpmu.flags & MPMU_VCPU_TOUCHED);
	stub_enter(vcpu);
	stub_guest_run(vcpu, &work);
	assert_int_equal(unit_rdmsr(vcpu, counter(intel)), 12);
	stub_exit(vcpu);
}

/* Configuring again: nothing of the model before is left. */
static void reconfigured(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	struct mpmu_caps smaller = *unit_caps(intel ? "intel-v2-fw" : "amd-k7");

	use_pmu(vcpu, intel);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	world->machine.irqs_off = true;
	mpmu_vcpu_configure(&vcpu->mpmu, &smaller);
	world->machine.irqs_off = false;
	assert_false(mpmu_msr_exists(&vcpu->mpmu, intel ? 0x391 : 0xc0010201));
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, counter(intel)), MPMU_READ | MPMU_WRITE);
	stub_exit(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, intel ? 0xc1 : 0xc0010004), 0);
	stub_check_invariants(vcpu);
}

/* No model at all: nothing is a PMU register, and entering costs nothing. */
static void no_pmu(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	struct mpmu_caps none = {0};
	u64 value;

	world->machine.irqs_off = true;
	mpmu_vcpu_configure(&vcpu->mpmu, &none);
	world->machine.irqs_off = false;
	assert_false(stub_guest_rdmsr(vcpu, counter(intel), &value));
	assert_false(stub_guest_wrmsr(vcpu, eventsel(intel), 0x5300c0));
	assert_false(stub_guest_rdpmc(vcpu, 0, &value));
	stub_guest_emulated(vcpu, true, 0);
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	assert_int_equal(world->machine.cpus[0].reads + world->machine.cpus[0].writes, 0);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
}

/* Plain data: a copy elsewhere is the vCPU. */
static void copied(struct unit_world *world, bool intel)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	static struct stub_vcpu copy;

	use_pmu(vcpu, intel);
	stub_vcpu_put(vcpu);
	mpmu_cpu_forget_vcpu(&vcpu->cpu->mpmu, &vcpu->mpmu);
	copy = *vcpu;
	memset(vcpu, 0x5a, sizeof(*vcpu));
	stub_vcpu_load(&copy, &world->machine.cpus[1]);
	assert_int_equal(unit_rdmsr(&copy, counter(intel)), 0x10);
	assert_int_equal(unit_rdmsr(&copy, intel ? 0x38e : 0xc0000300), 1);
	stub_vcpu_put(&copy);
	*vcpu = copy;
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
}

#define BOTH(id, run)                 \
	{id " (Intel)", run, INTEL},  \
	{                             \
		id " (AMD)", run, AMD \
	}

static const struct row rows[] = {
	BOTH("D10 reset of an owner", reset_of_owner),
	BOTH("D10 reset of a vCPU that owns nothing", reset_of_saved),
	BOTH("C idle for eight puts: intercepted again", idle_closes),
	BOTH("C idle, used, idle again", idle_again),
	BOTH("C counting in between starts anew", count_between),
	BOTH("C a denied event is idle", denied_is_idle),
	BOTH("C counting: stays direct", counting_stays_open),
	BOTH("C puts without an entry do not close", puts_without_entry),
	BOTH("C what touches", what_touches),
	BOTH("D7 restored by the host: counts", restored_counts),
	BOTH("B7 another model", reconfigured),
	BOTH("B7 no model", no_pmu),
	BOTH("D7 a vCPU is plain data", copied),
};

static void check_row(void **state)
{
	const struct row *row = *state;
	struct unit_world world;

	unit_world_init(&world, row->model, row->model);
	row->run(&world, row->model[0] == 'i');
	stub_check_round_trip(&world.vcpu);
	stub_check_invariants(&world.vcpu);
}

/* One without a model is of its host's vendor. */
static void vendor_of_none(void)
{
	struct mpmu_vcpu vcpu;
	struct mpmu_stats stats;

	unit_world_init(&one, "amd-v2", "amd-v2");
	mpmu_vcpu_init(&vcpu, &one.machine.host, &stats);
	assert_int_equal(vcpu.caps.vendor, MPMU_VENDOR_AMD);
}

/* No flag comes with another one that goes. */
static void flags(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_rdmsr(0xc1);
	one_put(1);
	assert_int_equal(one.vcpu.mpmu.flags, MPMU_VCPU_TOUCHED);
	one_put(IDLE_PUTS - 1);
	assert_int_equal(one.vcpu.mpmu.flags, 0);
}

/* Interrupts go on to the one that is not forgotten. */
static void another_forgotten(void)
{
	static const struct mpmu_vcpu other;
	const struct mpmu_cpu *cpu = &one.machine.cpus[0].mpmu;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&one.vcpu);
	stub_exit(&one.vcpu);
	mpmu_cpu_forget_vcpu(&one.machine.cpus[0].mpmu, &other);
	assert_true(cpu->owner == &one.vcpu.mpmu && cpu->pmi_target == &one.vcpu.mpmu);
}

static void no_table(void)
{
	struct mpmu_host host;

	assert_int_equal(mpmu_host_init(&host, NULL, unit_caps("amd-v2")), -EINVAL);
}

static const struct unit_case cases_of_one[] = {
	{"B2 no table of operations", no_table},
	{"a vCPU without a model has a vendor", vendor_of_none},
	{"flags after a put and after the last idle one", flags},
	{"another vCPU is forgotten", another_forgotten},
};

int main(void)
{
	UNIT_TABLE(ops, check_op);
	UNIT_TABLE(hosts, check_host);
	UNIT_TABLE(modes, check_mode);
	UNIT_TABLE(rows, check_row);
	UNIT_CASES(cases_of_one);
	return unit_run("vcpu");
}
