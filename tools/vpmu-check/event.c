// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * perf_event_open(2), as a user may call it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

const struct event event_instructions = {"instructions", PERF_TYPE_HARDWARE,
					 PERF_COUNT_HW_INSTRUCTIONS, TURN_INSTRUCTIONS};
const struct event event_branches = {"branches", PERF_TYPE_HARDWARE,
				     PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 1};
const struct event event_cycles = {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 0};
const struct event event_ref_cycles = {"ref-cycles", PERF_TYPE_HARDWARE,
				       PERF_COUNT_HW_REF_CPU_CYCLES, 0};
/* Perf's name for fixed counter 3 of Intel. */
const struct event event_slots = {"slots", PERF_TYPE_RAW, 0x400, 0};

/* What excludes guests may be open beside guests with a mediated PMU. */
struct perf_event_attr event_attr(const struct event *e)
{
	return (struct perf_event_attr){
		.type = e->type,
		.size = sizeof(struct perf_event_attr),
		.config = e->config,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.exclude_guest = 1,
	};
}

int counter_open_in(struct counter *c, struct perf_event_attr *attr, int group)
{
	*c = (struct counter){
		.fd = syscall(SYS_perf_event_open, attr, 0, -1, group, PERF_FLAG_FD_CLOEXEC)};
	return c->fd < 0 ? -1 : 0;
}

int counter_open(struct counter *c, struct perf_event_attr *attr, unsigned int pages)
{
	if (counter_open_in(c, attr, -1))
		return -1;
	c->size = (1 + pages) * sysconf(_SC_PAGESIZE);
	c->page = mmap(NULL, c->size, PROT_READ | (pages ? PROT_WRITE : 0), MAP_SHARED, c->fd, 0);
	if (c->page != MAP_FAILED)
		return 0;
	c->page = NULL;
	counter_close(c);
	return -1;
}

void counter_close(struct counter *c)
{
	int saved = errno;

	if (c->page)
		munmap(c->page, c->size);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	errno = saved;
}

/* A pinned event that lost its counter reads as the end of a file. */
bool counter_read(const struct counter *c, struct reading *reading)
{
	return read(c->fd, reading, sizeof(*reading)) == sizeof(*reading);
}

void counter_enable(const struct counter *c)
{
	ioctl(c->fd, PERF_EVENT_IOC_ENABLE, 0);
}

void counter_disable(const struct counter *c)
{
	ioctl(c->fd, PERF_EVENT_IOC_DISABLE, 0);
}

void events_enable(void)
{
	prctl(PR_TASK_PERF_EVENTS_ENABLE);
}

void events_disable(void)
{
	prctl(PR_TASK_PERF_EVENTS_DISABLE);
}

bool perf_works(struct result *r)
{
	struct perf_event_attr attr = event_attr(&event_cycles);
	struct counter c;

	if (!counter_open(&c, &attr, 0)) {
		counter_close(&c);
		return true;
	}
	if (errno == EACCES || errno == EPERM)
		absent(r, "perf refuses (%s; perf_event_paranoid is %lld): run as root",
		       strerror(errno), number_in("/proc/sys/kernel/perf_event_paranoid", -1));
	else
		absent(r,
		       "perf has no event of cycles (%s): this machine has no PMU, or its kernel "
		       "no driver",
		       strerror(errno));
	return false;
}

bool near(u64 value, u64 want)
{
	u64 distance = value > want ? value - want : want - value;

	return distance <= want / 1000 + 2000;
}
