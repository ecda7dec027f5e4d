#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# backends/kvm/package: what it refuses; and what it does beside compiling, with a tar
# and a make that only pretend: progress, what reaches the folder, how it fails, goes on
# and is stopped.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

package=$MPMU_TOP/backends/kvm/package
[ "$(id -u)" = 0 ] || skip_all "only root can install what it builds with"
# Not in /tmp, which may be too small for it to begin.
work=$(mktemp -d -p "$MPMU_CACHE")
trap 'umount "$work/small" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/out" "$work/bin" "$work/small" "$work/cache"

# refused NAME STATUS PATTERN OPTION...: with a cache in which nothing may stay.
refused()
{
	try "refused: $1" ends_with "$2" "$3" env MPMU_CACHE="${cache:-$work/cache}" "${prefix[@]}" \
		"$package" --out "$work/out" "${@:4}"
}

refuse_arguments()
{
	local prefix=(env)

	refused "an unknown option" 2 "unknown option --fast" --fast
	refused "an option without its value" 2 "--jobs wants a value" --jobs
	refused "no jobs" 2 "no number from 1" --jobs 0
	refused "jobs that are no number" 2 "no number from 1" --jobs -2
	refused "a configuration that is not there" 3 "remedy: cloud, bare, or a file" --config "$work/none"
	refused "a folder as configuration" 3 "remedy: cloud, bare, or a file" --config "$work"
	refused "a folder for packages that is not there" 3 "cannot write to $work/none" --out "$work/none"
}

refuse_machines()
{
	local prefix cache

	printf 'ID=debian\nVERSION_ID="11"\n' >"$work/release"
	prefix=(unshare -m sh -c 'mount --bind "$0" /etc/os-release && exec "$@"' "$work/release")
	if "${prefix[@]}" true 2>/dev/null; then
		refused "Debian 11" 3 "this is debian 11" --check
		mount -t tmpfs -o size=40m tmpfs "$work/small"
		prefix=(env) cache=$work/small
		refused "too little disk" 3 "2500 MB needed" --check
		refused "too little disk for packages" 3 "6000 MB needed"
		refused "too little disk for bare machines" 3 "14000 MB needed" --config bare
		umount "$work/small"
		cache=
	else
		skip "refused: other machines, too little disk" "no permission to mount"
	fi
	if unshare -U true 2>/dev/null; then
		prefix=(unshare -U)
		refused "not root" 3 "remedy: run as root" --check
	else
		skip "refused: not root" "no permission to make a user namespace"
	fi
}

# All packages seem to be there, and not of one version.
refuse_versions()
{
	local prefix=(env PATH="$work/bin:$PATH" CONFIGS=6.12.1-1)

	refused "a configuration of another version" 3 "linux-source-6.12 is 6.12.2-1, linux-config-6.12 is 6.12.1-1" --check
}

# left: what a refusal must not leave; the log and locks may stay.
left()
{
	find "$work/out" -mindepth 1
	find "$work/cache" -mindepth 1 -maxdepth 1 -type d ! -name log
}


# pretend NAME: standard input, as a program that comes first.
pretend()
{
	cat >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

pretend dpkg-query <<'END'
#!/bin/sh
case $* in
*Version*config*) echo "${CONFIGS:-6.12.2-1}" ;;
*Version*) echo 6.12.2-1 ;;
*) echo installed ;;
esac
END

# What a checkout has of the script, and an integrate without patches.
plant_project()
{
	project=$work/project
	mkdir -p "$project/backends/kvm" "$project/include" "$project/libmpmu" "$project/tests"
	cp -R tests/lib "$project/tests/lib"
	cp backends/kvm/package backends/kvm/objects.pl "$project/backends/kvm"
	cp Kconfig "$project"
	printf '#!/bin/sh\nmkdir -p "$1/arch/x86/kvm/mpmu"\n' >"$project/backends/kvm/integrate"
	chmod +x "$project/backends/kvm/integrate"
	printf 'CONFIG_X86_64=y\nCONFIG_KVM=m\nCONFIG_OTHER=y\n' >"$work/config"
}

# A tree of 20 objects, of which make says no more than ten at a time.
plant_tools()
{
	pretend df <<-'END'
	#!/bin/sh
	printf 'Filesystem\nnone 1 1 99999 1 /\n'
	END
	pretend tar <<-'END'
	#!/bin/bash
	echo unpacked >>"$CALLS"
	cd "$2" && mkdir scripts && touch {a,b,c,d}{1,2,3,4,5}.c
	echo obj-y := {a,b}{1,2,3,4,5}.o >Kbuild
	echo 'obj-$(CONFIG_OTHER)' := {c,d}{1,2,3,4,5}.o >>Kbuild
	printf '#!/bin/sh\necho CONFIG_MPMU=y >>"$2"\n' >scripts/config
	chmod +x scripts/config
	END
	pretend make <<-'END'
	#!/bin/bash
	cd "$2" || exit
	[ "$3" != olddefconfig ] || exit 0
	for object in a{1,2,3,4,5} b{1,2,3,4,5}; do echo "  CC      $object.o"; touch ".$object.o.cmd"; done
	[ -z "$BROKEN" ] || { echo "a1.c:1:2: error: planted"; echo "make: *** [a1.o] Error 1"; exit 2; }
	sleep "${PAUSE:-6}"
	for kind in image-6.12.2-mpmu-local headers-6.12.2-mpmu-local image-6.12.2-mpmu-local-dbg libc-dev; do
		head -c "${SIZE:-100}" /dev/zero >"../linux-${kind}_${KDEB_PKGVERSION}_amd64.deb"
	done
	END
}

# builds STATUS PATTERN [VARIABLE=VALUE...]: with the tools that pretend.
builds()
{
	ends_with "$1" "$2" bash -o pipefail -c '"$@" 2>&1 | tee "$0"' "$work/said" \
		env PATH="$work/bin:$PATH" MPMU_CACHE="$work/cache" CALLS="$work/calls" BROKEN= "${@:3}" \
		"$project/backends/kvm/package" --config "${config:-$work/config}" --out "$out"
}

# packages: what the folder has, without versions.
packages()
{
	find "$out" -mindepth 1 -printf '%f\n' | sed 's/_.*_/ /' | sort | xargs
}

# explained FILE: the commands name packages that are there.
explained()
{
	local files

	files=$(sed -n 's/^install:  cd .* && apt-get install //p' "$1")
	[ "$(wc -w <<<"$files")" = 2 ] || return 1
	# shellcheck disable=SC2086 # two names
	(cd "$out" && ls $files) && grep -qE 'apt-get remove linux-image-6.12.2-mpmu-local linux-headers-6.12.2-mpmu-local$' "$1"
}

# unpacked TIMES
unpacked()
{
	[ "$(wc -l <"$work/calls")" = "$1" ]
}

# Of what was stopped, processes that have the cache in their environment.
stopped()
{
	local pid

	env PATH="$work/bin:$PATH" MPMU_CACHE="$work/cache" CALLS="$work/calls" BROKEN='' PAUSE=60 \
		"$project/backends/kvm/package" --config "$work/config" --out "$out" >"$work/log" 2>&1 &
	pid=$!
	sleep 3
	grep -q '^\[\.\.\.\.\] build the packages' "$work/log" || cat "$work/log"
	kill -TERM "$pid"
	wait "$pid" && echo "it ended with status 0"
	grep -lzs "^MPMU_CACHE=$work/cache" /proc/[0-9]*/environ || true
	find "$out" -mindepth 1
}

build()
{
	local out=$work/out2 config='' option

	mkdir "$out"
	config=$work/other
	for option in X86_64 KVM; do
		grep -v "$option" "$work/config" >"$config"
		try "refused: a configuration without $option" builds 3 'CONFIG_MPMU cannot be had'
	done
	config=
	try "an error: status 1, where, and the log" builds 1 '^[0-9]*:a1.c:1:2: error: planted' BROKEN=1
	try "the log is kept" grep -q planted "$work/cache/log/package-build.log"
	try "no package of it" test -z "$(packages)"
	silent "TERM ends all that it began, and no package comes" stopped
	try "then it goes on: half is there" builds 0 '^\[ 99% \] 20 of about 20 objects'
	try "the source was unpacked once for all" unpacked 1
	try "the two packages come, and nothing else" test "$(packages)" = \
		'linux-headers-6.12.2-mpmu-local amd64.deb linux-image-6.12.2-mpmu-local amd64.deb'
	try "it says how to install them, and to go back" explained "$work/said"
	silent "the tree is gone then" trees
	try "from nothing: half is done, and how long it takes" builds 0 '^\[ 50% \] 10 of about 20 objects; some 1 min'
	try "refused: while another one is at work" flock "$work/cache/package.lock" \
		bash -c "$(declare -f ends_with builds); $(declare -p work project out); builds 3 'another one is at work'"
}

trees()
{
	find "$work/cache" -mindepth 1 -maxdepth 1 -type d -name 'package-*'
}

# A folder that is too small for the packages.
fill()
{
	local out=$work/small

	if ! mount -t tmpfs -o size=1m tmpfs "$out" 2>/dev/null; then
		skip "a folder that is full" "no permission to mount"
		return
	fi
	try "a folder that is full: status 1" builds 1 'cannot be written to .*small' SIZE=700000 PAUSE=1
	try "no package is in it, nor a part" test -z "$(packages)"
	try "the packages stay in the cache" grep -q "^remedy: they are in $(trees)" "$work/said"
	umount "$out"
}

refuse_arguments
refuse_machines
refuse_versions
silent "nothing stays of what was refused" left
plant_project
plant_tools
build
fill
done_testing
