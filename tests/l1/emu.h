/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program asks the emulator about the CPU it runs on. */
#ifndef TEST_EMU_H
#define TEST_EMU_H

#include <stdbool.h>
#include <stdint.h>

#include "../rig/emulator/mpmu_magic.h"

static inline bool emu_present(void)
{
	unsigned long long answer = 0;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_PRESENT, 0, &answer);
	return answer == MPMU_MAGIC_PRESENT;
}

static inline void emu_mutate(uint64_t mask)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_SET_MUTATE, 0, mask);
}

static inline void emu_pmi_delay(uint64_t delay)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_SET_PMI_DELAY, 0, delay);
}

/* The truth has loads and stores from now on, which slows the emulator down. */
static inline void emu_count_memory(void)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_COUNT_MEMORY, 0, 0);
}

/* Of the host to PMU registers, LVTPC aside. */
static inline uint64_t emu_root_accesses(const struct mpmu_region *region)
{
	return region->pmu_rdmsr[MPMU_ROOT] + region->pmu_wrmsr[MPMU_ROOT] +
	       region->rdpmc[MPMU_ROOT];
}

/* Inlined, since the slot stands in the opcode. */
static inline __attribute__((always_inline)) void emu_watch(unsigned int slot, uint64_t address)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_WATCH, slot, address);
}

/*
 * Counters and truth at one point: the truth is two instructions further, in
 * user mode or not as the caller is, which cancels out between two of these.
 */
struct snapshot {
	struct mpmu_regs regs;
	struct mpmu_truth truth;
};

static inline uint64_t truth_total(const struct mpmu_truth *t)
{
	return t->instructions[0][0] + t->instructions[0][1] +
	       t->instructions[1][0] + t->instructions[1][1];
}

static inline __attribute__((always_inline))
void emu_snapshot_once(struct mpmu_truth *before, struct snapshot *s)
{
	__asm__ volatile("mov %0, %%rdi\n\t"
			 ".byte 0x0f, 0x1f, 0x80; .long %c3\n\t"
			 "mov %1, %%rdi\n\t"
			 ".byte 0x0f, 0x1f, 0x80; .long %c4\n\t"
			 "mov %2, %%rdi\n\t"
			 ".byte 0x0f, 0x1f, 0x80; .long %c3"
			 : : "r" (before), "r" (&s->regs), "r" (&s->truth),
			 "i" (MPMU_MAGIC(MPMU_CMD_READ_TRUTH, 0)),
			 "i" (MPMU_MAGIC(MPMU_CMD_READ_REGS, 0))
			 : "rdi", "memory");
}

/* Once more if an interrupt or a page fault came between. */
static inline void emu_snapshot(struct snapshot *s)
{
	struct mpmu_truth before;

	do {
		emu_snapshot_once(&before, s);
	} while (truth_total(&s->truth) - truth_total(&before) != 4);
}

#endif
