# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Tables of the pages, after figures.awk: -v table=exits, use, reference, cycles or sources.

function kinds(kernel,    p)
{
	p = place(kernel, u)
	return sprintf("%s; %.0f/%.0f/%.0f", left[p] == "" ? "?" : sprintf("%.0f", left[p]), wrmsr[p], rdpmc[p], rdmsr[p])
}

function cell(kernel,    p)
{
	p = place(kernel, u)
	if (p in refused)
		return "refused"
	if (!(p in measured))
		return "-"
	if (w == STAT)
		return sprintf("%s; %.0f", kinds(kernel), root[p])
	if (u == NONE || !(place(kernel, NONE) in measured))
		return sprintf("%.0f instructions", root[p])
	if (!(w in is_exit))
		return sprintf("%s; %.0f; %.2f %%", kinds(kernel), root[p], overhead(kernel))
	return sprintf("%s; %.2f; %+.0f", kinds(kernel), ratio(kernel), more_cycles(kernel))
}

function row(    i, line, any)
{
	line = "| " m " | " h " | " w " | " u " |"
	for (i = 1; i <= nr_kernels; i++) {
		any = any || place(kernels[i], u) in measured || place(kernels[i], u) in refused
		line = line " " cell(kernels[i]) " |"
	}
	if (any)
		print line
}

function rows(    i)
{
	for (i = 1; i <= nr_uses; i++) {
		u = uses[i]
		row()
	}
}

function each(list, nr,    a, b, c)
{
	print "| machine | host | what | guest counts | stock, emulated | mainline | libmpmu |"
	print "|---|---|---|---|---:|---:|---:|"
	for (a = 1; a <= nr_machines; a++) {
		m = machines[a]
		for (b = 1; b <= nr_hosts; b++) {
			h = hosts[b]
			for (c = 1; c <= nr; c++) {
				w = list[c]
				rows()
			}
		}
	}
}

# Of mainline, a CPUID exit: what others found with another PMU model, and how many
# instructions without a PMU.
BEGIN {
	nr_found = split( \
		"intel-v5-8-3|never an event|untouched|12/22/2|1.69|1043;" \
		"intel-v5-8-3|never an event|1, instructions|15/22/2|1.82|1043;" \
		"intel-v5-8-3|never an event|all, instructions|43/22/2|2.56|1043;" \
		"intel-v5-8-3|one event|untouched|21/23/2|4.09|1043;" \
		"intel-v5-8-3|one event|all, instructions|51/23/2|4.93|1043;" \
		"amd-v2|never an event|untouched|12/12/3|1.53|1122;" \
		"amd-v2|never an event|1, instructions|15/12/3|1.71|1122;" \
		"amd-v2|never an event|all, instructions|30/12/3|2.09|1122;" \
		"amd-v2|one event|untouched|21/13/5|3.73|1122;" \
		"amd-v2|one event|all, instructions|38/13/5|4.25|1122", found, ";")
}

function reference(words,    part, p)
{
	split(words, part, FS)
	m = part[1]; h = part[2]; w = exits[1]; u = part[3]
	printf "| %s | %s | %s | %s |", m, h, u, part[4]
	if (!has("mainline")) {
		printf " - | %s | - | - |\n", part[5]
		return
	}
	p = kinds("mainline")
	printf " %s | %s | %.2f | %+.1f %% |\n", substr(p, index(p, ";") + 2), part[5], ratio("mainline"),
		100 * ((ratio("mainline") - 1) * root[place("mainline", NONE)] / ((part[5] - 1) * part[6]) - 1)
}

function references(    i)
{
	print "| machine | host | guest counts | accesses, there | here | ratio, there | here | instructions on top, here to there |"
	print "|---|---|---|---:|---:|---:|---:|---:|"
	for (i = 1; i <= nr_found; i++)
		reference(found[i])
}

function stated(    i, n, what)
{
	n = split("WRMSR|RDPMC|RDMSR|exit|instruction", what, FS)
	print "| cycles of | Intel | AMD |"
	print "|---|---:|---:|"
	for (i = 1; i <= n; i++)
		printf "| %s | %s | %s |\n", what[i], cycles["intel", what[i]], cycles["amd", what[i]]
}

# What was not measured is said, too.
function sources(    a, b, c, k)
{
	print "| machine | host | stock | mainline | libmpmu |"
	print "|---|---|---|---|---|"
	for (a = 1; a <= nr_machines; a++) {
		for (b = 1; b <= nr_hosts; b++) {
			printf "| %s | %s |", machines[a], hosts[b]
			for (c = 1; c <= nr_kernels; c++) {
				k = machines[a] FS kernels[c] FS hosts[b]
				printf " %s |", k in of ? of[k] : "not measured"
			}
			print ""
		}
	}
}

END {
	if (table == "exits")
		each(exits, nr_exits)
	else if (table == "use") {
		samples[++nr_samples] = STAT
		samples[++nr_samples] = "a compressor"
		uses[++nr_uses] = "perf stat"
		uses[++nr_uses] = "perf record"
		each(samples, nr_samples)
	} else if (table == "reference")
		references()
	else if (table == "cycles")
		stated()
	else
		sources()
}
