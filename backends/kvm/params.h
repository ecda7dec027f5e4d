/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parameter mediated_pmu_policy of the two vendor modules: an enum
 * mpmu_policy, by name.
 */
#ifndef KVM_MPMU_PARAMS_H
#define KVM_MPMU_PARAMS_H

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <mpmu/caps.h>

static const char * const kvm_mpmu_policies[] = {
	[MPMU_POLICY_COMPAT] = "compat",
	[MPMU_POLICY_FULL] = "full",
};

static int kvm_mpmu_set_policy(const char *name, const struct kernel_param *param)
{
	int policy = sysfs_match_string(kvm_mpmu_policies, name);

	if (policy < 0)
		return policy;
	*(int *)param->arg = policy;
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

#endif
