#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What only a guest sees: with each mutation some check of these lists fails.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
common='lose-pmi=pmi:--only:exits_and_puts,sticky-status=pmi:--only:at_CPL_3,skid-64=pmi:--only:at_CPL_3,leak-counter=put,leak-counter=windows,leak-counter=dumps'
# Beside events that are displaced, whose windows are there to see.
# Under compat GLOBAL_CTRL is intercepted here, and nobody needs what VM-exit saves.
vpmu_test 'Intel' intel-spr '' "$vpmu_displaced vpmu.params=mediated_pmu_policy=direct vpmu.mutate=$common,vmresume-credit=count:--only:CPUID,no-global-save=count:--only:CPUID,status-set-ignored=put"
vpmu_test 'AMD' amd-zen4 '' "$vpmu_displaced vpmu.mutate=$common,vmresume-credit=count:--only:CPUID,status-set-ignored=put"
done_testing
