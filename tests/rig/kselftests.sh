# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The kernel tree's own vPMU tests in an emulated machine.  Source it after
# machine.sh.

# What the tests themselves refuse to run on.
kselftests_skips='
intel-skx svm_pmu_host_guest_test
intel-icx svm_pmu_host_guest_test
intel-spr svm_pmu_host_guest_test
intel-gnr svm_pmu_host_guest_test
amd-zen4 pmu_counters_test
amd-zen4 vmx_pmu_caps_test
amd-zen5 pmu_counters_test
amd-zen5 vmx_pmu_caps_test
amd-core6 pmu_counters_test
amd-core6 vmx_pmu_caps_test
amd-k7 pmu_counters_test
amd-k7 vmx_pmu_caps_test
'

# kselftests_prepare VARIANT [mainline]: with the tests of 6.12, or mainline's.
kselftests_prepare()
{
	local tree folder modules

	tree=$("$MPMU_TOP/tests/kernel/build" "$1")
	folder=$("$MPMU_TOP/tests/kernel/kselftests" "${@:2}")
	mapfile -t modules < <(kernel_modules "$tree")
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-kselftests" \
		"$folder"/*pmu_*_test "${modules[@]}"
}

# kselftests_run PERSONALITY TESTS TIMEOUT [PARAMETERS [LABEL]]: all must pass, or skip
# themselves where kselftests_skips says "PERSONALITY TEST".  PARAMETERS of KVM, and after
# a blank of the kernel.
kselftests_run()
{
	local personality=$1 tests=$2 limit=$3 parameters=${4:-} label=${5:-$1} name

	machine_test "$label" "$personality" --timeout "$limit" \
		--append "mpmu.tests=$tests mpmu.kvm=$parameters"
	for name in ${tests//,/ }; do
		if grep -qF "$personality $name" <<<"$kselftests_skips"; then
			try "$label: $name skips itself" \
				grep -qx "# $name: exit 4" "$MACHINE_CONSOLE"
		else
			try "$label: $name runs" \
				grep -qx "# $name: exit 0" "$MACHINE_CONSOLE"
		fi
	done
}

# pmu_counters_test announces the same parts on every host, one line each.
kselftests_all_parts()
{
	local version caps what

	for version in 0 1 2 3 4 5; do
		for caps in 0 2000; do
			for what in 'arch events' 'GP counters' 'fixed counters'; do
				echo "# pmu_counters_test: Testing $what, PMU version" \
					"$version, perf_caps = $caps"
			done
		done
	done
}

# kselftests_parts PERSONALITY: neither fewer nor more of them in the last run.
kselftests_parts()
{
	silent "$1: pmu_counters_test tests what it tests everywhere" \
		diff <(kselftests_all_parts | sort) \
		<(grep '^# pmu_counters_test: Testing' "$MACHINE_CONSOLE" | sort)
}
