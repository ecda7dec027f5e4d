#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every property of a mediated PMU has tests that name it: on the machines of each
# vendor that has it, and on the stub where the core decides it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

# What is not done, as the features' list knows it.
OWED=

# places VENDORS AREA: where tests must run.
places()
{
	case $1 in
	both) echo intel amd ;;
	*) echo "$1" ;;
	esac
	[ "$2" != core ] || echo stub
}

# lacking PLACES_WANTED PLACES: each that is not there.
lacking()
{
	local place

	for place in $1; do
		case " $2 " in *" $place "*) ;; *) echo "no test on $place" ;; esac
	done
	case " $2 " in *' ? '*) echo "a file that no test runs" ;; esac
}

table=$("$MPMU_TOP/tests/static/properties")
printf '%s\n' "$table" | sed 's/^/# /'
owed=
while IFS=$'\t' read -r row area vendors title where files; do
	if [ "$area" = owed ]; then
		owed="$owed $row"
		continue
	fi
	found=$(lacking "$(places "$vendors" "$area" | xargs)" "$where")
	result "$([ -z "$found" ] && echo 0 || echo 1)" "row $row has its tests: $title" "$found: $files"
done <<<"${table//$'\t\t'/$'\t-\t'}"
try "no row is owed but: ${OWED:-none}" test "$owed" = "${OWED:+ $OWED}"
try "each row from A1 to K5 is there" test "$(cut -f1 <<<"$table" | xargs)" = \
	"$(echo A{1..12} B{1..7} B8 B9 C D{1..10} E{1..7} F G H I J K{1..5})"
found=$(lacking 'intel amd stub' 'amd ?')
try "a row without tests would be found" test "$(xargs <<<"$found")" = \
	'no test on intel no test on stub a file that no test runs'
done_testing
