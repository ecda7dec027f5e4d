// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What happens to a VM while its guest counts: user space changes the event
 * filter, the scheduler moves the vCPU between CPUs, and the guest goes on in
 * another VM.  Needs two CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vpmu.h"

#define WRAP		(1ULL << 48)
#define PERIOD		16	/* branches: each turn of BODY_MIXED has some 9 */
#define FILTERS		20
#define ANSWER		400	/* instructions from an interrupt to its answer */
#define MOVES		20	/* in a window */
#define DELAY		150	/* of an interrupt: a VM-exit comes first */
#define FAULTS		100000
#define NOT_CANONICAL	(1ULL << 63)
#define LOG_SIZE	(1 << 18)
#define LOG_READ_ALL	3
#define LOG_CLEAR	5

/* --- the vCPU in a thread of its own --- */

static void *run(void *argument)
{
	struct runner *runner = argument;

	vmm_pin(runner->cpu);
	runner->tid = (pid_t)syscall(SYS_gettid);
	/* A machine that goes to sleep interrupts it. */
	do {
		runner->status = machine_run(runner->machine);
	} while (runner->status == -EINTR);
	runner->done = true;
	return NULL;
}

void runner_start(struct runner *runner, struct machine *machine, int cpu)
{
	*runner = (struct runner){ .machine = machine, .cpu = cpu };
	if (pthread_create(&runner->thread, NULL, run, runner))
		fatal("no thread");
	while (!runner->tid)
		usleep(100);
}

int runner_end(struct runner *runner)
{
	pthread_join(runner->thread, NULL);
	return runner->status;
}

/* --- the filter --- */

int deny_instructions(const struct machine *machine, bool deny)
{
	struct {
		struct kvm_pmu_event_filter head;
		uint64_t events[1];
	} filter = {
		.head.action = KVM_PMU_EVENT_DENY, .head.nevents = deny,
		.head.fixed_counter_bitmap = deny,
	};

	filter.events[0] = pmu_select(&machine->pmu, EVENT_INSTRUCTIONS, 0, false) & 0xffff;
	return ioctl(machine->vm.fd, KVM_SET_PMU_EVENT_FILTER, &filter);
}

static void watch_counters(const struct pmu *pmu, struct guest_job *job)
{
	job_clear(job, pmu);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_BRANCHES, MODE_ALL, false));
	job_write(job, pmu_eventsel(pmu, 1), pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
	job->start = 3;
	job_read(job, OP_RDPMC, pmu_rdpmc(0));
	job_read(job, OP_RDPMC, pmu_rdpmc(1));
	if (pmu->nr_fixed) {
		job_write(job, 0x38d, pmu_fixed_field(0, MODE_ALL, false));
		job->start |= 1ULL << PMC_FIXED;
		job_read(job, OP_RDPMC, pmu_rdpmc(PMC_FIXED));
	}
	job->program = PROGRAM_WATCH;
	job->count = 300;
}

static void enter_round(struct guest_watch *watch, const struct runner *runner, uint64_t round)
{
	watch->round = round;
	while (watch->seen != round + 1 && !runner->done)
		usleep(100);
}

/* What the guest reads in a round comes after deny_instructions() returned. */
static void change_filter(struct machine *machine, struct guest_watch *watch,
			  const struct runner *runner)
{
	uint64_t round;

	for (round = 0; round < WATCH_ROUNDS && !runner->done; round++) {
		enter_round(watch, runner, WATCH_ROUNDS);
		if (deny_instructions(machine, round & 1))
			fatal("KVM_SET_PMU_EVENT_FILTER: %s", strerror(errno));
		enter_round(watch, runner, round);
		usleep(2000);
	}
	watch->stop = 1;
}

/* In how many of the even, or odd, rounds did counter i move? */
static unsigned int rounds(const struct guest_watch *watch, int parity, uint32_t i)
{
	unsigned int count = 0;
	int round;

	for (round = parity; round < WATCH_ROUNDS; round += 2)
		count += watch->last[round][i] > watch->first[round][i];
	return count;
}

static void test_filter(struct machine *machine)
{
	static const char *const names[] = { "another event", "the event", "the fixed counter" };
	const unsigned int denied = WATCH_ROUNDS / 2, allowed = WATCH_ROUNDS - denied;
	struct vcpu *vcpu = &machine->vm.cpu[0];
	struct guest_watch *watch = &vcpu->area->watch;
	struct runner runner;
	uint32_t i;

	memset(watch, 0, sizeof(*watch));
	watch_counters(&machine->pmu, &vcpu->area->job);
	runner_start(&runner, machine, 1);
	change_filter(machine, watch, &runner);
	if (runner_end(&runner))
		fatal("the guest ended");
	for (i = 0; i < vcpu->area->job.nr_read; i++) {
		unsigned int want = i ? 0 : denied;

		check(rounds(watch, 0, i) == allowed, "F filter: %s counts while allowed",
		      names[i]);
		check(rounds(watch, 1, i) == want,
		      i ? "F filter: %s stands still once the ioctl that denies it returned" :
			  "F filter: %s counts on", names[i]);
	}
}

/* --- who is waited for --- */

static uint64_t kernel_instructions(void)
{
	static struct mpmu_truth truth;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth);
	return truth.instructions[MPMU_ROOT][MPMU_KERNEL];
}

static int compare_costs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Instructions of this CPU's kernel that the ioctl takes, as a rule: the median. */
static int64_t filter_cost(const struct machine *machine)
{
	uint64_t before, cost[FILTERS];
	int i;

	for (i = 0; i < FILTERS; i++) {
		usleep(2000);
		before = kernel_instructions();
		if (deny_instructions(machine, i & 1))
			fatal("KVM_SET_PMU_EVENT_FILTER: %s", strerror(errno));
		cost[i] = kernel_instructions() - before;
	}
	qsort(cost, FILTERS, sizeof(cost[0]), compare_costs);
	return (int64_t)cost[FILTERS / 2];
}

/* What it takes more while the guest runs, on the other CPU. */
static int64_t cost_of_running(const struct vm_config *config)
{
	struct guest_cpu *area;
	struct machine machine;
	struct runner runner;
	int64_t cost;

	machine_start(&machine, config);
	area = machine.vm.cpu[0].area;
	memset(&area->watch, 0, sizeof(area->watch));
	job_clear(&area->job, &machine.pmu);
	area->job.program = PROGRAM_WATCH;
	area->job.count = 300;
	cost = -filter_cost(&machine);
	runner_start(&runner, &machine, 1);
	enter_round(&area->watch, &runner, 0);
	cost += filter_cost(&machine);
	area->watch.stop = 1;
	if (runner_end(&runner))
		fatal("the guest ended");
	machine_stop(&machine);
	return cost;
}

/*
 * The emulated PMU is as in a kernel without libmpmu: its vCPUs are kicked, no
 * more.  For a kernel that spends its instructions on the work, not on checks.
 */
int test_wait(void)
{
	int64_t mediated, emulated;

	if (!emu_present())
		fatal("instructions of the kernel are the emulator's truth");
	mediated = cost_of_running(&(struct vm_config){ 0 });
	emulated = cost_of_running(&(struct vm_config){ .no_apic = true, .version = 2, .nr_fixed = 3 });
	check(mediated > emulated + ANSWER / 2,
	      "F filter: the ioctl waits for a mediated PMU, not for an emulated one");
	note("a running guest costs it %lld instructions, with an emulated PMU %lld",
	     (long long)mediated, (long long)emulated);
	return 0;
}

/* --- PMIs, disturbed --- */

void pmi_job(const struct pmu *pmu, struct guest_job *job, enum guest_body body, uint64_t hits,
	     bool vector)
{
	job_clear(job, pmu);
	job_write(job, pmu->ack, pmu_counters(pmu));
	job_write(job, pmu_counter(pmu, 0), WRAP - PERIOD);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_BRANCHES, MODE_ALL, true));
	job->pmi_msr[0] = pmu_counter(pmu, 0);
	job->pmi_period[0] = PERIOD;
	job->start = 1;
	job->program = PROGRAM_PMI;
	job->body = body;
	job->count = 20;
	job->pmi_target = hits;
	job->pmi_max_turns = hits * PERIOD;
	job->flags |= vector ? JOB_PMI_FIXED : 0;
}

/* By both CPUs; nobody else makes counter 0 wrap. */
uint64_t overflows(void)
{
	static struct mpmu_truth truth;
	uint64_t sum = 0;
	int cpu;

	for (cpu = 0; cpu < 2; cpu++) {
		vmm_pin(cpu);
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth);
		sum += truth.gp[0].overflows;
	}
	vmm_pin(options.cpu);
	return sum;
}

void judge_pmis(const struct guest_result *result, uint64_t wraps, uint64_t hits, const char *how)
{
	check(result->pmi_hits[0] == wraps && wraps >= hits,
	      "%s: as many overflows handled as there were", how);
	check(result->pmis == wraps && !result->pmi_spurious && !result->pmi_foreign,
	      "%s: one interrupt each", how);
	note("%llu overflows, %llu handled, %llu interrupts, %llu of them with no bit",
	     (unsigned long long)wraps, (unsigned long long)result->pmi_hits[0],
	     (unsigned long long)result->pmis, (unsigned long long)result->pmi_spurious);
}

static unsigned int migrate(const struct runner *runner)
{
	unsigned int moves = 0;
	cpu_set_t set;

	while (!runner->done) {
		CPU_ZERO(&set);
		CPU_SET(moves & 1, &set);
		moves += !sched_setaffinity(runner->tid, sizeof(set), &set);
		usleep(200 + (useconds_t)random_below(300));
	}
	return moves;
}

static void test_migration(struct machine *machine, bool vector)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	const char *how = vector ? "E2 migrating, fixed vector" : "E2 migrating, NMI";
	const uint64_t hits = 20000u / (unsigned int)options.scale;
	struct runner runner;
	unsigned int moves;
	uint64_t before;

	pmi_job(&machine->pmu, &area->job, BODY_PLAIN, hits, vector);
	before = overflows();
	runner_start(&runner, machine, 1);
	moves = migrate(&runner);
	if (runner_end(&runner))
		fatal("the guest ended");
	check(moves >= 100, "%s: at least 100 times (%u)", how, moves);
	judge_pmis(&area->result, overflows() - before, hits, how);
}

/* --- save and restore --- */

#define MAX_MSRS	512

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[MAX_MSRS];
};

static struct machine twin;
static struct msr_list msrs;
static unsigned int moved, waiting;
static bool take_from_run;	/* pending NMIs, and not by an ioctl */

/* All that KVM says must be saved, and the vCPU has. */
void vcpu_list_msrs(struct vcpu *vcpu)
{
	static struct {
		struct kvm_msr_list head;
		uint32_t indices[MAX_MSRS];
	} list = { .head.nmsrs = MAX_MSRS };
	uint64_t value;
	uint32_t i;

	if (ioctl(vmm_open(), KVM_GET_MSR_INDEX_LIST, &list))
		fatal("KVM_GET_MSR_INDEX_LIST: %s", strerror(errno));
	msrs.head.nmsrs = 0;
	for (i = 0; i < list.head.nmsrs; i++)
		if (!vcpu_get_msr(vcpu, list.indices[i], &value))
			msrs.entries[msrs.head.nmsrs++].index = list.indices[i];
}

/* MSRs that cannot be written (some are read-only) have their value already. */
static void set_msrs(struct vcpu *vcpu)
{
	uint32_t i;

	for (i = 0; i < msrs.head.nmsrs; i++)
		vcpu_set_msr(vcpu, msrs.entries[i].index, msrs.entries[i].data);
}

static void need(int status, const char *what)
{
	if (status < 0)
		fatal("%s: %s", what, strerror(errno));
}

/* Finish the OUT that the vCPU stopped at: it is no part of the state. */
static void finish_io(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	if (ioctl(vcpu->fd, KVM_RUN, 0) != -1 || errno != EINTR)
		fatal("an OUT cannot be finished");
	vcpu->run->immediate_exit = 0;
}

/* Is a PMI of the guest part of the state, as NMI or as vector? */
static bool pmi_waits(const struct kvm_vcpu_events *events, const struct kvm_lapic_state *lapic)
{
	const char *irr = lapic->regs + 0x200 + GUEST_VECTOR_PMI / 32 * 0x10;

	return events->nmi.pending || irr[GUEST_VECTOR_PMI % 32 / 8] & 1 << GUEST_VECTOR_PMI % 8;
}

static void copy_state(struct vcpu *from, struct vcpu *to)
{
	struct kvm_vcpu_events events = from->run->s.regs.events;
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (!(from->run->kvm_valid_regs & KVM_SYNC_X86_EVENTS))
		need(ioctl(from->fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	need(ioctl(from->fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	need(ioctl(from->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	need(ioctl(from->fd, KVM_GET_MSRS, &msrs), "KVM_GET_MSRS");
	need(ioctl(from->fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	waiting += pmi_waits(&events, &lapic);
	need(ioctl(to->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	need(ioctl(to->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	set_msrs(to);
	need(ioctl(to->fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
	need(ioctl(to->fd, KVM_SET_VCPU_EVENTS, &events), "KVM_SET_VCPU_EVENTS");
}

void vcpu_move_to(struct vcpu *vcpu, struct vcpu *other)
{
	struct kvm_run *run = vcpu->run;
	int fd = vcpu->fd, vm_fd = vcpu->vm->fd;

	run->kvm_valid_regs = take_from_run ? KVM_SYNC_X86_EVENTS : 0;
	finish_io(vcpu);
	copy_state(vcpu, other);
	run->kvm_valid_regs = 0;
	vcpu->fd = other->fd;
	vcpu->run = other->run;
	vcpu->vm->fd = other->vm->fd;
	other->fd = fd;
	other->run = run;
	other->vm->fd = vm_fd;
	moved++;
}

static void move_to_twin(struct vcpu *vcpu)
{
	vcpu_move_to(vcpu, &twin.vm.cpu[0]);
}

/* The VM that it leaves ends. */
void vcpu_move_to_new(struct vcpu *vcpu)
{
	struct vm other;
	int status;

	vmm_pin(moved & 1);
	status = vm_create(&other, &(struct vm_config){ .memory = vcpu->vm->memory });
	if (status)
		fatal("no other VM: %s", strerror(-status));
	vcpu_move_to(vcpu, &other.cpu[0]);
	vm_destroy(&other);
}

struct way {
	const char *how;
	void (*move)(struct vcpu *vcpu);
	unsigned int hits;
	bool take_from_run;
};

static const struct way ways[] = {
	{ "D7 other VMs", move_to_twin, 300, false },
	{ "D7 other VMs, events of kvm_run", move_to_twin, 300, true },
	{ "D7 new VMs on another CPU", vcpu_move_to_new, 60, false },
};

static void test_restore(struct machine *machine, const struct way *way, bool vector)
{
	const unsigned int hits = way->hits / (unsigned int)options.scale;
	struct vcpu *vcpu = &machine->vm.cpu[0];
	uint64_t before;
	char how[64];

	snprintf(how, sizeof(how), "%s, %s", way->how, vector ? "fixed vector" : "NMI");
	vcpu_list_msrs(vcpu);
	pmi_job(&machine->pmu, &vcpu->area->job, BODY_MIXED, hits, vector);
	vcpu->on_user_exit = way->move;
	take_from_run = way->take_from_run;
	before = overflows();
	moved = waiting = 0;
	if (machine_run(machine))
		fatal("the guest ended");
	vcpu->on_user_exit = NULL;
	take_from_run = false;
	vmm_pin(options.cpu);
	check(moved >= hits, "%s: at least %u times (%u)", how, hits, moved);
	check(waiting >= hits / 10, "%s: an interrupt waits in some of the saved states (%u)", how,
	      waiting);
	judge_pmis(&vcpu->area->result, overflows() - before, hits, how);
}

/* All counters run at each move, and miss nothing. */
static void test_restored_counts(struct machine *machine)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	unsigned int wrong[2];
	int user;

	vcpu_list_msrs(vcpu);
	vcpu->on_user_exit = vcpu_move_to_new;
	moved = 0;
	for (user = 0; user < 2; user++)
		wrong[user] = count_wrong_elsewhere(machine, BODY_PORT_USER, MOVES, user);
	vcpu->on_user_exit = NULL;
	vmm_pin(options.cpu);
	check(moved == 6 * MOVES, "D7 new VMs on another CPU: with each OUT (%u)", moved);
	check(!wrong[0], "D7 new VMs on another CPU: all counters are exact, at CPL 0");
	check(!wrong[1], "D7 new VMs on another CPU: all counters are exact, at CPL 3");
}

static void test_restores(bool vector)
{
	struct machine machine;
	size_t i;

	machine_start(&machine, &(struct vm_config){ 0 });
	machine_start(&twin, &(struct vm_config){ .memory = machine.vm.memory });
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		test_restore(&machine, &ways[i], vector);
	if (!vector)
		test_restored_counts(&machine);
	machine_stop(&twin);
	machine_stop(&machine);
}

/* --- faults --- */

/* Its own #GPs come once each, whatever interrupts the host takes meanwhile. */
static void test_faults(void)
{
	struct machine machine;
	struct guest_cpu *area;
	int status;

	machine_start(&machine, &(struct vm_config){ 0 });
	area = machine.vm.cpu[0].area;
	job_clear(&area->job, &machine.pmu);
	area->job.program = PROGRAM_ACCESS;
	area->job.access = (struct guest_access){ OP_LOAD, 0, NOT_CANONICAL };
	area->job.count = FAULTS;
	status = machine_run(&machine);
	check(!status && area->result.access_faults == FAULTS,
	      "a guest that faults does so as often as it should (%llu of %u, %d)",
	      (unsigned long long)area->result.access_faults, FAULTS, status);
	machine_stop(&machine);
}

/* --- the conflict --- */

int log_count(const char *text)
{
	static char log[LOG_SIZE + 1];
	int size = klogctl(LOG_READ_ALL, log, LOG_SIZE), count = 0;
	const char *at = log;

	log[size > 0 ? size : 0] = 0;
	while ((at = strstr(at, text))) {
		at += strlen(text);
		count++;
	}
	return count;
}

void log_clear(void)
{
	klogctl(LOG_CLEAR, NULL, 0);
}

/* Row B6: what is in the way is named, with its owner. */
static void test_culprit(void)
{
	struct vm vm;
	char text[64];
	int fd = host_event(options.cpu, 0, 0), status;

	status = vm_create(&vm, &(struct vm_config){ 0 });
	check(status == -EBUSY, "B6: no VM beside an event that counts guests (%d)", status);
	snprintf(text, sizeof(text), "event 0:0x1 of vpmu[%d] counts guests", (int)getpid());
	check(log_count(text), "B6: the log says: %s", text);
	host_event_close(fd);
}

int test_live(void)
{
	struct machine machine;
	int vector;

	if (!emu_present())
		fatal("interrupts are compared with the emulator's truth");
	test_culprit();
	test_faults();
	machine_start(&machine, &(struct vm_config){ 0 });
	test_filter(&machine);
	machine_stop(&machine);
	emu_pmi_delay(DELAY);
	for (vector = 0; vector < 2; vector++) {
		machine_start(&machine, &(struct vm_config){ 0 });
		test_migration(&machine, vector);
		machine_stop(&machine);
		test_restores(vector);
	}
	emu_pmi_delay(0);
	return 0;
}
