/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hypervisor in miniature for real machines.  Reading order: this file,
 * vcpu.c (the life of a vCPU), pmu.c (the port of libmpmu), vmx.c and svm.c
 * (guest mode), machine.c and boot.S (what every kernel needs).
 *
 * What it runs is the program it is linked with: bare_main() makes vCPUs, gives
 * them memory and time, and answers their calls.
 */
#ifndef BARE_H
#define BARE_H

#define MAX_CPUS	2
#define CPU_SIZE	0x4000		/* a struct cpu, with its stack */
#define VCPU_MEMORY	0x200000	/* one large page per guest */
#define CALL_PORT	0xe1		/* a guest that writes to it calls the program */
#define TRAMPOLINE	0x8000		/* where processors start in real mode */

/* Selectors of the host's GDT; CS32 is for the way from real mode. */
#define CS64		0x08
#define DS		0x10
#define TR		0x18
#define CS32		0x28

/* Vectors of the host: KICK says no more than "look at your requests". */
#define VEC_TIMER	0x20
#define VEC_GUEST_PMI	0x21
#define VEC_HOST_PMI	0x22
#define VEC_KICK	0x23
#define VEC_SPURIOUS	0x2f
#define NR_VECTORS	0x30

#define MSR_EFER	0xc0000080
#define EFER_SCE	0x0001
#define EFER_LME	0x0100
#define EFER_LMA	0x0400
#define EFER_NX		0x0800
#define EFER_SVME	0x1000
#define CR0_PE		0x1
#define CR0_NE		0x20
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_PCE		0x100

#ifndef __ASSEMBLER__

#include <cpuid.h>

#include <mpmu/mpmu.h>

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

/* Of a leaf that is not there, all is 0. */
struct cpuid { u32 eax, ebx, ecx, edx; };
static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r = { 0 };

	__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
	return r;
}

#define read_cr(n) ({ u64 cr_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(cr_)); cr_; })

/* Take what is pending: STI holds interrupts back for one instruction. */
#define irqs_window() __asm__ volatile("sti; nop; cli" : : : "memory")

/* The local APIC: apic(APIC_EOI) = 0. */
#define apic(reg) (*(volatile u32 *)(0xfee00000ull + (reg)))
enum {
	APIC_ID = 0x20, APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_IRR = 0x200, APIC_ICR = 0x300,
	APIC_ICR2 = 0x310, APIC_TIMER = 0x320, APIC_LVTPC = 0x340, APIC_TIMER_INIT = 0x380,
	APIC_TIMER_DIV = 0x3e0,
};
#define LVT_MODE	0x700
#define LVT_NMI		0x400
#define LVT_MASKED	0x10000

/* In the order in which boot.S pushes them. */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
};

/* The host's own use of a CPU's PMU: one counter samples the hypervisor. */
struct profiler {
	bool on;		/* an event exists */
	bool running;		/* and is in the registers */
	u64 period;		/* 0: it counts, and takes no samples */
	u64 count;		/* up to the last time it was stopped */
	u64 start;		/* the counter's value since then */
	u64 samples;
	u64 last_rip;
	mpmu_pmcs dirty;	/* counters left as they were */
};

struct cpu {
	struct mpmu_cpu mpmu;
	struct profiler profiler;
	struct vcpu *running;
	u64 global_ctrl;	/* the host's: VM-exit loads it, disown() writes it */
	u32 refusals;		/* of own(), in a row */
	u32 index, apic_id;
	bool tick;		/* the timer has fired */
	void (*volatile work)(void *data);
	void *work_data;
	void *vmxon;		/* VMX: its region */
	void *host_area;	/* SVM: where VMRUN and VMSAVE keep the host */
	void *host_vmcb;
} __attribute__((aligned(64)));

/* Why vcpu_run() returns: a write to CALL_PORT, the timer, HLT, a line on the console. */
enum vcpu_event { VCPU_CALL, VCPU_TICK, VCPU_IDLE, VCPU_DEAD };

/* What must be done before the next entry; set from any CPU. */
enum vcpu_request { REQ_PMI = 1, REQ_REPROGRAM = 2, REQ_INTERCEPTS = 4 };

/* Exits in the terms of both vendors; NOTHING is left to do for an interrupt. */
enum exit_kind {
	EXIT_OTHER, EXIT_NOTHING, EXIT_CPUID, EXIT_HLT, EXIT_RDMSR, EXIT_WRMSR,
	EXIT_RDPMC, EXIT_IO, EXIT_SHUTDOWN, EXIT_MEMORY, NR_EXITS,
};

#define NR_SYSCALL_MSRS 3
extern const u32 syscall_msrs[NR_SYSCALL_MSRS];	/* the host has no use for them */

struct vcpu {
	struct mpmu_vcpu mpmu;
	struct regs regs;	/* of the guest; enter() switches RSP */
	u64 host_rsp;		/* boot.S wants it here */
	u64 rip, efer, cr4;	/* cr4 and cpl: as of the last exit */
	u32 cpl;
	struct {
		enum exit_kind kind;
		u32 length;	/* of the instruction */
		u64 code;	/* the vendor's */
		u64 detail;	/* address, or port << 16 | 1 where the guest reads */
	} exit;
	const char *name;	/* for the console; NULL: it dies in silence */
	const struct mpmu_filter *filter;
	struct cpu *cpu;	/* where it is loaded, or was last */
	u8 *memory;		/* guest-physical 0 up to VCPU_MEMORY */
	u64 *nested_root;	/* EPT or nested page tables */
	u8 *msr_bitmap;
	void *control;		/* VMCS or VMCB */
	/* VMX: the MSR that VM-exit stores */
	u64 store[2] __attribute__((aligned(16)));
	u64 syscall_values[NR_SYSCALL_MSRS];	/* VMX: while it is not loaded */
	u64 global_ctrl;	/* VMX: the guest's */
	u32 requests;		/* enum vcpu_request bits */
	u32 lvtpc;		/* of the guest's local APIC */
	bool launched;		/* entered since it was loaded */
	bool called, halted, dead;
	bool gp_pending, nmi_pending, irq_pending;
	bool in_nmi;		/* SVM: up to IRET */
	bool rdpmc_intercepted;
	u8 irq_vector;
	u64 exits;
};

/* Where a vCPU starts: long mode, flat segments, paging on. */
struct vcpu_start {
	u64 rip, rsp, cr3, gdt, tss;
	u16 gdt_limit, cs, ss, tr;
};

/* Events for the guest, as both vendors encode them; #GP has an error code of 0. */
#define INJECT_IRQ	0x80000000
#define INJECT_NMI	0x80000202
#define INJECT_GP	0x80000b0d

/* VMX or SVM. */
struct guest_mode {
	const char *name;
	u8 vendor;			/* enum mpmu_vendor */
	u32 features;			/* enum mpmu_feature bits beyond CPUID */
	u64 nested_leaf;		/* bits of an entry, beside 7, that maps memory */
	const char *(*enable)(struct cpu *cpu);	/* NULL, or what is missing */
	bool (*create)(struct vcpu *vcpu, const struct vcpu_start *start);
	void (*load)(struct vcpu *vcpu);	/* load and put may be NULL */
	void (*put)(struct vcpu *vcpu);
	void (*enter)(struct vcpu *vcpu);	/* what is pending goes in; fills in exit */
	u32 (*bitmap_bit)(u32 msr, bool write);	/* its bit in the map */
};
extern const struct guest_mode vmx, svm, *guest_mode;	/* NULL: this machine has none */

/* machine.c */
extern struct cpu *cpus[MAX_CPUS];
extern u32 nr_cpus;
void print(const char *format, ...);	/* %s %u %x, all numbers 64 bits */
void *alloc_pages(u64 count);		/* a power of 2, aligned, zeroed; NULL and a line: no memory */
void send_ipi(u32 apic_id, u32 command);
void cpu_run(u32 index, void (*work)(void *data), void *data);	/* and wait */

static inline struct cpu *this_cpu(void)
{
	return (struct cpu *)((u64)__builtin_frame_address(0) & -(u64)CPU_SIZE);
}

/* vcpu.c: IRQs are off in all, and while the guest runs. */
bool vcpu_create(struct vcpu *vcpu, const char *name, const struct vcpu_start *start);
void vcpu_load(struct vcpu *vcpu);
enum vcpu_event vcpu_run(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
void vcpu_set_filter(struct vcpu *vcpu, const struct mpmu_filter *filter);
void vcpu_request(struct vcpu *vcpu, u32 request);
void vcpu_write_lvtpc(struct vcpu *vcpu, u32 value);
void vcpu_intercept(struct vcpu *vcpu, u32 msr, u32 access, bool intercept);

/* pmu.c */
extern struct mpmu_host pmu_host;
extern const struct mpmu_ops bare_ops;
const char *pmu_init(void);		/* NULL, or what is missing */
void pmu_init_cpu(struct cpu *cpu);
void pmu_guest_interrupt(struct cpu *cpu);
void pmu_host_interrupt(struct cpu *cpu, u64 rip);
void profiler_start(u64 period);	/* on this CPU, IRQs off */
void profiler_stop(void);
u64 profiler_count(const struct cpu *cpu);

/* The program: runs on CPU 0, IRQs off. */
void bare_main(const char *command_line);

#endif
#endif
