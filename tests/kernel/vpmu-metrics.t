#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest has PERF_METRICS under policy full: its own, exact, without exits; and
# the tests notice metrics that leak.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

policy='vpmu.mediated=Y vpmu.params=mediated_pmu_policy=full'
vpmu_prepare
for personality in intel-icx intel-spr; do
	vpmu_test "K2 $personality" "$personality" metrics,access "$policy"
done
vpmu_test 'K2 mutation' intel-spr '' "$policy vpmu.mutate=leak-metrics=metrics"
done_testing
