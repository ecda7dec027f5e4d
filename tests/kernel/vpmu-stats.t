#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a guest's PMU costs can be seen: KVM's statistics and tracepoints, against
# what the emulator has seen.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
# Where events of the host are displaced all that is counted happens.
full=vpmu.params=mediated_pmu_policy=full
for personality in intel-spr amd-zen4; do
	vpmu_test "$personality" "$personality" stats,trace "$vpmu_displaced $full"
	vpmu_test "$personality, 2 CPUs" "$personality" \
		stats:--only:reclaims,trace:--only:reclaims "vpmu.mediated=Y $full" --cpus 2
done
done_testing
