#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# docs/design.md answers each question in a few lines, and names what exists.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

DOCUMENT=docs/design.md
MAX_LINES=12
QUESTIONS='Who owns the PMU now?
When is this register direct?
What happens on a host event?
What happens on a PMI?
What must a port implement?'

# section DOCUMENT QUESTION: the lines under that heading, empty ones left out.
section()
{
	awk -v heading="## $2" '/^## / { inside = $0 == heading; next } inside && NF' "$1"
}

unanswered()
{
	local question lines

	while read -r question; do
		lines=$(section "$1" "$question" | wc -l)
		[ "$lines" -gt 0 ] || echo "no heading, or nothing under it: $question"
		[ "$lines" -le "$MAX_LINES" ] || echo "$lines lines, more than $MAX_LINES: $question"
		section "$1" "$question" | grep -qE '`mpmu_[a-z_]+\(\)`' ||
			echo "no function named: $question"
	done <<<"$QUESTIONS"
}

# Functions are named as `name()`; slots of the operations too.
missing_functions()
{
	local name

	grep -ohE '`[a-z_]+\(\)`' "$1" | tr -d '`()' | sort -u | while read -r name; do
		git grep -qE "^([a-z].*[ *])?$name\(|\b$name, \(|define $name\(" -- include libmpmu \
			'backends/stub/*.h' 'tests/conformance/*.h' ||
			echo "there is no $name()"
	done
}

# Files are named as `path.c`: from the top, or the end of a path.
missing_files()
{
	local name

	grep -ohE '`[A-Za-z0-9_/.-]+\.(c|h|def|md|mk)`|\]\([^)#:]+' "$1" | sed 's/^](//' | tr -d '`' | sort -u |
		while read -r name; do
			[ -e "$name" ] || [ -n "$(git ls-files "*/$name")" ] || echo "there is no $name"
		done
}

# Each check must notice a document that lacks what it asks for.
planted()
{
	local work
	work=$(mktemp -d)

	{
		echo '## Who owns the PMU now?'
		seq 13
		echo '`mpmu_nonsense()` in `nonsense.c`, see [this](nowhere.md)'
	} >"$work/document"
	[ "$(unanswered "$work/document" | grep -c .)" -ge 9 ] || echo "missing answers are not noticed"
	[ "$(missing_functions "$work/document")" = "there is no mpmu_nonsense()" ] ||
		echo "a missing function is not noticed"
	[ "$(missing_files "$work/document" | grep -c .)" = 2 ] || echo "missing files are not noticed"
	rm -rf "$work"
}

silent "each question has its answer, short, with the function that decides" unanswered "$DOCUMENT"
for document in docs/design.md docs/porting.md docs/msr-policy.md; do
	silent "functions that $document names exist" missing_functions "$document"
	silent "files that $document names exist" missing_files "$document"
done
silent "the checks notice a document that lacks all that" planted
done_testing
