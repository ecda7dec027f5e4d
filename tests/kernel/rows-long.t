#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The part of rows A that takes seconds of the machine's time: a hard lockup.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/rows/rows.sh"

rows_prepare
for personality in intel-spr amd-zen4; do
	rows_test "$personality" lockup 600
done
done_testing
