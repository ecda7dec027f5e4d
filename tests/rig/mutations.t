#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The PMU model across VM entry and exit on the stock kernel, and the test of
# the tests: each mutation of the model makes a named check fail.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

both=vmresume-credit,lose-pmi,sticky-status,status-set-ignored,skid-64,leak-counter

tree=$("$MPMU_TOP/tests/kernel/build" stock)
programs=$("$MPMU_TOP/tests/l1/build")
probe=$("$MPMU_TOP/tests/l1/module" stock)
mapfile -t modules < <(kernel_modules "$tree")
machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-mutations" "$probe" "${modules[@]}" \
	"$programs"/{model,registers,hostvm,mutate}

# Only Intel has metrics and only AMD counters of the L3; AMD has no saving of
# GLOBAL_CTRL that could go missing.  Each mutation takes the whole list.
# proofs LABEL PERSONALITY MUTATIONS
proofs()
{
	machine_test "$1" "$2" --timeout 900 --append "mpmu.mutations=$3"
}

proofs intel-spr intel-spr "$both,no-global-save,leak-metrics"
proofs intel-icx intel-icx no-global-save,leak-metrics
proofs 'K3 amd-zen4' amd-zen4 "$both,rdpmc-l3"
for personality in intel-skx intel-gnr amd-zen5; do
	proofs "$personality" "$personality" ''
done
done_testing
