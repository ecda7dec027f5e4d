/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
	.section .rodata
	.globl	payload_image, payload_image_end
	.p2align 4
payload_image:
	.incbin	"payload.bin"
payload_image_end:
	.section .note.GNU-stack, "", @progbits
