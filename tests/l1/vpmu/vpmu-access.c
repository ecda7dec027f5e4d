// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which accesses of the guest exit: none where the guest has all of the host's
 * counters, one each where a register is never direct or the model is smaller.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vpmu.h"

#define REPEATS		50

#define MSR_PERF_METRICS	0x329
#define RDPMC_METRICS		0x20000000
#define METRICS_BIT		(1ULL << 48)	/* of GLOBAL_CTRL */
#define TOPDOWN_BITS		(METRICS_BIT | 1ULL << 35)

/* When an access is direct. */
enum direct {
	ALWAYS,			/* a data register of the model */
	WHOLE_PMU,		/* only with all counters of the host */
	WHOLE_RDPMC,		/* only with all that RDPMC reads on the host */
	NEVER,
	FAULTS,			/* #GP; exits are not looked at */
};

struct machine_access {
	struct machine machine;
	struct pmu host;
	const char *name;
	bool whole, rdpmc;
	/* Policy direct: what the host has beyond the model does not fault. */
	bool inert;
	bool uncore;		/* RDPMC reads counters of the whole host there */
	uint64_t lent;		/* what an event of the host counts on */
};

/* Counters that run keep the PMU in use. */
static void prepare(struct machine_access *m, struct guest_job *job)
{
	const struct pmu *pmu = &m->machine.pmu;

	job_clear(job, pmu);
	job_write(job, pmu_eventsel(pmu, 0), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false));
	job_write(job, pmu_counter(pmu, 0), 0);
	if (pmu->metrics)
		job_write(job, 0x38d, pmu_fixed_field(3, MODE_ALL, false));
	if (pmu->ctrl)
		job_write(job, pmu->ctrl, 1 | (pmu->metrics ? TOPDOWN_BITS : 0));
	job->program = PROGRAM_ACCESS;
	job->count = REPEATS;
}

static uint64_t access_exits(const struct machine_access *m, const struct guest_access *access)
{
	static const enum exit_kind kinds[] = {
		[OP_RDMSR] = EXIT_RDMSR, [OP_WRMSR] = EXIT_WRMSR,
		[OP_RDPMC] = EXIT_RDPMC, [OP_RDPMC_USER] = EXIT_RDPMC,
	};

	return exits_of(&m->machine.pmu, m->machine.vm.cpu[0].area, kinds[access->op]);
}

static void try_access(struct machine_access *m, struct guest_access access, enum direct direct,
		       uint32_t flags, const char *what)
{
	static const char *const ops[] = { "RDMSR", "WRMSR", "RDPMC", "RDPMC at CPL 3" };
	struct guest_cpu *area = m->machine.vm.cpu[0].area;
	uint64_t exits, faults, want;

	prepare(m, &area->job);
	area->job.access = access;
	area->job.flags |= flags;
	if (machine_run(&m->machine))
		fatal("the guest ended");
	exits = access_exits(m, &access);
	faults = area->result.access_faults;
	if (direct == FAULTS) {
		check(faults == (access.op == OP_RDPMC_USER ? 1 : REPEATS),
		      "%s, %s: %s %#x: faults", what, m->name, ops[access.op], access.index);
		return;
	}
	want = direct == NEVER || (direct == WHOLE_PMU && !m->whole) ||
	       (direct == WHOLE_RDPMC && !m->rdpmc) ? REPEATS : 0;
	if (!check(exits == want && !faults, "%s, %s: %s %#x: %s", what, m->name, ops[access.op],
		   access.index, want ? "one exit each" : "no exit"))
		note("%d times: %llu exits, %llu faults", REPEATS, (unsigned long long)exits,
		     (unsigned long long)faults);
}

static void try_msr(struct machine_access *m, uint32_t msr, uint64_t value, enum direct direct,
		    const char *what)
{
	if (!msr)
		return;
	try_access(m, (struct guest_access){ OP_RDMSR, msr, 0 }, direct, 0, what);
	try_access(m, (struct guest_access){ OP_WRMSR, msr, value }, direct, 0, what);
}

static void try_counters(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;
	struct pmu legacy = *pmu;
	uint64_t left;

	legacy.full_width = false;
	for (left = pmu_counters(pmu); left; left &= left - 1) {
		int bit = __builtin_ctzll(left);
		enum direct direct = m->lent >> bit & 1 ? NEVER : ALWAYS;

		try_msr(m, pmu_counter(pmu, bit), 5, direct, "C counter");
		if (bit < 4 && pmu->full_width)
			try_msr(m, pmu_counter(&legacy, bit), 5, direct, "C counter, old name");
		try_access(m, (struct guest_access){ OP_RDPMC, pmu_rdpmc(bit), 0 }, WHOLE_RDPMC, 0,
			   "C counter");
		try_access(m, (struct guest_access){ OP_RDPMC_USER, pmu_rdpmc(bit), 0 },
			   WHOLE_RDPMC, JOB_PCE, "C counter");
	}
}

static void try_metrics(struct machine_access *m)
{
	const struct guest_access rdpmc = { OP_RDPMC, RDPMC_METRICS, 0 };

	if (!m->machine.pmu.intel)
		return;
	if (m->machine.pmu.metrics) {
		try_msr(m, MSR_PERF_METRICS, 5, ALWAYS, "C PERF_METRICS");
		try_access(m, rdpmc, WHOLE_RDPMC, 0, "C PERF_METRICS");
		return;
	}
	try_access(m, (struct guest_access){ OP_RDMSR, MSR_PERF_METRICS, 0 }, FAULTS, 0,
		   "B9 no PERF_METRICS");
	if (!(m->inert && m->host.metrics))
		try_access(m, rdpmc, FAULTS, 0, "B9 no PERF_METRICS");
}

/* The first counters of the NB and of the L3, which are the whole host's. */
static void try_uncore(struct machine_access *m)
{
	static const uint32_t ecx[] = { 6, 10 };
	size_t i;

	for (i = 0; m->uncore && i < sizeof(ecx) / sizeof(ecx[0]); i++)
		try_access(m, (struct guest_access){ OP_RDPMC, ecx[i], 0 }, m->rdpmc ? ALWAYS : FAULTS,
			   0, "C counter of the whole host");
}

static void try_controls(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;

	try_msr(m, pmu_eventsel(pmu, 1), pmu_select(pmu, EVENT_CYCLES, MODE_ALL, false), NEVER,
		"C selector");
	if (pmu->nr_fixed)
		try_msr(m, 0x38d, 0x3, NEVER, "C FIXED_CTR_CTRL");
	if (!pmu->ctrl)
		return;
	try_msr(m, pmu->ctrl, 1, WHOLE_PMU, "C GLOBAL_CTRL");
	try_access(m, (struct guest_access){ OP_RDMSR, pmu->status, 0 }, WHOLE_PMU, 0,
		   "C GLOBAL_STATUS");
	try_access(m, (struct guest_access){ OP_WRMSR, pmu->ack, 1 }, WHOLE_PMU, 0,
		   "C clears status");
	if (pmu->status_set)
		try_access(m, (struct guest_access){ OP_WRMSR, pmu->status_set, 0 },
			   pmu->intel ? NEVER : WHOLE_PMU, 0, "C sets status");
}

static void try_faults(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;
	const int nr_gp = m->inert ? m->host.nr_gp : pmu->nr_gp;
	const int nr_fixed = m->inert ? m->host.nr_fixed : pmu->nr_fixed;
	const uint32_t rdpmc[] = {
		m->uncore && m->rdpmc ? 32 : (uint32_t)nr_gp, 0x80000000, 0x20000001,
		pmu->intel ? 0x40000000 | (uint32_t)nr_fixed : 0x40000000,
	};
	size_t i;

	for (i = 0; i < sizeof(rdpmc) / sizeof(rdpmc[0]); i++)
		try_access(m, (struct guest_access){ OP_RDPMC, rdpmc[i], 0 }, FAULTS, 0,
			   "C no such counter");
	try_access(m, (struct guest_access){ OP_RDPMC_USER, 0, 0 }, FAULTS, 0, "C CR4.PCE clear");
	if (!pmu->ctrl)
		try_access(m, (struct guest_access){ OP_RDMSR, pmu->intel ? 0x38f : 0xc0000301, 0 },
			   FAULTS, 0, "D5 GLOBAL_CTRL of version 1");
	if (!pmu->intel)
		return;
	try_access(m, (struct guest_access){ OP_RDMSR, 0x309 + (uint32_t)pmu->nr_fixed, 0 }, FAULTS,
		   0, "D3 no such fixed counter");
	if (pmu->ctrl) {
		try_access(m, (struct guest_access){ OP_WRMSR, pmu->status, 1 }, FAULTS, 0,
			   "D4 GLOBAL_STATUS is read-only");
		try_access(m, (struct guest_access){ OP_WRMSR, pmu->ctrl, 1ULL << 40 }, FAULTS, 0,
			   "D4 GLOBAL_CTRL of no counter");
	}
	if (!pmu->status_set) {
		try_access(m, (struct guest_access){ OP_WRMSR, 0x391, 0 }, FAULTS, 0,
			   "D5 STATUS_SET before version 4");
		try_access(m, (struct guest_access){ OP_RDMSR, 0x392, 0 }, FAULTS, 0,
			   "D5 GLOBAL_INUSE before version 4");
	}
	if (pmu->full_width)
		try_access(m, (struct guest_access){ OP_WRMSR, 0x4c1, 1ULL << 48 }, FAULTS, 0,
			   "D3 a write beyond the width");
	else
		try_access(m, (struct guest_access){ OP_RDMSR, 0x4c1, 0 }, FAULTS, 0,
			   "D3 no full-width writes");
	if (pmu->nr_fixed)
		try_access(m, (struct guest_access){ OP_WRMSR, 0x38d, 1ULL << 40 }, FAULTS, 0,
			   "D2 FIXED_CTR_CTRL of no counter");
	try_access(m, (struct guest_access){ OP_WRMSR, 0x186, 1ULL << 40 }, FAULTS, 0,
		   "D1 reserved bit of a selector");
}

static void try_value(struct machine_access *m, uint32_t msr, uint64_t value, uint64_t want,
		      const char *what)
{
	struct guest_cpu *area = m->machine.vm.cpu[0].area;

	prepare(m, &area->job);
	area->job.access = (struct guest_access){ OP_WRMSR, msr, value };
	job_read(&area->job, OP_RDMSR, msr);
	if (machine_run(&m->machine))
		fatal("the guest ended");
	if (!check(!area->result.access_faults && area->result.read[0] == want, "%s, %s", what,
		   m->name))
		note("%#x reads %#llx, want %#llx", msr, (unsigned long long)area->result.read[0],
		     (unsigned long long)want);
}

#define MSR_DEBUGCTL	0x1d9

/* Refused, or ignored, as AMD's is where KVM does not virtualize LBRs. */
static void try_no_freeze(struct machine_access *m, uint64_t bits, const char *what)
{
	struct guest_cpu *area = m->machine.vm.cpu[0].area;

	if (m->machine.pmu.intel)
		try_access(m, (struct guest_access){ OP_WRMSR, MSR_DEBUGCTL, bits }, FAULTS, 0,
			   what);
	prepare(m, &area->job);
	area->job.access = (struct guest_access){ OP_WRMSR, MSR_DEBUGCTL, bits };
	job_read(&area->job, OP_RDMSR, MSR_DEBUGCTL);
	if (machine_run(&m->machine))
		fatal("the guest ended");
	check(!(area->result.read[0] & bits), "%s, %s: it is not on", what, m->name);
}

/* Nothing sets the bits of the status that a freeze would set, and they can be cleared. */
static void try_freeze(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;

	try_no_freeze(m, 1 << 12, "D5 counters freeze at a PMI");
	try_no_freeze(m, 1 << 11, "D5 LBRs freeze at a PMI");
	if (pmu->ctrl)
		try_access(m, (struct guest_access){ OP_WRMSR, pmu->ack, 3ull << 58 }, WHOLE_PMU,
			   0, "D5 clears what a freeze would set");
}

/* Counter and selector 1: the first counter runs. */
static void try_values(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;
	const uint64_t selector = pmu_select(pmu, EVENT_BRANCHES, MODE_USER, true);
	/* Never in hardware as it is: the guest has no OFFCORE_RSP. */
	const uint64_t offcore_response = 0x4301b7;
	const uint64_t counters = pmu_counters(pmu);
	struct pmu legacy = *pmu;

	legacy.full_width = false;
	try_value(m, pmu_eventsel(pmu, 1), selector, selector, "D1 a selector reads as written");
	if (!pmu->intel)
		try_value(m, pmu_eventsel(pmu, 1), selector | 1ULL << 60, selector,
			  "D1 reserved bits of a selector are dropped");
	if (pmu->intel)
		try_value(m, pmu_eventsel(pmu, 1), offcore_response, offcore_response,
			  "D1 so does one whose event is denied");
	if (pmu->intel)
		try_value(m, pmu_counter(&legacy, 1), 0x80000005, 0xffff80000005,
			  "D3 the old name extends the sign");
	else
		try_value(m, pmu_counter(pmu, 1), 1ULL << 48 | 5, 5,
			  "D3 what is beyond the width is dropped");
	if (pmu->nr_fixed)
		try_value(m, 0x38d, 0x3, 0x3, "D2 FIXED_CTR_CTRL reads as written");
	if (pmu->ctrl)
		try_value(m, pmu->ctrl, pmu->intel ? counters : ~0ULL, counters,
			  "D4 GLOBAL_CTRL has a bit for each counter");
}

/* Row D8, in the registers as they are while the guest runs. */
static void try_hardware(struct machine_access *m)
{
	const struct guest_cpu *area = m->machine.vm.cpu[0].area;
	const unsigned long long *selectors = area->regs.eventsel;

	if (m->machine.pmu.intel)
		return;
	try_value(m, pmu_eventsel(&m->machine.pmu, 1), 0, 0, "D8 a selector is zeroed");
	check((selectors[0] >> 40 & 3) == 1, "D8 GuestOnly and not HostOnly in hardware, %s (%#llx)",
	      m->name, selectors[0]);
	check(!selectors[1], "D8 nothing in hardware of a selector that is 0, %s (%#llx)", m->name,
	      selectors[1]);
}

/* GLOBAL_CTRL with a bit for each counter of the host, and what RDPMC reads then. */
static void try_inert_counter(struct machine_access *m, uint32_t ecx)
{
	struct guest_cpu *area = m->machine.vm.cpu[0].area;

	prepare(m, &area->job);
	area->job.access = (struct guest_access){ OP_WRMSR, m->machine.pmu.ctrl,
						  pmu_counters(&m->host) |
						  (m->host.metrics ? METRICS_BIT : 0) };
	job_read(&area->job, OP_RDPMC, ecx);
	if (machine_run(&m->machine))
		fatal("the guest ended");
	check(!area->result.access_faults && !area->result.read[0] &&
	      !access_exits(m, &area->job.access),
	      "C %s: RDPMC %#x reads 0, enabled in GLOBAL_CTRL without an exit", m->name, ecx);
}

/* Counters of the host beyond the model: reached, and nothing in them. */
static void try_inert(struct machine_access *m)
{
	const struct pmu *pmu = &m->machine.pmu;
	int i;

	for (i = pmu->nr_fixed; i < m->host.nr_fixed; i++) {
		try_access(m, (struct guest_access){ OP_RDPMC, 0x40000000 | (uint32_t)i, 0 }, ALWAYS,
			   0, "C fixed counter beyond the model");
		try_inert_counter(m, 0x40000000 | (uint32_t)i);
	}
	for (i = pmu->nr_gp; i < m->host.nr_gp; i++)
		try_inert_counter(m, (uint32_t)i);
	if (m->host.metrics)
		try_inert_counter(m, RDPMC_METRICS);
}

/* The emulator knows the machine; registers of the host are not for user space. */
static void detect_host(struct pmu *host, bool intel)
{
	static struct snapshot now;

	pmu_detect_host(host, intel);
	emu_snapshot(&now);
	host->metrics = now.regs.metrics;
}

static void start_machine(struct machine_access *m, const char *name,
			  const struct vm_config *config)
{
	memset(m, 0, sizeof(*m));
	m->name = name;
	machine_start(&m->machine, config);
	detect_host(&m->host, m->machine.pmu.intel);
}

static void try_machine(const char *name, const struct vm_config *config)
{
	struct machine_access m;

	start_machine(&m, name, config);
	/* A host that keeps a general counter to itself intercepts all the same. */
	m.inert = config->choose & KVM_PMU_CAP_POLICY_DIRECT &&
		  m.host.nr_gp == m.machine.pmu.nr_gp;
	m.whole = m.inert || (pmu_counters(&m.host) == pmu_counters(&m.machine.pmu) &&
			      m.host.metrics == m.machine.pmu.metrics);
	m.uncore = pmu_host_has_uncore(m.host.intel);
	m.rdpmc = m.whole && (!m.uncore || config->choose & KVM_PMU_CAP_UNCORE_RDPMC);
	note("%s: version %d, %d GP, %d fixed, metrics %d of %d GP, %d fixed, metrics %d", name,
	     m.machine.pmu.version, m.machine.pmu.nr_gp, m.machine.pmu.nr_fixed,
	     m.machine.pmu.metrics, m.host.nr_gp, m.host.nr_fixed, m.host.metrics);
	try_counters(&m);
	try_metrics(&m);
	try_uncore(&m);
	try_controls(&m);
	try_freeze(&m);
	try_faults(&m);
	try_values(&m);
	try_hardware(&m);
	if (m.inert)
		try_inert(&m);
	machine_stop(&m.machine);
}

/* Registers of what a mediated PMU does not have. */
static const struct foreign {
	uint32_t msr;
	bool intel;
	const char *what;
} foreign[] = {
	{ 0x3f1, true, "B9 PEBS_ENABLE" },
	{ 0x1a6, true, "B9 OFFCORE_RSP" },
	{ 0x1c9, true, "B9 the top of the LBR stack" },
	{ 0x14ce, true, "B9 the control of architectural LBRs" },
	{ 0xc0011030, false, "B9 the control of IBS" },
};

static bool policy_is_full(bool intel)
{
	FILE *file = fopen(intel ? "/sys/module/kvm_intel/parameters/mediated_pmu_policy" :
				   "/sys/module/kvm_amd/parameters/mediated_pmu_policy", "r");
	char name[16] = "";

	if (!file || !fgets(name, sizeof(name), file))
		fatal("no parameter mediated_pmu_policy");
	fclose(file);
	return !strcmp(name, "full\n");
}

static void not_offered_intel(struct vcpu *vcpu)
{
	static struct snapshot now;
	uint64_t value;

	bool metrics;

	emu_snapshot(&now);
	metrics = policy_is_full(true) && now.regs.metrics;
	check(!vcpu_get_msr(vcpu, 0x345, &value) && (value & ~0x2000ULL) == (metrics ? 0x8000 : 0),
	      "B9 PERF_CAPABILITIES has full-width writes%s alone", metrics ? " and metrics" : "");
	check(!vcpu_get_msr(vcpu, 0x1a0, &value) && (value & 0x1800) == 0x1800,
	      "B9 MISC_ENABLE says that BTS and PEBS are unavailable");
}

static bool has_ibs(const struct vm *vm)
{
	const struct kvm_cpuid_entry2 *leaf = vm_cpuid(vm, 0x80000001);

	return leaf && leaf->ecx & 1U << 10;
}

static void try_not_offered(void)
{
	struct machine_access m = { .name = "default" };
	size_t i;

	machine_start(&m.machine, &(struct vm_config){ 0 });
	if (m.machine.pmu.intel)
		not_offered_intel(&m.machine.vm.cpu[0]);
	else
		check(!has_ibs(&m.machine.vm), "B9 CPUID has no IBS");
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (foreign[i].intel == m.machine.pmu.intel)
			try_access(&m, (struct guest_access){ OP_RDMSR, foreign[i].msr, 0 }, FAULTS,
				   0, foreign[i].what);
	machine_stop(&m.machine);
}

/*
 * Written between VM-exit and VM-entry, LVTPC must not lead to the VM's maps of local
 * APICs: another vCPU may have changed one, and who recalculates them sleeps.
 */
static void try_lvtpc(struct machine_access *m)
{
	static struct mpmu_watch before, after;

	emu_watch(MPMU_WATCH_RECLAIM, kernel_function("kvm_recalculate_apic_map"));
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &before);
	try_access(m, (struct guest_access){ OP_WRMSR, MSR_X2APIC_LVTPC, LVT_MASKED | LVT_NMI },
		   NEVER, 0, "A9");
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_WATCH, 0, &after);
	emu_watch(MPMU_WATCH_RECLAIM, 0);
	check(after.hits[MPMU_WATCH_RECLAIM] == before.hits[MPMU_WATCH_RECLAIM],
	      "A9, %s: a write of LVTPC does nothing that sleeps (%llu of %u)", m->name,
	      (unsigned long long)(after.hits[MPMU_WATCH_RECLAIM] -
				   before.hits[MPMU_WATCH_RECLAIM]), REPEATS);
}

/* An event that counts on is on the last counter that is lent, which the host intercepts. */
static void try_beside_host_event(void)
{
	struct machine_access m;
	int fd;

	if (!host_shares())
		return;
	start_machine(&m, "beside a host event", &(struct vm_config){ 0 });
	m.lent = 1ULL << pmu_host_last_gp(&m.host);
	fd = host_event(options.cpu, HOST_EXCLUDE_GUEST, 0);
	try_counters(&m);
	try_metrics(&m);
	try_controls(&m);
	try_freeze(&m);
	try_faults(&m);
	try_values(&m);
	try_lvtpc(&m);
	host_event_close(fd);
	machine_stop(&m.machine);
}

/* An MSR that user space denies to the guest, reads and writes. */
static void deny(const struct machine_access *m, uint32_t msr)
{
	uint8_t allowed = 0;
	struct kvm_msr_filter filter = {
		.ranges = { { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 1, msr, &allowed } },
	};

	if (ioctl(m->machine.vm.fd, KVM_X86_SET_MSR_FILTER, &filter))
		fatal("no filter of MSRs: %s", strerror(errno));
}

static void try_denied(struct machine_access *m, enum guest_op op, uint32_t msr)
{
	const struct guest_access access = { op, msr, 1 };

	if (!msr)
		return;
	deny(m, msr);
	try_access(m, access, FAULTS, 0, "C user space denies it");
}

/* Each was direct a moment ago, or exits beside a host event. */
static void try_filter(bool beside)
{
	struct machine_access m;
	int fd;

	start_machine(&m, beside ? "beside a host event" : "default", &(struct vm_config){ 0 });
	fd = beside ? host_event(options.cpu, HOST_EXCLUDE_GUEST, 0) : -1;
	try_denied(&m, OP_RDMSR, pmu_counter(&m.machine.pmu, 1));
	try_denied(&m, OP_WRMSR, pmu_counter(&m.machine.pmu, 1));
	try_denied(&m, OP_RDMSR, m.machine.pmu.status);
	try_denied(&m, OP_WRMSR, m.machine.pmu.ack);
	try_access(&m, (struct guest_access){ OP_RDMSR, pmu_counter(&m.machine.pmu, 1), 0 }, ALWAYS,
		   0, "C user space denies another");
	if (fd >= 0)
		host_event_close(fd);
	machine_stop(&m.machine);
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* Some of the general counters that this host lends, which may be three only. */
static int fewer_gp(void)
{
	struct machine machine;
	int nr_gp;

	machine_start(&machine, &(struct vm_config){ 0 });
	nr_gp = machine.pmu.nr_gp > 4 ? 4 : 2;
	machine_stop(&machine);
	return nr_gp;
}

/* Under compat a guest has what mainline's mediated PMU would have here. */
static void try_model(void)
{
	struct machine machine;
	struct pmu want;

	machine_start(&machine, &(struct vm_config){ 0 });
	pmu_detect_host(&want, machine.pmu.intel);
	if (!policy_is_full(machine.pmu.intel)) {
		want.version = smaller(want.version, 2);
		want.nr_gp = smaller(want.nr_gp, machine.pmu.intel ? 8 : 6);
		want.nr_fixed = smaller(want.nr_fixed, 3);
	}
	if (options.nr_gp)
		want.nr_gp = options.nr_gp;
	if (!check(machine.pmu.version == want.version && machine.pmu.nr_gp == want.nr_gp &&
		   machine.pmu.nr_fixed == want.nr_fixed, "B7 the default model is the policy's"))
		note("version %d, %d GP, %d fixed, not %d, %d, %d", machine.pmu.version,
		     machine.pmu.nr_gp, machine.pmu.nr_fixed, want.version, want.nr_gp,
		     want.nr_fixed);
	machine_stop(&machine);
}

/* A guest that never used its PMU has every register intercepted. */
static void try_untouched(void)
{
	struct machine machine;
	struct guest_cpu *area;

	machine_start(&machine, &(struct vm_config){ 0 });
	area = machine.vm.cpu[0].area;
	memset(&area->job, 0, sizeof(area->job));
	area->job.program = PROGRAM_ACCESS;
	area->job.count = REPEATS;
	area->job.ctrl = machine.pmu.ctrl;
	area->job.access = (struct guest_access){ OP_RDMSR, pmu_counter(&machine.pmu, 0), 0 };
	if (machine_run(&machine))
		fatal("the guest ended");
	check(exits_of(&machine.pmu, area, EXIT_RDMSR) == 1,
	      "C untouched: the first read of a counter exits, those after it do not");
	note("%llu exits", (unsigned long long)exits_of(&machine.pmu, area, EXIT_RDMSR));
	machine_stop(&machine);
}

int test_access(void)
{
	if (!emu_present())
		fatal("the emulator counts the exits");
	try_model();
	try_untouched();
	try_not_offered();
	try_machine("default", &(struct vm_config){ 0 });
	try_machine("fewer GP counters", &(struct vm_config){ .nr_gp = fewer_gp() });
	try_machine("version 1", &(struct vm_config){ .version = 1, .nr_fixed = -1 });
	try_machine("no full width", &(struct vm_config){ .no_full_width = true });
	try_machine("policy direct", &(struct vm_config){ .choose = KVM_PMU_CAP_MEDIATED |
								    KVM_PMU_CAP_POLICY_DIRECT });
	try_machine("policy direct, consent", &(struct vm_config){
		.choose = KVM_PMU_CAP_MEDIATED | KVM_PMU_CAP_POLICY_DIRECT |
			  KVM_PMU_CAP_UNCORE_RDPMC });
	try_beside_host_event();
	try_filter(false);
	try_filter(true);
	return 0;
}
