/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief Basic types: PMC sets, results, events.
 *
 * The port header supplies u8 to u64, bool, the errno values and the macros
 * listed in docs/porting.md; nothing else of the host is visible here.
 */
#ifndef MPMU_TYPES_H
#define MPMU_TYPES_H

#include "mpmu_port.h"

#ifdef __cplusplus
#define MPMU_BEGIN_DECLS extern "C" {
#define MPMU_END_DECLS }
#else
/** What is declared between these two has the names of C, in C++, too. */
#define MPMU_BEGIN_DECLS
/** End of MPMU_BEGIN_DECLS. */
#define MPMU_END_DECLS
#endif

/**
 * @defgroup bad Bad input
 * What a function says about bad input is one of:
 * - an errno, a false or a phrase: nothing changed;
 * - that it is ignored, or what it counts as;
 * - "Asserted": undefined.  Debug builds (MPMU_DEBUG) stop there, by
 *   mpmu_assert() of the port header; others do not look.
 *
 * "Asserted: @p vcpu" is short for: not NULL, and made by mpmu_vcpu_init();
 * of other pointers it means that they are not NULL.  Numbers that a guest
 * chooses (an MSR, ECX, a value) are never bad input.
 */

/** Largest number of GP counters; bits 31:0 of a PMC set. */
#define MPMU_MAX_GP 32
/** Largest number of fixed counters; bits 63:32 of a PMC set (16 used). */
#define MPMU_MAX_FIXED 16
/** PMC index of fixed counter 0, as in IA32_PERF_GLOBAL_CTRL. */
#define MPMU_FIXED_BASE 32

/**
 * A set of PMCs in the bit layout of IA32_PERF_GLOBAL_CTRL: GP counter i is
 * bit i, fixed counter i is bit 32 + i.  PERF_METRICS is bit 48 where a set is one
 * of data registers; in a set of counters it is none.
 */
typedef u64 mpmu_pmcs;

/** GP part of a PMC set, in place. */
#define MPMU_GP_MASK 0x00000000ffffffffull
/** Fixed part of a PMC set, in place. */
#define MPMU_FIXED_MASK 0x0000ffff00000000ull

/**
 * What an access of the guest comes to.  Numbered as KVM numbers the results
 * of its MSR handlers; never mixed with errno values.
 */
enum mpmu_result {
	/** Done; a read stored its value. */
	MPMU_DONE = 0,
	/** The guest gets a general-protection fault; nothing changed. */
	MPMU_GP = 1,
	/** Not a register of this PMU; nothing changed. */
	MPMU_NOT_PMU = 2,
};

/** Who asks for a register. */
enum mpmu_initiator {
	/** The guest, by RDMSR, WRMSR or RDPMC. */
	MPMU_BY_GUEST,
	/** The owner of the VM, by an ioctl or its like. */
	MPMU_BY_HOST,
};

/** Architectural events that emulated instructions advance. */
enum mpmu_event {
	/** Instructions retired. */
	MPMU_EVENT_INSTRUCTIONS,
	/** Branch instructions retired. */
	MPMU_EVENT_BRANCHES,
};

#endif
