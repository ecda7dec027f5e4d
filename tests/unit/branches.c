// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Branches that no other test takes: what callers should not do, and do. */
#include "../lib/unit.h"

struct decode_row {
	const char *id;
	struct mpmu_cpuid leaves;
	int result;
	mpmu_pmcs counters;
};

#define INTEL(version, gp, width, edx) \
	.vendor = MPMU_VENDOR_INTEL, .leaf_0a = {(version) | (gp) << 8 | (width) << 16, 0, 0, edx}
#define AMD(ecx, ebx) \
	.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = (ecx), .leaf_80000022 = {1, ebx}

static const struct decode_row decodes[] = {
	{"A10 a version without counters is no PMU", {INTEL(5, 0, 48, 0)}, 0, 0},
	{"A10 fixed counters alone", {INTEL(5, 0, 0, 3 | 48 << 5)}, 0, FIXED(3)},
	{"A10 fixed counters of width 0", {INTEL(5, 4, 48, 3)}, -EINVAL, 0},
	{"A10 fixed counters of width 65", {INTEL(5, 4, 48, 3 | 65 << 5)}, -EINVAL, 0},
	{"A10 PerfMonV2 without counters", {AMD(1 << 23, 0)}, -EINVAL, 0},
	{"A10 PerfMonV2 without the core extension", {AMD(0, 6)}, -EINVAL, 0},
	{"A10 PerfMonV2 with 15 counters", {AMD(1 << 23, 15)}, 0, GP(15)},
};

static void check_decode(void **state)
{
	const struct decode_row *row = *state;
	struct mpmu_caps caps;

	memset(&caps, 0, sizeof(caps));
	assert_int_equal(mpmu_caps_decode(&caps, &row->leaves), row->result);
	assert_int_equal(caps.counters, row->counters);
}

struct plain_row {
	const char *id;
	void (*run)(void);
};

static void unknown_vendor(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4"), caps = host;
	struct mpmu_filter_spec spec = {0};
	struct mpmu_filter filter;

	host.vendor = 7;
	assert_string_equal(mpmu_caps_missing(&host), "a PMU");
	assert_int_equal(mpmu_filter_compile(&filter, (enum mpmu_vendor)7, &spec), -EINVAL);
	mpmu_caps_clamp(&caps, &host);
	assert_true(!caps.counters && caps.vendor == 7);
	caps = *unit_caps("intel-v5-8-4");
	mpmu_caps_offer(&caps, &host, MPMU_POLICY_FULL);
	assert_true(!caps.counters && caps.vendor == 7);
}

static void unknown_policy(void)
{
	struct mpmu_caps caps;

	mpmu_caps_offer(&caps, unit_caps("intel-v5-8-4"), (enum mpmu_policy)9);
	assert_int_equal(caps.counters, 0);
}

static void nothing_in_common(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");

	caps.version = 0;
	mpmu_caps_clamp(&caps, unit_caps("intel-v5-8-4"));
	assert_int_equal(caps.counters, 0);
	caps = *unit_caps("intel-v5-8-4");
	mpmu_caps_clamp(&caps, unit_caps("amd-v2"));
	assert_true(!caps.counters && caps.vendor == MPMU_VENDOR_AMD);
}

static void no_gp(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4");

	host.counters &= MPMU_FIXED_MASK;
	assert_string_equal(mpmu_caps_missing(&host), "a PMU");
}

static void no_table(void)
{
	struct mpmu_host host;

	assert_int_equal(mpmu_host_init(&host, NULL, unit_caps("amd-v2")), -EINVAL);
}

static const struct plain_row plains[] = {
	{"B2 unknown vendor: no PMU", unknown_vendor},
	{"B2 no general counters: no PMU", no_gp},
	{"B7 unknown policy: nothing is offered", unknown_policy},
	{"B7 a guest of another vendor, or version 0: no PMU", nothing_in_common},
	{"B2 no table of operations", no_table},
};

static void check_plain(void **state)
{
	((const struct plain_row *)*state)->run();
}

struct rdpmc_row {
	const char *id;
	const char *model;
	u8 gp_width;
	u8 fixed_width;
	bool intercepted;
};

static const struct rdpmc_row rdpmcs[] = {
	{"C RDPMC, same widths", "intel-v5-8-4", 48, 48, false},
	{"C RDPMC, narrower GP counters", "intel-v5-8-4", 40, 48, true},
	{"C RDPMC, narrower fixed counters", "intel-v5-8-4", 48, 40, true},
	{"C RDPMC, NB counters on the host", "amd-v2-nb", 48, 0, true},
};

static void check_rdpmc(void **state)
{
	const struct rdpmc_row *row = *state;
	struct mpmu_caps caps = *unit_caps(row->model);
	struct unit_world world;
	u64 value;

	unit_world_init(&world, row->model, row->model);
	caps.gp_width = row->gp_width;
	caps.fixed_width = row->fixed_width;
	stub_vcpu_init(&world.vcpu, &world.machine, &caps);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	assert_true(stub_guest_rdpmc(&world.vcpu, 0, &value));
	assert_int_equal(mpmu_rdpmc_intercepted(&world.vcpu.mpmu), row->intercepted);
}

struct world_row {
	const char *id;
	void (*run)(struct unit_world *world);
};

static void count(struct stub_vcpu *vcpu)
{
	assert_true(stub_guest_wrmsr(vcpu, 0x186, 0x5300c0));
	stub_enter(vcpu);
}

/* A late interrupt of the host, whose event is gone. */
static void refused_alone(struct unit_world *world)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	count(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, &world->machine.cpus[0]);
	vcpu->cpu->pmu.status = 2;
	world->machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu), -EAGAIN);
	assert_false(vcpu->cpu->mpmu.displaced || vcpu->cpu->mpmu.owner);
	vcpu->cpu->pmu.status = 0;
	world->machine.irqs_off = false;
}

static void forgotten_owner(struct unit_world *world)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	count(vcpu);
	stub_exit(vcpu);
	mpmu_cpu_forget_vcpu(&vcpu->cpu->mpmu, &vcpu->mpmu);
	assert_true(!vcpu->cpu->mpmu.owner && !vcpu->cpu->mpmu.pmi_target);
}

static void unknown_event(struct unit_world *world)
{
	struct stub_vcpu *vcpu = &world->vcpu;
	u64 value;

	count(vcpu);
	stub_exit(vcpu);
	world->machine.irqs_off = true;
	mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, (enum mpmu_event)5, 0);
	world->machine.irqs_off = false;
	assert_true(stub_guest_rdmsr(vcpu, 0xc1, &value));
	assert_int_equal(value, 0);
}

static const struct world_row worlds[] = {
	{"E1 an interrupt of the host without an event defers the entry", refused_alone},
	{"D10 an owner that is forgotten is gone", forgotten_owner},
	{"H an unknown event advances nothing", unknown_event},
};

static void check_world(void **state)
{
	const struct world_row *row = *state;
	struct unit_world world;

	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	row->run(&world);
}

int main(void)
{
	UNIT_TABLE(decodes, check_decode);
	UNIT_TABLE(plains, check_plain);
	UNIT_TABLE(rdpmcs, check_rdpmc);
	UNIT_TABLE(worlds, check_world);
	return unit_run("branches");
}
