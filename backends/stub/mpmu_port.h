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

/* As most hypervisors have them: one that has the same names may go on using its own. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

/* Call an op of the vCPU's backend. */
#define mpmu_call(vcpu, slot, ...)          ((vcpu)->host->ops->slot((vcpu), ##__VA_ARGS__))

/* What the core alone knows about: nobody asks. */
#define mpmu_trace_owner(vcpu, cause, before) ((void)(before))
#define mpmu_trace_denied(vcpu, pmc)        ((void)(pmc))

/*
 * index, known to be below size, clamped against speculation: 0 where it is not.
 * The compiler does not see that the mask is known, and makes no branch of it.
 */
static inline u64 mpmu_port_nospec_mask(u64 index, u64 size)
{
	s64 below = (s64)(index - size);

	__asm__("" : "+r"(below));
	return (u64)(below >> 63);
}
#define mpmu_nospec(index, size) \
	((index) & (__typeof__(index))mpmu_port_nospec_mask((index), (size)))

/* A broken promise of the caller; release builds look at none. */
#ifdef MPMU_DEBUG
#define mpmu_assert(condition)              assert(condition)
#else
#define mpmu_assert(condition)              ((void)sizeof(!(condition)))
#endif

#ifdef __cplusplus
#define MPMU_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define MPMU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#endif
