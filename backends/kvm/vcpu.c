// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PMU of a vCPU: its life, its registers and requests.
 */
#include <linux/moduleparam.h>
#include <linux/perf_event.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "x86.h"
#include "glue.h"
#include "cpuid.h"
#include "irq.h"
#include "lapic.h"
#include "pmu.h"

DEFINE_PER_CPU(struct kvm_vcpu *, kvm_mpmu_settled);
EXPORT_PER_CPU_SYMBOL_GPL(kvm_mpmu_settled);

static bool mediated_pmu_park = true;
module_param(mediated_pmu_park, bool, 0644);
MODULE_PARM_DESC(mediated_pmu_park,
		 "Leave a guest's values in the PMU while its vCPU does not run (default: Y)");

static_assert((int)MPMU_DONE == 0, "a KVM MSR handler's success");
static_assert((int)MPMU_GP == 1, "a KVM MSR handler's #GP");
static_assert((int)MPMU_NOT_PMU == KVM_MSR_RET_UNSUPPORTED, "a KVM MSR handler's unknown MSR");
static_assert((int)MPMU_FILTER_ALLOW == KVM_PMU_EVENT_ALLOW, "KVM's filter actions");
static_assert((int)MPMU_FILTER_DENY == KVM_PMU_EVENT_DENY, "KVM's filter actions");
static_assert(MPMU_FILTER_MASKED == KVM_PMU_EVENT_FLAG_MASKED_EVENTS, "KVM's filter flags");

static_assert(sizeof_field(struct kvm_vcpu_stat, mpmu) == sizeof(struct mpmu_stats),
	      "KVM's statistics are the core's");
#define SAME_PLACE(name, field)							\
	static_assert(offsetof(struct kvm_vcpu_stat, name) -			\
		      offsetof(struct kvm_vcpu_stat, mpmu) ==			\
		      offsetof(struct mpmu_stats, field), #name)
SAME_PLACE(mpmu_owner_entry, owner_changes[MPMU_CAUSE_ENTRY]);
SAME_PLACE(mpmu_owner_put, owner_changes[MPMU_CAUSE_PUT]);
SAME_PLACE(mpmu_owner_reclaim, owner_changes[MPMU_CAUSE_RECLAIM]);
SAME_PLACE(mpmu_owner_displaced, owner_changes[MPMU_CAUSE_DISPLACED]);
SAME_PLACE(mpmu_owner_other, owner_changes[MPMU_CAUSE_OTHER]);
SAME_PLACE(mpmu_owner_reset, owner_changes[MPMU_CAUSE_RESET]);
SAME_PLACE(mpmu_registers_read, registers.read);
SAME_PLACE(mpmu_registers_written, registers.written);
SAME_PLACE(mpmu_registers_skipped, registers.skipped);
SAME_PLACE(mpmu_pmis, pmis);
SAME_PLACE(mpmu_denied_events, denied_events);
SAME_PLACE(mpmu_exits_counter, exits[MPMU_CLASS_COUNTER]);
SAME_PLACE(mpmu_exits_eventsel, exits[MPMU_CLASS_EVENTSEL]);
SAME_PLACE(mpmu_exits_fixed_ctrl, exits[MPMU_CLASS_FIXED_CTRL]);
SAME_PLACE(mpmu_exits_global_ctrl, exits[MPMU_CLASS_GLOBAL_CTRL]);
SAME_PLACE(mpmu_exits_status, exits[MPMU_CLASS_STATUS]);
SAME_PLACE(mpmu_exits_rdpmc, exits[MPMU_CLASS_RDPMC]);

static void vcpu_kick(struct irq_work *work)
{
	kvm_vcpu_kick(container_of(work, struct kvm_mpmu, kick)->vcpu);
}

int __kvm_mpmu_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct kvm_mpmu *mpmu;

	if (!vcpu->kvm->arch.has_mediated_pmu)
		return 0;

	mpmu = kzalloc(sizeof(*mpmu), GFP_KERNEL_ACCOUNT);
	if (!mpmu)
		return -ENOMEM;

	mpmu->vcpu = vcpu;
	/* Hard, as a thread of PREEMPT_RT may not run before the entry that it must stop. */
	mpmu->kick = IRQ_WORK_INIT_HARD(vcpu_kick);
	vcpu->arch.mpmu = mpmu;
	mpmu_vcpu_init(&mpmu->core, &kvm_mpmu_host, (struct mpmu_stats *)&vcpu->stat.mpmu);
	return 0;
}

static void vcpu_evict(void *core)
{
	mpmu_evict(this_cpu_ptr(&kvm_mpmu_cpu), core);
}

/*
 * Its values into memory.  The CPU that it is or was loaded on last may hold them,
 * and no other; one that is offline gave them up before it went.
 */
static void vcpu_take_out(struct kvm_vcpu *vcpu)
{
	struct mpmu_vcpu *core = vcpu_to_core(vcpu);

	if (mpmu_held(core))
		smp_call_function_single(vcpu->cpu, vcpu_evict, core, true);
}

void __kvm_mpmu_load(struct kvm_vcpu *vcpu)
{
	vcpu_take_out(vcpu);
}

static void vcpu_forget(void *core)
{
	mpmu_cpu_forget_vcpu(this_cpu_ptr(&kvm_mpmu_cpu), core);
}

/*
 * A late interrupt of a CPU may still find the vCPU there.  Few CPUs, if any,
 * remember it; an offline one runs no interrupt.
 */
static void vcpu_forget_everywhere(struct mpmu_vcpu *core)
{
	struct mpmu_cpu *mpmu_cpu;
	int cpu;

	for_each_possible_cpu(cpu) {
		mpmu_cpu = per_cpu_ptr(&kvm_mpmu_cpu, cpu);
		if (READ_ONCE(mpmu_cpu->pmi_target) != core)
			continue;
		if (smp_call_function_single(cpu, vcpu_forget, core, true))
			mpmu_cpu_forget_vcpu(mpmu_cpu, core);
	}
}

void __kvm_mpmu_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct kvm_mpmu *mpmu = vcpu->arch.mpmu;

	vcpu_take_out(vcpu);
	vcpu_forget_everywhere(&mpmu->core);
	irq_work_sync(&mpmu->kick);
	vcpu->arch.mpmu = NULL;
	vcpu->arch.mpmu_touched = false;
	kfree(mpmu);
}

static void vcpu_copy_leaf(struct kvm_vcpu *vcpu, u32 function, struct kvm_cpuid_entry2 *copy)
{
	struct kvm_cpuid_entry2 *entry = kvm_find_cpuid_entry_index(vcpu, function, 0);

	*copy = entry ? *entry : (struct kvm_cpuid_entry2){};
}

static void vcpu_read_guest_leaves(struct kvm_vcpu *vcpu, struct mpmu_cpuid *leaves)
{
	struct kvm_cpuid_entry2 leaf_07, leaf_0a, leaf_80000001, leaf_80000022;

	vcpu_copy_leaf(vcpu, 0x7, &leaf_07);
	vcpu_copy_leaf(vcpu, 0xa, &leaf_0a);
	vcpu_copy_leaf(vcpu, 0x80000001, &leaf_80000001);
	vcpu_copy_leaf(vcpu, 0x80000022, &leaf_80000022);
	*leaves = (struct mpmu_cpuid){
		.vendor = kvm_mpmu_host.caps.vendor,
		.leaf_0a = { leaf_0a.eax, leaf_0a.ebx, leaf_0a.ecx, leaf_0a.edx },
		.leaf_80000001_ecx = leaf_80000001.ecx,
		.leaf_07_ebx = leaf_07.ebx,
	};
	/* PerfMonV2 without its base is no more than what is left of it. */
	if (guest_cpuid_has(vcpu, X86_FEATURE_PERFCTR_CORE)) {
		leaves->leaf_80000022[0] = leaf_80000022.eax;
		leaves->leaf_80000022[1] = leaf_80000022.ebx;
	}
	if (guest_cpuid_has(vcpu, X86_FEATURE_PDCM))
		leaves->perf_capabilities = vcpu->arch.perf_capabilities;
}

/* An earlier version ignores fields that a later one brought: the counters of ECX. */
static void vcpu_cap_version(struct mpmu_cpuid *leaves, u8 version)
{
	if ((u8)leaves->leaf_0a[0] > version)
		leaves->leaf_0a[0] = (leaves->leaf_0a[0] & ~0xffu) | version;
}

/* The guest's model, as its CPUID and the policy of its VM allow. */
static void vcpu_read_guest_caps(struct kvm_vcpu *vcpu, struct mpmu_caps *caps)
{
	const struct mpmu_caps *offer = &kvm_mpmu_vm_model(vcpu->kvm)->caps;
	struct mpmu_cpuid leaves;

	*caps = (struct mpmu_caps){};
	vcpu_read_guest_leaves(vcpu, &leaves);
	vcpu_cap_version(&leaves, offer->version);
	if (!vcpu->arch.cpuid_nent || mpmu_caps_decode(caps, &leaves))
		return;

	mpmu_caps_clamp(caps, offer);
}

/* KVM decides some things outside of the PMU by these fields. */
static void vcpu_mirror_model(struct kvm_pmu *pmu, const struct mpmu_caps *caps)
{
	pmu->version = caps->version;
	pmu->nr_arch_gp_counters = fls64(caps->counters & MPMU_GP_MASK);
	pmu->global_ctrl_rsvd = ~(caps->counters | caps->global_ctrl_extra);
	pmu->global_status_rsvd = pmu->global_ctrl_rsvd;
}

void kvm_mpmu_refresh(struct kvm_vcpu *vcpu)
{
	struct mpmu_vcpu *core = vcpu_to_core(vcpu);
	struct mpmu_caps caps;
	unsigned long flags;

	vcpu_read_guest_caps(vcpu, &caps);
	local_irq_save(flags);
	/* What is left of the guest's CPUID contradicts nothing. */
	WARN_ON_ONCE(mpmu_vcpu_configure(core, &caps));
	mpmu_vcpu_set_flags(core, kvm_mpmu_vm_reach(vcpu->kvm), 0);
	local_irq_restore(flags);
	vcpu_mirror_model(vcpu_to_pmu(vcpu), &core->caps);
}

bool kvm_mpmu_is_valid_msr(struct kvm_vcpu *vcpu, u32 msr)
{
	return mpmu_msr_exists(vcpu_to_core(vcpu), msr);
}

static enum mpmu_initiator vcpu_initiator(const struct msr_data *msr_info)
{
	return msr_info->host_initiated ? MPMU_BY_HOST : MPMU_BY_GUEST;
}

int kvm_mpmu_get_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info)
{
	unsigned long flags;
	int r;

	local_irq_save(flags);
	r = mpmu_msr_read(this_cpu_ptr(&kvm_mpmu_cpu), vcpu_to_core(vcpu), msr_info->index,
			  vcpu_initiator(msr_info), &msr_info->data);
	local_irq_restore(flags);
	return r;
}

/*
 * The guest's own WRMSR retires here, with the state that it found; KVM skips
 * the instruction right after.  What a nested VM-entry or VM-exit loads is the
 * guest's, too, and no instruction.
 */
static int vcpu_write_msr(struct mpmu_cpu *cpu, struct kvm_mpmu *mpmu,
			  const struct msr_data *msr_info)
{
	int r;

	if (msr_info->host_initiated)
		return mpmu_owner_write(cpu, &mpmu->core, msr_info->index, msr_info->data);
	if (mpmu->loading)
		return mpmu_nested_msr_load(cpu, &mpmu->core, msr_info->index, msr_info->data);

	r = mpmu_wrmsr(cpu, &mpmu->core, msr_info->index, msr_info->data);
	mpmu->retired = r == MPMU_DONE;
	/* The next entry forgets that. */
	__this_cpu_write(kvm_mpmu_settled, NULL);
	return r;
}

/* Its next entry has something to do: a counter for both, or for both no longer. */
static void vcpu_see_settled(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *core)
{
	if (cpu->settled != core)
		__this_cpu_write(kvm_mpmu_settled, NULL);
}

int kvm_mpmu_set_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info)
{
	struct mpmu_cpu *cpu;
	unsigned long flags;
	int r;

	local_irq_save(flags);
	kvm_mpmu_debug_counters_change();
	cpu = this_cpu_ptr(&kvm_mpmu_cpu);
	r = vcpu_write_msr(cpu, vcpu->arch.mpmu, msr_info);
	vcpu_see_settled(cpu, vcpu_to_core(vcpu));
	local_irq_restore(flags);
	return r;
}

static bool vcpu_may_rdpmc(struct kvm_vcpu *vcpu)
{
	return kvm_is_cr4_bit_set(vcpu, X86_CR4_PCE) || !kvm_is_cr0_bit_set(vcpu, X86_CR0_PE) ||
	       kvm_x86_call(get_cpl)(vcpu) == 0;
}

int kvm_mpmu_rdpmc(struct kvm_vcpu *vcpu, u32 ecx, u64 *data)
{
	unsigned long flags;
	int r;

	if (!vcpu_may_rdpmc(vcpu))
		return MPMU_GP;

	local_irq_save(flags);
	r = mpmu_rdpmc(this_cpu_ptr(&kvm_mpmu_cpu), vcpu_to_core(vcpu), ecx, data);
	local_irq_restore(flags);
	return r;
}

bool kvm_mpmu_rdpmc_intercepted(struct kvm_vcpu *vcpu)
{
	return mpmu_rdpmc_intercepted(vcpu_to_core(vcpu));
}
EXPORT_SYMBOL_GPL(kvm_mpmu_rdpmc_intercepted);

bool kvm_mpmu_nested_rdpmc_intercepted(struct kvm_vcpu *vcpu, bool l1)
{
	return mpmu_nested_rdpmc_intercepted(vcpu_to_core(vcpu), l1);
}
EXPORT_SYMBOL_GPL(kvm_mpmu_nested_rdpmc_intercepted);

void __kvm_mpmu_set_loading(struct kvm_vcpu *vcpu, bool loading)
{
	vcpu->arch.mpmu->loading = loading;
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_set_loading);

/* A model without the register has none to lose. */
void __kvm_mpmu_keep_global_ctrl(struct kvm_vcpu *vcpu)
{
	struct msr_data msr_info = { .index = MSR_CORE_PERF_GLOBAL_CTRL, .host_initiated = true };

	kvm_mpmu_get_msr(vcpu, &msr_info);
	vcpu->arch.mpmu->kept_global_ctrl = msr_info.data;
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_keep_global_ctrl);

void __kvm_mpmu_restore_global_ctrl(struct kvm_vcpu *vcpu)
{
	struct msr_data msr_info = { .index = MSR_CORE_PERF_GLOBAL_CTRL, .host_initiated = true };

	msr_info.data = vcpu->arch.mpmu->kept_global_ctrl;
	kvm_mpmu_set_msr(vcpu, &msr_info);
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_restore_global_ctrl);

size_t __kvm_mpmu_filter_size(u32 nevents)
{
	return kvm_mpmu_possible() ? mpmu_filter_size(nevents) : 0;
}

int __kvm_mpmu_compile_filter(struct kvm_x86_pmu_event_filter *filter)
{
	const struct mpmu_filter_spec spec = {
		.action = filter->action,
		.flags = filter->flags,
		.fixed_bitmap = filter->fixed_counter_bitmap,
		.nr_events = filter->nevents,
		.events = filter->events,
	};

	if (!kvm_mpmu_possible())
		return 0;

	filter->mpmu = (void *)&filter->events[filter->nevents];
	return mpmu_filter_compile(filter->mpmu, kvm_mpmu_host.caps.vendor, &spec);
}

/* KVM_REQ_PMU: selectors, filter or intercepts changed. */
void kvm_mpmu_handle_event(struct kvm_vcpu *vcpu)
{
	struct mpmu_vcpu *core = vcpu_to_core(vcpu);
	struct kvm_x86_pmu_event_filter *filter;
	struct mpmu_cpu *cpu;
	unsigned long flags;

	filter = srcu_dereference(vcpu->kvm->arch.pmu_event_filter, &vcpu->kvm->srcu);
	local_irq_save(flags);
	cpu = this_cpu_ptr(&kvm_mpmu_cpu);
	/* KVM marks all counters as it installs a filter. */
	if (atomic64_xchg(&vcpu_to_pmu(vcpu)->__reprogram_pmi, 0))
		mpmu_vcpu_filter_changed(core);
	mpmu_vcpu_reprogram(cpu, core, filter ? filter->mpmu : NULL);
	vcpu_see_settled(cpu, core);
	if (vcpu->arch.mpmu->stale_intercepts) {
		vcpu->arch.mpmu->stale_intercepts = false;
		mpmu_vcpu_update_intercepts(core);
	}
	local_irq_restore(flags);
}

void __kvm_mpmu_request_intercepts(struct kvm_vcpu *vcpu)
{
	vcpu->arch.mpmu->stale_intercepts = true;
	kvm_make_request(KVM_REQ_PMU, vcpu);
}

/* An emulated or skipped instruction retired. */
void kvm_mpmu_trigger_event(struct kvm_vcpu *vcpu, u64 eventsel)
{
	bool branch = eventsel == kvm_pmu_eventsel.BRANCH_INSTRUCTIONS_RETIRED;
	struct mpmu_vcpu *core = vcpu_to_core(vcpu);
	unsigned long flags;
	u64 counts;
	u32 cpl;

	/* KVM skips the WRMSR that vcpu_write_msr() has let retire. */
	if (!branch && vcpu->arch.mpmu->retired) {
		vcpu->arch.mpmu->retired = false;
		return;
	}
	counts = branch ? core->counts_branches : core->counts_instructions;
	if (!counts)
		return;

	/* It is not free to read. */
	cpl = counts & core->counts_by_cpl ? kvm_x86_call(get_cpl)(vcpu) : 0;
	local_irq_save(flags);
	kvm_mpmu_debug_counters_change();
	mpmu_emulate(this_cpu_ptr(&kvm_mpmu_cpu), core,
		     branch ? MPMU_EVENT_BRANCHES : MPMU_EVENT_INSTRUCTIONS, cpl);
	local_irq_restore(flags);
}

/* Beside lent counters the interrupt is the host's NMI. */
static bool vcpu_has_lvtpc(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *core)
{
	return mpmu_resident(cpu, core) && !core->lent;
}

void __kvm_mpmu_lvtpc_changed(struct kvm_vcpu *vcpu)
{
	struct mpmu_vcpu *core = vcpu_to_core(vcpu);
	unsigned long flags;

	local_irq_save(flags);
	if (vcpu_has_lvtpc(this_cpu_ptr(&kvm_mpmu_cpu), core) && !x86_perf_lvtpc_shared())
		mpmu_kvm_route_pmi(core);
	local_irq_restore(flags);
}

/* EFER is that of L2 in guest mode, which ends where L2 clears SVME. */
void __kvm_mpmu_mode_changed(struct kvm_vcpu *vcpu)
{
	u32 flags = (vcpu->arch.efer & EFER_SVME ? MPMU_VCPU_SVME : 0) |
		    (is_guest_mode(vcpu) ? MPMU_VCPU_GUEST_MODE : 0);
	unsigned long irq_flags;

	local_irq_save(irq_flags);
	mpmu_vcpu_set_flags(vcpu_to_core(vcpu), flags, MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE);
	local_irq_restore(irq_flags);
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_mode_changed);

/*
 * While the host runs, the interrupt of the owner stays the guest's, unless PT
 * or BTS share it: these need an NMI.  Beside a vCPU that owns nothing it is
 * perf's.
 */
static void vcpu_route_in_host(struct mpmu_cpu *cpu, const struct kvm_mpmu *mpmu)
{
	if (!vcpu_has_lvtpc(cpu, &mpmu->core))
		return;
	if (!mpmu->shared_lvtpc) {
		mpmu_kvm_route_pmi(&mpmu->core);
		return;
	}
	mpmu_drain(cpu);
	perf_put_guest_lvtpc();
}

/*
 * A change costs an entry, and the host may start and stop PT as often as the
 * guest tries to enter: what has stopped is not believed until it stayed off
 * for some entries.  Whoever shares the interrupt with nobody only loses time.
 */
#define SHARING_LINGERS 64

static bool vcpu_shares_lvtpc(struct kvm_mpmu *mpmu)
{
	if (x86_perf_lvtpc_shared())
		mpmu->sharing_lingers = SHARING_LINGERS;
	else if (unlikely(mpmu->sharing_lingers))
		mpmu->sharing_lingers--;
	return mpmu->sharing_lingers;
}

/*
 * PT and BTS keep the interrupt while the host runs, and status bits with it.
 * They start beside no owner, as they reclaim first, but stop beside one.
 */
static bool vcpu_sharing_changed(struct mpmu_cpu *cpu, struct kvm_mpmu *mpmu)
{
	bool shared = vcpu_shares_lvtpc(mpmu);

	if (likely(shared == mpmu->shared_lvtpc))
		return false;

	mpmu->shared_lvtpc = shared;
	mpmu_vcpu_set_flags(&mpmu->core, shared ? MPMU_VCPU_HOST_STATUS : 0,
			    shared ? 0 : MPMU_VCPU_HOST_STATUS);
	vcpu_route_in_host(cpu, mpmu);
	return true;
}

/*
 * It stays so until it loses the PMU: PT and BTS start by a reclaim, and host events
 * are displaced at the entry of a vCPU that does not own it.
 */
static void vcpu_settle(const struct mpmu_cpu *cpu, const struct kvm_mpmu *mpmu)
{
	if (mpmu_resident(cpu, &mpmu->core) && !cpu->displaced && !mpmu->sharing_lingers)
		__this_cpu_write(kvm_mpmu_settled, mpmu->vcpu);
}

int __kvm_mpmu_enter(struct kvm_vcpu *vcpu)
{
	struct mpmu_cpu *cpu = this_cpu_ptr(&kvm_mpmu_cpu);
	struct kvm_mpmu *mpmu = vcpu->arch.mpmu;
	bool settles;
	int r;

	lockdep_assert_irqs_disabled();
	__this_cpu_write(kvm_mpmu_settled, NULL);
	/* What was counted for one instruction must not stand for a later one. */
	mpmu->retired = false;
	if (unlikely(vcpu_sharing_changed(cpu, mpmu)))
		return -EAGAIN;

	/* perf changes these only after it has taken the counters from the owner. */
	settles = x86_perf_lent_settles();
	mpmu_share(cpu, x86_perf_lent());
	kvm_mpmu_debug_before_entry(cpu);
	r = mpmu_enter(cpu, &mpmu->core);
	if (unlikely(r)) {
		/* It must not run without its values: another CPU has them. */
		if (WARN_ON_ONCE(r == -EINVAL))
			kvm_make_request(KVM_REQ_VM_DEAD, vcpu);
		return r;
	}

	kvm_mpmu_debug_before_entry(cpu);
	/* Acquiring can find an overflow whose interrupt is still owed. */
	if (unlikely(kvm_test_request(KVM_REQ_PMI, vcpu) || kvm_test_request(KVM_REQ_PMU, vcpu))) {
		__kvm_mpmu_exit(vcpu);
		return -EAGAIN;
	}
	/* PT and BTS are not the guest's to mask; its own bit counts at delivery. */
	if (unlikely(mpmu->shared_lvtpc) && vcpu_has_lvtpc(cpu, &mpmu->core))
		perf_load_guest_lvtpc(0);
	if (settles)
		vcpu_settle(cpu, mpmu);
	return 0;
}

void __kvm_mpmu_exit(struct kvm_vcpu *vcpu)
{
	struct mpmu_cpu *cpu = this_cpu_ptr(&kvm_mpmu_cpu);
	struct kvm_mpmu *mpmu = vcpu->arch.mpmu;

	kvm_mpmu_debug_after_exit(cpu);
	mpmu_exit(cpu, &mpmu->core);
	if (unlikely(mpmu->shared_lvtpc))
		vcpu_route_in_host(cpu, mpmu);
}

/* On AMD the owner's counters would count that guest. */
void __kvm_mpmu_make_room(void)
{
	kvm_mpmu_debug_before_entry(this_cpu_ptr(&kvm_mpmu_cpu));
	mpmu_evict(this_cpu_ptr(&kvm_mpmu_cpu), NULL);
}

struct vcpu_late {
	const struct mpmu_vcpu *core;
	bool comes;
};

static void vcpu_ask_late(void *data)
{
	struct vcpu_late *late = data;

	late->comes = this_cpu_ptr(&kvm_mpmu_cpu)->pmi_target == late->core &&
		      kvm_mpmu_pmi_is_latched();
}

/*
 * The CPU that took its values out may have latched an interrupt, which it handles
 * as soon as its IRQs are open: some calls later, as these come first.
 */
#define LATE_CALLS 1000

static void vcpu_await_pmi(struct kvm_mpmu *mpmu)
{
	struct mpmu_cpu *cpu = per_cpu_ptr(&kvm_mpmu_cpu, mpmu->owned_on);
	struct vcpu_late late = { .core = &mpmu->core };
	int calls = LATE_CALLS;

	if (!READ_ONCE(cpu->pmi_latched) || READ_ONCE(cpu->pmi_target) != &mpmu->core)
		return;

	do {
		late.comes = false;
		smp_call_function_single(mpmu->owned_on, vcpu_ask_late, &late, true);
	} while (late.comes && --calls);
}

/* To where the state of the vCPU has it: the local APIC, or the pending NMIs. */
void __kvm_mpmu_deliver_pmi(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(KVM_REQ_PMI, vcpu))
		kvm_pmu_deliver_pmi(vcpu);
}

/*
 * User space may read the vCPU's state to continue it elsewhere, or write it: none
 * of it is in hardware then.  A new overflow becomes a request by that.
 */
void __kvm_mpmu_flush(struct kvm_vcpu *vcpu)
{
	vcpu_take_out(vcpu);
	vcpu_await_pmi(vcpu->arch.mpmu);
	__kvm_mpmu_deliver_pmi(vcpu);
}

/*
 * Who runs next may read its counters by RDPMC: its VMM, or another task with the
 * memory of that, if it may use it already.  perf keeps watch over all others.
 */
static bool vcpu_may_park(void)
{
	return READ_ONCE(mediated_pmu_park) && !(cr4_read_shadow() & X86_CR4_PCE);
}

void __kvm_mpmu_put(struct kvm_vcpu *vcpu)
{
	struct mpmu_cpu *cpu;
	unsigned long flags;

	local_irq_save(flags);
	cpu = this_cpu_ptr(&kvm_mpmu_cpu);
	if (vcpu_may_park())
		mpmu_park(cpu, vcpu_to_core(vcpu));
	else
		mpmu_put(cpu, vcpu_to_core(vcpu));
	local_irq_restore(flags);
}
