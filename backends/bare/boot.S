/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What C cannot say: the way from multiboot, and of the other processors from
 * real mode, to long mode; interrupts; the way into a guest.
 */
#include "bare.h"

#define MULTIBOOT_MAGIC		0x1badb002
#define MULTIBOOT_FLAGS		0x3	/* aligned modules, tell the memory */
#define REGS_SIZE		(15 * 8)	/* struct regs; host_rsp follows it */

	.section .boot, "ax"
	.p2align 2
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

/* From the boot loader: 32-bit protected mode, EBX: what it has to tell. */
	.code32
	.globl	boot
boot:
	lgdt	boot_gdtr

/* All processors: to long mode, each to a stack of its own. */
to_long_mode:
	mov	$DS, %eax
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
	cmp	$MAX_CPUS, %edi
	jae	2f
	imul	$CPU_SIZE, %edi, %eax
	lea	boot_cpus + CPU_SIZE(%rax), %rsp
	cld
	lidt	boot_idtr
	mov	%ebx, %esi
	call	machine_start
2:	cli
	hlt
	jmp	2b

/* Copied to TRAMPOLINE, where the other processors start in real mode. */
	.globl	trampoline, trampoline_end
	.code16
trampoline:
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	TRAMPOLINE + boot_gdtr - trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$CS32, $to_long_mode
boot_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt
trampoline_end:

	.data
boot_idtr:
	.word	NR_VECTORS * 16 - 1
	.quad	idt
	.globl	boot_count, boot_gdt
	.p2align 3
boot_count:
	.long	0
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* CS64 */
	.quad	0x00cf93000000ffff	/* DS */
	.quad	0x00cf9b000000ffff	/* CS32 */
boot_gdt_end:
/* Identity map of 4 GiB in pages of 2 MiB. */
	.p2align 12
boot_pml4:
	.quad	boot_pdpt + 0x3
	.p2align 12
boot_pdpt:
	.quad	boot_pd + 0x3, boot_pd + 0x1003, boot_pd + 0x2003, boot_pd + 0x3003
	.p2align 12
boot_pd:
	.set	i, 0
	.rept	2048
	.quad	i << 21 | 0x83
	.set	i, i + 1
	.endr

	.bss
	.balign CPU_SIZE	/* this_cpu() */
boot_cpus:
	.skip	MAX_CPUS * CPU_SIZE

	.text
	.code64
	.macro	EACH operation, registers:vararg
	.irp	register, \registers
	\operation	%\register
	.endr
	.endm
#define PUSH_REGS EACH push, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
#define POP_REGS  EACH pop, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax

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

/*
 * bool enter_guest(struct regs *, u32 how): into a guest and out again.  The
 * struct regs is the stack, from which the guest's registers are popped, and to
 * which they are pushed.  False where VMX refused, which only then returns with
 * a flag set.  VMRUN takes the VMCB from where RAX was, and keeps both of them.
 */
	.globl	enter_guest, guest_exit
enter_guest:
	EACH	push, rbx, rbp, r12, r13, r14, r15	/* what a callee keeps */
	mov	%rsp, REGS_SIZE(%rdi)
	mov	%rdi, %rsp
	cmp	$ENTRY_VMRESUME, %esi
	POP_REGS
	je	1f
	ja	2f
	vmlaunch
	jmp	guest_exit
1:	vmresume
	jmp	guest_exit
2:	vmrun	%rax
guest_exit:
	PUSH_REGS
	seta	%al
	mov	REGS_SIZE(%rsp), %rsp
	EACH	pop, r15, r14, r13, r12, rbp, rbx
	ret

	.section .note.GNU-stack, "", @progbits
