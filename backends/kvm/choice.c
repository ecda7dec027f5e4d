// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which PMU a VM gets: what the module's parameters and its user space say,
 * what can be, and how user space learns of it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": mediated PMU: " fmt

#include <linux/mutex.h>
#include <linux/perf_event.h>
#include <linux/uaccess.h>

#include "x86.h"
#include "glue.h"
#include "cpuid.h"
#include "irq.h"

/* All of PERF_CAPABILITIES that a mediated PMU has, PERF_METRICS with its model. */
#define PERF_CAP_FW_WRITES BIT_ULL(13)

#define BIT_OF(feature) BIT((feature) & 31)

static_assert(KVM_PMU_CAP_POLICY_COMPAT << MPMU_POLICY_COMPAT == KVM_PMU_CAP_POLICY_COMPAT &&
	      KVM_PMU_CAP_POLICY_COMPAT << MPMU_POLICY_FULL == KVM_PMU_CAP_POLICY_FULL &&
	      KVM_PMU_CAP_POLICY_COMPAT << MPMU_POLICY_DIRECT == KVM_PMU_CAP_POLICY_DIRECT,
	      "the flags of policies are in the core's order");

/* Of the loaded vendor module; the lock is for the value of its parameter. */
static const struct kvm_mpmu_vendor *loaded_vendor;
static DEFINE_MUTEX(default_lock);

static bool choice_refuse_default(void)
{
	if (!kvm_mpmu_missing)
		return false;
	pr_info("not available, this host lacks: %s\n", kvm_mpmu_missing);
	return true;
}

int kvm_mpmu_set_default(bool *enable, bool value)
{
	guard(mutex)(&default_lock);
	if (value && loaded_vendor && loaded_vendor->enable == enable && choice_refuse_default())
		return -EOPNOTSUPP;
	WRITE_ONCE(*enable, value);
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_mpmu_set_default);

void kvm_mpmu_start_default(const struct kvm_mpmu_vendor *vendor)
{
	guard(mutex)(&default_lock);
	loaded_vendor = vendor;
	if (*vendor->enable && choice_refuse_default())
		*vendor->enable = false;
}

void kvm_mpmu_stop_default(void)
{
	guard(mutex)(&default_lock);
	loaded_vendor = NULL;
}

/* The consent is one to policy direct alone. */
static u32 choice_default_policy(void)
{
	u32 policy = KVM_PMU_CAP_POLICY_COMPAT << READ_ONCE(*loaded_vendor->policy);

	if (policy != KVM_PMU_CAP_POLICY_DIRECT || !loaded_vendor->uncore_rdpmc ||
	    !READ_ONCE(*loaded_vendor->uncore_rdpmc))
		return policy;
	return policy | KVM_PMU_CAP_UNCORE_RDPMC;
}

/* As if the VM had asked for what the parameters say. */
static u32 choice_default_flags(void)
{
	u32 policy = choice_default_policy();

	return READ_ONCE(*loaded_vendor->enable) ?
	       KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_EMULATED | policy :
	       KVM_PMU_CAP_EMULATED | policy;
}

static const struct kvm_mpmu_model *choice_model_of(u32 flags)
{
	return &kvm_mpmu_models[__ffs((flags & KVM_MPMU_POLICIES) / KVM_PMU_CAP_POLICY_COMPAT)];
}

static bool choice_flags_make_sense(u64 flags)
{
	u64 policy = flags & KVM_MPMU_POLICIES;

	if (flags & ~(u64)(KVM_PMU_CAP_DISABLE | KVM_MPMU_CAP_MASK))
		return false;
	if (flags & KVM_PMU_CAP_DISABLE)
		return flags == KVM_PMU_CAP_DISABLE;
	if (flags & KVM_PMU_CAP_UNCORE_RDPMC && policy != KVM_PMU_CAP_POLICY_DIRECT)
		return false;
	return !policy || (flags & KVM_PMU_CAP_MEDIATED && is_power_of_2(policy));
}

static int choice_check_flags(u64 flags)
{
	if (!choice_flags_make_sense(flags) || !enable_pmu)
		return -EINVAL;
	if (flags & KVM_PMU_CAP_MEDIATED && !(flags & KVM_PMU_CAP_EMULATED) && !kvm_mpmu_possible())
		return -EOPNOTSUPP;
	return 0;
}

u32 __kvm_mpmu_impossible(void)
{
	return kvm_mpmu_possible() ? 0 : KVM_PMU_CAP_MEDIATED | KVM_MPMU_DETAILS;
}

void __kvm_mpmu_init_vm(struct kvm *kvm)
{
	kvm->arch.mpmu_choice.defaults = choice_default_flags();
}

int __kvm_mpmu_choose(struct kvm *kvm, u64 flags)
{
	int r = choice_check_flags(flags);

	if (!r)
		kvm->arch.mpmu_choice.asked = flags;
	return r;
}

/* What was asked for counts, and what was not is filled in. */
static u32 choice_complete_flags(u32 asked, u32 defaults)
{
	if (asked & KVM_MPMU_POLICIES)
		return asked;
	return (asked ?: defaults) | (defaults & KVM_MPMU_DETAILS);
}

static u32 choice_vm_flags(const struct kvm *kvm)
{
	return choice_complete_flags(kvm->arch.mpmu_choice.asked, kvm->arch.mpmu_choice.defaults);
}

const struct kvm_mpmu_model *kvm_mpmu_vm_model(const struct kvm *kvm)
{
	return choice_model_of(choice_vm_flags(kvm));
}

u32 kvm_mpmu_vm_reach(const struct kvm *kvm)
{
	u32 flags = choice_vm_flags(kvm);

	if (!kvm_mpmu_lends_all)
		return 0;
	return (flags & KVM_PMU_CAP_POLICY_DIRECT ? MPMU_VCPU_DIRECT : 0) |
	       (flags & KVM_PMU_CAP_UNCORE_RDPMC ? MPMU_VCPU_UNCORE_RDPMC : 0);
}

static u32 choice_vm_obstacle(struct kvm *kvm)
{
	if (!kvm_mpmu_possible())
		return KVM_PMU_REASON_HOST;
	if (!irqchip_in_kernel(kvm))
		return KVM_PMU_REASON_NO_LAPIC;
	return kvm_mpmu_vm_is_encrypted(kvm) ? KVM_PMU_REASON_ENCRYPTED : KVM_PMU_REASON_NONE;
}

/* The kind as things stand, host events left aside; -EOPNOTSUPP: none will do. */
static int choice_judge(struct kvm *kvm, u32 *reason)
{
	u32 asked = kvm->arch.mpmu_choice.asked, flags = choice_vm_flags(kvm);

	*reason = enable_pmu ? KVM_PMU_REASON_ASKED : KVM_PMU_REASON_HOST;
	if (!kvm->arch.enable_pmu)
		return KVM_PMU_KIND_NONE;
	if (!(flags & KVM_PMU_CAP_MEDIATED)) {
		*reason = asked ? KVM_PMU_REASON_ASKED : KVM_PMU_REASON_DEFAULT;
		return KVM_PMU_KIND_EMULATED;
	}
	*reason = choice_vm_obstacle(kvm);
	if (*reason == KVM_PMU_REASON_NONE)
		return KVM_PMU_KIND_MEDIATED;
	return flags & KVM_PMU_CAP_EMULATED ? KVM_PMU_KIND_EMULATED : -EOPNOTSUPP;
}

static void choice_unmediate_vm(struct kvm *kvm)
{
	if (kvm->arch.has_mediated_pmu)
		perf_release_mediated_pmu();
	kvm->arch.has_mediated_pmu = false;
}

/* VMs that did not ask fail beside host events: what CPUID said was mediated. */
static int choice_mediate_vm(struct kvm *kvm)
{
	struct kvm_mpmu_choice *choice = &kvm->arch.mpmu_choice;
	int r;

	if (kvm->arch.has_mediated_pmu)
		return 0;
	r = perf_create_mediated_pmu();
	kvm->arch.has_mediated_pmu = !r;
	if (r != -EBUSY || !(choice->asked & KVM_PMU_CAP_EMULATED))
		return r;
	choice->reason = KVM_PMU_REASON_BUSY;
	return 0;
}

/*
 * The kind of PMU is decided as the first vCPU is created; anew, if that failed
 * after the decision.
 */
int __kvm_mpmu_vm_create(struct kvm *kvm)
{
	int kind;

	lockdep_assert_held(&kvm->lock);
	if (kvm->created_vcpus)
		return 0;

	kind = choice_judge(kvm, &kvm->arch.mpmu_choice.reason);
	if (kind == KVM_PMU_KIND_MEDIATED)
		return choice_mediate_vm(kvm);
	choice_unmediate_vm(kvm);
	return min(kind, 0);
}

void __kvm_mpmu_vm_destroy(struct kvm *kvm)
{
	choice_unmediate_vm(kvm);
}

/* The bits of CPUID that are the PMU's, EAX to EDX. */
static const struct pmu_leaf {
	u32 function;
	u32 mask[4];
} pmu_leaves[] = {
	{ 0x1, { 0, 0, BIT_OF(X86_FEATURE_DTES64) | BIT_OF(X86_FEATURE_PDCM),
		 BIT_OF(X86_FEATURE_DS) } },
	{ 0xa, { ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000001, { 0, 0, BIT_OF(X86_FEATURE_PERFCTR_CORE), 0 } },
	{ 0x80000022, { ~0u, ~0u, ~0u, ~0u } },
};

static_assert(ARRAY_SIZE(pmu_leaves) <= KVM_PMU_INFO_CPUIDS, "an entry for each leaf");

/* From what an emulated PMU has; PEBS and BTS are for that alone. */
static void choice_mediate_leaf(struct kvm_cpuid_entry2 *entry, const struct mpmu_cpuid *leaves)
{
	switch (entry->function) {
	case 0x1:
		entry->ecx &= ~BIT_OF(X86_FEATURE_DTES64);
		entry->edx &= ~BIT_OF(X86_FEATURE_DS);
		break;
	case 0xa:
		entry->eax = leaves->leaf_0a[0];
		entry->ebx = leaves->leaf_0a[1];
		entry->ecx = leaves->leaf_0a[2];
		entry->edx = leaves->leaf_0a[3];
		break;
	case 0x80000022:
		entry->eax = leaves->leaf_80000022[0];
		entry->ebx = leaves->leaf_80000022[1];
		break;
	}
}

static u64 choice_mediate_perf_cap(u64 perf_cap, const struct kvm_mpmu_model *model)
{
	return (perf_cap & PERF_CAP_FW_WRITES) |
	       (model->leaves.perf_capabilities & PERF_CAP_METRICS);
}

/* The kind that flags lead to, as far as the host decides. */
static u32 choice_kind_of(u32 flags)
{
	if (!enable_pmu || flags & KVM_PMU_CAP_DISABLE)
		return KVM_PMU_KIND_NONE;
	return flags & KVM_PMU_CAP_MEDIATED && kvm_mpmu_possible() ? KVM_PMU_KIND_MEDIATED :
								     KVM_PMU_KIND_EMULATED;
}

void __kvm_mpmu_override_cpuid(struct kvm_cpuid_entry2 *entries, int nr)
{
	u32 flags = choice_default_flags();
	int i;

	if (choice_kind_of(flags) != KVM_PMU_KIND_MEDIATED)
		return;
	for (i = 0; i < nr; i++)
		choice_mediate_leaf(&entries[i], &choice_model_of(flags)->leaves);
}

u64 __kvm_mpmu_filter_perf_cap(struct kvm_vcpu *vcpu, u64 perf_cap)
{
	u32 flags = vcpu ? choice_vm_flags(vcpu->kvm) : choice_default_flags();
	bool mediated = vcpu ? kvm_vcpu_has_mediated_pmu(vcpu)
			     : choice_kind_of(flags) == KVM_PMU_KIND_MEDIATED;

	return mediated ? choice_mediate_perf_cap(perf_cap, choice_model_of(flags)) : perf_cap;
}

/* Any VM can have them, whatever the parameters say now. */
u32 __kvm_mpmu_nr_fixed(void)
{
	if (!kvm_mpmu_possible())
		return 0;
	return hweight64(kvm_mpmu_models[MPMU_POLICY_FULL].caps.counters & MPMU_FIXED_MASK);
}

bool __kvm_mpmu_has_metrics(void)
{
	return kvm_mpmu_possible() && kvm_mpmu_models[MPMU_POLICY_FULL].caps.metrics_width;
}

static int choice_describe_leaf(struct kvm_pmu_info *info, const struct pmu_leaf *leaf, u32 flags)
{
	struct kvm_pmu_cpuid *cpuid = &info->cpuid[info->nr_cpuid++];
	struct kvm_cpuid_entry2 entry;
	int r;

	r = kvm_mpmu_emulated_cpuid(&entry, leaf->function);
	if (r)
		return r;
	if (info->kind == KVM_PMU_KIND_MEDIATED)
		choice_mediate_leaf(&entry, &choice_model_of(flags)->leaves);
	cpuid->function = leaf->function;
	memcpy(cpuid->mask, leaf->mask, sizeof(cpuid->mask));
	if (info->kind == KVM_PMU_KIND_NONE)
		return 0;
	cpuid->value[0] = entry.eax & leaf->mask[0];
	cpuid->value[1] = entry.ebx & leaf->mask[1];
	cpuid->value[2] = entry.ecx & leaf->mask[2];
	cpuid->value[3] = entry.edx & leaf->mask[3];
	return 0;
}

/* What a guest makes of the leaves, in the order of pmu_leaves[]. */
static void choice_describe_counters(struct kvm_pmu_info *info)
{
	struct mpmu_cpuid leaves = {
		.vendor = loaded_vendor->vendor,
		.perf_capabilities = info->perf_capabilities,
		.leaf_80000001_ecx = info->cpuid[2].value[2],
	};
	struct mpmu_caps caps;

	memcpy(leaves.leaf_0a, info->cpuid[1].value, sizeof(leaves.leaf_0a));
	memcpy(leaves.leaf_80000022, info->cpuid[3].value, sizeof(leaves.leaf_80000022));
	if (info->kind == KVM_PMU_KIND_NONE || mpmu_caps_decode(&caps, &leaves))
		return;
	info->version = caps.version;
	info->gp_width = caps.gp_width;
	info->fixed_width = caps.fixed_width;
	info->counters = caps.counters;
}

/* All that follows from the kind, and for a mediated PMU from the policy in flags. */
static int choice_describe(struct kvm_pmu_info *info, u32 flags)
{
	int i, r;

	if (info->kind == KVM_PMU_KIND_MEDIATED) {
		info->policy = flags & KVM_MPMU_DETAILS;
		info->perf_capabilities = choice_mediate_perf_cap(kvm_caps.supported_perf_cap,
								  choice_model_of(flags));
	} else if (info->kind == KVM_PMU_KIND_EMULATED) {
		info->perf_capabilities = kvm_caps.supported_perf_cap;
	}
	for (i = 0; i < ARRAY_SIZE(pmu_leaves); i++) {
		r = choice_describe_leaf(info, &pmu_leaves[i], flags);
		if (r)
			return r;
	}
	choice_describe_counters(info);
	if (kvm_mpmu_missing)
		strscpy(info->missing, kvm_mpmu_missing, sizeof(info->missing));
	return 0;
}

/* User space built for a later kernel has room for more. */
static int choice_copy_info(struct kvm_pmu_info *info, u64 address)
{
	struct kvm_pmu_info __user *user = u64_to_user_ptr(address);
	u32 size;

	if (get_user(size, &user->size))
		return -EFAULT;
	if (size < sizeof(*info))
		return -EINVAL;
	info->size = sizeof(*info);
	return copy_to_user(user, info, sizeof(*info)) ? -EFAULT : 0;
}

/* Of the VM as it is, or would be if its first vCPU was created now. */
static int choice_describe_vm(struct kvm *kvm, struct kvm_pmu_info *info)
{
	int kind;

	guard(mutex)(&kvm->lock);
	info->asked = kvm->arch.mpmu_choice.asked;
	kind = choice_judge(kvm, &info->reason);
	if (kvm->created_vcpus) {
		info->flags = KVM_PMU_INFO_DECIDED;
		info->reason = kvm->arch.mpmu_choice.reason;
		kind = kvm->arch.has_mediated_pmu ? KVM_PMU_KIND_MEDIATED :
		       kvm->arch.enable_pmu ? KVM_PMU_KIND_EMULATED : KVM_PMU_KIND_NONE;
	}
	/* One that cannot be made has no PMU. */
	info->kind = max(kind, KVM_PMU_KIND_NONE);
	return choice_describe(info, choice_vm_flags(kvm));
}

static u32 choice_reason_of(u32 flags, u32 asked)
{
	if (choice_kind_of(flags) == KVM_PMU_KIND_MEDIATED)
		return KVM_PMU_REASON_NONE;
	if (!enable_pmu || flags & KVM_PMU_CAP_MEDIATED)
		return KVM_PMU_REASON_HOST;
	return asked ? KVM_PMU_REASON_ASKED : KVM_PMU_REASON_DEFAULT;
}

static int choice_describe_flags(struct kvm_pmu_info *info, u64 asked)
{
	u32 flags = choice_complete_flags(asked, choice_default_flags());
	int r = asked ? choice_check_flags(asked) : 0;

	if (r)
		return r;
	info->asked = asked;
	info->kind = choice_kind_of(flags);
	info->reason = choice_reason_of(flags, asked);
	return choice_describe(info, flags);
}

int kvm_mpmu_vm_has_attr(const struct kvm_device_attr *attr)
{
	return kvm_mpmu_is_attr(attr) && attr->attr == KVM_X86_PMU_INFO ? 0 : -ENXIO;
}

int kvm_mpmu_vm_get_attr(struct kvm *kvm, const struct kvm_device_attr *attr)
{
	struct kvm_pmu_info info = {};
	int r = kvm_mpmu_vm_has_attr(attr);

	if (!r)
		r = attr->flags ? -EINVAL : choice_describe_vm(kvm, &info);
	return r ?: choice_copy_info(&info, attr->addr);
}

int kvm_mpmu_dev_has_attr(const struct kvm_device_attr *attr)
{
	return attr->attr && choice_check_flags(attr->attr) ? -ENXIO : 0;
}

int kvm_mpmu_dev_get_attr(const struct kvm_device_attr *attr)
{
	struct kvm_pmu_info info = {};
	int r = attr->flags ? -EINVAL : choice_describe_flags(&info, attr->attr);

	return r ?: choice_copy_info(&info, attr->addr);
}
