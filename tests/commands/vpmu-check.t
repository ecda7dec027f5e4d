#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check on whatever machine the tests run on: what it prints has its form, the
# exit status agrees with it, and bad input is answered.  What it finds, and does not
# find, is shown in the emulator: tests/rig/vpmu-check.t.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages make gcc libc6-dev perl binutils
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$work/build/vpmu-check

# expected LINES: the exit status for these verdicts
expected()
{
	if grep -q '^WRONG' "$1"; then echo 1; elif grep -q '^ok' "$1"; then echo 0; else echo 3; fi
}

# Each check once, in the order of the list.
form()
{
	diff <("$program" --list | awk '{ print $1 }') \
		<(sed -nE 's/^(ok    |WRONG |absent)  ([a-z-]+): .+/\2/p' "$work/lines")
	grep -vE '^# |^(ok    |WRONG )  [a-z-]+: .+ \(right: .+\)$|^absent  [a-z-]+: .+$' "$work/lines" || true
}

no_library()
{
	readelf -d "$program" | grep NEEDED || true
}

as_json()
{
	"$program" --json >"$work/json"
	perl -MJSON::PP -0777 -ne '
		my $all = decode_json($_);
		my %count;
		$count{$_->{verdict}}++ for @{$all->{checks}};
		print "$_->{check} lacks a text\n" for grep { !length $_->{saw} || !length $_->{right} } @{$all->{checks}};
		print "$_ is not the sum\n" for grep { $all->{lc $_} != ($count{$_} // 0) } qw(ok WRONG absent);
		print "$_ is missing\n" for grep { !defined $all->{$_} } qw(vendor guest version general fixed cpus cpu);
	' "$work/json"
}

# refuses NAME PATTERN ARGUMENT...
refuses()
{
	local name=$1 pattern=$2 status=0 output
	shift 2

	output=$("$program" "$@" 2>&1) || status=$?
	if [ "$status" = 2 ] && grep -q "^error: vpmu-check: $pattern" <<<"$output" &&
		grep -q '^remedy: ' <<<"$output"; then
		result 0 "$name: status 2"
	else
		result 1 "$name: status 2" "status $status: $output" || true
	fi
}

try "make vpmu-check" make -s BUILD="$work/build" vpmu-check
silent "it needs no library" no_library
status=0
"$program" >"$work/lines" 2>"$work/errors" || status=$?
sed 's/^/# /' "$work/lines"
result $((status != $(expected "$work/lines"))) "the exit status is that of the verdicts" "$status"
silent "one line for each check, in its form" form
silent "nothing on stderr" cat "$work/errors"
silent "JSON has the same" as_json
try "--only runs one" test "$("$program" --only hybrid,widths | grep -vc '^#')" = 2
try "--help" grep -q 'exit status: 0' <("$program" --help)
refuses "an unknown check" 'no check is named none' --only counts,none
refuses "an unknown option" 'unknown option.*--what' --what
refuses "an option without its value" 'unknown option, or no value: --skid' --skid
refuses "no number" 'not a number: many' --skid many
refuses "a negative number" 'not a number: -1' --skid -1
refuses "a number too large" 'not a number' --skid 99999999999
refuses "an argument" 'unknown argument now' now
done_testing
