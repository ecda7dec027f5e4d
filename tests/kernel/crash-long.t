#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A kernel crashes on a CPU whose guest counts, as one on the other CPU does, and
# kexec starts another one: nothing of the guests is left in the PMUs, perf counts,
# and so do guests of the second kernel.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

here=$MPMU_TOP/tests/kernel
tree=$("$here/build" mpmu-debug)
rows=$("$here/rows/build" mpmu-debug)
vpmu=$("$MPMU_TOP/tests/l1/vpmu/build")
mapfile -t modules < <(kernel_modules "$tree")
second=$MACHINE_WORK/second

mkdir -p "$second"
cp "$tree/arch/x86/boot/bzImage" "$second/kernel"
"$MPMU_TOP/tests/rig/initramfs" "$second/initrd" "$here/main-crashed:/main" \
	"$MPMU_TOP/tests/l1/main-vpmu:/tests/inner" "$rows/rows" "$vpmu" "${modules[@]}"
echo 'console=ttyS0,115200 tsc=reliable nmi_watchdog=0 panic=-1 loglevel=4 msr.allow_writes=on kmemleak=off' \
	'vpmu.mediated=Y vpmu.run=smoke,count:--only:CPUID,pmi:--scale:20:--only:at_CPL_3' >"$second/cmdline"
machine_prepare "$tree" "$here/main-crash" "$rows"/{rows,perfrow.ko} "$vpmu" "${modules[@]}" \
	"$second:/tests/second"
for personality in intel-v5-8-4 amd-v2; do
	machine_test "$personality" "$personality" --cpus 2 --mem 1600 --timeout 900 \
		--append 'crashkernel=640M kmemleak=off'
	try "D10 $personality: the second kernel is reached" \
		grep -q 'ok .* D10: after a crash: perf counts' "$MACHINE_CONSOLE"
done
done_testing
