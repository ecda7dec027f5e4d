#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The packages that backends/kvm/package makes in a bare Debian 13, with one command:
# what lintian says; what they leave when they are removed; and that the kernel boots on
# a machine of each vendor with the initramfs that the distribution makes of it, loads
# KVM from there, and a guest's perf counts exactly.  The packages are kept in the cache
# until what goes into them changes; a build that was stopped goes on.
#   package-long.t [PERSONALITY...]
# MPMU_RELEASE=bookworm takes Debian 12.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"
cd "$MPMU_TOP"

LOOPS=1000000
L2_TIMEOUT=2400

[ "$(id -u)" = 0 ] || skip_all "only root can change the root folder"
release=${MPMU_RELEASE:-trixie}
releases=$MPMU_TOP/tests/releases
work=$(mktemp -d -p "$MPMU_CACHE")
trap 'rm -rf "$work" "$MACHINE_WORK"' EXIT
root=$work/root

# bare: a new root, with the project in it.
bare()
{
	rm -rf "$root" &&
		cp -a "$("$releases/root" "$release")" "$root" &&
		mkdir -p "$root/srv/libmpmu" "$root/srv/packages" "$work/cache" &&
		git ls-files -z | xargs -0 cp --parents -t "$root/srv/libmpmu"
}

# inside CACHE COMMAND...
inside()
{
	"$releases/inside" "$root" "$@"
}

# build_packages DIR: with a cache that stays, for a build that is stopped.
build_packages()
{
	local cache=$MPMU_CACHE/release-package-$release

	mkdir -p "$cache" && bare &&
		inside "$cache" /srv/libmpmu/backends/kvm/package --config cloud --out /srv/packages >"$1/said" &&
		cp "$root"/srv/packages/*.deb "$1" && rm -rf "$cache"
}

# get_packages: their folder, as $packages.
get_packages()
{
	local inputs

	mapfile -t inputs < <(find include libmpmu backends/kvm Kconfig -type f | sort)
	packages=$MPMU_CACHE/packages-$release-$(cache_key "${inputs[@]}")
	cached "$packages" build_packages || return 1
	find "$MPMU_CACHE" -mindepth 1 -maxdepth 1 -name "packages-$release-*" ! -path "$packages*" -mtime +0 -exec rm -rf {} +
	image=$(basename "$packages"/linux-image-*.deb) headers=$(basename "$packages"/linux-headers-*.deb)
	kernel=${image%%_*} kernel=${kernel#linux-image-}
}

# What the build says about installing, with the names that the packages have.
explained()
{
	grep -F "apt-get install ./$image ./$headers" "$packages/said" &&
		grep -F "apt-get remove linux-image-$kernel linux-headers-$kernel" "$packages/said"
}

# A machine as clouds have it, with KVM in its initramfs.
furnish()
{
	bare && cp "$packages"/*.deb "$root/srv/packages" || return 1
	inside "$work/cache" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get update
		apt-get install -y --no-install-recommends linux-image-cloud-amd64 initramfs-tools zstd busybox
		printf "kvm_intel\nkvm_amd\n" >>/etc/initramfs-tools/modules
		update-initramfs -u -k all'
}

# state: of the furnished root, what kernels have to do with: files, and packages.
state()
{
	inside "$work/cache" sh -c '
		find /boot /etc /lib/modules /usr/src /var/lib/initramfs-tools /vmlinuz* /initrd.img* -printf "%p %y %m %l\n" 2>/dev/null | sort
		find /boot /etc/initramfs-tools -type f -exec sha256sum {} + | sort -k 2
		dpkg-query -W -f "\${db:Status-Abbrev} \${Package} \${Version}\n" | grep ^ii'
}

apt()
{
	inside "$work/cache" sh -ec 'export DEBIAN_FRONTEND=noninteractive; cd /srv/packages; apt-get "$@"' apt "$@"
}

# What an initramfs has to have, of this kernel and loaded by name.
initramfs_has()
{
	inside "$work/cache" lsinitramfs "/boot/initrd.img-$kernel" >"$work/list"
	grep "lib/modules/$kernel/kernel/arch/x86/kvm/$1.ko" "$work/list"
}

installed()
{
	cp "$root/boot/vmlinuz-$kernel" "$root/boot/initrd.img-$kernel" "$work" &&
		cp "$root/boot/config-$kernel" "$work/config" && [ -d "$root/lib/modules/$kernel" ] &&
		[ -e "$root/usr/src/linux-headers-$kernel/Module.symvers" ]
}

# A module of a user's own, with the headers alone.
builds_module()
{
	mkdir -p "$root/srv/module"
	printf '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n' >"$root/srv/module/empty.c"
	echo 'obj-m := empty.o' >"$root/srv/module/Makefile"
	inside "$work/cache" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get install -y --no-install-recommends gcc make libelf-dev >/dev/null
		make -C "/lib/modules/$0/build" M=/srv/module modules' "$kernel"
}

install_and_remove()
{
	try "a bare $release has the distribution's kernel" furnish
	state >"$work/before"
	try "apt-get install" apt install -y "./$image" "./$headers"
	try "the kernel, its initramfs, its modules and headers are there" installed
	try "that differs from what was before" test -n "$(state | diff "$work/before" -)"
	for module in kvm kvm-intel kvm-amd; do
		try "$module is in the initramfs" initramfs_has "$module"
	done
	try "apt-get remove" apt remove -y "linux-image-$kernel" "linux-headers-$kernel"
	silent "then all is as it was" diff "$work/before" <(state)
	try "dpkg -i" inside "$work/cache" sh -c 'dpkg -i /srv/packages/*.deb'
	try "a module of one's own builds with the headers" builds_module
	try "apt-get purge" apt purge -y "linux-image-$kernel" "linux-headers-$kernel"
	silent "then nothing of it is left" find "$root/boot" "$root/lib/modules" "$root/usr/src" -name "*$kernel*"
}

# Errors of each package that bindeb-pkg makes of 6.12, with libmpmu or without: programs
# of the headers that are not stripped and name no libc, modules below /lib, and the
# address of the machine that built it (DEBEMAIL is another one).
KBUILD='unstripped-binary-or-object missing-dependency-on-libc aliased-location bogus-mail-host malformed-contact
	bogus-mail-host-in-debian-changelog root-in-contact statically-linked-binary'

# errors: what lintian says that is not Kbuild's.
errors()
{
	local tags

	read -r -d '' -a tags <<<"$KBUILD" || true
	grep '^E: ' "$work/lintian" | grep -vE "^E: [^ ]+: ($(IFS='|'; echo "${tags[*]}"))( |\$)" || true
}

check_with_lintian()
{
	try "lintian runs" inside "$work/cache" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get install -y --no-install-recommends lintian >/dev/null
		lintian --allow-root --fail-on none --tag-display-limit 0 /srv/packages/*.deb >/srv/lintian'
	cp "$root/srv/lintian" "$work/lintian"
	awk '$1 == "E:" { count[$2 " " $3]++ } END { for (tag in count) print "# " count[tag] " x " tag }' "$work/lintian"
	silent "lintian finds no error of ours" errors
	echo "E: linux-image-$kernel: no-copyright-file" >>"$work/lintian"
	try "one would be noticed" test -n "$(errors)"
}

# like_build DIR: of the packages, what the tests' images are made of, as
# tests/kernel/build has it.
like_build()
{
	local module found

	dpkg-deb -x "$packages/$image" "$work/image" || return 1
	mkdir -p "$1/arch/x86/boot" && cp "$work/vmlinuz-$kernel" "$1/arch/x86/boot/bzImage" || return 1
	for module in irqbypass kvm kvm-intel kvm-amd; do
		found=$(find "$work/image" -name "$module.ko*") || return 1
		case $found in
		*.xz) xz -dc "$found" >"$1/$module.ko" ;;
		*) cp "$found" "$1/$module.ko" ;;
		esac || return 1
	done
	rm -rf "$work/image"
}

# The distribution's initramfs, and before it what has the tests' image as root.
combine()
{
	local outer=$work/outer

	mkdir -p "$outer/scripts" "$outer/mpmu" &&
		cp "$MPMU_TOP/tests/kernel/boot-package" "$outer/scripts/mpmu" &&
		cp "$(command -v busybox)" "$outer/mpmu/busybox" &&
		mv "$MACHINE_WORK/initrd" "$outer/mpmu/image" &&
		(cd "$outer" && find . -mindepth 1 | cpio -o -H newc -R 0:0 --quiet) >"$MACHINE_WORK/initrd" &&
		cat "$work/initrd.img-$kernel" >>"$MACHINE_WORK/initrd" &&
		rm -rf "$outer"
}

# The guest's kernel is the tests' own: it boots in a minute.
prepare_machine()
{
	local guest

	guest=$("$MPMU_TOP/tests/kernel/build" mpmu-y)
	like_build "$work/build" || return 1
	l2_prepare "$work/build" --linux "$guest/arch/x86/boot/bzImage"
	combine
}

# on MACHINE VENDOR
on()
{
	local label="$1, $kernel" exact=$((LOOPS * turn))

	l2_boot "$1" "$LOOPS" "boot=mpmu init=/init mpmu.policy=direct mpmu.limit=1800" --mem 2048
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
	try "$label: the initramfs loads KVM" grep -qx "mpmu-package: $kernel loaded kvm kvm_$2" "$MACHINE_WORK/console"
	try "$label: its VMs get mediated PMUs" grep -q '^# mediated: enable_mediated_pmu reads Y' "$MACHINE_WORK/console"
	l2_user "$label" ''
	noticed "$label: a wrong count would be noticed" "s/^(user $((2 * LOOPS)) )[0-9]+/\\10/" l2_grows '' user 1 "$exact"
}

if get_packages; then
	result 0 "$release: one command makes $image"
	try "it says how to install and to go back" explained
	install_and_remove
	check_with_lintian
	try "CONFIG_MPMU is set" grep -qx CONFIG_MPMU=y "$work/config"
	try "the watchdog is as shipped" grep -qx CONFIG_HARDLOCKUP_DETECTOR_PERF=y "$work/config"
	prepare_machine
	[ $# -gt 0 ] || set -- intel-spr amd-zen4
	for machine; do
		on "$machine" "${machine%%-*}"
	done
else
	result 1 "$release: one command makes the packages" "see the lines above, and the log in $MPMU_CACHE/release-package-$release/log"
fi
done_testing
