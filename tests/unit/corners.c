// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Corners: each row notices a small change of the core that all other tests
 * let pass.
 */
#include "../lib/unit.h"

#define GUEST_COUNTS 0x5300c0ull
#define IDLE_PUTS    8

static struct unit_world world;

static void wrmsr(u32 msr, u64 value)
{
	assert_true(stub_guest_wrmsr(&world.vcpu, msr, value));
}

static u64 rdmsr(u32 msr)
{
	u64 value;

	assert_true(stub_guest_rdmsr(&world.vcpu, msr, &value));
	return value;
}

static bool touched(void)
{
	return world.vcpu.mpmu.flags & MPMU_VCPU_TOUCHED;
}

/* Enter, leave, and come back. */
static void put_times(u32 times)
{
	while (times--) {
		stub_enter(&world.vcpu);
		stub_vcpu_put(&world.vcpu);
		stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	}
}

static void idle_again(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	rdmsr(0xc1);
	put_times(IDLE_PUTS);
	assert_false(touched());
	rdmsr(0xc1);
	put_times(IDLE_PUTS - 1);
	assert_true(touched());
	put_times(1);
	assert_false(touched());
}

/* Puts in a row: one that counts starts over. */
static void idle_interrupted(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	rdmsr(0xc1);
	put_times(IDLE_PUTS - 1);
	wrmsr(0x186, GUEST_COUNTS);
	put_times(1);
	wrmsr(0x186, 0);
	put_times(IDLE_PUTS - 1);
	assert_true(touched());
}

/* A look at control registers is no use of the PMU. */
static void look(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	rdmsr(0x186);
	rdmsr(0x38d);
	wrmsr(0x38d, 0);
	wrmsr(0x186, GUEST_COUNTS & ~STUB_EVENTSEL_ENABLE);
	assert_false(touched());
}

/* An event that the filter denies leaves the PMU idle. */
static void idle_denied(void)
{
	const u64 event = 0xc0;
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.nr_events = 1,
		.events = &event,
	};
	u64 filter[8];

	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	assert_true(mpmu_filter_size(1) <= sizeof(filter));
	assert_int_equal(mpmu_filter_compile((void *)filter, MPMU_VENDOR_INTEL, &spec), 0);
	stub_vcpu_set_filter(&world.vcpu, (void *)filter);
	wrmsr(0x186, GUEST_COUNTS);
	put_times(IDLE_PUTS);
	assert_false(touched());
	assert_int_equal(rdmsr(0x186), GUEST_COUNTS);
}

/* A guest with fewer counters writes through the hypervisor, while resident. */
static void global_ctrl_live(void)
{
	struct mpmu_caps four = *unit_caps("amd-v2");
	const struct stub_reg *live = &world.machine.cpus[0].pmu.global_ctrl;

	four.counters = 0xf;
	unit_world_init(&world, "amd-v2", "amd-v2");
	stub_vcpu_init(&world.vcpu, &world.machine, &four);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	wrmsr(0xc0010200, GUEST_COUNTS);
	stub_enter(&world.vcpu);
	assert_int_equal(live->value, 0xf);
	wrmsr(0xc0000301, 0x1);
	assert_true(mpmu_resident(&world.vcpu.cpu->mpmu, &world.vcpu.mpmu));
	assert_int_equal(live->value, 0x1);
	assert_int_equal(rdmsr(0xc0000301), 0x1);
}

/* Disabled before the request was handled: nothing is left to compute. */
static void request_cancelled(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	rdmsr(0x186);
	wrmsr(0x186, GUEST_COUNTS);
	assert_int_equal(world.vcpu.mpmu.reprogram, 1);
	stub_host_wrmsr(&world.vcpu, 0x186, 0);
	assert_int_equal(world.vcpu.mpmu.reprogram, 0);
}

/* Of two fields that are off again, neither is left to compute. */
static void fixed_requests(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	stub_host_wrmsr(&world.vcpu, 0x38d, 0x33);
	assert_int_equal(world.vcpu.mpmu.reprogram, 3ull << MPMU_FIXED_BASE);
	stub_host_wrmsr(&world.vcpu, 0x38d, 0x30);
	assert_int_equal(world.vcpu.mpmu.reprogram, 2ull << MPMU_FIXED_BASE);
	stub_host_wrmsr(&world.vcpu, 0x38d, 0x33);
	stub_host_wrmsr(&world.vcpu, 0x38d, 0);
	assert_int_equal(world.vcpu.mpmu.reprogram, 0);
}

static void same_selector(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&world.vcpu);
	wrmsr(0x186, GUEST_COUNTS);
	assert_int_equal(world.vcpu.mpmu.reprogram, 0);
	assert_int_equal(world.vcpu.mpmu.eventsel_hw[0], GUEST_COUNTS);
}

static void fixed_touches(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	wrmsr(0x38d, 3);
	assert_true(touched());
}

static void no_fixed_counter_0(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");

	caps.counters &= ~(1ull << MPMU_FIXED_BASE);
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	stub_vcpu_init(&world.vcpu, &world.machine, &caps);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	wrmsr(0x38d, 0x30);
	assert_false(stub_guest_wrmsr(&world.vcpu, 0x38d, 1));
}

/* Bits of the status that no counter owns are dropped, whoever writes them. */
static void check_status_extra(const char *guest)
{
	const u64 extra = 3ull << 62;
	u64 value = 0;

	unit_world_init(&world, "intel-v5-8-4", guest);
	assert_int_equal(stub_host_wrmsr(&world.vcpu, 0x38e, extra | 1), MPMU_DONE);
	assert_int_equal(world.vcpu.mpmu.global_status, 1);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	assert_int_equal(rdmsr(0x38e), 1);
	wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&world.vcpu);
	assert_int_equal(world.machine.cpus[0].pmu.status, 1);
	assert_int_equal(rdmsr(0x38e), 1);
	wrmsr(0x390, extra);
	assert_int_equal(rdmsr(0x38e), 1);
	assert_int_equal(stub_host_rdmsr(&world.vcpu, 0x38e, &value), MPMU_DONE);
	assert_int_equal(value, 1);
}

/* With the status direct, and not. */
static void status_extra(void)
{
	check_status_extra("intel-v5-8-4");
	check_status_extra("intel-v5-8-3");
}

static void extra_bits_clamped(void)
{
	struct mpmu_caps host = *unit_caps("intel-v5-8-4"), guest = host, offer;

	host.global_ctrl_extra = guest.global_ctrl_extra = 1ull << 48;
	host.version = 6;
	mpmu_caps_offer(&offer, &host, MPMU_POLICY_FULL);
	assert_int_equal(offer.version, 5);
	mpmu_caps_clamp(&guest, &offer);
	assert_int_equal(guest.global_ctrl_extra, 0);
}

/* As many counters as the vendor's registers reach: each is its own register. */
static void check_largest(const char *model, mpmu_pmcs counters, u32 gp, u32 eventsel, u32 shift)
{
	struct mpmu_vcpu *vcpu = &world.vcpu.mpmu;
	struct mpmu_caps caps = *unit_caps(model);
	u32 i;

	caps.counters = counters;
	assert_int_equal(stub_machine_init(&world.machine, &caps), 0);
	stub_vcpu_init(&world.vcpu, &world.machine, &caps);
	assert_int_equal(vcpu->caps.counters, counters);
	world.machine.irqs_off = true;
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
	struct mpmu_vcpu *vcpu = &world.vcpu.mpmu;
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

static u32 decoded(struct mpmu_cpuid leaves)
{
	struct mpmu_caps caps;

	assert_int_equal(mpmu_caps_decode(&caps, &leaves), 0);
	return caps.features;
}

/* Each bit by itself, and all of a word: none is counted on from its neighbours. */
static void feature_words(void)
{
	struct mpmu_cpuid amd = {.vendor = MPMU_VENDOR_AMD, .leaf_80000001_ecx = 1u << 28};
	struct mpmu_cpuid intel = {.vendor = MPMU_VENDOR_INTEL,
				   .leaf_0a = {0x07300402, 0, 0, 0x604},
				   .leaf_07_ebx = ~0u,
				   .perf_capabilities = ~0ull};

	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = 1u << 24;
	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = ~(1u << 24 | 1u << 28);
	assert_false(decoded(amd) & MPMU_FEAT_RDPMC_UNCORE);
	amd.leaf_80000001_ecx = ~0u;
	assert_int_equal(decoded(amd), MPMU_FEAT_RDPMC_UNCORE | MPMU_FEAT_PERFCTR_CORE |
					       MPMU_FEAT_SVM);
	intel.leaf_07_ebx = 1u << 4;
	assert_true(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = 1u << 11;
	assert_true(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = ~(1u << 4 | 1u << 11);
	assert_false(decoded(intel) & MPMU_FEAT_TSX);
	intel.leaf_07_ebx = ~0u;
	assert_int_equal(decoded(intel), MPMU_FEAT_TSX | MPMU_FEAT_FW_WRITES |
						 MPMU_FEAT_METRICS | MPMU_FEAT_GLOBAL);
}

/*
 * PerfMonV2 is all three of its features, version 4 both of them; and counters
 * of AMD stop outside guests.
 */
static void requirements(void)
{
	static const struct {
		const char *model;
		u32 features;
	} rows[] = {
		{"amd-v2", MPMU_FEAT_GLOBAL},       {"amd-v2", MPMU_FEAT_STATUS_SET},
		{"amd-v2", MPMU_FEAT_PERFCTR_CORE}, {"amd-v2", MPMU_FEAT_SVM},
		{"intel-v5-8-4", MPMU_FEAT_GLOBAL}, {"intel-v5-8-4", MPMU_FEAT_STATUS_SET},
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mpmu_caps host = *unit_caps(rows[i].model);

		host.features &= ~rows[i].features;
		assert_non_null(mpmu_caps_missing(&host));
	}
}

static void check_offered(const char *model, u32 version, u32 counters)
{
	struct mpmu_caps host = *unit_caps(model), offer;

	host.version++;
	host.counters |= (1 << 20) - 1;
	mpmu_caps_offer(&offer, &host, MPMU_POLICY_FULL);
	assert_int_equal(offer.version, version);
	assert_int_equal(offer.counters & MPMU_GP_MASK, counters);
}

static void largest_offer(void)
{
	check_offered("amd-v2", 2, (1 << 15) - 1);
	check_offered("intel-v5-8-4", 5, 0xff);
}

/* A version that lacks what came with it is the last one without that. */
static void versions(void)
{
	struct mpmu_caps guest = *unit_caps("amd-v2");

	guest.version = 1;
	mpmu_caps_clamp(&guest, unit_caps("amd-v2"));
	assert_false(guest.features & (MPMU_FEAT_GLOBAL | MPMU_FEAT_STATUS_SET));
	guest = *unit_caps("intel-v5-8-4");
	guest.features &= ~(u32)MPMU_FEAT_STATUS_SET;
	mpmu_caps_clamp(&guest, unit_caps("intel-v5-8-4"));
	assert_int_equal(guest.version, 3);
}

static void contradictions(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4"), guest;

	caps.gp_width = caps.fixed_width = 64;
	assert_true(mpmu_caps_valid(&caps));
	caps.gp_width = 65;
	assert_false(mpmu_caps_valid(&caps));
	caps = *unit_caps("intel-v5-8-4");
	caps.features |= MPMU_FEAT_METRICS;
	assert_false(mpmu_caps_valid(&caps));
	caps.global_ctrl_extra = 1ull << 48;
	assert_false(mpmu_caps_valid(&caps));
	caps.metrics_width = 64;
	assert_true(mpmu_caps_valid(&caps));
	assert_false(mpmu_caps_valid(NULL));
	guest = caps;
	guest.global_ctrl_extra = 0;
	mpmu_caps_clamp(&guest, &caps);
	assert_false(guest.global_ctrl_extra || guest.features & MPMU_FEAT_METRICS);
}

/* Bits 35:32 of an event are its upper ones. */
static void wide_events(void)
{
	const u64 event = 1ull << 32 | 0xc0;
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.nr_events = 1,
		.events = &event,
	};
	u64 filter[8];

	assert_int_equal(mpmu_filter_compile((void *)filter, MPMU_VENDOR_AMD, &spec), 0);
	assert_false(mpmu_filter_allows((void *)filter, event));
	assert_true(mpmu_filter_allows((void *)filter, 0xc1));
}

/* All other registers of the largest model are there. */
static void no_full_width(void)
{
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	u32 i;

	caps.counters = MPMU_FIXED_MASK | 0xff;
	assert_int_equal(stub_machine_init(&world.machine, &caps), 0);
	caps.features &= ~(u32)MPMU_FEAT_FW_WRITES;
	stub_vcpu_init(&world.vcpu, &world.machine, &caps);
	for (i = 0; i < 8; i++)
		assert_true(mpmu_msr_exists(&world.vcpu.mpmu, 0x186 + i));
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		assert_true(mpmu_msr_exists(&world.vcpu.mpmu, 0x309 + i));
	assert_false(mpmu_msr_exists(&world.vcpu.mpmu, 0x4c1));
	assert_false(mpmu_msr_exists(&world.vcpu.mpmu, 0x4c8));
	assert_true(mpmu_msr_exists(&world.vcpu.mpmu, 0x0c8));
}

/* A guest without status registers has no status. */
static void no_status(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v1-fw");
	wrmsr(0x4c1, 0xfffffffffff0);
	wrmsr(0x186, GUEST_COUNTS);
	stub_guest_run(&world.vcpu, &(struct stub_work){.instructions = 0x20});
	assert_int_equal(world.machine.cpus[0].pmu.status, 1);
	put_times(1);
	assert_int_equal(world.vcpu.mpmu.global_status, 0);
}

/* Interrupts go on to the one that is not forgotten. */
static void another_forgotten(void)
{
	static const struct mpmu_vcpu other;
	const struct mpmu_cpu *cpu = &world.machine.cpus[0].mpmu;

	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&world.vcpu);
	stub_exit(&world.vcpu);
	mpmu_cpu_forget_vcpu(&world.machine.cpus[0].mpmu, &other);
	assert_true(cpu->owner == &world.vcpu.mpmu && cpu->pmi_target == &world.vcpu.mpmu);
}

/* The vCPU of the world owns the PMU, out of its guest; there is another one. */
static void own_beside(struct stub_vcpu *other)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&world.vcpu);
	stub_exit(&world.vcpu);
	stub_vcpu_init(other, &world.machine, unit_caps("intel-v5-8-4"));
}

/* The owner stays. */
static void another_put(void)
{
	struct stub_cpu *cpu = &world.machine.cpus[0];
	struct stub_vcpu other;

	own_beside(&other);
	world.machine.irqs_off = true;
	mpmu_put(&cpu->mpmu, &other.mpmu);
	world.machine.irqs_off = false;
	assert_ptr_equal(cpu->mpmu.owner, &world.vcpu.mpmu);
}

static void assert_known(mpmu_pmcs counters, u32 eventsels)
{
	const struct mpmu_cpu *cpu = &world.machine.cpus[0].mpmu;

	assert_int_equal(cpu->zero_counters, counters);
	assert_int_equal(cpu->zero_eventsels, eventsels);
}

/* Enter with a touched PMU. */
static void enter_counting(struct stub_vcpu *vcpu)
{
	stub_vcpu_load(vcpu, &world.machine.cpus[0]);
	unit_wrmsr(vcpu, 0x186, GUEST_COUNTS);
	stub_enter(vcpu);
}

/* An owner's registers hold what it likes, those of the others were cleaned at first. */
static void known_zeros(void)
{
	const mpmu_pmcs large = GP(8) | FIXED(4), small = GP(4) | FIXED(2);
	struct stub_vcpu other;

	unit_world_init(&world, "intel-v5-8-4", "intel-v4-small");
	enter_counting(&world.vcpu);
	assert_known(large & ~small, 0xf0);
	stub_vcpu_put(&world.vcpu);
	assert_known(large, 0xff);
	stub_vcpu_init(&other, &world.machine, unit_caps("intel-v5-8-4"));
	enter_counting(&other);
	assert_known(0, 0);
	stub_vcpu_put(&other);
	assert_known(large, 0xff);
	enter_counting(&world.vcpu);
	assert_known(large & ~small, 0xf0);
	stub_vcpu_put(&world.vcpu);
	assert_known(large, 0xff);
}

/* Events of the host are back in their registers after an exit. */
static void known_after_host(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	enter_counting(&world.vcpu);
	stub_exit(&world.vcpu);
	stub_perf_install(&world.machine, 0, 6, GUEST_COUNTS, 5);
	stub_enter(&world.vcpu);
	stub_exit(&world.vcpu);
	assert_known(0, 0);
	stub_vcpu_put(&world.vcpu);
	stub_perf_remove(&world.machine, 0);
}

/* What the host calls dirty is not taken for 0, whatever was known. */
static void dirty_zeros(void)
{
	const struct stub_reg left = {.value = 5, .origin = STUB_OF_HOST};
	struct stub_cpu *cpu = &world.machine.cpus[0];

	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	enter_counting(&world.vcpu);
	stub_vcpu_put(&world.vcpu);
	cpu->pmu.gp[3] = cpu->pmu.eventsel[3] = left;
	cpu->perf.dirty = 1 << 3;
	stub_vcpu_load(&world.vcpu, cpu);
	stub_enter(&world.vcpu);
	assert_int_equal(cpu->pmu.gp[3].value | cpu->pmu.eventsel[3].value, 0);
}

/* A counter that no register of the core's reaches stays dirty: the host cleans it. */
static void dirty_out_of_reach(void)
{
	const struct stub_reg left = {.value = 5, .origin = STUB_OF_HOST};
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	struct stub_cpu *cpu = &world.machine.cpus[0];

	caps.counters |= 1 << 9;
	unit_world_start(&world, &caps, unit_caps("intel-v4-small"));
	cpu->pmu.gp[7] = cpu->pmu.gp[9] = left;
	cpu->perf.dirty = 1 << 7 | 1 << 9;
	enter_counting(&world.vcpu);
	assert_int_equal(cpu->pmu.gp[7].value, 0);
	assert_int_equal(cpu->pmu.gp[9].value, 5);
	assert_int_equal(cpu->perf.dirty, 1 << 9);
}

/* Values that nobody has marked, of counters beyond the model, too. */
static void leave_behind(struct stub_pmu *pmu)
{
	const struct stub_reg left = {.value = 0x4300c0, .origin = STUB_OF_HOST};

	pmu->gp[2] = pmu->gp[7] = pmu->eventsel[2] = pmu->eventsel[7] = left;
	pmu->fixed[3] = pmu->metrics = left;
}

static void check_nothing_left(const struct stub_pmu *pmu)
{
	assert_int_equal(stub_pmu_counters_of(pmu, STUB_OF_HOST), 0);
	assert_int_equal(stub_pmu_eventsels_of(pmu, STUB_OF_HOST), 0);
}

/* Firmware leaves anything, and so does a CPU that was off; later it is perf's to mark. */
static void firmware(void)
{
	struct stub_cpu *cpu = &world.machine.cpus[0];
	u64 written;

	unit_world_init(&world, "intel-spr", "intel-v4-small");
	leave_behind(&cpu->pmu);
	enter_counting(&world.vcpu);
	check_nothing_left(&cpu->pmu);
	stub_vcpu_put(&world.vcpu);
	stub_perf_reclaim(&world.machine);
	written = world.vcpu.stats.registers.written;
	enter_counting(&world.vcpu);
	assert_int_equal(world.vcpu.stats.registers.written - written, 4 + 2 + 4 + 1);
	stub_vcpu_put(&world.vcpu);
	stub_cpu_reset(&world.machine, cpu);
	leave_behind(&cpu->pmu);
	enter_counting(&world.vcpu);
	check_nothing_left(&cpu->pmu);
	stub_vcpu_put(&world.vcpu);
}

/* A filter that lets the same event through writes no selector again. */
static void same_image(void)
{
	const struct stub_cpu *cpu = &world.machine.cpus[0];
	u64 writes;

	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	enter_counting(&world.vcpu);
	stub_vcpu_set_filter(&world.vcpu, NULL);
	assert_int_equal(world.vcpu.mpmu.reprogram, 1);
	writes = cpu->writes;
	stub_enter(&world.vcpu);
	assert_int_equal(world.vcpu.mpmu.reprogram, 0);
	assert_int_equal(cpu->writes, writes);
}

/* Registers as wide as they can be, and almost. */
static void widest(void)
{
	struct mpmu_vcpu *vcpu = &world.vcpu.mpmu;
	struct mpmu_caps caps = *unit_caps("intel-v5-8-4");
	u32 width;
	u64 value;

	for (width = 63; width <= 64; width++) {
		const u64 all = ~0ull >> (64 - width);

		caps.gp_width = caps.fixed_width = width;
		assert_int_equal(stub_machine_init(&world.machine, &caps), 0);
		stub_vcpu_init(&world.vcpu, &world.machine, &caps);
		world.machine.irqs_off = true;
		assert_int_equal(mpmu_owner_write(NULL, vcpu, 0x4c1, all), MPMU_DONE);
		assert_int_equal(mpmu_msr_read(NULL, vcpu, 0x4c1, MPMU_BY_HOST, &value), MPMU_DONE);
		assert_int_equal(value, all);
		assert_int_equal(mpmu_owner_write(NULL, vcpu, 0x4c1, ~0ull),
				 width == 64 ? MPMU_DONE : MPMU_GP);
	}
}

/* One without a model is of its host's vendor. */
static void vendor_of_none(void)
{
	struct mpmu_vcpu vcpu;
	struct mpmu_stats stats;

	unit_world_init(&world, "amd-v2", "amd-v2");
	mpmu_vcpu_init(&vcpu, &world.machine.host, &stats);
	assert_int_equal(vcpu.caps.vendor, MPMU_VENDOR_AMD);
}

/*
 * What a guest with fewer counters leaves known of the others: counter and
 * selector of the host were zeroed.
 */
static void beside_small_guest(void)
{
	struct stub_cpu *cpu = &world.machine.cpus[0];
	struct stub_vcpu large;

	unit_world_init(&world, "intel-v5-8-4", "intel-v4-small");
	stub_perf_install(&world.machine, 0, 6, GUEST_COUNTS, 5);
	stub_perf_remove(&world.machine, 0);
	wrmsr(0x186, GUEST_COUNTS);
	put_times(1);
	assert_true(cpu->mpmu.zero_counters & 1 << 6 && cpu->mpmu.zero_eventsels & 1 << 6);
	assert_int_equal(cpu->pmu.eventsel[6].value | cpu->pmu.gp[6].value, 0);
	stub_vcpu_put(&world.vcpu);
	stub_vcpu_init(&large, &world.machine, unit_caps("intel-v5-8-4"));
	stub_vcpu_load(&large, cpu);
	unit_wrmsr(&large, 0x186, GUEST_COUNTS);
	stub_enter(&large);
	assert_int_equal(cpu->pmu.eventsel[6].value, 0);
	stub_vcpu_put(&large);
}

/* Who uses no PMU enters at once, and the owner before has left. */
static void untouched_enters(void)
{
	struct stub_cpu *cpu = &world.machine.cpus[0];
	struct stub_vcpu other;

	own_beside(&other);
	world.machine.irqs_off = true;
	assert_int_equal(mpmu_enter(&cpu->mpmu, &other.mpmu), 0);
	world.machine.irqs_off = false;
	assert_null(cpu->mpmu.owner);
}

/* A filter that no enabled PMC has to pass is no reason to be called back. */
static void no_request(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	stub_vcpu_set_filter(&world.vcpu, NULL);
	assert_false(world.vcpu.requests.reprogram);
}

/* What a disabled counter counted is not emulated, nor is it for its neighbour. */
static void disabled_emulates(void)
{
	static const u64 events[] = {0xc0, 0xc4};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
		wrmsr(0x187, 0x130000 | events[i]);
		wrmsr(0x186, 0x530000 | events[i]);
		stub_enter(&world.vcpu);
		wrmsr(0x186, 0x130000 | events[i]);
		stub_guest_emulated(&world.vcpu, true, 0);
		assert_int_equal(rdmsr(0x4c1) | rdmsr(0x4c2), 0);
	}
}

static void many_requests(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	stub_host_wrmsr(&world.vcpu, 0x186, GUEST_COUNTS);
	stub_host_wrmsr(&world.vcpu, 0x187, GUEST_COUNTS);
	assert_int_equal(world.vcpu.mpmu.reprogram, 3);
	stub_enter(&world.vcpu);
	assert_int_equal(world.vcpu.mpmu.reprogram, 0);
	stub_vcpu_set_filter(&world.vcpu, NULL);
	assert_int_equal(world.vcpu.mpmu.reprogram, 3);
}

/* No flag comes with another one that goes. */
static void flags(void)
{
	unit_world_init(&world, "intel-v5-8-4", "intel-v5-8-4");
	rdmsr(0xc1);
	put_times(1);
	assert_int_equal(world.vcpu.mpmu.flags, MPMU_VCPU_TOUCHED);
	put_times(IDLE_PUTS - 1);
	assert_int_equal(world.vcpu.mpmu.flags, 0);
}

static const struct unit_case rows[] = {
	{"idle again takes as long as the first time", idle_again},
	{"a put that counts starts the idle ones over", idle_interrupted},
	{"reading control registers does not touch", look},
	{"denied events leave a PMU idle", idle_denied},
	{"GLOBAL_CTL written through reaches hardware", global_ctrl_live},
	{"a disabled selector cancels its request", request_cancelled},
	{"a disabled field cancels its request", fixed_requests},
	{"the same selector again changes nothing", same_selector},
	{"the first enabled field touches", fixed_touches},
	{"the field of an absent fixed counter 0", no_fixed_counter_0},
	{"the largest model: all registers are different ones", largest},
	{"another vCPU is forgotten", another_forgotten},
	{"another vCPU is put", another_put},
	{"what is known to be 0 with owners of two sizes", known_zeros},
	{"what is known to be 0 beside events of the host", known_after_host},
	{"what is known to be 0 and dirty", dirty_zeros},
	{"a dirty counter out of reach", dirty_out_of_reach},
	{"the same selector again is not written", same_image},
	{"counters of 63 and 64 bits", widest},
	{"a vCPU without a model has a vendor", vendor_of_none},
	{"a disabled counter is not emulated", disabled_emulates},
	{"requests of two counters", many_requests},
	{"flags after a put and after the last idle one", flags},
	{"what is known beside a guest with fewer counters", beside_small_guest},
	{"E1 what firmware left, in the model or not", firmware},
	{"a vCPU without a PMU enters after an owner", untouched_enters},
	{"a new filter with nothing enabled requests nothing", no_request},
	{"events of 12 bits", wide_events},
	{"no full-width counters without their feature", no_full_width},
	{"a guest without status registers saves no status", no_status},
	{"features from single bits and from full words", feature_words},
	{"a host without one of the features that are needed", requirements},
	{"a host beyond what is known", largest_offer},
	{"a version without what came with it", versions},
	{"models at the edge of a contradiction", contradictions},
	{"status bits that are no counter's", status_extra},
	{"GLOBAL_CTRL bits and versions beyond the offer", extra_bits_clamped},
};

int main(void)
{
	UNIT_CASES(rows);
	return unit_run("corners");
}
