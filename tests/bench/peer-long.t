#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What an exit costs beside the emulated vPMU and mainline's mediated one: no target of
# tests/bench/peer is missed but those that docs/performance.md names as missed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

# The cases, without the figures.
missed()
{
	sed -n 's/^\(missed: .*\) [0-9.]*, at most .*/\1/p' | sort
}

table=$("$MPMU_TOP/tests/bench/peer") || [ $? = 1 ]
printf '%s\n' "$table" | sed 's/^/# /'
try "both machines are measured on all kernels" test "$(grep -c '^| [ai][mn].* [0-9/]*, [0-9.]* | [0-9/]*, [0-9.]* | [0-9/]*, [0-9.]* |$' <<<"$table")" = 96
silent "no target is missed but those that are named" comm -23 <(missed <<<"$table") \
	<(missed <"$MPMU_TOP/docs/performance.md")
done_testing
