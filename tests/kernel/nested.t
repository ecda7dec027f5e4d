#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# On Intel, a guest that is a hypervisor itself, and its guest.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
programs=$("$MPMU_TOP/tests/kernel/nested")
mapfile -t programs <<<"$programs"
mapfile -t modules < <(kernel_modules "$tree")
parameters=enable_mediated_pmu=1,mediated_pmu_policy=full

machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-nested" "${programs[@]}" "${modules[@]}"
groups='table loads lists fails state changes cost controls host'
for personality in intel-spr intel-icx; do
	machine_test "$personality" "$personality" --append \
		"nested.kvm=$parameters nested.run=nested_vmx:${groups// /:}"
	machine_test "$personality, early check" "$personality" --append \
		"nested.kvm=$parameters,nested_early_check=1 nested.run=nested_vmx:loads:lists:fails:host"
done
done_testing
