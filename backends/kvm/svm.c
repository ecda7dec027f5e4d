// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD: GLOBAL_CTL stays in hardware while the vCPU owns the PMU, and the
 * selectors count in guest mode only.  KVM's list of MSRs with direct access
 * is full, so the permission map is written here, and merged with that of a
 * guest that is a hypervisor.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <mpmu/mpmu.h>

#include "kvm_mpmu.h"
#include "params.h"
#include "x86.h"
#include "svm/svm.h"
#include "svm/svm_onhyperv.h"

/* For VMs of policy direct that do not choose. */
static bool mediated_pmu_uncore_rdpmc;
module_param(mediated_pmu_uncore_rdpmc, bool, 0644);
MODULE_PARM_DESC(mediated_pmu_uncore_rdpmc,
		 "Policy direct: let guests read the host's NB and L3 counters (default: N)");

static u32 svm_mpmu_features(void)
{
	return 0;
}

static const char *svm_mpmu_missing(void)
{
	return NULL;
}

/* By the type of the VM, or by the older KVM_SEV_ES_INIT. */
static bool svm_mpmu_is_encrypted(struct kvm *kvm)
{
	return kvm->arch.has_protected_state || sev_es_guest(kvm);
}

/* Without MPMU_FEAT_VMCS_GLOBAL_CTRL the core calls neither. */
static u64 svm_mpmu_get_global_ctrl(struct kvm_vcpu *vcpu)
{
	WARN_ON_ONCE(1);
	return 0;
}

static void svm_mpmu_set_global_ctrl(struct kvm_vcpu *vcpu, u64 value)
{
	WARN_ON_ONCE(1);
}

static void svm_mpmu_set_touched(struct kvm_vcpu *vcpu, bool touched)
{
}

/* First MSRs of the words of the map, of 16 MSRs each, that have PMU registers. */
static const u32 msrpm_words[] = {
	MSR_K7_EVNTSEL0,
	MSR_F15H_PERF_CTL0,
	MSR_F15H_PERF_CTL0 + 16,
	MSR_AMD64_PERF_CNTR_GLOBAL_STATUS,
};

static_assert(ARRAY_SIZE(msrpm_words) == sizeof_field(struct svm_nested_state, mpmu_l1_msrpm) / 4,
	      "a copy of each word of L1's");

/* L2 reaches directly what neither map intercepts. */
static void svm_mpmu_merge_msrpm(struct svm_nested_state *nested, const u32 *msrpm)
{
	u32 i, offset;

	for (i = 0; i < ARRAY_SIZE(msrpm_words); i++) {
		offset = svm_msrpm_offset(msrpm_words[i]);
		nested->msrpm[offset] = msrpm[offset] | nested->mpmu_l1_msrpm[i];
	}
}

bool svm_mpmu_read_l1_msrpm(struct vcpu_svm *svm)
{
	struct svm_nested_state *nested = &svm->nested;
	u32 l1[ARRAY_SIZE(msrpm_words)];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrpm_words); i++) {
		gpa_t gpa = nested->ctl.msrpm_base_pa + 4 * svm_msrpm_offset(msrpm_words[i]);

		if (kvm_vcpu_read_guest(&svm->vcpu, gpa, &l1[i], sizeof(l1[i])))
			return false;
	}
	memcpy(nested->mpmu_l1_msrpm, l1, sizeof(l1));
	svm_mpmu_merge_msrpm(nested, svm->msrpm);
	return true;
}

static void svm_mpmu_change_bit_of_map(u32 *map, u32 bit, bool intercept)
{
	if (intercept)
		*map |= BIT(bit);
	else
		*map &= ~BIT(bit);
}

/* The two bits of an MSR, read first; a filter of user space wins. */
static void svm_mpmu_set_intercept(struct kvm_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	u32 offset = svm_msrpm_offset(msr);
	u32 bit = 2 * (msr & 0xf);

	if (WARN_ON_ONCE(offset == MSR_INVALID))
		return;

	if (access & MPMU_READ)
		svm_mpmu_change_bit_of_map(
			&svm->msrpm[offset], bit,
			intercept || !kvm_msr_allowed(vcpu, msr, KVM_MSR_FILTER_READ));
	if (access & MPMU_WRITE)
		svm_mpmu_change_bit_of_map(
			&svm->msrpm[offset], bit + 1,
			intercept || !kvm_msr_allowed(vcpu, msr, KVM_MSR_FILTER_WRITE));
	svm_hv_vmcb_dirty_nested_enlightenments(vcpu);
	/* L2 may be running, or be entered next without a look at L1's map. */
	if (svm->nested.initialized)
		svm_mpmu_merge_msrpm(&svm->nested, svm->msrpm);
}

/* In vmcb01; KVM gives vmcb02 what vmcb01 or vmcb12 intercepts. */
static void svm_mpmu_set_rdpmc_intercept(struct kvm_vcpu *vcpu, bool intercept)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (intercept)
		svm_set_intercept(svm, INTERCEPT_RDPMC);
	else
		svm_clr_intercept(svm, INTERCEPT_RDPMC);
}

const struct kvm_mpmu_vendor svm_mpmu_vendor = {
	.enable = &enable_mediated_pmu,
	.policy = &mediated_pmu_policy,
	.uncore_rdpmc = &mediated_pmu_uncore_rdpmc,
	.vendor = MPMU_VENDOR_AMD,
	.features = svm_mpmu_features,
	.missing = svm_mpmu_missing,
	.is_encrypted = svm_mpmu_is_encrypted,
	.get_global_ctrl = svm_mpmu_get_global_ctrl,
	.set_global_ctrl = svm_mpmu_set_global_ctrl,
	.set_intercept = svm_mpmu_set_intercept,
	.set_rdpmc_intercept = svm_mpmu_set_rdpmc_intercept,
	.set_touched = svm_mpmu_set_touched,
};
