#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The emulator's PMU is right: Linux' driver, exact counts, registers, samples.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/model.sh"

model_prepare
model_repeat intel-v5-8-4 count,truth,sample
for personality in intel-v5-8-3 intel-v5-nosave intel-v3 intel-nofw; do
	model_test "$personality" "$personality" count,truth,sample
done
model_test 'intel-v5-8-4, 2 CPUs' intel-v5-8-4 cpus,truth --cpus 2
done_testing
