#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything that can happen to VMs that count, at once: 20,000 moves of vCPUs on each
# machine, and 2,000 in each kernel that checks itself.  MPMU_SOAK_SCALE=1 makes 100,000
# of both, which take an hour on each machine, and hours in a kernel that checks itself;
# with 5 there are 10,000 owner changes, reclaims and changes of a filter, 1,000 vCPUs
# saved and restored, and 100 CPUs offline.  MPMU_SOAK chooses among the kernels.  A
# failure again:
#   MPMU_SEED=N MPMU_PERSONALITIES=P MPMU_SOAK=plain|debug|kasan|kcsan|rt tests/kernel/soak-long.t

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"
. "$MPMU_TOP/tests/kernel/debug.sh"

for kernel in ${MPMU_SOAK:-plain debug kasan kcsan rt}; do
	for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
		if [ "$kernel" = plain ]; then
			vpmu_prepare
			vpmu_test "$personality" "$personality" "soak:--scale:${MPMU_SOAK_SCALE:-5}" \
				'vpmu.mediated=Y' --cpus 2 --timeout 5400
		else
			echo "# seed $vpmu_seed"
			DEBUG_TIMEOUT=14400 debug_vms "$kernel" "$personality" "soak, $kernel" \
				"$(vpmu_runs "soak:--scale:${MPMU_SOAK_SCALE:-50}")"
		fi
	done
done
done_testing
