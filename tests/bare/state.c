// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What guests keep beside the PMU, and what they cannot change for others. */
#include "suite.h"

#define TURNS	200000
#define SLICE	30000
#define CR0_BITS 0x60040000	/* CD, NW and AM */

/* From code.S. */
extern const u8 code_dr7[], code_dr7_end[], code_cr0[], code_cr0_end[];
extern const u8 code_cr4[], code_cr4_end[], code_nmi[], code_nmi_end[];
extern const u8 code_cr8[], code_cr8_end[], code_invd[], code_invd_end[];
extern const u8 code_cpuid[], code_cpuid_end[];

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

static struct guest raw;

/* What a guest with this code has in RAX when it calls; 0: it died. */
static u64 run_raw(const u8 *code, const u8 *end)
{
	if (!guest_create_raw(&raw, "raw", code, (u64)(end - code)))
		return 0;
	guest_run(&raw);
	return raw.vcpu.dead ? 0 : raw.vcpu.regs.rax;
}

/* VM-exit leaves CD and NW as they are: only the host can see a guest's. */
static void caches(void)
{
	const u64 host = read_cr(0), guest = run_raw(code_cr0, code_cr0_end);

	check_eq(guest & CR0_BITS, CR0_BITS, "CR0: a guest has what it writes");
	check_eq(read_cr(0), host, "CR0: and the host has its own");
}

/* The task priority decides which of the host's interrupts end guest mode. */
static void task_priority(void)
{
	check_eq(run_raw(code_cr8, code_cr8_end), 15, "CR8: a guest has what it writes");
	check_eq(read_cr(8), 0, "CR8: and the host has its own");
	write_cr(8, 0);
}

/* ECX and EAX. */
static u64 guest_cpuid(u32 leaf)
{
	if (!guest_create_raw(&raw, "raw", code_cpuid, (u64)(code_cpuid_end - code_cpuid)))
		return 0;
	raw.vcpu.regs.rax = leaf;
	guest_run(&raw);
	return raw.vcpu.regs.rax;
}

/* What the host has, and no guest. */
static void cpuid_leaves(void)
{
	if (pmu_host.caps.vendor == MPMU_VENDOR_INTEL)
		check_eq(guest_cpuid(0x23), 0, "CPUID: no leaf 23H");
	else
		check_eq(guest_cpuid(0x80000001) >> 32 & 0x11800400, 1 << 23,
			 "CPUID: no IBS, no NB and no L3 counters");
}

/* A PMI as NMI, and maybe a fault: both wait as the guest goes on to its next call. */
static bool takes_nmi(bool fault)
{
	vcpu_write_lvtpc(&raw.vcpu, LVT_NMI);
	vcpu_request(&raw.vcpu, REQ_PMI);
	raw.vcpu.pending[PENDING_GP] = fault ? INJECT_GP : 0;
	return !guest_slice(&raw, SLICE) && !raw.vcpu.dead;
}

static void nmis(void)
{
	u64 turn;

	run_raw(code_nmi, code_nmi_end);
	turn = raw.vcpu.rip;
	check(takes_nmi(false) && raw.vcpu.regs.rax == turn, "NMI: comes at once");
	check(takes_nmi(false) && raw.vcpu.regs.rax == turn, "NMI: the next one comes after IRET");
	check_eq(raw.vcpu.regs.rbp, 0, "NMI: and before the next instruction");
	run_raw(code_nmi, code_nmi_end);
	check(takes_nmi(true) && raw.vcpu.regs.rax > turn, "NMI: comes after a fault");
	check_eq(raw.vcpu.regs.rbp, 0, "NMI: before the first instruction of its handler");
}

void test_state(void)
{
	two_addresses();
	check_eq(run_raw(code_dr7, code_dr7_end), 0x700, "DR7: is kept over exits");
	caches();
	task_priority();
	cpuid_leaves();
	run_raw(code_invd, code_invd_end);
	check_eq(raw.vcpu.exit.code, pmu_host.caps.vendor == MPMU_VENDOR_INTEL ? 13 : 0x76,
		 "INVD: ends a guest, as it would undo what others wrote");
	run_raw(code_cr4, code_cr4_end);
	check_eq(raw.vcpu.exit.code, pmu_host.caps.vendor == MPMU_VENDOR_INTEL ? 2 : 0x7f,
		 "CR4: VMXE is a fault, here a triple one");
	nmis();
}
