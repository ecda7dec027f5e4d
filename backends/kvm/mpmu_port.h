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

/*
 * The two register ops are inline and raw: reclaim calls them under the
 * scheduler's locks, where the tracing of rdmsrl() and wrmsrl() may not run.
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
