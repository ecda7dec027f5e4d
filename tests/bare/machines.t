#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# libmpmu in a hypervisor that shares nothing with Linux: backends/bare boots
# from multiboot on machines of both vendors and tests itself.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

image=$("$MPMU_TOP/tests/bare/build")

# personality	processors	tests
while read -r personality cpus tests; do
	machine_test "$personality, $cpus CPU" "$personality" --multiboot "$image" \
		--mem 64 --cpus "$cpus" --append "$tests"
done <<MACHINES
intel-v5-8-4	1	conform count
intel-v5-nosave	1	conform count
amd-v2		1	conform count
amd-v2		2	conform count
MACHINES
done_testing
