// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a port fills in a struct conformance_port, with the stub as the example. */
#include <stdio.h>

#include "subject.h"

static struct stub_cpu *here(void *data)
{
	return ((struct subject *)data)->machine.here;
}

static struct stub_vcpu *vcpu_of(void *data)
{
	struct subject *subject = data;

	return &subject->vcpus[subject->vcpu];
}

static void print(void *data, const char *line)
{
	struct subject *subject = data;
	size_t used = strlen(subject->failures);

	subject->lines++;
	if (!strncmp(line, "not ok", 6))
		snprintf(subject->failures + used, sizeof(subject->failures) - used, "%s\n", line);
	else if (line[0] == '#')
		snprintf(subject->summary, sizeof(subject->summary), "%s", line);
}

static void irqs(void *data, bool on)
{
	struct subject *subject = data;

	subject->machine.irqs_off = !on;
	if (on)
		stub_take_interrupts(&subject->machine);
}

static void use_cpu(void *data, u32 cpu)
{
	struct subject *subject = data;

	subject->machine.here = &subject->machine.cpus[cpu];
}

static void use_vcpu(void *data, u32 vcpu)
{
	((struct subject *)data)->vcpu = vcpu;
}

static u64 raw(void *data, u32 msr)
{
	u64 value;

	stub_pmu_rdmsr(&here(data)->pmu, msr, &value);
	return value;
}

static u32 intercepts(void *data, u32 msr)
{
	return stub_intercepts(vcpu_of(data), msr);
}

static bool rdpmc_intercepted(void *data)
{
	return !vcpu_of(data)->rdpmc_direct;
}

static bool routed_to_guest(void *data)
{
	return here(data)->pmu.lvtpc.route == STUB_VECTOR_OF_GUEST;
}

/* As a suspend: what a vCPU has in the registers is saved before they are lost. */
static void power_cycle(void *data)
{
	struct subject *subject = data;

	stub_perf_reclaim(&subject->machine);
	stub_cpu_reset(&subject->machine, here(data));
}

static void load(void *data)
{
	stub_vcpu_load(vcpu_of(data), here(data));
}

static void put(void *data)
{
	stub_vcpu_put(vcpu_of(data));
}

static void reset(void *data)
{
	stub_vcpu_reset(vcpu_of(data));
}

static void remake(void *data)
{
	struct subject *subject = data;
	struct stub_vcpu *vcpu = vcpu_of(data);
	int i;

	for (i = 0; i < STUB_CPUS; i++)
		mpmu_cpu_forget_vcpu(&subject->machine.cpus[i].mpmu, &vcpu->mpmu);
	stub_vcpu_init(vcpu, &subject->machine, &subject->caps);
}

static void guest_run(void *data, u32 count)
{
	stub_guest_run(vcpu_of(data), &(struct stub_work){.instructions = count});
	stub_exit(vcpu_of(data));
}

static void guest_emulated(void *data, u32 count)
{
	while (count--)
		stub_guest_emulated(vcpu_of(data), false, 0);
}

/* What the library leaves to the port: no DEBUGCTL, no BTS, no PEBS. */
static bool other_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 *value)
{
	struct mpmu_cpuid leaves;

	if (msr == 0x1a0)
		*value = 1 << 7 | 1 << 11 | 1 << 12;
	else if (msr == 0x345 && !mpmu_caps_encode(&leaves, &vcpu->caps))
		*value = leaves.perf_capabilities;
	else
		return false;
	return true;
}

/*
 * The stub's guests do not spend an instruction on an access of a register.  Here
 * they do: before it has an effect, if that may start or stop a counter.
 */
static void retire(struct stub_vcpu *vcpu)
{
	if (vcpu->in_guest)
		stub_guest_run(vcpu, &(struct stub_work){.instructions = 1});
	else
		stub_guest_emulated(vcpu, false, 0);
	stub_exit(vcpu);
}

static bool guest_rdmsr(void *data, u32 msr, u64 *value)
{
	struct stub_vcpu *vcpu = vcpu_of(data);
	bool done = stub_guest_rdmsr(vcpu, msr, value) || other_rdmsr(&vcpu->mpmu, msr, value);

	if (done)
		retire(vcpu);
	return done;
}

static bool guest_rdpmc(void *data, u32 ecx, u64 *value)
{
	struct stub_vcpu *vcpu = vcpu_of(data);
	bool done = stub_guest_rdpmc(vcpu, ecx, value);

	if (done)
		retire(vcpu);
	return done;
}

/* By an exit, or in the guest: GLOBAL_CTRL alone, of what is direct, starts counters. */
static bool guest_wrmsr(void *data, u32 msr, u64 value)
{
	struct stub_vcpu *vcpu = vcpu_of(data);
	bool done, control = msr == 0x38f || msr == 0xc0000301;
	struct stub_pmu *pmu = &vcpu->cpu->pmu;
	static const struct stub_work one = {.instructions = 1};

	stub_enter(vcpu);
	if (stub_intercepts(vcpu, msr) & MPMU_WRITE) {
		stub_exit(vcpu);
		vcpu->machine->irqs_off = true;
		done = mpmu_wrmsr(&vcpu->cpu->mpmu, &vcpu->mpmu, msr, value) == MPMU_DONE;
		vcpu->machine->irqs_off = false;
		return done;
	}
	done = !(value & ~stub_msr_writable(&pmu->caps, msr)) || pmu->caps.vendor == MPMU_VENDOR_AMD;
	if (done && control)
		stub_pmu_run(pmu, &one);
	stub_pmu_wrmsr(pmu, msr, value);
	if (done && !control)
		stub_pmu_run(pmu, &one);
	stub_exit(vcpu);
	return done;
}

static void guest_lvtpc(void *data, bool masked)
{
	stub_guest_mask_lvtpc(vcpu_of(data), masked);
}

static u32 guest_pmis(void *data)
{
	const struct stub_vcpu *vcpu = vcpu_of(data);

	return vcpu->pmis + (vcpu->requests.pmi && !vcpu->lvtpc_masked);
}

static void guest_svme(void *data, bool on)
{
	stub_vcpu_set_flags(vcpu_of(data), on ? MPMU_VCPU_SVME : 0, on ? 0 : MPMU_VCPU_SVME);
}

static void set_filter(void *data, const struct mpmu_filter *filter)
{
	stub_vcpu_set_filter(vcpu_of(data), filter);
}

/* User space asks: the vCPU owns no PMU then. */
static u32 save(void *data, struct mpmu_msr *list, u32 room)
{
	struct subject *subject = data;
	struct stub_vcpu *vcpu = vcpu_of(data);
	u32 count = mpmu_snapshot_size(&vcpu->mpmu);

	if (count > room)
		return 0;
	stub_vcpu_put(vcpu);
	load(data);
	subject->machine.irqs_off = true;
	mpmu_snapshot_save(&vcpu->cpu->mpmu, &vcpu->mpmu, list);
	subject->machine.irqs_off = false;
	return count;
}

static bool restore(void *data, const struct mpmu_msr *list, u32 count)
{
	struct subject *subject = data;
	struct stub_vcpu *vcpu = vcpu_of(data);
	int err;

	stub_vcpu_put(vcpu);
	load(data);
	subject->machine.irqs_off = true;
	err = mpmu_snapshot_restore(&vcpu->cpu->mpmu, &vcpu->mpmu, list, count, NULL);
	subject->machine.irqs_off = false;
	return !err;
}

static void host_event(void *data, bool on)
{
	struct subject *subject = data;
	bool amd = subject->machine.host.caps.vendor == MPMU_VENDOR_AMD;
	u64 eventsel = 0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_OS;

	if (!on)
		stub_perf_remove(&subject->machine, 0);
	else
		stub_perf_install(&subject->machine, 0, 1,
				  eventsel | (amd ? STUB_EVENTSEL_HOST_ONLY : 0), 0);
}

static void host_plain(void *data, u32 pmc, bool on)
{
	struct subject *subject = data;
	bool amd = subject->machine.host.caps.vendor == MPMU_VENDOR_AMD;

	if (!on) {
		stub_perf_remove(&subject->machine, 0);
		return;
	}
	stub_perf_remove(&subject->machine, 0);
	subject->machine.shares = true;
	stub_perf_install(&subject->machine, 0, pmc,
			  0x4200c0 | (amd ? STUB_EVENTSEL_HOST_ONLY : 0), 0);
	subject->machine.shares = false;
}

static u64 host_count(void *data)
{
	struct stub_cpu *cpu = here(data);
	const struct stub_host_event *event = &cpu->perf.events[0];

	return event->installed && (event->plain || cpu->perf.running) ? cpu->pmu.gp[event->pmc].value : event->count;
}

static void host_run(void *data, u32 count)
{
	stub_perf_run(&((struct subject *)data)->machine,
		      &(struct stub_work){.instructions = count});
}

static void overflow_now(struct stub_machine *machine, void *data)
{
	machine->interruptible = NULL;
	(void)data;
	machine->here->pmu.status |= 2;
}

/* Seen as a status bit at an entry; its interrupt comes when IRQs are open again. */
static void overflow_late(struct stub_machine *machine, void *data)
{
	struct stub_pmu *pmu = &machine->here->pmu;

	if (pmu->status) {
		machine->interruptible = NULL;
		pmu->pending[STUB_NMI_OF_HOST] = true;
		stub_take_interrupts(machine);
	} else {
		overflow_now(machine, data);
		machine->interruptible = overflow_late;
	}
}

static void host_overflow(void *data, bool late)
{
	struct subject *subject = data;

	if (late) {
		stub_perf_reclaim(&subject->machine);
		subject->machine.interruptible = overflow_late;
		return;
	}
	overflow_now(&subject->machine, data);
	here(data)->pmu.pending[STUB_NMI_OF_HOST] = true;
}

static void delay_pmi(void *data)
{
	here(data)->late_pmi = true;
}

static void host_status(void *data, bool on)
{
	stub_vcpu_set_flags(vcpu_of(data), on ? MPMU_VCPU_HOST_STATUS : 0,
			    on ? 0 : MPMU_VCPU_HOST_STATUS);
	if (on)
		here(data)->pmu.status |= STUB_STATUS_PT;
	else
		here(data)->pmu.status &= ~STUB_STATUS_PT;
}

/* An interrupt that is still on its way would arrive as somebody else's. */
static void other_lvtpc(void *data)
{
	struct subject *subject = data;
	struct stub_cpu *cpu = here(data);

	subject->machine.irqs_off = true;
	mpmu_drain(&cpu->mpmu);
	if (cpu->late_pmi)
		cpu->pmu.pending[STUB_VECTOR_OF_GUEST] = false;
	cpu->late_pmi = false;
	if (cpu->mpmu.owner)
		mpmu_call(cpu->mpmu.owner, route_pmi);
	subject->machine.irqs_off = false;
	stub_take_interrupts(&subject->machine);
}

int subject_init(struct subject *subject, const struct mpmu_caps *caps, const struct mpmu_ops *ops)
{
	int err;

	memset(subject, 0, sizeof(*subject));
	err = stub_machine_init(&subject->machine, caps);
	if (err)
		return err;
	subject->machine.host.ops = ops;
	subject->caps = *caps;
	stub_vcpu_init(&subject->vcpus[0], &subject->machine, caps);
	stub_vcpu_init(&subject->vcpus[1], &subject->machine, caps);
	subject->port = (struct conformance_port){
		.host = &subject->machine.host,
		.cpus = {&subject->machine.cpus[0].mpmu, &subject->machine.cpus[1].mpmu},
		.vcpus = {&subject->vcpus[0].mpmu, &subject->vcpus[1].mpmu},
		.data = subject,
#define HOOK(name) .name = name
		HOOK(print), HOOK(irqs), HOOK(use_cpu), HOOK(use_vcpu), HOOK(raw), HOOK(intercepts),
		HOOK(rdpmc_intercepted), HOOK(routed_to_guest), HOOK(power_cycle), HOOK(load),
		HOOK(put), HOOK(reset), HOOK(remake), HOOK(guest_run), HOOK(guest_rdmsr),
		HOOK(guest_wrmsr), HOOK(guest_rdpmc), HOOK(guest_emulated), HOOK(guest_lvtpc),
		HOOK(guest_pmis), HOOK(guest_svme), HOOK(set_filter), HOOK(save), HOOK(restore),
		HOOK(host_event), HOOK(host_plain), HOOK(host_count), HOOK(host_run), HOOK(host_overflow),
		HOOK(delay_pmi), HOOK(host_status), HOOK(other_lvtpc),
#undef HOOK
	};
	return 0;
}
