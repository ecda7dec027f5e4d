#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Single steps as a debugger takes them, on the emulator's machines and in a guest
# there.  rr replays by them.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

machines='intel-spr amd-zen4'

complaints()
{
	grep '^complaint\|^said' <<<"$lines" || true
}

# in_guest PERSONALITY
in_guest()
{
	local label="$1, in a guest"

	l2_boot "$1" 0 ''
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	take_tap "$label" < <(sed -n 's/^step //p' <<<"$lines")
	try "$label: it ends" grep -qx end <<<"$lines"
	silent "$label: its kernel does not complain" complaints
}

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
step=$("$MPMU_TOP/tests/l1/build")/step
machine_prepare "$tree" "$step"
for machine in $machines; do
	machine_test "$machine" "$machine" --timeout 180
done
l2_prepare "$tree" --run "$MPMU_TOP/tests/l2/guest-step" --add "$step"
for machine in $machines; do
	in_guest "$machine"
done
done_testing
