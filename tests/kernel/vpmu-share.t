#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts beside events of the host that count on: kvm.mediated_pmu_share.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
share='vpmu.mediated=Y vpmu.kvm=mediated_pmu_share=1'
vpmu_test intel-spr intel-spr count:--host-event,put,cost,windows,host:--only:sampled "$share"
vpmu_test 'intel-icx, 2 CPUs' intel-icx live "$share" --cpus 2
done_testing
