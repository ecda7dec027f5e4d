#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All CMocka programs with each compiler, optimisation and word size, under the
# sanitizers; the unit tests once more under valgrind.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/lib/apt.sh"
cd "$MPMU_TOP"

# Enough to reach each pair of models, and each wrong port, and both vendors of
# inert.c; the numbers themselves are for other tests.
export CMOCKA_MESSAGE_OUTPUT=TAP MPMU_OPS=40000 MPMU_STATES=2000 MPMU_PAIRS=8
unset MPMU_TIER

need_packages make gcc gcc-multilib clang libcmocka-dev valgrind
need_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A library of another architecture: unpacked, never installed.
fetch_cmocka()
{
	printf 'APT::Architecture "i386";\nAPT::Architectures { "i386"; };\n' >"$1/apt.conf"
	export APT_CONFIG=$1/apt.conf
	apt_private_init "$1/apt" "$(. /etc/os-release; echo "$VERSION_CODENAME")" &&
		(cd "$1" && apt_private "$1/apt" download libcmocka0 libcmocka-dev) || return 1
	for archive in "$1"/*.deb; do
		dpkg-deb -x "$archive" "$1" || return 1
	done
	rm -rf "$1/apt" "$1"/*.deb
	[ -e "$1/usr/lib/i386-linux-gnu/libcmocka.so" ]
}

cmocka_32()
{
	cached "$cmocka" fetch_cmocka
}

cmocka=$MPMU_CACHE/cmocka-i386-$(. /etc/os-release; echo "$VERSION_CODENAME")
libraries=$cmocka/usr/lib/i386-linux-gnu

# build DIR CC FLAGS [VARIABLE=VALUE...]
build()
{
	local dir=$1 cc=$2 flags=$3
	shift 3

	make -s BUILD="$work/$dir" CC="$cc" CFLAGS="$flags" LDFLAGS="-L$libraries" "$@" tests
}

# run_all DIR COMMAND...: each program that fails, and what it said.
run_all()
{
	local dir=$1 program
	shift

	for program in "$work/$dir"/tests/*/*.t; do
		LD_LIBRARY_PATH=$libraries "$@" "$program" >"$work/log" 2>&1 ||
			{ echo "${program#"$work/"} fails:"; grep -vE '^(ok|#) ' "$work/log" | tail -n 20; }
	done
}

# Both must notice a read of what is not initialised, or beyond its end.
planted()
{
	echo 'int main(int n, char **v) { int a[4] = {n}; return a[n + 3] > 9; }' >"$work/planted.c"
	"$1" -m"$2" -O0 -fsanitize=address,undefined -fno-sanitize-recover=all "$work/planted.c" -o "$work/planted"
	! "$work/planted" >/dev/null 2>&1 || echo "a read beyond an array passes"
}

uninitialised()
{
	echo 'int main(void) { int a; return *(volatile int *)&a > 9; }' >"$work/planted.c"
	gcc -w -O0 "$work/planted.c" -o "$work/planted"
	! valgrind -q --error-exitcode=9 "$work/planted" >/dev/null 2>&1 || echo "an uninitialised value passes"
}

try "CMocka for 32 bit" cmocka_32
for cc in gcc clang; do
	for bits in 64 32; do
		silent "$cc, $bits bit: the sanitizers are at work" planted "$cc" "$bits"
		for level in O0 O2; do
			try "$cc -$level, $bits bit: the tests build" build "$cc-$level-$bits" "$cc" "-$level -g -m$bits"
			silent "$cc -$level, $bits bit: the tests pass" run_all "$cc-$level-$bits"
			rm -rf "${work:?}/$cc-$level-$bits"
		done
	done
done
try "valgrind: the unit tests build" build valgrind gcc '-O1 -g' SANITIZE=
rm -f "$work"/valgrind/tests/model/*
silent "valgrind: the unit tests pass" run_all valgrind valgrind -q --error-exitcode=9
silent "valgrind is at work" uninitialised
done_testing
