/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the CMocka programs share: one test per row of a table, and faults of
 * the software PMU as failures or as what a negative row waits for.
 */
#ifndef MPMU_TESTS_UNIT_H
#define MPMU_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hv.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline void unit_fail(const char *what)
{
	fail_msg("%s", what);
}

static u32 unit_faults;
static char unit_fault_texts[2000];

static inline void unit_note(const char *what)
{
	size_t used = strlen(unit_fault_texts);

	unit_faults++;
	snprintf(unit_fault_texts + used, sizeof(unit_fault_texts) - used, "%s; ", what);
}

/* From here to unit_expect_fault() a fault is noted, and does not fail. */
static inline void unit_allow_faults(void)
{
	unit_faults = 0;
	unit_fault_texts[0] = 0;
	stub_fault_hook = unit_note;
}

/* The text that must be part of a fault. */
static inline void unit_expect_fault(const char *text)
{
	stub_fault_hook = unit_fail;
	if (!unit_faults || !strstr(unit_fault_texts, text))
		fail_msg("expected the fault \"%s\", got %u faults, \"%s\"", text, unit_faults,
			 unit_fault_texts);
}

/* Append one test per row; a row starts with its name, a const char *. */
static inline size_t unit_rows(struct CMUnitTest *tests, size_t at, const void *rows, size_t size,
			       size_t count, CMUnitTestFunction run)
{
	size_t i;

	for (i = 0; i < count; i++) {
		char *row = (char *)rows + i * size;

		tests[at++] = (struct CMUnitTest){
			.name = *(const char **)row,
			.test_func = run,
			.initial_state = row,
		};
	}
	return at;
}

#define UNIT_MAX_TESTS 256
static struct CMUnitTest unit_tests[UNIT_MAX_TESTS];
static size_t unit_count;

/* UNIT_TABLE(table, run): run(void **state) with *state = &table[i]. */
#define UNIT_TABLE(table, run)                                                       \
	(unit_count = unit_rows(unit_tests, unit_count, (table), sizeof((table)[0]), \
				ARRAY_SIZE(table), (run)))

/* A test without parameters. */
struct unit_case {
	const char *name;
	void (*run)(void);
};

static inline void unit_case_run(void **state)
{
	const struct unit_case *row = *state;

	row->run();
}

/* UNIT_CASES(table): a table of struct unit_case. */
#define UNIT_CASES(table) UNIT_TABLE(table, unit_case_run)

static inline int unit_run(const char *group)
{
	if (unit_count > UNIT_MAX_TESTS)
		abort();
	stub_fault_hook = unit_fail;
	return _cmocka_run_group_tests(group, unit_tests, unit_count, NULL, NULL);
}

/* A machine of a model with one vCPU of another, loaded on CPU 0. */
struct unit_world {
	struct stub_machine machine;
	struct stub_vcpu vcpu;
};

static inline const struct mpmu_caps *unit_caps(const char *model)
{
	const struct stub_model *found = stub_model_find(model);

	if (!found)
		fail_msg("no model %s", model);
	return &found->caps;
}

/* The first model on which a guest of model @guest keeps all it has. */
static inline const char *unit_host_for(const char *guest)
{
	const struct mpmu_caps *caps = unit_caps(guest);
	u32 i;

	for (i = 0; i < stub_nr_models; i++) {
		const struct mpmu_caps *host = &stub_models[i].caps;
		struct mpmu_caps clamped = *caps;

		mpmu_caps_clamp(&clamped, host);
		if (!mpmu_caps_missing(host) && !memcmp(&clamped, caps, sizeof(clamped)))
			return stub_models[i].name;
	}
	fail_msg("no host for %s", guest);
	return NULL;
}

/* RDMSR and WRMSR of the guest, which do not fault. */
static inline u64 unit_rdmsr(struct stub_vcpu *vcpu, u32 msr)
{
	u64 value;

	assert_true(stub_guest_rdmsr(vcpu, msr, &value));
	return value;
}

static inline void unit_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value)
{
	assert_true(stub_guest_wrmsr(vcpu, msr, value));
}

/* A vCPU of one model is loaded on a machine of another; no fault is expected. */
static inline struct stub_vcpu *unit_world_start(struct unit_world *world,
						 const struct mpmu_caps *host,
						 const struct mpmu_caps *guest)
{
	stub_fault_hook = unit_fail;
	assert_int_equal(stub_machine_init(&world->machine, host), 0);
	stub_vcpu_init(&world->vcpu, &world->machine, guest);
	stub_vcpu_load(&world->vcpu, &world->machine.cpus[0]);
	return &world->vcpu;
}

/* The same, of models with names. */
static inline struct stub_vcpu *unit_world_init(struct unit_world *world, const char *host,
						const char *guest)
{
	return unit_world_start(world, unit_caps(host), unit_caps(guest));
}

#endif
