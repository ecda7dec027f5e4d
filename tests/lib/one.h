/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A world of the program's own, for small cases: its vCPU without a name for it.
 */
#ifndef MPMU_TESTS_ONE_H
#define MPMU_TESTS_ONE_H

#include "unit.h"

#define GUEST_COUNTS 0x5300c0ull
#define IDLE_PUTS    8

static struct unit_world one;

static inline void one_wrmsr(u32 msr, u64 value)
{
	unit_wrmsr(&one.vcpu, msr, value);
}

static inline u64 one_rdmsr(u32 msr)
{
	return unit_rdmsr(&one.vcpu, msr);
}

static inline bool one_touched(void)
{
	return one.vcpu.mpmu.flags & MPMU_VCPU_TOUCHED;
}

/* Enter, leave, and come back. */
static inline void one_put(u32 times)
{
	while (times--) {
		stub_enter(&one.vcpu);
		stub_vcpu_put(&one.vcpu);
		stub_vcpu_load(&one.vcpu, &one.machine.cpus[0]);
	}
}

/* Its vCPU owns the PMU, out of its guest; there is another one. */
static inline void one_owns_beside(struct stub_vcpu *other)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&one.vcpu);
	stub_exit(&one.vcpu);
	stub_vcpu_init(other, &one.machine, unit_caps("intel-v5-8-4"));
}

/* Enter with a touched PMU. */
static inline void one_counts(struct stub_vcpu *vcpu)
{
	stub_vcpu_load(vcpu, &one.machine.cpus[0]);
	unit_wrmsr(vcpu, 0x186, GUEST_COUNTS);
	stub_enter(vcpu);
}

#endif
