#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The test of the tests in the mini-hypervisor: each mutation of the emulator
# that concerns switching makes a named check fail.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image=$("$MPMU_TOP/tests/bare/build")

# notices PERSONALITY MUTATION TESTS PROMISE: the machine fails, and says what for.
notices()
{
	! "$MPMU_TOP/tests/rig/machine" --quiet --personality "$1" --multiboot "$image" --mem 128 \
		--timeout 120 --append "$3" --mutate "$2" \
		--console "$work/console" && grep "^not ok [0-9]* - $4" "$work/console"
}

while read -r personality mutation tests promise; do
	try "$personality: $mutation: $promise" notices "$personality" "$mutation" "$tests" "$promise"
done <<'MUTATIONS'
intel-v5-nosave	vmresume-credit	count	instructions: CPUID
intel-v5-nosave	lose-pmi	pmi	PMIs as a vector
intel-v5-nosave	sticky-status	conform	put: no value of the guest is left
intel-v5-nosave	status-set-ignored	pmi	PMIs as NMIs
intel-v5-nosave	no-global-save	conform	get_global_ctrl: what the guest wrote is saved at exit
intel-v5-nosave	leak-counter	conform	exit: the guest's counters stand still
amd-v2	vmresume-credit	conform	exit: the guest's counters stand still
MUTATIONS
done_testing
