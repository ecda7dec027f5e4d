// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Host events, as tests of a guest's PMU need them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vpmu.h"

int host_event_open(const struct perf_event_attr *attr, int pid, int cpu, int group,
		    unsigned long flags)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, group,
			      flags | PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int host_event_of(int pid, int cpu, unsigned int flags, uint64_t period)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr), .sample_period = period,
		.disabled = !!(flags & HOST_DISABLED),
		.exclude_guest = !!(flags & HOST_EXCLUDE_GUEST),
		.exclude_host = !!(flags & HOST_EXCLUDE_HOST),
		.exclude_user = !!(flags & HOST_EXCLUDE_USER),
		.exclude_kernel = !!(flags & HOST_EXCLUDE_KERNEL),
		.pinned = !!(flags & HOST_PINNED),
	};

	return host_event_open(&attr, pid, cpu, -1, flags & HOST_CGROUP ? PERF_FLAG_PID_CGROUP : 0);
}

int host_event(int cpu, unsigned int flags, uint64_t period)
{
	if (flags & HOST_TASK)
		return host_event_of(0, -1, flags, period);
	return host_event_of(-1, cpu, flags, period);
}

int host_reader_begin(void **page)
{
	int fd = host_event(0, HOST_TASK | HOST_EXCLUDE_GUEST, 0);

	*page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || *page == MAP_FAILED)
		fatal("no event can be mapped");
	return fd;
}

void host_reader_end(int fd, void *page)
{
	munmap(page, 4096);
	host_event_close(fd);
}

#define AUX_PAGES	4

/* Nothing runs without a buffer. */
static int map_buffers(int fd)
{
	struct perf_event_mmap_page *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
						 fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	page->aux_offset = 2 * 4096;
	page->aux_size = AUX_PAGES * 4096;
	if (mmap(NULL, AUX_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * 4096) == MAP_FAILED)
		return -errno;
	return fd;
}

static int open_trace(int cpu)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .disabled = 1 };
	FILE *type = fopen("/sys/bus/event_source/devices/intel_pt/type", "r");
	int fd;

	if (!type || fscanf(type, "%u", &attr.type) != 1)
		return -ENOENT;
	fclose(type);
	fd = host_event_open(&attr, -1, cpu, -1, 0);
	return fd < 0 ? fd : map_buffers(fd);
}

/* There can be one only, and its mappings keep it. */
int host_trace(int cpu)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_trace(cpu);
	return fd;
}

/* 4,000 samples a second at 3 GHz. */
#define PROFILER_PERIOD	750000

static const struct host_kind {
	const char *name, *title;
	bool watchdog;
	int events;
	uint64_t period;
} host_kinds[] = {
	{ "none", "no event", false, 0, 0 },
	{ "watchdog", "NMI watchdog", true, 0, 0 },
	{ "event", "one event", false, 1, PROFILER_PERIOD },
	{ "both", "watchdog, event", true, 1, PROFILER_PERIOD },
	{ "9", "9 events", false, 9, 0 },
};

static const struct host_kind *find_host(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(host_kinds) / sizeof(host_kinds[0]); i++)
		if (!strcmp(name, host_kinds[i].name))
			return &host_kinds[i];
	return NULL;
}

const char *host_title(const char *name)
{
	const struct host_kind *kind = find_host(name);

	return kind ? kind->title : NULL;
}

/* The first is of cycles; none counts guests. */
static int open_events(const struct host_kind *kind, int cpu)
{
	static const uint64_t events[] = {
		PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS,
		PERF_COUNT_HW_BRANCH_INSTRUCTIONS, PERF_COUNT_HW_BRANCH_MISSES,
	};
	int i, fd = 0;

	for (i = 0; i < kind->events && fd >= 0; i++) {
		struct perf_event_attr attr = {
			.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = events[i % 4],
			.sample_period = kind->period, .exclude_guest = 1,
		};

		fd = host_event_open(&attr, -1, cpu, -1, 0);
	}
	return fd < 0 ? fd : 0;
}

int host_begin(const char *name, int cpu)
{
	const struct host_kind *kind = find_host(name);

	if (kind->watchdog && !write_file("/proc/sys/kernel/nmi_watchdog", "1"))
		return -ENODEV;
	return open_events(kind, cpu);
}

void host_event_enable(int fd, bool on)
{
	ioctl(fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

uint64_t host_event_read(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

void host_event_close(int fd)
{
	close(fd);
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

void park_guests(bool park)
{
	if (!write_file("/sys/module/kvm/parameters/mediated_pmu_park", park ? "Y" : "N"))
		fatal("kvm has no parameter mediated_pmu_park");
}

bool host_shares(void)
{
	FILE *file = fopen("/sys/module/kvm/parameters/mediated_pmu_share", "r");
	bool shares = file && fgetc(file) == 'Y';

	if (file)
		fclose(file);
	return shares;
}

/* Interrupts from another CPU without a pause would keep the guest out. */
void spin_between_reclaims(void)
{
	volatile unsigned int left = 500 + (unsigned int)random_below(1000);

	while (left)
		left--;
}

static void pause_between(const struct reclaimer *reclaimer)
{
	int i;

	for (i = 0; i <= reclaimer->more_pauses; i++)
		spin_between_reclaims();
}

static void *reclaim(void *argument)
{
	struct reclaimer *reclaimer = argument;
	int fd = reclaimer->traces ? host_trace(options.cpu) :
		 host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_DISABLED, 0);

	if (fd < 0)
		fatal("no event of the host: %s", strerror(-fd));
	vmm_pin(!options.cpu);
	while (!reclaimer->stop) {
		host_event_enable(fd, true);
		pause_between(reclaimer);
		host_event_enable(fd, false);
		pause_between(reclaimer);
		reclaimer->rounds++;
	}
	if (!reclaimer->traces)
		host_event_close(fd);
	return NULL;
}

/* After its first round. */
void reclaimer_start(struct reclaimer *reclaimer)
{
	reclaimer->stop = false;
	reclaimer->rounds = 0;
	if (pthread_create(&reclaimer->thread, NULL, reclaim, reclaimer))
		fatal("no thread");
	while (!reclaimer->rounds)
		sched_yield();
}

void reclaimer_stop(struct reclaimer *reclaimer)
{
	reclaimer->stop = true;
	pthread_join(reclaimer->thread, NULL);
}
