#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The distribution's perf on the stock kernel: `--topdown` and `-M TopdownL1` say
# what the truth says, and `perf stat -d` has no event that the machine lacks.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" stock)
programs=$("$MPMU_TOP/tests/l1/build")
packages=$("$MPMU_TOP/tests/l2/packages")
machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-perf" "$programs/slots" \
	"$packages/perf/usr:/usr" "$packages/perf/lib64:/lib64"
for personality in intel-icx intel-spr; do
	machine_test "$personality" "$personality" --timeout 180 \
		--append 'mpmu.ways=--topdown,-M:TopdownL1,-e:slots'
done
# This perf has no metrics of Granite Rapids, only the events.
machine_test intel-gnr intel-gnr --timeout 180 --append 'mpmu.ways=-e:slots'
for personality in intel-skx amd-zen4 amd-zen5; do
	machine_test "$personality" "$personality" --timeout 180
done
done_testing
