# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The targets that libmpmu misses, after figures.awk: a line for each, with the factor
# where something is allowed.  Exit status 1 if there are any.

function target(what, is, limit, tolerance)
{
	targets++
	if (is <= limit + tolerance + 1e-9)
		return
	printf "missed: %s, %s, %s, %s: %s %.2f, at most %.2f%s\n", m, h, w, u, what, is, limit,
		limit ? sprintf(", factor %.2f", is / limit) : ""
	misses++
}

# Host's events that want a counter of a guest that has all; of 9, some want any guest's.
function clashes()
{
	return h == "no event" ? 0 : u ~ /^all/ ? (h == "watchdog, event" ? 2 : 1) : 0
}

function beside_mainline(what_accesses, what_excess)
{
	if (!has("mainline") || !(place("mainline", NONE) in measured))
		return
	if (what_accesses)
		target("accesses to mainline's", accesses("mpmu-y") / accesses("mainline"), what_accesses, 0)
	target("excess to mainline's", (ratio("mpmu-y") - 1) / (ratio("mainline") - 1), what_excess, 0)
}

function judge_instructions(    n)
{
	n = nr_counters()
	target("accesses", accesses("mpmu-y"), 2 * n, 0.05 * n)
	target("instructions more for a counter", (root[place("mpmu-y", u)] - 1.03 * root[place("mpmu-y", NONE)]) / n, 25, 0)
}

# A clash is paid for at each exit, and some of what is done are several.
function nr_exits_of_it(    n)
{
	n = left[place("mpmu-y", u)]
	return n > 1 ? n : 1
}

# Samples of the host's own event fall into some exits.
function own_samples()
{
	return h ~ /event$/ && h != "no event" ? 0.4 : 0.05
}

# L1's exits are not for L0 to make cheap.
function judge_exit()
{
	if (w == "a nested CPUID exit")
		return
	if (w == "a change of vCPU" && u ~ /^(1|all)/) {
		if (u !~ /instructions/)
			beside_mainline(0.6, 0.8)
		return
	}
	if (u ~ /instructions/) {
		if (w == "a CPUID exit" && h == "no event")
			judge_instructions()
		return
	}
	if (h == "9 events" && u ~ /^(1|all)/) {
		beside_mainline(1, 0.9)
		return
	}
	target("accesses", accesses("mpmu-y"), 8 * clashes() * nr_exits_of_it(), own_samples())
	if (clashes())
		beside_mainline(0, 0.35)
	else
		target("instructions", ratio("mpmu-y"),
		       w ~ /CPUID|nested/ && (h == "no event" || u !~ /^(1|all)/) ? 1.03 : 1.05, 0)
}

# Only writes of selectors exit: one to start each, one to stop it; and ticks.
function judge_stat()
{
	target("exits", left[place("mpmu-y", u)], 2 * (u !~ /^all/ ? 1 : m ~ /^amd/ ? 6 : 8), 0.3)
}

function judge_sampling()
{
	target("exits", left[place("mpmu-y", u)] - left[place("mpmu-y", NONE)], 1, 0.05)
	if (has("mainline"))
		target("overhead to mainline's", overhead("mpmu-y") / overhead("mainline"), 1, 0)
	if (has("stock"))
		target("overhead to the emulated one's", overhead("mpmu-y") / overhead("stock"), 0.25, 0)
}

function judge()
{
	if (!has("mpmu-y") || u == NONE)
		return
	if (w == STAT)
		judge_stat()
	else if (w ~ /^a sample/)
		judge_sampling()
	else
		judge_exit()
}

function judge_uses(    i)
{
	for (i = 1; i <= nr_uses; i++) {
		u = uses[i]
		judge()
	}
}

END {
	for (a = 1; a <= nr_machines; a++) {
		m = machines[a]
		for (b = 1; b <= nr_hosts; b++) {
			h = hosts[b]
			for (c = 1; c <= nr_exits; c++) { w = exits[c]; judge_uses() }
			w = STAT; judge_uses()
			for (c = 1; c <= nr_samples; c++) { w = samples[c]; judge_uses() }
		}
	}
	printf "%d of %d targets are missed\n", misses, targets
	exit misses > 0
}
