#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts while its machine is suspended to RAM, which resets the PMU of each
# CPU, and wakes up; the kernel has lockdep.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

MPMU_KERNEL=$("$MPMU_TOP/tests/kernel/build" mpmu-debug)
vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-v5-8-4 amd-v2}; do
	vpmu_test "$personality" "$personality" sleep:--scale:10 'vpmu.mediated=Y kmemleak=off' --cpus 2
done
done_testing
