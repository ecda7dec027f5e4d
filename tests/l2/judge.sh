# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154
# Judge the lines of a guest that counted (tests/l2/guest) beside ./run.  Source
# it after machine.sh.

PERIOD=10007
MAX_SKID=32

# l2_prepare KERNEL-BUILD [OPTION OF IMAGE...]: what l2_boot boots, and what turns of the loops have.
l2_prepare()
{
	local initrd=$MACHINE_WORK/initrd

	"$MPMU_TOP/tests/l2/image" "$1" "$initrd" "${@:2}"
	bzimage=$1/arch/x86/boot/bzImage
	turn=$(grep -c '^ *[0-9a-f]*:	' "$initrd.loop")
	branches=$(grep -cE ':	(j|call|ret)' "$initrd.loop")
	exit_turn=$(grep -c '^ *[0-9a-f]*:	' "$initrd.exits")
}

# l2_boot PERSONALITY LOOPS WORDS [OPTION...]: the lines, and the machine's $status.
l2_boot()
{
	local personality=$1 words=$3
	loops=$2
	shift 3

	status=0
	"$MPMU_TOP/tests/rig/machine" --personality "$personality" --kernel "$bzimage" \
		--initrd "$MACHINE_WORK/initrd" --timeout "${L2_TIMEOUT:-600}" --quiet --console "$MACHINE_WORK/console" \
		--append "mpmu.kinds=mediated mpmu.n=$loops mpmu.period=$PERIOD $words" "$@" \
		2>"$MACHINE_WORK/errors" || status=$?
	lines=$(sed -n 's/^mpmu-run: [a-z]* mediated[ -]//p' "$MACHINE_WORK/console" | tr -d '\r')
	grep -v '^window\|^beside' <<<"$lines" | sed 's/^/# /' || true
}

# l2_what_happened: for a check that fails.
l2_what_happened()
{
	cat "$MACHINE_WORK/errors"
	tail -n 20 "$MACHINE_WORK/console"
}

# l2_column PREFIX NAME TURNS NUMBER: of the guest's line with this name; PREFIX is "" or a word.
l2_column()
{
	sed -n "s/^$1 *$2 $3 //p" <<<"$lines" | awk -v number="$4" '{ print $number }'
}

# l2_grows PREFIX NAME NUMBER BY: from N turns to 2N.
l2_grows()
{
	local once twice

	once=$(l2_column "$1" "$2" "$loops" "$3") twice=$(l2_column "$1" "$2" $((2 * loops)) "$3")
	echo "$2, count $3: $once for $loops turns, $twice for the double; $4 more are right"
	[ $((twice - once)) = "$4" ]
}

# l2_samples PREFIX: one for each overflow, at the instruction.
l2_samples()
{
	local have whole skid

	have=$(l2_column "$1" sample $((2 * loops)) 1) skid=$(l2_column "$1" sample $((2 * loops)) 2)
	whole=$(l2_column "$1" user $((2 * loops)) 1)
	echo "$have samples of $whole instructions, one in $PERIOD, $skid late"
	[ "$have" = $((whole / PERIOD)) ] && [ "$skid" -le "$MAX_SKID" ]
}

# l2_user LABEL PREFIX: what the guest's perf counted of its loop.
l2_user()
{
	try "$1: the guest's perf counts instructions" l2_grows "$2" user 1 $((loops * turn))
	try "$1: the guest's perf counts cycles" l2_grows "$2" user 2 $((loops * turn))
	try "$1: the guest's perf counts branches" l2_grows "$2" user 3 $((loops * branches))
	try "$1: the guest's perf gets a sample per overflow" l2_samples "$2"
}

# noticed NAME EDIT CHECK...: the check fails for lines that are edited (by sed).
noticed()
{
	local whole=$lines failed=1

	lines=$(sed -E "$2" <<<"$whole")
	[ "$lines" = "$whole" ] || "${@:3}" >/dev/null 2>&1 || failed=0
	lines=$whole
	result "$failed" "$1" "after sed '$2'"
}

# judged NAME EDIT COMMAND...: it holds for the lines of $label, and not after the EDIT (of sed).
judged()
{
	try "$label: $1" "${@:3}" || true
	noticed "$label: ... and would be noticed if not" "$2" "${@:3}" || true
}

# l2_quiet: the guest came to its end, and its kernel warned of nothing but of what
# processors leak by speculation: that it does of the machine.
l2_quiet()
{
	grep -x end <<<"$lines" && ! grep '^complaint' <<<"$lines" | grep -v 'Speculative Return Stack Overflow: WARNING: See'
}
