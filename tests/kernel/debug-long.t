#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A kernel with lockdep, kmemleak, UBSAN, checks of sleeping, preemption and lists,
# and of the PMU at each entry and exit of a guest, has nothing to complain about,
# whether a test program calls what the patches offer, or VMs count.  The check of the
# PMU finds a core and a PMU that are broken on purpose.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/mutants.sh"
. "$MPMU_TOP/tests/kernel/debug.sh"

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-debug)
vpmu=$("$MPMU_TOP/tests/l1/vpmu/build")
mapfile -t modules < <(kernel_modules "$tree")
personalities=${MPMU_PERSONALITIES:-intel-v5-8-4 amd-v2}

for personality in $personalities; do
	debug_rows debug "$personality" exclusion,failures,displace,cgroup,vector,reclaim,nmi,lockdep
	debug_vms debug "$personality" VMs smoke,state,count:--scale:10,pmi:--scale:20,live:--scale:10,power:--scale:2,trace:--only:reclaims
done
# Beside counters of both, with what is served on the fast path.  Lists that count each
# access and instruction of KVM's would see those of the check itself.
for personality in ${MPMU_PERSONALITIES:-intel-spr amd-zen4}; do
	debug_vms debug "$personality" 'VMs beside host events' \
		count:--host-event:--scale:10,access,put,windows:--swap:12000,pmi:--scale:20,dumps:--scale:10
	debug_vms debug "$personality" 'events of the host' host
done

# mutant	file	what sed makes of it
mutants='
scrub	mpmu/libmpmu/switch.c	/switch_scrub_controls(.*cpu,.*vcpu)$/,/^}/s/mpmu_call(vcpu, wrmsr, desc->eventsel.*/;/
load	mpmu/libmpmu/switch.c	/switch_load_controls(/,/^}/s/gp_stride, hw)/gp_stride, hw ^ 1)/
'

# found WHAT MUTANT PATTERN: it warns once, and says what.
found()
{
	try "$personality, $1: one register is named" \
		test "$(grep -c "^# $2 found: $3, MSR 0x[0-9a-f]*, holds 0x[0-9a-f]*, not 0x" "$MACHINE_CONSOLE")" = 1
}

pack_mutants kvm "$mutants" mpmu-debug
intact=$tree/arch/x86/kvm/kvm.ko:/mutants/intact.ko
machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-mutants" "$vpmu" "${modules[@]}" \
	"${mutant_files[@]}" "$intact"
faults=count:--only:nested_page_faults
for personality in $personalities; do
	machine_test "$personality, mutants" "$personality" --timeout 600 \
		--append "kmemleak=off mutants.run=$faults"
	found 'a selector is not scrubbed' scrub selector
	found 'a selector is not loaded' load selector
	try "$personality, intact: nothing is found" \
		test "$(grep -c '^# intact \(found\|ran\)' "$MACHINE_CONSOLE")" = 1
done
machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-mutants" "$vpmu" "${modules[@]}" "$intact"
for personality in $personalities; do
	machine_test "$personality, a PMU that counts the host" "$personality" --timeout 600 \
		--append "kmemleak=off mutants.run=$faults:--mutate:leak-counter"
	found 'a counter of the guest runs on' intact '\(GLOBAL_CTRL\|counter\)'
done
done_testing
