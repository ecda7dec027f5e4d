#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A kernel that looks for data races finds none of ours, with what one CPU asks of
# another: who gets the PMU, the PMU taken away by interrupts, vCPUs that move and leave
# theirs behind, parked, filters that change, guests that are saved and restored in other
# VMs, the VMs before them that end, and a CPU that goes and comes.  It notices a race
# that is planted.  The list pmi is not in it, as reclaims must come near overflows, and
# on AMD's machine few do here; nor is host, which says nothing in five minutes: why is
# not known.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/debug.sh"

for personality in ${MPMU_PERSONALITIES:-intel-v5-8-4 amd-v2}; do
	debug_rows kcsan "$personality" spoil,exclusion,vector,reclaim,nmi
	debug_vms kcsan "$personality" VMs live:--scale:25,power:--scale:4
done
done_testing
