/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the VMM and the program in its guest agree on: the guest's memory map,
 * and the jobs that the one gives to the other.  A job is a list of registers
 * to write, a body to run, and a list of registers to read; the VMM knows the
 * vendor, the guest program does not.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "mpmu_magic.h"

#define GUEST_TABLES		0x1000		/* page tables, identity, 4 GiB */
#define GUEST_GDT		0x8000		/* a page per CPU: GDT, then TSS */
#define GUEST_TSS_OFFSET	0x100
#define GUEST_CPU		0x20000		/* struct guest_cpu per CPU */
#define GUEST_CPU_SIZE		0x10000
#define GUEST_IMAGE		0x100000
#define GUEST_TOUCH		0x1000000	/* pages that nobody touched yet */
#define GUEST_MEMORY		0x4000000
#define GUEST_MAX_CPUS		4

/* Offsets in a CPU's area: kernel stack below its end, then the others. */
#define GUEST_USER_STACK	0xb000
#define GUEST_IRQ_STACK		0xd000
#define GUEST_STACK		0x10000

#define GUEST_KERNEL_CS		0x08
#define GUEST_KERNEL_DS		0x10
#define GUEST_USER_DS		0x1b
#define GUEST_USER_CS		0x23
#define GUEST_TR		0x28

#define GUEST_PORT_JOB		0xe1		/* the job is done */
#define GUEST_PORT_USER		0xe0		/* an exit to user space, no more */

#define GUEST_VECTOR_NMI	2
#define GUEST_VECTOR_TIMER	0x40
#define GUEST_VECTOR_PMI	0x41

#define MSR_X2APIC_LVTPC	0x834
#define LVT_NMI			0x400
#define LVT_MASKED		0x10000

/* struct guest_window, for the assembler */
#define WINDOW_TRUTH0		0x0000
#define WINDOW_TRUTH1		0x0800
#define WINDOW_CTRL		0x1000		/* u32: MSR that starts and stops */
#define WINDOW_START		0x1008		/* u64: value that starts */
#define WINDOW_BODY		0x1010
#define WINDOW_RUN		0x1018
#define WINDOW_COUNT		0x1020
#define WINDOW_POINTER		0x1028

#ifndef __ASSEMBLER__

#include <stdint.h>

/*
 * Each body is a loop; per turn it retires `insns` instructions, `branches` of
 * them branches, where an instruction that the hypervisor emulates counts too.
 */
enum guest_body {
	BODY_EMPTY,
	BODY_PLAIN,
	BODY_CPUID,
	BODY_PORT_KERNEL,
	BODY_PORT_USER,
	BODY_HLT,		/* at CPL 0, with the timer armed each turn */
	BODY_TOUCH,
	BODY_MIXED,		/* CPUID, port I/O to user space, plain turns */
	BODY_REP,
	BODY_CLOSED,		/* with interrupts closed, opened at its end */
	BODY_SELDOM,		/* CPUID, and no exit for 4,000 instructions */
	BODY_TPR,		/* at CPL 0, an interrupt that CR8 holds back each turn */
	BODY_CLEAR,		/* at CPL 0, each 400 instructions 0 to the MSR of the pointer */
	NR_BODIES,
};

enum guest_program {
	PROGRAM_WINDOW,		/* measure one window */
	PROGRAM_ACCESS,		/* repeat one register access */
	PROGRAM_PMI,		/* run the body until enough PMIs came */
	PROGRAM_LOOP_ONCE,	/* run the body; counters are left as they are */
	PROGRAM_WATCH,		/* read counters until told to stop */
	PROGRAM_CR2,		/* keep job.pointer in CR2 across the body */
	PROGRAM_REPEAT,		/* the setup, count times */
};

enum guest_op {
	OP_RDMSR,
	OP_WRMSR,
	OP_RDPMC,
	OP_RDPMC_USER,
	OP_LOAD,		/* from the address that value is */
};

#define JOB_USER		0x1	/* body at CPL 3 */
#define JOB_PCE			0x2	/* CR4.PCE on */
#define JOB_PMI_FIXED		0x4	/* LVTPC: GUEST_VECTOR_PMI, else NMI */
#define JOB_PMI_MASKS		0x8	/* a PMI masks LVTPC: unmask it */
#define JOB_PMI_MASKED		0x10	/* LVTPC stays masked */
#define JOB_PMI_BLIND		0x20	/* the handler looks at counters, not at the status */

#define GUEST_MAX_SETUP		64
#define GUEST_MAX_PMCS		(2 * MPMU_MAX_PMCS)

struct guest_access {
	uint32_t op;		/* enum guest_op */
	uint32_t index;
	uint64_t value;		/* OP_WRMSR, OP_LOAD */
};

struct guest_job {
	uint32_t program;
	uint32_t flags;
	uint32_t body;
	uint32_t region;	/* where the emulator counts the exits */
	uint64_t count;		/* turns of the body */
	uint64_t pointer;	/* BODY_TOUCH: first page; BODY_HLT: timer ticks; BODY_CLEAR: MSR */
	uint32_t nr_setup;
	uint32_t nr_read;
	struct guest_access setup[GUEST_MAX_SETUP];
	struct guest_access read[GUEST_MAX_SETUP];
	struct guest_access access;	/* PROGRAM_ACCESS */
	uint32_t ctrl;		/* GLOBAL_CTRL */
	uint32_t status;	/* GLOBAL_STATUS */
	uint32_t ack;		/* OVF_CTRL or STATUS_CLR */
	uint32_t reserved;
	uint64_t start;		/* value of ctrl that starts */
	uint32_t pmi_msr[64];	/* PROGRAM_PMI: by status bit, 0 = none */
	uint64_t pmi_period[64];
	uint64_t pmi_target;	/* hits, of all counters together */
	uint64_t pmi_max_turns;	/* bodies; a lost PMI must not hang the job */
};

struct guest_result {
	uint64_t done;		/* jobs */
	uint64_t crashed;	/* vector + 1 of an exception nobody expects */
	uint64_t crash_rip;
	uint64_t crash_error;
	uint64_t crash_address;
	uint64_t crash_frame[24];	/* registers as the vector's code pushes them */
	uint64_t present;	/* MPMU_MAGIC_PRESENT in the emulator */
	uint64_t read[GUEST_MAX_SETUP];
	uint64_t setup_faults;	/* #GP in setup */
	uint64_t access_value;
	uint64_t access_faults;
	uint64_t timers;
	uint64_t pmis;		/* interrupts */
	uint64_t pmi_spurious;	/* of these, with no bit in status */
	uint64_t pmi_hits[64];	/* by status bit */
	uint64_t pmi_late[64];	/* most that a counter had run past its wrap */
	uint64_t pmi_sum[64];	/* of what it had run past */
	uint64_t pmi_foreign;	/* status bits of no counter of the job */
	uint64_t turns;
	uint64_t cr2;		/* PROGRAM_CR2 */
};

#define WATCH_ROUNDS		21		/* and one for what is between them */

/* The VMM sets round and stop; the guest notes what it reads in each round. */
struct guest_watch {
	volatile uint64_t round;
	volatile uint64_t stop;
	volatile uint64_t seen;		/* the round of the last reads, + 1 */
	uint64_t first[WATCH_ROUNDS + 1][3];
	uint64_t last[WATCH_ROUNDS + 1][3];
};

struct guest_window {
	struct mpmu_truth truth0;
	char pad0[0x800 - sizeof(struct mpmu_truth)];
	struct mpmu_truth truth1;
	char pad1[0x800 - sizeof(struct mpmu_truth)];
	uint32_t ctrl;
	uint32_t reserved;
	uint64_t start;
	uint64_t body;
	uint64_t run;
	uint64_t count;
	uint64_t pointer;
};

struct guest_cpu {
	struct guest_window window;
	struct mpmu_region region[2];	/* before and after */
	struct mpmu_regs regs;		/* inside the window's end */
	struct guest_job job;
	struct guest_result result;
	struct guest_watch watch;
	uint64_t index;
	uint64_t fixup;		/* where an expected #GP goes on */
	volatile uint64_t live;	/* what a PMI's end writes to GLOBAL_CTRL */
};

#endif
#endif
