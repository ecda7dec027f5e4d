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

# A copy of a tree that is integrated, to be as it was before that.
new_integrated()
{
	if [ ! -d "$work/integrated" ]; then
		new_tree integrated
		run 0 "changes: $events" --check
		sed -n 's/^changes: //p' "$work/output" >"$work/changes"
		run 0 "integrated"
	fi
	tree=$work/$1
	rm -rf "$tree"
	cp -a "$work/integrated" "$tree"
	cp "$work/integrated.before" "$tree.before"
	touch "$work/object"
}

# Files that make takes for older than what was built from the patched ones.
stale()
{
	local file

	while read -r file; do
		[ "$tree/$file" -nt "$work/object" ] || echo "$file"
	done <"$work/changes" | head -n 3
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

	new_integrated ours
	echo "/* mine */" >>"$tree/arch/x86/kvm/mpmu/vmx.c"
	remember
	refused "our file changed, --revert" "arch/x86/kvm/mpmu/vmx.c: changed since" --revert
}

test_make_sees_revert()
{
	new_integrated built
	try "objects built since: --revert" run 0 "reverted" --revert
	try "objects built since: byte for byte" untouched
	silent "objects built since: older than what they are made from" stale
	try "objects built since: other files are as old as they were" \
		test "$tree/Makefile" -ot "$work/object"
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
	for call in 1 $((last / 2)); do
		stand_in cp "[ \$call != $call ] || kill -TERM \$PPID"
		refused "SIGTERM at file $call, before any change" "interrupted"
	done

	stand_in cp "[ \$call -lt $((last - 10)) ] || exit 1"
	stand_in ln "exit 1"
	try "not restored: refused, and says what to do" run 3 "--revert restores it"
	rm -r "${work:?}/bin"
	try "not restored: half applied is seen" run 3 "half applied"
	try "not restored: --revert" run 0 "reverted" --revert
	try "not restored: byte for byte" untouched
}

# calls TOOL: how often it was called since it has a stand-in.
calls()
{
	wc -l <"$work/$1.calls"
}

# revert_ended NAME TOOL COMMANDS: another --revert restores what is left of a tree
# when these end one.
revert_ended()
{
	new_integrated ended
	stand_in "$2" "$3"
	try "--revert ended $1: says so" run 3 "interrupted" --revert
	rm -r "${work:?}/bin"
	[ "$2" != ln ] || try "--revert ended $1: half applied is seen" run 3 "half applied" --check
	try "--revert ended $1: another one" run 0 "$tree: " --revert
	try "--revert ended $1: byte for byte" untouched
	silent "--revert ended $1: objects are older than what they are made from" stale
}

test_revert_interrupted()
{
	local tool call gone

	new_integrated counted
	for tool in ln rm find rmdir; do stand_in "$tool" ""; done
	run 0 "reverted" --revert
	{
		echo "ln $(($(calls ln) / 2))"
		for tool in rm find rmdir; do echo "$tool $(calls "$tool")"; done
	} >"$work/points"
	while read -r tool call; do
		revert_ended "by SIGTERM at $tool $call" "$tool" "[ \$call != $call ] || kill -TERM \$PPID"
	done <"$work/points"
	for gone in .integrate .integrate/orig; do
		revert_ended "when $gone is gone" rm "case \$* in
			'-rf '*/mpmu | '-rf '*/.integrate)
				$(command -v rm) -r '$work/ended/arch/x86/kvm/mpmu/$gone'
				kill -TERM \$PPID
				exit 1 ;;
			esac"
	done
}

# at_once NAME TOOL CALL OTHER TEXT [OPTION]: at this call another one is started,
# with the option OTHER.
at_once()
{
	local name=$1 tool=$2 call=$3 other=$4 text=$5
	shift 5

	stand_in "$tool" "[ \$call != $call ] || {
		'$integrate' '$tree' $other >'$work/other.output' 2>&1; echo \"exit \$?\" >>'$work/other.output'; }"
	try "$name: the first one ends well" run 0 "$text" "$@"
	rm -r "${work:?}/bin"
}

# other_says TEXT: lines that the other one has printed.
other_says()
{
	local text

	for text; do
		grep -q -- "$text" "$work/other.output" || { echo "no \"$text\" in:"; cat "$work/other.output"; return 1; }
	done
}

test_at_once()
{
	local other

	new_tree at-once
	at_once "two at once" cp 1 "" "integrated"
	try "two at once: the other is refused" other_says "another one is at work" "wait" "exit 3"
	run 0 "reverted" --revert
	try "two at once: byte for byte" untouched
	for other in --revert --check; do
		new_tree at-once
		at_once "$other meanwhile" cp 150 $other "integrated"
		try "$other meanwhile: refused" other_says "another one is at work" "exit 3"
		run 0 "reverted" --revert
		try "$other meanwhile: byte for byte" untouched
	done
	for other in "" --revert; do
		new_integrated at-once
		at_once "during --revert, ${other:-integrate}" rm 1 "$other" "reverted" --revert
		try "during --revert, ${other:-integrate}: refused" other_says "another one is at work" "exit 3"
		try "during --revert, ${other:-integrate}: byte for byte" untouched
	done
	at_once "two --check" cp 1 --check "would work" --check
	try "two --check: both are answered" other_says "would work" "exit 0"
}

# Root writes to any folder, unless it gives that right away.
test_not_writable()
{
	local folder root=$integrate integrate=$work/integrate

	printf '#!/bin/sh\n[ "$(id -u)" != 0 ] || without="setpriv --bounding-set -dac_override"\nexec $without "%s" "$@"\n' \
		"$root" >"$integrate"
	chmod +x "$integrate"
	new_tree read-only
	for folder in arch/x86/kvm "${events%/*}"; do
		chmod a-w "$tree/$folder"
		remember
		refused "$folder is read-only, --check" "$folder: cannot be written" --check
		refused "$folder is read-only" "$folder: cannot be written"
		chmod u+w "$tree/$folder"
	done
	try "folders can be written again: --check" run 0 "would work" --check
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
test_make_sees_revert
test_interrupted
test_revert_interrupted
test_at_once
test_not_writable
test_other_sublevel
test_blank
test_usage
done_testing
