#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A kernel with lockdep, kmemleak, UBSAN and checks of sleeping, preemption and
# lists has nothing to complain about, whether a test program calls what the
# patches offer, or VMs count.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

here=$MPMU_TOP/tests/kernel
tree=$("$here/build" mpmu-debug)
rows=$("$here/rows/build" mpmu-debug)
vpmu=$("$MPMU_TOP/tests/l1/vpmu/build")
mapfile -t modules < <(kernel_modules "$tree")
personalities=${MPMU_PERSONALITIES:-intel-v5-8-4 amd-v2}

machine_prepare "$tree" "$here/main-debug" "$here/rows/main:/tests/inner" \
	"$rows/rows" "$rows/perfrow.ko"
for personality in $personalities; do
	machine_test "$personality, rows" "$personality" --cpus 2 --timeout 900 \
		--append 'mpmu.parts=exclusion,displace,vector,reclaim,nmi,lockdep'
done

machine_prepare "$tree" "$here/main-debug" "$MPMU_TOP/tests/l1/main-vpmu:/tests/inner" \
	"$vpmu" "${modules[@]}"
for personality in $personalities; do
	machine_test "$personality, VMs" "$personality" --cpus 2 --timeout 900 \
		--append 'vpmu.mediated=Y vpmu.run=smoke,state,count:--scale:10,pmi:--scale:20,live:--scale:10,trace:--only:reclaims'
done
done_testing
