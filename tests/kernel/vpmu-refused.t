#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Hosts that cannot lend their PMU say so, and emulate one as before.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
vpmu_test 'no local APIC' intel-v5-8-4 '' 'vpmu.mediated=N nolapic'
for personality in intel-v3 intel-nofw amd-core6 amd-k7; do
	vpmu_test "$personality" "$personality" smoke,count:--only:a_loop vpmu.mediated=N
done
vpmu_test 'switched off, Intel' intel-v5-8-4 smoke 'vpmu.mediated=N vpmu.params=enable_mediated_pmu=0 vpmu.off'
vpmu_test 'switched off, AMD' amd-v2 smoke 'vpmu.mediated=N vpmu.params=enable_mediated_pmu=0 vpmu.off'
done_testing
