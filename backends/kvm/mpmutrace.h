/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of mediated PMUs.  Included by ops.c alone.
 *
 * An owner may change with the scheduler's and perf's locks held, IRQs off, as
 * the MSRs do whose tracepoints perf passes there.  What is attached takes none
 * of these locks, and wakes its reader by irq_work: perf_tp_event() takes a
 * ctx->lock for a tracepoint that names a task with __perf_task() alone, which
 * none here may do.
 */
#if !defined(_TRACE_KVM_MPMU_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_MPMU_H

#include <linux/tracepoint.h>

#include <mpmu/mpmu.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

TRACE_DEFINE_ENUM(MPMU_CAUSE_ENTRY);
TRACE_DEFINE_ENUM(MPMU_CAUSE_PUT);
TRACE_DEFINE_ENUM(MPMU_CAUSE_RECLAIM);
TRACE_DEFINE_ENUM(MPMU_CAUSE_DISPLACED);
TRACE_DEFINE_ENUM(MPMU_CAUSE_OTHER);
TRACE_DEFINE_ENUM(MPMU_CAUSE_RESET);

/* A vCPU became the owner of the PMU (entry), or ceased to be it (all others). */
TRACE_EVENT(kvm_mpmu_owner,
	TP_PROTO(unsigned int vcpu_id, u32 cause, u64 read, u64 written, u64 skipped),
	TP_ARGS(vcpu_id, cause, read, written, skipped),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u32, cause)
		__field(u64, read)
		__field(u64, written)
		__field(u64, skipped)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->cause = cause;
		__entry->read = read;
		__entry->written = written;
		__entry->skipped = skipped;
	),

	TP_printk("vcpu %u %s: registers read %llu, written %llu, skipped %llu",
		  __entry->vcpu_id,
		  __print_symbolic(__entry->cause,
				   { MPMU_CAUSE_ENTRY, "entry" },
				   { MPMU_CAUSE_PUT, "put" },
				   { MPMU_CAUSE_RECLAIM, "reclaim" },
				   { MPMU_CAUSE_DISPLACED, "displaced" },
				   { MPMU_CAUSE_OTHER, "other" },
				   { MPMU_CAUSE_RESET, "reset" }),
		  __entry->read, __entry->written, __entry->skipped)
);

/* The guest has used its PMU, or has not for a while. */
TRACE_EVENT(kvm_mpmu_intercepts,
	TP_PROTO(unsigned int vcpu_id, bool open),
	TP_ARGS(vcpu_id, open),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(bool, open)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->open = open;
	),

	TP_printk("vcpu %u %s", __entry->vcpu_id, __entry->open ? "open" : "closed")
);

/* A counter's overflow, on its way to the guest's LVTPC. */
TRACE_EVENT(kvm_mpmu_pmi,
	TP_PROTO(unsigned int vcpu_id),
	TP_ARGS(vcpu_id),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
	),

	TP_printk("vcpu %u", __entry->vcpu_id)
);

/* The filter denies what the guest enabled.  PMCs as in GLOBAL_CTRL. */
TRACE_EVENT(kvm_mpmu_denied,
	TP_PROTO(unsigned int vcpu_id, u32 pmc, u64 eventsel),
	TP_ARGS(vcpu_id, pmc, eventsel),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u32, pmc)
		__field(u64, eventsel)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->pmc = pmc;
		__entry->eventsel = eventsel;
	),

	TP_printk("vcpu %u pmc %u eventsel 0x%llx", __entry->vcpu_id, __entry->pmc,
		  __entry->eventsel)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH mpmu
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE mpmutrace

/* This part must be outside protection */
#include <trace/define_trace.h>
