// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What kvm_stat, perf record and perf trace show of a known run.  They come with
 * the machine's image or not; --only says which it has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "vpmu.h"

#define KNOWN		"/tmp/known"
#define SHOWN		"/tmp/shown"

static void run_tool(const char *tool, const char *command)
{
	int status = system(command);

	if (check(!status, "J %s: runs (%d)", tool, status))
		return;
	if (system("head -n 20 /tmp/errors " SHOWN " | sed 's/^/# /'"))
		note("no log");
}

/* "NAME VALUE" in a line of a file, blanks between; ~0: there is none. */
static uint64_t shown(const char *path, const char *name)
{
	uint64_t value = ~0ULL, read;
	char line[256], word[64];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %lu", word, &read) == 2 && !strcmp(word, name))
			value = read;
	if (file)
		fclose(file);
	return value;
}

static void compare(const char *tool, const char *name, uint64_t got, uint64_t want, bool some)
{
	check(got == want && (want || !some), "J %s: %s (%llu, %llu)", tool, name,
	      (unsigned long long)got, (unsigned long long)want);
}

/* Those that the run has for sure. */
static bool is_certain(int stat)
{
	return stat <= STAT_DENIED && stat != STAT_RECLAIM && stat != STAT_OTHER &&
	       stat != STAT_RESET;
}

/* While the VM is there, and nothing runs in it. */
static void test_kvm_stat(void)
{
	struct machine machine;
	struct stats stats;
	int i;

	machine_start(&machine, &(struct vm_config){ 0 });
	do_everything(&machine, true);
	run_tool("kvm_stat", "python3 /tests/kvm_stat -1 -d -i -f '^mpmu_' >" SHOWN " 2>/tmp/errors");
	stats_of_vcpu(&machine.vm.cpu[0], &stats);
	for (i = 0; i < NR_PMU_STATS; i++)
		compare("kvm_stat", stat_names[i], shown(SHOWN, stat_names[i]), stats.value[i],
			is_certain(i));
	machine_stop(&machine);
}

/* What a tool runs: the statistics of a VM from its start to its end. */
static void known_run(bool displaced)
{
	struct machine machine;
	struct stats stats;
	FILE *file = fopen(KNOWN, "w");
	int i;

	machine_start(&machine, &(struct vm_config){ 0 });
	do_everything(&machine, displaced);
	stats_of_vcpu(&machine.vm.cpu[0], &stats);
	for (i = 0; i < NR_PMU_STATS; i++)
		fprintf(file, "%s %llu\n", stat_names[i], (unsigned long long)stats.value[i]);
	fprintf(file, "denied %llu\n", (unsigned long long)denied_event(&machine.pmu));
	fclose(file);
	machine_stop(&machine);
	check(true, "a known run");
}

static void known_with_displaced(void)
{
	known_run(true);
}

static void known_without_displaced(void)
{
	known_run(false);
}

static void test_record(void)
{
	struct traced traced = { .lines = 0 };
	int i;

	run_tool("perf record", "perf record -q -a -e 'kvm:kvm_mpmu_*' -o /tmp/data -- "
		 "vpmu tools --only known >/tmp/errors 2>&1");
	run_tool("perf script", "perf script -i /tmp/data -F event,trace >" SHOWN " 2>/tmp/errors");
	traced.denied = shown(KNOWN, "denied");
	trace_read(SHOWN, &traced);
	check(traced.lines && !traced.strange, "J perf record: every line says what it must");
	for (i = 0; i <= STAT_DENIED; i++)
		compare("perf record", stat_names[i], traced.stats.value[i],
			shown(KNOWN, stat_names[i]), is_certain(i));
	compare("perf record", "opened", traced.opened, 1, true);
	compare("perf record", "closed", traced.closed, 1, true);
}

static uint64_t lines_with(const char *path, const char *text)
{
	FILE *file = fopen(path, "r");
	uint64_t lines = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		lines += strstr(line, text) != NULL;
	if (file)
		fclose(file);
	return lines;
}

/*
 * perf trace has each record wake it, by an interrupt.  That of a guest's entry
 * ends the entry: where each one has a record the guest gets on only while perf's
 * buffer is full, so it must not be displaced here.
 */
static void test_perf_trace(void)
{
	uint64_t changes = 0;
	int i;

	run_tool("perf trace", "perf trace -a -e 'kvm:kvm_mpmu_*' -o " SHOWN " -- "
		 "vpmu tools --only known-alone >/tmp/errors 2>&1");
	check(!lines_with(SHOWN, "LOST"), "J perf trace: nothing is lost");
	for (i = STAT_ENTRY; i <= STAT_RESET; i++)
		changes += shown(KNOWN, stat_names[i]);
	compare("perf trace", trace_names[TRACE_OWNER], lines_with(SHOWN, trace_names[TRACE_OWNER]),
		changes, true);
	compare("perf trace", trace_names[TRACE_INTERCEPTS],
		lines_with(SHOWN, trace_names[TRACE_INTERCEPTS]), 2, true);
	compare("perf trace", trace_names[TRACE_PMI], lines_with(SHOWN, trace_names[TRACE_PMI]),
		shown(KNOWN, stat_names[STAT_PMIS]), true);
	compare("perf trace", trace_names[TRACE_DENIED], lines_with(SHOWN, trace_names[TRACE_DENIED]),
		shown(KNOWN, stat_names[STAT_DENIED]), true);
}

static const struct {
	const char *name;
	void (*run)(void);
} tools[] = {
	{ "kvmstat", test_kvm_stat },
	{ "record", test_record },
	{ "trace", test_perf_trace },
	{ "known", known_with_displaced },
	{ "known-alone", known_without_displaced },
};

int test_tools(void)
{
	size_t i;

	/* Not the tool's: it finds this program by its name. */
	setenv("PATH", "/bin:/sbin:/tests:/usr/bin", true);
	for (i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (strcmp(options.only, tools[i].name))
			continue;
		tools[i].run();
		return 0;
	}
	fatal("--only names no tool");
}
