// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * VMX.  VM-entry loads PERF_GLOBAL_CTRL and VM-exit loads the host's, always;
 * that is 0 once the vCPU uses its PMU.  Where VM-exit cannot save the guest's,
 * the list of MSRs to store does.
 */
#include "bare.h"

enum {
	MSR_FEATURE_CONTROL = 0x3a, MSR_PERF_GLOBAL_CTRL = 0x38f, MSR_VMX_BASIC = 0x480,
	MSR_VMX_CR0_FIXED0 = 0x486, MSR_VMX_CR4_FIXED0 = 0x488, MSR_VMX_SECONDARY = 0x48b,
	MSR_VMX_TRUE_PIN = 0x48d, MSR_VMX_TRUE_PROC = 0x48e, MSR_VMX_TRUE_EXIT = 0x48f,
	MSR_VMX_TRUE_ENTRY = 0x490,
	FEATURE_LOCKED = 1 << 0, FEATURE_VMX = 1 << 2, CR4_VMXE = 1 << 13, RFLAGS_IF = 1 << 9,
};

/* Controls; PROC_EPT is one of the secondary ones. */
#define PIN_ALWAYS	(BIT(0) | BIT(3) | BIT(5))	/* interrupts, NMIs, virtual NMIs */
#define PROC_ALWAYS	(BIT(7) | BIT(24) | BIT(28) | BIT(31))	/* HLT, I/O, MSRs, secondary */
enum {
	PROC_IRQ_WINDOW = 1 << 2, PROC_RDPMC = 1 << 11, PROC_NMI_WINDOW = 1 << 22,
	PROC_EPT = 1 << 1,
	EXIT_HOST64 = 1 << 9, EXIT_LOAD_GLOBAL_CTRL = 1 << 12, EXIT_LOAD_EFER = 1 << 21,
	EXIT_SAVE_GLOBAL_CTRL = 1 << 30,
	ENTRY_GUEST64 = 1 << 9, ENTRY_LOAD_GLOBAL_CTRL = 1 << 13, ENTRY_LOAD_EFER = 1 << 15,
};

/* Fields, by their encoding. */
enum {
	GUEST_SELECTORS = 0x800, GUEST_LIMITS = 0x4800, GUEST_RIGHTS = 0x4814,
	GUEST_BASES = 0x6806, GUEST_CS = 1, GUEST_SS = 2, GUEST_TR = 7,
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
	CR4_MASK = 0x6002, QUALIFICATION = 0x6400,
	GUEST_CR0 = 0x6800, GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_GDT_BASE = 0x6816,
	GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820,
	HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04, HOST_GDT_BASE = 0x6c0c,
	HOST_IDT_BASE = 0x6c0e, HOST_RIP = 0x6c16,
};

#define EPT_POINTER_FLAGS	0x1e	/* write-back, 4 levels */
#define EPT_WRITE_BACK		(6 << 3)

#define BLOCKED_BY_SHADOW	0x3	/* STI, MOV SS */
#define BLOCKED_BY_NMI		0x8
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
	return allowed(MSR_VMX_TRUE_EXIT, EXIT_SAVE_GLOBAL_CTRL) & EXIT_SAVE_GLOBAL_CTRL;
}

/* A page with the revision of this processor's VMX, or NULL. */
static void *alloc_region(void)
{
	u32 *region = alloc_pages(1);

	if (region)
		*region = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	return region;
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
	if (!(allowed(MSR_VMX_TRUE_EXIT, EXIT_LOAD_GLOBAL_CTRL) & EXIT_LOAD_GLOBAL_CTRL))
		return "VM-exit's load of PERF_GLOBAL_CTRL";
	cpu->vmxon = alloc_region();
	if (!cpu->vmxon)
		return "memory";
	__asm__ volatile("mov %0, %%cr4" : :
			 "r"(read_cr(4) | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0)) : "memory");
	__asm__ volatile("vmxon %1" : "=@ccna"(failed) : "m"(cpu->vmxon) : "memory");
	return failed ? "VMXON" : NULL;
}

static void vmx_load(struct vcpu *vcpu)
{
	__asm__ volatile("vmptrld %0" : : "m"(vcpu->control) : "cc", "memory");
	for (u32 i = 0; i < NR_SYSCALL_MSRS; i++)
		wrmsr(syscall_msrs[i], vcpu->syscall_values[i]);
}

/* Another CPU may load it next: VMCLEAR writes it back. */
static void vmx_put(struct vcpu *vcpu)
{
	__asm__ volatile("vmclear %0" : : "m"(vcpu->control) : "cc", "memory");
	for (u32 i = 0; i < NR_SYSCALL_MSRS; i++)
		vcpu->syscall_values[i] = rdmsr(syscall_msrs[i]);
}

static void write_controls(struct vcpu *vcpu)
{
	vmwrite(PIN_CONTROLS, allowed(MSR_VMX_TRUE_PIN, PIN_ALWAYS));
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
	struct { u16 limit; u64 base; } __attribute__((packed)) gdt, idt;

	__asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
	for (u32 i = 0; i < 6; i++)
		vmwrite(HOST_SELECTORS + 2 * i, i == 1 ? CS64 : i == 2 ? DS : 0);
	vmwrite(HOST_TR_SELECTOR, TR);
	vmwrite(HOST_GDT_BASE, gdt.base);
	vmwrite(HOST_IDT_BASE, idt.base);
	vmwrite(HOST_CR0, read_cr(0));
	vmwrite(HOST_CR3, read_cr(3));
	vmwrite(HOST_CR4, read_cr(4));
	vmwrite(HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(HOST_RIP, (u64)vmx_exit);
}

/* In the order of the fields: ES, CS, SS, DS, FS, GS, LDTR, TR. */
static void write_segments(const struct vcpu_start *start)
{
	static const u32 rights[] = {
		0xc0f3, 0xa09b, 0xc093, 0xc0f3, 0xc0f3, 0xc0f3, 0x10000, 0x8b,
	};
	const u16 selectors[] = {
		[GUEST_CS] = start->cs, [GUEST_SS] = start->ss, [GUEST_TR] = start->tr,
	};

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
	vcpu->control = alloc_region();
	if (!vcpu->control)
		return false;
	vmx_put(vcpu);
	vmx_load(vcpu);
	write_controls(vcpu);
	write_host();
	write_segments(start);
	vmwrite(GUEST_CR0, rdmsr(MSR_VMX_CR0_FIXED0));
	vmwrite(GUEST_CR3, start->cr3);
	vmwrite(GUEST_CR4, CR4_PAE | rdmsr(MSR_VMX_CR4_FIXED0));
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_RFLAGS, 2);
	vmwrite(GUEST_RSP, start->rsp);
	vmx_put(vcpu);
	return true;
}

/* One event per entry; for what is blocked, exit as soon as it is not. */
static void inject(struct vcpu *vcpu)
{
	u64 blocked = vmread(INTERRUPTIBILITY), event = 0;

	if (vcpu->gp_pending) {
		event = INJECT_GP;
		vcpu->gp_pending = false;
	} else if (vcpu->nmi_pending && !(blocked & (BLOCKED_BY_SHADOW | BLOCKED_BY_NMI))) {
		event = INJECT_NMI;
		vcpu->nmi_pending = false;
	} else if (vcpu->irq_pending && !(blocked & BLOCKED_BY_SHADOW) &&
		   vmread(GUEST_RFLAGS) & RFLAGS_IF) {
		event = INJECT_IRQ | vcpu->irq_vector;
		vcpu->irq_pending = false;
	}
	vmwrite(INJECT, event);
	vmwrite(PROC_CONTROLS, allowed(MSR_VMX_TRUE_PROC, PROC_ALWAYS |
				       (vcpu->nmi_pending ? PROC_NMI_WINDOW : 0) |
				       (vcpu->irq_pending ? PROC_IRQ_WINDOW : 0) |
				       (vcpu->rdpmc_intercepted ? PROC_RDPMC : 0)));
}

static void read_exit(struct vcpu *vcpu)
{
	static const u8 kinds[] = {
		[1] = EXIT_NOTHING, [2] = EXIT_SHUTDOWN, [7] = EXIT_NOTHING, [8] = EXIT_NOTHING,
		[10] = EXIT_CPUID, [12] = EXIT_HLT, [15] = EXIT_RDPMC, [30] = EXIT_IO,
		[31] = EXIT_RDMSR, [32] = EXIT_WRMSR, [48] = EXIT_MEMORY, [49] = EXIT_MEMORY,
	};
	u64 code = vmread(EXIT_REASON), qualification = vmread(QUALIFICATION);

	vcpu->exit.code = code;
	vcpu->exit.kind = code < sizeof(kinds) ? kinds[code] : EXIT_OTHER;
	vcpu->exit.length = (u32)vmread(EXIT_LENGTH);
	vcpu->exit.detail = 0;
	if (vcpu->exit.kind == EXIT_IO)
		vcpu->exit.detail = (qualification & 0xffff0000) | (qualification >> 3 & 1);
	else if (vcpu->exit.kind == EXIT_MEMORY)
		vcpu->exit.detail = vmread(GUEST_PHYSICAL);
}

static void vmx_run(struct vcpu *vcpu)
{
	bool touched = vcpu->mpmu.flags & MPMU_VCPU_TOUCHED;

	if (vmread(GUEST_RIP) != vcpu->rip)
		vmwrite(INTERRUPTIBILITY, vmread(INTERRUPTIBILITY) & ~(u64)BLOCKED_BY_SHADOW);
	vmwrite(GUEST_RIP, vcpu->rip);
	vmwrite(GUEST_EFER, vcpu->efer);
	vmwrite(GUEST_GLOBAL_CTRL, vcpu->global_ctrl);
	vmwrite(HOST_GLOBAL_CTRL, touched ? 0 : vcpu->cpu->global_ctrl);
	inject(vcpu);
	if (!vmx_enter(&vcpu->regs, vcpu->launched)) {
		vcpu->exit.kind = EXIT_OTHER;
		vcpu->exit.code = ENTRY_FAILED;
		return;
	}
	vcpu->launched = true;
	vcpu->global_ctrl = can_save() ? vmread(GUEST_GLOBAL_CTRL) : vcpu->store[1];
	vcpu->rip = vmread(GUEST_RIP);
	vcpu->cr4 = vmread(GUEST_CR4);
	vcpu->cpl = vmread(GUEST_RIGHTS + 2 * GUEST_SS) >> 5 & 3;
	read_exit(vcpu);
}

/* Reads of low and high MSRs, then writes, 8192 bits each. */
static u32 vmx_bitmap_bit(u32 msr, bool write)
{
	return (write ? 0x4000 : 0) + (msr >> 31 ? 0x2000 : 0) + (msr & 0x1fff);
}

const struct guest_mode vmx = {
	.name = "VMX", .vendor = MPMU_VENDOR_INTEL, .features = MPMU_FEAT_VMCS_GLOBAL_CTRL,
	.nested_leaf = EPT_WRITE_BACK, .enable = vmx_enable, .create = vmx_create,
	.load = vmx_load, .put = vmx_put, .enter = vmx_run, .bitmap_bit = vmx_bitmap_bit,
};
