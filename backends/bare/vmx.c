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
	FEATURE_LOCKED = 1 << 0, FEATURE_VMX = 1 << 2, CR4_VMXE = 1 << 13,
};

/* Controls. */
#define PIN_ALWAYS	(BIT(0) | BIT(3) | BIT(5))	/* interrupts, NMIs, virtual NMIs */
/* HLT, CR8 in memory, I/O, MSRs, secondary. */
#define PROC_ALWAYS	(BIT(7) | PROC_TPR_SHADOW | BIT(24) | BIT(28) | BIT(31))
#define PROC_TPR_SHADOW	BIT(21)
/* DR7, 64 bits, EFER, GLOBAL_CTRL. */
#define EXIT_ALWAYS	(BIT(2) | BIT(9) | BIT(21) | EXIT_LOAD_GLOBAL_CTRL | EXIT_SAVE_GLOBAL_CTRL)
#define ENTRY_ALWAYS	(BIT(2) | BIT(9) | BIT(15) | ENTRY_LOAD_GLOBAL_CTRL)
#define EXIT_LOAD_GLOBAL_CTRL	BIT(12)
#define EXIT_SAVE_GLOBAL_CTRL	BIT(30)
#define ENTRY_LOAD_GLOBAL_CTRL	BIT(13)
#define PROC_IRQ_WINDOW	BIT(2)
#define PROC_RDPMC	BIT(11)
#define PROC_NMI_WINDOW	BIT(22)
#define PROC_EPT	BIT(1)		/* a secondary one */

/* Fields, by their encoding. */
enum {
	HOST_ES = 0xc00, HOST_CS = 0xc02, HOST_SS = 0xc04, HOST_TR = 0xc0c, MSR_BITMAP = 0x2004,
	STORE_ADDRESS = 0x2006, LOAD_ADDRESS = 0x200a, VIRTUAL_APIC = 0x2012, EPT_POINTER = 0x201a,
	GUEST_PHYSICAL = 0x2400, LINK_POINTER = 0x2800, GUEST_DEBUGCTL = 0x2802,
	GUEST_EFER = 0x2806, GUEST_GLOBAL_CTRL = 0x2808, HOST_EFER = 0x2c02,
	HOST_GLOBAL_CTRL = 0x2c04, PIN_CONTROLS = 0x4000, PROC_CONTROLS = 0x4002,
	EXCEPTION_BITMAP = 0x4004, CR3_TARGET_COUNT = 0x400a, EXIT_CONTROLS = 0x400c,
	STORE_COUNT = 0x400e, EXIT_LOAD_COUNT = 0x4010, ENTRY_CONTROLS = 0x4012,
	LOAD_COUNT = 0x4014, INJECT = 0x4016, INJECT_ERROR = 0x4018, TPR_THRESHOLD = 0x401c,
	SECONDARY_CONTROLS = 0x401e,
	EXIT_REASON = 0x4402, EXIT_LENGTH = 0x440c, IDTR_LIMIT = 0x4812, INTERRUPTIBILITY = 0x4824,
	GUEST_SYSENTER_CS = 0x482a, HOST_SYSENTER_CS = 0x4c00, CR0_MASK = 0x6000, CR4_MASK = 0x6002,
	CR0_SHADOW = 0x6004, CR4_SHADOW = 0x6006, QUALIFICATION = 0x6400, GUEST_CR0 = 0x6800,
	GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, IDTR_BASE = 0x6818, GUEST_DR7 = 0x681a,
	GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820, PENDING_DEBUG = 0x6822,
	GUEST_SYSENTER_RIP = 0x6826, HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04,
	HOST_FS_BASE = 0x6c06, HOST_GDT_BASE = 0x6c0c, HOST_IDT_BASE = 0x6c0e,
	HOST_SYSENTER_RIP = 0x6c12, HOST_RSP = 0x6c14, HOST_RIP = 0x6c16,
};

/* Segments, in the order of their fields. */
enum { ES, CS, SS, DATA, FS, GS, LDT, TSS };
#define SELECTOR(segment) (0x800 + 2 * (segment))
#define LIMIT(segment)	(0x4800 + 2 * (segment))
#define RIGHTS(segment)	(0x4814 + 2 * (segment))
#define BASE(segment)	(0x6806 + 2 * (segment))
#define UNUSABLE	0x10000

#define EPT_POINTER_FLAGS	0x1e	/* write-back, 4 levels */
#define EPT_WRITE_BACK		(6 << 3)

#define BLOCKED_BY_SHADOW	0x3	/* STI, MOV SS */
#define BLOCKED_BY_NMI		0x8
#define ENTRY_FAILED		BIT(31)
#define EXIT_CONTROL_REGISTER	28
#define CR0_CACHES		(BIT(29) | BIT(30))	/* NW, CD */

extern char guest_exit[], boot_gdt[];

static bool can_save;	/* VM-exit can save GLOBAL_CTRL */

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

/* VMXON, VMPTRLD and VMCLEAR take the address of a page's address; false: it failed. */
#define vmx_page(instruction, page) ({							\
	u64 page_ = (u64)(page);							\
	bool ok_;									\
	__asm__ volatile(instruction " %1" : "=@cca"(ok_) : "m"(page_) : "memory");	\
	ok_; })

/* What must be set, and what can be of WANTED. */
static u32 allowed(u32 msr, u64 wanted)
{
	u64 capability = rdmsr(msr);

	return (u32)((wanted | capability) & capability >> 32);
}

static const char *vmx_enable(struct cpu *cpu)
{
	u64 feature = rdmsr(MSR_FEATURE_CONTROL);

	if (!(feature & FEATURE_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCKED | FEATURE_VMX);
	else if (!(feature & FEATURE_VMX))
		return "VMX (the firmware has locked it)";
	if (!(allowed(MSR_VMX_SECONDARY, PROC_EPT) & PROC_EPT))
		return "EPT";
	if (!(allowed(MSR_VMX_TRUE_PROC, PROC_TPR_SHADOW) & PROC_TPR_SHADOW))
		return "the TPR shadow";
	if (!(allowed(MSR_VMX_TRUE_EXIT, EXIT_LOAD_GLOBAL_CTRL) & EXIT_LOAD_GLOBAL_CTRL))
		return "VM-exit's load of PERF_GLOBAL_CTRL";
	if (!(allowed(MSR_VMX_TRUE_ENTRY, ENTRY_LOAD_GLOBAL_CTRL) & ENTRY_LOAD_GLOBAL_CTRL))
		return "VM-entry's load of PERF_GLOBAL_CTRL";
	can_save = allowed(MSR_VMX_TRUE_EXIT, EXIT_SAVE_GLOBAL_CTRL) & EXIT_SAVE_GLOBAL_CTRL;
	*(u32 *)cpu->area = (u32)rdmsr(MSR_VMX_BASIC);
	write_cr(4, read_cr(4) | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0));
	return vmx_page("vmxon", cpu->area) ? NULL : "VMXON";
}

/* Another CPU may load it next: VMCLEAR writes it back. */
static void vmx_put(struct vcpu *vcpu)
{
	vmx_page("vmclear", vcpu->pages->control);
}

/*
 * A new VMCS may have anything in a field ("Initializing a VMCS"): what is in use
 * and has no other value is 0.  Fields of a range are neighbours.
 */
static const struct { u16 first, last; } zeros[] = {
	{ SELECTOR(ES), SELECTOR(TSS) }, { HOST_ES, HOST_TR }, { GUEST_DEBUGCTL, GUEST_DEBUGCTL },
	{ EXCEPTION_BITMAP, CR3_TARGET_COUNT }, { EXIT_LOAD_COUNT, EXIT_LOAD_COUNT },
	{ INJECT_ERROR, INJECT_ERROR }, { TPR_THRESHOLD, TPR_THRESHOLD }, { LIMIT(ES), IDTR_LIMIT },
	{ INTERRUPTIBILITY, GUEST_SYSENTER_CS },	/* between them: the activity */
	{ HOST_SYSENTER_CS, HOST_SYSENTER_CS }, { CR0_MASK, CR4_SHADOW }, { BASE(ES), IDTR_BASE },
	{ GUEST_RSP, GUEST_RSP }, { PENDING_DEBUG, GUEST_SYSENTER_RIP },
	{ HOST_FS_BASE, HOST_SYSENTER_RIP },
};

static void write_fields(struct vcpu *vcpu, u64 cr3)
{
	const struct { u32 field; u64 value; } fields[] = {
		{ PIN_CONTROLS, allowed(MSR_VMX_TRUE_PIN, PIN_ALWAYS) },
		{ SECONDARY_CONTROLS, allowed(MSR_VMX_SECONDARY, PROC_EPT) },
		{ EXIT_CONTROLS, allowed(MSR_VMX_TRUE_EXIT, EXIT_ALWAYS) },
		{ ENTRY_CONTROLS, allowed(MSR_VMX_TRUE_ENTRY, ENTRY_ALWAYS) },
		{ MSR_BITMAP, (u64)vcpu->pages->msr_bitmap },
		{ VIRTUAL_APIC, (u64)vcpu->pages->virtual_apic },
		{ EPT_POINTER, (u64)vcpu->pages->pml4 | EPT_POINTER_FLAGS },
		{ LOAD_ADDRESS, (u64)vcpu->msrs }, { LOAD_COUNT, NR_SYSCALL_MSRS },
		{ STORE_ADDRESS, (u64)vcpu->msrs }, { STORE_COUNT, NR_SYSCALL_MSRS + !can_save },
		{ HOST_CS, CS64 }, { HOST_SS, DS }, { HOST_TR, TR },
		{ HOST_GDT_BASE, (u64)boot_gdt }, { HOST_IDT_BASE, (u64)idt },
		{ HOST_CR0, read_cr(0) }, { HOST_CR3, read_cr(3) }, { HOST_CR4, read_cr(4) },
		{ LINK_POINTER, ~0ull }, { HOST_EFER, rdmsr(MSR_EFER) },
		{ HOST_RSP, (u64)&vcpu->host_rsp }, { HOST_RIP, (u64)guest_exit },
		{ GUEST_CR0, rdmsr(MSR_VMX_CR0_FIXED0) }, { GUEST_CR3, cr3 },
		{ GUEST_CR4, CR4_PAE | rdmsr(MSR_VMX_CR4_FIXED0) }, { CR4_MASK, CR4_VMXE },
		{ CR0_MASK, CR0_CACHES },
		{ SELECTOR(CS), CS64 }, { LIMIT(CS), ~0u }, { RIGHTS(CS), 0xa09b },
		{ SELECTOR(SS), DS }, { LIMIT(SS), ~0u }, { RIGHTS(SS), 0xc093 },
		{ SELECTOR(TSS), TR }, { LIMIT(TSS), 0x67 }, { RIGHTS(TSS), 0x8b },
		{ RIGHTS(ES), UNUSABLE }, { RIGHTS(DATA), UNUSABLE }, { RIGHTS(FS), UNUSABLE },
		{ RIGHTS(GS), UNUSABLE }, { RIGHTS(LDT), UNUSABLE },
		{ GUEST_EFER, EFER_GUEST }, { GUEST_DR7, 0x400 }, { GUEST_RFLAGS, 2 },
	};

	for (u32 i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		for (u32 field = zeros[i].first; field <= zeros[i].last; field += 2)
			vmwrite(field, 0);
	for (u32 i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		vmwrite(fields[i].field, fields[i].value);
}

static void vmx_create(struct vcpu *vcpu, u64 cr3)
{
	for (u32 i = 0; i < NR_SYSCALL_MSRS; i++)
		vcpu->msrs[i].msr = syscall_msrs[i];
	vcpu->msrs[NR_SYSCALL_MSRS].msr = MSR_PERF_GLOBAL_CTRL;
	*(u32 *)vcpu->pages->control = (u32)rdmsr(MSR_VMX_BASIC);
	vmx_put(vcpu);
	vmx_page("vmptrld", vcpu->pages->control);
	write_fields(vcpu, cr3);
	vmx_put(vcpu);
}

/* What is blocked goes in as soon as it is not: exit then. */
static void inject(struct vcpu *vcpu)
{
	u64 blocked = vmread(INTERRUPTIBILITY);

	if (vmread(GUEST_RIP) != vcpu->rip)
		blocked &= ~(u64)BLOCKED_BY_SHADOW;
	vmwrite(INTERRUPTIBILITY, blocked);
	vmwrite(INJECT, vcpu_take_event(vcpu, blocked & BLOCKED_BY_SHADOW,
					blocked & BLOCKED_BY_NMI, vmread(GUEST_RFLAGS)));
	vmwrite(PROC_CONTROLS, allowed(MSR_VMX_TRUE_PROC, PROC_ALWAYS |
				       (vcpu->pending[PENDING_NMI] ? PROC_NMI_WINDOW : 0) |
				       (vcpu->pending[PENDING_IRQ] ? PROC_IRQ_WINDOW : 0) |
				       (vcpu->rdpmc_intercepted ? PROC_RDPMC : 0)));
}

/* By the number in the qualification of the exit. */
static u64 operand(const struct vcpu *vcpu)
{
	static const u8 places[] = { 14, 12, 11, 13, 0, 8, 10, 9, 7, 6, 5, 4, 3, 2, 1, 0 };
	u32 number = vcpu->exit.info >> 8 & 0xf;

	return number == 4 ? vmread(GUEST_RSP) : ((const u64 *)&vcpu->regs)[places[number]];
}

/*
 * VM-exit would leave CD and NW to the host: the guest has them in the shadow
 * alone.  Its instruction then runs again, with no exit.  VMXE is not the guest's.
 */
static void write_control_register(struct vcpu *vcpu)
{
	if (vcpu->exit.info & 0xf)
		vcpu->pending[PENDING_GP] = INJECT_GP;
	else
		vmwrite(CR0_SHADOW, operand(vcpu) & CR0_CACHES);
}

static void vmx_enter(struct vcpu *vcpu)
{
	bool touched = vcpu->mpmu.flags & MPMU_VCPU_TOUCHED;

	if (!vcpu->launched)
		vmx_page("vmptrld", vcpu->pages->control);
	inject(vcpu);
	vmwrite(GUEST_RIP, vcpu->rip);
	vmwrite(GUEST_GLOBAL_CTRL, vcpu->global_ctrl);
	vmwrite(HOST_GLOBAL_CTRL, touched ? 0 : vcpu->cpu->global_ctrl);
	write_cr(2, vcpu->cr2);	/* VMX has no field for it */
	vcpu->exit.code = ENTRY_FAILED;
	if (!enter_guest(&vcpu->regs, vcpu->launched ? ENTRY_VMRESUME : ENTRY_VMLAUNCH))
		return;
	vcpu->launched = true;
	vcpu->cr2 = read_cr(2);
	vcpu->global_ctrl = can_save ? vmread(GUEST_GLOBAL_CTRL)
				     : vcpu->msrs[NR_SYSCALL_MSRS].value;
	vcpu->rip = vmread(GUEST_RIP);
	vcpu->cr4 = vmread(GUEST_CR4);
	vcpu->cpl = vmread(RIGHTS(SS)) >> 5 & 3;
	vcpu->exit.code = vmread(EXIT_REASON);
	vcpu->exit.info = vmread(QUALIFICATION);
	vcpu->exit.address = vmread(GUEST_PHYSICAL);
	vcpu->exit.length = vmread(EXIT_LENGTH);
	if (vcpu->exit.code == EXIT_CONTROL_REGISTER)
		write_control_register(vcpu);
}

const struct guest_mode vmx = {
	.name = "VMX", .vendor = MPMU_VENDOR_INTEL, .features = MPMU_FEAT_VMCS_GLOBAL_CTRL,
	.nested_leaf = EPT_WRITE_BACK, .msr_bits = 1, .write_bit = 0x4000,
	.enable = vmx_enable, .create = vmx_create, .enter = vmx_enter, .put = vmx_put,
};
