/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the rows program share. */
#ifndef ROWS_H
#define ROWS_H

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "perfrow.h"

/* Flags of open_event */
#define EV_GUEST	0x01	/* counts guests */
#define EV_HOST_NOT	0x02	/* does not count the host */
#define EV_KERNEL	0x04	/* the kernel only; else user mode only */
#define EV_PINNED	0x08
#define EV_INHERIT	0x10
#define EV_DISABLED	0x20

struct reading {
	uint64_t count, enabled, running;
};

bool check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool check_eq(uint64_t got, uint64_t want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct perfrow call_row(unsigned long request, struct perfrow row);
int open_event(uint32_t type, uint64_t config, int flags, pid_t pid, int cpu, int group);
int open_instructions(int flags);
bool read_event(int fd, struct reading *reading);
uint64_t count_of(int fd);
void run_on(int cpu);
int cpus(void);
uint64_t interrupts(const char *name);
int number_in(const char *path);
uint64_t figure_in(const char *path, const char *format);
bool write_to(const char *path, const char *text);
bool kernel_said(const char *text);
bool is_intel(void);

void test_capability(void);
void test_exclusion(void);
void test_failures(void);
void test_displace(void);
void test_cgroup(void);
void test_times(void);
void test_vector(void);
void test_reclaim(void);
void test_nmi(void);
void test_watchdog(void);
void test_lockup(void);
void test_lockdep(void);
void test_spoil(void);
void test_load(void);
void test_crash(void);
void test_crashed(void);

#endif
