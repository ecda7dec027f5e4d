#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How tests/l2/nested.t judges what a machine said, in a tree whose machine is a file.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/commands/tree.sh"

# A loop of 9 instructions and 2 branches, and one of 5 instructions with CPUID.
plant()
{
	mkdir -p "$tree/tests/rig" "$tree/tests/l2"
	cp -R "$MPMU_TOP/tests/lib" "$tree/tests/"
	cp "$MPMU_TOP/tests/rig/machine.sh" "$tree/tests/rig/"
	cp "$MPMU_TOP"/tests/l2/{nested.t,judge.sh} "$tree/tests/l2/"
	program tests/kernel/build <<<'#!/bin/sh'
	program tests/l2/image <<-'END'
	#!/bin/sh
	printf '  40100%d:\t%s\n' 0 jmp 1 nop 2 nop 3 nop 4 nop 5 nop 6 nop 7 nop 8 jne >"$2.loop"
	printf '  40100%d:\t%s\n' 0 xor 1 xor 2 cpuid 3 dec 4 jns >"$2.exits"
	END
	program tests/rig/machine <<-END
	#!/bin/sh
	while [ "\$1" != --console ]; do shift; done
	cp "$work/console" "\$2"
	END
}

# What it prints if all is as it should be.
console()
{
	local n

	for n in 100000 200000; do
		echo "mpmu-run: intel mediated-emulated user $n $((9 * n + 99)) $((9 * n + 99)) $((2 * n + 9)) 1"
		echo "mpmu-run: intel mediated-emulated exits $n $((9 * n + 99 + n / 200)) 1"
		echo "mpmu-run: intel mediated-beside $n $((9 * n + 99)) $((2 * n + 9)) 1"
		echo "mpmu-run: intel mediated-beside $n $((9 * n + 99)) $((2 * n + 9)) 1"
	done
	echo "mpmu-run: intel mediated-emulated sample 200000 179 0 1"
	echo "mpmu-run: intel mediated-emulated end"
	for n in 1 2 3 4 5; do
		echo "mpmu-run: intel mediated-window 1000$n 400$n 6000 997$n 50"
	done
	echo "mpmu-run: intel mediated-window 10706 4706 6000 9876 850"
	echo "mpmu-run: intel mediated verdict PASS"
}

# judged NAME [EDIT]: with the EDIT (of sed) the check with this name fails, and no other.
judged()
{
	local failed

	console >"$work/console"
	[ $# = 1 ] || sed -i "$2" "$work/console"
	failed=$("$tree/tests/l2/nested.t" intel-v5-8-4 2>&1 | sed -n 's/^not ok [0-9]* - I intel-v5-8-4: //p')
	[ "$failed" != "$1" ] || return 0
	printf 'these fail:\n%s\n' "$failed"
	return 1
}

plant
try "equal counts agree" judged ''
try "one instruction too many in the guest does not" judged "the guest's perf counts instructions" \
	's/\(emulated user 200000\) 1800099 /\1 1800100 /'
try "nor one branch" judged "the guest's perf counts branches" '/emulated user 200000/s/400009/400010/'
try "nor a CPUID that is not counted" judged "the guest's perf counts across exits" 's/1801099/1801098/'
try "nor a sample too few" judged "the guest's perf gets a sample per overflow" 's/sample 200000 179/sample 200000 178/'
try "nor one loop of the hypervisor that counts differently" \
	judged "the hypervisor's perf counts instructions and branches" '0,/beside 200000/s/\(beside 200000\) 1800099/\1 1800100/'
try "nor a window whose count is not the truth" judged "what the hypervisor counts of all is the truth" \
	's/window 10003 4003 6000 9973/window 10003 4003 6000 9972/'
try "nor parts that are not the whole" judged "guest and hypervisor, counted apart, are all" 's/4706 6000/4706 5999/'
try "nor a hypervisor that complains" judged "no kernel of the three complains" 's/verdict PASS/verdict FAIL/'
done_testing
