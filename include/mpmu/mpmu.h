/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief libmpmu: real performance counters for virtual machines.
 *
 * Include this one.  A hypervisor fills struct mpmu_ops, calls
 * mpmu_host_init() once, and drives each vCPU with mpmu_enter(), mpmu_exit(),
 * mpmu_put() and mpmu_reclaim().
 */
#ifndef MPMU_MPMU_H
#define MPMU_MPMU_H

#include <mpmu/caps.h>
#include <mpmu/filter.h>
#include <mpmu/ops.h>
#include <mpmu/snapshot.h>
#include <mpmu/types.h>
#include <mpmu/vcpu.h>

#endif
