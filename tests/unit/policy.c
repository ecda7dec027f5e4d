// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* policy.c: rows C, each as policy says and as a guest's exits show. */
#include "../lib/unit.h"

#define RDPMC  0xffffffffu
#define BOTH   (MPMU_READ | MPMU_WRITE)
#define DIRECT MPMU_VCPU_DIRECT

struct row {
	const char *id;
	const char *host;
	const char *guest;
	/* Flags besides TOUCHED. */
	u32 flags;
	u32 msr;
	bool direct;
};

static const struct row rows[] = {
	{"C PERFCTR0", "intel-v5-8-4", "intel-v5-8-4", 0, 0xc1, true},
	{"C PERFCTR7", "intel-v5-8-4", "intel-v5-8-4", 0, 0xc8, true},
	{"C PERFCTR of a smaller model", "intel-v5-8-4", "intel-v2-fw", 0, 0xc1, true},
	{"C PERFCTR0 of a narrower model", "intel-v5-8-4", "intel-v1", 0, 0xc1, false},
	{"C PERFCTR beyond the model", "intel-v5-8-4", "intel-v2", 0, 0xc5, false},
	{"C IA32_PMC0", "intel-v5-8-4", "intel-v5-8-4", 0, 0x4c1, true},
	{"C IA32_PMC0 without FW_WRITES", "intel-v5-8-4", "intel-v2", 0, 0x4c1, false},
	{"C FIXED_CTR3", "intel-v5-8-4", "intel-v5-8-4", 0, 0x30c, true},
	{"C FIXED_CTR3 beyond the model", "intel-v5-8-4", "intel-v5-8-3", 0, 0x30c, false},
	{"C GLOBAL_CTRL, 4 of 4 fixed", "intel-v5-8-4", "intel-v5-8-4", 0, 0x38f, true},
	{"C GLOBAL_CTRL, 3 of 4 fixed", "intel-v5-8-4", "intel-v5-8-3", 0, 0x38f, false},
	{"C GLOBAL_CTRL, 3 of 3 fixed", "intel-v5-8-3", "intel-v5-8-3", 0, 0x38f, true},
	{"C GLOBAL_CTRL, version 4 on 5", "intel-v5-8-3", "intel-v4", 0, 0x38f, true},
	{"C GLOBAL_CTRL, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, 0x38f, true},
	{"C GLOBAL_CTRL, version 2, 3 of 4 fixed", "intel-v5-8-4", "intel-v2-fw", 0, 0x38f,
	 false},
	{"C GLOBAL_STATUS, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, 0x38e, true},
	{"C OVF_CTRL, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, 0x390, true},
	{"C STATUS_SET, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, 0x391, false},
	{"C GLOBAL_INUSE, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, 0x392, false},
	{"C RDPMC, version 2 on 5", "intel-v5-8-3", "intel-v2-fw", 0, RDPMC, true},
	{"C GLOBAL_CTRL, host with metrics", "intel-spr", "intel-v5-8-4", 0, 0x38f, false},
	{"C GLOBAL_STATUS, host with metrics", "intel-spr", "intel-v5-8-4", 0, 0x38e, false},
	{"C RDPMC, host with metrics", "intel-spr", "intel-v5-8-4", 0, RDPMC, false},
	{"C PERF_METRICS", "intel-spr", "intel-spr", 0, 0x329, true},
	{"C PERF_METRICS of four fields", "intel-icx", "intel-icx", 0, 0x329, true},
	{"C PERF_METRICS of four fields on a host with eight", "intel-spr", "intel-icx", 0, 0x329,
	 false},
	{"C PERF_METRICS beyond the model", "intel-spr", "intel-v5-8-4", 0, 0x329, false},
	{"C GLOBAL_CTRL with metrics", "intel-spr", "intel-spr", 0, 0x38f, true},
	{"C GLOBAL_STATUS with metrics", "intel-spr", "intel-spr", 0, 0x38e, true},
	{"C OVF_CTRL with metrics", "intel-spr", "intel-spr", 0, 0x390, true},
	{"C RDPMC with metrics", "intel-spr", "intel-spr", 0, RDPMC, true},
	{"C RDPMC with metrics of four fields", "intel-icx", "intel-icx", 0, RDPMC, true},
	{"C RDPMC with four fields of eight", "intel-spr", "intel-icx", 0, RDPMC, false},
	{"C GLOBAL_CTRL with metrics, 3 of 4 fixed", "intel-spr", "intel-v2-fw", 0, 0x38f, false},
	{"C GLOBAL_STATUS", "intel-v5-8-4", "intel-v5-8-4", 0, 0x38e, true},
	{"C GLOBAL_STATUS, PT on the host", "intel-v5-8-4", "intel-v5-8-4", MPMU_VCPU_HOST_STATUS,
	 0x38e, false},
	{"C GLOBAL_CTRL, PT on the host", "intel-v5-8-4", "intel-v5-8-4", MPMU_VCPU_HOST_STATUS, 0x38f, true},
	{"C OVF_CTRL", "intel-v5-8-4", "intel-v5-8-4", 0, 0x390, true},
	{"C OVF_CTRL, PT on the host", "intel-v5-8-4", "intel-v5-8-4", MPMU_VCPU_HOST_STATUS, 0x390, false},
	{"C OVF_CTRL, 3 of 4 fixed", "intel-v5-8-4", "intel-v5-8-3", 0, 0x390, false},
	{"C STATUS_SET (Intel)", "intel-v5-8-4", "intel-v5-8-4", 0, 0x391, false},
	{"C GLOBAL_INUSE", "intel-v5-8-4", "intel-v5-8-4", 0, 0x392, false},
	{"C selector", "intel-v5-8-4", "intel-v5-8-4", 0, 0x186, false},
	{"C FIXED_CTR_CTRL", "intel-v5-8-4", "intel-v5-8-4", 0, 0x38d, false},
	{"C RDPMC", "intel-v5-8-4", "intel-v5-8-4", 0, RDPMC, true},
	{"C RDPMC, 3 of 4 fixed", "intel-v5-8-4", "intel-v5-8-3", 0, RDPMC, false},
	{"C RDPMC, 4 of 8 counters", "intel-v4", "intel-v2", 0, RDPMC, false},
	{"C K7_PERFCTR0", "amd-v2", "amd-v2", 0, 0xc0010004, true},
	{"C K7_PERFCTR0, guest without core extension", "amd-v2", "amd-k7", 0, 0xc0010004, true},
	{"C F15H_PERF_CTR5", "amd-v2", "amd-v2", 0, 0xc001020b, true},
	{"C F15H_PERF_CTR0, guest without core extension", "amd-v2", "amd-k7", 0, 0xc0010201,
	 false},
	{"C selector (AMD)", "amd-v2", "amd-v2", 0, 0xc0010200, false},
	{"C K7 selector (AMD)", "amd-v2", "amd-v2", 0, 0xc0010000, false},
	{"C GLOBAL_CTL (AMD)", "amd-v2", "amd-v2", 0, 0xc0000301, true},
	{"C GLOBAL_CTL, guest without PerfMonV2", "amd-v2", "amd-core6", 0, 0xc0000301, false},
	{"C GLOBAL_STATUS (AMD)", "amd-v2", "amd-v2", 0, 0xc0000300, true},
	{"C STATUS_CLR (AMD)", "amd-v2", "amd-v2", 0, 0xc0000302, true},
	{"C STATUS_SET (AMD)", "amd-v2", "amd-v2", 0, 0xc0000303, true},
	{"C RDPMC (AMD)", "amd-v2", "amd-v2", 0, RDPMC, true},
	{"C RDPMC, host with NB counters (AMD)", "amd-v2-nb", "amd-v2", 0, RDPMC, false},
	{"C RDPMC, 4 of 6 counters (AMD)", "amd-v2", "amd-k7", 0, RDPMC, false},
	{"C direct: GLOBAL_CTRL, 3 of 4 fixed", "intel-v5-8-4", "intel-v2-fw", DIRECT, 0x38f, true},
	{"C direct: GLOBAL_STATUS, 3 of 4 fixed", "intel-v5-8-4", "intel-v2-fw", DIRECT, 0x38e,
	 true},
	{"C direct: OVF_CTRL, 3 of 4 fixed", "intel-v5-8-4", "intel-v2-fw", DIRECT, 0x390, true},
	{"C direct: RDPMC, 3 of 4 fixed", "intel-v5-8-4", "intel-v2-fw", DIRECT, RDPMC, true},
	{"C direct: GLOBAL_CTRL, host with metrics", "intel-spr", "intel-v2-fw", DIRECT, 0x38f,
	 true},
	{"C direct: GLOBAL_STATUS, host with metrics", "intel-icx", "intel-v2-fw", DIRECT, 0x38e,
	 true},
	{"C direct: RDPMC, host with metrics", "intel-icx", "intel-v2-fw", DIRECT, RDPMC, true},
	{"C direct: STATUS_SET", "intel-spr", "intel-v4", DIRECT, 0x391, false},
	{"C direct: GLOBAL_INUSE", "intel-spr", "intel-v4", DIRECT, 0x392, false},
	{"C direct: selector", "intel-spr", "intel-v2-fw", DIRECT, 0x186, false},
	{"C direct: FIXED_CTR_CTRL", "intel-spr", "intel-v2-fw", DIRECT, 0x38d, false},
	{"C direct: FIXED_CTR3 beyond the model", "intel-spr", "intel-v2-fw", DIRECT, 0x30c, false},
	{"C direct: PERF_METRICS beyond the model", "intel-spr", "intel-v2-fw", DIRECT, 0x329, false},
	{"C direct: GLOBAL_STATUS, PT on the host", "intel-spr", "intel-v2-fw",
	 DIRECT | MPMU_VCPU_HOST_STATUS, 0x38e, false},
	{"C direct: RDPMC of version 1", "intel-spr", "intel-v1-fw", DIRECT, RDPMC, true},
	{"C direct: GLOBAL_CTRL of version 1", "intel-spr", "intel-v1-fw", DIRECT, 0x38f, false},
	{"C direct: RDPMC, narrower counters", "intel-spr", "intel-v1", DIRECT, RDPMC, false},
	{"C direct: RDPMC, metrics would count with FIXED_CTR3", "intel-spr", "intel-v5-8-4", DIRECT,
	 RDPMC, false},
	{"C direct: GLOBAL_CTRL, metrics would count with FIXED_CTR3", "intel-spr", "intel-v5-8-4",
	 DIRECT, 0x38f, false},
	{"C direct: RDPMC, 4 of 6 counters (AMD)", "amd-v2", "amd-k7", DIRECT, RDPMC, true},
	{"C direct: GLOBAL_CTL, 4 of 6 counters (AMD)", "amd-v2", "amd-v2-small", DIRECT, 0xc0000301,
	 true},
	{"C direct: STATUS_SET, 4 of 6 counters (AMD)", "amd-v2", "amd-v2-small", DIRECT, 0xc0000303,
	 true},
	{"C direct: no consent to NB counters (AMD)", "amd-v2-nb", "amd-v2", DIRECT, RDPMC, false},
	{"C direct: consent to NB counters (AMD)", "amd-v2-nb", "amd-v2",
	 DIRECT | MPMU_VCPU_UNCORE_RDPMC, RDPMC, true},
	{"C direct: consent, 4 of 6 counters (AMD)", "amd-v2-nb", "amd-v2-small",
	 DIRECT | MPMU_VCPU_UNCORE_RDPMC, RDPMC, true},
	{"C consent without policy direct (AMD)", "amd-v2-nb", "amd-v2", MPMU_VCPU_UNCORE_RDPMC,
	 RDPMC, false},
	{"C consent, no NB counters, without policy direct", "amd-v2", "amd-v2-small",
	 MPMU_VCPU_UNCORE_RDPMC, RDPMC, false},
};

/* A counter that the core has no registers for cannot be cleaned. */
static void out_of_reach(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4");
	static struct unit_world world;
	u64 value;

	host.counters |= 1 << 8;
	unit_world_start(&world, &host, unit_caps("intel-v2-fw"));
	stub_vcpu_set_flags(&world.vcpu, DIRECT, 0);
	assert_true(stub_guest_rdpmc(&world.vcpu, 0, &value));
	assert_true(mpmu_rdpmc_intercepted(&world.vcpu.mpmu));
	assert_int_equal(mpmu_msr_intercepts(&world.vcpu.mpmu, 0x38f), BOTH);
	assert_int_equal(mpmu_msr_intercepts(&world.vcpu.mpmu, 0xc1), 0);
}

/* RDPMC is as wide as the host's: with the counters of the host, or with fewer. */
static void narrower_fixed(void)
{
	struct mpmu_caps guest = *unit_caps("intel-v5-8-4");
	static struct unit_world world;
	u64 value;

	guest.fixed_width = 44;
	unit_world_start(&world, unit_caps("intel-v5-8-4"), &guest);
	assert_true(stub_guest_rdpmc(&world.vcpu, 0, &value));
	assert_true(mpmu_rdpmc_intercepted(&world.vcpu.mpmu));
	assert_int_equal(mpmu_msr_intercepts(&world.vcpu.mpmu, 0x309), BOTH);
	assert_int_equal(mpmu_msr_intercepts(&world.vcpu.mpmu, 0x4c1), 0);
}

/* Without general counters, the host's have no width to agree with: they read 0. */
static void fixed_alone(void)
{
	struct mpmu_caps guest = *unit_caps("intel-v2-fw");
	static struct unit_world world;
	u64 value = 1;

	guest.counters &= MPMU_FIXED_MASK;
	guest.gp_width = 0;
	unit_world_start(&world, unit_caps("intel-v5-8-4"), &guest);
	stub_vcpu_set_flags(&world.vcpu, DIRECT, 0);
	assert_true(stub_guest_rdpmc(&world.vcpu, 1u << 30, &value));
	stub_enter(&world.vcpu);
	assert_true(world.vcpu.rdpmc_direct);
	assert_true(stub_guest_rdpmc(&world.vcpu, 7, &value));
	assert_int_equal(value, 0);
}

/* What the guest wrote beyond its model is gone as the intercepts close. */
static void closing(void)
{
	static struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, "intel-spr", "intel-v2-fw");
	u64 value;
	u32 i;

	stub_vcpu_set_flags(vcpu, DIRECT, 0);
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	unit_wrmsr(vcpu, 0x38f, 1ull << 48 | 8ull << 32 | 5);
	assert_int_equal(unit_rdmsr(vcpu, 0x38f), 1ull << 48 | 8ull << 32 | 5);
	assert_int_equal(stub_host_rdmsr(vcpu, 0x38f, &value), MPMU_DONE);
	assert_int_equal(value, 5);
	for (i = 0; vcpu->touched && i < 20; i++) {
		stub_enter(vcpu);
		stub_vcpu_put(vcpu);
		stub_vcpu_load(vcpu, &world.machine.cpus[0]);
	}
	assert_false(vcpu->touched);
	assert_int_equal(unit_rdmsr(vcpu, 0x38f), 5);
	assert_int_equal(vcpu->mpmu.global_ctrl, 5);
}

static const struct unit_case cases[] = {
	{"C direct: fixed counters alone", fixed_alone},
	{"C direct: GLOBAL_CTRL beyond the model at closing", closing},
	{"C RDPMC, narrower fixed counters", narrower_fixed},
	{"C direct: a ninth counter of the host", out_of_reach},
};

static struct stub_vcpu *prepare(struct unit_world *world, const struct row *row)
{
	unit_world_init(world, row->host, row->guest);
	stub_vcpu_set_flags(&world->vcpu, row->flags, 0);
	return &world->vcpu;
}

static u64 exits_of_access(struct stub_vcpu *vcpu, const struct row *row)
{
	u64 exits, value;

	stub_enter(vcpu);
	exits = vcpu->exits;
	if (row->msr == RDPMC)
		stub_guest_rdpmc(vcpu, 0, &value);
	else
		stub_guest_rdmsr(vcpu, row->msr, &value);
	return vcpu->exits - exits;
}

static u32 policy(const struct stub_vcpu *vcpu, const struct row *row)
{
	if (row->msr == RDPMC)
		return mpmu_rdpmc_intercepted(&vcpu->mpmu) ? BOTH : 0;
	return mpmu_msr_intercepts(&vcpu->mpmu, row->msr);
}

static void check_row(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = prepare(&world, row);
	u64 value;

	/* Untouched: everything is intercepted. */
	assert_int_equal(policy(vcpu, row), BOTH);
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	assert_int_equal(policy(vcpu, row), row->direct ? 0 : BOTH);
	assert_int_equal(exits_of_access(vcpu, row), row->direct ? 0 : 1);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

/* The first access exits, the second does not; reset closes again. */
static void check_opening(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = prepare(&world, row);

	assert_int_equal(exits_of_access(vcpu, row), 1);
	assert_int_equal(exits_of_access(vcpu, row), 0);
	stub_vcpu_reset(vcpu);
	assert_int_equal(policy(vcpu, row), BOTH);
	assert_int_equal(exits_of_access(vcpu, row), 1);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

static const struct row openings[] = {
	{"C first use by RDPMC", "intel-v5-8-4", "intel-v5-8-4", 0, RDPMC, true},
	{"C first use by a counter", "intel-v5-8-4", "intel-v5-8-4", 0, 0xc1, true},
	{"C first use by a fixed counter", "intel-v5-8-4", "intel-v5-8-4", 0, 0x309, true},
	{"C first use by RDPMC (AMD)", "amd-v2", "amd-v2", 0, RDPMC, true},
	{"C first use by a counter (AMD)", "amd-v2", "amd-v2", 0, 0xc0010201, true},
};

/* A flag that changes what is direct asks for new intercepts. */
static void check_flag(void **state)
{
	const struct row *row = *state;
	struct row without = *row;
	struct unit_world world;
	struct stub_vcpu *vcpu;
	u64 value;

	without.flags = row->flags & DIRECT && row->flags != DIRECT ? DIRECT : 0;
	vcpu = prepare(&world, &without);
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	assert_int_equal(exits_of_access(vcpu, row), 1);
	stub_vcpu_set_flags(vcpu, row->flags, 0);
	assert_int_equal(exits_of_access(vcpu, row), 0);
	stub_vcpu_reset(vcpu);
	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	assert_int_equal(exits_of_access(vcpu, row), 0);
	stub_vcpu_set_flags(vcpu, 0, row->flags);
	assert_int_equal(exits_of_access(vcpu, row), 1);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

static const struct row flags[] = {
	{"C policy direct comes and goes: GLOBAL_CTRL", "intel-spr", "intel-v2-fw", DIRECT, 0x38f,
	 true},
	{"C policy direct comes and goes: RDPMC", "intel-spr", "intel-v2-fw", DIRECT, RDPMC, true},
	{"C policy direct comes and goes: GLOBAL_CTL (AMD)", "amd-v2", "amd-v2-small", DIRECT,
	 0xc0000301, true},
	{"C consent comes and goes: RDPMC (AMD)", "amd-v2-nb", "amd-v2",
	 DIRECT | MPMU_VCPU_UNCORE_RDPMC, RDPMC, true},
};

/* PT that changes what is direct asks for new intercepts. */
static void check_request(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = prepare(&world, row);
	u64 value;

	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, row->msr), 0);
	stub_vcpu_set_flags(vcpu, MPMU_VCPU_HOST_STATUS, 0);
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, row->msr), row->direct ? 0 : BOTH);
	stub_vcpu_set_flags(vcpu, 0, MPMU_VCPU_HOST_STATUS);
	stub_enter(vcpu);
	assert_int_equal(stub_intercepts(vcpu, row->msr), 0);
	stub_exit(vcpu);
}

static const struct row requests[] = {
	{"C PT comes and goes: GLOBAL_STATUS", "intel-v5-8-4", "intel-v5-8-4", 0, 0x38e, false},
	{"C PT comes and goes: OVF_CTRL", "intel-v5-8-4", "intel-v5-8-4", 0, 0x390, false},
	{"C PT comes and goes: GLOBAL_CTRL", "intel-v5-8-4", "intel-v5-8-4", 0, 0x38f, true},
};

/* What vmcs02 has: bit by bit, direct in both, or intercepted. */
static u32 merged(u32 l0, u32 l1)
{
	u32 l2 = 0;

	if (l0 & MPMU_READ || l1 & MPMU_READ)
		l2 |= MPMU_READ;
	if (l0 & MPMU_WRITE || l1 & MPMU_WRITE)
		l2 |= MPMU_WRITE;
	return l2;
}

/* Each number of a PMU, and of none, with each bitmap of L1, against vmcs01. */
static u32 check_merged(const struct stub_vcpu *vcpu)
{
	u32 direct = 0, i, l1;

	for (i = 0; i < STUB_NR_MSRS; i++) {
		u32 msr = stub_msr_at(i), l0 = stub_intercepts(vcpu, msr);

		direct += !mpmu_nested_msr_intercepts(&vcpu->mpmu, msr, 0);
		for (l1 = 0; l1 <= BOTH; l1++)
			assert_int_equal(mpmu_nested_msr_intercepts(&vcpu->mpmu, msr, l1),
					 merged(l0, l1));
		assert_int_equal(mpmu_nested_msr_intercepts(&vcpu->mpmu, msr, 4), BOTH);
	}
	for (l1 = 0; l1 <= 1; l1++)
		assert_int_equal(mpmu_nested_rdpmc_intercepted(&vcpu->mpmu, l1),
				 !vcpu->rdpmc_direct || l1);
	return direct;
}

struct nested_row {
	const char *id;
	u8 vendor;
	/* Flags besides TOUCHED. */
	u32 flags;
	bool touched;
};

static const struct nested_row nesteds[] = {
	{"I merged, untouched: all intercepted", MPMU_VENDOR_INTEL, 0, false},
	{"I merged, touched", MPMU_VENDOR_INTEL, 0, true},
	{"I merged, PT on the host", MPMU_VENDOR_INTEL, MPMU_VCPU_HOST_STATUS, true},
	{"I merged, policy direct", MPMU_VENDOR_INTEL, DIRECT, true},
	{"I merged, untouched: all intercepted (AMD)", MPMU_VENDOR_AMD, 0, false},
	{"I merged, touched (AMD)", MPMU_VENDOR_AMD, 0, true},
	{"I merged, in the guest's guest (AMD)", MPMU_VENDOR_AMD,
	 MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE, true},
	{"I merged, STATUS in use by the host (AMD)", MPMU_VENDOR_AMD, MPMU_VCPU_HOST_STATUS, true},
};

static void check_nested_pair(const struct nested_row *row, const char *host, const char *guest)
{
	const struct row pair = {.host = host, .guest = guest, .flags = row->flags};
	static struct unit_world world;
	struct stub_vcpu *vcpu = prepare(&world, &pair);
	u64 value;

	if (row->touched)
		assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	stub_enter(vcpu);
	/* As many as hardware lets the guest itself have. */
	if (check_merged(vcpu))
		assert_true(row->touched);
	else
		assert_false(row->touched &&
			     unit_caps(guest)->gp_width == unit_caps(host)->gp_width);
	stub_exit(vcpu);
}

/* Each guest on each host that can have guests. */
static void check_nested(void **state)
{
	const struct nested_row *row = *state;
	u32 i, j, pairs = 0;

	for (i = 0; i < stub_nr_models; i++) {
		const struct stub_model *host = &stub_models[i];

		if (mpmu_caps_missing(&host->caps) || host->caps.vendor != row->vendor)
			continue;
		for (j = 0; j < stub_nr_models; j++) {
			if (stub_models[j].caps.vendor != row->vendor)
				continue;
			check_nested_pair(row, host->name, stub_models[j].name);
			pairs++;
		}
	}
	assert_true(pairs > 5);
}

struct merge_row {
	const char *id;
	const char *model;
	u32 msr;
	u32 l1;
	u32 l2;
};

#define NO_BITMAP BOTH

static const struct merge_row merges[] = {
	{"I PERFCTR0 direct in both", "intel-v5-8-4", 0xc1, 0, 0},
	{"I PERFCTR0 intercepted by L1", "intel-v5-8-4", 0xc1, BOTH, BOTH},
	{"I PERFCTR0 read by L2, written by L1", "intel-v5-8-4", 0xc1, MPMU_WRITE, MPMU_WRITE},
	{"I PERFCTR0 written by L2, read by L1", "intel-v5-8-4", 0xc1, MPMU_READ, MPMU_READ},
	{"I PERFCTR0, no bitmap", "intel-v5-8-4", 0xc1, NO_BITMAP, BOTH},
	{"I GLOBAL_CTRL direct in both", "intel-v5-8-4", 0x38f, 0, 0},
	{"I STATUS_SET that L1 passes through", "intel-v5-8-4", 0x391, 0, BOTH},
	{"I selector that L1 passes through", "intel-v5-8-4", 0x186, 0, BOTH},
	{"I MSR of no PMU that L1 passes through", "intel-v5-8-4", 0x10, 0, BOTH},
	{"I K7_PERFCTR0 direct in both", "amd-v2", 0xc0010004, 0, 0},
	{"I K7_PERFCTR0 intercepted by L1", "amd-v2", 0xc0010004, MPMU_READ, MPMU_READ},
	{"I K7 selector that L1 passes through", "amd-v2", 0xc0010000, 0, BOTH},
	{"I F15H_PERF_CTR5 direct in both", "amd-v2", 0xc001020b, 0, 0},
	{"I F15H_PERF_CTR5 intercepted by L1", "amd-v2", 0xc001020b, MPMU_WRITE, MPMU_WRITE},
	{"I F15H_PERF_CTR6 beyond the model", "amd-v2", 0xc001020d, 0, BOTH},
	{"I GLOBAL_CTL direct in both (AMD)", "amd-v2", 0xc0000301, 0, 0},
	{"I STATUS_CLR intercepted by L1 (AMD)", "amd-v2", 0xc0000302, BOTH, BOTH},
	{"I STATUS_SET direct in both (AMD)", "amd-v2", 0xc0000303, 0, 0},
	{"I GLOBAL_CTL, no bitmap (AMD)", "amd-v2", 0xc0000301, NO_BITMAP, BOTH},
};

static void check_merge(void **state)
{
	const struct merge_row *row = *state;
	struct unit_world world;
	u64 value;

	unit_world_init(&world, row->model, row->model);
	assert_true(stub_guest_rdpmc(&world.vcpu, 0, &value));
	assert_int_equal(mpmu_nested_msr_intercepts(&world.vcpu.mpmu, row->msr, row->l1), row->l2);
}

struct width_row {
	const char *id;
	const char *model;
	u8 gp_width;
	u8 fixed_width;
	bool intercepted;
};

static const struct width_row widths[] = {
	{"C RDPMC, same widths", "intel-v5-8-4", 48, 48, false},
	{"C RDPMC, narrower GP counters", "intel-v5-8-4", 40, 48, true},
	{"C RDPMC, narrower fixed counters", "intel-v5-8-4", 48, 40, true},
	{"C RDPMC, NB counters on the host", "amd-v2-nb", 48, 0, true},
};

static void check_widths(void **state)
{
	const struct width_row *row = *state;
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

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_CASES(cases);
	UNIT_TABLE(openings, check_opening);
	UNIT_TABLE(requests, check_request);
	UNIT_TABLE(flags, check_flag);
	UNIT_TABLE(nesteds, check_nested);
	UNIT_TABLE(merges, check_merge);
	UNIT_TABLE(widths, check_widths);
	return unit_run("policy");
}
