#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the patches promise a hypervisor, and everyone else (rows A of the
# requirements), with a module in the hypervisor's place.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/rows/rows.sh"

rows_prepare
for personality in intel-spr amd-zen4; do
	rows_test "$personality" \
		capability,exclusion,failures,displace,cgroup,times,vector,reclaim,nmi,watchdog 300
done
rows_test intel-v4-tfa capability 300
done_testing
