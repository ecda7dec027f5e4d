#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check finds nothing wrong on the real machines that the emulator can be, where
# what is absent is what they lack and ways to break the PMU are found, too; nor on
# two models that vpmu-check.t leaves out.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/vpmu-check.sh"

check_prepare stock
for personality in ${MPMU_PERSONALITIES:-intel-v3 amd-core6}; do
	check_test "$personality" "$personality" ''
done

# Cores differ in their events of OFFCORE_RSP, and PERF_METRICS goes with a counter that
# must stop; RDPMC of an AMD machine has indices beyond the core's counters.
lacks=extra,txcp,txcp-pair,restore
for personality in intel-skx intel-skx-tfa intel-icx; do
	check_test "$personality" "$personality" \
		"mpmu.find=dead-extra/extra,runs-on/stop mpmu.absent=$lacks"
done
for personality in intel-spr intel-gnr; do
	check_test "$personality" "$personality" \
		"mpmu.find=dead-extra/extra,runs-on/stop,lbr-format/lbr mpmu.absent=lbr,$lacks"
done
for personality in amd-zen4 amd-zen5; do
	check_test "$personality" "$personality" "mpmu.find=rdpmc-lax/rdpmc-others,runs-on/stop \
mpmu.absent=capabilities,lbr,global-ctrl,hybrid,$lacks"
done
done_testing
