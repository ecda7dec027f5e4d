/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the searches of states share: three vCPUs, and how states are told apart. */
#ifndef MPMU_TESTS_STATES_H
#define MPMU_TESTS_STATES_H

#include "../lib/unit.h"

#define VCPUS 3

/* Orders of the vCPUs: states that differ by names are one. */
static const u8 orders[][VCPUS] = {
	{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
};

static u64 mix(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25ull;
	return hash ^ hash >> 32;
}

#endif
