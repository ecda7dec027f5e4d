/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From where the hypervisor starts a guest to where the payload does: descriptors, a stack. */
#include "payload.h"
#include "suite.h"

	.section .rodata
	.globl	guest_start, guest_start_end
guest_start:
	lgdt	1f - guest_start + GUEST_START
	mov	$GUEST_KERNEL_DS, %eax
	mov	%eax, %ss
	mov	$GUEST_TR, %eax
	ltr	%ax
	mov	$GUEST_CPU + GUEST_STACK - 16, %esp
	mov	$GUEST_IMAGE, %eax
	jmp	*%rax
1:	.word	7 * 8 - 1
	.quad	GUEST_GDT
guest_start_end:
	.section .note.GNU-stack, "", @progbits
