// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a PMU costs, as KVM's statistics have it, against what the emulator has
 * seen: the functions that take the PMU from its owner, the accesses to
 * registers, the exits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "stats.h"
#include "vpmu.h"

#define REPEATS		50
#define EXITS		10000
#define PUTS		200
#define DISPLACED	1000
#define PMIS		100
#define DENIALS		10
#define RECLAIMS	20
#define REGION		3

/* What perf's own functions access as a guest becomes the owner. */
#define OWN_READS	1	/* the status */
#define OWN_WRITES	1	/* GLOBAL_CTRL = 0 */
#define DISOWN_WRITES	1	/* GLOBAL_CTRL, as perf believes it to be */

/* Of this CPU, by the emulator. */
struct seen {
	struct mpmu_region region;
	struct mpmu_watch watch;
};

/* One run: what KVM has counted, and what there was to count. */
struct run {
	struct stats stats;
	uint64_t reads, writes, exits, disowned, reclaimed;
};

static uint64_t stat(const struct run *run, enum pmu_stat stat)
{
	return run->stats.value[stat];
}

static void see(struct seen *seen)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, REGION, &seen->region);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &seen->watch);
}

static void run_job(struct machine *machine, struct run *run)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	struct stats before;
	struct seen from, to;

	stats_of_vcpu(vcpu, &before);
	see(&from);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, REGION);
	if (machine_run(machine))
		fatal("the guest ended");
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, REGION);
	see(&to);
	stats_of_vcpu(vcpu, &run->stats);
	stats_since(&run->stats, &before);
	run->reads = to.region.pmu_rdmsr[MPMU_ROOT] - from.region.pmu_rdmsr[MPMU_ROOT];
	run->writes = to.region.pmu_wrmsr[MPMU_ROOT] - from.region.pmu_wrmsr[MPMU_ROOT];
	run->exits = to.region.vmexits_total - from.region.vmexits_total;
	run->disowned = to.watch.hits[MPMU_WATCH_DISOWN] - from.watch.hits[MPMU_WATCH_DISOWN];
	run->reclaimed = to.watch.hits[MPMU_WATCH_RECLAIM] - from.watch.hits[MPMU_WATCH_RECLAIM];
}

static void watch(bool on)
{
	emu_watch(MPMU_WATCH_RECLAIM, on ? kernel_function("x86_guest_pmu_reclaim") : 0);
	emu_watch(MPMU_WATCH_DISOWN, on ? kernel_function("x86_perf_guest_disown") : 0);
}

/* All statistics but these, given as bits, are 0. */
static uint64_t others(const struct stats *stats, uint64_t but)
{
	uint64_t set = 0;
	int i;

	for (i = 0; i < NR_PMU_STATS; i++)
		if (stats->value[i] && !(but >> i & 1))
			set |= 1ULL << i;
	if (set)
		note("also %s, ...: %#llx", stat_names[__builtin_ctzll(set)],
		     (unsigned long long)set);
	return set;
}

#define OWNERS		(1ULL << STAT_ENTRY | 1ULL << STAT_PUT | 1ULL << STAT_RECLAIM |	\
			 1ULL << STAT_DISPLACED)
#define MOVES		(1ULL << STAT_READ | 1ULL << STAT_WRITTEN | 1ULL << STAT_SKIPPED)

/* The registers of every switch, of which perf accesses some on its own account. */
static void check_moves(const struct run *run, const char *name)
{
	uint64_t reads = stat(run, STAT_READ) + OWN_READS * stat(run, STAT_ENTRY);
	uint64_t writes = stat(run, STAT_WRITTEN) + OWN_WRITES * stat(run, STAT_ENTRY) +
			  DISOWN_WRITES * run->disowned;

	if (!check(run->reads == reads && run->writes == writes,
		   "J %s: as many registers read and written as the emulator saw", name))
		note("read %llu, seen %llu; written %llu, seen %llu", (unsigned long long)reads,
		     (unsigned long long)run->reads, (unsigned long long)writes,
		     (unsigned long long)run->writes);
}

static void check_owners(const struct run *run, const char *name)
{
	uint64_t ends = stat(run, STAT_PUT) + stat(run, STAT_RECLAIM) + stat(run, STAT_DISPLACED);

	if (!check(stat(run, STAT_ENTRY) == run->disowned && ends == run->disowned &&
		   stat(run, STAT_RECLAIM) == run->reclaimed,
		   "J %s: as many owner changes as the emulator saw, by cause", name))
		note("%llu entries, %llu puts, %llu reclaims, %llu displaced; seen %llu, %llu",
		     (unsigned long long)stat(run, STAT_ENTRY),
		     (unsigned long long)stat(run, STAT_PUT),
		     (unsigned long long)stat(run, STAT_RECLAIM),
		     (unsigned long long)stat(run, STAT_DISPLACED),
		     (unsigned long long)run->disowned, (unsigned long long)run->reclaimed);
}

static void loop(struct machine *machine, enum guest_body body, uint64_t turns, struct run *run)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	memset(job, 0, sizeof(*job));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = body;
	job->count = turns;
	run_job(machine, run);
}

/* Counter 0 counts cycles, which nobody has to advance for an exit, from here on. */
static void start_counting(struct machine *machine)
{
	const struct pmu *pmu = &machine->pmu;
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	struct run run;

	job_clear(job, pmu);
	job_write(job, pmu_counter(pmu, 0), 0);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	job_write(job, pmu->ctrl, 1);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_EMPTY;
	run_job(machine, &run);
}

static void test_unused(void)
{
	struct machine machine;
	struct stats stats;
	struct run run;

	machine_start(&machine, &(struct vm_config){ 0 });
	check(!stats_of_vcpu(&machine.vm.cpu[0], &stats), "J a vCPU has every statistic");
	check(!stats_of_vm(&machine.vm, &stats), "J a VM has every statistic in debugfs");
	loop(&machine, BODY_CPUID, 1000, &run);
	loop(&machine, BODY_PORT_USER, PUTS, &run);
	stats_of_vcpu(&machine.vm.cpu[0], &stats);
	check(stats.value[STAT_EXITS] > 1000 + PUTS && !others(&stats, 0),
	      "J a PMU that nobody uses: nothing is counted but exits");
	machine_stop(&machine);
}

static void test_resident(struct machine *machine)
{
	struct run run;

	start_counting(machine);
	loop(machine, BODY_CPUID, EXITS, &run);
	check(stat(&run, STAT_EXITS) >= EXITS && run.exits >= EXITS &&
	      stat(&run, STAT_ENTRY) < EXITS / 100,
	      "J exits of a guest that counts: %d and more, with few owner changes (%llu)", EXITS,
	      (unsigned long long)stat(&run, STAT_ENTRY));
	check(!others(&run.stats, OWNERS | MOVES), "J exits of a guest that counts: nothing else");
	check_owners(&run, "exits of a guest that counts");
	check_moves(&run, "exits of a guest that counts");
}

static void test_puts(struct machine *machine)
{
	struct run run;

	start_counting(machine);
	loop(machine, BODY_PORT_USER, PUTS, &run);
	check(stat(&run, STAT_PUT) > PUTS && stat(&run, STAT_PUT) == run.disowned,
	      "J puts: one for each return to user space");
	check(!others(&run.stats, 1ULL << STAT_ENTRY | 1ULL << STAT_PUT | MOVES),
	      "J puts: nothing else");
	check_owners(&run, "puts");
	check_moves(&run, "puts");
}

static void test_parked(struct machine *machine)
{
	struct run run;

	start_counting(machine);
	park_guests(true);
	loop(machine, BODY_PORT_USER, PUTS, &run);
	park_guests(false);
	check(stat(&run, STAT_ENTRY) <= 1 && !others(&run.stats, 1ULL << STAT_ENTRY | MOVES),
	      "J parked: the owner does not change");
	loop(machine, BODY_EMPTY, 1, &run);
}

/* The host's event is there all the time. */
static void test_displaced(struct machine *machine)
{
	struct run run;
	int fd;

	start_counting(machine);
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0);
	loop(machine, BODY_CPUID, DISPLACED, &run);
	host_event_close(fd);
	check(stat(&run, STAT_DISPLACED) > DISPLACED && stat(&run, STAT_DISPLACED) == run.exits,
	      "J displaced: as often as the guest exits");
	check(!others(&run.stats, 1ULL << STAT_ENTRY | 1ULL << STAT_DISPLACED | MOVES),
	      "J displaced: nothing else");
	check_owners(&run, "displaced");
}

static void loop_reclaimed(struct machine *machine, struct run *run)
{
	struct reclaimer reclaimer = { .traces = false };

	start_counting(machine);
	reclaimer_start(&reclaimer);
	loop(machine, BODY_PLAIN, 1000000, run);
	reclaimer_stop(&reclaimer);
}

static void test_reclaimed(struct machine *machine)
{
	struct run run;

	loop_reclaimed(machine, &run);
	check(stat(&run, STAT_RECLAIM) >= RECLAIMS, "J reclaims: %d and more (%llu)", RECLAIMS,
	      (unsigned long long)stat(&run, STAT_RECLAIM));
	check(!others(&run.stats, OWNERS | MOVES), "J reclaims: nothing else");
	check_owners(&run, "reclaims");
}

static void test_pmis(struct machine *machine)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	struct run run;

	pmi_job(&machine->pmu, &area->job, BODY_PLAIN, PMIS, false);
	run_job(machine, &run);
	if (!check(area->result.pmis >= PMIS && stat(&run, STAT_PMIS) == area->result.pmis,
		   "J PMIs: as many as the guest's handler was called"))
		note("%llu of %llu", (unsigned long long)stat(&run, STAT_PMIS),
		     (unsigned long long)area->result.pmis);
}

/* Deny instructions. */
static void filter(struct machine *machine, bool deny)
{
	struct {
		struct kvm_pmu_event_filter head;
		uint64_t event;
	} filter = { .head = { .action = KVM_PMU_EVENT_DENY, .nevents = deny }, .event = 0xc0 };

	if (ioctl(machine->vm.fd, KVM_SET_PMU_EVENT_FILTER, &filter))
		fatal("no filter: %s", strerror(errno));
}

/* The same access @times, in a guest that counts. */
static void repeat(struct machine *machine, struct guest_access access, uint64_t times,
		   struct run *run)
{
	const struct pmu *pmu = &machine->pmu;
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	job_clear(job, pmu);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	job_write(job, pmu->ctrl, 1);
	job->program = PROGRAM_ACCESS;
	job->access = access;
	job->count = times;
	run_job(machine, run);
}

/* What one access more counts: the difference of N and 2N. */
static void slope(struct machine *machine, struct guest_access access, struct stats *stats)
{
	struct run once, twice;

	repeat(machine, access, REPEATS, &once);
	repeat(machine, access, 2 * REPEATS, &twice);
	*stats = twice.stats;
	stats_since(stats, &once.stats);
}

static void test_denied(struct machine *machine)
{
	const struct pmu *pmu = &machine->pmu;
	const struct guest_access access = {
		OP_WRMSR, pmu_eventsel(pmu, 1), pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false),
	};
	uint64_t denied = 0;
	struct run run;
	int i;

	repeat(machine, access, REPEATS, &run);
	check(!stat(&run, STAT_DENIED), "J denied events: none without a filter");
	filter(machine, true);
	/* What is enabled is denied now, once. */
	repeat(machine, access, 1, &run);
	/* Each clears the selector first: the same value again is no new event. */
	for (i = 0; i < DENIALS; i++) {
		repeat(machine, access, REPEATS, &run);
		denied += stat(&run, STAT_DENIED);
	}
	check(denied == DENIALS, "J denied events: one for each that is enabled (%llu)",
	      (unsigned long long)denied);
	filter(machine, false);
}

struct access {
	const char *name;
	enum pmu_stat stat;
	bool direct;		/* with all of the host's counters */
	struct guest_access access;
};

/* Nothing here counts but the class of the register, or nothing at all. */
static void check_class(struct machine *machine, const struct access *access, bool whole)
{
	const uint64_t classes = ~0ULL << STAT_COUNTER & ((1ULL << NR_PMU_STATS) - 1);
	bool exits = !access->direct || !whole;
	struct stats stats;

	if (!access->access.index && access->access.op != OP_RDPMC)
		return;
	slope(machine, access->access, &stats);
	check(stats.value[access->stat] == (exits ? REPEATS : 0) &&
	      !(others(&stats, 1ULL << access->stat) & classes),
	      "J exits, %s of %s: %s", access->name, whole ? "all counters" : "some counters",
	      exits ? "one each" : "none");
}

static void test_classes(const struct vm_config *config)
{
	struct machine machine;
	const struct pmu *pmu = &machine.pmu;
	struct pmu host;
	size_t i;

	machine_start(&machine, config);
	/* The first accesses open the intercepts. */
	start_counting(&machine);
	pmu_detect_host(&host, pmu->intel);
	const struct access accesses[] = {
		{ "selector", STAT_EVENTSEL, false, { OP_WRMSR, pmu_eventsel(pmu, 1), 0 } },
		{ "selector read", STAT_EVENTSEL, false, { OP_RDMSR, pmu_eventsel(pmu, 1), 0 } },
		{ "FIXED_CTR_CTRL", STAT_FIXED_CTRL, false, { OP_WRMSR, pmu->nr_fixed ? 0x38d : 0, 0 } },
		{ "GLOBAL_CTRL", STAT_GLOBAL_CTRL, true, { OP_WRMSR, pmu->ctrl, 1 } },
		{ "GLOBAL_STATUS", STAT_STATUS, true, { OP_RDMSR, pmu->status, 0 } },
		{ "status clearing", STAT_STATUS, true, { OP_WRMSR, pmu->ack, 1 } },
		{ "RDPMC", STAT_RDPMC, !pmu_host_has_uncore(pmu->intel), { OP_RDPMC, 0, 0 } },
	};
	for (i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
		check_class(&machine, &accesses[i], pmu_counters(pmu) == pmu_counters(&host));
	machine_stop(&machine);
}

static void test_first_access(void)
{
	struct machine machine;
	struct guest_job *job;
	struct run run;

	machine_start(&machine, &(struct vm_config){ 0 });
	job = &machine.vm.cpu[0].area->job;
	memset(job, 0, sizeof(*job));
	job->program = PROGRAM_ACCESS;
	job->count = REPEATS;
	job->access = (struct guest_access){ OP_RDMSR, pmu_counter(&machine.pmu, 0), 0 };
	run_job(&machine, &run);
	check(stat(&run, STAT_COUNTER) == 1 &&
	      !others(&run.stats, 1ULL << STAT_COUNTER | OWNERS | MOVES),
	      "J exits, a counter: the first access, no other");
	machine_stop(&machine);
}

/* Two vCPUs, of which the second one counts once; and one file set to 0. */
static void test_sum(void)
{
	struct machine machine;
	struct stats first, second, sum;
	unsigned int wrong = 0;
	int i;

	machine_start(&machine, &(struct vm_config){ .nr_cpus = 2 });
	start_counting(&machine);
	machine.vm.cpu[1].area->job = machine.vm.cpu[0].area->job;
	if (vcpu_run_job(&machine.vm.cpu[1]))
		fatal("the guest ended");
	stats_of_vcpu(&machine.vm.cpu[0], &first);
	stats_of_vcpu(&machine.vm.cpu[1], &second);
	stats_of_vm(&machine.vm, &sum);
	for (i = 0; i < NR_STATS; i++)
		wrong += sum.value[i] != first.value[i] + second.value[i];
	check(!wrong && second.value[STAT_EVENTSEL] && sum.value[STAT_EVENTSEL] >
	      second.value[STAT_EVENTSEL], "J a VM's statistics are the sum of its vCPUs'");
	check(stats_clear(&machine.vm, STAT_EVENTSEL), "J a statistic can be set to 0");
	stats_of_vcpu(&machine.vm.cpu[0], &first);
	start_counting(&machine);
	stats_of_vcpu(&machine.vm.cpu[0], &second);
	check(!first.value[STAT_EVENTSEL] && second.value[STAT_EVENTSEL] ==
	      (uint64_t)machine.pmu.nr_gp + 1, "J and goes on from there");
	machine_stop(&machine);
}

static const struct {
	const char *name;
	void (*run)(struct machine *machine);
} machine_tests[] = {
	{ "resident", test_resident },
	{ "puts", test_puts },
	{ "parked", test_parked },
	{ "displaced", test_displaced },
	{ "pmis", test_pmis },
	{ "denied", test_denied },
};

int test_stats(void)
{
	struct machine machine;
	size_t i;

	if (!emu_present())
		fatal("the emulator knows what there is to count");
	/* So that perf believes something of its registers. */
	host_event_close(host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0));
	watch(true);
	/* What is counted below is most of all a change of owner. */
	park_guests(false);
	if (wanted("unused"))
		test_unused();
	machine_start(&machine, &(struct vm_config){ 0 });
	for (i = 0; i < sizeof(machine_tests) / sizeof(machine_tests[0]); i++)
		if (wanted(machine_tests[i].name))
			machine_tests[i].run(&machine);
	if (!strcmp(options.only, "reclaims"))
		test_reclaimed(&machine);
	machine_stop(&machine);
	if (wanted("classes")) {
		test_first_access();
		test_classes(&(struct vm_config){ 0 });
		test_classes(&(struct vm_config){ .nr_gp = 4 });
	}
	if (wanted("sum"))
		test_sum();
	park_guests(true);
	watch(false);
	return 0;
}
