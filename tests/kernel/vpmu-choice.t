#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each VM chooses its kind of PMU, and VMs of all kinds run at once; the
# parameter, written at run time, decides for those that do not; bad choices
# change nothing.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	vpmu_test "$personality" "$personality" misuse,choice 'vpmu.mediated=N vpmu.off'
done
done_testing
