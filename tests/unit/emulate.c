// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* emulate.c: rows H, with the registers saved and resident. */
#include "../lib/one.h"

#define INTEL "intel-v5-8-4"
#define AMD   "amd-v2"
#define LAST  0xffffffffffffull

struct row {
	const char *id;
	const char *model;
	u64 eventsel;
	/* FIXED_CTR_CTRL, for fixed counter 0; 0: row is about GP counter 0. */
	u64 fixed_ctrl;
	u64 global_ctrl;
	u64 start;
	bool branch;
	u32 cpl;
	u64 counter;
	u64 status;
	u32 pmis;
};

static const struct row rows[] = {
	{"H instructions", INTEL, 0x5300c0, 0, 1, 5, false, 0, 6, 0, 0},
	{"H instructions, a branch", INTEL, 0x5300c0, 0, 1, 5, true, 0, 6, 0, 0},
	{"H branches, a branch", INTEL, 0x5300c4, 0, 1, 5, true, 0, 6, 0, 0},
	{"H branches, no branch", INTEL, 0x5300c4, 0, 1, 5, false, 0, 5, 0, 0},
	{"H cycles", INTEL, 0x53003c, 0, 1, 5, true, 0, 5, 0, 0},
	{"H other unit mask", INTEL, 0x5301c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H disabled", INTEL, 0x1300c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H globally disabled", INTEL, 0x5300c0, 0, 2, 5, false, 0, 5, 0, 0},
	{"H USR at CPL 0", INTEL, 0x5100c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H USR at CPL 3", INTEL, 0x5100c0, 0, 1, 5, false, 3, 6, 0, 0},
	{"H USR at CPL 1", INTEL, 0x5100c0, 0, 1, 5, false, 1, 6, 0, 0},
	{"H at CPL 3, too", INTEL, 0x5300c0, 0, 1, 5, false, 3, 6, 0, 0},
	{"H neither USR nor OS", INTEL, 0x5000c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H OS at CPL 0", INTEL, 0x5200c0, 0, 1, 5, false, 0, 6, 0, 0},
	{"H OS at CPL 3", INTEL, 0x5200c0, 0, 1, 5, false, 3, 5, 0, 0},
	{"H CMASK", INTEL, 0x15300c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H INV and CMASK", INTEL, 0x1d300c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H INV without CMASK", INTEL, 0xd300c0, 0, 1, 5, false, 0, 6, 0, 0},
	{"H INV without CMASK (AMD)", AMD, 0xd300c0, 0, 1, 5, false, 0, 6, 0, 0},
	{"H EDGE", INTEL, 0x5700c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H IN_TX", "intel-v4-tsx", 1ull << 32 | 0x5300c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H wrap with INT", INTEL, 0x5300c0, 0, 1, LAST, false, 0, 0, 1, 1},
	{"H wrap without INT", INTEL, 0x4300c0, 0, 1, LAST, false, 0, 0, 1, 0},
	{"H no wrap before the last", INTEL, 0x5300c0, 0, 1, LAST - 1, false, 0, LAST, 0, 0},
	{"H fixed instructions", INTEL, 0, 0xb, 1ull << 32, 5, false, 0, 6, 0, 0},
	{"H fixed, USR at CPL 0", INTEL, 0, 0xa, 1ull << 32, 5, false, 0, 5, 0, 0},
	{"H fixed, OS at CPL 3", INTEL, 0, 0x9, 1ull << 32, 5, false, 3, 5, 0, 0},
	{"H fixed, at CPL 3, too", INTEL, 0, 0xb, 1ull << 32, 5, false, 3, 6, 0, 0},
	{"H fixed, globally disabled", INTEL, 0, 0xb, 1, 5, false, 0, 5, 0, 0},
	{"H fixed, wrap with PMI", INTEL, 0, 0xb, 1ull << 32, LAST, false, 0, 0, 1ull << 32, 1},
	{"H fixed, wrap without PMI", INTEL, 0, 3, 1ull << 32, LAST, false, 0, 0, 1ull << 32, 0},
	{"H instructions (AMD)", AMD, 0x5300c0, 0, 1, 5, false, 0, 6, 0, 0},
	{"H branches (AMD)", AMD, 0x5300c2, 0, 1, 5, true, 0, 6, 0, 0},
	{"H Intel's branches (AMD)", AMD, 0x5300c4, 0, 1, 5, true, 0, 5, 0, 0},
	{"H event of 12 bits (AMD)", AMD, 1ull << 32 | 0x5300c0, 0, 1, 5, false, 0, 5, 0, 0},
	{"H wrap with INT (AMD)", AMD, 0x5300c0, 0, 1, LAST, false, 0, 0, 1, 1},
	{"H wrap, width 44", "intel-v5-odd", 0, 0xb, 1ull << 32, (1ull << 44) - 1, false, 0, 0,
	 1ull << 32, 1},
	{"H wrap, width 40", "intel-v5-odd", 0x5300c0, 0, 1, (1ull << 40) - 1, false, 0, 0, 1, 1},
};

static bool is_amd(const struct row *row)
{
	return row->model[0] == 'a';
}

static u32 counter_msr(const struct row *row)
{
	return row->fixed_ctrl ? 0x309 : is_amd(row) ? 0xc0010201 : 0x4c1;
}

static u64 read_msr(struct stub_vcpu *vcpu, u32 msr)
{
	u64 value;

	assert_int_equal(stub_host_rdmsr(vcpu, msr, &value), MPMU_DONE);
	return value;
}

static void program(struct stub_vcpu *vcpu, const struct row *row)
{
	assert_true(stub_guest_wrmsr(vcpu, is_amd(row) ? 0xc0000301 : 0x38f, row->global_ctrl));
	assert_true(stub_guest_wrmsr(vcpu, is_amd(row) ? 0xc0010200 : 0x186, row->eventsel));
	if (row->fixed_ctrl)
		assert_true(stub_guest_wrmsr(vcpu, 0x38d, row->fixed_ctrl));
	assert_true(stub_guest_wrmsr(vcpu, counter_msr(row), row->start));
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	stub_exit(vcpu);
}

static void emulate(struct stub_vcpu *vcpu, const struct row *row, bool resident)
{
	if (resident) {
		stub_guest_emulated(vcpu, row->branch, row->cpl);
		return;
	}
	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
	vcpu->machine->irqs_off = true;
	mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_INSTRUCTIONS, row->cpl);
	if (row->branch)
		mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_BRANCHES, row->cpl);
	vcpu->machine->irqs_off = false;
}

static void run(const struct row *row, bool resident)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->model, row->model);

	program(vcpu, row);
	emulate(vcpu, row, resident);
	stub_enter(vcpu);
	stub_exit(vcpu);
	assert_int_equal(vcpu->pmis, row->pmis);
	assert_int_equal(read_msr(vcpu, counter_msr(row)), row->counter);
	assert_int_equal(read_msr(vcpu, is_amd(row) ? 0xc0000300 : 0x38e), row->status);
	stub_check_invariants(vcpu);
}

static void check_row(void **state)
{
	run(*state, false);
	run(*state, true);
}

static void set_filter(struct stub_vcpu *vcpu, struct mpmu_filter *filter, u64 *event, u32 fixed)
{
	struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.fixed_bitmap = fixed,
		.nr_events = 1,
		.events = event,
	};

	assert_int_equal(mpmu_filter_compile(filter, MPMU_VENDOR_INTEL, &spec), 0);
	stub_vcpu_set_filter(vcpu, filter);
}

/* A filter comes, later another: each holds before the next entry. */
static void check_denied(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->model, row->model);
	u64 space[8], none = 0xff, event = row->eventsel & 0xffff;
	struct mpmu_filter *filter = (struct mpmu_filter *)space;
	struct stub_work work = {.instructions = 10, .branches = 10, .cycles = 10};

	program(vcpu, row);
	set_filter(vcpu, filter, &event, row->fixed_ctrl ? 1 : 0);
	stub_guest_run(vcpu, &work);
	stub_guest_emulated(vcpu, true, 0);
	assert_int_equal(read_msr(vcpu, counter_msr(row)), row->start);
	stub_check_invariants(vcpu);
	set_filter(vcpu, filter, &none, 2);
	stub_guest_run(vcpu, &work);
	stub_guest_emulated(vcpu, true, 0);
	assert_int_equal(read_msr(vcpu, counter_msr(row)), row->counter);
	stub_check_invariants(vcpu);
}

static const struct row denials[] = {
	{"F new filter: instructions", INTEL, 0x5300c0, 0, 1, 5, true, 0, 16, 0, 0},
	{"F new filter: branches", INTEL, 0x5300c4, 0, 1, 5, true, 0, 16, 0, 0},
	{"F new filter: cycles", INTEL, 0x53003c, 0, 1, 5, true, 0, 15, 0, 0},
	{"F new filter: fixed 0", INTEL, 0, 0xb, 1ull << 32, 5, true, 0, 16, 0, 0},
};

/* Regression: a write that leaves a denied field as it is does not enable it. */
static void check_denied_field(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->model, row->model);
	u64 space[8], none = 0xff;
	struct mpmu_filter *filter = (struct mpmu_filter *)space;
	struct stub_work work = {.instructions = 10, .cycles = 10};

	set_filter(vcpu, filter, &none, 1);
	assert_true(stub_guest_wrmsr(vcpu, 0x38f, 3ull << 32));
	assert_true(stub_guest_wrmsr(vcpu, 0x38d, 0x3));
	stub_guest_run(vcpu, &work);
	assert_true(stub_guest_wrmsr(vcpu, 0x38d, 0x33));
	stub_check_invariants(vcpu);
	stub_guest_run(vcpu, &work);
	assert_int_equal(read_msr(vcpu, 0x309), 0);
	assert_int_equal(read_msr(vcpu, 0x30a), 10);
	assert_int_equal(read_msr(vcpu, 0x38d), 0x33);
}

static const struct row fields[] = {
	{"F a denied field that stays is not enabled", INTEL, 0, 0, 0, 0, false, 0, 0, 0, 0},
};

/* Two fixed counters are disabled by one write: neither advances. */
static void check_two_fields(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, row->model, row->model);

	assert_true(stub_guest_wrmsr(vcpu, 0x38f, 3ull << 32));
	assert_true(stub_guest_wrmsr(vcpu, 0x38d, 0x33));
	stub_enter(vcpu);
	stub_guest_emulated(vcpu, false, 0);
	assert_int_equal(read_msr(vcpu, 0x309), 1);
	assert_true(stub_guest_wrmsr(vcpu, 0x38d, 0));
	stub_guest_emulated(vcpu, false, 0);
	assert_int_equal(read_msr(vcpu, 0x309), 1);
	stub_check_invariants(vcpu);
}

static const struct row two_fields[] = {
	{"H two fixed counters disabled at once", INTEL, 0, 0, 0, 0, false, 0, 0, 0, 0},
};

/* What a disabled counter counted is not emulated, nor is it for its neighbour. */
static void disabled_emulates(void)
{
	static const u64 events[] = {0xc0, 0xc4};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
		one_wrmsr(0x187, 0x130000 | events[i]);
		one_wrmsr(0x186, 0x530000 | events[i]);
		stub_enter(&one.vcpu);
		one_wrmsr(0x186, 0x130000 | events[i]);
		stub_guest_emulated(&one.vcpu, true, 0);
		assert_int_equal(one_rdmsr(0x4c1) | one_rdmsr(0x4c2), 0);
	}
}

static void unknown_event(void)
{
	struct stub_vcpu *vcpu = &one.vcpu;
	u64 value;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(vcpu);
	stub_exit(vcpu);
	one.machine.irqs_off = true;
	mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, (enum mpmu_event)5, 0);
	one.machine.irqs_off = false;
	assert_true(stub_guest_rdmsr(vcpu, 0xc1, &value));
	assert_int_equal(value, 0);
}

static const struct unit_case cases_of_one[] = {
	{"H an unknown event advances nothing", unknown_event},
	{"a disabled counter is not emulated", disabled_emulates},
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_TABLE(denials, check_denied);
	UNIT_TABLE(fields, check_denied_field);
	UNIT_TABLE(two_fields, check_two_fields);
	UNIT_CASES(cases_of_one);
	return unit_run("emulate");
}
