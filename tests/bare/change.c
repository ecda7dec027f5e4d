// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the owner of a VM changes under a guest that counts. */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000

static u64 room[16];

static const struct mpmu_filter *deny_instructions(void)
{
	static const u64 event = 0xc0;
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY, .nr_events = 1, .events = &event,
	};
	struct mpmu_filter *filter = (struct mpmu_filter *)room;

	check_eq((u64)mpmu_filter_compile(filter, (enum mpmu_vendor)pmu_host.caps.vendor, &spec), 0,
		 "a filter compiles");
	return filter;
}

/* What the guest retires in a slice; all ones: it has finished. */
static u64 one_slice(struct guest *guest)
{
	struct mpmu_truth before;
	bool more;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &before);
	more = guest_slice(guest, SLICE);
	return more ? guest_instructions(&guest->at_put) - guest_instructions(&before) : ~0ull;
}

/* Slices 4 to 7 are denied, all of them. */
void test_filter(void)
{
	static struct guest guest;
	const struct mpmu_filter *filter = deny_instructions();
	u64 want, denied = 0, retired = 0;

	if (!guest_create(&guest, "guest"))
		return;
	want = expected(&guest, EVENT_INSTRUCTIONS, TURNS);
	job_window(guest_job(&guest), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	for (u32 slice = 0; retired != ~0ull; slice++) {
		if (slice == 4 || slice == 8)
			vcpu_set_filter(&guest.vcpu, slice == 4 ? filter : NULL);
		retired = one_slice(&guest);
		if (slice >= 4 && slice < 8 && retired != ~0ull)
			denied += retired;
	}
	check(denied > 0, "a filter comes and goes while the guest counts");
	for (u32 i = 0; i < guest.area->job.nr_read; i++)
		if (i < 6)
			check_eq(guest.area->result.read[i], want - denied,
				 "a counter lacks exactly what was denied");
}

/* Halts, and runs off its memory once it is woken. */
static const u8 halts[] = { 0xf4 };

static bool wakes(struct vcpu *vcpu)
{
	return vcpu_run(vcpu) != VCPU_IDLE;
}

/* Interrupts alone wake a vCPU that halts. */
void test_idle(void)
{
	static struct vcpu vcpu;
	struct vcpu_pages *pages = alloc_vcpu_pages();
	const u64 start = VCPU_MEMORY - sizeof(halts);

	if (!pages || !vcpu_create(&vcpu, NULL, pages, start, GUEST_TABLES))
		return;
	map_identity(pages->memory);
	memcpy(pages->memory + start, halts, sizeof(halts));
	vcpu_load(&vcpu);
	check(!wakes(&vcpu) && vcpu.rip == VCPU_MEMORY, "a vCPU halts");
	vcpu_request(&vcpu, REQ_REPROGRAM | REQ_INTERCEPTS);
	check(!wakes(&vcpu), "work before its next entry does not wake it");
	vcpu_request(&vcpu, REQ_PMI);
	check(!wakes(&vcpu), "nor does a PMI that its LVTPC masks");
	vcpu_write_lvtpc(&vcpu, LVT_NMI);
	vcpu_request(&vcpu, REQ_PMI);
	check(wakes(&vcpu) && vcpu.dead, "one that is open does");
	vcpu_put(&vcpu);
}

#define MAX_MSRS 64
static struct mpmu_msr list[MAX_MSRS], again[MAX_MSRS];

static bool same_lists(u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (list[i].index != again[i].index || list[i].value != again[i].value)
			return false;
	return true;
}

/* Out of one vCPU, which is reset, and in again. */
static bool save_and_restore(struct guest *guest)
{
	struct mpmu_vcpu *vcpu = &guest->vcpu.mpmu;
	struct mpmu_cpu *cpu = &this_cpu()->mpmu;
	u32 count = mpmu_snapshot_size(vcpu), err_msr;
	bool ok;

	vcpu_load(&guest->vcpu);
	mpmu_snapshot_save(cpu, vcpu, list);
	mpmu_vcpu_reset(cpu, vcpu);
	ok = !mpmu_snapshot_restore(cpu, vcpu, list, count, &err_msr);
	mpmu_snapshot_save(cpu, vcpu, again);
	ok &= same_lists(count);
	list[0].index = 0x10;
	ok &= mpmu_snapshot_restore(cpu, vcpu, list, count, &err_msr) == -EINVAL && err_msr == 0x10;
	vcpu_put(&guest->vcpu);
	return ok;
}

#define METRICS		0x329
#define EIGHT_FIELDS	0x8070605040302010

/* What PERF_METRICS reads after a write of all fields; 0: that faults. */
static u64 write_fields(struct guest *guest)
{
	struct guest_job *job = guest_job(guest);

	job_write(job, METRICS, EIGHT_FIELDS);
	job->program = PROGRAM_LOOP_ONCE;
	job->body = BODY_PLAIN;
	job->count = 1;
	job_read(job, OP_RDMSR, METRICS);
	guest_run(guest);
	return guest->area->result.setup_faults ? 0 : guest->area->result.read[0];
}

/* The fields of level 2, which half of the machines have. */
static void snapshot_metrics(struct guest *guest)
{
	struct mpmu_regs regs;
	u64 want;

	if (!(pmu_host.caps.features & MPMU_FEAT_METRICS))
		return;
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	want = regs.metrics == 8 ? EIGHT_FIELDS : 0;
	check_eq(write_fields(guest), want, "PERF_METRICS: written before the PMU is used");
	check_eq(write_fields(guest), want, "and after it");
	check(save_and_restore(guest), "a restore takes what was saved of it");
	*guest_job(guest) = (struct guest_job){ .program = PROGRAM_LOOP_ONCE, .count = 1 };
	job_read(&guest->area->job, OP_RDMSR, METRICS);
	guest_run(guest);
	check_eq(guest->area->result.read[0], want, "and keeps it");
}

void test_snapshot(void)
{
	static struct guest guest;
	bool ok = true;
	u64 want;

	if (!guest_create(&guest, "guest"))
		return;
	snapshot_metrics(&guest);
	want = expected(&guest, EVENT_INSTRUCTIONS, TURNS);
	job_window(guest_job(&guest), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	while (guest_slice(&guest, SLICE))
		ok &= save_and_restore(&guest);
	check(ok, "save, reset, restore, save: the same list");
	check_eq(guest_counted(&guest), want, "a guest counts on after each restore");

	pmi_delay(200);
	job_pmi(guest_job(&guest), all_counters(), 1000, 300, 0);
	while (guest_slice(&guest, SLICE / 2))
		ok &= save_and_restore(&guest);
	check(ok && pmis_are_exact(&guest), "no overflow is lost or doubled by a restore");
	pmi_delay(0);
}

static void slice_elsewhere(void *data)
{
	struct guest *guest = data;

	guest->busy = guest_slice(guest, SLICE / 4);
}

static void run_everywhere(struct guest *guest)
{
	guest->busy = true;
	guest->slices = 0;
	for (u32 i = 0; guest->busy; i++)
		cpu_run(i % nr_cpus, slice_elsewhere, guest);
}

void test_migrate(void)
{
	static struct guest guest;
	u64 want;

	check_eq(nr_cpus, 2, "there are two CPUs");
	if (!guest_create(&guest, "guest"))
		return;
	want = expected(&guest, EVENT_INSTRUCTIONS, TURNS);
	job_window(guest_job(&guest), EVENT_INSTRUCTIONS, BODY_PLAIN, TURNS);
	run_everywhere(&guest);
	check_eq(guest_counted(&guest), want, "a guest that moves counts on");
	check(guest.slices > 5, "it moved several times");
	for (u32 i = 0; i < 2; i++) {
		pmi_delay(200);
		job_pmi(guest_job(&guest), all_counters(), 1000, 600, i ? JOB_PMI_FIXED : 0);
		run_everywhere(&guest);
		check(pmis_are_exact(&guest), "no overflow is lost or doubled on the way");
	}
	pmi_delay(0);
}
