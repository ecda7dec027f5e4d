#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make install`: what lands where, what the shared library exports, and the
# examples of the documents build against it, as their readers would build them.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

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

# Functions that the headers declare.
declared()
{
	cat include/mpmu/*.h | grep -v '^static' | grep -oP '^[a-z][a-z0-9_ *]*\b\Kmpmu_[a-z0-9_]+(?=\()' | sort -u
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
done_testing
