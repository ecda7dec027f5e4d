#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts on AMD.  Under policy direct an exit costs no access to the PMU, but
# where KVM counts the instruction.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
vpmu_personality amd-zen4 amd-zen4 pmi,host
vpmu_test 'amd-zen4, two counters of an event' amd-zen4 pair vpmu.mediated=Y
vpmu_test 'amd-zen4 direct' amd-zen4 exits 'vpmu.mediated=Y vpmu.params=mediated_pmu_policy=direct'
done_testing
