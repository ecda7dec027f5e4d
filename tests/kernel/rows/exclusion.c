// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows A4 and A10: what a host can mediate, and what excludes what. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "rows.h"

#define RACES	300
#define FAILURES	4000	/* of each way in which an event cannot be made */
#define LOSS	2048	/* KiB: an event has more than one of them */

static long long create(void)
{
	return call_row(PERFROW_CREATE, (struct perfrow){ 0 }).result;
}

static void release(void)
{
	call_row(PERFROW_RELEASE, (struct perfrow){ 0 });
}

static long long counter(int on, int flags)
{
	return call_row(PERFROW_COUNTER, (struct perfrow){ .arg = on, .flags = flags }).result;
}

/* 0 if such an event can be opened, else the errno. */
static int opens(int flags)
{
	int fd = open_instructions(flags);

	if (fd < 0)
		return -fd;
	close(fd);
	return 0;
}

/* Where counter 3 needs TSX_FORCE_ABORT, the three below are for guests. */
static uint64_t without_tfa(uint64_t counters)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(edx & 1 << 13))
		return counters;
	return counters & ~0xfffffff8ull;
}

void test_capability(void)
{
	struct perfrow row = call_row(PERFROW_CAPABILITY, (struct perfrow){ 0 });
	struct perfrow now = call_row(PERFROW_STATE, (struct perfrow){ 0 });
	uint64_t counters = now.regs.gp_mask | now.regs.fixed_mask << 32;

	check(row.mediated, "A10: the PMU can be mediated");
	check_eq(row.counters, counters, "A10: the counters are the hardware's");
	check_eq(row.guest_counters, without_tfa(counters), "A10: guests can have them, but for those of TFA");
	check_eq(row.widths[0], 48, "A10: general counters have a width");
	check_eq(row.widths[1], now.regs.fixed_mask ? 48 : 0,
		 "A10: the width of fixed counters is 0 where there is none");
	check_eq(row.numbers[0], __builtin_popcountll(now.regs.gp_mask), "A10: their number");
}

static void test_open_while_created(void)
{
	int software = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, EV_GUEST, 0, -1, -1);

	check_eq(create(), 0, "A4: a first mediated VM");
	check_eq(opens(EV_GUEST), EOPNOTSUPP, "A4: events that count guests are refused");
	check_eq(opens(EV_GUEST | EV_HOST_NOT), EOPNOTSUPP, "A4: those of guests only, too");
	check_eq(opens(EV_GUEST | EV_INHERIT), EOPNOTSUPP, "A4: inherited ones, too");
	check_eq(opens(0), 0, "A4: events that exclude guests are not");
	check(software >= 0, "A4: nor are software events");
	check_eq(create(), 0, "A4: a second mediated VM");
	release();
	check_eq(opens(EV_GUEST), EOPNOTSUPP, "A4: still refused with one VM left");
	release();
	check_eq(opens(EV_GUEST), 0, "A4: allowed again after the last one");
	close(software);
}

static void test_create_while_open(void)
{
	int fd = open_instructions(EV_GUEST);

	check_eq(create(), -EBUSY, "A4: no mediated VM beside an event that counts guests");
	check_eq(opens(EV_GUEST), 0, "A4: the failure leaves nothing behind");
	close(fd);
	fd = open_instructions(0);
	check_eq(create(), 0, "A4: one beside an event that excludes guests");
	release();
	close(fd);
}

static bool forks(void)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void test_inherited(void)
{
	int fd = open_instructions(EV_INHERIT);

	create();
	check(forks(), "A4: fork with an inherited event that excludes guests");
	release();
	close(fd);

	fd = open_instructions(EV_INHERIT | EV_GUEST);
	check(forks(), "A4: fork with an inherited event that counts guests");
	check_eq(create(), -EBUSY, "A4: no mediated VM beside it");
	close(fd);
	check_eq(create(), 0, "A4: one after it and its children are gone");
	release();
}

static void test_emulated(void)
{
	check_eq(create(), 0, "A4: a mediated VM, then");
	check_eq(counter(1, 0), -EOPNOTSUPP, "A4: no kernel event that counts guests");
	check_eq(counter(1, PERFROW_VPMU), 0, "A4: but that of an emulated vPMU");
	release();
	check_eq(create(), 0, "A4: a mediated VM beside an emulated one");
	counter(0, 0);
	release();
	check_eq(counter(1, 0), 0, "A4: a kernel event that counts guests, and");
	check_eq(create(), -EBUSY, "A4: no mediated VM beside it");
	counter(0, 0);
}

static long long free_memory(void)
{
	return figure_in("/proc/meminfo", "MemFree: %llu");
}

static int fail_refused(void)
{
	return open_instructions(EV_GUEST);
}

static int fail_type(void)
{
	return open_event(0x7fffffff, 0, 0, 0, -1, -1);
}

static int fail_config(void)
{
	return open_event(PERF_TYPE_HARDWARE, 0xff, 0, 0, -1, -1);
}

/* The leader is on every CPU: known to be wrong once the event is made. */
static int fail_group(void)
{
	int leader = open_instructions(0);
	int fd = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0, 0, 0, leader);

	close(leader);
	return fd;
}

static const struct failure {
	const char *name;
	int (*open)(void);
	int error;
} failures[] = {
	{ "beside a mediated VM", fail_refused, -EOPNOTSUPP },
	{ "of no PMU", fail_type, -ENOENT },
	{ "that no PMU has", fail_config, -EINVAL },
	{ "on another CPU than its group", fail_group, -EINVAL },
};

/* Row A3: whatever was allocated for an event that cannot be made is freed. */
static void test_failure(const struct failure *failure)
{
	long long before, lost;
	int wrong = 0;

	failure->open();
	usleep(100000);
	before = free_memory();
	for (int i = 0; i < FAILURES; i++)
		wrong += failure->open() != failure->error;
	usleep(100000);
	lost = before - free_memory();
	check_eq(wrong, 0, "A3: an event %s is refused", failure->name);
	check(lost < LOSS, "A3: an event %s: no memory is lost (%lld KiB)", failure->name, lost);
}

void test_failures(void)
{
	create();
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		test_failure(&failures[i]);
	check_eq(counter(1, 0), -EOPNOTSUPP, "A3: an event of the kernel's beside a mediated VM");
	release();
	check_eq(opens(EV_GUEST), 0, "A3: no event is left that would count guests");
	check_eq(create(), 0, "A3: nor one that keeps a VM from being created");
	release();
}

/* Odd: the race is on; even: both are done, and cleaned up. */
static atomic_int stage;
static atomic_int opened;

static void wait_for(int want)
{
	while (atomic_load(&stage) != want)
		;
}

static void *opener(void *unused)
{
	int fd;

	run_on(1);
	for (int i = 0; i < RACES; i++) {
		wait_for(2 * i + 1);
		fd = open_instructions(EV_GUEST);
		atomic_store(&opened, fd >= 0 ? 1 : 0);
		if (fd < 0)
			fd = -1;
		wait_for(2 * i + 2);
		close(fd);
		atomic_store(&opened, -1);
	}
	return unused;
}

static uint64_t time_to_open(void)
{
	uint64_t start = __rdtsc();

	close(open_instructions(EV_GUEST));
	return __rdtsc() - start;
}

/* An event takes longer to open than a VM to announce: from 0 to more than that. */
static bool create_late(uint64_t delay)
{
	for (uint64_t start = __rdtsc(); __rdtsc() - start < delay; )
		;
	return !create();
}

static void test_race(void)
{
	int winners[2] = { 0 }, bad = 0;
	uint64_t longest;
	pthread_t thread;
	bool created;

	if (cpus() < 2)
		return;

	run_on(0);
	longest = 2 * time_to_open();
	atomic_store(&opened, -1);
	pthread_create(&thread, NULL, opener, NULL);
	for (int i = 0; i < RACES; i++) {
		atomic_store(&stage, 2 * i + 1);
		created = create_late(longest * i / RACES);
		while (atomic_load(&opened) < 0)
			;
		winners[created]++;
		bad += created == !!atomic_load(&opened);
		if (created)
			release();
		atomic_store(&stage, 2 * i + 2);
		while (atomic_load(&opened) >= 0)
			;
	}
	pthread_join(thread, NULL);
	note("create won %d times, open %d times", winners[1], winners[0]);
	check_eq(bad, 0, "A4: exactly one winner in each of %d races", RACES);
	check(winners[0] && winners[1], "A4: either wins some");
}

void test_exclusion(void)
{
	test_open_while_created();
	test_create_while_open();
	test_inherited();
	test_emulated();
	test_race();

	release();
	check(kernel_said("perf_release_mediated_pmu"), "A4: release without create warns");
	check_eq(opens(EV_GUEST), 0, "A4: and changes nothing");
	check_eq(create(), 0, "A4: nor for VMs");
	release();
	release();
	check(!kernel_said("perf_release_mediated_pmu"), "A4: it warns once");
}
