// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What needs no PMU: every body runs, at both privileges, and comes back. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vpmu.h"

#define MSR_SYSENTER_CS	0x174

static const char *const names[NR_BODIES] = {
	[BODY_EMPTY] = "an empty body", [BODY_PLAIN] = "a loop", [BODY_CPUID] = "CPUID",
	[BODY_PORT_KERNEL] = "a port in the kernel", [BODY_PORT_USER] = "a port in user space",
	[BODY_HLT] = "HLT", [BODY_TOUCH] = "new pages", [BODY_MIXED] = "a mixture",
	[BODY_REP] = "REP STOS", [BODY_CLOSED] = "a loop with IF clear",
	[BODY_SELDOM] = "a loop with seldom an exit", [BODY_CLEAR] = "WRMSR",
	[BODY_TPR] = "CR8",
};

/* CPL 3 has neither HLT, WRMSR nor CR8. */
static bool needs_kernel(int body)
{
	return body == BODY_HLT || body == BODY_CLEAR || body == BODY_TPR;
}

static uint64_t pointer_of(int body)
{
	switch (body) {
	case BODY_HLT: return 200000;
	case BODY_CLEAR: return MSR_SYSENTER_CS; /* each CPU has it, and the guest has no use for it */
	default: return GUEST_TOUCH;
	}
}

static void run_body(struct machine *machine, int body, bool user)
{
	struct vcpu *vcpu = &machine->vm.cpu[0];
	struct guest_job *job = &vcpu->area->job;
	uint64_t exits = vcpu->user_exits, done = vcpu->area->result.done;
	int status;

	job_clear(job, &machine->pmu);
	job->body = (uint32_t)body;
	job->count = 100;
	job->start = machine->pmu.ctrl ? 0 : 0x0007040600070406ULL;
	job->pointer = pointer_of(body);
	job->flags |= user ? JOB_USER : 0;
	status = machine_run(machine);
	check(!status && vcpu->area->result.done == done + 1, "%s at CPL %d runs", names[body],
	      user ? 3 : 0);
	if (body == BODY_PORT_USER || body == BODY_MIXED)
		check(vcpu->user_exits - exits == 100, "%s at CPL %d comes to user space each time",
		      names[body], user ? 3 : 0);
	if (body == BODY_HLT || body == BODY_TPR)
		check(vcpu->area->result.timers == 100, "%s is interrupted in each turn (%d)", names[body],
		      (int)vcpu->area->result.timers);
}

/* A page fault of the VMM leaves another CR2 behind. */
static void fault(struct vcpu *vcpu)
{
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)vcpu;
	if (page == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	*page = 1;
	munmap((void *)page, 4096);
}

static void test_cr2(struct machine *machine)
{
	const uint64_t value = 0x123456789000;
	struct vcpu *vcpu = &machine->vm.cpu[0];
	struct guest_job *job = &vcpu->area->job;
	int status;

	job_clear(job, &machine->pmu);
	job->program = PROGRAM_CR2;
	job->body = BODY_PORT_USER;
	job->count = 1;
	job->pointer = value;
	vcpu->on_user_exit = fault;
	status = machine_run(machine);
	vcpu->on_user_exit = NULL;
	check(!status && vcpu->area->result.cr2 == value,
	      "the guest keeps its CR2 (%#llx)", (unsigned long long)vcpu->area->result.cr2);
}

int test_smoke(void)
{
	struct machine machine;
	int body;

	machine_start(&machine, &(struct vm_config){ 0 });
	note("%s, version %d, %d GP, %d fixed", machine.pmu.intel ? "Intel" : "AMD",
	     machine.pmu.version, machine.pmu.nr_gp, machine.pmu.nr_fixed);
	if (options.nr_gp)
		check(machine.pmu.nr_gp == options.nr_gp, "the guest has %d general counters",
		      options.nr_gp);
	for (body = 0; body < NR_BODIES; body++) {
		run_body(&machine, body, false);
		if (!needs_kernel(body))
			run_body(&machine, body, true);
	}
	test_cr2(&machine);
	check((machine.vm.cpu[0].area->result.present == MPMU_MAGIC_PRESENT) == emu_present(),
	      "guest and host agree about the emulator");
	machine_stop(&machine);
	return 0;
}
