#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The kernel's own judge of style, strict, has no error to report in a patch of
# the series or in the glue.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

backend=$MPMU_TOP/backends/kvm
series=$backend/patches/6.12
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need_packages perl
pristine=$("$MPMU_TOP/tests/kernel/source") ||
	die 3 source "there is no kernel tree to judge with" "see the message above"

# Messages that do not fit: file and type.  A declaration is no statement.
declared='mpmu_port.h MULTISTATEMENT_MACRO_USE_DO_WHILE'

judge()
{
	perl "$pristine/scripts/checkpatch.pl" --root="$pristine" --strict --show-types \
		--color=never "$@" >"$work/messages" 2>/dev/null || true
	grep -q '^total: ' "$work/messages"
}

# The file's path is absolute: a file that git tracks is not taken for a patch.
no_errors()
{
	local file=${!#}

	judge "$@" || { echo 'no verdict'; return 1; }
	! grep '^ERROR:' "$work/messages" | grep -v "^ERROR:${declared#"${file##*/} "}:"
}

finds()
{
	! no_errors "$2" >"$work/errors" && grep -q "^ERROR:$1" "$work/errors"
}

while read -r name; do
	try "$name" no_errors "$series/$name"
done <"$series/series"
for file in "$backend"/*.[ch]; do
	try "backends/kvm/${file##*/}" no_errors -f "$file"
done

first=$series/$(head -n 1 "$series/series")
sed '/^Signed-off-by:/d' "$first" >"$work/unsigned.patch"
try 'a patch that nobody signed is found' finds MISSING_SIGN_OFF "$work/unsigned.patch"
sed '/^@@/,${/^+/s/$/ /}' "$first" >"$work/blank.patch"
try 'a blank at the end of a line is found' finds TRAILING_WHITESPACE "$work/blank.patch"
judge -f "$backend/${declared% *}"
try 'the exception is one' grep -q "^ERROR:${declared#* }" "$work/messages"
done_testing
