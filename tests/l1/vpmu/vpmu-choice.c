// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each VM has the kind of PMU that it chose, or else the one that the module's
 * parameter said as it was created, and says which and why.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "choice.h"

#define REPEATS		50
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_FIXED_CTR3	0x30c
#define MSR_PERF_METRICS 0x329

#define EITHER		(KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_EMULATED)

static const char *const kind_names[] = { "no", "an emulated", "a mediated" };

bool host_can(void)
{
	return ioctl(vmm_open(), KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY) & KVM_PMU_CAP_MEDIATED;
}

static void parameter_path(char *path, size_t size, const char *name)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	bool intel = cpuid && !memcmp(&cpuid->entries[0].ebx, "Genu", 4);

	snprintf(path, size, "/sys/module/kvm_%s/parameters/%s", intel ? "intel" : "amd", name);
	free(cpuid);
}

int parameter_write(const char *name, const char *value)
{
	char path[128];
	FILE *file;
	int status = 0;

	parameter_path(path, sizeof(path), name);
	file = fopen(path, "w");
	if (!file)
		return -errno;
	if (fputs(value, file) < 0 || fflush(file))
		status = -errno;
	fclose(file);
	return status;
}

void parameter_read(const char *name, char *value, size_t size)
{
	char path[128];
	FILE *file;

	parameter_path(path, sizeof(path), name);
	file = fopen(path, "r");
	if (!file || !fgets(value, (int)size, file))
		*value = 0;
	value[strcspn(value, "\n")] = 0;
	if (file)
		fclose(file);
}

/* --- What VMs say of themselves ------------------------------------------ */

static void check_kind(const struct vm *vm, uint32_t kind, uint32_t reason, const char *what)
{
	struct kvm_pmu_info info;
	int status = pmu_info_get(vm->fd, KVM_X86_PMU_INFO, &info);

	check(!status && info.kind == kind && info.reason == reason &&
	      info.flags == KVM_PMU_INFO_DECIDED,
	      "B4 %s: it says that it has %s PMU, reason %u", what, kind_names[kind], reason);
	if (status || info.kind != kind || info.reason != reason)
		note("status %d, flags %#x, kind %u, reason %u", status, info.flags, info.kind,
		     info.reason);
}

static bool same_leaf(const struct kvm_cpuid_entry2 *a, const struct kvm_cpuid_entry2 *b)
{
	return a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx;
}

/* A leaf that the list lacks is 0. */
static const struct kvm_cpuid_entry2 *leaf_of(const struct kvm_cpuid2 *cpuid, uint32_t function)
{
	static const struct kvm_cpuid_entry2 none;
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return &none;
}

/* Those that the PMU has to do with. */
static bool same_cpuid(const struct kvm_cpuid2 *a, const struct kvm_cpuid2 *b)
{
	static const uint32_t leaves[] = { 0x1, 0xa, 0x80000001, 0x80000022 };
	bool same = a && b;
	size_t i;

	for (i = 0; same && i < sizeof(leaves) / sizeof(leaves[0]); i++)
		same = same_leaf(leaf_of(a, leaves[i]), leaf_of(b, leaves[i]));
	return same;
}

/* The supported CPUID, made that of flags; to be freed. */
static struct kvm_cpuid2 *cpuid_of(uint32_t flags)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	struct kvm_pmu_info info;

	if (!cpuid || pmu_info_get(vmm_open(), flags, &info))
		fatal("no description of the PMU by flags %#x", flags);
	pmu_info_apply(&info, cpuid);
	return cpuid;
}

static void check_cpuid(const struct vm *vm, uint32_t flags, const char *what)
{
	struct kvm_cpuid2 *cpuid = cpuid_of(flags);

	check(same_cpuid(vm->cpuid, cpuid), "B4 %s: its CPUID is that of the flags %#x", what, flags);
	free(cpuid);
}

/* A guest that counts must be exact, one without a PMU must not reach one. */
static unsigned int wrong_rounds(struct machine *machine, uint32_t kind, int round)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;

	if (kind != KVM_PMU_KIND_NONE)
		return count_wrong(machine, BODY_PLAIN, 5000, round & 1) +
		       count_wrong(machine, BODY_CPUID, 50, round & 1);
	job_clear(job, &machine->pmu);
	job->program = PROGRAM_ACCESS;
	job->count = REPEATS;
	job->access = (struct guest_access){ .op = OP_RDPMC };
	return machine_run(machine) ||
	       machine->vm.cpu[0].area->result.access_faults != REPEATS;
}

/* --- All kinds at once --------------------------------------------------- */

static void test_order(const int order[3])
{
	static const uint32_t choices[] = {
		KVM_PMU_CAP_DISABLE, KVM_PMU_CAP_EMULATED, KVM_PMU_CAP_MEDIATED,
	};
	unsigned int wrong[3] = { 0, 0, 0 };
	struct machine machines[3];
	char name[64];
	int i, round;

	snprintf(name, sizeof(name), "three VMs, %s, %s and %s PMU", kind_names[order[0]],
		 kind_names[order[1]], kind_names[order[2]]);
	for (i = 0; i < 3; i++)
		machine_start(&machines[order[i]],
			      &(struct vm_config){ .choose = choices[order[i]] });
	for (round = 0; round < 2; round++)
		for (i = 0; i < 3; i++)
			wrong[i] += wrong_rounds(&machines[i], (uint32_t)i, round);
	for (i = 0; i < 3; i++) {
		check(!wrong[i], "B4 %s: that with %s PMU is right", name, kind_names[i]);
		check_kind(&machines[i].vm, (uint32_t)i,
			   i == KVM_PMU_KIND_MEDIATED ? KVM_PMU_REASON_NONE : KVM_PMU_REASON_ASKED,
			   name);
		machine_stop(&machines[i]);
	}
}

static void test_orders(void)
{
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	int i;

	for (i = 0; i < 6; i++)
		test_order(orders[i]);
}

/* --- Fallback ------------------------------------------------------------ */

/* One VM: does it count exactly with the CPUID of what it got? */
static void test_vm(const struct vm_config *config, uint32_t kind, uint32_t reason,
		    const char *what)
{
	static const uint32_t flags_of[] = {
		KVM_PMU_CAP_DISABLE, KVM_PMU_CAP_EMULATED, KVM_PMU_CAP_MEDIATED,
	};
	uint32_t flags = flags_of[kind];
	struct machine machine;

	if (kind == KVM_PMU_KIND_MEDIATED && config->choose)
		flags = config->choose;
	machine_start(&machine, config);
	check_kind(&machine.vm, kind, reason, what);
	check_cpuid(&machine.vm, flags, what);
	check(!wrong_rounds(&machine, kind, 0) && !wrong_rounds(&machine, kind, 1),
	      "B4 %s: it is right", what);
	machine_stop(&machine);
}

/* Row B5. */
static void test_no_apic(void)
{
	struct vm vm;
	int status;

	test_vm(&(struct vm_config){ .choose = EITHER | KVM_PMU_CAP_POLICY_FULL, .no_apic = true },
		KVM_PMU_KIND_EMULATED, KVM_PMU_REASON_NO_LAPIC, "no local APIC, either kind");
	status = vm_create(&vm, &(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED,
						     .no_apic = true });
	check(status == -EOPNOTSUPP, "B5 no local APIC, a mediated one: no vCPU, EOPNOTSUPP (%d)",
	      status);
	if (!status)
		vm_destroy(&vm);
}

/* The VM is as before: it can choose what works. */
static void test_second_choice(void)
{
	struct kvm_pmu_info before, after;
	int fd = ioctl(vmm_open(), KVM_CREATE_VM, 0UL), vcpu;

	ioctl(fd, KVM_CREATE_IRQCHIP);
	vm_choose_pmu(fd, KVM_PMU_CAP_MEDIATED);
	pmu_info_get(fd, KVM_X86_PMU_INFO, &before);
	vcpu = ioctl(fd, KVM_CREATE_VCPU, 0UL);
	check(vcpu < 0 && errno == EBUSY, "B6 host events, a mediated PMU: no vCPU, EBUSY");
	pmu_info_get(fd, KVM_X86_PMU_INFO, &after);
	check(!memcmp(&before, &after, sizeof(before)) && !after.flags,
	      "B6 host events, a mediated PMU: the VM is as before");
	check(!vm_choose_pmu(fd, KVM_PMU_CAP_EMULATED), "B6 host events: it may choose again");
	vcpu = ioctl(fd, KVM_CREATE_VCPU, 0UL);
	check(vcpu >= 0, "B6 host events, another choice: the VM gets its vCPU");
	close(vcpu);
	close(fd);
}

/* Row B6. */
static void test_busy(void)
{
	struct machine machine;
	int event = host_event(options.cpu, 0, 0);

	check(event >= 0, "B6 an event that counts guests opens");
	test_second_choice();
	machine_start(&machine, &(struct vm_config){ .choose = EITHER | KVM_PMU_CAP_POLICY_FULL });
	check_kind(&machine.vm, KVM_PMU_KIND_EMULATED, KVM_PMU_REASON_BUSY, "host events, either kind");
	check_cpuid(&machine.vm, KVM_PMU_CAP_EMULATED, "host events, either kind");
	host_event_close(event);
	check(!wrong_rounds(&machine, KVM_PMU_KIND_EMULATED, 0),
	      "B6 host events, either kind: the guest counts exactly");
	machine_stop(&machine);
	test_vm(&(struct vm_config){ .choose = EITHER | KVM_PMU_CAP_POLICY_FULL },
		KVM_PMU_KIND_MEDIATED, KVM_PMU_REASON_NONE, "without them");
}

/* --- The parameters ------------------------------------------------------ */

/* As supported, for the kind of VMs that do not choose. */
static void check_default(uint32_t flags, const char *what)
{
	struct kvm_cpuid2 *supported = supported_cpuid(), *described = cpuid_of(0);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = MSR_PERF_CAPABILITIES };
	struct kvm_pmu_info info, of_flags;

	pmu_info_get(vmm_open(), 0, &info);
	pmu_info_get(vmm_open(), flags, &of_flags);
	check(same_cpuid(supported, described), "B1 %s: the supported CPUID is its own", what);
	check(info.kind == of_flags.kind && info.policy == of_flags.policy &&
	      info.counters == of_flags.counters && info.version == of_flags.version &&
	      !memcmp(info.cpuid, of_flags.cpuid, sizeof(info.cpuid)),
	      "B1 %s: it is described as that of flags %#x", what, flags);
	if (ioctl(vmm_open(), KVM_GET_MSRS, &msrs) == 1)
		check(msrs.entry.data == info.perf_capabilities,
		      "B1 %s: PERF_CAPABILITIES is as described (%#llx)", what,
		      (unsigned long long)msrs.entry.data);
	free(supported);
	free(described);
}

/* KVM_CREATE_VM decides; what is written later is for later ones. */
static void test_moment(void)
{
	struct kvm_pmu_info info;
	int old = ioctl(vmm_open(), KVM_CREATE_VM, 0UL), new, vcpu;

	check(!parameter_write("enable_mediated_pmu", "Y"), "B1 Y can be written");
	new = ioctl(vmm_open(), KVM_CREATE_VM, 0UL);
	ioctl(old, KVM_CREATE_IRQCHIP);
	ioctl(new, KVM_CREATE_IRQCHIP);
	vcpu = ioctl(old, KVM_CREATE_VCPU, 0UL);
	pmu_info_get(old, KVM_X86_PMU_INFO, &info);
	check(info.kind == KVM_PMU_KIND_EMULATED && info.reason == KVM_PMU_REASON_DEFAULT,
	      "B1 Y after KVM_CREATE_VM: the PMU is emulated");
	close(vcpu);
	pmu_info_get(new, KVM_X86_PMU_INFO, &info);
	check(info.kind == KVM_PMU_KIND_MEDIATED && !info.flags,
	      "B1 Y before KVM_CREATE_VM: it would be mediated");
	check(!parameter_write("enable_mediated_pmu", "N"), "B1 N can be written");
	vcpu = ioctl(new, KVM_CREATE_VCPU, 0UL);
	pmu_info_get(new, KVM_X86_PMU_INFO, &info);
	check(info.kind == KVM_PMU_KIND_MEDIATED && info.flags == KVM_PMU_INFO_DECIDED,
	      "B1 Y before KVM_CREATE_VM, then N: it is mediated");
	close(vcpu);
	close(old);
	close(new);
}

/* Row B1. */
static void test_parameters(void)
{
	char value[16];

	parameter_read("enable_mediated_pmu", value, sizeof(value));
	check(!strcmp(value, "N"), "B1 the parameter reads N (%s)", value);
	check_default(KVM_PMU_CAP_EMULATED, "the parameter is N");
	test_vm(&(struct vm_config){ .follow = true }, KVM_PMU_KIND_EMULATED,
		KVM_PMU_REASON_DEFAULT, "the parameter is N, no choice");
	test_vm(&(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED }, KVM_PMU_KIND_MEDIATED,
		KVM_PMU_REASON_NONE, "the parameter is N, a mediated one chosen");
	test_moment();

	parameter_write("enable_mediated_pmu", "1");
	parameter_read("enable_mediated_pmu", value, sizeof(value));
	check(!strcmp(value, "Y"), "B1 written 1, the parameter reads Y (%s)", value);
	check_default(KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_COMPAT, "the parameter is Y");
	test_vm(&(struct vm_config){ .follow = true }, KVM_PMU_KIND_MEDIATED, KVM_PMU_REASON_NONE,
		"the parameter is Y, no choice");
	test_vm(&(struct vm_config){ .choose = KVM_PMU_CAP_EMULATED }, KVM_PMU_KIND_EMULATED,
		KVM_PMU_REASON_ASKED, "the parameter is Y, an emulated one chosen");
	test_vm(&(struct vm_config){ .follow = true, .no_apic = true }, KVM_PMU_KIND_EMULATED,
		KVM_PMU_REASON_NO_LAPIC, "the parameter is Y, no local APIC");

	check(!parameter_write("mediated_pmu_policy", "full"), "B1 the policy can be written");
	check_default(KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_FULL, "the policy is full");
	test_vm(&(struct vm_config){ .follow = true }, KVM_PMU_KIND_MEDIATED, KVM_PMU_REASON_NONE,
		"the policy is full, no choice");
	parameter_write("mediated_pmu_policy", "direct");
	check_default(KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_DIRECT, "the policy is direct");
	test_vm(&(struct vm_config){ .follow = true }, KVM_PMU_KIND_MEDIATED, KVM_PMU_REASON_NONE,
		"the policy is direct, no choice");
	parameter_write("mediated_pmu_policy", "compat");
	parameter_write("enable_mediated_pmu", "N");
}

/* --- Models -------------------------------------------------------------- */

static void check_policy(const struct vm *vm, uint32_t policy, const char *what)
{
	struct kvm_pmu_info vms, systems;

	pmu_info_get(vm->fd, KVM_X86_PMU_INFO, &vms);
	pmu_info_get(vmm_open(), KVM_PMU_CAP_MEDIATED | policy, &systems);
	check(vms.policy == policy && vms.counters == systems.counters &&
	      vms.version == systems.version && vms.nr_cpuid == 4,
	      "B7 %s: VM and system describe the same model (version %u, counters %#llx)", what,
	      vms.version, (unsigned long long)vms.counters);
}

/* Mainline shows a mediated PMU by the leaves that 6.12 has for an emulated one. */
static void test_compat_leaves(void)
{
	struct kvm_cpuid2 *compat = cpuid_of(KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_COMPAT);
	struct kvm_cpuid2 *emulated = cpuid_of(KVM_PMU_CAP_EMULATED);

	check(same_leaf(leaf_of(compat, 0xa), leaf_of(emulated, 0xa)) &&
	      same_leaf(leaf_of(compat, 0x80000022), leaf_of(emulated, 0x80000022)),
	      "B7 compat: CPUID is mainline's, to the bit (0AH: %#x %#x %#x %#x)",
	      leaf_of(compat, 0xa)->eax, leaf_of(compat, 0xa)->ebx, leaf_of(compat, 0xa)->ecx,
	      leaf_of(compat, 0xa)->edx);
	free(compat);
	free(emulated);
}

/* Each VM has the policy that it chose, both at once. */
static void test_policies(void)
{
	struct machine compat, direct, full;

	machine_start(&full, &(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED |
							    KVM_PMU_CAP_POLICY_FULL });
	machine_start(&compat, &(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED |
							      KVM_PMU_CAP_POLICY_COMPAT });
	machine_start(&direct, &(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED |
							      KVM_PMU_CAP_POLICY_DIRECT });
	check_policy(&full.vm, KVM_PMU_CAP_POLICY_FULL, "full");
	check_policy(&direct.vm, KVM_PMU_CAP_POLICY_DIRECT, "direct");
	check(pmu_counters(&direct.pmu) == pmu_counters(&compat.pmu),
	      "B7 direct: the model of compat");
	check(!wrong_rounds(&direct, KVM_PMU_KIND_MEDIATED, 0), "B7 direct: exact beside others");
	check_policy(&compat.vm, KVM_PMU_CAP_POLICY_COMPAT, "compat");
	check(!wrong_rounds(&full, KVM_PMU_KIND_MEDIATED, 0), "B7 full: exact beside compat");
	check(!wrong_rounds(&compat, KVM_PMU_KIND_MEDIATED, 0), "B7 compat: exact beside full");
	if (pmu_counters(&full.pmu) == pmu_counters(&compat.pmu))
		skip("the host has no more", "B7 compat: it cannot have more than its policy");
	else
		check(vcpu_set_msr(&compat.vm.cpu[0], MSR_FIXED_CTR3, 1) &&
		      !vcpu_set_msr(&full.vm.cpu[0], MSR_FIXED_CTR3, 1),
		      "B7 compat: it cannot have more than its policy");
	machine_stop(&full);
	machine_stop(&compat);
	machine_stop(&direct);
}

static bool is_pmu_msr(uint32_t msr)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0xc1, 0xc8 }, { 0x186, 0x18d }, { 0x309, 0x30f },
		{ MSR_PERF_METRICS, MSR_PERF_METRICS }, { 0x345, 0x345 },
		{ 0x38d, 0x391 }, { 0x4c1, 0x4c8 }, { 0xc0000300, 0xc0000303 },
		{ 0xc0010000, 0xc0010007 }, { 0xc0010200, 0xc001020b },
	};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (msr >= ranges[i].first && msr <= ranges[i].last)
			return true;
	return false;
}

/* Whatever VMs choose, the list has the registers. */
static void test_msr_list(void)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096);
	struct kvm_pmu_info full;
	struct machine machine;
	unsigned int i, listed = 0, metrics = 0, unreadable = 0;
	uint64_t value;

	list->nmsrs = 1024;
	pmu_info_get(vmm_open(), KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_FULL, &full);
	machine_start(&machine, &(struct vm_config){ .choose = KVM_PMU_CAP_EMULATED });
	if (ioctl(vmm_open(), KVM_GET_MSR_INDEX_LIST, list))
		fatal("no list of MSRs");
	for (i = 0; i < list->nmsrs; i++) {
		listed += list->indices[i] == MSR_FIXED_CTR3;
		metrics += list->indices[i] == MSR_PERF_METRICS;
		unreadable += is_pmu_msr(list->indices[i]) &&
			      vcpu_get_msr(&machine.vm.cpu[0], list->indices[i], &value);
	}
	check(listed == (full.counters >> (PMC_FIXED + 3) & 1),
	      "B7 fixed counter 3 is in the list of MSRs, if a VM may have it (%u)", listed);
	check(metrics == (full.perf_capabilities >> 15 & 1),
	      "B7 PERF_METRICS is in the list of MSRs, if a VM may have it (%u)", metrics);
	check(!unreadable, "B7 a VM without it can be saved by that list all the same");
	machine_stop(&machine);
	free(list);
}

int test_choice(void)
{
	if (!emu_present())
		fatal("counts are compared with the emulator's truth");
	if (!host_can())
		fatal("this host has no mediated PMUs");
	if (wanted("three VMs"))
		test_orders();
	if (wanted("fallback")) {
		test_no_apic();
		test_busy();
	}
	if (wanted("parameters"))
		test_parameters();
	if (wanted("models")) {
		test_compat_leaves();
		test_policies();
		test_msr_list();
	}
	return 0;
}
