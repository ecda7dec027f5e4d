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
#define OVERHEAD	2500

static const u8 rdmsr_code[] = { 0x0f, 0x32 }, wrmsr_code[] = { 0x0f, 0x30 };
/* NOP, and a loop of DEC RCX and JNZ. */
static const u8 loop_code[] = { 0x90, 0x48, 0xff, 0xc9, 0x75, 0xfb };

struct subject {
	struct vcpu vcpu;
	u32 pmis;
};

static struct vcpu *vcpu_of(void *data)
{
	return &((struct subject *)data)->vcpu;
}

static void run_code(struct vcpu *vcpu, const u8 *code, u64 size)
{
	memcpy(vcpu->pages->memory + END - size, code, size);
	vcpu->rip = END - size;
	while (vcpu_run(vcpu) != VCPU_DEAD)
		;
	vcpu->dead = false;
}

/* "ok N - PROMISE": the suite's plan and numbers are not those of all tests. */
static void take_line(void *data, const char *line)
{
	const char *promise = line;

	(void)data;
	while (*promise && *promise++ != '-')
		;
	if (*promise)
		check(line[0] == 'o', promise + 1);
}

static void irqs(void *data, bool on)
{
	(void)data;
	if (on)
		irqs_window();
}

static u64 raw(void *data, u32 msr)
{
	(void)data;
	return rdmsr(msr);
}

static bool intercepted(const struct vcpu *vcpu, u32 msr, bool write)
{
	u32 bit = vcpu_bitmap_bit(msr, write);

	return vcpu->pages->msr_bitmap[bit / 8] >> bit % 8 & 1;
}

static u32 intercepts(void *data, u32 msr)
{
	return (intercepted(vcpu_of(data), msr, false) ? MPMU_READ : 0) |
	       (intercepted(vcpu_of(data), msr, true) ? MPMU_WRITE : 0);
}

static bool rdpmc_intercepted(void *data)
{
	return vcpu_of(data)->rdpmc_intercepted;
}

static bool routed_to_guest(void *data)
{
	(void)data;
	return (apic(APIC_LVTPC) & 0xff) == VEC_GUEST_PMI;
}

static void set_delay(u64 instructions)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_SET_PMI_DELAY, 0, instructions);
}

static void load(void *data)
{
	set_delay(0);
	vcpu_load(vcpu_of(data));
}

static void put(void *data)
{
	vcpu_put(vcpu_of(data));
}

static void guest_run_count(void *data, u32 count)
{
	struct vcpu *vcpu = vcpu_of(data);

	vcpu->regs.rcx = count / 2;
	if (count == 1)
		run_code(vcpu, loop_code, 1);
	else
		run_code(vcpu, loop_code + (count % 2 ? 0 : 1), sizeof(loop_code) - !(count % 2));
}

static u64 guest_rdmsr(void *data, u32 msr)
{
	struct vcpu *vcpu = vcpu_of(data);

	vcpu->regs.rcx = msr;
	run_code(vcpu, rdmsr_code, sizeof(rdmsr_code));
	return (u32)vcpu->regs.rax | vcpu->regs.rdx << 32;
}

static void guest_wrmsr(void *data, u32 msr, u64 value)
{
	struct vcpu *vcpu = vcpu_of(data);

	vcpu->regs.rcx = msr;
	vcpu->regs.rax = (u32)value;
	vcpu->regs.rdx = value >> 32;
	run_code(vcpu, wrmsr_code, sizeof(wrmsr_code));
}

/* A vector, which the guest never takes: IF is 0. */
static void guest_unmask(void *data)
{
	vcpu_write_lvtpc(vcpu_of(data), LVTPC_FIXED);
}

static u32 guest_pmis(void *data)
{
	struct subject *subject = data;

	subject->pmis += subject->vcpu.pending[PENDING_IRQ] != 0;
	subject->vcpu.pending[PENDING_IRQ] = 0;
	return subject->pmis;
}

static void set_filter(void *data, const struct mpmu_filter *filter)
{
	vcpu_set_filter(vcpu_of(data), filter);
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
static void host_overflow(void *data)
{
	profiler_start(1000);
	host_run(data, 2000);
	profiler_stop();
}

static void delay_pmi(void *data)
{
	(void)data;
	set_delay(LATE);
}

void test_conform(void)
{
	static struct subject subject;
	struct vcpu_pages *pages = alloc_vcpu_pages();
	const struct conformance_port port = {
		.host = &pmu_host, .cpu = &this_cpu()->mpmu, .vcpu = &subject.vcpu.mpmu,
		.data = &subject, .print = take_line, .irqs = irqs, .raw = raw,
		.intercepts = intercepts, .rdpmc_intercepted = rdpmc_intercepted,
		.routed_to_guest = routed_to_guest, .load = load, .put = put,
		.guest_run = guest_run_count, .guest_rdmsr = guest_rdmsr,
		.guest_wrmsr = guest_wrmsr, .guest_unmask = guest_unmask,
		.guest_pmis = guest_pmis, .set_filter = set_filter,
		.host_event = host_event, .host_count = host_count, .host_run = host_run,
		.host_overhead = OVERHEAD, .host_overflow = host_overflow, .delay_pmi = delay_pmi,
	};

	if (!pages || !vcpu_create(&subject.vcpu, NULL, pages, END, GUEST_TABLES))
		return;
	map_identity(pages->memory);
	load(&subject);
	conformance_run(&port);
	put(&subject);
}
