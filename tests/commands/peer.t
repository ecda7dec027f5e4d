#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How tests/bench/peer judges figures, some of them made up.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each target is met, just so.
figures()
{
	sed 's/^/m|/' <<-'END'
	stock|no event|a CPUID exit|no PMU|0|0|0|1000
	stock|no event|a CPUID exit|1, cycles|0|0|0|5000
	mainline|no event|a CPUID exit|no PMU|0|0|0|1000
	mainline|no event|a CPUID exit|untouched|10|20|2|1800
	mainline|no event|a CPUID exit|1, cycles|10|20|2|2000
	mpmu-y|no event|a CPUID exit|no PMU|0|0|0|1000
	mpmu-y|no event|a CPUID exit|untouched|0|0|0|1030
	mpmu-y|no event|a CPUID exit|1, cycles|0|0|0.05|1030
	mainline|one event|a CPUID exit|no PMU|0|0|0|1000
	mainline|one event|a CPUID exit|1, cycles|10|20|2|2000
	mpmu-y|one event|a CPUID exit|no PMU|0|0|0|1000
	mpmu-y|one event|a CPUID exit|1, cycles|30|0|2|1900
	mainline|no event|a change of vCPU|no PMU|0|0|0|1000
	mainline|no event|a change of vCPU|all, cycles|10|8|2|2000
	mpmu-y|no event|a change of vCPU|no PMU|0|0|0|1000
	mpmu-y|no event|a change of vCPU|all, cycles|10|0|2|1800
	END
}

# judged EDIT: what is said of the figures after it, and with which status.
judged()
{
	local status=0

	figures | sed "$1" | awk -f "$MPMU_TOP/tests/bench/peer.awk" >"$work/said" || status=$?
	return "$status"
}

# misses TEXT EDIT: that alone is missed.
misses()
{
	! judged "$2" && [ "$(grep -c ^missed "$work/said")" = 1 ] && grep -qF "$1" "$work/said"
}

try "figures as wanted: exit status 0" judged ''
try "a row has all three kernels" grep -qxF \
	'| m | no event | a CPUID exit | 1, cycles | 0/0/0, 5.00 | 10/20/2, 2.00 | 0/0/0, 1.03 |' "$work/said"
try "what was not measured is a dash" grep -qF '| untouched | - |' "$work/said"
try "an access where none may be" misses 'a CPUID exit, untouched: accesses 1.00, at most 0.05' \
	's/^\(m.mpmu-y.no event.a CPUID exit.untouched\).0/\1|1/'
try "instructions beyond 1.03" misses 'a CPUID exit, 1, cycles: instructions 1.04, at most 1.03' \
	's/^\(m.mpmu-y.no event.a CPUID exit.1, cycles.*\)1030/\11040/'
try "beside an event, more accesses than mainline" misses "one event, a CPUID exit, 1, cycles: accesses to mainline's 1.03" \
	's/^\(m.mpmu-y.one event.*\)30.0.2/\130|1|2/'
try "beside an event, more than 0.9 of mainline's excess" misses "excess to mainline's 0.91, at most 0.90" \
	's/1900/1910/'
try "another vCPU: more than 60 % of mainline's accesses" misses "accesses to mainline's 0.65, at most 0.60" \
	's/^\(m.mpmu-y.no event.a change.*\)10.0.2/\110|1|2/'
try "another vCPU: more than 0.8 of mainline's excess" misses "excess to mainline's 0.81, at most 0.80" \
	's/1800$/1810/;s/^\(m.mainline.no event.a CPUID exit.untouched.*\)1810/\11800/'
done_testing
