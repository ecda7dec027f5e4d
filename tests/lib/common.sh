# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What every script of the project shares: where things are, how to speak to
# the user, how to install, cache and run long steps.  Source it from bash.

set -euo pipefail

# --help: the comment at a script's head is its manual.  A script that has options
# says more, with a help() of its own.
if [ "${1:-}" = --help ] && ! grep -q '^help()' "$0"; then
	sed -n '1,2d; 3{/^#$/d}; /^#/!q; s/^# \{0,1\}//p' "$0"
	exit 0
fi

MPMU_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Scripts change folders: the cache by its full name.
MPMU_CACHE=$(realpath -ms -- "${MPMU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libmpmu}")
export MPMU_TOP MPMU_CACHE
# Root may test what another user checked out.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$MPMU_TOP

# Speak on stderr: stdout belongs to results and TAP.
say()
{
	printf '%s\n' "$*" >&2
}

# die CODE STEP MESSAGE REMEDY: the one form of every fatal error.
die()
{
	local code=$1 what=$2 message=$3 remedy=${4:-}

	say "error: $what: $message"
	[ -z "$remedy" ] || say "remedy: $remedy"
	exit "$code"
}

# make takes no blanks in the name of a folder, and lists of folders no colons.
case $MPMU_CACHE in
*[[:space:]:]*) die 3 cache "a blank or a colon in \"$MPMU_CACHE\"" "set MPMU_CACHE to a folder without" ;;
esac
[ "${1:-}" = --help ] || { mkdir -p "$MPMU_CACHE/log" && [ -w "$MPMU_CACHE" ]; } 2>/dev/null ||
	die 3 cache "cannot write to $MPMU_CACHE" "set MPMU_CACHE to a folder that can be written"

# step NAME COMMAND...: run with the output in a log, show progress and time.
step()
{
	local name=$1 log start=$SECONDS
	shift
	log=$MPMU_CACHE/log/$(printf '%s' "$name" | tr -c 'A-Za-z0-9.' '-').log

	say "[....] $name"
	if "$@" >"$log" 2>&1; then
		say "[ ok ] $name ($((SECONDS - start)) s)"
		return 0
	fi
	tail -n 20 "$log" >&2
	say "[FAIL] $name ($((SECONDS - start)) s), log: $log"
	return 1
}

# need_packages PACKAGE...: install those that are missing.
need_packages()
{
	local missing=() package

	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] ||
		die 3 packages "missing: ${missing[*]}" "run as root, or install them first"
	locked apt step "install ${missing[*]}" install_packages "${missing[@]}" ||
		die 3 packages "cannot install ${missing[*]}" \
			"check the network, that no other apt is at work, and the configuration (apt-get update)"
}

# apt_get ARGUMENT...: wait while another apt is at work, as on a fresh machine.
apt_get()
{
	apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

# lists_free: wait for the lock of the lists as well, which apt itself does not.
lists_free()
{
	local lock tries=60
	lock=$(stat -c :%i /var/lib/apt/lists/lock 2>/dev/null) || return 0

	while [ "$tries" -gt 0 ] && grep -q "$lock " /proc/locks; do
		sleep 10
		tries=$((tries - 1))
	done
}

install_packages()
{
	export DEBIAN_FRONTEND=noninteractive
	apt_get install -y --no-install-recommends "$@" ||
		{ lists_free && apt_get update && apt_get install -y --no-install-recommends "$@"; }
}

# cache_key FILE...: 16 hex digits that name contents and relative paths.
cache_key()
{
	local file

	for file in "$@"; do
		printf '%s ' "${file#"$MPMU_TOP"/}"
		sha256sum <"$file"
	done | sha256sum | cut -c1-16
}

# locked NAME COMMAND...: one at a time on this machine.  The descriptor is
# closed for the command, so that a background child cannot keep the lock.
locked()
{
	local name=$1 fd status=0
	shift

	exec {fd}>"$MPMU_CACHE/$name.lock"
	# A build may be long: whoever waits for it is told.
	flock -w 5 "$fd" || { say "[wait] for another process, which has $MPMU_CACHE/$name.lock"; flock "$fd"; }
	"$@" {fd}>&- || status=$?
	exec {fd}>&-
	return "$status"
}

# heavy COMMAND...: a build that wants the whole machine.
heavy()
{
	locked heavy "$@"
}

# cached DIR BUILDER...: DIR as BUILDER makes it (called with a temporary
# folder as last argument), built once; a broken build leaves nothing behind.
cached()
{
	local dir=$1
	shift

	[ ! -e "$dir" ] || return 0
	locked "$(basename "$dir")" build_cached "$dir" "$@"
}

build_cached()
{
	local dir=$1
	shift

	[ ! -e "$dir" ] || return 0
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp"
	"$@" "$dir.tmp" || { rm -rf "$dir.tmp"; return 1; }
	mv "$dir.tmp" "$dir"
}
