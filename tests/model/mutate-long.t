#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every mutant of the core that the script knows to make: fewer than 3 % survive.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages perl gcc libc6-dev libcmocka-dev
status=0
output=$(tests/model/mutate -j2 2>/dev/null) || status=$?
result "$status" "fewer than 3 % of the mutants survive" "$output"
tail -n 2 <<<"$output" | sed 's/^/# /'
echo "# mutants that tests/model/mutants lacks: $(comm -23 <(tests/model/mutate --list | sort) \
	<(cut -f1 tests/model/mutants | sort) | wc -l)"
done_testing
