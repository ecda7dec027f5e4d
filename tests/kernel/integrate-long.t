#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# integrate on each 6.12.y between the oldest and the newest that Debian's archives
# hold: the oldest and the newest of each suite that has linux-source-6.12.

. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/apt.sh"
. "$(dirname "$0")/integrate.sh"

SUITES='bookworm-backports bookworm-security trixie trixie-security'
package=linux-source-6.12
need_packages xz-utils

# Trees before 6.12.111 start PT in one way only: the hunk that comes before both
# ways is to be placed by hand.
by_hand="arch/x86/events/intel/pt.c: 0015-"

# fetch SUITE VERSION DIR: the files that integrate looks at.
fetch()
{
	local apt=$work/$1

	mkdir -p "$3" && cd "$apt" && apt_private "$apt" download "$package=$2" || return 1
	dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xO "./usr/src/$package.tar.xz" >source.tar.xz &&
		rm "$package"_*.deb || return 1
	# Files that the series makes are not in it.
	relevant | sort -u | sed "s,^,$package/," >files
	tar -C "$3" --strip-components=1 -xJf source.tar.xz -T files || true
	rm source.tar.xz
	[ -f "$3/arch/x86/kvm/Makefile" ]
}

# offered: suite and version, one for each 6.12.y.
offered()
{
	local suite

	for suite in $SUITES; do
		apt_private_init "$work/$suite" "$suite" >&2 || continue
		apt_private_versions "$work/$suite" "$package" | sed -n '1p; $p' | sed "s/^/$suite /"
	done | awk '{ version = $2; sub(/-.*/, "", version) } !seen[version]++'
}

judge_version()
{
	local version=${1%%-*}

	pristine=$work/source-$version
	new_tree "$version"
	if dpkg --compare-versions "$version" lt 6.12.111; then
		try "$version: the report names one hunk" run 3 "1 of" --report
		try "$version: it is that of PT" grep -q "^$by_hand" "$work/output"
		refused "$version" "arch/x86/events/intel/pt.c"
		return
	fi
	try "$version: the report has nothing to name" run 0 "hunks apply" --report
	try "$version: --check" run 0 "would work" --check
	try "$version: tree untouched" untouched
	try "$version: integrate" run 0 "integrated"
	try "$version: --revert" run 0 "reverted" --revert
	try "$version: byte for byte" untouched
}

set +e
offered >"$work/offered"
try "three versions or more" test "$(wc -l <"$work/offered")" -ge 3
while read -r suite version; do
	try "$version: fetched from $suite" fetch "$suite" "$version" "$work/source-${version%%-*}"
	judge_version "$version"
done <"$work/offered"
done_testing
