#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The series of the kernel's patches as its readers want it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"

backend=$MPMU_TOP/backends/kvm
patches=$backend/patches/6.12
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names()
{
	sed 's/#.*//; /^[[:space:]]*$/d' "$patches/series"
}

# Each patch that there is, once, in the order of its number.
in_order()
{
	names | sort -uc
	diff <(names) <(cd "$patches" && printf '%s\n' ./*.patch | sed 's,^\./,,')
}

# The mail's header, a blank line, the text, and a signature as its last line.
unsigned()
{
	local name

	for name in $(names); do
		sed '/^---$/,$d' "$1/$name" | awk '
			NR == 1 && !/^From: .* <.*>$/ { bad = 1 }
			NR == 2 && !/^Subject: \[PATCH\] [^ ].*: [A-Z]/ { bad = 1 }
			NF { last = $0 }
			END { exit bad || last !~ /^Signed-off-by: .* <.*>$/ }' ||
			printf '%s\n' "$name"
	done
}

# Those that make a Kconfig or a Makefile of the kernel include libmpmu's.
offering()
{
	(cd "$patches" && names | xargs grep -l '^+.*kvm/mpmu/K\(config\|build\)')
}

# What the kernel exports for the glue, and for its own hooks in KVM.
exported()
{
	(cd "$patches" && names | xargs cat) |
		sed -n 's/^+EXPORT_SYMBOL\(_GPL\)\{0,1\}(\(.*\));/\2/p' | sort -u
}

# The glue, and what the patches add to KVM.
users()
{
	cat "$backend"/*.[ch]
	(cd "$patches" && names | xargs cat) |
		awk '/^\+\+\+ / { kvm = /\/kvm\// } kvm && /^\+/' | grep -v EXPORT_SYMBOL
}

unused()
{
	local symbol

	users >"$work/users"
	exported | while read -r symbol; do
		grep -qw "$symbol" "$work/users" || printf '%s\n' "$symbol"
	done
}

silent 'the series has each patch once, in order' in_order
silent 'each has an author, a subject and a signature' unsigned "$patches"
try 'the last one, and no other, offers CONFIG_MPMU' test "$(offering)" = "$(names | tail -n 1)"
try 'symbols are exported' test -n "$(exported)"
silent 'each symbol that is exported has a user' unused

cp "$patches"/*.patch "$patches/series" "$work"
first=$(names | head -n 1)
sed -i '/^Signed-off-by:/d' "$work/$first"
try 'a patch without a signature is found' test "$(unsigned "$work")" = "$first"
echo '+EXPORT_SYMBOL_GPL(nobody_calls_it);' >>"$work/$first"
patches=$work
try 'an export without a user is found' test "$(unused)" = nobody_calls_it
echo '+source "arch/x86/kvm/mpmu/Kconfig"' >>"$work/$first"
try 'a patch that offers too early is found' test "$(offering | wc -l)" = 2
done_testing
