# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Kernels that are broken in one place each, and the checks that find them.  A list has
# a line for each: NAME, FILE in arch/x86/kvm, what sed makes of it, and a check that
# must fail, with tabs between them.  Source it after machine.sh.

# pack_mutants MODULE LIST [VARIANT]: the array mutant_files has MODULE, of KVM, as
# /mutants/NAME.ko for each line.
pack_mutants()
{
	local list=$MACHINE_WORK/list built mutant

	cut -f 1-3 <<<"$2" >"$list"
	built=$("$MPMU_TOP/tests/kernel/mutants" "$1" "$list" "${3:-mpmu-y}")
	mutant_files=()
	for mutant in "$built"/*.ko; do
		mutant_files+=("$mutant:/mutants/${mutant##*/}")
	done
}

# judge_mutants NAME LIST: did the machine, which printed "# MUTANT -> CHECK" for each
# check that failed, find each of them?
judge_mutants()
{
	local mutant check

	while IFS=$'\t' read -r mutant _ _ check; do
		[ -z "$mutant" ] ||
			try "$1: $mutant fails: $check" grep -q "^# $mutant -> $check" "$MACHINE_CONSOLE"
	done <<<"$2"
}
