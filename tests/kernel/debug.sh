# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Kernels that check themselves have nothing to complain about, whether a test
# program calls what the patches offer, or VMs count.  Source it after machine.sh.

# name_ours TREE: patterns for reports that name a function of the core or the glue.
name_ours()
{
	find "$1/tree/arch/x86/kvm/mpmu/" -name '*.o' -exec nm --defined-only {} + |
		sed -nE 's|.* [tT] ([a-z_0-9]+).*| \1[.a-z0-9]*(\\+0x[0-9a-f/x]*)? \\[kvm|p' | sort -u
}

# debug_boot CHECKER PERSONALITY NAME APPEND INNER FILE...: INNER on the kernel of a checker,
# for DEBUG_TIMEOUT seconds.
debug_boot()
{
	local checker=$1 personality=$2 name=$3 append=$4 inner=$5 tree
	shift 5

	tree=$("$MPMU_TOP/tests/kernel/build" "mpmu-$checker")
	name_ours "$tree" >"$MACHINE_WORK/ours"
	machine_prepare "$tree" "$MPMU_TOP/tests/kernel/main-debug" "$inner:/tests/inner" \
		"$MACHINE_WORK/ours" "$@"
	machine_test "$personality, $name" "$personality" --cpus 2 --timeout "${DEBUG_TIMEOUT:-1800}" \
		--append "kasan_multi_shot mpmu.checks=$checker $append"
}

# debug_rows CHECKER PERSONALITY PARTS: parts of the rows program.
debug_rows()
{
	local rows
	rows=$("$MPMU_TOP/tests/kernel/rows/build" "mpmu-$1")

	debug_boot "$1" "$2" rows "mpmu.parts=$3" "$MPMU_TOP/tests/kernel/rows/main" \
		"$rows"/{rows,perfrow.ko}
}

# debug_vms CHECKER PERSONALITY NAME LISTS: lists of vpmu, in one boot.
debug_vms()
{
	local vpmu modules
	vpmu=$("$MPMU_TOP/tests/l1/vpmu/build")
	mapfile -t modules < <(kernel_modules "$("$MPMU_TOP/tests/kernel/build" "mpmu-$1")")

	debug_boot "$1" "$2" "$3" "vpmu.mediated=Y vpmu.run=$4" "$MPMU_TOP/tests/l1/main-vpmu" \
		"$vpmu" "${modules[@]}"
}
