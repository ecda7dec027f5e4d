// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * VMX.  VM-entry loads PERF_GLOBAL_CTRL and VM-exit loads the host's, always.
 * Once the vCPU uses its PMU, the guest's value lives in the VMCS and the
 * host's is 0.  Where VM-exit cannot save it, the list of MSRs to store does,
 * and enter() carries it into the VMCS.
 */
#include "bare.h"

#define MSR_VMX_BASIC		0x480
#define MSR_VMX_CR0_FIXED0	0x486
#define MSR_VMX_CR4_FIXED0	0x488
#define MSR_VMX_SECONDARY	0x48b
#define MSR_VMX_TRUE_PIN	0x48d
#define MSR_VMX_TRUE_PROC	0x48e
#define MSR_VMX_TRUE_EXIT	0x48f
#define MSR_VMX_TRUE_ENTRY	0x490
#define MSR_PERF_GLOBAL_CTRL	0x38f

#define FEATURE_LOCKED		BIT(0)
#define FEATURE_VMX		BIT(2)

#define PIN_INTERRUPTS		BIT(0)
#define PIN_NMIS		BIT(3)
#define PIN_VIRTUAL_NMIS	BIT(5)
#define PROC_IRQ_WINDOW		BIT(2)
#define PROC_HLT		BIT(7)
#define PROC_RDPMC		BIT(11)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_IO			BIT(24)
#define PROC_MSR_BITMAPS	BIT(28)
#define PROC_SECONDARY		BIT(31)
#define PROC_EPT		BIT(1)
#define EXIT_HOST64		BIT(9)
#define EXIT_LOAD_GLOBAL_CTRL	BIT(12)
#define EXIT_LOAD_EFER		BIT(21)
#define EXIT_SAVE_GLOBAL_CTRL	BIT(30)
#define ENTRY_GUEST64		BIT(9)
#define ENTRY_LOAD_GLOBAL_CTRL	BIT(13)
#define ENTRY_LOAD_EFER		BIT(15)

/* Fields, by their encoding. */
enum {
	GUEST_SELECTORS = 0x800, GUEST_LIMITS = 0x4800, GUEST_RIGHTS = 0x4814,
	GUEST_BASES = 0x6806, GUEST_TR = 7,
	HOST_SELECTORS = 0xc00, HOST_TR_SELECTOR = 0xc0c,
	MSR_BITMAP = 0x2004, STORE_ADDRESS = 0x2006, EPT_POINTER = 0x201a,
	GUEST_PHYSICAL = 0x2400,
	LINK_POINTER = 0x2800, GUEST_EFER = 0x2806, GUEST_GLOBAL_CTRL = 0x2808,
	HOST_EFER = 0x2c02, HOST_GLOBAL_CTRL = 0x2c04,
	PIN_CONTROLS = 0x4000, PROC_CONTROLS = 0x4002, EXIT_CONTROLS = 0x400c,
	STORE_COUNT = 0x400e, ENTRY_CONTROLS = 0x4012, INJECT = 0x4016,
	INJECT_ERROR = 0x4018, SECONDARY_CONTROLS = 0x401e,
	EXIT_REASON = 0x4402, EXIT_LENGTH = 0x440c,
	GUEST_GDT_LIMIT = 0x4810, INTERRUPTIBILITY = 0x4824,
	CR4_MASK = 0x6002, CR4_SHADOW = 0x6006, QUALIFICATION = 0x6400,
	GUEST_CR0 = 0x6800, GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_GDT_BASE = 0x6816,
	GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820,
	HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04, HOST_TR_BASE = 0x6c0a,
	HOST_GDT_BASE = 0x6c0c, HOST_IDT_BASE = 0x6c0e, HOST_RIP = 0x6c16,
};

#define EPT_POINTER_FLAGS	0x1e	/* write-back, 4 levels */
#define EPT_WRITE_BACK		(6 << 3)

#define BLOCKED_BY_SHADOW	0x3	/* STI, MOV SS */
#define BLOCKED_BY_NMI		0x8
#define INJECT_IRQ		0x80000000
#define INJECT_NMI		0x80000202
#define INJECT_GP		0x80000b0d	/* with an error code */
#define ENTRY_FAILED		BIT(31)

bool vmx_enter(struct regs *regs, bool launched);
extern char vmx_exit[];

static void vmwrite(u64 field, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

static u64 vmread(u64 field)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
	return value;
}

/* What must be set, and what can be of WANTED. */
static u32 allowed(u32 msr, u64 wanted)
{
	u64 capability = rdmsr(msr);

	return (u32)((wanted | capability) & capability >> 32);
}

static bool can_save(void)
{
	return rdmsr(MSR_VMX_TRUE_EXIT) >> 32 & EXIT_SAVE_GLOBAL_CTRL;
}

static u32 vmx_features(void)
{
	bool loads = rdmsr(MSR_VMX_TRUE_EXIT) >> 32 & EXIT_LOAD_GLOBAL_CTRL;

	return loads ? MPMU_FEAT_VMCS_GLOBAL_CTRL : 0;
}

static const char *vmx_enable(struct cpu *cpu)
{
	u64 feature = rdmsr(MSR_FEATURE_CONTROL);
	bool failed;

	if (!(feature & FEATURE_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCKED | FEATURE_VMX);
	else if (!(feature & FEATURE_VMX))
		return "VMX (the firmware has locked it)";
	if (!(allowed(MSR_VMX_SECONDARY, PROC_EPT) & PROC_EPT))
		return "EPT";
	cpu->vmxon = alloc_pages(1);
	if (!cpu->vmxon)
		return "memory";
	*(u32 *)cpu->vmxon = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	write_cr4(read_cr4() | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0));
	__asm__ volatile("vmxon %1" : "=@ccna"(failed) : "m"(cpu->vmxon) : "memory");
	return failed ? "VMXON" : NULL;
}

static void vmx_load(struct vcpu *vcpu)
{
	__asm__ volatile("vmptrld %0" : : "m"(vcpu->control) : "cc", "memory");
	wrmsr(MSR_STAR, vcpu->syscall_msrs[0]);
	wrmsr(MSR_LSTAR, vcpu->syscall_msrs[1]);
	wrmsr(MSR_FMASK, vcpu->syscall_msrs[2]);
}

/* Another CPU may load it next: VMCLEAR writes it back. */
static void vmx_put(struct vcpu *vcpu)
{
	__asm__ volatile("vmclear %0" : : "m"(vcpu->control) : "cc", "memory");
	vcpu->launched = false;
	vcpu->syscall_msrs[0] = rdmsr(MSR_STAR);
	vcpu->syscall_msrs[1] = rdmsr(MSR_LSTAR);
	vcpu->syscall_msrs[2] = rdmsr(MSR_FMASK);
}

static void write_controls(const struct vcpu *vcpu)
{
	vmwrite(PIN_CONTROLS, allowed(MSR_VMX_TRUE_PIN, PIN_INTERRUPTS | PIN_NMIS |
				      PIN_VIRTUAL_NMIS));
	vmwrite(PROC_CONTROLS, allowed(MSR_VMX_TRUE_PROC, PROC_HLT | PROC_RDPMC | PROC_IO |
				       PROC_MSR_BITMAPS | PROC_SECONDARY));
	vmwrite(SECONDARY_CONTROLS, allowed(MSR_VMX_SECONDARY, PROC_EPT));
	vmwrite(EXIT_CONTROLS, allowed(MSR_VMX_TRUE_EXIT, EXIT_HOST64 | EXIT_LOAD_EFER |
				       EXIT_LOAD_GLOBAL_CTRL | EXIT_SAVE_GLOBAL_CTRL));
	vmwrite(ENTRY_CONTROLS, allowed(MSR_VMX_TRUE_ENTRY, ENTRY_GUEST64 | ENTRY_LOAD_EFER |
					ENTRY_LOAD_GLOBAL_CTRL));
	vmwrite(MSR_BITMAP, (u64)vcpu->msr_bitmap);
	vmwrite(EPT_POINTER, (u64)vcpu->nested_root | EPT_POINTER_FLAGS);
	vmwrite(LINK_POINTER, ~0ull);
	vmwrite(CR4_MASK, CR4_VMXE);
	if (can_save())
		return;
	vcpu->store[0] = MSR_PERF_GLOBAL_CTRL;
	vmwrite(STORE_ADDRESS, (u64)vcpu->store);
	vmwrite(STORE_COUNT, 1);
}

static void write_host(void)
{
	struct table gdt, idt;

	__asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
	for (u32 i = 0; i < 6; i++)
		vmwrite(HOST_SELECTORS + 2 * i, i == 1 ? CS64 : i == 2 ? DS : 0);
	vmwrite(HOST_TR_SELECTOR, TR);
	vmwrite(HOST_GDT_BASE, gdt.base);
	vmwrite(HOST_IDT_BASE, idt.base);
	vmwrite(HOST_CR0, read_cr0());
	vmwrite(HOST_CR3, read_cr3());
	vmwrite(HOST_CR4, read_cr4());
	vmwrite(HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(HOST_RIP, (u64)vmx_exit);
}

/* In the order of the fields: ES, CS, SS, DS, FS, GS, LDTR, TR. */
static void write_segments(const struct vcpu_start *start)
{
	static const u32 rights[] = {
		0xc0f3, 0xa09b, 0xc093, 0xc0f3, 0xc0f3, 0xc0f3, 0x10000, 0x8b,
	};
	const u16 selectors[] = { [1] = start->cs, [2] = start->ss, [GUEST_TR] = start->tr };

	for (u32 i = 0; i < 8; i++) {
		vmwrite(GUEST_SELECTORS + 2 * i, selectors[i]);
		vmwrite(GUEST_LIMITS + 2 * i, i == GUEST_TR ? 0x67 : ~0u);
		vmwrite(GUEST_RIGHTS + 2 * i, rights[i]);
	}
	vmwrite(GUEST_BASES + 2 * GUEST_TR, start->tss);
	vmwrite(GUEST_GDT_BASE, start->gdt);
	vmwrite(GUEST_GDT_LIMIT, start->gdt_limit);
}

static bool vmx_create(struct vcpu *vcpu, const struct vcpu_start *start)
{
	vcpu->control = alloc_pages(1);
	vcpu->store = alloc_pages(1);
	if (!vcpu->control || !vcpu->store)
		return false;
	*(u32 *)vcpu->control = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	vmx_put(vcpu);
	vmx_load(vcpu);
	write_controls(vcpu);
	write_host();
	write_segments(start);
	vmwrite(GUEST_EFER, vcpu->efer);
	vmwrite(GUEST_CR0, rdmsr(MSR_VMX_CR0_FIXED0));
	vmwrite(GUEST_CR3, start->cr3);
	vmwrite(GUEST_CR4, CR4_PAE | rdmsr(MSR_VMX_CR4_FIXED0));
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_RFLAGS, 2);
	vmwrite(GUEST_RSP, start->rsp);
	vmwrite(GUEST_RIP, start->rip);
	vmx_put(vcpu);
	return true;
}

static void window(u64 control, bool open)
{
	u64 controls = vmread(PROC_CONTROLS);

	vmwrite(PROC_CONTROLS, open ? controls | control : controls & ~control);
}

/* One event per entry; for what is blocked, exit as soon as it is not. */
static void vmx_inject(struct vcpu *vcpu)
{
	u64 blocked = vmread(INTERRUPTIBILITY);
	bool free = !(vmread(INJECT) & BIT(31)) && !(blocked & BLOCKED_BY_SHADOW);

	if (free && vcpu->nmi_pending && !(blocked & BLOCKED_BY_NMI)) {
		vmwrite(INJECT, INJECT_NMI);
		vcpu->nmi_pending = free = false;
	}
	if (free && vcpu->irq_pending && vmread(GUEST_RFLAGS) & RFLAGS_IF) {
		vmwrite(INJECT, INJECT_IRQ | vcpu->irq_vector);
		vcpu->irq_pending = false;
	}
	window(PROC_NMI_WINDOW, vcpu->nmi_pending);
	window(PROC_IRQ_WINDOW, vcpu->irq_pending);
}

static void vmx_inject_gp(struct vcpu *vcpu)
{
	(void)vcpu;
	vmwrite(INJECT_ERROR, 0);
	vmwrite(INJECT, INJECT_GP);
}

static enum exit_kind kind_of(u64 reason)
{
	static const u8 kinds[] = {
		[1] = EXIT_INTERRUPT, [2] = EXIT_SHUTDOWN, [7] = EXIT_WINDOW, [8] = EXIT_WINDOW,
		[10] = EXIT_CPUID, [12] = EXIT_HLT, [15] = EXIT_RDPMC, [30] = EXIT_IO,
		[31] = EXIT_RDMSR, [32] = EXIT_WRMSR, [48] = EXIT_MEMORY, [49] = EXIT_MEMORY,
	};

	return reason < sizeof(kinds) ? kinds[reason] : EXIT_OTHER;
}

static struct exit read_exit(void)
{
	struct exit exit = { .code = vmread(EXIT_REASON), .length = (u32)vmread(EXIT_LENGTH) };
	u64 qualification = vmread(QUALIFICATION);

	exit.kind = kind_of(exit.code);
	if (exit.kind == EXIT_IO)
		exit.detail = (qualification & 0xffff0000) | (qualification >> 3 & 1);
	else if (exit.kind == EXIT_MEMORY)
		exit.detail = vmread(GUEST_PHYSICAL);
	return exit;
}

static struct exit vmx_run(struct vcpu *vcpu)
{
	bool touched = vcpu->mpmu.flags & MPMU_VCPU_TOUCHED;

	vmwrite(HOST_GLOBAL_CTRL, touched ? 0 : vcpu->cpu->global_ctrl);
	if (touched && !can_save())
		vmwrite(GUEST_GLOBAL_CTRL, vcpu->store[1]);
	if (!vmx_enter(&vcpu->regs, vcpu->launched))
		return (struct exit){ .kind = EXIT_OTHER, .code = ENTRY_FAILED };
	vcpu->launched = true;
	return read_exit();
}

static void vmx_set_rip(struct vcpu *vcpu, u64 rip)
{
	(void)vcpu;
	vmwrite(GUEST_RIP, rip);
	vmwrite(INTERRUPTIBILITY, vmread(INTERRUPTIBILITY) & ~(u64)BLOCKED_BY_SHADOW);
}

static u32 vmx_cpl(struct vcpu *vcpu)
{
	(void)vcpu;
	return vmread(GUEST_RIGHTS + 2 * 2) >> 5 & 3;
}

static u64 vmx_rip(struct vcpu *vcpu)
{
	(void)vcpu;
	return vmread(GUEST_RIP);
}

static u64 vmx_cr4(struct vcpu *vcpu)
{
	(void)vcpu;
	return vmread(GUEST_CR4);
}

static void vmx_write_efer(struct vcpu *vcpu, u64 efer)
{
	(void)vcpu;
	vmwrite(GUEST_EFER, efer);
}

static u64 vmx_get_global_ctrl(struct vcpu *vcpu)
{
	return can_save() ? vmread(GUEST_GLOBAL_CTRL) : vcpu->store[1];
}

static void vmx_set_global_ctrl(struct vcpu *vcpu, u64 value)
{
	vmwrite(GUEST_GLOBAL_CTRL, value);
	vcpu->store[1] = value;
}

/* Untouched: nothing counts in the guest.  The core sets the value otherwise. */
static void vmx_set_touched(struct vcpu *vcpu, bool touched)
{
	if (!touched)
		vmx_set_global_ctrl(vcpu, 0);
}

/* Reads of low and high MSRs, then writes, 8192 bits each. */
static u32 vmx_bitmap_bit(u32 msr, bool write)
{
	return (write ? 0x4000 : 0) + (msr >> 31 ? 0x2000 : 0) + (msr & 0x1fff);
}

static void vmx_set_rdpmc_intercept(struct vcpu *vcpu, bool intercept)
{
	(void)vcpu;
	window(PROC_RDPMC, intercept);
}

const struct guest_mode vmx = {
	.name = "VMX",
	.vendor = MPMU_VENDOR_INTEL,
	.nested_leaf = EPT_WRITE_BACK,
	.features = vmx_features,
	.enable = vmx_enable,
	.create = vmx_create,
	.load = vmx_load,
	.put = vmx_put,
	.enter = vmx_run,
	.set_rip = vmx_set_rip,
	.inject = vmx_inject,
	.inject_gp = vmx_inject_gp,
	.cpl = vmx_cpl,
	.rip = vmx_rip,
	.cr4 = vmx_cr4,
	.write_efer = vmx_write_efer,
	.get_global_ctrl = vmx_get_global_ctrl,
	.set_global_ctrl = vmx_set_global_ctrl,
	.set_touched = vmx_set_touched,
	.bitmap_bit = vmx_bitmap_bit,
	.set_rdpmc_intercept = vmx_set_rdpmc_intercept,
};
