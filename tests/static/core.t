#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The core is portable: compilers, word sizes, headers, and what its objects
# contain and need.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

# All that the core may leave undefined: what a compiler may call by itself.
MAY_NEED='memcpy|memset|memmove|memcmp'
WARNINGS="-Wall -Wextra -Werror -Wswitch-enum"
FLAGS="-Iinclude -Ibackends/stub -fno-pic -fno-stack-protector -O2"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

core_sources()
{
	sed -e 's/#.*//' libmpmu/sources.mk | tr -s '[:blank:]' '\n' | grep -E '\.[co]$' | sed 's/\.o$/.c/' |
		sed 's|^\(libmpmu/\)\?|libmpmu/|' | sort -u
}

# objects CC BITS: compile the core to $work/CC-BITS.
objects()
{
	local cc=$1 bits=$2 dir=$work/$1-$2 source

	mkdir -p "$dir"
	for source in $(core_sources); do
		# shellcheck disable=SC2086
		"$cc" -std=gnu11 $WARNINGS $FLAGS "-m$bits" -c "$source" \
			-o "$dir/$(basename "$source" .c).o" || return 1
	done
}

# header CC STANDARD FILE: alone, twice.
header()
{
	# shellcheck disable=SC2086
	printf '#include <%s>\n#include <%s>\n' "${3#include/}" "${3#include/}" |
		"$1" "-std=$2" $WARNINGS $FLAGS -x c -fsyntax-only -
}

all_headers()
{
	local file

	for file in include/mpmu/*.h; do
		header "$1" "$2" "$file" || echo "$file does not stand alone"
	done
}

# mutable OBJECT...: sections that hold data that can change.
mutable()
{
	local object

	for object in "$@"; do
		size -A "$object" | awk -v object="$(basename "$object")" '
			$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
				print object ": " $1 " holds " $2 " bytes"
			}'
	done
}

# needs OBJECT...: undefined symbols of the whole that are not allowed.
needs()
{
	ld -r -o "$work/whole.o" "$@"
	nm -u "$work/whole.o" | awk '{ print $2 }' | grep -vxE "$MAY_NEED" || true
}

# The checks above must notice an offender.
planted()
{
	echo 'int counter = 1; void *malloc(unsigned long); void *f(void) { counter++; return malloc(1); }' |
		gcc -w -x c -c - -o "$work/planted.o"
	[ -n "$(mutable "$work/planted.o")" ] || echo "data in .data is not noticed"
	[ "$(needs "$work/planted.o")" = malloc ] || echo "a call of malloc is not noticed"
	echo 'u8_that_nobody_defines x;' >"$work/planted.h"
	! gcc -fsyntax-only -x c "$work/planted.h" 2>/dev/null || echo "a bad header is not noticed"
}

unlisted()
{
	comm -3 <(git ls-files 'libmpmu/*.c' | sort) <(core_sources) | sed 's/^\t*/only in the tree or only in sources.mk: /'
}

# Lines between the braces in column 1, per function.
lengths()
{
	awk 'FNR == 1 { start = 0 }
		/^[a-z].*[(,]/ { name = $0 }
		/^\{/ { start = FNR }
		/^\}/ { if (start) print FNR - start - 1, FILENAME ": " name; start = 0 }' "$@" | sort -n
}

check_lengths()
{
	local median

	median=$(lengths libmpmu/*.c | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }')
	[ "$median" -le 15 ] || echo "the median is $median lines, more than 15"
	lengths libmpmu/*.c | awk '$1 > 60 { print "over 60 lines: " $0 }'
}

[ -e libmpmu/sources.mk ] || skip_all "no core yet"
for cc in gcc clang; do
	for bits in 64 32; do
		try "the core builds with $cc, $bits bit" objects "$cc" "$bits"
		silent "no mutable data ($cc, $bits bit)" mutable "$work/$cc-$bits"/*.o
	done
	silent "the core needs nothing but memcpy and its like ($cc)" needs "$work/$cc-64"/*.o
	for standard in c11 gnu11; do
		silent "each public header stands alone ($cc, $standard)" all_headers "$cc" "$standard"
	done
done
silent "the checks of this file notice a planted offender" planted
silent "sources.mk lists the core's files, and all of them" unlisted
silent "functions are short" check_lengths
git ls-files 'backends/*.c' 'tests/*.c' | while read -r file; do
	[ ! -f "$file" ] || lengths "$file"
done |
	awk '$1 > 60 { print "# long: " $0 }'
done_testing
