/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loop COUNT EXITS: a program without libc that runs COUNT turns of a loop of
 * known length, then CPUID EXITS times, and prints what the emulator says is
 * the truth about it.
 *
 * Both are 16 hexadecimal digits, and no branch outside the loops depends on
 * data: two runs differ by the loops alone, so count(2N) - count(N) of any
 * observer must be N times the loop.  What a turn of each loop has stands
 * between two labels, for the disassembler.
 */
#include "../rig/emulator/mpmu_magic.h"

#define SYS_WRITE	1
#define SYS_EXIT	60
#define DIGITS		16
#define VALUES		7

static struct mpmu_truth before, after;
static struct mpmu_region region_before, region_after;
static unsigned long long present;

__asm__(
	".globl _start\n"
	"_start:\n"
	"	mov	16(%rsp), %rdi\n"	/* argv[1] */
	"	mov	24(%rsp), %rsi\n"	/* argv[2] */
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
void run(const char *count, const char *exits);

static long syscall3(long number, long a, const void *b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a" (result)
			 : "a" (number), "D" (a), "S" (b), "d" (c)
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

/* The guest's user mode only: the VMM may run meanwhile, in root mode. */
static unsigned long long user(unsigned long long (*last)[2], unsigned long long (*first)[2])
{
	return last[MPMU_GUEST][MPMU_USER] - first[MPMU_GUEST][MPMU_USER];
}

static unsigned long long kernel(unsigned long long (*last)[2], unsigned long long (*first)[2])
{
	return last[MPMU_GUEST][MPMU_KERNEL] - first[MPMU_GUEST][MPMU_KERNEL];
}

static unsigned long long root_accesses(const struct mpmu_region *r)
{
	return r->pmu_rdmsr[MPMU_ROOT] + r->pmu_wrmsr[MPMU_ROOT];
}

static void report(void)
{
	const unsigned long long values[VALUES] = {
		present == MPMU_MAGIC_PRESENT,
		user(after.instructions, before.instructions),
		user(after.cycles, before.cycles),
		user(after.branches, before.branches),
		kernel(after.instructions, before.instructions),
		region_after.vmexits_total - region_before.vmexits_total,
		root_accesses(&region_after) - root_accesses(&region_before),
	};
	char line[VALUES * (DIGITS + 1)], *out = line;
	int i;

	for (i = 0; i < VALUES; i++)
		out = format(out, values[i]);
	out[-1] = '\n';
	syscall3(SYS_WRITE, 1, line, sizeof(line));
}

void run(const char *count_digits, const char *exits_digits)
{
	unsigned long long count = parse(count_digits);
	unsigned long long nr_exits = parse(exits_digits);

	MPMU_MAGIC_NOP_RDI(MPMU_CMD_PRESENT, 0, &present);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region_before);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &before);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_BEGIN, 0);
	loop(count);
	exits(nr_exits);
	MPMU_MAGIC_NOP(MPMU_CMD_MARK_END, 0);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_TRUTH, 0, &after);
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGION, 0, &region_after);
	report();
	syscall3(SYS_EXIT, 0, 0, 0);
}
