// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest on Intel that is a hypervisor itself (L1), and its guest (L2): which
 * accesses of L2 exit, and to whom; where GLOBAL_CTRL is, and what is counted,
 * across VM-entries and VM-exits of L1's.  Built with the library of the kernel
 * tree's KVM tests; what was counted is compared with the emulator's truth.
 *
 *   nested_vmx GROUP...	see groups[]; prints TAP
 *
 * tests/kernel/nested-mutants-long.t lists which mistake which check notices.
 */
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kvm_util.h"
#include "processor.h"
#include "vmx.h"

#include "mpmu_magic.h"
#include "nested.h"

#define EVENTSEL0	0x186
#define PERFCTR0	0xc1
#define PMC0		0x4c1
#define FIXED0		0x309
#define GLOBAL_STATUS	0x38e
#define GLOBAL_CTRL	0x38f
#define OVF_CTRL	0x390

#define COUNT_INSTRUCTIONS	0x4200c0	/* of the kernel */
#define COUNT_CYCLES		0x42003c

#define ACCESSES	50
#define TRIPS		10000

#define EXIT_FAILED	0x80000000u

static int checks, failures;

static bool check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool check(bool ok, const char *format, ...)
{
	va_list arguments;

	failures += !ok;
	printf("%sok %d - ", ok ? "" : "not ", ++checks);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	return ok;
}

/* General registers in the order of their numbers, RSP's place is unused. */
struct registers {
	u64 rax, rcx, rdx, rbx, unused, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* One point in time: what the emulator says about this CPU. */
struct point {
	struct mpmu_truth truth;
	struct mpmu_region region;	/* region 0, open all the time */
};

#define ROUNDS 3

/* Between the parties; each part has its own place in the guest's memory. */
static struct shared {
	/* Table */
	u32 row;			/* what L1 intercepts */
	u32 access;			/* what L2 is doing */
	u64 reflected[16];		/* exits that L1 saw, by access */
	/* Loads and lists */
	u64 entry_controls, exit_controls;
	u64 entry_value, exit_value;
	u64 written[ROUNDS];		/* by L2 as its last act, 0: nothing */
	u64 in_l2[ROUNDS], in_l1[ROUNDS];
	u64 counters[2][4];		/* at the start, at the end */
	u64 status, reason, qualification, error;
	/* Lists */
	u64 stored[ROUNDS];		/* GLOBAL_CTRL */
	u64 wrong;
	/* Changes */
	u64 vectors[2];
} shared;

static struct point start, end, before[ROUNDS], after[ROUNDS];
static struct registers l2;
static bool launched;
static unsigned long stack[1024] __attribute__((aligned(16)));
static struct vmx_msr {
	u32 index, reserved;
	u64 value;
} __attribute__((aligned(16))) load_list[8], store_list[8], exit_list[8];

/*
 * Run L2 with its registers until it exits.  0, or 1 if the VM-entry failed as an
 * instruction; RDI: struct registers, RSI: 0 to launch.
 */
int enter_l2(struct registers *registers, u64 resume);
extern const char l2_exits[];

#define GENERAL(move)							\
	move("rcx", 8) move("rdx", 16) move("rbx", 24) move("rbp", 40)	\
	move("rsi", 48) move("r8", 64) move("r9", 72) move("r10", 80)	\
	move("r11", 88) move("r12", 96) move("r13", 104)		\
	move("r14", 112) move("r15", 120)
#define LOAD(name, offset)	"mov " #offset "(%rdi), %" name "\n\t"
#define STORE(name, offset)	"mov %" name ", " #offset "(%rdi)\n\t"
#define PUSH_SAVED	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n\t"
#define POP_SAVED	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"

__asm__(".text\n"
	"enter_l2:\n\t"
	PUSH_SAVED
	"push %rdi\n\t"
	"mov $0x6c14, %eax\n\t"		/* HOST_RSP */
	"vmwrite %rsp, %rax\n\t"
	"test %rsi, %rsi\n\t"
	GENERAL(LOAD)
	"mov 0(%rdi), %rax\n\t"
	"mov 56(%rdi), %rdi\n\t"
	"jnz 1f\n\t"
	"vmlaunch\n\t"
	"jmp 2f\n"
	"1:\tvmresume\n"
	"2:\tpop %rdi\n\t"
	POP_SAVED
	"mov $1, %eax\n\t"
	"ret\n"
	".globl l2_exits\n"
	"l2_exits:\n\t"
	"xchg %rdi, (%rsp)\n\t"
	GENERAL(STORE)
	"mov %rax, 0(%rdi)\n\t"
	"pop %rax\n\t"
	"mov %rax, 56(%rdi)\n\t"
	POP_SAVED
	"xor %eax, %eax\n\t"
	"ret\n");

#define MAGIC(cmd, arg)	".byte 0x0f, 0x1f, 0x80; .long " MAGIC_TEXT(cmd, arg) "\n\t"
#define MAGIC_TEXT(cmd, arg)	TEXT(MPMU_MAGIC_BASE) " | (" TEXT(cmd) " << 8) | " TEXT(arg)
#define TEXT(x)		TEXT_(x)
#define TEXT_(x)	#x

/*
 * L2 of loads and lists.  R8, R9: its first point, truth and region; R10, R11: its
 * last; R12: what to write to GLOBAL_CTRL before that, or 0; R13 becomes
 * GLOBAL_CTRL as L2 found it.
 */
#define AFTER_WRITE		4	/* instructions of L2 */
#define BEFORE_FIRST_POINT	1
#define AFTER_LAST_POINT	1
extern const char l2_counts[];
__asm__(".text\n"
	"l2_counts:\n\t"
	"mov %r8, %rdi\n\t"
	MAGIC(MPMU_CMD_READ_TRUTH, 0)
	"mov %r9, %rdi\n\t"
	MAGIC(MPMU_CMD_READ_REGION, 0)
	"mov $0x38f, %ecx\n\t"
	"rdmsr\n\t"
	"shl $32, %rdx\n\t"
	"or %rdx, %rax\n\t"
	"mov %rax, %r13\n\t"
	"mov $100, %ecx\n"
	"1:\tdec %ecx\n\t"
	"jnz 1b\n\t"
	"test %r12, %r12\n\t"
	"jz 2f\n\t"
	"mov $0x38f, %ecx\n\t"
	"mov %r12, %rax\n\t"
	"mov %r12, %rdx\n\t"
	"shr $32, %rdx\n\t"
	"wrmsr\n"
	"2:\tmov %r11, %rdi\n\t"
	MAGIC(MPMU_CMD_READ_REGION, 0)
	"mov %r10, %rdi\n\t"
	MAGIC(MPMU_CMD_READ_TRUTH, 0)
	"vmcall\n");

/* Counter I is read COUNTER_AT(I) instructions after the truth. */
#define COUNTER_AT(i)	(5 * (i) + 2)
#define READ_COUNTER(i)			\
	"mov $" #i ", %%ecx\n\t"	\
	"rdpmc\n\t"			\
	"shl $32, %%rdx\n\t"		\
	"or %%rdx, %%rax\n\t"		\
	"mov %%rax, 8 * " #i "(%1)\n\t"

static noinline void take_point(struct point *point, u64 *counters)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &point->region);
	__asm__ volatile(MAGIC(MPMU_CMD_READ_TRUTH, 0)
			 READ_COUNTER(0) READ_COUNTER(1) READ_COUNTER(2) READ_COUNTER(3)
			 : : "D" (&point->truth), "S" (counters)
			 : "rax", "rcx", "rdx", "memory");
}

static u64 rdpmc0(void)
{
	u32 low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
	return low | (u64)high << 32;
}

#define IN_REGION(number, times, code)				\
	do {							\
		int left_;					\
								\
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, number);	\
		for (left_ = (times); left_; left_--) {		\
			code;					\
		}						\
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, number);	\
	} while (0)

/* L1: be a hypervisor, whose guest starts at RIP and has the PMU for itself. */
static void prepare_l2(struct vmx_pages *vmx, const void *rip)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, (void *)rip, &stack[1021]);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL,
		vmreadz(CPU_BASED_VM_EXEC_CONTROL) | CPU_BASED_USE_MSR_BITMAPS);
	vmwrite(HOST_RIP, (u64)l2_exits);
	launched = false;
}

static u64 run_l2(void)
{
	GUEST_ASSERT(!enter_l2(&l2, launched));
	launched = true;
	return vmreadz(VM_EXIT_REASON);
}

/* L1's own part of an exit by an access: L2 gets 0. */
static void skip_access(u64 reason)
{
	if (reason != EXIT_REASON_MSR_WRITE)
		l2.rax = l2.rdx = 0;
	vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) + vmreadz(VM_EXIT_INSTRUCTION_LEN));
}

/* Until VMCALL, which is skipped. */
static void run_l2_to_vmcall(void)
{
	u64 reason;

	while ((reason = run_l2()) != EXIT_REASON_VMCALL) {
		GUEST_ASSERT(reason == EXIT_REASON_MSR_READ || reason == EXIT_REASON_MSR_WRITE ||
			     reason == EXIT_REASON_RDPMC);
		shared.reflected[shared.access]++;
		skip_access(reason);
	}
	vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) + 3);
}

static void set_control(u64 field, u64 bits, bool on)
{
	u64 value = vmreadz(field);

	vmwrite(field, on ? value | bits : value & ~bits);
}

static void intercept_all(void *bitmap, bool reads, bool writes)
{
	memset(bitmap, reads ? 0xff : 0, 2048);
	memset(bitmap + 2048, writes ? 0xff : 0, 2048);
}

/* The host's side */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpu;

/* 1: go on after a GUEST_SYNC, 0: L1 is done. */
static int run(void)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		return 1;
	case UCALL_DONE:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("ucall %lu", uc.cmd);
	}
	return 0;
}

static void make_vm(void (*l1)(void *))
{
	vm_vaddr_t pages;

	vm = vm_create_with_one_vcpu(&vcpu, l1);
	vcpu_alloc_vmx(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
}

#define from_guest(object) sync_global_from_guest(vm, object)
#define to_guest(object) sync_global_to_guest(vm, object)

#define NR_REGIONS 14

static struct mpmu_region regions[NR_REGIONS], regions_then[NR_REGIONS];

static void read_all_regions(void)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &regions[0]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 1, &regions[1]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 2, &regions[2]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 3, &regions[3]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 4, &regions[4]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 5, &regions[5]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 6, &regions[6]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 7, &regions[7]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 8, &regions[8]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 9, &regions[9]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 10, &regions[10]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 11, &regions[11]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 12, &regions[12]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 13, &regions[13]);
}

/* From here on regions[] is what comes. */
static void forget_regions(void)
{
	read_all_regions();
	memcpy(regions_then, regions, sizeof(regions));
}

static void read_regions(void)
{
	const unsigned long long *then = (void *)regions_then;
	unsigned long long *now = (void *)regions;
	size_t i;

	read_all_regions();
	for (i = 0; i < sizeof(regions) / (sizeof(*now)); i++)
		now[i] -= then[i];
}

/* Exits by an access to the PMU. */
static u64 access_exits(const struct mpmu_region *region)
{
	return region->vmexits[EXIT_REASON_RDPMC] + region->vmexits[EXIT_REASON_MSR_READ] +
	       region->vmexits[EXIT_REASON_MSR_WRITE];
}

/*
 * Table: which accesses of L2 exit, and whether L1 sees them, by what L1
 * intercepts and by what L0 does.
 */
enum { READ, WRITE, RDPMC };

/* What L0 lets L1 reach directly. */
#define GP	1
#define FIXED	2
#define GLOBAL	4
#define PMC	8	/* RDPMC */

static const struct access {
	const char *name;
	int how;
	int class;
} accesses[] = {
	{ "RDPMC", RDPMC, PMC },
	{ "read of PMC0", READ, GP },
	{ "write of PMC0", WRITE, GP },
	{ "read of PERFCTR0", READ, GP },
	{ "write of PERFCTR0", WRITE, GP },
	{ "read of FIXED_CTR0", READ, FIXED },
	{ "write of FIXED_CTR0", WRITE, FIXED },
	{ "read of GLOBAL_CTRL", READ, GLOBAL },
	{ "write of GLOBAL_CTRL", WRITE, GLOBAL },
	{ "read of GLOBAL_STATUS", READ, GLOBAL },
	{ "write of OVF_CTRL", WRITE, GLOBAL },
	{ "read of EVENTSEL0", READ, 0 },
	{ "write of EVENTSEL0", WRITE, 0 },
};

static const struct row {
	const char *name;
	bool reads, writes, rdpmc, no_bitmap;
} rows[] = {
	{ "L1 intercepts nothing" },
	{ "L1 intercepts reads", .reads = true, .rdpmc = true },
	{ "L1 intercepts writes", .writes = true },
	{ "L1 intercepts all", .reads = true, .writes = true, .rdpmc = true },
	{ "L1 has no bitmap", .no_bitmap = true },
	{ "L1 intercepts nothing again" },
};

#define ACCESS(number, code) shared.access = (number); IN_REGION(number, ACCESSES, code)

static void l2_table(void)
{
	for (;;) {
		ACCESS(0, rdpmc0());
		ACCESS(1, rdmsr(PMC0));
		ACCESS(2, wrmsr(PMC0, 5));
		ACCESS(3, rdmsr(PERFCTR0));
		ACCESS(4, wrmsr(PERFCTR0, 5));
		ACCESS(5, rdmsr(FIXED0));
		ACCESS(6, wrmsr(FIXED0, 5));
		ACCESS(7, rdmsr(GLOBAL_CTRL));
		ACCESS(8, wrmsr(GLOBAL_CTRL, 1));
		ACCESS(9, rdmsr(GLOBAL_STATUS));
		ACCESS(10, wrmsr(OVF_CTRL, 0));
		ACCESS(11, rdmsr(EVENTSEL0));
		ACCESS(12, wrmsr(EVENTSEL0, COUNT_INSTRUCTIONS));
		vmcall();
	}
}

static void l1_table(void *pages)
{
	struct vmx_pages *vmx = pages;
	u32 i;

	wrmsr(GLOBAL_CTRL, 1);
	wrmsr(EVENTSEL0, COUNT_INSTRUCTIONS);
	rdpmc0();
	prepare_l2(vmx, l2_table);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		intercept_all(vmx->msr, rows[i].reads, rows[i].writes);
		set_control(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_USE_MSR_BITMAPS,
			    !rows[i].no_bitmap);
		set_control(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_RDPMC_EXITING, rows[i].rdpmc);
		memset(shared.reflected, 0, sizeof(shared.reflected));
		run_l2_to_vmcall();
		GUEST_SYNC(i);
	}
	GUEST_DONE();
}

static bool l1_wants(const struct row *row, int how)
{
	switch (how) {
	case READ:
		return row->no_bitmap || row->reads;
	case WRITE:
		return row->no_bitmap || row->writes;
	default:
		return row->rdpmc;
	}
}

/* One row: name what differs. */
static bool judge_row(const struct row *row, int direct)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		const struct access *access = &accesses[i];
		bool to_l1 = l1_wants(row, access->how);
		u64 wanted = to_l1 || !(direct & access->class) ? ACCESSES : 0;
		u64 exits = access_exits(&regions[i]);

		if (exits == wanted && shared.reflected[i] == (to_l1 ? ACCESSES : 0))
			continue;
		printf("# %s: %lu exits, %lu wanted, L1 saw %lu\n", access->name,
		       (unsigned long)exits, (unsigned long)wanted,
		       (unsigned long)shared.reflected[i]);
		ok = false;
	}
	return ok;
}

static void table(const char *name, int direct)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		forget_regions();
		TEST_ASSERT(run(), "L1 ended early");
		read_regions();
		from_guest(shared);
		check(judge_row(&rows[i], direct), "I table: %s, %s", name, rows[i].name);
	}
	run();
	kvm_vm_free(vm);
}

static void test_table(void)
{
	make_vm(l1_table);
	table("everything direct in L1", GP | FIXED | GLOBAL | PMC);

	/* The host has one more: what speaks of all counters is intercepted. */
	make_vm(l1_table);
	vcpu_set_cpuid_property(vcpu, X86_PROPERTY_PMU_NR_FIXED_COUNTERS, 3);
	vcpu_set_cpuid_property(vcpu, X86_PROPERTY_PMU_FIXED_COUNTERS_BITMASK, 0);
	table("three fixed counters", GP | FIXED);

	make_vm(l1_table);
	vcpu_set_cpuid_property(vcpu, X86_PROPERTY_PMU_GP_COUNTERS_BIT_WIDTH, 40);
	table("narrow counters", FIXED | GLOBAL);
}

/*
 * Loads: GLOBAL_CTRL across entries and exits, exactly.  All counters count
 * instructions; which of them run in L1 and in L2 is up to the controls.
 */
#define L1_START	0x9	/* PMC0 and PMC3 */
#define ENTRY_VALUE	0xa	/* PMC1 and PMC3 */
#define EXIT_VALUE	0xd	/* PMC0, PMC2 and PMC3 */
#define L2_WRITES	0xe	/* PMC1, PMC2 and PMC3 */

static void program_counters(void)
{
	int i;

	wrmsr(GLOBAL_CTRL, 0);
	for (i = 0; i < 4; i++) {
		wrmsr(EVENTSEL0 + i, COUNT_INSTRUCTIONS);
		wrmsr(PMC0 + i, 0);
	}
	wrmsr(GLOBAL_CTRL, L1_START);
}

/* Addresses of this round's points for L2. */
static void aim_l2(int round)
{
	l2.r8 = (u64)&before[round].truth;
	l2.r9 = (u64)&before[round].region;
	l2.r10 = (u64)&after[round].truth;
	l2.r11 = (u64)&after[round].region;
	l2.r12 = shared.written[round];
	vmwrite(GUEST_RIP, (u64)l2_counts);
}

static void set_loads(void)
{
	set_control(VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL,
		    shared.entry_controls);
	set_control(VM_EXIT_CONTROLS, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL,
		    shared.exit_controls);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, shared.entry_value);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, shared.exit_value);
}

static void l1_loads(void *pages)
{
	int round;

	program_counters();
	prepare_l2(pages, l2_counts);
	set_loads();
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	take_point(&start, shared.counters[0]);
	for (round = 0; round < ROUNDS; round++) {
		aim_l2(round);
		GUEST_ASSERT_EQ(run_l2(), EXIT_REASON_VMCALL);
		shared.in_l2[round] = l2.r13;
		shared.in_l1[round] = rdmsr(GLOBAL_CTRL);
	}
	take_point(&end, shared.counters[1]);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	GUEST_DONE();
}

static u64 truth(const struct point *point)
{
	return point->truth.instructions[MPMU_GUEST][MPMU_KERNEL];
}

/* Instructions that KVM completed, which the truth has not: KVM counts them. */
static u64 emulated(const struct point *from, const struct point *to)
{
	static const u8 reasons[] = {
		EXIT_REASON_CPUID, EXIT_REASON_VMCLEAR, EXIT_REASON_VMPTRLD, EXIT_REASON_VMREAD,
		EXIT_REASON_VMWRITE, EXIT_REASON_RDPMC, EXIT_REASON_MSR_READ,
		EXIT_REASON_MSR_WRITE, EXIT_REASON_IO_INSTRUCTION,
	};
	u64 sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		sum += to->region.vmexits[reasons[i]] - from->region.vmexits[reasons[i]];
	return sum;
}

/* What runs between two points, in one of L1 and L2, and GLOBAL_CTRL there. */
struct segment {
	s64 instructions;
	u64 enabled;
};

static s64 distance(const struct point *from, const struct point *to)
{
	return (s64)(truth(to) - truth(from) + emulated(from, to));
}

/* Of all rounds; returns how many. */
static int segments(struct segment *segment, u64 *in_l2, u64 *in_l1)
{
	u64 enabled = L1_START;
	int round, n = 0;

	segment[n++] = (struct segment){
		distance(&start, &before[0]) - BEFORE_FIRST_POINT, enabled };
	for (round = 0; round < ROUNDS; round++) {
		const struct point *next = round + 1 < ROUNDS ? &before[round + 1] : &end;
		s64 inside = distance(&before[round], &after[round]) + BEFORE_FIRST_POINT +
			     AFTER_LAST_POINT;

		if (shared.entry_controls)
			enabled = shared.entry_value;
		in_l2[round] = enabled;
		if (shared.written[round]) {
			inside -= AFTER_WRITE;
			segment[n++] = (struct segment){ inside, enabled };
			enabled = shared.written[round];
			inside = AFTER_WRITE;
		}
		segment[n++] = (struct segment){ inside, enabled };
		if (shared.exit_controls)
			enabled = shared.exit_value;
		in_l1[round] = enabled;
		segment[n++] = (struct segment){
			distance(&after[round], next) - AFTER_LAST_POINT -
			(round + 1 < ROUNDS ? BEFORE_FIRST_POINT : 0), enabled };
	}
	return n;
}

static s64 wanted_count(const struct segment *segment, int n, int counter)
{
	s64 sum = 0;
	int i;

	for (i = 0; i < n; i++) {
		s64 instructions = segment[i].instructions;

		if (i == 0)
			instructions -= COUNTER_AT(counter);
		if (i == n - 1)
			instructions += COUNTER_AT(counter);
		if (segment[i].enabled & (1 << counter))
			sum += instructions;
	}
	return sum;
}

static void judge_loads(const char *name)
{
	struct segment segment[3 * ROUNDS + 1];
	u64 in_l2[ROUNDS], in_l1[ROUNDS];
	int i, n;

	from_guest(shared);
	from_guest(start);
	from_guest(end);
	from_guest(before);
	from_guest(after);
	n = segments(segment, in_l2, in_l1);
	if (!check(!memcmp(in_l2, shared.in_l2, sizeof(in_l2)), "%s: GLOBAL_CTRL in L2", name))
		printf("# %#lx %#lx %#lx, wanted %#lx %#lx %#lx\n", shared.in_l2[0],
		       shared.in_l2[1], shared.in_l2[2], in_l2[0], in_l2[1], in_l2[2]);
	if (!check(!memcmp(in_l1, shared.in_l1, sizeof(in_l1)), "%s: GLOBAL_CTRL in L1", name))
		printf("# %#lx %#lx %#lx, wanted %#lx %#lx %#lx\n", shared.in_l1[0],
		       shared.in_l1[1], shared.in_l1[2], in_l1[0], in_l1[1], in_l1[2]);
	for (i = 0; i < 4; i++) {
		s64 wanted = wanted_count(segment, n, i);
		s64 count = (s64)(shared.counters[1][i] - shared.counters[0][i]);

		check(count == wanted, "%s: PMC%d is exact (%ld, wanted %ld)", name, i,
		      (long)count, (long)wanted);
	}
}

static void test_loads(void)
{
	char name[80];
	int i;

	for (i = 0; i < 4; i++) {
		make_vm(l1_loads);
		memset(&shared, 0, sizeof(shared));
		shared.entry_controls = i & 1;
		shared.exit_controls = i >> 1;
		shared.entry_value = ENTRY_VALUE;
		shared.exit_value = EXIT_VALUE;
		shared.written[1] = L2_WRITES;
		to_guest(shared);
		TEST_ASSERT(!run(), "L1 is done");
		snprintf(name, sizeof(name), "I loads: entry %s, exit %s", i & 1 ? "set" : "clear",
			 i >> 1 ? "set" : "clear");
		judge_loads(name);
		kvm_vm_free(vm);
	}
}

/*
 * Lists of MSRs: entry loads GLOBAL_CTRL and PMC1, exit stores them and stops
 * everything.  The TSC comes and goes, as KVM has a list of its own for it.
 */
static void l1_lists(void *pages)
{
	struct vmx_pages *vmx = pages;
	int round;

	load_list[0] = (struct vmx_msr){ GLOBAL_CTRL, 0, ENTRY_VALUE };
	load_list[1] = (struct vmx_msr){ PMC0 + 1, 0, 1000 };
	exit_list[0] = (struct vmx_msr){ GLOBAL_CTRL, 0, 0 };
	exit_list[1] = (struct vmx_msr){ PERFCTR0, 0, 7 };
	store_list[0] = (struct vmx_msr){ GLOBAL_CTRL };
	store_list[1] = (struct vmx_msr){ PMC0 + 1 };
	store_list[2] = (struct vmx_msr){ MSR_IA32_TSC };

	program_counters();
	prepare_l2(vmx, l2_counts);
	vmwrite(VM_ENTRY_MSR_LOAD_ADDR, (u64)vmx->shadow_vmcs_gpa);
	vmwrite(VM_EXIT_MSR_LOAD_ADDR, (u64)vmx->vmread_gpa);
	vmwrite(VM_EXIT_MSR_STORE_ADDR, (u64)vmx->vmwrite_gpa);
	memcpy(vmx->shadow_vmcs, load_list, sizeof(load_list));
	memcpy(vmx->vmread, exit_list, sizeof(exit_list));
	memcpy(vmx->vmwrite, store_list, sizeof(store_list));
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 2);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 2);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	take_point(&start, shared.counters[0]);
	for (round = 0; round < ROUNDS; round++) {
		/* PMC3 goes on in L1. */
		vmwrite(VM_EXIT_MSR_STORE_COUNT, round == 1 ? 2 : 3);
		aim_l2(round);
		GUEST_ASSERT_EQ(run_l2(), EXIT_REASON_VMCALL);
		memcpy(store_list, vmx->vmwrite, sizeof(store_list));
		shared.in_l1[round] = rdmsr(GLOBAL_CTRL);
		shared.in_l2[round] = l2.r13;
		shared.stored[round] = store_list[0].value;
		/* What was stored is what is there still. */
		shared.wrong += store_list[1].value != rdmsr(PMC0 + 1);
		shared.wrong += round != 1 && !store_list[2].value;
		shared.wrong += rdmsr(PMC0) != 7;
		((struct vmx_msr *)vmx->vmwrite)[2].value = 0;
		shared.counters[1][round] = store_list[1].value;
	}
	GUEST_DONE();
}

static void test_lists(void)
{
	bool exact = true, values = true, stored = true;
	int round;

	make_vm(l1_lists);
	memset(&shared, 0, sizeof(shared));
	shared.written[1] = L2_WRITES;
	to_guest(shared);
	TEST_ASSERT(!run(), "L1 is done");
	from_guest(shared);
	from_guest(before);
	from_guest(after);
	for (round = 0; round < ROUNDS; round++) {
		u64 wanted = 1000 + (u64)distance(&before[round], &after[round]) +
			     BEFORE_FIRST_POINT + AFTER_LAST_POINT;

		if (shared.counters[1][round] != wanted) {
			printf("# round %d: %lu, wanted %lu\n", round,
			       shared.counters[1][round], wanted);
			exact = false;
		}
		values &= shared.in_l2[round] == ENTRY_VALUE && !shared.in_l1[round];
		stored &= shared.stored[round] ==
			  (shared.written[round] ? shared.written[round] : ENTRY_VALUE);
	}
	check(!shared.wrong, "I lists: counters and the TSC are loaded and stored");
	check(stored, "I lists: what VM-exit stores of GLOBAL_CTRL is L2's last value");
	check(values, "I lists: GLOBAL_CTRL is what they load");
	check(exact, "I lists: a counter that they load and store is exact");
	kvm_vm_free(vm);
}

/*
 * Failures: VM-entries that fail at some point.  L1's counter of everything stays
 * exact, and GLOBAL_CTRL is what the manual says.
 */
enum failure { BAD_GUEST_STATE, BAD_LIST, BAD_FOR_HARDWARE, BAD_CONTROL };

static u32 failure;

static void l1_fails(void *pages)
{
	struct vmx_pages *vmx = pages;
	u64 qualification;

	program_counters();
	prepare_l2(vmx, l2_counts);
	set_loads();
	switch (failure) {
	case BAD_GUEST_STATE:
		vmwrite(VMCS_LINK_POINTER, 0x123);
		break;
	case BAD_LIST:
		load_list[0] = (struct vmx_msr){ GLOBAL_CTRL, 0, L2_WRITES };
		load_list[1] = (struct vmx_msr){ 0x12345678, 0, 0 };
		memcpy(vmx->shadow_vmcs, load_list, sizeof(load_list));
		vmwrite(VM_ENTRY_MSR_LOAD_ADDR, (u64)vmx->shadow_vmcs_gpa);
		vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 2);
		break;
	case BAD_FOR_HARDWARE:
		/* KVM leaves this check to the processor. */
		vmwrite(VIRTUAL_APIC_PAGE_ADDR, (u64)vmx->vmread_gpa);
		set_control(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW, true);
		vmwrite(TPR_THRESHOLD, 0x1f);
		break;
	case BAD_CONTROL:
		vmwrite(CR3_TARGET_COUNT, 100);
		break;
	}
	aim_l2(0);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	take_point(&start, shared.counters[0]);
	shared.status = enter_l2(&l2, 0);
	shared.in_l1[0] = rdmsr(GLOBAL_CTRL);
	take_point(&end, shared.counters[1]);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	vmread(VM_EXIT_REASON, &shared.reason);
	vmread(EXIT_QUALIFICATION, &qualification);
	shared.qualification = qualification;
	shared.error = vmreadz(VM_INSTRUCTION_ERROR);
	GUEST_DONE();
}

static const struct failing {
	const char *name;
	u32 failure;
	bool exit_load;
	bool invalid;		/* the instruction fails: no VM-exit */
	u32 reason;
	u64 global_ctrl;	/* right afterwards */
} failing[] = {
	{ "bad guest state", BAD_GUEST_STATE, false, false,
	  EXIT_FAILED | EXIT_REASON_INVALID_STATE, L1_START },
	{ "bad guest state, exit loads", BAD_GUEST_STATE, true, false,
	  EXIT_FAILED | EXIT_REASON_INVALID_STATE, EXIT_VALUE },
	{ "bad list", BAD_LIST, false, false,
	  EXIT_FAILED | EXIT_REASON_MSR_LOAD_FAIL, L2_WRITES },
	{ "bad list, exit loads", BAD_LIST, true, false,
	  EXIT_FAILED | EXIT_REASON_MSR_LOAD_FAIL, EXIT_VALUE },
	{ "refused by hardware", BAD_FOR_HARDWARE, true, true, 0, L1_START },
	{ "bad control", BAD_CONTROL, true, true, 0, L1_START },
};

static void test_fails(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(failing); i++) {
		const struct failing *f = &failing[i];
		s64 count, wanted;

		make_vm(l1_fails);
		memset(&shared, 0, sizeof(shared));
		shared.entry_controls = 1;
		shared.exit_controls = f->exit_load;
		shared.entry_value = ENTRY_VALUE;
		shared.exit_value = EXIT_VALUE;
		failure = f->failure;
		to_guest(shared);
		to_guest(failure);
		TEST_ASSERT(!run(), "L1 is done");
		from_guest(shared);
		from_guest(start);
		from_guest(end);
		if (f->invalid)
			check(shared.status && shared.error == 7,
			      "I fails: %s: as an instruction", f->name);
		else
			check(!shared.status && shared.reason == f->reason,
			      "I fails: %s: as an exit (%#lx)", f->name, shared.reason);
		check(shared.in_l1[0] == f->global_ctrl,
		      "I fails: %s: GLOBAL_CTRL right after (%#lx)", f->name, shared.in_l1[0]);
		/* A VM-entry that fails as an instruction retires as one. */
		wanted = distance(&start, &end) + f->invalid;
		count = (s64)(shared.counters[1][3] - shared.counters[0][3]);
		check(count == wanted, "I fails: %s: PMC3 is exact (%ld, wanted %ld)", f->name,
		      (long)count, (long)wanted);
		count = (s64)(shared.counters[1][0] - shared.counters[0][0]);
		if (f->global_ctrl == L1_START)
			check(count == wanted, "I fails: %s: PMC0 is exact (%ld, wanted %ld)",
			      f->name, (long)count, (long)wanted);
		kvm_vm_free(vm);
	}
}

/*
 * State: L2 is saved with live counters, and goes on in another vCPU.  Between,
 * and in SMM, nothing is loaded that L1 wants loaded at entries and exits.
 */
static void l2_state(void)
{
	shared.in_l2[0] = rdmsr(GLOBAL_CTRL);
	wrmsr(GLOBAL_CTRL, L2_WRITES);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	take_point(&start, shared.counters[0]);
	GUEST_SYNC(1);
	take_point(&end, shared.counters[1]);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	shared.in_l2[1] = rdmsr(GLOBAL_CTRL);
	IN_REGION(1, ACCESSES, rdmsr(PMC0));
	IN_REGION(2, ACCESSES, rdpmc0());
	shared.access = 3;
	IN_REGION(3, ACCESSES, wrmsr(PERFCTR0, 5));
	/* L1's VM-entries have loaded theirs. */
	wrmsr(GLOBAL_CTRL, L2_WRITES);
	GUEST_SYNC(2);
	shared.in_l2[2] = rdmsr(GLOBAL_CTRL);
	vmcall();
}

static void l1_state(void *pages)
{
	struct vmx_pages *vmx = pages;

	program_counters();
	prepare_l2(vmx, l2_state);
	set_loads();
	/* Writes of PERFCTR0, and no others. */
	((u8 *)vmx->msr)[2048 + PERFCTR0 / 8] |= 1 << PERFCTR0 % 8;
	run_l2_to_vmcall();
	shared.in_l1[0] = rdmsr(GLOBAL_CTRL);
	GUEST_DONE();
}

#define SMRAM_GPA	0x1000000
#define SMRAM_PAGES	16

/* The handler of SMIs is RSM alone. */
static void add_smram(void)
{
	static const u8 handler[] = { 0x0f, 0xaa };
	const u32 slot = 1 << 16 | 1;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA, slot, SMRAM_PAGES, 0);
	TEST_ASSERT(vm_phy_pages_alloc(vm, SMRAM_PAGES, SMRAM_GPA, slot) == SMRAM_GPA, "SMRAM");
	memcpy(addr_gpa2hva(vm, SMRAM_GPA) + 0x8000, handler, sizeof(handler));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
}

static void inject_smi(void)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.smi.pending = 1;
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	vcpu_events_set(vcpu, &events);
}

static void move_to_another_vcpu(void)
{
	struct kvm_x86_state *state = vcpu_save_state(vcpu);

	kvm_vm_release(vm);
	vcpu = vm_recreate_with_one_vcpu(vm);
	vcpu_load_state(vcpu, state);
	kvm_x86_state_cleanup(state);
}

static void state(const char *name, bool loads, bool move)
{
	s64 count, wanted;
	u64 saved = 0;
	int i;

	make_vm(l1_state);
	add_smram();
	memset(&shared, 0, sizeof(shared));
	shared.entry_controls = shared.exit_controls = loads;
	shared.entry_value = ENTRY_VALUE;
	shared.exit_value = EXIT_VALUE;
	to_guest(shared);
	TEST_ASSERT(run(), "L2 waits");
	if (move) {
		saved = vcpu_get_msr(vcpu, GLOBAL_CTRL);
		move_to_another_vcpu();
		check(saved == L2_WRITES && vcpu_get_msr(vcpu, GLOBAL_CTRL) == L2_WRITES,
		      "I state: %s: GLOBAL_CTRL is L2's (%#lx)", name, saved);
	}
	forget_regions();
	TEST_ASSERT(run(), "L2 waits again");
	read_regions();
	from_guest(shared);
	from_guest(start);
	from_guest(end);
	check(shared.in_l2[0] == (loads ? ENTRY_VALUE : L1_START), "I state: %s: L2 starts (%#lx)",
	      name, shared.in_l2[0]);
	check(shared.in_l2[1] == L2_WRITES, "I state: %s: L2 goes on (%#lx)", name,
	      shared.in_l2[1]);
	wanted = distance(&start, &end);
	for (i = 1; i < 4; i++) {
		count = (s64)(shared.counters[1][i] - shared.counters[0][i]);
		check(count == wanted, "I state: %s: PMC%d is exact (%ld, wanted %ld)", name, i,
		      (long)count, (long)wanted);
	}
	check(!access_exits(&regions[1]) && !access_exits(&regions[2]),
	      "I state: %s: what was direct is direct", name);
	check(shared.reflected[3] == ACCESSES, "I state: %s: L1 intercepts what it did", name);
	inject_smi();
	TEST_ASSERT(!run(), "L1 is done");
	from_guest(shared);
	check(shared.in_l2[2] == L2_WRITES, "I state: %s: after SMM L2 goes on (%#lx)", name,
	      shared.in_l2[2]);
	check(shared.in_l1[0] == (loads ? EXIT_VALUE : L2_WRITES), "I state: %s: L1 goes on (%#lx)",
	      name, shared.in_l1[0]);
	kvm_vm_free(vm);
}

static void test_state(void)
{
	state("in place", false, false);
	state("in place, with loads", true, false);
	state("moved", false, true);
	state("moved, with loads", true, true);
}

/*
 * Changes while L2 runs: of the filter of user space, and of whether the guest
 * uses its PMU.  They hold for L2's next instruction, and for L1.
 */
enum {
	R_FIRST_IN_L2, R_FIRST_IN_L1, R_READ, R_DENIED_WRITE, R_DENIED_RDPMC, R_ALLOWED,
	R_ALLOWED_IN_L1, R_IDLE, R_AGAIN_READ, R_AGAIN_WRITE, R_AGAIN_IN_L1,
};

static void l2_changes(void)
{
	u64 value;
	int i;

	IN_REGION(R_FIRST_IN_L2, ACCESSES, rdpmc0());
	vmcall();
	wrmsr(EVENTSEL0, COUNT_INSTRUCTIONS);
	IN_REGION(R_READ, ACCESSES, rdmsr(PMC0));
	GUEST_SYNC(1);
	shared.vectors[0] = rdmsr_safe(PMC0, &value);
	IN_REGION(R_DENIED_WRITE, ACCESSES, wrmsr(PMC0, 7));
	IN_REGION(R_DENIED_RDPMC, ACCESSES, rdpmc0());
	vmcall();
	GUEST_SYNC(2);
	IN_REGION(R_ALLOWED, ACCESSES, rdmsr(PMC0));
	vmcall();
	wrmsr(EVENTSEL0, 0);
	for (i = 0; i < 12; i++)
		GUEST_SYNC(3);
	shared.access = R_IDLE;
	IN_REGION(R_IDLE, ACCESSES, rdpmc0());
	IN_REGION(R_AGAIN_READ, ACCESSES, rdmsr(PERFCTR0));
	shared.access = R_AGAIN_WRITE;
	IN_REGION(R_AGAIN_WRITE, ACCESSES, wrmsr(PERFCTR0, 5));
	vmcall();
}

static void l1_changes(void *pages)
{
	struct vmx_pages *vmx = pages;
	u64 value;

	prepare_l2(vmx, l2_changes);
	((u8 *)vmx->msr)[2048 + PERFCTR0 / 8] |= 1 << PERFCTR0 % 8;
	run_l2_to_vmcall();
	IN_REGION(R_FIRST_IN_L1, ACCESSES, rdpmc0());
	run_l2_to_vmcall();
	shared.vectors[1] = rdmsr_safe(PMC0, &value);
	run_l2_to_vmcall();
	IN_REGION(R_ALLOWED_IN_L1, ACCESSES, rdmsr(PMC0));
	run_l2_to_vmcall();
	IN_REGION(R_AGAIN_IN_L1, ACCESSES, rdmsr(PMC0); rdpmc0());
	GUEST_DONE();
}

/* L1 intercepts RDPMC: it does still once L2 has opened the rest. */
static void l2_opens(void)
{
	IN_REGION(11, ACCESSES, rdmsr(PMC0));
	shared.access = 12;
	IN_REGION(12, ACCESSES, rdpmc0());
	vmcall();
}

static void l1_opens(void *pages)
{
	prepare_l2(pages, l2_opens);
	set_control(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_RDPMC_EXITING, true);
	run_l2_to_vmcall();
	GUEST_DONE();
}

static void set_filter(bool deny)
{
	static u8 none[8];
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ,
			.base = PMC0,
			.nmsrs = deny,
			.bitmap = deny ? none : NULL,
		},
	};

	if (!deny)
		filter.ranges[0].flags = 0;
	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void expect_exits(u32 region, u64 wanted, const char *what)
{
	u64 exits = access_exits(&regions[region]);

	check(exits == wanted && regions[region].repeats == 1,
	      "I changes: %s: %lu exits (%lu)", what, wanted, exits);
}

static void test_changes(void)
{
	int i;

	forget_regions();
	make_vm(l1_changes);
	memset(&shared, 0, sizeof(shared));
	to_guest(shared);
	TEST_ASSERT(run(), "before the filter");
	set_filter(true);
	TEST_ASSERT(run(), "with the filter");
	set_filter(false);
	park_guests(false);
	for (i = 0; i < 12; i++)
		TEST_ASSERT(run(), "idle");
	TEST_ASSERT(!run(), "L1 is done");
	park_guests(true);
	from_guest(shared);
	read_regions();
	expect_exits(R_FIRST_IN_L2, 1, "the first use is L2's");
	expect_exits(R_FIRST_IN_L1, 0, "then it is direct in L1");
	expect_exits(R_READ, 0, "and in L2");
	check(shared.vectors[0] == GP_VECTOR, "I changes: a new filter holds in L2");
	check(shared.vectors[1] == GP_VECTOR, "I changes: and in L1");
	expect_exits(R_DENIED_WRITE, 0, "writes are not filtered");
	expect_exits(R_DENIED_RDPMC, 0, "nor is RDPMC");
	expect_exits(R_ALLOWED, 0, "without the filter L2 reads directly");
	expect_exits(R_ALLOWED_IN_L1, 0, "and L1");
	expect_exits(R_IDLE, 1, "idle for long in L2: the next use exits");
	expect_exits(R_AGAIN_READ, 0, "then L2 reads directly");
	expect_exits(R_AGAIN_WRITE, ACCESSES, "what L1 intercepts, it does still");
	check(shared.reflected[R_AGAIN_WRITE] == ACCESSES, "I changes: and L1 sees it");
	expect_exits(R_AGAIN_IN_L1, 0, "and L1 has its own directly");
	kvm_vm_free(vm);

	forget_regions();
	make_vm(l1_opens);
	memset(&shared, 0, sizeof(shared));
	to_guest(shared);
	TEST_ASSERT(!run(), "L1 is done");
	from_guest(shared);
	read_regions();
	expect_exits(11, 1, "the first use is L2's read");
	expect_exits(12, ACCESSES, "L1 intercepts RDPMC");
	check(shared.reflected[12] == ACCESSES, "I changes: and L1 sees that");
	kvm_vm_free(vm);
}

/*
 * Cost: exits of L2 with live counters move no register of the PMU, whoever
 * handles them.  Cycles are counted: no exit adds to them.
 */
static void l2_cost(void)
{
	IN_REGION(1, TRIPS, rdmsr(MSR_IA32_MISC_ENABLE));
	IN_REGION(2, TRIPS, rdpmc0(); rdmsr(PMC0); wrmsr(PMC0 + 1, 5); rdmsr(GLOBAL_CTRL));
	vmcall();
	vmcall();
}

static void l1_cost(void *pages)
{
	int i;

	program_counters();
	for (i = 0; i < 4; i++)
		wrmsr(EVENTSEL0 + i, COUNT_CYCLES);
	prepare_l2(pages, l2_cost);
	set_loads();
	run_l2_to_vmcall();
	GUEST_ASSERT_EQ(run_l2(), EXIT_REASON_VMCALL);
	/* The same VMCALL again and again. */
	IN_REGION(3, TRIPS, GUEST_ASSERT_EQ(run_l2(), EXIT_REASON_VMCALL));
	GUEST_DONE();
}

/* Threads that even the first in the queue gives way to; each takes the PMU. */
static long run_l1_cost(void)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	TEST_ASSERT(!run(), "L1 is done");
	getrusage(RUSAGE_SELF, &after);
	return after.ru_nivcsw - before.ru_nivcsw;
}

/* A round trip of the PMU costs so many accesses at most. */
#define SWITCH_ACCESSES	64

static void expect_no_access(u32 number, const char *what, u64 exits, long switches)
{
	const struct mpmu_region *region = &regions[number];
	u64 sum = region->pmu_rdmsr[MPMU_ROOT] + region->pmu_wrmsr[MPMU_ROOT] +
		  region->rdpmc[MPMU_ROOT];

	check(sum <= switches * SWITCH_ACCESSES && region->repeats == 1 &&
	      region->vmexits_total >= exits,
	      "I cost: %s: no access to the PMU (%lu in %llu exits and %ld switches)", what, sum,
	      region->vmexits_total, switches);
}

/* Another thread on this CPU would have the PMU saved. */
static void keep_cpu(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	FILE *limit = fopen("/proc/sys/kernel/sched_rt_runtime_us", "w");

	TEST_ASSERT(limit && fputs("-1", limit) >= 0 && !fclose(limit), "no limit");
	TEST_ASSERT(!sched_setscheduler(0, SCHED_FIFO, &first), "first in the queue");
}

static void share_cpu(void)
{
	const struct sched_param any = { 0 };

	TEST_ASSERT(!sched_setscheduler(0, SCHED_OTHER, &any), "as all others");
}

static void test_cost(void)
{
	long switches;
	int loads;

	keep_cpu();
	for (loads = 0; loads < 2; loads++) {
		forget_regions();
		make_vm(l1_cost);
		memset(&shared, 0, sizeof(shared));
		shared.entry_controls = shared.exit_controls = loads;
		shared.entry_value = ENTRY_VALUE;
		shared.exit_value = EXIT_VALUE;
		to_guest(shared);
		switches = run_l1_cost();
		read_regions();
		expect_no_access(1, loads ? "with loads: exits to L0" : "exits to L0", TRIPS,
				 switches);
		expect_no_access(3, loads ? "with loads: exits to L1" : "exits to L1", TRIPS,
				 switches);
		expect_no_access(2, "L2's own", 0, switches);
		check(!access_exits(&regions[2]), "I cost: L2's own accesses: no exit");
		kvm_vm_free(vm);
	}
	share_cpu();
}

static void l2_vmcall(void)
{
	vmcall();
}

/* Controls: L1 has those that load GLOBAL_CTRL if it has that. */
static u64 visible_controls;

static void l1_controls(void *pages)
{
	struct vmx_pages *vmx = pages;

	visible_controls =
		(rdmsr(MSR_IA32_VMX_TRUE_ENTRY_CTLS) >> 32 & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL) |
		(rdmsr(MSR_IA32_VMX_TRUE_EXIT_CTLS) >> 32 & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL) |
		(rdmsr(MSR_IA32_VMX_ENTRY_CTLS) >> 32 & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL) << 16 |
		(rdmsr(MSR_IA32_VMX_EXIT_CTLS) >> 32 & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL) << 16;
	prepare_l2(vmx, l2_vmcall);
	set_control(VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL, shared.entry_controls);
	set_control(VM_EXIT_CONTROLS, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL, shared.exit_controls);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 0);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	shared.status = enter_l2(&l2, 0);
	shared.error = vmreadz(VM_INSTRUCTION_ERROR);
	GUEST_DONE();
}

static void controls(u32 version, u64 entry, u64 exit)
{
	const u64 all = VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL | VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL;
	bool has = version > 1;
	bool works = has || !(entry || exit);

	make_vm(l1_controls);
	vcpu_set_cpuid_property(vcpu, X86_PROPERTY_PMU_VERSION, version);
	memset(&shared, 0, sizeof(shared));
	shared.entry_controls = entry;
	shared.exit_controls = exit;
	to_guest(shared);
	TEST_ASSERT(!run(), "L1 is done");
	from_guest(shared);
	from_guest(visible_controls);
	check(visible_controls == (has ? all | all << 16 : 0),
	      "I controls: version %u: %s to L1 (%#lx)", version, has ? "shown" : "hidden",
	      visible_controls);
	check(works ? !shared.status : shared.status && shared.error == 7,
	      "I controls: version %u, %s%s: %s", version, entry ? "entry" : "",
	      exit ? "exit" : "", works ? "L2 runs" : "refused");
	kvm_vm_free(vm);
}

static void test_controls(void)
{
	controls(5, 1, 1);
	controls(2, 1, 1);
	controls(1, 0, 0);
	controls(1, 1, 0);
	controls(1, 0, 1);
	controls(0, 0, 0);
	controls(0, 1, 0);
}

/*
 * Host: an event of the host that excludes guests loses no instruction but those
 * in windows, whatever L1 does.
 */
static u64 kernel_function(const char *wanted)
{
	char line[256], name[200];
	unsigned long address;
	u64 found = 0;
	FILE *symbols = fopen("/proc/kallsyms", "r");

	TEST_ASSERT(symbols, "/proc/kallsyms");
	while (!found && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %199s", &address, name) == 2 && !strcmp(name, wanted))
			found = address;
	}
	fclose(symbols);
	TEST_ASSERT(found, "no function %s", wanted);
	return found;
}

static int kernel_event(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
		.size = sizeof(attr), .exclude_guest = 1, .exclude_user = 1, .pinned = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	TEST_ASSERT(fd >= 0, "no host event");
	return fd;
}

static void l1_host(void *pages)
{
	int i;

	if (shared.row)
		program_counters();
	prepare_l2(pages, l2_vmcall);
	set_loads();
	for (i = 0; i < 200; i++)
		GUEST_ASSERT_EQ(run_l2(), EXIT_REASON_VMCALL);
	GUEST_DONE();
}

static void test_host(void)
{
	struct mpmu_watch then, now;
	u32 counts;
	int fd = kernel_event();

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, MPMU_WATCH_BEGIN,
			   kernel_function("perf_load_guest_context"));
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, MPMU_WATCH_END,
			   kernel_function("perf_put_guest_context"));
	for (counts = 0; counts < 2; counts++) {
		make_vm(l1_host);
		memset(&shared, 0, sizeof(shared));
		shared.row = counts;
		to_guest(shared);
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &then);
		TEST_ASSERT(!run(), "L1 is done");
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &now);
		check(now.missed[0] == then.missed[0],
		      "I host: an L1 that %s: the host's event misses %llu instructions",
		      counts ? "counts" : "does not count", now.missed[0] - then.missed[0]);
		kvm_vm_free(vm);
	}
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, MPMU_WATCH_BEGIN, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, MPMU_WATCH_END, 0);
	close(fd);
}

static const struct {
	const char *name;
	void (*test)(void);
} groups[] = {
	{ "table", test_table },
	{ "loads", test_loads },
	{ "lists", test_lists },
	{ "fails", test_fails },
	{ "state", test_state },
	{ "changes", test_changes },
	{ "cost", test_cost },
	{ "controls", test_controls },
	{ "host", test_host },
};

static void run_group(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcmp(groups[i].name, name))
			continue;
		groups[i].test();
		return;
	}
	TEST_FAIL("no group %s", name);
}

int main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++)
		run_group(argv[i]);
	printf("1..%d\n", checks);
	return !!failures;
}
