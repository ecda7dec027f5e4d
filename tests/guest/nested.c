// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest that is a hypervisor itself, and intercepts nothing of the PMU: its
 * own accesses are direct, those of its guest exit, and the counter goes on
 * across both.  Built with the library of the kernel tree's KVM tests.
 */
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "vmx.h"

#include "mpmu_magic.h"

#define ACCESSES	50
#define IN_L1		0	/* regions of the emulator */
#define IN_L2		1

struct msrs {
	u32 eventsel, counter, global_ctrl;
};

static const struct msrs intel = { 0x186, 0x4c1, 0x38f };
static const struct msrs amd = { 0xc0010200, 0xc0010201, 0xc0000301 };

static unsigned long stack[64];
static u64 last;

static const struct msrs *pmu(void)
{
	return this_cpu_has(X86_FEATURE_VMX) ? &intel : &amd;
}

static u64 rdpmc0(void)
{
	u32 low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
	return low | (u64)high << 32;
}

/* Instructions in the kernel: each read is above the one before. */
static void read_counter(u32 counter)
{
	int i;

	for (i = 0; i < ACCESSES; i++) {
		u64 value = rdpmc0();

		GUEST_ASSERT(value > last);
		last = rdmsr(counter);
		GUEST_ASSERT(last > value);
	}
}

static void l2_intel(void)
{
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, IN_L2);
	read_counter(intel.counter);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, IN_L2);
	vmcall();
}

static void l2_amd(void)
{
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, IN_L2);
	read_counter(amd.counter);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, IN_L2);
	vmmcall();
}

static void run_l2_intel(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_intel, &stack[64]);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL,
		vmreadz(CPU_BASED_VM_EXEC_CONTROL) | CPU_BASED_USE_MSR_BITMAPS);
	GUEST_ASSERT(!vmlaunch());
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
}

static void run_l2_amd(struct svm_test_data *svm)
{
	generic_svm_setup(svm, l2_amd, &stack[64]);
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
}

static void l1(void *pages)
{
	const struct msrs *msrs = pmu();

	wrmsr(msrs->global_ctrl, 1);
	wrmsr(msrs->eventsel, 0x4200c0);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, IN_L1);
	read_counter(msrs->counter);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, IN_L1);
	if (msrs == &intel)
		run_l2_intel(pages);
	else
		run_l2_amd(pages);
	read_counter(msrs->counter);
	GUEST_ASSERT_EQ(rdmsr(msrs->global_ctrl), 1);
	GUEST_DONE();
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	case UCALL_DONE:
		break;
	default:
		TEST_FAIL("ucall %lu", uc.cmd);
	}
}

/* Exits by RDPMC and RDMSR in a region. */
static void judge(const char *where, const struct mpmu_region *region, u64 wanted)
{
	bool vmx = kvm_cpu_has(X86_FEATURE_VMX);
	u64 rdpmc_exits = region->vmexits[vmx ? EXIT_REASON_RDPMC : SVM_EXIT_RDPMC];
	u64 msr_exits = region->vmexits[vmx ? EXIT_REASON_MSR_READ : SVM_EXIT_MSR];

	printf("Testing %s: %lu exits by RDPMC, %lu by RDMSR\n", where, rdpmc_exits, msr_exits);
	TEST_ASSERT(region->repeats == 1, "%s ran %llu times", where, region->repeats);
	TEST_ASSERT(rdpmc_exits == wanted, "%s: %lu exits by RDPMC", where, rdpmc_exits);
	TEST_ASSERT(msr_exits == wanted, "%s: %lu exits by RDMSR", where, msr_exits);
}

int main(void)
{
	static struct mpmu_region in_l1, in_l2;
	struct kvm_vcpu *vcpu;
	vm_vaddr_t pages;
	struct kvm_vm *vm;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX) || kvm_cpu_has(X86_FEATURE_SVM));
	vm = vm_create_with_one_vcpu(&vcpu, l1);
	if (kvm_cpu_has(X86_FEATURE_VMX))
		vcpu_alloc_vmx(vm, &pages);
	else
		vcpu_alloc_svm(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
	run(vcpu);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, IN_L1, &in_l1);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, IN_L2, &in_l2);
	judge("L1", &in_l1, 0);
	judge("L2", &in_l2, ACCESSES);
	kvm_vm_free(vm);
	return 0;
}
