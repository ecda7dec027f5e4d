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
	/* The instruction that KVM is about to skip was counted already. */
	bool retired;
	/* Intercepts must be computed again. */
	bool stale_intercepts;
	/* The host shares this CPU's performance interrupt (PT, BTS). */
	bool shared_lvtpc;
};

static inline struct kvm_vcpu *core_to_vcpu(const struct mpmu_vcpu *core)
{
	return container_of(core, struct kvm_mpmu, core)->vcpu;
}

static inline struct mpmu_vcpu *vcpu_to_core(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.mpmu->core;
}

extern struct mpmu_host kvm_mpmu_host;
/* What a guest may have at most. */
extern struct mpmu_caps kvm_mpmu_offer;
extern const struct mpmu_ops kvm_mpmu_ops;
DECLARE_PER_CPU(struct mpmu_cpu, kvm_mpmu_cpu);

/* Mediated PMUs are possible and wanted: host and offer are valid. */
static inline bool kvm_mpmu_enabled(void)
{
	return kvm_mpmu_host.ops;
}

void kvm_mpmu_set_vendor(const struct kvm_mpmu_vendor *vendor);
bool kvm_mpmu_vm_is_encrypted(struct kvm *kvm);

#endif
