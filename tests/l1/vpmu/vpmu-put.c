// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Back in user space nothing of the guest is left in the PMU, where that is wanted:
 * the emulator's own dump shows it, no register is read for it.  And the guest
 * loses nothing.
 */
#include <string.h>
#include <unistd.h>

#include "vpmu.h"

#define PUTS		200
#define COUNTER_BITS	0x0000ffffffffffffULL

static struct mpmu_regs before;
static struct pmu model;
static unsigned int left_selector, left_counter, left_status, left_control, left_lvtpc, dumps;

static void read_regs(struct mpmu_regs *regs)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, regs);
}

/* Perf has used the PMU, so what it last wrote is there to compare with. */
static void use_perf(void)
{
	int fd = host_event(options.cpu, HOST_EXCLUDE_GUEST | HOST_PINNED, 0);

	if (fd < 0 || !host_event_read(fd))
		fatal("perf does not count in L1");
	host_event_close(fd);
	usleep(1000);
}

/* What the guest has is 0; what it lacks is what perf left there, or has cleaned since. */
static bool differ(const unsigned long long *now, const unsigned long long *then, int guest)
{
	int i;

	for (i = 0; i < MPMU_MAX_PMCS; i++)
		if (now[i] && (i < guest || now[i] != then[i]))
			return true;
	return false;
}

static void show(const struct mpmu_regs *regs)
{
	note("selectors %#llx %#llx %#llx, counters %#llx %#llx %#llx, fixed %#llx %#llx %#llx",
	     regs->eventsel[0], regs->eventsel[1], regs->eventsel[2], regs->gp[0], regs->gp[1],
	     regs->gp[2], regs->fixed[0], regs->fixed[1], regs->fixed[2]);
	note("fixed_ctrl %#llx (%#llx), global_ctrl %#llx (%#llx), status %#llx, lvtpc %#llx (%#llx)",
	     regs->fixed_ctrl, before.fixed_ctrl, regs->global_ctrl, before.global_ctrl,
	     regs->global_status, regs->lvtpc, before.lvtpc);
}

static void dump(struct vcpu *vcpu)
{
	struct mpmu_regs regs;
	unsigned int wrong = left_selector + left_counter + left_status + left_control + left_lvtpc;

	(void)vcpu;
	read_regs(&regs);
	dumps++;
	left_selector += differ(regs.eventsel, before.eventsel, model.nr_gp);
	left_counter += differ(regs.gp, before.gp, model.nr_gp) ||
			differ(regs.fixed, before.fixed, model.nr_fixed);
	left_status += (regs.global_status & COUNTER_BITS) != 0;
	left_control += regs.fixed_ctrl != before.fixed_ctrl ||
			regs.global_ctrl != before.global_ctrl;
	left_lvtpc += regs.lvtpc != before.lvtpc;
	if (!wrong && left_selector + left_counter + left_status + left_control + left_lvtpc)
		show(&regs);
}

/* Every counter runs, with its interrupt, some about to wrap. */
static void program_all(const struct pmu *pmu, struct guest_job *job)
{
	uint64_t left, fixed = 0;

	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, bit), bit & 1 ? COUNTER_BITS - 300 : 1000);
		if (bit < PMC_FIXED)
			job_write(job, pmu_eventsel(pmu, bit),
				  pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, bit & 1));
		else
			fixed |= pmu_fixed_field(bit - PMC_FIXED, MODE_ALL, bit & 1);
		job_read(job, OP_RDMSR, pmu_counter(pmu, bit));
	}
	if (pmu->nr_fixed)
		job_write(job, 0x38d, fixed);
	job_read(job, OP_RDMSR, pmu->status);
	job->start = pmu_counters(pmu);
}

/* 4 instructions a turn; those that wrapped kept their status bit. */
static void check_kept(const struct pmu *pmu, const struct guest_cpu *area)
{
	uint64_t status = area->result.read[__builtin_popcountll(pmu_counters(pmu))];
	uint64_t want = pmu_counters(pmu) & 0xaaaaaaaaaaaaaaaaULL, left;
	unsigned int wrong = 0;
	int i = 0;

	for (left = pmu_counters(pmu) & 0xffffffff; left; left &= left - 1, i++) {
		int bit = __builtin_ctzll(left);
		uint64_t from = bit & 1 ? COUNTER_BITS - 300 : 1000;
		uint64_t turned = (area->result.read[i] - from) & COUNTER_BITS;

		wrong += turned < 4 * PUTS || turned > 4 * PUTS + 20;
	}
	check(!wrong, "E1 put: the guest's counters lost nothing");
	if (!check(status == want, "E1 put: the guest's status kept the bits of counters that wrapped"))
		note("status %#llx, want %#llx", (unsigned long long)status,
		     (unsigned long long)want);
}

static void report(const char *when)
{
	check(dumps >= 100, "E1 put, %s: at least 100 puts (%u)", when, dumps);
	check(!left_selector, "E1 put, %s: no selector is left", when);
	check(!left_counter, "E1 put, %s: no counter value is left", when);
	check(!left_status, "E1 put, %s: no status bit is left", when);
	check(!left_control, "E1 put, %s: GLOBAL_CTRL and FIXED_CTR_CTRL are as perf left them", when);
	check(!left_lvtpc, "E1 put, %s: LVTPC is as perf left it", when);
	left_selector = left_counter = left_status = left_control = left_lvtpc = dumps = 0;
}

int test_put(void)
{
	struct machine machine;
	struct vcpu *vcpu;

	if (!emu_present())
		fatal("the emulator dumps the registers");
	use_perf();
	read_regs(&before);
	park_guests(false);
	machine_start(&machine, &(struct vm_config){ 0 });
	model = machine.pmu;
	vcpu = &machine.vm.cpu[0];
	vcpu->on_user_exit = dump;
	job_clear(&vcpu->area->job, &machine.pmu);
	program_all(&machine.pmu, &vcpu->area->job);
	vcpu->area->job.flags |= JOB_PMI_MASKED;
	vcpu->area->job.program = PROGRAM_WINDOW;
	vcpu->area->job.body = BODY_PORT_USER;
	vcpu->area->job.count = PUTS;
	if (machine_run(&machine))
		return -1;
	check_kept(&machine.pmu, vcpu->area);
	report("counters running");
	for (dumps = 0; dumps < 100;) {
		vcpu->area->job.count = 10;
		if (machine_run(&machine))
			return -1;
	}
	report("counters programmed again");
	machine_stop(&machine);
	dump(vcpu);
	dumps = 100;
	report("the VM is gone");
	park_guests(true);
	return 0;
}
