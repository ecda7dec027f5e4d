// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Row D10, kexec: a kernel that crashes while guests count on its CPUs starts
 * another one, which has to find the PMUs of all of them free.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rows.h"

#define KERNEL		"/tests/second/kernel"
#define INITRD		"/tests/second/initrd"
#define CMDLINE		"/tests/second/cmdline"
#define SELECTOR_ON	(1ull << 22)
#define LOOP		1000000

static bool load_second_kernel(void)
{
	int kernel = open(KERNEL, O_RDONLY | O_CLOEXEC), initrd = open(INITRD, O_RDONLY | O_CLOEXEC);
	int file = open(CMDLINE, O_RDONLY | O_CLOEXEC);
	char line[1024] = "";
	ssize_t length = read(file, line, sizeof(line) - 1);

	line[strcspn(line, "\n")] = 0;
	return length > 0 && !syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line,
				      KEXEC_FILE_ON_CRASH);
}

/* Before any guest counts: it takes long beside them. */
void test_load(void)
{
	check(load_second_kernel(), "D10: a kernel for the time after a crash is loaded");
}

/* On a CPU whose guest counts; the other one's counts again, as this task sleeps. */
void test_crash(void)
{
	run_on(1);
	usleep(300000);
	call_row(PERFROW_CRASH, (struct perfrow){ .arg = 0 });
	sleep(10);
	check(false, "D10: this kernel has crashed");
}

/* One copy, so that the same instructions run each time. */
static __attribute__((noinline)) uint64_t count_loop(int fd)
{
	uint64_t before = count_of(fd);

	for (volatile int i = 0; i < LOOP; i++)
		;
	return count_of(fd) - before;
}

/* Before anybody counted. */
static void check_cpu(int cpu)
{
	struct mpmu_regs regs = { 0 };
	uint64_t once, again;
	int left = 0, fd;

	run_on(cpu);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	for (int i = 0; i < MPMU_MAX_PMCS; i++)
		left += !!(regs.eventsel[i] & SELECTOR_ON);
	check(!left && !regs.fixed_ctrl && !regs.global_status,
	      "D10: after a crash: CPU %d has nothing of its guest", cpu);
	note("%d selectors, fixed %#llx, status %#llx", left, regs.fixed_ctrl, regs.global_status);
	fd = open_instructions(0);
	once = count_loop(fd);
	again = count_loop(fd);
	close(fd);
	check(once >= 3 * LOOP && once == again, "D10: after a crash: perf counts (%llu, %llu)",
	      (unsigned long long)once, (unsigned long long)again);
}

/* In the second kernel. */
void test_crashed(void)
{
	check_cpu(0);
	check_cpu(1);
	note("%llu NMIs", (unsigned long long)interrupts("NMI"));
	check(!kernel_said("unknown reason"), "D10: after a crash: no interrupt is of nobody");
}
