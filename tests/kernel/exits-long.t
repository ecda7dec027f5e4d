#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Host events, those that sample among them, are exact beside 1,000,000 exits of a guest:
# one that never counted, one that counts, and one that wants the counter of a host event.
# An NMI may throttle such an event at any instruction of an entry.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

exits=${MPMU_EXITS:-1000000}

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	vpmu_test "$personality" "$personality" \
		"windows:--exits:$exits,host:--only:sampled:--exits:$exits,host:--only:throttled:--exits:$exits" \
		vpmu.mediated=Y --timeout 3600 --cpus 2
done
done_testing
