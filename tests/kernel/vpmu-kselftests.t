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

kselftests_prepare mpmu-y
kselftests_run intel-spr "$tests" 2400 enable_mediated_pmu=1
kselftests_parts intel-spr
kselftests_run amd-zen4 "$tests" 300 enable_mediated_pmu=1
done_testing
