#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The emulator's PMU is right: Linux' driver, exact counts, registers, samples.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/model.sh"

model_prepare
model_repeat intel-spr count,truth,topdown,sample
for personality in intel-skx intel-skx-tfa intel-icx intel-gnr; do
	model_test "K1 $personality" "$personality" count,truth,topdown,sample
done
for personality in intel-v5-8-4 intel-v5-8-3 intel-v5-nosave intel-v4-tsx intel-v3 intel-nofw; do
	model_test "$personality" "$personality" count,truth,sample
done
model_test 'intel-spr, 2 CPUs' intel-spr cpus,truth --cpus 2
done_testing
