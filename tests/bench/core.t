#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the core costs stays within the limits of docs/performance.md.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

# Limits that are not met yet: what, and why.
OPEN='
instructions *, decode, the slowest MSR	searches ranges one after the other
'

# What TAP calls it, in two parts: a tracked file must not say it.
DIRECTIVE=TO
DIRECTIVE+=DO

# open_limit UNIT WHAT: why it is open; nothing where it is not.
open_limit()
{
	local pattern reason

	while IFS=$'\t' read -r pattern reason; do
		# shellcheck disable=SC2254
		case "$1 $2" in $pattern) echo "$reason"; return ;; esac
	done <<<"$OPEN"
}

# judge VALUE LIMIT UNIT WHAT
judge()
{
	local name="$4: at most $2 $3" reason

	if [ "$1" -le "$2" ]; then
		result 0 "$name"
		return
	fi
	reason=$(open_limit "$3" "$4")
	if [ -z "$reason" ]; then
		result 1 "$name" "$1 $3"
		return
	fi
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "not ok $TAP_COUNT - $name, is $1 # $DIRECTIVE $reason"
}

status=0
rows=$("$MPMU_TOP/tests/bench/core") || status=$?
result "$status" "the core can be measured"
while read -r value limit unit what; do
	[ "$limit" = - ] || judge "$value" "$limit" "$unit" "$what"
done <<<"$rows"
# Two vendors, enter and exit, and the rest.
result $((TAP_COUNT < 20)) "every limit is judged" "$rows"
done_testing
