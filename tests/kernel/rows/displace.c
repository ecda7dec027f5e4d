// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows A1, A2, A5 to A7: events that make room for a guest, and their times. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rows.h"

#define TIMES	100
#define SPIN	500000ll	/* iterations of 2 instructions */
#define TRIES	10

static struct perfrow spin(unsigned long iterations, int flags)
{
	return call_row(PERFROW_SPIN, (struct perfrow){ .arg = iterations, .flags = flags });
}

static bool nothing_on(const struct mpmu_regs *regs)
{
	bool on = regs->fixed_ctrl != 0;

	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		on |= !!(regs->eventsel[i] & 1 << 22);
	return !on;
}

static uint64_t delta(int fd, int times, unsigned long iterations, int flags)
{
	uint64_t before = count_of(fd);

	for (int i = 0; i < times; i++)
		spin(iterations, flags);
	return count_of(fd) - before;
}

/* Other tasks and ticks, which take long on a kernel that checks itself, only add. */
static uint64_t least(int fd, unsigned long iterations, int flags)
{
	uint64_t count, low = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		count = delta(fd, 1, iterations, flags);
		low = count < low ? count : low;
	}
	return low;
}

/* What a longer spin counts more than a shorter one. */
static long long more(int fd, int flags)
{
	return least(fd, 3 * SPIN, flags) - least(fd, 2 * SPIN, flags);
}

static void test_kernel_count(const char *kind, int fd)
{
	long long at_all, displaced;

	spin(1, PERFROW_DISPLACE);
	at_all = more(fd, 0);
	displaced = more(fd, PERFROW_DISPLACE);
	check(llabs(at_all - 2 * SPIN) < SPIN / 5, "A2: %s counts the kernel (%lld)", kind, at_all);
	check(llabs(displaced) < SPIN / 5, "A2: %s does not while displaced (%lld)", kind, displaced);
}

static void user_truth(struct mpmu_truth *truth)
{
	memset(truth, 0, sizeof(*truth));
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, truth);
}

/* What the event, and what the emulator, counted in user mode meanwhile. */
static void count_user(int fd, int flags, unsigned long long counts[2])
{
	struct mpmu_truth before, after;

	user_truth(&before);
	counts[0] = delta(fd, TIMES, 100, flags);
	user_truth(&after);
	counts[1] = after.instructions[MPMU_ROOT][MPMU_USER] -
		    before.instructions[MPMU_ROOT][MPMU_USER];
}

static void test_user_count(int fd)
{
	unsigned long long plain[2], displaced[2];

	count_user(fd, 0, plain);
	count_user(fd, PERFROW_DISPLACE, displaced);

	note("%d calls count %llu, with displacements %llu", TIMES, plain[0], displaced[0]);
	check_eq(displaced[0] - plain[0], displaced[1] - plain[1],
		 "A7: user mode is counted exactly across %d displacements", TIMES);
}

static void test_on_hardware(const char *kind)
{
	struct perfrow row = spin(10, PERFROW_DISPLACE);

	check(!row.host_active, "A7: %s: no event is active while displaced", kind);
	check(nothing_on(&row.regs), "A7: %s: none is on hardware", kind);
}

static void test_kind(const char *kind, int fd)
{
	struct reading reading;
	uint64_t before;

	if (!check(fd >= 0, "A7: %s opens", kind))
		return;
	test_on_hardware(kind);
	before = count_of(fd);
	spin(10, PERFROW_DISPLACE);
	check(read_event(fd, &reading), "A7: %s is not in error state afterwards", kind);
	check(reading.count > before, "A7: %s goes on afterwards", kind);
	close(fd);
}

static int open_cgroup_event(void)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= PERF_COUNT_HW_INSTRUCTIONS,
		.size		= sizeof(attr),
		.read_format	= PERF_FORMAT_TOTAL_TIME_ENABLED |
				  PERF_FORMAT_TOTAL_TIME_RUNNING,
		.exclude_guest	= 1,
	};
	char pid[16];
	int dir, fd;

	mkdir("/tmp/cgroup", 0755);
	mount("none", "/tmp/cgroup", "cgroup", 0, "perf_event");
	mkdir("/tmp/cgroup/rows", 0755);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (!write_to("/tmp/cgroup/rows/cgroup.procs", pid))
		note("cgroup.procs: %s", strerror(errno));
	dir = open("/tmp/cgroup/rows", O_RDONLY | O_CLOEXEC);
	fd = syscall(SYS_perf_event_open, &attr, dir, 0, -1, PERF_FLAG_PID_CGROUP);
	close(dir);
	if (fd < 0)
		note("cgroup event: %s", strerror(errno));
	return fd < 0 ? -errno : fd;
}

static void test_kinds(void)
{
	int leader;

	test_kind("a task's event", open_instructions(0));
	test_kind("a task's pinned event", open_instructions(EV_PINNED));
	test_kind("a task's event that counts guests", open_instructions(EV_GUEST));
	test_kind("a CPU's event", open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,
					      0, -1, 0, -1));
	test_kind("a CPU's pinned event", open_event(PERF_TYPE_HARDWARE,
						     PERF_COUNT_HW_INSTRUCTIONS,
						     EV_PINNED, -1, 0, -1));
	test_kind("an inherited event", open_instructions(EV_INHERIT));

	leader = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, EV_KERNEL, 0, -1, -1);
	test_kind("an event in a group of a software event",
		  open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0, 0, -1, leader));
	close(leader);
}

void test_cgroup(void)
{
	run_on(0);
	test_kind("a cgroup's event", open_cgroup_event());
}

/* More events than counters: none may be left out by being displaced. */
static void test_multiplexed(void)
{
	struct reading reading;
	int fds[24], idle = 0, wrong = 0;

	for (int i = 0; i < 24; i++)
		fds[i] = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
				    EV_KERNEL, 0, -1, -1);
	for (int i = 0; i < 300; i++)
		spin(500000, PERFROW_DISPLACE);
	for (int i = 0; i < 24; i++) {
		wrong += !read_event(fds[i], &reading);
		idle += !reading.running;
		close(fds[i]);
	}
	check_eq(wrong, 0, "A2: none of 24 multiplexed events fails");
	check_eq(idle, 0, "A2: each of them gets its turn");
}

/* --- sampling --- */

#define RATE		1000	/* samples in a second */
#define RING_PAGES	64
#define TICK_NS		4000000	/* CONFIG_HZ=250 */
#define TICK_SAMPLES	(RATE / 250)

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* Instructions or branches of the kernel, on CPU 0. */
static int open_sampling(uint64_t event, uint64_t period, bool freq)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= event,
		.size		= sizeof(attr),
		.read_format	= PERF_FORMAT_TOTAL_TIME_ENABLED |
				  PERF_FORMAT_TOTAL_TIME_RUNNING,
		.sample_period	= period,
		.freq		= freq,
		.exclude_guest	= 1,
		.exclude_user	= 1,
		.pinned		= 1,
	};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The samples in a ring that has room for all of them. */
static int samples_in(const struct perf_event_mmap_page *ring)
{
	const char *data = (const char *)ring + ring->data_offset;
	const struct perf_event_header *header;
	uint64_t at, end = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	int samples = 0;

	for (at = 0; at < end; at += header->size) {
		header = (const void *)(data + at % ring->data_size);
		samples += header->type == PERF_RECORD_SAMPLE;
	}
	return samples;
}

/* How often a limit is reached again depends on the time alone. */
static void test_limit(const char *kind, uint64_t period, bool freq)
{
	int fd = open_sampling(PERF_COUNT_HW_INSTRUCTIONS, period, freq), samples;
	struct perf_event_mmap_page *ring = mmap(NULL, (1 + RING_PAGES) * 4096, PROT_READ | PROT_WRITE,
						 MAP_SHARED, fd, 0);
	uint64_t start = now_ns(), ticks;
	struct mpmu_truth before, after;

	if (!check(ring != MAP_FAILED, "A7: %s: an event samples", kind))
		return;
	user_truth(&before);
	for (int i = 0; i < 4 * TIMES; i++) {
		spin(5000, 0);
		spin(10, PERFROW_DISPLACE);
	}
	user_truth(&after);
	ticks = (now_ns() - start) / TICK_NS;
	samples = samples_in(ring);
	note("%s: %d samples in %d ticks", kind, samples, (int)ticks);
	check(samples <= (int)(ticks + 2) * TICK_SAMPLES,
	      "A7: %s: throttled as if nothing were displaced", kind);
	check(samples >= (int)ticks / 2, "A7: %s: and goes on with the next tick", kind);
	check(count_of(fd) < after.instructions[MPMU_ROOT][MPMU_KERNEL] -
			     before.instructions[MPMU_ROOT][MPMU_KERNEL] + 2 * SPIN,
	      "A7: %s: counts no more than there was", kind);
	munmap(ring, (1 + RING_PAGES) * 4096);
	close(fd);
}

/* None of branches runs: what is still open is throttled. */
static bool branches_stopped(void)
{
	const unsigned long long running = 1 << 22 | (is_intel() ? 0xc4 : 0xc2);
	struct mpmu_regs regs;
	bool stopped = true;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		stopped &= (regs.eventsel[i] & (1 << 22 | 0xff)) != running;
	return stopped;
}

/* Throttled, then moved to the counter of an event that is gone. */
static uint64_t count_of_moved(int *throttled)
{
	int fds[4], other;
	uint64_t count;

	for (int i = 0; i < 3; i++)
		fds[i] = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
				    EV_KERNEL | EV_PINNED, -1, 0, -1);
	fds[3] = open_sampling(PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100, false);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	*throttled += branches_stopped();
	other = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, EV_KERNEL, -1, 0, -1);
	count = count_of(fds[3]);
	close(other);
	close(fds[3]);
	return count;
}

static void test_throttled_moves(void)
{
	uint64_t most = 0, count;
	int throttled = 0;

	for (int i = 0; i < TRIES; i++) {
		count = count_of_moved(&throttled);
		most = count > most ? count : most;
	}
	check(throttled > TRIES / 2, "A7: an event is throttled as it moves (%d of %d)", throttled,
	      TRIES);
	check(most < 1ull << 40, "A7: a throttled event that moves keeps its count (%#llx)",
	      (unsigned long long)most);
}

#define LIMIT	"/proc/sys/kernel/perf_event_max_sample_rate"
#define SHARE	"/proc/sys/kernel/perf_cpu_time_max_percent"

/* Where no share of the time limits samples, the limit cannot be written. */
static bool limit_samples(const char *limit)
{
	bool ok = write_to(SHARE, "99") && write_to(LIMIT, limit);

	return write_to(SHARE, "0") && ok;
}

static void test_throttling(void)
{
	check(limit_samples("1000"), "A7: a limit of samples is set");
	test_limit("a period", 2000, false);
	test_limit("a frequency", RATE, true);
	/* The first sample in a tick stops the event until the next one. */
	check(limit_samples("250"), "A7: a lower limit of samples is set");
	test_throttled_moves();
	limit_samples("100000");
}

static int probe_type(void)
{
	return number_in("/sys/bus/event_source/devices/" PERFROW_PMU "/type");
}

static void test_other_pmus(void)
{
	int task = open_event(probe_type(), 0, EV_KERNEL | EV_GUEST, 0, -1, -1);
	int cpu = open_event(probe_type(), 0, EV_KERNEL | EV_GUEST, -1, 0, -1);
	int hardware = open_instructions(0);
	struct perfrow row;

	check(task >= 0 && cpu >= 0, "A1: events of another PMU open");
	row = spin(10, PERFROW_DISPLACE);
	check(row.callbacks_before > 0, "A1: that PMU is disabled and enabled at all");
	check_eq(row.callbacks_after, row.callbacks_before, "A1: but not to displace events");
	close(task);
	close(cpu);
	close(hardware);
}

static int late_fd;

static void *open_meanwhile(void *unused)
{
	run_on(1);
	usleep(3000);
	late_fd = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,
			     EV_KERNEL | EV_PINNED, -1, 0, -1);
	return unused;
}

/* Interrupts open in the middle, against the rules: an event comes by IPI. */
static void test_install_meanwhile(void)
{
	struct reading reading = { 0 };
	struct perfrow row;
	pthread_t thread;

	if (cpus() < 2)
		return;

	run_on(0);
	pthread_create(&thread, NULL, open_meanwhile, NULL);
	row = spin(20000000, PERFROW_DISPLACE | PERFROW_IRQS);
	pthread_join(thread, NULL);
	check(late_fd >= 0, "A2: an event is installed while displaced (%llu ns)", row.ns);
	check(!row.host_active, "A2: it stays off the hardware");
	check(read_event(late_fd, &reading) && reading.count,
	      "A2: it is no failure, and counts afterwards");
	check(reading.running == reading.enabled, "A2: and is not multiplexed");
	close(late_fd);
}

void test_displace(void)
{
	int fd;

	run_on(0);
	test_kinds();

	fd = open_instructions(EV_KERNEL);
	test_kernel_count("a task's event", fd);
	close(fd);
	fd = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,
			EV_KERNEL | EV_PINNED, -1, 0, -1);
	test_kernel_count("a CPU's event", fd);
	close(fd);
	fd = open_instructions(0);
	test_user_count(fd);
	close(fd);

	test_multiplexed();
	test_throttling();
	test_other_pmus();
	test_install_meanwhile();

	spin(10, PERFROW_DISPLACE | PERFROW_TWICE);
	check(kernel_said("perf_load_guest_context"), "A7: loading twice warns, putting twice too");
	test_on_hardware("after that");
}

/* On a kernel with lockdep: what is loaded already is not loaded again. */
void test_lockdep(void)
{
	run_on(0);
	spin(10, PERFROW_DISPLACE | PERFROW_IRQS);
	check(!kernel_said("perf_load_guest_context"), "A7: loading with interrupts off is right");
	spin(10, PERFROW_DISPLACE | PERFROW_IRQS | PERFROW_OPEN);
	check(kernel_said("perf_load_guest_context"), "A7: loading with interrupts on warns");
	test_on_hardware("A7: after that");
}

/* Enabled time of a displaced event against that of one that is not. */
static void test_clock(const char *kind, int hardware, int software)
{
	struct reading before[2], after[2];
	uint64_t displaced = 0;
	int64_t lost, off;

	if (!check(hardware >= 0 && software >= 0, "A6: %s: events open", kind))
		return;

	read_event(software, &before[1]);
	read_event(hardware, &before[0]);
	for (int i = 0; i < TIMES; i++)
		displaced += spin(100000, PERFROW_DISPLACE).ns;
	read_event(hardware, &after[0]);
	read_event(software, &after[1]);

	lost = (after[1].enabled - before[1].enabled) - (after[0].enabled - before[0].enabled);
	off = lost - (int64_t)displaced;
	note("%s: displaced for %llu ns, enabled time lacks %lld", kind,
	     (unsigned long long)displaced, (long long)lost);
	check(off > 0 && off < (int64_t)displaced / 5,
	      "A6: %s: the time enabled lacks what it was displaced", kind);
	check_eq(after[0].enabled - before[0].enabled, after[0].running - before[0].running,
		 "A6: %s: it ran whenever it was enabled", kind);
	check(after[1].enabled - before[1].enabled > displaced,
	      "A5: %s: a software event's time goes on", kind);
	close(hardware);
	close(software);
}

void test_times(void)
{
	run_on(0);
	test_clock("task", open_instructions(EV_KERNEL),
		   open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, EV_KERNEL, 0, -1, -1));
	test_clock("CPU", open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,
				     EV_KERNEL, -1, 0, -1),
		   open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, EV_KERNEL, -1, 0, -1));
	test_clock("cgroup", open_cgroup_event(),
		   open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, EV_KERNEL, -1, 0, -1));
}
