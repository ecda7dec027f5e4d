// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SVM.  GLOBAL_CTRL stays in its register while a vCPU owns the PMU: selectors
 * count guests only, or the host only.
 */
#include "bare.h"

#define MSR_VM_CR		0xc0010114
#define MSR_VM_HSAVE		0xc0010117
#define VM_CR_DISABLED		BIT(4)
#define FEATURE_NESTED_PAGING	BIT(0)
#define FEATURE_NEXT_RIP	BIT(3)
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

void svm_enter(struct regs *regs, struct vmcb *vmcb, void *host_vmcb);

static const char *svm_enable(struct cpu *cpu)
{
	u32 features = cpuid(0x8000000a, 0).edx;

	if (rdmsr(MSR_VM_CR) & VM_CR_DISABLED)
		return "SVM (the firmware has locked it)";
	if (!(features & FEATURE_NESTED_PAGING) || !(features & FEATURE_NEXT_RIP))
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
	struct vmcb *vmcb = vcpu->control = alloc_pages(1);
	void *io_map = alloc_pages(4);

	if (!vmcb || !io_map)
		return false;
	memset(io_map, 0xff, 0x3000);
	*vmcb = (struct vmcb){
		.intercept2 = INTERCEPT2, .asid = 1,
		.io_map = (u64)io_map, .msr_map = (u64)vcpu->msr_bitmap,
		.nested_enable = 1, .nested_cr3 = (u64)vcpu->nested_root,
		.es = data, .ds = data, .fs = data, .gs = data,
		.cs = { start->cs, 0xa9b, ~0u, 0 }, .ss = { start->ss, 0xc93, ~0u, 0 },
		.tr = { start->tr, 0x8b, 0x67, start->tss },
		.gdtr = { .limit = start->gdt_limit, .base = start->gdt }, .pat = PAT_RESET,
		.cr0 = CR0_PG | CR0_NE | CR0_PE, .cr3 = start->cr3, .cr4 = CR4_PAE,
		.dr6 = 0xffff0ff0, .dr7 = 0x400, .rflags = 2, .rsp = start->rsp,
	};
	return true;
}

/*
 * NMIs stay blocked up to IRET, which is intercepted; one that waits goes in
 * after the next exit.  An interrupt waits in the VMCB for an open IF.
 */
static void inject(struct vcpu *vcpu, struct vmcb *vmcb)
{
	vmcb->inject = 0;
	if (vcpu->gp_pending) {
		vmcb->inject = INJECT_GP;
		vcpu->gp_pending = false;
	} else if (vcpu->nmi_pending && !vcpu->in_nmi && !(vmcb->shadow & 1)) {
		vmcb->inject = INJECT_NMI;
		vcpu->nmi_pending = false;
		vcpu->in_nmi = true;
	}
	vmcb->virtual_irq = V_MASKING | V_IGNORE_TPR | (u64)vcpu->irq_vector << V_VECTOR_SHIFT |
			    (vcpu->irq_pending ? V_IRQ : 0);
}

static void read_exit(struct vcpu *vcpu, const struct vmcb *vmcb)
{
	static const u8 kinds[] = {
		[0x60] = EXIT_NOTHING, [0x6f] = EXIT_RDPMC, [0x72] = EXIT_CPUID,
		[0x74] = EXIT_NOTHING, [0x78] = EXIT_HLT, [0x7b] = EXIT_IO, [0x7c] = EXIT_RDMSR,
		[0x7f] = EXIT_SHUTDOWN,
	};
	u64 code = vmcb->exit_code, next_rip = vmcb->next_rip;

	vcpu->exit.code = code;
	vcpu->exit.kind = code < sizeof(kinds) ? kinds[code] : EXIT_OTHER;
	vcpu->exit.detail = 0;
	if (code == 0x74) {
		vcpu->in_nmi = false;
	} else if (code == 0x7b) {
		vcpu->exit.detail = vmcb->exit_info1;
		next_rip = vmcb->exit_info2;
	} else if (code == 0x7c && vmcb->exit_info1) {
		vcpu->exit.kind = EXIT_WRMSR;
	} else if (code == 0x400) {
		vcpu->exit.kind = EXIT_MEMORY;
		vcpu->exit.detail = vmcb->exit_info2;
	}
	vcpu->exit.length = (u32)(next_rip - vmcb->rip);
}

/* One address space number for all: leave nothing of another vCPU in the TLB. */
static void svm_run(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->control;

	if (vmcb->rip != vcpu->rip)
		vmcb->shadow = 0;
	vmcb->rip = vcpu->rip;
	vmcb->rax = vcpu->regs.rax;
	vmcb->efer = vcpu->efer | EFER_SVME;
	vmcb->tlb_control = !vcpu->launched;
	inject(vcpu, vmcb);
	vmcb->intercept1 = (u32)(INTERCEPT1 | (vcpu->rdpmc_intercepted ? INTERCEPT_RDPMC : 0) |
				 (vcpu->in_nmi ? INTERCEPT_IRET : 0));
	svm_enter(&vcpu->regs, vmcb, vcpu->cpu->host_vmcb);
	vcpu->launched = true;
	vcpu->rip = vmcb->rip;
	vcpu->regs.rax = vmcb->rax;
	vcpu->cr4 = vmcb->cr4;
	vcpu->cpl = vmcb->cpl;
	vcpu->irq_pending = vmcb->virtual_irq & V_IRQ;
	read_exit(vcpu, vmcb);
}

/* Two bits per MSR, in ranges from 0, C000_0000 and C001_0000. */
static u32 svm_bitmap_bit(u32 msr, bool write)
{
	u32 range = msr >> 31 ? 1 + (msr >> 16 & 1) : 0;

	return 2 * (0x2000 * range + (msr & 0x1fff)) + write;
}

const struct guest_mode svm = {
	.name = "SVM", .vendor = MPMU_VENDOR_AMD, .enable = svm_enable, .create = svm_create,
	.enter = svm_run, .bitmap_bit = svm_bitmap_bit,
};
