// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Proof of the emulator's VMX controls for PERF_GLOBAL_CTRL, before any
 * hypervisor relies on them.  A guest that is a piece of this module runs in
 * the host's own address space; the checks go to the kernel log.  Load it
 * before kvm-intel, on CPU 0.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

long vmxprobe_enter(long resume, long argument);
extern char vmxprobe_exit[], vmxprobe_guest_loop[], vmxprobe_guest_exits[],
	vmxprobe_guest_ctrl[], vmxprobe_guest_rdpmc[];

#define GUEST_STACK_SIZE	4096

struct probe {
	void *vmxon, *vmcs, *bitmap, *stack;
	struct vmx_msr_entry *list;
};

static struct probe probe;
static unsigned int checks, failed;

static void check(bool ok, const char *name, u64 got, u64 want)
{
	checks++;
	failed += !ok;
	if (!ok)
		pr_info("# got %#llx, want %#llx\n", got, want);
	pr_info("%sok %u - vmx: %s\n", ok ? "" : "not ", checks, name);
}

static void check_eq(u64 got, u64 want, const char *name)
{
	check(got == want, name, got, want);
}

/* --- instructions --- */

static bool vmxon(u64 pa)
{
	bool failed;

	asm volatile("vmxon %1" : "=@ccna" (failed) : "m" (pa) : "memory");
	return !failed;
}

static bool vmclear_load(u64 pa)
{
	bool failed, failed_too;

	asm volatile("vmclear %1" : "=@ccna" (failed) : "m" (pa) : "memory");
	asm volatile("vmptrld %1" : "=@ccna" (failed_too) : "m" (pa) : "memory");
	return !failed && !failed_too;
}

static void vmwrite(unsigned long field, u64 value)
{
	bool failed;

	asm volatile("vmwrite %2, %1" : "=@ccna" (failed) : "r" (field), "rm" (value));
	if (failed)
		pr_info("# VMWRITE of %#lx failed\n", field);
}

static u64 vmread(unsigned long field)
{
	u64 value = 0;

	asm volatile("vmread %1, %0" : "=r" (value) : "r" (field) : "cc");
	return value;
}

/* --- state: the guest is a copy of the host --- */

struct segment {
	unsigned int index;	/* ES, CS, SS, DS, FS, GS, LDTR, TR */
	u16 selector;
	u32 rights;
};

static u64 tss_base(void)
{
	return (u64)&get_cpu_entry_area(smp_processor_id())->tss.x86_tss;
}

static void write_segments(void)
{
	const struct segment segments[] = {
		{ 0, 0, 0x10000 }, { 1, __KERNEL_CS, 0xa09b }, { 2, __KERNEL_DS, 0xc093 },
		{ 3, 0, 0x10000 }, { 4, 0, 0xc093 }, { 5, 0, 0xc093 },
		{ 6, 0, 0x10000 }, { 7, GDT_ENTRY_TSS * 8, 0x8b },
	};
	const struct segment *s;

	for (s = segments; s < segments + ARRAY_SIZE(segments); s++) {
		vmwrite(GUEST_ES_SELECTOR + 2 * s->index, s->selector);
		vmwrite(GUEST_ES_LIMIT + 2 * s->index, s->index == 7 ? 0x67 : ~0U);
		vmwrite(GUEST_ES_AR_BYTES + 2 * s->index, s->rights);
		vmwrite(GUEST_ES_BASE + 2 * s->index, 0);
	}
	vmwrite(GUEST_TR_BASE, tss_base());
	vmwrite(GUEST_GS_BASE, __rdmsr(MSR_GS_BASE));
	vmwrite(GUEST_FS_BASE, __rdmsr(MSR_FS_BASE));
	vmwrite(HOST_CS_SELECTOR, __KERNEL_CS);
	vmwrite(HOST_SS_SELECTOR, __KERNEL_DS);
	vmwrite(HOST_DS_SELECTOR, 0);
	vmwrite(HOST_ES_SELECTOR, 0);
	vmwrite(HOST_FS_SELECTOR, 0);
	vmwrite(HOST_GS_SELECTOR, 0);
	vmwrite(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmwrite(HOST_TR_BASE, tss_base());
	vmwrite(HOST_GS_BASE, __rdmsr(MSR_GS_BASE));
	vmwrite(HOST_FS_BASE, __rdmsr(MSR_FS_BASE));
}

static void write_tables(void)
{
	struct desc_ptr gdt, idt;

	native_store_gdt(&gdt);
	store_idt(&idt);
	vmwrite(GUEST_GDTR_BASE, gdt.address);
	vmwrite(GUEST_GDTR_LIMIT, gdt.size);
	vmwrite(GUEST_IDTR_BASE, idt.address);
	vmwrite(GUEST_IDTR_LIMIT, idt.size);
	vmwrite(HOST_GDTR_BASE, gdt.address);
	vmwrite(HOST_IDTR_BASE, idt.address);
}

static void write_control_registers(void)
{
	vmwrite(GUEST_CR0, read_cr0());
	vmwrite(GUEST_CR3, __read_cr3());
	vmwrite(GUEST_CR4, __read_cr4());
	vmwrite(HOST_CR0, read_cr0());
	vmwrite(HOST_CR3, __read_cr3());
	vmwrite(HOST_CR4, __read_cr4());
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmwrite(VMCS_LINK_POINTER, ~0ULL);
	vmwrite(HOST_RIP, (u64)vmxprobe_exit);
}

/* What a control must have, and what it can have of WANTED. */
static u32 control(u32 msr, u32 wanted)
{
	u64 allowed = __rdmsr(msr);

	return (wanted | (u32)allowed) & (u32)(allowed >> 32);
}

static void write_controls(u32 entry, u32 exit)
{
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, control(MSR_IA32_VMX_TRUE_PINBASED_CTLS, 0));
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, control(MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
						   CPU_BASED_USE_MSR_BITMAPS));
	vmwrite(VM_ENTRY_CONTROLS, control(MSR_IA32_VMX_TRUE_ENTRY_CTLS,
					   VM_ENTRY_IA32E_MODE | entry));
	vmwrite(VM_EXIT_CONTROLS, control(MSR_IA32_VMX_TRUE_EXIT_CTLS,
					  VM_EXIT_HOST_ADDR_SPACE_SIZE | exit));
	vmwrite(MSR_BITMAP, __pa(probe.bitmap));
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 0);
}

/* A fresh VMCS that starts PROGRAM. */
static void prepare(void *program, u32 entry, u32 exit)
{
	if (!vmclear_load(__pa(probe.vmcs)))
		pr_info("# no current VMCS\n");
	write_controls(entry, exit);
	write_segments();
	write_tables();
	write_control_registers();
	vmwrite(GUEST_RSP, (u64)probe.stack + GUEST_STACK_SIZE - 64);
	vmwrite(GUEST_RIP, (u64)program);
}

/* --- the PMU --- */

static bool can(u32 msr, u32 bit)
{
	return __rdmsr(msr) >> 32 & bit;
}

static void counter_reset(void)
{
	wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, 0);
	wrmsrl(MSR_ARCH_PERFMON_EVENTSEL0, ARCH_PERFMON_EVENTSEL_ENABLE |
	       ARCH_PERFMON_EVENTSEL_OS | ARCH_PERFMON_EVENTSEL_USR | 0xc0);
	wrmsrl(MSR_ARCH_PERFMON_PERFCTR0, 0);
}

static u64 global_ctrl(void)
{
	return __rdmsr(MSR_CORE_PERF_GLOBAL_CTRL);
}

#define LOADS_IN	VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL
#define LOADS_OUT	VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL
#define SAVES_OUT	0x40000000

static void test_loads(void)
{
	counter_reset();
	prepare(vmxprobe_guest_loop, LOADS_IN, LOADS_OUT);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 2);
	check_eq(vmxprobe_enter(0, 1000), 0, "entry with the load controls");
	check_eq(global_ctrl(), 2, "exit loads GLOBAL_CTRL");
	wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, 0);
	check_eq(__rdmsr(MSR_ARCH_PERFMON_PERFCTR0), 2000,
		 "entry load counts from the first guest instruction to the last");
	check_eq(vmread(GUEST_IA32_PERF_GLOBAL_CTRL), 1, "the guest's field stays");
}

static void test_no_loads(void)
{
	counter_reset();
	prepare(vmxprobe_guest_ctrl, 0, 0);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1);
	check_eq(vmxprobe_enter(0, 6), 0, "entry without controls");
	check_eq(global_ctrl(), 6, "without controls GLOBAL_CTRL stays as the guest left it");
	check_eq(vmread(GUEST_IA32_PERF_GLOBAL_CTRL), 1, "without the save nothing is saved");
	wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, 0);
}

static void test_save(void)
{
	counter_reset();
	prepare(vmxprobe_guest_ctrl, LOADS_IN, LOADS_OUT | SAVES_OUT);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	check_eq(vmxprobe_enter(0, 5), 0, "entry with load and save controls");
	check_eq(vmread(GUEST_IA32_PERF_GLOBAL_CTRL), 5, "exit saves GLOBAL_CTRL");
	check_eq(global_ctrl(), 0, "exit loads 0 after the save");
}

/* The way of hosts that cannot save. */
static void test_lists(void)
{
	counter_reset();
	prepare(vmxprobe_guest_ctrl, LOADS_IN, LOADS_OUT);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	probe.list[0] = (struct vmx_msr_entry){ MSR_CORE_PERF_GLOBAL_CTRL, 0, 0x77 };
	vmwrite(VM_EXIT_MSR_STORE_ADDR, __pa(probe.list));
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 1);
	check_eq(vmxprobe_enter(0, 4), 0, "entry with a store list");
	check_eq(probe.list[0].value, 4, "the store list holds the guest's GLOBAL_CTRL");
	check_eq(global_ctrl(), 0, "exit loads 0 after the store");

	prepare(vmxprobe_guest_loop, 0, 0);
	counter_reset();
	probe.list[0].value = 1;
	probe.list[1] = (struct vmx_msr_entry){ MSR_CORE_PERF_GLOBAL_CTRL, 0, 0 };
	vmwrite(VM_ENTRY_MSR_LOAD_ADDR, __pa(probe.list));
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 1);
	vmwrite(VM_EXIT_MSR_LOAD_ADDR, __pa(probe.list + 1));
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 1);
	check_eq(vmxprobe_enter(0, 700), 0, "entry with load lists");
	check_eq(global_ctrl(), 0, "the exit's load list loads GLOBAL_CTRL");
	check_eq(__rdmsr(MSR_ARCH_PERFMON_PERFCTR0), 1400, "load lists count the guest exactly");
}

static void test_resume(void)
{
	const unsigned int exits = 200;
	unsigned int i;

	counter_reset();
	prepare(vmxprobe_guest_exits, LOADS_IN, LOADS_OUT);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	for (i = 0; i < exits; i++) {
		if (vmxprobe_enter(i != 0, 0))
			break;
		vmwrite(GUEST_RIP, vmread(GUEST_RIP) + 3);
	}
	check_eq(i, exits, "entries by VMRESUME");
	check_eq(__rdmsr(MSR_ARCH_PERFMON_PERFCTR0), 3 + 4 * (exits - 1),
		 "neither VMRESUME nor the exiting instruction counts for the guest");
}

static void test_rdpmc(void)
{
	prepare(vmxprobe_guest_rdpmc, LOADS_IN, LOADS_OUT);
	vmxprobe_enter(0, 0);
	check_eq(vmread(VM_EXIT_REASON), EXIT_REASON_VMCALL, "RDPMC without the control: no exit");
	prepare(vmxprobe_guest_rdpmc, LOADS_IN, LOADS_OUT);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmread(CPU_BASED_VM_EXEC_CONTROL) |
		CPU_BASED_RDPMC_EXITING);
	vmxprobe_enter(0, 0);
	check_eq(vmread(VM_EXIT_REASON), EXIT_REASON_RDPMC, "RDPMC with the control: an exit");
}

static void test_refused(void)
{
	prepare(vmxprobe_guest_loop, LOADS_IN, LOADS_OUT);
	vmwrite(GUEST_IA32_PERF_GLOBAL_CTRL, 1ULL << 20);
	vmxprobe_enter(0, 10);
	check_eq(vmread(VM_EXIT_REASON), 0x80000021,
		 "entry fails on reserved bits of the guest's GLOBAL_CTRL");
	prepare(vmxprobe_guest_loop, LOADS_IN, LOADS_OUT);
	vmwrite(HOST_IA32_PERF_GLOBAL_CTRL, 1ULL << 20);
	check_eq(vmxprobe_enter(0, 10), 1, "entry fails on reserved bits of the host's");
	check_eq(vmread(VM_INSTRUCTION_ERROR), VMXERR_ENTRY_INVALID_HOST_STATE_FIELD,
		 "and says: host state");
}

static void run_tests(void)
{
	test_loads();
	test_no_loads();
	if (can(MSR_IA32_VMX_TRUE_EXIT_CTLS, SAVES_OUT))
		test_save();
	test_lists();
	test_resume();
	test_rdpmc();
	test_refused();
}

static void probe_this_cpu(void)
{
	unsigned long flags;
	u64 ctrl, sel;

	local_irq_save(flags);
	ctrl = global_ctrl();
	rdmsrl(MSR_ARCH_PERFMON_EVENTSEL0, sel);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmxon(__pa(probe.vmxon))) {
		run_tests();
		asm volatile("vmxoff" : : : "cc", "memory");
	} else {
		check(false, "VMXON", 0, 1);
	}
	cr4_clear_bits(X86_CR4_VMXE);
	wrmsrl(MSR_ARCH_PERFMON_PERFCTR0, 0);
	wrmsrl(MSR_ARCH_PERFMON_EVENTSEL0, sel);
	wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, ctrl);
	local_irq_restore(flags);
}

static void *page(u32 revision)
{
	void *p = (void *)get_zeroed_page(GFP_KERNEL);

	if (p)
		*(u32 *)p = revision;
	return p;
}

static void free_all(void)
{
	free_page((unsigned long)probe.vmxon);
	free_page((unsigned long)probe.vmcs);
	free_page((unsigned long)probe.bitmap);
	free_page((unsigned long)probe.stack);
	free_page((unsigned long)probe.list);
}

/* Never stays loaded: the result is the log. */
static int __init vmxprobe_init(void)
{
	u32 revision = __rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;

	probe = (struct probe){
		.vmxon = page(revision), .vmcs = page(revision),
		.bitmap = page(0), .stack = page(0), .list = page(0),
	};
	if (probe.vmxon && probe.vmcs && probe.bitmap && probe.stack && probe.list)
		probe_this_cpu();
	pr_info("1..%u\n", checks);
	free_all();
	return -ECANCELED;
}
module_init(vmxprobe_init);

MODULE_DESCRIPTION("Proof of the VMX controls for PERF_GLOBAL_CTRL");
MODULE_LICENSE("Dual BSD/GPL");
