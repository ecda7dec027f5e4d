// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The host's own use of the PMU, in the manner of Linux perf. */
#include "hv.h"

static u64 counter_mask(const struct stub_cpu *cpu, u32 pmc)
{
	return stub_width_mask(stub_width(&cpu->pmu.caps, pmc));
}

static void put_value(struct stub_reg *reg, u64 value)
{
	reg->value = value;
	reg->origin = value ? STUB_OF_HOST : STUB_OF_NOBODY;
}

void stub_perf_init(struct stub_cpu *cpu)
{
	memset(&cpu->perf, 0, sizeof(cpu->perf));
	cpu->perf.global_ctrl = stub_pmcs(&cpu->pmu.caps);
	put_value(&cpu->pmu.global_ctrl, cpu->perf.global_ctrl);
	cpu->pmu.lvtpc.route = STUB_NMI_OF_HOST;
	cpu->pmu.lvtpc.masked = false;
}

/* The host may not write where a guest's values are. */
static void check_free(const struct stub_cpu *cpu)
{
	if (cpu->pmu.owned || cpu->mpmu.owner)
		stub_fault("the host uses a PMU that a guest owns");
	if (cpu->pmu.global_ctrl.value != cpu->perf.global_ctrl ||
	    cpu->pmu.fixed_ctrl.value != cpu->perf.fixed_ctrl)
		stub_fault("control registers are not as the host left them");
	if (cpu->pmu.lvtpc.route != STUB_NMI_OF_HOST ||
	    (cpu->pmu.lvtpc.masked && !cpu->pmu.pending[STUB_NMI_OF_HOST]))
		stub_fault("LVTPC is not as the host left it");
}

static void set_control(struct stub_cpu *cpu, const struct stub_host_event *event, bool enable)
{
	u32 shift = 4 * (event->pmc - MPMU_FIXED_BASE);
	u64 others;

	if (event->pmc < MPMU_FIXED_BASE) {
		put_value(&cpu->pmu.eventsel[event->pmc],
			  event->eventsel & ~(enable ? 0 : STUB_EVENTSEL_ENABLE));
		return;
	}
	cpu->perf.fixed_ctrl &= ~(0xfull << shift);
	if (enable)
		cpu->perf.fixed_ctrl |= 0xbull << shift;
	others = cpu->pmu.fixed_ctrl.value & ~(0xfull << shift);
	stub_pmu_set_fixed_ctrl(&cpu->pmu, others | (cpu->perf.fixed_ctrl & 0xfull << shift));
}

static void start_event(struct stub_cpu *cpu, const struct stub_host_event *event)
{
	put_value(stub_pmu_counter(&cpu->pmu, event->pmc),
		  (event->start + event->count) & counter_mask(cpu, event->pmc));
	set_control(cpu, event, true);
}

/* Stopped, but left dirty: clean registers are not worth a write.  Slots count metrics. */
static void stop_event(struct stub_cpu *cpu, struct stub_host_event *event)
{
	u64 mask = counter_mask(cpu, event->pmc);

	set_control(cpu, event, false);
	event->count = (stub_pmu_counter(&cpu->pmu, event->pmc)->value - event->start) & mask;
	cpu->perf.dirty |= 1ull << event->pmc;
	if (event->pmc == STUB_SLOTS)
		cpu->perf.dirty |= STUB_METRICS_BIT & stub_pmcs(&cpu->pmu.caps);
}

static void set_running(struct stub_cpu *cpu, bool running)
{
	u32 i;

	if (cpu->perf.running == running)
		return;
	check_free(cpu);
	cpu->perf.running = running;
	for (i = 0; i < STUB_HOST_EVENTS; i++) {
		struct stub_host_event *event = &cpu->perf.events[i];

		if (!event->installed || event->plain)
			continue;
		if (running)
			start_event(cpu, event);
		else
			stop_event(cpu, event);
	}
}

bool stub_perf_active(const struct stub_cpu *cpu)
{
	u32 i;

	for (i = 0; i < STUB_HOST_EVENTS; i++)
		if (cpu->perf.events[i].installed && !cpu->perf.events[i].plain)
			return cpu->perf.running;
	return false;
}

void stub_perf_reclaim(struct stub_machine *machine)
{
	struct stub_cpu *cpu = machine->here;
	bool irqs_off = machine->irqs_off;

	machine->irqs_off = cpu->reclaiming = true;
	mpmu_reclaim(&cpu->mpmu);
	cpu->reclaiming = false;
	machine->irqs_off = irqs_off;
	check_free(cpu);
	if (!irqs_off)
		stub_take_interrupts(machine);
}

/* A plain event: its counter is lent from now on, or no longer. */
static void lend(struct stub_machine *machine, u32 pmc, bool lent)
{
	struct stub_cpu *cpu = machine->here;
	mpmu_pmcs pmcs = 1ull << pmc;
	bool irqs_off = machine->irqs_off;

	if (pmc == STUB_SLOTS)
		pmcs |= STUB_METRICS_BIT & stub_pmcs(&cpu->pmu.caps);
	pmcs = lent ? cpu->perf.lent | pmcs : cpu->perf.lent & ~pmcs;
	machine->irqs_off = cpu->reclaiming = true;
	mpmu_share(&cpu->mpmu, pmcs);
	cpu->perf.lent = pmcs;
	cpu->reclaiming = false;
	machine->irqs_off = irqs_off;
	check_free(cpu);
	if (!irqs_off)
		stub_take_interrupts(machine);
}

static void remove_plain(struct stub_machine *machine, struct stub_host_event *event)
{
	struct stub_cpu *cpu = machine->here;

	stub_perf_take_nmi(machine);
	if (stub_pmu_of_guest(&cpu->pmu, event->pmc))
		stub_fault("a plain event has lost its counter");
	stop_event(cpu, event);
	event->installed = false;
	lend(machine, event->pmc, false);
}

/* Where both sides share GLOBAL_CTRL, the bit is set for whoever has the counter. */
static void enable_event(struct stub_cpu *cpu, const struct stub_host_event *event, bool enable)
{
	u64 bit = 1ull << event->pmc, ctrl = cpu->pmu.global_ctrl.value;

	if (cpu->pmu.caps.features & MPMU_FEAT_VMCS_GLOBAL_CTRL)
		stub_pmu_set_global_ctrl(&cpu->pmu, enable ? ctrl | bit : ctrl & ~bit);
}

static void restart_event(struct stub_cpu *cpu, struct stub_host_event *event, bool start)
{
	if (start) {
		start_event(cpu, event);
		enable_event(cpu, event, true);
	} else {
		enable_event(cpu, event, false);
		stop_event(cpu, event);
		cpu->swaps++;
	}
}

/* The two sides of a contended counter: stopped before the guest's value comes. */
bool stub_perf_share(struct stub_machine *machine, mpmu_pmcs host)
{
	struct stub_cpu *cpu = machine->here;
	mpmu_pmcs changed = cpu->pmu.lent ^ host;
	u32 i;

	if (!cpu->pmu.owned)
		return true;
	if (cpu->pmu.status & cpu->pmu.lent & ~host) {
		cpu->refusals++;
		return false;
	}
	for (i = 0; i < STUB_HOST_EVENTS; i++)
		if (cpu->perf.events[i].installed && !stub_has(host, cpu->perf.events[i].pmc) &&
		    stub_has(changed, cpu->perf.events[i].pmc))
			restart_event(cpu, &cpu->perf.events[i], false);
	cpu->pmu.lent = host;
	for (i = 0; i < STUB_HOST_EVENTS; i++)
		if (cpu->perf.events[i].installed &&
		    stub_has(host & changed, cpu->perf.events[i].pmc))
			restart_event(cpu, &cpu->perf.events[i], true);
	return true;
}

void stub_perf_install(struct stub_machine *machine, u32 slot, u32 pmc, u64 eventsel, u64 start)
{
	struct stub_cpu *cpu = machine->here;
	struct stub_host_event event = {
		.installed = true,
		.plain = machine->shares,
		.pmc = pmc,
		.eventsel = eventsel,
		.start = start,
	};

	if (event.plain) {
		lend(machine, pmc, true);
		cpu->perf.events[slot] = event;
		start_event(cpu, &cpu->perf.events[slot]);
		return;
	}
	stub_perf_reclaim(machine);
	set_running(cpu, false);
	cpu->perf.events[slot] = event;
	set_running(cpu, true);
}

void stub_perf_remove(struct stub_machine *machine, u32 slot)
{
	struct stub_cpu *cpu = machine->here;

	if (cpu->perf.events[slot].plain && cpu->perf.events[slot].installed) {
		remove_plain(machine, &cpu->perf.events[slot]);
		return;
	}
	stub_perf_reclaim(machine);
	stub_perf_take_nmi(machine);
	set_running(cpu, false);
	cpu->perf.events[slot].installed = false;
	set_running(cpu, true);
}

void stub_perf_displace(struct stub_machine *machine)
{
	if (machine->here->perf.displaced)
		stub_fault("displace: host events are displaced already");
	stub_perf_reclaim(machine);
	set_running(machine->here, false);
	machine->here->perf.displaced = true;
}

void stub_perf_restore(struct stub_machine *machine)
{
	if (!machine->here->perf.displaced)
		stub_fault("restore: host events are not displaced");
	machine->here->perf.displaced = false;
	set_running(machine->here, true);
}

/* The handler of the host's NMI: what a guest owns is not the host's to see. */
void stub_perf_take_nmi(struct stub_machine *machine)
{
	struct stub_cpu *cpu = machine->here;
	struct stub_pmu *pmu = &cpu->pmu;
	mpmu_pmcs overflowed = pmu->status & (pmu->owned ? pmu->lent : stub_pmcs(&pmu->caps));
	bool of_guest = pmu->nmi_of_guest, expected = cpu->perf.expects_nmi;
	bool irqs_off = machine->irqs_off, told;

	if (!pmu->pending[STUB_NMI_OF_HOST])
		return;
	pmu->pending[STUB_NMI_OF_HOST] = pmu->nmi_of_guest = false;
	if (pmu->owned && !pmu->lent && !cpu->perf.lent)
		return;
	pmu->status &= ~overflowed;
	pmu->lvtpc.masked = false;
	cpu->perf.samples += !!overflowed;
	cpu->perf.expects_nmi = false;
	machine->irqs_off = cpu->perf.in_nmi = true;
	told = mpmu_nmi(&cpu->mpmu);
	cpu->perf.in_nmi = false;
	machine->irqs_off = irqs_off;
	if (told || overflowed)
		return;
	if (!of_guest || !expected)
		stub_fault("an NMI that nobody asked for");
	cpu->perf.strays++;
}

/* What it has to count, whatever hardware holds. */
static u64 true_events(const struct stub_cpu *cpu, const struct stub_host_event *event,
		       const struct stub_work *work)
{
	struct stub_pmu pmu = cpu->pmu;

	if (!event->installed || !(event->plain || cpu->perf.running))
		return 0;
	pmu.global_ctrl.value |= 1ull << event->pmc;
	if (event->pmc < MPMU_FIXED_BASE)
		pmu.eventsel[event->pmc].value = event->eventsel;
	else
		pmu.fixed_ctrl.value |= 0xbull << (4 * (event->pmc - MPMU_FIXED_BASE));
	return stub_pmu_events(&pmu, event->pmc, work);
}

void stub_perf_run(struct stub_machine *machine, const struct stub_work *work)
{
	struct stub_cpu *cpu = machine->here;
	u32 i;

	for (i = 0; i < STUB_HOST_EVENTS; i++)
		cpu->perf.events[i].truth += true_events(cpu, &cpu->perf.events[i], work);
	stub_pmu_run(&cpu->pmu, work);
	/* No IRQ, and so at once: an entry that finds it pending asks own(). */
	if (cpu->perf.lent)
		stub_perf_take_nmi(machine);
}
