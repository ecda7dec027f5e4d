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

#include <mpmu/mpmu.h>

#include "x86.h"

#define MAX_CPUS	2
#define CPU_SIZE	0x4000		/* a struct cpu, with its stack */
#define VCPU_MEMORY	0x200000	/* one large page per guest */

/* The registers that neither VMX nor SVM switches; RAX and RSP come second. */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
};

/* What an interrupt finds on its stack. */
struct frame {
	struct regs regs;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
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
	/* Where VM-exit loads GLOBAL_CTRL, and disown() writes it: the host's. */
	u64 global_ctrl;
	u32 refusals;		/* of own(), in a row */
	u32 index;
	u32 apic_id;
	bool tick;		/* the timer has fired */
	void (*volatile work)(void *data);
	void *work_data;
	void *vmxon;		/* VMX: its region */
	void *host_area;	/* SVM: where VMRUN and VMSAVE keep the host */
	void *host_vmcb;
} __attribute__((aligned(64)));

/* Why vcpu_run() returns. */
enum vcpu_event {
	VCPU_CALL,	/* the guest wrote to CALL_PORT */
	VCPU_TICK,	/* the timer has fired */
	VCPU_IDLE,	/* HLT, and nothing is pending */
	VCPU_DEAD,	/* a line on the console says why */
};
#define CALL_PORT	0xe1

/* What must be done before the next entry; set from any CPU. */
enum vcpu_request {
	REQ_PMI = 1,
	REQ_REPROGRAM = 2,
	REQ_INTERCEPTS = 4,
};

struct vcpu {
	struct mpmu_vcpu mpmu;
	struct regs regs;
	const char *name;	/* for the console; NULL: it dies in silence */
	const struct mpmu_filter *filter;
	struct cpu *cpu;	/* where it is loaded, or was last */
	u8 *memory;		/* guest-physical 0 up to VCPU_MEMORY */
	u64 *nested_root;	/* EPT or nested page tables */
	u8 *msr_bitmap;
	void *control;		/* VMCS or VMCB */
	u64 *store;		/* VMX: the MSR that VM-exit stores */
	u32 requests;		/* enum vcpu_request bits */
	u32 lvtpc;		/* of the guest's local APIC */
	u64 efer;
	bool launched, halted, dead;
	bool nmi_pending, irq_pending;
	bool in_nmi;		/* SVM: up to IRET */
	bool rdpmc_intercepted;
	u8 irq_vector;
	u64 syscall_msrs[3];	/* the host has no use for them */
	u64 emulated;		/* instructions that the hypervisor retired */
	u64 exits;
};

/* Where a vCPU starts: long mode, flat segments, paging on. */
struct vcpu_start {
	u64 rip, rsp, cr3, gdt, tss;
	u16 gdt_limit, cs, ss, tr;
};

/* An exit in the terms of both vendors. */
enum exit_kind {
	EXIT_OTHER, EXIT_INTERRUPT, EXIT_CPUID, EXIT_HLT, EXIT_RDMSR, EXIT_WRMSR,
	EXIT_RDPMC, EXIT_IO, EXIT_WINDOW, EXIT_SHUTDOWN, EXIT_MEMORY,
};

struct exit {
	enum exit_kind kind;
	u64 code;	/* the vendor's */
	u64 detail;	/* address, or port << 16 | 1 where the guest reads */
	u32 length;	/* of the instruction */
};

/* VMX or SVM. */
struct guest_mode {
	const char *name;
	u8 vendor;			/* enum mpmu_vendor */
	u32 (*features)(void);		/* enum mpmu_feature bits beyond CPUID */
	const char *(*enable)(struct cpu *cpu);	/* NULL, or what is missing */
	u64 nested_leaf;		/* bits of an entry, beside 7, that maps memory */
	bool (*create)(struct vcpu *vcpu, const struct vcpu_start *start);
	void (*load)(struct vcpu *vcpu);
	void (*put)(struct vcpu *vcpu);
	struct exit (*enter)(struct vcpu *vcpu);
	void (*set_rip)(struct vcpu *vcpu, u64 rip);
	void (*inject)(struct vcpu *vcpu);	/* what is pending, as far as it goes */
	void (*inject_gp)(struct vcpu *vcpu);
	u32 (*cpl)(struct vcpu *vcpu);
	u64 (*rip)(struct vcpu *vcpu);
	u64 (*cr4)(struct vcpu *vcpu);
	void (*write_efer)(struct vcpu *vcpu, u64 efer);
	/* Ops of libmpmu in which the two differ. */
	u64 (*get_global_ctrl)(struct vcpu *vcpu);
	void (*set_global_ctrl)(struct vcpu *vcpu, u64 value);
	void (*set_touched)(struct vcpu *vcpu, bool touched);
	u32 (*bitmap_bit)(u32 msr, bool write);	/* its bit in the map */
	void (*set_rdpmc_intercept)(struct vcpu *vcpu, bool intercept);
};

extern const struct guest_mode vmx, svm;
extern const struct guest_mode *guest_mode;	/* NULL: this machine has none */

/* machine.c */
extern struct cpu *cpus[MAX_CPUS];
extern u32 nr_cpus;
void print(const char *format, ...);	/* %s %u %x, all numbers 64 bits */
void *alloc_pages(u64 count);		/* a power of 2, aligned, zeroed; NULL and a line: no memory */
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);
void timer_start(u32 ticks);		/* 0: stop */
void cpu_run(u32 index, void (*work)(void *data), void *data);	/* and wait */
void kick(struct cpu *cpu);

static inline struct cpu *this_cpu(void)
{
	u64 rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return (struct cpu *)(rsp & -(u64)CPU_SIZE);
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
bool vcpu_intercepted(const struct vcpu *vcpu, u32 msr, bool write);

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
