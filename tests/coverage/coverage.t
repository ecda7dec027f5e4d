#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The tests on the stub take nearly every branch of the core, and the others have
# a reason: tests/coverage/unreached.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

LEAST=98

# missed: lines of FILE, text, as in the list of reasons.
missed()
{
	sed -nE 's|^libmpmu/([a-z]+\.c):[0-9]+: (.*)$|\1\t\2|p' <<<"$report" | sort -u
}

reasons()
{
	grep -v '^#' tests/coverage/unreached | cut -f1,2 | sort -u
}

report=$(MPMU_OPS=100000 tests/coverage/run) || { result 1 "the tests run with coverage"; done_testing; exit; }
printf '%s\n' "$report" | sed 's/^/# /'
percent=$(awk '$1 == "total" { print $2 }' <<<"$report")
result "$(awk -v p="$percent" -v least="$LEAST" 'BEGIN { print !(p >= least) }')" \
	"at least $LEAST % of the branches of the core are taken" "$percent %"
silent "each line that lacks a branch has a reason" comm -23 <(missed) <(reasons)
silent "each reason is of a line that lacks a branch" comm -13 <(missed) <(reasons)
result $(($(grep -c '^[a-z]*\.c' <<<"$report") < 12)) "all files of the core are in the report" "$report"
done_testing
