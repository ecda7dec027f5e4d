#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Names say where they are from, and words mean one thing.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# KVM has files of these two names, and functions that begin with them.
prefix_of()
{
	case $1 in
	*/vmx.c | */svm.c) echo "$(basename "$1" .c)_mpmu_" ;;
	*) echo "$(basename "$1" .c)_" ;;
	esac
}

# locals FILE: names of its file-local functions.
locals()
{
	perl -ne 'print "$1\n" if /^static [\w ]*[ *]([a-z]\w*)\(/' "$1"
}

# strangers FILE...: file-local functions without the name of their file.
strangers()
{
	local file name

	for file in "$@"; do
		locals "$file" | while read -r name; do
			case $name in "$(prefix_of "$file")"*) ;; *) echo "$file: $name()" ;; esac
		done
	done
}

# ambiguous FILE: words that two rows of its tables explain.
ambiguous()
{
	perl -ne '
		$pairs = /^\| begin \|/ if /^\|/ && $last !~ /^\|/;
		if (/^\|/ && !/^\|[-:| ]*$/) {
			my (undef, @cell) = split /\s*\|\s*/;
			my %words = map { $_ => 1 } map { split /, / } @cell[0 .. ($pairs ? 1 : 0)];
			$rows{$_}++ for grep { /./ && $_ ne "begin" && $_ ne "end" } keys %words;
		}
		$last = $_;
		END { print "$_: $rows{$_} rows\n" for sort grep { $rows{$_} > 1 } keys %rows }' "$1"
}

# What changes a vCPU takes it without const.
not_pure()
{
	perl -ne 'print "$ARGV: $_" if /(?<!const )struct mpmu_(vcpu|cpu) \*/' "$1"
}

planted()
{
	printf '%s\n' 'static void stray(void)' '{' '}' 'static int planted_one(int x)' >"$work/planted.c"
	[ "$(strangers "$work/planted.c")" = "$work/planted.c: stray()" ] || echo "a name without its file"
	printf '%s\n' '| begin | end | |' '|---|---|---|' '| enter | exit | x |' '' '| | |' '|---|---|' \
		'| word, exit | y |' '| other | z |' >"$work/words.md"
	[ "$(ambiguous "$work/words.md")" = "exit: 2 rows" ] || echo "a word with two meanings"
	echo 'void change(struct mpmu_vcpu *vcpu)' >"$work/policy.c"
	[ -n "$(not_pure "$work/policy.c")" ] || echo "a policy that changes something"
}

silent "file-local functions begin with the name of their file" strangers libmpmu/*.c backends/kvm/*.c
silent "no word of docs/naming.md has two meanings" ambiguous docs/naming.md
silent "the policy changes nothing" not_pure libmpmu/policy.c
silent "the checks of this file notice a planted offender" planted
done_testing
