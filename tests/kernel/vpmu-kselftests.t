#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The kernel tree's own vPMU tests, unmodified, with a guest that has the real
# counters: nothing skips that runs on the stock kernel.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/kselftests.sh"

tests=pmu_counters_test,pmu_event_filter_test,vmx_pmu_caps_test

# pmu_counters_test announces the same parts on every host: versions 0 to 5.
all_versions()
{
	local version

	for version in 0 1 2 3 4 5; do
		grep -q "^#* *Testing.*PMU version $version" "$MACHINE_CONSOLE" || return 1
	done
}

kselftests_prepare mpmu-y
for personality in intel-v5-8-4 intel-v5-8-3 intel-v5-nosave; do
	kselftests_run "$personality" "$tests" 500
	try "$personality: pmu_counters_test tests every version" all_versions
done
kselftests_run amd-v2 "$tests" 300
done_testing
