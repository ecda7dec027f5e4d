#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A fresh copy of the skeleton compiles, runs and lists what is to do; the list
# shrinks to nothing as the steps of docs/porting.md are taken, each with the
# functions of the stub.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

need_packages make gcc clang perl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

all_slots()
{
	sed -n 's/^MPMU_OP([^,]*, \([a-z_]*\),.*/\1/p' "$MPMU_TOP/include/mpmu/ops.def"
}

# One line per step of the table that has slots in its first column.
steps()
{
	all_slots >"$work/slots"
	sed -n '/^## In which order/,/^## Questions/s/^| *\([^|]*\) |.*/\1/p' "$MPMU_TOP/docs/porting.md" |
		while read -r row; do
			{ grep -o '`[a-z_]*`' <<<"$row" | tr -d '`' | grep -xFf "$work/slots" || true; } | xargs
		done | grep .
}

odd_slots()
{
	steps | tr ' ' '\n' | sort | diff - <(all_slots | sort) || true
}

# fill_in SLOT...: what the stub has in these slots, and once what that calls.
fill_in()
{
	perl -0777 -e '
		my ($port, $stub, @slots) = @ARGV;
		sub slurp { open(my $file, "<", $_[0]) or die "$_[0]: $!\n"; return <$file>; }
		my $function = sub { qr/^static [^\n;={]*\b$_[0]\([^{;]*\n\{\n.*?^\}\n/ms };
		my ($old, $new) = (slurp($port), slurp($stub));
		if ($old !~ /\bhere\(/) {
			my $any = $function->(q/(?!op_)\w+/);
			my $helpers = join "\n", $new =~ /($any)/g;
			$old =~ s/(?=^static )/$helpers\n/m or die "no function\n";
		}
		for my $slot (@slots) {
			my $is = $function->("op_$slot");
			my ($filled) = $new =~ /($is)/ or die "the stub has no $slot\n";
			$old =~ s/$is/$filled/ or die "the skeleton has no $slot\n";
		}
		open(my $file, ">", $port) or die "$port: $!\n";
		print $file $old;' "$port/ops.c" "$MPMU_TOP/backends/stub/ops.c" "$@"
}

compiles()
{
	make -s -C "$port" MPMU="$MPMU_TOP" CC="$1" CFLAGS=-O0 port
}

# Runs; the promises that are left are in $port/left.
runs()
{
	local status=0

	"$port/port" >"$port/output" || status=$?
	[ "$status" -le 1 ] || return 1
	sed -n 's/^not ok [0-9]* - //p' "$port/output" >"$port/left"
	[ "$(tail -n 1 "$port/output")" = "$(wc -l <"$port/left") promises left" ] &&
		[ "$status" = "$([ -s "$port/left" ] && echo 1 || echo 0)" ]
}

# A promise that was kept because no guest counted may be among them.
shrinks()
{
	[ "$(wc -l <"$port/left")" -lt "$1" ]
}

say_left()
{
	echo "# $(wc -l <"$port/left") promises left"
	sed 's/^/#   /' "$port/left"
}

take_step()
{
	local cc=$1 before
	shift

	before=$(wc -l <"$port/left")
	fill_in "$@"
	try "$cc: compiles with $*" compiles "$cc"
	try "$cc: runs" runs
	try "$cc: less is to do than before" shrinks "$before"
	say_left
}

silent "each slot is in one step of docs/porting.md" odd_slots
for cc in gcc clang; do
	port=$work/$cc
	cp -r "$MPMU_TOP/backends/skeleton" "$port"
	rm -f "$port/port"
	try "$cc: a fresh copy compiles" compiles "$cc"
	try "$cc: it runs, and fails" runs
	try "$cc: and has all to do" [ "$(wc -l <"$port/left")" -gt 20 ]
	say_left
	while read -r slots; do
		# shellcheck disable=SC2086 # a word per slot
		take_step "$cc" $slots
	done < <(steps)
	try "$cc: nothing is left" [ ! -s "$port/left" ]
	try "$cc: nor on AMD" "$port/port" amd-v2
done
done_testing
