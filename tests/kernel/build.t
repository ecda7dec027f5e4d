#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What builds kernels and the kernel tree's own tests keeps nothing that is
# broken, old, or another checkout's.  Sources and compilers are played.

# shellcheck disable=SC2016 # the stand-ins expand their own variables
. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

need_packages gcc make flex bison bc libelf-dev perl xz-utils lz4 rsync linux-libc-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/cache"
export MPMU_CACHE=$work/cache

script()
{
	printf '#!/bin/bash\n%s\n' "$2" >"$1"
	chmod +x "$1"
}

# release NAME: a kernel tree, whose image is its sources.
release()
{
	local part tree=$work/$1

	for part in arch/x86 include kernel virt/lib tools/arch/x86 tools/include tools/perf/trace \
		Documentation/{admin-guide,virt} scripts/kconfig arch/x86/boot arch/x86/kvm init usr \
		tools/testing/selftests/kvm/{x86_64,include/x86_64}; do
		mkdir -p "$tree/$part"
	done
	touch "$tree"/{Makefile,Kconfig,Kbuild}
	echo "TEST_GEN_PROGS_x86_64 += x86_64/one" >"$tree/tools/testing/selftests/kvm/Makefile"
	echo "a file of $1" >"$tree/kernel/$1.c"
	script "$tree/scripts/kconfig/merge_config.sh" 'cat "$3" >>"$2"'
}

# checkout NAME: what the builds read of one; RELEASE says what it is built from.
checkout()
{
	local top=$work/$1

	mkdir "$top"
	(cd "$MPMU_TOP" && cp -a --parents -t "$top" tests/lib \
		tests/kernel/{build,kselftests,nested} tests/l1/{nested*.[ch],tap.h} \
		tests/rig/emulator/mpmu_magic.h)
	mkdir -p "$top"/{include,libmpmu,backends/kvm}
	echo "$1" | tee "$top/libmpmu/core.c" >"$top/Kconfig"
	echo "CONFIG_TESTS=y" >"$top/tests/kernel/config"
	echo "CONFIG_MPMU=y" >"$top/tests/kernel/config-y"
	script "$top/tests/kernel/source" 'echo "$RELEASE"'
	script "$top/backends/kvm/integrate" "echo 'libmpmu of $1' >\$1/kernel/mpmu.c"
}

# What these find in their variables fails.
script "$work/bin/cp" 'case ${!#} in $NO_ROOM_IN) mkdir -p "${!#}"; exit 1 ;; esac
exec /bin/cp "$@"'
script "$work/bin/make" 'echo "$*" >>"$CALLS"
case "$*" in $NOT_MADE) exit 1 ;; esac
case "$*" in
tinyconfig) : >.config ;;
-C*bzImage*)
	cd "$2" && cat kernel/*.c >arch/x86/boot/bzImage
	touch virt/lib/irqbypass.ko arch/x86/kvm/kvm{,-intel,-amd}.ko ;;
*selftests/kvm*) cp /bin/true "${!#}" ;;
esac'
export CALLS=$work/calls RELEASE=$work/linux-1 NO_ROOM_IN='' NOT_MADE=''

# kernel CHECKOUT VARIANT: built in $product, its image is $image.
kernel()
{
	product='' image=''
	: >"$CALLS"
	product=$(PATH=$work/bin:$PATH "$work/$1/tests/kernel/build" "$2" 2>"$work/log") || return 1
	image=$(cat "$product/arch/x86/boot/bzImage")
}

# made_of NAME CHECKOUT VARIANT SOURCE...: these and no others are in the image.
made_of()
{
	local name=$1 checkout=$2 variant=$3 status=0
	shift 3

	kernel "$checkout" "$variant" && [ "$image" = "$(printf '%s\n' "$@")" ] || status=$?
	result "$status" "$name" "$image$(tail -n 5 "$work/log")" || true
}

# objects CHECKOUT: what the series touches is made, with the core, and nothing to boot.
objects()
{
	local dir

	: >"$CALLS"
	dir=$(PATH=$work/bin:$PATH "$work/$1/tests/kernel/build" mpmu-n-objects 2>"$work/log") || { cat "$work/log"; return 1; }
	cat "$CALLS"
	grep -q ' arch/x86/ kernel/events/ ' "$CALLS" && ! grep -q 'mpmu-n-objects .*bzImage' "$CALLS" &&
		[ ! -e "$dir/arch" ] && grep -qx "libmpmu of $1" "$dir/tree/kernel/mpmu.c"
}

fails()
{
	! PATH=$work/bin:$PATH "$@"
}

release linux-1
release linux-2
checkout one
checkout two

made_of "a kernel" one stock "a file of linux-1"
made_of "a kernel with libmpmu" one mpmu-y "a file of linux-1" "libmpmu of one"
first=$product
kernel one mpmu-y
silent "again: nothing is made" cat "$CALLS"

try "objects alone" objects one
touch -d '2 days ago' "$MPMU_CACHE"/kernel/mpmu-n-objects*
kernel one mpmu-n
try "a variant leaves another's tree alone" test -e "$MPMU_CACHE/kernel/mpmu-n-objects"
made_of "another checkout" two mpmu-y "a file of linux-1" "libmpmu of two"
try "another checkout: what the first one boots is as it was" \
	grep -qx "libmpmu of one" "$first/arch/x86/boot/bzImage"
second=$product
touch -d '2 days ago' "$first" "$second"
kernel two mpmu-y
echo more >>"$work/two/libmpmu/core.c"
kernel two mpmu-y
try "what nobody boots is removed" test ! -e "$first"
try "what was booted within a day is kept" test -e "$second"

second=$product
echo more >>"$work/two/Kconfig"
kernel two mpmu-y
try "another Kconfig makes another kernel" test "$product" != "$second"

RELEASE=$work/linux-2
made_of "another release" one mpmu-y "a file of linux-2" "libmpmu of one"

for where in '*/stock.tmp' '*/mpmu-y.tmp' '*.staging/kernel'; do
	rm -rf "$MPMU_CACHE"
	NO_ROOM_IN=$where
	try "no room in $where: fails" fails "$work/one/tests/kernel/build" mpmu-y
	NO_ROOM_IN=''
	made_of "no room in $where: nothing of it is left" one mpmu-y \
		"a file of linux-2" "libmpmu of one"
done
for NOT_MADE in tinyconfig olddefconfig; do
	rm -rf "$MPMU_CACHE"
	try "make $NOT_MADE fails: no kernel" fails "$work/one/tests/kernel/build" stock
done
NOT_MADE=''
for program in kselftests nested; do
	for NOT_MADE in '*headers_install' '*x86_64/*'; do
		try "make $NOT_MADE fails: no $program" fails "$work/one/tests/kernel/$program"
	done
	NOT_MADE='' try "then $program is made" env PATH="$work/bin:$PATH" "$work/one/tests/kernel/$program"
done
done_testing
