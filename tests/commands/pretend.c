// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A kernel and a PMU that only pretend, for vpmu-check: the linker's --wrap puts them in
 * the place of the real ones (vpmu-check.t).  Turns of the loop are the time.  The words
 * in $PRETEND say what is special about this machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../tools/vpmu-check/check.h"

#define REGISTERS 1000 /* a file descriptor, and that of the first event */
#define FIRST     1001
#define MOST      256
#define PROFILED  50000 /* turns from one interrupt of others to the next */

static struct {
	u64 turns, period;
	unsigned int per_turn;
	bool open, on;
} events[MOST];

static unsigned int nr_events;
static u64 now, registers[0x1000];
static char page[4096];

static bool is(const char *word)
{
	return strstr(getenv("PRETEND"), word);
}

void __wrap_machine_find(void)
{
	machine.nr_cpus = 1;
	machine.pmu = "";
	if (is("amd-k7"))
		machine.model = (struct model){.amd = true, .nr_gp = 4, .gp_width = 48};
	else if (!is("no-pmu"))
		machine.model = (struct model){.version = 2,
					       .nr_gp = 4,
					       .gp_width = 48,
					       .fixed = 7,
					       .fixed_width = 48,
					       .tsx = true};
	machine.model.intel = !machine.model.amd;
}

struct model __wrap_model_here(void)
{
	return machine.model;
}

struct leaf __wrap_cpuid(u32 leaf, u32 subleaf)
{
	(void)leaf, (void)subleaf;
	return (struct leaf){};
}

int __wrap_access(const char *file, int mode)
{
	(void)file, (void)mode;
	return 0;
}

/* --- time, and interrupts --- */

u64 __wrap_turns_per_second(void)
{
	return 100000000;
}

void __wrap_spin(u64 turns)
{
	unsigned int i;

	now += turns;
	for (i = 0; i < nr_events; i++)
		events[i].turns += events[i].on ? turns : 0;
}

FILE *__wrap_fopen(const char *file, const char *mode)
{
	u64 pmi = is("profiler") ? now / PROFILED : 0;
	static char text[100];
	unsigned int i;

	if (strcmp(file, "/proc/interrupts")) {
		errno = ENOENT;
		return NULL;
	}
	for (i = 0; i < nr_events && !is("lost"); i++) {
		if (events[i].period)
			pmi += events[i].turns * events[i].per_turn / events[i].period;
	}
	snprintf(text, sizeof(text), " CPU0\nNMI: %llu\nPMI: %llu\n", pmi, pmi);
	return fmemopen(text, strlen(text), mode);
}

/* --- events --- */

long __wrap_syscall(long number, ...)
{
	const struct perf_event_attr *attr;
	va_list args;

	va_start(args, number);
	attr = va_arg(args, const struct perf_event_attr *);
	va_end(args);
	if (is("no-perf") || nr_events == MOST) {
		errno = ENOENT;
		return -1;
	}
	events[nr_events].period = attr->sample_period;
	events[nr_events].open = true;
	events[nr_events].on = !attr->disabled;
	events[nr_events].per_turn =
		attr->config == PERF_COUNT_HW_INSTRUCTIONS || (attr->config & 0xff) == 0xc0 ? 2 : 1;
	return FIRST + nr_events++;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	events[fd - FIRST].on = request == PERF_EVENT_IOC_ENABLE;
	return 0;
}

int __wrap_prctl(int option, ...)
{
	unsigned int i;

	for (i = 0; i < nr_events; i++)
		events[i].on = events[i].open && option == PR_TASK_PERF_EVENTS_ENABLE;
	return 0;
}

/* Each second event lacks something; never the first, which is that of perf_works(). */
ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	unsigned int i = fd - FIRST;
	bool second = i && i % 2 == 0;
	struct reading seen = {
		.value = second && (is("dead") || is("starved"))
				 ? 0
				 : events[i].turns * events[i].per_turn,
		.enabled = events[i].turns,
		.running = second && is("starved") ? 0 : events[i].turns,
	};

	memcpy(buffer, &seen, size);
	return size;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return fd >= FIRST ? page : __real_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
	(void)at, (void)size;
	return 0;
}

int __wrap_close(int fd)
{
	if (fd >= FIRST)
		events[fd - FIRST].open = events[fd - FIRST].on = false;
	return 0;
}

/* --- registers, which take everything --- */

int __wrap_open(const char *file, int flags, ...)
{
	(void)file, (void)flags;
	return REGISTERS;
}

ssize_t __wrap_pwrite(int fd, const void *value, size_t size, off_t msr)
{
	(void)fd;
	if (is("read-only")) {
		errno = EPERM;
		return -1;
	}
	memcpy(&registers[msr & 0xfff], value, size);
	return size;
}

/* Events without interrupts on the first counters; each starts or ends after one look. */
ssize_t __wrap_pread(int fd, void *value, size_t size, off_t msr)
{
	static unsigned int reads[0x1000];
	unsigned int read = reads[msr & 0xfff]++;
	u64 here = registers[msr & 0xfff];

	(void)fd;
	if (msr == IA32_PERF_GLOBAL_CTRL)
		here = 0xf;
	if (msr == msr_selector(0) && (is("runs") || is("starts") || (is("ends") && !read)))
		here = SELECTOR_EN;
	if (msr == IA32_FIXED_CTR_CTRL && is("ends") && !read)
		here = 2;
	if (msr == IA32_PEBS_ENABLE && is("starts") && read)
		here = 1;
	memcpy(value, &here, size);
	return size;
}
