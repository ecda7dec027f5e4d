// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What every kernel needs: a console, memory, interrupts, a timer, and the
 * other processor.
 */
#include "bare.h"

#define COM1		0x3f8
#define COM1_FIFO	(COM1 + 2)
#define COM1_LINE	(COM1 + 3)
#define COM1_STATUS	(COM1 + 5)
#define COM1_READY	0x20

#define APIC		0xfee00000
#define APIC_ENABLE	0x100	/* in the spurious vector's register */
#define APIC_EOI	0x0b0
#define APIC_SVR	0x0f0
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_TIMER	0x320
#define APIC_TIMER_INIT	0x380
#define APIC_TIMER_DIV	0x3e0
#define APIC_DIV_1	0xb
#define IPI_ALL_INIT	0xc4500
#define IPI_ALL_START	0xc4608	/* at 0x8000 */
#define IPI_PENDING	0x1000
#define TRAMPOLINE	0x8000

#define PIC_MASK1	0x21
#define PIC_MASK2	0xa1

/* The boot loader's report: flags, and KiB above 1 MiB. */
struct multiboot_info {
	u32 flags, mem_lower, mem_upper, boot_device, command_line;
};

struct gate {
	u16 offset0, selector, flags, offset1;
	u32 offset2, reserved;
};

extern char vectors[], trampoline[], trampoline_end[], image_end[];
extern struct cpu boot_cpus[];
extern u64 boot_gdt_tr[2];
extern volatile u32 boot_count;
void machine_start(u32 index, const struct multiboot_info *info);
void machine_interrupt(struct frame *frame);

struct cpu *cpus[MAX_CPUS];
u32 nr_cpus;
const struct guest_mode *guest_mode;

static struct gate idt[NR_VECTORS];
static u32 tss[26];
static u64 free_memory, end_of_memory;
static char command_line[128];

void *memset(void *to, int value, unsigned long size)
{
	void *result = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
	return result;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
	void *result = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return result;
}

int memcmp(const void *a, const void *b, unsigned long size)
{
	const u8 *x = a, *y = b;

	for (; size; x++, y++, size--)
		if (*x != *y)
			return *x - *y;
	return 0;
}

/* 115200 bits per second, 8N1. */
static void start_console(void)
{
	outb(COM1_LINE, 0x80);
	outb(COM1, 1);
	outb(COM1 + 1, 0);
	outb(COM1_LINE, 3);
	outb(COM1_FIFO, 7);
}

static void put_char(char c)
{
	while (!(inb(COM1_STATUS) & COM1_READY))
		pause();
	outb(COM1, (u8)c);
}

static void print_number(u64 value, u64 base)
{
	char digits[20];
	u32 n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (n)
		put_char(digits[--n]);
}

void print(const char *format, ...)
{
	__builtin_va_list args;
	const char *text;

	__builtin_va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			put_char(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			for (text = __builtin_va_arg(args, const char *); *text; text++)
				put_char(*text);
			break;
		case 'u':
			print_number(__builtin_va_arg(args, u64), 10);
			break;
		case 'x':
			print_number(__builtin_va_arg(args, u64), 16);
			break;
		}
	}
	__builtin_va_end(args);
}

static void stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void bare_assert_failed(const char *condition)
{
	print("libmpmu: broken promise: %s\n", condition);
	stop();
}

/* Nothing is ever freed. */
void *alloc_pages(u64 count)
{
	u64 size = count * 0x1000, start = (free_memory + size - 1) & -size;

	if (start + size > end_of_memory) {
		print("too little memory: %u KiB wanted\n", size / 1024);
		return NULL;
	}
	free_memory = start + size;
	return memset((void *)start, 0, size);
}

u32 apic_read(u32 reg)
{
	return *(volatile u32 *)(APIC + (u64)reg);
}

void apic_write(u32 reg, u32 value)
{
	*(volatile u32 *)(APIC + (u64)reg) = value;
}

static void send_ipi(u32 apic_id, u32 command)
{
	apic_write(APIC_ICR2, apic_id << 24);
	apic_write(APIC_ICR, command);
	while (apic_read(APIC_ICR) & IPI_PENDING)
		pause();
}

void kick(struct cpu *cpu)
{
	send_ipi(cpu->apic_id, VEC_KICK);
}

/* One shot. */
void timer_start(u32 ticks)
{
	apic_write(APIC_TIMER_INIT, ticks);
}

static void fault(const struct frame *frame)
{
	print("exception %u, error %x at %x, address %x\n", frame->vector, frame->error,
	      frame->rip, read_cr2());
	stop();
}

void machine_interrupt(struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	switch (frame->vector) {
	case VEC_TIMER:
		cpu->tick = true;
		break;
	case VEC_GUEST_PMI:
		pmu_guest_interrupt(cpu);
		break;
	case VEC_HOST_PMI:
		pmu_host_interrupt(cpu, frame->rip);
		break;
	case VEC_KICK:
		break;
	case VEC_SPURIOUS:
		return;
	default:
		fault(frame);
	}
	apic_write(APIC_EOI, 0);
}

static void make_gates(void)
{
	for (u32 i = 0; i < NR_VECTORS; i++) {
		u64 handler = (u64)vectors + 16 * i;

		idt[i] = (struct gate){
			.offset0 = (u16)handler, .offset1 = (u16)(handler >> 16),
			.offset2 = (u32)(handler >> 32), .selector = CS64, .flags = 0x8e00,
		};
	}
}

/* LTR wants a segment that is not busy; the TSS is never used. */
static void load_tables(void)
{
	const struct table idtr = { sizeof(idt) - 1, (u64)idt };

	boot_gdt_tr[0] = 0x0000890000000067 | (u64)tss << 16;
	__asm__ volatile("lidt %0" : : "m"(idtr));
	__asm__ volatile("ltr %w0" : : "r"(TR) : "memory");
}

static void start_apic(struct cpu *cpu)
{
	cpu->apic_id = apic_read(0x20) >> 24;
	apic_write(APIC_SVR, APIC_ENABLE | VEC_SPURIOUS);
	apic_write(APIC_TIMER_DIV, APIC_DIV_1);
	apic_write(APIC_TIMER, VEC_TIMER);
}

static void start_cpu(u32 index)
{
	struct cpu *cpu = this_cpu();

	cpu->index = index;
	load_tables();
	start_apic(cpu);
	cpus[index] = cpu;
	__atomic_fetch_add(&nr_cpus, 1, __ATOMIC_SEQ_CST);
}

/* All others wait for work. */
static void wait_for_work(struct cpu *cpu)
{
	for (;;) {
		irqs_window();
		if (cpu->work) {
			cpu->work(cpu->work_data);
			__atomic_store_n(&cpu->work, NULL, __ATOMIC_SEQ_CST);
		}
		pause();
	}
}

void cpu_run(u32 index, void (*work)(void *data), void *data)
{
	struct cpu *cpu = cpus[index];

	if (cpu == this_cpu()) {
		work(data);
		return;
	}
	cpu->work_data = data;
	__atomic_store_n(&cpu->work, work, __ATOMIC_SEQ_CST);
	while (cpu->work)
		irqs_window();
}

/* Processors beyond MAX_CPUS count themselves, and halt. */
static void start_others(void)
{
	memcpy((void *)TRAMPOLINE, trampoline, (u64)(trampoline_end - trampoline));
	send_ipi(0, IPI_ALL_INIT);
	for (u32 i = 0; i < 100000; i++)
		pause();
	send_ipi(0, IPI_ALL_START);
	for (u32 i = 0; i < 1000000; i++)
		pause();
	while (nr_cpus < boot_count && nr_cpus < MAX_CPUS)
		pause();
}

static void detect_guest_mode(void)
{
	if (cpuid(1, 0).ecx & BIT(5))
		guest_mode = &vmx;
	else if (cpuid(0x80000000, 0).eax >= 0x8000000a && cpuid(0x80000001, 0).ecx & BIT(2))
		guest_mode = &svm;
}

static void enable_guest_mode(void *unused)
{
	struct cpu *cpu = this_cpu();
	const char *missing = guest_mode->enable(cpu);

	(void)unused;
	if (missing) {
		print("CPU %u: no guests: %s is missing\n", (u64)cpu->index, missing);
		guest_mode = NULL;
		return;
	}
	pmu_init_cpu(cpu);
}

static void start_guest_mode(void)
{
	const char *missing;

	detect_guest_mode();
	missing = guest_mode ? pmu_init() : "VMX or SVM";
	if (missing) {
		print("no guests: this machine lacks %s\n", missing);
		guest_mode = NULL;
	}
	for (u32 i = 0; i < nr_cpus && guest_mode; i++)
		cpu_run(i, enable_guest_mode, NULL);
}

/* Before the first page is allocated: the report may lie anywhere. */
static void read_info(const struct multiboot_info *info)
{
	const char *from = (const char *)(u64)info->command_line;

	for (u32 i = 0; i < sizeof(command_line) - 1 && from[i]; i++)
		command_line[i] = from[i];
	free_memory = (u64)image_end;
	end_of_memory = 0x100000 + info->mem_upper * 1024ull;
}

void machine_start(u32 index, const struct multiboot_info *info)
{
	if (index) {
		start_cpu(index);
		wait_for_work(this_cpu());
	}
	read_info(info);
	start_console();
	outb(PIC_MASK1, 0xff);
	outb(PIC_MASK2, 0xff);
	make_gates();
	start_cpu(0);
	start_others();
	start_guest_mode();
	print("%u CPUs, %s\n", (u64)nr_cpus, guest_mode ? guest_mode->name : "no guests");
	bare_main(command_line);
	stop();
}
