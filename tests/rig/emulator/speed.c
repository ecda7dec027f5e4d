// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * speed LOOPS [COUNTERS]: the work that the emulator's speed is measured with:
 * branches, calls, memory, and system calls, with COUNTERS perf events open on
 * all of it.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned int events[] = {
	PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CPU_CYCLES,
	PERF_COUNT_HW_BRANCH_INSTRUCTIONS, PERF_COUNT_HW_BRANCH_MISSES,
};

static int count(unsigned int event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr),
		.config = events[event % 4],
	};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static uint32_t words[4096];

static __attribute__((noinline)) uint32_t mix(uint32_t x)
{
	uint32_t *w = &words[x % 4096];

	*w += x;
	return (x & 16) ? x * 1664525 + *w : (x ^ *w) + 1013904223;
}

int main(int argc, char **argv)
{
	long loops = argc > 1 ? atol(argv[1]) : 1000;
	int counters = argc > 2 ? atoi(argv[2]) : 0;
	uint32_t x = 1;

	for (int i = 0; i < counters; i++) {
		if (count(i) < 0) {
			perror("perf_event_open");
			return 1;
		}
	}
	for (long i = 0; i < loops; i++) {
		for (int j = 0; j < 1000; j++)
			x = mix(x);
		syscall(SYS_getppid);
	}
	printf("speed: %x\n", x);
	return 0;
}
