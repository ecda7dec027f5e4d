/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof of the emulator's PMU, register by register, through /dev/cpu/N/msr
 * and RDPMC with no perf event alive.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "emu.h"
#include "audit.h"

#define MSR_GLOBAL_STATUS	0x38e
#define MSR_GLOBAL_CTRL		0x38f
#define MSR_OVF_CTRL		0x390
#define MSR_STATUS_SET		0x391
#define MSR_GLOBAL_INUSE	0x392
#define MSR_FIXED_CTR0		0x309
#define MSR_FIXED_CTR_CTRL	0x38d
#define MSR_PERF_CAPABILITIES	0x345
#define MSR_PERF_METRICS	0x329
#define MSR_MISC_ENABLE		0x1a0
#define MSR_AMD_STATUS		0xc0000300
#define MSR_AMD_CTL		0xc0000301
#define MSR_AMD_STATUS_CLR	0xc0000302
#define MSR_AMD_STATUS_SET	0xc0000303

/* Where a vendor keeps what both have. */
struct bank {
	uint32_t sel, counter, stride;		/* of GP counters */
	uint32_t legacy_sel, legacy_counter;	/* the first four, older names */
	uint32_t status, ctrl, clear, set;
	uint64_t instructions;			/* the event */
};

static const struct bank intel_bank = {
	.sel = 0x186, .counter = 0x4c1, .stride = 1,
	.legacy_sel = 0x186, .legacy_counter = 0xc1,
	.status = MSR_GLOBAL_STATUS, .ctrl = MSR_GLOBAL_CTRL,
	.clear = MSR_OVF_CTRL, .set = MSR_STATUS_SET,
	.instructions = 0xc0,
};

static const struct bank amd_bank = {
	.sel = 0xc0010200, .counter = 0xc0010201, .stride = 2,
	.legacy_sel = 0xc0010000, .legacy_counter = 0xc0010004,
	.status = MSR_AMD_STATUS, .ctrl = MSR_AMD_CTL,
	.clear = MSR_AMD_STATUS_CLR, .set = MSR_AMD_STATUS_SET,
	.instructions = 0xc0,
};

static const struct bank k7_bank = {
	.sel = 0xc0010000, .counter = 0xc0010004, .stride = 1,
	.legacy_sel = 0xc0010000, .legacy_counter = 0xc0010004,
	.instructions = 0xc0,
};

static const struct bank *bank;
static struct mpmu_regs model;
static int msr_fd;

static bool wr(uint32_t msr, uint64_t value)
{
	return pwrite(msr_fd, &value, sizeof(value), msr) == sizeof(value);
}

static bool rd(uint32_t msr, uint64_t *value)
{
	*value = 0;
	return pread(msr_fd, value, sizeof(*value), msr) == sizeof(*value);
}

static uint64_t get(uint32_t msr)
{
	uint64_t value;

	if (!rd(msr, &value))
		check(false, "registers: MSR %#x can be read", msr);
	return value;
}

static void put(uint32_t msr, uint64_t value)
{
	if (!wr(msr, value))
		check(false, "registers: MSR %#x takes %#llx", msr, (unsigned long long)value);
}

static unsigned int nr_gp(void)
{
	return __builtin_popcountll(model.gp_mask);
}

static unsigned int nr_fixed(void)
{
	return model.intel ? __builtin_popcountll(model.fixed_mask) : 0;
}

static bool has_global(void)
{
	return model.version >= 2;
}

static uint64_t counters(void)
{
	return model.gp_mask | (model.intel ? model.fixed_mask << 32 : 0);
}

/* On Intel the older name, which every personality has; it sign-extends. */
static uint32_t counter_msr(unsigned int i)
{
	return (model.intel ? bank->legacy_counter : bank->counter) + i * bank->stride;
}

/* All off and 0: the start of each part. */
static void clean(void)
{
	unsigned int i;

	if (has_global()) {
		put(bank->ctrl, 0);
		put(bank->clear, counters());
	}
	for (i = 0; i < nr_gp(); i++) {
		put(bank->sel + i * bank->stride, 0);
		put(counter_msr(i), 0);
	}
	if (nr_fixed())
		put(MSR_FIXED_CTR_CTRL, 0);
	for (i = 0; i < nr_fixed(); i++)
		put(MSR_FIXED_CTR0 + i, 0);
}

/* --- status protocol --- */

static void part_status_set(void)
{
	uint64_t bits = counters();

	clean();
	put(bank->set, bits);
	check_eq(get(bank->status) & bits, bits, "status: STATUS_SET sets every counter's bit");
	put(bank->clear, bits);
	check_eq(get(bank->status) & bits, 0, "status: a clear takes every bit away");
}

/* 200 overflows, since a model may fail to clear only now and then. */
static void part_status_overflow(void)
{
	uint64_t sel = bank->instructions | EVENTSEL_OS | EVENTSEL_USR | EVENTSEL_EN;
	unsigned int i, missing = 0, stuck = 0;

	clean();
	put(bank->sel, sel);
	for (i = 0; i < 200; i++) {
		put(counter_msr(0), COUNTER_MASK - 50);
		put(bank->ctrl, 1);
		put(bank->ctrl, 0);
		missing += !(get(bank->status) & 1);
		put(bank->clear, 1);
		stuck += get(bank->status) & 1;
	}
	check_eq(missing, 0, "status: an overflow sets the counter's bit");
	check_eq(stuck, 0, "status: the bit is gone once cleared");
	clean();
}

/* --- what a selector makes of its event --- */

#define EVENT_ACCESSES	(model.intel ? 0x83d0 : 0x0729)	/* loads and stores */
#define EVENTSEL_AT_LEAST_1	(1ULL << 24)

/* TURNS of 18 instructions, and 32 loads and stores. */
static __attribute__((noinline)) void add_in_memory(long turns)
{
	int sum = 0;

	__asm__ volatile("1: .rept 16; addl $1, %0; .endr; dec %1; jnz 1b"
			 : "+m" (sum), "+r" (turns));
}

static uint64_t count_accesses(uint64_t filter)
{
	clean();
	if (has_global())
		put(bank->ctrl, 1);
	put(bank->sel, EVENT_ACCESSES | filter | EVENTSEL_USR | EVENTSEL_EN);
	add_in_memory(1000);
	put(bank->sel, 0);
	return get(counter_msr(0));
}

static void part_filter(void)
{
	const uint64_t all = count_accesses(0), cycles = count_accesses(EVENTSEL_AT_LEAST_1);
	const uint64_t idle = count_accesses(EVENTSEL_AT_LEAST_1 | EVENTSEL_INV);

	note("accesses %#llx, cycles with one %#llx, others %#llx", (unsigned long long)all,
	     (unsigned long long)cycles, (unsigned long long)idle);
	check(all >= 32000 && all < 34000, "filter: a load and a store each");
	check(cycles >= 18000 && cycles < 20000, "filter: CMASK counts each cycle once");
	check(idle < 2000, "filter: INV counts the cycles that are left");
	clean();
}

/* --- which counters are used --- */

#define INUSE_PMI	(1ULL << 63)

/* By what the controls say, enabled or not. */
static void part_inuse(void)
{
	clean();
	check_eq(get(MSR_GLOBAL_INUSE), 0, "inuse: nothing is");
	put(bank->sel, bank->instructions);
	check_eq(get(MSR_GLOBAL_INUSE), 1, "inuse: a selector with an event");
	put(bank->sel, EVENTSEL_INT);
	check_eq(get(MSR_GLOBAL_INUSE), INUSE_PMI, "inuse: the interrupt of one that is off");
	put(bank->sel, 0);
	put(MSR_FIXED_CTR_CTRL, 8);
	check_eq(get(MSR_GLOBAL_INUSE), INUSE_PMI, "inuse: that of a fixed counter");
	put(MSR_FIXED_CTR_CTRL, 2);
	check_eq(get(MSR_GLOBAL_INUSE), 1ULL << 32, "inuse: a fixed counter");
	clean();
}

/* --- RDPMC, from user space --- */

#define RDPMC_METRICS	0x20000000

static sigjmp_buf after_fault;

static void on_fault(int signal)
{
	siglongjmp(after_fault, signal);
}

/* CR4.PCE on all CPUs, whether an event is alive or not. */
static void allow_rdpmc(void)
{
	const struct sigaction action = { .sa_handler = on_fault };
	int fd = open("/sys/bus/event_source/devices/cpu/rdpmc", O_WRONLY);

	sigaction(SIGSEGV, &action, NULL);
	if (fd < 0 || write(fd, "2", 1) != 1)
		note("RDPMC cannot be allowed");
	close(fd);
}

static bool rdpmc(uint32_t index, uint64_t *value)
{
	uint32_t low, high;

	*value = 0;
	if (sigsetjmp(after_fault, 1))
		return false;
	__asm__ volatile("rdpmc" : "=a" (low), "=d" (high) : "c" (index));
	*value = (uint64_t)high << 32 | low;
	return true;
}

/* --- which values a register takes --- */

struct row {
	const char *name;
	uint32_t msr;
	uint64_t value;
	bool takes;
	uint64_t reads;
};

static void check_rows(const struct row *row, unsigned int nr)
{
	for (; nr--; row++) {
		bool took = wr(row->msr, row->value);
		uint64_t value = 0;

		check(took == row->takes, "values: %s %s", row->name,
		      row->takes ? "is taken" : "is refused");
		if (row->takes && took && rd(row->msr, &value))
			check_eq(value, row->reads, "values: %s reads back", row->name);
	}
}

#define ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows[0]))

#define IN_TX	(1ULL << 32)
#define IN_TXCP	(1ULL << 33)

static bool has_tsx(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_RTM);
}

static void part_values_intel(void)
{
	const uint64_t fixed_all = 0xbbbb & ((1ULL << 4 * nr_fixed()) - 1);
	const struct row rows[] = {
		{ "a selector", 0x186, 0x1300c0, true, 0x1300c0 },
		{ "a selector with AnyThread", 0x186, 0x2300c0, model.version < 5, 0x2300c0 },
		{ "a selector beyond 32 bits", 0x186, 1ULL << 40, false, 0 },
		{ "a selector with IN_TX", 0x186, IN_TX, has_tsx(), IN_TX },
		{ "IN_TXCP of selector 0", 0x186, IN_TXCP, false, 0 },
		{ "IN_TXCP of selector 2", 0x188, IN_TXCP, has_tsx(), IN_TXCP },
		{ "a legacy write, positive", 0xc1, 0x7fffffff, true, 0x7fffffff },
		{ "a legacy write, negative", 0xc1, 0x80000000, true, 0xffff80000000 },
		{ "a fixed counter", MSR_FIXED_CTR0, 0x123456789abc, true, 0x123456789abc },
		{ "FIXED_CTR_CTRL", MSR_FIXED_CTR_CTRL, fixed_all, true, fixed_all },
		{ "FIXED_CTR_CTRL of an absent counter", MSR_FIXED_CTR_CTRL,
		  1ULL << 4 * nr_fixed(), false, 0 },
		{ "GLOBAL_CTRL", MSR_GLOBAL_CTRL, counters(), true, counters() },
		{ "GLOBAL_CTRL of an absent counter", MSR_GLOBAL_CTRL, 1ULL << nr_gp(), false, 0 },
		{ "a fixed counter beyond its width", MSR_FIXED_CTR0, 1ULL << 48, false, 0 },
		{ "GLOBAL_STATUS, read-only", MSR_GLOBAL_STATUS, 1, false, 0 },
		{ "an absent selector", 0x186 + nr_gp(), 0, false, 0 },
		{ "an absent fixed counter", MSR_FIXED_CTR0 + nr_fixed(), 0, false, 0 },
	};
	const struct row wide[] = {
		{ "a full-width write", 0x4c1, 0xabcdef012345, true, 0xabcdef012345 },
		{ "a full-width write beyond the width", 0x4c1, 1ULL << 48, false, 0 },
	};

	clean();
	ROWS(rows);
	if (get(MSR_PERF_CAPABILITIES) & 0x2000)
		ROWS(wide);
	clean();
}

static void part_values_amd(void)
{
	const struct row rows[] = {
		{ "a legacy selector", 0xc0010000, 0x1300c0, true, 0x1300c0 },
		{ "a legacy counter", 0xc0010004, 0x123456789abc, true, 0x123456789abc },
	};
	const struct row core[] = {
		{ "a selector's event", 0xc0010200, 0xf0f0300c0, true, 0xf0f0300c0 },
		{ "a selector's reserved bits", 0xc0010200, 0xf3002b00c0, true, 0x3000300c0 },
		{ "a selector with Guest-Only", 0xc0010200, 0x100000300c0, true, 0x100000300c0 },
		{ "a counter", 0xc0010201, 0xabcdef012345, true, 0xabcdef012345 },
		{ "the alias of counter 3", 0xc0010007, 0x77, true, 0x77 },
	};
	const struct row v2[] = {
		{ "GLOBAL_CTL", MSR_AMD_CTL, counters(), true, counters() },
		{ "GLOBAL_CTL of an absent counter", MSR_AMD_CTL,
		  counters() | 1ULL << nr_gp(), true, counters() },
		{ "GLOBAL_STATUS, ignored", MSR_AMD_STATUS, 1, true, 0 },
	};

	clean();
	ROWS(rows);
	check_eq(get(0xc0010000), 0x1300c0, "values: the legacy selector stays");
	if (nr_gp() >= 6) {
		ROWS(core);
		check_eq(get(0xc0010207), 0x77, "values: counter 3 shows through its alias");
	}
	if (has_global())
		ROWS(v2);
	clean();
}

/* --- metrics --- */

#define METRICS_BIT	(1ULL << 48)
#define SLOTS_BIT	(1ULL << 35)
#define MSR_SLOTS	(MSR_FIXED_CTR0 + 3)
#define SLOTS_USER	(2ULL << 12)

static void check_no_metrics(void)
{
	uint64_t value;

	check(!rd(MSR_PERF_METRICS, &value), "metrics: no register without the feature");
	check(!wr(MSR_GLOBAL_CTRL, METRICS_BIT), "metrics: no bit of GLOBAL_CTRL without it");
	check(!wr(MSR_OVF_CTRL, METRICS_BIT), "metrics: none of the status without it");
	check(!rdpmc(RDPMC_METRICS, &value), "metrics: no index of RDPMC without it");
}

static void start_metrics(uint64_t slots, uint64_t metrics, uint64_t control)
{
	put(MSR_GLOBAL_CTRL, 0);
	put(MSR_FIXED_CTR_CTRL, SLOTS_USER);
	put(MSR_SLOTS, slots);
	put(MSR_PERF_METRICS, metrics);
	put(MSR_GLOBAL_CTRL, control);
}

/* User mode alone, so that what the system calls around it do is not in it. */
static __attribute__((noinline)) void spin(long turns)
{
	for (volatile long i = 0; i < turns; i++)
		;
}

static void check_metrics_values(void)
{
	const uint64_t fields = model.metrics == 8 ? 0x2010080420304f60 : 0x20304f60;
	const struct row rows[] = {
		{ "GLOBAL_CTRL of the metrics", MSR_GLOBAL_CTRL, counters() | METRICS_BIT, true,
		  counters() | METRICS_BIT },
		{ "PERF_METRICS", MSR_PERF_METRICS, fields, true, fields },
		{ "PERF_METRICS of level 2", MSR_PERF_METRICS, 1ULL << 32, model.metrics == 8,
		  1ULL << 32 },
	};
	uint64_t value;

	clean();
	ROWS(rows);
	put(MSR_GLOBAL_CTRL, 0);
	put(MSR_SLOTS, 1000);
	put(MSR_PERF_METRICS, fields);
	check_eq(get(MSR_PERF_METRICS), fields, "metrics: written after the slots, they stay");
	check(rdpmc(RDPMC_METRICS, &value) && value == fields, "metrics: RDPMC reads them");
	check(!rdpmc(RDPMC_METRICS + 1, &value), "metrics: there is one index of them");
	put(MSR_SLOTS, 1000);
	check_eq(get(MSR_PERF_METRICS), 0, "metrics: slots written after them void them");
	put(MSR_STATUS_SET, METRICS_BIT);
	check_eq(get(MSR_GLOBAL_STATUS) & METRICS_BIT, METRICS_BIT, "metrics: STATUS_SET sets the bit");
	put(MSR_OVF_CTRL, METRICS_BIT);
	check_eq(get(MSR_GLOBAL_STATUS) & METRICS_BIT, 0, "metrics: a clear takes it away");
}

static unsigned int level_1(uint64_t metrics)
{
	return (metrics & 0xff) + (metrics >> 8 & 0xff) + (metrics >> 16 & 0xff) +
	       (metrics >> 24 & 0xff);
}

static void check_metrics_count(void)
{
	static struct snapshot from, to;
	const struct counter user = { .kind = TRUTH_SLOTS, .usr = true, .root = true };
	uint64_t metrics;

	start_metrics(0, 0, SLOTS_BIT | METRICS_BIT);
	emu_snapshot(&from);
	spin(300000);
	emu_snapshot(&to);
	put(MSR_GLOBAL_CTRL, 0);
	metrics = get(MSR_PERF_METRICS);
	note("PERF_METRICS %#llx, %u from the truth", (unsigned long long)metrics,
	     metrics_off(metrics, model.metrics, &user, &from.truth, &to.truth));
	check_eq(level_1(metrics), 255, "metrics: the fields add up to 255");
	check(metrics_off(metrics, model.metrics, &user, &from.truth, &to.truth) <= 1,
	      "metrics: each field is what the truth has");
	spin(300000);
	check_eq(get(MSR_PERF_METRICS), metrics, "metrics: they stand still when disabled");
}

/* Half of the slots were all retiring, the other half is the loop's. */
static void check_metrics_restored(void)
{
	uint64_t alone, slots, both;

	start_metrics(0, 0, SLOTS_BIT | METRICS_BIT);
	spin(300000);
	put(MSR_GLOBAL_CTRL, 0);
	slots = get(MSR_SLOTS);
	alone = get(MSR_PERF_METRICS) & 0xff;
	start_metrics(slots, 0xff, SLOTS_BIT | METRICS_BIT);
	spin(300000);
	put(MSR_GLOBAL_CTRL, 0);
	both = get(MSR_PERF_METRICS) & 0xff;
	note("retiring: %llu alone, %llu after as many slots of 255", (unsigned long long)alone,
	     (unsigned long long)both);
	check(both >= (alone + 255) / 2 - 2 && both <= (alone + 255) / 2 + 2,
	      "metrics: what was restored goes on with the weight of its slots");
	start_metrics(0, 0, SLOTS_BIT);
	spin(1000);
	put(MSR_GLOBAL_CTRL, 0);
	check(get(MSR_SLOTS) && !get(MSR_PERF_METRICS), "metrics: GLOBAL_CTRL[48] enables them");
}

static void check_metrics_overflow(void)
{
	uint64_t status;

	put(MSR_OVF_CTRL, SLOTS_BIT | METRICS_BIT);
	start_metrics(COUNTER_MASK - 1000, 0xff, SLOTS_BIT | METRICS_BIT);
	spin(1000);
	put(MSR_GLOBAL_CTRL, 0);
	status = get(MSR_GLOBAL_STATUS);
	check_eq(status & (SLOTS_BIT | METRICS_BIT), SLOTS_BIT | METRICS_BIT,
		 "metrics: an overflow after that of the slots sets its bit");
	put(MSR_OVF_CTRL, SLOTS_BIT | METRICS_BIT);
	start_metrics(COUNTER_MASK - 1000, 0, SLOTS_BIT | METRICS_BIT);
	spin(1000);
	put(MSR_GLOBAL_CTRL, 0);
	status = get(MSR_GLOBAL_STATUS);
	check_eq(status & (SLOTS_BIT | METRICS_BIT), SLOTS_BIT,
		 "metrics: slots of no use that overflow set theirs alone");
	put(MSR_OVF_CTRL, SLOTS_BIT);
}

static void part_metrics(void)
{
	if (!model.metrics) {
		check_no_metrics();
		return;
	}
	check_metrics_values();
	check_metrics_count();
	check_metrics_restored();
	check_metrics_overflow();
	clean();
}

/* --- what all CPUs of an AMD machine share --- */

#define MSR_L3_CTL	0xc0010230
#define MSR_NB_CTL	0xc0010240
#define L3_LOOKUPS	0xff0f00000040ff04	/* all cores, slices and threads */

struct shared {
	const char *name;
	uint32_t msr, index;			/* of the first selector; RDPMC */
	unsigned int nr;
};

static const struct shared shared_counters[] = {
	{ "L3", MSR_L3_CTL, 10, 6 },
	{ "NB", MSR_NB_CTL, 6, 4 },
	{ "NB beyond four", MSR_NB_CTL + 8, 16, 12 },
	{ }
};

static bool has_shared(void)
{
	return model.signature != 0;
}

static void check_shared(const struct shared *s)
{
	unsigned int i, stuck = 0, other = 0;
	uint64_t value;

	for (i = 0; i < s->nr; i++) {
		put(s->msr + 2 * i + 1, 0);
		put(s->msr + 2 * i, L3_LOOKUPS);
	}
	for (i = 0; i < 200; i++)
		__asm__ volatile("clflush %0" : "+m" (value));
	for (i = 0; i < s->nr; i++)
		put(s->msr + 2 * i, 0);
	for (i = 0; i < s->nr; i++) {
		stuck += get(s->msr + 2 * i + 1) < 200;
		other += !rdpmc(s->index + i, &value) || value != get(s->msr + 2 * i + 1);
	}
	check_eq(stuck, 0, "shared: each %s counter counts", s->name);
	check_eq(other, 0, "shared: RDPMC reads each %s counter", s->name);
}

static void part_shared(void)
{
	const struct shared *s;
	uint64_t value;

	if (!has_shared()) {
		check(!rd(MSR_L3_CTL, &value) && !rd(MSR_NB_CTL, &value), "shared: none without the feature");
		check(!rdpmc(10, &value) && !rdpmc(6, &value), "shared: no index of RDPMC without it");
		return;
	}
	for (s = shared_counters; s->name; s++)
		check_shared(s);
	check(!rd(0xc001023c, &value), "shared: there are six L3 counters");
	check(!rdpmc(28, &value), "shared: there are 16 NB counters");
}

int main(void)
{
	struct snapshot now;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	msr_fd = open("/dev/cpu/0/msr", O_RDWR);
	if (msr_fd < 0 || !emu_present()) {
		printf("Bail out! no MSR device or no emulator\n");
		return 1;
	}
	emu_snapshot(&now);
	model = now.regs;
	bank = model.intel ? &intel_bank : nr_gp() == 4 ? &k7_bank : &amd_bank;
	note("PMU version %llu, %u and %u counters", model.version, nr_gp(), nr_fixed());
	if (model.intel ? model.version >= 4 : has_global())
		part_status_set();
	if (has_global())
		part_status_overflow();
	part_filter();
	if (model.intel && model.version >= 4)
		part_inuse();
	allow_rdpmc();
	if (model.intel) {
		part_values_intel();
		part_metrics();
	} else {
		part_values_amd();
		part_shared();
	}
	return tap_end();
}
