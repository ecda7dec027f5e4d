// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is still to do: run the conformance suite and list the promises that the
 * table of ops.c breaks.  The machine is the software one, until the port has a
 * struct conformance_port of its own.
 */
#include <stdio.h>

#include "subject.h"

extern const struct mpmu_ops port_ops;

static unsigned int faults;
static char last_fault[200];

/* A use of the machine that hardware or the library would not put up with. */
static void note_fault(const char *what)
{
	faults++;
	snprintf(last_fault, sizeof(last_fault), "%s", what);
}

int main(int argc, char **argv)
{
	static struct subject subject;
	const struct stub_model *model = stub_model_find(argc > 1 ? argv[1] : "intel-v5-8-4");
	unsigned int left;

	stub_fault_hook = note_fault;
	if (!model || subject_init(&subject, &model->caps, &port_ops)) {
		fprintf(stderr, "usage: port [MODEL], a model of backends/stub/models.c\n");
		return 2;
	}
	left = conformance_run(&subject.port);
	printf("%s%u promises left\n", subject.failures, left);
	if (!left && faults)
		printf("but %u faults of the machine, the last: %s\n", faults, last_fault);
	return left || faults;
}
