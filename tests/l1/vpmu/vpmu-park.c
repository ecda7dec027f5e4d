// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A vCPU that does not run leaves its values in the PMU of its CPU: that costs
 * nothing, nobody sees them, and they are where they are looked for.  Needs two
 * CPUs.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vpmu.h"

#define MARK		0x5a0000000000ULL
#define RDPMC_FILE	"/sys/bus/event_source/devices/cpu/rdpmc"
#define MOVES		150	/* in a window */
#define PREEMPTIONS	10
#define NO_VALUE	~0u

static bool is_marked(uint64_t value)
{
	return value >> 40 == MARK >> 40;
}

/* How many counters of this CPU have a mark of the guest? */
static unsigned int marks(struct mpmu_regs *regs)
{
	unsigned int count = 0;
	int i;

	for (i = 0; i < MPMU_MAX_PMCS; i++)
		count += is_marked(regs->gp[i]) + is_marked(regs->fixed[i]);
	return count;
}

static unsigned int marks_here(void)
{
	struct mpmu_regs regs;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	return marks(&regs);
}

static uint64_t first_counter(void)
{
	struct mpmu_regs regs;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	return regs.gp[0];
}

/* All counters run, and go on when the guest has left. */
static void leave_marks(struct machine *machine)
{
	const struct pmu *pmu = &machine->pmu;
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	uint64_t left, fixed = 0;

	job_clear(job, pmu);
	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, bit), MARK);
		if (bit >= PMC_FIXED)
			fixed |= pmu_fixed_field(bit - PMC_FIXED, MODE_ALL, false);
		else
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
	}
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job_write(job, pmu->ctrl, pmu_counters(pmu));
	/* After that many entries the host lends no counter for an event that it had. */
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = 100;
	if (machine_run(machine))
		fatal("the guest ended");
}

/* Whoever looks next would see them. */
static bool are_left(struct machine *machine)
{
	leave_marks(machine);
	return marks_here() == (unsigned int)__builtin_popcountll(pmu_counters(&machine->pmu));
}

/* --- tasks with RDPMC --- */

static uint64_t rdpmc(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
	return low | (uint64_t)high << 32;
}

static unsigned int marks_by_rdpmc(const struct pmu *pmu)
{
	unsigned int count = 0;
	uint64_t left;

	for (left = pmu_counters(pmu); left; left &= left - 1)
		count += is_marked(rdpmc(pmu_rdpmc(__builtin_ctzll(left))));
	return count;
}

/* Allows RDPMC to all that shares this memory; nothing counts. */
static void *map_event(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr), .disabled = 1, .exclude_guest = 1,
	};
	int fd = host_event_open(&attr, 0, -1, -1, 0);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || page == MAP_FAILED)
		fatal("no event that can be mapped");
	return page;
}

static volatile bool may_read, mapped;

/* The events of its own context would take the PMU back for another reason. */
static void *hold_event(void *unused)
{
	void *page;

	(void)unused;
	vmm_pin(!options.cpu);
	page = map_event();
	mapped = true;
	while (may_read)
		usleep(1000);
	munmap(page, 4096);
	mapped = false;
	return NULL;
}

static void start_holder(pthread_t *thread)
{
	may_read = true;
	if (pthread_create(thread, NULL, hold_event, NULL))
		fatal("no thread");
	while (!mapped)
		usleep(1000);
}

static void end_holder(pthread_t thread)
{
	may_read = false;
	pthread_join(thread, NULL);
}

struct spy {
	int ask[2], tell[2];
	pid_t pid;
};

static void spy_run(const struct spy *spy, const struct pmu *pmu)
{
	pthread_t thread;
	unsigned int seen;
	char byte;

	start_holder(&thread);
	write(spy->tell[1], &(unsigned int){ 0 }, sizeof(seen));
	while (read(spy->ask[0], &byte, 1) == 1) {
		seen = marks_by_rdpmc(pmu);
		write(spy->tell[1], &seen, sizeof(seen));
	}
	_exit(0);
}

static unsigned int spy_hear(const struct spy *spy)
{
	unsigned int seen;

	return read(spy->tell[0], &seen, sizeof(seen)) == sizeof(seen) ? seen : NO_VALUE;
}

/* Another process, on the guest's CPU whenever it is asked. */
static void spy_start(struct spy *spy, const struct pmu *pmu)
{
	if (pipe(spy->ask) || pipe(spy->tell))
		fatal("no pipes");
	spy->pid = fork();
	if (!spy->pid) {
		close(spy->ask[1]);
		spy_run(spy, pmu);
	}
	close(spy->tell[1]);
	if (spy_hear(spy))
		fatal("no process that may use RDPMC");
}

static void spy_end(const struct spy *spy)
{
	close(spy->ask[1]);
	waitpid(spy->pid, NULL, 0);
}

static void test_other_task(struct machine *machine)
{
	struct spy spy;
	bool left;
	unsigned int seen;

	spy_start(&spy, &machine->pmu);
	left = are_left(machine);
	write(spy.ask[1], "", 1);
	seen = spy_hear(&spy);
	check(left, "E9 park: a guest that has left is in the registers of its CPU");
	check(!seen, "E9 park: another task that may use RDPMC reads nothing of it (%d)", (int)seen);
	spy_end(&spy);
}

static void test_own_tasks(struct machine *machine)
{
	pthread_t thread;
	bool left = are_left(machine);

	start_holder(&thread);
	check(left && !marks_by_rdpmc(&machine->pmu),
	      "E9 park: nor does its VMM, from the moment on that it may");
	check(!are_left(machine) && !marks_here(), "E9 park: nor later");
	end_holder(thread);
	check(are_left(machine), "E9 park: it is left there again when no task may");
}

static void test_all_tasks(struct machine *machine)
{
	bool left = are_left(machine);

	if (!write_file(RDPMC_FILE, "2"))
		fatal("RDPMC for all tasks");
	check(left && !marks_by_rdpmc(&machine->pmu),
	      "E9 park: nor does any task, from the moment on that all may");
	leave_marks(machine);
	check(!marks_here(), "E9 park: nor later, as long as all may");
	write_file(RDPMC_FILE, "1");
}

/* --- other guests --- */

static const struct {
	const char *name;
	struct vm_config config;
} others[] = {
	{ "without a PMU", { .no_pmu = true } },
	{ "with an emulated PMU", { .no_apic = true, .version = 2, .nr_fixed = 3 } },
	{ "that has not used its PMU", { 0 } },
};

static void run_other(struct machine *other)
{
	struct guest_job *job = &other->vm.cpu[0].area->job;

	memset(job, 0, sizeof(*job));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_PLAIN;
	job->count = 1000;
	if (machine_run(other))
		fatal("the other guest ended");
}

static void test_other_guest(struct machine *machine, const struct vm_config *config,
			     const char *name)
{
	const uint32_t counter = pmu_counter(&machine->pmu, 0);
	struct machine other;
	uint64_t value, before;
	bool left;

	machine_start(&other, config);
	left = are_left(machine);
	before = first_counter();
	run_other(&other);
	check(left && !marks(&other.vm.cpu[0].area->regs),
	      "E9 park: a guest %s runs beside nobody's values", name);
	vcpu_get_msr(&machine->vm.cpu[0], counter, &value);
	check(value == before, "E9 park: and is not counted by others (%lld)",
	      (long long)(value - before));
	machine_stop(&other);
}

/* --- from elsewhere --- */

static void test_ioctl(struct machine *machine)
{
	const uint32_t counter = pmu_counter(&machine->pmu, 0);
	struct vcpu *vcpu = &machine->vm.cpu[0];
	bool left = are_left(machine);
	uint64_t value, before = first_counter();

	vmm_pin(!options.cpu);
	vcpu_get_msr(vcpu, counter, &value);
	check(left && value == before, "E9 park: an ioctl on another CPU reads what is in hardware");
	vcpu_set_msr(vcpu, counter, 77);
	vmm_pin(options.cpu);
	check(!marks_here(), "E9 park: nothing is left there after it");
	job_clear(&vcpu->area->job, &machine->pmu);
	job_read(&vcpu->area->job, OP_RDMSR, counter);
	vcpu->area->job.program = PROGRAM_LOOP_ONCE;
	if (machine_run(machine))
		fatal("the guest ended");
	value = vcpu->area->result.read[0];
	check(value >= 77 && value < 1000000, "E9 park: what one sets there, the guest finds (%llu)",
	      (unsigned long long)value);
}

static void test_offline(struct machine *machine)
{
	static const char online[] = "/sys/devices/system/cpu/cpu1/online";
	const uint32_t counter = pmu_counter(&machine->pmu, 0);
	uint64_t value, before;
	bool left;

	vmm_pin(1);
	left = are_left(machine);
	before = first_counter();
	vmm_pin(0);
	if (!write_file(online, "0") || !write_file(online, "1"))
		fatal("a CPU does not go offline, or does not come back");
	vcpu_get_msr(&machine->vm.cpu[0], counter, &value);
	check(left && value == before, "E9 park: a CPU that goes offline gives it back");
	vmm_pin(1);
	check(!marks_here(), "E9 park: and has nothing of it when it is back");
	vmm_pin(options.cpu);
}

static void test_end(bool elsewhere)
{
	struct machine machine;
	bool left;

	machine_start(&machine, &(struct vm_config){ 0 });
	left = are_left(&machine);
	if (elsewhere)
		vmm_pin(!options.cpu);
	machine_stop(&machine);
	vmm_pin(options.cpu);
	check(left && !marks_here(), "E9 park: nothing is left of a VM that ended%s",
	      elsewhere ? " on another CPU" : "");
}

/* --- everything at once --- */

static struct machine counting, idle;

static void hop(void)
{
	vmm_pin((int)random_below(2));
}

/* What can happen to a vCPU that does not run. */
static void disturb(struct vcpu *vcpu)
{
	uint64_t value;

	switch (random_below(7)) {
	case 0:
		leave_marks(&counting);
		break;
	case 1:
		hop();
		leave_marks(&counting);
		hop();
		break;
	case 2:
		run_other(&idle);
		break;
	case 3:
		hop();
		vcpu_get_msr(vcpu, pmu_counter(&counting.pmu, 0), &value);
		hop();
		break;
	case 4:
		host_event_close(host_event(options.cpu, HOST_EXCLUDE_GUEST, 0));
		break;
	case 5:
		hop();
		break;
	}
}

static void test_counts(struct machine *machine)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	int user;

	machine_start(&counting, &(struct vm_config){ 0 });
	machine_start(&idle, &(struct vm_config){ .no_pmu = true });
	vcpu->on_user_exit = disturb;
	for (user = 0; user < 2; user++)
		check(!count_wrong_elsewhere(machine, BODY_PORT_USER, MOVES, user),
		      "E9 park: all counters are exact whatever happens meanwhile, at CPL %d", 3 * user);
	vcpu->on_user_exit = NULL;
	vmm_pin(options.cpu);
	machine_stop(&idle);
	machine_stop(&counting);
}

/* --- what it costs --- */

static uint64_t accesses(const struct guest_cpu *area)
{
	const struct mpmu_region *from = &area->region[0], *to = &area->region[1];

	return emu_root_accesses(to) - emu_root_accesses(from) + to->lvtpc_writes - from->lvtpc_writes;
}

static long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

/* By a task without counters. */
static pid_t spinner_start(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			;
	return pid;
}

static uint64_t accesses_of_preemptions(struct machine *machine, long *times)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	pid_t spinner = spinner_start();
	long before = preemptions();
	uint64_t sum = 0;

	leave_marks(machine);
	memset(&vcpu->area->job, 0, sizeof(vcpu->area->job));
	vcpu->area->job.program = PROGRAM_LOOP_ONCE;
	vcpu->area->job.body = BODY_PLAIN;
	vcpu->area->job.count = 200000;
	do {
		if (machine_run(machine))
			fatal("the guest ended");
		sum += accesses(vcpu->area);
		*times = preemptions() - before;
	} while (*times < PREEMPTIONS);
	kill(spinner, SIGKILL);
	waitpid(spinner, NULL, 0);
	return sum;
}

static void test_preemption(struct machine *machine)
{
	uint64_t with, without;
	long times[2];

	with = accesses_of_preemptions(machine, &times[0]);
	park_guests(false);
	without = accesses_of_preemptions(machine, &times[1]);
	park_guests(true);
	check(!with, "E9 park: preemption by a task without counters costs no access (%d)", (int)with);
	check(without > 10 * PREEMPTIONS, "E9 park: without it, it does (%d)", (int)without);
	note("%ld and %ld preemptions", times[0], times[1]);
}

int test_park(void)
{
	struct machine machine;
	size_t i;

	if (!emu_present())
		fatal("the emulator dumps the registers");
	machine_start(&machine, &(struct vm_config){ 0 });
	test_preemption(&machine);
	test_all_tasks(&machine);
	test_other_task(&machine);
	test_own_tasks(&machine);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		test_other_guest(&machine, &others[i].config, others[i].name);
	test_ioctl(&machine);
	test_offline(&machine);
	test_counts(&machine);
	machine_stop(&machine);
	test_end(false);
	test_end(true);
	return 0;
}
