#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The kernel tree's own vPMU tests, unmodified, with a guest that has the real
# counters, on the personalities that take too long for CI; see vpmu-kselftests.t.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/kselftests.sh"

kselftests_prepare mpmu-y
for personality in intel-icx intel-skx; do
	kselftests_run "$personality" \
		pmu_counters_test,pmu_event_filter_test,vmx_pmu_caps_test 2400 enable_mediated_pmu=1
	kselftests_parts "$personality"
done
done_testing
