# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# A tree in $tree with some of the project's scripts, and others that only pretend.
# Source it after tap.sh.

work=$(mktemp -d -p "$MPMU_CACHE")
trap 'rm -rf "$work"' EXIT
tree=$work/tree

# program PATH: standard input, as a script of the tree.
program()
{
	mkdir -p "$tree/$(dirname "$1")"
	cat >"$tree/$1"
	chmod +x "$tree/$1"
}
