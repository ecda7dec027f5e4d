// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the machine says about itself, and the CPU that the checks run on.
 *
 * Sources: Intel SDM, "Architectural Performance Monitoring Leaf", "Hybrid
 * Information Enumeration Leaf"; AMD APM, "Extended Performance Monitoring and
 * Debug".
 */

#define _GNU_SOURCE
#include <cpuid.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

struct machine machine;

struct leaf cpuid(u32 leaf, u32 subleaf)
{
	struct leaf l = {};

	if (leaf <= __get_cpuid_max(leaf & 0x80000000, NULL))
		__cpuid_count(leaf, subleaf, l.eax, l.ebx, l.ecx, l.edx);
	return l;
}

static void model_intel(struct model *m)
{
	struct leaf pmu = cpuid(0xa, 0);

	m->version = pmu.eax & 0xff;
	m->nr_gp = pmu.eax >> 8 & 0xff;
	m->gp_width = pmu.eax >> 16 & 0xff;
	if (m->version < 2)
		return;
	m->fixed = (1u << (pmu.edx & 0x1f)) - 1;
	if (m->version >= 5)
		m->fixed |= pmu.ecx;
	m->fixed_width = pmu.edx >> 5 & 0xff;
}

static void model_amd(struct model *m)
{
	struct leaf pmu = cpuid(0x80000022, 0);

	m->gp_width = 48;
	m->version = cpuid(0x80000001, 0).ecx >> 23 & 1;
	m->nr_gp = m->version ? 6 : 4;
	if (pmu.eax & 1) {
		m->version = 2;
		m->nr_gp = pmu.ebx & 0xf;
	}
}

struct model model_here(void)
{
	struct leaf vendor = cpuid(0, 0), features = cpuid(7, 0);
	struct model m = {
		.intel = !memcmp(&vendor.ebx, "Genu", 4),
		.amd = !memcmp(&vendor.ebx, "Auth", 4) || !memcmp(&vendor.ebx, "Hygo", 4),
		.hypervisor = cpuid(1, 0).ecx >> 31,
		.hybrid = features.edx >> 15 & 1,
		.tsx = features.ebx >> 11 & 1,
	};

	if (m.intel)
		model_intel(&m);
	if (m.amd)
		model_amd(&m);
	return m;
}

bool pin(int cpu)
{
	static cpu_set_t set[MAX_CPUS / CPU_SETSIZE];

	memset(set, 0, sizeof(set));
	CPU_SET_S(cpu, sizeof(set), set);
	return !sched_setaffinity(0, sizeof(set), set);
}

s64 number_in(const char *file, s64 otherwise)
{
	FILE *f = fopen(file, "r");
	s64 value;

	if (!f)
		return otherwise;
	if (fscanf(f, "%lli", &value) != 1)
		value = otherwise;
	fclose(f);
	return value;
}

bool watchdog_runs(void)
{
	return number_in("/proc/sys/kernel/nmi_watchdog", 0) != 0;
}

/* Perf has a PMU for each kind of CPU: take the CPUs of the first one. */
static bool has_pmu(int cpu)
{
	FILE *f = fopen("/sys/bus/event_source/devices/cpu_core/cpus", "r");
	bool found = !f;
	int first, last;
	char next = ',';

	while (f && !found && next == ',' && fscanf(f, "%d", &first) == 1) {
		last = first;
		if (fscanf(f, "%c", &next) == 1 && next == '-' &&
		    fscanf(f, "%d%c", &last, &next) < 1)
			break;
		found = cpu >= first && cpu <= last;
	}
	if (f)
		fclose(f);
	return found;
}

/* On a CPU other than 0, where there is one: that one has the most interrupts. */
void machine_find(void)
{
	static cpu_set_t set[MAX_CPUS / CPU_SETSIZE];
	int cpu;

	machine.pmu = access("/sys/bus/event_source/devices/cpu_core", F_OK)
			      ? "/sys/bus/event_source/devices/cpu"
			      : "/sys/bus/event_source/devices/cpu_core";
	sched_getaffinity(0, sizeof(set), set);
	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (CPU_ISSET_S(cpu, sizeof(set), set) && has_pmu(cpu))
			machine.cpus[machine.nr_cpus++] = cpu;
	}
	machine.cpu = machine.nr_cpus ? machine.cpus[machine.nr_cpus - 1] : 0;
	pin(machine.cpu);
	machine.model = model_here();
}
