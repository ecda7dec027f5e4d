#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What an exit costs beside the emulated vPMU and mainline's mediated one: each
# target of tests/bench/peer is met.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

status=0
table=$("$MPMU_TOP/tests/bench/peer") || status=$?
printf '%s\n' "$table" | sed 's/^/# /'
result "$status" "exits cost no more than the targets, on Intel and AMD"
done_testing
