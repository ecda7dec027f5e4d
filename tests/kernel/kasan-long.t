#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A kernel that checks each access to memory.  It keeps freed memory for a while,
# so that it cannot tell whether some was lost: mpmu-debug does.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/debug.sh"

for personality in ${MPMU_PERSONALITIES:-intel-v5-8-4 amd-v2}; do
	debug_rows kasan "$personality" spoil,exclusion,displace,vector,reclaim,nmi
	debug_vms kasan "$personality" VMs smoke,state,access,pmi:--scale:50
	debug_vms kasan "$personality" 'VMs, disturbed' live:--scale:25,power:--scale:4,host:--only:host_event
done
done_testing
