#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a guest's PMU costs, as the kernel's kvm_stat and the distribution's perf
# show it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/vpmu.sh"

kvm_stat=$("$MPMU_TOP/tests/kernel/source")/tools/kvm/kvm_stat/kvm_stat
python=$("$MPMU_TOP/tests/kernel/python" "$kvm_stat")
perf=$("$MPMU_TOP/tests/l2/packages")/perf

# Where events of the host are displaced all that is counted happens.
vpmu_files=("$python/usr:/usr" "$python/lib64:/lib64" "$kvm_stat")
vpmu_prepare
for personality in intel-spr amd-zen4; do
	vpmu_test "$personality" "$personality" tools:--only:kvmstat "$vpmu_displaced"
done
vpmu_files=("$perf/usr:/usr" "$perf/lib64:/lib64")
vpmu_prepare
for personality in intel-spr amd-zen4; do
	vpmu_test "$personality" "$personality" tools:--only:record,tools:--only:trace "$vpmu_displaced"
done
done_testing
