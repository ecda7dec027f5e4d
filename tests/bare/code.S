/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guests of state.c, at GUEST_IMAGE: each calls with its result in RAX. */
#include "bare.h"
#include "payload.h"

#define CR0_AM	0x40000
#define CR0_NW	0x20000000
#define CR0_CD	0x40000000
#define CR4_VMXE 0x2000

	.macro	CODE name
	.globl	code_\name, code_\name\()_end
code_\name:
	.endm
	.macro	END name
	out	%al, $CALL_PORT
code_\name\()_end:
	.endm

	.section .rodata

	CODE dr7
	mov	$0x700, %eax
	mov	%rax, %dr7
	cpuid
	mov	%dr7, %rax
	END dr7

	/* CD on and off by each register; at last it is on, with NW and AM. */
	CODE cr0
	mov	%cr0, %rax
	.irp	register, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
	xor	$CR0_CD, %eax
	mov	%rax, %\register
	mov	%\register, %cr0
	xor	%\register, %\register
	.endr
	or	$CR0_CD | CR0_NW | CR0_AM, %eax
	mov	%rax, %cr0
	mov	%cr0, %rax
	END cr0

	CODE cr8
	mov	$15, %eax
	mov	%rax, %cr8
	mov	%cr8, %rax
	END cr8

	/* The leaf in RAX, subleaf in RCX. */
	CODE cpuid
	cpuid
	shl	$32, %rcx
	or	%rcx, %rax
	END cpuid

	CODE invd
	invd
	END invd

	CODE cr4
	mov	%cr4, %rax
	or	$CR4_VMXE, %eax
	mov	%rax, %cr4
	END cr4

/* Calls, and turns in RBP; NMIs call with where they came from in RAX. */
#define ADDRESS(label) label - code_nmi + GUEST_IMAGE
	.macro	GATE label
	.word	\label - code_nmi, CS64, 0x8e00, GUEST_IMAGE >> 16
	.quad	0
	.endm

	CODE nmi
	lgdt	ADDRESS(gdtr)
	lidt	ADDRESS(idtr)
	mov	$GUEST_IMAGE + 0x8000, %esp
	out	%al, $CALL_PORT
turn:	inc	%rbp
	jmp	turn
fault:	inc	%rbp
	jmp	fault
nmi:	mov	(%rsp), %rax
	out	%al, $CALL_PORT
	iretq
gdtr:	.word	3 * 8 - 1
	.quad	ADDRESS(gdt)
idtr:	.word	14 * 16 - 1
	.quad	ADDRESS(idt)
gdt:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
idt:	.skip	2 * 16
	GATE	nmi
	.skip	10 * 16
	GATE	fault
	END nmi

	.section .note.GNU-stack, "", @progbits
