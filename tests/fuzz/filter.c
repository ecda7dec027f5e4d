// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compiled filters against a search of the list as it was given. */
#include "fuzz.h"

#define MAX_EVENTS (MPMU_FILTER_MAX + 2)
#define EXCLUDE    (1ull << 55)
#define CANARY     0x5a

static bool known(u8 vendor, u64 bits)
{
	u64 event = vendor == MPMU_VENDOR_AMD ? 0xf000000ffull : 0xffull;

	return !(bits & ~(event | 0xff00));
}

static u64 event_of(u8 vendor, u64 bits)
{
	return bits & (vendor == MPMU_VENDOR_AMD ? 0xf000000ffull : 0xffull);
}

static int expected_result(u8 vendor, const struct mpmu_filter_spec *spec)
{
	u32 i;

	if (spec->action > 1 || spec->flags > 1)
		return -EINVAL;
	if (spec->nr_events > MPMU_FILTER_MAX)
		return -E2BIG;
	for (i = 0; spec->flags && i < spec->nr_events; i++)
		if (!known(vendor, spec->events[i] << 9 >> 9))
			return -EINVAL;
	return 0;
}

static bool matches(u8 vendor, const struct mpmu_filter_spec *spec, u64 entry, u64 eventsel)
{
	u8 umask = eventsel >> 8, match = entry >> 8, mask = spec->flags ? entry >> 56 : 0xff;

	if (!spec->flags && !known(vendor, entry))
		return false;
	return event_of(vendor, entry) == event_of(vendor, eventsel) && (umask & mask) == match;
}

static bool expected(u8 vendor, const struct mpmu_filter_spec *spec, u64 eventsel)
{
	bool included = false, excluded = false;
	u32 i;

	for (i = 0; i < spec->nr_events; i++) {
		u64 entry = spec->events[i];

		if (!matches(vendor, spec, entry, eventsel))
			continue;
		if (spec->flags && entry & EXCLUDE)
			excluded = true;
		else
			included = true;
	}
	return (included && !excluded) == (spec->action == MPMU_FILTER_ALLOW);
}

static void check_eventsel(const struct mpmu_filter *filter, u8 vendor,
			   const struct mpmu_filter_spec *spec, u64 eventsel)
{
	fuzz_check(mpmu_filter_allows(filter, eventsel) == expected(vendor, spec, eventsel),
		   "the filter and the list disagree on an event");
}

static void check_fixed(const struct mpmu_filter *filter, const struct mpmu_filter_spec *spec)
{
	u32 i;

	for (i = 0; i < 40; i++) {
		bool hit = i < 32 && spec->fixed_bitmap >> i & 1;

		fuzz_check(mpmu_filter_allows_fixed(filter, i) ==
				   (hit == (spec->action == MPMU_FILTER_ALLOW)),
			   "the filter and the bitmap disagree");
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u64 events[MAX_EVENTS], room[MAX_EVENTS];
	struct input input = {data, size};
	struct mpmu_filter *filter = (struct mpmu_filter *)room;
	u8 vendor = fuzz_take(&input, 1) & 1;
	struct mpmu_filter_spec spec = {
		.action = fuzz_take(&input, 1) % 3,
		.flags = fuzz_take(&input, 1) % 3,
		.fixed_bitmap = fuzz_take(&input, 4),
		.nr_events = fuzz_take(&input, 2) % MAX_EVENTS,
		.events = events,
	};
	u32 i;
	int result;

	for (i = 0; i < spec.nr_events; i++)
		events[i] = fuzz_take(&input, 8);
	memset(room, CANARY, sizeof(room));
	result = mpmu_filter_compile(filter, vendor, &spec);
	fuzz_check(result == expected_result(vendor, &spec), "another result than expected");
	i = result ? 0 : mpmu_filter_size(spec.nr_events);
	for (; i < sizeof(room); i++)
		fuzz_check(((u8 *)room)[i] == CANARY, "written beyond its size, or on an error");
	if (result)
		return 0;
	check_fixed(filter, &spec);
	for (i = 0; i < spec.nr_events; i++) {
		check_eventsel(filter, vendor, &spec, events[i]);
		check_eventsel(filter, vendor, &spec, events[i] ^ 1ull << (i & 63));
	}
	while (input.left)
		check_eventsel(filter, vendor, &spec, fuzz_take(&input, 5));
	return 0;
}
