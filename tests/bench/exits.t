#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A CPUID exit touches no PMU register, but to add the CPUID to counters of
# instructions: one read and one write each.  Nor does an exit to user space, or HLT.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

status=0
table=$("$MPMU_TOP/tests/bench/exits") || status=$?
printf '%s\n' "$table" | sed 's/^/# /'
result "$status" "exits touch no PMU register but counters of instructions, on Intel and AMD"
done_testing
