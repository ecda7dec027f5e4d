#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# With CONFIG_MPMU=n the integrated kernel is the stock one, function by
# function, except for what funcdiff.list names with patch and reason.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

here=$MPMU_TOP/tests/kernel
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compare()
{
	"$here/funcdiff" "$@" >"$work/output" 2>&1 || [ $? = 1 ]
}

found()
{
	sed '/^#/d' "$work/output" | cut -d' ' -f1,2 | sort -u
}

# Each of them with a patch of the series and some words of a reason.
listed()
{
	local object function patch reason

	while read -r object function patch reason; do
		case $object in
		'' | '#'*) continue ;;
		esac
		grep -qx "$patch" "$MPMU_TOP/backends/kvm/patches/6.12/series" ||
			echo "no such patch: $patch" >&2
		[ -n "$reason" ] || echo "no reason: $object $function" >&2
		echo "$object $function"
	done <"$here/funcdiff.list" | sort -u
}

# symbols TREE OPTION: that its objects want (-u) or have (--defined-only).
symbols()
{
	find "$1"/{arch/x86,kernel/events,kernel/watchdog_perf.o,virt} -name '*.o' -exec nm "$2" {} + 2>/dev/null |
		awk '/ [A-Za-z] [^ ]+$/ { print $NF }' | sort -u
}

# unresolved TREE: what its objects want, and neither they nor stock's objects have.
unresolved()
{
	comm -23 <(symbols "$1" -u) <({ symbols "$stock" -u; symbols "$1" --defined-only; } | sort -u)
}

# read_symbols TREE: silence says something only if its objects were there.
read_symbols()
{
	symbols "$1" -u | grep -x perf_event_create_kernel_counter &&
		symbols "$1" --defined-only | grep -x perf_event_create_kernel_counter
}

stock=$("$here/build" stock)/tree
without=$("$here/build" mpmu-n-objects)/tree
with=$("$here/build" mpmu-y)/tree

try "the kernels can be compared" compare "$stock" "$without"
grep '^#' "$work/output" || true
found >"$work/found"
listed >"$work/listed" 2>"$work/complaints"
silent "the list has a patch and a reason for each" cat "$work/complaints"
silent "CONFIG_MPMU=n: every function that differs is listed" \
	comm -23 "$work/found" "$work/listed"
silent "CONFIG_MPMU=n: every function that is listed differs" \
	comm -13 "$work/found" "$work/listed"

try "CONFIG_MPMU=n: the objects are read" read_symbols "$without"
silent "CONFIG_MPMU=n: no object wants a symbol that none has" unresolved "$without"

# The comparison notices what CONFIG_MPMU=y changes.
try "the kernel with CONFIG_MPMU=y can be compared" compare "$stock" "$with"
try "CONFIG_MPMU=y: a hook is noticed" \
	grep -qx 'arch/x86/events/core.o x86_pmu_disable changed' "$work/output"
try "CONFIG_MPMU=y: a new file is noticed" \
	grep -qx 'arch/x86/events/mediated.o x86_perf_guest_own added' "$work/output"
done_testing
