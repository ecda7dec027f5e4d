#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest of a guest has every PMU register and RDPMC intercepted, while its
# hypervisor, which intercepts none of them, has them direct.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
programs=$("$MPMU_TOP/tests/kernel/nested")
mapfile -t programs <<<"$programs"
mapfile -t modules < <(kernel_modules "$tree")
machine_prepare "$tree" "$MPMU_TOP/tests/guest/main-kselftests" "${programs[@]}" "${modules[@]}"

for personality in intel-v5-8-4 intel-v5-nosave amd-v2; do
	machine_test "$personality" "$personality" \
		--append 'mpmu.tests=nested mpmu.kvm=enable_mediated_pmu=1,mediated_pmu_policy=full'
	try "I $personality: the test runs" grep -qx '# nested: exit 0' "$MACHINE_CONSOLE"
done
done_testing
