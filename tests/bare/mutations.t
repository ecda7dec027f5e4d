#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The test of the tests in the mini-hypervisor: each mutation of the emulator
# makes a named check fail.  All of them concern switching: what a guest is
# credited with, what a save or a restore leaves or loses, which interrupt
# arrives where.  Where a vendor has nothing that a mutation could break, the
# machine passes, and the row says why.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image=$("$MPMU_TOP/tests/bare/build")

# boots PERSONALITY MUTATION TESTS
boots()
{
	"$MPMU_TOP/tests/rig/machine" --quiet --personality "$1" --multiboot "$image" --mem 128 \
		--timeout 120 --append "$3" --mutate "$2" --console "$work/console"
}

# notices PERSONALITY MUTATION TESTS PROMISE: the tests fail, to the end, and say what for.
notices()
{
	boots "$1" "$2" "$3"
	[ $? = 1 ] && grep "^not ok [0-9]* - $4\$" "$work/console"
}

# PERSONALITY MUTATION TESTS PROMISE, or "- REASON" for one without effect.
while read -r personality mutation tests promise; do
	case $promise in
	'- '*) try "$personality: $mutation is without effect: ${promise#- }" \
		boots "$personality" "$mutation" "$tests" ;;
	*) try "$personality: $mutation: $promise" \
		notices "$personality" "$mutation" "$tests" "$promise" ;;
	esac
done <<'MUTATIONS'
intel-v5-8-4	vmresume-credit	count	instructions: CPUID
intel-v5-8-4	lose-pmi	pmi	PMIs .*
intel-v5-8-4	sticky-status	conform	put: no value of the guest is left
intel-v5-8-4	status-set-ignored	pmi	PMIs as NMIs
intel-v5-8-4	no-global-save	conform	get_global_ctrl: what the guest wrote is saved at exit
intel-v5-8-4	skid-64	pmi	PMIs are in time
intel-v5-8-4	leak-counter	conform	exit: the guest's counters stand still
intel-v5-nosave	vmresume-credit	count	instructions: CPUID
intel-v5-nosave	no-global-save	conform	get_global_ctrl: what the guest wrote is saved at exit
intel-v5-nosave	leak-counter	conform	exit: the guest's counters stand still
amd-v2	vmresume-credit	count	instructions: CPUID
amd-v2	lose-pmi	pmi	PMIs .*
amd-v2	sticky-status	conform	put: no value of the guest is left
amd-v2	status-set-ignored	pmi	PMIs as NMIs
amd-v2	no-global-save	conform	- GLOBAL_CTRL stays in its register, and VMRUN saves none
amd-v2	skid-64	pmi	PMIs are in time
amd-v2	leak-counter	conform	exit: the guest's counters stand still
amd-zen4	rdpmc-l3	conform	RDPMC: a counter that the guest lacks is a fault
MUTATIONS
done_testing
