#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The main job, as the README promises it: status 0, a row per vendor and count,
# and guest and truth agree.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

output=$(./run 2>&1) && status=0 || status=$?
printf '%s\n' "$output" | sed 's/^/# /'
result "$status" "./run ends with status 0"
for vendor in intel amd; do
	try "a row for each count and access, $vendor" test "$(grep -c "^$vendor " <<<"$output")" = 11
done
try "the machines are named" grep -qx "intel: intel-.*, policy direct, NMI watchdog on" <<<"$output"
try "guest and truth agree" grep -qx "guest and truth agree" <<<"$output"
done_testing
