// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lists of MSRs: all or none, and what was restored is what is saved. */
#include "fuzz.h"

#define MAX_LIST 128

struct fixture {
	struct input input;
	const struct mpmu_caps *guest;
	struct stub_machine machine;
	struct stub_vcpu vcpu;
	u32 msrs[STUB_NR_MSRS];
	u32 nr_msrs;
};

static u32 any_list(struct fixture *fixture, struct mpmu_msr *list)
{
	u32 count = fuzz_take(&fixture->input, 1) % MAX_LIST, i;

	for (i = 0; i < count; i++) {
		u32 choice = fuzz_take(&fixture->input, 1);

		list[i].index = choice == 0xff ? fuzz_take(&fixture->input, 4)
					       : fixture->msrs[choice % fixture->nr_msrs];
		list[i].value = fuzz_value(&fixture->input, fixture->guest, list[i].index);
	}
	return count;
}

static int restore(struct fixture *fixture, const struct mpmu_msr *list, u32 count, u32 *err_msr)
{
	return mpmu_snapshot_restore(&fixture->vcpu.cpu->mpmu, &fixture->vcpu.mpmu, list, count,
				     err_msr);
}

static u32 save(struct fixture *fixture, struct mpmu_msr *list)
{
	memset(list, 0, MAX_LIST * sizeof(list[0]));
	mpmu_snapshot_save(&fixture->vcpu.cpu->mpmu, &fixture->vcpu.mpmu, list);
	return mpmu_snapshot_size(&fixture->vcpu.mpmu);
}

static bool listed(const struct mpmu_msr *list, u32 count, u32 msr)
{
	while (count--)
		if (list[count].index == msr)
			return true;
	return false;
}

static void check_restore(struct fixture *fixture)
{
	struct mpmu_msr list[MAX_LIST], first[MAX_LIST], second[MAX_LIST];
	u32 count = any_list(fixture, list), err_msr = 0;
	struct mpmu_vcpu before = fixture->vcpu.mpmu;
	int result = restore(fixture, list, count, &err_msr);

	if (result) {
		fuzz_check(result == -EINVAL, "another error than EINVAL");
		fuzz_check(listed(list, count, err_msr), "err_msr is not of the list");
		fuzz_check(!memcmp(&before, &fixture->vcpu.mpmu, sizeof(before)),
			   "a rejected restore changed something");
		return;
	}
	while (count--)
		fuzz_check(mpmu_msr_exists(&fixture->vcpu.mpmu, list[count].index),
			   "a register that does not exist was accepted");
	count = save(fixture, first);
	fuzz_check(!restore(fixture, first, count, &err_msr), "what was saved is rejected");
	save(fixture, second);
	fuzz_check(!memcmp(first, second, sizeof(first)), "save, restore, save differs");
}

/* The guest runs with it. */
static void use(struct fixture *fixture)
{
	struct stub_work work = {.instructions = 100, .branches = 3, .cycles = 200, .cpl = 3};

	fixture->machine.irqs_off = false;
	stub_guest_run(&fixture->vcpu, &work);
	stub_check_invariants(&fixture->vcpu);
	stub_vcpu_put(&fixture->vcpu);
	stub_check_invariants(&fixture->vcpu);
	stub_vcpu_load(&fixture->vcpu, fixture->vcpu.cpu);
	fixture->machine.irqs_off = true;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct fixture fixture;
	const struct mpmu_caps *host;
	u32 i;

	memset(&fixture, 0, sizeof(fixture));
	fixture.input = (struct input){data, size};
	fuzz_pair(&fixture.input, &host, &fixture.guest);
	fixture.nr_msrs = fuzz_msrs(fixture.guest, fixture.msrs);
	stub_machine_init(&fixture.machine, host);
	stub_vcpu_init(&fixture.vcpu, &fixture.machine, fixture.guest);
	stub_vcpu_load(&fixture.vcpu, &fixture.machine.cpus[0]);
	fixture.machine.irqs_off = true;
	for (i = 0; i < 8 && fixture.input.left; i++) {
		check_restore(&fixture);
		use(&fixture);
	}
	return 0;
}
