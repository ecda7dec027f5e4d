// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guest's CPU goes away and comes back, or all of the machine sleeps, while the
 * guest counts.  Needs two CPUs.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "vpmu.h"

#define GUEST_CPU_NR	1
#define ONLINE		"/sys/devices/system/cpu/cpu1/online"
#define POWER		"/sys/power/state"
#define MEM_SLEEP	"/sys/power/mem_sleep"
#define HITS		20000

/* The vCPU's thread flees to the other CPU, and is sent back, unless it has ended. */
static bool go_offline(pid_t tid)
{
	cpu_set_t set;
	bool gone = write_file(ONLINE, "0");

	usleep(1000 + (useconds_t)random_below(1000));
	if (!gone || !write_file(ONLINE, "1"))
		return false;
	CPU_ZERO(&set);
	CPU_SET(GUEST_CPU_NR, &set);
	sched_setaffinity(tid, sizeof(set), &set);
	return true;
}

/* All tasks are frozen, the other CPU is off, and memory is all that is kept. */
static bool suspend(pid_t tid)
{
	(void)tid;
	return write_file(MEM_SLEEP, "deep") && write_file(POWER, "mem");
}

struct way {
	const char *name[2];	/* by how the guest is interrupted */
	bool (*round)(pid_t tid);
	unsigned int least, most;
	int cpu;	/* of the guest */
};

static const struct way offline = {
	{ "D10 CPU offline and online, NMI", "D10 CPU offline and online, fixed vector" },
	go_offline, 10, UINT_MAX, GUEST_CPU_NR
};
/* The boot CPU does not go offline before it loses its registers.  A round is long. */
static const struct way sleeping[] = {
	{ { "D10 suspend to RAM, NMI", "D10 suspend to RAM, fixed vector" },
	  suspend, 3, 5, GUEST_CPU_NR },
	{ { "D10 suspend to RAM, boot CPU, NMI", "D10 suspend to RAM, boot CPU, fixed vector" },
	  suspend, 3, 5, 0 },
};

static void test_way(struct machine *machine, const struct way *way, bool vector)
{
	const uint64_t hits = HITS / (unsigned int)options.scale;
	struct guest_cpu *area = machine->vm.cpu[0].area;
	unsigned int rounds = 0, failed = 0;
	struct runner runner;
	uint64_t before;

	pmi_job(&machine->pmu, &area->job, BODY_PLAIN, hits, vector);
	before = overflows();
	runner_start(&runner, machine, way->cpu);
	while (!runner.done && !failed && rounds < way->most) {
		failed += !way->round(runner.tid);
		rounds++;
		usleep(1000 + (useconds_t)random_below(1000));
	}
	if (runner_end(&runner))
		fatal("the guest ended");
	check(!failed && rounds >= way->least, "%s: at least %u times (%u, %u failed)",
	      way->name[vector], way->least, rounds, failed);
	judge_pmis(&area->result, overflows() - before, hits, way->name[vector]);
}

static int run_way(const struct way *way)
{
	struct machine machine;
	int vector;

	if (!emu_present())
		fatal("interrupts are compared with the emulator's truth");
	for (vector = 0; vector < 2; vector++) {
		machine_start(&machine, &(struct vm_config){ 0 });
		test_way(&machine, way, vector);
		machine_stop(&machine);
	}
	return 0;
}

int test_power(void)
{
	return run_way(&offline);
}

int test_sleep(void)
{
	return run_way(&sleeping[0]) || run_way(&sleeping[1]);
}
