#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Who upgrades a host loses nothing: all of the kernel tree's own tests of KVM
# have the same results on the stock kernel and on the one with libmpmu, with
# the modules' default parameters.  Both lists are printed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

# Seconds of the machine that a program has.
limit=${MPMU_LIMIT:-10}

# run_all VARIANT PERSONALITY RESULTS: "NAME: STATUS, ..." of each program, printed
# and kept as VARIANT; RESULTS are the other kernel's.
run_all()
{
	local tree modules

	tree=$("$MPMU_TOP/tests/kernel/build" "$1")
	mapfile -t modules < <(kernel_modules "$tree")
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-same" "$programs"/* "$3:/results" \
		"${modules[@]}"
	machine_test "$2, $1" "$2" --cpus 2 --mem 2048 --timeout 3000 --append "mpmu.limit=$limit"
	sed -n 's/^# \([a-z0-9_]*: .*, kernel complaints: .*\)/\1/p' "$MACHINE_CONSOLE" >"$MACHINE_WORK/$1"
	try "$2, $1: all programs have a result" \
		test "$(wc -l <"$MACHINE_WORK/$1")" = "$(find "$programs" -type f | wc -l)"
}

# Of what came to no end on stock nothing is known: it must not fail here.
same_results()
{
	sed -n 's/^\([a-z0-9_]*\): takes more.*/\1/p' "$MACHINE_WORK/stock" >"$MACHINE_WORK/endless"
	diff <(grep -vwFf "$MACHINE_WORK/endless" "$MACHINE_WORK/stock") \
		<(grep -vwFf "$MACHINE_WORK/endless" "$MACHINE_WORK/mpmu-y")
	! grep -wFf "$MACHINE_WORK/endless" "$MACHINE_WORK/mpmu-y" |
		grep -v ': \(passes\|skips\|takes more than [0-9]* s\), kernel complaints: 0$'
}

programs=$("$MPMU_TOP/tests/kernel/kselftests")
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	: >"$MACHINE_WORK/none"
	run_all stock "$personality" "$MACHINE_WORK/none"
	run_all mpmu-y "$personality" "$MACHINE_WORK/stock"
	silent "$personality: the same results" same_results
done
done_testing
