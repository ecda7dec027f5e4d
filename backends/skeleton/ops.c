// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of operations of a port that is not written yet: each slot is here
 * and does nothing.  Fill them in from the top; mpmu/ops.h says what each one
 * promises, docs/porting.md where the hypervisor calls the library.
 */
#include "hv.h"	/* the software machine; in a port, the hypervisor's own */

/* --- Requests: they only take note, and are done before the next entry. --- */

static void op_request_reprogram(const struct mpmu_vcpu *vcpu)
{
}

static void op_request_intercepts(const struct mpmu_vcpu *vcpu)
{
}

/* --- A guest counts. --- */

static u64 op_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	return 0;
}

static void op_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
}

static bool op_own(const struct mpmu_vcpu *vcpu)
{
	return false;
}

static void op_disown(const struct mpmu_vcpu *vcpu)
{
}

static mpmu_pmcs op_take_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	return 0;
}

static u64 op_get_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	return 0;
}

static void op_set_global_ctrl(const struct mpmu_vcpu *vcpu, u64 value)
{
}

static void op_set_touched(const struct mpmu_vcpu *vcpu, bool touched)
{
}

/* --- It does not exit for it. --- */

static void op_set_intercept(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
}

static void op_set_rdpmc_intercept(const struct mpmu_vcpu *vcpu, bool intercept)
{
}

/* --- It samples. --- */

static void op_route_pmi(const struct mpmu_vcpu *vcpu)
{
}

static bool op_drain_pmi(const struct mpmu_vcpu *vcpu, bool briefly)
{
	return false;
}

static void op_request_pmi(const struct mpmu_vcpu *vcpu)
{
}

/* --- The host counts beside it. --- */

static bool op_host_active(const struct mpmu_vcpu *vcpu)
{
	return false;
}

static void op_displace(const struct mpmu_vcpu *vcpu)
{
}

static void op_restore(const struct mpmu_vcpu *vcpu)
{
}

/* --- And goes on beside it, if the host calls mpmu_share(). --- */

static bool op_share(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	return true;
}

const struct mpmu_ops port_ops = {
#define MPMU_OP(ret, name, args) .name = op_##name,
#include <mpmu/ops.def>
#undef MPMU_OP
};
