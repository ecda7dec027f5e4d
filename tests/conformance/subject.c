// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a port fills in a struct conformance_port, with the stub as the example. */
#include <stdio.h>

#include "subject.h"

static void print(void *data, const char *line)
{
	struct subject *subject = data;
	size_t used = strlen(subject->failures);

	subject->lines++;
	if (!strncmp(line, "not ok", 6))
		snprintf(subject->failures + used, sizeof(subject->failures) - used, "%s\n", line);
}

static void irqs(void *data, bool on)
{
	struct subject *subject = data;

	subject->machine.irqs_off = !on;
	if (on)
		stub_take_interrupts(&subject->machine);
}

static u64 raw(void *data, u32 msr)
{
	struct subject *subject = data;
	u64 value;

	stub_pmu_rdmsr(&subject->vcpu.cpu->pmu, msr, &value);
	return value;
}

static u32 intercepts(void *data, u32 msr)
{
	return stub_intercepts(&((struct subject *)data)->vcpu, msr);
}

static bool rdpmc_intercepted(void *data)
{
	return !((struct subject *)data)->vcpu.rdpmc_direct;
}

static bool routed_to_guest(void *data)
{
	return ((struct subject *)data)->vcpu.cpu->pmu.lvtpc.route == STUB_VECTOR_OF_GUEST;
}

static void load(void *data)
{
	struct subject *subject = data;

	stub_vcpu_load(&subject->vcpu, &subject->machine.cpus[0]);
}

static void put(void *data)
{
	stub_vcpu_put(&((struct subject *)data)->vcpu);
}

static void guest_run(void *data, u32 count)
{
	struct stub_vcpu *vcpu = &((struct subject *)data)->vcpu;

	stub_guest_run(vcpu, &(struct stub_work){.instructions = count});
	stub_exit(vcpu);
}

static u64 guest_rdmsr(void *data, u32 msr)
{
	struct stub_vcpu *vcpu = &((struct subject *)data)->vcpu;
	u64 value;

	stub_guest_rdmsr(vcpu, msr, &value);
	stub_exit(vcpu);
	return value;
}

static void guest_wrmsr(void *data, u32 msr, u64 value)
{
	struct stub_vcpu *vcpu = &((struct subject *)data)->vcpu;

	stub_guest_wrmsr(vcpu, msr, value);
	stub_exit(vcpu);
}

static void guest_unmask(void *data)
{
	stub_guest_mask_lvtpc(&((struct subject *)data)->vcpu, false);
}

static u32 guest_pmis(void *data)
{
	struct subject *subject = data;

	return subject->vcpu.pmis + subject->vcpu.requests.pmi;
}

static void set_filter(void *data, const struct mpmu_filter *filter)
{
	stub_vcpu_set_filter(&((struct subject *)data)->vcpu, filter);
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

static u64 host_count(void *data)
{
	struct stub_cpu *cpu = ((struct subject *)data)->machine.here;
	const struct stub_host_event *event = &cpu->perf.events[0];

	return event->installed && cpu->perf.running ? cpu->pmu.gp[event->pmc].value : event->count;
}

static void host_run(void *data, u32 count)
{
	stub_perf_run(&((struct subject *)data)->machine,
		      &(struct stub_work){.instructions = count});
}

static void host_overflow(void *data)
{
	struct stub_pmu *pmu = &((struct subject *)data)->machine.here->pmu;

	pmu->status |= 2;
	pmu->pending[STUB_NMI_OF_HOST] = true;
}

static void delay_pmi(void *data)
{
	((struct subject *)data)->machine.here->late_pmi = true;
}

int subject_init(struct subject *subject, const struct mpmu_caps *caps, const struct mpmu_ops *ops)
{
	int err;

	memset(subject, 0, sizeof(*subject));
	err = stub_machine_init(&subject->machine, caps);
	if (err)
		return err;
	subject->machine.host.ops = ops;
	stub_vcpu_init(&subject->vcpu, &subject->machine, caps);
	subject->port = (struct conformance_port){
		.host = &subject->machine.host,
		.cpu = &subject->machine.cpus[0].mpmu,
		.vcpu = &subject->vcpu.mpmu,
		.data = subject,
		.print = print,
		.irqs = irqs,
		.raw = raw,
		.intercepts = intercepts,
		.rdpmc_intercepted = rdpmc_intercepted,
		.routed_to_guest = routed_to_guest,
		.load = load,
		.put = put,
		.guest_run = guest_run,
		.guest_rdmsr = guest_rdmsr,
		.guest_wrmsr = guest_wrmsr,
		.guest_unmask = guest_unmask,
		.guest_pmis = guest_pmis,
		.set_filter = set_filter,
		.host_event = host_event,
		.host_count = host_count,
		.host_run = host_run,
		.host_overflow = host_overflow,
		.delay_pmi = delay_pmi,
	};
	return 0;
}
