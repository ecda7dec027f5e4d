#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The emulator's PMU is right: Linux' driver, exact counts, registers, samples.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/model.sh"

model_prepare
model_repeat amd-zen4 count,truth,shared,sample
model_test 'K1 amd-zen5' amd-zen5 count,truth,shared,sample
for personality in amd-v2 amd-core6 amd-k7; do
	model_test "$personality" "$personality" count,truth,sample
done
model_test 'amd-zen4, 2 CPUs' amd-zen4 cpus,truth --cpus 2
done_testing
