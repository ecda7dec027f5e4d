// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A hypervisor's part towards perf without a hypervisor: each call that KVM
 * makes, on request of a test program. The "guest" is a set of values that are
 * put into the registers when it takes the counters, and looked for when it
 * has to give them back.
 */
#include <linux/delay.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/perf_event.h>

#include "perfrow.h"

#define GUEST_VALUE(i)	(0x1000ull + (i))

static struct x86_pmu_capability cap;
static bool intel;
/* Counters of the guest on this CPU; none while the host owns the PMU */
static DEFINE_PER_CPU(u64, guest_counters);
static atomic_t reclaims, intact, pmis, pts, pts_outside_nmi, pmu_callbacks;

static u32 selector(int i)
{
	return intel ? MSR_P6_EVNTSEL0 + i : MSR_F15H_PERF_CTL + 2 * i;
}

static u32 counter(int i)
{
	if (i >= INTEL_PMC_IDX_FIXED)
		return MSR_CORE_PERF_FIXED_CTR0 + i - INTEL_PMC_IDX_FIXED;

	return intel ? MSR_IA32_PMC0 + i : MSR_F15H_PERF_CTR + 2 * i;
}

static u32 status_set(void)
{
	return intel ? 0x391 : 0xc0000303;
}

static u32 status_clear(void)
{
	return intel ? MSR_CORE_PERF_GLOBAL_OVF_CTRL :
		       MSR_AMD64_PERF_CNTR_GLOBAL_STATUS_CLR;
}

static u32 status_read(void)
{
	return intel ? MSR_CORE_PERF_GLOBAL_STATUS :
		       MSR_AMD64_PERF_CNTR_GLOBAL_STATUS;
}

/* Instructions in the guest only; nothing counts while global control is 0. */
static u64 guest_selector(int i)
{
	return 0xc0 | ARCH_PERFMON_EVENTSEL_USR | ARCH_PERFMON_EVENTSEL_OS |
	       ARCH_PERFMON_EVENTSEL_ENABLE | (intel ? 0 : AMD64_EVENTSEL_GUESTONLY);
}

static void guest_load(u64 counters)
{
	int i;

	for_each_set_bit(i, (unsigned long *)&counters, 64) {
		wrmsrl(counter(i), GUEST_VALUE(i));
		if (i < INTEL_PMC_IDX_FIXED)
			wrmsrl(selector(i), guest_selector(i));
	}
	if (intel)
		wrmsrl(MSR_ARCH_PERFMON_FIXED_CTR_CTRL, 0x3);
	wrmsrl(status_set(), 1);
}

static u64 rdmsr64(u32 msr)
{
	u64 value;

	rdmsrl(msr, value);
	return value;
}

static bool guest_intact(u64 counters)
{
	bool same = (rdmsr64(status_read()) & cap.counters) == 1;
	int i;

	for_each_set_bit(i, (unsigned long *)&counters, 64) {
		same &= rdmsr64(counter(i)) == GUEST_VALUE(i);
		if (i < INTEL_PMC_IDX_FIXED)
			same &= rdmsr64(selector(i)) == guest_selector(i);
	}
	return same;
}

static void guest_scrub(u64 counters)
{
	int i;

	for_each_set_bit(i, (unsigned long *)&counters, 64) {
		wrmsrl(counter(i), 0);
		if (i < INTEL_PMC_IDX_FIXED)
			wrmsrl(selector(i), 0);
	}
	if (intel)
		wrmsrl(MSR_ARCH_PERFMON_FIXED_CTR_CTRL, 0);
	wrmsrl(status_clear(), cap.counters);
}

static void give_back(void)
{
	u64 counters = __this_cpu_read(guest_counters);

	atomic_set(&intact, guest_intact(counters));
	guest_scrub(counters);
	__this_cpu_write(guest_counters, 0);
	x86_perf_guest_disown();
}

static void reclaim(void)
{
	atomic_inc(&reclaims);
	give_back();
}

static void own(struct perfrow *row)
{
	u64 counters = row->arg ?: cap.counters;

	guard(irqsave)();

	row->result = -EBUSY;
	if (x86_perf_host_active() || !x86_perf_guest_own())
		return;
	row->dirty = x86_perf_take_dirty(counters);
	guest_load(counters);
	__this_cpu_write(guest_counters, counters);
	perf_load_guest_lvtpc(0);
	row->result = 0;
}

static void disown(struct perfrow *row)
{
	guard(irqsave)();

	row->result = __this_cpu_read(guest_counters) ? 0 : -ENOENT;
	if (!row->result)
		give_back();
}

static void read_regs(struct perfrow *row)
{
	MPMU_MAGIC_NOP_RDI(MPMU_CMD_READ_REGS, 0, &row->regs);
}

static void state(struct perfrow *row)
{
	guard(irqsave)();

	row->owned = !!__this_cpu_read(guest_counters);
	row->reclaims = atomic_read(&reclaims);
	row->intact = atomic_read(&intact);
	row->pmis = atomic_read(&pmis);
	row->pts = atomic_read(&pts);
	row->pts_outside_nmi = atomic_read(&pts_outside_nmi);
	read_regs(row);
}

/* 2 instructions each */
static noinline void spin_for(unsigned long iterations)
{
	asm volatile("1: dec %0; jnz 1b" : "+r" (iterations));
}

static void spin_displaced(struct perfrow *row)
{
	u64 start;

	perf_load_guest_context();
	if (row->flags & PERFROW_TWICE)
		perf_load_guest_context();
	start = local_clock();
	if (row->flags & PERFROW_IRQS)
		local_irq_enable();
	if (row->flags & PERFROW_OPEN) {
		/* One mistake, not two: interrupts are on, but the CPU stays. */
		guard(preempt)();
		perf_load_guest_context();
	}
	spin_for(row->arg);
	local_irq_disable();
	row->host_active = x86_perf_host_active();
	read_regs(row);
	row->ns = local_clock() - start;
	perf_put_guest_context();
	if (row->flags & PERFROW_TWICE)
		perf_put_guest_context();
}

static void spin(struct perfrow *row)
{
	guard(irqsave)();

	row->callbacks_before = atomic_read(&pmu_callbacks);
	if (row->flags & PERFROW_DISPLACE)
		spin_displaced(row);
	else
		spin_for(row->arg);
	row->callbacks_after = atomic_read(&pmu_callbacks);
}

static void raise_pt(void)
{
	MPMU_MAGIC_NOP(MPMU_CMD_RAISE_PT, 0);
}

static void on_guest_pmi(void)
{
	atomic_inc(&pmis);
}

static unsigned int on_pt(void)
{
	atomic_inc(&pts);
	if (!in_nmi())
		atomic_inc(&pts_outside_nmi);
	return 1;
}

static unsigned int no_state(void)
{
	return 0;
}

static unsigned long no_ip(void)
{
	return 0;
}

static struct perf_guest_info_callbacks callbacks = {
	.state			= no_state,
	.get_ip			= no_ip,
	.handle_intel_pt_intr	= on_pt,
	.handle_mediated_pmi	= on_guest_pmi,
};

static void set_callbacks(struct perfrow *row)
{
	if (row->arg)
		perf_register_guest_info_callbacks(&callbacks);
	else
		perf_unregister_guest_info_callbacks(&callbacks);
}

static struct perf_event *kernel_event;

static long create_counter(struct perfrow *row)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= PERF_COUNT_HW_INSTRUCTIONS,
		.size		= sizeof(attr),
		.pinned		= true,
		.exclude_host	= 1,
	};
	struct perf_event *event;

	if (row->flags & PERFROW_VPMU)
		event = perf_event_create_vpmu_counter(&attr, -1, current, NULL, NULL);
	else
		event = perf_event_create_kernel_counter(&attr, -1, current, NULL, NULL);
	if (IS_ERR(event))
		return PTR_ERR(event);

	kernel_event = event;
	return 0;
}

static long counter_call(struct perfrow *row)
{
	if (row->arg)
		return create_counter(row);

	perf_event_release_kernel(kernel_event);
	kernel_event = NULL;
	return 0;
}

static void capability(struct perfrow *row)
{
	row->mediated = cap.mediated;
	row->counters = cap.counters;
	row->guest_counters = cap.guest_counters;
	row->widths[0] = cap.bit_width_gp;
	row->widths[1] = cap.bit_width_fixed;
	row->numbers[0] = cap.num_counters_gp;
	row->numbers[1] = cap.num_counters_fixed;
}

static void load_lvtpc(struct perfrow *row)
{
	guard(irqsave)();

	perf_load_guest_lvtpc(row->arg);
	read_regs(row);
	perf_put_guest_lvtpc();
}

static void set_status(struct perfrow *row)
{
	guard(irqsave)();

	wrmsrl(status_set(), row->arg);
}

/* On all CPUs at once, for a kernel that looks for races. */
static noinline void perfrow_spoil_count(void *count)
{
	unsigned long *at = count;
	int i;

	for (i = 0; i < 100000; i++) {
		++*at;
		barrier();
	}
}

/* For a kernel that checks itself: does it? */
static noinline long perfrow_spoil(void)
{
	static unsigned long raced;
	long *freed = kmalloc(64, GFP_KERNEL), value;

	on_each_cpu(perfrow_spoil_count, &raced, 1);
	OPTIMIZER_HIDE_VAR(freed);
	kfree(freed);
	value = READ_ONCE(*freed);
	return value;
}

/*
 * The guest on that CPU, if any, leaves its registers as they are.  In an interrupt
 * an oops is a crash; panic() would say first that all is over.
 */
static void crash_here(void *unused)
{
	BUG();
}

static void dispatch(unsigned int call, struct perfrow *row)
{
	switch (call) {
	case PERFROW_CREATE: row->result = perf_create_mediated_pmu(); break;
	case PERFROW_RELEASE: perf_release_mediated_pmu(); break;
	case PERFROW_SPIN: spin(row); break;
	case PERFROW_OWN: own(row); break;
	case PERFROW_DISOWN: disown(row); break;
	case PERFROW_STATE: state(row); break;
	case PERFROW_VECTOR: __apic_send_IPI_self(PERF_GUEST_MEDIATED_PMI_VECTOR); break;
	case PERFROW_NMI: __apic_send_IPI_mask(cpumask_of(row->arg), NMI_VECTOR); break;
	case PERFROW_LVTPC: load_lvtpc(row); break;
	case PERFROW_RAISE_PT: raise_pt(); break;
	case PERFROW_CALLBACKS: set_callbacks(row); break;
	case PERFROW_COUNTER: row->result = counter_call(row); break;
	case PERFROW_CAPABILITY: capability(row); break;
	case PERFROW_STATUS: set_status(row); break;
	case PERFROW_SPOIL: row->result = perfrow_spoil(); break;
	case PERFROW_CRASH: smp_call_function_single(row->arg, crash_here, NULL, 0); break;
	default: row->result = -ENOTTY;
	}
}

static long perfrow_ioctl(struct file *file, unsigned int call, unsigned long arg)
{
	struct perfrow *row __free(kfree) = memdup_user((void __user *)arg, sizeof(*row));

	if (IS_ERR(row))
		return PTR_ERR(no_free_ptr(row));

	row->result = 0;
	dispatch(call, row);
	return copy_to_user((void __user *)arg, row, sizeof(*row)) ? -EFAULT : 0;
}

static const struct file_operations perfrow_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= perfrow_ioctl,
};

static struct miscdevice perfrow_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "perfrow",
	.fops	= &perfrow_fops,
};

/* A PMU that no guest takes: nobody may disable it for one. */
static void probe_toggle(struct pmu *pmu)
{
	atomic_inc(&pmu_callbacks);
}

static int probe_event_init(struct perf_event *event)
{
	return event->attr.type == event->pmu->type ? 0 : -ENOENT;
}

static int probe_add(struct perf_event *event, int flags)
{
	return 0;
}

static void probe_del(struct perf_event *event, int flags)
{
}

static void probe_read(struct perf_event *event)
{
}

static struct pmu probe_pmu = {
	.module		= THIS_MODULE,
	.pmu_enable	= probe_toggle,
	.pmu_disable	= probe_toggle,
	.event_init	= probe_event_init,
	.add		= probe_add,
	.del		= probe_del,
	.start		= probe_del,
	.stop		= probe_del,
	.read		= probe_read,
};

static bool bystander;
module_param(bystander, bool, 0);
MODULE_PARM_DESC(bystander, "Leave the counters to another hypervisor");

static int __init perfrow_init(void)
{
	int err;

	intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
	perf_get_x86_pmu_capability(&cap);

	err = perf_pmu_register(&probe_pmu, PERFROW_PMU, -1);
	if (err)
		return err;
	err = misc_register(&perfrow_device);
	if (err)
		goto pmu;
	err = bystander ? 0 : x86_perf_register_reclaim(reclaim);
	if (err)
		goto misc;
	return 0;

misc:
	misc_deregister(&perfrow_device);
pmu:
	perf_pmu_unregister(&probe_pmu);
	return err;
}

static void __exit perfrow_exit(void)
{
	if (!bystander)
		x86_perf_unregister_reclaim();
	misc_deregister(&perfrow_device);
	perf_pmu_unregister(&probe_pmu);
}

module_init(perfrow_init);
module_exit(perfrow_exit);
MODULE_DESCRIPTION("Calls of a hypervisor into perf, for tests");
MODULE_LICENSE("Dual BSD/GPL");
