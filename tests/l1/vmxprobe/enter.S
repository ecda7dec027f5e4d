/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VM entry, and the guest programs: they share the host's address space. */
#include <linux/linkage.h>

#define HOST_RSP	0x6c14

	.text

/* long vmxprobe_enter(long resume, long argument): 0 after an exit, 1 if refused */
SYM_FUNC_START(vmxprobe_enter)
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
	test	%rdi, %rdi
	mov	%rsi, %rdi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	mov	$1, %eax
	jmp	3f
SYM_INNER_LABEL(vmxprobe_exit, SYM_L_GLOBAL)
	xor	%eax, %eax
3:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	RET
SYM_FUNC_END(vmxprobe_enter)

/* 2 instructions per RDI, then an exit */
SYM_CODE_START(vmxprobe_guest_loop)
1:	dec	%rdi
	jnz	1b
	vmcall
	ud2
SYM_CODE_END(vmxprobe_guest_loop)

/* 4 instructions between two exits */
SYM_CODE_START(vmxprobe_guest_exits)
1:	nop
	nop
	nop
	vmcall
	jmp	1b
SYM_CODE_END(vmxprobe_guest_exits)

/* PERF_GLOBAL_CTRL = RDI, then an exit */
SYM_CODE_START(vmxprobe_guest_ctrl)
	mov	$0x38f, %ecx
	mov	%edi, %eax
	mov	%rdi, %rdx
	shr	$32, %rdx
	wrmsr
	vmcall
	ud2
SYM_CODE_END(vmxprobe_guest_ctrl)

/* RDPMC of counter 0 into RAX, then an exit */
SYM_CODE_START(vmxprobe_guest_rdpmc)
	xor	%ecx, %ecx
	rdpmc
	vmcall
	ud2
SYM_CODE_END(vmxprobe_guest_rdpmc)
