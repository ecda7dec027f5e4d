#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the core costs stays within the limits of docs/performance.md.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

# judge VALUE LIMIT UNIT WHAT
judge()
{
	result $(($1 > $2)) "$4: at most $2 $3" "$1 $3"
}

status=0
rows=$("$MPMU_TOP/tests/bench/core") || status=$?
result "$status" "the core can be measured"
while read -r value limit unit what; do
	judge "$value" "$limit" "$unit" "$what"
done <<<"$rows"
# Two vendors, enter and exit, and the rest.
result $((TAP_COUNT < 20)) "every limit is judged" "$rows"
done_testing
