/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Port header of the hosted library: everything that libmpmu needs from its
 * surroundings.  docs/porting.md lists what each name must do.
 */
#ifndef MPMU_PORT_H
#define MPMU_PORT_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

/* Call an op of the vCPU's backend. */
#define mpmu_call(vcpu, slot, ...)          ((vcpu)->host->ops->slot((vcpu), ##__VA_ARGS__))

/* What the core alone knows about: nobody asks. */
#define mpmu_trace_owner(vcpu, cause, before) ((void)(before))
#define mpmu_trace_denied(vcpu, pmc)        ((void)(pmc))

/* index, known to be below size, clamped against speculation. */
#define mpmu_nospec(index, size)            ((void)(size), (index))

/* A broken promise of the caller; release builds look at none. */
#ifdef MPMU_DEBUG
#define mpmu_assert(condition)              assert(condition)
#else
#define mpmu_assert(condition)              ((void)sizeof(!(condition)))
#endif

#define MPMU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)

#endif
