# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The table of tests/bench/peer, from lines MACHINE|KERNEL|HOST|EXIT|USE|WRMSR|RDPMC|
# RDMSR|INSTRUCTIONS, and the targets that libmpmu misses.

BEGIN {
	FS = "|"
	print "| machine | host | exit | guest counts | stock, emulated | mainline | libmpmu |"
	print "|---|---|---|---|---:|---:|---:|"
}

{
	if ($5 == "no PMU")
		base[$1, $3, $4, $2] = $9
	if (!(($1, $3, $4, $5) in seen))
		order[++rows] = $1 FS $3 FS $4 FS $5
	seen[$1, $3, $4, $5] = 1
	kinds[$1, $3, $4, $5, $2] = sprintf("%.0f/%.0f/%.0f", $6, $7, $8)
	accesses[$1, $3, $4, $5, $2] = $6 + $7 + $8
	instructions[$1, $3, $4, $5, $2] = $9
}

function ratio(kernel)
{
	return instructions[m, h, e, u, kernel] / base[m, h, e, kernel]
}

function cell(kernel)
{
	if (!((m, h, e, u, kernel) in instructions))
		return "-"
	return kinds[m, h, e, u, kernel] ", " sprintf("%.2f", ratio(kernel))
}

function target(what, is, limit)
{
	if (is <= limit)
		return
	missed[++misses] = sprintf("missed: %s, %s, %s, %s: %s %.2f, at most %.2f", m, h, e, u, what, is, limit)
}

# KVM executes an instruction for the guest, and adds it to counters of instructions:
# that has its price, and no target here.
function judge(    mine, theirs)
{
	if (u == "no PMU" || u ~ /instructions/)
		return
	mine = accesses[m, h, e, u, "mpmu-y"]
	theirs = accesses[m, h, e, u, "mainline"]
	if (u == "untouched" || (h == "no event" && e != "a change of vCPU")) {
		target("accesses", mine, 0.05)
		target("instructions", ratio("mpmu-y"), e == "a CPUID exit" ? 1.03 : 1.05)
		return
	}
	target("accesses to mainline's", mine / theirs, e == "a change of vCPU" ? 0.6 : 1)
	target("excess to mainline's", (ratio("mpmu-y") - 1) / (ratio("mainline") - 1),
	       e == "a change of vCPU" ? 0.8 : 0.9)
}

END {
	for (i = 1; i <= rows; i++) {
		split(order[i], part, FS)
		m = part[1]; h = part[2]; e = part[3]; u = part[4]
		print "| " m " | " h " | " e " | " u " | " cell("stock") " | " cell("mainline") " | " cell("mpmu-y") " |"
		judge()
	}
	if (misses)
		print ""
	for (i = 1; i <= misses; i++)
		print missed[i] (i < misses ? "  " : "")
	exit misses > 0
}
