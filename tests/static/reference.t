#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The reference of the API builds without a warning, diagrams included.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages doxygen graphviz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# site DIR [INPUT]
site()
{
	{
		cat docs/Doxyfile
		echo "OUTPUT_DIRECTORY = $work/$1"
		echo "INPUT += ${2:-}"
	} | doxygen -
}

ownership()
{
	local state

	for state in untouched touched owned displaced; do
		grep -q "$state" "$work/good/html"/dot_inline_*.svg || echo "no state $state"
	done
}

# Each function of a switch has a sequence with its name.
sequences()
{
	local name

	for name in enter exit put reclaim pmi wrmsr vcpu_reprogram vcpu_filter_changed; do
		grep -q "mpmu_$name()" "$work/good/html"/msc_inline_*.svg || echo "no mpmu_$name()"
	done
}

undocumented()
{
	printf '/** @file */\nint mpmu_nothing(int *value);\n' >"$work/planted.h"
	! site bad "$work/planted.h" >"$work/log" 2>&1 || echo "a function without documentation passes"
}

try "the reference builds without a warning" site good
silent "it shows who owns the PMU" ownership
silent "it shows a sequence for each switch" sequences
silent "a warning is noticed" undocumented
done_testing
