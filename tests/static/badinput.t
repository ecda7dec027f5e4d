#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each public function says in its comment what bad input does, and has a row in
# tests/unit/badinput.c that shows it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

ROWS=tests/unit/badinput.c

# functions HEADER...: lines of NAME, a tab, its comment.
functions()
{
	perl -0777 -ne '
		while (m{/\*\*((?:(?!\*/).)*)\*/\s*(?:static inline )?\w[\w\s]*?\*?\b(mpmu_\w+)\(}gs) {
			my ($comment, $name) = ($1, $2);
			$comment =~ s/[\s*]+/ /g;
			print "$name\t$comment\n";
		}' "$@"
}

# What the compiler sees, by another way than comments; the port header's is its own.
declared()
{
	echo '#include <mpmu/mpmu.h>' | gcc -Iinclude -Ibackends/stub -E -P - |
		grep -oE '\bmpmu_[a-z_]+ ?\([^*]' | sed 's, *(.,,' | grep -v '^mpmu_port_' | sort -u
}

silent_ones()
{
	functions "$@" | grep -vE 'NULL|Asserted|Any ' | cut -f1 || true
}

# named FILE: functions that its rows are named after.
named()
{
	grep -oE '"mpmu_[a-z_]+: ' "$1" | tr -d '": ' | sort -u
}

without_row()
{
	comm -23 <(functions include/mpmu/*.h | cut -f1 | sort -u) <(named "$1")
}

without_function()
{
	comm -13 <(functions include/mpmu/*.h | cut -f1 | sort -u) <(named "$1")
}

# Both ways of looking agree, but for macros that look like calls.
lost()
{
	comm -13 <(functions include/mpmu/*.h | cut -f1 | sort -u) <(declared)
}

planted()
{
	local work

	work=$(mktemp -d)
	printf '/** Does it. */\nint mpmu_new_thing(void);\n' >"$work/new.h"
	[ "$(silent_ones "$work/new.h")" = mpmu_new_thing ] || echo "a silent comment is not noticed"
	grep -v '"mpmu_put: ' "$ROWS" >"$work/rows.c"
	[ "$(without_row "$work/rows.c")" = mpmu_put ] || echo "a lost row is not noticed"
	rm -rf "$work"
}

silent "each function says what bad input does" silent_ones include/mpmu/*.h
silent "each function has a row in $ROWS" without_row "$ROWS"
silent "each row is of a function" without_function "$ROWS"
silent "no function hides from this test" lost
silent "the checks of this file notice a planted offender" planted
result $(($(functions include/mpmu/*.h | wc -l) < 35)) "the functions are there"
done_testing
