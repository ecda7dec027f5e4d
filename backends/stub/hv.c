// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where a hypervisor calls the library: the life of a vCPU and its exits. */
#include "hv.h"

static bool is_intel(const struct stub_vcpu *vcpu)
{
	return vcpu->mpmu.host->caps.vendor == MPMU_VENDOR_INTEL;
}

static void reset_hardware(struct stub_cpu *cpu, const struct mpmu_caps *caps)
{
	stub_pmu_reset(&cpu->pmu, caps);
	cpu->pmu.svme = caps->vendor == MPMU_VENDOR_AMD;
	stub_perf_init(cpu);
}

int stub_machine_init(struct stub_machine *machine, const struct mpmu_caps *caps)
{
	int err, i;

	memset(machine, 0, sizeof(*machine));
	err = mpmu_host_init(&machine->host, &stub_ops, caps);
	if (err)
		return err;
	for (i = 0; i < STUB_CPUS; i++)
		reset_hardware(&machine->cpus[i], caps);
	machine->here = &machine->cpus[0];
	return 0;
}

void stub_cpu_reset(struct stub_machine *machine, struct stub_cpu *cpu)
{
	bool irqs_off = machine->irqs_off;

	machine->irqs_off = true;
	reset_hardware(cpu, &machine->host.caps);
	mpmu_cpu_reset(&cpu->mpmu);
	machine->irqs_off = irqs_off;
}

static void interruptible(struct stub_vcpu *vcpu)
{
	struct stub_machine *machine = vcpu->machine;

	if (machine->irqs_off)
		stub_fault("IRQs are off where they should be on");
	stub_take_interrupts(machine);
	if (machine->interruptible)
		machine->interruptible(machine, machine->data);
}

void stub_take_interrupts(struct stub_machine *machine)
{
	struct stub_cpu *cpu = machine->here;

	stub_perf_take_nmi(machine);
	if (!cpu->pmu.pending[STUB_VECTOR_OF_GUEST] || cpu->late_pmi)
		return;
	cpu->pmu.pending[STUB_VECTOR_OF_GUEST] = false;
	machine->irqs_off = true;
	mpmu_pmi(&cpu->mpmu);
	machine->irqs_off = false;
}

void stub_vcpu_init(struct stub_vcpu *vcpu, struct stub_machine *machine,
		    const struct mpmu_caps *caps)
{
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->machine = machine;
	vcpu->cpu = machine->here;
	vcpu->lvtpc_masked = true;
	machine->irqs_off = true;
	mpmu_vcpu_init(&vcpu->mpmu, &machine->host, &vcpu->stats);
	if (mpmu_vcpu_configure(&vcpu->mpmu, caps))
		stub_fault("a vCPU of a model that contradicts itself");
	machine->irqs_off = false;
	vcpu->requests.intercepts = true;
}

/* Here; @vcpu: that one alone. */
static void evict(struct stub_machine *machine, const struct mpmu_vcpu *vcpu)
{
	bool irqs_off = machine->irqs_off;

	machine->irqs_off = true;
	mpmu_evict(&machine->here->mpmu, vcpu);
	machine->irqs_off = irqs_off;
}

/* By an interprocessor call, as it were. */
void stub_vcpu_evict(struct stub_vcpu *vcpu)
{
	struct stub_machine *machine = vcpu->machine;
	struct stub_cpu *here = machine->here;

	if (!mpmu_held(&vcpu->mpmu))
		return;
	machine->here = vcpu->cpu;
	evict(machine, &vcpu->mpmu);
	machine->here = here;
}

void stub_make_room(struct stub_machine *machine)
{
	evict(machine, NULL);
}

void stub_task_rdpmc(struct stub_machine *machine)
{
	if (stub_pmu_counters_of(&machine->here->pmu, STUB_OF_GUEST))
		stub_fault("a task of the host can read counters of a guest");
}

void stub_foreign_run(struct stub_machine *machine, const struct stub_work *work)
{
	struct stub_pmu *pmu = &machine->here->pmu;
	struct stub_reg global_ctrl = pmu->global_ctrl;

	/* As for a guest that is untouched. */
	if (pmu->caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL)
		pmu->global_ctrl.value = 0;
	pmu->guest_mode = true;
	stub_pmu_run(pmu, work);
	pmu->guest_mode = false;
	pmu->global_ctrl = global_ctrl;
}

void stub_vcpu_load(struct stub_vcpu *vcpu, struct stub_cpu *cpu)
{
	if (vcpu->cpu != cpu)
		stub_vcpu_evict(vcpu);
	vcpu->machine->here = cpu;
	vcpu->cpu = cpu;
	vcpu->loaded = true;
}

void stub_vcpu_put(struct stub_vcpu *vcpu)
{
	if (!vcpu->loaded)
		return;
	vcpu->machine->here = vcpu->cpu;
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	if (vcpu->machine->parks)
		mpmu_park(&vcpu->cpu->mpmu, &vcpu->mpmu);
	else
		mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	vcpu->machine->irqs_off = false;
	vcpu->loaded = false;
	stub_take_interrupts(vcpu->machine);
}

void stub_vcpu_end(struct stub_vcpu *vcpu)
{
	struct stub_machine *machine = vcpu->machine;
	u32 i;

	stub_vcpu_put(vcpu);
	stub_vcpu_evict(vcpu);
	for (i = 0; i < STUB_CPUS; i++)
		mpmu_cpu_forget_vcpu(&machine->cpus[i].mpmu, &vcpu->mpmu);
}

void stub_vcpu_reset(struct stub_vcpu *vcpu)
{
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	mpmu_vcpu_reset(vcpu->loaded ? &vcpu->cpu->mpmu : NULL, &vcpu->mpmu);
	vcpu->machine->irqs_off = false;
	vcpu->lvtpc_masked = true;
	vcpu->requests.pmi = false;
	stub_sync_lvtpc(vcpu);
}

void stub_vcpu_set_flags(struct stub_vcpu *vcpu, u32 set, u32 clear)
{
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	mpmu_vcpu_set_flags(&vcpu->mpmu, set, clear);
	vcpu->machine->irqs_off = false;
}

void stub_vcpu_set_filter(struct stub_vcpu *vcpu, const struct mpmu_filter *filter)
{
	stub_exit(vcpu);
	vcpu->filter = filter;
	vcpu->machine->irqs_off = true;
	mpmu_vcpu_filter_changed(&vcpu->mpmu);
	vcpu->machine->irqs_off = false;
}

/* Through the guest's LVTPC; Intel masks it then, AMD does not. */
static void deliver_pmi(struct stub_vcpu *vcpu)
{
	vcpu->requests.pmi = false;
	if (vcpu->lvtpc_masked)
		return;
	vcpu->pmis++;
	vcpu->lvtpc_masked = is_intel(vcpu);
	stub_sync_lvtpc(vcpu);
}

void stub_sync_lvtpc(struct stub_vcpu *vcpu)
{
	if (mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu) && !vcpu->cpu->perf.lent)
		vcpu->cpu->pmu.lvtpc.masked = vcpu->lvtpc_masked;
}

/* IRQs off. */
static void handle_requests(struct stub_vcpu *vcpu)
{
	if (vcpu->requests.reprogram) {
		vcpu->requests.reprogram = false;
		mpmu_vcpu_reprogram(&vcpu->cpu->mpmu, &vcpu->mpmu, vcpu->filter);
	}
	if (vcpu->requests.intercepts) {
		vcpu->requests.intercepts = false;
		mpmu_vcpu_update_intercepts(&vcpu->mpmu);
	}
	if (vcpu->requests.pmi)
		deliver_pmi(vcpu);
}

/* Those of the host that the guest can read; what stays dirty is for others to clean. */
static mpmu_pmcs exposed(const struct stub_vcpu *vcpu)
{
	const struct stub_cpu *cpu = vcpu->cpu;
	mpmu_pmcs hidden = vcpu->rdpmc_direct ? 0 : cpu->perf.dirty & ~stub_pmcs(&vcpu->mpmu.caps);

	return stub_pmu_counters_of(&cpu->pmu, STUB_OF_HOST) & ~hidden & ~cpu->pmu.lent;
}

/* Does the guest reach by one register what the machine has beyond its model? */
static bool reaches_beyond(const struct stub_vcpu *vcpu)
{
	u32 global_ctrl = is_intel(vcpu) ? 0x38f : 0xc0000301;

	return vcpu->rdpmc_direct || stub_intercepts(vcpu, global_ctrl) != (MPMU_READ | MPMU_WRITE);
}

static mpmu_pmcs not_zero(const struct stub_pmu *pmu)
{
	u32 eventsels = stub_pmu_eventsels_of(pmu, STUB_OF_HOST) |
			stub_pmu_eventsels_of(pmu, STUB_OF_GUEST);

	return stub_pmu_counters_of(pmu, STUB_OF_HOST) | stub_pmu_counters_of(pmu, STUB_OF_GUEST) |
	       eventsels;
}

/* Inert: it is 0, and so are its controls. */
void stub_check_beyond(const struct stub_vcpu *vcpu)
{
	const struct stub_pmu *pmu = &vcpu->cpu->pmu;
	mpmu_pmcs beyond = not_zero(pmu) & ~stub_pmcs(&vcpu->mpmu.caps) & ~pmu->lent;
	u32 i;

	if (!pmu->owned || pmu->lent || !reaches_beyond(vcpu))
		return;
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (pmu->fixed_ctrl.value >> (4 * i) & 0xf &&
		    !stub_has(vcpu->mpmu.caps.counters, MPMU_FIXED_BASE + i))
			stub_fault("fixed counter %u counts, and is not in the model", i);
	if (is_intel(vcpu) && pmu->status & stub_pmcs(&pmu->caps) & ~stub_pmcs(&vcpu->mpmu.caps))
		stub_fault("status bits %#llx are not in the model", (unsigned long long)pmu->status);
	if (beyond)
		stub_fault("counters %#llx are not 0, and not in the model",
			   (unsigned long long)beyond);
}

/* What the guest counts with, and the host has an event on. */
static mpmu_pmcs contended(const struct stub_vcpu *vcpu)
{
	mpmu_pmcs lent = vcpu->cpu->perf.lent;
	mpmu_pmcs pmcs = lent & vcpu->mpmu.enabled & vcpu->mpmu.global_ctrl;

	return pmcs | (stub_has(pmcs, STUB_SLOTS) ? lent & STUB_METRICS_BIT : 0);
}

/* Its own, or what RDPMC reaches beyond its model. */
static bool reads_metrics(const struct stub_vcpu *vcpu)
{
	return vcpu->rdpmc_direct || vcpu->mpmu.caps.features & MPMU_FEAT_METRICS;
}

/* Nothing of the host may be where the guest can read it. */
static void check_entry(const struct stub_vcpu *vcpu)
{
	const struct stub_pmu *pmu = &vcpu->cpu->pmu;
	bool resident = mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu);

	if (vcpu->requests.reprogram || vcpu->requests.intercepts)
		stub_fault("enter: a request is pending");
	if (vcpu->touched && !resident)
		stub_fault("enter: a touched vCPU does not own the PMU");
	if (pmu->owned != resident)
		stub_fault("enter: another vCPU owns the PMU");
	if (resident && exposed(vcpu))
		stub_fault("enter: counters of the host are exposed");
	stub_check_beyond(vcpu);
	if (resident && reads_metrics(vcpu) && pmu->metrics_unsettled)
		stub_fault("enter: PERF_METRICS was not written after fixed counter 3");
	if (resident && stub_perf_active(vcpu->cpu))
		stub_fault("enter: host events are on the guest's PMU");
	if (resident && pmu->lent != (vcpu->cpu->perf.lent & ~contended(vcpu)))
		stub_fault("enter: the host has other counters than the guest leaves it");
}

/* An untouched guest: the host's own switch keeps its events out. */
static void load_global_ctrl(struct stub_vcpu *vcpu)
{
	struct stub_reg *reg = &vcpu->cpu->pmu.global_ctrl;

	if (!(vcpu->mpmu.host->caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL))
		return;
	reg->value = vcpu->touched ? vcpu->vmcs_global_ctrl : 0;
	reg->origin = STUB_OF_GUEST;
}

static void unload_global_ctrl(struct stub_vcpu *vcpu)
{
	struct stub_reg *reg = &vcpu->cpu->pmu.global_ctrl;

	if (!(vcpu->mpmu.host->caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL))
		return;
	if (vcpu->touched)
		vcpu->vmcs_global_ctrl = reg->value;
	reg->value = vcpu->touched ? vcpu->vmcs_host_global_ctrl : vcpu->cpu->perf.global_ctrl;
	reg->origin = reg->value ? STUB_OF_HOST : STUB_OF_NOBODY;
}

static void vm_enter(struct stub_vcpu *vcpu)
{
	check_entry(vcpu);
	load_global_ctrl(vcpu);
	vcpu->cpu->pmu.guest_mode = true;
	vcpu->in_guest = true;
}

void stub_enter(struct stub_vcpu *vcpu)
{
	struct stub_machine *machine = vcpu->machine;
	int tries, err = 0;

	if (vcpu->in_guest)
		return;
	if (!vcpu->loaded)
		stub_fault("enter: the vCPU is on no CPU");
	for (tries = 0; tries < 10; tries++) {
		interruptible(vcpu);
		machine->irqs_off = true;
		handle_requests(vcpu);
		err = mpmu_enter(&vcpu->cpu->mpmu, &vcpu->mpmu);
		if (err != -EAGAIN)
			break;
		machine->irqs_off = false;
	}
	if (err)
		stub_fault("enter: %d, %d times before", err, tries);
	vm_enter(vcpu);
}

/* Hardware's part of a VM-exit; IRQs stay off. */
static void vm_exit(struct stub_vcpu *vcpu)
{
	vcpu->in_guest = false;
	vcpu->exits++;
	vcpu->cpu->pmu.guest_mode = false;
	unload_global_ctrl(vcpu);
	/* No IRQ, and so at once. */
	if (vcpu->cpu->perf.lent && !vcpu->cpu->late_nmi)
		stub_perf_take_nmi(vcpu->machine);
}

/* The rest: out of the section with IRQs off. */
static void leave(struct stub_vcpu *vcpu)
{
	mpmu_exit(&vcpu->cpu->mpmu, &vcpu->mpmu);
	vcpu->machine->irqs_off = false;
	interruptible(vcpu);
}

void stub_exit(struct stub_vcpu *vcpu)
{
	if (!vcpu->in_guest)
		return;
	vm_exit(vcpu);
	leave(vcpu);
}

u32 stub_msr_at(u32 i)
{
	if (i < STUB_BITMAP_LOW)
		return i;
	i -= STUB_BITMAP_LOW;
	return i < STUB_NR_GLOBAL ? STUB_BITMAP_GLOBAL + i : STUB_BITMAP_AMD + i - STUB_NR_GLOBAL;
}

/* STUB_NR_MSRS: it has none. */
static u32 place_of(u32 msr)
{
	if (msr < STUB_BITMAP_LOW)
		return msr;
	if (msr - STUB_BITMAP_GLOBAL < STUB_NR_GLOBAL)
		return STUB_BITMAP_LOW + msr - STUB_BITMAP_GLOBAL;
	if (msr - STUB_BITMAP_AMD < STUB_NR_AMD)
		return STUB_NR_MSRS - STUB_NR_AMD + msr - STUB_BITMAP_AMD;
	return STUB_NR_MSRS;
}

u32 stub_intercepts(const struct stub_vcpu *vcpu, u32 msr)
{
	u32 place = place_of(msr);

	return (MPMU_READ | MPMU_WRITE) & ~(place < STUB_NR_MSRS ? vcpu->direct[place] : 0);
}

void stub_set_intercept(struct stub_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	u32 place = place_of(msr);

	if (place == STUB_NR_MSRS) {
		if (!intercept)
			stub_fault("set_intercept: MSR %#x cannot be direct", msr);
		return;
	}
	if (intercept)
		vcpu->direct[place] &= ~access;
	else
		vcpu->direct[place] |= access;
}

static void check_direct(const struct stub_vcpu *vcpu, u32 msr)
{
	if (!mpmu_resident(&vcpu->cpu->mpmu, &vcpu->mpmu))
		stub_fault("direct access to %#x of a PMU that the host owns", msr);
}

bool stub_guest_rdmsr(struct stub_vcpu *vcpu, u32 msr, u64 *value)
{
	enum mpmu_result result;

	stub_enter(vcpu);
	if (!(stub_intercepts(vcpu, msr) & MPMU_READ)) {
		check_direct(vcpu, msr);
		return stub_pmu_rdmsr(&vcpu->cpu->pmu, msr, value);
	}
	stub_exit(vcpu);
	*value = 0;
	vcpu->machine->irqs_off = true;
	result = mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_GUEST, value);
	vcpu->machine->irqs_off = false;
	return result == MPMU_DONE;
}

bool stub_guest_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value)
{
	enum mpmu_result result;

	stub_enter(vcpu);
	if (!(stub_intercepts(vcpu, msr) & MPMU_WRITE)) {
		check_direct(vcpu, msr);
		return stub_pmu_wrmsr(&vcpu->cpu->pmu, msr, value);
	}
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	result = mpmu_nested_msr_load(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value);
	vcpu->machine->irqs_off = false;
	return result == MPMU_DONE;
}

bool stub_guest_rdpmc(struct stub_vcpu *vcpu, u32 ecx, u64 *value)
{
	enum mpmu_result result;

	stub_enter(vcpu);
	if (vcpu->rdpmc_direct) {
		check_direct(vcpu, ecx);
		return stub_pmu_rdpmc(&vcpu->cpu->pmu, ecx, value);
	}
	stub_exit(vcpu);
	*value = 0;
	vcpu->machine->irqs_off = true;
	result = mpmu_rdpmc(&vcpu->cpu->mpmu, &vcpu->mpmu, ecx, value);
	vcpu->machine->irqs_off = false;
	return result == MPMU_DONE;
}

/* An interrupt ends guest mode as soon as it is pending. */
void stub_guest_run(struct stub_vcpu *vcpu, const struct stub_work *work)
{
	const bool *pending;

	stub_enter(vcpu);
	pending = vcpu->cpu->pmu.pending;
	stub_pmu_run(&vcpu->cpu->pmu, work);
	stub_check_beyond(vcpu);
	if (pending[STUB_NMI_OF_HOST] || pending[STUB_VECTOR_OF_GUEST])
		stub_exit(vcpu);
}

void stub_guest_mask_lvtpc(struct stub_vcpu *vcpu, bool masked)
{
	stub_enter(vcpu);
	stub_exit(vcpu);
	vcpu->lvtpc_masked = masked;
	stub_sync_lvtpc(vcpu);
}

/* Nobody reads a CPL that makes no difference: it is a wrong one then. */
static u32 asked_cpl(const struct mpmu_vcpu *core, mpmu_pmcs counts, u32 cpl)
{
	if (counts & core->counts_by_cpl)
		return cpl;
	return cpl ? 0 : 3;
}

/* IRQs off. */
static void skip_instruction(struct stub_vcpu *vcpu, bool branch, u32 cpl)
{
	const struct mpmu_vcpu *core = &vcpu->mpmu;

	mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_INSTRUCTIONS,
		     asked_cpl(core, core->counts_instructions, cpl));
	if (branch)
		mpmu_emulate(&vcpu->cpu->mpmu, &vcpu->mpmu, MPMU_EVENT_BRANCHES,
			     asked_cpl(core, core->counts_branches, cpl));
}

void stub_guest_emulated(struct stub_vcpu *vcpu, bool branch, u32 cpl)
{
	stub_enter(vcpu);
	stub_exit(vcpu);
	vcpu->machine->irqs_off = true;
	skip_instruction(vcpu, branch, cpl);
	vcpu->machine->irqs_off = false;
}

/* Back to the guest at once, unless something became due. */
void stub_guest_fastpath(struct stub_vcpu *vcpu, bool branch, u32 cpl)
{
	stub_enter(vcpu);
	vm_exit(vcpu);
	skip_instruction(vcpu, branch, cpl);
	if (vcpu->requests.pmi || vcpu->requests.reprogram || vcpu->requests.intercepts)
		leave(vcpu);
	else
		vm_enter(vcpu);
}

/* As an ioctl: from user space, with the vCPU loaded, which owns no PMU then. */
static bool begin_ioctl(struct stub_vcpu *vcpu)
{
	bool loaded = vcpu->loaded;

	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
	vcpu->machine->irqs_off = true;
	return loaded;
}

static void end_ioctl(struct stub_vcpu *vcpu, bool loaded)
{
	vcpu->machine->irqs_off = false;
	if (!loaded)
		stub_vcpu_put(vcpu);
}

enum mpmu_result stub_host_rdmsr(struct stub_vcpu *vcpu, u32 msr, u64 *value)
{
	bool loaded = begin_ioctl(vcpu);
	enum mpmu_result result;

	*value = 0;
	result = mpmu_msr_read(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, MPMU_BY_HOST, value);
	end_ioctl(vcpu, loaded);
	return result;
}

enum mpmu_result stub_host_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value)
{
	bool loaded = begin_ioctl(vcpu);
	enum mpmu_result result;

	result = mpmu_owner_write(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value);
	end_ioctl(vcpu, loaded);
	return result;
}
