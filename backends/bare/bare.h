/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hypervisor in miniature for real machines.  Reading order: this file,
 * vcpu.c (the life of a vCPU), pmu.c (the port of libmpmu), vmx.c and svm.c
 * (guest mode), machine.c and boot.S (what every kernel needs).
 *
 * What it runs is the program it is linked with: bare_main() makes vCPUs, gives
 * them memory and time, answers their calls, and may use the PMU itself.
 */
#ifndef BARE_H
#define BARE_H

#define MAX_CPUS	2
#define CPU_SIZE	0x8000		/* a struct cpu, with its stack */
#define CALL_PORT	0xe1		/* a guest that writes to it calls the program */
#define TRAMPOLINE	0x8000		/* where processors start in real mode */

/* Selectors of the host; CS32 is for the way from real mode. */
#define CS64		0x08
#define DS		0x10
#define CS32		0x18
#define TR		0x20		/* the TSS is never used: none is there */

/* Vectors of the host: KICK says no more than "look at your requests". */
#define VEC_TIMER	0x20
#define VEC_GUEST_PMI	0x21
#define VEC_HOST_PMI	0x22
#define VEC_KICK	0x23
#define VEC_SPURIOUS	0x24
#define NR_VECTORS	0x25

#define MSR_PERF_CAPABILITIES 0x345
#define PERF_CAP_METRICS BIT(15)
#define MSR_EFER	0xc0000080
#define EFER_SCE	0x0001
#define EFER_LME	0x0100
#define EFER_LMA	0x0400
#define EFER_NX		0x0800
#define EFER_SVME	0x1000
#define EFER_GUEST	(EFER_SCE | EFER_LME | EFER_LMA)	/* for good: writes change nothing */
#define CR0_PE		0x1
#define CR0_NE		0x20
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_PCE		0x100

/* How boot.S enters a guest. */
#define ENTRY_VMLAUNCH	0
#define ENTRY_VMRESUME	1
#define ENTRY_VMRUN	2

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
#define write_cr(n, value) __asm__ volatile("mov %0, %%cr" #n : : "r"((u64)(value)) : "memory")

/* Take what is pending: STI holds interrupts back for one instruction. */
#define irqs_window() __asm__ volatile("sti; nop; cli" : : : "memory")

/* The local APIC: apic(APIC_EOI) = 0. */
#define apic(reg) (*(volatile u32 *)(0xfee00000ull + (reg)))
enum {
	APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_IRR = 0x200, APIC_ICR = 0x300, APIC_TIMER = 0x320,
	APIC_LVTPC = 0x340, APIC_TIMER_INIT = 0x380, APIC_TIMER_DIV = 0x3e0,
};
#define IPI_TO_SELF	0x40000
#define IPI_TO_OTHERS	0xc4000
#define LVT_MODE	0x700
#define LVT_NMI		0x400
#define LVT_MASKED	0x10000

/* In the order in which boot.S pushes them. */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
};

struct cpu {
	u8 area[0x1000];	/* VMX: VMXON region; SVM: where VMRUN keeps the host, */
	u8 host_vmcb[0x1000];	/* and VMSAVE */
	struct mpmu_cpu mpmu;
	u64 global_ctrl;	/* the host's: VM-exit loads it, disown() writes it */
	u64 event;		/* counter of the host's event; runs: global_ctrl is not 0 */
	mpmu_pmcs dirty;	/* counters left as they were */
	u32 refusals;		/* of own(), in a row */
	bool tick;		/* the timer has fired */
};

/* Why vcpu_run() returns: a write to CALL_PORT, the timer, HLT, a line on the console. */
enum vcpu_event { VCPU_CALL, VCPU_TICK, VCPU_IDLE, VCPU_DEAD };

/* Events for the guest, as both vendors encode them; #GP has an error code of 0. */
enum vcpu_pending { PENDING_GP, PENDING_NMI, PENDING_IRQ, NR_EVENTS };
#define INJECT_IRQ	0x80000000
#define INJECT_NMI	0x80000202
#define INJECT_GP	0x80000b0d

/* What must be done before the next entry; set from any CPU. */
enum vcpu_request { REQ_PMI = 1, REQ_REPROGRAM = 2, REQ_INTERCEPTS = 4 };

/* What hardware wants as pages; aligned as the first is, 0 at the beginning. */
struct vcpu_pages {
	u8 memory[0x200000];	/* guest-physical 0 up to here: one large page */
	u8 control[0x1000];	/* VMCS or VMCB */
	u64 pml4[512], pdpt[512], pd[512];	/* EPT or nested page tables */
	u8 msr_bitmap[0x2000];
	u8 virtual_apic[0x1000];	/* VMX: of it the guest has CR8 alone */
};

/* The guest's for as long as it runs: the host has no use for them. */
#define NR_SYSCALL_MSRS 3
extern const u32 syscall_msrs[NR_SYSCALL_MSRS];

struct vcpu {
	struct mpmu_vcpu mpmu;
	struct mpmu_stats stats;
	struct regs regs;	/* of the guest; what enters it switches RSP */
	u64 host_rsp;		/* boot.S wants it here */
	u64 rip, cr4, cpl;	/* cr4 and cpl: as of the last exit */
	struct {
		u64 code;	/* the vendor's */
		u64 info;	/* EXITINFO1, or VMX's qualification */
		u64 address;	/* guest-physical, where it is about memory */
		u64 length;	/* of the instruction */
	} exit;
	const char *name;	/* for the console; NULL: it dies in silence */
	const struct mpmu_filter *filter;
	struct cpu *cpu;	/* where it is loaded, or was last */
	struct vcpu_pages *pages;
	/* VMX: MSRs that VM-exit stores, and all but GLOBAL_CTRL that VM-entry loads. */
	struct { u64 msr, value; } msrs[NR_SYSCALL_MSRS + 1] __attribute__((aligned(16)));
	u64 global_ctrl, cr2;	/* VMX: the guest's */
	u32 requests, lvtpc;	/* enum vcpu_request bits; of the guest's local APIC */
	u32 pending[NR_EVENTS];	/* what goes in as soon as it can; 0: nothing */
	bool launched;		/* entered since it was loaded */
	bool called, halted, dead, rdpmc_intercepted;
	/* SVM: up to the end of IRET; the next instruction is that IRET; to take an NMI. */
	bool in_nmi, at_iret, kicked;
	u64 iret_rip;
	u64 exits;
};

bool enter_guest(struct regs *regs, u32 how);	/* false: VMX has refused it */

/* VMX or SVM. */
struct guest_mode {
	const char *name;
	u8 vendor;			/* enum mpmu_vendor */
	u32 features;			/* enum mpmu_feature bits beyond CPUID */
	u64 nested_leaf;		/* bits of an entry, beside 7, that maps memory */
	u32 msr_bits, write_bit;	/* in the bitmap: per MSR, and where writes are */
	const char *(*enable)(struct cpu *cpu);	/* NULL, or what is missing */
	void (*create)(struct vcpu *vcpu, u64 cr3);
	void (*enter)(struct vcpu *vcpu);	/* what is pending goes in; fills in exit */
	void (*put)(struct vcpu *vcpu);
};
extern const struct guest_mode vmx, svm, *guest_mode;	/* NULL: this machine has none */

/* machine.c */
extern u32 nr_cpus;
extern char image_end[];		/* from here to memory_end, memory is the program's */
extern u64 memory_end;
extern u64 idt[NR_VECTORS][2];
void print(const char *format, ...);	/* %s %u %x, all numbers 64 bits */
void send_ipi(u32 command);		/* IPI_TO_*, and a vector or more */

static inline struct cpu *this_cpu(void)
{
	return (struct cpu *)((u64)__builtin_frame_address(0) & -(u64)CPU_SIZE);
}

/*
 * vcpu.c: IRQs are off in all, and while the guest runs.  It starts in long mode
 * with flat segments, and has to load a GDT and a task register.
 */
bool vcpu_create(struct vcpu *vcpu, const char *name, struct vcpu_pages *pages, u64 rip, u64 cr3);
void vcpu_load(struct vcpu *vcpu);
enum vcpu_event vcpu_run(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
void vcpu_set_filter(struct vcpu *vcpu, const struct mpmu_filter *filter);
void vcpu_request(struct vcpu *vcpu, u32 request);
void vcpu_write_lvtpc(struct vcpu *vcpu, u32 value);
void vcpu_intercept(struct vcpu *vcpu, u32 msr, u32 access, bool intercept);
u32 vcpu_bitmap_bit(u32 msr, bool write);
u32 vcpu_take_event(struct vcpu *vcpu, bool shadow, bool in_nmi, u64 rflags);

/* pmu.c */
extern struct mpmu_host pmu_host;
extern const struct mpmu_ops bare_ops;
const char *pmu_init(void);		/* NULL, or what is missing */
void pmu_init_cpu(struct cpu *cpu);
void pmu_guest_interrupt(struct cpu *cpu);
void pmu_host_interrupt(struct cpu *cpu, u64 rip);
void pmu_start(u64 value);		/* the host's event, on this CPU, IRQs off */
u64 pmu_stop(void);			/* its counter then */

/*
 * The program: runs on all CPUs, on the first one when the others do; IRQs off.
 * The command line may lie in memory that is free.
 */
void bare_main(u32 cpu, const char *command_line);
void bare_overflow(u64 rip);		/* an interrupt of the host's event */

#endif
#endif
