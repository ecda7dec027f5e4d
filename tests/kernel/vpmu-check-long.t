#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check as a VMM, on the kernel with libmpmu: nothing is wrong with either kind of
# PMU, and each way to break what a VMM saves and restores is found.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/vpmu-check.sh"
. "$MPMU_TOP/tests/kernel/mutants.sh"

# mutant	file	what sed makes of it
both='global-ctrl-0	mpmu/libmpmu/vcpu.c	s/\(vcpu->global_ctrl = \)caps.counters \& MPMU_GP_MASK/\10/
status-refused	mpmu/libmpmu/access.c	s/\(enum mpmu_result result = \)access_check_read_only(vcpu, by);/\1MPMU_GP;/
'
intel='fixed-ctrl-0-refused	mpmu/libmpmu/access.c	s/return \(access_check_bits(vcpu, access_fixed_ctrl_writable(vcpu), value)\);/return *value ? \1 : MPMU_GP;/
capabilities-refused	x86.c	s/if (data \& ~kvm_mpmu_filter_perf_cap(vcpu, kvm_caps.supported_perf_cap))/if (data)/
'

# personality_test PERSONALITY LIST
personality_test()
{
	pack_mutants kvm "$2"
	check_prepare mpmu-y "${mutant_files[@]}"
	check_test "$1" "$1" ''
}

for personality in intel-v5-8-4 intel-skx intel-skx-tfa intel-icx intel-spr intel-gnr; do
	personality_test "$personality" "$both$intel"
done
for personality in amd-v2 amd-zen4 amd-zen5; do
	personality_test "$personality" "$both"
done
done_testing
