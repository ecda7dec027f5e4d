#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# rr in a Linux guest with a mediated PMU: the distribution's rr on its kernel for clouds
# records a program of 10^8 instructions, with two threads, signals and system calls,
# and replays it exactly; ten times with rr's buffer for system calls, ten without.
#   rr-long.t [PERSONALITY [OPTION OF MACHINE...]]
# MPMU_MILLIONS and MPMU_RUNS take another length, and other times; MPMU_WAYS one of
# "buffered unbuffered".  Each way has a machine of its own: ten runs take it 80 minutes.
#
# Each check comes with a second one: it notices when what was said is changed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

L2_TIMEOUT=7200
millions=${MPMU_MILLIONS:-100} runs=${MPMU_RUNS:-10} ways=${MPMU_WAYS:-buffered unbuffered}

for way in $ways; do
	case $way in
	buffered | unbuffered) ;;
	*) die 2 MPMU_WAYS "there is no way \"$way\"" "name buffered, unbuffered, or both" ;;
	esac
done

# said DID RUN: what the program said, if it ended well.
said()
{
	sed -n "s/^$1 $2 0 //p" <<<"$lines"
}

# each_run CHECK: it holds for what the program said, recorded and replayed, of each.
each_run()
{
	local run recorded replayed

	for run in $(seq "$runs"); do
		recorded=$(said recorded "$run") replayed=$(said replayed "$run")
		echo "$run: ${recorded:-nothing}, replayed: $replayed"
		"$1" "$recorded" "$replayed" || return 1
	done
}

# same RECORDED REPLAYED
same()
{
	[ -n "$1" ] && [ "$1" = "$2" ]
}

# field NAME TEXT
field()
{
	sed -n "s/.*$1 \\([^ ]*\\).*/\\1/p" <<<"$2"
}

# eventful RECORDED: as many signals as it has millions of instructions, and system calls.
eventful()
{
	[ "$(field signals "$1")" -ge "$millions" ] && [ "$(field calls "$1")" -ge $((20 * millions)) ]
}

# What a replay has to get right is nothing that the program has by itself.
never_twice()
{
	[ "$(sed -n 's/^recorded .* sum //p' <<<"$lines" | sort -u | wc -l)" = "$runs" ]
}

# as_asked: rr used its buffer, or not.
as_asked()
{
	local flushes

	flushes=$(sed -n 's/^flushes //p' <<<"$lines")
	echo "${flushes:-no line of} flushes"
	case $way in
	buffered) [ "${flushes:-0}" -gt 0 ] ;;
	unbuffered) [ "${flushes:-1}" = 0 ] ;;
	esac
}

from_distribution()
{
	grep '^kernel .*-cloud-amd64$' <<<"$lines" && grep '^rr version' <<<"$lines"
}

long_enough()
{
	local count

	count=$(sed -n 's/^alone 0 \([0-9]*\) .*/\1/p' <<<"$lines")
	echo "${count:-no} instructions, $((millions * 1000000)) are right"
	[ "${count:-0}" -ge $((millions * 1000000)) ]
}

judge()
{
	judged "no complaint, and the guest ends" 's/^end$/complaint/' l2_quiet
	judged "kernel and rr are the distribution's" 's/^(kernel .*)-cloud-/\1-/' from_distribution
	judged "the program has $millions million instructions" 's/^(alone 0 )[0-9]/\10/' long_enough
	judged "system calls go through the buffer, or not" 's/^(flushes) 0$/\1 1/; t; s/^(flushes) .*/\1 0/' as_asked
	[ "$runs" = 1 ] || judged "no two recordings are the same" 's/^(recorded .* sum ).*/\10/' never_twice
	judged "signals and system calls" "s/^(recorded $runs 0 signals) [0-9]*/\\1 0/" each_run eventful
	judged "$runs replays are exact" "s/^(replayed $runs 0 .* sum ).*/\\10/" each_run same
}

people=$("$MPMU_TOP/tests/l2/packages" people)
gcc -O2 -Wall -Wextra -Werror -pthread -o "$MACHINE_WORK/recorded" "$MPMU_TOP/tests/l2/recorded.c"
l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}" --run "$MPMU_TOP/tests/l2/guest-rr" \
	--linux "$people/bzImage" --add "$MACHINE_WORK/recorded" --add "$people/rr/usr:/usr" --add "$people/rr/lib64:/lib64"
for machine in ${1:-intel-spr amd-zen4}; do
	for way in $ways; do
		label="$machine, rr $way"
		l2_boot "$machine" 0 "mpmu.show mpmu.policy=direct mpmu.memory=768 mpmu.limit=14400 mpmu.guest=mpmu.millions=$millions,mpmu.runs=$runs,mpmu.way=$way" \
			--mem 2048 "${@:2}"
		result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
		judge
	done
done
done_testing
