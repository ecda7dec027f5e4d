// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program in the guest: take a job, do it, ring, and again.  It runs without
 * an operating system, and in user mode only where a job says so.
 */
#include <stddef.h>

#include "payload.h"

#define MSR_X2APIC_EOI	0x80b
#define MSR_X2APIC_SVR	0x80f
#define MSR_X2APIC_LVTT	0x832
#define MSR_X2APIC_DIV	0x83e

#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_FMASK	0xc0000084
#define EFER_SCE	1

#define CR4_PCE		0x100

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct gate {
	uint16_t offset0;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset1;
	uint32_t offset2;
	uint32_t reserved;
};

_Static_assert(offsetof(struct guest_window, truth1) == WINDOW_TRUTH1, "window");
_Static_assert(offsetof(struct guest_window, ctrl) == WINDOW_CTRL, "window");
_Static_assert(offsetof(struct guest_window, start) == WINDOW_START, "window");
_Static_assert(offsetof(struct guest_window, body) == WINDOW_BODY, "window");
_Static_assert(offsetof(struct guest_window, run) == WINDOW_RUN, "window");
_Static_assert(offsetof(struct guest_window, count) == WINDOW_COUNT, "window");
_Static_assert(offsetof(struct guest_window, pointer) == WINDOW_POINTER, "window");
_Static_assert(sizeof(struct guest_cpu) <= 0x9000, "the user stack starts there");

typedef void body_fn(uint64_t count, uint64_t pointer);

extern body_fn body_empty, body_plain, body_cpuid, body_port_kernel;
extern body_fn body_port_user, body_hlt, body_touch, body_mixed, body_rep, body_closed;
extern body_fn body_rdpmc, body_seldom, body_tpr, body_clear;
extern char vectors[], user_leave[], leave_user[], run_kernel[], run_user[];

void window(struct guest_window *window);
uint64_t safe_access(uint64_t op, uint64_t index, uint64_t value, uint64_t *result);
void interrupt(struct frame *frame);
void guest_main(uint64_t index, uint64_t has_apic);

static body_fn *const bodies[NR_BODIES] = {
	[BODY_EMPTY] = body_empty,
	[BODY_PLAIN] = body_plain,
	[BODY_CPUID] = body_cpuid,
	[BODY_PORT_KERNEL] = body_port_kernel,
	[BODY_PORT_USER] = body_port_user,
	[BODY_HLT] = body_hlt,
	[BODY_TOUCH] = body_touch,
	[BODY_MIXED] = body_mixed,
	[BODY_REP] = body_rep,
	[BODY_CLOSED] = body_closed,
	[BODY_SELDOM] = body_seldom,
	[BODY_TPR] = body_tpr,
	[BODY_CLEAR] = body_clear,
};

static struct gate idt[256];
uint64_t fixup_offset = offsetof(struct guest_cpu, fixup);

void *memset(void *to, int value, unsigned long size)
{
	char *byte = to;

	while (size--)
		*byte++ = (char)value;
	return to;
}

static struct guest_cpu *self(void)
{
	uint64_t rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return (struct guest_cpu *)(rsp & -(uint64_t)GUEST_CPU_SIZE);
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return low | (uint64_t)high << 32;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value),
			 "d"((uint32_t)(value >> 32)) : "memory");
}

static void ring(void)
{
	__asm__ volatile("outb %%al, %0" : : "i"(GUEST_PORT_JOB) : "memory");
}

/* Both marks take the region from a table of constants: it is in the opcode. */
static void mark(uint32_t region, int end)
{
	if (region == 0 && !end)
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	else if (region == 0)
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	else if (region == 1 && !end)
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 1);
	else if (region == 1)
		MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 1);
}

static void read_region(uint32_t region, struct mpmu_region *to)
{
	if (region == 0)
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, to);
	else
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 1, to);
}

static void crash(const struct frame *frame)
{
	struct guest_result *result = &self()->result;
	unsigned int i;

	result->crashed = frame->vector + 1;
	result->crash_rip = frame->rip;
	result->crash_error = frame->error;
	__asm__ volatile("mov %%cr2, %0" : "=r"(result->crash_address));
	for (i = 0; i < sizeof(*frame) / sizeof(uint64_t); i++)
		result->crash_frame[i] = ((const uint64_t *)frame)[i];
	for (;;)
		ring();
}

static uint32_t lvtpc(const struct guest_job *job)
{
	uint32_t value = job->flags & JOB_PMI_FIXED ? GUEST_VECTOR_PMI : LVT_NMI;

	return job->flags & JOB_PMI_MASKED ? value | LVT_MASKED : value;
}

/* One counter overflowed: note how far it ran on, and wind it up again. */
static void pmi_counter(const struct guest_job *job, struct guest_result *result, unsigned int bit)
{
	uint64_t late = rdmsr(job->pmi_msr[bit]);

	result->pmi_hits[bit]++;
	result->pmi_sum[bit] += late;
	if (late > result->pmi_late[bit])
		result->pmi_late[bit] = late;
	wrmsr(job->pmi_msr[bit], (-job->pmi_period[bit]) & 0xffffffffffffULL);
}

/* What has wrapped, by its value: the bits of the status stay as they are. */
static uint64_t wrapped_counters(const struct guest_job *job)
{
	uint64_t wrapped = 0;
	unsigned int bit;

	for (bit = 0; bit < 64; bit++)
		if (job->pmi_msr[bit] && !(rdmsr(job->pmi_msr[bit]) >> 47))
			wrapped |= 1ULL << bit;
	return wrapped;
}

static void pmi(void)
{
	struct guest_cpu *cpu = self();
	const struct guest_job *job = &cpu->job;
	struct guest_result *result = &cpu->result;
	const uint32_t blind = job->flags & JOB_PMI_BLIND;
	uint64_t status, left;

	wrmsr(job->ctrl, 0);
	status = blind ? wrapped_counters(job) : rdmsr(job->status);
	result->pmis++;
	result->pmi_spurious += !status;
	for (left = status; left; left &= left - 1) {
		unsigned int bit = (unsigned int)__builtin_ctzll(left);

		if (job->pmi_msr[bit])
			pmi_counter(job, result, bit);
		else
			result->pmi_foreign |= 1ULL << bit;
	}
	if (status && !blind)
		wrmsr(job->ack, status);
	if (job->flags & JOB_PMI_MASKS)
		wrmsr(MSR_X2APIC_LVTPC, lvtpc(job));
	if (job->flags & JOB_PMI_FIXED)
		wrmsr(MSR_X2APIC_EOI, 0);
	wrmsr(job->ctrl, cpu->live);
}

static int fix_up(struct frame *frame)
{
	struct guest_cpu *cpu = self();

	if (frame->vector != 13 || !cpu->fixup)
		return 0;
	cpu->result.access_faults++;
	frame->rip = cpu->fixup;
	return 1;
}

/* A fault in here is none of the access that was interrupted. */
static void pmi_alone(void)
{
	struct guest_cpu *cpu = self();
	uint64_t fixup = cpu->fixup;

	cpu->fixup = 0;
	pmi();
	cpu->fixup = fixup;
}

void interrupt(struct frame *frame)
{
	if (frame->vector == GUEST_VECTOR_TIMER) {
		self()->result.timers++;
		wrmsr(MSR_X2APIC_EOI, 0);
	} else if (frame->vector == GUEST_VECTOR_NMI || frame->vector == GUEST_VECTOR_PMI) {
		pmi_alone();
	} else if (!fix_up(frame)) {
		crash(frame);
	}
}

static void prepare_window(struct guest_cpu *cpu)
{
	struct guest_window *w = &cpu->window;
	const struct guest_job *job = &cpu->job;

	w->ctrl = job->ctrl;
	w->start = job->start;
	w->body = (uint64_t)bodies[job->body];
	w->run = (uint64_t)(job->flags & JOB_USER ? run_user : run_kernel);
	w->count = job->count;
	w->pointer = job->pointer;
}

static void do_window(struct guest_cpu *cpu)
{
	prepare_window(cpu);
	window(&cpu->window);
}

static void call_user(body_fn *body, uint64_t count, uint64_t pointer)
{
	uint64_t rax = (uint64_t)body;

	__asm__ volatile("call run_user"
			 : "+a"(rax), "+D"(count), "+S"(pointer)
			 : : "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
}

static void do_access(struct guest_cpu *cpu)
{
	const struct guest_access *access = &cpu->job.access;
	uint64_t turn;

	if (access->op == OP_RDPMC_USER) {
		cpu->fixup = (uint64_t)user_leave;
		call_user(body_rdpmc, cpu->job.count, access->index);
		cpu->fixup = 0;
		return;
	}
	for (turn = 0; turn < cpu->job.count; turn++)
		safe_access(access->op, access->index, access->value,
			    &cpu->result.access_value);
}

static int enough(const struct guest_job *job, const struct guest_result *result)
{
	uint64_t hits = 0;
	unsigned int bit;

	for (bit = 0; bit < 64; bit++)
		hits += result->pmi_hits[bit];
	return hits >= job->pmi_target || result->turns >= job->pmi_max_turns;
}

static void do_pmi(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;
	struct guest_window *w = &cpu->window;

	prepare_window(cpu);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &w->truth0);
	wrmsr(MSR_X2APIC_LVTPC, lvtpc(job));
	cpu->live = job->start;
	wrmsr(job->ctrl, job->start);
	while (!enough(job, &cpu->result)) {
		if (job->flags & JOB_USER)
			call_user(bodies[job->body], job->count, job->pointer);
		else
			bodies[job->body](job->count, job->pointer);
		cpu->result.turns++;
	}
	cpu->live = 0;
	wrmsr(job->ctrl, 0);
	/* Time for a PMI that is still on its way. */
	body_plain(1000, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &w->truth1);
	wrmsr(MSR_X2APIC_LVTPC, LVT_MASKED | LVT_NMI);
}

static void do_loop_once(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;

	bodies[job->body](job->count, job->pointer);
}

static uint64_t rdpmc(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
	return low | (uint64_t)high << 32;
}

static void watch_once(const struct guest_job *job, struct guest_watch *watch)
{
	uint64_t round = watch->round;
	unsigned int i;

	for (i = 0; i < job->nr_read; i++) {
		watch->last[round][i] = rdpmc(job->read[i].index);
		if (watch->seen != round + 1)
			watch->first[round][i] = watch->last[round][i];
	}
	watch->seen = round + 1;
}

static void do_watch(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;

	wrmsr(job->ctrl, job->start);
	while (!cpu->watch.stop) {
		watch_once(job, &cpu->watch);
		body_plain(job->count, 0);
	}
	wrmsr(job->ctrl, 0);
}

static void do_cr2(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;

	__asm__ volatile("mov %0, %%cr2" : : "r"(job->pointer));
	bodies[job->body](job->count, 0);
	__asm__ volatile("mov %%cr2, %0" : "=r"(cpu->result.cr2));
}

static void set_up(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;
	unsigned int i;

	for (i = 0; i < job->nr_setup; i++)
		safe_access(job->setup[i].op, job->setup[i].index, job->setup[i].value,
			    &cpu->result.read[0]);
}

static void do_repeat(struct guest_cpu *cpu)
{
	uint64_t turn;

	for (turn = 0; turn < cpu->job.count; turn++)
		set_up(cpu);
}

static void (*const programs[])(struct guest_cpu *cpu) = {
	[PROGRAM_WINDOW] = do_window,
	[PROGRAM_ACCESS] = do_access,
	[PROGRAM_PMI] = do_pmi,
	[PROGRAM_LOOP_ONCE] = do_loop_once,
	[PROGRAM_WATCH] = do_watch,
	[PROGRAM_CR2] = do_cr2,
	[PROGRAM_REPEAT] = do_repeat,
};

static void set_pce(int on)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 = on ? cr4 | CR4_PCE : cr4 & ~(uint64_t)CR4_PCE;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}

static void do_job(struct guest_cpu *cpu)
{
	const struct guest_job *job = &cpu->job;
	struct guest_result *result = &cpu->result;
	uint64_t done = result->done;
	unsigned int i;

	memset(result, 0, sizeof(*result));
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_PRESENT, 0, &result->present);
	set_pce(job->flags & JOB_PCE);
	set_up(cpu);
	result->setup_faults = result->access_faults;
	result->access_faults = 0;
	read_region(job->region, &cpu->region[0]);
	mark(job->region, 0);
	programs[job->program](cpu);
	mark(job->region, 1);
	__asm__ volatile("sti");
	read_region(job->region, &cpu->region[1]);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &cpu->regs);
	for (i = 0; i < job->nr_read; i++)
		safe_access(job->read[i].op, job->read[i].index, 0, &result->read[i]);
	result->done = done + 1;
}

static void set_gate(unsigned int vector, uint64_t handler, uint16_t flags)
{
	struct gate *gate = &idt[vector];

	gate->offset0 = (uint16_t)handler;
	gate->offset1 = (uint16_t)(handler >> 16);
	gate->offset2 = (uint32_t)(handler >> 32);
	gate->selector = GUEST_KERNEL_CS;
	gate->flags = flags;
}

static void start_cpu(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };
	unsigned int vector;

	for (vector = 0; vector < 256; vector++)
		set_gate(vector, (uint64_t)vectors + 16 * vector, 0x8e00);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)GUEST_KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uint64_t)leave_user);
	wrmsr(MSR_FMASK, 0);
}

static void start_apic(void)
{
	wrmsr(MSR_X2APIC_SVR, 0x1ff);
	wrmsr(MSR_X2APIC_DIV, 0xb);
	wrmsr(MSR_X2APIC_LVTT, GUEST_VECTOR_TIMER);
	wrmsr(MSR_X2APIC_LVTPC, LVT_MASKED | LVT_NMI);
}

void guest_main(uint64_t index, uint64_t has_apic)
{
	struct guest_cpu *cpu = self();

	cpu->index = index;
	start_cpu();
	if (has_apic)
		start_apic();
	__asm__ volatile("sti");
	for (;;) {
		ring();
		do_job(cpu);
	}
}
