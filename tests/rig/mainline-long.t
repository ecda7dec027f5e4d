#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What nobody here has written: mainline's kernel, and its own tests of the PMU, on each
# machine that is a real one, with its emulated vPMU and its mediated one.  Then the same
# tests on Linux 6.12 with libmpmu, but for vmx_pmu_caps_test, which wants what newer
# KVM answers of PERF_CAPABILITIES in a guest without it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/kselftests.sh"

# on_each KIND TESTS PARAMETERS: mainline has no mediated PMU beside its NMI watchdog.
on_each()
{
	local personality

	for personality in intel-skx intel-icx intel-spr intel-gnr amd-zen4 amd-zen5; do
		kselftests_run "$personality" "$2" 1800 "$3 nmi_watchdog=0" "K5 $personality, $1"
	done
}

mediated=pmu_event_filter_test,pmu_counters_test,svm_pmu_host_guest_test
kselftests_prepare mainline mainline
on_each 'mainline, emulated' pmu_event_filter_test,vmx_pmu_caps_test enable_mediated_pmu=0
on_each 'mainline, mediated' "$mediated,vmx_pmu_caps_test" enable_mediated_pmu=1
kselftests_prepare mpmu-y mainline
on_each libmpmu "$mediated" enable_mediated_pmu=1
done_testing
