/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Event filter: compiled once, searched by event select.
 */
#include "internal.h"

/* Layout of a masked entry. */
#define ENTRY_MASK_SHIFT 56
#define ENTRY_EXCLUDE    (1ull << 55)
#define ENTRY_MASK       (0xffull << ENTRY_MASK_SHIFT)

static u16 filter_event_of(const struct mpmu_desc *desc, u64 eventsel)
{
	eventsel &= desc->sel_event;
	return (eventsel & MPMU_SEL_EVENT) | eventsel >> 32 << 8;
}

static u8 filter_umask_of(u64 eventsel)
{
	return (eventsel & MPMU_SEL_UMASK) >> 8;
}

static bool filter_masked(const struct mpmu_filter_spec *spec)
{
	return spec->flags & MPMU_FILTER_MASKED;
}

/* Bits of an entry that can mean something. */
static u64 filter_entry_bits(const struct mpmu_desc *desc, const struct mpmu_filter_spec *spec)
{
	u64 bits = desc->sel_event | MPMU_SEL_UMASK;

	return filter_masked(spec) ? bits | ENTRY_MASK | ENTRY_EXCLUDE : bits;
}

static bool filter_entries_valid(const struct mpmu_desc *desc, const struct mpmu_filter_spec *spec)
{
	u64 valid = filter_entry_bits(desc, spec);
	u32 i;

	/* Without masks an impossible entry is no error: it matches nothing. */
	if (!filter_masked(spec))
		return true;
	for (i = 0; i < spec->nr_events; i++) {
		if (spec->events[i] & ~valid)
			return false;
	}
	return true;
}

static int filter_check(const struct mpmu_desc *desc, const struct mpmu_filter_spec *spec)
{
	if (!desc || !spec || (spec->nr_events && !spec->events))
		return -EINVAL;
	if (spec->action > MPMU_FILTER_DENY || spec->flags & ~MPMU_FILTER_MASKED)
		return -EINVAL;
	if (spec->nr_events > MPMU_FILTER_MAX)
		return -E2BIG;
	if (!filter_entries_valid(desc, spec))
		return -EINVAL;
	return 0;
}

/* Keep entries[0..count) sorted by event: 300 at most, and once for each filter. */
static void filter_insert(struct mpmu_filter_entry *entries, u32 count,
			  struct mpmu_filter_entry entry)
{
	while (count && entries[count - 1].event > entry.event) {
		entries[count] = entries[count - 1];
		count--;
	}
	entries[count] = entry;
}

/* Insert the entries that include, or those that exclude; returns how many. */
static u16 filter_collect(struct mpmu_filter_entry *entries, const struct mpmu_desc *desc,
			  const struct mpmu_filter_spec *spec, bool exclude)
{
	u64 possible = filter_entry_bits(desc, spec);
	u16 count = 0;
	u32 i;

	for (i = 0; i < spec->nr_events; i++) {
		u64 raw = spec->events[i];
		struct mpmu_filter_entry entry = {
			.event = filter_event_of(desc, raw),
			.mask = filter_masked(spec) ? raw >> ENTRY_MASK_SHIFT : 0xff,
			.match = filter_umask_of(raw),
		};

		if (raw & ~possible || !!(raw & ENTRY_EXCLUDE) != exclude)
			continue;
		filter_insert(entries, count++, entry);
	}
	return count;
}

MPMU_COLD u64 mpmu_filter_size(u32 nr_events)
{
	return sizeof(struct mpmu_filter) + (u64)nr_events * sizeof(struct mpmu_filter_entry);
}

MPMU_COLD int mpmu_filter_compile(struct mpmu_filter *filter, enum mpmu_vendor vendor,
				  const struct mpmu_filter_spec *spec)
{
	const struct mpmu_desc *desc = mpmu_desc_of(vendor);
	int err = filter ? filter_check(desc, spec) : -EINVAL;

	if (err)
		return err;
	filter->vendor = vendor;
	filter->action = spec->action;
	filter->fixed_bitmap = spec->fixed_bitmap;
	filter->nr_includes = filter_collect(filter->entries, desc, spec, false);
	filter->nr_excludes =
		filter_collect(filter->entries + filter->nr_includes, desc, spec, true);
	return 0;
}

/* First entry whose event is not below the given one. */
static u32 filter_lower_bound(const struct mpmu_filter_entry *entries, u32 count, u16 event)
{
	u32 low = 0;

	while (low < count) {
		u32 middle = low + (count - low) / 2;

		if (entries[middle].event < event)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

static bool filter_listed(const struct mpmu_filter_entry *entries, u32 count, u16 event, u8 umask)
{
	u32 i;

	for (i = filter_lower_bound(entries, count, event); i < count; i++) {
		if (entries[i].event != event)
			return false;
		if ((umask & entries[i].mask) == entries[i].match)
			return true;
	}
	return false;
}

bool mpmu_filter_allows(const struct mpmu_filter *filter, u64 eventsel)
{
	const struct mpmu_filter_entry *excludes;
	u8 umask = filter_umask_of(eventsel);
	bool hit;
	u16 event;

	if (!filter)
		return true;
	mpmu_assert(mpmu_desc_of(filter->vendor));
	event = filter_event_of(mpmu_desc_of(filter->vendor), eventsel);
	excludes = filter->entries + filter->nr_includes;
	hit = filter_listed(filter->entries, filter->nr_includes, event, umask) &&
	      !filter_listed(excludes, filter->nr_excludes, event, umask);
	return hit == (filter->action == MPMU_FILTER_ALLOW);
}

bool mpmu_filter_allows_fixed(const struct mpmu_filter *filter, u32 index)
{
	bool hit;

	if (!filter)
		return true;
	hit = index < 32 && filter->fixed_bitmap & (1u << index);
	return hit == (filter->action == MPMU_FILTER_ALLOW);
}
