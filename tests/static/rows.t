#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every property that the core decides has a test that names it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

table=$("$MPMU_TOP/tests/static/rows")
printf '%s\n' "$table" | sed 's/^/# /'
while IFS=$'\t' read -r row area title count files; do
	[ "$area" = core ] || continue
	status=0
	[ "$count" -gt 0 ] && grep -qE 'tests/(unit|model)/' <<<"$files" || status=1
	result "$status" "row $row has a test on the stub: $title" "$files"
done <<<"$table"
result $((TAP_COUNT < 25)) "the list of rows is there" "$table"
done_testing
