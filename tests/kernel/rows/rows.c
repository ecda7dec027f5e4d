// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What perf promises to a hypervisor that hands the counters to its guests,
 * and to everyone else meanwhile. rows PART... runs those parts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rows.h"

static int count, failed;

static bool result(bool ok, const char *format, va_list args)
{
	count++;
	failed += !ok;
	printf("%sok %d - ", ok ? "" : "not ", count);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	return ok;
}

bool check(bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result(ok, format, args);
	va_end(args);
	return ok;
}

bool check_eq(uint64_t got, uint64_t want, const char *format, ...)
{
	va_list args;

	if (got != want)
		note("got %lld (%#llx), want %lld (%#llx)", (long long)got,
		     (unsigned long long)got, (long long)want, (unsigned long long)want);
	va_start(args, format);
	result(got == want, format, args);
	va_end(args);
	return got == want;
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

struct perfrow call_row(unsigned long request, struct perfrow row)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/perfrow", O_RDWR | O_CLOEXEC);
	if (ioctl(fd, request, &row))
		row.result = -errno;
	return row;
}

int open_event(uint32_t type, uint64_t config, int flags, pid_t pid, int cpu, int group)
{
	struct perf_event_attr attr = {
		.type		= type,
		.config		= config,
		.size		= sizeof(attr),
		.read_format	= PERF_FORMAT_TOTAL_TIME_ENABLED |
				  PERF_FORMAT_TOTAL_TIME_RUNNING,
		.exclude_guest	= !(flags & EV_GUEST),
		.exclude_host	= !!(flags & EV_HOST_NOT),
		.exclude_user	= !!(flags & EV_KERNEL),
		.exclude_kernel	= !(flags & EV_KERNEL),
		.pinned		= !!(flags & EV_PINNED),
		.inherit	= !!(flags & EV_INHERIT),
		.disabled	= !!(flags & EV_DISABLED),
	};
	int fd = syscall(SYS_perf_event_open, &attr, pid, cpu, group, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int open_instructions(int flags)
{
	return open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, flags, 0, -1, -1);
}

/* An event in error state reads as the end of a file. */
bool read_event(int fd, struct reading *reading)
{
	return read(fd, reading, sizeof(*reading)) == sizeof(*reading);
}

uint64_t count_of(int fd)
{
	struct reading reading = { 0 };

	return read_event(fd, &reading) ? reading.count : UINT64_MAX;
}

void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* The sum of a line of /proc/interrupts; UINT64_MAX when there is none. */
uint64_t interrupts(const char *name)
{
	char line[512], *at;
	uint64_t sum = UINT64_MAX;
	FILE *in = fopen("/proc/interrupts", "r");

	while (in && fgets(line, sizeof(line), in)) {
		at = strstr(line, name);
		if (!at || at[strlen(name)] != ':')
			continue;
		sum = 0;
		at += strlen(name) + 1;
		for (int cpu = 0; cpu < cpus(); cpu++)
			sum += strtoull(at, &at, 10);
	}
	if (in)
		fclose(in);
	return sum;
}

int number_in(const char *path)
{
	int number = -1;
	FILE *in = fopen(path, "r");

	if (in) {
		if (fscanf(in, "%d", &number) != 1)
			number = -1;
		fclose(in);
	}
	return number;
}

/* Of the first line that has the format; 0 if none has. */
uint64_t figure_in(const char *path, const char *format)
{
	unsigned long long figure = 0;
	FILE *in = fopen(path, "r");
	char line[8192];

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, format, &figure) == 1)
			break;
	if (in)
		fclose(in);
	return figure;
}

bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * Whether the kernel log has the text. A provoked complaint is forgotten, any
 * other stays for the judge of the whole run.
 */
bool kernel_said(const char *text)
{
	static char log[1 << 18];
	int length = klogctl(3, log, sizeof(log) - 1);
	bool said;

	log[length < 0 ? 0 : length] = 0;
	said = strstr(log, text);
	if (said)
		klogctl(5, NULL, 0);
	return said;
}

bool is_intel(void)
{
	char line[256];
	bool intel = false;
	FILE *in = fopen("/proc/cpuinfo", "r");

	while (in && fgets(line, sizeof(line), in))
		intel |= !!strstr(line, "GenuineIntel");
	if (in)
		fclose(in);
	return intel;
}

static const struct {
	const char *name;
	void (*test)(void);
} parts[] = {
	{ "capability", test_capability },
	{ "exclusion", test_exclusion },
	{ "failures", test_failures },
	{ "displace", test_displace },
	{ "cgroup", test_cgroup },
	{ "times", test_times },
	{ "vector", test_vector },
	{ "reclaim", test_reclaim },
	{ "nmi", test_nmi },
	{ "watchdog", test_watchdog },
	{ "lockup", test_lockup },
	{ "lockdep", test_lockdep },
	{ "spoil", test_spoil },
	{ "load", test_load },
	{ "crash", test_crash },
	{ "crashed", test_crashed },
};

/* The kernel's complaint is looked for by who runs this. */
void test_spoil(void)
{
	check(call_row(PERFROW_SPOIL, (struct perfrow){ 0 }).result != -ENOTTY,
	      "CPUs race, and memory is read after it was freed");
}

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (wanted(argc, argv, parts[i].name))
			parts[i].test();
	printf("1..%d\n", count);
	return failed != 0;
}
