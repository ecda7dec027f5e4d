# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# TAP from shell tests.  A test sources this file, calls result() or try() per
# check and ends with done_testing.

TAP_COUNT=0
TAP_FAILED=0

# result STATUS NAME [OUTPUT]: one check; OUTPUT is shown when it failed.
result()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	if [ "$1" = 0 ]; then
		echo "ok $TAP_COUNT - $2"
		return 0
	fi
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_COUNT - $2"
	[ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/# /'
}

# try NAME COMMAND...: passes if COMMAND succeeds.
try()
{
	local name=$1 output status=0
	shift

	output=$("$@" 2>&1) || status=$?
	result "$status" "$name" "$output"
}

# silent NAME COMMAND...: passes if COMMAND prints nothing: each line is a finding.
silent()
{
	local name=$1 output
	shift

	output=$("$@" 2>&1) || output="$output
command failed: $*"
	if [ -z "$output" ]; then
		result 0 "$name"
	else
		result 1 "$name" "$output"
	fi
}

# ends_with STATUS PATTERN COMMAND...: it ends so, and says what PATTERN asks for.
ends_with()
{
	local status=$1 pattern=$2 output got=0
	shift 2

	output=$("$@" 2>&1 </dev/null) || got=$?
	[ "$got" = "$status" ] && grep -q -e "$pattern" <<<"$output" && return
	printf 'status %s instead of %s, or no "%s":\n%s\n' "$got" "$status" "$pattern" "$output"
	return 1
}

skip()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT - $1 # SKIP $2"
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing()
{
	echo "1..$TAP_COUNT"
	[ "$TAP_FAILED" = 0 ]
}
