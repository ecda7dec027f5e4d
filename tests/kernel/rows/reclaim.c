// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rows A8, A9, A11, A12: interrupts of the guest's counters, and everything by
 * which the host takes a CPU's counters back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.h"

#define VECTOR		0xf5
#define LVTPC_NMI	0x400
#define LVTPC_MASKED	0x10000
#define STATUS_PT	(1ull << 55)
#define STATUS_BUFFER	(1ull << 62)
#define MOVED		3	/* counter that an event leaves for another */

static struct perfrow call(unsigned long request, unsigned long long arg)
{
	return call_row(request, (struct perfrow){ .arg = arg });
}

static uint64_t intr_total(void)
{
	return figure_in("/proc/stat", "intr %llu");
}

void test_vector(void)
{
	uint64_t before = interrupts("VPMI"), total = intr_total(), pmis;

	run_on(0);
	check(before != UINT64_MAX, "A8: /proc/interrupts has a line VPMI");
	call(PERFROW_VECTOR, 0);
	check_eq(interrupts("VPMI"), before + 1, "A8: it counts, with no handler registered");
	check(intr_total() > total, "A8: the sum in /proc/stat counts it");

	pmis = call(PERFROW_STATE, 0).pmis;
	call(PERFROW_CALLBACKS, 1);
	call(PERFROW_VECTOR, 0);
	check_eq(call(PERFROW_STATE, 0).pmis, pmis + 1, "A8: a registered handler is called");
	call(PERFROW_CALLBACKS, 1);
	check(kernel_said("perf_register_guest_info_callbacks"), "A8: registering twice warns");
	call(PERFROW_VECTOR, 0);
	check_eq(call(PERFROW_STATE, 0).pmis, pmis + 2, "A8: the first stays registered");
	call(PERFROW_CALLBACKS, 0);
	call(PERFROW_VECTOR, 0);
	check_eq(call(PERFROW_STATE, 0).pmis, pmis + 2, "A8: none is called after unregistering");

	check_eq(call(PERFROW_LVTPC, 0).regs.lvtpc, VECTOR, "A9: LVTPC has the vector, fixed");
	check_eq(call(PERFROW_LVTPC, LVTPC_MASKED | LVTPC_NMI).regs.lvtpc,
		 VECTOR | LVTPC_MASKED, "A9: of a guest's LVTPC the mask bit counts");
	check_eq(call(PERFROW_STATE, 0).regs.lvtpc & ~LVTPC_MASKED, LVTPC_NMI,
		 "A9: back to NMI afterwards");
}

/* What perf leaves in the registers that it does not write each time. */
static bool as_perf_left(const struct mpmu_regs *before, const struct mpmu_regs *now)
{
	if (before->global_ctrl != now->global_ctrl || before->fixed_ctrl != now->fixed_ctrl ||
	    before->lvtpc != now->lvtpc)
		note("global control %#llx, was %#llx, fixed %#llx, was %#llx, LVTPC %#llx, was %#llx",
		     now->global_ctrl, before->global_ctrl, now->fixed_ctrl,
		     before->fixed_ctrl, now->lvtpc, before->lvtpc);
	return before->global_ctrl == now->global_ctrl &&
	       before->fixed_ctrl == now->fixed_ctrl && before->lvtpc == now->lvtpc;
}

static bool clean(const struct mpmu_regs *regs)
{
	unsigned long long any = regs->global_status & ~STATUS_PT;

	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		any |= regs->eventsel[i] | regs->gp[i] | regs->fixed[i];
	return !any;
}

static int open_cpu_event(int cpu, int flags)
{
	return open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,
			  flags | EV_KERNEL, -1, cpu, -1);
}

static void use_none(void)
{
}

/* An event opened from another CPU: an install IPI. */
static void use_install(void)
{
	int fd = open_cpu_event(1, 0);

	check(count_of(fd) > 0, "A11: the installed event counts");
	close(fd);
}

static int prepared = -1;

static void use_enable(void)
{
	ioctl(prepared, PERF_EVENT_IOC_ENABLE, 0);
	usleep(10);
	ioctl(prepared, PERF_EVENT_IOC_DISABLE, 0);
	check(count_of(prepared) > 0, "A11: the enabled event counts");
}

/* A task that has an event is switched in on that CPU. */
static void use_task(void)
{
	pid_t pid = fork();

	if (!pid) {
		int fd;

		run_on(0);
		fd = open_instructions(0);
		run_on(1);
		usleep(10);
		_exit(!(count_of(fd) > 10));
	}
	int status = -1;

	waitpid(pid, &status, 0);
	check(status == 0, "A11: the event of a task that is switched in counts");
}

static void use_rdpmc(void)
{
	write_to("/sys/bus/event_source/devices/cpu/rdpmc", "2");
	write_to("/sys/bus/event_source/devices/cpu/rdpmc", "1");
}

static void use_offline(void)
{
	write_to("/sys/devices/system/cpu/cpu1/online", "0");
	write_to("/sys/devices/system/cpu/cpu1/online", "1");
}

static const struct use {
	const char *name;
	void (*use)(void);
	bool reclaims;
	bool resets;	/* perf starts anew */
} uses[] = {
	{ "nothing", use_none, false, false },
	{ "installing an event", use_install, true, false },
	{ "enabling an event", use_enable, true, false },
	{ "switching to a task with an event", use_task, true, false },
	{ "letting tasks use RDPMC", use_rdpmc, true, false },
	{ "taking the CPU offline", use_offline, true, true },
};

static struct perfrow on_cpu(int cpu, unsigned long request, unsigned long long arg)
{
	struct perfrow row;

	run_on(cpu);
	row = call(request, arg);
	run_on(0);
	return row;
}

/* An event that came and went leaves its counter and selector dirty. */
static void dirty(int cpu)
{
	int fd = open_cpu_event(cpu, 0);

	usleep(10);
	close(fd);
}

static void test_use(const struct use *use)
{
	struct perfrow before, owned, after;

	dirty(1);
	before = on_cpu(1, PERFROW_STATE, 0);
	if (!check_eq(on_cpu(1, PERFROW_OWN, 0).result, 0, "A11: own, then %s", use->name))
		return;
	owned = on_cpu(1, PERFROW_STATE, 0);
	check(owned.owned && !owned.regs.global_ctrl, "A11: owned, all stopped");
	check_eq(owned.regs.lvtpc, VECTOR, "A9: LVTPC has the vector while owned");

	use->use();

	after = on_cpu(1, PERFROW_STATE, 0);
	check_eq(after.reclaims - owned.reclaims, use->reclaims, "A11: %s: reclaimed", use->name);
	check_eq(!after.owned, use->reclaims, "A11: %s: owner", use->name);
	if (after.owned)
		on_cpu(1, PERFROW_DISOWN, 0);
	after = on_cpu(1, PERFROW_STATE, 0);
	check(after.intact, "A11: %s: the guest's values were intact", use->name);
	if (!use->resets)
		check(as_perf_left(&before.regs, &after.regs),
		      "A11: %s: perf finds what it left", use->name);
	if (!use->reclaims)
		check(clean(&after.regs), "A11: %s: nothing of the guest is left", use->name);
}

static void test_active(void)
{
	int fd = open_cpu_event(1, EV_PINNED);

	check_eq(on_cpu(1, PERFROW_OWN, 0).result, -EBUSY, "A11: not owned over an active event");
	close(fd);
}

static int open_branches(int cpu)
{
	return open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
			  EV_KERNEL | EV_PINNED, -1, cpu, -1);
}

/*
 * The last of four events moves to the first counter, free again, as one comes
 * that is not pinned: nothing else would take it off its counter before.
 */
static void move_event(int cpu)
{
	int fds[MOVED + 1], other;

	for (int i = 0; i <= MOVED; i++)
		fds[i] = open_branches(cpu);
	for (int i = 0; i < MOVED; i++)
		close(fds[i]);
	other = open_cpu_event(cpu, 0);
	close(other);
	close(fds[MOVED]);
}

/* Counters that are not 0, as in global control. */
static uint64_t holding(const struct mpmu_regs *regs)
{
	uint64_t set = 0;

	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		set |= (uint64_t)!!regs->gp[i] << i | (uint64_t)!!regs->fixed[i] << (32 + i);
	return set;
}

/* Selectors that are not 0. */
static uint64_t selecting(const struct mpmu_regs *regs)
{
	uint64_t set = 0;

	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		set |= (uint64_t)!!regs->eventsel[i] << i;
	return set;
}

static void test_moved(void)
{
	struct perfrow left;
	uint64_t held, dirty;

	/* No mark from earlier, and no value. */
	on_cpu(1, PERFROW_OWN, 0);
	on_cpu(1, PERFROW_DISOWN, 0);
	move_event(1);
	left = on_cpu(1, PERFROW_STATE, 0);
	held = holding(&left.regs);
	dirty = on_cpu(1, PERFROW_OWN, 0).dirty;
	on_cpu(1, PERFROW_DISOWN, 0);
	check(held >> MOVED & 1, "A11: an event that moves leaves its value behind");
	check_eq(held & ~dirty, 0, "A11: each counter with a value of the host's is known");
}

/* An owner of some counters: the others stay perf's to clean. */
static void test_others(void)
{
	const uint64_t mine = 3, others = 1 << MOVED;
	struct perfrow row;
	int fds[MOVED + 1];

	for (int i = 0; i <= MOVED; i++)
		fds[i] = open_branches(1);
	for (int i = 0; i <= MOVED; i++)
		close(fds[i]);
	row = on_cpu(1, PERFROW_OWN, mine);
	check_eq(row.dirty, mine, "A11: an owner of some counters cleans these");
	row = on_cpu(1, PERFROW_STATE, 0);
	check(holding(&row.regs) & selecting(&row.regs) & others, "A11: others have the host's values");
	use_rdpmc();
	row = on_cpu(1, PERFROW_STATE, 0);
	check_eq(holding(&row.regs), 0, "A11: until a task may read them, and the owner's");
	check_eq(selecting(&row.regs), 0, "A11: their selectors are clean, too, as nothing tells of these now");
	on_cpu(1, PERFROW_DISOWN, 0);
	check(on_cpu(1, PERFROW_STATE, 0).intact, "A11: the guest's values were intact then");
}

/*
 * The buffer of PEBS is full as a guest takes over: the interrupt of that is the
 * host's. One that never comes is waited for some times.
 */
static void test_buffer(void)
{
	const unsigned long long full = STATUS_BUFFER;
	int refused = 0;

	on_cpu(1, PERFROW_STATUS, full);
	check_eq(on_cpu(1, PERFROW_OWN, 0).result, -EBUSY, "A11: not owned with an interrupt of PEBS to come");
	kernel_said("unknown reason");
	call(PERFROW_NMI, 1);
	usleep(1000);
	check(!kernel_said("unknown reason"), "A11: which is perf's");
	check_eq(on_cpu(1, PERFROW_OWN, 0).result, 0, "A11: but then");
	on_cpu(1, PERFROW_DISOWN, 0);

	on_cpu(1, PERFROW_STATUS, full);
	while (refused < 100 && on_cpu(1, PERFROW_OWN, 0).result)
		refused++;
	check(refused && refused < 100, "A11: one that does not come is given up (%d)", refused);
	check(!(on_cpu(1, PERFROW_STATE, 0).regs.global_status & full), "A11: its bit is clear");
	on_cpu(1, PERFROW_DISOWN, 0);
}

void test_reclaim(void)
{
	if (cpus() < 2) {
		note("one CPU: the tests of reclaim need two");
		return;
	}
	run_on(0);
	prepared = open_cpu_event(1, EV_DISABLED);
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		test_use(&uses[i]);
	if (is_intel())
		test_buffer();
	close(prepared);
	test_active();
	test_moved();
	test_others();
}

/* Row A9: an NMI while owned. */
static void test_foreign_nmi(void)
{
	struct perfrow before, after;
	uint64_t nmis;

	/* Those that perf has asked for come, or may be late, until then. */
	usleep(200000);
	on_cpu(1, PERFROW_OWN, 0);
	before = on_cpu(1, PERFROW_STATE, 0);
	nmis = interrupts("NMI");
	kernel_said("unknown reason");
	call(PERFROW_NMI, 1);
	usleep(1000);
	after = on_cpu(1, PERFROW_STATE, 0);

	check(interrupts("NMI") > nmis, "A9: an NMI arrives while owned");
	check(after.owned && after.reclaims == before.reclaims, "A9: the owner stays");
	check_eq(after.regs.global_status, before.regs.global_status, "A9: status is not touched");
	check_eq(after.regs.global_ctrl, 0, "A9: nothing is enabled");
	check_eq(after.regs.lvtpc, VECTOR, "A9: LVTPC is not touched");
	check(kernel_said("unknown reason"), "A9: it is not claimed");
	on_cpu(1, PERFROW_DISOWN, 0);
	check(on_cpu(1, PERFROW_STATE, 0).intact, "A9: the guest's values are intact");
}

/* Rows A9 and E3: PT's interrupt at the guest's vector. */
static void test_pt(void)
{
	struct perfrow before, after;
	uint64_t vectors;

	call(PERFROW_CALLBACKS, 1);
	on_cpu(1, PERFROW_OWN, 0);
	before = on_cpu(1, PERFROW_STATE, 0);
	vectors = interrupts("VPMI");
	kernel_said("unknown reason");
	on_cpu(1, PERFROW_RAISE_PT, 0);
	usleep(1000);
	after = on_cpu(1, PERFROW_STATE, 0);

	check_eq(interrupts("VPMI"), vectors + 1, "A9: PT raises the guest's vector");
	check_eq(after.pts, before.pts + 1, "A9: PT is served");
	check_eq(after.pts_outside_nmi, before.pts_outside_nmi,
		 "A9: in an NMI, which no other one interrupts");
	check(!kernel_said("unknown reason"), "A9: which is no unknown one");
	check_eq(after.regs.global_status, before.regs.global_status,
		 "E3: its status bit is acknowledged, no other");
	check_eq(after.pmis, before.pmis + 1, "A9: with a counter's bit set the guest is told");
	check(after.owned, "A9: the owner stays");
	on_cpu(1, PERFROW_DISOWN, 0);
	call(PERFROW_CALLBACKS, 0);
}

void test_nmi(void)
{
	if (cpus() < 2)
		return;
	run_on(0);
	dirty(1);
	test_foreign_nmi();
	if (is_intel())
		test_pt();
}

#define WATCHDOG	"/proc/sys/kernel/nmi_watchdog"

void test_watchdog(void)
{
	if (access(WATCHDOG, W_OK)) {
		note("no NMI watchdog in this kernel");
		return;
	}
	run_on(0);
	write_to(WATCHDOG, "1");
	check_eq(number_in(WATCHDOG), 1, "A12: the NMI watchdog runs");
	check_eq(call(PERFROW_CREATE, 0).result, 0, "A12: it does not keep a VM from being created");
	write_to(WATCHDOG, "0");
	write_to(WATCHDOG, "1");
	check_eq(number_in(WATCHDOG), 1, "A12: a VM does not keep it from being started");
	check(call_row(PERFROW_SPIN, (struct perfrow){
			.arg = 1000, .flags = PERFROW_DISPLACE }).host_active == 0,
	      "A12: it is displaced as other events are");
	write_to(WATCHDOG, "0");
	call(PERFROW_RELEASE, 0);
}

/*
 * Interrupts off for seconds: only the watchdog's NMI can notice. A second is
 * what CPUID 16h says, 2.2e9 cycles.
 */
void test_lockup(void)
{
	run_on(0);
	call(PERFROW_CREATE, 0);
	write_to(WATCHDOG, "1");
	write_to("/proc/sys/kernel/watchdog_thresh", "1");
	for (int i = 0; i < 100; i++)
		call_row(PERFROW_SPIN, (struct perfrow){
			.arg = 1000, .flags = PERFROW_DISPLACE });
	kernel_said("hard LOCKUP");
	call_row(PERFROW_SPIN, (struct perfrow){ .arg = 4000000000 });
	check(kernel_said("hard LOCKUP"), "A12: a hard lockup is noticed after displacements");
	write_to(WATCHDOG, "0");
	call(PERFROW_RELEASE, 0);
}
