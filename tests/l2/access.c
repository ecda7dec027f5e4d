// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access: what 1,000 accesses of a guest to registers of its PMU cost the host,
 * while an event of perf counts: a line for each kind of register, with the exits
 * and the instructions in root mode.  Those of the ticks meanwhile are among them.
 */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../rig/emulator/mpmu_magic.h"

#define ACCESSES 1000

struct map {
	unsigned int counter, global_ctrl, selector;	/* the last selector is free */
};

static const struct map intel = { 0x4c1, 0x38f, 0x18d }, amd = { 0xc0010201, 0xc0000301, 0xc001020a };
static const struct map *map;
static int msr;
static volatile uint64_t value;

static void read_msr(unsigned int number)
{
	if (pread(msr, (void *)&value, sizeof(value), number) != sizeof(value))
		_exit(1);
}

static void write_msr(unsigned int number)
{
	if (pwrite(msr, (void *)&value, sizeof(value), number) != sizeof(value))
		_exit(1);
}

static void read_pmc(void)
{
	unsigned int low, high;

	__asm__ volatile("rdpmc" : "=a" (low), "=d" (high) : "c" (0));
}

static void read_counter(void)
{
	read_msr(map->counter);
}

static void write_global_ctrl(void)
{
	write_msr(map->global_ctrl);
}

static void write_selector(void)
{
	write_msr(map->selector);
}

/* What is written is what was read before. */
static void measure(const char *name, void (*access)(void), unsigned int number)
{
	static struct mpmu_region from, to;
	unsigned int i;

	read_msr(number);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &from);
	for (i = 0; i < ACCESSES; i++)
		access();
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &to);
	printf("access %s %llu %llu\n", name, to.vmexits_total - from.vmexits_total,
	       to.instructions[MPMU_ROOT][MPMU_KERNEL] - from.instructions[MPMU_ROOT][MPMU_KERNEL] +
	       to.instructions[MPMU_ROOT][MPMU_USER] - from.instructions[MPMU_ROOT][MPMU_USER]);
}

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr), .pinned = 1,
	};
	static struct mpmu_regs regs;
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);

	msr = open("/dev/cpu/0/msr", O_RDWR);
	if (fd < 0 || msr < 0) {
		perror("access");
		return 1;
	}
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	map = regs.intel ? &intel : &amd;
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	measure("RDPMC", read_pmc, map->counter);
	measure("counter", read_counter, map->counter);
	measure("GLOBAL_CTRL", write_global_ctrl, map->global_ctrl);
	measure("selector", write_selector, map->selector);
	return 0;
}
