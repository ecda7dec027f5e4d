# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What ./run and ./check share: a look at the machine before they begin, and
# commands in process groups of their own, so that whatever ends the script
# ends everything that it started, builds and emulators included.

declare -A GROUPS_RUNNING=()

# Memory of an emulated machine, and what ./run takes with two of them.
# shellcheck disable=SC2034 # of those who source this
MACHINE_MB=1024
# shellcheck disable=SC2034
RUN_MB=3500

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

# disk_needed: for a full cache, or beside the kernels, which are most of it.
disk_needed()
{
	[ -d "$MPMU_CACHE/kernel/mpmu-y" ] && echo 3000 || echo 12000
}

# need_room DISK_MB MEMORY_MB: refuse before anything is begun.
need_room()
{
	local disk memory

	disk=$(df -Pm "$MPMU_CACHE" | awk 'NR == 2 { print $4 }')
	[ "$disk" -ge "$1" ] ||
		die 3 "disk space" "$disk MB free in $MPMU_CACHE, $1 MB needed" \
			"make room, or set MPMU_CACHE to a folder that has it"
	memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$memory" -ge "$2" ] ||
		die 3 memory "$memory MB available, $2 MB needed" "stop other programs, or take a larger machine"
}
