#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the patches promise a hypervisor, and everyone else (rows A of the
# requirements), with a module in the hypervisor's place.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
programs=$("$MPMU_TOP/tests/kernel/rows/build")
initrd=$MACHINE_WORK/rows.cpio
"$MPMU_TOP/tests/rig/initramfs" "$initrd" "$MPMU_TOP/tests/kernel/rows/main:/main" \
	"$programs/rows" "$programs/perfrow.ko"

for personality in intel-v5-8-4 amd-v2; do
	machine_test "$personality" "$personality" "$tree/arch/x86/boot/bzImage" "$initrd" \
		--cpus 2 --timeout 300
done
done_testing
