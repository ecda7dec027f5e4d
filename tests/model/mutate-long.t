#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every mutant of the core that the script knows to make: fewer than 3 % survive.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages perl gcc libc6-dev libcmocka-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A table of equivalences is rejected with this line in it.
rejects()
{
	printf '%s\n' "$1" >"$work/equivalent"
	! tests/model/mutate --equivalent "$work/equivalent" emulate.c:counting >"$work/log" 2>&1 || {
		echo "accepted: $1"
		return
	}
	grep -q '^no equivalence' "$work/log" || cat "$work/log"
}

survivors()
{
	! tests/model/mutate --tests unit/filter emulate.c:counting >"$work/log" 2>&1 ||
		echo "nothing was said where no test looks"
	grep -q '^survives: emulate.c' "$work/log" || cat "$work/log"
}

silent "a mutant that survives is noticed" survivors
silent "an equivalence of a killed mutant is noticed" rejects \
	"emulate.c	counting	return vcpu->counts_branches;	result to 0	it is none"
silent "an equivalence of a line that is gone is noticed" rejects \
	"emulate.c	counting	return 5;	result to 0	it is gone"
result $(($(tests/model/mutate --list | wc -l) < 800)) "there are at least 800 mutants"
status=0
output=$(tests/model/mutate -j2 2>/dev/null) || status=$?
result "$status" "fewer than 3 % of the mutants survive" "$output"
tail -n 2 <<<"$output" | sed 's/^/# /'
echo "# mutants that tests/model/mutants lacks: $(comm -23 <(tests/model/mutate --list | sort) \
	<(cut -f1 tests/model/mutants | sort) | wc -l)"
done_testing
