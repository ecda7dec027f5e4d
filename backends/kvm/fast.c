// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest exits for again and again beside events of the host, served with IRQs
 * off between VM-exit and VM-entry: RDPMC, GLOBAL_CTRL and its status, and LVTPC.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <mpmu/mpmu.h>

#include "glue.h"
#include "lapic.h"
#include "pmu.h"
#include "trace.h"
#include "x86.h"

/*
 * The access is made, with KVM's own effects of it: back to the guest, unless the next
 * entry has something to do.  A write has made the vCPU forget that it has not.
 */
static fastpath_t fast_done(struct kvm_vcpu *vcpu)
{
	if (!kvm_skip_emulated_instruction(vcpu))
		return EXIT_FASTPATH_EXIT_USERSPACE;
	if (this_cpu_ptr(&kvm_mpmu_cpu)->settled != vcpu_to_core(vcpu))
		return EXIT_FASTPATH_EXIT_HANDLED;
	__this_cpu_write(kvm_mpmu_settled, vcpu);
	return EXIT_FASTPATH_REENTER_GUEST;
}

static fastpath_t fast_answer(struct kvm_vcpu *vcpu, u64 data)
{
	kvm_rax_write(vcpu, (u32)data);
	kvm_rdx_write(vcpu, data >> 32);
	return fast_done(vcpu);
}

/* What faults is left to KVM; so is what has effects beyond the PMU's registers. */
static bool fast_may_write(const struct mpmu_vcpu *core, u32 msr, u64 data)
{
	switch (msr) {
	case MSR_CORE_PERF_GLOBAL_CTRL:
	case MSR_CORE_PERF_GLOBAL_OVF_CTRL:
	case MSR_AMD64_PERF_CNTR_GLOBAL_CTL:
	case MSR_AMD64_PERF_CNTR_GLOBAL_STATUS_CLR:
		return !(data & ~(core->caps.counters | core->caps.global_ctrl_extra));
	}
	return false;
}

static bool fast_may_read(u32 msr)
{
	switch (msr) {
	case MSR_CORE_PERF_GLOBAL_CTRL:
	case MSR_CORE_PERF_GLOBAL_STATUS:
	case MSR_AMD64_PERF_CNTR_GLOBAL_CTL:
	case MSR_AMD64_PERF_CNTR_GLOBAL_STATUS:
		return true;
	}
	return false;
}

static int fast_write(struct kvm_vcpu *vcpu, struct msr_data *msr)
{
	if (!fast_may_write(vcpu_to_core(vcpu), msr->index, msr->data) ||
	    !kvm_msr_allowed(vcpu, msr->index, KVM_MSR_FILTER_WRITE))
		return -ENOENT;
	return kvm_mpmu_set_msr(vcpu, msr);
}

fastpath_t __kvm_mpmu_fast_wrmsr(struct kvm_vcpu *vcpu)
{
	struct msr_data msr = { .index = kvm_rcx_read(vcpu), .data = kvm_read_edx_eax(vcpu) };
	bool lvtpc = msr.index == APIC_BASE_MSR + (APIC_LVTPC >> 4);

	if (lvtpc ? kvm_x2apic_msr_write(vcpu, msr.index, msr.data) : fast_write(vcpu, &msr))
		return EXIT_FASTPATH_NONE;
	trace_kvm_msr_write(msr.index, msr.data);
	return fast_done(vcpu);
}

fastpath_t __kvm_mpmu_fast_rdmsr(struct kvm_vcpu *vcpu)
{
	struct msr_data msr = { .index = kvm_rcx_read(vcpu) };

	if (!fast_may_read(msr.index) ||
	    !kvm_msr_allowed(vcpu, msr.index, KVM_MSR_FILTER_READ) ||
	    kvm_mpmu_get_msr(vcpu, &msr))
		return EXIT_FASTPATH_NONE;
	trace_kvm_msr_read(msr.index, msr.data);
	return fast_answer(vcpu, msr.data);
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_fast_rdmsr);

/* The exit is counted by now, whether it faults or not: so the fault comes from here. */
fastpath_t __kvm_mpmu_fast_rdpmc(struct kvm_vcpu *vcpu)
{
	u64 data;

	if (!kvm_pmu_rdpmc(vcpu, kvm_rcx_read(vcpu), &data))
		return fast_answer(vcpu, data);
	kvm_inject_gp(vcpu, 0);
	return EXIT_FASTPATH_EXIT_HANDLED;
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_fast_rdpmc);
