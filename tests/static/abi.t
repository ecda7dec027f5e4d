#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The binary interface of the shared library is the recorded one: a change of it is
# on purpose (`make abi`), and comes with a version.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages make gcc clang abigail-tools
RECORD=libmpmu/libmpmu.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '[suppress_type]\nname = mpmu_desc\n' >"$work/private"

# library DIR CC FLAGS: from the sources in DIR.
library()
{
	make -s -C "$1" BUILD="$work/$2" CC="${2%%-*}" CFLAGS="$3 -g" "$work/$2/libmpmu.so.0"
}

# differences FILE FILE: but in what callers know by name alone.  Newer versions of
# abidiff sum up what they left out, too.
differences()
{
	abidiff --suppressions "$work/private" "$1" "$2" |
		sed -E '/^$/d; /summary: 0 Removed, 0 Changed( \([0-9]+ filtered out\))?, 0 Added /d' || true
}

# planted NAME FILE EDIT: a change of FILE by sed's EDIT is one of the interface.
planted()
{
	local dir=$work/changed

	rm -rf "$dir" "$work/gcc-changed"
	mkdir "$dir"
	cp -r Makefile include libmpmu "$dir"
	mkdir -p "$dir/backends"
	cp -r backends/stub "$dir/backends"
	sed -i "$2" "$dir/$1"
	! cmp -s "$1" "$dir/$1" || { echo "nothing was changed"; return; }
	library "$dir" gcc-changed -O1 || { echo "it does not build"; return; }
	differences "$RECORD" "$work/gcc-changed/libmpmu.so.0" >"$work/differences" 2>&1
	grep -q 'Functions changes summary:' "$work/differences" || { echo "it is not noticed"; cat "$work/differences"; }
}

# The core's own tables are nobody's business.
private()
{
	planted "$@" | grep -vx 'it is not noticed' || true
}

try "it builds with gcc" library . gcc-O2 -O2
try "it builds with clang" library . clang-O0 -O0
silent "gcc's is the recorded one (if it has to change: make abi)" \
	differences "$RECORD" "$work/gcc-O2/libmpmu.so.0"
silent "clang's is the recorded one" differences "$RECORD" "$work/clang-O0/libmpmu.so.0"
silent "both are alike" differences "$work/gcc-O2/libmpmu.so.0" "$work/clang-O0/libmpmu.so.0"
silent "another member of a struct is noticed" planted include/mpmu/vcpu.h \
	's/^	u32 idle_switches;/&\n	u32 another;/'
silent "a wider member is noticed" planted include/mpmu/vcpu.h 's/^	u32 idle_switches;/	u64 idle_switches;/'
silent "an enumerator with another value is noticed" planted include/mpmu/types.h 's/MPMU_NOT_PMU = 2/MPMU_NOT_PMU = 3/'
silent "operations in another order are noticed" planted include/mpmu/ops.def \
	'/^MPMU_OP(bool, own,/d; $a MPMU_OP(bool, own, (const struct mpmu_vcpu *vcpu))'
silent "a table of the core is none of it" private libmpmu/internal.h 's/^	u8 narrow_gp;/	u64 narrow_gp;/'
silent "nor are its rows" private libmpmu/internal.h 's/^	bool per_pmc;/	u64 per_pmc;/'
silent "a function that is gone is noticed" planted libmpmu/libmpmu.map '/mpmu_drain;/d'
done_testing
