/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Port header for the model checker: operations are those of proof.c. */
#ifndef MPMU_PORT_H
#define MPMU_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct mpmu_vcpu;

/* The set type is spelled out because mpmu/types.h comes after this header. */
#define mpmu_pmcs u64
#define MPMU_OP(ret, name, args) ret proof_##name args;
#include <mpmu/ops.def>
#undef MPMU_OP
#undef mpmu_pmcs

#define mpmu_call(vcpu, slot, ...) proof_##slot((vcpu), ##__VA_ARGS__)
#define mpmu_trace_owner(vcpu, cause, before) ((void)(before))
#define mpmu_trace_denied(vcpu, pmc) ((void)(pmc))

/* What the core promises to this macro is part of each theorem. */
#define mpmu_nospec(index, size) \
	(__CPROVER_assert((index) < (size), "nospec: the index is below the size"), (index))

#define mpmu_assert(condition) __CPROVER_assert(condition, "a promise of the caller: " #condition)

#define MPMU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)

#endif
