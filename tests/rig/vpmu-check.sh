# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# vpmu-check in an emulated machine.  Source it after machine.sh.

# check_prepare VARIANT [FILE...]: a kernel of tests/kernel/build, and what else there is
check_prepare()
{
	local tree programs modules
	tree=$("$MPMU_TOP/tests/kernel/build" "$1")
	shift

	mapfile -t modules < <(kernel_modules "$tree")
	programs=$("$MPMU_TOP/tests/guest/build")
	make -s -C "$MPMU_TOP" BUILD="$MACHINE_WORK/build" vpmu-check
	machine_prepare "$tree" "$MPMU_TOP/tests/guest/main-vpmu-check" "$programs/mutate" \
		"$MACHINE_WORK/build/vpmu-check" "${modules[@]}" "$@"
}

# check_test LABEL PERSONALITY APPEND [OPTION...]
check_test()
{
	local label=$1 personality=$2 append=$3
	shift 3

	machine_test "$label" "$personality" --timeout 600 --append "$append" "$@"
}
