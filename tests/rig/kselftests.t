#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The kernel tree's short vPMU tests pass on the PMU model, with the stock
# kernel's emulated vPMU.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/kselftests.sh"

kselftests_prepare stock
for personality in intel-skx intel-icx intel-spr intel-gnr amd-zen4 amd-zen5; do
	kselftests_run "$personality" pmu_event_filter_test,vmx_pmu_caps_test 240
done
done_testing
