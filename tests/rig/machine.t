#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The runner of emulated machines tells every way of ending apart, says what to
# do, and leaves nothing behind.  A stand-in for the emulator plays the ways.

# shellcheck disable=SC2016 # the stand-in expands its own variables
. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/emulator" "$work/tmp"
echo kernel >"$work/kernel"
echo initrd >"$work/initrd"
export MPMU_EMULATOR=$work/emulator

# stand_in COMMANDS: what the emulator does; $console and $log are its files.
stand_in()
{
	cat >"$work/emulator/bochs" <<-SCRIPT
	#!/bin/bash
	rc=\${!#}
	console=\$(sed -n 's/^com1:.*dev=//p' "\$rc")
	log=\$(sed -n 's/^log: //p' "\$rc")
	echo \$\$ >$work/pid
	$1
	SCRIPT
	chmod +x "$work/emulator/bochs"
}

# ends NAME STATUS PATTERN [OPTION...]: exit status, and a message that says so;
# no file may have more than $room kB
ends()
{
	local name=$1 want=$2 pattern=$3 status=0 output
	shift 3

	output=$(ulimit -f "$room"; TMPDIR=$work/tmp "$MPMU_TOP/tests/rig/machine" "$@" 2>&1) || status=$?
	if [ "$status" = "$want" ] && grep -qE -- "$pattern" <<<"$output"; then
		result 0 "$name: status $want"
	else
		result 1 "$name: status $want" "status $status: $output" || true
	fi
}

room=unlimited
good=(--personality amd-v2 --kernel "$work/kernel" --initrd "$work/initrd")

# nothing_left NAME: neither a process nor a file
nothing_left()
{
	sleep 0.3
	if kill -0 "$(cat "$work/pid")" 2>/dev/null; then
		result 1 "$1: no process is left" || true
	else
		result 0 "$1: no process is left"
	fi
	silent "$1: no file is left" find "$work/tmp" -mindepth 1
}

stand_in 'echo "MPMU-VERDICT: PASS" >$console; sleep 60'
ends pass 0 'MPMU-VERDICT: PASS' "${good[@]}"
nothing_left pass
stand_in 'echo "MPMU-VERDICT: FAIL 3 checks" >$console; sleep 60'
ends fail 1 'FAIL 3 checks' "${good[@]}"
stand_in 'echo "Kernel panic - not syncing: why" >$console; sleep 60'
ends 'kernel panic' 6 'not syncing: why' "${good[@]}"
nothing_left 'kernel panic'
stand_in 'sleep 60'
ends timeout 4 'within 1 seconds' "${good[@]}" --timeout 1
nothing_left timeout
stand_in 'echo "00123p[CPU0 ] >>PANIC<< broken" >$log; exit 1'
ends 'emulator panic' 5 '>>PANIC<< broken' "${good[@]}"
stand_in 'echo "half a test" >$console'
ends 'end without a verdict' 6 'without a verdict' "${good[@]}"
stand_in 'echo "$MPMU_PERSONALITY $MPMU_MUTATE $MPMU_PMI_DELAY" >$console
	echo "MPMU-VERDICT: PASS" >>$console'
ends 'options reach the emulator' 0 '^amd-v2 lose-pmi 7' "${good[@]}" \
	--mutate lose-pmi --pmi-delay 7

stand_in 'iso=$(sed -n "s/.*path=\(.*\), status.*/\1/p" "$rc"); xorriso -indev "$iso" -find / 2>/dev/null >$console
	echo "MPMU-VERDICT: PASS" >>$console'
ends 'a multiboot image' 0 '/MBOOT.C32|/mboot.c32' --personality amd-v2 --multiboot "$work/kernel"

# A disk that is full for the loader, then for the image.
stand_in 'echo "MPMU-VERDICT: PASS" >$console'
room=8 ends 'no room for a file of the image' 3 'cannot make the boot image' "${good[@]}"
room=256 ends 'no room for the image' 3 'cannot make the boot image' "${good[@]}"
silent 'no room: no file is left' find "$work/tmp" -mindepth 1

stand_in 'sleep 60'
TMPDIR=$work/tmp "$MPMU_TOP/tests/rig/machine" "${good[@]}" >/dev/null 2>&1 &
sleep 2
kill -TERM $!
wait $! || true
nothing_left 'ended by a signal'

ends 'unknown personality' 2 'personalities: .*intel-v5-8-4' \
	--personality none --kernel "$work/kernel" --initrd "$work/initrd"
ends 'unknown option' 2 'unknown option --what' --what
ends 'no number' 2 "'many' is not a number" "${good[@]}" --cpus many
ends 'no value' 2 'wants a value' --personality
ends 'no kernel' 2 'are needed' --personality amd-v2
ends 'missing image' 3 'cannot be read' --personality amd-v2 --multiboot "$work/none"
ends 'missing kernel' 3 'cannot be read' \
	--personality amd-v2 --kernel "$work/none" --initrd "$work/initrd"
done_testing
