# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The figures of tests/bench/peer, for the programs beside this: lines MACHINE|KERNEL|
# HOST|WHAT|USE|WRMSR|RDPMC|RDMSR|ROOT|GUEST|EXITS|OF, all for one time; ROOT and GUEST
# are instructions, OF says which sources were measured.  "refused" instead of the
# figures: such a VM cannot be made.
#
# m, h, w and u are the machine, host, what is done and the use that is looked at.

BEGIN {
	FS = "|"
	nr_machines = split("intel-spr|intel-icx|amd-zen4", machines, FS)
	nr_hosts = split("no event|NMI watchdog|one event|watchdog, event|9 events", hosts, FS)
	nr_exits = split("a CPUID exit|an exit to user space|HLT and wake-up|a change of vCPU|" \
			 "a nested exit of L0's|a nested CPUID exit", exits, FS)
	for (i = 1; i <= nr_exits; i++)
		is_exit[exits[i]] = 1
	nr_uses = split("no PMU|untouched|idle after use|1, cycles|all, cycles|1, instructions|" \
			"all, instructions", uses, FS)
	nr_kernels = split("stock|mainline|mpmu-y", kernels, FS)
	nr_samples = split("a sample per 10,000|a sample per 100,000|a sample per 1,000,000", samples, FS)
	NONE = "no PMU"
	STAT = "start, read, stop"

	# Cycles, for an estimate.  The authors of mainline's mediated PMU measured an exit
	# with and without 11 (Emerald Rapids) and 6 (Turin) of its writes, an RDPMC in place
	# of each: some 90 and 150 cycles.  All else is assumed.
	cycles["intel", "WRMSR"] = 110; cycles["intel", "RDPMC"] = 20; cycles["intel", "RDMSR"] = 50
	cycles["amd", "WRMSR"] = 180; cycles["amd", "RDPMC"] = 30; cycles["amd", "RDMSR"] = 60
	cycles["intel", "exit"] = 1000; cycles["amd", "exit"] = 1200
	cycles["intel", "instruction"] = cycles["amd", "instruction"] = 0.5
}

/^#/ || NF < 6 { next }

{
	key = $1 FS $2 FS $3 FS $4 FS $5
	of[$1 FS $2 FS $3] = $12
	seen[$1] = 1
}

$6 == "refused" { refused[key] = 1; next }

{
	wrmsr[key] = $6; rdpmc[key] = $7; rdmsr[key] = $8
	root[key] = $9; guest[key] = $10; left[key] = $11
	measured[key] = 1
}

function place(kernel, use)
{
	return m FS kernel FS h FS w FS use
}

function has(kernel)
{
	return place(kernel, u) in measured
}

function accesses(kernel,    p)
{
	p = place(kernel, u)
	return wrmsr[p] + rdpmc[p] + rdmsr[p]
}

# Instructions of the host, to those where the VM has no PMU.
function ratio(kernel)
{
	return root[place(kernel, u)] / root[place(kernel, NONE)]
}

# A guest's counters of a kind: "all" has the fixed one of Intel, too.
function nr_counters()
{
	return u !~ /^all/ ? 1 : m ~ /^amd/ ? 6 : 9
}

function vendor()
{
	return m ~ /^amd/ ? "amd" : "intel"
}

# Estimated cycles of the host beyond those where the VM has no PMU.
function more_cycles(kernel,    p, none)
{
	p = place(kernel, u)
	none = place(kernel, NONE)
	return wrmsr[p] * cycles[vendor(), "WRMSR"] + rdpmc[p] * cycles[vendor(), "RDPMC"] + \
	       rdmsr[p] * cycles[vendor(), "RDMSR"] + \
	       (root[p] - root[none]) * cycles[vendor(), "instruction"] + \
	       (left[p] - left[none]) * cycles[vendor(), "exit"]
}

# What sampling adds to all instructions, in percent.
function overhead(kernel,    p, none)
{
	p = place(kernel, u)
	none = place(kernel, NONE)
	return 100 * ((root[p] + guest[p]) / (root[none] + guest[none]) - 1)
}
