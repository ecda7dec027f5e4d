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
	programs=$("$MPMU_TOP/tests/l1/build")
	make -s -C "$MPMU_TOP" BUILD="$MACHINE_WORK/build" vpmu-check
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-vpmu-check" "$programs/mutate" \
		"$MACHINE_WORK/build/vpmu-check" "${modules[@]}" "$@"
}

# check_test LABEL PERSONALITY APPEND [OPTION...]
check_test()
{
	local label=$1 personality=$2 append=$3
	shift 3

	machine_test "$label" "$personality" --timeout 600 --append "$append" "$@"
}

# check_ended LINE: the console has it, or shows its end
check_ended()
{
	grep -q "^$1" "$MACHINE_WORK/console" || { tail -n 20 "$MACHINE_WORK/console"; return 1; }
}

# check_guest PERSONALITY KIND IMAGE KERNEL: in the guest of a machine
check_guest()
{
	local personality=$1 kind=$2 console=$MACHINE_WORK/console lines=$MACHINE_WORK/lines
	local said="mpmu-run: [a-z]* $kind" status=0

	: >"$console"
	"$MPMU_TOP/tests/rig/machine" --quiet --personality "$personality" --kernel "$4/arch/x86/boot/bzImage" \
		--initrd "$3" --append "mpmu.kinds=$kind" --mem 1024 --timeout 900 --console "$console" \
		>"$MACHINE_WORK/errors" 2>&1 || status=$?
	sed -n "s/^$said check //p" "$console" >"$lines"
	sed "s/^/# $personality $kind: /" "$lines"
	result "$status" "$personality, $kind: the machine passes" "$(cat "$MACHINE_WORK/errors")"
	try "$personality, $kind: the guest ran all checks" check_ended "$said end"
	silent "$personality, $kind: nothing is wrong" sed -n '/^WRONG/p' "$lines"
	silent "$personality, $kind: the guest's kernel does not complain" sed -n "s/^$said complaint //p" "$console"
	try "$personality, $kind: its counters count, or there is no PMU" \
		grep -q -e '^ok *counts:' -e 'PMU version 0' "$lines"
}
