# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Plots of the pages as SVG, after figures.awk: -v plot=exits (accesses of a CPUID exit to
# PMU registers) or sampling (what samples add to all instructions).  A panel for each
# machine and host, a group for each use, a bar for each kernel.

BEGIN {
	names["stock"] = "stock 6.12, emulated"; colours["stock"] = "#b0b0b0"
	names["mainline"] = "mainline, mediated"; colours["mainline"] = "#e08030"
	names["mpmu-y"] = "6.12 with libmpmu"; colours["mpmu-y"] = "#2060b0"
	HEIGHT = 140	# of the bars
	BAR = 22
	LEFT = 12
}

function text(x, y, size, anchor, what)
{
	gsub(/&/, "\\&amp;", what)
	printf "<text x=\"%.0f\" y=\"%.0f\" font-size=\"%d\" text-anchor=\"%s\">%s</text>\n", x, y, size, anchor, what
}

function bar(x, y, height, colour, label)
{
	printf "<rect x=\"%.0f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"%s\"/>\n", x, y - height, BAR - 2, height, colour
	text(x + BAR / 2 - 1, y - height - 3, 9, "middle", label)
}

# Logarithmic; what is next to nothing is a line.
function tall(value, least)
{
	if (value <= least)
		return 1
	return HEIGHT * log(value / least) / log(1000 / least)
}

function draw(kernel, x, y,    value)
{
	if (place(kernel, u) in refused)
		text(x + BAR / 2, y - 3, 9, "middle", "none")
	if (!has(kernel))
		return
	value = plot == "exits" ? accesses(kernel) : overhead(kernel)
	if (plot == "exits")
		bar(x, y, tall(value, 0.5), colours[kernel], sprintf("%.0f", value))
	else
		bar(x, y, tall(value, 0.05), colours[kernel], sprintf(value < 10 ? "%.1f" : "%.0f", value))
}

function group(x, y, label,    k)
{
	for (k = 1; k <= nr_kernels; k++)
		draw(kernels[k], x + (k - 1) * BAR, y)
	if (!has("mpmu-y"))
		text(x + nr_kernels * BAR / 2, y - 3, 9, "middle", "not measured")
	text(x + nr_kernels * BAR / 2, y + 14, 10, "middle", label)
}

function panel(x, y,    i, at)
{
	at = (group_width - nr_kernels * BAR) / 2
	text(x, y - HEIGHT - 22, 12, "start", m ", " h)
	for (i = 1; i <= nr_groups; i++) {
		if (plot == "exits")
			u = groups[i]
		else
			w = groups[i]
		group(x + at, y, plot == "exits" ? u : substr(w, 3))
		at += group_width
	}
	printf "<path d=\"M%d %dH%d\" stroke=\"#404040\"/>\n", x, y, x + nr_groups * group_width
}

function legend(x, y,    k)
{
	for (k = 1; k <= nr_kernels; k++) {
		printf "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, y - 10, colours[kernels[k]]
		text(x + 18, y, 11, "start", names[kernels[k]])
		x += 170
	}
}

function any_here(    i)
{
	for (i = 1; i <= nr_groups; i++) {
		if (plot == "exits")
			u = groups[i]
		else
			w = groups[i]
		if (has("mpmu-y"))
			return 1
	}
	return 0
}

END {
	if (plot == "exits") {
		title = "Accesses to PMU registers of a CPUID exit (bars: logarithmic)"
		w = exits[1]
		nr_groups = split("untouched|idle after use|1, cycles|all, cycles|1, instructions|all, instructions", groups, FS)
	} else {
		title = "What samples add to all instructions, in percent (bars: logarithmic)"
		u = "1, instructions"
		nr_groups = split("a sample per 10,000|a sample per 100,000|a sample per 1,000,000", groups, FS)
	}
	group_width = nr_kernels * BAR + (plot == "exits" ? 26 : 112)
	width = 2 * LEFT + nr_groups * group_width
	for (a = 1; a <= nr_machines; a++) {
		m = machines[a]
		for (b = 1; b <= nr_hosts; b++) {
			h = hosts[b]
			if (h ~ /^(no event|NMI watchdog|one event)$/ && any_here()) {
				machine_of[++panels] = m
				host_of[panels] = h
			}
		}
	}
	height = 66 + panels * (HEIGHT + 60)
	print "<!-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause -->"
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n", width, height, width, height
	printf "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", title
	text(LEFT, 22, 14, "start", title)
	legend(LEFT, 44)
	for (i = 1; i <= panels; i++) {
		m = machine_of[i]
		h = host_of[i]
		panel(LEFT, 58 + i * (HEIGHT + 60) - 26)
	}
	print "</svg>"
}
