/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands from a guest program to the emulator, and what it answers.
 *
 * A command is a long NOP with a displacement: 0F 1F 80 disp32, that is
 * "nopl disp32(%rax)", disp32 = MPMU_MAGIC(cmd, arg).  It works at any CPL and
 * in any mode, never exits to a hypervisor, and retires as one instruction.
 * Commands that answer store to the linear address in RDI like a MOV does: a
 * missing page faults (or exits) and the instruction starts again.
 *
 * Usable from C (user space, kernel) and from assembly: MPMU_MAGIC_NOP(cmd, arg)
 * there is a macro that needs no register but the RDI of the command.
 */
#ifndef MPMU_MAGIC_H
#define MPMU_MAGIC_H

#define MPMU_CMD_MARK_BEGIN	0x01	/* arg: region 0 to 15 */
#define MPMU_CMD_MARK_END	0x02	/* arg: region */
#define MPMU_CMD_READ_TRUTH	0x03	/* RDI: struct mpmu_truth of this CPU */
#define MPMU_CMD_READ_REGS	0x04	/* RDI: struct mpmu_regs of this CPU */
#define MPMU_CMD_READ_REGION	0x05	/* arg: region, RDI: struct mpmu_region */
#define MPMU_CMD_RAISE_PT	0x06	/* GLOBAL_STATUS[55] = 1, LVTPC asserted */
#define MPMU_CMD_SET_PMI_DELAY	0x07	/* RDI: 0 to 4,000 instructions, all CPUs */
#define MPMU_CMD_PRESENT	0x08	/* RDI: u64, becomes MPMU_MAGIC_PRESENT */
#define MPMU_CMD_LOG		0x09	/* arg: tag, RDI: value; a report line */
#define MPMU_CMD_SET_MUTATE	0x0a	/* RDI: mask of MPMU_MUTATE_* and MPMU_FLAW_*, all CPUs */
#define MPMU_CMD_WATCH		0x0b	/* arg: MPMU_WATCH_*, RDI: address or 0 */
#define MPMU_CMD_READ_WATCH	0x0c	/* RDI: struct mpmu_watch of this CPU */
#define MPMU_CMD_COUNT_MEMORY	0x0d	/* the truth has loads and stores from now on, all CPUs */
#define MPMU_CMD_RECORD		0x0e	/* RDI: dumps to come of this CPU, at its entries and exits */
#define MPMU_CMD_READ_RECORD	0x0f	/* RDI: struct mpmu_record, the oldest not read */
#define MPMU_CMD_RAISE_NMI	0x10	/* as a platform does, and no counter */

#define MPMU_MAGIC_BASE		0x6d700000
#define MPMU_MAGIC(cmd, arg)	(MPMU_MAGIC_BASE | ((cmd) << 8) | (arg))

#define MPMU_MAGIC_PRESENT	0x6d706d752d656d75	/* "mpmu-emu" */
#define MPMU_MAGIC_TRUTH	0x6d706d7574727574	/* "mpmutrut" */
#define MPMU_MAGIC_REGS		0x6d706d7572656773	/* "mpmuregs" */
#define MPMU_MAGIC_REGION	0x6d706d757265676e	/* "mpmuregn" */
#define MPMU_MAGIC_WATCH	0x6d706d7577746368	/* "mpmuwtch" */
#define MPMU_MAGIC_RECORD	0x6d706d757265636f	/* "mpmureco" */

#define MPMU_MUTATE_VMRESUME_CREDIT	0x01
#define MPMU_MUTATE_LOSE_PMI		0x02
#define MPMU_MUTATE_STICKY_STATUS	0x04
#define MPMU_MUTATE_STATUS_SET_IGNORED	0x08
#define MPMU_MUTATE_NO_GLOBAL_SAVE	0x10
#define MPMU_MUTATE_SKID_64		0x20
#define MPMU_MUTATE_LEAK_COUNTER	0x40
#define MPMU_MUTATE_LEAK_METRICS	0x80
#define MPMU_MUTATE_RDPMC_L3		0x100

/* As virtual PMUs are wrong, for tests of what looks for that: bits 63:32. */
#define MPMU_FLAW_SHIFT			32
#define MPMU_FLAW(n)			(1ull << (MPMU_FLAW_SHIFT + (n)))
#define MPMU_FLAW_TXCP_DEAD		MPMU_FLAW(0)	/* nothing counts with IN_TXCP */
#define MPMU_FLAW_SIGN_EXTENDED		MPMU_FLAW(1)	/* each write of a counter is */
#define MPMU_FLAW_UNTRUNCATED		MPMU_FLAW(2)	/* a legacy write: soon it overflows */
#define MPMU_FLAW_LVTPC_MASKED		MPMU_FLAW(3)	/* by delivery: AMD; for good: Intel */
#define MPMU_FLAW_LATE_PMI		MPMU_FLAW(4)	/* by 6,000 instructions */
#define MPMU_FLAW_DEAD_GENERAL		MPMU_FLAW(5)	/* no general counter counts */
#define MPMU_FLAW_DEAD_UPPER		MPMU_FLAW(6)	/* nor half of them */
#define MPMU_FLAW_GLOBAL_RESET		MPMU_FLAW(7)	/* to 0 */
#define MPMU_FLAW_RUNS_ON		MPMU_FLAW(8)	/* a counter switched off by its control */
#define MPMU_FLAW_SELECTOR_BITS		MPMU_FLAW(9)	/* 35:32 are nothing */
#define MPMU_FLAW_RDPMC_FAULTS		MPMU_FLAW(10)	/* of the last one, and fixed ones, in user mode */
#define MPMU_FLAW_RDPMC_LAX		MPMU_FLAW(11)	/* each index reads */
#define MPMU_FLAW_RDPMC_OPEN		MPMU_FLAW(12)	/* whatever CR4.PCE is */
#define MPMU_FLAW_LBR_FORMAT		MPMU_FLAW(13)	/* without LBRs */
#define MPMU_FLAW_METRICS_BIT		MPMU_FLAW(14)	/* without PERF_METRICS */
#define MPMU_FLAW_DEAD_EXTRA		MPMU_FLAW(15)	/* events of OFFCORE_RSP count instructions */
#define MPMU_FLAW_OTHER_AP		MPMU_FLAW(16)	/* with another PMU, as CPUID says */
#define MPMU_FLAW_FIRMWARE_COUNTER	MPMU_FLAW(17)	/* runs */
#define MPMU_FLAW_HYBRID_GUEST		MPMU_FLAW(18)	/* as CPUID says */

#define MPMU_FLAW_NAMES(row) \
	row("txcp-dead", MPMU_FLAW_TXCP_DEAD) \
	row("sign-extended", MPMU_FLAW_SIGN_EXTENDED) \
	row("untruncated", MPMU_FLAW_UNTRUNCATED) \
	row("lvtpc-masked", MPMU_FLAW_LVTPC_MASKED) \
	row("late-pmi", MPMU_FLAW_LATE_PMI) \
	row("dead-general", MPMU_FLAW_DEAD_GENERAL) \
	row("dead-upper", MPMU_FLAW_DEAD_UPPER) \
	row("global-reset", MPMU_FLAW_GLOBAL_RESET) \
	row("runs-on", MPMU_FLAW_RUNS_ON) \
	row("selector-bits", MPMU_FLAW_SELECTOR_BITS) \
	row("rdpmc-faults", MPMU_FLAW_RDPMC_FAULTS) \
	row("rdpmc-lax", MPMU_FLAW_RDPMC_LAX) \
	row("rdpmc-open", MPMU_FLAW_RDPMC_OPEN) \
	row("lbr-format", MPMU_FLAW_LBR_FORMAT) \
	row("metrics-bit", MPMU_FLAW_METRICS_BIT) \
	row("dead-extra", MPMU_FLAW_DEAD_EXTRA) \
	row("other-ap", MPMU_FLAW_OTHER_AP) \
	row("firmware-counter", MPMU_FLAW_FIRMWARE_COUNTER) \
	row("hybrid-guest", MPMU_FLAW_HYBRID_GUEST)

#define MPMU_MAX_REGIONS	16
#define MPMU_MAX_PMCS		16	/* of each kind */
#define MPMU_MAX_RECORDS	100000

/*
 * Addresses of the host's kernel to watch on this CPU.  Windows, in which the
 * guest has the PMU, begin at the first instruction of one function and end
 * when a counter counts the host's kernel again, some time after the first
 * instruction of another.
 */
#define MPMU_WATCH_BEGIN	0
#define MPMU_WATCH_END		1
#define MPMU_WATCH_RECLAIM	2	/* the host takes the PMU from its owner */
#define MPMU_WATCH_DISOWN	3	/* the PMU changes hands, for any reason */
#define MPMU_WATCHES		4

#define MPMU_NEAR		64	/* instructions of the guest */

/* Indices of [mode][cpl]: root mode or guest mode; CPL 0 to 2, or CPL 3. */
#define MPMU_ROOT		0
#define MPMU_GUEST		1
#define MPMU_KERNEL		0
#define MPMU_USER		1

/*
 * Index into vmexits[]: an Intel basic exit reason; an AMD exit code, where
 * those from 0x400 (nested page fault, AVIC) on come after 0xff.
 */
#define MPMU_NR_EXITS		272
#define MPMU_EXIT_AMD_0X400	256	/* + code - 0x400 */
#define MPMU_EXIT_INVALID	271	/* entry refused */

/* Index into counts[]: what else the truth counts. */
#define MPMU_TRUTH_CONDITIONAL	0
#define MPMU_TRUTH_TAKEN	1	/* near branches */
#define MPMU_TRUTH_CALLS	2	/* near */
#define MPMU_TRUTH_RETURNS	3	/* near */
#define MPMU_TRUTH_FAR		4	/* branches */
#define MPMU_TRUTH_LOADS	5	/* instructions that load; REP is one; see COUNT_MEMORY */
#define MPMU_TRUTH_STORES	6
#define MPMU_TRUTH_INTERRUPTS	7	/* taken here, NMIs included */
#define MPMU_TRUTH_COUNTS	8

/* Index into topdown[]: in the order of the fields of PERF_METRICS. */
#define MPMU_TRUTH_USES		8

#ifdef __ASSEMBLER__

#define MPMU_MAGIC_NOP(cmd, arg) \
	.byte 0x0f, 0x1f, 0x80; .long MPMU_MAGIC(cmd, arg)

#else

/*
 * Kept by code that shares no sum with the counters.  Instructions and
 * branches are those retired before the READ_TRUTH itself: a faulting or
 * VM-exiting instruction does not retire, REP is one, VMRESUME and VMRUN belong
 * to root mode.
 */
struct mpmu_truth_pmc {
	unsigned long long overflows;	/* wraps while counting */
	unsigned long long raised;	/* of these, with the interrupt enabled */
	unsigned long long delivered;	/* accepted by an unmasked LVTPC */
	unsigned long long dropped;	/* arrived at a masked LVTPC */
};

struct mpmu_truth {
	unsigned long long magic;	/* MPMU_MAGIC_TRUTH */
	unsigned long long cpu;
	unsigned long long instructions[2][2];
	unsigned long long branches[2][2];
	unsigned long long cycles[2][2];
	unsigned long long ref_cycles[2][2];
	unsigned long long slots[2][2];
	unsigned long long counts[MPMU_TRUTH_COUNTS][2][2];
	unsigned long long topdown[MPMU_TRUTH_USES][2][2];	/* slots, by use */
	struct mpmu_truth_pmc gp[MPMU_MAX_PMCS];
	struct mpmu_truth_pmc fixed[MPMU_MAX_PMCS];
	unsigned long long lvtpc_delivered;	/* interrupts, of all causes */
	unsigned long long pt_raised;
	unsigned long long reserved[6];
};

/* What the PMU of this CPU holds now; counters are folded up to date. */
struct mpmu_regs {
	unsigned long long magic;	/* MPMU_MAGIC_REGS */
	unsigned long long cpu;
	unsigned long long intel;	/* 1 Intel, 0 AMD */
	unsigned long long version;	/* arch-perfmon, or 0, 1 (core ext), 2 */
	unsigned long long gp_mask;
	unsigned long long fixed_mask;
	unsigned long long eventsel[MPMU_MAX_PMCS];
	unsigned long long gp[MPMU_MAX_PMCS];
	unsigned long long fixed[MPMU_MAX_PMCS];
	unsigned long long fixed_ctrl;
	unsigned long long global_ctrl;
	unsigned long long global_status;
	unsigned long long perf_metrics;
	unsigned long long debugctl;
	unsigned long long lvtpc;
	unsigned long long guest_mode;	/* 1 in VMX non-root or SVM guest mode */
	unsigned long long pmi_delay;
	unsigned long long mutations;
	unsigned long long metrics;	/* fields of PERF_METRICS; 0: there is none */
	unsigned long long slots;	/* per cycle */
	unsigned long long signature;	/* CPUID leaf 1 EAX of a real machine, or 0 */
	unsigned long long reserved[4];
};

/*
 * As a guest is entered, with GLOBAL_CTRL loaded; or as it is left, before VM-exit
 * saves or loads anything.
 */
struct mpmu_record {
	unsigned long long magic;	/* MPMU_MAGIC_RECORD, or 0: all have been read */
	unsigned long long entry;	/* 1: entered, 0: left */
	struct mpmu_regs regs;
};

/*
 * This CPU's events between MARK_BEGIN and MARK_END, summed over repeats; an
 * open region counts up to now.  The marks themselves are outside.
 */
struct mpmu_region {
	unsigned long long magic;	/* MPMU_MAGIC_REGION */
	unsigned long long region;
	unsigned long long repeats;	/* MARK_BEGINs */
	unsigned long long instructions[2][2];
	unsigned long long pmu_rdmsr[2];	/* by mode */
	unsigned long long pmu_wrmsr[2];
	unsigned long long rdpmc[2];
	unsigned long long lvtpc_writes;
	unsigned long long pmu_auto;	/* loads and stores by VM entry and exit */
	unsigned long long vmentries;
	unsigned long long vmexits_total;
	unsigned long long vmexits[MPMU_NR_EXITS];
};

/*
 * What this CPU did since MPMU_CMD_WATCH.  "Near" is at most MPMU_NEAR
 * instructions of the guest before or after an overflow while it ran.
 */
struct mpmu_watch {
	unsigned long long magic;	/* MPMU_MAGIC_WATCH */
	unsigned long long hits[MPMU_WATCHES];
	unsigned long long near_overflow[MPMU_WATCHES];
	unsigned long long exits;	/* but for interrupts, PMIs among them */
	unsigned long long exits_near_overflow;
	/*
	 * Instructions that the host's kernel retired with no counter of
	 * instructions enabled for it: outside windows, inside.
	 */
	unsigned long long missed[2];
	unsigned long long longest;	/* missed in one window */
	unsigned long long reserved[3];
};

#define MPMU_MAGIC_NOP(cmd, arg)					\
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0"		\
			 : : "i" (MPMU_MAGIC(cmd, arg)) : "memory")

#define MPMU_MAGIC_NOP_RDI(cmd, arg, rdi)				\
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0"		\
			 : : "i" (MPMU_MAGIC(cmd, arg)), "D" (rdi)	\
			 : "memory")

#endif /* __ASSEMBLER__ */
#endif
