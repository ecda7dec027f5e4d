// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The PMU's registers of a vCPU of this machine's KVM, as a VMM saves them, and
 * restores them when it starts or moves a VM.
 *
 * Sources: Linux, "The Definitive KVM (Kernel-based Virtual Machine) API
 * Documentation"; Intel SDM, "Processor State After Reset".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"

#define MAX_LEAVES 256

struct one_msr {
	struct kvm_msrs header;
	struct kvm_msr_entry entry;
};

/* KVM answers with the number of registers that it took: of one. */
static bool kvm_get(int fd, u32 msr, u64 *value)
{
	struct one_msr m = {.header.nmsrs = 1, .entry.index = msr};

	if (ioctl(fd, KVM_GET_MSRS, &m) != 1)
		return false;
	*value = m.entry.data;
	return true;
}

static bool kvm_set(int vcpu, u32 msr, u64 value)
{
	struct one_msr m = {.header.nmsrs = 1, .entry = {.index = msr, .data = value}};

	return ioctl(vcpu, KVM_SET_MSRS, &m) == 1;
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *cpuid, u32 leaf)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == leaf && !cpuid->entries[i].index)
			return &cpuid->entries[i];
	}
	return NULL;
}

/* A vCPU with all that KVM offers, and a local APIC, as a mediated PMU wants one. */
static int make_vcpu(int kvm, struct kvm_cpuid2 *cpuid, struct result *r)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;

	if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0)) {
		absent(r, "KVM makes no VM: %s", strerror(errno));
		return -1;
	}
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	cpuid->nent = MAX_LEAVES;
	if (vcpu < 0 || ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(vcpu, KVM_SET_CPUID2, cpuid)) {
		absent(r, "KVM makes no vCPU: %s", strerror(errno));
		return -1;
	}
	return vcpu;
}

/* What it has is taken back. */
static bool comes_back(struct result *r, int vcpu, u32 msr)
{
	u64 value;

	if (!kvm_get(vcpu, msr, &value)) {
		wrong(r, "KVM does not give register %#x", msr);
		return false;
	}
	if (kvm_set(vcpu, msr, value))
		return true;
	wrong(r, "KVM does not take %#llx back for register %#x", value, msr);
	return false;
}

static bool range_comes_back(struct result *r, int vcpu, u32 first, unsigned int nr,
			     unsigned int stride)
{
	while (nr--) {
		if (!comes_back(r, vcpu, first + nr * stride))
			return false;
	}
	return true;
}

static bool starts_with(struct result *r, int vcpu, u32 msr, unsigned int general)
{
	u64 value = 0;

	if (kvm_get(vcpu, msr, &value) && value == (1ull << general) - 1)
		return true;
	wrong(r, "GLOBAL_CTRL of a new vCPU is %#llx, of %u general counters", value, general);
	return false;
}

static void restore_intel(struct result *r, int kvm, int vcpu, const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *pmu = find_leaf(cpuid, 0xa);
	unsigned int version = pmu ? pmu->eax & 0xff : 0, general = pmu ? pmu->eax >> 8 & 0xff : 0;
	u64 capabilities;

	if (!version) {
		absent(r, "KVM offers no PMU");
		return;
	}
	/* What KVM says it can have. */
	if (kvm_get(kvm, IA32_PERF_CAPABILITIES, &capabilities) &&
	    find_leaf(cpuid, 1)->ecx >> 15 & 1 &&
	    !kvm_set(vcpu, IA32_PERF_CAPABILITIES, capabilities)) {
		wrong(r, "KVM offers PERF_CAPABILITIES %#llx, and does not take it", capabilities);
		return;
	}
	if (!range_comes_back(r, vcpu, 0xc1, general, 1) ||
	    !range_comes_back(r, vcpu, 0x186, general, 1))
		return;
	if (version >= 2 && (!starts_with(r, vcpu, IA32_PERF_GLOBAL_CTRL, general) ||
			     !comes_back(r, vcpu, IA32_FIXED_CTR_CTRL) ||
			     !range_comes_back(r, vcpu, IA32_FIXED_CTR0, pmu->edx & 0x1f, 1) ||
			     !range_comes_back(r, vcpu, IA32_PERF_GLOBAL_STATUS, 3, 1)))
		return;
	ok(r, "version %u, %u general and %u fixed counters", version, general,
	   version >= 2 ? pmu->edx & 0x1f : 0);
}

static void restore_amd(struct result *r, int vcpu, const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *pmu = find_leaf(cpuid, 0x80000022),
				      *features = find_leaf(cpuid, 0x80000001);
	bool v2 = pmu && (pmu->eax & 1), core = features && features->ecx >> 23 & 1;
	unsigned int general = v2 ? pmu->ebx & 0xf : core ? 6 : 4;

	if (core ? !range_comes_back(r, vcpu, 0xc0010200, 2 * general, 1)
		 : !range_comes_back(r, vcpu, 0xc0010000, 8, 1))
		return;
	if (v2 && (!starts_with(r, vcpu, 0xc0000301, general) ||
		   !range_comes_back(r, vcpu, 0xc0000300, 3, 1)))
		return;
	ok(r, "version %u, %u general counters", v2 ? 2 : core, general);
}

void check_restore(struct result *r)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + MAX_LEAVES * sizeof(cpuid->entries[0]));
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vcpu;

	if (kvm < 0 || !cpuid) {
		absent(r, "no KVM here (/dev/kvm: %s)", strerror(errno));
		return;
	}
	vcpu = make_vcpu(kvm, cpuid, r);
	if (vcpu < 0)
		return;
	if (machine.model.intel)
		restore_intel(r, kvm, vcpu, cpuid);
	else
		restore_amd(r, vcpu, cpuid);
}
