/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The processor: registers by number, instructions as functions. */
#ifndef BARE_X86_H
#define BARE_X86_H

/* Selectors of the host's GDT. */
#define CS64		0x08
#define DS		0x10
#define TR		0x18
#define CS32		0x28	/* on the way from real mode */

/* Vectors of the host. */
#define VEC_TIMER	0x20
#define VEC_GUEST_PMI	0x21	/* performance interrupts of guests */
#define VEC_HOST_PMI	0x22	/* and of the host */
#define VEC_KICK	0x23	/* look at your requests */
#define NR_VECTORS	0x30
#define VEC_SPURIOUS	0x2f

#define MSR_APIC_BASE		0x1b
#define MSR_FEATURE_CONTROL	0x3a
#define MSR_PERF_CAPABILITIES	0x345
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_FMASK		0xc0000084

#define EFER_SCE		0x0001
#define EFER_LME		0x0100
#define EFER_LMA		0x0400
#define EFER_NX			0x0800
#define EFER_SVME		0x1000

#define CR0_PE			0x1
#define CR0_NE			0x20
#define CR0_PG			0x80000000
#define CR4_PAE			0x20
#define CR4_PCE			0x100
#define CR4_VMXE		0x2000

#define RFLAGS_IF		0x200

#ifndef __ASSEMBLER__

#include <mpmu/types.h>

#define BIT(n) (1ull << (n))

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return low | (u64)high << 32;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "0"(leaf), "2"(subleaf));
	return r;
}

/* Operand of LGDT, LIDT and their like. */
struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

#define READ_CR(n)						\
static inline u64 read_cr##n(void)				\
{								\
	u64 value;						\
								\
	__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));	\
	return value;						\
}
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)

static inline void write_cr4(u64 value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline void irqs_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irqs_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Take what is pending: STI holds interrupts back for one instruction. */
static inline void irqs_window(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

#endif
#endif
