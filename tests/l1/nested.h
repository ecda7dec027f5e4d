/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of both vendors share. */
#ifndef TEST_NESTED_H
#define TEST_NESTED_H

#include <stdio.h>

#include "kvm_util.h"

/* An owner that parks never passes as idle. */
static inline void park_guests(bool park)
{
	FILE *file = fopen("/sys/module/kvm/parameters/mediated_pmu_park", "w");

	TEST_ASSERT(file && fputs(park ? "Y" : "N", file) >= 0 && !fclose(file), "the parameter");
}

#endif
