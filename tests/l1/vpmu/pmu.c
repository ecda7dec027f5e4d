// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <cpuid.h>
#include <string.h>

#include "pmu.h"

#define SELECT_USER	(1ULL << 16)
#define SELECT_KERNEL	(1ULL << 17)
#define SELECT_INT	(1ULL << 20)
#define SELECT_ENABLE	(1ULL << 22)

#define MSR_PERF_CAPABILITIES 0x345
#define MSR_FIXED_CTRL	0x38d
#define SKYLAKE_SP	0x5065	/* family, model: the signature without the stepping */

const char *const event_names[NR_EVENTS] = {
	[EVENT_NONE] = "nothing",
	[EVENT_INSTRUCTIONS] = "instructions",
	[EVENT_BRANCHES] = "branches",
	[EVENT_CYCLES] = "cycles",
	[EVENT_REF_CYCLES] = "reference cycles",
	[EVENT_SLOTS] = "slots",
};

/* Event and unit mask; 0 where the vendor has none. */
static const uint16_t intel_events[NR_EVENTS] = {
	[EVENT_INSTRUCTIONS] = 0x00c0,
	[EVENT_BRANCHES] = 0x00c4,
	[EVENT_CYCLES] = 0x003c,
	[EVENT_REF_CYCLES] = 0x013c,
	[EVENT_SLOTS] = 0x01a4,
};

static const uint16_t amd_events[NR_EVENTS] = {
	[EVENT_INSTRUCTIONS] = 0x00c0,
	[EVENT_BRANCHES] = 0x00c2,
	[EVENT_CYCLES] = 0x0076,
};

static void detect_intel(struct pmu *pmu, struct vm *vm, const struct kvm_cpuid_entry2 *leaf)
{
	uint64_t capabilities = 0;

	pmu->intel = true;
	pmu->version = leaf->eax & 0xff;
	pmu->nr_gp = leaf->eax >> 8 & 0xff;
	pmu->nr_fixed = pmu->version > 1 ? leaf->edx & 0x1f : 0;
	vcpu_get_msr(&vm->cpu[0], MSR_PERF_CAPABILITIES, &capabilities);
	pmu->full_width = capabilities >> 13 & 1;
	pmu->metrics = pmu->nr_fixed > 3 && (capabilities >> 15 & 1);
	pmu->slots = vm_cpuid(vm, 1)->eax >> 4 != SKYLAKE_SP;
	if (pmu->version < 2)
		return;
	pmu->ctrl = 0x38f;
	pmu->status = 0x38e;
	pmu->ack = 0x390;
	if (pmu->version >= 4)
		pmu->status_set = 0x391;
}

static void detect_amd(struct pmu *pmu, struct vm *vm)
{
	const struct kvm_cpuid_entry2 *extended = vm_cpuid(vm, 0x80000001);
	const struct kvm_cpuid_entry2 *leaf = vm_cpuid(vm, 0x80000022);

	pmu->full_width = extended && (extended->ecx >> 23 & 1);
	pmu->version = pmu->full_width;
	pmu->nr_gp = pmu->full_width ? 6 : 4;
	if (!leaf || !(leaf->eax & 1))
		return;
	pmu->version = 2;
	pmu->nr_gp = leaf->ebx & 0xf;
	pmu->status = 0xc0000300;
	pmu->ctrl = 0xc0000301;
	pmu->ack = 0xc0000302;
	pmu->status_set = 0xc0000303;
}

void pmu_detect(struct pmu *pmu, struct vm *vm)
{
	const struct kvm_cpuid_entry2 *leaf = vm_cpuid(vm, 0xa);
	const struct kvm_cpuid_entry2 *vendor = vm_cpuid(vm, 0);

	memset(pmu, 0, sizeof(*pmu));
	if (vendor && !memcmp(&vendor->ebx, "Genu", 4)) {
		pmu->intel = true;
		if (leaf && (leaf->eax & 0xff))
			detect_intel(pmu, vm, leaf);
	} else {
		detect_amd(pmu, vm);
	}
}

void pmu_detect_host(struct pmu *host, bool intel)
{
	unsigned int a, b, c, d;

	memset(host, 0, sizeof(*host));
	host->intel = intel;
	if (intel) {
		__cpuid_count(0xa, 0, a, b, c, d);
		host->version = a & 0xff;
		host->nr_gp = a >> 8 & 0xff;
		host->nr_fixed = d & 0x1f;
	} else {
		__cpuid_count(0x80000022, 0, a, b, c, d);
		host->version = 2;
		host->nr_gp = b & 0xf;
	}
}

/* On counter 3 an event may abort all transactions: nobody gets it then. */
int pmu_host_last_gp(const struct pmu *host)
{
	unsigned int a, b, c, d;

	__cpuid_count(7, 0, a, b, c, d);
	return host->nr_gp - 1 - (host->intel && host->nr_gp == 4 && d & 1U << 13);
}

bool pmu_host_has_uncore(bool intel)
{
	unsigned int a, b, c, d;

	if (intel)
		return false;
	__cpuid(0x80000001, a, b, c, d);
	return c & (1U << 24 | 1U << 28);
}

uint64_t pmu_counters(const struct pmu *pmu)
{
	return ((1ULL << pmu->nr_gp) - 1) | ((1ULL << pmu->nr_fixed) - 1) << PMC_FIXED;
}

uint32_t pmu_eventsel(const struct pmu *pmu, int gp)
{
	if (pmu->intel)
		return 0x186 + (uint32_t)gp;
	return pmu->full_width ? 0xc0010200 + 2 * (uint32_t)gp : 0xc0010000 + (uint32_t)gp;
}

uint32_t pmu_counter(const struct pmu *pmu, int bit)
{
	if (bit >= PMC_FIXED)
		return 0x309 + (uint32_t)(bit - PMC_FIXED);
	if (pmu->intel)
		return (pmu->full_width ? 0x4c1 : 0xc1) + (uint32_t)bit;
	return pmu->full_width ? 0xc0010201 + 2 * (uint32_t)bit : 0xc0010004 + (uint32_t)bit;
}

uint32_t pmu_rdpmc(int bit)
{
	return bit >= PMC_FIXED ? 0x40000000 | (uint32_t)(bit - PMC_FIXED) : (uint32_t)bit;
}

uint64_t pmu_select(const struct pmu *pmu, enum event event, int mode, bool interrupt)
{
	uint64_t select = (pmu->intel ? intel_events : amd_events)[event];

	if (!select)
		return 0;
	select |= SELECT_ENABLE;
	if (mode & MODE_USER)
		select |= SELECT_USER;
	if (mode & MODE_KERNEL)
		select |= SELECT_KERNEL;
	return interrupt ? select | SELECT_INT : select;
}

enum event pmu_fixed_event(int fixed)
{
	static const enum event events[] = {
		EVENT_INSTRUCTIONS, EVENT_CYCLES, EVENT_REF_CYCLES, EVENT_SLOTS,
	};

	return fixed < 4 ? events[fixed] : EVENT_NONE;
}

uint64_t pmu_fixed_field(int fixed, int mode, bool interrupt)
{
	uint64_t field = interrupt ? 8 : 0;

	if (mode & MODE_KERNEL)
		field |= 1;
	if (mode & MODE_USER)
		field |= 2;
	return field << 4 * fixed;
}

void job_clear(struct guest_job *job, const struct pmu *pmu)
{
	int i;

	memset(job, 0, sizeof(*job));
	job->ctrl = pmu->ctrl ? pmu->ctrl : MSR_HARMLESS;
	job->status = pmu->status;
	job->ack = pmu->ack;
	if (pmu->intel)
		job->flags = JOB_PMI_MASKS;
	if (pmu->ctrl)
		job_write(job, pmu->ctrl, 0);
	for (i = 0; i < pmu->nr_gp; i++)
		job_write(job, pmu_eventsel(pmu, i), 0);
	if (pmu->nr_fixed)
		job_write(job, MSR_FIXED_CTRL, 0);
}

void job_write(struct guest_job *job, uint32_t msr, uint64_t value)
{
	job->setup[job->nr_setup++] = (struct guest_access){ OP_WRMSR, msr, value };
}

void job_read(struct guest_job *job, enum guest_op op, uint32_t index)
{
	job->read[job->nr_read++] = (struct guest_access){ .op = op, .index = index };
}

uint64_t exits_of(const struct pmu *pmu, const struct guest_cpu *area, enum exit_kind kind)
{
	static const uint16_t intel[NR_EXIT_KINDS] = {
		[EXIT_INTERRUPT] = 1, [EXIT_CPUID] = 10, [EXIT_HLT] = 12, [EXIT_RDPMC] = 15,
		[EXIT_IO] = 30, [EXIT_RDMSR] = 31, [EXIT_WRMSR] = 32, [EXIT_TPR] = 43,
		[EXIT_PAGE] = 48,
	};
	static const uint16_t amd[NR_EXIT_KINDS] = {
		[EXIT_INTERRUPT] = 0x60, [EXIT_CPUID] = 0x72, [EXIT_HLT] = 0x78,
		[EXIT_RDPMC] = 0x6f, [EXIT_IO] = 0x7b, [EXIT_RDMSR] = 0x7c, [EXIT_WRMSR] = 0x7c,
		[EXIT_PAGE] = MPMU_EXIT_AMD_0X400,
	};
	uint16_t index = (pmu->intel ? intel : amd)[kind];

	return area->region[1].vmexits[index] - area->region[0].vmexits[index];
}
