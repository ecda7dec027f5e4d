#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each fuzzer for a moment; and on a broken core, on which its corpus alone must
# find the break.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

RUN=$MPMU_TOP/tests/fuzz/run

# notices TARGET FILE FROM TO
notices()
{
	local output

	if output=$("$RUN" --break "$2" "$3" "$4" 0 "$1" 2>&1); then
		echo "the corpus of $1 passes on a broken $2"
		return 1
	fi
	grep -q "fuzz $1: a check failed" <<<"$output" || { echo "$output"; return 1; }
}

# A core that does not compile proves nothing.
no_compiler_error_counts()
{
	local output

	! output=$("$RUN" --break filter.c '(umask & entries[i].mask)' '(' 0 filter 2>&1) || return 1
	grep -q 'fuzz filter: it does not compile' <<<"$output" || { echo "$output"; return 1; }
}

try "a break that does not compile is called so" no_compiler_error_counts
for target in registers filter snapshot caps; do
	try "fuzz $target" "$RUN" 3 "$target"
done
try "fuzz registers notices a filter that is ignored" notices registers reprogram.c \
	'mpmu_filter_allows(filter, eventsel)' true
try "fuzz registers notices a count that put loses" notices registers switch.c \
	'*saved = mpmu_call(vcpu, rdmsr, msr);' '*saved &= mpmu_call(vcpu, rdmsr, msr);'
try "fuzz filter notices an ignored mask" notices filter filter.c '(umask & entries[i].mask)' '(umask)'
try "fuzz snapshot notices a restore without checks" notices snapshot snapshot.c 'if (i < count)' 'if (0)'
try "fuzz caps notices counters without a width" notices caps caps.c '!*width || *width > 64' '*width > 64'
done_testing
