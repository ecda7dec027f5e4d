#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How ./run judges what two machines said, in a tree whose machines are files.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/commands/tree.sh"

# A loop of 9 instructions and 2 branches.
plant()
{
	program run <"$MPMU_TOP/run"
	mkdir -p "$tree/tests" "$work/cache/kernel/mpmu-y"
	cp -R "$MPMU_TOP/tests/lib" "$tree/tests/"
	echo CONFIG_MPMU=y >"$work/cache/kernel/mpmu-y/.config"
	program tests/l2/packages <<<'#!/bin/sh'
	program tests/kernel/build <<-END
	#!/bin/sh
	echo "$work/cache/kernel/mpmu-y"
	END
	program tests/l2/image <<-'END'
	#!/bin/sh
	printf '  40100%d:\t%s\n' 0 jmp 1 nop 2 nop 3 nop 4 nop 5 nop 6 nop 7 nop 8 jne >"$2.loop"
	END
	program tests/rig/machine <<-END
	#!/bin/sh
	while [ "\$1" != --console ]; do shift; done
	cp "$work/\${2##*/}" "\$2"
	END
}

# console VENDOR: what it prints if all is as it should be.
console()
{
	local kind n access

	echo "# mediated: enable_mediated_pmu reads Y"
	echo "mpmu-run: $1 mediated policy direct"
	echo "mpmu-run: $1 mediated watchdog 1"
	for kind in mediated emulated; do
		for n in 1000 2000; do
			printf "mpmu-run: $1 $kind user $n %d %d %d 1 %016x %016x %016x 0 %016x\n" \
				$((9 * n + 99)) $((9 * n + 99)) $((2 * n + 9)) $((9 * n)) $((9 * n)) $((2 * n)) 70
			printf "mpmu-run: $1 $kind exits $n %d 1 %016x 0 0 0 %016x\n" \
				$((9 * n + 99 + n / 1000)) $((9 * n)) "$n"
			printf "mpmu-run: $1 $kind kernel $n 1 0 0 0 0 %016x 0 %016x %016x\n" \
				70 $((70 * n)) $((70 * n))
		done
		echo "mpmu-run: $1 $kind sample 2000 20 0 1 0 0 0 0 0000000000000fff"
		for access in RDPMC counter GLOBAL_CTRL selector; do
			echo "mpmu-run: $1 $kind access $access 3 4000"
		done
		echo "mpmu-run: $1 $kind perfmon_v2 1"
	done
	echo "mpmu-run: $1 mediated end"
}

# judged STATUS LINE [VENDOR EDIT]: with the EDIT (of sed) ./run ends so.
judged()
{
	local vendor status=0

	for vendor in intel amd; do
		console "$vendor" >"$work/$vendor.console"
	done
	[ $# = 2 ] || sed -i "$4" "$work/$3.console"
	MPMU_CACHE=$work/cache MPMU_EMULATOR=none "$tree/run" --loops 1000 >"$work/out" 2>&1 || status=$?
	[ "$status" != "$1" ] || ! grep -qxF "$2" "$work/out" || return 0
	echo "status $status:"
	cat "$work/out"
	return 1
}

plant
try "equal counts agree" judged 0 "guest and truth agree"
try "one count too many does not" judged 1 "FAIL: intel: the guest counted 2001 branches:u, the truth is 2000" \
	intel 's/ 4009 / 4010 /'
try "nor one of the kernel" judged 1 "FAIL: amd: the guest counted 140001 instructions:k, the truth is 140000" \
	amd "s/ $(printf %016x 140000) / $(printf %016x 140001) /"
try "nor what was not counted at all" judged 1 "FAIL: intel: the guest counted - instructions:k, the truth is -" \
	intel '/mediated kernel/d'
try "nor does a sample too few" judged 1 "FAIL: amd: 19 samples of instructions:u, the truth is 20" \
	amd 's/sample 2000 20/sample 2000 19/'
try "nor accesses that exit" judged 1 "FAIL: intel: 1000 times RDMSR of a counter: 1003 exits, none is needed" \
	intel 's/mediated access counter 3/mediated access counter 1003/'
for vendor in intel amd; do
	try "but those do which a shared PMU makes exit, on $vendor" judged 0 "guest and truth agree" \
		"$vendor" 's/mediated access \(selector\|RDPMC\|GLOBAL_CTRL\) 3/mediated access \1 1003/'
done
try "nor a host without its watchdog" judged 1 "FAIL: amd: the NMI watchdog of the host does not run" \
	amd 's/watchdog 1/watchdog 0/'
try "machines and policies are named" judged 0 "amd: amd-zen4, policy direct, NMI watchdog on"
try "nor a guest that does not end" judged 1 "FAIL: amd: the guest did not reach its end" amd '/ end$/d'
try "a complaint is told, whatever its words" judged 1 \
	"FAIL: intel: the guest's kernel says: WARNING: at intel_pmu_handle" \
	intel 's/^\(mpmu-run: intel mediated\) end/\1 complaint WARNING: at intel_pmu_handle\n&/'
try "and is the only finding" judged 1 "guest and truth disagree: 1 findings" \
	intel 's/^\(mpmu-run: intel mediated\) end/\1 complaint WARNING: at intel_pmu_handle\n&/'
done_testing
