# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Commands in process groups of their own, so that whatever ends the script
# ends everything that it started, builds and emulators included.

declare -A GROUPS_RUNNING=()

# group_start COMMAND...: in the background; its id is in $group.
group_start()
{
	setsid "$@" &
	group=$!
	GROUPS_RUNNING[$group]=1
}

# group_wait ID: its status.
group_wait()
{
	local status=0

	wait "$1" || status=$?
	unset "GROUPS_RUNNING[$1]"
	return "$status"
}

# alone COMMAND...: start, wait, return the status.
alone()
{
	group_start "$@"
	group_wait "$group"
}

# group_kill SIGNAL: all that still run; fails if there was none.
group_kill()
{
	local id found=1

	for id in "${!GROUPS_RUNNING[@]}"; do
		kill "-$1" -- "-$id" 2>/dev/null && found=0
	done
	return "$found"
}

group_stop()
{
	local tries=20

	group_kill TERM || return 0
	while [ "$tries" -gt 0 ] && group_kill 0; do
		sleep 0.1
		tries=$((tries - 1))
	done
	group_kill KILL || true
}

# group_trap COMMAND: stop all when the script ends, then run COMMAND.
group_trap()
{
	# shellcheck disable=SC2064 # the command as it is now
	trap "group_stop; $1" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}
