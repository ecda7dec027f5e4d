// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What guests keep beside the PMU, and what they cannot change for others. */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000

/* From code.S. */
extern const u8 code_dr7[], code_dr7_end[];

static void keep_cr2(struct guest *guest, u64 address)
{
	struct guest_job *job = guest_job(guest);

	job->program = PROGRAM_CR2;
	job->body = BODY_PLAIN;
	job->count = TURNS;
	job->pointer = address;
}

static void two_addresses(void)
{
	static struct guest a, b;
	struct guest *const guests[] = { &a, &b };

	if (!guest_create(&a, "A") || !guest_create(&b, "B"))
		return;
	keep_cr2(&a, 0xa000);
	keep_cr2(&b, 0xb000);
	guests_run(guests, 2, SLICE);
	check_eq(a.area->result.cr2, 0xa000, "CR2: A keeps its own");
	check_eq(b.area->result.cr2, 0xb000, "CR2: B keeps its own");
}

/* What a guest with this code has in RAX when it calls. */
static u64 run_raw(const u8 *code, const u8 *end)
{
	static struct guest guest;

	if (!guest_create_raw(&guest, "raw", code, (u64)(end - code)))
		return ~0ull;
	guest_run(&guest);
	return guest.vcpu.dead ? ~0ull : guest.vcpu.regs.rax;
}

void test_state(void)
{
	two_addresses();
	check_eq(run_raw(code_dr7, code_dr7_end), 0x700, "DR7: is kept over exits");
}
