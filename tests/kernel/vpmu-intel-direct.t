#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts under policy direct on a host with a fourth fixed counter: it is
# exact though it reaches GLOBAL_CTRL, the status and RDPMC by itself.  An exit costs no
# access to the PMU, but where KVM counts the instruction.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_lists='count,count:--host-event,put,exits'
vpmu_prepare
vpmu_personality 'intel-spr direct' intel-spr pmi:--scale:10 'vpmu.params=mediated_pmu_policy=direct'
vpmu_test 'intel-icx direct' intel-icx exits 'vpmu.mediated=Y vpmu.params=mediated_pmu_policy=direct'
done_testing
