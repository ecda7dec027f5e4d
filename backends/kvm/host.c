// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine: what its PMU can do, what guests are offered, and the hooks of
 * perf and of the CPUs' life.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": mediated PMU: " fmt

#include <linux/bitops.h>
#include <linux/perf_event.h>

#include <asm/perf_event.h>

#include "x86.h"
#include "glue.h"
#include "cpuid.h"
#include "pmu.h"

/* All of PERF_CAPABILITIES that a mediated PMU has. */
#define PERF_CAP_FW_WRITES BIT_ULL(13)

struct mpmu_host kvm_mpmu_host __read_mostly;
struct mpmu_caps kvm_mpmu_offer __read_mostly;
DEFINE_PER_CPU(struct mpmu_cpu, kvm_mpmu_cpu);

static void handle_pmi(void)
{
	struct mpmu_cpu *cpu = this_cpu_ptr(&kvm_mpmu_cpu);

	mpmu_pmi(cpu);
	/*
	 * On Intel, hardware masked the LVTPC as it delivered the interrupt.
	 * Where it is shared, VM-exit has made it an NMI since.
	 */
	if (cpu->owner && !x86_perf_lvtpc_shared())
		mpmu_kvm_route_pmi(cpu->owner);
}

static void reclaim(void)
{
	mpmu_reclaim(this_cpu_ptr(&kvm_mpmu_cpu));
}

static void read_leaves(struct mpmu_cpuid *leaves, const struct x86_pmu_capability *perf, u8 vendor)
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
static void limit_counters(struct mpmu_caps *caps, mpmu_pmcs pmcs)
{
	struct mpmu_caps limit = *caps;

	limit.counters &= pmcs;
	mpmu_caps_clamp(caps, &limit);
}

/* What hardware has, less what perf does not know or hides. */
static const char *read_host_caps(struct mpmu_caps *caps, const struct kvm_mpmu_vendor *vendor)
{
	struct x86_pmu_capability perf;
	struct mpmu_cpuid leaves;

	perf_get_x86_pmu_capability(&perf);
	read_leaves(&leaves, &perf, vendor->vendor);
	if (mpmu_caps_decode(caps, &leaves))
		return "CPUID describes the PMU inconsistently";

	limit_counters(caps, perf.counters);
	caps->features |= vendor->features();
	/* The clearest reason first: perf refuses old PMUs, too. */
	return mpmu_caps_missing(caps) ?:
	       perf.mediated ? NULL : "a PMU driver of perf that can lend it";
}

/* KVM's list of MSRs to save has room for that many. */
static void limit_offer(struct mpmu_caps *offer)
{
	limit_counters(offer, GENMASK_ULL(KVM_MAX_NR_GP_COUNTERS - 1, 0) |
			      GENMASK_ULL(MPMU_FIXED_BASE + KVM_MPMU_MAX_FIXED - 1,
					  MPMU_FIXED_BASE));
}

static const char *setup(const struct kvm_mpmu_vendor *vendor)
{
	struct mpmu_caps caps;
	const char *missing;

	if (!enable_pmu)
		return "KVM's vPMU (enable_pmu)";
	missing = vendor->missing() ?: read_host_caps(&caps, vendor);
	if (missing)
		return missing;

	kvm_mpmu_set_vendor(vendor);
	mpmu_caps_offer(&kvm_mpmu_offer, &caps, *vendor->policy);
	limit_offer(&kvm_mpmu_offer);
	if (x86_perf_register_reclaim(reclaim))
		return "exclusive use of perf's interface";
	if (mpmu_host_init(&kvm_mpmu_host, &kvm_mpmu_ops, &caps)) {
		x86_perf_unregister_reclaim();
		return "a PMU that libmpmu supports";
	}
	kvm_set_mediated_pmi_handler(handle_pmi);
	return NULL;
}

void __kvm_mpmu_hardware_setup(const struct kvm_mpmu_vendor *vendor)
{
	const char *missing;

	if (!*vendor->enable)
		return;

	missing = setup(vendor);
	if (missing) {
		*vendor->enable = false;
		pr_info("not available, this host lacks: %s\n", missing);
		return;
	}
	/* PEBS and BTS are for VMs with an emulated PMU, not for the default kind. */
	kvm_cpu_cap_clear(X86_FEATURE_DS);
	kvm_cpu_cap_clear(X86_FEATURE_DTES64);
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_hardware_setup);

void __kvm_mpmu_hardware_unsetup(void)
{
	if (!kvm_mpmu_enabled())
		return;

	kvm_set_mediated_pmi_handler(NULL);
	x86_perf_unregister_reclaim();
	memset(&kvm_mpmu_host, 0, sizeof(kvm_mpmu_host));
	memset(&kvm_mpmu_offer, 0, sizeof(kvm_mpmu_offer));
}
EXPORT_SYMBOL_GPL(__kvm_mpmu_hardware_unsetup);

void __kvm_mpmu_cpu_online(void)
{
	mpmu_cpu_reset(this_cpu_ptr(&kvm_mpmu_cpu));
}

void __kvm_mpmu_cpu_offline(void)
{
	unsigned long flags;

	local_irq_save(flags);
	reclaim();
	local_irq_restore(flags);
}

static u32 nr_gp(void)
{
	return hweight64(kvm_mpmu_offer.counters & MPMU_GP_MASK);
}

u32 __kvm_mpmu_nr_fixed(void)
{
	return hweight64(kvm_mpmu_offer.counters & MPMU_FIXED_MASK);
}

static void override_leaf_0a(struct kvm_cpuid_entry2 *entry)
{
	union cpuid10_eax eax = { .full = entry->eax };
	union cpuid10_edx edx = { .full = entry->edx };

	eax.split.version_id = kvm_mpmu_offer.version;
	eax.split.num_counters = nr_gp();
	eax.split.bit_width = kvm_mpmu_offer.gp_width;
	edx.split.num_counters_fixed = __kvm_mpmu_nr_fixed();
	edx.split.bit_width_fixed = kvm_mpmu_offer.fixed_width;
	entry->eax = eax.full;
	entry->edx = edx.full;
	if (kvm_mpmu_offer.version >= 5)
		entry->ecx = (kvm_mpmu_offer.counters & MPMU_FIXED_MASK) >> MPMU_FIXED_BASE;
}

static void override_leaf_80000022(struct kvm_cpuid_entry2 *entry)
{
	union cpuid_0x80000022_ebx ebx = { .full = entry->ebx };

	ebx.split.num_core_pmc = nr_gp();
	entry->ebx = ebx.full;
}

void __kvm_mpmu_override_cpuid(struct kvm_cpuid_entry2 *entry)
{
	if (!kvm_mpmu_enabled())
		return;

	if (entry->function == 0xa && kvm_mpmu_offer.vendor == MPMU_VENDOR_INTEL)
		override_leaf_0a(entry);
	if (entry->function == 0x80000022 && kvm_mpmu_offer.vendor == MPMU_VENDOR_AMD)
		override_leaf_80000022(entry);
}

u64 __kvm_mpmu_filter_perf_cap(struct kvm_vcpu *vcpu, u64 perf_cap)
{
	bool mediated = vcpu ? kvm_vcpu_has_mediated_pmu(vcpu) : kvm_mpmu_enabled();

	return mediated ? perf_cap & PERF_CAP_FW_WRITES : perf_cap;
}
