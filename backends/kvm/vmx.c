// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel: GLOBAL_CTRL lives in the VMCS while the vCPU uses its PMU.  VM-entry
 * loads it, VM-exit saves it and loads 0.  Where VM-exit cannot save it, the
 * list of MSRs to store does; its entry is then carried into the VMCS before
 * the next entry.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/string.h>

#include <mpmu/mpmu.h>

#include "kvm_mpmu.h"
#include "params.h"
#include "x86.h"
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

static bool can_save(void)
{
	return vmcs_config.vmexit_ctrl & SAVE_EXIT;
}

/*
 * The slot is the first of the list and stays it: the TSC, which nested
 * virtualization adds and removes, comes behind.
 */
static struct vmx_msr_entry *slot(struct vcpu_vmx *vmx)
{
	return &vmx->msr_autostore.guest.val[0];
}

static void make_slot(struct vcpu_vmx *vmx)
{
	struct vmx_msrs *list = &vmx->msr_autostore.guest;

	if (slot(vmx)->index == MSR_CORE_PERF_GLOBAL_CTRL && list->nr)
		return;

	memmove(&list->val[1], &list->val[0], list->nr * sizeof(list->val[0]));
	list->nr++;
	*slot(vmx) = (struct vmx_msr_entry){ .index = MSR_CORE_PERF_GLOBAL_CTRL };
}

static u64 vmx_mpmu_get_global_ctrl(struct kvm_vcpu *vcpu)
{
	return can_save() ? vmcs_read64(GUEST_IA32_PERF_GLOBAL_CTRL) : slot(to_vmx(vcpu))->value;
}

static void vmx_mpmu_set_global_ctrl(struct kvm_vcpu *vcpu, u64 value)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, value);
	if (!can_save()) {
		slot(vmx)->value = value;
		vmx->mpmu_global_ctrl = value;
	}
}

/* Before each VM-entry: what the last VM-exit stored is loaded again. */
void vmx_mpmu_load_global_ctrl(struct vcpu_vmx *vmx)
{
	if (can_save() || slot(vmx)->value == vmx->mpmu_global_ctrl)
		return;

	vmx->mpmu_global_ctrl = slot(vmx)->value;
	vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, vmx->mpmu_global_ctrl);
}

static void enable_switch(struct vcpu_vmx *vmx)
{
	vmcs_write64(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	vm_entry_controls_setbit(vmx, LOAD_ENTRY);
	vm_exit_controls_setbit(vmx, LOAD_EXIT);
	if (can_save()) {
		vm_exit_controls_setbit(vmx, SAVE_EXIT);
		return;
	}
	make_slot(vmx);
	vmcs_write64(VM_EXIT_MSR_STORE_ADDR, __pa(vmx->msr_autostore.guest.val));
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, vmx->msr_autostore.guest.nr);
}

/* KVM's own switch for perf sets the two load controls again, if it must. */
static void disable_switch(struct vcpu_vmx *vmx)
{
	vm_entry_controls_clearbit(vmx, LOAD_ENTRY);
	vm_exit_controls_clearbit(vmx, LOAD_EXIT);
	if (can_save())
		vm_exit_controls_clearbit(vmx, SAVE_EXIT);
	else if (vmx->loaded_vmcs == &vmx->vmcs01)
		vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
}

static void vmx_mpmu_set_touched(struct kvm_vcpu *vcpu, bool touched)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!touched) {
		disable_switch(vmx);
		return;
	}
	vmx_mpmu_stop_perf_switch(vmx);
	enable_switch(vmx);
}

static void vmx_mpmu_set_intercept(struct kvm_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	int type = (access & MPMU_READ ? MSR_TYPE_R : 0) | (access & MPMU_WRITE ? MSR_TYPE_W : 0);

	vmx_set_intercept_for_msr(vcpu, msr, type, intercept);
}

/* In L2 RDPMC is always intercepted; vmcs01 is set as it is loaded again. */
static void vmx_mpmu_set_rdpmc_intercept(struct kvm_vcpu *vcpu, bool intercept)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (vmx->loaded_vmcs != &vmx->vmcs01)
		return;
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
		enable_switch(vmx);
		vmx_mpmu_set_global_ctrl(vcpu, global_ctrl);
	} else {
		disable_switch(vmx);
	}
	vmx_mpmu_set_rdpmc_intercept(vcpu, kvm_mpmu_rdpmc_intercepted(vcpu));
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
	.set_intercept = vmx_mpmu_set_intercept,
	.set_rdpmc_intercept = vmx_mpmu_set_rdpmc_intercept,
	.set_touched = vmx_mpmu_set_touched,
};
