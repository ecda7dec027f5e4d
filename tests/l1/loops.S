/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loops of known length.  Each is called as fn(n, memory) and adds a constant
 * to n times its length; loops[] in model.c holds the lengths.
 */
	.text

	.macro FUNC name
	.globl \name
	.type \name, @function
\name:
	.endm

/* 2 instructions, 1 branch */
FUNC loop_plain
1:	dec	%rdi
	jnz	1b
	ret

/* 4 instructions, 3 branches */
FUNC loop_calls
1:	call	2f
	dec	%rdi
	jnz	1b
	ret
2:	ret

/* 4 instructions, 3 branches: taken, not taken, LOOP up to its last */
FUNC loop_branches
	mov	%rdi, %rcx
1:	jmp	2f
2:	clc
	jc	1b
	loop	1b
	ret

/* 8 instructions, 1 branch: REP is one, also with a count of 0 */
FUNC loop_strings
	mov	%rdi, %rdx
	mov	%rsi, %r8
1:	mov	$64, %ecx
	mov	%r8, %rsi
	lea	64(%r8), %rdi
	rep movsb
	rep stosb
	lodsb
	dec	%rdx
	jnz	1b
	ret

/* 4 instructions, 2 branches: getpid */
FUNC loop_syscalls
	mov	%rdi, %rdx
1:	mov	$39, %eax
	syscall
	dec	%rdx
	jnz	1b
	ret

/* 6 instructions, 3 branches: the fault does not retire, see on_ud */
FUNC loop_ud
1:	ud2
	dec	%rdi
	jnz	1b
	ret

/* Signal handler for #UD: step over it.  REG_RIP is at 168 in the ucontext. */
FUNC on_ud
	addq	$2, 168(%rdx)
	ret
FUNC on_ud_restore
	mov	$15, %eax
	syscall

/* 4 instructions, 1 branch: a fresh page each */
FUNC loop_pages
1:	movb	$1, (%rsi)
	add	$4096, %rsi
	dec	%rdi
	jnz	1b
	ret

/* No instruction, no branch: one REP that faults in n fresh pages */
FUNC loop_rep_pages
	mov	%rdi, %rcx
	shl	$12, %rcx
	mov	%rsi, %rdi
	rep stosb
	ret

/* 5 instructions, 1 branch */
FUNC loop_serialize
	push	%rbx
	mov	%rdi, %rsi
1:	xor	%eax, %eax
	cpuid
	rdtsc
	dec	%rsi
	jnz	1b
	pop	%rbx
	ret

/*
 * A straight line of one-byte instructions for the skid of samples:
 * 4096 NOPs, then 2 instructions, n times.
 */
FUNC loop_line
	.globl line_start, line_end
line_start:
	.fill	4096, 1, 0x90
	dec	%rdi
	jnz	loop_line
line_end:
	ret

/*
 * long around(int fd, unsigned long on, unsigned long off,
 *	       void (*fn)(long n, void *memory), long n, void *memory)
 * ioctl(fd, on, 1), fn(n, memory), ioctl(fd, off, 1): the instructions in
 * user mode between the two are fn's and a constant.
 */
FUNC around
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	mov	%edi, %ebx
	mov	%rdx, %rbp
	mov	%rcx, %r12
	mov	%r8, %r13
	mov	%r9, %r14
	mov	$1, %edx
	mov	$16, %eax
	syscall
	mov	%r13, %rdi
	mov	%r14, %rsi
	call	*%r12
	mov	%ebx, %edi
	mov	%rbp, %rsi
	mov	$1, %edx
	mov	$16, %eax
	syscall
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
