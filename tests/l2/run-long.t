#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The main job with other loops, and on PMUs that are broken on purpose: then it
# must fail, and say what disagrees.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

MUTATIONS="vmresume-credit lose-pmi sticky-status status-set-ignored no-global-save skid-64 leak-counter"

# A length of three to seven digits from a seed, so that each run differs.
seed=${MPMU_SEED:-$(date +%s)}
echo "# MPMU_SEED=$seed"
for digits in 10000 100000 1000000; do
	loops=$((digits + seed % (9 * digits / 10)))
	try "./run --loops $loops" ./run --loops "$loops"
done
for mutation in $MUTATIONS; do
	output=$(./run --mutate "$mutation" 2>&1) && status=0 || status=$?
	printf '%s\n' "$output" | grep '^FAIL: ' | sed "s/^/# $mutation -> /"
	try "./run --mutate $mutation fails, for a reason" \
		test "$status$(grep -qx 'guest and truth disagree: .*' <<<"$output" && echo said)" = 1said
done
done_testing
