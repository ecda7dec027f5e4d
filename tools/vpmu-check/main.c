// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vpmu-check: is the PMU of this machine right?  The list of checks, and how
 * their verdicts are printed.
 */

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define EXIT_RIGHT   0
#define EXIT_WRONG   1
#define EXIT_USAGE   2
#define EXIT_NOTHING 3

/* Seconds after which a check hangs: each takes well under one. */
#define LIMIT        60

struct options options = {.skid = 4096};

/* What needs a PMU that nothing has used yet comes first. */
static const struct check checks[] = {
	{"firmware", "no counter runs that perf did not start", check_firmware},
	{"global-ctrl", "until software writes GLOBAL_CTRL, it enables all general counters",
	 check_global},
	{"widths", "all CPUs have the counters of the first one, as wide", check_widths},
	{"hybrid", "a guest sees one kind of CPU", check_hybrid},
	{"capabilities", "PERF_CAPABILITIES shows what has registers", check_capabilities},
	{"lbr", "an LBR format that is shown has registers", check_lbr},
	{"counts", "each counter counts a loop as long as it is", check_counts},
	{"spin", "an event that runs counts, or it is in error", check_spin},
	{"group", "all events of a group count", check_group},
	{"large", "a counter that starts at a large value counts on from it", check_large},
	{"sign", "only the legacy counter registers extend bit 31", check_sign},
	{"start",
	 "a negative start value is cut to the counter's width: no interrupt before the overflow",
	 check_start},
	{"stop", "a counter whose control becomes 0 stops, and does not interrupt", check_stop},
	{"samples",
	 "as many samples as the count has periods: on AMD, delivery leaves LVTPC unmasked",
	 check_samples},
	{"skid", "a sample comes within some instructions of its overflow", check_skid},
	{"interrupts", "as many interrupts as overflows", check_interrupts},
	{"multiplex", "a count scaled by enabled over running is within 25 % of the truth",
	 check_multiplex},
	{"selector", "selector bits 35:32 are the vendor's: of the event on AMD, reserved on Intel",
	 check_selector},
	{"extra", "an event that needs another register is refused, or counts what that selects",
	 check_extra},
	{"txcp", "an event with IN_TXCP that was stopped goes on from its count", check_txcp},
	{"txcp-pair", "an event counts with and without IN_TXCP at a time", check_txcp_pair},
	{"rdpmc", "RDPMC reads each counter that CPUID shows", check_rdpmc},
	{"rdpmc-others", "RDPMC of any other counter is #GP", check_rdpmc_others},
	{"rdpmc-pce", "RDPMC in user mode is #GP without CR4.PCE", check_rdpmc_pce},
	{"restore",
	 "KVM takes back the registers that a VMM saved, and gives a new vCPU GLOBAL_CTRL",
	 check_restore},
};

#define NR_CHECKS (sizeof(checks) / sizeof(checks[0]))

static const char *const verdicts[] = {[ABSENT] = "absent", [OK] = "ok", [WRONG] = "WRONG"};

static bool json;
static bool chosen[NR_CHECKS];

void verdict(struct result *r, enum verdict verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->saw, sizeof(r->saw), format, args);
	va_end(args);
	r->verdict = verdict;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: vpmu-check [options]\n"
		"Is the PMU of this machine right?  One line for each kind of fault: ok, WRONG,\n"
		"or absent where there is nothing to check; what was seen; what is right.\n"
		"As root it looks at registers, too (/dev/cpu/*/msr: modprobe msr).\n"
		"  --json           print one JSON object\n"
		"  --list           print the checks and what is right, check nothing\n"
		"  --only A,B,...   these checks alone\n"
		"  --write          also write PMU registers, while no event uses the PMU; the\n"
		"                   kernel notes that as a taint\n"
		"  --skid N         instructions that a sample may come late (%u)\n"
		"  --help\n"
		"exit status: 0 nothing is wrong, 1 something is, 2 usage,\n"
		"  3 nothing could be checked\n",
		options.skid);
}

static void refuse(const char *what, const char *value)
{
	fprintf(stderr, "error: vpmu-check: %s%s%s\n", what, value ? " " : "", value ? value : "");
	fprintf(stderr, "remedy: vpmu-check --help\n");
	exit(EXIT_USAGE);
}

static void choose(char *names)
{
	char *name;
	size_t i;

	for (name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		for (i = 0; i < NR_CHECKS && strcmp(name, checks[i].name); i++)
			;
		if (i == NR_CHECKS)
			refuse("no check is named", name);
		chosen[i] = true;
	}
}

static void list(void)
{
	size_t i;

	for (i = 0; i < NR_CHECKS; i++)
		printf("%-13s %s\n", checks[i].name, checks[i].right);
	exit(EXIT_RIGHT);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || value > UINT_MAX)
		refuse("not a number:", text);
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {{"json", no_argument, NULL, 'j'},
					      {"list", no_argument, NULL, 'l'},
					      {"only", required_argument, NULL, 'o'},
					      {"write", no_argument, NULL, 'w'},
					      {"skid", required_argument, NULL, 's'},
					      {"help", no_argument, NULL, 'h'},
					      {}};
	bool only = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'l':
			list();
			break;
		case 'o':
			choose(optarg);
			only = true;
			break;
		case 'w':
			options.write = true;
			break;
		case 's':
			options.skid = number(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_RIGHT);
		default:
			refuse("unknown option, or no value:", argv[optind - 1]);
		}
	}
	if (optind < argc)
		refuse("unknown argument", argv[optind]);
	if (!only)
		memset(chosen, true, sizeof(chosen));
}

static void print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

static void print_machine(void)
{
	const struct model *m = &machine.model;
	const char *vendor = m->intel ? "Intel" : m->amd ? "AMD" : "another vendor";

	if (json)
		printf("{\"vendor\":\"%s\",\"guest\":%s,\"version\":%u,\"general\":%u,\"fixed\":%u,"
		       "\"cpus\":%u,\"cpu\":%d,\"checks\":[",
		       vendor, m->hypervisor ? "true" : "false", m->version, m->nr_gp,
		       (unsigned int)__builtin_popcount(m->fixed), machine.nr_cpus, machine.cpu);
	else
		printf("# %s, %s, PMU version %u, %u general and %u fixed counters; on CPU %d of "
		       "%u\n",
		       vendor, m->hypervisor ? "a guest" : "no guest", m->version, m->nr_gp,
		       (unsigned int)__builtin_popcount(m->fixed), machine.cpu, machine.nr_cpus);
}

static void print_result(const struct check *check, const struct result *r)
{
	static bool another;

	if (!json) {
		printf("%-6s  %s: %s%s%s%s\n", verdicts[r->verdict], check->name, r->saw,
		       r->verdict == ABSENT ? "" : " (right: ",
		       r->verdict == ABSENT ? "" : check->right, r->verdict == ABSENT ? "" : ")");
		return;
	}
	printf("%s\n{\"check\":\"%s\",\"verdict\":\"%s\",\"saw\":", another ? "," : "", check->name,
	       verdicts[r->verdict]);
	print_string(r->saw);
	printf(",\"right\":");
	print_string(check->right);
	putchar('}');
	another = true;
}

/* In a process of its own: a hang is ended by the alarm, a fault by the fault. */
static void run(const struct check *check, struct result *r)
{
	int status;
	pid_t child;

	absent(r, "nothing was seen");
	fflush(stdout);
	child = fork();
	if (child < 0) {
		absent(r, "no process: %s", strerror(errno));
		return;
	}
	if (!child) {
		alarm(LIMIT);
		check->run(r);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		wrong(r, "the check did not end within %d seconds", LIMIT);
	else if (WIFSIGNALED(status))
		wrong(r, "the check was ended by signal %d", WTERMSIG(status));
}

int main(int argc, char **argv)
{
	struct result *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seen[3] = {};
	size_t i;

	parse(argc, argv);
	if (r == MAP_FAILED)
		refuse("no memory", NULL);
	machine_find();
	print_machine();
	for (i = 0; i < NR_CHECKS; i++) {
		if (!chosen[i])
			continue;
		run(&checks[i], r);
		print_result(&checks[i], r);
		seen[r->verdict]++;
	}
	if (json)
		printf("\n],\"wrong\":%u,\"ok\":%u,\"absent\":%u}\n", seen[WRONG], seen[OK],
		       seen[ABSENT]);
	if (seen[WRONG])
		return EXIT_WRONG;
	return seen[OK] ? EXIT_RIGHT : EXIT_NOTHING;
}
