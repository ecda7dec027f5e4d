// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bad choices of a PMU, by the capability, its description and the parameters:
 * each has the errno that the documentation says, and changes nothing.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "choice.h"

#define DISABLE		KVM_PMU_CAP_DISABLE
#define EMULATED	KVM_PMU_CAP_EMULATED
#define MEDIATED	KVM_PMU_CAP_MEDIATED
#define COMPAT		KVM_PMU_CAP_POLICY_COMPAT
#define FULL		KVM_PMU_CAP_POLICY_FULL
#define DIRECT		KVM_PMU_CAP_POLICY_DIRECT
#define UNCORE		KVM_PMU_CAP_UNCORE_RDPMC

static const struct {
	uint64_t flags;
	const char *why;
} bad_flags[] = {
	{ 1 << 3, "an unknown kind" },
	{ MEDIATED | 1 << 11, "an unknown policy" },
	{ MEDIATED | 1 << 17, "an unknown flag" },
	{ 1ULL << 31, "bit 31" },
	{ 1ULL << 32, "bit 32" },
	{ 1ULL << 63 | EMULATED, "bit 63" },
	{ DISABLE | EMULATED, "none and emulated" },
	{ DISABLE | MEDIATED, "none and mediated" },
	{ DISABLE | COMPAT, "the model of none" },
	{ COMPAT, "a model without a kind" },
	{ EMULATED | FULL, "the model of an emulated one" },
	{ MEDIATED | COMPAT | FULL, "two models" },
	{ MEDIATED | COMPAT | DIRECT, "compat, and direct" },
	{ EMULATED | DIRECT, "policy direct of an emulated one" },
	{ MEDIATED | UNCORE, "a consent without a policy" },
	{ MEDIATED | FULL | UNCORE, "a consent without policy direct" },
	{ UNCORE, "a consent without a kind" },
};

static const uint32_t good_flags[] = {
	0, DISABLE, EMULATED, MEDIATED | EMULATED, MEDIATED | EMULATED | COMPAT,
	MEDIATED | EMULATED | FULL, MEDIATED, MEDIATED | COMPAT, MEDIATED | FULL,
	MEDIATED | DIRECT, MEDIATED | DIRECT | UNCORE, MEDIATED | EMULATED | DIRECT,
};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static bool same_info(int fd, const struct kvm_pmu_info *before)
{
	struct kvm_pmu_info now;

	return !pmu_info_get(fd, KVM_X86_PMU_INFO, &now) && !memcmp(&now, before, sizeof(now));
}

static int has_attr(int fd, uint64_t attr)
{
	struct kvm_device_attr device = { .group = KVM_X86_GRP_PMU, .attr = attr };

	return ioctl(fd, KVM_HAS_DEVICE_ATTR, &device) ? -errno : 0;
}

/* Flags that no VM can have, each where a choice was made before. */
static void test_bad_flags(int vm)
{
	struct kvm_pmu_info before, unused;
	size_t i;

	vm_choose_pmu(vm, EMULATED);
	pmu_info_get(vm, KVM_X86_PMU_INFO, &before);
	for (i = 0; i < NR(bad_flags); i++) {
		uint64_t flags = bad_flags[i].flags;

		check(vm_choose_pmu(vm, flags) == -EINVAL && same_info(vm, &before),
		      "B4 flags %#llx, %s: EINVAL, nothing changes", (unsigned long long)flags,
		      bad_flags[i].why);
		check(has_attr(vmm_open(), flags) == -ENXIO &&
		      pmu_info_get(vmm_open(), flags, &unused) == -EINVAL,
		      "B4 flags %#llx, %s: no such model", (unsigned long long)flags,
		      bad_flags[i].why);
	}
}

/* All others are taken, the last one counts; what the host cannot is told. */
static void test_good_flags(int vm)
{
	struct kvm_pmu_info info, described;
	int supported = ioctl(vmm_open(), KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY);
	size_t i;

	check(supported == (host_can() ? DISABLE | EMULATED | MEDIATED | COMPAT | FULL | DIRECT |
						 UNCORE
				       : DISABLE | EMULATED),
	      "B4 KVM_CHECK_EXTENSION says what this host can (%#x)", (unsigned int)supported);
	check(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_VM_ATTRIBUTES) == 1, "B4 VMs have attributes");
	for (i = 0; i < NR(good_flags); i++) {
		uint32_t flags = good_flags[i], kind;
		int want = flags & MEDIATED && !(flags & EMULATED) && !host_can() ? -EOPNOTSUPP : 0;

		vm_choose_pmu(vm, EMULATED);
		check(vm_choose_pmu(vm, flags) == want, "B4 flags %#x: %s", flags,
		      want ? "EOPNOTSUPP" : "taken");
		pmu_info_get(vm, KVM_X86_PMU_INFO, &info);
		kind = flags & DISABLE ? KVM_PMU_KIND_NONE :
		       flags & MEDIATED && host_can() ? KVM_PMU_KIND_MEDIATED : KVM_PMU_KIND_EMULATED;
		check(info.asked == (want ? EMULATED : flags) && info.kind == kind && !info.flags,
		      "B4 flags %#x: the VM will have that kind, the last choice counts", flags);
		check(has_attr(vmm_open(), flags) == (want ? -ENXIO : 0) &&
		      pmu_info_get(vmm_open(), flags, &described) == want,
		      "B4 flags %#x: %s", flags, want ? "no such model" : "a model");
		if (!want)
			check(described.kind == kind && described.counters == info.counters &&
			      described.reason == info.reason &&
			      !memcmp(described.cpuid, info.cpuid, sizeof(info.cpuid)),
			      "B4 flags %#x: system and VM describe the same PMU", flags);
	}
}

static void test_enable_cap_flags(int vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PMU_CAPABILITY, .flags = 1, .args = { DISABLE },
	};
	struct kvm_pmu_info before;

	vm_choose_pmu(vm, EMULATED);
	pmu_info_get(vm, KVM_X86_PMU_INFO, &before);
	check(ioctl(vm, KVM_ENABLE_CAP, &cap) && errno == EINVAL && same_info(vm, &before),
	      "B4 flags of KVM_ENABLE_CAP itself: EINVAL, nothing changes");
}

/* Then it is too late for each. */
static void test_after_vcpu(int vm)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	struct kvm_pmu_info before;
	size_t i;

	pmu_info_get(vm, KVM_X86_PMU_INFO, &before);
	check(vcpu >= 0 && before.flags == KVM_PMU_INFO_DECIDED, "B4 the first vCPU decides");
	for (i = 0; i < NR(good_flags); i++)
		check(vm_choose_pmu(vm, good_flags[i]) == -EINVAL && same_info(vm, &before),
		      "B4 flags %#x after the first vCPU: EINVAL, nothing changes", good_flags[i]);
	close(vcpu);
}

static void test_attribute(int vm, const char *whose)
{
	struct kvm_pmu_info info = { .size = sizeof(info) };
	struct kvm_device_attr good = { .group = KVM_X86_GRP_PMU, .addr = (uintptr_t)&info };
	struct kvm_device_attr device = good;
	char room[sizeof(info) + 64];

	device.flags = 1;
	check(ioctl(vm, KVM_GET_DEVICE_ATTR, &device) && errno == EINVAL,
	      "B4 %s: flags of the attribute: EINVAL", whose);
	device = good;
	device.addr = 8;
	check(ioctl(vm, KVM_GET_DEVICE_ATTR, &device) && errno == EFAULT,
	      "B4 %s: a bad address: EFAULT", whose);
	info.size = sizeof(info) - 1;
	check(ioctl(vm, KVM_GET_DEVICE_ATTR, &good) && errno == EINVAL &&
	      info.size == sizeof(info) - 1 && !info.nr_cpuid,
	      "B4 %s: too little room: EINVAL, nothing written", whose);
	memset(room, 0x5a, sizeof(room));
	((struct kvm_pmu_info *)room)->size = sizeof(room);
	device.addr = (uintptr_t)room;
	check(!ioctl(vm, KVM_GET_DEVICE_ATTR, &device) &&
	      ((struct kvm_pmu_info *)room)->size == sizeof(info) &&
	      room[sizeof(info)] == 0x5a && room[sizeof(room) - 1] == 0x5a,
	      "B4 %s: more room than KVM knows: it says how much it filled", whose);
}

static void test_vm_attribute(int vm)
{
	struct kvm_pmu_info info = { .size = sizeof(info) };
	struct kvm_device_attr device = { .group = KVM_X86_GRP_PMU, .addr = (uintptr_t)&info };

	check(!has_attr(vm, KVM_X86_PMU_INFO), "B4 a VM has the attribute");
	check(has_attr(vm, 1) == -ENXIO, "B4 a VM has no other of the group: ENXIO");
	device.attr = 1;
	check(ioctl(vm, KVM_GET_DEVICE_ATTR, &device) && errno == ENXIO,
	      "B4 another attribute of a VM: ENXIO");
	device.attr = 0;
	device.group = 3;
	check(ioctl(vm, KVM_GET_DEVICE_ATTR, &device) && errno == ENXIO,
	      "B4 another group of a VM: ENXIO");
	check(ioctl(vmm_open(), KVM_GET_DEVICE_ATTR, &device) && errno == ENXIO,
	      "B4 another group of the system: ENXIO");
	device.group = KVM_X86_GRP_PMU;
	check(ioctl(vm, KVM_SET_DEVICE_ATTR, &device) && errno == ENOTTY,
	      "B4 the attribute cannot be set: ENOTTY");
}

/* Lines of the log that say why there are no mediated PMUs. */
static int count_reasons(void)
{
	return log_count("mediated PMU: not available, this host lacks: ");
}

static void try_parameter(const char *name, const char *text, int want)
{
	char before[16], after[16];

	parameter_read(name, before, sizeof(before));
	check(parameter_write(name, text) == want, "B1 \"%s\" to %s: error %d", text, name, -want);
	parameter_read(name, after, sizeof(after));
	check(!strcmp(before, after), "B1 \"%s\" to %s: it still reads %s", text, name, before);
}

static void test_parameters(void)
{
	struct kvm_pmu_info info;
	int reasons = count_reasons();

	try_parameter("enable_mediated_pmu", "maybe", -EINVAL);
	try_parameter("enable_mediated_pmu", "2", -EINVAL);
	try_parameter("enable_mediated_pmu", "N", 0);
	try_parameter("mediated_pmu_policy", "fuller", -EINVAL);
	try_parameter("mediated_pmu_policy", "1", -EINVAL);
	try_parameter("mediated_pmu_policy", "compat", 0);
	check(count_reasons() == reasons, "B1 no line in the log for these");
	pmu_info_get(vmm_open(), 0, &info);
	check(host_can() == !*info.missing, "B1 what the host lacks: %s",
	      *info.missing ? info.missing : "nothing");
	if (host_can())
		return;
	try_parameter("enable_mediated_pmu", "Y", -EOPNOTSUPP);
	check(count_reasons() == reasons + 1, "B1 one line in the log says why not");
	pmu_info_get(vmm_open(), MEDIATED | EMULATED, &info);
	check(info.kind == KVM_PMU_KIND_EMULATED && info.reason == KVM_PMU_REASON_HOST,
	      "B4 either kind on this host: an emulated one, as the host cannot");
}

int test_misuse(void)
{
	int vm = ioctl(vmm_open(), KVM_CREATE_VM, 0UL);

	if (ioctl(vm, KVM_CREATE_IRQCHIP))
		fatal("no VM");
	test_bad_flags(vm);
	test_good_flags(vm);
	test_enable_cap_flags(vm);
	test_attribute(vm, "a VM");
	test_attribute(vmm_open(), "the system");
	test_vm_attribute(vm);
	test_parameters();
	vm_choose_pmu(vm, 0);
	test_after_vcpu(vm);
	close(vm);
	return 0;
}
