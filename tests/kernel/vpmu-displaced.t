#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest counts, and each of its entries displaces the host's events:
# kvm.mediated_pmu_share=N.  What events that are not plain do in any case, all do.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

vpmu_prepare
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	vpmu_test "$personality" "$personality" count:--host-event,put,cost,windows,host:--only:sampled "$vpmu_displaced"
	vpmu_test "$personality, 2 CPUs" "$personality" pmi:--scale:20,host "$vpmu_displaced" --cpus 2
done
done_testing
