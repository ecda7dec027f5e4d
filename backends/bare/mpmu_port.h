/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Port header: everything that libmpmu needs from its surroundings, on a
 * machine without any.  docs/porting.md lists what each name must do.
 */
#ifndef MPMU_PORT_H
#define MPMU_PORT_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

enum { EAGAIN = 11, E2BIG = 7, EINVAL = 22, EOPNOTSUPP = 95 };

void *memset(void *to, int value, unsigned long size);
int memcmp(const void *a, const void *b, unsigned long size);
void *memcpy(void *to, const void *from, unsigned long size);

/* Call an op of the vCPU's backend.  Nobody traces. */
#define mpmu_call(vcpu, slot, ...) ((vcpu)->host->ops->slot((vcpu), ##__VA_ARGS__))
#define mpmu_trace_owner(vcpu, cause, before) ((void)(before))
#define mpmu_trace_denied(vcpu, pmc) ((void)(pmc))

/* index, known to be below size, clamped: all ones where it is below, else 0. */
static inline u64 mpmu_nospec_mask(u64 index, u64 size)
{
	u64 mask;

	__asm__("cmp %1, %2; sbb %0, %0" : "=r"(mask) : "r"(size), "r"(index) : "cc");
	return mask;
}
#define mpmu_nospec(index, size) ((index) & (__typeof__(index))mpmu_nospec_mask((index), (size)))

/* A broken promise of the caller. */
void bare_assert_failed(const char *condition);
#define mpmu_assert(condition) ((condition) ? (void)0 : bare_assert_failed(#condition))

#define MPMU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)

#endif
