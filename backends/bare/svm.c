// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SVM.  GLOBAL_CTRL stays in its register while a vCPU owns the PMU: selectors
 * count guests only, or the host only.
 */
#include "bare.h"

#define MSR_VM_CR		0xc0010114
#define MSR_VM_HSAVE		0xc0010117
#define VM_CR_DISABLED		BIT(4)
#define FEATURES		(BIT(0) | BIT(3))	/* nested paging, NRIP */
#define PAT_RESET		0x0007040600070406

#define INTERCEPT_RDPMC		BIT(15)
#define INTERCEPT_IRET		BIT(20)
/* INTR, NMI, VINTR, CPUID, HLT, I/O, MSRs, shutdown. */
#define INTERCEPT1		(BIT(0) | BIT(1) | BIT(4) | BIT(18) | BIT(24) | BIT(27) | BIT(28) | BIT(31))
/* VMRUN and all the others of SVM. */
#define INTERCEPT2		0x7f

#define EXIT_IRET		0x74
#define EXIT_MSR		0x7c

#define V_IRQ			BIT(8)
#define V_IGNORE_TPR		BIT(20)
#define V_MASKING		BIT(24)

struct segment {
	u16 selector, rights;
	u32 limit;
	u64 base;
};

struct vmcb {
	u32 cr_intercepts[2], exceptions, intercept1, intercept2, reserved1[11];
	u64 io_map, msr_map, tsc_offset;
	u32 asid, tlb_control;
	u64 virtual_irq, shadow;
	u64 exit_code, exit_info1, exit_info2, exit_interrupted;
	u64 nested_enable, avic[2], inject, nested_cr3, lbr, clean, next_rip;
	u8 reserved2[0x400 - 0xd0];
	struct segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved3[0x4cb - 0x4a0], cpl, reserved4[4];
	u64 efer;
	u8 reserved5[0x548 - 0x4d8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 reserved6[0x5d8 - 0x580];
	u64 rsp;
	u8 reserved7[0x5f8 - 0x5e0];
	u64 rax;
	u8 reserved8[0x668 - 0x600];
	u64 pat;
};
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, next_rip) == 0xc8, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, rip) == 0x578, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, pat) == 0x668, "VMCB");

static u8 io_map[0x3000] __attribute__((aligned(0x1000)));	/* of all guests: no port is theirs */

static const char *svm_enable(struct cpu *cpu)
{
	if (rdmsr(MSR_VM_CR) & VM_CR_DISABLED)
		return "SVM (the firmware has locked it)";
	if (~cpuid(0x8000000a, 0).edx & FEATURES)
		return "nested paging or NRIP";
	memset(io_map, 0xff, sizeof(io_map));
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE, (u64)cpu->area);
	return NULL;
}

static void svm_create(struct vcpu *vcpu, u64 cr3)
{
	*(struct vmcb *)vcpu->pages->control = (struct vmcb){
		.intercept2 = INTERCEPT2, .asid = 1,
		.io_map = (u64)io_map, .msr_map = (u64)vcpu->pages->msr_bitmap,
		.nested_enable = 1, .nested_cr3 = (u64)vcpu->pages->pml4,
		.cs = { CS64, 0xa9b, ~0u, 0 }, .ss = { DS, 0xc93, ~0u, 0 }, .tr = { TR, 0x8b, 0x67, 0 },
		.efer = EFER_GUEST | EFER_SVME, .pat = PAT_RESET,
		.cr0 = CR0_PG | CR0_NE | CR0_PE, .cr3 = cr3, .cr4 = CR4_PAE,
		.dr6 = 0xffff0ff0, .dr7 = 0x400, .rflags = 2,
	};
}

/* NMIs stay blocked up to IRET, which is intercepted; so is IF as it opens. */
static void inject(struct vcpu *vcpu, struct vmcb *vmcb)
{
	vmcb->inject = vcpu_take_event(vcpu, vmcb->shadow & 1, vcpu->in_nmi, vmcb->rflags);
	vcpu->in_nmi |= vmcb->inject == INJECT_NMI;
	vmcb->virtual_irq = V_MASKING | V_IGNORE_TPR | (vcpu->pending[PENDING_IRQ] ? V_IRQ : 0);
	vmcb->intercept1 = (u32)(INTERCEPT1 | (vcpu->rdpmc_intercepted ? INTERCEPT_RDPMC : 0) |
				 (vcpu->in_nmi ? INTERCEPT_IRET : 0));
}

/*
 * GIF is 0 outside of the guest, so that the open IF lets interrupts end guest
 * mode, and no more.  VMLOAD and VMSAVE switch the segments that VMRUN does not.
 */
static void run(struct vcpu *vcpu, struct vmcb *vmcb)
{
	vmcb->rax = vcpu->regs.rax;
	vcpu->regs.rax = (u64)vmcb;
	__asm__ volatile("clgi; sti; vmsave %0" : : "a"(vcpu->cpu->host_vmcb) : "memory");
	__asm__ volatile("vmload %0" : : "a"(vmcb) : "memory");
	enter_guest(&vcpu->regs, ENTRY_VMRUN);
	__asm__ volatile("vmsave %0" : : "a"(vmcb) : "memory");
	__asm__ volatile("vmload %0; cli; stgi" : : "a"(vcpu->cpu->host_vmcb) : "memory");
	vcpu->regs.rax = vmcb->rax;
}

/* One address space number for all: leave nothing of another vCPU in the TLB. */
static void svm_enter(struct vcpu *vcpu)
{
	struct vmcb *vmcb = (struct vmcb *)vcpu->pages->control;

	if (vmcb->rip != vcpu->rip)
		vmcb->shadow = 0;
	vmcb->rip = vcpu->rip;
	vmcb->tlb_control = !vcpu->launched;
	inject(vcpu, vmcb);
	run(vcpu, vmcb);
	vcpu->launched = true;
	vcpu->rip = vmcb->rip;
	vcpu->cr4 = vmcb->cr4;
	vcpu->cpl = vmcb->cpl;
	vcpu->in_nmi &= vmcb->exit_code != EXIT_IRET;
	vcpu->exit.code = vmcb->exit_code;
	vcpu->exit.info = vmcb->exit_info1;
	vcpu->exit.address = vmcb->exit_info2;
	vcpu->exit.length = vmcb->next_rip - vmcb->rip;
	/* Writes of MSRs get a number of their own, as VMX has it. */
	if (vmcb->exit_code == EXIT_MSR)
		vcpu->exit.code += vmcb->exit_info1 << 16;
}

/* Two bits per MSR, in ranges from 0, C000_0000 and C001_0000. */
static u32 svm_bitmap_bit(u32 msr, bool write)
{
	u32 range = msr >> 31 ? 1 + (msr >> 16 & 1) : 0;

	return 2 * (0x2000 * range + (msr & 0x1fff)) + write;
}

const struct guest_mode svm = {
	.name = "SVM", .vendor = MPMU_VENDOR_AMD, .enable = svm_enable,
	.create = svm_create, .enter = svm_enter, .bitmap_bit = svm_bitmap_bit,
};
