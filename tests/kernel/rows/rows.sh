# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What the tests of rows A share. Source it after machine.sh.

rows_prepare()
{
	local tree programs

	tree=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
	programs=$("$MPMU_TOP/tests/kernel/rows/build")
	machine_prepare "$tree" "$MPMU_TOP/tests/kernel/rows/main" "$programs"/{rows,perfrow.ko}
}

# rows_test PERSONALITY PARTS TIMEOUT
rows_test()
{
	machine_test "$1" "$1" --cpus 2 --timeout "$3" --append "mpmu.parts=$2"
}
