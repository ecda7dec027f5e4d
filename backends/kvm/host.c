// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine: what its PMU can do, what guests are offered, and the hooks of
 * perf and of the CPUs' life.
 */
#include <linux/bitops.h>
#include <linux/perf_event.h>

#include <asm/perf_event.h>

#include "x86.h"
#include "glue.h"
#include "cpuid.h"
#include "pmu.h"

struct mpmu_host kvm_mpmu_host __read_mostly;
struct kvm_mpmu_model kvm_mpmu_models[KVM_MPMU_NR_POLICIES] __read_mostly;
const char *kvm_mpmu_missing;
bool kvm_mpmu_lends_all __read_mostly;
DEFINE_PER_CPU(struct mpmu_cpu, kvm_mpmu_cpu);

static bool mediated_pmu_share = true;
module_param(mediated_pmu_share, bool, 0444);
MODULE_PARM_DESC(mediated_pmu_share,
		 "Let events of the host count on beside a guest, on other counters (default: Y)");

static void host_handle_pmi(void)
{
	struct mpmu_cpu *cpu = this_cpu_ptr(&kvm_mpmu_cpu);

	mpmu_pmi(cpu);
	/*
	 * On Intel, hardware masked the LVTPC as it delivered the interrupt.
	 * Where it is shared, VM-exit has made it an NMI since, as lent counters do.
	 */
	if (cpu->owner && !cpu->owner->lent && !x86_perf_lvtpc_shared())
		mpmu_kvm_route_pmi(cpu->owner);
}

/* In an NMI. */
static bool host_handle_overflow(void)
{
	return mpmu_nmi(this_cpu_ptr(&kvm_mpmu_cpu));
}

static void host_reclaim(void)
{
	mpmu_reclaim(this_cpu_ptr(&kvm_mpmu_cpu));
}

static void host_read_leaves(struct mpmu_cpuid *leaves, const struct x86_pmu_capability *perf,
			     u8 vendor)
{
	*leaves = (struct mpmu_cpuid){
		.vendor = vendor,
		.perf_capabilities = perf->perf_capabilities,
		.leaf_80000001_ecx = cpuid_ecx(0x80000001),
		.leaf_07_ebx = boot_cpu_data.x86_capability[CPUID_7_0_EBX],
	};
	if (boot_cpu_has(X86_FEATURE_ARCH_PERFMON))
		cpuid(0xa, &leaves->leaf_0a[0], &leaves->leaf_0a[1],
		      &leaves->leaf_0a[2], &leaves->leaf_0a[3]);
	if (boot_cpu_has(X86_FEATURE_PERFMON_V2)) {
		leaves->leaf_80000022[0] = cpuid_eax(0x80000022);
		leaves->leaf_80000022[1] = cpuid_ebx(0x80000022);
	}
}

/* Keep these counters only, and what makes sense without the others. */
static void host_limit_counters(struct mpmu_caps *caps, mpmu_pmcs pmcs)
{
	struct mpmu_caps limit = *caps;

	limit.counters &= pmcs;
	mpmu_caps_clamp(caps, &limit);
}

/*
 * Bits beyond the fields of PERF_METRICS fault.  Every machine that has it has four;
 * perf knows which have eight.
 */
static void host_limit_metrics(struct mpmu_caps *caps, const struct x86_pmu_capability *perf)
{
	if (caps->metrics_width)
		caps->metrics_width = perf->metrics ? 8 * perf->metrics : 32;
}

/* What the core cannot offer it must know of, or guests would reach it. */
static bool host_metrics_without_slots(const struct mpmu_cpuid *leaves,
				       const struct mpmu_caps *caps)
{
	return leaves->perf_capabilities & PERF_CAP_METRICS && !caps->metrics_width;
}

/* What hardware has, less what perf does not know or hides. */
static const char *host_read_caps(struct mpmu_caps *caps, const struct kvm_mpmu_vendor *vendor)
{
	struct x86_pmu_capability perf;
	struct mpmu_cpuid leaves;

	perf_get_x86_pmu_capability(&perf);
	host_read_leaves(&leaves, &perf, vendor->vendor);
	if (mpmu_caps_decode(caps, &leaves))
		return "CPUID describes the PMU inconsistently";

	host_limit_counters(caps, perf.counters);
	host_limit_metrics(caps, &perf);
	caps->features |= vendor->features();
	if (host_metrics_without_slots(&leaves, caps))
		return "fixed counter 3 beside PERF_METRICS";
	/* The clearest reason first: perf refuses old PMUs, too. */
	return mpmu_caps_missing(caps) ?:
	       perf.mediated ? NULL : "a PMU driver of perf that can lend it";
}

/* What perf lends, and what KVM's list of MSRs to save has room for. */
static void host_limit_offer(struct mpmu_caps *offer)
{
	struct x86_pmu_capability perf;

	perf_get_x86_pmu_capability(&perf);
	kvm_mpmu_lends_all = perf.guest_counters == perf.counters;
	host_limit_counters(offer, perf.guest_counters);
	host_limit_counters(offer, GENMASK_ULL(KVM_MAX_NR_GP_COUNTERS - 1, 0) |
					   GENMASK_ULL(MPMU_FIXED_BASE + KVM_MPMU_MAX_FIXED - 1,
						       MPMU_FIXED_BASE));
}

static const char *host_make_model(struct kvm_mpmu_model *model, const struct mpmu_caps *host,
				   enum mpmu_policy policy)
{
	mpmu_caps_offer(&model->caps, host, policy);
	host_limit_offer(&model->caps);
	/* KVM has no leaf 23H, which alone can tell of gaps. */
	if (mpmu_caps_encode(&model->leaves, &model->caps) || model->leaves.leaf_23_eax)
		return "counters without gaps";
	return NULL;
}

static const char *host_make_models(const struct mpmu_caps *host)
{
	const char *missing = NULL;
	int policy;

	for (policy = 0; policy < KVM_MPMU_NR_POLICIES && !missing; policy++)
		missing = host_make_model(&kvm_mpmu_models[policy], host, policy);
	return missing;
}

static const char *host_setup(const struct kvm_mpmu_vendor *vendor)
{
	struct mpmu_caps caps;
	const char *missing;

	if (cpu_feature_enabled(X86_FEATURE_HYBRID_CPU))
		return "the same PMU on each CPU (it is hybrid)";
	if (!enable_pmu)
		return "KVM's vPMU (enable_pmu)";
	missing = vendor->missing() ?: host_read_caps(&caps, vendor) ?: host_make_models(&caps);
	if (missing)
		return missing;

	kvm_mpmu_set_vendor(vendor);
	if (x86_perf_register_reclaim(host_reclaim))
		return "exclusive use of perf's interface";
	if (mpmu_host_init(&kvm_mpmu_host, &kvm_mpmu_ops, &caps)) {
		x86_perf_unregister_reclaim();
		return "a PMU that libmpmu supports";
	}
	kvm_set_mediated_pmi_handler(host_handle_pmi);
	if (mediated_pmu_share)
		x86_perf_start_sharing(host_handle_overflow);
	return NULL;
}

/* Whatever the parameter says now: it may change, and VMs may ask. */
void __kvm_mpmu_hardware_setup(const struct kvm_mpmu_vendor *vendor)
{
	kvm_mpmu_missing = host_setup(vendor);
	kvm_mpmu_start_default(vendor);
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_hardware_setup);

void __kvm_mpmu_hardware_unsetup(void)
{
	kvm_mpmu_stop_default();
	if (!kvm_mpmu_possible())
		return;

	kvm_set_mediated_pmi_handler(NULL);
	x86_perf_unregister_reclaim();
	memset(&kvm_mpmu_host, 0, sizeof(kvm_mpmu_host));
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_hardware_unsetup);

void __kvm_mpmu_cpu_online(void)
{
	mpmu_cpu_reset(this_cpu_ptr(&kvm_mpmu_cpu));
}

/*
 * The owner's thread has left a CPU that goes offline or sleeps, and its values may
 * still be there.  A reboot comes by an interrupt, in the middle of an owner's guest,
 * and may stop the CPU before that leaves: kexec's kernel would find its registers.
 */
void __kvm_mpmu_cpu_offline(void)
{
	unsigned long flags;

	local_irq_save(flags);
	host_reclaim();
	local_irq_restore(flags);
}

/* In any context, while nothing in memory can be relied on: no reclaim. */
void __kvm_mpmu_cpu_emergency(void)
{
	x86_perf_guest_abandon();
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_cpu_emergency);
