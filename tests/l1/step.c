/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof of single steps as a debugger takes them: each ends where the next instruction
 * begins, and the kernel knows that it was a step by DR6.BS.  Among the instructions
 * are those that a hypervisor does for a guest, or that processors step over
 * in a way of their own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define ROUNDS		50
#define PAGE		4096
#define DR6		offsetof(struct user, u_debugreg[6])
#define DR6_BS		(1 << 14)
#define STEP_TRACE	2	/* si_code: TRAP_TRACE, of a step's #DB */

/* RDI is a page that nothing has touched yet. */
__asm__(
	".globl step_points\n"
	"0:	nop\n"
	"1:	xor	%eax, %eax\n"
	"2:	cpuid\n"
	"3:	mov	(%rdi), %rax\n"
	"4:	mov	$39, %eax\n"		/* getpid() */
	"5:	syscall\n"
	"6:	pushf\n"
	"7:	popf\n"
	"8:	rdtsc\n"
	"9:	mov	%ss, %eax\n"
	"10:	nop\n"
	".section .rodata\n"
	".balign 8\n"
	"step_points:\n"
	"	.quad	0b, 1b, 2b, 3b, 4b, 5b, 6b, 7b, 8b, 9b, 10b\n"
	".text\n");

#define POINTS		11
#define AFTER_SYSCALL	6

extern const unsigned long step_points[POINTS];

struct step {
	unsigned long rip, dr6;
	int code;
};

static struct step steps[ROUNDS][POINTS];

static void child(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	for (;;)
		raise(SIGSTOP);
}

static bool stopped(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
}

/* The child goes on at the first point, as if it had not been in a system call. */
static void begin(pid_t pid, unsigned long page)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	regs.rip = step_points[0];
	regs.rdi = page;
	regs.orig_rax = -1;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

static bool take(pid_t pid, struct step *step)
{
	struct user_regs_struct regs;
	siginfo_t info;

	ptrace(PTRACE_POKEUSER, pid, DR6, 0);
	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || !stopped(pid))
		return false;
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
	step->rip = regs.rip;
	step->dr6 = ptrace(PTRACE_PEEKUSER, pid, DR6, 0);
	step->code = info.si_code;
	return true;
}

static bool take_all(void)
{
	char *pages = mmap(NULL, ROUNDS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	bool taken = pid > 0 && stopped(pid);

	if (!pid)
		child();
	for (int i = 0; taken && i < ROUNDS; i++) {
		begin(pid, (unsigned long)(pages + i * PAGE));
		for (int j = 1; taken && j < POINTS; j++)
			taken = take(pid, &steps[i][j]);
	}
	if (pid > 0)
		kill(pid, SIGKILL);
	return taken;
}

/* How many steps to the point ended elsewhere. */
static unsigned int astray(int point, unsigned long where)
{
	unsigned int count = 0;

	for (int i = 0; i < ROUNDS; i++)
		count += steps[i][point].rip != where;
	return count;
}

/* How many were no step's #DB. */
static unsigned int other(int point)
{
	unsigned int count = 0;

	for (int i = 0; i < ROUNDS; i++)
		count += !(steps[i][point].dr6 & DR6_BS) || steps[i][point].code != STEP_TRACE;
	return count;
}

int main(void)
{
	unsigned int sum_astray = 0, sum_other = 0;

	if (!check(take_all(), "%d times %d steps are taken", ROUNDS, POINTS - 1))
		return tap_end();
	for (int j = 1; j < POINTS; j++) {
		sum_astray += astray(j, step_points[j]);
		sum_other += j == AFTER_SYSCALL ? 0 : other(j);
		note("to point %d: %u astray, %u without DR6.BS", j, astray(j, step_points[j]), other(j));
	}
	check_eq(sum_astray, 0, "each ends where the next instruction begins");
	check_eq(astray(1, step_points[2]), ROUNDS, "... and would be noticed elsewhere");
	check_eq(sum_other, 0, "each is told by DR6.BS, but for that over a system call");
	check_eq(other(AFTER_SYSCALL), ROUNDS, "that one is the kernel's own, without #DB");
	return tap_end();
}
