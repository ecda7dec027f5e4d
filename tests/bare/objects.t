#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The mini-hypervisor is small, and takes the core as it is: its objects need
# nothing but the port header, and its files do not know that it exists.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

# All that the core may leave undefined: the port header declares these.
MAY_NEED='mem(cpy|set|cmp)|bare_assert_failed'

core=$(dirname "$("$MPMU_TOP/tests/bare/build")")/core.o

needs()
{
	nm -u "$core" | awk '{ print $2 }' | grep -vxE "$MAY_NEED" || true
}

undeclared()
{
	nm -u "$core" | awk '{ print $2 }' | while read -r symbol; do
		grep -qw "$symbol" backends/bare/mpmu_port.h || echo "$symbol is not in the port header"
	done
}

mentions()
{
	git grep -niw bare -- libmpmu include || true
}

# grep reads on after the match: nm must not die of a pipe that is closed.
core_has_symbols()
{
	nm "$core" | grep ' T mpmu_enter$' >/dev/null
}

# Comments and blank lines, too: it is meant to be read in one sitting.
too_long()
{
	local lines

	lines=$(cat backends/bare/*.[chS] | wc -l)
	[ "$lines" -gt 1000 ] && [ "$lines" -lt 1700 ] || echo "$lines lines of C and assembly"
}

silent "it has less than 1,700 lines of C and assembly" too_long
try "the core is in the image" core_has_symbols
silent "the core needs nothing but what the port header declares" undeclared
silent "and no more than this list" needs
silent "no file of the core or the public headers mentions it" mentions
done_testing
