// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * opener: has one event of perf open on CPU 0 until it is killed.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>

int main(void)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = PERF_COUNT_HW_INSTRUCTIONS;
	if (syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0) < 0) {
		perror("opener");
		return 1;
	}
	puts("open");
	fflush(stdout);
	pause();
	return 0;
}
