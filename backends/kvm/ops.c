// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ops of the core: perf's interface, KVM's requests, and the vendor
 * modules behind static calls.
 */
#include <linux/perf_event.h>
#include <linux/rcuwait.h>

#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/perf_event.h>

#include "glue.h"
#include "lapic.h"

#define CREATE_TRACE_POINTS
#include "mpmutrace.h"

/*
 * More than hardware needs to raise an interrupt, and what it needs by all that
 * is known: some 200 instructions, and each poll reads the local APIC twice.
 */
#define DRAIN_POLLS 256
#define BRIEF_POLLS 16

#define VENDOR_CALL(slot) \
	DEFINE_STATIC_CALL_NULL(kvm_mpmu_##slot, *((struct kvm_mpmu_vendor *)NULL)->slot)

VENDOR_CALL(is_encrypted);
VENDOR_CALL(get_global_ctrl);
VENDOR_CALL(set_global_ctrl);
VENDOR_CALL(set_host_global_ctrl);
VENDOR_CALL(set_intercept);
VENDOR_CALL(set_rdpmc_intercept);
VENDOR_CALL(set_touched);

void kvm_mpmu_set_vendor(const struct kvm_mpmu_vendor *vendor)
{
	static_call_update(kvm_mpmu_is_encrypted, vendor->is_encrypted);
	static_call_update(kvm_mpmu_get_global_ctrl, vendor->get_global_ctrl);
	static_call_update(kvm_mpmu_set_global_ctrl, vendor->set_global_ctrl);
	static_call_update(kvm_mpmu_set_host_global_ctrl, vendor->set_host_global_ctrl);
	static_call_update(kvm_mpmu_set_intercept, vendor->set_intercept);
	static_call_update(kvm_mpmu_set_rdpmc_intercept, vendor->set_rdpmc_intercept);
	static_call_update(kvm_mpmu_set_touched, vendor->set_touched);
}

bool kvm_mpmu_vm_is_encrypted(struct kvm *kvm)
{
	return static_call(kvm_mpmu_is_encrypted)(kvm);
}

u64 mpmu_kvm_get_global_ctrl(const struct mpmu_vcpu *core)
{
	return static_call(kvm_mpmu_get_global_ctrl)(core_to_vcpu(core));
}

void mpmu_kvm_set_global_ctrl(const struct mpmu_vcpu *core, u64 value)
{
	static_call(kvm_mpmu_set_global_ctrl)(core_to_vcpu(core), value);
}

void mpmu_kvm_set_intercept(const struct mpmu_vcpu *core, u32 msr, u32 access, bool intercept)
{
	static_call(kvm_mpmu_set_intercept)(core_to_vcpu(core), msr, access, intercept);
}

void mpmu_kvm_set_rdpmc_intercept(const struct mpmu_vcpu *core, bool intercept)
{
	static_call(kvm_mpmu_set_rdpmc_intercept)(core_to_vcpu(core), intercept);
}

void mpmu_kvm_set_touched(const struct mpmu_vcpu *core, bool touched)
{
	struct kvm_vcpu *vcpu = core_to_vcpu(core);

	trace_kvm_mpmu_intercepts(vcpu->vcpu_id, touched);
	vcpu->arch.mpmu_touched = touched;
	static_call(kvm_mpmu_set_touched)(vcpu, touched);
}

bool mpmu_kvm_host_active(const struct mpmu_vcpu *core)
{
	return x86_perf_host_active();
}

void mpmu_kvm_displace(const struct mpmu_vcpu *core)
{
	perf_load_guest_context();
}

void mpmu_kvm_restore(const struct mpmu_vcpu *core)
{
	perf_put_guest_context();
}

/* Counters that perf keeps from guests are the host's in any case. */
bool mpmu_kvm_share(const struct mpmu_vcpu *core, mpmu_pmcs host)
{
	host |= ~core->host->pmcs;
	if (!x86_perf_guest_share(host))
		return false;
	static_call_cond(kvm_mpmu_set_host_global_ctrl)(core_to_vcpu(core),
							x86_perf_lent() & host);
	return true;
}

bool mpmu_kvm_own(const struct mpmu_vcpu *core)
{
	return x86_perf_guest_own();
}

void mpmu_kvm_disown(const struct mpmu_vcpu *core)
{
	kvm_mpmu_debug_before_release(core);
	__this_cpu_write(kvm_mpmu_settled, NULL);
	x86_perf_guest_disown();
}

mpmu_pmcs mpmu_kvm_take_dirty(const struct mpmu_vcpu *core, mpmu_pmcs counters)
{
	return x86_perf_take_dirty(counters);
}

void mpmu_kvm_route_pmi(const struct mpmu_vcpu *core)
{
	container_of(core, struct kvm_mpmu, core)->owned_on = smp_processor_id();
	perf_load_guest_lvtpc(kvm_lapic_get_reg(core_to_vcpu(core)->arch.apic, APIC_LVTPC));
}

/* apic_read() is not for modules. */
static u32 ops_read_local_apic(u32 reg)
{
	return x2apic_mode ? (u32)__rdmsr(APIC_BASE_MSR + (reg >> 4)) : native_apic_mem_read(reg);
}

/* Requested, or the cause of a VM-exit that acknowledged it. */
bool kvm_mpmu_pmi_is_latched(void)
{
	const u32 vector = PERF_GUEST_MEDIATED_PMI_VECTOR;
	const u32 offset = vector / 32 * 0x10, bit = BIT(vector % 32);

	return (ops_read_local_apic(APIC_IRR + offset) | ops_read_local_apic(APIC_ISR + offset)) &
	       bit;
}

/*
 * The interrupt comes some instructions after the overflow.  Once the local
 * APIC has latched it, it has the guest's vector, whatever the LVTPC becomes.
 * None comes by an entry that the guest, or the last interrupt, masked.
 */
bool mpmu_kvm_drain_pmi(const struct mpmu_vcpu *core, bool briefly)
{
	int polls = briefly ? BRIEF_POLLS : DRAIN_POLLS;

	if (ops_read_local_apic(APIC_LVTPC) & APIC_LVT_MASKED)
		return false;
	while (!kvm_mpmu_pmi_is_latched()) {
		if (!--polls)
			return true;
		cpu_relax();
	}
	return false;
}

/* An NMI that did not end guest mode may come after the last look at requests. */
static bool ops_may_be_entering(const struct kvm_vcpu *vcpu)
{
	return in_nmi() && !READ_ONCE(vcpu->arch.handling_intr_from_guest);
}

/*
 * A vCPU that runs on this CPU finds the request before it enters the guest, or
 * is interrupted as it does.  One that sleeps, or is about to, must be woken; one
 * on another CPU must be kicked.  None of these can be done here, as the
 * scheduler's locks may be held.
 */
void mpmu_kvm_request_pmi(const struct mpmu_vcpu *core)
{
	struct kvm_mpmu *mpmu = container_of(core, struct kvm_mpmu, core);
	struct kvm_vcpu *vcpu = mpmu->vcpu;

	trace_kvm_mpmu_pmi(vcpu->vcpu_id);
	if (core->lent)
		x86_perf_guest_told();
	kvm_make_request(KVM_REQ_PMI, vcpu);
	if (kvm_get_running_vcpu() != vcpu || rcuwait_active(kvm_arch_vcpu_get_wait(vcpu)) ||
	    ops_may_be_entering(vcpu))
		irq_work_queue(&mpmu->kick);
}

void mpmu_kvm_request_reprogram(const struct mpmu_vcpu *core)
{
	kvm_make_request(KVM_REQ_PMU, core_to_vcpu(core));
}

void mpmu_kvm_request_intercepts(const struct mpmu_vcpu *core)
{
	__kvm_mpmu_request_intercepts(core_to_vcpu(core));
}

void mpmu_kvm_trace_owner(const struct mpmu_vcpu *core, u32 cause, const struct mpmu_moves *before)
{
	const struct mpmu_moves *now = &core->stats->registers;

	trace_kvm_mpmu_owner(core_to_vcpu(core)->vcpu_id, cause, now->read - before->read,
			     now->written - before->written, now->skipped - before->skipped);
}

void mpmu_kvm_trace_denied(const struct mpmu_vcpu *core, u32 pmc)
{
	trace_kvm_mpmu_denied(core_to_vcpu(core)->vcpu_id, pmc,
			      pmc < MPMU_FIXED_BASE ? core->eventsel[pmc] : 0);
}

const struct mpmu_ops kvm_mpmu_ops = {
#define MPMU_OP(ret, name, args) .name = mpmu_kvm_##name,
#include <mpmu/ops.def>
#undef MPMU_OP
};
