/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port header of the kernel: everything that libmpmu needs from Linux, and
 * the way its ops are called.  docs/porting.md lists what each name must do.
 */
#ifndef MPMU_PORT_H
#define MPMU_PORT_H

#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include <asm/msr.h>

struct mpmu_vcpu;
struct mpmu_moves;

/*
 * The two register ops are inline and raw: what a change of owner moves is one
 * tracepoint, not one per register.
 */
static __always_inline u64 mpmu_kvm_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	return __rdmsr(msr);
}

static __always_inline void mpmu_kvm_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	__wrmsr(msr, (u32)value, (u32)(value >> 32));
}

/*
 * All others are functions of the glue, called directly.  The set type is
 * spelled out because mpmu/types.h, which names it, comes after this header.
 */
#define mpmu_pmcs u64
#define MPMU_OP(ret, name, args) ret mpmu_kvm_##name args;
#include <mpmu/ops.def>
#undef MPMU_OP
#undef mpmu_pmcs

/* Call an op of the vCPU's backend. */
#define mpmu_call(vcpu, slot, ...) mpmu_kvm_##slot((vcpu), ##__VA_ARGS__)

/* What the core itself knows about; cause is an enum mpmu_cause. */
void mpmu_kvm_trace_owner(const struct mpmu_vcpu *vcpu, u32 cause, const struct mpmu_moves *before);
void mpmu_kvm_trace_denied(const struct mpmu_vcpu *vcpu, u32 pmc);
#define mpmu_trace_owner mpmu_kvm_trace_owner
#define mpmu_trace_denied mpmu_kvm_trace_denied

/* index, known to be below size, clamped against speculation. */
#define mpmu_nospec(index, size) array_index_nospec((index), (size))

/* A broken promise of the caller; entries and exits are too hot to look by default. */
#ifdef MPMU_DEBUG
#define mpmu_assert(condition) WARN_ON_ONCE(!(condition))
#else
#define mpmu_assert(condition) ((void)sizeof(!(condition)))
#endif

#define MPMU_STATIC_ASSERT(condition, text) static_assert(condition, text)

#endif
