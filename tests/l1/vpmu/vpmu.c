// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* vpmu LIST: run one list of tests, print TAP. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mutations.h"
#include "vpmu.h"

struct options options = { .seed = 1, .scale = 1, .swap = 1500, .only = "", .host = "none" };

static int checks, failures;
static uint64_t random_state;

static const struct {
	const char *name;
	int (*run)(void);
	const char *what;
} lists[] = {
	{ "smoke", test_smoke, "the VMM and its guest work, PMU or not" },
	{ "count", test_count, "every counter counts exactly across every kind of exit" },
	{ "tpr", test_tpr, "counts are exact where the APIC does not hold interrupts back itself (Intel)" },
	{ "access", test_access, "which register accesses exit" },
	{ "put", test_put, "nothing of a guest is left in hardware after a put" },
	{ "park", test_park, "what a vCPU leaves in hardware is free, safe and found" },
	{ "cost", test_cost, "what a guest can make its switches cost" },
	{ "exits", test_exits, "what an exit costs the host" },
	{ "peer", test_peer, "what exits, counters and samples cost any host, for comparison" },
	{ "metrics", test_metrics, "PERF_METRICS of a guest, exact, its own, and free" },
	{ "host", test_host, "host events beside a counting guest" },
	{ "nmi", test_nmi, "an NMI that is neither a guest's nor perf's (Intel)" },
	{ "windows", test_windows, "host events lack only what displaced windows hide" },
	{ "dumps", test_dumps, "counters hold nothing of the other side's at any entry or exit" },
	{ "state", test_state, "a PMU moves to another VM and counts on" },
	{ "live", test_live, "a guest that counts while its VM is changed and moved" },
	{ "wait", test_wait, "for whom the ioctl of the filter waits" },
	{ "power", test_power, "a guest that counts while its CPU goes and comes" },
	{ "sleep", test_sleep, "a guest that counts while the machine is suspended" },
	{ "soak", test_soak, "everything at once: each count is exact" },
	{ "choice", test_choice, "each VM has the kind of PMU that it, or the parameter, chose" },
	{ "misuse", test_misuse, "bad choices have an errno, and change nothing" },
	{ "stats", test_stats, "KVM's statistics of a PMU count what happens, and only that" },
	{ "trace", test_trace, "tracepoints of a PMU show what the statistics count" },
	{ "tools", test_tools, "kvm_stat and perf show what the statistics count" },
	{ "pmi", test_pmi, "one interrupt per overflow" },
	{ "pt", test_pt, "one interrupt per overflow beside Processor Trace" },
	{ "pair", test_pair, "what an event of the host with two counters leaves" },
};

static void result(bool ok, const char *format, va_list arguments)
{
	checks++;
	failures += !ok;
	printf("%sok %d - ", ok ? "" : "not ", checks);
	vprintf(format, arguments);
}

bool check(bool ok, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	result(ok, format, arguments);
	va_end(arguments);
	puts("");
	return ok;
}

void skip(const char *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	result(true, format, arguments);
	va_end(arguments);
	printf(" # SKIP %s\n", reason);
}

void note(const char *format, ...)
{
	va_list arguments;

	printf("# ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	puts("");
}

void fatal(const char *format, ...)
{
	va_list arguments;

	printf("Bail out! ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	puts("");
	exit(1);
}

uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

uint64_t kernel_function(const char *name)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	uint64_t address = 0, found = 0;
	char line[256], symbol[200];

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx %*c %199s", &address, symbol) == 2 && !strcmp(symbol, name))
			found = address;
	if (file)
		fclose(file);
	if (!found)
		fatal("the kernel has no %s", name);
	return found;
}

void machine_start(struct machine *machine, const struct vm_config *config)
{
	int status = vm_create(&machine->vm, config);

	if (status)
		fatal("no VM: %s", strerror(-status));
	pmu_detect(&machine->pmu, &machine->vm);
}

void machine_stop(struct machine *machine)
{
	vm_destroy(&machine->vm);
}

int machine_run(struct machine *machine)
{
	return vcpu_run_job(&machine->vm.cpu[0]);
}

bool wanted(const char *name)
{
	return strstr(name, options.only);
}

static int usage(void)
{
	size_t i;

	fprintf(stderr, "usage: vpmu LIST [--seed N] [--cpu N] [--scale N] [--exits N] [--gp N] "
			"[--swap N] [--host-event] [--host NAME] [--mutate NAME] [--only PART]\n");
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		fprintf(stderr, "  %-8s %s\n", lists[i].name, lists[i].what);
	return 2;
}

/* The kernel's command line brings no spaces. */
static const char *spaced(const char *value)
{
	char *copy = strdup(value), *at;

	for (at = copy; *at; at++)
		if (*at == '_')
			*at = ' ';
	return copy;
}

static bool option(const char *name, const char *value)
{
	if (!strcmp(name, "--seed"))
		options.seed = (unsigned int)atoi(value);
	else if (!strcmp(name, "--cpu"))
		options.cpu = atoi(value);
	else if (!strcmp(name, "--scale"))
		options.scale = atoi(value);
	else if (!strcmp(name, "--swap"))
		options.swap = (unsigned int)atoi(value);
	else if (!strcmp(name, "--exits"))
		options.exits = strtoull(value, NULL, 10);
	else if (!strcmp(name, "--gp"))
		options.nr_gp = atoi(value);
	else if (!strcmp(name, "--host"))
		return host_title(options.host = value);
	else if (!strcmp(name, "--mutate"))
		return mutation_find(value, &options.mutate);
	else if (!strcmp(name, "--only"))
		options.only = spaced(value);
	else
		return false;
	return true;
}

static bool parse(int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--host-event"))
			options.host_event = true;
		else if (i + 1 == argc || !option(argv[i], argv[i + 1]))
			return false;
		else
			i++;
	}
	return options.scale > 0;
}

static int run_list(int (*run)(void))
{
	int fd = -1, status;

	if (options.host_event)
		fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0);
	if (options.host_event && fd < 0)
		fatal("no host event: %s", strerror(-fd));
	status = host_begin(options.host, options.cpu);
	if (status)
		fatal("no host with %s: %s", host_title(options.host), strerror(-status));
	emu_mutate(options.mutate);
	status = run();
	emu_mutate(0);
	return status;
}

int main(int argc, char **argv)
{
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !parse(argc, argv))
		return usage();
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (!strcmp(argv[1], lists[i].name))
			break;
	if (i == sizeof(lists) / sizeof(lists[0]))
		return usage();
	random_state = 0x9e3779b97f4a7c15ULL * (options.seed + 1);
	note("%s: %s; seed %u", lists[i].name, lists[i].what, options.seed);
	vmm_pin(options.cpu);
	if (run_list(lists[i].run))
		return 1;
	printf("1..%d\n", checks);
	return failures != 0;
}
