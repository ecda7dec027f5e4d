#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest on a host whose counter 3 depends on TSX_FORCE_ABORT: it has the three
# counters below.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
vpmu_test intel-v4-tfa intel-v4-tfa smoke:--gp:3,count vpmu.mediated=Y
done_testing
