#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts while user space changes its filter, the scheduler its CPU, and
# a migration its VM.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-v5-8-3 intel-icx intel-spr amd-zen4}; do
	vpmu_test "$personality" "$personality" live,wait,park 'vpmu.mediated=Y' --cpus 2
done
done_testing
