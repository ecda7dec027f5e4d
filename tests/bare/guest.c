// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Guests that run the payload: their memory, their jobs, the truth about them. */
#include "suite.h"

#define PAGE_FLAGS	0x7
#define LARGE_FLAGS	0x87

extern const char payload_image[], payload_image_end[], guest_start[], guest_start_end[];

void map_identity(u8 *memory)
{
	u64 *pml4 = (u64 *)(memory + GUEST_TABLES), *pdpt = pml4 + 512, *pd = pdpt + 512;

	pml4[0] = (GUEST_TABLES + 0x1000) | PAGE_FLAGS;
	pdpt[0] = (GUEST_TABLES + 0x2000) | PAGE_FLAGS;
	for (u32 i = 0; i < 512; i++)
		pd[i] = (u64)i << 21 | LARGE_FLAGS;
}

/* The TSS has one stack, for interrupts of CPL 3. */
static void make_tables(u8 *memory)
{
	const u64 tss = GUEST_GDT + GUEST_TSS_OFFSET, stack = GUEST_CPU + GUEST_IRQ_STACK;
	const u64 gdt[] = {
		0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff,
		0x00affb000000ffff, 0x0000890000000067 | tss << 16, 0,
	};

	memcpy(memory + GUEST_GDT, gdt, sizeof(gdt));
	memcpy(memory + tss + 4, &stack, sizeof(stack));
	memset(memory + tss + 0x66, 0xff, 2);
}

u64 guest_instructions(const struct mpmu_truth *truth)
{
	return truth->instructions[MPMU_GUEST][MPMU_KERNEL] +
	       truth->instructions[MPMU_GUEST][MPMU_USER];
}

/* All counters agree?  What they say. */
u64 guest_counted(const struct guest *guest)
{
	const struct guest_result *result = &guest->area->result;

	for (u32 i = 1; i < guest->area->job.nr_read; i++)
		if (result->read[i] != result->read[0])
			return ~0ull;
	return result->read[0];
}

/* Runs up to the first ring: ready for a job. */
bool guest_create(struct guest *guest, const char *name)
{
	struct vcpu_pages *pages = alloc_vcpu_pages();

	memset(guest, 0, sizeof(*guest));
	if (!pages || !vcpu_create(&guest->vcpu, name, pages, GUEST_START, GUEST_TABLES))
		return false;
	guest->area = (struct guest_cpu *)(pages->memory + GUEST_CPU);
	map_identity(pages->memory);
	make_tables(pages->memory);
	memcpy(pages->memory + GUEST_START, guest_start, (u64)(guest_start_end - guest_start));
	memcpy(pages->memory + GUEST_IMAGE, payload_image, (u64)(payload_image_end - payload_image));
	guest->vcpu.regs.rsi = 1;	/* it has a local APIC */
	guest_run(guest);
	return !guest->vcpu.dead;
}

bool guest_create_raw(struct guest *guest, const char *name, const void *code, u64 size)
{
	struct vcpu_pages *pages = alloc_vcpu_pages();

	memset(guest, 0, sizeof(*guest));
	if (!pages || !vcpu_create(&guest->vcpu, name, pages, GUEST_IMAGE, GUEST_TABLES))
		return false;
	map_identity(pages->memory);
	memcpy(pages->memory + GUEST_IMAGE, code, size);
	return true;
}

struct guest_job *guest_job(struct guest *guest)
{
	memset(&guest->area->job, 0, sizeof(guest->area->job));
	memset(&guest->away, 0, sizeof(guest->away));
	guest->area->window.truth0.magic = 0;
	guest->area->window.truth1.magic = 0;
	return &guest->area->job;
}

/* to += (later - earlier) * sign, all of it. */
static void add(struct mpmu_truth *to, const struct mpmu_truth *later,
		const struct mpmu_truth *earlier)
{
	const u64 *from = (const u64 *)later, *less = (const u64 *)earlier;
	u64 *sum = (u64 *)to;

	for (u32 i = 0; i < sizeof(*to) / sizeof(*sum); i++)
		sum[i] += from[i] - less[i];
}

static bool in_window(const struct guest *guest)
{
	return guest->area && guest->area->window.truth0.magic &&
	       !guest->area->window.truth1.magic;
}

void guest_load(struct guest *guest)
{
	struct mpmu_truth now;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &now);
	if (in_window(guest))
		add(&guest->away, &now, &guest->at_put);
	vcpu_load(&guest->vcpu);
}

void guest_put(struct guest *guest)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &guest->at_put);
	vcpu_put(&guest->vcpu);
}

void guest_truth(const struct guest *guest, struct mpmu_truth *truth)
{
	const struct guest_window *window = &guest->area->window;

	*truth = window->truth1;
	add(truth, &(struct mpmu_truth){ 0 }, &window->truth0);
	add(truth, &(struct mpmu_truth){ 0 }, &guest->away);
}

/* One slice; false: the job is done, or the guest is dead. */
bool guest_slice(struct guest *guest, u32 ticks)
{
	enum vcpu_event event;

	guest_load(guest);
	apic(APIC_TIMER_INIT) = ticks;
	event = vcpu_run(&guest->vcpu);
	apic(APIC_TIMER_INIT) = 0;
	guest_put(guest);
	guest->slices++;
	if (guest->area && guest->area->result.crashed)
		print("# %s: exception %u at %x, error %x\n", guest->vcpu.name,
		      guest->area->result.crashed - 1, guest->area->result.crash_rip,
		      guest->area->result.crash_error);
	return event == VCPU_TICK;
}

void guests_run(struct guest *const *guests, u32 count, u32 ticks)
{
	u32 left = count, i;

	for (i = 0; i < count; i++) {
		guests[i]->busy = true;
		guests[i]->slices = 0;
	}
	while (left) {
		for (i = 0; i < count; i++) {
			if (guests[i]->busy && !guest_slice(guests[i], ticks)) {
				guests[i]->busy = false;
				left--;
			}
		}
	}
}

void guest_run(struct guest *guest)
{
	guests_run(&guest, 1, 0);
}
