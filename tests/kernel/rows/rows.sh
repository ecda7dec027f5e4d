# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What the tests of rows A share. Source it after machine.sh.

rows_prepare()
{
	local tree programs

	tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
	programs=$("$MPMU_TOP/tests/kernel/rows/build")
	rows_kernel=$tree/arch/x86/boot/bzImage
	rows_initrd=$MACHINE_WORK/rows.cpio
	"$MPMU_TOP/tests/rig/initramfs" "$rows_initrd" \
		"$MPMU_TOP/tests/kernel/rows/main:/main" \
		"$programs/rows" "$programs/perfrow.ko"
}

# rows_test PERSONALITY PARTS TIMEOUT
rows_test()
{
	machine_test "$1" "$1" "$rows_kernel" "$rows_initrd" \
		--cpus 2 --timeout "$3" --append "mpmu.parts=$2"
}
