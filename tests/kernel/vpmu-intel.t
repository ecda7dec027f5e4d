#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts on Intel with all but one of the host's counters.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
vpmu_personality 'intel-spr compat' intel-spr pmi
vpmu_test 'intel-spr, an NMI of the platform' intel-spr nmi vpmu.mediated=Y
vpmu_test 'intel-spr, without APICv' intel-spr tpr 'vpmu.mediated=Y vpmu.params=enable_apicv=0'
done_testing
