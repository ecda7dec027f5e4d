// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SVM.  GLOBAL_CTRL stays in its register while a vCPU owns the PMU: selectors
 * count guests only, or the host only.
 */
#include "bare.h"

#define MSR_VM_CR		0xc0010114
#define MSR_VM_HSAVE		0xc0010117
#define VM_CR_DISABLED		BIT(4)
#define PAT_RESET		0x0007040600070406

#define INTERCEPT_RDPMC		BIT(15)
#define INTERCEPT_IRET		BIT(20)
/* INTR, NMI, CPUID, HLT, I/O, MSRs, shutdown. */
#define INTERCEPT1		(BIT(0) | BIT(1) | BIT(18) | BIT(24) | BIT(27) | BIT(28) | BIT(31))
/* VMRUN and all the others of SVM. */
#define INTERCEPT2		0x7f

#define V_IRQ			BIT(8)
#define V_IGNORE_TPR		BIT(20)
#define V_MASKING		BIT(24)
#define V_VECTOR_SHIFT		32

#define INJECT_VALID		BIT(31)
#define INJECT_NMI		0x80000202
#define INJECT_GP		0x80000b0d	/* with an error code */

struct segment {
	u16 selector, rights;
	u32 limit;
	u64 base;
};

struct vmcb {
	u32 cr_intercepts[2], exceptions, intercept1, intercept2;
	u32 reserved1[11];
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
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, io_map) == 0x40, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, next_rip) == 0xc8, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, efer) == 0x4d0, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, rip) == 0x578, "VMCB");
MPMU_STATIC_ASSERT(__builtin_offsetof(struct vmcb, pat) == 0x668, "VMCB");

void svm_enter(struct regs *regs, u64 vmcb, u64 host_vmcb);

static struct vmcb *vmcb_of(struct vcpu *vcpu)
{
	return vcpu->control;
}

static u32 svm_features(void)
{
	return 0;
}

static const char *svm_enable(struct cpu *cpu)
{
	u32 features = cpuid(0x8000000a, 0).edx;

	if (rdmsr(MSR_VM_CR) & VM_CR_DISABLED)
		return "SVM (the firmware has locked it)";
	if (!(features & BIT(0)) || !(features & BIT(3)))
		return "nested paging or NRIP";
	cpu->host_area = alloc_pages(1);
	cpu->host_vmcb = alloc_pages(1);
	if (!cpu->host_area || !cpu->host_vmcb)
		return "memory";
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE, (u64)cpu->host_area);
	return NULL;
}

static bool svm_create(struct vcpu *vcpu, const struct vcpu_start *start)
{
	const struct segment data = { .rights = 0xcf3, .limit = ~0u };
	struct vmcb *vmcb = alloc_pages(1);
	void *io_map = alloc_pages(4);

	vcpu->control = vmcb;
	if (!vmcb || !io_map)
		return false;
	memset(io_map, 0xff, 0x3000);
	*vmcb = (struct vmcb){
		.intercept1 = INTERCEPT1 | INTERCEPT_RDPMC, .intercept2 = INTERCEPT2,
		.io_map = (u64)io_map, .msr_map = (u64)vcpu->msr_bitmap,
		.asid = 1, .virtual_irq = V_MASKING,
		.nested_enable = 1, .nested_cr3 = (u64)vcpu->nested_root,
		.es = data, .ds = data, .fs = data, .gs = data,
		.cs = { start->cs, 0xa9b, ~0u, 0 }, .ss = { start->ss, 0xc93, ~0u, 0 },
		.tr = { start->tr, 0x8b, 0x67, start->tss },
		.gdtr = { .limit = start->gdt_limit, .base = start->gdt },
		.efer = vcpu->efer | EFER_SVME, .pat = PAT_RESET,
		.cr0 = CR0_PG | CR0_NE | CR0_PE, .cr3 = start->cr3, .cr4 = CR4_PAE,
		.dr6 = 0xffff0ff0, .dr7 = 0x400, .rflags = 2,
		.rsp = start->rsp, .rip = start->rip,
	};
	return true;
}

/* One address space number for all: leave nothing in the TLB. */
static void svm_load(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->tlb_control = 1;
}

static void svm_put(struct vcpu *vcpu)
{
	(void)vcpu;
}

/*
 * NMIs stay blocked up to IRET, which is intercepted; one that waits goes in
 * after the next exit.  An interrupt waits in the VMCB for an open IF.
 */
static void svm_inject(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	if (vcpu->nmi_pending && !vcpu->in_nmi && !vmcb->inject && !(vmcb->shadow & 1)) {
		vmcb->inject = INJECT_NMI;
		vmcb->intercept1 |= INTERCEPT_IRET;
		vcpu->nmi_pending = false;
		vcpu->in_nmi = true;
	}
	vmcb->virtual_irq = V_MASKING | V_IGNORE_TPR | (u64)vcpu->irq_vector << V_VECTOR_SHIFT |
			    (vcpu->irq_pending ? V_IRQ : 0);
}

static void svm_inject_gp(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->inject = INJECT_GP;
}

static enum exit_kind kind_of(const struct vmcb *vmcb)
{
	switch (vmcb->exit_code) {
	case 0x60: return EXIT_INTERRUPT;
	case 0x6f: return EXIT_RDPMC;
	case 0x72: return EXIT_CPUID;
	case 0x74: return EXIT_WINDOW;
	case 0x78: return EXIT_HLT;
	case 0x7b: return EXIT_IO;
	case 0x7c: return vmcb->exit_info1 ? EXIT_WRMSR : EXIT_RDMSR;
	case 0x7f: return EXIT_SHUTDOWN;
	case 0x400: return EXIT_MEMORY;
	}
	return EXIT_OTHER;
}

static struct exit svm_run(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct exit exit;

	vmcb->rax = vcpu->regs.rax;
	svm_enter(&vcpu->regs, (u64)vmcb, (u64)vcpu->cpu->host_vmcb);
	vcpu->regs.rax = vmcb->rax;
	vcpu->irq_pending = vmcb->virtual_irq & V_IRQ;
	vmcb->inject = 0;
	vmcb->tlb_control = 0;
	exit = (struct exit){ .kind = kind_of(vmcb), .code = vmcb->exit_code };
	exit.length = (u32)(vmcb->next_rip - vmcb->rip);
	if (exit.kind == EXIT_IO) {
		exit.detail = vmcb->exit_info1;
		exit.length = (u32)(vmcb->exit_info2 - vmcb->rip);
	} else if (exit.kind == EXIT_MEMORY) {
		exit.detail = vmcb->exit_info2;
	} else if (exit.kind == EXIT_WINDOW) {
		vmcb->intercept1 &= ~(u32)INTERCEPT_IRET;
		vcpu->in_nmi = false;
	}
	return exit;
}

static void svm_set_rip(struct vcpu *vcpu, u64 rip)
{
	vmcb_of(vcpu)->rip = rip;
	vmcb_of(vcpu)->shadow = 0;
}

static u32 svm_cpl(struct vcpu *vcpu)
{
	return vmcb_of(vcpu)->cpl;
}

static u64 svm_rip(struct vcpu *vcpu)
{
	return vmcb_of(vcpu)->rip;
}

static u64 svm_cr4(struct vcpu *vcpu)
{
	return vmcb_of(vcpu)->cr4;
}

static void svm_write_efer(struct vcpu *vcpu, u64 efer)
{
	vmcb_of(vcpu)->efer = efer | EFER_SVME;
}

/* Without MPMU_FEAT_VMCS_GLOBAL_CTRL the core calls neither. */
static u64 svm_get_global_ctrl(struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

static void svm_set_global_ctrl(struct vcpu *vcpu, u64 value)
{
	(void)vcpu;
	(void)value;
}

static void svm_set_touched(struct vcpu *vcpu, bool touched)
{
	(void)vcpu;
	(void)touched;
}

/* Two bits per MSR, in ranges from 0, C000_0000 and C001_0000. */
static u32 svm_bitmap_bit(u32 msr, bool write)
{
	u32 range = msr >> 31 ? 1 + (msr >> 16 & 1) : 0;

	return 2 * (0x2000 * range + (msr & 0x1fff)) + write;
}

static void svm_set_rdpmc_intercept(struct vcpu *vcpu, bool intercept)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->intercept1 = intercept ? vmcb->intercept1 | INTERCEPT_RDPMC
				     : vmcb->intercept1 & ~(u32)INTERCEPT_RDPMC;
}

const struct guest_mode svm = {
	.name = "SVM",
	.vendor = MPMU_VENDOR_AMD,
	.features = svm_features,
	.enable = svm_enable,
	.create = svm_create,
	.load = svm_load,
	.put = svm_put,
	.enter = svm_run,
	.set_rip = svm_set_rip,
	.inject = svm_inject,
	.inject_gp = svm_inject_gp,
	.cpl = svm_cpl,
	.rip = svm_rip,
	.cr4 = svm_cr4,
	.write_efer = svm_write_efer,
	.get_global_ctrl = svm_get_global_ctrl,
	.set_global_ctrl = svm_set_global_ctrl,
	.set_touched = svm_set_touched,
	.bitmap_bit = svm_bitmap_bit,
	.set_rdpmc_intercept = svm_set_rdpmc_intercept,
};
