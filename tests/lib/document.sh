# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Tables of documents that programs write.

# document_put DOCUMENT NAME FILE: FILE in place of what is between the marks of NAME.
document_put()
{
	local new
	new=$(mktemp)

	awk -v table="$3" -v begin="<!-- $2: begin -->" -v end="<!-- $2: end -->" '
	$0 == end { inside = 0 }
	!inside { print }
	$0 == begin { inside = 1; print ""; while ((getline line <table) > 0) print line; print "" }' \
		"$1" >"$new"
	cp "$new" "$1"
	rm "$new"
}
