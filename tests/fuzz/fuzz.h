/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the libFuzzer targets share: bytes of the input as numbers, and checks.
 * A fault of the software PMU aborts by itself.
 */
#ifndef MPMU_TESTS_FUZZ_H
#define MPMU_TESTS_FUZZ_H

#include "../model/twin.h"

struct input {
	const u8 *data;
	size_t left;
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The next bytes, as a number; 0 where the input has ended. */
static inline u64 fuzz_take(struct input *input, u32 bytes)
{
	u64 value = 0;

	while (bytes-- && input->left) {
		value = value << 8 | *input->data++;
		input->left--;
	}
	return value;
}

static inline void fuzz_check(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* A host that can have a guest, and a guest that it can have. */
static inline void fuzz_pair(struct input *input, const struct mpmu_caps **host,
			     const struct mpmu_caps **guest)
{
	u32 wanted = fuzz_take(input, 1), found = 0, i, j;

	for (;;) {
		for (i = 0; i < stub_nr_models; i++) {
			for (j = 0; j < stub_nr_models; j++) {
				*host = &stub_models[i].caps;
				*guest = &stub_models[j].caps;
				if (twin_possible(*host, *guest) && found++ == wanted)
					return;
			}
		}
		wanted %= found;
		found = 0;
	}
}

/* Numbers of the registers that a model has; returns how many. */
static inline u32 fuzz_msrs(const struct mpmu_caps *caps, u32 *msrs)
{
	struct stub_pmu pmu = {.bare = true};
	u32 count = 0, i;
	u64 value;

	stub_pmu_reset(&pmu, caps);
	for (i = 0; i < STUB_NR_MSRS; i++)
		if (stub_pmu_rdmsr(&pmu, stub_msr_at(i), &value))
			msrs[count++] = stub_msr_at(i);
	return count;
}

/* A value for a register: any, all its bits, a few below, or a few. */
static inline u64 fuzz_value(struct input *input, const struct mpmu_caps *caps, u32 msr)
{
	u64 mask = stub_msr_writable(caps, msr);
	u32 how = fuzz_take(input, 1);

	switch (how & 3) {
	case 0:
		return fuzz_take(input, 8);
	case 1:
		return mask & stub_width_mask(caps->gp_width);
	case 2:
		return (mask & stub_width_mask(caps->gp_width)) - (how >> 2);
	default:
		return (u64)(how >> 2) << (fuzz_take(input, 1) & 63);
	}
}

#endif
