// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel: GLOBAL_CTRL lives in the VMCS while the vCPU uses its PMU.  VM-entry
 * loads it, VM-exit saves it and loads the host's, which is 0 but for counters
 * that are lent.  Where VM-exit cannot save it, the
 * list of MSRs to store does; its entry is then carried into the VMCS before
 * the next entry.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/string.h>

#include <mpmu/mpmu.h>

#include "kvm_mpmu.h"
#include "params.h"
#include "x86.h"
#include "pmu.h"
#include "vmx/nested.h"
#include "vmx/vmx.h"

#define LOAD_ENTRY	VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL
#define LOAD_EXIT	VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL
#define SAVE_EXIT	VM_EXIT_SAVE_IA32_PERF_GLOBAL_CTRL

static u32 vmx_mpmu_features(void)
{
	bool loads = cpu_has_load_perf_global_ctrl() && (vmcs_config.vmexit_ctrl & LOAD_EXIT);

	return loads ? MPMU_FEAT_VMCS_GLOBAL_CTRL : 0;
}

static const char *vmx_mpmu_missing(void)
{
	if (!cpu_has_vmx_msr_bitmap())
		return "MSR bitmaps";
	return vmx_pt_mode_is_host_guest() ? "pt_mode=0 (Intel PT is given to guests)" : NULL;
}

static bool vmx_mpmu_is_encrypted(struct kvm *kvm)
{
	return false;
}

static bool vmx_mpmu_can_save(void)
{
	return vmcs_config.vmexit_ctrl & SAVE_EXIT;
}

/*
 * The slot is the first of the list and stays it: the TSC, which nested
 * virtualization adds and removes, comes behind.
 */
static struct vmx_msr_entry *vmx_mpmu_slot(struct vcpu_vmx *vmx)
{
	return &vmx->msr_autostore.guest.val[0];
}

static void vmx_mpmu_make_slot(struct vcpu_vmx *vmx)
{
	struct vmx_msrs *list = &vmx->msr_autostore.guest;

	if (vmx_mpmu_slot(vmx)->index == MSR_CORE_PERF_GLOBAL_CTRL && list->nr)
		return;

	memmove(&list->val[1], &list->val[0], list->nr * sizeof(list->val[0]));
	list->nr++;
	*vmx_mpmu_slot(vmx) = (struct vmx_msr_entry){ .index = MSR_CORE_PERF_GLOBAL_CTRL };
}

static u64 vmx_mpmu_get_global_ctrl(struct kvm_vcpu *vcpu)
{
	return vmx_mpmu_can_save() ? vmcs_read64(GUEST_IA32_PERF_GLOBAL_CTRL)
				   : vmx_mpmu_slot(to_vmx(vcpu))->value;
}

static void vmx_mpmu_set_global_ctrl(struct kvm_vcpu *vcpu, u64 value)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, value);
	if (!vmx_mpmu_can_save()) {
		vmx_mpmu_slot(vmx)->value = value;
		vmx->mpmu.global_ctrl = value;
	}
}

/* Before each VM-entry: what the last VM-exit stored is loaded again. */
void vmx_mpmu_load_global_ctrl(struct vcpu_vmx *vmx)
{
	if (vmx_mpmu_can_save() || vmx_mpmu_slot(vmx)->value == vmx->mpmu.global_ctrl)
		return;

	vmx->mpmu.global_ctrl = vmx_mpmu_slot(vmx)->value;
	vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, vmx->mpmu.global_ctrl);
}

static void vmx_mpmu_enable_switch(struct vcpu_vmx *vmx)
{
	vmcs_write64(HOST_IA32_PERF_GLOBAL_CTRL, vmx->mpmu.host_global_ctrl);
	vm_entry_controls_setbit(vmx, LOAD_ENTRY);
	vm_exit_controls_setbit(vmx, LOAD_EXIT);
	if (vmx_mpmu_can_save()) {
		vm_exit_controls_setbit(vmx, SAVE_EXIT);
		return;
	}
	vmx_mpmu_make_slot(vmx);
	vmcs_write64(VM_EXIT_MSR_STORE_ADDR, __pa(vmx->msr_autostore.guest.val));
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, vmx->msr_autostore.guest.nr);
}

/* KVM's own switch for perf sets the two load controls again, if it must. */
static void vmx_mpmu_disable_switch(struct vcpu_vmx *vmx)
{
	vm_entry_controls_clearbit(vmx, LOAD_ENTRY);
	vm_exit_controls_clearbit(vmx, LOAD_EXIT);
	if (vmx_mpmu_can_save())
		vm_exit_controls_clearbit(vmx, SAVE_EXIT);
	else if (vmx->loaded_vmcs == &vmx->vmcs01)
		vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
}

static void vmx_mpmu_set_host_global_ctrl(struct kvm_vcpu *vcpu, u64 value)
{
	to_vmx(vcpu)->mpmu.host_global_ctrl = value;
	if (kvm_vcpu_uses_mediated_pmu(vcpu))
		vmcs_write64(HOST_IA32_PERF_GLOBAL_CTRL, value);
}

static void vmx_mpmu_set_touched(struct kvm_vcpu *vcpu, bool touched)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!touched) {
		vmx_mpmu_disable_switch(vmx);
		return;
	}
	vmx_mpmu_stop_perf_switch(vmx);
	vmx_mpmu_enable_switch(vmx);
}

/*
 * Each kind of register fits into one word of the bitmap.  Any other MSR there
 * is intercepted in vmcs01, and so in L2.
 */
static const u16 pmu_words[VMX_MPMU_WORDS] = {
	MSR_ARCH_PERFMON_PERFCTR0 / 64, MSR_ARCH_PERFMON_EVENTSEL0 / 64,
	MSR_CORE_PERF_FIXED_CTR0 / 64, MSR_CORE_PERF_FIXED_CTR_CTRL / 64,
	MSR_IA32_PMC0 / 64,
};

/* Writes of the same MSRs are so many words on: half of the page. */
#define BITMAP_WRITES (PAGE_SIZE / 2 / sizeof(u64))

/* L2 reaches what L1 itself reaches and passes through. */
static void vmx_mpmu_merge_word(struct vcpu_vmx *vmx, u32 i)
{
	const u64 *vmcs01 = (const u64 *)vmx->vmcs01.msr_bitmap;
	u64 *vmcs02 = (u64 *)vmx->nested.vmcs02.msr_bitmap;
	u32 reads = pmu_words[i], writes = reads + BITMAP_WRITES;

	vmcs02[reads] = vmcs01[reads] | ~vmx->mpmu.passed_reads[i];
	vmcs02[writes] = vmcs01[writes] | ~vmx->mpmu.passed_writes[i];
}

/*
 * VM-entry to L2.  What L1 wants is remembered, for changes of vmcs01's bitmap
 * while L2 runs, when L1's memory is out of reach.
 */
void vmx_mpmu_merge_msr_bitmap(struct vcpu_vmx *vmx, const unsigned long *vmcs12_bitmap)
{
	const u64 *vmcs12 = (const u64 *)vmcs12_bitmap;
	u32 i;

	if (!kvm_vcpu_has_mediated_pmu(&vmx->vcpu))
		return;

	for (i = 0; i < VMX_MPMU_WORDS; i++) {
		vmx->mpmu.passed_reads[i] = ~READ_ONCE(vmcs12[pmu_words[i]]);
		vmx->mpmu.passed_writes[i] = ~READ_ONCE(vmcs12[pmu_words[i] + BITMAP_WRITES]);
		vmx_mpmu_merge_word(vmx, i);
	}
}

static void vmx_mpmu_set_intercept(struct kvm_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	int type = (access & MPMU_READ ? MSR_TYPE_R : 0) | (access & MPMU_WRITE ? MSR_TYPE_W : 0);
	u32 i;

	vmx_set_intercept_for_msr(vcpu, msr, type, intercept);
	if (!is_guest_mode(vcpu))
		return;
	/* KVM brings vmcs02 up to date at L1's next VM-entry, which is too late. */
	for (i = 0; i < VMX_MPMU_WORDS; i++) {
		if (pmu_words[i] == msr / 64)
			vmx_mpmu_merge_word(to_vmx(vcpu), i);
	}
}

/* In L2 this is vmcs02; vmcs01 is set as it is loaded again. */
static void vmx_mpmu_set_rdpmc_intercept(struct kvm_vcpu *vcpu, bool intercept)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	bool l1;

	if (is_guest_mode(vcpu)) {
		l1 = nested_cpu_has(get_vmcs12(vcpu), CPU_BASED_RDPMC_EXITING);
		intercept = kvm_mpmu_nested_rdpmc_intercepted(vcpu, l1);
	}
	if (intercept)
		exec_controls_setbit(vmx, CPU_BASED_RDPMC_EXITING);
	else
		exec_controls_clearbit(vmx, CPU_BASED_RDPMC_EXITING);
}

/* The vCPU changes between vmcs01 and vmcs02, preemption is off. */
u64 vmx_mpmu_leave_vmcs(struct vcpu_vmx *vmx)
{
	return kvm_vcpu_uses_mediated_pmu(&vmx->vcpu) ? vmx_mpmu_get_global_ctrl(&vmx->vcpu) : 0;
}

void vmx_mpmu_enter_vmcs(struct vcpu_vmx *vmx, u64 global_ctrl)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;

	if (!kvm_vcpu_has_mediated_pmu(vcpu))
		return;

	if (kvm_vcpu_uses_mediated_pmu(vcpu)) {
		vmx_mpmu_enable_switch(vmx);
		vmx_mpmu_set_global_ctrl(vcpu, global_ctrl);
		/* The first use stopped perf's switches in one VMCS: an entry may fail after it. */
		vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, vmx->msr_autoload.guest.nr);
		vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, vmx->msr_autoload.host.nr);
	} else {
		vmx_mpmu_disable_switch(vmx);
	}
	/* vmcs02 gets the union of vmcs01's and vmcs12's execution controls. */
	if (vmx->loaded_vmcs == &vmx->vmcs01)
		vmx_mpmu_set_rdpmc_intercept(vcpu, kvm_mpmu_rdpmc_intercepted(vcpu));
}

/*
 * nested_early_check is a VM-entry that fails, at a place where events of the
 * host may be running: it must not touch GLOBAL_CTRL.  vmcs02's controls for it
 * are on or off together, for the guest's PMU or for perf.
 */
bool vmx_mpmu_begin_early_check(struct vcpu_vmx *vmx)
{
	/* KVM writes it after the check, which refuses a new vmcs02's 0. */
	if (kvm_caps.has_tsc_control)
		vmcs_write64(TSC_MULTIPLIER, vmx->vcpu.arch.tsc_scaling_ratio);
	if (!(vm_entry_controls_get(vmx) & LOAD_ENTRY))
		return false;

	vm_entry_controls_clearbit(vmx, LOAD_ENTRY);
	vm_exit_controls_clearbit(vmx, LOAD_EXIT);
	return true;
}

void vmx_mpmu_end_early_check(struct vcpu_vmx *vmx, bool loads)
{
	if (!loads)
		return;

	vm_entry_controls_setbit(vmx, LOAD_ENTRY);
	vm_exit_controls_setbit(vmx, LOAD_EXIT);
}

/* A guest without GLOBAL_CTRL has no controls that load it. */
bool vmx_mpmu_hides_loads(struct kvm_vcpu *vcpu)
{
	return kvm_vcpu_has_mediated_pmu(vcpu) &&
	       !kvm_pmu_has_perf_global_ctrl(vcpu_to_pmu(vcpu));
}

/* User space goes on seeing, and restoring, what it has set. */
void vmx_mpmu_filter_control_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info)
{
	if (msr_info->host_initiated || !vmx_mpmu_hides_loads(vcpu))
		return;

	switch (msr_info->index) {
	case MSR_IA32_VMX_ENTRY_CTLS:
	case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		msr_info->data &= ~((u64)LOAD_ENTRY << 32);
		break;
	case MSR_IA32_VMX_EXIT_CTLS:
	case MSR_IA32_VMX_TRUE_EXIT_CTLS:
		msr_info->data &= ~((u64)LOAD_EXIT << 32);
		break;
	}
}

const struct kvm_mpmu_vendor vmx_mpmu_vendor = {
	.enable = &enable_mediated_pmu,
	.policy = &mediated_pmu_policy,
	.vendor = MPMU_VENDOR_INTEL,
	.features = vmx_mpmu_features,
	.missing = vmx_mpmu_missing,
	.is_encrypted = vmx_mpmu_is_encrypted,
	.get_global_ctrl = vmx_mpmu_get_global_ctrl,
	.set_global_ctrl = vmx_mpmu_set_global_ctrl,
	.set_host_global_ctrl = vmx_mpmu_set_host_global_ctrl,
	.set_intercept = vmx_mpmu_set_intercept,
	.set_rdpmc_intercept = vmx_mpmu_set_rdpmc_intercept,
	.set_touched = vmx_mpmu_set_touched,
};
