/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM calls, and what the vendor modules supply.  The hooks in KVM's own
 * files include this header only; without CONFIG_MPMU it makes each of them
 * disappear.
 */
#ifndef KVM_MPMU_H
#define KVM_MPMU_H

#include <linux/kvm_host.h>

#include <asm/perf_guest.h>

/* Fixed counters that KVM's list of MSRs to save has room for. */
#define KVM_MPMU_MAX_FIXED 7

/* What KVM_CAP_PMU_CAPABILITY has beside KVM_PMU_CAP_DISABLE. */
#define KVM_MPMU_POLICIES \
	(KVM_PMU_CAP_POLICY_COMPAT | KVM_PMU_CAP_POLICY_FULL | KVM_PMU_CAP_POLICY_DIRECT)
/* All that is a mediated PMU's alone. */
#define KVM_MPMU_DETAILS (KVM_MPMU_POLICIES | KVM_PMU_CAP_UNCORE_RDPMC)
#ifdef CONFIG_MPMU
#define KVM_MPMU_CAP_MASK (KVM_PMU_CAP_EMULATED | KVM_PMU_CAP_MEDIATED | KVM_MPMU_DETAILS)
#else
#define KVM_MPMU_CAP_MASK 0
#endif

/*
 * The vendor's part.  All slots of a vCPU run with IRQs off on the CPU that it
 * is loaded on; slots that read or write a VMCS find the vCPU's own loaded.
 */
struct kvm_mpmu_vendor {
	/* The module's parameters. */
	bool *enable;
	int *policy;
	/* NULL: RDPMC reaches no counters but the core's. */
	bool *uncore_rdpmc;
	/* enum mpmu_vendor and the host features that only the vendor knows. */
	u8 vendor;
	u32 (*features)(void);
	/* A reason of the vendor's own against mediated PMUs, or NULL. */
	const char *(*missing)(void);
	/* Are the registers of the VM's guests encrypted?  Before the first vCPU. */
	bool (*is_encrypted)(struct kvm *kvm);
	/* As the ops of the same names, see mpmu/ops.h. */
	u64 (*get_global_ctrl)(struct kvm_vcpu *vcpu);
	void (*set_global_ctrl)(struct kvm_vcpu *vcpu, u64 value);
	/* What VM-exit loads: counters of the host.  NULL: events never stay. */
	void (*set_host_global_ctrl)(struct kvm_vcpu *vcpu, u64 value);
	void (*set_intercept)(struct kvm_vcpu *vcpu, u32 msr, u32 access, bool intercept);
	void (*set_rdpmc_intercept)(struct kvm_vcpu *vcpu, bool intercept);
	void (*set_touched)(struct kvm_vcpu *vcpu, bool touched);
};

/* The machine: vendor module loaded and unloaded, CPU up, down and abandoned. */
void __kvm_mpmu_hardware_setup(const struct kvm_mpmu_vendor *vendor);
void __kvm_mpmu_hardware_unsetup(void);
void __kvm_mpmu_cpu_online(void);
void __kvm_mpmu_cpu_offline(void);
void __kvm_mpmu_cpu_emergency(void);

/*
 * Write a module's enable_mediated_pmu.  -EOPNOTSUPP, with a line in the log: Y
 * where the host cannot; while the module loads, its setup says so instead.
 */
int kvm_mpmu_set_default(bool *enable, bool value);

/* What user space is offered. */
void __kvm_mpmu_override_cpuid(struct kvm_cpuid_entry2 *entries, int nr);
u64 __kvm_mpmu_filter_perf_cap(struct kvm_vcpu *vcpu, u64 perf_cap);
u32 __kvm_mpmu_nr_fixed(void);
bool __kvm_mpmu_has_metrics(void);
u32 __kvm_mpmu_impossible(void);
int kvm_mpmu_dev_get_attr(const struct kvm_device_attr *attr);
int kvm_mpmu_dev_has_attr(const struct kvm_device_attr *attr);

/* A VM. */
void __kvm_mpmu_init_vm(struct kvm *kvm);
int __kvm_mpmu_choose(struct kvm *kvm, u64 flags);
int kvm_mpmu_vm_get_attr(struct kvm *kvm, const struct kvm_device_attr *attr);
int kvm_mpmu_vm_has_attr(const struct kvm_device_attr *attr);
int __kvm_mpmu_vm_create(struct kvm *kvm);
void __kvm_mpmu_vm_destroy(struct kvm *kvm);
size_t __kvm_mpmu_filter_size(u32 nevents);
int __kvm_mpmu_compile_filter(struct kvm_x86_pmu_event_filter *filter);

/* A vCPU, its switches and requests. */
int __kvm_mpmu_vcpu_create(struct kvm_vcpu *vcpu);
void __kvm_mpmu_vcpu_destroy(struct kvm_vcpu *vcpu);
void __kvm_mpmu_load(struct kvm_vcpu *vcpu);
int __kvm_mpmu_enter(struct kvm_vcpu *vcpu);
void __kvm_mpmu_make_room(void);
void __kvm_mpmu_exit(struct kvm_vcpu *vcpu);
void __kvm_mpmu_put(struct kvm_vcpu *vcpu);
void __kvm_mpmu_flush(struct kvm_vcpu *vcpu);
void __kvm_mpmu_deliver_pmi(struct kvm_vcpu *vcpu);
void __kvm_mpmu_request_intercepts(struct kvm_vcpu *vcpu);
void __kvm_mpmu_lvtpc_changed(struct kvm_vcpu *vcpu);
void __kvm_mpmu_mode_changed(struct kvm_vcpu *vcpu);
void kvm_mpmu_refresh(struct kvm_vcpu *vcpu);
void kvm_mpmu_handle_event(struct kvm_vcpu *vcpu);
void kvm_mpmu_trigger_event(struct kvm_vcpu *vcpu, u64 eventsel);
bool kvm_mpmu_rdpmc_intercepted(struct kvm_vcpu *vcpu);
bool kvm_mpmu_nested_rdpmc_intercepted(struct kvm_vcpu *vcpu, bool l1);
void __kvm_mpmu_set_loading(struct kvm_vcpu *vcpu, bool loading);
void __kvm_mpmu_keep_global_ctrl(struct kvm_vcpu *vcpu);
void __kvm_mpmu_restore_global_ctrl(struct kvm_vcpu *vcpu);

/*
 * The vCPU that owns this CPU's PMU, where nothing else is to be done at its entries
 * and exits: they are most of all.  Or NULL.
 */
DECLARE_PER_CPU(struct kvm_vcpu *, kvm_mpmu_settled);

/* A vCPU's registers; results are those of KVM's own MSR handlers. */
bool kvm_mpmu_is_valid_msr(struct kvm_vcpu *vcpu, u32 msr);
int kvm_mpmu_get_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info);
int kvm_mpmu_set_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info);
int kvm_mpmu_rdpmc(struct kvm_vcpu *vcpu, u32 ecx, u64 *data);
fastpath_t __kvm_mpmu_fast_wrmsr(struct kvm_vcpu *vcpu);
fastpath_t __kvm_mpmu_fast_rdmsr(struct kvm_vcpu *vcpu);
fastpath_t __kvm_mpmu_fast_rdpmc(struct kvm_vcpu *vcpu);

/* Words of an MSR bitmap, 64 MSRs each, that PMU registers are in. */
#define VMX_MPMU_WORDS 5

/* What kvm_intel keeps for a vCPU. */
struct vmx_mpmu {
	/* What GUEST_IA32_PERF_GLOBAL_CTRL holds, if VM-exit cannot save it. */
	u64 global_ctrl;
	/* What HOST_IA32_PERF_GLOBAL_CTRL holds while the vCPU uses its PMU. */
	u64 host_global_ctrl;
	/* What L1 passes through to L2, by vmcs12's bitmap at its last VM-entry. */
	u64 passed_reads[VMX_MPMU_WORDS];
	u64 passed_writes[VMX_MPMU_WORDS];
};

/* In the vendor modules. */
struct vcpu_svm;
struct vcpu_vmx;
extern const struct kvm_mpmu_vendor vmx_mpmu_vendor;
extern const struct kvm_mpmu_vendor svm_mpmu_vendor;
void vmx_mpmu_load_global_ctrl(struct vcpu_vmx *vmx);
/* L1's permission map as of VMRUN; false: it cannot be read. */
bool svm_mpmu_read_l1_msrpm(struct vcpu_svm *svm);
#ifdef CONFIG_MPMU
u64 vmx_mpmu_leave_vmcs(struct vcpu_vmx *vmx);
void vmx_mpmu_enter_vmcs(struct vcpu_vmx *vmx, u64 global_ctrl);
void vmx_mpmu_merge_msr_bitmap(struct vcpu_vmx *vmx, const unsigned long *vmcs12_bitmap);
bool vmx_mpmu_begin_early_check(struct vcpu_vmx *vmx);
void vmx_mpmu_end_early_check(struct vcpu_vmx *vmx, bool loads);
bool vmx_mpmu_hides_loads(struct kvm_vcpu *vcpu);
void vmx_mpmu_filter_control_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info);
#else
static __always_inline u64 vmx_mpmu_leave_vmcs(struct vcpu_vmx *vmx) { return 0; }
static __always_inline void vmx_mpmu_enter_vmcs(struct vcpu_vmx *vmx, u64 global_ctrl) { }
static __always_inline void vmx_mpmu_merge_msr_bitmap(struct vcpu_vmx *vmx,
						      const unsigned long *vmcs12_bitmap) { }
static __always_inline bool vmx_mpmu_begin_early_check(struct vcpu_vmx *vmx) { return false; }
static __always_inline void vmx_mpmu_end_early_check(struct vcpu_vmx *vmx, bool loads) { }
static __always_inline bool vmx_mpmu_hides_loads(struct kvm_vcpu *vcpu) { return false; }
static __always_inline void vmx_mpmu_filter_control_msr(struct kvm_vcpu *vcpu,
							struct msr_data *msr_info) { }
#endif
/* In KVM's vmx.c: end the switching of perf's MSRs at VM-entry and VM-exit. */
void vmx_mpmu_stop_perf_switch(struct vcpu_vmx *vmx);

#ifdef CONFIG_MPMU
#define kvm_has_mediated_pmu(kvm) ((kvm)->arch.has_mediated_pmu)
#define kvm_mpmu_vcpu(vcpu) ((vcpu)->arch.mpmu)
#define kvm_mpmu_touched(vcpu) ((vcpu)->arch.mpmu_touched)
#define kvm_mpmu_cpu_has_owner() __this_cpu_read(x86_guest_pmu_owned)
#define kvm_mpmu_is_settled(vcpu) (__this_cpu_read(kvm_mpmu_settled) == (vcpu))
#else
#define kvm_has_mediated_pmu(kvm) false
#define kvm_mpmu_vcpu(vcpu) ((struct kvm_mpmu *)NULL)
#define kvm_mpmu_touched(vcpu) false
#define kvm_mpmu_cpu_has_owner() false
#define kvm_mpmu_is_settled(vcpu) false
#endif
/* What checks itself does so at each entry and exit. */
#define kvm_mpmu_has_nothing_to_do(vcpu) \
	(!IS_ENABLED(CONFIG_MPMU_DEBUG) && kvm_mpmu_is_settled(vcpu))

static __always_inline bool kvm_vcpu_has_mediated_pmu(struct kvm_vcpu *vcpu)
{
	return kvm_mpmu_vcpu(vcpu);
}

/* The vCPU uses its PMU: it owns it whenever it runs. */
static __always_inline bool kvm_vcpu_uses_mediated_pmu(struct kvm_vcpu *vcpu)
{
	return kvm_mpmu_touched(vcpu);
}

static inline void kvm_mpmu_hardware_setup(const struct kvm_mpmu_vendor *vendor)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_hardware_setup(vendor);
}

static inline void kvm_mpmu_hardware_unsetup(void)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_hardware_unsetup();
}

static inline void kvm_mpmu_cpu_online(void)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_cpu_online();
}

static inline void kvm_mpmu_cpu_offline(void)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_cpu_offline();
}

static inline void kvm_mpmu_cpu_emergency(void)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_cpu_emergency();
}

/* In KVM's cpuid.c: an entry as KVM_GET_SUPPORTED_CPUID has it for an emulated PMU. */
int kvm_mpmu_emulated_cpuid(struct kvm_cpuid_entry2 *entry, u32 function);

/* Describe the kind of PMU that a VM gets by default. */
static inline void kvm_mpmu_override_cpuid(struct kvm_cpuid_entry2 *entries, int nr)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_override_cpuid(entries, nr);
}

/* The same for PERF_CAPABILITIES; vcpu may be NULL. */
static inline u64 kvm_mpmu_filter_perf_cap(struct kvm_vcpu *vcpu, u64 perf_cap)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_filter_perf_cap(vcpu, perf_cap) : perf_cap;
}

static inline u32 kvm_mpmu_nr_fixed(void)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_nr_fixed() : 0;
}

/* Can a VM have PERF_METRICS? */
static inline bool kvm_mpmu_has_metrics(void)
{
	return IS_ENABLED(CONFIG_MPMU) && __kvm_mpmu_has_metrics();
}

/* Flags of KVM_CAP_PMU_CAPABILITY that no VM of this host can have. */
static inline u32 kvm_mpmu_impossible(void)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_impossible() : 0;
}

/* Is it the attribute that describes a PMU? */
#define kvm_mpmu_is_attr(device) \
	(IS_ENABLED(CONFIG_MPMU) && (device)->group == KVM_X86_GRP_PMU)

static inline void kvm_mpmu_init_vm(struct kvm *kvm)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_init_vm(kvm);
}

/*
 * Flags of KVM_CAP_PMU_CAPABILITY for a VM without a vCPU; kvm->lock is held.
 * -EINVAL: they contradict each other; -EOPNOTSUPP: the host cannot.
 */
static inline int kvm_mpmu_choose(struct kvm *kvm, u64 flags)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_choose(kvm, flags) : 0;
}

/* kvm->lock is held, a vCPU is about to be created. */
static inline int kvm_mpmu_vm_create(struct kvm *kvm)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_vm_create(kvm) : 0;
}

static inline void kvm_mpmu_vm_destroy(struct kvm *kvm)
{
	if (IS_ENABLED(CONFIG_MPMU))
		__kvm_mpmu_vm_destroy(kvm);
}

/* Room for a compiled filter behind KVM's own. */
static inline size_t kvm_mpmu_filter_size(u32 nevents)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_filter_size(nevents) : 0;
}

/* Before KVM sorts and converts the entries. */
static inline int kvm_mpmu_compile_filter(struct kvm_x86_pmu_event_filter *filter)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_compile_filter(filter) : 0;
}

/*
 * A guest with a mediated PMU counts by the old filter until its vCPU exits:
 * wait for that.  KVM's own events for an emulated PMU change as they ever did.
 */
static inline unsigned int kvm_mpmu_filter_wait(struct kvm *kvm)
{
	return kvm_has_mediated_pmu(kvm) ? KVM_REQUEST_WAIT : 0;
}

static inline int kvm_mpmu_vcpu_create(struct kvm_vcpu *vcpu)
{
	return IS_ENABLED(CONFIG_MPMU) ? __kvm_mpmu_vcpu_create(vcpu) : 0;
}

static inline void kvm_mpmu_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_vcpu_destroy(vcpu);
}

/*
 * Before the vCPU is loaded on @cpu, preemption is off and IRQs are open: its values
 * may be in the registers of the CPU that it was on before, vcpu->cpu.
 */
static inline void kvm_mpmu_load(struct kvm_vcpu *vcpu, int cpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu) && unlikely(vcpu->cpu != cpu))
		__kvm_mpmu_load(vcpu);
}

/*
 * IRQs off, before VM-entry.  Not 0: serve requests and interrupts first.  A guest
 * that does not use such a PMU runs beside nobody's values.
 */
static inline int kvm_mpmu_enter(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_uses_mediated_pmu(vcpu))
		return likely(kvm_mpmu_has_nothing_to_do(vcpu)) ? 0 : __kvm_mpmu_enter(vcpu);
	if (unlikely(kvm_mpmu_cpu_has_owner()))
		__kvm_mpmu_make_room();
	return 0;
}

/*
 * IRQs off, between VM-exit and VM-entry: what the guest reads and writes again and
 * again, and exits for beside the host's events.  Only of owners whose entries have
 * nothing to do, so that this one has not, either.
 */
#define KVM_MPMU_FAST(what)							\
static inline fastpath_t kvm_mpmu_fast_##what(struct kvm_vcpu *vcpu)		\
{										\
	return kvm_mpmu_is_settled(vcpu) ? __kvm_mpmu_fast_##what(vcpu) :	\
					   EXIT_FASTPATH_NONE;			\
}
KVM_MPMU_FAST(wrmsr)
KVM_MPMU_FAST(rdmsr)
KVM_MPMU_FAST(rdpmc)
#undef KVM_MPMU_FAST

/* IRQs off, after VM-exit and before any interrupt of the host is handled. */
static inline void kvm_mpmu_exit(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_uses_mediated_pmu(vcpu) && !kvm_mpmu_has_nothing_to_do(vcpu))
		__kvm_mpmu_exit(vcpu);
}

/* The vCPU leaves this CPU or returns to user space; its VMCS is still loaded. */
static inline void kvm_mpmu_put(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_uses_mediated_pmu(vcpu))
		__kvm_mpmu_put(vcpu);
}

/* User space is about to read or write the state of the vCPU, which is loaded. */
static inline void kvm_mpmu_flush(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_flush(vcpu);
}

/* User space is about to get the pending NMIs: one that is owed is not a request then. */
static inline void kvm_mpmu_deliver_pmi(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_deliver_pmi(vcpu);
}

/* Something that decides about intercepts changed. */
static inline void kvm_mpmu_request_intercepts(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_request_intercepts(vcpu);
}

/* The guest's LVTPC was written or masked. */
static inline void kvm_mpmu_lvtpc_changed(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_uses_mediated_pmu(vcpu))
		__kvm_mpmu_lvtpc_changed(vcpu);
}

/*
 * Around MSRs that a nested VM-entry or VM-exit loads: they are written as by
 * the guest, but no WRMSR of it retires.
 */
static inline void kvm_mpmu_set_loading(struct kvm_vcpu *vcpu, bool loading)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_set_loading(vcpu, loading);
}

/* Remember GLOBAL_CTRL, and put it back: a nested VM-entry or VM-exit was none. */
static inline void kvm_mpmu_keep_global_ctrl(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_keep_global_ctrl(vcpu);
}

static inline void kvm_mpmu_restore_global_ctrl(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_restore_global_ctrl(vcpu);
}

/* The vCPU entered or left a guest of its own, or changed EFER.SVME (AMD). */
static inline void kvm_mpmu_mode_changed(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_mediated_pmu(vcpu))
		__kvm_mpmu_mode_changed(vcpu);
}

/* PMU registers have their intercepts from the core, not from KVM's tables. */
static inline bool kvm_mpmu_controls_intercept(u32 msr)
{
	if (!IS_ENABLED(CONFIG_MPMU))
		return false;

	switch (msr) {
	case MSR_ARCH_PERFMON_PERFCTR0 ... MSR_ARCH_PERFMON_PERFCTR0 + 31:
	case MSR_ARCH_PERFMON_EVENTSEL0 ... MSR_ARCH_PERFMON_EVENTSEL0 + 31:
	case MSR_CORE_PERF_FIXED_CTR0 ... MSR_CORE_PERF_FIXED_CTR0 + 15:
	case MSR_PERF_METRICS:
	case MSR_CORE_PERF_FIXED_CTR_CTRL ... MSR_CORE_PERF_FIXED_CTR_CTRL + 5:
	case MSR_IA32_PMC0 ... MSR_IA32_PMC0 + 31:
		return true;
	default:
		return false;
	}
}

#endif
