// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * around COMMAND...: run it without its output, and print what this CPU did meanwhile:
 * the host's WRMSR, RDPMC and RDMSR of the PMU, the host's instructions, those of guests,
 * exits.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rig/emulator/mpmu_magic.h"

static unsigned long long instructions(const struct mpmu_region *region, int mode)
{
	return region->instructions[mode][MPMU_KERNEL] + region->instructions[mode][MPMU_USER];
}

static void print(const struct mpmu_region *from, const struct mpmu_region *to)
{
	printf("%llu %llu %llu %llu %llu %llu\n",
	       to->pmu_wrmsr[MPMU_ROOT] + to->lvtpc_writes - from->pmu_wrmsr[MPMU_ROOT] - from->lvtpc_writes,
	       to->rdpmc[MPMU_ROOT] - from->rdpmc[MPMU_ROOT],
	       to->pmu_rdmsr[MPMU_ROOT] - from->pmu_rdmsr[MPMU_ROOT],
	       instructions(to, MPMU_ROOT) - instructions(from, MPMU_ROOT),
	       instructions(to, MPMU_GUEST) - instructions(from, MPMU_GUEST),
	       to->vmexits_total - from->vmexits_total);
}

static int run(char **command)
{
	pid_t child = fork();
	int status;

	if (!child) {
		if (freopen("/dev/null", "w", stdout))
			execvp(command[0], command);
		_exit(127);
	}
	return child < 0 || waitpid(child, &status, 0) < 0 || status;
}

int main(int argc, char **argv)
{
	static struct mpmu_region from, to;

	if (argc < 2)
		return 2;
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &from);
	if (run(argv + 1))
		return 1;
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &to);
	print(&from, &to);
	return 0;
}
