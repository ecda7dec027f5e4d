#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each fuzzer for FUZZ_SECONDS.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

seconds=${FUZZ_SECONDS:-600}
for target in registers filter snapshot caps; do
	status=0
	output=$("$MPMU_TOP/tests/fuzz/run" "$seconds" "$target" 2>&1) || status=$?
	result "$status" "fuzz $target for $seconds s" "$output"
	tail -n 1 <<<"$output" | sed 's/^/# /'
done
done_testing
