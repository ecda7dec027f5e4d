// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The conformance suite on the mini-hypervisor.  Its guest has no program: a
 * few instructions are put at the end of its memory, and it ends by running off
 * it, which retires nothing.
 */
#include "suite.h"

#include "conformance.h"

#define END		((u64)VCPU_MEMORY)
#define LVTPC_FIXED	0x41
#define LATE		200
/* Later than the way to the next entry is long. */
#define LATE_HOST	8000
#define OVERHEAD	2500

static const u8 rdmsr_code[] = { 0x0f, 0x32 }, wrmsr_code[] = { 0x0f, 0x30 };
static const u8 rdpmc_code[] = { 0x0f, 0x33 };
/* NOP, and a loop of DEC RCX and JNZ. */
static const u8 loop_code[] = { 0x90, 0x48, 0xff, 0xc9, 0x75, 0xfb };
/* CPUID, eight times. */
static const u8 cpuid_code[] = {
	0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2,
};

static struct subject {
	struct vcpu vcpu;
	struct vcpu_pages *pages;
	u32 pmis;
} subjects[2], *subject = subjects;
static u32 on_cpu;

/* What a hook does on the CPU that the suite is about. */
struct errand {
	u64 (*work)(u64 a, u64 b);
	u64 a, b, result;
};

static void do_errand(void *data)
{
	struct errand *errand = data;

	errand->result = errand->work(errand->a, errand->b);
}

static u64 there(u64 (*work)(u64 a, u64 b), u64 a, u64 b)
{
	struct errand errand = { .work = work, .a = a, .b = b };

	cpu_run(on_cpu, do_errand, &errand);
	return errand.result;
}

/* Code at the end of the guest's memory; 0: it got a fault, which is a triple one. */
static u64 run_code(u64 code, u64 size)
{
	struct vcpu *vcpu = &subject->vcpu;

	memcpy(vcpu->pages->memory + END - size, (const u8 *)code, size);
	vcpu->rip = END - size;
	while (vcpu_run(vcpu) != VCPU_DEAD)
		;
	vcpu->dead = false;
	return vcpu->exit.code != (pmu_host.caps.vendor == MPMU_VENDOR_INTEL ? 2 : 0x7f);
}

/* An instruction that takes a register's number in RCX. */
static bool access(const u8 *code, u32 index)
{
	subject->vcpu.regs.rcx = index;
	return there(run_code, (u64)code, sizeof(rdmsr_code));
}

static bool result(bool done, u64 *value)
{
	*value = (u32)subject->vcpu.regs.rax | subject->vcpu.regs.rdx << 32;
	return done;
}

/*
 * "ok N - PROMISE": the suite's plan, sum and numbers are not those of all tests;
 * what has no meaning here is none of them.
 */
static void take_line(void *data, const char *line)
{
	const char *promise = line;

	(void)data;
	while (*promise && *promise++ != '-')
		;
	for (const char *end = line; *end; end++)
		if (end[0] == '#' && end[2] == 'S' && end[3] == 'K')
			return;
	if (*promise)
		check(line[0] == 'o', promise + 1);
}

static void irqs(void *data, bool on)
{
	(void)data;
	if (on)
		irqs_window();
}

static void use_cpu(void *data, u32 cpu)
{
	(void)data;
	on_cpu = cpu;
}

static void use_vcpu(void *data, u32 vcpu)
{
	(void)data;
	subject = &subjects[vcpu];
}

static u64 read_raw(u64 msr, u64 unused)
{
	(void)unused;
	return rdmsr((u32)msr);
}

static u64 raw(void *data, u32 msr)
{
	(void)data;
	return there(read_raw, msr, 0);
}

static bool intercepted(u32 msr, bool write)
{
	u32 bit = vcpu_bitmap_bit(msr, write);

	return subject->pages->msr_bitmap[bit / 8] >> bit % 8 & 1;
}

static u32 intercepts(void *data, u32 msr)
{
	(void)data;
	return (intercepted(msr, false) ? MPMU_READ : 0) | (intercepted(msr, true) ? MPMU_WRITE : 0);
}

static bool rdpmc_intercepted(void *data)
{
	(void)data;
	return subject->vcpu.rdpmc_intercepted;
}

static bool routed_to_guest(void *data)
{
	(void)data;
	return (apic(APIC_LVTPC) & 0xff) == VEC_GUEST_PMI;
}

/* As firmware leaves it: in any state. */
static void power_cycle(void *data)
{
	(void)data;
	mpmu_reclaim(&this_cpu()->mpmu);
	pmu_init_cpu(this_cpu());
}

static u64 load_here(u64 a, u64 b)
{
	(void)a;
	(void)b;
	pmi_delay(0);
	vcpu_load(&subject->vcpu);
	return 0;
}

static u64 put_here(u64 a, u64 b)
{
	(void)a;
	(void)b;
	vcpu_put(&subject->vcpu);
	return 0;
}

static void load(void *data)
{
	(void)data;
	there(load_here, 0, 0);
}

static void put(void *data)
{
	(void)data;
	there(put_here, 0, 0);
}

static void guest_lvtpc(void *data, bool masked)
{
	(void)data;
	/* A vector, which the guest never takes: IF is 0. */
	vcpu_write_lvtpc(&subject->vcpu, LVTPC_FIXED | (masked ? LVT_MASKED : 0));
}

static void reset(void *data)
{
	mpmu_vcpu_reset(&this_cpu()->mpmu, &subject->vcpu.mpmu);
	guest_lvtpc(data, true);
}

static bool make(struct vcpu_pages *pages)
{
	if (!pages)
		return false;
	subject->pages = pages;
	memset(pages->control, 0, sizeof(pages->control));
	map_identity(pages->memory);
	return vcpu_create(&subject->vcpu, NULL, pages, END, GUEST_TABLES);
}

static void remake(void *data)
{
	struct mpmu_cpu *const *cpus = data;

	for (u32 i = 0; i < nr_cpus; i++)
		mpmu_cpu_forget_vcpu(cpus[i], &subject->vcpu.mpmu);
	make(subject->pages);
}

static void guest_run_count(void *data, u32 count)
{
	u64 size = count == 1 ? 1 : sizeof(loop_code) - !(count % 2);

	(void)data;
	subject->vcpu.regs.rcx = count / 2;
	there(run_code, (u64)(loop_code + (count > 1 && !(count % 2))), size);
}

static void guest_emulated(void *data, u32 count)
{
	(void)data;
	there(run_code, (u64)cpuid_code, count * 2);
}

static bool guest_rdmsr(void *data, u32 msr, u64 *value)
{
	(void)data;
	return result(access(rdmsr_code, msr), value);
}

static bool guest_rdpmc(void *data, u32 ecx, u64 *value)
{
	(void)data;
	return result(access(rdpmc_code, ecx), value);
}

static bool guest_wrmsr(void *data, u32 msr, u64 value)
{
	(void)data;
	subject->vcpu.regs.rax = (u32)value;
	subject->vcpu.regs.rdx = value >> 32;
	return access(wrmsr_code, msr);
}

static u32 guest_pmis(void *data)
{
	(void)data;
	subject->pmis += subject->vcpu.pending[PENDING_IRQ] != 0;
	subject->vcpu.pending[PENDING_IRQ] = 0;
	return subject->pmis;
}

static void set_filter(void *data, const struct mpmu_filter *filter)
{
	(void)data;
	vcpu_set_filter(&subject->vcpu, filter);
}

static u32 save(void *data, struct mpmu_msr *list, u32 room)
{
	u32 count = mpmu_snapshot_size(&subject->vcpu.mpmu);

	if (count > room)
		return 0;
	put(data);
	mpmu_snapshot_save(NULL, &subject->vcpu.mpmu, list);
	load(data);
	return count;
}

static bool restore(void *data, const struct mpmu_msr *list, u32 count)
{
	bool done;

	put(data);
	done = !mpmu_snapshot_restore(NULL, &subject->vcpu.mpmu, list, count, NULL);
	load(data);
	return done;
}

static void host_event(void *data, bool on)
{
	(void)data;
	if (on)
		profiler_start(0);
	else
		profiler_stop();
}

static u64 host_count(void *data)
{
	(void)data;
	return profiler_count();
}

static void host_run(void *data, u32 count)
{
	u64 turns = count / 2;

	(void)data;
	if (turns)
		__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
}

/* It overflows after 1000 instructions, while IRQs are off. */
static void host_overflow(void *data, bool late)
{
	if (late)
		pmi_delay(LATE_HOST);
	profiler_start(1000);
	host_run(data, 2000);
	profiler_stop();
}

static void delay_pmi(void *data)
{
	(void)data;
	pmi_delay(LATE);
}

static u64 find_cpu(u64 a, u64 b)
{
	(void)a;
	(void)b;
	return (u64)&this_cpu()->mpmu;
}

void test_conform(void)
{
	struct conformance_port port = {
		.host = &pmu_host, .vcpus = { &subjects[0].vcpu.mpmu, &subjects[1].vcpu.mpmu },
		.without = CONFORMANCE_WITHOUT_HOST_STATUS | CONFORMANCE_WITHOUT_OTHER_LVTPC |
			   CONFORMANCE_WITHOUT_SVME | CONFORMANCE_WITHOUT_SHARING,
		.print = take_line, .irqs = irqs, .use_cpu = use_cpu, .use_vcpu = use_vcpu,
		.raw = raw, .intercepts = intercepts, .rdpmc_intercepted = rdpmc_intercepted,
		.routed_to_guest = routed_to_guest, .power_cycle = power_cycle, .load = load,
		.put = put, .reset = reset, .remake = remake, .guest_run = guest_run_count,
		.guest_rdmsr = guest_rdmsr, .guest_wrmsr = guest_wrmsr, .guest_rdpmc = guest_rdpmc,
		.guest_emulated = guest_emulated, .guest_lvtpc = guest_lvtpc,
		.guest_pmis = guest_pmis, .set_filter = set_filter, .save = save,
		.restore = restore, .host_event = host_event, .host_count = host_count,
		.host_run = host_run, .host_overhead = OVERHEAD, .host_overflow = host_overflow,
		.delay_pmi = delay_pmi,
	};

	if (nr_cpus < 2)
		port.without |= CONFORMANCE_WITHOUT_SECOND_CPU;
	for (on_cpu = 0; on_cpu < nr_cpus && on_cpu < 2; on_cpu++)
		port.cpus[on_cpu] = (struct mpmu_cpu *)there(find_cpu, 0, 0);
	on_cpu = 0;
	port.data = port.cpus;
	for (u32 i = 0; i < 2; i++) {
		use_vcpu(NULL, i);
		if (!make(alloc_vcpu_pages()))
			return;
	}
	use_vcpu(NULL, 0);
	load(&port);
	conformance_run(&port);
	put(&port);
}
