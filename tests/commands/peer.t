#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How tests/bench/peer judges figures, made up ones; and that the pages and plots are
# those of the figures that are stored.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP/tests/bench"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# MACHINE|KERNEL|HOST|WHAT|USE|WRMSR|RDPMC|RDMSR|ROOT|GUEST|EXITS: each target is met, just so.
figures()
{
	sed 's/^/intel-spr|/; s/$/|some sources/' <<-'END'
	stock|no event|a CPUID exit|no PMU|0|0|0|1000|4|1
	stock|no event|a CPUID exit|1, cycles|0|0|0|5000|4|1
	mainline|no event|a CPUID exit|no PMU|0|0|0|1000|4|1
	mainline|no event|a CPUID exit|untouched|10|20|2|1800|4|1
	mainline|no event|a CPUID exit|1, cycles|10|20|2|2000|4|1
	mpmu-y|no event|a CPUID exit|no PMU|0|0|0|1000|4|1
	mpmu-y|no event|a CPUID exit|untouched|0|0|0|1030|4|1
	mpmu-y|no event|a CPUID exit|1, cycles|0|0|0.05|1030|4|1
	mpmu-y|no event|a CPUID exit|1, instructions|1|0|1|1055|4|1
	mainline|NMI watchdog|a CPUID exit|untouched|refused|||||
	mainline|one event|a CPUID exit|no PMU|0|0|0|1000|4|1
	mainline|one event|a CPUID exit|all, cycles|10|20|2|2000|4|1
	mpmu-y|one event|a CPUID exit|no PMU|0|0|0|1000|4|1
	mpmu-y|one event|a CPUID exit|1, cycles|0|0|0|1050|4|1
	mpmu-y|one event|a CPUID exit|all, cycles|6|0|2|1350|4|1
	mpmu-y|watchdog, event|a CPUID exit|no PMU|0|0|0|1000|4|1
	mpmu-y|watchdog, event|a CPUID exit|untouched|0|0|0|1030|4|1
	mpmu-y|watchdog, event|a CPUID exit|all, cycles|16|0|0|1350|4|1
	mainline|9 events|a CPUID exit|no PMU|0|0|0|1000|4|1
	mainline|9 events|a CPUID exit|1, cycles|30|10|2|5000|4|1
	mpmu-y|9 events|a CPUID exit|no PMU|0|0|0|1000|4|1
	mpmu-y|9 events|a CPUID exit|1, cycles|42|0|0|4600|4|1
	mainline|no event|a change of vCPU|no PMU|0|0|0|1000|4|1
	mainline|no event|a change of vCPU|all, cycles|10|8|2|2000|4|1
	mpmu-y|no event|a change of vCPU|no PMU|0|0|0|1000|4|1
	mpmu-y|no event|a change of vCPU|all, cycles|10|0|2|1800|4|1
	stock|no event|start, read, stop|1, cycles|9|9|0|50000|90|7
	mpmu-y|no event|start, read, stop|1, cycles|2|0|0|4000|90|2
	stock|no event|a sample per 10,000|no PMU|0|0|0|0|10000|0
	stock|no event|a sample per 10,000|1, instructions|9|9|0|9000|11000|8
	mainline|no event|a sample per 10,000|no PMU|0|0|0|0|10000|0
	mainline|no event|a sample per 10,000|1, instructions|9|9|0|2500|11000|2
	mpmu-y|no event|a sample per 10,000|no PMU|0|0|0|0|10000|0
	mpmu-y|no event|a sample per 10,000|1, instructions|0|0|0|1500|11000|1
	mpmu-y|no event|a nested exit of L0's|no PMU|0|0|0|1000|4|1
	mpmu-y|no event|a nested exit of L0's|1, cycles|0|0|0|1030|4|1
	mpmu-y|no event|a nested CPUID exit|no PMU|0|0|0|9000|100|5
	mpmu-y|no event|a nested CPUID exit|1, cycles|9|9|9|90000|100|5
	mpmu-y|no event|a compressor|no PMU|0|0|0|1000000|9000000|40
	mpmu-y|no event|a compressor|perf record|900|0|0|1300000|9200000|140
	END
}

# page PROGRAM [WHAT]: of the figures in $work/figures.
page()
{
	awk ${2:+-v "$2"} -f figures.awk -f "$1.awk" "$work/figures"
}

# judged EDIT: what is said of the figures after it, and with which status.
judged()
{
	figures | sed "$1" >"$work/figures"
	page targets >"$work/said"
}

# misses TEXT EDIT: that alone is missed.
misses()
{
	! judged "$2" && [ "$(grep -c ^missed "$work/said")" = 1 ] && grep -qF "$1" "$work/said"
}

# shows TEXT PROGRAM WHAT [EDIT]: after the EDIT of the figures.
shows()
{
	figures | sed "${4:-}" >"$work/figures"
	page "$2" "$3" >"$work/page"
	grep -qF -- "$1" "$work/page"
}

# of_line KERNEL HOST WHAT USE FIELDS FIELDS-INSTEAD: an edit of that line.
of_line()
{
	printf 's/^\\(intel-spr|%s|%s|%s|%s\\)|%s/\\1|%s/' "$@"
}

row()
{
	of_line "$1" "$2" 'a CPUID exit' "${@:3}"
}

try "figures as wanted: exit status 0" judged ''
try "all are counted" grep -qx '0 of [2-9][0-9] targets are missed' "$work/said"
try "an access where none may be" misses 'a CPUID exit, untouched: accesses 1.00, at most 0.00' \
	"$(row mpmu-y 'no event' untouched 0 1)"
try "instructions beyond 1.03, with the factor" misses '1, cycles: instructions 1.04, at most 1.03, factor 1.01' \
	"$(row mpmu-y 'no event' '1, cycles' '0|0|0.05|1030' '0|0|0|1040')"
try "a counter of instructions: one access too many" misses '1, instructions: accesses 3.00, at most 2.00' \
	"$(row mpmu-y 'no event' '1, instructions' '1|0' '1|1')"
try "and too many instructions for it" misses 'instructions more for a counter 26.00, at most 25.00' \
	"$(row mpmu-y 'no event' '1, instructions' '1|0|1|1055' '1|0|1|1056')"
try "beside an event, an access" misses 'one event, a CPUID exit, 1, cycles: accesses 1.00, at most 0.00' \
	"$(row mpmu-y 'one event' '1, cycles' 0 1)"
try "beside an event, instructions beyond 1.05" misses 'instructions 1.06, at most 1.05' \
	"$(row mpmu-y 'one event' '1, cycles' '0|0|0|1050' '0|0|0|1060')"
try "a clash: more than 8 accesses" misses "all, cycles: accesses 9.00, at most 8.00" \
	"$(row mpmu-y 'one event' 'all, cycles' 6 7)"
try "at two exits: more than 16" misses "all, cycles: accesses 17.00, at most 16.00" \
	"$(row mpmu-y 'one event' 'all, cycles' 6 15); /mpmu-y|one event|.*all, cycles/s/|1|some/|2|some/"
try "two clashes: more than 16" misses "all, cycles: accesses 17.00, at most 16.00" \
	"$(row mpmu-y 'watchdog, event' 'all, cycles' 16 17)"
try "a clash: more than 0.35 of mainline's excess" misses "excess to mainline's 0.36, at most 0.35" \
	"$(row mpmu-y 'one event' 'all, cycles' '6|0|2|1350' '6|0|2|1360')"
try "9 events: more accesses than mainline" misses "accesses to mainline's 1.02, at most 1.00" \
	"$(row mpmu-y '9 events' '1, cycles' 42 43)"
try "untouched, beside the watchdog: instructions beyond 1.03" misses 'untouched: instructions 1.04, at most 1.03' \
	"$(row mpmu-y 'watchdog, event' untouched '0|0|0|1030' '0|0|0|1040')"
try "another vCPU: more than 60 % of mainline's accesses" misses "accesses to mainline's 0.65, at most 0.60" \
	"$(of_line mpmu-y 'no event' 'a change of vCPU' 'all, cycles' '10|0' '10|1')"
try "another vCPU: more than 0.8 of mainline's excess" misses "excess to mainline's 0.81, at most 0.80" \
	"$(of_line mpmu-y 'no event' 'a change of vCPU' 'all, cycles' '10|0|2|1800' '10|0|2|1810')"
try "counters are read with an exit" misses "start, read, stop, 1, cycles: exits 3.00, at most 2.00" \
	"$(of_line mpmu-y 'no event' 'start, read, stop' '1, cycles' '2|0|0|4000|90|2' '2|0|0|4000|90|3')"
sample='no event|a sample per 10,000|1, instructions|0|0|0'
try "two exits for a sample" misses "a sample per 10,000, 1, instructions: exits 2.00, at most 1.00" \
	"s/^\\(.*mpmu-y|$sample|1500|11000\\)|1/\\1|2/"
try "dearer samples than mainline's" misses "overhead to mainline's 1.04, at most 1.00" \
	"s/^\\(.*mpmu-y|$sample\\)|1500/\\1|2640/; s/|9000|11000/|19000|11000/"
try "more than a quarter of the emulated one's overhead" misses "overhead to the emulated one's 0.26, at most 0.25" \
	"s/^\\(.*mpmu-y|$sample\\)|1500/\\1|1600/"

try "an exit of a guest's guest beyond 1.03" misses "a nested exit of L0's, 1, cycles: instructions 1.04, at most 1.03" \
	"$(of_line mpmu-y 'no event' "a nested exit of L0's" '1, cycles' '0|0|0|1030' '0|0|0|1040')"

try "a row has all three kernels: exits, accesses, instructions, cycles" shows \
	'| intel-spr | no event | a CPUID exit | 1, cycles | 1; 0/0/0; 5.00; +2000 | 1; 10/20/2; 2.00; +2100 | 1; 0/0/0; 1.03; +18 |' \
	tables table=exits
try "what was not measured is a dash" grep -qF '| untouched | - |' "$work/page"
try "a VM that cannot be made" grep -qF '| NMI watchdog | a CPUID exit | untouched | - | refused | - |' "$work/page"
try "a row of sampling has the overhead" shows \
	'| 1, instructions | 8; 9/9/0; 9000; 100.00 % | 2; 9/9/0; 2500; 35.00 % | 1; 0/0/0; 1500; 25.00 % |' tables table=use
try "so has a compressor under perf" grep -qF '| perf record | - | - | 140; 900/0/0; 1300000; 5.00 % |' "$work/page"
try "mainline, as others found it" shows \
	'| intel-v5-8-3 | never an event | untouched | 12/22/2 | 12/21/2 | 1.69 | 1.72 | -0.1 % |' tables table=reference \
	's/^intel-spr.mainline.no event.a CPUID exit/intel-v5-8-3|mainline|never an event|a CPUID exit/; s/10.20.2.1800/12|21|2|1719/'
try "what was measured, and that it was not" shows '| intel-spr | no event | some sources | some sources | some sources |' \
	tables table=sources
try "... and not" grep -qF '| intel-icx | no event | not measured | not measured | not measured |' "$work/page"
try "a bar has the number of accesses" shows '>32</text>' plot plot=exits
try "... and another with other figures" shows '>33</text>' plot plot=exits "$(row mainline 'no event' untouched 10 11)"
try "a bar has the overhead of samples" shows '>25</text>' plot plot=sampling

cd "$MPMU_TOP"
cp -r docs "$work/docs"
try "pages are made of the stored figures" tests/bench/peer --pages "$work/docs"
try "and those here are the same: tests/bench/peer --pages docs" diff -r docs "$work/docs"
sed -i 's/>[0-9][0-9]*</>7</' "$work/docs/exits.svg"
sed -i '/^| intel-spr | no event/d' "$work/docs/figures.md"
try "an edited page differs" ends_with 1 '^diff' diff -r docs "$work/docs"
tests/bench/peer --pages "$work/docs"
try "... and is mended" diff -r docs "$work/docs"
try "--report says what is missed, with the same status" ends_with 1 ' targets are missed$' tests/bench/peer --report
try "an unknown option is refused" ends_with 2 'error: peer: unknown option: --fast' tests/bench/peer --fast
try "so is a host" ends_with 2 "error: peer: no host 'noisy'" tests/bench/peer --only noisy
try "and a number that is none" ends_with 2 'error: peer: --jobs wants a number' tests/bench/peer --jobs many
done_testing
