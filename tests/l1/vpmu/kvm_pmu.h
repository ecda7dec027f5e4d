/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the series adds to KVM's interface: the distribution's headers do not
 * have it.  Documentation/virt/kvm/api.rst says what it means.
 */
#ifndef KVM_PMU_H
#define KVM_PMU_H

#include <linux/kvm.h>

#define KVM_PMU_CAP_EMULATED		(1 << 1)
#define KVM_PMU_CAP_MEDIATED		(1 << 2)
#define KVM_PMU_CAP_POLICY_COMPAT	(1 << 8)
#define KVM_PMU_CAP_POLICY_FULL		(1 << 9)
#define KVM_PMU_CAP_POLICY_DIRECT	(1 << 10)
#define KVM_PMU_CAP_UNCORE_RDPMC	(1 << 16)

#define KVM_X86_GRP_PMU			2
#define KVM_X86_PMU_INFO		0

#define KVM_PMU_INFO_DECIDED		1

enum { KVM_PMU_KIND_NONE, KVM_PMU_KIND_EMULATED, KVM_PMU_KIND_MEDIATED };

enum {
	KVM_PMU_REASON_NONE, KVM_PMU_REASON_ASKED, KVM_PMU_REASON_DEFAULT,
	KVM_PMU_REASON_HOST, KVM_PMU_REASON_NO_LAPIC, KVM_PMU_REASON_ENCRYPTED,
	KVM_PMU_REASON_BUSY,
};

struct kvm_pmu_cpuid {
	__u32 function;
	__u32 index;
	__u32 mask[4];
	__u32 value[4];
};

struct kvm_pmu_info {
	__u32 size;
	__u32 flags;
	__u32 asked;
	__u32 kind;
	__u32 policy;
	__u32 reason;
	__u32 version;
	__u32 gp_width;
	__u32 fixed_width;
	__u32 nr_cpuid;
	__u64 counters;
	__u64 perf_capabilities;
	char missing[64];
	struct kvm_pmu_cpuid cpuid[8];
};

#endif
