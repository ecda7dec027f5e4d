// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the PMU's registers say, and what they take, through /dev/cpu/N/msr.
 *
 * Sources: Intel SDM, "Architectural MSRs", "Architectural Performance Monitoring",
 * "Full-Width Writes to Performance Counter Registers", "Last Branch, Interrupt, and
 * Exception Recording", "Architectural Last Branch Records"; AMD APM, "Performance
 * Monitoring Counters".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static int msr_open(int cpu, int flags)
{
	char file[64];

	snprintf(file, sizeof(file), "/dev/cpu/%d/msr", cpu);
	return open(file, flags | O_CLOEXEC);
}

bool msr_read(int cpu, u32 msr, u64 *value)
{
	int fd = msr_open(cpu, O_RDONLY);
	bool read = fd >= 0 && pread(fd, value, sizeof(*value), msr) == sizeof(*value);

	if (fd >= 0)
		close(fd);
	return read;
}

int msr_write(int cpu, u32 msr, u64 value)
{
	int fd = msr_open(cpu, O_WRONLY), error = 0;

	if (fd < 0 || pwrite(fd, &value, sizeof(value), msr) != sizeof(value))
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* By opening, and reading a register that all have: the time stamp counter. */
bool msr_readable(struct result *r)
{
	u64 value;

	if (!machine.model.nr_gp) {
		absent(r, "CPUID shows no PMU");
		return false;
	}
	if (msr_read(machine.cpu, 0x10, &value))
		return true;
	absent(r, "registers cannot be read (%s): be root, and modprobe msr", strerror(errno));
	return false;
}

/* An exclusive event of this CPU: while it counts no other event does. */
static bool pmu_hold(struct counter *c, int cpu)
{
	struct perf_event_attr attr = event_attr(&event_cycles);
	struct reading seen;

	attr.exclusive = 1;
	attr.pinned = 1;
	attr.disabled = 0;
	*c = (struct counter){
		.fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)};
	if (c->fd < 0)
		return false;
	spin(1000);
	if (counter_read(c, &seen) && seen.running)
		return true;
	counter_close(c);
	return false;
}

/*
 * Take the PMU of a CPU from all other events, to write its registers: a counter that
 * stays with the caller.  EIO is a fault of the register, for a check to find.
 */
static bool hold_to_write(struct counter *c, int cpu, struct result *r)
{
	int error;

	if (!pmu_hold(c, cpu)) {
		absent(r,
		       "other events use the PMU (the NMI watchdog: sysctl kernel.nmi_watchdog=0)");
		return false;
	}
	error = msr_write(cpu, msr_counter(machine.model.nr_gp - 1), 0);
	if (!error || error == EIO)
		return true;
	counter_close(c);
	absent(r, "registers cannot be written (%s): lockdown, or msr.allow_writes=off",
	       strerror(error));
	return false;
}

/* The event that holds the PMU goes with this process. */
bool msr_writable(struct result *r)
{
	static struct counter held = {.fd = -1};

	if (!msr_readable(r))
		return false;
	if (options.write)
		return held.fd >= 0 || hold_to_write(&held, machine.cpu, r);
	absent(r, "it takes --write");
	return false;
}

u32 msr_selector(unsigned int i)
{
	if (machine.model.intel)
		return 0x186 + i;
	return machine.model.version ? 0xc0010200 + 2 * i : 0xc0010000 + i;
}

u32 msr_counter(unsigned int i)
{
	if (machine.model.intel)
		return 0xc1 + i;
	return machine.model.version ? 0xc0010201 + 2 * i : 0xc0010004 + i;
}

static u64 pebs_enabled(int cpu)
{
	u64 value;

	return machine.model.intel && msr_read(cpu, IA32_PEBS_ENABLE, &value) ? value : 0;
}

/* What perf starts interrupts, but for PEBS; a guest's counter stands still in the host. */
static bool runs_unknown(int cpu, unsigned int i, u64 *value)
{
	u64 pebs = pebs_enabled(cpu);

	if (!msr_read(cpu, msr_selector(i), value))
		return false;
	if (machine.model.amd && (*value & SELECTOR_GUEST_ONLY))
		return false;
	return (*value & SELECTOR_EN) && !(*value & SELECTOR_INT) && !(pebs >> i & 1);
}

static bool fixed_runs_unknown(int cpu, unsigned int i, u64 *value)
{
	u64 field, pebs = pebs_enabled(cpu);

	if (!msr_read(cpu, IA32_FIXED_CTR_CTRL, value))
		return false;
	field = *value >> (4 * i);
	return (field & 3) && !(field & 8) && !(pebs >> (32 + i) & 1);
}

/* The PMU belongs to a VM that this CPU ran, and all of it is off. */
static bool is_lent(int cpu)
{
	u64 value;

	return machine.model.version >= 2 && machine.model.intel &&
	       msr_read(cpu, IA32_PERF_GLOBAL_CTRL, &value) && !value;
}

/* An event may come or go between two reads: each suspicion must show twice. */
static bool firmware_on(struct result *r, int cpu)
{
	u64 value;
	unsigned int i;

	if (is_lent(cpu))
		return false;
	for (i = 0; i < machine.model.nr_gp; i++) {
		if (!runs_unknown(cpu, i, &value) || !runs_unknown(cpu, i, &value))
			continue;
		wrong(r, "counter %u of CPU %d runs: %#x is %#llx", i, cpu, msr_selector(i), value);
		return true;
	}
	for (i = 0; i < 16; i++) {
		if (!(machine.model.fixed >> i & 1) || !fixed_runs_unknown(cpu, i, &value) ||
		    !fixed_runs_unknown(cpu, i, &value))
			continue;
		wrong(r, "fixed counter %u of CPU %d runs: %#x is %#llx", i, cpu,
		      IA32_FIXED_CTR_CTRL, value);
		return true;
	}
	return false;
}

void check_firmware(struct result *r)
{
	unsigned int i;

	if (!msr_readable(r))
		return;
	ok(r, "%u CPUs, no counter runs by itself", machine.nr_cpus);
	for (i = 0; i < machine.nr_cpus; i++) {
		if (firmware_on(r, machine.cpus[i]))
			return;
	}
}

/*
 * On a CPU that has had no event since it was started the register is as the reset
 * left it; afterwards perf leaves all counters on, so that nothing can be told.
 */
void check_global(struct result *r)
{
	const u64 general = (1ull << machine.model.nr_gp) - 1;
	unsigned int i;
	u64 value;

	if (!msr_readable(r))
		return;
	if (!machine.model.intel || machine.model.version < 2) {
		absent(r, machine.model.version < 2 ? "this PMU has no GLOBAL_CTRL"
						    : "AMD's driver clears it when a CPU starts");
		return;
	}
	for (i = 0; i < machine.nr_cpus; i++) {
		if (!msr_read(machine.cpus[i], IA32_PERF_GLOBAL_CTRL, &value)) {
			wrong(r, "CPU %d: GLOBAL_CTRL cannot be read", machine.cpus[i]);
			return;
		}
		if ((value & general) == general)
			continue;
		if (!access("/sys/module/kvm_intel", F_OK))
			absent(r, "CPU %d: GLOBAL_CTRL is %#llx; a VM may have had it",
			       machine.cpus[i], value);
		else
			wrong(r, "CPU %d: GLOBAL_CTRL is %#llx, of %u general counters",
			      machine.cpus[i], value, machine.model.nr_gp);
		return;
	}
	ok(r, "%u CPUs, GLOBAL_CTRL of the last is %#llx", machine.nr_cpus, value);
}

static bool same_model(const struct model *a, const struct model *b)
{
	return a->version == b->version && a->nr_gp == b->nr_gp && a->gp_width == b->gp_width &&
	       a->fixed == b->fixed && a->fixed_width == b->fixed_width;
}

/* All ones, as a counter reads them; -1: it cannot be written. */
static int width_of(int cpu, u32 msr)
{
	u64 value;

	if (msr_write(cpu, msr, ~0ull) && msr_write(cpu, msr, (1ull << machine.model.gp_width) - 1))
		return -1;
	if (!msr_read(cpu, msr, &value))
		return -1;
	msr_write(cpu, msr, 0);
	return value ? 64 - __builtin_clzll(value) : 0;
}

/* The last counter of each CPU: cycles of the event that holds the PMU are elsewhere. */
static void width_registers(struct result *r)
{
	u32 msr = msr_counter(machine.model.nr_gp - 1);
	unsigned int i;
	struct counter held;
	int width;

	for (i = 0; i < machine.nr_cpus; i++) {
		if (!hold_to_write(&held, machine.cpus[i], r))
			return;
		width = width_of(machine.cpus[i], msr);
		counter_close(&held);
		if (width == (int)machine.model.gp_width)
			continue;
		wrong(r, "CPU %d: %#x has %d bits, CPUID says %u", machine.cpus[i], msr, width,
		      machine.model.gp_width);
		return;
	}
}

void check_widths(struct result *r)
{
	struct model first, here;
	unsigned int i;

	if (!machine.model.nr_gp) {
		absent(r, "CPUID shows no PMU");
		return;
	}
	pin(machine.cpus[0]);
	first = model_here();
	for (i = 1; i < machine.nr_cpus; i++) {
		if (!pin(machine.cpus[i]))
			continue;
		here = model_here();
		if (same_model(&first, &here))
			continue;
		wrong(r,
		      "CPU %d: version %u, %u counters of %u bits, fixed %#x of %u bits; CPU %d: "
		      "%u, %u of %u, %#x of %u",
		      machine.cpus[i], here.version, here.nr_gp, here.gp_width, here.fixed,
		      here.fixed_width, machine.cpus[0], first.version, first.nr_gp, first.gp_width,
		      first.fixed, first.fixed_width);
		return;
	}
	/* AMD has no CPUID bit for these counters: a guest without a PMU shows them, too. */
	if (machine.model.amd && !machine.model.version && !perf_works(r))
		return;
	ok(r, "%u CPUs, counters of %u bits", machine.nr_cpus, first.gp_width);
	if (options.write && msr_readable(&(struct result){}))
		width_registers(r);
}

/* On metal each CPU says what kind it is. */
void check_hybrid(struct result *r)
{
	u32 kind = cpuid(0x1a, 0).eax >> 24;

	if (!machine.model.intel)
		absent(r, "this vendor has no hybrid CPUs with this bit");
	else if (!machine.model.nr_gp)
		absent(r, "CPUID shows no PMU");
	else if (!machine.model.hybrid)
		ok(r, "CPUID.7.EDX[15] is 0");
	else if (machine.model.hypervisor)
		wrong(r, "a guest sees CPUID.7.EDX[15], kind %#x", kind);
	else if (!kind)
		wrong(r, "CPUID.7.EDX[15] is 1, and leaf 1AH names no kind");
	else
		ok(r, "no guest, a CPU of kind %#x", kind);
}

/* A register that must be there if these bits are. */
static const struct {
	u64 mask;
	u32 msr;
	const char *what;
} behind[] = {
	{1 << 13, IA32_PMC0, "full-width writes"},
	{1 << 15, 0x329, "PERF_METRICS"},
	{0xf << 8, IA32_PEBS_ENABLE, "PEBS"},
};

/* Perfmon, then PEBS: set when it is unavailable. */
static bool pebs_unavailable(void)
{
	u64 misc;

	return !msr_read(machine.cpu, 0x1a0, &misc) || (misc & 1 << 12);
}

static bool has_capabilities(struct result *r, u64 *value)
{
	if (!machine.model.intel) {
		absent(r, "this vendor has no PERF_CAPABILITIES");
		return false;
	}
	if (!msr_readable(r))
		return false;
	if (!(cpuid(1, 0).ecx >> 15 & 1)) {
		absent(r, "CPUID.1.ECX[15]: no PERF_CAPABILITIES");
		return false;
	}
	if (msr_read(machine.cpu, IA32_PERF_CAPABILITIES, value))
		return true;
	wrong(r, "CPUID shows PERF_CAPABILITIES, which cannot be read");
	return false;
}

void check_capabilities(struct result *r)
{
	u64 value, ignored;
	unsigned int i;

	if (!has_capabilities(r, &value))
		return;
	for (i = 0; i < 3; i++) {
		if (!(value & behind[i].mask) || msr_read(machine.cpu, behind[i].msr, &ignored))
			continue;
		if (behind[i].msr == IA32_PEBS_ENABLE && pebs_unavailable())
			continue;
		wrong(r, "PERF_CAPABILITIES is %#llx: %s, and register %#x faults", value,
		      behind[i].what, behind[i].msr);
		return;
	}
	ok(r, "PERF_CAPABILITIES is %#llx", value);
}

/* Formats below 3FH: top of stack, and the first source, of either place. */
void check_lbr(struct result *r)
{
	u64 value, ignored;
	unsigned int format;

	if (!has_capabilities(r, &value))
		return;
	format = value & 0x3f;
	if (cpuid(7, 0).edx >> 19 & 1) {
		if (msr_read(machine.cpu, 0x14ce, &ignored) &&
		    msr_read(machine.cpu, 0x14cf, &ignored))
			ok(r, "architectural LBRs can be read");
		else
			wrong(r, "CPUID shows architectural LBRs, and register 0x14ce or 0x14cf "
				 "faults");
	} else if (!format || format == 0x3f) {
		absent(r, "no LBR format is shown");
	} else if (msr_read(machine.cpu, 0x1c9, &ignored) &&
		   (msr_read(machine.cpu, 0x680, &ignored) ||
		    msr_read(machine.cpu, 0x40, &ignored))) {
		ok(r, "format %u, its registers can be read", format);
	} else {
		wrong(r, "format %u, and register 0x1c9 or 0x680 faults", format);
	}
}

/* True if it reads back as it should. */
static bool reads_back(struct result *r, u32 msr, u64 value, u64 want)
{
	u64 seen = 0;
	int error = msr_write(machine.cpu, msr, value);

	if (!error && msr_read(machine.cpu, msr, &seen) && seen == want)
		return true;
	if (error)
		wrong(r, "register %#x does not take %#llx: %s", msr, value, strerror(error));
	else
		wrong(r, "register %#x reads %#llx after a write of %#llx, not %#llx", msr, seen,
		      value, want);
	return false;
}

void check_sign(struct result *r)
{
	const struct model *m = &machine.model;
	u32 legacy = msr_counter(m->nr_gp - 1), full = m->amd ? legacy : IA32_PMC0 + m->nr_gp - 1;
	u64 value = 1ull << 31, large, extended, capabilities = 0;
	bool right = true;

	if (!msr_writable(r))
		return;
	large = (1ull << (m->gp_width - 1)) + value;
	extended = (1ull << m->gp_width) - value;
	if (m->intel)
		msr_read(machine.cpu, IA32_PERF_CAPABILITIES, &capabilities);
	if (m->intel)
		right = reads_back(r, legacy, value, extended);
	if (right && (m->amd || (capabilities & 1 << 13)))
		right = reads_back(r, full, value, value) && reads_back(r, full, large, large);
	/* The event that holds the PMU counts cycles: not on this one. */
	if (right && (m->fixed & 1))
		right = reads_back(r, IA32_FIXED_CTR0, value, value);
	if (m->fixed & 1)
		msr_write(machine.cpu, IA32_FIXED_CTR0, 0);
	msr_write(machine.cpu, legacy, 0);
	if (right)
		ok(r, "%#llx stays what it was", value);
}
