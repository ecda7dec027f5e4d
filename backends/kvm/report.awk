# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f report.awk HOOKS LOG: name each hunk that did not apply.  LOG has what
# patch said of each patch of the series, after a line "=== PATCH TREE"; TREE is
# the tree that they were applied to.  For integrate, which says the rest.

FNR == NR {
	if ($0 !~ /^#/ && split($0, column, /\t+/) == 2) {
		pattern[++rows] = column[1]
		check[rows] = column[2]
	}
	next
}

# A hunk as text that patch takes, and what its lines are.
function read_patch(path,	line, file, n)
{
	split("", text)
	split("", count)
	subject = ""
	while ((getline line <path) > 0) {
		if (line ~ /^Subject: /)
			subject = substr(line, 18)
		else if (line ~ /^--- (a\/|\/dev\/null)/)
			header = line
		else if (line ~ /^\+\+\+ b\//) {
			file = substr(line, 7)
			sub(/[ \t].*/, "", file)
			header = header "\n" line
			count[file] = 0
		} else if (line ~ /^@@ /) {
			n = ++count[file]
			place[file, n] = line
			text[file, n] = header "\n" line "\n"
			all++
		} else if (n && line ~ /^[-+ ]/)
			text[file, n] = text[file, n] line "\n"
		else
			n = 0
	}
	close(path)
}

# Is what the hunk makes there already?  Later patches may have changed what is around it.
function is_there(hunk,	command, status)
{
	command = "patch -p1 -R --fuzz=2 --dry-run -s -f -d '" tree "' >/dev/null 2>&1"
	printf "%s", text[hunk] | command
	return close(command) == 0
}

# The failed hunk that has a line which this one finds, or replaces.
function needs(hunk, file,	line, lines, n, i, why)
{
	n = split(text[hunk], lines, "\n")
	for (i = 4; i < n; i++) {
		line = substr(lines[i], 2)
		if (lines[i] ~ /^[- ]/ && (file, line) in missing)
			why = missing[file, line]
	}
	return why
}

function remember(hunk, file, name,	lines, n, i)
{
	n = split(text[hunk], lines, "\n")
	for (i = 4; i < n; i++)
		if (lines[i] ~ /^\+.*[a-z].*/ && lines[i] !~ /^\+[ \t]*(return.*;|#endif.*|#else)$/)
			missing[file, substr(lines[i], 2)] = name
}

# The first row whose pattern is in a changed line, or in patch and file.
function row_of(hunk, file,	lines, n, i, row)
{
	n = split(text[hunk], lines, "\n")
	for (row = 1; row <= rows; row++) {
		if (pattern[row] ~ /^\^/) {
			if (substr(patch_name, 1, 4) " " file ~ pattern[row]) {
				carries = subject
				return row
			}
			continue
		}
		for (i = 4; i < n; i++)
			if (lines[i] ~ /^[-+]/ && match(lines[i], pattern[row])) {
				carries = substr(lines[i], RSTART, RLENGTH)
				return row
			}
	}
	return 0
}

function report(file, n, reason,	hunk, name, near, row, before)
{
	hunk = file SUBSEP n
	name = patch_name ", hunk " n
	near = place[hunk]
	sub(/^@@ [^@]* @@ ?/, "", near)
	row = row_of(hunk, file)
	before = needs(hunk, file)
	failed++
	printf "%s: %s%s\n", file, name, near == "" ? "" : ", after \"" near "\""
	printf "    carries: %s\n", carries
	if (reason != "")
		printf "    why:     %s\n", reason
	else if (is_there(hunk))
		printf "    why:     the tree has it already\n"
	else if (before != "")
		printf "    why:     it changes lines of %s\n", before
	printf "    check:   %s\n", check[row]
	remember(hunk, file, name)
}

function all_of(file, reason,	n)
{
	for (n = 1; n <= count[file]; n++)
		report(file, n, reason)
}

function note_offset(lines)
{
	moved++
	if (lines < 0)
		lines = -lines
	if (lines > farthest) {
		farthest = lines
		where = file
	}
}

$1 == "===" {
	path = substr($0, 5)
	sub(/\t.*/, "", path)
	patch_name = path
	sub(/.*\//, "", patch_name)
	tree = $0
	sub(/.*\t/, "", tree)
	read_patch(path)
	next
}
/^(patching|checking) file / { file = substr($0, index($0, " file ") + 6); gsub(/'/, "", file) }
/^\|\+\+\+ b\// { file = substr($0, 8); sub(/[ \t].*/, "", file) }
/^Hunk #[0-9]+ FAILED/ { report(file, substr($2, 2) + 0, "") }
/^Hunk #[0-9]+ succeeded .*offset/ {
	sub(/.*offset /, "")
	note_offset($1)
}
/^No file to patch/ { all_of(file, "the file is missing") }

END {
	if (moved)
		printf "%d hunks apply at another line than the patch says, the farthest %d away (%s)\n", \
			moved, farthest, where
	if (failed)
		printf "%d of %d hunks do not apply\n", failed, all
	else
		printf "all %d hunks apply\n", all
	exit failed ? 3 : 0
}
