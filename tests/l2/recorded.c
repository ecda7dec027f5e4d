/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * recorded MILLIONS: what rr records and replays.  Two threads run so many millions
 * of instructions, make system calls and take signals.  The sum depends on each of
 * these: on the order of the threads' turns, on what the system calls said, and on the
 * instruction that each signal came at, with its registers.  So no second run has
 * it, but a replay.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define THREADS		2
#define TURN		40	/* instructions */
#define TURNS		250	/* in a round */
#define PER_CALLS	16	/* rounds */
#define TICK		8000	/* microseconds of processor time */

static volatile uint64_t sum, signals, calls;
static int ready;
static uint64_t rounds;		/* of a thread */
static int ends[2];		/* of a pipe */

static void add(uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15 + (sum >> 29);
}

/* Where the signal came, at which turn, and how far the sum was. */
static void on_signal(int number, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	(void)info;
	signals++;
	add((uint64_t)regs[REG_RIP]);
	add((uint64_t)regs[REG_RAX]);
	add((uint64_t)regs[REG_RCX]);
	add((uint64_t)regs[REG_EFL]);
}

/*
 * TURNS of TURN instructions.  Many are conditional branches, which depend on the value:
 * rr counts these, and from where it stops before a signal, thousands of them on AMD, it
 * comes to a breakpoint in each turn.
 */
static uint64_t turn(uint64_t value)
{
	uint64_t count = TURNS;

	__asm__ volatile("1:	imul	$1664525, %0\n"
			 "	add	$1013904223, %0\n"
			 "	xor	%1, %0\n"
			 "	.rept	16\n"
			 "	ror	$3, %0\n"
			 "	jc	2f\n"
			 "2:\n"
			 "	.endr\n"
			 "	.rept	3\n"
			 "	nop\n"
			 "	.endr\n"
			 "	dec	%1\n"
			 "	jnz	1b\n"
			 : "+a" (value), "+c" (count) : : "cc");
	return value;
}

/* Calls that rr buffers, and one that it does not. */
static void call(uint64_t value)
{
	struct timespec time;
	uint64_t word;

	clock_gettime(CLOCK_MONOTONIC, &time);
	add((uint64_t)time.tv_nsec);
	if (getrandom(&word, sizeof(word), 0) == sizeof(word))
		add(word);
	if (write(ends[1], &value, sizeof(value)) == sizeof(value) &&
	    read(ends[0], &word, sizeof(word)) == sizeof(word))
		add(word);
	sched_yield();
	calls += 4;
}

static void *run(void *seed)
{
	uint64_t value = (uintptr_t)seed, i;

	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < THREADS)
		sched_yield();
	for (i = 0; i < rounds; i++) {
		value = turn(value ^ sum);
		add(value);
		if (i % PER_CALLS == 0)
			call(value);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct itimerval timer = { { 0, TICK }, { 0, TICK } }, off = { };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	uint64_t millions = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	pthread_t thread;

	rounds = millions * 1000000 / (THREADS * TURNS * TURN);
	if (pipe(ends) || sigaction(SIGPROF, &action, NULL) || setitimer(ITIMER_PROF, &timer, NULL) ||
	    pthread_create(&thread, NULL, run, (void *)1))
		return 1;
	run((void *)2);
	pthread_join(thread, NULL);
	setitimer(ITIMER_PROF, &off, NULL);
	printf("signals %llu calls %llu sum %016llx\n", (unsigned long long)signals,
	       (unsigned long long)calls, (unsigned long long)sum);
	return 0;
}
