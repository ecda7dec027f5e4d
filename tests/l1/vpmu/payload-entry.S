/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The part of the guest program whose instructions are counted, and what C
 * cannot say: entry, vectors, the change of privilege.
 */
#define __ASSEMBLER__ 1
#include "payload.h"

	.section .text.entry, "ax"
	.globl	entry
entry:
	call	guest_main
1:	hlt
	jmp	1b

	.text

/*
 * window(struct guest_window *): truth, start, body, stop, truth.  Start and
 * stop are one WRMSR each; what lies between them and the truth is the same for
 * every body and is taken off by measuring BODY_EMPTY.
 */
	.globl	window
window:
	push	%rbx
	mov	%rdi, %rbx
	lea	WINDOW_TRUTH0(%rbx), %rdi
	MPMU_MAGIC_NOP(MPMU_CMD_READ_TRUTH, 0)
	mov	WINDOW_CTRL(%rbx), %ecx
	mov	WINDOW_START(%rbx), %eax
	mov	WINDOW_START + 4(%rbx), %edx
	wrmsr
	mov	WINDOW_COUNT(%rbx), %rdi
	mov	WINDOW_POINTER(%rbx), %rsi
	mov	WINDOW_BODY(%rbx), %rax
	call	*WINDOW_RUN(%rbx)
	mov	WINDOW_CTRL(%rbx), %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	lea	WINDOW_TRUTH1(%rbx), %rdi
	MPMU_MAGIC_NOP(MPMU_CMD_READ_TRUTH, 0)
	pop	%rbx
	ret

/* RAX: body; run it at this CPL, or at CPL 3 with interrupts and ports open. */
	.globl	run_kernel
run_kernel:
	jmp	*%rax

	.globl	run_user
run_user:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdx
	and	$-GUEST_CPU_SIZE, %rdx
	mov	%rsp, GUEST_USER_STACK(%rdx)
	lea	GUEST_USER_STACK(%rdx), %rcx
	push	$GUEST_USER_DS
	push	%rcx
	push	$0x3202
	push	$GUEST_USER_CS
	push	$user_entry
	iretq

user_entry:
	call	*%rax
	.globl	user_leave
user_leave:
	syscall

	.globl	leave_user
leave_user:
	mov	%rsp, %rdx
	and	$-GUEST_CPU_SIZE, %rdx
	mov	GUEST_USER_STACK(%rdx), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/*
 * Bodies: RDI turns, RSI pointer.  What a turn retires stands in the table of
 * the VMM's tests.
 */
	.globl	body_empty
body_empty:
	ret

	.globl	body_plain
	.p2align 6
body_plain:
	lea	1(%rax), %rax
	nop
	dec	%rdi
	jnz	body_plain
	ret

	.globl	body_cpuid
body_cpuid:
	mov	%rbx, %r8
1:	xor	%eax, %eax
	cpuid
	dec	%rdi
	jnz	1b
	mov	%r8, %rbx
	ret

/* The interrupt mask of the first PIC: in the kernel. */
	.globl	body_port_kernel
body_port_kernel:
	in	$0x21, %al
	nop
	dec	%rdi
	jnz	body_port_kernel
	ret

	.globl	body_port_user
body_port_user:
	nop
	out	%al, $GUEST_PORT_USER
	dec	%rdi
	jnz	body_port_user
	ret

/* RSI: ticks of the timer.  It must not fire before STI, whose shadow has HLT. */
	.globl	body_hlt
body_hlt:
	cli
1:	mov	$0x838, %ecx
	mov	%esi, %eax
	xor	%edx, %edx
	wrmsr
	sti
	hlt
	cli
	dec	%rdi
	jnz	1b
	ret

	.globl	body_touch
body_touch:
	movb	$1, (%rsi)
	add	$0x1000, %rsi
	dec	%rdi
	jnz	body_touch
	ret

	.globl	body_mixed
body_mixed:
	mov	%rbx, %r8
1:	xor	%eax, %eax
	cpuid
	mov	$6, %ecx
2:	lea	1(%rax), %rax
	nop
	dec	%ecx
	jnz	2b
	out	%al, $GUEST_PORT_USER
	jmp	3f
3:	dec	%rdi
	jnz	1b
	mov	%r8, %rbx
	ret

	.globl	body_rep
body_rep:
	mov	%rdi, %r9
1:	mov	%rsi, %rdi
	mov	$100, %ecx
	rep stosb
	dec	%r9
	jnz	1b
	ret

	.globl	body_closed
body_closed:
	cli
1:	dec	%rdi
	jnz	1b
	sti
	ret

	.globl	body_seldom
body_seldom:
	mov	%rbx, %r8
1:	xor	%eax, %eax
	cpuid
	mov	$2000, %ecx
2:	dec	%ecx
	jnz	2b
	dec	%rdi
	jnz	1b
	mov	%r8, %rbx
	ret

	.globl	body_clear
body_clear:
	mov	$200, %ecx
1:	dec	%ecx
	jnz	1b
	mov	%esi, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	dec	%rdi
	jnz	body_clear
	ret

/* At CPL 0: an interrupt waits for the write of 0 to CR8, and comes behind it. */
	.globl	body_tpr
body_tpr:
	mov	$15, %eax
	mov	%rax, %cr8
	mov	$0x83f, %ecx
	mov	$GUEST_VECTOR_TIMER, %eax
	xor	%edx, %edx
	wrmsr
	xor	%eax, %eax
	mov	%rax, %cr8
	dec	%rdi
	jnz	body_tpr
	ret

/* u64 safe_access(op, index, value, u64 *result): 1 if it faulted. */
	.globl	safe_access
safe_access:
	push	%rbx
	mov	%rcx, %rbx
	mov	%rsp, %r8
	and	$-GUEST_CPU_SIZE, %r8
	add	fixup_offset(%rip), %r8
	lea	3f(%rip), %rax
	mov	%rax, (%r8)
	cmp	$4, %edi
	je	7f
	mov	%esi, %ecx
	mov	%edx, %eax
	shr	$32, %rdx
	cmp	$1, %edi
	jb	1f
	je	2f
	rdpmc
	jmp	4f
1:	rdmsr
	jmp	4f
2:	wrmsr
	jmp	5f
7:	mov	(%rdx), %rax
	mov	%rax, (%rbx)
	jmp	5f
4:	shl	$32, %rdx
	mov	%eax, %eax
	or	%rdx, %rax
	mov	%rax, (%rbx)
5:	xor	%eax, %eax
	jmp	6f
3:	mov	$1, %eax
6:	movq	$0, (%r8)
	pop	%rbx
	ret

/* RDI turns, RSI index of the counter */
	.globl	body_rdpmc
body_rdpmc:
	mov	%esi, %ecx
	rdpmc
	dec	%rdi
	jnz	body_rdpmc
	ret

/* Vectors, 16 bytes each; the CPU pushes an error code for a few of them. */
	.globl	vectors
	.p2align 4
vectors:
	.set	i, 0
	.rept	256
	.p2align 4
	.if (1 << (i & 31)) & 0x60227d00 == 0 || i > 31
	push	$0
	.endif
	push	$i
	jmp	common
	.set	i, i + 1
	.endr

common:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	call	interrupt
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq
