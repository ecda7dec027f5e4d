#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux in Linux in Linux: a hypervisor with the stock kernel, in a VM with a
# mediated PMU, runs a guest with the emulated vPMU, and all count at once.
#
# What perf counts in the guest, and beside the guest in the hypervisor, is
# compared with the disassembly of the loop.  And the hypervisor counts windows:
# all instructions of user mode, which the emulator knows, those of its guest,
# and its own, which make up all.
#   nested.t [PERSONALITY [OPTION OF MACHINE...]]

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

# The hypervisor counts the same loop over and over: each time the same.
beside()
{
	local counts

	counts=$(awk '$1 == "beside" { print $2, $3, $4 }' <<<"$lines" | sort | uniq -c)
	echo "$counts"
	awk -v n="$loops" -v turn="$turn" -v branches="$branches" '
		{ seen++; insns[$2] = $3; jumps[$2] = $4 }
		END { exit !(seen == 2 && insns[2 * n] - insns[n] == n * turn &&
			jumps[2 * n] - jumps[n] == n * branches) }' <<<"$counts"
}

# A window counts the same few instructions beside those whose truth is known,
# if nobody else ran at its edges: not many can.
windows()
{
	awk '$1 == "window" { print $2 - $5, $6 }' <<<"$lines" | sort -k 2n | uniq -c |
		awk '{ print }
			NR == 1 { edges = $3 }
			$3 == edges { different++; undisturbed += $1; beside = $2 }
			END { exit different != 1 || undisturbed < 5 || beside < 0 || beside > edges }'
}

# The parts are the whole, and both are there.
parts()
{
	awk '$1 == "window" { all++; guests += $3 > 0; bad += $3 + $4 != $2 || $4 == 0
			if ($3 + $4 != $2) print $3 " of the guest, " $4 " of its own, " $2 " in all" }
		END { print all " windows, " guests " with instructions of the guest"
			exit bad || guests < 5 }' <<<"$lines"
}

ends_well()
{
	awk '$1 == "emulated" && $2 == "end" { end = 1 }
		$1 == "verdict" && $2 == "PASS" { pass = 1 }
		$2 == "complaint" { bad = 1; print }
		END { exit bad || !end || !pass }' <<<"$lines"
}

judge()
{
	local label="I $1" cpuids=$((2 * loops / 1000 - loops / 1000))

	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	try "$label: no kernel of the three complains" ends_well
	l2_user "$label" emulated
	try "$label: the guest's perf counts across exits" \
		l2_grows emulated exits 1 $((loops * turn + cpuids * exit_turn))
	try "$label: the hypervisor's perf counts instructions and branches" beside
	try "$label: what the hypervisor counts of all is the truth" windows
	try "$label: guest and hypervisor, counted apart, are all" parts
}

l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}" "$("$MPMU_TOP/tests/kernel/build" stock)"
for personality in ${1:-intel-v5-8-4 intel-v5-nosave amd-v2}; do
	l2_boot "$personality" 100000 \
		'mpmu.memory=800 mpmu.guest=mpmu.kinds=emulated,mpmu.memory=256,mpmu.beside=100000' --mem 2048 "${@:2}"
	judge "$personality"
done
done_testing
