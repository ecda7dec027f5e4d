#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The two commands on machines and with arguments that they cannot use: one
# message that names the step and the remedy, a status that is not 0, nothing
# half applied, no process left behind.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

# Not in /tmp, which may be too small for them to begin.
work=$(mktemp -d -p "$MPMU_CACHE")
trap 'umount "$work/small" 2>/dev/null || true; rm -rf "$work"' EXIT

# refused NAME STATUS PATTERN COMMAND...
refused()
{
	try "$1" ends_with "${@:2}"
}

# left: processes that have the test's folder in their environment.
left()
{
	grep -lzs "^MPMU_CACHE=$work/" /proc/[0-9]*/environ 2>/dev/null |
		grep -v "^/proc/$BASHPID/" || true
}

# killed COMMAND...: start it, end it with TERM, and look for what remains.
killed()
{
	local pid

	TMPDIR=$work/tmp MPMU_CACHE=$work/cache "$@" >"$work/log" 2>&1 &
	pid=$!
	sleep 3
	kill -TERM "$pid" 2>/dev/null || { echo "it had ended already: $(cat "$work/log")"; return; }
	wait "$pid" && echo "it ended with status 0"
	sleep 1
	left
}

# What remains must be noticed.
noticed()
{
	local pid

	MPMU_CACHE=$work/cache sleep 10 &
	pid=$!
	sleep 0.2
	[ -n "$(left)" ] || echo "not noticed"
	kill "$pid"
}

# disk_needed NAME PATTERN: both commands refuse the small disk so.
disk_needed()
{
	local command

	for command in check run; do
		refused "$command: $1" 3 "$2" env MPMU_CACHE="$work/small" "./$command"
	done
}

# with_memory MB COMMAND...: on a machine that seems to have no more.
with_memory()
{
	printf 'MemAvailable: %d kB\n' $(($1 * 1024)) >"$work/meminfo"
	shift
	unshare -m sh -c 'mount --bind "$0" /proc/meminfo && exec "$@"' "$work/meminfo" "$@"
}

mkdir -p "$work/tmp" "$work/cache/kernel/mpmu-y"
silent "a process left behind is noticed" noticed
try "so is a command that ends before its time" grep -q '^it had ended already: usage' <(killed ./check --sloppy)
refused "check: unknown option" 2 "usage: ./check" ./check --sloppy
refused "check: too many options" 2 "usage: ./check" ./check --quick --full
refused "run: unknown option" 2 "usage: ./run" ./run --fast
refused "run: option without its value" 2 "usage: ./run" ./run --loops
refused "run: loops that are no number" 2 "usage: ./run" ./run --loops 10k
refused "run: too few loops" 2 "remedy: 1000" ./run --loops 10
refused "run: unknown mutation" 2 "skid-64" ./run --mutate nonsense
refused "machine: unknown personality" 2 "intel-v5-8-4" tests/rig/machine --personality p6 --kernel x --initrd x

# refused_cache NAME PATTERN FOLDER
refused_cache()
{
	refused "cache: $1" 3 "$2" env MPMU_CACHE="$3" timeout 20 ./run
}

# relative FOLDER: a cache of this name is below the folder of the caller.
relative()
{
	(cd "$work" && env -u HOME MPMU_CACHE="$1" bash -c '. "$0/tests/lib/common.sh"; echo "$MPMU_CACHE"' "$MPMU_TOP")
}

refused_cache "a blank in its name" "remedy: set MPMU_CACHE" "$work/a cache"
refused_cache "a colon in its name" "remedy: set MPMU_CACHE" "$work/a:cache"
refused_cache "not a folder" "remedy: set MPMU_CACHE" /dev/null
refused_cache "cannot be written" "remedy: set MPMU_CACHE" /proc/1
try "cache: a relative name" test "$(relative here)" = "$work/here"
[ "$(id -u)" != 0 ] || try "cache: no HOME" test "$(env -u HOME -u MPMU_CACHE -u XDG_CACHE_HOME \
	bash -c '. tests/lib/common.sh; echo "$MPMU_CACHE"')" = ~root/.cache/libmpmu

# waits SECONDS: for a lock that another process has as long.
waits()
{
	mkdir -p "$work/wait"
	flock "$work/wait/busy.lock" sleep "$1" &
	sleep 0.5
	MPMU_CACHE=$work/wait bash -c '. tests/lib/common.sh; locked busy true' 2>&1
	wait $!
}

try "who waits for a build of another's is told" grep -qxF "[wait] for another process, which has $work/wait/busy.lock" <(waits 7)
silent "who waits for a moment is not" waits 1

# patient: each call of apt-get waits for another one.
patient()
{
	grep -v -e '-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 ' "$work/calls"
	[ "$(wc -l <"$work/calls")" = 2 ] || echo "not two calls"
}

if [ "$(id -u)" = 0 ]; then
	mkdir "$work/bin"
	printf '#!/bin/sh\necho "$*" >>"%s"; exit 100\n' "$work/calls" >"$work/bin/apt-get"
	chmod +x "$work/bin/apt-get"
	refused "packages: apt fails" 3 "remedy: .*no other apt" env PATH="$work/bin:$PATH" \
		bash -c '. tests/lib/common.sh; need_packages mpmu-none'
	silent "packages: apt waits for another" patient
else
	skip "packages: apt fails" "not root"
fi

mkdir "$work/small"
if mount -t tmpfs -o size=40m tmpfs "$work/small" 2>/dev/null; then
	disk_needed "too little disk" "12000 MB needed"
	mkdir -p "$work/small/kernel/mpmu-y"
	disk_needed "too little disk beside the kernels" "3000 MB needed"
else
	skip "too little disk" "no permission to mount"
fi
if with_memory 1 true 2>/dev/null; then
	refused "run: too little memory" 3 "3500 MB needed" with_memory 3499 ./run
	refused "check: too little memory for ./run beside a machine" 3 "4524 MB needed" with_memory 4523 ./check
else
	skip "too little memory" "no permission to mount"
fi
if unshare -n true 2>/dev/null; then
	refused "guest packages: no network" 3 "remedy: check the network" \
		env MPMU_CACHE="$work/offline" unshare -n tests/l2/packages
	silent "nothing half fetched" find "$work/offline" -mindepth 1 -maxdepth 1 -type d ! -name log
else
	skip "no network" "no permission to make a network namespace"
fi
# In a copy: here ./check may be what runs this test.
mkdir "$work/tree"
git ls-files -z | xargs -0 cp --parents -t "$work/tree"
silent "check: TERM leaves no process behind" killed "$work/tree/check" --quick
silent "check: nor its results" find "$work/tmp" -name 'tmp.*'
silent "run: TERM leaves no process behind" killed ./run
done_testing
