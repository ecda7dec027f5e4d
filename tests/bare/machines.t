#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# libmpmu in a hypervisor that shares nothing with Linux: backends/bare boots
# from multiboot on machines of both vendors and tests itself.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

image=$("$MPMU_TOP/tests/bare/build")

# boot PERSONALITY PROCESSORS TESTS [OPTION...]
boot()
{
	local name="$1, $2 CPUs" personality=$1 cpus=$2 tests=$3
	shift 3

	machine_test "$name" "$personality" --multiboot "$image" --mem 128 --timeout 120 \
		--cpus "$cpus" --append "$tests" "$@"
}

# said NAME PATTERN: on the console of the last machine
said()
{
	try "$1" grep -q "$2" "$MACHINE_CONSOLE"
}

for personality in intel-spr intel-icx amd-zen4; do
	boot "$personality" 1 'conform count share pmi access filter idle snapshot state profile bad'
	said "$personality: who died says why" 'bad: triple fault at 100000'
	said "$personality: who ran off says where" 'bad: it ran off its memory at 10000000'
	said "$personality: memory that is missing is told" 'too little memory: 2076 KiB wanted'
	boot "$personality" 2 'conform count share pmi migrate profile'
done
boot intel-gnr 1 'snapshot state'
while read -r personality lacks reason; do
	boot "$personality" 1 refused --without "${lacks#-}"
	said "$personality: the console says what is missing" "this machine lacks $reason"
done <<'REFUSED'
intel-v3	-	PMU version 4
intel-nofw	-	full-width
amd-core6	-	PerfMonV2
amd-k7		-	PerfMonV2
amd-v2		svm	VMX or SVM
REFUSED
done_testing
