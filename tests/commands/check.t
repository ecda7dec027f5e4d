#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `./check --full` in a small tree of two tests: what it repeats, and what it
# reports.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/commands/tree.sh"

# add_test NAME: one that leaves a mark, and fails while there is a file "broken".
add_test()
{
	cat >"$tree/tests/$1" <<-TEST
	#!/bin/sh
	# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
	echo "$1" >>"$work/ran"
	echo 1..1
	[ ! -e "$work/broken" ] || printf 'not '
	echo "ok 1 - $1"
	TEST
	chmod +x "$tree/tests/$1"
}

commit()
{
	git -C "$tree" add .
	git -C "$tree" -c user.name=check -c user.email=check@localhost commit -qm "$1"
}

plant()
{
	mkdir -p "$tree/tests/narrow" "$tree/tests/wide" "$tree/part" "$work/cache/kernel/mpmu-y"
	cp "$MPMU_TOP/check" "$tree/"
	cp -R "$MPMU_TOP/tests/lib" "$tree/tests/lib"
	echo 'PARTS = part' >"$tree/tests/tiers"
	printf '%s\t%s\t%s\n' full 'tests/narrow/*.t' '$PARTS' full 'tests/wide/*.t' '' >>"$tree/tests/tiers"
	touch "$tree/part/file" "$tree/other"
	add_test narrow/a-long.t
	add_test wide/b-long.t
	git -C "$tree" init -q
	commit first
}

# runs STATUS NAMES [TEST...]: `./check --full TEST...` ends so, and runs these.
runs()
{
	local status=0

	: >"$work/ran"
	MPMU_CACHE=$work/cache "$tree/check" --full "${@:3}" >"$work/out" 2>&1 || status=$?
	[ "$status $(sort "$work/ran" | xargs)" != "$1 $2" ] || return 0
	echo "status $status, ran:"
	cat "$work/ran" "$work/out"
	return 1
}

# beside FOLDER MESSAGE: refused while another has FOLDER.
beside()
{
	local fd status=0

	exec {fd}<"$1"
	flock "$fd"
	runs 3 '' && grep -q "$2" "$work/out" || status=1
	exec {fd}<&-
	return "$status"
}

reported()
{
	grep -qFe "$1" "$tree/docs/test-report.md" || { cat "$tree/docs/test-report.md"; return 1; }
}

unreported()
{
	! reported "| $1 |"
}

# A short form by a variable, and the long one after it.
reduced_repeats()
{
	(export MPMU_RUNS=1 && runs 0 "$both") && runs 0 "$both"
}

skipped_repeats()
{
	cp "$tree/tests/narrow/a-long.t" "$work/kept"
	printf '%s\n' '#!/bin/sh' "echo narrow/a-long.t >>$work/ran" 'echo 1..0 \# SKIP only root' >"$tree/tests/narrow/a-long.t"
	echo change >>"$tree/part/file"
	runs 0 "$both" && runs 0 narrow/a-long.t &&
		cp "$work/kept" "$tree/tests/narrow/a-long.t" && runs 0 "$both"
}

# refused MESSAGE TEST...
refused()
{
	runs 2 '' "${@:2}" && grep -qF "$1" "$work/out"
}

need_packages git perl make
plant
first=$(git -C "$tree" describe --always)
both='narrow/a-long.t wide/b-long.t'
touch "$work/broken"
try "what fails is reported as failed" runs 1 "$both"
try "the report counts it" reported '0 passed, 2 failed'
rm "$work/broken"
try "what failed is repeated" runs 0 "$both"
try "the report says that no test is missing" reported 'since they passed: 0.'
try "the report names the commit" reported "| tests/narrow/a-long.t | 1 | 0 | 0 | 0 | $first |"
commit report
try "what passed is not, with the report committed" runs 0 ''
echo change >>"$tree/other"
commit second
try "a change elsewhere repeats what depends on the whole tree" runs 0 wide/b-long.t
try "what was not repeated keeps its commit" reported "| tests/narrow/a-long.t | 1 | 0 | 0 | 0 | $first |"
echo change >>"$tree/part/file"
try "a change that is not committed repeats what depends on it" runs 0 "$both"
try "the report says so" reported '-dirty |'
echo new >"$tree/part/new"
try "so does a file that git does not know" runs 0 "$both"
rm "$tree/part/new"
try "with and without it" runs 0 "$both"
try "what is told to leave something out says nothing of the whole" reduced_repeats
try "a test that skipped itself is repeated" skipped_repeats
cp -R "$tree/tests" "$work/tests"
echo change >>"$tree/part/file"
printf '%s\n' '#!/bin/sh' 'echo progress >&2' 'sleep 4' "echo >$work/late" 'echo ok 1' 'echo 1..1' >"$tree/tests/narrow/a-long.t"
printf '%s\n' '#!/bin/sh' 'seq -f "# %g" 40000' "[ ! -e $work/late ] || printf 'not '" 'echo ok 1' 'echo 1..1' \
	>"$tree/tests/wide/b-long.t"
try "a test that shows its progress keeps no other one waiting" runs 0 ''
cp -R "$work/tests" "$tree/"
printf '%s\n' '#!/bin/sh' 'kill -KILL $PPID' >"$tree/tests/wide/b-long.t"
try "a test without a result has failed, though nobody reported it" runs 1 ''
try "the report says which" reported '| tests/wide/b-long.t | 0 | 1 | 0 | 0 |  | no result |'
add_test wide/b-long.t
try "and it is repeated" runs 0 wide/b-long.t
try "another one in the same checkout is refused" beside "$tree" "another ./check is running"
try "another --full with the same cache is" beside "$work/cache" "another ./check --full"
echo change >>"$tree/other"
echo change >>"$tree/part/file"
try "a name that no test has is refused, and nothing is run" \
	refused 'there is no test tests/wide/c-long.t' tests/narrow/a-long.t tests/wide/c-long.t
try "only the tests that are named are run" runs 0 wide/b-long.t tests/wide/b-long.t
try "the report has no other one" unreported tests/narrow/a-long.t
try "and says how many are missing" reported 'since they passed: 1.'
try "what passed under its name is not repeated" runs 0 narrow/a-long.t
try "and the report has both" reported "2 passed, 0 failed"
add_test kept.t
mkdir -p "$tree/build/tests/c"
cp "$tree/tests/kept.t" "$tree/build/tests/c/gone.t"
mv "$tree/tests/kept.t" "$tree/build/tests/c/"
printf '%s\n' 'tests:' 'list-tests:' '	@echo build/tests/c/kept.t' >"$tree/Makefile"
printf '%s\t%s\t%s\n' full 'build/tests/*/*.t' Makefile >>"$tree/tests/tiers"
commit make
try "a program that make does not list is left alone" runs 0 'kept.t narrow/a-long.t wide/b-long.t'
if [ "$(id -u)" = 0 ]; then
	chown -R nobody "$tree"
	try "a checkout of another user's is as good" runs 0 ''
	chown -R root "$tree"
else
	skip "a checkout of another user's is as good" "not root"
fi
sed -i 's/part/gone/' "$tree/tests/tiers"
try "a path that does not exist is an error" runs 1 ''
done_testing
