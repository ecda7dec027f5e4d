#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything that can happen to VMs that count, at once: 20,000 moves of vCPUs on each
# machine, and 2,000 in a kernel that checks itself.  MPMU_SOAK_SCALE=1 makes 100,000
# of the first, which take an hour on each.  A failure again:
#   MPMU_SEED=N MPMU_PERSONALITIES=P MPMU_SOAK=plain|debug tests/kernel/soak-long.t

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

personalities=${MPMU_PERSONALITIES:-intel-spr amd-zen4}

# soak LABEL SCALE APPEND: on each machine.
soak()
{
	local personality

	for personality in $personalities; do
		vpmu_test "$personality$1" "$personality" "soak:--scale:$2" \
			"vpmu.mediated=Y ${3:-}" --cpus 2 --timeout 5400
	done
}

if [ "${MPMU_SOAK:-plain}" = plain ]; then
	vpmu_prepare
	soak '' "${MPMU_SOAK_SCALE:-5}"
fi
if [ "${MPMU_SOAK:-debug}" = debug ]; then
	MPMU_KERNEL=$("$MPMU_TOP/tests/kernel/build" mpmu-debug)
	vpmu_prepare
	soak ', checking itself' 50 kmemleak=off
fi
done_testing
