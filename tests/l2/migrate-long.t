#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# QEMU saves a guest whose perf counts and samples, and another QEMU, on another
# CPU, goes on with it.  Intel alone: the QEMU of tests/l2/packages saves no register
# of AMD's PMU (CAVEATS.md).
#   migrate-long.t [PERSONALITY]

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

# Turns enough for the move to come between them, and few samples.
TURNS=10000000
PERIOD=1000003

saved()
{
	sed -n 's/^# a state of //p' "$MACHINE_WORK/console"
	grep -qi '^# QEMU: .*status:.*completed' "$MACHINE_WORK/console"
}

goes_on()
{
	awk '$1 == "complaint" { bad = 1; print }
		$1 == "migrate" { moved = NR }
		moved && ($1 == "user" || $1 == "sample") { after++ }
		$1 == "end" { end = 1 }
		END { exit bad || !end || after != 2 }' <<<"$lines"
}

l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}"
personality=${1:-intel-v5-8-4}
label="D7 $personality"
l2_boot "$personality" "$TURNS" mpmu.migrate --cpus 2
result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
try "$label: a QEMU saves the guest" saved
try "$label: another one goes on with it" goes_on
l2_user "$label" ''
done_testing
