#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Hosts that cannot lend their PMU say so, and emulate one as before; so do hosts
# that nobody asked to lend it, without a word.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

refuse()
{
	vpmu_test "K4 $1" "$1" smoke,misuse,count:--only:a_loop vpmu.mediated=N
}

# lacks WORDS: so says the kernel of the last machine.
lacks()
{
	grep -q "mediated PMU: not available, this host lacks: .*$1" "$MACHINE_CONSOLE"
}

vpmu_prepare
vpmu_test 'no local APIC' intel-v5-8-4 '' 'vpmu.mediated=N nolapic'
refuse intel-v3
try "B2 intel-v3: the log says what is missing" lacks 'PMU version 4'
refuse intel-nofw
try "B2 intel-nofw: the log says what is missing" lacks 'full-width'
vpmu_test intel-hybrid intel-hybrid smoke vpmu.mediated=N
try "B8 intel-hybrid: the log says what is missing" lacks 'hybrid'
refuse amd-core6
try "B3 amd-core6: the log says what is missing" lacks PerfMonV2
refuse amd-k7
try "B3 amd-k7: the log says what is missing" lacks PerfMonV2
vpmu_test 'default, Intel' intel-v5-8-4 smoke 'vpmu.mediated=N vpmu.off'
vpmu_test 'default, AMD' amd-v2 smoke 'vpmu.mediated=N vpmu.off'
vpmu_test 'switched off' intel-v5-8-4 smoke 'vpmu.mediated=N vpmu.params=enable_mediated_pmu=0 vpmu.off'
done_testing
