// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* PERF_METRICS: nothing of the host's for a guest, nothing of a guest's lost. */
#include "../lib/unit.h"

#define SLOTS       0x30c
#define METRICS     0x329
#define FIXED_CTRL  0x38d
#define STATUS      0x38e
#define GLOBAL_CTRL 0x38f
#define STATUS_CLR  0x390
#define STATUS_SET  0x391
#define ECX         0x20000000u

#define ON          (STUB_METRICS_BIT | 1ull << STUB_SLOTS)
#define COUNT       0x3000ull
#define COUNT_PMI   0xb000ull
#define WORK(n)     (&(struct stub_work){.instructions = (n), .cycles = 1})

static struct unit_world world;

static struct stub_vcpu *start_on(const char *host, const char *guest)
{
	memset(&world, 0, sizeof(world));
	return unit_world_init(&world, host, guest);
}

static struct stub_vcpu *start(void)
{
	return start_on("intel-spr", "intel-spr");
}

/* Metrics go on from @value, with what FIXED_CTR_CTRL says of slots. */
static void count(struct stub_vcpu *vcpu, u64 value, u64 control)
{
	unit_wrmsr(vcpu, SLOTS, 0x1000);
	unit_wrmsr(vcpu, METRICS, value);
	unit_wrmsr(vcpu, FIXED_CTRL, control);
	unit_wrmsr(vcpu, GLOBAL_CTRL, ON);
	stub_enter(vcpu);
}

static void put(struct stub_vcpu *vcpu)
{
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	stub_check_invariants(vcpu);
	stub_vcpu_load(vcpu, &vcpu->machine->cpus[0]);
}

static u64 rdpmc(struct stub_vcpu *vcpu)
{
	u64 value;

	assert_true(stub_guest_rdpmc(vcpu, ECX, &value));
	return value;
}

/* An event of the host counts slots, and metrics with them. */
static void host_counts_slots(struct stub_vcpu *vcpu)
{
	struct stub_pmu *pmu = &world.machine.here->pmu;

	stub_exit(vcpu);
	stub_perf_install(&world.machine, 0, STUB_SLOTS, 0, 0);
	stub_perf_run(&world.machine, WORK(50));
	stub_perf_remove(&world.machine, 0);
	assert_int_equal(stub_pmu_counters_of(pmu, STUB_OF_HOST), ON);
}

static void host_before(void)
{
	struct stub_vcpu *vcpu = start();

	host_counts_slots(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, METRICS), 0);
	assert_int_equal(rdpmc(vcpu), 0);
	assert_int_equal(unit_rdmsr(vcpu, METRICS), 0);
	stub_check_invariants(vcpu);
}

/* What was known to be 0 is not any more. */
static void host_between(void)
{
	struct stub_vcpu *vcpu = start();

	assert_int_equal(rdpmc(vcpu), 0);
	put(vcpu);
	host_counts_slots(vcpu);
	assert_int_equal(rdpmc(vcpu), 0);
	assert_int_equal(unit_rdmsr(vcpu, METRICS), 0);
	assert_int_equal(unit_rdmsr(vcpu, SLOTS), 0);
}

/* A smaller model on the same host: it has fixed counter 3, and reads no metrics. */
static void host_without(void)
{
	struct stub_vcpu *vcpu = start_on("intel-spr", "intel-v5-8-4");
	u64 value;

	host_counts_slots(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, SLOTS), 0);
	stub_enter(vcpu);
	assert_int_equal(world.machine.here->pmu.metrics.value, 0);
	assert_false(stub_guest_rdpmc(vcpu, ECX, &value));
	assert_false(stub_guest_rdmsr(vcpu, METRICS, &value));
	assert_false(stub_guest_wrmsr(vcpu, GLOBAL_CTRL, ON));
	put(vcpu);
}

/*
 * Who can read metrics beyond its model, as they are inert, takes the PMU over from a
 * vCPU with slots: of these hardware derives the metrics, which were 0.
 */
static void taken_over_inert(void)
{
	struct stub_vcpu *vcpu = start();
	static struct stub_vcpu other;
	u64 value = 1;

	world.machine.parks = true;
	stub_vcpu_put(vcpu);
	stub_vcpu_init(&other, &world.machine, unit_caps("intel-v5-8-3"));
	stub_vcpu_load(&other, &world.machine.cpus[0]);
	stub_vcpu_set_flags(&other, MPMU_VCPU_DIRECT, 0);
	assert_int_equal(unit_rdmsr(&other, 0xc1), 0);
	stub_enter(&other);
	stub_vcpu_put(&other);
	stub_vcpu_load(vcpu, &world.machine.cpus[0]);
	unit_wrmsr(vcpu, METRICS, 0);
	unit_wrmsr(vcpu, SLOTS, 0x1000);
	unit_wrmsr(vcpu, METRICS, 0);
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
	stub_vcpu_load(&other, &world.machine.cpus[0]);
	stub_enter(&other);
	assert_false(world.machine.here->pmu.metrics_unsettled);
	assert_true(stub_guest_rdpmc(&other, ECX, &value));
	assert_int_equal(value, 0);
}

static void saved_and_scrubbed(void)
{
	struct stub_vcpu *vcpu = start();
	u64 value;

	count(vcpu, 0x11, COUNT);
	stub_guest_run(vcpu, WORK(5));
	value = unit_rdmsr(vcpu, METRICS);
	assert_int_equal(value & 0xff, 0x16);
	put(vcpu);
	assert_int_equal(world.machine.here->pmu.metrics.value, 0);
	assert_int_equal(rdpmc(vcpu), value);
	stub_exit(vcpu);
	stub_perf_reclaim(&world.machine);
	stub_check_invariants(vcpu);
	assert_int_equal(world.machine.here->pmu.metrics.value, 0);
	assert_int_equal(rdpmc(vcpu), value);
}

/* Another vCPU's metrics are its own. */
static void two_vcpus(void)
{
	struct stub_vcpu *vcpu = start();
	static struct stub_vcpu other;

	count(vcpu, 0x11, COUNT);
	stub_vcpu_put(vcpu);
	stub_vcpu_init(&other, &world.machine, unit_caps("intel-spr"));
	stub_vcpu_load(&other, &world.machine.cpus[0]);
	assert_int_equal(unit_rdmsr(&other, METRICS), 0);
	assert_int_equal(rdpmc(&other), 0);
	count(&other, 0x77, COUNT);
	stub_vcpu_put(&other);
	stub_vcpu_load(vcpu, &world.machine.cpus[0]);
	assert_int_equal(rdpmc(vcpu), 0x11);
}

/* Neither control alone lets them count. */
static void stopped(void)
{
	static const struct {
		u64 control, global_ctrl;
		u32 cpl, adds;
	} rows[] = {
		{COUNT, ON, 0, 5},
		{COUNT, ON, 3, 5},
		{COUNT, STUB_METRICS_BIT, 0, 0},
		{COUNT, 1ull << STUB_SLOTS, 0, 0},
		{0, ON, 0, 0},
		{0x1000, ON, 3, 0},
		{0x1000, ON, 0, 5},
		{0x0333, ON | 7ull << 32, 0, 0},
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stub_vcpu *vcpu = start();

		count(vcpu, 0x20, rows[i].control);
		unit_wrmsr(vcpu, GLOBAL_CTRL, rows[i].global_ctrl);
		stub_guest_run(vcpu, &(struct stub_work){
					     .instructions = 5, .cycles = 1, .cpl = rows[i].cpl});
		assert_int_equal(rdpmc(vcpu) & 0xff, 0x20 + rows[i].adds);
	}
}

/* Who may not count slots counts no metrics. */
static void denied(void)
{
	static const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY, .fixed_bitmap = 8};
	struct stub_vcpu *vcpu = start();
	struct mpmu_filter filter;

	count(vcpu, 0x20, COUNT);
	assert_int_equal(mpmu_filter_compile(&filter, MPMU_VENDOR_INTEL, &spec), 0);
	stub_vcpu_set_filter(vcpu, &filter);
	stub_guest_run(vcpu, WORK(5));
	assert_int_equal(rdpmc(vcpu), 0x20);
	stub_vcpu_set_filter(vcpu, NULL);
	stub_guest_run(vcpu, WORK(5));
	assert_int_equal(rdpmc(vcpu) & 0xff, 0x25);
}

/* Whoever it comes to, and whenever: one overflow, one interrupt. */
static void overflow_late(void)
{
	struct stub_vcpu *vcpu = start();

	count(vcpu, 0xfc, COUNT_PMI);
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	world.machine.here->late_pmi = true;
	stub_guest_run(vcpu, WORK(5));
	put(vcpu);
	assert_int_equal(world.machine.cpus[0].drained, 1);
	stub_enter(vcpu);
	assert_int_equal(vcpu->pmis, 1);
	assert_int_equal(unit_rdmsr(vcpu, STATUS), STUB_METRICS_BIT);
	unit_wrmsr(vcpu, STATUS_CLR, STUB_METRICS_BIT);
	put(vcpu);
	stub_enter(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, STATUS), 0);
	assert_int_equal(vcpu->pmis, 1);
}

/* A status bit that stays costs few full waits, whatever the value is. */
static void overflow_old(void)
{
	struct stub_vcpu *vcpu = start();
	u32 i;

	count(vcpu, 0, COUNT_PMI);
	unit_wrmsr(vcpu, STATUS_SET, STUB_METRICS_BIT);
	stub_guest_mask_lvtpc(vcpu, false);
	for (i = 0; i < 100; i++)
		put(vcpu);
	assert_int_not_equal(vcpu->cpu->polls, 0);
	assert_true(vcpu->cpu->polls < 100 * (STUB_BRIEF_POLLS + 8) + 6 * STUB_DRAIN_POLLS);
}

/* No interrupt is waited for where there can be none. */
static void overflow_silent(void)
{
	static const u64 controls[] = {0, 0x8000, COUNT};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		struct stub_vcpu *vcpu = start();

		count(vcpu, 0, controls[i]);
		unit_wrmsr(vcpu, STATUS_SET, STUB_METRICS_BIT);
		stub_guest_mask_lvtpc(vcpu, false);
		put(vcpu);
		put(vcpu);
		assert_int_equal(vcpu->cpu->polls, 0);
		assert_int_equal(unit_rdmsr(vcpu, STATUS), STUB_METRICS_BIT);
	}
}

/* What overflowed in the host is the host's to see first. */
static void overflow_of_host(void)
{
	struct stub_vcpu *vcpu = start();

	count(vcpu, 0, COUNT);
	put(vcpu);
	world.machine.here->pmu.status |= STUB_METRICS_BIT;
	world.machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&world.machine.here->mpmu, &vcpu->mpmu), -EAGAIN);
	world.machine.irqs_off = false;
	world.machine.here->pmu.status = 0;
	assert_int_equal(unit_rdmsr(vcpu, STATUS), 0);
}

static u64 by_host(struct stub_vcpu *vcpu, u32 msr)
{
	u64 value;

	assert_int_equal(mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_HOST, &value),
			 MPMU_DONE);
	return value;
}

/* The VM's owner writes fixed counter 3 of a resident vCPU: metrics stay. */
static void resident(void)
{
	struct stub_vcpu *vcpu = start();

	count(vcpu, 0x33, COUNT);
	stub_exit(vcpu);
	world.machine.irqs_off = true;
	assert_int_equal(by_host(vcpu, METRICS), 0x33);
	assert_int_equal(mpmu_owner_write(&vcpu->cpu->mpmu, &vcpu->mpmu, SLOTS, 77), MPMU_DONE);
	assert_int_equal(by_host(vcpu, METRICS), 0x33);
	assert_int_equal(by_host(vcpu, SLOTS), 77);
	assert_int_equal(mpmu_owner_write(&vcpu->cpu->mpmu, &vcpu->mpmu, METRICS, 99), MPMU_DONE);
	assert_int_equal(by_host(vcpu, METRICS), 99);
	assert_int_equal(by_host(vcpu, SLOTS), 77);
	world.machine.irqs_off = false;
	assert_int_equal(world.machine.here->pmu.metrics.value, 99);
	assert_int_equal(rdpmc(vcpu), 99);
}

/* On a host that has no metrics, and on one that keeps them, slots are written alone. */
static void resident_without(void)
{
	static const char *const hosts[] = {"intel-v5-8-4", "intel-spr"};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct stub_vcpu *vcpu = start_on(hosts[i], "intel-v5-8-4");

		unit_wrmsr(vcpu, SLOTS, 0x1000);
		stub_enter(vcpu);
		stub_exit(vcpu);
		world.machine.irqs_off = true;
		assert_int_equal(mpmu_owner_write(&vcpu->cpu->mpmu, &vcpu->mpmu, SLOTS, 77),
				 MPMU_DONE);
		world.machine.irqs_off = false;
		assert_int_equal(unit_rdmsr(vcpu, SLOTS), 77);
	}
}

/* A list in any order, to a vCPU that owns its PMU and to one that does not. */
static void restored(void)
{
	static const struct mpmu_msr orders[][2] = {
		{{SLOTS, 5}, {METRICS, 6}},
		{{METRICS, 6}, {SLOTS, 5}},
	};
	u32 i, owned;

	for (i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
		struct stub_vcpu *vcpu = start();

		owned = i % 2;
		if (owned)
			count(vcpu, 0x44, COUNT);
		stub_exit(vcpu);
		world.machine.irqs_off = true;
		assert_int_equal(mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu), owned);
		assert_int_equal(mpmu_snapshot_restore(&vcpu->cpu->mpmu, &vcpu->mpmu, orders[i / 2],
						       2, NULL), 0);
		world.machine.irqs_off = false;
		assert_int_equal(rdpmc(vcpu), 6);
		assert_int_equal(unit_rdmsr(vcpu, SLOTS), 5);
	}
}

/* It is one register of the list more than the same model without has. */
static void listed(void)
{
	struct stub_vcpu *vcpu = start_on("intel-spr", "intel-v5-8-4");
	u32 without = mpmu_snapshot_size(&vcpu->mpmu), i, found = 0;
	struct mpmu_msr list[80];

	vcpu = start();
	count(vcpu, 0x55, COUNT);
	put(vcpu);
	assert_int_equal(mpmu_snapshot_size(&vcpu->mpmu), without + 1);
	world.machine.irqs_off = true;
	mpmu_snapshot_save(&vcpu->cpu->mpmu, &vcpu->mpmu, list);
	world.machine.irqs_off = false;
	for (i = 0; i <= without; i++)
		found += list[i].index == METRICS && list[i].value == 0x55;
	assert_int_equal(found, 1);
}

static void reset(void)
{
	struct stub_vcpu *vcpu = start();

	count(vcpu, 0x66, COUNT);
	stub_vcpu_reset(vcpu);
	stub_check_invariants(vcpu);
	assert_int_equal(unit_rdmsr(vcpu, METRICS), 0);
	assert_int_equal(rdpmc(vcpu), 0);
}

/* Writes of 0 are spared, unless fixed counter 3 was written before. */
static void order_of_load(void)
{
	struct stub_vcpu *vcpu = start();
	u64 written;

	count(vcpu, 0, 0);
	put(vcpu);
	written = vcpu->stats.registers.written;
	stub_enter(vcpu);
	assert_int_equal(vcpu->stats.registers.written - written, 3);
	written = vcpu->stats.registers.written;
	put(vcpu);
	assert_int_equal(vcpu->stats.registers.written - written, 2);
	unit_wrmsr(vcpu, SLOTS, 0);
	put(vcpu);
	written = vcpu->stats.registers.written;
	stub_enter(vcpu);
	assert_int_equal(vcpu->stats.registers.written - written, 1);
}

static const struct unit_case cases[] = {
	{"E1 metrics of the host, counted before", host_before},
	{"E1 metrics of the host, counted between", host_between},
	{"E1 metrics of the host, and a model without", host_without},
	{"E1 metrics beyond the model, after slots of another vCPU", taken_over_inert},
	{"E1 metrics are saved and scrubbed", saved_and_scrubbed},
	{"E4 metrics of two vCPUs", two_vcpus},
	{"D3 metrics count with slots alone", stopped},
	{"F slots denied: no metrics", denied},
	{"E2 an overflow of metrics that comes late", overflow_late},
	{"E5 an overflow of metrics that is old", overflow_old},
	{"E5 an overflow of metrics without an interrupt", overflow_silent},
	{"E2 an overflow of the host's metrics", overflow_of_host},
	{"D6 metrics of a resident vCPU", resident},
	{"D6 slots of a resident vCPU without metrics", resident_without},
	{"D7 metrics restored in any order", restored},
	{"D7 metrics in the list", listed},
	{"D10 metrics after RESET", reset},
	{"E5 metrics are written where slots are", order_of_load},
};

int main(void)
{
	UNIT_CASES(cases);
	return unit_run("metrics");
}
