#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the PMU model costs: the emulator's processor time for the same work
# with the model, with 8 counters running, and without model and hooks.  Median
# of 5 interleaved rounds; the boot is measured apart and taken off.  All is
# processor time, which other programs disturb little.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

rounds=5
loops=150000
personality=intel-v5-8-4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prepare()
{
	need_packages gcc libc6-dev
	gcc -O2 -static -o "$work/speed" "$MPMU_TOP/tests/rig/emulator/speed.c"
	cat >"$work/main" <<-'MAIN'
	#!/bin/sh
	# shellcheck disable=SC2046 # two words
	speed $(tr ' ' '\n' </proc/cmdline | sed -n 's/^mpmu.speed=//p' | tr , ' ')
	MAIN
	"$MPMU_TOP/tests/rig/initramfs" "$work/speed.cpio" \
		"$work/main:/main" "$work/speed:/bin/speed"
	kernel=$("$MPMU_TOP/tests/kernel/build" stock)/arch/x86/boot/bzImage
}

# boot FOLDER LOOPS COUNTERS: milliseconds of processor time.  The emulator
# without the model has no PMU, which the kernel complains of.
boot()
{
	local seconds lax='' status=0

	[ "$1" != "$plain" ] || lax=--lax-msrs
	TIMEFORMAT=%U
	# shellcheck disable=SC2086 # an option, or none
	seconds=$( { time MPMU_EMULATOR=$1 "$MPMU_TOP/tests/rig/machine" --quiet \
		--personality "$personality" --kernel "$kernel" --initrd "$work/speed.cpio" \
		$lax --append "mpmu.speed=$2,$3" --console "$work/console" \
		--report "$work/report" >/dev/null 2>&1; } 2>&1) || status=$?
	grep -q '^speed: ' "$work/console" || { say "no work done (status $status)"; return 1; }
	awk -v s="$seconds" 'BEGIN { printf "%d\n", s * 1000 }'
}

median()
{
	sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

instructions()
{
	awk '$1 == "cpu" && /root:/ && !/region/ {
		gsub(",", ""); printf "%.0f", $6 + $9; exit }' "$work/report"
}

# at_least NAME RATIO WHAT: the work without the model takes RATIO of NAME's time.
at_least()
{
	local base own

	base=$(($(median plain) - $(median plain-boot)))
	own=$(($(median "$1") - $(median model-boot)))
	echo "# $3: $own ms against $base ms, $((executed / own / 1000)) MIPS"
	try "$3: at least $2 of the speed without it" \
		awk -v b="$base" -v o="$own" -v r="$2" 'BEGIN { exit !(b / o >= r) }'
}

prepare
model=$("$MPMU_TOP/tests/rig/emulator/build")
plain=$("$MPMU_TOP/tests/rig/emulator/build" --unpatched)
for ((round = 0; round < rounds; round++)); do
	boot "$plain" 1 0 >>"$work/plain-boot"
	boot "$model" 1 0 >>"$work/model-boot"
	idle=$(instructions)
	boot "$plain" "$loops" 0 >>"$work/plain"
	boot "$model" "$loops" 0 >>"$work/model"
	executed=$(($(instructions) - idle))
	boot "$model" "$loops" 8 >>"$work/counters"
done
echo "# boot: $(median model-boot) ms"
try "L1 boots in under 20 s" test "$(median model-boot)" -lt 20000
at_least model 0.8 "PMU model, idle"
at_least counters 0.5 "PMU model, 8 counters"
done_testing
