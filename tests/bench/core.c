// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the core costs, for callgrind: each measurement is a part of the profile
 * with a name.  Functions of this file begin with bench_, all others are the
 * core's.
 */
#include <stdio.h>

#include <mpmu/mpmu.h>
#include <valgrind/callgrind.h>

#define GP(n)    ((1ull << (n)) - 1)
#define FIXED(n) (GP(n) << MPMU_FIXED_BASE)

static struct {
	u64 reads;
	u64 writes;
	u64 calls;
} bench_ops_seen;

/* A backend that costs next to nothing. */
static u64 bench_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	(void)vcpu;
	bench_ops_seen.reads++;
	/* All counters have counted; the status registers are clear. */
	return msr == 0x38e || msr == 0xc0000300 ? 0 : 1;
}

static void bench_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	(void)vcpu;
	(void)msr;
	(void)value;
	bench_ops_seen.writes++;
}

static u64 bench_get_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	bench_ops_seen.calls++;
	return ~0ull;
}

static void bench_set_global_ctrl(const struct mpmu_vcpu *vcpu, u64 value)
{
	(void)vcpu;
	(void)value;
	bench_ops_seen.calls++;
}

static void bench_set_intercept(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	(void)vcpu;
	(void)msr;
	(void)access;
	(void)intercept;
	bench_ops_seen.calls++;
}

static void bench_set_bool(const struct mpmu_vcpu *vcpu, bool on)
{
	(void)vcpu;
	(void)on;
	bench_ops_seen.calls++;
}

static bool bench_no(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	bench_ops_seen.calls++;
	return false;
}

static bool bench_yes(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	bench_ops_seen.calls++;
	return true;
}

static mpmu_pmcs bench_take_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs pmcs)
{
	(void)vcpu;
	(void)pmcs;
	bench_ops_seen.calls++;
	return 0;
}

static void bench_nothing(const struct mpmu_vcpu *vcpu)
{
	(void)vcpu;
	bench_ops_seen.calls++;
}

static bool bench_drain_pmi(const struct mpmu_vcpu *vcpu, bool briefly)
{
	(void)vcpu;
	(void)briefly;
	bench_ops_seen.calls++;
	return false;
}

static bool bench_share(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	return vcpu && host;
}

static const struct mpmu_ops bench_ops = {
	.rdmsr = bench_rdmsr,
	.wrmsr = bench_wrmsr,
	.get_global_ctrl = bench_get_global_ctrl,
	.set_global_ctrl = bench_set_global_ctrl,
	.set_intercept = bench_set_intercept,
	.set_rdpmc_intercept = bench_set_bool,
	.set_touched = bench_set_bool,
	.host_active = bench_no,
	.displace = bench_nothing,
	.restore = bench_nothing,
	.share = bench_share,
	.own = bench_yes,
	.disown = bench_nothing,
	.take_dirty = bench_take_dirty,
	.route_pmi = bench_nothing,
	.drain_pmi = bench_drain_pmi,
	.request_pmi = bench_nothing,
	.request_reprogram = bench_nothing,
	.request_intercepts = bench_nothing,
};

static struct mpmu_host bench_host;
static struct mpmu_cpu bench_cpu;
static struct mpmu_vcpu bench_vcpu;
static struct mpmu_vcpu bench_other;
static struct mpmu_stats bench_stats;

static const struct mpmu_caps bench_intel = {
	.counters = GP(8) | FIXED(16),
	.features = MPMU_FEAT_GLOBAL | MPMU_FEAT_FW_WRITES | MPMU_FEAT_STATUS_SET |
		    MPMU_FEAT_VMCS_GLOBAL_CTRL,
	.vendor = MPMU_VENDOR_INTEL,
	.version = 5,
	.gp_width = 48,
	.fixed_width = 48,
};

static const struct mpmu_caps bench_amd = {
	.counters = GP(15),
	.features = MPMU_FEAT_GLOBAL | MPMU_FEAT_PERFCTR_CORE | MPMU_FEAT_STATUS_SET |
		    MPMU_FEAT_SVM,
	.vendor = MPMU_VENDOR_AMD,
	.version = 2,
	.gp_width = 48,
};

/* A guest that has @counters. */
static void bench_setup(const struct mpmu_caps *host, mpmu_pmcs counters)
{
	struct mpmu_caps guest = *host;

	guest.counters = counters;
	mpmu_caps_clamp(&guest, host);
	memset(&bench_cpu, 0, sizeof(bench_cpu));
	if (mpmu_host_init(&bench_host, &bench_ops, host))
		fprintf(stderr, "no host\n");
	mpmu_vcpu_init(&bench_vcpu, &bench_host, &bench_stats);
	if (mpmu_vcpu_configure(&bench_vcpu, &guest))
		fprintf(stderr, "no guest\n");
}

static u32 bench_eventsel(u32 pmc)
{
	return bench_host.caps.vendor == MPMU_VENDOR_AMD ? 0xc0010200 + 2 * pmc : 0x186 + pmc;
}

/* All counters of the guest count. */
static void bench_count(void)
{
	u32 pmc;

	for (pmc = 0; pmc < MPMU_MAX_GP; pmc++)
		mpmu_wrmsr(NULL, &bench_vcpu, bench_eventsel(pmc), 0x5300c0);
	for (pmc = 0; pmc < MPMU_MAX_FIXED; pmc++) {
		u64 ctrl = bench_vcpu.fixed_ctrl | 3ull << (4 * pmc);

		mpmu_wrmsr(NULL, &bench_vcpu, 0x38d, ctrl);
	}
	mpmu_vcpu_reprogram(NULL, &bench_vcpu, NULL);
}

static char bench_name[64];

/* The name of what is between this and bench_end(). */
static void bench_begin(const char *vendor, const char *what, u32 number)
{
	snprintf(bench_name, sizeof(bench_name), "%s %s %u", vendor, what, number);
	memset(&bench_ops_seen, 0, sizeof(bench_ops_seen));
	CALLGRIND_TOGGLE_COLLECT;
}

/* Print the operations; the instructions are in the profile. */
static void bench_end(void)
{
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(bench_name);
	printf("%s %llu %llu %llu\n", bench_name, (unsigned long long)bench_ops_seen.reads,
	       (unsigned long long)bench_ops_seen.writes, (unsigned long long)bench_ops_seen.calls);
}

static void bench_switches(const char *vendor, const struct mpmu_caps *host)
{
	bench_setup(host, host->counters);
	bench_begin(vendor, "untouched-enter", 0);
	mpmu_enter(&bench_cpu, &bench_vcpu);
	bench_end();
	bench_begin(vendor, "untouched-exit", 0);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	bench_end();

	bench_count();
	mpmu_enter(&bench_cpu, &bench_vcpu);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	bench_begin(vendor, "resident-enter", 0);
	mpmu_enter(&bench_cpu, &bench_vcpu);
	bench_end();
	bench_begin(vendor, "resident-exit", 0);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	bench_end();
}

static mpmu_pmcs bench_first(const struct mpmu_caps *host, u32 count)
{
	mpmu_pmcs gp = host->counters & GP(count);
	u32 gps = __builtin_popcountll(host->counters & MPMU_GP_MASK);

	return count <= gps ? gp : gp | FIXED(count - gps);
}

/*
 * From one vCPU to another, which counts other events in all of @count counters:
 * every register differs.
 */
static void bench_take_over(const char *vendor, const struct mpmu_caps *host, u32 count)
{
	u32 i;

	bench_setup(host, bench_first(host, count));
	bench_count();
	mpmu_enter(&bench_cpu, &bench_vcpu);
	mpmu_put(&bench_cpu, &bench_vcpu);
	bench_other = bench_vcpu;
	for (i = 0; i < count; i++)
		mpmu_wrmsr(NULL, &bench_other, bench_eventsel(i), 0x5300c4);
	mpmu_wrmsr(NULL, &bench_other, 0x38d, 1);
	mpmu_vcpu_reprogram(NULL, &bench_other, NULL);
	mpmu_enter(&bench_cpu, &bench_vcpu);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	mpmu_park(&bench_cpu, &bench_vcpu);
	bench_begin(vendor, "takeover", count);
	mpmu_enter(&bench_cpu, &bench_other);
	bench_end();
}

/* Another owner and back, all of @count counters in use. */
static void bench_owner_change(const char *vendor, const struct mpmu_caps *host, u32 count)
{
	bench_setup(host, bench_first(host, count));
	bench_count();
	mpmu_enter(&bench_cpu, &bench_vcpu);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	mpmu_put(&bench_cpu, &bench_vcpu);
	bench_begin(vendor, "change", count);
	mpmu_enter(&bench_cpu, &bench_vcpu);
	mpmu_exit(&bench_cpu, &bench_vcpu);
	mpmu_put(&bench_cpu, &bench_vcpu);
	bench_end();
}

/* The MSRs of a vendor, those beside them, and others; the end has no count. */
struct bench_msrs {
	u32 first;
	u32 count;
};

static const struct bench_msrs bench_intel_msrs[] = {
	{0xc0, 10}, {0x185, 10},      {0x308, 18},     {0x38c, 8},      {0x4c0, 10},
	{0x10, 1},  {0xc0000300, 1},  {0xc0010200, 1}, {0xffffffff, 1}, {0, 0},
};
static const struct bench_msrs bench_amd_msrs[] = {
	{0xc00002ff, 6}, {0xc000ffff, 10}, {0xc00101ff, 32}, {0x10, 1},
	{0xc1, 1},       {0x38f, 1},       {0xffffffff, 1},  {0, 0},
};

static void bench_decode(const char *vendor, const struct mpmu_caps *host,
			 const struct bench_msrs *msrs)
{
	u32 i;

	bench_setup(host, host->counters);
	for (; msrs->count; msrs++) {
		for (i = 0; i < msrs->count; i++) {
			bench_begin(vendor, "decode", msrs->first + i);
			mpmu_msr_exists(&bench_vcpu, msrs->first + i);
			bench_end();
		}
	}
}

static void bench_vendor(const char *vendor, const struct mpmu_caps *host)
{
	u32 count = __builtin_popcountll(host->counters), i;

	bench_switches(vendor, host);
	for (i = 1; i <= count; i++)
		bench_owner_change(vendor, host, i);
	for (i = 1; i <= count; i++)
		bench_take_over(vendor, host, i);
}

int main(void)
{
	printf("all sizeof 0 %zu 0 0\n", sizeof(struct mpmu_vcpu));
	bench_vendor("Intel", &bench_intel);
	bench_decode("Intel", &bench_intel, bench_intel_msrs);
	bench_vendor("AMD", &bench_amd);
	bench_decode("AMD", &bench_amd, bench_amd_msrs);
	return 0;
}
