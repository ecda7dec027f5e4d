#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make install`: what lands where, what the tool needs, what the shared library exports, and the
# examples of the documents build against it, as their readers would build them.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages make gcc g++ clang pkg-config binutils
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

installed()
{
	make -s BUILD="$work/build" DESTDIR="$root" PREFIX=/usr install
}

# What was built for one place is installed in another, named with a blank.
elsewhere()
{
	make -s BUILD="$work/build" DESTDIR="$work/else where" PREFIX=/opt/mpmu install
	PKG_CONFIG_LIBDIR="$work/else where/opt/mpmu/lib/pkgconfig" \
		pkg-config --variable=libdir mpmu | grep -x /opt/mpmu/lib
}

# A folder that is not below the prefix stays where it is.
apart()
{
	make -s BUILD="$work/build" DESTDIR="$work/apart" PREFIX=/opt/mpmu LIBDIR=/lib/64 install
	PKG_CONFIG_LIBDIR=$work/apart/lib/64/pkgconfig pkg-config --variable=libdir mpmu | grep -x /lib/64
}

# The whole tree at another place: what pkg-config finds there is enough.
moved()
{
	mv "$work/else where" "$work/moved"
	set -- --define-prefix --cflags --libs mpmu
	# shellcheck disable=SC2046
	gcc -Wall -Werror "$work/porting.c" $(PKG_CONFIG_LIBDIR=$work/moved/opt/mpmu/lib/pkgconfig pkg-config "$@") \
		-o "$work/by-prefix" || return 1
	LD_LIBRARY_PATH=$work/moved/opt/mpmu/lib "$work/by-prefix"
}

# Public headers, each of them and nothing private.
headers()
{
	diff <(cd include/mpmu && ls) <(cd "$root/usr/include/mpmu" && ls)
	[ -e "$root/usr/include/mpmu_port.h" ] || echo "the port header is missing"
	! find "$root" -name internal.h | grep . || echo "a private header is installed"
}

# example FILE: its first block of C, in a program named after it.
example()
{
	awk '/^```/ { inside = !seen && $0 == "```c"; seen += inside } inside && !/^```/' "$1" \
		>"$work/$(basename "$1" .md).c"
	grep -q '^int main' "$work/$(basename "$1" .md).c"
}

flags()
{
	PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config --cflags --libs mpmu
}

# runs NAME [FLAG]: build the example, static or shared, and run it.
runs()
{
	local options

	options=$(flags)
	# shellcheck disable=SC2086
	gcc -Wall -Werror "$work/$1.c" ${2:-} $options -o "$work/$1"
	LD_LIBRARY_PATH=$root/usr/lib "$work/$1"
}

# A port header of one's own is found before the installed one.
own_port()
{
	mkdir -p "$work/port"
	echo '#error "this port"' >"$work/port/mpmu_port.h"
	# shellcheck disable=SC2046
	! gcc -fsyntax-only "-I$work/port" $(flags) "$work/porting.c" 2>"$work/errors" || return 1
	grep -q 'this port' "$work/errors"
}

# program FILE TYPES: calls of the library, after names that the program has already.
program()
{
	{
		echo "$2"
		cat <<-'END'
		#include <mpmu/mpmu.h>
		int main(void)
		{
			struct mpmu_caps caps;
			u64 size = mpmu_filter_size(3);
			memset(&caps, 0, sizeof(caps));
			return mpmu_caps_valid(&caps) && size > sizeof(struct mpmu_filter) ? 0 : 1;
		}
		END
	} >"$1"
}

TYPES='typedef unsigned long long u64; typedef long long s64; typedef unsigned int u32;
typedef unsigned short u16; typedef unsigned char u8;'

# links COMPILER STANDARD FILE: compiles, without a warning, links and runs.
links()
{
	# shellcheck disable=SC2046
	"$1" "-std=$2" -Wall -Wextra -Werror "$3" $(flags) -o "$work/linked" || return 1
	LD_LIBRARY_PATH=$root/usr/lib "$work/linked"
}

# All languages and compilers, with the types of the library, and with their own.
languages()
{
	local types cc standard

	for types in '' "$TYPES"; do
		program "$work/program.c" "$types"
		program "$work/program.cc" "$types"
		for cc in gcc clang; do
			for standard in gnu11 c17; do
				links "$cc" "$standard" "$work/program.c" || echo "$cc $standard${types:+, own types}"
			done
		done
		for cc in g++ clang++; do
			for standard in c++11 gnu++20; do
				links "$cc" "$standard" "$work/program.cc" || echo "$cc $standard${types:+, own types}"
			done
		done
	done
}

# What the checks of the languages must notice.
wrong_languages()
{
	program "$work/wrong.c" 'typedef unsigned long *u64;'
	! links gcc gnu11 "$work/wrong.c" 2>/dev/null || echo "another type of that name passes"
	cp -r "$root/usr/include" "$work/undeclared"
	sed -i 's/extern "C" {/namespace mangled {/' "$work/undeclared/mpmu/types.h"
	program "$work/wrong.cc" ''
	echo 'using namespace mangled;' >>"$work/undeclared/mpmu/mpmu.h"
	# shellcheck disable=SC2046
	! g++ "-I$work/undeclared" "$work/wrong.cc" $(flags) -o "$work/linked" 2>/dev/null ||
		echo "names of C++ link with the library"
}

# With a port header of one's own and what the compiler itself brings, no libc.
freestanding()
{
	local cc

	echo '#include <mpmu/mpmu.h>' >"$work/free.c"
	for cc in gcc clang; do
		"$cc" -std=gnu11 -ffreestanding -nostdinc -isystem "$("$cc" -print-file-name=include)" -Ibackends/bare \
			"-I$root/usr/include" -Wall -Wextra -Werror -fsyntax-only "$work/free.c" || echo "$cc"
	done
}

# The library itself, as it is installed: what a guest chooses is clamped.  The
# same code from a port header that does not clamp is what must be noticed.
clamps()
{
	cat >"$work/clamp.c" <<-'END'
	#include <mpmu/mpmu.h>
	int main(void)
	{
		volatile u32 in = 7, out = 8, far = 0xffffffff;

		return mpmu_nospec(in, 8) != 7 || mpmu_nospec(out, 8) || mpmu_nospec(far, 8);
	}
	END
	links gcc gnu11 "$work/clamp.c" || echo "the macro does not clamp"
	masked "$work/build/libmpmu/decode.o" || echo "the library does not clamp"
	mkdir -p "$work/unclamped"
	sed '/^#define mpmu_nospec(/,+1c #define mpmu_nospec(index, size) ((void)(size), (index))' \
		backends/stub/mpmu_port.h >"$work/unclamped/mpmu_port.h"
	gcc -std=gnu11 -O2 "-I$work/unclamped" -Iinclude -Ibackends/stub -c libmpmu/decode.c -o "$work/unclamped.o"
	! masked "$work/unclamped.o" || echo "a library that does not clamp is not noticed"
}

# masked OBJECT: does the decoder of MSRs make a mask of a sign?
masked()
{
	objdump -d --disassemble=mpmu_decode "$1" | grep -qE '\<(sar|sbb)'
}

# Functions that the headers declare.
declared()
{
	cat include/mpmu/*.h | grep -v '^static' | grep -oP '^[a-z][a-z0-9_ *]*\b\Kmpmu_[a-z0-9_]+(?=\()' | sort -u
}

# The tool runs where no library is, and says what it is for.
tool()
{
	[ -x "$work/else where/opt/mpmu/bin/vpmu-check" ] || return 1
	env -i "$root/usr/bin/vpmu-check" --help | grep -q '^Is the PMU of this machine right'
}

# exported LIBRARY: NAME@@VERSION, but the version's own name.
exported()
{
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort
}

# LIBMPMU_0.1 stands for any version of the map.
versioned()
{
	diff <(declared) <(exported "$root/usr/lib/libmpmu.so" | sed 's/@@LIBMPMU_[0-9.]*$//') |
		sed -n 's/^</libmpmu.map lacks what is declared:/p; s/^>/exported, not declared:/p'
}

# What the check of the exports must notice: a function that is in no header.
planted()
{
	{
		cat libmpmu/libmpmu.map
		echo 'LIBMPMU_9 { global: mpmu_decode; } LIBMPMU_0.1;'
	} >"$work/planted.map"
	gcc -shared "-Wl,--version-script=$work/planted.map" "$work"/build/libmpmu/*.o -o "$work/planted.so"
	exported "$work/planted.so" | grep -q '^mpmu_decode@@LIBMPMU_9$' || echo "not noticed"
}

soname()
{
	readelf -d "$work/porting" | grep -q 'NEEDED.*\[libmpmu\.so\.0\]'
}

try "make install" installed
try "make install once more, to another place" elsewhere
try "the tool is installed, and needs no library" tool
silent "public headers and the port header are installed, no others" headers
silent "the shared library exports what the headers declare, with a version" versioned
silent "another export is noticed" planted
for document in README.md docs/porting.md; do
	name=$(basename "$document" .md)
	try "$document has an example" example "$document"
	try "the example of $document runs, shared" runs "$name"
	[ "$name" = README ] || try "it needs the library by its soname" soname
	try "the example of $document runs, static" runs "$name" -static
done
result $(($(wc -l <"$work/README.c") > 40)) "the example of README.md has at most 40 lines"
try "a port header of one's own comes first" own_port
try "a folder that is not below the prefix is named in full" apart
try "a tree that was moved is found by pkg-config --define-prefix" moved
silent "C and C++ compile, link and run, with types of their own, too" languages
silent "a wrong type and names of C++ are noticed" wrong_languages
silent "the headers need no libc" freestanding
silent "the installed library clamps what a guest chooses" clamps
done_testing
