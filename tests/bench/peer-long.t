#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What exits, counting and sampling cost beside the emulated vPMU and mainline's mediated
# one: no target of tests/bench/peer is missed but those that docs/figures.md names.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

# The cases, without the figures.
missed()
{
	sed -n 's/^\(missed: .*\) [0-9.]*, at most .*/\1/p' | sort
}

# unmeasured: machines and hosts without figures of some kernel.
unmeasured()
{
	local machine host

	for machine in intel-spr intel-icx amd-zen4; do
		for host in 'no event' 'NMI watchdog' 'one event' 'watchdog, event' '9 events'; do
			grep -q "^| $machine | $host | a CPUID exit | untouched |.* [^-].* | [^-].* | [^-].* |$" <<<"$table" ||
				echo "$machine, $host"
		done
	done
}

table=$("$MPMU_TOP/tests/bench/peer") || [ $? = 1 ]
printf '%s\n' "$table" | sed 's/^/# /'
silent "all machines and hosts are measured on all kernels" unmeasured
try "mainline's figures are those that others found, in accesses" test "$(awk -F' [|] ' '/never an event/ && $4 == $5' <<<"$table" | wc -l)" = 6
silent "E7 no target is missed but those that are named" comm -23 <(missed <<<"$table") \
	<(missed <"$MPMU_TOP/docs/figures.md")
done_testing
