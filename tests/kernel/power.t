#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts while its CPU goes offline and comes back.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-v5-8-4 intel-v5-nosave amd-v2}; do
	vpmu_test "$personality" "$personality" power 'vpmu.mediated=Y' --cpus 2
done
done_testing
