// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The PMU that guests have, and jobs that use it. */
#include "suite.h"

#define SEL_USR		BIT(16)
#define SEL_OS		BIT(17)
#define SEL_INT		BIT(20)
#define SEL_ENABLE	BIT(22)
#define MASK48		(BIT(48) - 1)

static const struct vendor {
	u32 counter, eventsel, shift, ctrl, status, ack;
	u64 events[3];
} vendors[] = {
	[MPMU_VENDOR_INTEL] = { 0x4c1, 0x186, 0, 0x38f, 0x38e, 0x390, { 0xc0, 0xc4, 0x3c } },
	[MPMU_VENDOR_AMD] = { 0xc0010201, 0xc0010200, 1, 0xc0000301, 0xc0000300, 0xc0000302,
			      { 0xc0, 0xc2, 0x76 } },
};
#define FIXED_COUNTER	0x309
#define FIXED_CTRL	0x38d

static const struct vendor *vendor(void)
{
	return &vendors[pmu_host.caps.vendor];
}

mpmu_pmcs all_counters(void)
{
	return pmu_host.caps.counters;
}

u32 counter_msr(u32 pmc)
{
	return pmc < MPMU_FIXED_BASE ? vendor()->counter + (pmc << vendor()->shift)
				     : FIXED_COUNTER + pmc - MPMU_FIXED_BASE;
}

u32 eventsel_msr(u32 gp)
{
	return vendor()->eventsel + (gp << vendor()->shift);
}

u64 selector(enum event event, u32 modes, bool interrupt)
{
	return vendor()->events[event] | SEL_ENABLE | (modes & MODE_USER ? SEL_USR : 0) |
	       (modes & MODE_KERNEL ? SEL_OS : 0) | (interrupt ? SEL_INT : 0);
}

void job_write(struct guest_job *job, u32 msr, u64 value)
{
	job->setup[job->nr_setup++] = (struct guest_access){ OP_WRMSR, msr, value };
}

void job_read(struct guest_job *job, enum guest_op op, u32 index)
{
	job->read[job->nr_read++] = (struct guest_access){ op, index, 0 };
}

static void begin(struct guest_job *job, mpmu_pmcs counters)
{
	job->ctrl = vendor()->ctrl;
	job->status = vendor()->status;
	job->ack = vendor()->ack;
	job->start = counters;
	job_write(job, job->ctrl, 0);
}

/* Fixed counter 0 counts instructions, too; the others have events of their own. */
static u64 fixed_ctrl(u64 sel)
{
	return (sel & SEL_OS ? 1 : 0) | (sel & SEL_USR ? 2 : 0) | (sel & SEL_INT ? 8 : 0);
}

static void set_up(struct guest_job *job, u32 pmc, u64 sel, u64 value)
{
	job_write(job, counter_msr(pmc), value & MASK48);
	if (pmc < MPMU_FIXED_BASE)
		job_write(job, eventsel_msr(pmc), sel);
	else
		job_write(job, FIXED_CTRL, fixed_ctrl(sel));
}

static bool usable(u32 pmc, mpmu_pmcs counters)
{
	return counters & all_counters() & BIT(pmc) && pmc <= MPMU_FIXED_BASE;
}

void job_window(struct guest_job *job, enum event event, u32 body, u64 turns)
{
	mpmu_pmcs counters = all_counters();

	if (event != EVENT_INSTRUCTIONS)
		counters &= MPMU_GP_MASK;
	job->program = PROGRAM_WINDOW;
	job->body = body;
	job->count = turns;
	begin(job, counters & (MPMU_GP_MASK | BIT(MPMU_FIXED_BASE)));
	for (u32 pmc = 0; pmc < 64; pmc++) {
		if (!usable(pmc, counters))
			continue;
		set_up(job, pmc, selector(event, MODE_KERNEL | MODE_USER, false), 0);
		job_read(job, OP_RDMSR, counter_msr(pmc));
	}
}

/* Counters overflow at different times: each has a period of its own. */
void job_pmi(struct guest_job *job, mpmu_pmcs counters, u64 period, u64 hits, u32 flags)
{
	bool masks = pmu_host.caps.vendor == MPMU_VENDOR_INTEL;
	u32 modes = flags & JOB_USER ? MODE_USER : MODE_KERNEL | MODE_USER;

	job->program = PROGRAM_PMI;
	job->body = BODY_PLAIN;
	job->count = 100;
	job->flags = flags | (masks ? JOB_PMI_MASKS : 0);
	job->pmi_target = hits;
	/* Four times what one counter needs: a lost PMI must not take long. */
	job->pmi_max_turns = hits * period / job->count;
	begin(job, 0);
	for (u32 pmc = 0; pmc < 64; pmc++) {
		if (!usable(pmc, counters))
			continue;
		job->start |= BIT(pmc);
		job->pmi_msr[pmc] = counter_msr(pmc);
		job->pmi_period[pmc] = period + 37 * pmc;
		set_up(job, pmc, selector(EVENT_INSTRUCTIONS, modes, true), -job->pmi_period[pmc]);
	}
}

void pmi_delay(u64 instructions)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_SET_PMI_DELAY, 0, instructions);
}

bool pmis_are_exact(const struct guest *guest)
{
	const struct guest_result *result = &guest->area->result;
	struct mpmu_truth truth;
	/* On AMD an interrupt may come for a bit that the one before has handled. */
	bool masks = guest->area->job.flags & JOB_PMI_MASKS;
	bool exact = result->pmis && !result->pmi_foreign && !(masks && result->pmi_spurious);

	guest_truth(guest, &truth);
	for (u32 pmc = 0; pmc <= MPMU_FIXED_BASE; pmc++) {
		u64 overflows = pmc < MPMU_FIXED_BASE ? truth.gp[pmc % MPMU_MAX_PMCS].overflows
						      : truth.fixed[0].overflows;

		if (!(guest->area->job.start & BIT(pmc)) || result->pmi_hits[pmc] == overflows)
			continue;
		print("# %s: counter %u: %u overflows, %u handled\n", guest->vcpu.name, (u64)pmc,
		      overflows, result->pmi_hits[pmc]);
		exact = false;
	}
	if (!exact)
		print("# %s: %u PMIs, %u of them spurious, foreign bits %x\n", guest->vcpu.name,
		      result->pmis, result->pmi_spurious, result->pmi_foreign);
	return exact;
}

u64 pmis_late(const struct guest *guest)
{
	u64 late = 0;

	for (u32 pmc = 0; pmc < 64; pmc++)
		if (guest->area->result.pmi_late[pmc] > late)
			late = guest->area->result.pmi_late[pmc];
	return late;
}

u64 expected(struct guest *guest, enum event event, u64 turns)
{
	const u64 per_turn = event == EVENT_BRANCHES ? 1 : 4, few = 100;

	job_window(guest_job(guest), event, BODY_PLAIN, few);
	guest_run(guest);
	return guest_counted(guest) + per_turn * (turns - few);
}
