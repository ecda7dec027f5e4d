#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# PAPI's own tests of counts and overflows, as the distribution has them: in a Linux
# guest with a mediated PMU, with the distribution's kernel for clouds, each ends as it
# does on the machine itself.  Both lists are printed.
#   papi-long.t [PERSONALITY...]

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

L2_TIMEOUT=3600

# What counts exactly must pass, wherever it runs; of the others none may fail alone.
EXACT='papi_tot_ins papi_br_ins overflow overflow_single_event overflow_twoevents overflow_index'

# verdicts: "NAME STATUS VERDICT" of each test.
verdicts()
{
	sed -n 's/^papi \([a-z][^ |]* [0-9]\)/\1/p' <<<"$1"
}

same()
{
	diff <(verdicts "$native") <(verdicts "$lines") && [ -n "$(verdicts "$lines")" ]
}

# exact: those of $lines.
exact()
{
	local name failed=0

	for name in $EXACT; do
		verdicts "$lines" | grep -q "^$name 0 PASSED" || { echo "$name: $(verdicts "$lines" | grep "^$name ")"; failed=1; }
	done
	return "$failed"
}

ends()
{
	grep -qx 'papi end' <<<"$lines" && l2_quiet
}

# natively PERSONALITY: what the tests say there is $native.
natively()
{
	machine_test "$1, natively" "$1" --timeout 1800
	native=$(sed -n 's/^# //p' "$MACHINE_CONSOLE" | tr -d '\r')
	label="$1, natively" lines=$native
	judged "counts and overflows are right" 's/^(papi overflow 0 )PASSED.*/\1FAILED/' exact
}

in_guest()
{
	l2_boot "$1" 0 "mpmu.show mpmu.policy=direct mpmu.memory=768 mpmu.limit=7200" --mem 2048
	label="$1, in a guest"
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	judged "no complaint, and the guest ends" 's/^papi end$/complaint/' ends
	judged "counts and overflows are right" 's/^(papi overflow 0 )PASSED.*/\1FAILED/' exact
	judged "each test ends as it does natively" 's/^(papi zero 0 )PASSED.*/\1FAILED/' same
}

tree=${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}
people=$("$MPMU_TOP/tests/l2/packages" people)
papi=("$people/papi/usr:/usr" "$people/papi/lib64:/lib64" "$people/papi/tests:/tests")
machine_prepare "$("$MPMU_TOP/tests/kernel/build" stock)" "$MPMU_TOP/tests/l1/main-papi" "${papi[@]}"
l2_prepare "$tree" --run "$MPMU_TOP/tests/l2/guest-papi" --linux "$people/bzImage" --add "$MPMU_TOP/tests/l1/main-papi" \
	--add "${papi[0]}" --add "${papi[1]}" --add "${papi[2]}"
[ $# -gt 0 ] || set -- intel-spr amd-zen4
for machine; do
	natively "$machine"
	in_guest "$machine"
done
done_testing
