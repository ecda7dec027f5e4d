// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Host events beside a guest that counts: who may exist with whom, both exact,
 * and the guest loses nothing whatever takes its PMU away.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vpmu.h"

#define ROUNDS		2

static unsigned int count_rounds(struct machine *machine, int rounds)
{
	static const struct {
		enum guest_body body;
		uint64_t turns;
	} bodies[] = { { BODY_PLAIN, 100000 }, { BODY_CPUID, 200 }, { BODY_PORT_USER, 200 } };
	unsigned int wrong = 0;
	int i;

	for (i = 0; i < 6 * rounds; i++)
		wrong += count_wrong(machine, bodies[i % 3].body,
				     bodies[i % 3].turns + random_below(100), i & 1);
	return wrong;
}

/* Rows A4 and B6: who may exist with whom. */
static void test_exclusion(void)
{
	struct machine machine;
	struct vm vm;
	int fd, status;

	fd = host_event(options.cpu, 0, 0);
	check(fd >= 0, "no VM: an event that includes guests opens");
	status = vm_create(&vm, &(struct vm_config){ 0 });
	check(status == -EBUSY, "with it: a vCPU with a PMU is refused, EBUSY (%d)", status);
	if (!status)
		vm_destroy(&vm);
	status = vm_create(&vm, &(struct vm_config){ .no_pmu = true });
	check(!status, "with it: a vCPU without a PMU is not (%d)", status);
	if (!status)
		vm_destroy(&vm);
	host_event_close(fd);

	machine_start(&machine, &(struct vm_config){ 0 });
	fd = host_event(options.cpu, 0, 0);
	check(fd == -EOPNOTSUPP, "a VM: an event that includes guests is refused (%d)", fd);
	fd = host_event(options.cpu, HOST_EXCLUDE_HOST, 0);
	check(fd == -EOPNOTSUPP, "a VM: an event of guests only is refused (%d)", fd);
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	check(fd >= 0, "a VM: an event that excludes guests opens (%d)", fd);
	host_event_close(fd);
	check(!count_rounds(&machine, 1), "the guest counts exactly after these");
	machine_stop(&machine);
	fd = host_event(options.cpu, 0, 0);
	check(fd >= 0, "the VM is gone: an event that includes guests opens (%d)", fd);
	host_event_close(fd);
}

/* As the descriptors of this process run out. */
static int create_vcpu_in_vain(int vm)
{
	struct rlimit limit, none;
	int fd, error;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){ 0, limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	fd = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	error = errno;
	setrlimit(RLIMIT_NOFILE, &limit);
	return fd < 0 ? -error : fd;
}

/* Row B4: a vCPU that could not be made binds its VM to no kind of PMU. */
static void test_failed_vcpu(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PMU_CAPABILITY, .args = { KVM_PMU_CAP_DISABLE } };
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0UL), fd, vcpu;

	check(!ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) && !ioctl(vm, KVM_CREATE_IRQCHIP),
	      "a VM with a local APIC");
	check(create_vcpu_in_vain(vm) == -EMFILE, "its first vCPU cannot be made");
	check(!ioctl(vm, KVM_ENABLE_CAP, &cap), "it gives up its PMU then");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	check(vcpu >= 0, "and gets a vCPU");
	fd = host_event(options.cpu, 0, 0);
	check(fd >= 0, "beside which an event that includes guests opens (%d)", fd);
	host_event_close(fd);
	close(vcpu);
	close(vm);
	close(kvm);
}

/*
 * A VM without an in-kernel local APIC has the emulated PMU, which has less than
 * the supported CPUID says: that is of the default kind.
 */
static void test_both_kinds(bool emulated_first)
{
	const struct vm_config configs[2] = {
		{ .no_apic = true, .version = 2, .nr_fixed = 3 },
		{ .no_apic = false },
	};
	const char *order = emulated_first ? "emulated first" : "mediated first";
	struct machine machines[2];
	unsigned int wrong[2] = { 0, 0 };
	int i, round;

	for (i = 0; i < 2; i++) {
		int kind = emulated_first ? i : !i;

		machine_start(&machines[kind], &configs[kind]);
	}
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < 2; i++)
			wrong[i] += count_wrong(&machines[i], BODY_PLAIN, 10000, round & 1);
	check(!wrong[0], "two VMs, %s: the emulated PMU counts exactly", order);
	check(!wrong[1], "two VMs, %s: the mediated PMU counts exactly", order);
	for (i = 0; i < 2; i++)
		machine_stop(&machines[i]);
}

/* What takes the PMU away while the guest counts, each a thread. */
struct disturber {
	const char *name;
	void (*round)(void);
	bool here;		/* on the guest's CPU, above it, with pauses */
};

static volatile bool stop_disturbing;
static volatile unsigned int rounds_done;
static int disturber_fd = -1;

static void round_toggle(void)
{
	host_event_enable(disturber_fd, true);
	spin_between_reclaims();
	host_event_enable(disturber_fd, false);
	spin_between_reclaims();
}

static void round_open(void)
{
	host_event_close(host_event(options.cpu, HOST_EXCLUDE_GUEST, 0));
	spin_between_reclaims();
}

/* More events than counters: perf rotates them. */
static void round_rotate(void)
{
	int fds[16], i;

	for (i = 0; i < 16; i++)
		fds[i] = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	usleep(20000);
	for (i = 0; i < 16; i++)
		host_event_close(fds[i]);
}

static void round_task(void)
{
	int fd = host_event(0, HOST_TASK | HOST_EXCLUDE_GUEST, 0);

	host_event_read(fd);
	host_event_close(fd);
}

/* A mapped event lets its task use RDPMC: CR4.PCE, dirty counters cleared. */
static void round_rdpmc(void)
{
	int fd = host_event(0, HOST_TASK | HOST_EXCLUDE_GUEST, 0);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	sched_yield();
	if (page != MAP_FAILED)
		munmap(page, 4096);
	host_event_close(fd);
}

static void round_sample(void)
{
	int fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 20000);

	usleep(5000);
	host_event_close(fd);
}

static const struct disturber disturbers[] = {
	{ "a host event comes and goes", round_toggle, false },
	{ "host events open and close", round_open, false },
	{ "host events rotate", round_rotate, false },
	{ "a host event samples", round_sample, false },
	{ "another task counts", round_task, true },
	{ "another task uses RDPMC", round_rdpmc, true },
};

static void *disturb(void *argument)
{
	const struct disturber *disturber = argument;
	struct sched_param fifo = { .sched_priority = 1 };
	struct timespec pause = { .tv_nsec = 1000000 };

	if (disturber->here)
		pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo);
	else
		vmm_pin(!options.cpu);
	while (!stop_disturbing) {
		disturber->round();
		rounds_done++;
		if (disturber->here)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

static void test_disturbed(struct machine *machine, const struct disturber *disturber)
{
	pthread_t thread;
	unsigned int wrong;

	stop_disturbing = false;
	rounds_done = 0;
	disturber_fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_DISABLED, 0);
	if (pthread_create(&thread, NULL, disturb, (void *)disturber))
		fatal("no thread");
	wrong = count_rounds(machine, ROUNDS);
	stop_disturbing = true;
	pthread_join(thread, NULL);
	host_event_close(disturber_fd);
	check(!wrong, "%s: the guest counts exactly", disturber->name);
	check(rounds_done >= 3, "%s: and often", disturber->name);
	note("%u times", rounds_done);
}

/* Interrupts of the vector, on all CPUs. */
static uint64_t vpmi_count(void)
{
	uint64_t sum = 0, value;
	char line[512], *at;
	int used;
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && fgets(line, sizeof(line), file)) {
		at = strstr(line, "VPMI:");
		if (!at)
			continue;
		for (at += 5; sscanf(at, "%lu%n", &value, &used) == 1; at += used)
			sum += value;
	}
	if (file)
		fclose(file);
	return sum;
}

static void test_vector(struct machine *machine)
{
	struct guest_cpu *area = machine->vm.cpu[0].area;
	struct guest_job *job = &area->job;
	uint64_t before = vpmi_count();

	job_clear(job, &machine->pmu);
	job_write(job, pmu_counter(&machine->pmu, 0), (1ULL << 48) - 1000);
	job_write(job, pmu_eventsel(&machine->pmu, 0),
		  pmu_select(&machine->pmu, EVENT_INSTRUCTIONS, MODE_ALL, true));
	job->program = PROGRAM_PMI;
	job->body = BODY_PLAIN;
	job->count = 100;
	job->start = 1;
	job->pmi_msr[0] = pmu_counter(&machine->pmu, 0);
	job->pmi_period[0] = 1000;
	job->pmi_target = 100;
	job->pmi_max_turns = 1000;
	if (machine_run(machine))
		fatal("the guest ended");
	check(vpmi_count() - before == area->result.pmis,
	      "/proc/interrupts: VPMI counts the guest's PMIs (%llu, %llu)",
	      (unsigned long long)(vpmi_count() - before), (unsigned long long)area->result.pmis);
}

static bool write_sysctl(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");
	bool ok = file && fputs(value, file) >= 0;

	return file && !fclose(file) && ok;
}

/* Row A12: the watchdog's event excludes guests, so it may exist. */
static void test_watchdog(struct machine *machine)
{
	static const char path[] = "/proc/sys/kernel/nmi_watchdog";

	if (access(path, W_OK)) {
		skip("this kernel has no hard lockup detector", "the NMI watchdog");
		return;
	}
	check(write_sysctl(path, "1\n"), "the NMI watchdog starts beside a VM");
	check(!count_rounds(machine, 1), "the guest counts exactly beside the NMI watchdog");
	write_sysctl(path, "0\n");
}

int test_host(void)
{
	struct machine machine;
	size_t i;

	if (!emu_present())
		fatal("counts are compared with the emulator's truth");
	if (wanted("exclusion")) {
		test_exclusion();
		test_failed_vcpu();
	}
	for (i = 0; wanted("two VMs") && i < 2; i++)
		test_both_kinds(i);
	machine_start(&machine, &(struct vm_config){ 0 });
	if (wanted("vector"))
		test_vector(&machine);
	if (wanted("watchdog"))
		test_watchdog(&machine);
	for (i = 0; i < sizeof(disturbers) / sizeof(disturbers[0]); i++)
		if (wanted(disturbers[i].name))
			test_disturbed(&machine, &disturbers[i]);
	machine_stop(&machine);
	return 0;
}
