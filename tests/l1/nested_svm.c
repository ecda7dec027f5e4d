// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest of AMD's that is a hypervisor itself: which accesses of its guest to
 * the PMU are direct, what selectors with Host-Only and Guest-Only count, what
 * exits cost, and that all of it survives a change while L2 runs.  Built with
 * the library of the kernel tree's KVM tests.
 *
 * L0 is this machine, L1 the VM, L2 its guest.  The host gives L1 a job and
 * reads what it found.
 */
#include <linux/stringify.h>
#include <sched.h>

#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"

#include "mpmu_magic.h"
#include "nested.h"
#include "tap.h"

/* AMD APM, CPUID Fn8000_0022_EBX: NumPerfCtrCore */
#define CORE_COUNTERS	KVM_X86_CPU_PROPERTY(0x80000022, 0, EBX, 0, 3)

#define PORT		0xe0	/* L2 asks something of the host: AL says what */
#define COUNTERS	6
#define TURNS		1000
#define EXITS		10000
#define FEW_EXITS	250
#define UNUSED_EXIT	(MPMU_EXIT_INVALID - 1)	/* in a region's table */

#define K7_SEL(i)	(0xc0010000 + (i))
#define K7_CTR(i)	(0xc0010004 + (i))
#define CORE_SEL(i)	(0xc0010200 + 2 * (i))
#define CORE_CTR(i)	(0xc0010201 + 2 * (i))
#define GLOBAL_STATUS	0xc0000300
#define GLOBAL_CTL	0xc0000301
#define GLOBAL_CLR	0xc0000302
#define GLOBAL_SET	0xc0000303

#define SEL_ON		0x430000ull	/* EN, OS, USR */
#define SEL_GUEST_ONLY	BIT_ULL(40)
#define SEL_HOST_ONLY	BIT_ULL(41)

#define INSTRUCTIONS	0xc0
#define BRANCHES	0xc2
#define CYCLES		0x76

/* --- what host and guest share --- */

/* Of an MSR, by access; the emulator counts what leaves the guest. */
enum { READ, WRITE, NR_ACCESSES };

struct reg {
	u32 msr;
	bool direct;	/* in L1 that uses its PMU and has all counters */
	int counter;	/* of which counter it is, or -1 */
};

static const struct reg regs[] = {
	{ K7_SEL(0), false, 0 }, { K7_SEL(1), false, 1 },
	{ K7_SEL(2), false, 2 }, { K7_SEL(3), false, 3 },
	{ K7_CTR(0), true, 0 }, { K7_CTR(1), true, 1 },
	{ K7_CTR(2), true, 2 }, { K7_CTR(3), true, 3 },
	{ CORE_SEL(0), false, 0 }, { CORE_CTR(0), true, 0 },
	{ CORE_SEL(1), false, 1 }, { CORE_CTR(1), true, 1 },
	{ CORE_SEL(2), false, 2 }, { CORE_CTR(2), true, 2 },
	{ CORE_SEL(3), false, 3 }, { CORE_CTR(3), true, 3 },
	{ CORE_SEL(4), false, 4 }, { CORE_CTR(4), true, 4 },
	{ CORE_SEL(5), false, 5 }, { CORE_CTR(5), true, 5 },
	{ GLOBAL_STATUS, true, -1 }, { GLOBAL_CTL, true, -1 },
	{ GLOBAL_CLR, true, -1 }, { GLOBAL_SET, true, -1 },
};

#define NR_REGS		((int)ARRAY_SIZE(regs))

enum job_kind {
	JOB_KEEP_TOUCHED,	/* the last counter counts from now on */
	JOB_MERGE,
	JOB_LIVE,
	JOB_MODES,
	JOB_FAIL,
	JOB_IDLE,
	JOB_LEAVE,
	JOB_STATE,
	JOB_COST,
};

static struct job {
	enum job_kind kind;
	bool uses_map;		/* of L1, which the host fills */
	bool intercepts_rdpmc;
	bool without_rdpmc;	/* JOB_COST: L0 has to intercept it */
	int access;		/* JOB_LIVE */
	u64 event;		/* JOB_MODES and those after it */
	int nr_counters;
	u64 bad_map;		/* JOB_FAIL: L1's map, where there is no memory */
} job;

#define LIVE_STEPS	8

static struct found {
	u8 exits[64][NR_ACCESSES];	/* that the CPU took */
	u8 to_l1[64][NR_ACCESSES];	/* of these, those that L1 saw */
	u64 rdpmc_exits, rdpmc_to_l1;
	u8 live[LIVE_STEPS];
	u64 live_to_l1;
	u64 exit_code;
} found;

/* What the selectors of the four modes counted, and the truth. */
enum { MODE_NONE, MODE_HOST, MODE_GUEST, MODE_BOTH, NR_MODES };

static const u64 mode_bits[NR_MODES] = {
	0, SEL_HOST_ONLY, SEL_GUEST_ONLY, SEL_HOST_ONLY | SEL_GUEST_ONLY,
};

struct window {
	u64 counted[NR_MODES];
	u64 truth;		/* of L1 and L2 */
	u64 in_l2;		/* of this, between L2's first and last instruction */
};

enum {
	W_EMPTY, W_SVME_OFF, W_L1, W_L2, W_L2_LONG, W_L1_AGAIN, W_DENIED, W_ALLOWED, W_NO_HOST,
	W_HOST_AGAIN, W_SVME_OFF_AGAIN, NR_WINDOWS
};

static struct window windows[NR_WINDOWS];

/* Of rounds in which the PMU stayed the guest's; whoever else runs takes it. */
struct cost {
	u64 rounds;
	u64 exits;		/* of the kind that the cost is of */
	u64 reads, writes;	/* of PMU registers, by the host */
};

/* A fifth may be disturbed; those that are not have EXITS all the same. */
#define ROUNDS_NEEDED	(EXITS / FEW_EXITS)
#define ROUNDS		(ROUNDS_NEEDED * 5 / 4)

static struct cost cost_l0, cost_direct, cost_l1, cost_modes;

/* --- L1 and L2 --- */

extern struct gpr64_regs guest_regs;	/* of L2, in the library */
static struct svm_test_data *svm;
static u64 map_gpa;
static unsigned long stack[512] __aligned(16);
static struct mpmu_region region;
static struct mpmu_watch watch;
struct mpmu_truth truth0, truth1, l2_truth0, l2_truth1;
u32 l2_turns;
u8 l2_request;

#define READ_TRUTH(to)							\
	"mov	$" #to ", %rdi\n"					\
	".byte	0x0f, 0x1f, 0x80\n"					\
	".long	" __stringify(MPMU_MAGIC(MPMU_CMD_READ_TRUTH, 0)) "\n"

/*
 * Between the two truths and on both sides of them all is counted: 2 more
 * instructions than these say.
 */
__asm__(".globl	l2_loop, l2_loop_out\n"
	"l2_loop:\n"
	READ_TRUTH(l2_truth0)
	"	mov	l2_turns, %ecx\n"
	"1:	dec	%ecx\n"
	"	jnz	1b\n"
	READ_TRUTH(l2_truth1)
	"	vmmcall\n"
	"l2_loop_out:\n"
	READ_TRUTH(l2_truth0)
	"	mov	l2_turns, %ecx\n"
	"1:	dec	%ecx\n"
	"	jnz	1b\n"
	"	mov	l2_request, %al\n"
	"	out	%al, $" __stringify(PORT) "\n"
	"	mov	l2_turns, %ecx\n"
	"1:	dec	%ecx\n"
	"	jnz	1b\n"
	READ_TRUTH(l2_truth1)
	"	vmmcall\n");

void l2_loop(void);
void l2_loop_out(void);

static u64 rdpmc_of(u32 counter)
{
	u32 low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(counter) : "memory");
	return low | (u64)high << 32;
}

static void ask_host(u8 what)
{
	__asm__ volatile("outb %0, %1" : : "a"(what), "i"(PORT) : "memory");
}

/* Exits by RDMSR and WRMSR of this CPU up to now. */
static u64 msr_exits(void)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region);
	return region.vmexits[SVM_EXIT_MSR];
}

static u64 rdpmc_exits(void)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region);
	return region.vmexits[SVM_EXIT_RDPMC];
}

static int last_counter(void)
{
	return job.nr_counters - 1;
}

static u64 last_sel(void)
{
	return SEL_ON | CYCLES;
}

/* Writes leave the counter alone that keeps the PMU in use. */
static u64 harmless(u32 msr)
{
	if (msr == CORE_SEL(last_counter()) || msr == K7_SEL(last_counter()))
		return last_sel();
	return msr == GLOBAL_CTL ? BIT_ULL(last_counter()) : 0;
}

static u64 access_msr(u32 msr, int access)
{
	u64 before = msr_exits();

	if (access == READ)
		rdmsr(msr);
	else
		wrmsr(msr, harmless(msr));
	return msr_exits() - before;
}

static u64 access_rdpmc(void)
{
	u64 before = rdpmc_exits();

	rdpmc_of(0);
	return rdpmc_exits() - before;
}

static bool exists(const struct reg *reg)
{
	return reg->counter < job.nr_counters;
}

static void l2_merge(void)
{
	int i, access;

	for (i = 0; i < NR_REGS; i++) {
		for (access = 0; exists(&regs[i]) && access < NR_ACCESSES; access++)
			found.exits[i][access] = access_msr(regs[i].msr, access);
	}
	found.rdpmc_exits = access_rdpmc();
	vmmcall();
}

/* What the host is asked for. */
enum { ASK_NOTHING, ASK_DENY, ASK_ALLOW, ASK_REST, ASK_LEAVE, ASK_END };

static void leave_often(int times)
{
	while (times--)
		ask_host(ASK_NOTHING);
}

/* Eight of these make an idle PMU untouched. */
static void l2_live(void)
{
	u32 msr = CORE_CTR(0);
	u8 *step = found.live;

	*step++ = access_msr(msr, job.access);	/* the first use */
	*step++ = access_msr(msr, job.access);
	leave_often(4);
	*step++ = access_msr(msr, job.access);
	leave_often(5);
	*step++ = access_msr(msr, job.access);	/* untouched again */
	*step++ = access_msr(msr, job.access);
	ask_host(ASK_DENY);
	*step++ = access_msr(msr, job.access);
	ask_host(ASK_ALLOW);
	*step++ = access_msr(msr, job.access);
	*step++ = access_msr(msr, !job.access);
	vmmcall();
}

static void l2_many_vmmcalls(void)
{
	for (;;)
		vmmcall();
}

/* What has happened on this CPU up to now. */
static void read_cost(struct cost *cost, u64 *hands, const u32 codes[2])
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &watch);
	cost->exits = region.vmexits[codes[0]] + region.vmexits[codes[1]];
	cost->reads = region.pmu_rdmsr[MPMU_ROOT] + region.rdpmc[MPMU_ROOT];
	cost->writes = region.pmu_wrmsr[MPMU_ROOT] + region.lvtpc_writes;
	*hands = watch.hits[MPMU_WATCH_DISOWN];
}

static void measure_cost(struct cost *sum, void (*body)(void), u32 code, u32 other_code)
{
	const u32 codes[2] = { code, other_code };
	struct cost from, to;
	u64 hands, hands_then;
	int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < ROUNDS; i++) {
		ask_host(ASK_REST);
		read_cost(&from, &hands, codes);
		body();
		read_cost(&to, &hands_then, codes);
		if (hands_then != hands)
			continue;
		sum->rounds++;
		sum->exits += to.exits - from.exits;
		sum->reads += to.reads - from.reads;
		sum->writes += to.writes - from.writes;
	}
}

static void many_cpuids(void)
{
	int i;

	for (i = 0; i < FEW_EXITS; i++)
		__asm__ volatile("cpuid" : : "a"(0), "c"(0) : "ebx", "edx", "memory");
}

static void many_accesses(void)
{
	int i;

	for (i = 0; i < FEW_EXITS; i++) {
		if (!job.without_rdpmc)
			rdpmc_of(0);
		wrmsr(CORE_CTR(1), rdmsr(CORE_CTR(0)));
		wrmsr(GLOBAL_CTL, rdmsr(GLOBAL_CTL));
	}
}

static void l2_cost(void)
{
	measure_cost(&cost_l0, many_cpuids, SVM_EXIT_CPUID, UNUSED_EXIT);
	measure_cost(&cost_direct, many_accesses, SVM_EXIT_MSR, SVM_EXIT_RDPMC);
	vmmcall();
}

static int reg_index(u32 msr)
{
	int i;

	for (i = 0; i < NR_REGS && regs[i].msr != msr; i++)
		;
	return i;
}

/* The library saves RCX where its structure has RDX. */
static u32 l2_rcx(void)
{
	return guest_regs.rdx;
}

/* L1 skips what it intercepts, all of two bytes. */
static bool handle_l2_exit(struct vmcb *vmcb)
{
	switch (vmcb->control.exit_code) {
	case SVM_EXIT_MSR:
		found.to_l1[reg_index(l2_rcx())][vmcb->control.exit_info_1 & 1]++;
		break;
	case SVM_EXIT_RDPMC:
		found.rdpmc_to_l1++;
		break;
	default:
		return false;
	}
	vmcb->save.rip += 2;
	return true;
}

static void prepare_l2(void *program)
{
	struct vmcb *vmcb = svm->vmcb;

	/* As after a call. */
	generic_svm_setup(svm, program, &stack[511]);
	vmcb->control.msrpm_base_pa = map_gpa;
	if (job.uses_map)
		vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	if (job.intercepts_rdpmc)
		vmcb->control.intercept |= BIT_ULL(INTERCEPT_RDPMC);
}

static void enter_l2(void)
{
	run_guest(svm->vmcb, svm->vmcb_gpa);
}

static void run_l2(void *program)
{
	prepare_l2(program);
	do {
		enter_l2();
	} while (handle_l2_exit(svm->vmcb));
	found.exit_code = svm->vmcb->control.exit_code;
}

static void set_svme(bool on)
{
	u64 efer = rdmsr(MSR_EFER);

	wrmsr(MSR_EFER, on ? efer | EFER_SVME : efer & ~EFER_SVME);
}

static void select_modes(u64 event)
{
	int mode;

	wrmsr(GLOBAL_CTL, 0);
	for (mode = 0; mode < NR_MODES; mode++) {
		wrmsr(CORE_CTR(mode), 0);
		wrmsr(CORE_SEL(mode), SEL_ON | event | mode_bits[mode]);
	}
	wrmsr(GLOBAL_CTL, BIT_ULL(NR_MODES) - 1);
}

/* The same code each time, so that what comes with a window is of equal length. */
static __attribute__((__noipa__)) void read_modes(u64 *values)
{
	int mode;

	for (mode = 0; mode < NR_MODES; mode++)
		values[mode] = rdpmc_of(mode);
}

static u64 events(const struct mpmu_truth *truth, int mode)
{
	if (job.event == BRANCHES)
		return truth->branches[mode][MPMU_KERNEL];
	if (job.event == CYCLES)
		return truth->cycles[mode][MPMU_KERNEL];
	return truth->instructions[mode][MPMU_KERNEL];
}

static __attribute__((__noipa__)) void measure(struct window *window, void (*body)(void))
{
	u64 from[NR_MODES], to[NR_MODES];
	int mode;

	memset(&l2_truth0, 0, sizeof(l2_truth0));
	memset(&l2_truth1, 0, sizeof(l2_truth1));
	read_modes(from);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth0);
	body();
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &truth1);
	read_modes(to);
	for (mode = 0; mode < NR_MODES; mode++)
		window->counted[mode] = to[mode] - from[mode];
	window->truth = events(&truth1, MPMU_GUEST) - events(&truth0, MPMU_GUEST);
	window->in_l2 = events(&l2_truth1, MPMU_GUEST) - events(&l2_truth0, MPMU_GUEST);
}

static void body_empty(void)
{
}

static void body_loop(void)
{
	u32 turns = TURNS;

	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
}

/* Back in L1, with what else starts and stops them. */
static void do_modes_in_l1(void)
{
	u64 both = rdmsr(CORE_SEL(MODE_BOTH));

	measure(&windows[W_L1_AGAIN], body_loop);
	ask_host(ASK_DENY);
	measure(&windows[W_DENIED], body_loop);
	ask_host(ASK_ALLOW);
	measure(&windows[W_ALLOWED], body_loop);
	wrmsr(CORE_SEL(MODE_BOTH), both & ~SEL_HOST_ONLY);
	measure(&windows[W_NO_HOST], body_loop);
	wrmsr(CORE_SEL(MODE_BOTH), both);
	measure(&windows[W_HOST_AGAIN], body_loop);
	set_svme(false);
	measure(&windows[W_SVME_OFF_AGAIN], body_loop);
}

static void do_modes(void)
{
	set_svme(false);
	select_modes(job.event);
	measure(&windows[W_SVME_OFF], body_loop);
	set_svme(true);
	measure(&windows[W_EMPTY], body_empty);
	measure(&windows[W_L1], body_loop);
	l2_turns = TURNS;
	prepare_l2(l2_loop);
	measure(&windows[W_L2], enter_l2);
	l2_turns = 10 * TURNS;
	prepare_l2(l2_loop);
	measure(&windows[W_L2_LONG], enter_l2);
	found.exit_code = svm->vmcb->control.exit_code;
	do_modes_in_l1();
}

/* VMRUN fails: before L0 is in guest mode, and after it was. */
static void do_fail(void)
{
	set_svme(true);
	select_modes(job.event);
	measure(&windows[W_EMPTY], body_empty);
	prepare_l2(l2_loop);
	if (job.bad_map)
		svm->vmcb->control.msrpm_base_pa = job.bad_map;
	else
		svm->vmcb->control.asid = 0;
	measure(&windows[W_L2], enter_l2);
	measure(&windows[W_L1], body_loop);
	found.exit_code = svm->vmcb->control.exit_code;
}

/* Nothing that is enabled matches L1's mode: as good as idle. */
static void do_idle(void)
{
	set_svme(true);
	select_modes(job.event);
	wrmsr(CORE_SEL(MODE_NONE), 0);
	wrmsr(CORE_SEL(MODE_HOST), 0);
	wrmsr(CORE_SEL(MODE_BOTH), 0);
	leave_often(12);
	found.live[0] = access_msr(GLOBAL_CTL, READ);
	l2_turns = TURNS;
	prepare_l2(l2_loop);
	enter_l2();
	windows[W_L2].in_l2 = events(&l2_truth1, MPMU_GUEST) - events(&l2_truth0, MPMU_GUEST);
	windows[W_L2].counted[MODE_GUEST] = rdmsr(CORE_CTR(MODE_GUEST));
}

/* User space ends L2's mode; its code goes on, in L1's mode. */
static void l2_leave(void)
{
	measure(&windows[W_L2], body_loop);
	ask_host(ASK_LEAVE);
	measure(&windows[W_L1], body_loop);
	ask_host(ASK_END);
}

static void do_leave(void)
{
	set_svme(true);
	select_modes(job.event);
	measure(&windows[W_EMPTY], body_empty);
	run_l2(l2_leave);
}

static void do_state(void)
{
	set_svme(true);
	select_modes(job.event);
	measure(&windows[W_EMPTY], body_empty);
	l2_turns = TURNS;
	prepare_l2(l2_loop_out);
	measure(&windows[W_L2], enter_l2);
	found.exit_code = svm->vmcb->control.exit_code;
}

static void go_to_l2_and_back(void)
{
	int i;

	prepare_l2(l2_many_vmmcalls);
	for (i = 0; i < FEW_EXITS; i++) {
		enter_l2();
		svm->vmcb->save.rip += 3;
	}
}

static void do_cost(void)
{
	int mode;

	set_svme(true);
	select_modes(CYCLES);
	for (mode = 0; mode < NR_MODES; mode++)
		wrmsr(CORE_SEL(mode), SEL_ON | CYCLES);
	run_l2(l2_cost);
	measure_cost(&cost_l1, go_to_l2_and_back, SVM_EXIT_VMMCALL, UNUSED_EXIT);
	wrmsr(CORE_SEL(0), SEL_ON | CYCLES | SEL_GUEST_ONLY);
	wrmsr(CORE_SEL(1), SEL_ON | CYCLES | SEL_HOST_ONLY);
	measure_cost(&cost_modes, go_to_l2_and_back, SVM_EXIT_VMMCALL, UNUSED_EXIT);
}

static void do_keep_touched(void)
{
	wrmsr(CORE_SEL(last_counter()), last_sel());
	wrmsr(GLOBAL_CTL, BIT_ULL(last_counter()));
}

static void do_job(void)
{
	switch (job.kind) {
	case JOB_KEEP_TOUCHED:
		do_keep_touched();
		break;
	case JOB_MERGE:
		run_l2(l2_merge);
		break;
	case JOB_LIVE:
		run_l2(l2_live);
		found.live_to_l1 = found.to_l1[reg_index(CORE_CTR(0))][!job.access];
		break;
	case JOB_MODES:
		do_modes();
		break;
	case JOB_FAIL:
		do_fail();
		break;
	case JOB_IDLE:
		do_idle();
		break;
	case JOB_LEAVE:
		do_leave();
		break;
	case JOB_STATE:
		do_state();
		break;
	case JOB_COST:
		do_cost();
		break;
	}
}

static void l1(struct svm_test_data *data, u64 map)
{
	svm = data;
	map_gpa = map;
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	for (;;) {
		do_job();
		GUEST_SYNC(0);
	}
}

/* --- the host --- */

enum { MAP_UNUSED, MAP_NOTHING, MAP_READS, MAP_WRITES, MAP_ALL, NR_MAPS };

static const char *const map_names[NR_MAPS] = {
	[MAP_UNUSED] = "no map", [MAP_NOTHING] = "nothing", [MAP_READS] = "reads",
	[MAP_WRITES] = "writes", [MAP_ALL] = "all",
};

/* Which accesses a map, or a filter of the same name, intercepts. */
static bool map_has(int map, int access)
{
	return map == MAP_ALL || map == (access == READ ? MAP_READS : MAP_WRITES);
}

static struct machine {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	u8 *map;
	void (*on_request)(u8 what);
	u32 filtered[64][NR_ACCESSES];	/* accesses that came to user space */
	int filter;
} m;

#define MAP_SIZE	0x2000

#define SMM_GPA		0x1000000
#define SMM_SLOT	(1 << 16 | 1)	/* in the address space of SMM */
#define SMM_PAGES	16

static void create(int nr_counters)
{
	vm_vaddr_t data, map;

	memset(&m, 0, sizeof(m));
	m.vm = vm_create_with_one_vcpu(&m.vcpu, l1);
	vm_enable_cap(m.vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
	if (nr_counters != COUNTERS)
		vcpu_set_cpuid_property(m.vcpu, CORE_COUNTERS, nr_counters);
	vcpu_alloc_svm(m.vm, &data);
	map = vm_vaddr_alloc(m.vm, MAP_SIZE, KVM_UTIL_MIN_VADDR);
	m.map = addr_gva2hva(m.vm, map);
	vcpu_args_set(m.vcpu, 2, data, addr_gva2gpa(m.vm, map));
	job = (struct job){ .nr_counters = nr_counters };
}

/* AMD APM, "MSR Intercepts": two bits each, by range. */
static void set_map(int map)
{
	int i, access;

	memset(m.map, map == MAP_UNUSED ? 0xff : 0, MAP_SIZE);
	job.uses_map = map != MAP_UNUSED;
	for (i = 0; i < NR_REGS; i++) {
		u32 base = regs[i].msr >= 0xc0010000 ? 0x1000 : 0x800;
		u32 bit = 2 * (regs[i].msr & 0x1fff);

		for (access = 0; access < NR_ACCESSES; access++) {
			if (map_has(map, access))
				m.map[base + (bit + access) / 8] |= 1 << (bit + access) % 8;
		}
	}
}

/* User space denies reads, writes, all or nothing of the PMU. */
static void set_filter(int map)
{
	static u8 zeros[8];
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	u32 flags = (map_has(map, READ) ? KVM_MSR_FILTER_READ : 0) |
		    (map_has(map, WRITE) ? KVM_MSR_FILTER_WRITE : 0);

	m.filter = map;
	if (flags) {
		filter.ranges[0] = (struct kvm_msr_filter_range){
			.flags = flags, .base = K7_SEL(0), .nmsrs = 8, .bitmap = zeros };
		filter.ranges[1] = (struct kvm_msr_filter_range){
			.flags = flags, .base = CORE_SEL(0), .nmsrs = 2 * COUNTERS, .bitmap = zeros };
		filter.ranges[2] = (struct kvm_msr_filter_range){
			.flags = flags, .base = GLOBAL_STATUS, .nmsrs = 4, .bitmap = zeros };
	}
	vm_ioctl(m.vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void serve_filtered(int access)
{
	m.filtered[reg_index(m.vcpu->run->msr.index)][access]++;
	m.vcpu->run->msr.data = 0;
	m.vcpu->run->msr.error = 0;
}

static bool serve_io(void)
{
	struct kvm_run *run = m.vcpu->run;
	struct ucall uc;

	if (run->io.port == PORT) {
		u8 what = *((u8 *)run + run->io.data_offset);

		if (m.on_request)
			m.on_request(what);
		return what != ASK_END;
	}
	switch (get_ucall(m.vcpu, &uc)) {
	case UCALL_SYNC:
		return false;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("ucall %lu", uc.cmd);
	}
}

static void run_job(enum job_kind kind)
{
	bool goes_on = true;

	job.kind = kind;
	memset(&found, 0, sizeof(found));
	memset(m.filtered, 0, sizeof(m.filtered));
	sync_global_to_guest(m.vm, job);
	sync_global_to_guest(m.vm, found);
	while (goes_on) {
		vcpu_run(m.vcpu);
		switch (m.vcpu->run->exit_reason) {
		case KVM_EXIT_X86_RDMSR:
			serve_filtered(READ);
			break;
		case KVM_EXIT_X86_WRMSR:
			serve_filtered(WRITE);
			break;
		case KVM_EXIT_IO:
			goes_on = serve_io();
			break;
		default:
			TEST_FAIL("exit %u", m.vcpu->run->exit_reason);
		}
	}
	sync_global_from_guest(m.vm, found);
	sync_global_from_guest(m.vm, windows);
}

/* Does L0 intercept an access for itself? */
static bool l0_has(const struct reg *reg, int access)
{
	bool direct = reg->direct && (job.nr_counters == COUNTERS || reg->counter >= 0);

	return !direct || map_has(m.filter, access);
}

static bool merged_right(const struct reg *reg, int map, int access)
{
	int i = (int)(reg - regs);
	bool l1_has = map_has(map, access), l0 = l0_has(reg, access);
	bool to_user = !l1_has && map_has(m.filter, access);

	if (found.exits[i][access] == (l1_has || l0) && found.to_l1[i][access] == l1_has &&
	    m.filtered[i][access] == to_user)
		return true;
	note("%#x, %s: %d exits, %d to L1, %d to user space", reg->msr,
	     access == READ ? "read" : "write", found.exits[i][access],
	     found.to_l1[i][access], m.filtered[i][access]);
	return false;
}

static void test_merge(const char *what, int map, int filter)
{
	int i, access, wrong = 0;

	set_map(map);
	set_filter(filter);
	run_job(JOB_MERGE);
	for (i = 0; i < NR_REGS; i++) {
		for (access = 0; exists(&regs[i]) && access < NR_ACCESSES; access++)
			wrong += !merged_right(&regs[i], map, access);
	}
	check(!wrong && found.exit_code == SVM_EXIT_VMMCALL,
	      "I merge: %s, L1 intercepts %s, the filter %s", what, map_names[map],
	      filter == MAP_NOTHING ? "nothing" : map_names[filter]);
}

/* There RDPMC reads counters of the whole host, too. */
static bool has_uncore(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(0x80000001, 0, &eax, &ebx, &ecx, &edx);
	return ecx & (BIT(24) | BIT(28));
}

static void test_rdpmc(const char *what, bool l0)
{
	int l1_has;

	set_map(MAP_NOTHING);
	set_filter(MAP_NOTHING);
	for (l1_has = 0; l1_has < 2; l1_has++) {
		job.intercepts_rdpmc = l1_has;
		run_job(JOB_MERGE);
		check(found.rdpmc_exits == (l0 || l1_has) && found.rdpmc_to_l1 == l1_has,
		      "I RDPMC: %s, L1 %s", what, l1_has ? "intercepts it" : "does not");
	}
	job.intercepts_rdpmc = false;
}

static void test_merges(void)
{
	int map, filter;

	create(COUNTERS);
	run_job(JOB_KEEP_TOUCHED);
	for (filter = MAP_NOTHING; filter < NR_MAPS; filter++) {
		for (map = 0; map < NR_MAPS; map++)
			test_merge("all counters", map, filter);
	}
	test_rdpmc("all counters", has_uncore());
	kvm_vm_free(m.vm);

	create(4);
	run_job(JOB_KEEP_TOUCHED);
	for (map = 0; map < NR_MAPS; map++)
		test_merge("4 counters", map, MAP_NOTHING);
	test_rdpmc("4 counters", true);
	kvm_vm_free(m.vm);
}

/* --- changes while L2 runs --- */

static void change_filter(u8 what)
{
	if (what == ASK_DENY)
		set_filter(MAP_ALL);
	else if (what == ASK_ALLOW)
		set_filter(MAP_NOTHING);
}

static const struct live {
	int map, access;
} lives[] = {
	{ MAP_UNUSED, READ }, { MAP_NOTHING, READ }, { MAP_WRITES, READ },
	{ MAP_UNUSED, WRITE }, { MAP_NOTHING, WRITE }, { MAP_READS, WRITE },
};

static void test_live(const struct live *live)
{
	const u8 *step = found.live;
	const char *map = map_names[live->map], *access = live->access == READ ? "read" : "write";
	int other = map_has(live->map, !live->access);

	create(COUNTERS);
	m.on_request = change_filter;
	set_map(live->map);
	job.access = live->access;
	park_guests(false);
	run_job(JOB_LIVE);
	park_guests(true);
	check(step[0] == 1 && !step[1] && !step[2], "I live: L1 intercepts %s: the first %s opens",
	      map, access);
	check(step[3] == 1 && !step[4], "I live: L1 intercepts %s: an idle PMU closes to a %s", map,
	      access);
	check(step[5] == 1 && m.filtered[reg_index(CORE_CTR(0))][live->access] == 1,
	      "I live: L1 intercepts %s: a filter closes to a %s", map, access);
	check(!step[6], "I live: L1 intercepts %s: without the filter a %s is direct", map, access);
	check(step[7] == other && found.live_to_l1 == other,
	      "I live: L1 intercepts %s: which is all that it intercepts", map);
	kvm_vm_free(m.vm);
}

static void test_lives(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lives); i++)
		test_live(&lives[i]);
}

/* --- Host-Only and Guest-Only --- */

/* KVM executes instructions for L1, which the truth does not have. */
static u64 emulated(u64 event, u64 instructions)
{
	return event == INSTRUCTIONS ? instructions : 0;
}

/* Of the window without anything in it. */
static u64 overhead(void)
{
	return windows[W_EMPTY].counted[MODE_NONE] - windows[W_EMPTY].truth;
}

/* Those of L2 before its first truth and after its second. */
static u64 around(u64 event)
{
	return event == BRANCHES ? 0 : 2;
}

static void note_window(const char *name, const struct window *w)
{
	note("%s: none %llu, host %llu, guest %llu, both %llu; truth %llu, in L2 %llu", name,
	     (unsigned long long)w->counted[MODE_NONE], (unsigned long long)w->counted[MODE_HOST],
	     (unsigned long long)w->counted[MODE_GUEST], (unsigned long long)w->counted[MODE_BOTH],
	     (unsigned long long)w->truth, (unsigned long long)w->in_l2);
}

/* Counts of a window in which `in_l2` events were L2's. */
static bool modes_right(const struct window *w, u64 in_l2)
{
	return w->counted[MODE_NONE] == w->counted[MODE_BOTH] &&
	       w->counted[MODE_GUEST] == in_l2 &&
	       w->counted[MODE_HOST] == w->counted[MODE_NONE] - in_l2;
}

static void check_l2(const char *name, const char *what, const struct window *w, u64 extra_l1,
		     u64 extra_l2)
{
	u64 in_l2 = w->in_l2 + around(job.event) + extra_l2;

	note_window(what, w);
	check(w->in_l2 >= (job.event == BRANCHES ? 1 : 2) * TURNS && modes_right(w, in_l2),
	      "D9 %s, %s: Guest-Only has L2's, Host-Only L1's", name, what);
	check(w->counted[MODE_NONE] == w->truth + overhead() + extra_l1 + extra_l2,
	      "D9 %s, %s: the others have both", name, what);
}

/* A window in L1 in which these count, and the others do not. */
static void check_l1(const char *name, const char *what, const struct window *w, unsigned int modes)
{
	bool right = true;
	int mode;

	note_window(what, w);
	for (mode = 0; mode < NR_MODES; mode++)
		right &= w->counted[mode] == (modes & BIT(mode) ? w->truth + overhead() : 0);
	check(right && w->truth >= TURNS, "D9 %s, %s", name, what);
}

/* User space denies the event. */
static void deny_event(u8 what)
{
	struct {
		struct kvm_pmu_event_filter head;
		u64 events[1];
	} filter = { .head.action = KVM_PMU_EVENT_DENY, .head.nevents = what == ASK_DENY };

	filter.events[0] = job.event;
	vm_ioctl(m.vm, KVM_SET_PMU_EVENT_FILTER, &filter.head);
}

static void test_modes(u64 event, const char *name)
{
	const unsigned int none = BIT(MODE_NONE), l1_modes = none | BIT(MODE_HOST) | BIT(MODE_BOTH);
	u64 vmrun = emulated(event, 3);		/* and VMLOAD, VMSAVE */

	create(COUNTERS);
	set_map(MAP_NOTHING);
	job.event = event;
	m.on_request = deny_event;
	run_job(JOB_MODES);
	check_l1(name, "SVME off: those with no bit", &windows[W_SVME_OFF], none);
	check_l1(name, "in L1: all but Guest-Only", &windows[W_L1], l1_modes);
	check_l2(name, "L2", &windows[W_L2], vmrun, 0);
	check_l2(name, "a longer L2", &windows[W_L2_LONG], vmrun, 0);
	check_l1(name, "in L1 again: all but Guest-Only", &windows[W_L1_AGAIN], l1_modes);
	check_l1(name, "denied: none", &windows[W_DENIED], 0);
	check_l1(name, "allowed: all but Guest-Only", &windows[W_ALLOWED], l1_modes);
	check_l1(name, "Host-Only cleared beside Guest-Only: it stops", &windows[W_NO_HOST],
		 none | BIT(MODE_HOST));
	check_l1(name, "and set: it counts", &windows[W_HOST_AGAIN], l1_modes);
	check_l1(name, "SVME off again: those with no bit", &windows[W_SVME_OFF_AGAIN], none);
	kvm_vm_free(m.vm);
}

static void test_fail(const char *what, bool late)
{
	const struct window *w = &windows[W_L2], *after = &windows[W_L1];

	create(COUNTERS);
	set_map(MAP_NOTHING);
	job.event = INSTRUCTIONS;
	job.bad_map = late ? m.vm->max_gfn / 2 << 12 : 0;
	run_job(JOB_FAIL);
	check(found.exit_code == (u32)SVM_EXIT_ERR,
	      "D9 %s: VMRUN fails", what);
	note_window(what, w);
	check(w->counted[MODE_NONE] == w->truth + overhead() + 3 && modes_right(w, 0) &&
	      after->counted[MODE_NONE] == after->truth + overhead() && modes_right(after, 0),
	      "D9 %s: L1 goes on as L1", what);
	kvm_vm_free(m.vm);
}

static void test_idle(void)
{
	const struct window *w = &windows[W_L2];

	create(COUNTERS);
	set_map(MAP_NOTHING);
	job.event = INSTRUCTIONS;
	park_guests(false);
	run_job(JOB_IDLE);
	park_guests(true);
	check(found.live[0] == 1, "D9 a PMU that counts in L2 only is idle in L1");
	check(w->counted[MODE_GUEST] == w->in_l2 + 2 && w->in_l2 >= 2 * TURNS,
	      "D9 and counts from the first instruction of L2 on");
	note_window("idle", w);
	kvm_vm_free(m.vm);
}

static void leave_l2(u8 what)
{
	struct kvm_nested_state state = {
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.flags = KVM_STATE_NESTED_GIF_SET,
		.size = sizeof(state),
	};

	if (what != ASK_LEAVE)
		return;
	vcpu_run_complete_io(m.vcpu);
	vcpu_ioctl(m.vcpu, KVM_SET_NESTED_STATE, &state);
}

static void test_leave(void)
{
	const struct window *in_l2 = &windows[W_L2], *after = &windows[W_L1];

	create(COUNTERS);
	set_map(MAP_NOTHING);
	job.event = INSTRUCTIONS;
	m.on_request = leave_l2;
	run_job(JOB_LEAVE);
	note_window("in L2", in_l2);
	note_window("after it", after);
	check(in_l2->counted[MODE_NONE] == in_l2->truth + overhead() &&
	      modes_right(in_l2, in_l2->counted[MODE_NONE]) &&
	      after->counted[MODE_NONE] == after->truth + overhead() && modes_right(after, 0),
	      "D9 L2 that user space ended goes on as L1");
	kvm_vm_free(m.vm);
}

/* The VM goes on in another one. */
static void move(u8 what)
{
	struct kvm_x86_state *state = vcpu_save_state(m.vcpu);

	kvm_vm_release(m.vm);
	m.vcpu = vm_recreate_with_one_vcpu(m.vm);
	vm_enable_cap(m.vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
	vcpu_load_state(m.vcpu, state);
	kvm_x86_state_cleanup(state);
}

static void test_state(u64 event, const char *name)
{
	create(COUNTERS);
	set_map(MAP_NOTHING);
	job.event = event;
	m.on_request = move;
	run_job(JOB_STATE);
	check(found.exit_code == SVM_EXIT_VMMCALL, "D9 state: L2 goes on in another VM");
	check_l2(name, "L2 in two VMs", &windows[W_L2], emulated(event, 3), emulated(event, 1));
	kvm_vm_free(m.vm);
}

/* A handler that is RSM alone, where SMBASE points to. */
static void add_smm(void)
{
	static const u8 rsm[] = { 0x0f, 0xaa };

	vm_userspace_mem_region_add(m.vm, VM_MEM_SRC_ANONYMOUS, SMM_GPA, SMM_SLOT, SMM_PAGES, 0);
	TEST_ASSERT(vm_phy_pages_alloc(m.vm, SMM_PAGES, SMM_GPA, SMM_SLOT) == SMM_GPA, "SMRAM");
	memcpy(addr_gpa2hva(m.vm, SMM_GPA + 0x8000), rsm, sizeof(rsm));
	vcpu_set_msr(m.vcpu, MSR_IA32_SMBASE, SMM_GPA);
}

static void send_smi(u8 what)
{
	vcpu_ioctl(m.vcpu, KVM_SMI, NULL);
}

/* In SMM, EFER.SVME is off: only selectors with no bit count RSM. */
static void test_smm(void)
{
	const struct window *w = &windows[W_L2];

	create(COUNTERS);
	add_smm();
	set_map(MAP_NOTHING);
	job.event = INSTRUCTIONS;
	m.on_request = send_smi;
	run_job(JOB_STATE);
	note_window("SMM", w);
	check(found.exit_code == SVM_EXIT_VMMCALL &&
	      w->counted[MODE_GUEST] == w->in_l2 + around(INSTRUCTIONS) + 1 &&
	      w->counted[MODE_BOTH] == w->counted[MODE_GUEST] + w->counted[MODE_HOST] &&
	      w->counted[MODE_NONE] == w->counted[MODE_BOTH] + 1 &&
	      w->counted[MODE_NONE] == w->truth + overhead() + 5,
	      "D9 an SMI in L2 is neither L1's nor L2's");
	kvm_vm_free(m.vm);
}

/* --- what exits cost --- */

/* Work of the kernel that has piled up would take the CPU. */
static void rest(u8 what)
{
	if (what == ASK_REST)
		usleep(50000);
}

/* The emulator sees the PMU change hands. */
static void watch_hands(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long address = 0;
	char line[256], name[200] = "";

	while (file && strcmp(name, "x86_perf_guest_disown") && fgets(line, sizeof(line), file))
		TEST_ASSERT(sscanf(line, "%lx %*c %199s", &address, name) == 2, "%s", line);
	TEST_ASSERT(!strcmp(name, "x86_perf_guest_disown"), "the kernel's function");
	fclose(file);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, MPMU_WATCH_DISOWN, address);
}

/* Enough rounds count, each with so many exits and writes. */
static void check_cost(const struct cost *cost, u64 exits, u64 writes, const char *what)
{
	note("%llu rounds, %llu exits, %llu reads, %llu writes", (unsigned long long)cost->rounds,
	     (unsigned long long)cost->exits, (unsigned long long)cost->reads,
	     (unsigned long long)cost->writes);
	check(cost->rounds >= ROUNDS_NEEDED && cost->exits == cost->rounds * exits &&
	      !cost->reads && cost->writes == cost->rounds * writes, "I cost: %s", what);
}

static void test_cost(void)
{
	create(COUNTERS);
	watch_hands();
	m.on_request = rest;
	set_map(MAP_NOTHING);
	job.without_rdpmc = has_uncore();
	run_job(JOB_COST);
	sync_global_from_guest(m.vm, cost_l0);
	sync_global_from_guest(m.vm, cost_direct);
	sync_global_from_guest(m.vm, cost_l1);
	sync_global_from_guest(m.vm, cost_modes);
	check_cost(&cost_l0, FEW_EXITS, 0,
		   "exits of L2 that L0 handles access no PMU register");
	check_cost(&cost_direct, 0, 0, job.without_rdpmc ? "RDMSR and WRMSR of L2 do not exit" :
		   "RDPMC, RDMSR and WRMSR of L2 do not exit");
	check_cost(&cost_l1, FEW_EXITS, 0, "nor do exits to L1 access a PMU register");
	check_cost(&cost_modes, FEW_EXITS, 4 * FEW_EXITS,
		   "but two selectors each way, where one is Host-Only, one Guest-Only");
	kvm_vm_free(m.vm);
}

int main(void)
{
	/* Nobody else runs, and takes the PMU. */
	const struct sched_param priority = { .sched_priority = 1 };

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));
	TEST_ASSERT(!sched_setscheduler(0, SCHED_FIFO, &priority), "SCHED_FIFO");
	test_merges();
	test_lives();
	test_modes(INSTRUCTIONS, "instructions");
	test_modes(BRANCHES, "branches");
	test_modes(CYCLES, "cycles");
	test_fail("ASID 0", false);
	test_fail("a map without memory", true);
	test_idle();
	test_leave();
	test_smm();
	test_state(INSTRUCTIONS, "instructions");
	test_state(CYCLES, "cycles");
	test_cost();
	return tap_end();
}
