// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Save and restore as a list of MSRs: invariant 5, on every model. */
#include "../lib/unit.h"

#define MAX_LIST 128
#define ROUNDS   200

struct fixture {
	struct stub_machine machine;
	struct stub_vcpu vcpu;
	struct mpmu_msr list[MAX_LIST];
	u32 count;
};

static const char *const hosts[] = {"intel-v5-8-4", "amd-v2"};

static void start(struct fixture *fixture, const char *host, const struct mpmu_caps *guest)
{
	memset(fixture, 0, sizeof(*fixture));
	assert_int_equal(stub_machine_init(&fixture->machine, &stub_model_find(host)->caps), 0);
	stub_vcpu_init(&fixture->vcpu, &fixture->machine, guest);
	stub_vcpu_load(&fixture->vcpu, &fixture->machine.cpus[0]);
	/* The owner of the VM calls with the vCPU loaded and IRQs off. */
	fixture->machine.irqs_off = true;
	fixture->count = mpmu_snapshot_size(&fixture->vcpu.mpmu);
	assert_true(fixture->count <= MAX_LIST);
}

static void save(struct fixture *fixture)
{
	mpmu_snapshot_save(&fixture->vcpu.cpu->mpmu, &fixture->vcpu.mpmu, fixture->list);
}

static int restore(struct fixture *fixture, const struct mpmu_msr *list, u32 count, u32 *err_msr)
{
	return mpmu_snapshot_restore(&fixture->vcpu.cpu->mpmu, &fixture->vcpu.mpmu, list, count,
				     err_msr);
}

/* Any value that the register takes. */
static void scribble(struct fixture *fixture)
{
	const struct mpmu_caps *caps = &fixture->vcpu.mpmu.caps;
	u32 err_msr, i;

	save(fixture);
	for (i = 0; i < fixture->count; i++) {
		u64 mask = stub_msr_writable(caps, fixture->list[i].index);

		/* Read-only for the guest, and at most the width of the register. */
		if (!mask)
			mask = caps->counters;
		fixture->list[i].value = ((u64)random() << 33 ^ (u64)random() << 11) & mask &
					 stub_width_mask(caps->gp_width < 40 ? 32 : 40);
	}
	assert_int_equal(restore(fixture, fixture->list, fixture->count, &err_msr), 0);
}

static void round_trip(const char *host, const struct mpmu_caps *guest)
{
	struct mpmu_msr before[MAX_LIST];
	struct fixture f;
	u32 err_msr;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		start(&f, host, guest);
		scribble(&f);
		save(&f);
		memcpy(before, f.list, sizeof(before));
		start(&f, host, guest);
		assert_int_equal(restore(&f, before, f.count, &err_msr), 0);
		save(&f);
		assert_memory_equal(f.list, before, f.count * sizeof(before[0]));
	}
}

static void each_model(void (*test)(const char *host, const struct mpmu_caps *guest))
{
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(hosts); i++)
		for (j = 0; j < stub_nr_models; j++)
			if (stub_models[j].caps.vendor == stub_model_find(hosts[i])->caps.vendor)
				test(hosts[i], &stub_models[j].caps);
}

static void test_round_trip(void)
{
	each_model(round_trip);
}

/* Counters, selectors and the registers that exist once: no alias twice. */
static void check_size(const char *host, const struct mpmu_caps *guest)
{
	struct fixture f;
	mpmu_pmcs pmcs;
	u32 expected = 0;

	start(&f, host, guest);
	for (pmcs = f.vcpu.mpmu.caps.counters; pmcs; pmcs &= pmcs - 1)
		expected += pmcs & MPMU_GP_MASK ? 2 : 1;
	if (f.vcpu.mpmu.caps.features & MPMU_FEAT_GLOBAL)
		expected += guest->vendor == MPMU_VENDOR_INTEL ? 3 : 2;
	assert_int_equal(f.count, expected);
}

static void test_size(void)
{
	each_model(check_size);
}

struct bad_row {
	const char *model;
	struct mpmu_msr bad;
};

static const struct bad_row bads[] = {
	/* No PMU register, a ninth selector, a fifth fixed counter. */
	{"intel-v5-8-4", {0x10, 0}},
	{"intel-v5-8-4", {0x18e, 0}},
	{"intel-v5-8-4", {0x30d, 0}},
	{"intel-v5-8-4", {0xc0010200, 0}},
	/* AnyThread and other reserved bits. */
	{"intel-v5-8-4", {0x186, 1ull << 21}},
	{"intel-v5-8-4", {0x186, 1ull << 40}},
	{"intel-v5-8-4", {0x38d, 1ull << 2}},
	{"intel-v5-8-4", {0x38d, 1ull << 16}},
	{"intel-v5-8-4", {0x38e, 1ull << 55}},
	{"intel-v5-8-4", {0x38f, 1ull << 8}},
	{"intel-v5-8-4", {0x4c1, 1ull << 48}},
	/* AMD drops reserved bits: a seventh counter, another vendor's, none. */
	{"amd-v2", {0xc001020c, 0}},
	{"amd-v2", {0xc001020d, 0}},
	{"amd-v2", {0x186, 0}},
	{"amd-v2", {0xc0000304, 0}},
};

/* One bad entry at any place: nothing changes, and it is named. */
static void check_rejected(const struct bad_row *row)
{
	struct mpmu_msr list[MAX_LIST + 1];
	struct mpmu_vcpu before;
	struct fixture f;
	u32 err_msr, at;

	start(&f, row->model, &stub_model_find(row->model)->caps);
	scribble(&f);
	for (at = 0; at <= f.count; at++) {
		memset(list, 0, sizeof(list));
		memcpy(list, f.list, at * sizeof(list[0]));
		list[at] = row->bad;
		list[0].value ^= at ? 1 : 0;
		before = f.vcpu.mpmu;
		err_msr = 0;
		assert_int_equal(restore(&f, list, at + 1, &err_msr), -EINVAL);
		assert_int_equal(err_msr, row->bad.index);
		assert_memory_equal(&before, &f.vcpu.mpmu, sizeof(before));
	}
}

static void test_rejected(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bads); i++)
		check_rejected(&bads[i]);
}

/* A pending overflow stays pending, and raises no second interrupt. */
static void test_pending_overflow(void)
{
	const struct mpmu_msr list[] = {{0x38e, 1}, {0x390, 1}, {0x391, 0}};
	const struct mpmu_caps *caps = &stub_model_find("intel-v5-8-4")->caps;
	struct fixture f;
	u32 err_msr;
	u64 value;

	start(&f, "intel-v5-8-4", caps);
	assert_int_equal(restore(&f, list, 3, &err_msr), 0);
	f.machine.irqs_off = false;
	assert_false(f.vcpu.requests.pmi);
	assert_true(stub_guest_rdmsr(&f.vcpu, 0x38e, &value));
	assert_int_equal(value, 1);
	assert_int_equal(f.vcpu.pmis, 0);
}

/* The status and the two registers that change it, in each order. */
static void check_order(const char *model, const u32 *msrs)
{
	static const u8 orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
				       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const u64 values[] = {5, 7, 8};
	struct mpmu_msr list[3];
	struct fixture f;
	u32 err_msr, i, j;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		start(&f, model, &stub_model_find(model)->caps);
		for (j = 0; j < 3; j++)
			list[j] = (struct mpmu_msr){msrs[orders[i][j]], values[orders[i][j]]};
		assert_int_equal(restore(&f, list, 3, &err_msr), 0);
		assert_int_equal(mpmu_msr_read(&f.vcpu.cpu->mpmu, &f.vcpu.mpmu, msrs[0],
					       MPMU_BY_HOST, &value),
				 MPMU_DONE);
		assert_int_equal(value, 5);
	}
}

static void test_any_order(void)
{
	check_order("intel-v5-8-4", (const u32[]){0x38e, 0x390, 0x391});
	check_order("amd-v2", (const u32[]){0xc0000300, 0xc0000302, 0xc0000303});
}

/* Of another PMU's list: bits that are no counter's are taken, and not kept. */
static void test_other_status_bits(void)
{
	const struct mpmu_msr list[] = {{0x38e, 3ull << 62 | 2}};
	struct fixture f;
	u32 err_msr, i;

	start(&f, "intel-v5-8-4", &stub_model_find("intel-v5-8-4")->caps);
	assert_int_equal(restore(&f, list, 1, &err_msr), 0);
	save(&f);
	for (i = 0; f.list[i].index != 0x38e; i++)
		;
	assert_int_equal(f.list[i].value, 2);
}

/* A guest that counted goes on counting without an access of its own. */
static void test_restored_counts(void)
{
	const u64 eventsel = 0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_USR;
	const struct mpmu_msr list[] = {{0x186, eventsel}, {0xc1, 5}, {0x38f, 1}};
	const struct stub_work work = {.instructions = 10, .cpl = 3};
	const struct mpmu_caps *caps = &stub_model_find("intel-v5-8-4")->caps;
	struct fixture f;
	u32 err_msr;
	u64 value;

	start(&f, "intel-v5-8-4", caps);
	assert_int_equal(restore(&f, list, 3, &err_msr), 0);
	f.machine.irqs_off = false;
	stub_guest_run(&f.vcpu, &work);
	assert_true(stub_guest_rdmsr(&f.vcpu, 0xc1, &value));
	assert_int_equal(value, 15);
}

static const struct unit_case rows[] = {
	{"D7 save, restore, save is the same, each model", test_round_trip},
	{"D7 each register once, each model", test_size},
	{"D7 garbage: errno, err_msr, nothing changed", test_rejected},
	{"D7 a pending overflow raises no second PMI", test_pending_overflow},
	{"D7 restored counters count", test_restored_counts},
	{"D7 any order of the status registers", test_any_order},
	{"D7 status bits that are no counter's", test_other_status_bits},
};

int main(void)
{
	UNIT_CASES(rows);
	return unit_run("snapshot");
}
