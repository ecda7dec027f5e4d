// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the counters hold at each entry and exit of a guest beside host events, as the
 * emulator dumps it.  The guest's go on at an entry from where they were at the exit
 * before, and all others stand still while it runs: so no value of the host is in a
 * counter of the guest's, and none of the guest's becomes the host's.
 */
#include <string.h>

#include "vpmu.h"

#define EXITS		10000
#define ALL		((1ULL << MPMU_MAX_PMCS) - 1)

/* One counter at one time. */
static uint64_t value_of(const struct mpmu_regs *regs, int bit)
{
	return bit < PMC_FIXED ? regs->gp[bit] : regs->fixed[bit - PMC_FIXED];
}

struct found {
	unsigned int entries, exits, disorder;
	unsigned int lost;	/* a counter of the guest's does not go on */
	unsigned int moved;	/* another one counted while the guest ran */
	uint64_t added;		/* by the host, for instructions that it executed */
};

/* KVM executes one instruction at most between an exit and the next entry. */
static void compare_entry(struct found *found, const struct mpmu_regs *exit,
			  const struct mpmu_regs *entry, uint64_t guests)
{
	int bit;

	for (bit = 0; bit < MPMU_MAX_PMCS; bit++) {
		uint64_t more;

		if (!(guests >> bit & 1))
			continue;
		more = value_of(entry, bit) - value_of(exit, bit);
		found->added += more;
		if (more > 1 && !found->lost++)
			note("counter %d: %#llx at an exit, %#llx at the next entry", bit,
			     (unsigned long long)value_of(exit, bit),
			     (unsigned long long)value_of(entry, bit));
	}
}

static void compare_exit(struct found *found, const struct mpmu_regs *entry,
			 const struct mpmu_regs *exit, uint64_t guests)
{
	int bit;

	for (bit = 0; bit < PMC_FIXED + MPMU_MAX_PMCS; bit++) {
		if (bit >= MPMU_MAX_PMCS && bit < PMC_FIXED)
			continue;
		if (!(guests >> bit & 1) && value_of(entry, bit) != value_of(exit, bit) &&
		    !found->moved++)
			note("counter %d: %#llx at an entry, %#llx at the exit", bit,
			     (unsigned long long)value_of(entry, bit),
			     (unsigned long long)value_of(exit, bit));
	}
}

/* Entries and exits take turns. */
static void compare_all(struct found *found, uint64_t guests)
{
	static struct mpmu_record then, now;

	memset(found, 0, sizeof(*found));
	memset(&then, 0, sizeof(then));
	for (;; then = now) {
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_RECORD, 0, &now);
		if (now.magic != MPMU_MAGIC_RECORD)
			return;
		found->entries += now.entry;
		found->exits += !now.entry;
		if (!then.magic)
			continue;
		found->disorder += now.entry == then.entry;
		if (now.entry)
			compare_entry(found, &then.regs, &now.regs, guests);
		else
			compare_exit(found, &then.regs, &now.regs, guests);
	}
}

static void run_job(struct machine *machine)
{
	if (machine_run(machine))
		fatal("the guest ended");
}

/* These of its counters count instructions; the others are 0, or the host's. */
static void program_guest(struct machine *machine, uint64_t guests)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	const struct pmu *pmu = &machine->pmu;
	uint64_t left;

	memset(job, 0, sizeof(*job));
	job_clear(job, pmu);
	for (left = guests; left; left &= left - 1) {
		int gp = __builtin_ctzll(left);

		job_write(job, pmu_counter(pmu, gp), 1000u * (unsigned int)gp);
		job_write(job, pmu_eventsel(pmu, gp),
			  pmu_select(pmu, EVENT_INSTRUCTIONS, MODE_ALL, false));
	}
	job_write(job, pmu->ctrl, guests);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = 10;
	run_job(machine);
}

/* What the host's event counted meanwhile. */
static uint64_t record(struct machine *machine, int event)
{
	struct guest_job *job = &machine->vm.cpu[0].area->job;
	uint64_t before = host_event_read(event);

	memset(job, 0, sizeof(*job));
	job_read(job, OP_RDPMC, pmu_rdpmc(machine->pmu.nr_gp - 1));
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_CPUID;
	job->count = EXITS;
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_RECORD, 0, 4 * EXITS);
	run_job(machine);
	return host_event_read(event) - before;
}

static void judge(const struct machine *machine, const char *name, uint64_t guests, uint64_t host)
{
	const int last = machine->pmu.nr_gp - 1;
	struct found found;

	compare_all(&found, guests);
	note("%s: %u entries, %u exits, %llu added, %llu of the host's", name, found.entries,
	     found.exits, (unsigned long long)found.added, (unsigned long long)host);
	check(found.exits >= EXITS && !found.disorder, "E6 dumps, %s: at each of %u exits", name,
	      found.exits);
	check(!found.lost, "E6 dumps, %s: a counter of the guest's goes on from where it was", name);
	check(!found.moved, "E6 dumps, %s: no other counts while the guest runs", name);
	check(found.added >= (uint64_t)__builtin_popcountll(guests) * EXITS,
	      "H dumps, %s: what KVM executes is added", name);
	check(host > 100 * EXITS, "E6 dumps, %s: a host event counts beside it", name);
	if (!(guests >> last & 1))
		check(!machine->vm.cpu[0].area->result.read[0],
		      "E6 dumps, %s: the guest reads 0 where the host counts", name);
}

int test_dumps(void)
{
	const unsigned int flags = HOST_EXCLUDE_GUEST | HOST_PINNED;
	struct machine machine;
	uint64_t all, host;
	int user, kernel;

	if (!emu_present())
		fatal("the emulator dumps the registers");
	machine_start(&machine, &(struct vm_config){ 0 });
	all = pmu_counters(&machine.pmu) & ALL;
	kernel = host_event(options.cpu, flags | HOST_EXCLUDE_USER, 0);
	user = host_event(options.cpu, flags | HOST_EXCLUDE_KERNEL, 0);
	program_guest(&machine, 1);
	host = record(&machine, kernel);
	judge(&machine, "one counter", 1, host);
	program_guest(&machine, all);
	host = record(&machine, kernel);
	judge(&machine, "all counters", all, host);
	host_event_close(user);
	host_event_close(kernel);
	machine_stop(&machine);
	return 0;
}
