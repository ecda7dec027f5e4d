#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check in a guest with the emulated vPMU of the stock kernel, and in one with the
# mediated PMU, on a machine of each vendor: nothing is wrong.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/vpmu-check.sh"

make -s -C "$MPMU_TOP" BUILD="$MACHINE_WORK/build" vpmu-check
for kind in emulated:stock mediated:mpmu-y; do
	kernel=$("$MPMU_TOP/tests/kernel/build" "${kind#*:}")
	"$MPMU_TOP/tests/l2/image" "$kernel" "$MACHINE_WORK/${kind%:*}" --guest \
		"$MPMU_TOP/tests/l2/checked" "$MACHINE_WORK/build/vpmu-check"
	for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
		check_guest "$personality" "${kind%:*}" "$MACHINE_WORK/${kind%:*}" "$kernel"
	done
done
done_testing
