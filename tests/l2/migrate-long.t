#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A Linux guest whose perf counts and samples goes on in another QEMU, on another CPU,
# and each count is exact.  On Intel: the distribution's QEMU saves no register of
# AMD's PMU.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

RUNS=5

# A state was written, and the guest went on from it.
moved()
{
	grep '^# a state of [1-9][0-9]* bytes' "$MACHINE_WORK/console" && grep -qx migrate <<<"$lines"
}

l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}" --run "$MPMU_TOP/tests/l2/guest"
for run in $(seq "$RUNS"); do
	label="intel-spr, move $run"
	l2_boot intel-spr $((400000 + 137000 * run)) 'mpmu.policy=direct mpmu.migrate' --mem 1280 --cpus 2
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	judged "the guest is moved" 's/^migrate$//' moved
	judged "no complaint, and the guest ends" 's/^end$/complaint/' l2_quiet
	judged "instructions are exact" "s/^(user $((2 * loops)) )[0-9]+/\\10/" l2_grows '' user 1 $((loops * turn))
	judged "branches are exact" "s/^(user $((2 * loops)) [0-9]+ [0-9]+ )/\\11/" l2_grows '' user 3 $((loops * branches))
	judged "a sample per overflow" "s/^(sample $((2 * loops)) )/\\11/" l2_samples ''
done
done_testing
