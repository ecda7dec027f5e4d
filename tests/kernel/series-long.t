#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each patch of the series compiles by itself: applied one by one, every source
# that a patch touches, or whose header it touches, is checked with the flags
# and the configuration of a built kernel, CONFIG_MPMU=n and =y.  The last one makes
# CONFIG_MPMU known; the whole kernel with all of them is built with both.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

backend=$MPMU_TOP/backends/kvm
pristine=$("$MPMU_TOP/tests/kernel/source")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where a header of perf or KVM is used.
users=(kernel/events/core.c arch/x86/events/core.c arch/x86/kvm/pmu.c)

# stage BUILT: the pristine sources, what a build generated, and the header that
# the hooks in KVM include.
stage()
{
	local built=$1 part

	rm -rf "$work/tree"
	for part in arch/x86 include init kernel virt Documentation/{admin-guide,virt} \
		tools/{arch/x86,include,perf/trace,testing/selftests/kvm}; do
		mkdir -p "$work/tree/$(dirname "$part")"
		cp -a "$pristine/$part" "$work/tree/$part"
	done
	cp -a "$built/include/generated" "$built/include/config" "$work/tree/include/"
	cp -a "$built/arch/x86/include/generated" "$work/tree/arch/x86/include/"
	mkdir -p "$work/tree/arch/x86/kvm/mpmu"
	cp "$backend/kvm_mpmu.h" "$work/tree/arch/x86/kvm/mpmu/"
}

# The sources to check after a patch, of those that the kernel has.
sources()
{
	local patch=$1 built=$2 file

	sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$patch" | while read -r file; do
		case $file in
		tools/*) ;;
		*.c) printf '%s\n' "$file" ;;
		*.h) printf '%s\n' "${users[@]}" ;;
		esac
	done | sort -u | while read -r file; do
		[ ! -e "$built/$(command_of "$file")" ] || printf '%s\n' "$file"
	done
}

command_of()
{
	printf '%s/.%s.o.cmd' "$(dirname "$1")" "$(basename "$1" .c)"
}

# check_source BUILT FILE: its compiler call of the build, without the output.
check_source()
{
	local call

	call=$(sed -n 's/^savedcmd_[^ ]* := //p' "$1/$(command_of "$2")")
	call=${call%%;*}
	(cd "$work/tree" && eval "$(printf '%s\n' "$call" |
		sed 's, -Wp\,-MMD\,[^ ]*,,; s, -c -o [^ ]*, -fsyntax-only,')")
}

# after_patch BUILT PATCH
after_patch()
{
	local file

	patch -d "$work/tree" -p1 --no-backup-if-mismatch <"$2" || return 1
	for file in $(sources "$2" "$1"); do
		check_source "$1" "$file" || { echo "in $file"; return 1; }
	done
}

# by_itself LABEL BUILT
by_itself()
{
	local label=$1 built=$2 name

	stage "$built"
	while read -r name; do
		try "$label: $name" after_patch "$built" "$backend/patches/6.12/$name"
	done <"$backend/patches/6.12/series"
}

without=${MPMU_BUILT_N:-$("$MPMU_TOP/tests/kernel/build" mpmu-n)/tree}
with=${MPMU_BUILT_Y:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)/tree}
by_itself 'CONFIG_MPMU=n' "$without"
by_itself 'CONFIG_MPMU=y' "$with"
try 'the kernel with all patches is built with CONFIG_MPMU=n' grep -qx '# CONFIG_MPMU is not set' "$without/.config"
try 'and with CONFIG_MPMU=y' grep -qx CONFIG_MPMU=y "$with/.config"
try 'and so is libmpmu' test -e "$with/arch/x86/kvm/mpmu/vcpu.o"
done_testing
