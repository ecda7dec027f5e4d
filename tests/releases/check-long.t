#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The README's second command in a bare root of each release that it names, on the
# last commit in a clean clone, with a cache of its own: all that the tests need
# is installed by them.  MPMU_RELEASES chooses among the releases,
# MPMU_RELEASES_TIER=--quick the tier.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

here=$MPMU_TOP/tests/releases
tier=${MPMU_RELEASES_TIER:-}
work=$(mktemp -d -p "$MPMU_CACHE")
trap 'rm -rf "$work"' EXIT

# A cache is kept for the next try until the release has passed.
check_release()
{
	local release=$1 root=$work/$1 cache=$MPMU_CACHE/release-$1

	cp -a "$("$here/root" "$release")" "$root"
	# A checkout of another owner: see .ci/run.
	printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
	GIT_CONFIG_GLOBAL=$work/gitconfig git clone -q "$MPMU_TOP" "$root/srv/libmpmu"
	mkdir -p "$cache"
	# shellcheck disable=SC2086 # none, or one
	if ! "$here/inside" "$root" "$cache" /srv/libmpmu/check $tier >"$work/log" 2>&1; then
		grep -E '^(not ok|Bail out|# |error)' "$work/log" | tail -n 60
		tail -n 1 "$work/log"
		return 1
	fi
	[ -n "$tier" ] || rm -rf "$cache"
	rm -rf "$root"
}

# It must fail for what fails inside, and leave no mount behind.
broken()
{
	mkdir -p "$work/none"
	! "$here/inside" "$("$here/root" trixie)" "$work/none" sh -c 'test -e /proc/1/exe && exit 7' || return 1
	! grep -q "$work" /proc/mounts
}

[ "$(id -u)" = 0 ] || skip_all "only root can change the root folder"
for release in ${MPMU_RELEASES:-bookworm trixie}; do
	try "a bare $release: ./check${tier:+ $tier} passes" check_release "$release"
	sed -n '$p' "$work/log" | sed "s/^/# $release: /"
done
try "what fails inside is a failure, and no mount stays" broken
done_testing
