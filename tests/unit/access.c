// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access.c: rows D.  Each row runs with the registers saved in memory and
 * with them resident in hardware; the owner of the VM never sees the second.
 */
#include "../lib/one.h"

#define GUEST MPMU_BY_GUEST
#define HOST  MPMU_BY_HOST

struct row {
	const char *id;
	const char *guest;
	enum mpmu_initiator by;
	u32 msr;
	u64 value;
	bool done;
	/* What @reads (0: @msr) then holds. */
	u32 reads;
	u64 holds;
};

#define FULL48 0xffffffffffffull

static const struct row rows[] = {
	{"D1 selector reads back as written", "intel-v4", GUEST, 0x186, 0x5300c0, true, 0,
	 0x5300c0},
	{"D1 selector: AnyThread", "intel-v4", GUEST, 0x186, 0x200000, false, 0, 0},
	{"D1 selector: bit 32 without TSX", "intel-v4", GUEST, 0x186, 1ull << 32, false, 0, 0},
	{"D1 selector: bit 63", "intel-v4", GUEST, 0x186, 1ull << 63, false, 0, 0},
	{"D1 selector 2: bit 33 without TSX", "intel-v4", GUEST, 0x188, 1ull << 33, false, 0, 0},
	{"D1 selector: IN_TX with TSX", "intel-v4-tsx", GUEST, 0x186, 1ull << 32, true, 0,
	 1ull << 32},
	{"D1 selector 2: IN_TXCP", "intel-v4-tsx", GUEST, 0x188, 1ull << 33, true, 0, 1ull << 33},
	{"D1 selector 1: no IN_TXCP", "intel-v4-tsx", GUEST, 0x187, 1ull << 33, false, 0, 0},
	{"D1 AMD: reserved bits are dropped", "amd-v2", GUEST, 0xc0010200, ~0ull & ~(1ull << 22),
	 true, 0, 0x30fff97ffffull},
	{"D1 AMD: no Host-Only without SVM", "amd-k7", GUEST, 0xc0010000, 3ull << 40 | 0xc0, true,
	 0, 0xc0},
	{"D1 AMD: alias of the core selector", "amd-v2", GUEST, 0xc0010206, 0x300c2, true,
	 0xc0010003, 0x300c2},
	{"D1 host: selector, reserved bit", "intel-v4", HOST, 0x186, 1ull << 63, false, 0, 0},
	{"D1 host: selector", "intel-v4", HOST, 0x186, 0x5300c0, true, 0, 0x5300c0},
	{"D2 FIXED_CTR_CTRL", "intel-v5-8-4", GUEST, 0x38d, 0xb0b0, true, 0, 0xb0b0},
	{"D2 AnyThread", "intel-v5-8-4", GUEST, 0x38d, 4, false, 0, 0},
	{"D2 field of an absent counter", "intel-v5-8-3", GUEST, 0x38d, 0x1000, false, 0, 0},
	{"D2 field of a hole", "intel-v5-holes", GUEST, 0x38d, 0x100, false, 0, 0},
	{"D2 field behind a hole", "intel-v5-holes", GUEST, 0x38d, 0x1000, true, 0, 0x1000},
	{"D3 legacy write, bit 31 clear", "intel-v4", GUEST, 0xc1, 0x7fffffff, true, 0, 0x7fffffff},
	{"D3 legacy write sign-extends", "intel-v4", GUEST, 0xc1, 0x80000001, true, 0,
	 0xffff80000001},
	{"D3 legacy write, upper half ignored", "intel-v4", GUEST, 0xc1, 0xffff00000005, true, 0,
	 5},
	{"D3 legacy write, width 40", "intel-v5-odd", GUEST, 0xc1, 0xfffffffe, true, 0,
	 0xfffffffffe},
	{"D3 legacy write by the host is full", "intel-v4", HOST, 0xc1, 0x80000001, true, 0,
	 0x80000001},
	{"D3 legacy write by the host, beyond width", "intel-v4", HOST, 0xc1, ~0ull, true, 0,
	 FULL48},
	{"D3 full-width write", "intel-v4", GUEST, 0x4c1, FULL48, true, 0xc1, FULL48},
	{"D3 full-width write beyond width", "intel-v4", GUEST, 0x4c1, 1ull << 48, false, 0, 0},
	{"D3 full-width write beyond width 40", "intel-v5-odd", GUEST, 0x4c1, 1ull << 40, false, 0,
	 0},
	{"D3 fixed write", "intel-v5-odd", GUEST, 0x309, (1ull << 44) - 1, true, 0,
	 (1ull << 44) - 1},
	{"D3 fixed write beyond width", "intel-v5-odd", GUEST, 0x309, 1ull << 44, false, 0, 0},
	{"D3 fixed write by the host, beyond width", "intel-v5-odd", HOST, 0x309, ~0ull, true, 0,
	 (1ull << 44) - 1},
	{"D3 AMD: counter is masked to its width", "amd-v2", GUEST, 0xc0010201, ~0ull, true, 0,
	 FULL48},
	{"D3 AMD: no sign extension", "amd-k7", GUEST, 0xc0010004, 0x80000000, true, 0, 0x80000000},
	{"D3 AMD: alias of the core counter", "amd-v2", GUEST, 0xc0010203, 77, true, 0xc0010005,
	 77},
	{"D3 counter beyond the model", "intel-v2", GUEST, 0xc5, 1, false, 0, 0},
	{"D4 GLOBAL_CTRL", "intel-v5-8-4", GUEST, 0x38f, 0xf000000ffull, true, 0, 0xf000000ffull},
	{"D4 GLOBAL_CTRL: absent GP counter", "intel-v5-8-4", GUEST, 0x38f, 0x100, false, 0, 0xff},
	{"D4 GLOBAL_CTRL: absent fixed counter", "intel-v5-8-3", GUEST, 0x38f, 8ull << 32, false, 0,
	 0xff},
	{"D4 GLOBAL_CTRL: absent metrics", "intel-v5-8-4", GUEST, 0x38f, 1ull << 48, false, 0, 0xff},
	{"D4 GLOBAL_CTRL: metrics", "intel-spr", GUEST, 0x38f, 1ull << 48, true, 0, 1ull << 48},
	{"D4 STATUS_SET: metrics", "intel-spr", GUEST, 0x391, 1ull << 48, true, 0x38e, 1ull << 48},
	{"D4 STATUS_SET: absent metrics", "intel-v5-8-4", GUEST, 0x391, 1ull << 48, false, 0x38e, 0},
	{"D4 OVF_CTRL: metrics", "intel-spr", GUEST, 0x390, 1ull << 48, true, 0, 0},
	{"D4 OVF_CTRL: absent metrics", "intel-v5-8-4", GUEST, 0x390, 1ull << 48, false, 0, 0},
	{"D3 PERF_METRICS", "intel-spr", GUEST, 0x329, ~0ull, true, 0, ~0ull},
	{"D3 PERF_METRICS of four fields", "intel-icx", GUEST, 0x329, 0xffffffffull, true, 0,
	 0xffffffffull},
	{"D3 PERF_METRICS beyond four fields", "intel-icx", GUEST, 0x329, 1ull << 32, false, 0, 0},
	{"D3 PERF_METRICS by the host, beyond four fields", "intel-icx", HOST, 0x329, ~0ull, true, 0,
	 0xffffffffull},
	{"D6 host sets STATUS: metrics", "intel-spr", HOST, 0x38e, 1ull << 48, true, 0, 1ull << 48},
	{"D4 AMD GLOBAL_CTL: absent bits are dropped", "amd-v2", GUEST, 0xc0000301, 0xff, true, 0,
	 0x3f},
	{"D4 STATUS is read-only", "intel-v4", GUEST, 0x38e, 1, false, 0, 0},
	{"D4 STATUS is read-only, also 0", "intel-v4", GUEST, 0x38e, 0, false, 0, 0},
	{"D4 AMD STATUS ignores writes", "amd-v2", GUEST, 0xc0000300, 1, true, 0, 0},
	{"D4 STATUS_SET sets", "intel-v4", GUEST, 0x391, 3, true, 0x38e, 3},
	{"D4 STATUS_SET reads 0", "intel-v4", GUEST, 0x391, 3, true, 0, 0},
	{"D4 STATUS_SET: absent counter", "intel-v4", GUEST, 0x391, 0x100, false, 0x38e, 0},
	{"D4 AMD STATUS_SET sets", "amd-v2", GUEST, 0xc0000303, 0xffff, true, 0xc0000300, 0x3f},
	{"D4 OVF_CTRL reads 0", "intel-v4", GUEST, 0x390, 3, true, 0, 0},
	{"D4 OVF_CTRL: absent counter", "intel-v4", GUEST, 0x390, 0x100, false, 0, 0},
	{"D4 OVF_CTRL: CondChgd and OvfBuf", "intel-v4", GUEST, 0x390, 3ull << 62, true, 0, 0},
	{"D5 OVF_CTRL clears what a freeze would set", "intel-v4", GUEST, 0x390, 3ull << 58, true,
	 0x38e, 0},
	{"D5 no freeze by STATUS_SET: counters", "intel-v4", GUEST, 0x391, 1ull << 59, false, 0, 0},
	{"D5 no freeze by STATUS_SET: LBRs", "intel-v4", GUEST, 0x391, 1ull << 58, false, 0, 0},
	{"D5 no freeze by the owner of the VM", "intel-v4", HOST, 0x38e, 3ull << 58, true, 0x38e, 0},
	{"D5 GLOBAL_INUSE is read-only", "intel-v4", GUEST, 0x392, 0, false, 0, 0},
	{"D5 GLOBAL_INUSE: selector", "intel-v4", GUEST, 0x187, 0xc0, true, 0x392, 2},
	{"D5 GLOBAL_INUSE: PMI of a selector", "intel-v4", GUEST, 0x187, 1 << 20, true, 0x392,
	 1ull << 63},
	{"D5 GLOBAL_INUSE: fixed counter", "intel-v4", GUEST, 0x38d, 0x20, true, 0x392, 2ull << 32},
	{"D5 GLOBAL_INUSE: PMI of a fixed counter", "intel-v4", GUEST, 0x38d, 8, true, 0x392,
	 1ull << 63},
	{"D5 version 1: no GLOBAL_CTRL", "intel-v1-fw", GUEST, 0x38f, 0, false, 0, 0},
	{"D5 version 2: no STATUS_SET", "intel-v2", GUEST, 0x391, 0, false, 0, 0},
	{"D6 host sets STATUS", "intel-v4", HOST, 0x38e, 5, true, 0, 5},
	{"D6 host sets STATUS: absent counter", "intel-v4", HOST, 0x38e, 0x100, false, 0, 0},
	{"D6 host sets AMD STATUS", "amd-v2", HOST, 0xc0000300, 5, true, 0, 5},
};

/* The guest has used its PMU, and nothing counts: a disabled selector. */
static void make_resident(struct stub_vcpu *vcpu)
{
	u64 value;

	assert_true(stub_guest_rdpmc(vcpu, 0, &value));
	stub_enter(vcpu);
	stub_exit(vcpu);
	assert_true(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu));
}

static bool do_write(struct stub_vcpu *vcpu, const struct row *row)
{
	if (row->by == GUEST)
		return stub_guest_wrmsr(vcpu, row->msr, row->value);
	return stub_host_wrmsr(vcpu, row->msr, row->value) == MPMU_DONE;
}

static bool do_read(struct stub_vcpu *vcpu, const struct row *row, u64 *value)
{
	u32 msr = row->reads ? row->reads : row->msr;

	if (row->by == GUEST)
		return stub_guest_rdmsr(vcpu, msr, value);
	return stub_host_rdmsr(vcpu, msr, value) == MPMU_DONE;
}

static void run(const struct row *row, bool resident)
{
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);
	u64 value;

	if (resident)
		make_resident(vcpu);
	assert_int_equal(do_write(vcpu, row), row->done);
	stub_check_invariants(vcpu);
	if (do_read(vcpu, row, &value))
		assert_int_equal(value, row->holds);
	else
		assert_false(row->done);
	stub_check_round_trip(vcpu);
	stub_check_invariants(vcpu);
}

static void check_row(void **state)
{
	run(*state, false);
	run(*state, true);
}

struct step {
	bool read;
	enum mpmu_initiator by;
	u32 msr;
	/* Written, or expected. */
	u64 value;
};

#define W(msr, value)                    \
	{                                \
		false, GUEST, msr, value \
	}
#define R(msr, value)                   \
	{                               \
		true, GUEST, msr, value \
	}
#define HW(msr, value)                  \
	{                               \
		false, HOST, msr, value \
	}
#define HR(msr, value)                 \
	{                              \
		true, HOST, msr, value \
	}

struct sequence {
	const char *id;
	const char *guest;
	struct step steps[6];
};

static const struct sequence sequences[] = {
	{"D4 OVF_CTRL clears what it names", "intel-v4", {W(0x391, 7), W(0x390, 2), R(0x38e, 5)}},
	{"D4 AMD a write of STATUS clears nothing",
	 "amd-v2",
	 {W(0xc0000303, 7), W(0xc0000300, 7), R(0xc0000300, 7)}},
	{"D4 AMD STATUS_CLR clears what it names",
	 "amd-v2",
	 {W(0xc0000303, 7), W(0xc0000302, 2), R(0xc0000300, 5), R(0xc0000302, 0)}},
	{"D4 GLOBAL_CTRL at reset", "intel-v5-8-4", {R(0x38f, 0xff)}},
	{"D4 GLOBAL_CTRL at reset, holes", "intel-v5-holes", {R(0x38f, 0xcb)}},
	{"D4 GLOBAL_CTL at reset (AMD)", "amd-v2", {R(0xc0000301, 0x3f)}},
	{"D6 host write of OVF_CTRL is a no-op",
	 "intel-v4",
	 {W(0x391, 7), HW(0x390, 7), R(0x38e, 7), HR(0x390, 0)}},
	{"D6 host write of STATUS_SET is a no-op",
	 "intel-v4",
	 {W(0x391, 1), HW(0x391, 6), R(0x38e, 1), HR(0x391, 0)}},
	{"D6 host write of AMD STATUS_SET is a no-op",
	 "amd-v2",
	 {W(0xc0000303, 1), HW(0xc0000303, 6), R(0xc0000300, 1)}},
	{"D6 host write of STATUS replaces", "intel-v4", {W(0x391, 7), HW(0x38e, 8), R(0x38e, 8)}},
	{"D6 host reads what the guest wrote",
	 "intel-v4",
	 {W(0x4c1, 99), W(0x186, 0xc0), W(0x38f, 3), HR(0xc1, 99), HR(0x186, 0xc0), HR(0x38f, 3)}},
	{"D6 guest reads what the host wrote",
	 "intel-v4",
	 {HW(0x4c1, 98), HW(0x186, 0xc4), HW(0x38f, 5), R(0xc1, 98), R(0x186, 0xc4), R(0x38f, 5)}},
	{"D5 FIXED_CTR_CTRL and its counter",
	 "intel-v4",
	 {W(0x38d, 0x30), W(0x30a, 5), R(0x30a, 5), R(0x38d, 0x30)}},
	{"D3 a refused write changes nothing", "intel-v4", {W(0x4c1, 5), R(0x4c1, 5)}},
	{"D6 host write of GLOBAL_INUSE is a no-op",
	 "intel-v4",
	 {W(0x4c1, 5), HW(0x392, 9), R(0x4c1, 5), R(0x392, 0)}},
};

static void check_step(struct stub_vcpu *vcpu, const struct step *step)
{
	u64 value;

	if (step->read && step->by == GUEST)
		assert_true(stub_guest_rdmsr(vcpu, step->msr, &value));
	else if (step->read)
		assert_int_equal(stub_host_rdmsr(vcpu, step->msr, &value), MPMU_DONE);
	else if (step->by == GUEST)
		assert_true(stub_guest_wrmsr(vcpu, step->msr, step->value));
	else
		assert_int_equal(stub_host_wrmsr(vcpu, step->msr, step->value), MPMU_DONE);
	if (step->read)
		assert_int_equal(value, step->value);
	stub_check_invariants(vcpu);
}

static void run_sequence(const struct sequence *sequence, bool resident)
{
	struct unit_world world;
	struct stub_vcpu *vcpu =
		unit_world_init(&world, unit_host_for(sequence->guest), sequence->guest);
	u32 i;

	if (resident)
		make_resident(vcpu);
	for (i = 0; i < ARRAY_SIZE(sequence->steps) && sequence->steps[i].msr; i++)
		check_step(vcpu, &sequence->steps[i]);
}

static void check_sequence(void **state)
{
	run_sequence(*state, false);
	run_sequence(*state, true);
}

struct image_row {
	const char *id;
	const char *guest;
	u32 msr;
	u64 value;
	/* After the write, and after reprogramming. */
	u64 closed;
	u64 open;
};

#define HO (1ull << 41)
#define GO (1ull << 40)

static const struct image_row images[] = {
	{"D8 image has GuestOnly", "amd-v2", 0xc0010200, 0x5300c0, 0x1300c0 | GO, 0x5300c0 | GO},
	{"D8 image never has HostOnly", "amd-v2", 0xc0010200, 0x5300c0 | HO, 0x1300c0 | GO,
	 0x1300c0 | GO},
	{"D8 selector of the guest 0: image 0", "amd-v2", 0xc0010200, 0, 0, 0},
	{"D8 Intel has no such bits", "intel-v4", 0x186, 0x5300c0, 0x1300c0, 0x5300c0},
	{"D1 disabled stays disabled", "intel-v4", 0x186, 0x1300c0, 0x1300c0, 0x1300c0},
};

static void check_image(void **state)
{
	const struct image_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);

	assert_true(stub_guest_wrmsr(vcpu, row->msr, 1 << 16));
	assert_true(stub_guest_wrmsr(vcpu, row->msr, row->value));
	assert_int_equal(vcpu->mpmu.eventsel[0], row->value);
	assert_int_equal(vcpu->mpmu.eventsel_hw[0], row->closed);
	stub_enter(vcpu);
	assert_int_equal(vcpu->mpmu.eventsel_hw[0], row->open);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

/* A changed field is off in hardware until reprogramming; others go on. */
static void check_fixed_image(void **state)
{
	const struct image_row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);

	assert_true(stub_guest_wrmsr(vcpu, row->msr, 0x3));
	stub_enter(vcpu);
	assert_true(stub_guest_wrmsr(vcpu, row->msr, row->value));
	assert_int_equal(vcpu->mpmu.fixed_ctrl, row->value);
	assert_int_equal(vcpu->mpmu.fixed_ctrl_hw, row->closed);
	assert_int_equal(vcpu->cpu->pmu.fixed_ctrl.value, row->closed);
	stub_enter(vcpu);
	assert_int_equal(vcpu->cpu->pmu.fixed_ctrl.value, row->open);
	stub_exit(vcpu);
	stub_check_invariants(vcpu);
}

static const struct image_row fixed_images[] = {
	{"D2 new field waits, old one goes on", "intel-v4", 0x38d, 0xb3, 0x03, 0xb3},
	{"D2 changed field waits", "intel-v4", 0x38d, 0xb1, 0, 0xb1},
	{"D2 cleared field is off at once", "intel-v4", 0x38d, 0, 0, 0},
	{"D2 same value changes nothing", "intel-v4", 0x38d, 3, 3, 3},
};

static enum mpmu_result write_by(struct mpmu_vcpu *vcpu, u32 msr, enum mpmu_initiator by, u64 value)
{
	return by == GUEST ? mpmu_nested_msr_load(NULL, vcpu, msr, value)
			   : mpmu_owner_write(NULL, vcpu, msr, value);
}

/* Everything of the vCPU but its statistics is as it was. */
static void check_refused(void **state)
{
	const struct row *row = *state;
	struct unit_world world;
	struct stub_vcpu *vcpu = unit_world_init(&world, unit_host_for(row->guest), row->guest);
	static struct mpmu_vcpu before;

	stub_vcpu_put(vcpu);
	before = vcpu->mpmu;
	world.machine.irqs_off = true;
	assert_int_not_equal(write_by(&vcpu->mpmu, row->msr, row->by, row->value), MPMU_DONE);
	assert_memory_equal(&before, &vcpu->mpmu, sizeof(before));
}

static const struct row refusals[] = {
	{"D3 refused: beyond width", "intel-v4", GUEST, 0x4c1, ~0ull, false, 0, 0},
	{"D1 refused: reserved bits", "intel-v4", GUEST, 0x186, ~0ull, false, 0, 0},
	{"D2 refused: reserved bits", "intel-v4", GUEST, 0x38d, ~0ull, false, 0, 0},
	{"D4 refused: GLOBAL_CTRL", "intel-v4", GUEST, 0x38f, ~0ull, false, 0, 0},
	{"D4 refused: STATUS", "intel-v4", GUEST, 0x38e, 1, false, 0, 0},
	{"D5 refused: STATUS_SET", "intel-v4", GUEST, 0x391, ~0ull, false, 0, 0},
	{"D5 refused: no PMU register", "intel-v4", GUEST, 0x1a0, 1, false, 0, 0},
};

enum access { RDMSR, WRMSR, WRMSR_WHOLE, RDPMC };

struct result_row {
	const char *id;
	const char *guest;
	enum access access;
	enum mpmu_initiator by;
	u32 reg;
	u64 value;
	enum mpmu_result result;
};

static const struct result_row results[] = {
	{"D3 write beyond width: #GP", "intel-v4", WRMSR, GUEST, 0x4c1, ~0ull, MPMU_GP},
	{"D1 reserved bits: #GP", "intel-v4", WRMSR, GUEST, 0x186, ~0ull, MPMU_GP},
	{"D4 write of STATUS: #GP", "intel-v4", WRMSR, GUEST, 0x38e, 0, MPMU_GP},
	{"D5 write of GLOBAL_INUSE: #GP", "intel-v4", WRMSR, GUEST, 0x392, 0, MPMU_GP},
	{"D6 host write of GLOBAL_INUSE: done", "intel-v4", WRMSR, HOST, 0x392, 9, MPMU_DONE},
	{"D5 read of no PMU register", "intel-v4", RDMSR, GUEST, 0x1a0, 0, MPMU_NOT_PMU},
	{"D5 write of no PMU register", "intel-v4", WRMSR, GUEST, 0x1a0, 0, MPMU_NOT_PMU},
	{"D5 read of a register without its feature", "intel-v2", RDMSR, GUEST, 0x391, 0,
	 MPMU_NOT_PMU},
	{"H WRMSR with reserved bits: #GP", "intel-v4", WRMSR_WHOLE, GUEST, 0x186, ~0ull, MPMU_GP},
	{"C RDPMC beyond the model: #GP", "intel-v4", RDPMC, GUEST, 8, 0, MPMU_GP},
	{"C RDPMC of an unknown type: #GP", "intel-v4", RDPMC, GUEST, 1u << 29, 0, MPMU_GP},
};

static void check_result(void **state)
{
	const struct result_row *row = *state;
	struct unit_world world;
	struct mpmu_vcpu *vcpu =
		&unit_world_init(&world, unit_host_for(row->guest), row->guest)->mpmu;
	enum mpmu_result result = MPMU_DONE;
	u64 value;

	world.machine.irqs_off = true;
	switch (row->access) {
	case RDMSR:
		result = mpmu_msr_read(NULL, vcpu, row->reg, row->by, &value);
		break;
	case WRMSR:
		result = write_by(vcpu, row->reg, row->by, row->value);
		break;
	case WRMSR_WHOLE:
		result = mpmu_wrmsr(NULL, vcpu, row->reg, row->value);
		break;
	case RDPMC:
		result = mpmu_rdpmc(NULL, vcpu, row->reg, &value);
		break;
	}
	assert_int_equal(result, row->result);
}

static void no_fixed_counter_0(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");

	caps.counters &= ~(1ull << MPMU_FIXED_BASE);
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	stub_vcpu_init(&one.vcpu, &one.machine, &caps);
	stub_vcpu_load(&one.vcpu, &one.machine.cpus[0]);
	one_wrmsr(0x38d, 0x30);
	assert_false(stub_guest_wrmsr(&one.vcpu, 0x38d, 1));
}

/* Bits of the status that no counter owns are dropped, whoever writes them. */
static void check_status_extra(const char *guest)
{
	const u64 extra = 3ull << 62;
	u64 value = 0;

	unit_world_init(&one, "intel-v5-8-4", guest);
	assert_int_equal(stub_host_wrmsr(&one.vcpu, 0x38e, extra | 1), MPMU_DONE);
	assert_int_equal(one.vcpu.mpmu.global_status, 1);
	stub_vcpu_load(&one.vcpu, &one.machine.cpus[0]);
	assert_int_equal(one_rdmsr(0x38e), 1);
	one_wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&one.vcpu);
	assert_int_equal(one.machine.cpus[0].pmu.status, 1);
	assert_int_equal(one_rdmsr(0x38e), 1);
	one_wrmsr(0x390, extra);
	assert_int_equal(one_rdmsr(0x38e), 1);
	assert_int_equal(stub_host_rdmsr(&one.vcpu, 0x38e, &value), MPMU_DONE);
	assert_int_equal(value, 1);
}

/* With the status direct, and not. */
static void status_extra(void)
{
	check_status_extra("intel-v5-8-4");
	check_status_extra("intel-v5-8-3");
}

/* Registers as wide as they can be, and almost. */
static void widest(void)
{
	struct mpmu_vcpu *vcpu = &one.vcpu.mpmu;
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	u32 width;
	u64 value;

	for (width = 63; width <= 64; width++) {
		const u64 all = ~0ull >> (64 - width);

		caps.gp_width = caps.fixed_width = width;
		assert_int_equal(stub_machine_init(&one.machine, &caps), 0);
		stub_vcpu_init(&one.vcpu, &one.machine, &caps);
		one.machine.irqs_off = true;
		assert_int_equal(mpmu_owner_write(NULL, vcpu, 0x4c1, all), MPMU_DONE);
		assert_int_equal(mpmu_msr_read(NULL, vcpu, 0x4c1, MPMU_BY_HOST, &value), MPMU_DONE);
		assert_int_equal(value, all);
		assert_int_equal(mpmu_owner_write(NULL, vcpu, 0x4c1, ~0ull),
				 width == 64 ? MPMU_DONE : MPMU_GP);
	}
}

static const struct unit_case cases_of_one[] = {
	{"the field of an absent fixed counter 0", no_fixed_counter_0},
	{"status bits that are no counter's", status_extra},
	{"counters of 63 and 64 bits", widest},
};

int main(void)
{
	UNIT_TABLE(rows, check_row);
	UNIT_TABLE(sequences, check_sequence);
	UNIT_TABLE(images, check_image);
	UNIT_TABLE(fixed_images, check_fixed_image);
	UNIT_TABLE(refusals, check_refused);
	UNIT_TABLE(results, check_result);
	UNIT_CASES(cases_of_one);
	return unit_run("access");
}
