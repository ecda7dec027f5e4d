/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parameters of a vendor module, defined in the one file of it that
 * includes this.  mediated_pmu_policy is an enum mpmu_policy, by name.
 */
#ifndef KVM_MPMU_PARAMS_H
#define KVM_MPMU_PARAMS_H

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <mpmu/caps.h>

#include "kvm_mpmu.h"

static const char * const kvm_mpmu_policies[] = {
	[MPMU_POLICY_COMPAT] = "compat",
	[MPMU_POLICY_FULL] = "full",
	[MPMU_POLICY_DIRECT] = "direct",
};

static int kvm_mpmu_set_policy(const char *name, const struct kernel_param *param)
{
	int policy = sysfs_match_string(kvm_mpmu_policies, name);

	if (policy < 0)
		return policy;
	WRITE_ONCE(*(int *)param->arg, policy);
	return 0;
}

static int kvm_mpmu_get_policy(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", kvm_mpmu_policies[*(int *)param->arg]);
}

static const struct kernel_param_ops kvm_mpmu_policy_ops = {
	.set = kvm_mpmu_set_policy,
	.get = kvm_mpmu_get_policy,
};

static int kvm_mpmu_set_enable(const char *text, const struct kernel_param *param)
{
	bool value = true;
	int r = text ? kstrtobool(text, &value) : 0;

	return r ?: kvm_mpmu_set_default(param->arg, value);
}

static const struct kernel_param_ops kvm_mpmu_enable_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = kvm_mpmu_set_enable,
	.get = param_get_bool,
};

/* Both are for VMs that are made from then on, and ask for nothing. */
static bool enable_mediated_pmu;
module_param_cb(enable_mediated_pmu, &kvm_mpmu_enable_ops, &enable_mediated_pmu, 0644);
MODULE_PARM_DESC(enable_mediated_pmu, "Give VMs the real PMU while they use it (default: N)");

static int mediated_pmu_policy = MPMU_POLICY_COMPAT;
module_param_cb(mediated_pmu_policy, &kvm_mpmu_policy_ops, &mediated_pmu_policy, 0644);
MODULE_PARM_DESC(mediated_pmu_policy, "What a mediated PMU has: compat (default), full or direct");

#endif
