#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest hypervisor on AMD: its guest reaches directly what neither level
# intercepts, Host-Only and Guest-Only count what they say, exits cost nothing.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
programs=$("$MPMU_TOP/tests/kernel/nested")
mapfile -t modules < <(kernel_modules "$tree")
machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-nested" \
	"$(grep '/nested_svm$' <<<"$programs")" "${modules[@]}"
# Zen has L3 counters, for which RDPMC is intercepted; on amd-v2 it is direct in L2.
for personality in amd-zen4 amd-v2; do
	machine_test "$personality" "$personality" --append \
		'nested.run=nested_svm nested.kvm=enable_mediated_pmu=Y,mediated_pmu_policy=full'
done
done_testing
