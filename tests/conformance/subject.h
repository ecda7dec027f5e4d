/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A port for the suite to look at: some table of operations on the software
 * machine of backends/stub, and what the suite said of it.
 */
#ifndef MPMU_TESTS_SUBJECT_H
#define MPMU_TESTS_SUBJECT_H

#include "conformance.h"
#include "hv.h"

struct subject {
	struct stub_machine machine;
	struct mpmu_caps caps;
	struct stub_vcpu vcpus[2];
	/* Which of them the hooks are about. */
	u32 vcpu;
	struct conformance_port port;
	/* What is broken or incomplete, one line each; and the last line. */
	char failures[10000];
	char summary[100];
	u32 lines;
};

/* Returns what mpmu_host_init() says. */
int subject_init(struct subject *subject, const struct mpmu_caps *caps, const struct mpmu_ops *ops);

#endif
