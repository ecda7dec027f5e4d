// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What guests count, against the length of their programs and the truth. */
#include "suite.h"

/* Instructions and branches per turn; of them, those that exit and are emulated. */
static const struct body {
	const char *name;
	u32 body, flags;
	u64 instructions, emulated;
} bodies[] = {
	{ "instructions: a loop in the kernel", BODY_PLAIN, 0, 4, 0 },
	{ "instructions: a loop in user mode", BODY_PLAIN, JOB_USER, 4, 0 },
	{ "instructions: CPUID", BODY_CPUID, 0, 4, 1 },
	{ "instructions: port I/O", BODY_PORT_KERNEL, 0, 4, 1 },
	{ "instructions: port I/O in user mode", BODY_PORT_USER, JOB_USER, 4, 1 },
};

/* Counted, and by how much the truth around it is more. */
static u64 measure(struct guest *guest, const struct body *body, u64 turns, u64 *truth)
{
	struct guest_job *job = guest_job(guest);
	struct mpmu_truth all;

	job_window(job, EVENT_INSTRUCTIONS, body->body, turns);
	job->flags = body->flags;
	guest_run(guest);
	guest_truth(guest, &all);
	*truth = guest_instructions(&all);
	return guest_counted(guest);
}

/* Between N and 2N turns nothing but turns differs. */
void test_count(void)
{
	static struct guest guest;
	const u64 turns = 1000;
	u64 truth, truth2;

	check(guest_create(&guest, "guest"), "a guest starts");
	for (u32 i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct body *body = &bodies[i];
		u64 count = measure(&guest, body, turns, &truth);
		u64 count2 = measure(&guest, body, 2 * turns, &truth2);

		if (count2 - count != body->instructions * turns)
			print("# %u\n", count2 - count);
		check(count2 - count == body->instructions * turns, body->name);
		check_eq(count2 - count, truth2 - truth + body->emulated * turns,
			 "the same as the emulator's truth");
	}
}
