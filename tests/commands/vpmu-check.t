#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check on whatever machine the tests run on: what it prints has its form, the
# exit status agrees with it, and bad input is answered.  What it finds, and does not
# find, is shown in the emulator: tests/rig/vpmu-check.t; here what the emulator cannot
# be, by a kernel and a PMU that only pretend, and a machine that ends as it should not.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/vpmu-check.sh"
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

# machine	checks, and an option	verdict of each	what each says
# A verdict that spares a machine stands beside one that does not.
machines='
plain	selector,sign,widths/--write	WRONG	0x
read-only	selector,sign,widths/--write	absent	cannot be written
plain	interrupts	ok	1000 interrupts
lost	interrupts	WRONG	0 interrupts
profiler	interrupts	absent	others
plain	multiplex	ok	14 events
dead	multiplex	WRONG	-100
starved	multiplex	absent	7 of 14 events never ran
plain	txcp-pair	ok	2000000 without
dead	txcp-pair	WRONG	0 without
starved	txcp-pair	absent	no counters
plain	firmware	ok	no counter
runs	firmware	WRONG	counter 0
starts	firmware	ok	no counter
ends	firmware	ok	no counter
amd-k7	widths	ok	48 bits
amd-k7,no-perf	widths	absent	no PMU
no-pmu	sign/--write	absent	no PMU
'

# A shift by too much ends it, too.
make_pretend()
{
	local wraps=(machine_find model_here cpuid access turns_per_second spin fopen syscall ioctl prctl
		read mmap munmap close open pwrite pread)

	gcc -std=gnu11 -O1 -Wall -Wextra -Werror -fsanitize=shift -fsanitize-undefined-trap-on-error \
		"${wraps[@]/#/-Wl,--wrap=}" -o "$work/pretend" tests/commands/pretend.c tools/vpmu-check/*.c
}

# says MACHINE CHECKS VERDICT PATTERN
says()
{
	local status=0 checks=${2%/*} option=${2#"${2%/*}"}

	PRETEND=$1 "$work/pretend" --only "$checks" ${option:+"${option#/}"} >"$work/said" || status=$?
	cat "$work/said"
	[ "$status" = "$(expected "$work/said")" ] &&
		[ "$(grep -c "^$3 .*$4" "$work/said")" = "$(tr , '\n' <<<"$checks" | wc -l)" ]
}

# guest STATUS EDIT WANT: a guest whose machine ends so, and prints what the EDIT (of sed)
# makes of what a right one prints: so many of its checks fail
guest()
{
	local tree=$work/tree

	mkdir -p "$tree/tests/rig"
	cat >"$tree/tests/rig/machine" <<-END
	#!/bin/sh
	while [ "\$1" != --console ]; do shift; done
	[ $1 = 3 ] || sed '$2' >"\$2" <<-LINES
	mpmu-run: amd emulated check # AMD, a guest, PMU version 2
	mpmu-run: amd emulated check ok      widths: counters of 48 bits
	mpmu-run: amd emulated check ok      counts: 7 counters
	mpmu-run: amd emulated end
	LINES
	exit $1
	END
	chmod +x "$tree/tests/rig/machine"
	MPMU_TOP=$tree MACHINE_WORK=$work check_guest amd-zen4 emulated image kernel | tee "$work/tap"
	[ "$(grep -c '^not ok' "$work/tap")" = "$3" ]
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

try "a machine that pretends" make_pretend
while IFS=$'\t' read -r machine checks verdict pattern; do
	[ -z "$machine" ] || try "$machine: $checks: $verdict" says "$machine" "$checks" "$verdict" "$pattern"
done <<<"$machines"
try "a guest that is right" guest 0 '' 0
try "a guest whose machine ends badly" guest 6 '' 1
try "a guest whose machine does not start: no other's console is judged" guest 3 '' 3
try "a guest whose counters cannot be tried" guest 0 's/ok *counts/absent  counts/' 1
try "a guest that ends early" guest 0 /end/d 1
try "... and its console is shown" grep '^# mpmu-run: .* counts' "$work/tap"
done_testing
