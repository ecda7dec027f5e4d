// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mpmu_wrmsr(): the write retires with the state that it found. */
#include "../lib/unit.h"

#define MODEL "intel-v5-8-4"

struct row {
	const char *id;
	/* What the guest has set up: selector 0 and GLOBAL_CTRL. */
	u64 eventsel;
	u64 global_ctrl;
	u64 start;
	/* The WRMSR. */
	u32 msr;
	u64 value;
	enum mpmu_result result;
	/* Counter 0 afterwards, and interrupts. */
	u64 counter;
	u32 pmis;
};

static const struct row rows[] = {
	{"a selector that stops", 0x5300c0, 1, 5, 0x186, 0, MPMU_DONE, 6, 0},
	{"a selector that starts", 0, 1, 5, 0x186, 0x5300c0, MPMU_DONE, 5, 0},
	{"a selector that stays", 0x5300c0, 1, 5, 0x186, 0x5300c0, MPMU_DONE, 6, 0},
	{"a selector of another counter", 0x5300c0, 1, 5, 0x187, 0x5300c0, MPMU_DONE, 6, 0},
	{"a selector that stops user mode only", 0x5100c0, 1, 5, 0x186, 0, MPMU_DONE, 5, 0},
	{"a selector that faults", 0x5300c0, 1, 5, 0x186, 1ull << 40, MPMU_GP, 5, 0},
	{"GLOBAL_CTRL that stops", 0x5300c0, 1, 5, 0x38f, 0, MPMU_DONE, 6, 0},
	{"GLOBAL_CTRL that starts", 0x5300c0, 0, 5, 0x38f, 1, MPMU_DONE, 5, 0},
	{"FIXED_CTR_CTRL beside it", 0x5300c0, 1, 5, 0x38d, 3, MPMU_DONE, 6, 0},
	{"the counter itself", 0x5300c0, 1, 5, 0x4c1, 9, MPMU_DONE, 10, 0},
	{"a counter that stands still", 0x5300c0, 0, 5, 0x4c1, 9, MPMU_DONE, 9, 0},
	{"another counter", 0x5300c0, 1, 5, 0x4c2, 9, MPMU_DONE, 6, 0},
	{"another counter, user mode only", 0x5100c0, 1, 5, 0x4c2, 9, MPMU_DONE, 5, 0},
	{"another counter, kernel mode only", 0x5200c0, 1, 5, 0x4c2, 9, MPMU_DONE, 6, 0},
	{"a write that wraps as it stops", 0x5300c0, 1, 0xffffffffffffull, 0x186, 0, MPMU_DONE, 0,
	 1},
	{"no register of the PMU", 0x5300c0, 1, 5, 0x10, 0, MPMU_NOT_PMU, 5, 0},
};

static void set_up(struct stub_vcpu *vcpu, const struct row *row)
{
	assert_true(stub_guest_wrmsr(vcpu, 0x38f, row->global_ctrl));
	assert_true(stub_guest_wrmsr(vcpu, 0x186, row->eventsel));
	assert_true(stub_guest_wrmsr(vcpu, 0x4c1, row->start));
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	stub_exit(vcpu);
}

static void check_row(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, MODEL, MODEL);
	u64 value;

	set_up(vcpu, row);
	vcpu->machine->irqs_off = true;
	assert_int_equal(mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, row->msr, row->value),
			 row->result);
	vcpu->machine->irqs_off = false;
	stub_enter(vcpu);
	stub_exit(vcpu);
	assert_int_equal(stub_host_rdmsr(vcpu, 0x4c1, &value), MPMU_DONE);
	assert_int_equal(value, row->counter);
	assert_int_equal(vcpu->pmis, row->pmis);
	stub_check_invariants(vcpu);
}

struct fixed_row {
	const char *id;
	u64 before, after;
	u64 counter;
};

static const struct fixed_row fixed_rows[] = {
	{"FIXED_CTR_CTRL that stops", 3, 0, 1},
	{"FIXED_CTR_CTRL that starts", 0, 3, 0},
};

static void check_fixed(void **state)
{
	const struct fixed_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, MODEL, MODEL);
	u64 value;

	assert_true(stub_guest_wrmsr(vcpu, 0x38f, 1ull << 32));
	assert_true(stub_guest_wrmsr(vcpu, 0x38d, row->before));
	stub_enter(vcpu);
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	assert_int_equal(mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, 0x38d, row->after), MPMU_DONE);
	vcpu->machine->irqs_off = false;
	assert_int_equal(stub_host_rdmsr(vcpu, 0x309, &value), MPMU_DONE);
	assert_int_equal(value, row->counter);
}

int main(void)
{
	UNIT_TABLE(fixed_rows, check_fixed);
	UNIT_TABLE(rows, check_row);
	return unit_run("wrmsr");
}
