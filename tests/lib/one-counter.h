/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tests of one counter on a machine of each vendor: where its registers are, a
 * row for both, and how it counts.
 */
#ifndef MPMU_TESTS_ONE_COUNTER_H
#define MPMU_TESTS_ONE_COUNTER_H

#include "unit.h"

/* A selector: instructions, of all privileges, with INT. */
#define COUNTS 0x5300c0ull

/* Where the registers of a vendor's machine are. */
struct map {
	const char *model;
	u32 counter;
	u32 eventsel;
	u32 global_ctrl;
	u32 status;
	u32 status_set;
	u32 status_clear;
};

static const struct map intel = {"intel-v5-8-4", 0x4c1, 0x186, 0x38f, 0x38e, 0x391, 0x390};
static const struct map amd = {"amd-v2",   0xc0010201, 0xc0010200, 0xc0000301,
			       0xc0000300, 0xc0000303, 0xc0000302};

struct row {
	const char *id;
	void (*run)(struct unit_world *world, const struct map *map);
	const struct map *map;
};

#define BOTH(id, run)                  \
	{id " (Intel)", run, &intel},  \
	{                              \
		id " (AMD)", run, &amd \
	}

/* Counter 0 counts instructions, with INT, from @start; the vCPU owns the PMU. */
static inline struct stub_vcpu *count(struct unit_world *world, const struct map *map, u64 start)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	unit_wrmsr(vcpu, map->counter, start);
	unit_wrmsr(vcpu, map->eventsel, COUNTS);
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	return vcpu;
}

/* The host counts instructions of its own, on the first CPU, or no longer. */
static inline void host_event(struct unit_world *world, bool on)
{
	bool is_amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;

	if (on)
		stub_perf_install(&world->machine, 0, 1,
				  COUNTS | (is_amd ? STUB_EVENTSEL_HOST_ONLY : 0), 0);
	else
		stub_perf_remove(&world->machine, 0);
}

/* A row, and what must hold after it. */
static inline void check_row(void **state)
{
	const struct row *row = *state;
	struct unit_world world;

	unit_world_init(&world, row->map->model, row->map->model);
	row->run(&world, row->map);
	if (!world.vcpu.loaded)
		stub_vcpu_load(&world.vcpu, world.vcpu.cpu);
	stub_check_round_trip(&world.vcpu);
	stub_check_invariants(&world.vcpu);
}

#endif
