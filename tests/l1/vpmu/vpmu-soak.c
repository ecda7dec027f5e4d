// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Everything at once, for long: vCPUs that count are moved, beside VMs with other
 * PMUs or none, and some that write their PMUs at random and are killed.  Filters
 * change, events of the host come and go, a VM is saved and restored, a CPU goes
 * offline and comes back.  Each honest count, guest's and host's, is exact all the
 * time.  Needs two CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stats.h"
#include "vpmu.h"

#define ONLINE		"/sys/devices/system/cpu/cpu1/online"
#define RCU_NORMAL	"/sys/kernel/rcu_normal"
#define RCU_EXPEDITED	"/sys/kernel/rcu_expedited"
#define MOVES		100000
#define OFFLINES	100	/* in a full run */
#define SHOWN		20	/* lines of progress */
#define HITS		20	/* in a round of interrupts */
#define HOST_TURNS	2000
#define MAX_EVENTS	3	/* CPU-wide ones: there is a counter for each */
#define VMS		2	/* with two counting vCPUs each */
#define FUZZ_WRITES	40
#define LAST_ROUND	40	/* seconds */
#define URGENT		-10	/* "nice", of a worker that would seldom have its turn */

/* A thread that does a round after the other. */
struct worker {
	const char *name;
	void (*round)(struct worker *worker);
	struct machine machine;
	pthread_t thread;
	volatile pid_t tid;
	uint64_t rounds, wrong;
	bool urgent, stuck;
};

enum { MOVER = 2 * VMS, SAMPLER, EMULATED, NONE, TASK, NR_WORKERS };

static struct worker workers[NR_WORKERS];
static struct machine vms[VMS];
static struct vm twin;		/* of that of the vCPU that is saved and restored */
static volatile bool stop;
static int events[MAX_EVENTS];
static uint64_t moves, saves, filters, changes, asked, offlines;

/* --- the guests that count --- */

static void hop(struct vcpu *vcpu)
{
	(void)vcpu;
	if (!random_below(4))
		vmm_pin((int)random_below(2));
}

static void count_round(struct worker *worker)
{
	static const struct {
		enum guest_body body;
		uint64_t turns;
	} bodies[] = { { BODY_PLAIN, 20000 }, { BODY_CPUID, 100 }, { BODY_PORT_USER, 50 } };
	size_t i = random_below(3);

	worker->wrong += count_wrong_elsewhere(&worker->machine, bodies[i].body,
					       bodies[i].turns + random_below(100),
					       random_below(2));
}

static void save_and_restore(struct vcpu *vcpu)
{
	if (random_below(8)) {
		vmm_pin((int)random_below(2));
		vcpu_move_to(vcpu, &twin.cpu[0]);
	} else {
		vcpu_move_to_new(vcpu);
	}
	saves++;
}

static void move_round(struct worker *worker)
{
	worker->wrong += count_wrong_elsewhere(&worker->machine, BODY_PORT_USER, 3, random_below(2));
}

/* The truth knows the overflows of all guests: here each interrupt has its bit, and none is lost. */
static void sample_round(struct worker *worker)
{
	struct guest_cpu *area = worker->machine.vm.cpu[0].area;
	const struct guest_result *result = &area->result;
	bool ended;

	pmi_job(&worker->machine.pmu, &area->job, BODY_PLAIN, HITS, random_below(2));
	ended = !machine_run(&worker->machine);

	if (ended && result->pmi_hits[0] >= HITS && result->pmis == result->pmi_hits[0] &&
	    !result->pmi_spurious && !result->pmi_foreign)
		return;
	if (!worker->wrong++)
		note("soak: %s: %llu interrupts, %llu with its bit, %llu with none, %llu with another's",
		     worker->name, (unsigned long long)result->pmis,
		     (unsigned long long)result->pmi_hits[0],
		     (unsigned long long)result->pmi_spurious,
		     (unsigned long long)result->pmi_foreign);
}

/* --- the others --- */

static void run_mixture(struct worker *worker)
{
	struct guest_job *job = &worker->machine.vm.cpu[0].area->job;

	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_MIXED;
	job->count = 50;
	worker->wrong += !!machine_run(&worker->machine);
}

/* Counts that host events displace are not exact: no more is asked than that it goes on. */
static void emulated_round(struct worker *worker)
{
	const struct pmu *pmu = &worker->machine.pmu;
	struct guest_job *job = &worker->machine.vm.cpu[0].area->job;

	job_clear(job, pmu);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_BRANCHES, MODE_ALL, false));
	if (pmu->ctrl)
		job_write(job, pmu->ctrl, 1);
	run_mixture(worker);
}

static void none_round(struct worker *worker)
{
	memset(&worker->machine.vm.cpu[0].area->job, 0, sizeof(struct guest_job));
	run_mixture(worker);
}

static __attribute__((noinline)) void spin(uint64_t turns)
{
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
}

/* A task of the host counts its own instructions: the same code for each read. */
static void task_round(struct worker *worker)
{
	uint64_t turns = HOST_TURNS + random_below(100), read[3];
	int fd = host_event(0, HOST_TASK | HOST_EXCLUDE_GUEST | HOST_EXCLUDE_KERNEL | HOST_PINNED, 0);
	volatile unsigned int i;

	for (i = 0; i < 3; i++) {
		spin((i + 1) * turns);
		read[i] = host_event_read(fd);
	}
	host_event_close(fd);
	if (read[2] - 2 * read[1] + read[0] == 2 * turns)
		return;
	worker->wrong++;
	note("soak: a task counted %llu, %llu, %llu; %llu turns", (unsigned long long)read[0],
	     (unsigned long long)read[1], (unsigned long long)read[2], (unsigned long long)turns);
}

/* --- the guests that write what they like, in processes that are killed --- */

struct nursery {
	pid_t pid;
	volatile bool stop;
	volatile uint64_t killed, died;
};

static struct nursery *nursery;

static uint64_t fuzz_value(void)
{
	uint64_t value = random_below(UINT64_MAX);

	switch (random_below(4)) {
	case 0:
		return value;
	case 1:
		return value & random_below(UINT64_MAX) & random_below(UINT64_MAX);
	case 2:
		return value & 0xf0000000fULL;
	}
	return (value & 0xffff) | 0x530000;
}

static uint32_t fuzz_msr(const struct pmu *pmu)
{
	const uint32_t globals[] = { pmu->ctrl, pmu->ack, pmu->status_set, pmu->status };
	int gp = (int)random_below((uint64_t)pmu->nr_gp);

	switch (random_below(pmu->nr_fixed ? 5 : 3)) {
	case 0:
		return pmu_eventsel(pmu, gp);
	case 1:
		return pmu_counter(pmu, gp);
	case 2:
		return globals[random_below(4)];
	case 3:
		return pmu_counter(pmu, PMC_FIXED + (int)random_below((uint64_t)pmu->nr_fixed));
	}
	return 0x38d;
}

static void *fuzz_vcpu(void *argument)
{
	struct machine *machine = argument;
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	int i;

	do {
		job_clear(job, &machine->pmu);
		for (i = 0; i < FUZZ_WRITES; i++)
			job_write(job, fuzz_msr(&machine->pmu), fuzz_value());
		if (random_below(2))
			job_write(job, MSR_X2APIC_LVTPC, LVT_NMI);
		job->program = PROGRAM_LOOP_ONCE;
		job->body = BODY_MIXED;
		job->count = 20;
	} while (!machine_run(machine));
	note("soak: a guest that writes at random ends, exit reason %u",
	     machine->vm.cpu[0].run->exit_reason);
	fflush(stdout);
	_exit(1);
}

/* One vCPU of a VM, as a machine of its own. */
static struct machine part_of(const struct machine *machine, int cpu)
{
	struct machine part = *machine;

	part.vm.cpu[0] = machine->vm.cpu[cpu];
	return part;
}

static void fuzz(void)
{
	struct machine machine, second;
	pthread_t thread;

	machine_start(&machine, &(struct vm_config){ .nr_cpus = 2 });
	second = part_of(&machine, 1);
	vmm_pin((int)random_below(2));
	if (pthread_create(&thread, NULL, fuzz_vcpu, &second))
		_exit(1);
	vmm_pin((int)random_below(2));
	fuzz_vcpu(&machine);
}

/* Who is killed leaves no VM behind: the modules unload. */
static pid_t fork_to_die_with_us(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void raise_and_kill(void)
{
	pid_t pid;
	int status;

	pid = fork_to_die_with_us();
	if (!pid)
		fuzz();
	usleep(50000 + (useconds_t)random_below(100000));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	nursery->killed += WIFSIGNALED(status);
	nursery->died += !WIFSIGNALED(status);
}

/* Before there are threads, as it forks. */
static void nursery_start(void)
{
	nursery = mmap(NULL, sizeof(*nursery), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (nursery == MAP_FAILED)
		fatal("no shared memory");
	nursery->pid = fork_to_die_with_us();
	if (nursery->pid)
		return;
	while (!nursery->stop)
		raise_and_kill();
	_exit(0);
}

/* --- what happens to all of them --- */

static void move(void)
{
	struct worker *worker = &workers[random_below(NR_WORKERS)];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(random_below(2), &set);
	moves += !sched_setaffinity(worker->tid, sizeof(set), &set);
}

/* Denies what nobody counts: all counters are looked at again. */
static void change_filter(void)
{
	struct {
		struct kvm_pmu_event_filter head;
		uint64_t events[1];
	} filter = { .head.action = KVM_PMU_EVENT_DENY, .head.nevents = 1 };

	filter.events[0] = 0x0124 + random_below(8);
	filters += !ioctl(vms[random_below(VMS)].vm.fd, KVM_SET_PMU_EVENT_FILTER, &filter);
}

static void change_event(void)
{
	int *fd = &events[random_below(MAX_EVENTS)];

	if (*fd >= 0) {
		host_event_close(*fd);
		*fd = -1;
		return;
	}
	*fd = host_event((int)random_below(2), HOST_EXCLUDE_GUEST,
			 random_below(2) ? 0 : 20000 + random_below(100000));
	changes += *fd >= 0;
}

/* Waits until the vCPU is back in user space. */
static void ask(void)
{
	const struct machine *machine = &vms[random_below(VMS)];
	struct vcpu vcpu = machine->vm.cpu[random_below(2)];
	uint64_t value;

	asked += !vcpu_get_msr(&vcpu, pmu_counter(&machine->pmu, 0), &value);
}

static void go_offline(void)
{
	if (write_file(ONLINE, "0")) {
		usleep(1000);
		offlines += write_file(ONLINE, "1");
	}
}

static void disturb(void)
{
	switch (random_below(16)) {
	case 0 ... 4:
		change_filter();
		break;
	case 5 ... 7:
		change_event();
		break;
	case 8:
		ask();
		break;
	default:
		move();
	}
	usleep(50 + (useconds_t)random_below(200));
}

static void show(uint64_t wanted_moves)
{
	note("soak: %3llu %%: %llu moves, %llu saved and restored, %llu killed, %llu filters, "
	     "%llu events of the host, %llu CPUs offline", (unsigned long long)(100 * moves / wanted_moves),
	     (unsigned long long)moves, (unsigned long long)saves,
	     (unsigned long long)nursery->killed, (unsigned long long)filters,
	     (unsigned long long)changes, (unsigned long long)offlines);
}

static uint64_t no_less(uint64_t value, uint64_t least)
{
	return value < least ? least : value;
}

static void disturb_all(uint64_t wanted_moves)
{
	const uint64_t step = no_less(wanted_moves / SHOWN, 1);
	const uint64_t stretch = no_less(wanted_moves / OFFLINES, 100);
	uint64_t shown = step, offline = stretch;

	while (moves < wanted_moves) {
		disturb();
		if (moves >= offline) {
			go_offline();
			offline += stretch;
		}
		if (moves >= shown) {
			show(wanted_moves);
			shown += step;
		}
	}
}

/* A VM that is made or ends waits for RCU, and a kernel with PREEMPT_RT takes its time. */
static void hurry_rcu(void)
{
	if (!write_file(RCU_NORMAL, "0") || !write_file(RCU_EXPEDITED, "1"))
		fatal("RCU does not take orders");
}

/* --- who takes part --- */

static void *work(void *argument)
{
	struct worker *worker = argument;

	if (worker->urgent && setpriority(PRIO_PROCESS, 0, URGENT))
		fatal("no priority");
	worker->tid = (pid_t)syscall(SYS_gettid);
	while (!stop) {
		worker->round(worker);
		worker->rounds++;
	}
	return NULL;
}

static void enlist(int i, const char *name, void (*round)(struct worker *worker))
{
	workers[i].name = name;
	workers[i].round = round;
}

static void make_workers(void)
{
	int i;

	for (i = 0; i < 2 * VMS; i++) {
		if (i % 2 == 0)
			machine_start(&vms[i / 2], &(struct vm_config){ .nr_cpus = 2 });
		enlist(i, "a vCPU that counts", count_round);
		workers[i].machine = part_of(&vms[i / 2], i % 2);
		workers[i].machine.vm.cpu[0].on_user_exit = hop;
	}
	for (i = MOVER; i <= NONE; i++)
		machine_start(&workers[i].machine,
			      &(struct vm_config){ .no_pmu = i == NONE, .no_apic = i == EMULATED,
						   .version = i == EMULATED ? 2 : 0,
						   .nr_fixed = i == EMULATED ? 3 : 0 });
	enlist(MOVER, "a vCPU that is saved and restored", move_round);
	enlist(SAMPLER, "a vCPU with interrupts", sample_round);
	enlist(EMULATED, "a vCPU with an emulated PMU", emulated_round);
	enlist(NONE, "a vCPU without a PMU", none_round);
	enlist(TASK, "a task of the host", task_round);
	vcpu_list_msrs(&workers[MOVER].machine.vm.cpu[0]);
	workers[MOVER].machine.vm.cpu[0].on_user_exit = save_and_restore;
	workers[MOVER].urgent = true;
	if (vm_create(&twin, &(struct vm_config){ .memory = workers[MOVER].machine.vm.memory }))
		fatal("no twin");
}

static void start_workers(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	int i;

	for (i = 0; i < NR_WORKERS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			fatal("no thread");
	for (i = 0; i < NR_WORKERS; i++)
		while (!workers[i].tid)
			usleep(100);
	/* Who disturbs does not wait for his turn. */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		fatal("no priority");
}

/* A guest that is interrupted again and again gets no further, and never ends its round. */
static void stop_workers(void)
{
	struct timespec end;
	int i;

	stop = true;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LAST_ROUND;
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i].stuck = !!pthread_timedjoin_np(workers[i].thread, NULL, &end);
		if (!workers[i].stuck)
			continue;
		workers[i].wrong++;
		note("soak: %s: its last round does not end", workers[i].name);
	}
}

static void stop_all(void)
{
	int i;

	stop_workers();
	nursery->stop = true;
	waitpid(nursery->pid, NULL, 0);
	for (i = 0; i < MAX_EVENTS; i++)
		if (events[i] >= 0)
			host_event_close(events[i]);
}

/* What a stuck worker uses goes with the process. */
static void stop_machines(void)
{
	int i;

	if (!workers[MOVER].stuck)
		vm_destroy(&twin);
	for (i = MOVER; i <= NONE; i++)
		if (!workers[i].stuck)
			machine_stop(&workers[i].machine);
	for (i = 0; i < VMS; i++)
		if (!workers[2 * i].stuck && !workers[2 * i + 1].stuck)
			machine_stop(&vms[i]);
}

static void add_changes(struct stats *sum)
{
	struct stats stats;
	int i, stat;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < 2 * VMS; i++) {
		stats_of_vcpu(&vms[i / 2].vm.cpu[i % 2], &stats);
		for (stat = 0; stat < NR_STATS; stat++)
			sum->value[stat] += stats.value[stat];
	}
}

static void judge(uint64_t wanted_moves)
{
	struct stats sum;
	int i;

	for (i = 0; i < NR_WORKERS; i++)
		check(workers[i].rounds && !workers[i].wrong, "soak: %s: nothing is wrong (%llu in %llu rounds)",
		      workers[i].name, (unsigned long long)workers[i].wrong,
		      (unsigned long long)workers[i].rounds);
	check(moves >= wanted_moves && saves && filters && changes && asked && offlines,
	      "soak: everything happened");
	check(nursery->killed && !nursery->died, "soak: no guest that writes at random ends its VM (%llu)",
	      (unsigned long long)nursery->died);
	/* Of the races that KCSAN finds main-debug knows which are ours. */
	check(!log_count("WARNING:") && log_count("BUG:") == log_count("BUG: KCSAN:"),
	      "soak: the log has no warning");
	add_changes(&sum);
	check(sum.value[STAT_ENTRY] && sum.value[STAT_RECLAIM], "soak: the PMU changed hands");
	note("soak: owner changes %llu, reclaims %llu of the vCPUs that count; %llu registers asked for",
	     (unsigned long long)sum.value[STAT_ENTRY], (unsigned long long)sum.value[STAT_RECLAIM],
	     (unsigned long long)asked);
}

/* Of all modes, by both CPUs. */
static uint64_t instructions(void)
{
	static struct mpmu_truth truth;
	uint64_t sum = 0;
	int cpu, i;

	for (cpu = 0; cpu < 2; cpu++) {
		vmm_pin(cpu);
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth);
		for (i = 0; i < 4; i++)
			sum += truth.instructions[i / 2][i % 2];
	}
	return sum;
}

int test_soak(void)
{
	const uint64_t wanted_moves = no_less(MOVES / (uint64_t)options.scale, 200);
	uint64_t before;

	if (!emu_present())
		fatal("the emulator counts how much was done");
	before = instructions();
	memset(events, -1, sizeof(events));
	hurry_rcu();
	nursery_start();
	make_workers();
	start_workers();
	vmm_pin(0);
	disturb_all(wanted_moves);
	stop_all();
	show(wanted_moves);
	judge(wanted_moves);
	note("soak: %llu million instructions", (unsigned long long)(instructions() - before) / 1000000);
	stop_machines();
	return 0;
}
