// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* filter.c: rows F. */
#include "../lib/unit.h"

#define MAX_EVENTS 4

/* A masked entry: event, mask, match, exclude. */
#define MASKED(event, mask, match, exclude)                                                  \
	(((event)&0xff) | ((event)&0xf00ull) << 24 | (u64)(match) << 8 | (u64)(mask) << 56 | \
	 (u64)(exclude) << 55)

struct compile_row {
	const char *id;
	struct mpmu_filter_spec spec;
	u64 event;
	int result;
};

static const struct compile_row compiles[] = {
	{"F empty allow list", {.action = MPMU_FILTER_ALLOW}, 0, 0},
	{"F deny list", {.action = MPMU_FILTER_DENY, .nr_events = 1}, 0xc0, 0},
	{"F bad action", {.action = 2}, 0, -EINVAL},
	{"F bad flag", {.flags = 2}, 0, -EINVAL},
	{"F 300 entries", {.nr_events = 300}, 0xc0, 0},
	{"F 301 entries", {.nr_events = 301}, 0xc0, -E2BIG},
	{"F masked entry", {.flags = 1, .nr_events = 1}, MASKED(0xc0, 0xff, 0, 1), 0},
	{"F masked entry, reserved bit 16", {.flags = 1, .nr_events = 1}, 1 << 16, -EINVAL},
	{"F masked entry, reserved bit 40", {.flags = 1, .nr_events = 1}, 1ull << 40, -EINVAL},
	{"F masked entry, event of AMD", {.flags = 1, .nr_events = 1}, 1ull << 32, -EINVAL},
};

static void check_compile(void **state)
{
	const struct compile_row *row = *state;
	static u64 events[301], space[1024];
	struct mpmu_filter *filter = (struct mpmu_filter *)space;
	struct mpmu_filter_spec spec = row->spec;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		events[i] = row->event;
	spec.events = events;
	memset(space, 0x5a, sizeof(space));
	assert_true(mpmu_filter_size(spec.nr_events) <= sizeof(space));
	assert_int_equal(mpmu_filter_compile(filter, MPMU_VENDOR_INTEL, &spec), row->result);
	/* The byte behind it, or all of it after an error, is as it was. */
	i = row->result ? 0 : mpmu_filter_size(spec.nr_events);
	assert_int_equal(((u8 *)space)[i], 0x5a);
}

struct allow_row {
	const char *id;
	u8 vendor;
	u8 action;
	u8 flags;
	u8 nr_events;
	u64 events[MAX_EVENTS];
	u64 eventsel;
	bool allowed;
};

#define INTEL MPMU_VENDOR_INTEL
#define AMD   MPMU_VENDOR_AMD
#define ALLOW MPMU_FILTER_ALLOW
#define DENY  MPMU_FILTER_DENY

static const struct allow_row allows[] = {
	{"F allow list: listed", INTEL, ALLOW, 0, 2, {0xc4, 0xc0}, 0xc0, true},
	{"F allow list: not listed", INTEL, ALLOW, 0, 2, {0xc4, 0xc0}, 0x3c, false},
	{"F allow list: other unit mask", INTEL, ALLOW, 0, 1, {0xc0}, 0x1c0, false},
	{"F allow list: empty", INTEL, ALLOW, 0, 0, {0}, 0xc0, false},
	{"F deny list: listed", INTEL, DENY, 0, 2, {0xc4, 0xc0}, 0xc0, false},
	{"F deny list: not listed", INTEL, DENY, 0, 2, {0xc4, 0xc0}, 0x3c, true},
	{"F deny list: empty", INTEL, DENY, 0, 0, {0}, 0xc0, true},
	{"F control bits of the selector do not matter",
	 INTEL,
	 DENY,
	 0,
	 1,
	 {0xc0},
	 0xff5300c0,
	 false},
	{"F unmasked entry with high bits matches nothing",
	 INTEL,
	 DENY,
	 0,
	 1,
	 {1ull << 32 | 0xc0},
	 0xc0,
	 true},
	{"F unmasked entry with a mask matches nothing",
	 INTEL,
	 DENY,
	 0,
	 1,
	 {1ull << 56 | 0xc0},
	 0xc0,
	 true},
	{"F event of 12 bits (AMD)",
	 AMD,
	 DENY,
	 0,
	 1,
	 {1ull << 32 | 0xc0},
	 1ull << 32 | 0xc0,
	 false},
	{"F event of 12 bits, low 8 alike (AMD)", AMD, DENY, 0, 1, {1ull << 32 | 0xc0}, 0xc0, true},
	{"F event select above bit 7 is not compared (Intel)",
	 INTEL,
	 DENY,
	 0,
	 1,
	 {0xc0},
	 1ull << 32 | 0xc0,
	 false},
	{"F masked: one bit of the unit mask",
	 INTEL,
	 DENY,
	 1,
	 1,
	 {MASKED(0xc4, 0x20, 0x20, 0)},
	 0x31c4,
	 false},
	{"F masked: bit is clear", INTEL, DENY, 1, 1, {MASKED(0xc4, 0x20, 0x20, 0)}, 0x11c4, true},
	{"F masked: mask 0 takes all", INTEL, ALLOW, 1, 1, {MASKED(0xc4, 0, 0, 0)}, 0xffc4, true},
	{"F masked: exclude wins",
	 INTEL,
	 ALLOW,
	 1,
	 2,
	 {MASKED(0xc4, 0, 0, 0), MASKED(0xc4, 0xff, 0x20, 1)},
	 0x20c4,
	 false},
	{"F masked: others stay included",
	 INTEL,
	 ALLOW,
	 1,
	 2,
	 {MASKED(0xc4, 0xff, 0x20, 1), MASKED(0xc4, 0, 0, 0)},
	 0x21c4,
	 true},
	{"F masked: exclude alone includes nothing",
	 INTEL,
	 ALLOW,
	 1,
	 1,
	 {MASKED(0xc4, 0xff, 0x20, 1)},
	 0x21c4,
	 false},
	{"F masked: exclude of another event",
	 INTEL,
	 DENY,
	 1,
	 3,
	 {MASKED(0xc0, 0, 0, 0), MASKED(0xc4, 0, 0, 1), MASKED(0x3c, 0, 0, 0)},
	 0xc0,
	 false},
	{"F masked: second entry of an event",
	 INTEL,
	 ALLOW,
	 1,
	 2,
	 {MASKED(0xc4, 0xff, 0x10, 0), MASKED(0xc4, 0xff, 0x20, 0)},
	 0x20c4,
	 true},
	{"F masked: what is behind the last entry is none",
	 INTEL,
	 DENY,
	 1,
	 1,
	 {MASKED(0xc4, 0xff, 0x20, 0), 1 << 16},
	 0x20c4,
	 false},
	{"F masked: match outside the mask matches nothing",
	 INTEL,
	 DENY,
	 1,
	 1,
	 {MASKED(0xc4, 0x20, 0x21, 0)},
	 0x21c4,
	 true},
	{"F sorted: first, middle, last", INTEL, DENY, 0, 4, {0xff, 0x01, 0xc4, 0x3c}, 0xff, false},
};

static void check_allow(void **state)
{
	const struct allow_row *row = *state;
	u64 space[32];
	struct mpmu_filter *filter = (struct mpmu_filter *)space;
	struct mpmu_filter_spec spec = {
		.action = row->action,
		.flags = row->flags,
		.nr_events = row->nr_events,
		.events = row->events,
	};

	assert_int_equal(mpmu_filter_compile(filter, row->vendor, &spec), 0);
	assert_int_equal(mpmu_filter_allows(filter, row->eventsel), row->allowed);
	assert_true(mpmu_filter_allows(NULL, row->eventsel));
}

struct fixed_row {
	const char *id;
	u8 action;
	u32 bitmap;
	u32 index;
	bool allowed;
};

static const struct fixed_row fixeds[] = {
	{"F fixed bitmap: allowed", ALLOW, 4, 2, true},
	{"F fixed bitmap: not allowed", ALLOW, 4, 1, false},
	{"F fixed bitmap: denied", DENY, 4, 2, false},
	{"F fixed bitmap: not denied", DENY, 4, 1, true},
	{"F fixed bitmap: index 31", DENY, 1u << 31, 31, false},
	{"F fixed bitmap: index beyond", ALLOW, ~0u, 32, false},
};

static void check_fixed(void **state)
{
	const struct fixed_row *row = *state;
	struct mpmu_filter filter;
	struct mpmu_filter_spec spec = {.action = row->action, .fixed_bitmap = row->bitmap};

	assert_int_equal(mpmu_filter_compile(&filter, INTEL, &spec), 0);
	assert_int_equal(mpmu_filter_allows_fixed(&filter, row->index), row->allowed);
	assert_true(mpmu_filter_allows_fixed(NULL, row->index));
}

static void second_entry(void)
{
	const u64 events[] = {MASKED(0xc0, 0xff, 0, 0), 1 << 16};
	const struct mpmu_filter_spec spec = {.flags = 1, .nr_events = 2, .events = events};
	u64 space[8];

	assert_int_equal(mpmu_filter_compile((struct mpmu_filter *)space, INTEL, &spec), -EINVAL);
}

/* Event and unit mask, and whether a register of the host decides what it counts. */
struct extra_row {
	const char *id;
	const char *model;
	u64 event;
	bool denied;
};

static const struct extra_row extras[] = {
	{"B9 snoop response 0", "intel-v5-8-4", 0x0127, true},
	{"B9 snoop response 1", "intel-v5-8-4", 0x0227, true},
	{"B9 its event without either", "intel-v5-8-4", 0x0427, false},
	{"B9 offcore response 0", "intel-v5-8-4", 0x012a, true},
	{"B9 offcore response 1", "intel-v5-8-4", 0x012b, true},
	{"B9 offcore response 0, earlier", "intel-v4", 0x01b7, true},
	{"B9 offcore response 1, earlier", "intel-v4", 0x01bb, true},
	{"B9 offcore response 1, small cores", "intel-v4", 0x02b7, true},
	{"B9 unknown branches", "intel-v5-8-4", 0x40ad, true},
	{"B9 its event, another unit mask", "intel-v5-8-4", 0x80ad, false},
	{"B9 microcode sequencer", "intel-v5-8-4", 0x04c2, true},
	{"B9 its event, another unit mask", "intel-v5-8-4", 0x02c2, false},
	{"B9 front end", "intel-v4", 0x01c6, true},
	{"B9 front end, later", "intel-v5-8-4", 0x03c6, true},
	{"B9 latency of loads", "intel-v4", 0x01cd, true},
	{"B9 latency of loads and stores", "intel-v4", 0x03cd, true},
	{"B9 stores", "intel-v4", 0x02cd, false},
	{"B9 latency of loads, small cores", "intel-v5-8-4", 0x05d0, true},
	{"B9 latency of stores, small cores", "intel-v5-8-4", 0x06d0, true},
	{"B9 loads that retire", "intel-v5-8-4", 0x81d0, false},
	{"B9 both kinds that retire", "intel-v5-8-4", 0x83d0, false},
	{"B9 instructions", "intel-v5-8-4", 0x00c0, false},
	{"B9 branches", "intel-v5-8-4", 0x00c4, false},
	{"B9 a neighbour of offcore response", "intel-v4", 0x01b8, false},
	{"B9 AMD has none", "amd-v2", 0x01b7, false},
	{"B9 AMD's branches", "amd-v2", 0x04c2, false},
};

/* Does hardware count the event, by a filter of one event, or by none? */
static bool counts(const struct extra_row *row, const struct mpmu_filter_spec *spec)
{
	static struct unit_world world;
	static u64 space[8];
	struct stub_vcpu *vcpu = unit_world_init(&world, row->model, row->model);
	bool is_amd = vcpu->mpmu.host->caps.vendor == MPMU_VENDOR_AMD, counting;

	if (spec) {
		assert_int_equal(mpmu_filter_compile((void *)space, vcpu->mpmu.host->caps.vendor,
						     spec),
				 0);
		stub_vcpu_set_filter(vcpu, (void *)space);
	}
	unit_wrmsr(vcpu, is_amd ? 0xc0010200 : 0x186, 0x430000 | row->event);
	stub_enter(vcpu);
	counting = vcpu->mpmu.eventsel_hw[0] & STUB_EVENTSEL_ENABLE;
	assert_int_equal(vcpu->mpmu.stats->denied_events, !counting);
	assert_int_equal(unit_rdmsr(vcpu, is_amd ? 0xc0010200 : 0x186), 0x430000 | row->event);
	return counting;
}

/* Without a filter, with one that says nothing of it, and with both that do. */
static void check_extra(void **state)
{
	const struct extra_row *row = *state;
	const u64 other = 0x3c;
	const struct mpmu_filter_spec denies = {DENY, 0, 0, 1, &row->event};
	const struct mpmu_filter_spec denies_other = {DENY, 0, 0, 1, &other};
	const struct mpmu_filter_spec allows_it = {ALLOW, 0, 0, 1, &row->event};
	const struct mpmu_filter_spec allows_other = {ALLOW, 0, 0, 1, &other};

	assert_int_equal(counts(row, NULL), !row->denied);
	assert_int_equal(counts(row, &denies_other), !row->denied);
	assert_false(counts(row, &denies));
	assert_false(counts(row, &allows_other));
	assert_true(counts(row, &allows_it));
}

static const struct unit_case cases[] = {
	{"F masked entry, the second one with a reserved bit", second_entry},
};

/* Bits 35:32 of an event are its upper ones. */
static void wide_events(void)
{
	const u64 event = 1ull << 32 | 0xc0;
	const struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.nr_events = 1,
		.events = &event,
	};
	u64 filter[8];

	assert_int_equal(mpmu_filter_compile((void *)filter, MPMU_VENDOR_AMD, &spec), 0);
	assert_false(mpmu_filter_allows((void *)filter, event));
	assert_true(mpmu_filter_allows((void *)filter, 0xc1));
}

static const struct unit_case cases_of_one[] = {
	{"events of 12 bits", wide_events},
};

int main(void)
{
	UNIT_CASES(cases);
	UNIT_TABLE(compiles, check_compile);
	UNIT_TABLE(allows, check_allow);
	UNIT_TABLE(fixeds, check_fixed);
	UNIT_TABLE(extras, check_extra);
	UNIT_CASES(cases_of_one);
	return unit_run("filter");
}
