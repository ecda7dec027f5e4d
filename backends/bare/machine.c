// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What every kernel needs: a console, memory, interrupts, a timer, and the
 * other processor.
 */
#include "bare.h"

#define outb(port, value) __asm__ volatile("outb %0, %1" : : "a"((u8)(value)), "Nd"((u16)(port)))
#define inb(port) ({ u8 in_; __asm__ volatile("inb %1, %0" : "=a"(in_) : "Nd"((u16)(port))); in_; })

#define COM1		0x3f8
#define COM1_READY	0x20	/* in register 5 */

#define APIC_ENABLE	0x100	/* in the register of the spurious vector */
#define APIC_DIV_1	0xb
#define IPI_INIT	0x500
#define IPI_START	(0x600 | TRAMPOLINE >> 12)
#define IPI_PENDING	0x1000

/* The boot loader's report: flags, and KiB above 1 MiB. */
struct multiboot_info {
	u32 flags, mem_lower, mem_upper, boot_device, command_line;
};

/* What an interrupt finds on its stack. */
struct frame {
	struct regs regs;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

extern char vectors[], trampoline[], trampoline_end[];
extern volatile u32 boot_count;

u32 nr_cpus;
u64 memory_end;
u64 idt[NR_VECTORS][2];
const struct guest_mode *guest_mode;

static const char *command_line;
static const char *missing;	/* for guests */

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

	while (size && *x == *y)
		x++, y++, size--;
	return size ? *x - *y : 0;
}

/* 115200 bits per second, 8N1, with a FIFO; no interrupts of the old controllers. */
static void start_devices(void)
{
	static const struct { u16 port; u8 value; } writes[] = {
		{ COM1 + 3, 0x80 }, { COM1, 1 }, { COM1 + 1, 0 }, { COM1 + 3, 3 }, { COM1 + 2, 7 },
		{ 0x21, 0xff }, { 0xa1, 0xff },
	};

	for (u32 i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		outb(writes[i].port, writes[i].value);
}

static void put_char(char c)
{
	while (!(inb(COM1 + 5) & COM1_READY))
		__builtin_ia32_pause();
	outb(COM1, (u8)c);
}

static void print_number(u64 value, u64 base)
{
	if (value >= base)
		print_number(value / base, base);
	put_char("0123456789abcdef"[value % base]);
}

void print(const char *format, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			put_char(*format);
		} else if (*++format == 's') {
			for (const char *s = __builtin_va_arg(args, const char *); *s; s++)
				put_char(*s);
		} else {
			print_number(__builtin_va_arg(args, u64), *format == 'x' ? 16 : 10);
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

void send_ipi(u32 command)
{
	apic(APIC_ICR) = command;
	while (apic(APIC_ICR) & IPI_PENDING)
		__builtin_ia32_pause();
}

/* From boot.S, as is machine_start(). */
void machine_interrupt(const struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	if (frame->vector == VEC_SPURIOUS)
		return;		/* which has no EOI */
	if (frame->vector == VEC_TIMER) {
		cpu->tick = true;
	} else if (frame->vector == VEC_GUEST_PMI) {
		pmu_guest_interrupt(cpu);
	} else if (frame->vector == VEC_HOST_PMI) {
		pmu_host_interrupt(cpu, frame->rip);
	} else if (frame->vector != VEC_KICK) {
		print("exception %u, error %x at %x, address %x\n", frame->vector, frame->error,
		      frame->rip, read_cr(2));
		stop();
	}
	apic(APIC_EOI) = 0;
}

/* The image lies below 4 GiB. */
static void make_gates(void)
{
	for (u32 i = 0; i < NR_VECTORS; i++) {
		u64 handler = (u64)vectors + 16 * i;

		idt[i][0] = (handler & 0xffff) | CS64 << 16 | 0x8e00ull << 32 | handler >> 16 << 48;
	}
}

static void start_cpu(struct cpu *cpu)
{
	apic(APIC_SVR) = APIC_ENABLE | VEC_SPURIOUS;
	apic(APIC_TIMER_DIV) = APIC_DIV_1;
	apic(APIC_TIMER) = VEC_TIMER;
	if (!missing)
		missing = guest_mode->enable(cpu);
	if (!missing)
		pmu_init_cpu(cpu);
	__atomic_fetch_add(&nr_cpus, 1, __ATOMIC_SEQ_CST);
}

/* Processors beyond MAX_CPUS count themselves, and halt. */
static void start_others(void)
{
	memcpy((void *)TRAMPOLINE, trampoline, (u64)(trampoline_end - trampoline));
	send_ipi(IPI_TO_OTHERS | IPI_INIT);
	for (u32 i = 0; i < 100000; i++)
		__builtin_ia32_pause();
	send_ipi(IPI_TO_OTHERS | IPI_START);
	for (u32 i = 0; i < 1000000 || (nr_cpus < boot_count && nr_cpus < MAX_CPUS); i++)
		__builtin_ia32_pause();
}

static void start_machine(const struct multiboot_info *info)
{
	command_line = (const char *)(u64)info->command_line;
	memory_end = 0x100000 + info->mem_upper * 1024ull;
	start_devices();
	make_gates();
	if (cpuid(1, 0).ecx & BIT(5))
		guest_mode = &vmx;
	else if (cpuid(0x80000001, 0).ecx & BIT(2))
		guest_mode = &svm;
	missing = guest_mode ? pmu_init() : "VMX or SVM";
	start_cpu(this_cpu());
	start_others();
	if (missing) {
		guest_mode = NULL;
		print("no guests: this machine lacks %s\n", missing);
	}
	print("%u CPUs, %s\n", (u64)nr_cpus, guest_mode ? guest_mode->name : "no guests");
}

void machine_start(u32 index, const struct multiboot_info *info)
{
	if (index)
		start_cpu(this_cpu());
	else
		start_machine(info);
	bare_main(index, command_line);
	stop();
}
