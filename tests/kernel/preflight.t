#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# backends/kvm/preflight tells which machines can give their counters to guests.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" stock)
machine_prepare "$tree" "$MPMU_TOP/tests/kernel/main-preflight" \
	"$MPMU_TOP/backends/kvm/preflight"

# personality	exit status	a line that it prints
machines='
intel-v5-8-4	0	ok  PMU version 4 or later (it is 5)
intel-v5-nosave	0	-   VM exit does not save PERF_GLOBAL_CTRL: its MSR list is used instead
intel-v3	1	no  PMU version 4 or later (it is 3)
intel-nofw	1	no  full-width writes to counters
amd-v2	0	ok  PerfMonV2
amd-core6	1	no  PerfMonV2
'

while IFS=$'\t' read -r personality status line; do
	[ -n "$personality" ] || continue
	machine_test "$personality" "$personality" --timeout 120 --append "mpmu.status=$status"
	try "$personality: says \"$line\"" grep -qF "# $line" "$MACHINE_CONSOLE"
done <<<"$machines"
done_testing
