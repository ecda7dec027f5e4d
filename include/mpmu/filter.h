/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief Event filter: which events a guest may count.
 *
 * The rules are those of KVM_SET_PMU_EVENT_FILTER, masked entries included.
 *
 * Some events of Intel count what a register besides the selector chooses, which
 * is the host's: OFFCORE_RSP, SNOOP_RSP, the latency threshold of loads,
 * PEBS_FRONTEND.  mpmu_vcpu_reprogram() denies them with every filter but an
 * allow list that has them: whoever lists one consents to a count by the host's
 * value.  docs/msr-policy.md names them.
 *
 * Pure functions of their arguments, for any context; a compiled filter does not
 * change and may be read by all CPUs.
 */
#ifndef MPMU_FILTER_H
#define MPMU_FILTER_H

#include <mpmu/caps.h>

MPMU_BEGIN_DECLS

/** Largest number of entries of a filter. */
#define MPMU_FILTER_MAX 300

/** What happens to listed events. */
enum mpmu_filter_action {
	/** Listed events may count, others not. */
	MPMU_FILTER_ALLOW = 0,
	/** Listed events may not count, others may. */
	MPMU_FILTER_DENY = 1,
};

/** Flag of mpmu_filter_spec: entries carry a mask, a match and an exclude bit. */
#define MPMU_FILTER_MASKED 1u

/** A filter as its owner writes it; entries as in KVM_SET_PMU_EVENT_FILTER. */
struct mpmu_filter_spec {
	/** enum mpmu_filter_action. */
	u32 action;
	/** 0 or MPMU_FILTER_MASKED. */
	u32 flags;
	/** Bit i: fixed counter i is listed. */
	u32 fixed_bitmap;
	/** Entries in @p events. */
	u32 nr_events;
	/** The entries. */
	const u64 *events;
};

/** One compiled entry; internal order, plain data. */
struct mpmu_filter_entry {
	/** Event select, 12 bits. */
	u16 event;
	/** Unit mask bits that are compared. */
	u8 mask;
	/** Their value. */
	u8 match;
};

/** A compiled, immutable filter.  Owned by the caller; see mpmu_filter_size(). */
struct mpmu_filter {
	/** enum mpmu_vendor: decides how wide an event select is. */
	u8 vendor;
	/** enum mpmu_filter_action. */
	u8 action;
	/** Entries that include, sorted by event, first in entries[]. */
	u16 nr_includes;
	/** Entries that exclude, sorted by event, behind them. */
	u16 nr_excludes;
	/** Bit i: fixed counter i is listed. */
	u32 fixed_bitmap;
	/** nr_includes + nr_excludes entries. */
	struct mpmu_filter_entry entries[];
};

/**
 * Bytes that a compiled filter of @p nr_events entries needs.  Any number will
 * do; mpmu_filter_compile() refuses those above MPMU_FILTER_MAX.
 */
u64 mpmu_filter_size(u32 nr_events);

/**
 * Compile @p spec into @p filter, which has mpmu_filter_size() bytes.
 *
 * @return 0; -EINVAL: NULL, or an unknown vendor, action, flag or reserved bit
 *         of a masked entry; -E2BIG: more than MPMU_FILTER_MAX entries.
 *         Nothing is written on an error.
 */
int mpmu_filter_compile(struct mpmu_filter *filter, enum mpmu_vendor vendor,
			const struct mpmu_filter_spec *spec);

/**
 * May a GP counter count what @p eventsel selects, by the filter alone?  NULL
 * filter: yes.  Bits of
 * @p eventsel besides event and unit mask are ignored.  Asserted: a filter that
 * mpmu_filter_compile() made.
 */
bool mpmu_filter_allows(const struct mpmu_filter *filter, u64 eventsel);

/**
 * May fixed counter @p index count?  NULL filter: yes.  Those from 32 on are
 * never listed.
 */
bool mpmu_filter_allows_fixed(const struct mpmu_filter *filter, u32 index);

MPMU_END_DECLS

#endif
