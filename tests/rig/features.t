#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the PMU model makes of each kind of event, beyond exact counts.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

need_packages gcc libc6-dev
tree=$("$MPMU_TOP/tests/kernel/build" stock)
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$MACHINE_WORK/features" \
	"$MPMU_TOP/tests/rig/emulator/features.c"
machine_prepare "$tree" "$MACHINE_WORK/features"
for personality in intel-skx intel-icx intel-spr intel-gnr amd-zen4 amd-zen5; do
	machine_test "$personality" "$personality" --timeout 180
done
done_testing
