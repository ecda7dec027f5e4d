/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loop COUNT EXITS [kernel]: a program without libc that runs COUNT turns of a loop
 * of known length, then CPUID EXITS times, and prints what the emulator says is
 * the truth about it.  With a third word it also counts what the kernel does on
 * this CPU meanwhile, by an event of its own.
 *
 * Both are 16 hexadecimal digits, and no branch outside the loops depends on
 * data: two runs differ by the loops alone, so count(2N) - count(N) of any
 * observer must be N times the loop.  What a turn of each loop has stands
 * between two labels, for the disassembler.
 */
#include <linux/perf_event.h>

#include "../rig/emulator/mpmu_magic.h"

#define SYS_WRITE		1
#define SYS_MMAP		9
#define SYS_EXIT		60
#define SYS_PERF_EVENT_OPEN	298
#define PROT_READ		1
#define MAP_SHARED		1
#define PAGE			4096
#define DIGITS			16
#define VALUES			9

struct point {
	struct mpmu_truth truth;
	struct mpmu_region region;
	unsigned long long counted;	/* by the event, if there is one */
};

static struct point before, after;
static unsigned long long present;

__asm__(
	".globl _start\n"
	"_start:\n"
	"	mov	16(%rsp), %rdi\n"	/* argv[1] */
	"	mov	24(%rsp), %rsi\n"	/* argv[2] */
	"	mov	32(%rsp), %rdx\n"	/* argv[3], or 0 */
	"	and	$-16, %rsp\n"
	"	call	run\n"
	".globl loop_body, loop_end\n"
	"loop:\n"
	"	xor	%eax, %eax\n"
	"loop_body:\n"
	"	add	$1, %rax\n"
	"	xor	%rax, %rdx\n"
	"	test	$4, %al\n"
	"	jz	1f\n"
	"1:	lea	(%rdx,%rax,2), %rsi\n"
	"	mov	%rsi, -8(%rsp)\n"
	"	imul	%rax, %rsi\n"
	"	dec	%rdi\n"
	"	jnz	loop_body\n"
	"loop_end:\n"
	"	ret\n"
	".globl exits_body, exits_end\n"
	"exits:\n"
	"	push	%rbx\n"
	"	jmp	1f\n"
	"exits_body:\n"
	"	xor	%eax, %eax\n"
	"	xor	%ecx, %ecx\n"
	"	cpuid\n"
	"1:	dec	%rdi\n"
	"	jns	exits_body\n"
	"exits_end:\n"
	"	pop	%rbx\n"
	"	ret\n");

void loop(unsigned long long count);
void exits(unsigned long long count);
void run(const char *count, const char *exits, const char *kernel);

static long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a" (result)
			 : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
			 : "rcx", "r11", "memory");
	return result;
}

static unsigned long long parse(const char *digits)
{
	unsigned long long value = 0;
	int i;

	for (i = 0; i < DIGITS; i++)
		value = value << 4 | ((digits[i] & 15) + 9 * (digits[i] >> 6));
	return value;
}

static char *format(char *out, unsigned long long value)
{
	int i;

	for (i = 0; i < DIGITS; i++, value <<= 4)
		*out++ = "0123456789abcdef"[value >> 60];
	*out++ = ' ';
	return out;
}

/* Of the guest only: the VMM may run meanwhile, in root mode. */
static unsigned long long grown(unsigned long long (*last)[2], unsigned long long (*first)[2],
				unsigned int cpl)
{
	return last[MPMU_GUEST][cpl] - first[MPMU_GUEST][cpl];
}

/*
 * What the kernel executes on this CPU, whoever it does it for.  An event of perf
 * stat's would not do: while perf switches that one, none counts.
 */
static const struct perf_event_attr kernel_event = {
	.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS,
	.size = sizeof(kernel_event), .pinned = 1, .exclude_user = 1,
};

static const volatile struct perf_event_mmap_page *open_kernel_event(void)
{
	long fd = syscall6(SYS_PERF_EVENT_OPEN, (long)&kernel_event, -1, 0, -1, 0, 0);
	long page = fd < 0 ? fd : syscall6(SYS_MMAP, 0, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	return page < 0 ? 0 : (const volatile struct perf_event_mmap_page *)page;
}

static unsigned long long rdpmc(unsigned int index)
{
	unsigned int low, high;

	__asm__ volatile("rdpmc" : "=a" (low), "=d" (high) : "c" (index));
	return (unsigned long long)high << 32 | low;
}

/* As the comment on the page in linux/perf_event.h says; a pinned event has an index. */
static unsigned long long read_event(const volatile struct perf_event_mmap_page *page)
{
	unsigned long long value;
	unsigned int lock, unused;

	do {
		lock = page->lock;
		unused = 64 - page->pmc_width;
		value = (unsigned long long)((long long)(rdpmc(page->index - 1) << unused) >> unused);
		value += (unsigned long long)page->offset;
	} while (page->lock != lock);
	return value;
}

/* The event, the truth and the exits, with nothing of the kernel's between. */
static void read_point(const volatile struct perf_event_mmap_page *event, struct point *point)
{
	static struct mpmu_truth first;

	do {
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &first);
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &point->region);
		if (event)
			point->counted = read_event(event);
		MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &point->truth);
	} while (event && grown(point->truth.instructions, first.instructions, MPMU_KERNEL));
}

static int is_amd(void)
{
	static struct mpmu_regs regs;

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &regs);
	return !regs.intel;
}

/* Exits of instructions that KVM then does for the guest, and counts. */
static unsigned long long emulated(const struct mpmu_region *r)
{
	/* CPUID, HLT, CR and DR accesses, IN and OUT, RDMSR and WRMSR, MMIO. */
	static const unsigned short intel[] = {10, 12, 28, 29, 30, 31, 32, 49};
	/* Writes of CR0, CR3, CR4 and CR8; CPUID, HLT, IN and OUT, RDMSR and WRMSR. */
	static const unsigned short amd[] = {0x10, 0x13, 0x14, 0x18, 0x72, 0x78, 0x7b, 0x7c};
	const unsigned short *reasons = is_amd() ? amd : intel;
	unsigned int i, nr = is_amd() ? sizeof(amd) / 2 : sizeof(intel) / 2;
	unsigned long long sum = 0;

	for (i = 0; i < nr; i++)
		sum += r->vmexits[reasons[i]];
	return sum;
}

static unsigned long long root_accesses(const struct mpmu_region *r)
{
	return r->pmu_rdmsr[MPMU_ROOT] + r->pmu_wrmsr[MPMU_ROOT];
}

static void report(void)
{
	const unsigned long long values[VALUES] = {
		present == MPMU_MAGIC_PRESENT,
		grown(after.truth.instructions, before.truth.instructions, MPMU_USER),
		grown(after.truth.cycles, before.truth.cycles, MPMU_USER),
		grown(after.truth.branches, before.truth.branches, MPMU_USER),
		grown(after.truth.instructions, before.truth.instructions, MPMU_KERNEL),
		after.region.vmexits_total - before.region.vmexits_total,
		root_accesses(&after.region) - root_accesses(&before.region),
		after.counted - before.counted,
		grown(after.truth.instructions, before.truth.instructions, MPMU_KERNEL) +
			emulated(&after.region) - emulated(&before.region),
	};
	char line[VALUES * (DIGITS + 1)], *out = line;
	int i;

	for (i = 0; i < VALUES; i++)
		out = format(out, values[i]);
	out[-1] = '\n';
	syscall6(SYS_WRITE, 1, (long)line, sizeof(line), 0, 0, 0);
}

void run(const char *count_digits, const char *exits_digits, const char *with_kernel)
{
	const volatile struct perf_event_mmap_page *event = with_kernel ? open_kernel_event() : 0;
	unsigned long long count = parse(count_digits);
	unsigned long long nr_exits = parse(exits_digits);

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_PRESENT, 0, &present);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	read_point(event, &before);
	loop(count);
	exits(nr_exits);
	read_point(event, &after);
	report();
	syscall6(SYS_EXIT, 0, 0, 0, 0, 0, 0);
}
