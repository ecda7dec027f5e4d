// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What exits of a guest's guest cost any kernel, on either vendor: those that the host
 * handles, an RDMSR here, and CPUIDs that the guest handles.  Built with the library of
 * the kernel tree's KVM tests.  Prints lines for tests/bench/peer, as the list "peer" of
 * tests/l1/vpmu does.
 *
 * L0 is this machine, L1 the VM, L2 its guest, which is a loop.
 */
#include <stdlib.h>

#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "vmx.h"

#include "mpmu_magic.h"
#include "tap.h"

#define SLOPES		7
#define TURNS		500

#define CYCLES_INTEL	0x43003c
#define CYCLES_AMD	0x430076
#define INSTRUCTIONS	0x4300c0

struct use {
	const char *name;
	bool no_pmu, counts, instructions;
};

static const struct use uses[] = {
	{ "no PMU", true, false, false },
	{ "untouched", false, false, false },
	{ "1, cycles", false, true, false },
	{ "1, instructions", false, true, true },
};

/* In the order of a line. */
enum { WRMSR, RDPMC, RDMSR, ROOT, GUEST, EXITS, NR_FIGURES };

/* Of N exits, and of 2N. */
struct slope {
	u64 once[NR_FIGURES], twice[NR_FIGURES];
};

/* --- what L0 and L1 share --- */

static bool to_l1;		/* L2 executes CPUIDs alone */
static bool counts, of_instructions;
static u64 counted;
static struct slope slopes[SLOPES];

/* --- L2 --- */

u32 l2_turns;

/* No stack, and nothing is in a register while L1 runs.  0x8b is nobody's but L0's. */
__asm__(".globl	l2_rdmsrs, l2_cpuids\n"
	"l2_rdmsrs:\n"
	"	mov	$0x8b, %ecx\n"
	"	rdmsr\n"
	"	decl	l2_turns\n"
	"	jnz	l2_rdmsrs\n"
	"	xor	%eax, %eax\n"
	"	cpuid\n"
	"	jmp	l2_rdmsrs\n"
	"l2_cpuids:\n"
	"	xor	%eax, %eax\n"
	"	cpuid\n"
	"	jmp	l2_cpuids\n");

void l2_rdmsrs(void);
void l2_cpuids(void);

/* --- L1 --- */

static struct mpmu_region region;
static unsigned long stack[64] __aligned(16);
static bool launched;

static void prepare_vmx(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, to_l1 ? l2_cpuids : l2_rdmsrs, &stack[63]);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL,
		vmreadz(CPU_BASED_VM_EXEC_CONTROL) | CPU_BASED_USE_MSR_BITMAPS);
}

static void prepare_svm(struct svm_test_data *svm)
{
	generic_svm_setup(svm, to_l1 ? l2_cpuids : l2_rdmsrs, &stack[63]);
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_CPUID);
}

/* L2 runs up to its next CPUID, which is skipped. */
static void run_vmx(void)
{
	GUEST_ASSERT(!(launched ? vmresume() : vmlaunch()));
	launched = true;
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_CPUID);
	vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) + 2);
}

static void run_svm(struct svm_test_data *svm)
{
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_CPUID);
	svm->vmcb->save.rip += 2;
}

static void program(bool intel)
{
	u64 select = of_instructions ? INSTRUCTIONS : intel ? CYCLES_INTEL : CYCLES_AMD;

	wrmsr(intel ? 0x186 : 0xc0010200, select);
	wrmsr(intel ? 0x38f : 0xc0000301, 1);
}

/* Of this CPU up to now. */
static void read_figures(u64 figures[NR_FIGURES])
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region);
	figures[WRMSR] = region.pmu_wrmsr[MPMU_ROOT] + region.lvtpc_writes;
	figures[RDPMC] = region.rdpmc[MPMU_ROOT];
	figures[RDMSR] = region.pmu_rdmsr[MPMU_ROOT];
	figures[ROOT] = region.instructions[MPMU_ROOT][0] + region.instructions[MPMU_ROOT][1];
	figures[GUEST] = region.instructions[MPMU_GUEST][0] + region.instructions[MPMU_GUEST][1];
	figures[EXITS] = region.vmexits_total;
}

static void run_times(void *pages, bool intel, u32 times, u64 figures[NR_FIGURES])
{
	u32 left = to_l1 ? times : 1;
	u64 from[NR_FIGURES];
	int i;

	l2_turns = times;
	read_figures(from);
	while (left--) {
		if (intel)
			run_vmx();
		else
			run_svm(pages);
	}
	read_figures(figures);
	for (i = 0; i < NR_FIGURES; i++)
		figures[i] -= from[i];
}

static void l1_main(void *pages)
{
	const bool intel = this_cpu_has(X86_FEATURE_VMX);
	u64 ignored[NR_FIGURES];
	int i;

	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	if (intel)
		prepare_vmx(pages);
	else
		prepare_svm(pages);
	if (counts)
		program(intel);
	run_times(pages, intel, TURNS, ignored);
	for (i = 0; i < SLOPES; i++) {
		run_times(pages, intel, TURNS, slopes[i].once);
		run_times(pages, intel, 2 * TURNS, slopes[i].twice);
	}
	counted = counts ? rdmsr(intel ? 0xc1 : 0xc0010201) : 0;
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	GUEST_DONE();
}

/* --- the host --- */

static int compare(const void *a, const void *b)
{
	const struct slope *x = a, *y = b;
	u64 dx = x->twice[ROOT] - x->once[ROOT], dy = y->twice[ROOT] - y->once[ROOT];

	return (dx > dy) - (dx < dy);
}

static void print_figures(const char *name, const struct use *use)
{
	const struct slope *median = &slopes[SLOPES / 2];
	int i;

	qsort(slopes, SLOPES, sizeof(slopes[0]), compare);
	printf("# cost: no event|%s|%s", name, use->name);
	for (i = 0; i < NR_FIGURES; i++)
		printf("|%.2f", (double)(median->twice[i] - median->once[i]) / TURNS);
	printf("\n");
}

static void measure(const char *name, bool reflected, const struct use *use)
{
	struct kvm_vm *vm = vm_create(1);
	struct kvm_vcpu *vcpu;
	vm_vaddr_t pages;

	if (use->no_pmu)
		vm_enable_cap(vm, KVM_CAP_PMU_CAPABILITY, KVM_PMU_CAP_DISABLE);
	vcpu = vm_vcpu_add(vm, 0, l1_main);
	if (kvm_cpu_has(X86_FEATURE_VMX))
		vcpu_alloc_vmx(vm, &pages);
	else
		vcpu_alloc_svm(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
	to_l1 = reflected;
	counts = use->counts;
	of_instructions = use->instructions;
	sync_global_to_guest(vm, to_l1);
	sync_global_to_guest(vm, counts);
	sync_global_to_guest(vm, of_instructions);
	vcpu_run(vcpu);
	TEST_ASSERT(get_ucall(vcpu, NULL) == UCALL_DONE, "L1 reaches its end");
	sync_global_from_guest(vm, slopes);
	sync_global_from_guest(vm, counted);
	check(counted || !use->counts, "%s, %s: it counts, and its cost is printed", name, use->name);
	print_figures(name, use);
	kvm_vm_free(vm);
}

int main(void)
{
	size_t i;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX) || kvm_cpu_has(X86_FEATURE_SVM));
	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		measure("a nested exit of L0's", false, &uses[i]);
		measure("a nested CPUID exit", true, &uses[i]);
	}
	return tap_end();
}
