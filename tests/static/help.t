#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each script says with --help what it is for and which options it has, and does
# nothing else.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Those that a person starts: no test, nothing that runs in an emulated machine or is
# run by another script alone.
scripts()
{
	git ls-files -s | sed -n 's/^100755 [^\t]*\t//p' | grep -v '\.t$' | while read -r file; do
		case $file in
		.ci/run | tests/lib/past-prove | tests/rig/init | tests/kernel/main-* | \
			tests/kernel/rows/main | tests/l1/main-* | tests/l2/checked | \
			tests/l2/guest | tests/l2/guest-* | tests/l2/host) ;;
		*) echo "$file" ;;
		esac
	done
}

# Options that are patterns of a case.
options()
{
	grep -oE '(^|case .* in)[[:space:]]*--[a-z-]+( [|][^)]*)?[)]' "$1" | grep -oE -- '--[a-z-]+' | sort -u
}

# judge FILE: what is wrong with its --help; a cache is not to be had meanwhile.
judge()
{
	local status=0 option

	MPMU_CACHE=/proc/1 timeout 10 "$1" --help >"$work/out" 2>"$work/err" </dev/null || status=$?
	[ "$status" = 0 ] || echo "$1: status $status"
	[ ! -s "$work/err" ] || echo "$1: speaks on stderr"
	grep -q '[a-z]' "$work/out" || { echo "$1: says nothing"; return; }
	options "$1" | grep -vx -- --help | while read -r option; do
		grep -qF -- "$option" "$work/out" || echo "$1: nothing of $option"
	done || true
}

judge_all()
{
	local file

	scripts | while read -r file; do judge "./$file"; done
}

# planted NAME FINDING COMMAND...: a script that does this is found out.
planted()
{
	printf '#!/bin/sh\n# SPDX\n# planted: nothing\n%s\n' "$3" >"$work/planted"
	chmod +x "$work/planted"
	try "noticed: $1" grep -q "$2" <(judge "$work/planted")
}

try "there are scripts" test "$(scripts | wc -l)" -gt 20
silent "each says what it is for, and its options" judge_all
planted "no --help" "status 2" 'exit 2'
planted "a message elsewhere" "stderr" 'echo usage >&2'
planted "nothing said" "says nothing" 'exit 0'
planted "an option that is left out" "nothing of --fast" 'echo planted; case $1 in --fast) ;; esac'
done_testing
