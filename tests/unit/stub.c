// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The software PMU notices what it is there to notice. */
#include "../lib/unit.h"

#define INTEL "intel-v5-8-4"
#define AMD   "amd-v2"

struct row {
	const char *id;
	const char *model;
	void (*offend)(struct unit_world *world);
	/* Part of the fault. */
	const char *fault;
};

static struct stub_cpu *cpu_of(struct unit_world *world)
{
	return &world->machine.cpus[0];
}

static const struct mpmu_ops *ops_of(struct unit_world *world)
{
	return world->machine.host.ops;
}

/* As from the library: IRQs off. */
static struct mpmu_vcpu *irqs_off(struct unit_world *world)
{
	world->machine.irqs_off = true;
	return &world->vcpu.mpmu;
}

static struct mpmu_vcpu *owned(struct unit_world *world)
{
	struct mpmu_vcpu *vcpu = irqs_off(world);

	assert_true(ops_of(world)->own(vcpu));
	return vcpu;
}

static void write_of_host_pmu(struct unit_world *world)
{
	ops_of(world)->wrmsr(irqs_off(world), 0x4c1, 1);
}

static void irqs_on(struct unit_world *world)
{
	ops_of(world)->rdmsr(&world->vcpu.mpmu, 0x4c1);
}

static void wrong_cpu(struct unit_world *world)
{
	world->machine.here = &world->machine.cpus[1];
	ops_of(world)->rdmsr(irqs_off(world), 0x4c1);
}

static void reserved_selector_bit(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x186, 1 << 21);
}

static void reserved_selector_bit_amd(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0xc0010200, 1 << 21);
}

static void status_of_host(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x390, 1ull << 63);
}

static void root_global_ctrl(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x38f, 1);
}

static void no_register(struct unit_world *world)
{
	ops_of(world)->rdmsr(irqs_off(world), 0x4d1);
}

static void counter_left(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x4c1, 1);
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void selector_left(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0xc0010200, 0xc0);
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void fixed_ctrl_left(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x38d, 1);
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void global_ctrl_left(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0xc0000301, 1);
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void status_left(struct unit_world *world)
{
	ops_of(world)->wrmsr(owned(world), 0x391, 1);
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void interrupt_left(struct unit_world *world)
{
	owned(world);
	cpu_of(world)->late_pmi = true;
	cpu_of(world)->pmu.pending[STUB_VECTOR_OF_GUEST] = true;
	ops_of(world)->disown(&world->vcpu.mpmu);
}

static void owned_twice(struct unit_world *world)
{
	owned(world);
	ops_of(world)->own(&world->vcpu.mpmu);
}

static void disowned_twice(struct unit_world *world)
{
	ops_of(world)->disown(irqs_off(world));
}

static void own_over_events(struct unit_world *world)
{
	stub_perf_install(&world->machine, 0, 0, 0x5300c0, 0);
	ops_of(world)->own(irqs_off(world));
}

static void displaced_twice(struct unit_world *world)
{
	ops_of(world)->displace(irqs_off(world));
	ops_of(world)->displace(&world->vcpu.mpmu);
}

static void restored_twice(struct unit_world *world)
{
	ops_of(world)->restore(irqs_off(world));
}

static void vmread_in_reclaim(struct unit_world *world)
{
	cpu_of(world)->reclaiming = true;
	ops_of(world)->get_global_ctrl(irqs_off(world));
}

static void vmread_elsewhere(struct unit_world *world)
{
	stub_vcpu_put(&world->vcpu);
	ops_of(world)->get_global_ctrl(irqs_off(world));
}

static void vmread_amd(struct unit_world *world)
{
	ops_of(world)->get_global_ctrl(irqs_off(world));
}

static void vmwrite_reserved(struct unit_world *world)
{
	ops_of(world)->set_global_ctrl(irqs_off(world), 1 << 8);
}

/* A guest's selector without GuestOnly runs on in host mode. */
static void counts_in_host_mode(struct unit_world *world)
{
	struct stub_work work = {.instructions = 1};

	ops_of(world)->wrmsr(owned(world), 0xc0010200, 0x5300c0);
	ops_of(world)->wrmsr(&world->vcpu.mpmu, 0xc0000301, 1);
	stub_pmu_run(&cpu_of(world)->pmu, &work);
}

static void host_counts_guest(struct unit_world *world)
{
	struct stub_work work = {.instructions = 1};

	stub_perf_install(&world->machine, 0, 0, 0x5300c0, 0);
	cpu_of(world)->pmu.guest_mode = true;
	stub_pmu_run(&cpu_of(world)->pmu, &work);
}

static void host_uses_owned(struct unit_world *world)
{
	owned(world);
	stub_perf_install(&world->machine, 0, 0, 0x5300c0, 0);
}

static void spurious_nmi(struct unit_world *world)
{
	cpu_of(world)->pmu.pending[STUB_NMI_OF_HOST] = true;
	stub_take_interrupts(&world->machine);
}

static void host_value_exposed(struct unit_world *world)
{
	u64 value;

	stub_guest_rdpmc(&world->vcpu, 0, &value);
	stub_enter(&world->vcpu);
	stub_exit(&world->vcpu);
	cpu_of(world)->pmu.gp[3] = (struct stub_reg){5, STUB_OF_HOST};
	stub_enter(&world->vcpu);
}

static void image_enabled(struct unit_world *world)
{
	world->vcpu.mpmu.eventsel_hw[0] = STUB_EVENTSEL_ENABLE;
	stub_check_invariants(&world->vcpu);
}

static void fixed_image_enabled(struct unit_world *world)
{
	world->vcpu.mpmu.fixed_ctrl_hw = 3;
	stub_check_invariants(&world->vcpu);
}

static void image_not_in_set(struct unit_world *world)
{
	world->vcpu.mpmu.eventsel_hw[0] = 0xc0;
	stub_check_invariants(&world->vcpu);
}

static void value_not_in_set(struct unit_world *world)
{
	world->vcpu.mpmu.gp[0] = 1;
	stub_check_invariants(&world->vcpu);
}

static void guest_value_in_host(struct unit_world *world)
{
	cpu_of(world)->pmu.gp[3] = (struct stub_reg){5, STUB_OF_GUEST};
	stub_check_invariants(&world->vcpu);
}

static void owner_unknown(struct unit_world *world)
{
	cpu_of(world)->pmu.owned = true;
	stub_check_invariants(&world->vcpu);
}

static void opened(struct unit_world *world, u32 msr, u32 flags)
{
	world->vcpu.requests.intercepts = false;
	world->vcpu.mpmu.flags = flags;
	stub_set_intercept(&world->vcpu, msr, MPMU_READ, false);
	stub_check_invariants(&world->vcpu);
}

static void untouched_direct(struct unit_world *world)
{
	opened(world, 0xc1, 0);
}

static void selector_direct(struct unit_world *world)
{
	opened(world, 0x186, MPMU_VCPU_TOUCHED);
}

static void beyond_model_direct(struct unit_world *world)
{
	opened(world, 0xc9, MPMU_VCPU_TOUCHED);
}

static void global_ctrl_direct(struct unit_world *world)
{
	world->vcpu.mpmu.caps.counters &= 0xf;
	opened(world, 0x38f, MPMU_VCPU_TOUCHED);
}

static void rdpmc_direct(struct unit_world *world)
{
	world->vcpu.requests.intercepts = false;
	world->vcpu.mpmu.flags = MPMU_VCPU_TOUCHED;
	world->vcpu.mpmu.caps.counters &= 0xf;
	world->vcpu.rdpmc_direct = true;
	stub_check_invariants(&world->vcpu);
}

static const struct row rows[] = {
	{"write while the host owns the PMU", INTEL, write_of_host_pmu, "host owns"},
	{"op with IRQs on", INTEL, irqs_on, "IRQs are on"},
	{"op on another CPU", INTEL, wrong_cpu, "another CPU"},
	{"reserved selector bit", INTEL, reserved_selector_bit, "reserved bits"},
	{"reserved selector bit (AMD)", AMD, reserved_selector_bit_amd, "reserved bits"},
	{"status bit of the host", INTEL, status_of_host, "reserved bits"},
	{"GLOBAL_CTRL in root mode", INTEL, root_global_ctrl, "root mode"},
	{"register that is not there", INTEL, no_register, "no such register"},
	{"counter left behind", INTEL, counter_left, "counters 0x1"},
	{"selector left behind", AMD, selector_left, "selectors 0x1"},
	{"FIXED_CTR_CTRL left behind", INTEL, fixed_ctrl_left, "control register"},
	{"GLOBAL_CTRL left behind", AMD, global_ctrl_left, "control register"},
	{"status left behind", INTEL, status_left, "status 0x1"},
	{"interrupt left behind", INTEL, interrupt_left, "on its way"},
	{"own twice", INTEL, owned_twice, "owned already"},
	{"disown twice", INTEL, disowned_twice, "host owns"},
	{"own over host events", INTEL, own_over_events, "host events"},
	{"displace twice", INTEL, displaced_twice, "displaced already"},
	{"restore twice", INTEL, restored_twice, "not displaced"},
	{"VMREAD from reclaim", INTEL, vmread_in_reclaim, "from reclaim"},
	{"VMREAD without the VMCS", INTEL, vmread_elsewhere, "not current"},
	{"VMREAD on AMD", AMD, vmread_amd, "no GLOBAL_CTRL in a VMCS"},
	{"VMWRITE of reserved bits", INTEL, vmwrite_reserved, "VM-entry would fail"},
	{"guest's counter runs in host mode", AMD, counts_in_host_mode, "guest counts in host"},
	{"host's counter runs in guest mode", INTEL, host_counts_guest, "host counts in guest"},
	{"host writes an owned PMU", INTEL, host_uses_owned, "a guest owns"},
	{"NMI without a reason", INTEL, spurious_nmi, "nobody asked"},
	{"host value exposed", INTEL, host_value_exposed, "host are exposed"},
	{"invariant 1, selector", INTEL, image_enabled, "invariant 1: selector 0"},
	{"invariant 1, fixed", INTEL, fixed_image_enabled, "invariant 1: fixed counter 0"},
	{"set of images", AMD, image_not_in_set, "the sets of images differ"},
	{"set of saved counters", AMD, value_not_in_set, "the set of saved counters differs"},
	{"invariant 2", INTEL, guest_value_in_host, "invariant 2"},
	{"invariant 2, owner", INTEL, owner_unknown, "owner and hardware"},
	{"invariant 4, untouched", INTEL, untouched_direct, "untouched"},
	{"invariant 4, selector", INTEL, selector_direct, "not a data register"},
	{"invariant 4, beyond the model", INTEL, beyond_model_direct, "not a data register"},
	{"invariant 4, GLOBAL_CTRL", INTEL, global_ctrl_direct, "needs a check"},
	{"invariant 4, RDPMC", INTEL, rdpmc_direct, "RDPMC is direct"},
};

static void check_row(void **state)
{
	const struct row *row = *state;
	struct unit_world world;

	unit_world_init(&world, row->model, row->model);
	unit_allow_faults();
	row->offend(&world);
	unit_expect_fault(row->fault);
}

int main(void)
{
	UNIT_TABLE(rows, check_row);
	return unit_run("stub");
}
