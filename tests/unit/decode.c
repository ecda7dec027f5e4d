// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* decode.c: which MSRs and RDPMC indices a model has. */
#include "../lib/one.h"

struct row {
	const char *id;
	const char *guest;
	u32 number;
	bool exists;
};

static const struct row msrs[] = {
	{"D3 IA32_PERFCTR7 of 8", "intel-v5-8-4", 0x0c8, true},
	{"D3 no IA32_PERFCTR8 of 8", "intel-v5-8-4", 0x0c9, false},
	{"D3 no IA32_PERFCTR4 of 4", "intel-v2", 0x0c5, false},
	{"D3 no counter in a hole", "intel-v5-holes", 0x0c3, false},
	{"D3 counter behind a hole", "intel-v5-holes", 0x0c4, true},
	{"D3 IA32_PMC0 with FW_WRITES", "intel-v5-8-4", 0x4c1, true},
	{"D3 no IA32_PMC0 without FW_WRITES", "intel-v2", 0x4c1, false},
	{"D3 FIXED_CTR3 of 4", "intel-v5-8-4", 0x30c, true},
	{"D3 no FIXED_CTR3 of 3", "intel-v5-8-3", 0x30c, false},
	{"D3 no FIXED_CTR2 in a hole", "intel-v5-holes", 0x30b, false},
	{"D3 FIXED_CTR3 behind a hole", "intel-v5-holes", 0x30c, true},
	{"D5 version 1 has selectors", "intel-v1-fw", 0x186, true},
	{"D5 version 1 has no FIXED_CTR_CTRL", "intel-v1-fw", 0x38d, false},
	{"D5 version 1 has no GLOBAL_STATUS", "intel-v1-fw", 0x38e, false},
	{"D5 version 1 has no GLOBAL_CTRL", "intel-v1-fw", 0x38f, false},
	{"D5 version 1 has no OVF_CTRL", "intel-v1-fw", 0x390, false},
	{"D5 version 2 has GLOBAL_CTRL", "intel-v2", 0x38f, true},
	{"D5 version 2 has no STATUS_SET", "intel-v2", 0x391, false},
	{"D5 version 2 has no GLOBAL_INUSE", "intel-v2", 0x392, false},
	{"D5 version 4 has STATUS_SET", "intel-v4", 0x391, true},
	{"D5 version 4 has GLOBAL_INUSE", "intel-v4", 0x392, true},
	{"D5 K7 has PERFCTR3", "amd-k7", 0xc0010007, true},
	{"D5 K7 has no PERFCTR4", "amd-k7", 0xc0010008, false},
	{"D5 K7 has no F15H_PERF_CTR0", "amd-k7", 0xc0010201, false},
	{"D5 core extension has F15H_PERF_CTR5", "amd-core6", 0xc001020b, true},
	{"D5 core extension has no F15H_PERF_CTR6", "amd-core6", 0xc001020d, false},
	{"D5 core extension has no GLOBAL_CTL", "amd-core6", 0xc0000301, false},
	{"D5 PerfMonV2 has GLOBAL_STATUS_SET", "amd-v2", 0xc0000303, true},
	{"D5 nothing above GLOBAL_STATUS_SET", "amd-v2", 0xc0000304, false},
	{"B7 PERF_METRICS", "intel-spr", 0x329, true},
	{"B7 PERF_METRICS beside gaps", "intel-metrics-holes", 0x329, true},
	{"B7 no PERF_METRICS of a model without", "intel-v5-8-4", 0x329, false},
	{"B7 nothing below PERF_METRICS", "intel-spr", 0x328, false},
	{"B7 nothing above PERF_METRICS", "intel-spr", 0x32a, false},
	{"B9 no PEBS_ENABLE", "intel-v5-8-4", 0x3f1, false},
	{"B9 no OFFCORE_RSP", "intel-v5-8-4", 0x1a6, false},
	{"B9 no IBS_FETCH_CTL", "amd-v2", 0xc0011030, false},
	{"MISC_ENABLE is no PMU register", "intel-v5-8-4", 0x1a0, false},
	{"no register of the other vendor (Intel)", "intel-v5-8-4", 0xc0010200, false},
	{"no register of the other vendor (AMD)", "amd-v2", 0x186, false},
};

static const struct row rdpmcs[] = {
	{"C RDPMC 0", "intel-v5-8-4", 0, true},
	{"C RDPMC 7 of 8", "intel-v5-8-4", 7, true},
	{"C RDPMC 8 of 8", "intel-v5-8-4", 8, false},
	{"C RDPMC in a hole", "intel-v5-holes", 2, false},
	{"C RDPMC fixed 3 of 4", "intel-v5-8-4", 0x40000003, true},
	{"C RDPMC fixed 3 of 3", "intel-v5-8-3", 0x40000003, false},
	{"C RDPMC fixed of version 1", "intel-v1-fw", 0x40000000, false},
	{"C RDPMC fast flag", "intel-v5-8-4", 0x80000000, false},
	{"C RDPMC metrics", "intel-spr", 0x20000000, true},
	{"C RDPMC metrics, index 1", "intel-spr", 0x20000001, false},
	{"C RDPMC metrics and fixed counters at once", "intel-spr", 0x60000000, false},
	{"C RDPMC metrics of a model without", "intel-v5-8-4", 0x20000000, false},
	{"C RDPMC fixed type, index beyond all", "intel-v5-8-4", 0x40000010, false},
	{"C RDPMC all ones", "intel-v5-8-4", 0xffffffff, false},
	{"C RDPMC 5 of 6 (AMD)", "amd-core6", 5, true},
	{"C RDPMC 4 of 4 (AMD)", "amd-k7", 4, false},
	{"C RDPMC of an uncore counter (AMD)", "amd-v2", 6, false},
	{"C RDPMC has no types (AMD)", "amd-v2", 0x40000000, false},
};

static void check_msr(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);
	u64 value;

	assert_int_equal(mpmu_msr_exists(&vcpu->mpmu, row->number), row->exists);
	assert_int_equal(stub_guest_rdmsr(vcpu, row->number, &value), row->exists);
}

static void check_rdpmc(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);
	u64 value;

	assert_int_equal(mpmu_rdpmc_valid(&vcpu->mpmu, row->number), row->exists);
	assert_int_equal(stub_guest_rdpmc(vcpu, row->number, &value), row->exists);
}

/* The software PMU has a decoder of its own: all numbers, all models. */
static void check_all(void **state)
{
	const struct stub_model *model = *state;
	struct stub_pmu bare = {.bare = true};
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(model->name), model->name);
	u64 value;
	u32 i;

	stub_pmu_reset(&bare, &vcpu->mpmu.caps);
	for (i = 0; i < STUB_NR_MSRS; i++) {
		u32 msr = stub_msr_at(i);

		if (mpmu_msr_exists(&vcpu->mpmu, msr) != stub_pmu_rdmsr(&bare, msr, &value))
			fail_msg("MSR %#x", msr);
	}
	for (i = 0; i < 0x200; i++) {
		u32 ecx = (i & 0x3f) | (i >> 6) << 29;

		if (mpmu_rdpmc_valid(&vcpu->mpmu, ecx) != stub_pmu_rdpmc(&bare, ecx, &value))
			fail_msg("RDPMC %#x", ecx);
	}
}

/* A vCPU that nobody configured has no PMU at all. */
static void check_unconfigured(void **state)
{
	struct stub_machine machine;
	struct mpmu_vcpu vcpu;
	struct mpmu_stats stats;
	u32 i;

	(void)state;
	assert_int_equal(stub_machine_init(&machine, unit_caps("intel-v5-8-4")), 0);
	mpmu_vcpu_init(&vcpu, &machine.host, &stats);
	for (i = 0; i < STUB_NR_MSRS; i++)
		assert_false(mpmu_msr_exists(&vcpu, stub_msr_at(i)));
	assert_false(mpmu_rdpmc_valid(&vcpu, 0));
}

static const struct row unconfigured[] = {
	{"no register without a model", NULL, 0, false},
};

/* Registers of no PMC are there with the last of the fixed counters, too. */
static void check_fixed_alone(void **state)
{
	const struct row *row = *state;
	struct mpmu_caps caps = *unit_caps(row->guest);
	struct unit_world world;

	unit_world_init(&world, row->guest, row->guest);
	caps.counters &= 1ull << (MPMU_FIXED_BASE + 2);
	caps.gp_width = 0;
	stub_vcpu_init(&world.vcpu, &world.machine, &caps);
	assert_int_equal(mpmu_msr_exists(&world.vcpu.mpmu, row->number), row->exists);
}

static const struct row fixed_alone[] = {
	{"D3 fixed counters alone: FIXED_CTR2", "intel-v5-8-4", 0x30b, true},
	{"D3 fixed counters alone: FIXED_CTR1", "intel-v5-8-4", 0x30a, false},
	{"D3 fixed counters alone: IA32_PERFCTR0", "intel-v5-8-4", 0xc1, false},
	{"D3 fixed counters alone: FIXED_CTR_CTRL", "intel-v5-8-4", 0x38d, true},
	{"D3 fixed counters alone: GLOBAL_CTRL", "intel-v5-8-4", 0x38f, true},
};

/* As many counters as the vendor's registers reach: each is its own register. */
static void check_largest(const char *model, mpmu_pmcs counters, u32 gp, u32 eventsel, u32 shift)
{
	struct mpmu_vcpu *vcpu = &one.vcpu.mpmu;
	struct mpmu_caps caps = *unit_caps(model);
	u32 i;

	caps.counters = counters;
	assert_int_equal(stub_machine_init(&one.machine, &caps), 0);
	stub_vcpu_init(&one.vcpu, &one.machine, &caps);
	assert_int_equal(vcpu->caps.counters, counters);
	one.machine.irqs_off = true;
	for (i = 0; i < MPMU_MAX_GP && counters >> i & 1; i++) {
		assert_int_equal(mpmu_owner_write(NULL, vcpu, gp + (i << shift), i + 1),
				 MPMU_DONE);
		assert_int_equal(mpmu_owner_write(NULL, vcpu, eventsel + (i << shift), i + 9),
				 MPMU_DONE);
	}
	assert_int_equal(mpmu_owner_write(NULL, vcpu, gp + (i << shift), 0),
			 MPMU_NOT_PMU);
	while (i--)
		assert_true(vcpu->gp[i] == i + 1 && vcpu->eventsel[i] == i + 9);
}

static void largest(void)
{
	struct mpmu_vcpu *vcpu = &one.vcpu.mpmu;
	u32 i;

	check_largest("amd-v2", (1 << 15) - 1, 0xc0010201, 0xc0010200, 1);
	check_largest("intel-v5-8-4", MPMU_FIXED_MASK | 0xff, 0x4c1, 0x186, 0);
	check_largest("intel-v5-8-4", MPMU_FIXED_MASK | 0xff, 0x0c1, 0x186, 0);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		assert_int_equal(mpmu_owner_write(NULL, vcpu, 0x309 + i, i + 1),
				 MPMU_DONE);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		assert_int_equal(vcpu->fixed[i], i + 1);
	assert_false(mpmu_msr_exists(vcpu, 0x319));
}

/* All other registers of the largest model are there. */
static void no_full_width(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	u32 i;

	caps.counters = MPMU_FIXED_MASK | 0xff;
	assert_int_equal(stub_machine_init(&one.machine, &caps), 0);
	caps.features &= ~(u32)MPMU_FEAT_FW_WRITES;
	stub_vcpu_init(&one.vcpu, &one.machine, &caps);
	for (i = 0; i < 8; i++)
		assert_true(mpmu_msr_exists(&one.vcpu.mpmu, 0x186 + i));
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		assert_true(mpmu_msr_exists(&one.vcpu.mpmu, 0x309 + i));
	assert_false(mpmu_msr_exists(&one.vcpu.mpmu, 0x4c1));
	assert_false(mpmu_msr_exists(&one.vcpu.mpmu, 0x4c8));
	assert_true(mpmu_msr_exists(&one.vcpu.mpmu, 0x0c8));
}

static const struct unit_case cases_of_one[] = {
	{"the largest model: all registers are different ones", largest},
	{"no full-width counters without their feature", no_full_width},
};

int main(void)
{
	UNIT_TABLE(msrs, check_msr);
	UNIT_TABLE(rdpmcs, check_rdpmc);
	unit_count = unit_rows(unit_tests, unit_count, stub_models, sizeof(stub_models[0]),
			       stub_nr_models, check_all);
	UNIT_TABLE(unconfigured, check_unconfigured);
	UNIT_TABLE(fixed_alone, check_fixed_alone);
	UNIT_CASES(cases_of_one);
	return unit_run("decode");
}
