/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guests of state.c: each calls with its result in RAX. */
#include "bare.h"

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

	.section .note.GNU-stack, "", @progbits
