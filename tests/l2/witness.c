/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * witness: in a hypervisor that is a guest itself, count instructions of user
 * mode on this CPU, all of them, those of its guests, and its own, while the
 * guest runs; beside them what the emulator says is the truth about all.  A line
 * for each window: window COUNTED GUESTS OWN TRUTH EDGES.
 *
 * EDGES is what ran from before the system call that starts the counters until
 * after it, and so at the stop: the same each time, unless somebody else got the
 * CPU there.  A window starts no program: those execute CPUID in user mode, which
 * exits, and is counted without being retired.
 */
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../rig/emulator/mpmu_magic.h"

#define EVENTS		3
#define PAUSE		40000		/* in which the guest runs alone */
#define TURNS		1000000		/* some ticks */

static struct mpmu_truth at[4];		/* before and after the start, and the stop */

static int event(int leader, int exclude_host, int exclude_guest)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr), .read_format = PERF_FORMAT_GROUP,
		.disabled = leader < 0, .pinned = leader < 0, .exclude_kernel = 1,
		.exclude_host = exclude_host, .exclude_guest = exclude_guest,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, leader, 0);
}

static unsigned long long user(int from, int to)
{
	return at[to].instructions[MPMU_GUEST][MPMU_USER] - at[from].instructions[MPMU_GUEST][MPMU_USER];
}

/* The leader starts and stops the group at once; one by one, events would differ. */
static int window(int fd)
{
	struct {
		uint64_t nr, value[EVENTS];
	} counts;
	volatile unsigned int left = TURNS;

	ioctl(fd, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &at[0]);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &at[1]);
	while (left)
		left--;
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &at[2]);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &at[3]);
	if (read(fd, &counts, sizeof(counts)) != sizeof(counts))
		return -1;
	printf("window %llu %llu %llu %llu %llu\n", (unsigned long long)counts.value[0],
	       (unsigned long long)counts.value[1], (unsigned long long)counts.value[2],
	       user(1, 2), user(0, 1) + user(2, 3));
	return 0;
}

int main(void)
{
	int all = event(-1, 0, 0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (all < 0 || event(all, 1, 0) < 0 || event(all, 0, 1) < 0) {
		puts("window: no events");
		return 1;
	}
	while (!window(all))
		usleep(PAUSE);
	puts("window: cannot read the events");
	return 1;
}
