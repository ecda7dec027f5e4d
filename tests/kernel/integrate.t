#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# backends/kvm/integrate on a pristine tree, and on each kind of wrong tree.

. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/integrate.sh"
events=kernel/events/core.c

has_one_line_more()
{
	diff "$pristine/$1" "$tree/$1" >"$work/diff"
	[ "$(grep -c '^[<>] .' "$work/diff")" = 1 ] && grep -q "^> .*$2" "$work/diff"
}

patch_by_hand()
{
	patch -s -p1 -d "$tree" <"$MPMU_TOP/backends/kvm/patches/6.12/$1"
}

test_pristine()
{
	new_tree pristine
	try "pristine: --check" run 0 "would work" --check
	try "pristine: --check changes nothing" untouched
	try "pristine: --check lists what would change" grep -qx "changes: $events" "$work/output"
	try "pristine: integrate" run 0 "integrated"
	try "pristine: Makefile has one line more" has_one_line_more arch/x86/kvm/Makefile mpmu/Kbuild
	try "pristine: Kconfig has one line more" has_one_line_more arch/x86/kvm/Kconfig mpmu/Kconfig
	try "pristine: the core is there" test -f "$tree/arch/x86/kvm/mpmu/libmpmu/decode.c"
	try "pristine: its headers are there" test -f "$tree/arch/x86/kvm/mpmu/include/mpmu/mpmu.h"
	try "pristine: the patches are applied" grep -q perf_load_guest_context "$tree/$events"

	cp "$tree.before" "$work/pristine.manifest"
	remember
	try "second run: says so" run 0 "integrated already"
	try "second run: changes nothing" untouched
	try "second run: --check says so" run 0 "integrated already" --check
	cp "$work/pristine.manifest" "$tree.before"
	try "--revert" run 0 "reverted" --revert
	try "--revert: byte for byte" untouched
	try "--revert again: says so" run 0 "not integrated" --revert
	try "--revert again: changes nothing" untouched
}

test_not_a_kernel()
{
	tree=$work/nothing
	mkdir -p "$tree"
	remember
	refused "empty folder" "no Linux source tree"
	touch "$tree/Makefile"
	remember
	refused "some other tree" "no Linux source tree"
	tree=$work/missing
	: >"$tree.before"
	try "no folder: refused" run 3 "no Linux source tree"
}

test_not_6_12()
{
	new_tree other
	sed -i 's/^PATCHLEVEL = 12/PATCHLEVEL = 11/' "$tree/Makefile"
	remember
	refused "Linux 6.11" "Linux 6.11"
	refused "Linux 6.11, --check" "Linux 6.11" --check
}

test_changed()
{
	new_tree changed
	echo "/* mine */" >>"$tree/$events"
	remember
	refused "local change elsewhere" "$events: changed locally"
	refused "local change elsewhere, --check" "$events" --check
	try "local change elsewhere: --any-base accepts it" run 0 "integrated" --any-base
	try "local change elsewhere: --revert" run 0 "reverted" --revert
	try "local change elsewhere: byte for byte" untouched

	new_tree conflict
	sed -i 's/security_perf_event_free(event);/security_perf_event_free((event));/' "$tree/$events"
	remember
	refused "conflict" "$events" --any-base

	new_tree gone
	rm "$tree/kernel/watchdog_perf.c"
	remember
	refused "file is missing" "kernel/watchdog_perf.c"

	new_tree anchor
	sed -i '/virt\/kvm\/Makefile.kvm/d' "$tree/arch/x86/kvm/Makefile"
	remember
	refused "Makefile without the place for the line" "arch/x86/kvm/Makefile" --any-base
}

test_half_applied()
{
	local first

	first=$(head -n 1 "$MPMU_TOP/backends/kvm/patches/6.12/series")
	new_tree half
	patch_by_hand "$first"
	remember
	refused "a patch applied by hand" "half applied" --any-base
	refused "a patch applied by hand, base checked" "changed locally"

	new_tree version
	run 0 "integrated"
	echo 0123456789abcdef >"$tree/arch/x86/kvm/mpmu/.integrate/id"
	remember
	refused "another version of the series" "another version"
	refused "another version, --check" "another version" --check

	new_tree later
	run 0 "integrated"
	echo "/* mine */" >>"$tree/$events"
	remember
	refused "changed after integrate" "$events: changed since"
	refused "changed after integrate, --revert" "$events: changed since" --revert
}

# stand_in TOOL COMMANDS: do these at each call, which $call counts, then the tool.
stand_in()
{
	mkdir -p "$work/bin"
	cat >"$work/bin/$1" <<-END
		#!/bin/sh
		echo x >>"$work/$1.calls"
		call=\$(wc -l <"$work/$1.calls")
		$2
		exec $(command -v "$1") "\$@"
	END
	chmod +x "$work/bin/$1"
	: >"$work/$1.calls"
}

test_interrupted()
{
	local call last signal

	new_tree whole
	stand_in cp ""
	run 0 "integrated"
	last=$(wc -l <"$work/cp.calls")
	new_tree interrupted
	for call in 1 $((last / 2)) $((last - 10)) "$last"; do
		stand_in cp "[ \$call -lt $call ] || exit 1"
		refused "disk full at file $call of $last" "the disk may be full"
	done
	for call in 1 $((last / 4)); do
		stand_in cp "[ \$call != $call ] || exit 1"
		refused "file $call of $last cannot be written" "the disk may be full"
	done
	for signal in INT TERM HUP; do
		stand_in cp "[ \$call != $((last - 10)) ] || kill -$signal \$PPID"
		refused "SIG$signal" "interrupted"
	done
	stand_in cp "[ \$call != $((last / 2)) ] || kill -TERM \$PPID"
	refused "SIGTERM before any change" "interrupted"

	stand_in cp "[ \$call -lt $((last - 10)) ] || exit 1"
	stand_in ln "exit 1"
	try "not restored: refused, and says what to do" run 3 "--revert restores it"
	rm -r "${work:?}/bin"
	try "not restored: half applied is seen" run 3 "half applied"
	try "not restored: --revert" run 0 "reverted" --revert
	try "not restored: byte for byte" untouched
}

# Any other 6.12.y is judged by whether the patches apply.
test_other_sublevel()
{
	new_tree sublevel
	sed -i 's/^SUBLEVEL = .*/SUBLEVEL = 999/' "$tree/Makefile"
	sed -i '1i /* a line more */' "$tree/$events"
	remember
	try "another 6.12.y: integrate" run 0 "integrated"
	try "another 6.12.y: --revert" run 0 "reverted" --revert
	try "another 6.12.y: byte for byte" untouched
}

# The same version, wherever the checkout and the tree are.
test_blank()
{
	local here="$work/a checkout" integrate=$integrate

	mkdir "$here"
	(cd "$MPMU_TOP" && cp -a --parents -t "$here" backends/kvm libmpmu include Kconfig)
	new_tree "a tree"
	try "blanks in paths: a tree" run 0 "integrated"
	integrate="$here/backends/kvm/integrate"
	try "blanks in paths: a checkout, the same version" run 0 "integrated already"
	try "blanks in paths: --revert" run 0 "reverted" --revert
	try "blanks in paths: byte for byte" untouched
	try "blanks in paths: a checkout and a tree" run 0 "integrated"
}

test_usage()
{
	try "no argument: exit 2" sh -c "'$integrate' 2>/dev/null; [ \$? = 2 ]"
	try "unknown option: exit 2" sh -c "'$integrate' --frob '$pristine' 2>/dev/null; [ \$? = 2 ]"
	new_tree modes
	run 0 "integrated"
	remember
	try "--check --revert: exit 2" run 2 "integrate LINUX_DIR" --check --revert
	try "--check --revert: changes nothing" untouched
	try "--revert --check: exit 2" run 2 "integrate LINUX_DIR" --revert --check
}

base_is_complete()
{
	"$integrate" "$pristine" --base | diff - "$MPMU_TOP/backends/kvm/KERNEL-BASE"
}

set +e
try "KERNEL-BASE is that of the tree and the series" base_is_complete
test_pristine
test_not_a_kernel
test_not_6_12
test_changed
test_half_applied
test_interrupted
test_other_sublevel
test_blank
test_usage
done_testing
