#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux in Linux in Linux on PMUs that are broken on purpose: nested.t must notice,
# and not since nothing ran: some of its checks pass.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

while read -r personality mutation; do
	[ -n "$personality" ] || continue
	output=$("$MPMU_TOP/tests/l2/nested.t" "$personality" --mutate "$mutation" 2>&1) || true
	noticed=$(sed -n 's/^not ok [0-9]* - //p' <<<"$output" | grep -v ': the machine passes$\|complains$') || true
	printf '%s\n' "$noticed" | sed "s/^/# $mutation -> /"
	result "$([ -n "$noticed" ] && grep -q '^ok ' <<<"$output" && echo 0 || echo 1)" "I $personality: with $mutation the counts disagree" "$output" || true
done <<<'
intel-v5-8-4 vmresume-credit
intel-v5-8-4 no-global-save
amd-v2 leak-counter
'
done_testing
