// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Invariant 8, at every access: a guest of policy direct reads nothing but 0 of
 * what its model lacks, and counts nothing there.  Each register of the machine is
 * written, in each state of the PMU that a guest can find, with values that would
 * start all of it; then code runs, and everything is read.
 */
#include "twin.h"

#define WORK   (&(struct stub_work){.instructions = 9, .branches = 3, .cycles = 70, .edges = 2})
#define COUNTS 0x5300c0ull

struct pair {
	char name[80];
	const struct mpmu_caps *host;
	const struct mpmu_caps *guest;
};

static struct pair pairs[128];

static struct world {
	const struct pair *pair;
	struct stub_machine machine;
	struct stub_vcpu vcpu;
	struct stub_vcpu full;
	/* Accesses that were direct, and done though the model lacks them. */
	u64 direct, lenient;
} world;

static void say_pair(const char *what)
{
	fail_msg("%s: %s", world.pair->name, what);
}

static bool is_amd(void)
{
	return world.pair->host->vendor == MPMU_VENDOR_AMD;
}

static void put(void)
{
	stub_vcpu_put(&world.vcpu);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
}

/* The first use; what comes before it is intercepted all the same. */
static void touch(void)
{
	u64 value;

	assert_true(stub_guest_rdpmc(&world.vcpu, mpmu_rdpmc_valid(&world.vcpu.mpmu, 0)
							  ? 0 : 1u << 30, &value));
	stub_enter(&world.vcpu);
}

static void reclaim(void)
{
	stub_exit(&world.vcpu);
	stub_perf_reclaim(&world.machine);
}

/* Events of the host on all that the model lacks, which leave it as it is. */
static void host_counts(void)
{
	mpmu_pmcs beyond = world.pair->host->counters & ~world.pair->guest->counters;
	u64 eventsel = COUNTS | (is_amd() ? STUB_EVENTSEL_HOST_ONLY : 0);
	u32 pmc;

	stub_exit(&world.vcpu);
	for (pmc = 0; pmc < STUB_METRICS; pmc++) {
		if (!stub_has(beyond, pmc))
			continue;
		stub_perf_install(&world.machine, 0, pmc, eventsel, 1000);
		stub_perf_run(&world.machine, WORK);
		stub_perf_remove(&world.machine, 0);
	}
}

/* One stays, and is displaced by each entry. */
static void host_stays(void)
{
	mpmu_pmcs beyond = world.pair->host->counters & ~world.pair->guest->counters;
	u32 pmc = 0;

	if (world.machine.here->perf.events[1].installed)
		return;
	while (beyond && !stub_has(beyond, pmc))
		pmc++;
	stub_exit(&world.vcpu);
	stub_perf_install(&world.machine, 1, pmc,
			  COUNTS | (is_amd() ? STUB_EVENTSEL_HOST_ONLY : 0), 1000);
	stub_perf_run(&world.machine, WORK);
}

/* A guest that has all of the machine counts with all of it. */
static void full_counts(void)
{
	struct stub_vcpu *full = &world.full;
	u32 global_ctrl = is_amd() ? 0xc0000301 : 0x38f, i;

	stub_vcpu_put(&world.vcpu);
	stub_vcpu_load(full, &world.machine.cpus[0]);
	for (i = 0; i < MPMU_MAX_GP; i++)
		stub_guest_wrmsr(full, is_amd() ? 0xc0010200 + 2 * i : 0x186 + i, COUNTS);
	if (!is_amd())
		stub_guest_wrmsr(full, 0x38d, stub_msr_writable(&full->mpmu.caps, 0x38d));
	assert_true(stub_guest_wrmsr(full, global_ctrl, stub_pmcs(&full->mpmu.caps)));
	stub_guest_run(full, WORK);
	stub_vcpu_put(full);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
}

static void firmware(void)
{
	struct stub_pmu *pmu = &world.machine.cpus[0].pmu;
	const struct stub_reg left = {.value = COUNTS, .origin = STUB_OF_HOST};
	u32 pmc;

	stub_vcpu_put(&world.vcpu);
	stub_cpu_reset(&world.machine, &world.machine.cpus[0]);
	for (pmc = 0; pmc <= STUB_METRICS; pmc++)
		if (stub_has(stub_pmcs(world.pair->host), pmc))
			*stub_pmu_counter(pmu, pmc) = left;
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
}

static void (*const states[])(void) = {
	touch, put, reclaim, host_counts, host_stays, full_counts, firmware,
};

/* What the guest may read there, and whether its model has it. */
static void check_read(bool done, bool exists, u64 value, const char *what, u32 index)
{
	if (!done || exists)
		return;
	world.lenient++;
	if (value)
		fail_msg("%s: %s %#x reads %#llx", world.pair->name, what, index,
			 (unsigned long long)value);
}

static void read_rdpmc(u32 ecx)
{
	u64 value;
	bool done = stub_guest_rdpmc(&world.vcpu, ecx, &value);

	check_read(done, mpmu_rdpmc_valid(&world.vcpu.mpmu, ecx), value, "RDPMC", ecx);
}

/* By number, and all that RDPMC can name. */
static void read_all(void)
{
	u64 value;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		read_rdpmc(i);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		read_rdpmc(1u << 30 | i);
	read_rdpmc(1u << 29);
	for (i = 0; i < STUB_NR_MSRS; i++) {
		u32 msr = stub_msr_at(i);

		if (!stub_msr_writable(world.pair->host, msr))
			continue;
		check_read(stub_guest_rdmsr(&world.vcpu, msr, &value),
			   mpmu_msr_exists(&world.vcpu.mpmu, msr), value, "MSR", msr);
	}
}

/* What is enabled by one register alone is enabled by the rest already. */
static void enable_all(void)
{
	const struct mpmu_caps *guest = world.pair->guest;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		stub_guest_wrmsr(&world.vcpu, is_amd() ? 0xc0010000 + i : 0x186 + i, COUNTS);
	if (!is_amd())
		stub_guest_wrmsr(&world.vcpu, 0x38d, stub_msr_writable(guest, 0x38d));
	stub_guest_wrmsr(&world.vcpu, is_amd() ? 0xc0000301 : 0x38f, stub_pmcs(world.pair->host));
}

/* One access, and what comes of it; the software PMU watches beyond the model. */
static void check_access(void (*state)(void), u32 msr, u64 value)
{
	u64 exits;

	state();
	stub_enter(&world.vcpu);
	exits = world.vcpu.exits;
	stub_guest_wrmsr(&world.vcpu, msr, value);
	world.direct += world.vcpu.exits == exits;
	stub_guest_run(&world.vcpu, WORK);
	read_all();
	stub_check_invariants(&world.vcpu);
}

static void check_register(u32 msr)
{
	u64 mask = stub_msr_writable(world.pair->host, msr);
	const u64 values[] = {mask, stub_pmcs(world.pair->host), COUNTS, ~0ull, 0};
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		for (j = 0; j < ARRAY_SIZE(values); j++)
			check_access(states[i], msr, values[j]);
}

/* Masked where it is saved: a list of one such vCPU is good for another. */
static void check_list(void)
{
	struct stub_vcpu *vcpu = &world.vcpu;
	struct mpmu_msr list[80];
	u32 count = mpmu_snapshot_size(&vcpu->mpmu), err_msr = 0;

	put();
	world.machine.irqs_off = true;
	mpmu_snapshot_save(&vcpu->cpu->mpmu, &vcpu->mpmu, list);
	assert_int_equal(mpmu_snapshot_restore(&vcpu->cpu->mpmu, &vcpu->mpmu, list, count,
					       &err_msr), 0);
	world.machine.irqs_off = false;
	assert_int_equal(err_msr, 0);
}

static void remove_host_event(void)
{
	put();
	if (world.machine.here->perf.events[1].installed)
		stub_perf_remove(&world.machine, 1);
}

static void check_pair(void **state)
{
	u32 i;

	memset(&world, 0, sizeof(world));
	world.pair = *state;
	stub_fault_hook = say_pair;
	assert_int_equal(stub_machine_init(&world.machine, world.pair->host), 0);
	stub_vcpu_init(&world.vcpu, &world.machine, world.pair->guest);
	stub_vcpu_init(&world.full, &world.machine, world.pair->host);
	stub_vcpu_load(&world.vcpu, &world.machine.cpus[0]);
	stub_vcpu_set_flags(&world.vcpu, MPMU_VCPU_DIRECT, 0);
	for (i = 0; i < STUB_NR_MSRS; i++) {
		if (!stub_msr_writable(world.pair->host, stub_msr_at(i)))
			continue;
		touch();
		enable_all();
		check_register(stub_msr_at(i));
		check_list();
		remove_host_event();
	}
	print_message("# %llu direct writes, %llu reads beyond the model\n",
		      (unsigned long long)world.direct, (unsigned long long)world.lenient);
	/* Where RDPMC reads NB counters, there was no consent to that. */
	assert_true(world.direct);
	assert_int_equal(!world.lenient,
			 !!(world.pair->host->features & MPMU_FEAT_RDPMC_UNCORE));
}

/* MPMU_PAIRS=N takes one of N pairs: what compilers make of them does not differ. */
int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(pairs)];
	const char *few = getenv("MPMU_PAIRS");
	u32 h, g, every = few && atoi(few) > 1 ? atoi(few) : 1, met = 0;
	size_t count = 0;

	for (h = 0; h < stub_nr_models; h++)
		for (g = 0; g < stub_nr_models; g++) {
			const struct stub_model *host = &stub_models[h], *guest = &stub_models[g];

			if (!twin_possible(&host->caps, &guest->caps) ||
			    !twin_reaches_beyond(&host->caps, &guest->caps, MPMU_VCPU_DIRECT) ||
			    met++ % every)
				continue;
			snprintf(pairs[count].name, sizeof(pairs[count].name), "C %s on %s",
				 guest->name, host->name);
			pairs[count].host = &host->caps;
			pairs[count].guest = &guest->caps;
			tests[count] = (struct CMUnitTest){
				.name = pairs[count].name,
				.test_func = check_pair,
				.initial_state = &pairs[count],
			};
			count++;
		}
	return _cmocka_run_group_tests("policy direct: inert", tests, count, NULL, NULL);
}
