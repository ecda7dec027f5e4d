/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* perf_event_open() for tests: an event that cannot be had ends the program. */
#ifndef TEST_PMC_H
#define TEST_PMC_H

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct event {
	uint32_t type;
	uint64_t config;
	const char *name;
};

#define EVENT_INSTRUCTIONS \
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, "instructions" }
#define EVENT_BRANCHES \
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, "branches" }
#define EVENT_CYCLES \
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cycles" }

static inline struct perf_event_attr event_attr(struct event e)
{
	return (struct perf_event_attr){
		.type = e.type,
		.size = sizeof(struct perf_event_attr),
		.config = e.config,
		.disabled = 1,
	};
}

static inline int event_try(const struct perf_event_attr *attr, pid_t pid, int cpu, int group)
{
	return syscall(SYS_perf_event_open, attr, pid, cpu, group, PERF_FLAG_FD_CLOEXEC);
}

static inline int event_open(const struct perf_event_attr *attr, pid_t pid, int cpu, int group)
{
	int fd = event_try(attr, pid, cpu, group);

	if (fd < 0) {
		printf("Bail out! perf_event_open(%u, %#llx): %s\n", attr->type,
		       (unsigned long long)attr->config, strerror(errno));
		exit(1);
	}
	return fd;
}

/* A pinned event that lost its counter reads as end of file. */
static inline bool event_read(int fd, uint64_t *value)
{
	return read(fd, value, sizeof(*value)) == sizeof(*value);
}

#endif
