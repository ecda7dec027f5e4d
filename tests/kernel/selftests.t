#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The series' own tests in the kernel's selftests: they pass where there are
# mediated PMUs, and elsewhere skip themselves with a reason.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

folder=$("$MPMU_TOP/tests/kernel/kselftests" ours)
names=$(cd "$folder" && echo *)
# Needs no parameter.
choice=mediated_pmu_choice_test

# prepare VARIANT
prepare()
{
	local tree modules

	tree=$("$MPMU_TOP/tests/kernel/build" "$1")
	mapfile -t modules < <(kernel_modules "$tree")
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-kselftests" "$folder"/* "${modules[@]}"
}

# run LABEL PERSONALITY STATUS NAMES [PARAMETERS]: all of these end with STATUS.
run()
{
	local label=$1 personality=$2 status=$3 names=$4 parameters=${5:-} name

	machine_test "$label" "$personality" --timeout 600 \
		--append "mpmu.tests=$(xargs <<<"$names" | tr ' ' ,) mpmu.kvm=$parameters"
	for name in $names; do
		try "$label: $name ends with $status" \
			grep -qx "# $name: exit $status" "$MACHINE_CONSOLE"
		[ "$status" = 0 ] || try "$label: $name says why" \
			grep -q "^# $name: .*SKIP - .* mediated PMU" "$MACHINE_CONSOLE"
	done
}

prepare mpmu-y
run intel-spr intel-spr 0 "$names" enable_mediated_pmu=Y
run amd-zen4 amd-zen4 0 "$names" enable_mediated_pmu=Y
run 'amd-zen4, not by default' amd-zen4 4 "${names//$choice/}" enable_mediated_pmu=N
run 'amd-zen4, chosen' amd-zen4 0 "$choice" enable_mediated_pmu=N
prepare stock
run 'stock, intel-spr' intel-spr 4 "$names"
run 'stock, amd-zen4' amd-zen4 4 "$names"
done_testing
