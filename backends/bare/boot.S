/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What C cannot say: the way from multiboot, and of the other processors from
 * real mode, to long mode; interrupts; the two ways into a guest.
 */
#define __ASSEMBLER__ 1
#include "x86.h"

#define MULTIBOOT_MAGIC		0x1badb002
#define MULTIBOOT_FLAGS		0x3	/* aligned modules, tell the memory */

#define CPU_SIZE_SHIFT		14	/* bare.h: CPU_SIZE */
#define PAGE_FLAGS		0x3
#define LARGE_FLAGS		0x83
#define VMCS_HOST_RSP		0x6c14

	.section .boot, "ax"
	.p2align 2
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

/* From the boot loader: 32-bit protected mode, EBX: what it has to tell. */
	.code32
	.globl	boot
boot:
	cli
	mov	%ebx, boot_info
	/* Identity map of 4 GiB in pages of 2 MiB. */
	movl	$boot_pdpt + PAGE_FLAGS, boot_pml4
	mov	$boot_pd + PAGE_FLAGS, %eax
	xor	%ecx, %ecx
1:	mov	%eax, boot_pdpt(, %ecx, 8)
	add	$0x1000, %eax
	inc	%ecx
	cmp	$4, %ecx
	jne	1b
	mov	$LARGE_FLAGS, %eax
	xor	%ecx, %ecx
2:	mov	%eax, boot_pd(, %ecx, 8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$2048, %ecx
	jne	2b
	lgdt	boot_gdtr

/* All processors: to long mode, each to a stack of its own. */
to_long_mode:
	mov	$DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$boot_pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME | EFER_NX, %eax
	wrmsr
	mov	$CR0_PG | CR0_NE | CR0_PE, %eax
	mov	%eax, %cr0
	ljmp	$CS64, $1f

	.code64
1:	mov	$1, %edi
	lock xadd %edi, boot_count
	cmp	$2, %edi	/* bare.h: MAX_CPUS */
	jae	3f
	mov	%edi, %eax
	inc	%eax
	shl	$CPU_SIZE_SHIFT, %eax
	lea	boot_cpus(%rax), %rsp
	push	$0
	popf
	mov	boot_info, %esi
	call	machine_start
3:	cli
	hlt
	jmp	3b

/* Copied to 0x8000, where the other processors start in real mode. */
	.globl	trampoline, trampoline_end
	.code16
trampoline:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	0x8000 + trampoline_gdtr - trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$CS32, $to_long_mode
trampoline_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.long	boot_gdt
trampoline_end:

	.data
	.p2align 3
	.globl	boot_gdt, boot_gdt_tr
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* CS64 */
	.quad	0x00cf93000000ffff	/* DS */
boot_gdt_tr:
	.quad	0x0000890000000067, 0	/* TR; its base is filled in */
	.quad	0x00cf9b000000ffff	/* CS32 */
boot_gdt_end:
	.globl	boot_gdtr
boot_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt
	.globl	boot_info, boot_count
boot_info:
	.long	0
boot_count:
	.long	0

	.bss
	.p2align 14
	.globl	boot_cpus
boot_cpus:
	.skip	2 << CPU_SIZE_SHIFT
boot_pml4:
	.skip	0x1000
boot_pdpt:
	.skip	0x1000
boot_pd:
	.skip	0x4000

	.text
	.code64
	.macro	PUSH_REGS
	.irp	reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	push	%\reg
	.endr
	.endm
	.macro	POP_REGS
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	pop	%\reg
	.endr
	.endm

/* One stub of 16 bytes per vector; for some, the CPU pushes an error code. */
	.globl	vectors
	.p2align 4
vectors:
	.set	i, 0
	.rept	NR_VECTORS
	.p2align 4
	.if ((1 << (i & 31)) & 0x60227d00) == 0 || i > 31
	push	$0
	.endif
	push	$i
	jmp	interrupt
	.set	i, i + 1
	.endr
interrupt:
	PUSH_REGS
	cld
	mov	%rsp, %rdi
	call	machine_interrupt
	POP_REGS
	add	$16, %rsp
	iretq

/* Between registers and the struct regs that RDI points to; RDI is left out. */
	.macro	LOAD_REGS
	.set	at, 0
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	.ifnc	\reg, rdi
	mov	at(%rdi), %\reg
	.endif
	.set	at, at + 8
	.endr
	.endm
	.macro	STORE_REGS
	.set	at, 0
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	.ifnc	\reg, rdi
	mov	%\reg, at(%rdi)
	.endif
	.set	at, at + 8
	.endr
	.endm
#define REGS_RDI	(9 * 8)
#define REGS_RAX	(14 * 8)

	.macro	SAVE_HOST
	.irp	reg, rbx, rbp, r12, r13, r14, r15
	push	%\reg
	.endr
	.endm
	.macro	RESTORE_HOST
	.irp	reg, r15, r14, r13, r12, rbp, rbx
	pop	%\reg
	.endr
	.endm

/* bool vmx_enter(struct regs *, bool launched): false where it was refused. */
	.globl	vmx_enter, vmx_exit
vmx_enter:
	SAVE_HOST
	push	%rdi
	mov	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	test	%sil, %sil
	LOAD_REGS
	mov	REGS_RDI(%rdi), %rdi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	pop	%rdi
	xor	%eax, %eax
	jmp	3f
vmx_exit:
	xchg	%rdi, (%rsp)
	STORE_REGS
	pop	REGS_RDI(%rdi)
	mov	$1, %eax
3:	RESTORE_HOST
	ret

/*
 * void svm_enter(struct regs *, u64 vmcb, u64 host_vmcb).  GIF is 0 outside of
 * the guest, so that the open IF lets interrupts end guest mode, and no more.
 * VMRUN keeps RSP and RAX of both sides; VMLOAD and VMSAVE the other segments.
 */
	.globl	svm_enter
svm_enter:
	SAVE_HOST
	push	%rdx
	push	%rsi
	push	%rdi
	clgi
	sti
	mov	%rdx, %rax
	vmsave	%rax
	mov	%rsi, %rax
	vmload	%rax
	push	%rax
	LOAD_REGS
	mov	REGS_RDI(%rdi), %rdi
	pop	%rax
	vmrun	%rax
	xchg	%rdi, (%rsp)
	STORE_REGS
	pop	REGS_RDI(%rdi)
	pop	%rax
	vmsave	%rax
	pop	%rax
	vmload	%rax
	cli
	stgi
	RESTORE_HOST
	ret

	.section .note.GNU-stack, "", @progbits
