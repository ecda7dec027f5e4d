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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	check(fd >= 0, "A4 no VM: an event that includes guests opens");
	status = vm_create(&vm, &(struct vm_config){ 0 });
	check(status == -EBUSY, "B6 with it: a vCPU with a PMU is refused, EBUSY (%d)", status);
	if (!status)
		vm_destroy(&vm);
	status = vm_create(&vm, &(struct vm_config){ .no_pmu = true });
	check(!status, "B4 with it: a vCPU without a PMU is not (%d)", status);
	if (!status)
		vm_destroy(&vm);
	host_event_close(fd);

	machine_start(&machine, &(struct vm_config){ 0 });
	fd = host_event(options.cpu, 0, 0);
	check(fd == -EOPNOTSUPP, "A4 a VM: an event that includes guests is refused (%d)", fd);
	fd = host_event(options.cpu, HOST_EXCLUDE_HOST, 0);
	check(fd == -EOPNOTSUPP, "A4 a VM: an event of guests only is refused (%d)", fd);
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	check(fd >= 0, "A4 a VM: an event that excludes guests opens (%d)", fd);
	host_event_close(fd);
	check(!count_rounds(&machine, 1), "A4 the guest counts exactly after these");
	machine_stop(&machine);
	fd = host_event(options.cpu, 0, 0);
	check(fd >= 0, "A4 the VM is gone: an event that includes guests opens (%d)", fd);
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
	      "B4 a VM with a local APIC");
	check(create_vcpu_in_vain(vm) == -EMFILE, "B4 its first vCPU cannot be made");
	check(!ioctl(vm, KVM_ENABLE_CAP, &cap), "B4 it gives up its PMU then");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	check(vcpu >= 0, "B4 and gets a vCPU");
	fd = host_event(options.cpu, 0, 0);
	check(fd >= 0, "B4 beside which an event that includes guests opens (%d)", fd);
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
	check(!wrong[0], "B5 two VMs, %s: the emulated PMU counts exactly", order);
	check(!wrong[1], "B4 two VMs, %s: the mediated PMU counts exactly", order);
	for (i = 0; i < 2; i++)
		machine_stop(&machines[i]);
}

#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#define VM_TYPE_SEV_ES	3
#define VM_TYPE_SNP	4

/* 0 if a VM of that type gets a vCPU, which leaves events that count guests alone. */
static int protected_vm(unsigned long type)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, type), vcpu = -1;
	int status, event;

	if (vm >= 0 && !ioctl(vm, KVM_CREATE_IRQCHIP))
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	status = vcpu < 0 ? -errno : 0;
	event = host_event(options.cpu, 0, 0);
	if (!status && event < 0)
		status = event;
	host_event_close(event);
	close(vcpu);
	close(vm);
	close(kvm);
	return status;
}

/* Row B8: what the hypervisor cannot look into has no mediated PMU. */
static void test_protected(struct machine *machine)
{
	static const struct {
		unsigned long type;
		const char *name;
	} types[] = { { VM_TYPE_SEV_ES, "SEV-ES" }, { VM_TYPE_SNP, "SEV-SNP" } };
	int offered = ioctl(vmm_open(), KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	struct kvm_sev_cmd init = { .id = KVM_SEV_ES_INIT };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bool known = offered & 1 << types[i].type;
		int status = protected_vm(types[i].type), want = known ? 0 : -EINVAL;

		check(status == want, "B8 a VM of type %s is %s (%d)", types[i].name,
		      known ? "not mediated" : "refused", status);
	}
	check(ioctl(machine->vm.fd, KVM_MEMORY_ENCRYPT_OP, &init) == -1,
	      "B8 a VM with vCPUs does not become one of SEV-ES");
	check(!count_rounds(machine, 1), "B8 the guest counts exactly after that");
}

static bool write_sysctl(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");
	bool ok = file && fputs(value, file) >= 0;

	return file && !fclose(file) && ok;
}

/*
 * What takes the PMU away while the guest counts, each a thread.  A round says
 * whether it happened.
 */
struct disturber {
	const char *name;
	bool (*round)(void);
	bool here;		/* on the guest's CPU, above it, with pauses */
	bool puts;		/* the guest has been put before it happens */
};

static volatile bool stop_disturbing;
static volatile unsigned int rounds_done;
static int disturber_fd = -1;

static bool round_toggle(void)
{
	host_event_enable(disturber_fd, true);
	spin_between_reclaims();
	host_event_enable(disturber_fd, false);
	spin_between_reclaims();
	return true;
}

static bool round_open(void)
{
	host_event_close(host_event(options.cpu, HOST_EXCLUDE_GUEST, 0));
	spin_between_reclaims();
	return true;
}

/* More events than counters: perf rotates them, so that in the end each has counted. */
static bool round_rotate(void)
{
	bool all = true;
	int fds[16], i;

	for (i = 0; i < 16; i++)
		fds[i] = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	usleep(40000);
	for (i = 0; i < 16; i++) {
		all &= host_event_read(fds[i]) > 0;
		host_event_close(fds[i]);
	}
	return all;
}

static bool round_task(void)
{
	int fd = host_event(0, HOST_TASK | HOST_EXCLUDE_GUEST, 0);
	bool counted = host_event_read(fd) > 0;

	host_event_close(fd);
	return counted;
}

/* A mapped event lets its task use RDPMC: CR4.PCE, dirty counters cleared. */
static bool round_rdpmc(void)
{
	void *page;
	int fd = host_reader_begin(&page);

	sched_yield();
	host_reader_end(fd, page);
	return true;
}

static bool round_sample(void)
{
	int fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 20000);

	usleep(5000);
	host_event_close(fd);
	return true;
}

/* The next record of a ring that had room for all of them; NULL at @end. */
static const struct perf_event_header *next_record(const struct perf_event_mmap_page *ring,
						   uint64_t *at, uint64_t end)
{
	const char *data = (const char *)ring + ring->data_offset;
	const struct perf_event_header *header = (const void *)(data + *at % ring->data_size);

	if (*at >= end)
		return NULL;
	*at += header->size;
	return header;
}

static uint64_t end_of(const struct perf_event_mmap_page *ring)
{
	return __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
}

/* Does the ring hold a record of that type? */
static bool ring_has(const struct perf_event_mmap_page *ring, uint32_t type)
{
	const struct perf_event_header *header;
	const uint64_t end = end_of(ring);
	uint64_t at = 0;

	while ((header = next_record(ring, &at, end)))
		if (header->type == type)
			return true;
	return false;
}

/* More samples than perf allows in a tick: it stops the event until the next one. */
static bool round_throttle(void)
{
	const size_t size = 17 * 4096;
	int fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 100);
	void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bool throttled = false;

	usleep(12000);
	host_event_enable(fd, false);
	if (ring != MAP_FAILED) {
		throttled = ring_has(ring, PERF_RECORD_THROTTLE);
		munmap(ring, size);
	}
	host_event_close(fd);
	return throttled;
}

#define CGROUP	"/tmp/vpmu-cgroup"

/* An event of a control group with one task, this one: its switches are the group's. */
static int cgroup_event(void)
{
	char tid[16];
	int dir, fd;

	mkdir(CGROUP, 0755);
	mount("none", CGROUP, "cgroup", 0, "perf_event");
	mkdir(CGROUP "/one", 0755);
	snprintf(tid, sizeof(tid), "%ld", syscall(SYS_gettid));
	if (!write_sysctl(CGROUP "/one/tasks", tid))
		fatal("no task in a control group");
	dir = open(CGROUP "/one", O_RDONLY | O_CLOEXEC);
	fd = host_event_of(dir, options.cpu, HOST_EXCLUDE_GUEST | HOST_CGROUP, 0);
	close(dir);
	return fd;
}

static bool round_cgroup(void)
{
	static int fd = -1;
	static uint64_t last;
	uint64_t before = last;

	if (fd < 0)
		fd = cgroup_event();
	last = host_event_read(fd);
	if (!stop_disturbing)
		return last > before;
	host_event_close(fd);
	fd = -1;
	last = 0;
	return false;
}

static const struct disturber disturbers[] = {
	{ "A11 a host event comes and goes", round_toggle, false, false },
	{ "A11 host events open and close", round_open, false, false },
	{ "A11 host events rotate", round_rotate, false, false },
	{ "A11 a host event samples", round_sample, false, false },
	{ "A11 a host event is throttled", round_throttle, false, false },
	{ "A11 another task counts", round_task, true, true },
	{ "A11 another task uses RDPMC", round_rdpmc, true, true },
	{ "A11 a control group of another task counts", round_cgroup, true, false },
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
		rounds_done += disturber->round();
		if (disturber->here)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

static uint64_t reclaims(void)
{
	struct mpmu_watch watch;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &watch);
	return watch.hits[MPMU_WATCH_RECLAIM];
}

static void test_disturbed(struct machine *machine, const struct disturber *disturber)
{
	uint64_t before = reclaims();
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
	if (!disturber->puts)
		check(reclaims() - before >= 3, "%s: the guest's PMU is taken away",
		      disturber->name);
	note("%u times, %llu reclaims", rounds_done, (unsigned long long)(reclaims() - before));
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
	uint64_t before = vpmi_count();

	pmi_job(&machine->pmu, &area->job, BODY_PLAIN, 100, false);
	if (machine_run(machine))
		fatal("the guest ended");
	check(vpmi_count() - before == area->result.pmis,
	      "A8 /proc/interrupts: VPMI counts the guest's PMIs (%llu, %llu)",
	      (unsigned long long)(vpmi_count() - before), (unsigned long long)area->result.pmis);
}

/* Row A12: the watchdog's event excludes guests, so it may exist. */
static void test_watchdog(struct machine *machine)
{
	static const char path[] = "/proc/sys/kernel/nmi_watchdog";

	if (access(path, W_OK)) {
		skip("this kernel has no hard lockup detector", "the NMI watchdog");
		return;
	}
	check(write_sysctl(path, "1\n"), "A12 the NMI watchdog starts beside a VM");
	check(!count_rounds(machine, 1), "A12 the guest counts exactly beside the NMI watchdog");
	write_sysctl(path, "0\n");
}

#define RATE		1000	/* samples in a second */
#define TICK_NS		4000000	/* CONFIG_HZ=250 */
#define RING_PAGES	512
#define SHARE		"/proc/sys/kernel/perf_cpu_time_max_percent"
#define LIMIT		"/proc/sys/kernel/perf_event_max_sample_rate"

/*
 * Where no share of the time limits samples, the limit cannot be written; where one
 * does, each sample may change the limit: so there is no event yet.
 */
static bool limit_samples(const char *limit)
{
	bool ok = write_sysctl(SHARE, "99") && write_sysctl(LIMIT, limit);

	return write_sysctl(SHARE, "0") && ok;
}

static unsigned int samples_between(const struct perf_event_mmap_page *ring, uint64_t at,
				    uint64_t end)
{
	const struct perf_event_header *header;
	unsigned int samples = 0;

	while ((header = next_record(ring, &at, end)))
		samples += header->type == PERF_RECORD_SAMPLE;
	return samples;
}

static unsigned int samples_in(const struct perf_event_mmap_page *ring)
{
	return samples_between(ring, 0, end_of(ring));
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Where throttling first ends twice in a tick, or lets too many samples through. */
static void show_throttling(const struct perf_event_mmap_page *ring, uint64_t at, uint64_t end)
{
	const struct {
		struct perf_event_header header;
		uint64_t time, id, stream_id;
	} *record;
	unsigned int samples = 0, shown = 0;
	uint64_t last = 0;

	while (shown < 8 && (record = (const void *)next_record(ring, &at, end))) {
		samples += record->header.type == PERF_RECORD_SAMPLE;
		if (record->header.type != PERF_RECORD_UNTHROTTLE)
			continue;
		if (last && (samples > RATE / 250 || record->time - last < TICK_NS / 2)) {
			note("throttled: ends at %llu ns, %llu ns and %u samples after it ended last",
			     (unsigned long long)record->time,
			     (unsigned long long)(record->time - last), samples);
			shown++;
		}
		last = record->time;
		samples = 0;
	}
}

/*
 * Row A7: each exit brings the event back, but a tick alone ends its throttling.  The
 * guest uses its counter, too: some NMI throttles it just as it stops for the guest.
 */
static void test_throttled(struct machine *machine, int delay)
{
	const uint64_t turns = options.exits ? options.exits / 20 : 2000;
	struct perf_event_mmap_page *ring;
	unsigned int samples, wrong;
	uint64_t ticks, begin, end;
	int fd;

	if (!limit_samples("1000"))
		fatal("no limit: %s", strerror(errno));
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_EXCLUDE_USER | HOST_PINNED, 2000);
	ring = mmap(NULL, (1 + RING_PAGES) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		fatal("throttled: no event: %s", strerror(errno));
	/* No sample counts that came before or after the time that is measured. */
	ticks = now_ns();
	begin = end_of(ring);
	emu_pmi_delay((uint64_t)delay);
	wrong = count_wrong(machine, BODY_CPUID, turns, false);
	emu_pmi_delay(0);
	end = end_of(ring);
	ticks = (now_ns() - ticks) / TICK_NS;
	samples = samples_between(ring, begin, end);
	note("throttled: %u samples in %u ticks", samples, (unsigned int)ticks);
	if (!check(samples <= (ticks + 2) * RATE / 250,
		   "A7 throttled, NMIs %d late: no more samples than without a guest", delay))
		show_throttling(ring, begin, end);
	check(samples >= ticks / 2, "A7 throttled, NMIs %d late: but some after each tick", delay);
	check(!wrong, "A7 throttled, NMIs %d late: the guest counts exactly", delay);
	munmap(ring, (1 + RING_PAGES) * 4096);
	host_event_close(fd);
	limit_samples("100000");
}

struct sampler {
	int fd;
	uint64_t period;
	struct perf_event_mmap_page *ring;
	uint64_t dropped;
};

/* Interrupts of counters that came while the LVTPC was masked. */
static uint64_t dropped_pmis(void)
{
	static struct mpmu_truth truth;
	uint64_t dropped = 0;
	int i;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth);
	for (i = 0; i < MPMU_MAX_PMCS; i++)
		dropped += truth.gp[i].dropped + truth.fixed[i].dropped;
	return dropped;
}

/* Not a sample before there is a ring for it. */
static void sampler_open(struct sampler *sampler)
{
	sampler->fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED | HOST_DISABLED,
				 sampler->period);
	sampler->ring = mmap(NULL, (1 + RING_PAGES) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			     sampler->fd, 0);
	if (sampler->ring == MAP_FAILED)
		fatal("no event that samples: %s", strerror(errno));
	sampler->dropped = dropped_pmis();
	host_event_enable(sampler->fd, true);
}

/*
 * perf for Haswell to Skylake enables the counters again before it unmasks the LVTPC.
 * What overflows in between waits for the next NMI, of whatever event, with no guest
 * about as well: that is so many samples at most.
 */
#define LOST_WITH_A_PMI	8

static void sampler_close(struct sampler *sampler, int delay)
{
	uint64_t count, dropped, lost;

	host_event_enable(sampler->fd, false);
	dropped = dropped_pmis() - sampler->dropped;
	count = host_event_read(sampler->fd);
	lost = count / sampler->period - samples_in(sampler->ring);
	check(lost <= LOST_WITH_A_PMI * dropped,
	      "A6 NMIs %d late: an event of the host has a sample per %llu instructions (%u, of %llu)",
	      delay, (unsigned long long)sampler->period, samples_in(sampler->ring),
	      (unsigned long long)count);
	if (dropped)
		note("%llu interrupts came while perf had the LVTPC masked, %llu samples are lost",
		     (unsigned long long)dropped, (unsigned long long)lost);
	munmap(sampler->ring, (1 + RING_PAGES) * 4096);
	host_event_close(sampler->fd);
}

/*
 * The guest uses all counters, those of the two events, too.  Many an event has just
 * overflowed as it has to stop for the guest, and its NMI has yet to come.
 */
static void test_sampled(struct machine *machine, int delay)
{
	struct sampler samplers[] = { { .period = 20011 }, { .period = 50021 } };
	const uint64_t turns = options.exits ? options.exits / 3 : 5000;
	unsigned int wrong;

	if (!limit_samples("100000"))
		fatal("no limit: %s", strerror(errno));
	emu_pmi_delay((uint64_t)delay);
	sampler_open(&samplers[0]);
	sampler_open(&samplers[1]);
	wrong = count_wrong(machine, BODY_CPUID, turns, false);
	sampler_close(&samplers[0], delay);
	sampler_close(&samplers[1], delay);
	emu_pmi_delay(0);
	check(!wrong, "A6 NMIs %d late: the guest counts exactly beside events that sample", delay);
	check(!log_count("NMI received for unknown reason"), "A6 NMIs %d late: none is left over",
	      delay);
}

/*
 * A guest beside an event of the host knows of overflows before their NMIs come, or of
 * such as have none, where KVM has executed the instruction.  Perf expects these NMIs.
 * It must not claim another one, such as a dump button's: a guest would keep that from
 * the host as long as it likes.  The log is cleared: what it says of that NMI is no
 * complaint.
 */
int test_nmi(void)
{
	const char *unknown = "NMI received for unknown reason";
	struct machine machine;
	struct guest_job *job;
	int event, unclaimed;

	if (!emu_present())
		fatal("the NMI comes from the emulator");
	event = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0);
	machine_start(&machine, &(struct vm_config){ 0 });
	job = &machine.vm.cpu[0].area->job;
	pmi_job(&machine.pmu, job, BODY_CPUID, 1000, false);
	job_write(job, pmu_eventsel(&machine.pmu, 0),
		  pmu_select(&machine.pmu, EVENT_INSTRUCTIONS, MODE_USER, true));
	job->flags |= JOB_USER;
	sleep(1);	/* the line that the NMI is worth would tear those of others */
	if (machine_run(&machine))
		fatal("the guest ended");
	unclaimed = log_count(unknown);
	MPMU_MAGIC_NOP(MPMU_CMD_RAISE_NMI, 0);
	sleep(1);
	check(machine.vm.cpu[0].area->result.pmis > 100, "A6 a guest has PMIs beside an event of the host");
	check(!unclaimed, "A6 somebody claims each NMI");
	check(log_count(unknown) == unclaimed + 1, "A6 nobody claims the platform's");
	check(!log_count("WARNING:") && !log_count("BUG:"), "A6 nothing else is in the log");
	log_clear();
	host_event_close(event);
	machine_stop(&machine);
	return 0;
}

int test_host(void)
{
	struct machine machine;
	size_t i;
	int delay;

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
	for (delay = 0; delay <= 100 && wanted("throttled"); delay += 100)
		test_throttled(&machine, delay);
	for (delay = 0; delay <= 100 && wanted("sampled"); delay += 100)
		test_sampled(&machine, delay);
	if (wanted("protected"))
		test_protected(&machine);
	emu_watch(MPMU_WATCH_RECLAIM, kernel_function("x86_guest_pmu_reclaim"));
	for (i = 0; i < sizeof(disturbers) / sizeof(disturbers[0]); i++)
		if (wanted(disturbers[i].name))
			test_disturbed(&machine, &disturbers[i]);
	emu_watch(MPMU_WATCH_RECLAIM, 0);
	machine_stop(&machine);
	return 0;
}
