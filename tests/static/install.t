#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make install`: what lands where, and the example of docs/porting.md builds
# against it, as its reader would build it.

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

# Public headers, each of them and nothing private.
headers()
{
	diff <(cd include/mpmu && ls) <(cd "$root/usr/include/mpmu" && ls)
	[ -e "$root/usr/include/mpmu_port.h" ] || echo "the port header is missing"
	! find "$root" -name internal.h | grep . || echo "a private header is installed"
}

example()
{
	awk '/^```/ { inside = $0 == "```c"; next } inside' docs/porting.md >"$work/example.c"
	[ -s "$work/example.c" ]
}

flags()
{
	PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config --cflags --libs mpmu
}

# runs LINK: build the example, static or shared, and run it.
runs()
{
	local options

	options=$(flags)
	# shellcheck disable=SC2086
	gcc -Wall -Werror "$work/example.c" $1 $options -o "$work/example"
	LD_LIBRARY_PATH=$root/usr/lib "$work/example"
}

# A port header of one's own is found before the installed one.
own_port()
{
	mkdir -p "$work/port"
	echo '#error "this port"' >"$work/port/mpmu_port.h"
	# shellcheck disable=SC2046
	! gcc -fsyntax-only "-I$work/port" $(flags) "$work/example.c" 2>"$work/errors" || return 1
	grep -q 'this port' "$work/errors"
}

# The library's names, so that it can live beside others.
foreign_names()
{
	nm -D --defined-only "$root/usr/lib/libmpmu.so" | awk '{ print $3 }' | grep -v '^mpmu_' || true
}

reference()
{
	(cat docs/Doxyfile; echo "OUTPUT_DIRECTORY = $work/doc") | doxygen -
}

try "make install" installed
silent "public headers and the port header are installed, no others" headers
try "docs/porting.md has an example" example
try "the example runs, shared" runs ""
try "the example runs, static" runs -static
try "a port header of one's own comes first" own_port
silent "all names that the library defines begin with mpmu_" foreign_names
if command -v doxygen >/dev/null; then
	try "the reference builds without a warning" reference
else
	skip "the reference builds without a warning" "no doxygen here"
fi
done_testing
