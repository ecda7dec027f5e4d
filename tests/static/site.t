#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The site builds without a warning, diagrams included; its links hold.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages doxygen graphviz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# site DIR [INPUT]
site()
{
	{
		cat docs/Doxyfile
		echo "OUTPUT_DIRECTORY = $work/$1"
		echo "INPUT += ${2:-}"
	} | doxygen -
}

ownership()
{
	local state

	for state in untouched touched owned parked displaced; do
		grep -q "$state" "$work/good/html"/dot_inline_*.svg || echo "no state $state"
	done
}

# Each function of a switch has a sequence with its name.
sequences()
{
	local name

	for name in enter exit put reclaim pmi wrmsr vcpu_reprogram vcpu_filter_changed; do
		grep -q "mpmu_$name()" "$work/good/html"/msc_inline_*.svg || echo "no mpmu_$name()"
	done
}

undocumented()
{
	printf '/** @file */\nint mpmu_nothing(int *value);\n' >"$work/planted.h"
	! site bad "$work/planted.h" >"$work/log" 2>&1 || echo "a function without documentation passes"
}

# Each guide is a page, with its own title.
pages()
{
	local file

	for file in *.md docs/*.md; do
		sed -n '/^# /{s/^# //; p; q}' "$file" | grep -qFf - <(titles) || echo "$file has no page"
	done
}

titles()
{
	grep -hoE '<title>libmpmu: [^<]*' "$work"/good/html/*.html
}

# links DIR: of its pages, those to a file or a place that is not there.
links()
{
	perl -0777 -e '
		my %text = map { my $file = $_; open my $in, "<", $file or die; s,.*/,,; $_ => scalar <$in> } @ARGV;
		my ($dir) = $ARGV[0] =~ m{(.*)/};
		for my $page (sort keys %text) {
			while ($text{$page} =~ /<a [^>]*href="([^"]+)"/g) {
				my ($file, $place) = split /#/, $1, 2;
				next if $file =~ /^\w+:/;
				$file = $page if $file eq "";
				my $there = exists $text{$file} || -e "$dir/$file";
				print "$page: $1\n" if !$there ||
					defined $place && exists $text{$file} &&
					$text{$file} !~ /\b(?:id|name)="\Q$place\E"/;
			}
		}' "$1"/html/*.html
}

# The guides as one reads them where they are: links between files.
file_links()
{
	local file link

	for file in *.md docs/*.md; do
		{ grep -oE '\]\([^)#: ]+' "$file" || true; } | sed 's/](//' | sort -u | while read -r link; do
			[ -e "$(dirname "$file")/$link" ] || echo "$file: $link"
		done
	done
}

# hook DOMAIN WORD...: the hook of docs/guests.md; what it leaves in the parameter.
hook()
{
	sed -n '/^```sh$/,/^```$/{/^```/d; p}' docs/guests.md >"$work/hook"
	echo '?' >"$work/parameter"
	PARAMETER=$work/parameter sh "$work/hook" "$@" && cat "$work/parameter"
}

# Each picture of a guide is with the pages, and one of them shows it.
pictures()
{
	local picture

	{ grep -hoE '^!\[[^]]*\]\([^)]+' docs/*.md || true; } | sed 's/.*(//' | while read -r picture; do
		[ -s "$work/good/html/$picture" ] && grep -q "=\"$picture\"" "$work"/good/html/*.html || echo "$picture is not shown"
	done
}

broken_link()
{
	mkdir -p "$work/broken/html"
	cp "$work"/good/html/*.html "$work/broken/html"
	echo '<a href="nowhere.html">a</a><a href="index.html#nowhere">b</a>' >>"$work/broken/html/index.html"
	links "$work/broken" >"$work/found"
	grep -q 'nowhere.html$' "$work/found" && grep -q '#nowhere$' "$work/found" || echo "not noticed"
}

try "the site builds without a warning" site good
silent "each guide is a page" pages
silent "links of the pages hold" links "$work/good"
silent "links of the files hold" file_links
try "guides have pictures" grep -q '^!\[' docs/*.md
silent "they are shown" pictures
silent "a link that leads nowhere is noticed" broken_link
try "the hook of docs/guests.md: mediated for a domain by name" test "$(hook perf-1 prepare begin -)" = Y
try "the hook: emulated for another" test "$(hook web prepare begin -)" = N
try "the hook: nothing as a domain ends" test "$(hook perf-1 release end -)" = '?'
silent "it shows who owns the PMU" ownership
silent "it shows a sequence for each switch" sequences
silent "a warning is noticed" undocumented
done_testing
