#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything that can happen to VMs that count, at once, for a short time; the long
# form is soak-long.t.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	vpmu_test "$personality" "$personality" soak:--scale:50 \
		'vpmu.mediated=Y vpmu.mutate=leak-counter=soak:--scale:500' --cpus 2
done
done_testing
