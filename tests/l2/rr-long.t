#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# rr in a Linux guest with a mediated PMU: the distribution's rr on its kernel for clouds
# records a program of 10^8 instructions, with two threads, signals and system calls,
# and replays it exactly; ten times with rr's buffer for system calls, ten without.
#   rr-long.t [PERSONALITY [OPTION OF MACHINE...]]
# MPMU_MILLIONS and MPMU_RUNS take another length, and other times.
#
# Each check comes with a second one: it notices when what was said is changed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

L2_TIMEOUT=7200
millions=${MPMU_MILLIONS:-100} runs=${MPMU_RUNS:-10}

# said DID WAY RUN: what the program said, if it ended well.
said()
{
	sed -n "s/^$1 $2 $3 0 //p" <<<"$lines"
}

# each_run CHECK WAY: it holds for what the program said, recorded and replayed, of each.
each_run()
{
	local run recorded replayed

	for run in $(seq "$runs"); do
		recorded=$(said recorded "$2" "$run") replayed=$(said replayed "$2" "$run")
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
	[ "$(sed -n 's/^recorded .* sum //p' <<<"$lines" | sort -u | wc -l)" = $((2 * runs)) ]
}

# as_asked: rr used its buffer, and not where it was not to.
as_asked()
{
	grep '^flushes' <<<"$lines"
	[ "$(sed -n 's/^flushes buffered //p' <<<"$lines")" -gt 0 ] &&
		[ "$(sed -n 's/^flushes unbuffered //p' <<<"$lines")" = 0 ]
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
	local way

	judged "no complaint, and the guest ends" 's/^end$/complaint/' l2_quiet
	judged "kernel and rr are the distribution's" 's/^(kernel .*)-cloud-/\1-/' from_distribution
	judged "the program has $millions million instructions" 's/^(alone 0 )[0-9]/\10/' long_enough
	judged "system calls go through the buffer, or not" 's/^(flushes unbuffered) 0/\1 1/' as_asked
	judged "no two recordings are the same" 's/^(recorded .* sum ).*/\10/' never_twice
	for way in buffered unbuffered; do
		judged "$way: signals and system calls" "s/^(recorded $way $runs 0 signals) [0-9]*/\\1 0/" each_run eventful "$way"
		judged "$way: $runs replays are exact" "s/^(replayed $way $runs 0 .* sum ).*/\\10/" each_run same "$way"
	done
}

people=$("$MPMU_TOP/tests/l2/packages" people)
gcc -O2 -Wall -Wextra -Werror -pthread -o "$MACHINE_WORK/recorded" "$MPMU_TOP/tests/l2/recorded.c"
l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}" --run "$MPMU_TOP/tests/l2/guest-rr" \
	--linux "$people/bzImage" --add "$MACHINE_WORK/recorded" --add "$people/rr/usr:/usr" --add "$people/rr/lib64:/lib64"
for machine in ${1:-intel-spr amd-zen4}; do
	label="$machine, rr"
	l2_boot "$machine" 0 "mpmu.show mpmu.policy=direct mpmu.memory=768 mpmu.limit=14400 mpmu.guest=mpmu.millions=$millions,mpmu.runs=$runs" \
		--mem 2048 "${@:2}"
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	judge
done
done_testing
