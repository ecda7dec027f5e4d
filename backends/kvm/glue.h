/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parts of the glue that live in kvm.ko.
 */
#ifndef KVM_MPMU_GLUE_H
#define KVM_MPMU_GLUE_H

#include <linux/irq_work.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/static_call.h>

#include <mpmu/mpmu.h>

#include "kvm_mpmu.h"

/* The PMU of a vCPU: the core's state, and what KVM needs around it. */
struct kvm_mpmu {
	struct mpmu_vcpu core;
	struct kvm_vcpu *vcpu;
	/* Wakes or kicks the vCPU from where neither is possible. */
	struct irq_work kick;
	/*
	 * From vcpu_write_msr() to kvm_mpmu_trigger_event(): the WRMSR that KVM is
	 * about to skip was counted already.  Between the two are KVM's own functions,
	 * which have no argument to spare.
	 */
	bool retired;
	/* A nested VM-entry or VM-exit is loading MSRs. */
	bool loading;
	/* Intercepts must be computed again. */
	bool stale_intercepts;
	/* The host shares this CPU's performance interrupt (PT, BTS), or did lately. */
	bool shared_lvtpc;
	/* Entries until what no longer shares it counts as gone. */
	u32 sharing_lingers;
	/* GLOBAL_CTRL before a nested VM-entry or VM-exit that may be none. */
	u64 kept_global_ctrl;
	/* The CPU whose PMU it owned last: an interrupt may still come there. */
	int owned_on;
};

static inline struct kvm_vcpu *core_to_vcpu(const struct mpmu_vcpu *core)
{
	return container_of(core, struct kvm_mpmu, core)->vcpu;
}

static inline struct mpmu_vcpu *vcpu_to_core(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.mpmu->core;
}

/* The bit of PERF_CAPABILITIES. */
#define PERF_CAP_METRICS BIT_ULL(15)

/* What a policy offers a guest at most, and how CPUID says it. */
struct kvm_mpmu_model {
	struct mpmu_caps caps;
	struct mpmu_cpuid leaves;
};

#define KVM_MPMU_NR_POLICIES (MPMU_POLICY_DIRECT + 1)

extern struct mpmu_host kvm_mpmu_host;
extern struct kvm_mpmu_model kvm_mpmu_models[KVM_MPMU_NR_POLICIES];
/* What the host lacks for mediated PMUs, NULL: nothing. */
extern const char *kvm_mpmu_missing;
/* No counter is kept from guests: what one of them holds is known (TSX_FORCE_ABORT). */
extern bool kvm_mpmu_lends_all;
extern const struct mpmu_ops kvm_mpmu_ops;
DECLARE_PER_CPU(struct mpmu_cpu, kvm_mpmu_cpu);

/* Mediated PMUs are possible: host and models are valid. */
static inline bool kvm_mpmu_possible(void)
{
	return kvm_mpmu_host.ops;
}

/* Has this CPU's local APIC an interrupt of a guest that is not handled yet? */
bool kvm_mpmu_pmi_is_latched(void);
void kvm_mpmu_set_vendor(const struct kvm_mpmu_vendor *vendor);
bool kvm_mpmu_vm_is_encrypted(struct kvm *kvm);

/* debug.c, IRQs off: does hardware hold what the core believes? */
#ifdef CONFIG_MPMU_DEBUG
void kvm_mpmu_debug_before_entry(const struct mpmu_cpu *cpu);
void kvm_mpmu_debug_after_exit(const struct mpmu_cpu *cpu);
void kvm_mpmu_debug_before_release(const struct mpmu_vcpu *core);
void kvm_mpmu_debug_counters_change(void);
#else
static inline void kvm_mpmu_debug_before_entry(const struct mpmu_cpu *cpu) {}
static inline void kvm_mpmu_debug_after_exit(const struct mpmu_cpu *cpu) {}
static inline void kvm_mpmu_debug_before_release(const struct mpmu_vcpu *core) {}
static inline void kvm_mpmu_debug_counters_change(void) {}
#endif

/* The vendor module is set up, and goes. */
void kvm_mpmu_start_default(const struct kvm_mpmu_vendor *vendor);
void kvm_mpmu_stop_default(void);
/* The model that the VM's policy lets a mediated PMU have. */
const struct kvm_mpmu_model *kvm_mpmu_vm_model(const struct kvm *kvm);
/* What it lets the VM's vCPUs reach, MPMU_VCPU_DIRECT and MPMU_VCPU_UNCORE_RDPMC. */
u32 kvm_mpmu_vm_reach(const struct kvm *kvm);

#endif
