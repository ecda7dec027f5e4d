#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The test of nested.t and nested-amd.t: each operand of a merge left out, each load
# of GLOBAL_CTRL where there must be none, and each place that does not tell of a
# mode, fails a check that names it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/kernel/mutants.sh"

# mutant	file	what sed makes of it	a check that must fail
intel='
l1-bitmap-ignored	mpmu/vmx.c	s/ | ~vmx->mpmu.passed_[a-z]*\[i\]//	I table: everything direct in L1, L1 intercepts all
l0-bitmap-ignored	mpmu/vmx.c	s/= vmcs01\[[a-z]*\] |/=/	I table: narrow counters, L1 intercepts nothing
reads-for-writes	mpmu/vmx.c	s/passed_reads\[i\] = /passed_x[i] = /; s/passed_writes\[i\] = /passed_reads[i] = /; s/passed_x/passed_writes/	I table: everything direct in L1, L1 intercepts reads
writes-as-reads	mpmu/vmx.c	s/\(vmcs02\[writes\] = .*\)passed_writes/\1passed_reads/	I table: everything direct in L1, L1 intercepts writes
not-merged-in-l2	mpmu/vmx.c	/vmx_set_intercept_for_msr/,/return/s/!is_guest_mode(vcpu)/true/	I changes: a new filter holds in L2
l1-rdpmc-ignored	mpmu/vmx.c	s/\(nested_rdpmc_intercepted(vcpu, \)l1/\1false/	I changes: L1 intercepts RDPMC
l0-rdpmc-ignored	mpmu/vmx.c	s/kvm_mpmu_nested_rdpmc_intercepted(vcpu, l1)/l1/	I changes: idle for long in L2
l1-rdpmc-left-out	vmx/nested.c	s/exec_control |= vmcs12->cpu_based_vm_exec_control;/exec_control |= vmcs12->cpu_based_vm_exec_control \& ~CPU_BASED_RDPMC_EXITING;/	I table: everything direct in L1, L1 intercepts reads
l0-rdpmc-left-out	vmx/nested.c	s/exec_control = __exec_controls_get(vmcs01);/exec_control = __exec_controls_get(vmcs01) \& ~CPU_BASED_RDPMC_EXITING;/	I table: three fixed counters, L1 intercepts nothing
vmcs01-rdpmc-stale	mpmu/vmx.c	/^void vmx_mpmu_enter_vmcs/,/^}/{/vmx->loaded_vmcs/d; /set_rdpmc_intercept/d}	I changes: then it is direct in L1
global-ctrl-stays	mpmu/vmx.c	/^void vmx_mpmu_enter_vmcs/,/^}/s/vmx_mpmu_set_global_ctrl(vcpu, global_ctrl);/;/	I loads: entry clear, exit clear: GLOBAL_CTRL in L2
load-counted	vmx/nested.c	s/kvm_mpmu_set_loading(vcpu, true);/;/	I loads: entry set, exit clear: PMC0 is exact
refused-has-loaded	vmx/nested.c	s/kvm_mpmu_restore_global_ctrl(vcpu);/;/	I fails: refused by hardware: GLOBAL_CTRL
restore-loads	vmx/nested.c	s/(from_vmentry || !kvm_vcpu_has_mediated_pmu(vcpu))/true/	I state: moved, with loads: L2 goes on
smm-loads	vmx/nested.c	s/^\(\t*\)if (vm_exit_reason == -1)$/\1if (false)/	I state: in place, with loads: after SMM L2 goes on
controls-shown	mpmu/vmx.c	s/!kvm_pmu_has_perf_global_ctrl(vcpu_to_pmu(vcpu))/false/	I controls: version 1: hidden
'
# The same, with nested_early_check=1.  VM-exit of an L1 that counts loads the host's bits.
early='
early-check-loads	mpmu/vmx.c	s/if (!(vm_entry_controls_get(vmx) & LOAD_ENTRY))/if (true)/	I host: an L1 that does not count
'

amd='
l1-map-ignored	mpmu/svm.c	s/msrpm\[offset\] | nested->mpmu_l1_msrpm\[i\]/msrpm[offset]/	I merge: all counters, L1 intercepts reads, the filter nothing
l0-map-ignored	mpmu/svm.c	s/msrpm\[offset\] | nested->mpmu_l1_msrpm\[i\]/nested->mpmu_l1_msrpm[i]/	I merge: all counters, L1 intercepts nothing, the filter nothing
l1-map-swapped	mpmu/svm.c	s/| nested->mpmu_l1_msrpm\[i\]/| (nested->mpmu_l1_msrpm[i] \& 0x55555555) << 1 | (nested->mpmu_l1_msrpm[i] >> 1 \& 0x55555555)/	I merge: all counters, L1 intercepts writes, the filter nothing
l0-access-swapped	mpmu/svm.c	s/bit + 1,$/bit,/	I merge: all counters, L1 intercepts nothing, the filter writes
not-merged-again	mpmu/svm.c	s/if (svm->nested.initialized)/if (false)/	I live: L1 intercepts nothing: the first read opens
l1-rdpmc-ignored	svm/nested.c	/If SMI is not intercepted/i if (!vmcb_is_intercept(h, INTERCEPT_RDPMC)) vmcb_clr_intercept(c, INTERCEPT_RDPMC);	I RDPMC: all counters, L1 intercepts it
l0-rdpmc-ignored	svm/nested.c	/If SMI is not intercepted/i if (!vmcb12_is_intercept(g, INTERCEPT_RDPMC)) vmcb_clr_intercept(c, INTERCEPT_RDPMC);	I RDPMC: 4 counters, L1 does not
vmrun-unseen	svm/nested.c	/^\tenter_guest_mode(vcpu);/{n;d}	D9 instructions, L2: Guest-Only has L2.s, Host-Only L1.s
vmexit-unseen	svm/nested.c	/^\tleave_guest_mode(vcpu);/{n;d}	D9 instructions, a longer L2: Guest-Only has L2.s, Host-Only L1.s
leaving-unseen	svm/nested.c	/^\t\tleave_guest_mode(vcpu);/{n;d}	D9 L2 that user space ended goes on as L1
svme-unseen	svm/svm.c	/kvm_mpmu_mode_changed(vcpu);/d	D9 instructions, SVME off again: those with no bit
'

# run_mutants PERSONALITY PROGRAM[:GROUP]... PARAMETER LIST
run_mutants()
{
	local personality=$1 run=$2
	local parameters=enable_mediated_pmu=1,mediated_pmu_policy=full$3

	pack_mutants "kvm-${personality%%-*}" "$4"
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-nested-mutants" \
		"$(grep "/${run%%:*}\$" <<<"$programs")" "${modules[@]}" "${mutant_files[@]}"
	machine_test "$personality$3" "$personality" --timeout 2400 --append \
		"nested.run=$run nested.kvm=$parameters"
	judge_mutants "$personality$3" "$4"
}

tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
programs=$("$MPMU_TOP/tests/kernel/nested")
mapfile -t modules < <(kernel_modules "$tree")
run_mutants intel-v5-8-4 nested_vmx:table:loads:fails:state:changes:controls '' "$intel"
run_mutants intel-v5-8-4 nested_vmx:host ,nested_early_check=1 "$early"
run_mutants amd-v2 nested_svm '' "$amd"
done_testing
