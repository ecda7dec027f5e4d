#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest on a host whose counter 3 depends on TSX_FORCE_ABORT: it has the three
# counters below.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

# The lists that look at their number expect three.
vpmu_lists=$(printf '%s' "$vpmu_lists" | sed 's/smoke\|access/&:--gp:3/g')
vpmu_prepare
vpmu_personality intel-v4-tfa intel-v4-tfa pmi:--scale:10
vpmu_test 'intel-v4-tfa, disturbed' intel-v4-tfa host,live,wait vpmu.mediated=Y --cpus 2
done_testing
