#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The test of the list `park` in live.t: each call that takes the values of a vCPU
# out of the registers, left out, fails a check.  perf's own, before a task may use
# RDPMC, is one of rows.t.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/mutants.sh"

# mutant	file	what sed makes of it	a check that must fail; the last one ends no VM well
mutants_of_kvm='
a-load	mpmu/vcpu.c	/^void __kvm_mpmu_load/,/^}/s/vcpu_take_out(vcpu);/;/	E9 park: an ioctl on another CPU reads what is in hardware
b-foreign	mpmu/vcpu.c	/^void __kvm_mpmu_make_room/,/^}/s/mpmu_evict(.*/;/	E9 park: a guest without a PMU runs beside nobody.s values
c-rdpmc	mpmu/vcpu.c	s/ \&\& !(cr4_read_shadow() \& X86_CR4_PCE)//	E9 park: nor later
d-end	mpmu/vcpu.c	/^void __kvm_mpmu_vcpu_destroy/,/^}/s/vcpu_take_out(vcpu);/;/	E9 park: nothing is left of a VM that ended
'

run_mutants()
{
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-mutants" "$program" \
		"${modules[@]}" "${mutant_files[@]}"
	machine_test "$1" "$1" --timeout 600 --cpus 2 --append mutants.run=park
	judge_mutants "$1" "$mutants_of_kvm"
}

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
program=$("$MPMU_TOP/tests/l1/vpmu/build")
mapfile -t modules < <(kernel_modules "$tree")
pack_mutants kvm "$mutants_of_kvm"
run_mutants intel-spr
run_mutants amd-zen4
done_testing
