# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# backends/kvm/integrate on trees that have the files it looks at, and no other.

integrate=$MPMU_TOP/backends/kvm/integrate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pristine=$("$MPMU_TOP/tests/kernel/source") ||
	die 3 source "there is no kernel tree to test on" "see the message above"

# The files that integrate looks at: those that it changes, and the version.
relevant()
{
	sed -n 's,^--- a/,,p' "$MPMU_TOP"/backends/kvm/patches/6.12/*.patch
	printf '%s\n' Makefile arch/x86/kvm/Makefile arch/x86/kvm/Kconfig
}

# The folders of those and of new files, all of which a real tree has.
folders()
{
	sed -n 's,^+++ b/\(.*\)/.*,\1,p' "$MPMU_TOP"/backends/kvm/patches/6.12/*.patch | sort -u
}

# A tree of those, in a folder of that name.
new_tree()
{
	tree=$work/$1
	rm -rf "$tree"
	mkdir "$tree"
	(cd "$pristine" && relevant | sort -u | xargs ls 2>/dev/null |
		xargs cp -a --parents -t "$tree")
	(cd "$tree" && folders | xargs mkdir -p)
	remember
}

# Name, mode and content of each file.
manifest()
{
	(cd "$tree" && find . -type f -printf '%m ' -exec sha256sum {} + | sort -k 2
		find . -printf '%m %p\n' | sort) 2>/dev/null
}

remember()
{
	manifest >"$tree.before"
}

untouched()
{
	manifest | diff "$tree.before" - >"$work/diff" || { head -n 5 "$work/diff"; return 1; }
}

# run EXIT-STATUS TEXT [OPTION...]: what it returns, and a line that it prints.
# Signals that whoever started the test ignores are as they are by default.
run()
{
	local want=$1 text=$2 got=0
	shift 2

	env --default-signal=HUP,INT,TERM PATH="$work/bin:$PATH" \
		"$integrate" "$tree" "$@" >"$work/output" 2>&1 || got=$?
	[ "$got" = "$want" ] || { echo "exit status $got"; cat "$work/output"; return 1; }
	grep -qF -- "$text" "$work/output" || { echo "no \"$text\" in:"; cat "$work/output"; return 1; }
}

# refused NAME TEXT [OPTION...]: exit 3, with the file or reason, tree untouched.
refused()
{
	local name=$1 text=$2
	shift 2

	try "$name: refused, and says why" run 3 "$text" "$@"
	try "$name: tree untouched" untouched
}
