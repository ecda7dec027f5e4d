#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# All three vPMU tests of the kernel tree, stock kernel, once per family of
# personalities.  pmu_counters_test takes minutes with the emulated vPMU.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/kselftests.sh"

kselftests_prepare stock
for personality in intel-spr intel-skx intel-v5-8-3 intel-v3 amd-zen4 amd-k7; do
	kselftests_run "$personality" \
		pmu_counters_test,pmu_event_filter_test,vmx_pmu_caps_test 1800
	case $personality in
	intel*) kselftests_parts "$personality" ;;
	esac
done
done_testing
