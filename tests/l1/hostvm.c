/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof of the emulator's PMU across VM entry and exit, on a stock kernel: a
 * guest without a PMU of its own, counted from the host with exclude_host and
 * exclude_guest events; and that interrupts of the host leave a guest that has
 * its own closed.
 *
 * hostvm [-n LENGTH]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "tap.h"
#include "emu.h"
#include "audit.h"
#include "pmc.h"

static long length = 3001;

/* Real mode, at 0x1000; ESI is the length, each program ends in OUT. */
struct program {
	const char *name;
	unsigned char code[32];
	unsigned int instructions, branches;	/* per n: what retires, exits do not */
};

static const struct program programs[] = {
	{ "CPUID exits", {
		0x66, 0x31, 0xc0,	/* 1: xor %eax, %eax */
		0x0f, 0xa2,		/* cpuid */
		0x66, 0x4e,		/* dec %esi */
		0x75, 0xf7,		/* jnz 1b */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 3, 1 },
	{ "port I/O exits to user space", {
		0xe6, 0x11,		/* 1: out %al, $0x11 */
		0x66, 0x4e,		/* dec %esi */
		0x75, 0xfa,		/* jnz 1b */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 2, 1 },
	{ "a loop without exits", {
		0x66, 0x4e,		/* 1: dec %esi */
		0x75, 0xfc,		/* jnz 1b */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 2, 1 },
	{ }
};

/* Entered with IF clear. */
static const struct program closed_loop = {
	"a loop", {
		0x66, 0x4e,		/* 1: dec %esi */
		0x75, 0xfc,		/* jnz 1b */
		0xfb,			/* sti */
		0x90,			/* nop */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 0, 0
};

/* MOVSB loads from memory, and exits as there is none to store to: KVM does it. */
static const struct program mmio = {
	"loads that exit", {
		0x66, 0x89, 0xf1,	/* mov %esi, %ecx */
		0xb8, 0, 0x20,		/* mov $0x2000, %ax */
		0x8e, 0xc0,		/* mov %ax, %es */
		0xbe, 0, 0x30,		/* 1: mov $0x3000, %si */
		0x31, 0xff,		/* xor %di, %di */
		0xa4,			/* movsb */
		0x66, 0x49,		/* dec %ecx */
		0x75, 0xf6,		/* jnz 1b */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 4, 1
};

/* #GP ends in OUT to another port. */
static const struct program rdpmc_l3 = {
	"RDPMC of an L3 counter", {
		0x66, 0xb9, 10, 0, 0, 0,	/* mov $10, %ecx */
		0x0f, 0x33,			/* rdpmc */
		0xe6, 0x10,			/* out %al, $0x10 */
	}, 0, 0
};

static const struct program rdpmc_metrics = {
	"RDPMC of the metrics", {
		0x66, 0xb9, 0, 0, 0, 0x20,	/* mov $0x20000000, %ecx */
		0x0f, 0x33,			/* rdpmc */
		0xe6, 0x10,			/* out %al, $0x10 */
	}, 0, 0
};

static const struct program closed_halt = {
	"HLT", {
		0xf4,			/* hlt */
		0xe6, 0x10,		/* out %al, $0x10 */
	}, 0, 0
};

struct vm {
	int fd;
	int vcpu;
	unsigned char *memory;
	struct kvm_run *run;
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void vm_memory(struct vm *vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = 0x10000 };

	vm->memory = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(vm->memory != MAP_FAILED, "mmap");
	region.userspace_addr = (uintptr_t)vm->memory;
	need(!ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "memory region");
}

/* HLT leaves the guest, or not. */
static void vm_open(struct vm *vm, bool halts)
{
	struct kvm_enable_cap halt = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = KVM_X86_DISABLE_EXITS_HLT,
	};
	int kvm = open("/dev/kvm", O_RDWR);

	need(kvm >= 0, "/dev/kvm");
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	need(vm->fd >= 0, "KVM_CREATE_VM");
	need(!halts || !ioctl(vm->fd, KVM_ENABLE_CAP, &halt), "HLT without an exit");
	vm_memory(vm);
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	need(vm->vcpu >= 0, "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		       MAP_SHARED, vm->vcpu, 0);
	need(vm->run != MAP_FAILED, "mmap of kvm_run");
}

static void vm_set(struct vm *vm, const struct program *p, long n)
{
	struct kvm_regs regs = { .rip = 0x1000, .rsi = n, .rflags = 2 };
	struct kvm_sregs sregs;

	need(!ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	need(!ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	need(!ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	memcpy(vm->memory + 0x1000, p->code, sizeof(p->code));
}

static void vm_run(struct vm *vm, const struct program *p, long n)
{
	vm_set(vm, p, n);
	do {
		need(!ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN");
		need(vm->run->exit_reason == KVM_EXIT_IO || vm->run->exit_reason == KVM_EXIT_MMIO,
		     "an exit that is I/O");
	} while (vm->run->exit_reason == KVM_EXIT_MMIO || vm->run->io.port != 0x10);
}

static int open_counter(struct event e, bool guest, bool whole_cpu)
{
	struct perf_event_attr attr = event_attr(e);

	attr.pinned = 1;
	attr.exclude_host = guest;
	attr.exclude_guest = !guest;
	return event_open(&attr, whole_cpu ? -1 : 0, whole_cpu ? 0 : -1, -1);
}

/* --- guest events: what read() returns --- */

static uint64_t count(int fd, struct vm *vm, const struct program *p, long n)
{
	uint64_t value = 0;

	ioctl(fd, PERF_EVENT_IOC_RESET, 0);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	vm_run(vm, p, n);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	event_read(fd, &value);
	return value;
}

static void check_guest(struct vm *vm, struct event e, const struct program *p, unsigned int each)
{
	int fd = open_counter(e, true, false);
	uint64_t one = count(fd, vm, p, length);
	uint64_t two = count(fd, vm, p, 2 * length);

	check_eq(two - one, (uint64_t)length * each, "guest: %s over %s, exact", e.name, p->name);
	close(fd);
}

/* What a load does before its instruction exits is not the guest's, nor the host's. */
static void check_loads(struct vm *vm, enum core core)
{
	const struct truth_event *t = truth_event_of(core, TRUTH_LOADS);
	const struct event loads = { PERF_TYPE_RAW, t->select, t->name };
	const struct event instructions = EVENT_INSTRUCTIONS;

	check_guest(vm, loads, &mmio, 0);
	check_guest(vm, instructions, &mmio, mmio.instructions);
}

/* --- both sides, against the truth --- */

static const struct event events[] = { EVENT_INSTRUCTIONS, EVENT_BRANCHES, EVENT_CYCLES };

static void check_truth(struct vm *vm, const struct program *p, bool guest)
{
	static struct snapshot from, to;
	struct audit a;
	int fds[3], i;

	for (i = 0; i < 3; i++) {
		fds[i] = open_counter(events[i], guest, true);
		ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0);
	}
	emu_snapshot(&from);
	vm_run(vm, p, length);
	emu_snapshot(&to);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	a = audit(&from, &to, guest ? AUDIT_GUEST : AUDIT_ROOT);
	if (a.wrong)
		note("wrong counters %#llx of %#llx, one by %lld",
		     (unsigned long long)a.wrong, (unsigned long long)a.active,
		     (long long)a.worst);
	check(a.active && !a.wrong, "%s: three events over %s equal the truth",
	      guest ? "guest" : "host", p->name);
}

/* --- interrupts, while those of the guest are closed --- */

#define TURNS		20000000	/* far more than the timer's */
#define TIMER_US	5000

static void on_alarm(int signal)
{
	(void)signal;
}

static void start_alarm(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = { .it_value.tv_usec = TIMER_US };

	need(!sigaction(SIGALRM, &action, NULL), "sigaction");
	need(!setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

/* How KVM_RUN ended, and what the guest still had to do. */
static int vm_go_on(struct vm *vm, uint64_t *left)
{
	int status = ioctl(vm->vcpu, KVM_RUN, 0) ? -errno : (int)vm->run->exit_reason;
	struct kvm_regs regs;

	need(!ioctl(vm->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	*left = regs.rsi;
	return status;
}

static int run_closed(struct vm *vm, const struct program *p, uint64_t *left)
{
	vm_set(vm, p, TURNS);
	start_alarm();
	return vm_go_on(vm, left);
}

/* The timer interrupts the guest; the window for one of its own opens with STI. */
static void check_closed(struct vm *vm)
{
	uint64_t left;
	int status;

	status = run_closed(vm, &closed_loop, &left);
	check(status == -EINTR && left > 0 && left < TURNS,
	      "closed: the host's timer leaves a guest with IF clear");
	note("%d, %llu turns left", status, (unsigned long long)left);
	vm->run->request_interrupt_window = 1;
	do {
		status = vm_go_on(vm, &left);
	} while (status == -EINTR);
	vm->run->request_interrupt_window = 0;
	check(status == KVM_EXIT_IRQ_WINDOW_OPEN && !left,
	      "closed: its own interrupt waits for STI");
	note("%d, %llu turns left", status, (unsigned long long)left);
}

static void check_halted(void)
{
	struct vm vm;
	uint64_t left;
	int status;

	vm_open(&vm, true);
	status = run_closed(&vm, &closed_halt, &left);
	check(status == -EINTR || status == KVM_EXIT_IO,
	      "closed: the host's timer ends HLT with IF clear");
}

/* --- what is not the guest's --- */

#define VECTOR_GP	13
#define HANDLER		0x1100

static void check_faults(struct vm *vm, const struct program *p)
{
	static const unsigned char handler[] = { 0xe6, 0x12 };	/* out %al, $0x12 */
	const uint32_t vector = HANDLER;
	uint64_t left;
	int status;

	vm_set(vm, p, 0);
	memcpy(vm->memory + 4 * VECTOR_GP, &vector, sizeof(vector));
	memcpy(vm->memory + HANDLER, handler, sizeof(handler));
	status = vm_go_on(vm, &left);
	note("%d, port %#x", status, vm->run->io.port);
	check(status == KVM_EXIT_IO && vm->run->io.port == 0x12, "guest: %s faults", p->name);
}

/* The metrics of the guest alone, as events of the host. */
static void check_topdown(struct vm *vm, unsigned int fields)
{
	static struct snapshot from, to;
	const struct counter c = { .kind = TRUTH_SLOTS, .usr = true, .os = true, .guest = true };
	uint64_t value[10] = { 0 }, metrics = 0;
	unsigned int i;
	int fds[9];

	for (i = 0; i <= fields; i++) {
		struct event e = { PERF_TYPE_RAW, i ? 0x7f00 + 0x100 * i : 0x0400, "topdown" };
		struct perf_event_attr attr = event_attr(e);

		attr.disabled = attr.pinned = i == 0;
		attr.exclude_host = 1;
		attr.read_format = PERF_FORMAT_GROUP;
		fds[i] = event_open(&attr, -1, 0, i ? fds[0] : -1);
	}
	ioctl(fds[0], PERF_EVENT_IOC_ENABLE, 0);
	emu_snapshot(&from);
	vm_run(vm, &programs[0], 3 * length);
	emu_snapshot(&to);
	ioctl(fds[0], PERF_EVENT_IOC_DISABLE, 0);
	if (read(fds[0], value, sizeof(value)) < 0 || !value[1])
		note("the group lost its counters");
	for (i = 0; value[1] && i < fields; i++)
		metrics |= (value[2 + i] * 255 + value[1] / 2) / value[1] << 8 * i;
	for (i = 0; i <= fields; i++)
		close(fds[i]);
	note("metrics %#llx, %u from the truth", (unsigned long long)metrics,
	     metrics_off(metrics, fields, &c, &from.truth, &to.truth));
	check(metrics_off(metrics, fields, &c, &from.truth, &to.truth) <= 1,
	      "guest: metrics over %s equal the truth", programs[0].name);
}

int main(int argc, char **argv)
{
	static struct snapshot now;
	const struct program *p;
	cpu_set_t set;
	struct vm vm;

	if (argc == 3 && !strcmp(argv[1], "-n"))
		length = atol(argv[2]);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	need(emu_present(), "the emulator");
	emu_count_memory();
	vm_open(&vm, false);
	for (p = programs; p->name; p++) {
		check_guest(&vm, events[0], p, p->instructions);
		check_guest(&vm, events[1], p, p->branches);
		check_truth(&vm, p, true);
		check_truth(&vm, p, false);
	}
	emu_snapshot(&now);
	check_loads(&vm, core_of(&now.regs));
	if (now.regs.metrics)
		check_topdown(&vm, now.regs.metrics);
	check_faults(&vm, now.regs.intel ? &rdpmc_metrics : &rdpmc_l3);
	check_closed(&vm);
	check_halted();
	return tap_end();
}
