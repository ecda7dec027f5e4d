#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the PMU model makes of each kind of event, beyond exact counts.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

need_packages gcc libc6-dev
kernel=$("$MPMU_TOP/tests/kernel/build" stock)/arch/x86/boot/bzImage
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$MACHINE_WORK/features" \
	"$MPMU_TOP/tests/rig/emulator/features.c"
"$MPMU_TOP/tests/rig/initramfs" "$MACHINE_WORK/features.cpio" "$MACHINE_WORK/features:/main"
for personality in intel-v5-8-4 amd-v2; do
	machine_test "$personality" "$personality" "$kernel" \
		"$MACHINE_WORK/features.cpio" --timeout 180
done
done_testing
