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
/* INTR, NMI, VINTR, CPUID, INVD, HLT, I/O, MSRs, shutdown. */
#define INTERCEPT1		(BIT(0) | BIT(1) | BIT(4) | BIT(18) | BIT(22) | BIT(24) | BIT(27) | \
				 BIT(28) | BIT(31))
/* VMRUN and all the others of SVM. */
#define INTERCEPT2		0x7f

#define EXIT_IRET		0x74
#define EXIT_MSR		0x7c

#define V_IRQ			BIT(8)
#define V_IGNORE_TPR		BIT(20)
#define V_MASKING		BIT(24)

#define ASID			1		/* of all guests */
#define FLUSH_TLB		BIT(32)		/* in the same field */
#define SEGMENT(selector, rights, limit) ((selector) | (rights) << 16 | (limit) << 32)

/* Fields of the VMCB, by their offset; 64 bits each, as neighbours share some. */
enum {
	INTERCEPTS1 = 0x008, INTERCEPTS2 = 0x010, IO_MAP = 0x040, MSR_MAP = 0x048,
	ASID_AND_TLB = 0x058, VIRTUAL_IRQ = 0x060, SHADOW = 0x068, EXIT_CODE = 0x070,
	EXIT_INFO1 = 0x078, EXIT_INFO2 = 0x080, NESTED_ENABLE = 0x090, INJECT = 0x0a8,
	NESTED_CR3 = 0x0b0, NEXT_RIP = 0x0c8, GUEST_CS = 0x410, GUEST_SS = 0x420,
	GUEST_TR = 0x490, GUEST_CPL = 0x4c8, GUEST_EFER = 0x4d0, GUEST_CR4 = 0x548,
	GUEST_CR3 = 0x550, GUEST_CR0 = 0x558, GUEST_DR7 = 0x560, GUEST_DR6 = 0x568,
	GUEST_RFLAGS = 0x570, GUEST_RIP = 0x578, GUEST_RAX = 0x5f8, GUEST_PAT = 0x668,
};
#define vmcb(field) (*(u64 *)&vcpu->pages->control[field])

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
	const struct { u32 field; u64 value; } fields[] = {
		{ INTERCEPTS2, INTERCEPT2 },
		{ IO_MAP, (u64)io_map }, { MSR_MAP, (u64)vcpu->pages->msr_bitmap },
		{ NESTED_ENABLE, 1 }, { NESTED_CR3, (u64)vcpu->pages->pml4 },
		{ GUEST_CS, SEGMENT(CS64, 0xa9bull, 0xffffffffull) },
		{ GUEST_SS, SEGMENT(DS, 0xc93ull, 0xffffffffull) },
		{ GUEST_TR, SEGMENT(TR, 0x8bull, 0x67ull) },
		{ GUEST_EFER, EFER_GUEST | EFER_SVME }, { GUEST_PAT, PAT_RESET },
		{ GUEST_CR0, CR0_PG | CR0_NE | CR0_PE }, { GUEST_CR3, cr3 }, { GUEST_CR4, CR4_PAE },
		{ GUEST_DR6, 0xffff0ff0 }, { GUEST_DR7, 0x400 }, { GUEST_RFLAGS, 2 },
	};

	for (u32 i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		vmcb(fields[i].field) = fields[i].value;
}

/*
 * GIF is 0 outside of the guest, so that the open IF lets interrupts end guest
 * mode, and no more.  VMLOAD and VMSAVE switch the segments that VMRUN does not.
 */
static void run(struct vcpu *vcpu)
{
	vmcb(GUEST_RAX) = vcpu->regs.rax;
	vcpu->regs.rax = (u64)vcpu->pages->control;
	__asm__ volatile("clgi; sti; vmsave %0" : : "a"(vcpu->cpu->host_vmcb) : "memory");
	__asm__ volatile("vmload %0" : : "a"(vcpu->pages->control) : "memory");
	enter_guest(&vcpu->regs, ENTRY_VMRUN);
	__asm__ volatile("vmsave %0" : : "a"(vcpu->pages->control) : "memory");
	__asm__ volatile("vmload %0; cli; stgi" : : "a"(vcpu->cpu->host_vmcb) : "memory");
	vcpu->regs.rax = vmcb(GUEST_RAX);
}

/*
 * An NMI that another event or a shadow holds back goes in as soon as it can: let the
 * guest go, and exit at once.  So, too, at IRET: the intercept comes before it, an NMI
 * must come after it, and the kick waits for one instruction, as in the shadow of STI.
 * Only one: if hardware knows no shadow for it, the guest has to go on.  An event
 * that goes in at IRET has an IRET of its own, which comes first.
 */
static void inject(struct vcpu *vcpu)
{
	if (vcpu->at_iret && vcpu->rip != vcpu->iret_rip)
		vcpu->in_nmi = vcpu->at_iret = false;
	vmcb(INJECT) = vcpu_take_event(vcpu, vmcb(SHADOW) & 1, vcpu->in_nmi, vmcb(GUEST_RFLAGS));
	vcpu->at_iret &= !vmcb(INJECT);
	if (vmcb(INJECT) == INJECT_NMI) {
		vcpu->in_nmi = true;
		vcpu->kicked = false;
	} else if (vcpu->pending[PENDING_NMI] && !vcpu->kicked &&
		   (!vcpu->in_nmi || vcpu->at_iret)) {
		vcpu->kicked = true;
		vmcb(SHADOW) |= vcpu->at_iret;
		send_ipi(IPI_TO_SELF | VEC_KICK);
	}
}

/*
 * NMIs stay blocked up to IRET, which is intercepted; so is IF as it opens.  One
 * address space number for all: leave nothing of another vCPU in the TLB.
 */
static void svm_enter(struct vcpu *vcpu)
{
	if (vmcb(GUEST_RIP) != vcpu->rip)
		vmcb(SHADOW) = 0;
	vmcb(GUEST_RIP) = vcpu->rip;
	vmcb(ASID_AND_TLB) = ASID | (vcpu->launched ? 0 : FLUSH_TLB);
	inject(vcpu);
	vmcb(VIRTUAL_IRQ) = V_MASKING | V_IGNORE_TPR | (vcpu->pending[PENDING_IRQ] ? V_IRQ : 0);
	vmcb(INTERCEPTS1) = (INTERCEPT1 | (vcpu->rdpmc_intercepted ? INTERCEPT_RDPMC : 0) |
			     (vcpu->in_nmi && !vcpu->at_iret ? INTERCEPT_IRET : 0)) << 32;
	run(vcpu);
	vcpu->launched = true;
	vcpu->rip = vmcb(GUEST_RIP);
	vcpu->cr4 = vmcb(GUEST_CR4);
	vcpu->cpl = vmcb(GUEST_CPL) >> 24 & 3;
	if (vmcb(EXIT_CODE) == EXIT_IRET) {
		vcpu->at_iret = true;
		vcpu->iret_rip = vcpu->rip;
	}
	vcpu->exit.code = vmcb(EXIT_CODE);
	vcpu->exit.info = vmcb(EXIT_INFO1);
	vcpu->exit.address = vmcb(EXIT_INFO2);
	vcpu->exit.length = vmcb(NEXT_RIP) - vmcb(GUEST_RIP);
	/* Writes of MSRs get a number of their own, as VMX has it. */
	if (vmcb(EXIT_CODE) == EXIT_MSR)
		vcpu->exit.code += vmcb(EXIT_INFO1) << 16;
}

const struct guest_mode svm = {
	.name = "SVM", .vendor = MPMU_VENDOR_AMD, .msr_bits = 2, .write_bit = 1,
	.enable = svm_enable, .create = svm_create, .enter = svm_enter,
};
