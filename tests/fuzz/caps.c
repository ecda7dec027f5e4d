// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whatever CPUID says: a PMU that makes sense, or -EINVAL and nothing changed. */
#include "fuzz.h"

static void take_leaves(struct input *input, struct mpmu_cpuid *leaves)
{
	u32 i;

	memset(leaves, 0, sizeof(*leaves));
	leaves->vendor = fuzz_take(input, 1) % 3;
	for (i = 0; i < 4; i++)
		leaves->leaf_0a[i] = fuzz_take(input, 4);
	for (i = 0; i < 2; i++)
		leaves->leaf_80000022[i] = fuzz_take(input, 4);
	leaves->leaf_80000001_ecx = fuzz_take(input, 4);
	leaves->leaf_07_ebx = fuzz_take(input, 4);
	leaves->perf_capabilities = fuzz_take(input, 8);
	leaves->leaf_07_1_eax = fuzz_take(input, 1) << 8;
	leaves->leaf_23_eax = fuzz_take(input, 1);
	for (i = 0; i < 2; i++)
		leaves->leaf_23_1[i] = fuzz_take(input, 4);
	leaves->leaf_23_3_eax = fuzz_take(input, 2);
}

static bool width_fits(mpmu_pmcs counters, u32 width)
{
	return counters ? width && width <= 64 : !width;
}

static void check_sane(const struct mpmu_caps *caps)
{
	fuzz_check(!(caps->counters & ~(MPMU_GP_MASK | MPMU_FIXED_MASK)), "impossible counters");
	fuzz_check(width_fits(caps->counters & MPMU_GP_MASK, caps->gp_width), "GP width");
	fuzz_check(width_fits(caps->counters & MPMU_FIXED_MASK, caps->fixed_width), "fixed width");
	fuzz_check(width_fits(caps->features & MPMU_FEAT_METRICS, caps->metrics_width),
		   "width of metrics");
	fuzz_check(!caps->counters == !caps->version, "a version without counters, or the reverse");
	fuzz_check(mpmu_caps_valid(caps), "decoded, and not valid");
}

/* What was decoded can be shown to a guest, which decodes the same. */
static void check_leaves(const struct mpmu_caps *caps)
{
	struct mpmu_cpuid leaves, again;
	struct mpmu_caps found;

	memset(&leaves, 0, sizeof(leaves));
	memset(&again, 0, sizeof(again));
	fuzz_check(!mpmu_caps_encode(&leaves, caps), "decoded, and cannot be encoded");
	fuzz_check(!mpmu_caps_decode(&found, &leaves), "encoded, and cannot be decoded");
	fuzz_check(!memcmp(&found, caps, sizeof(found)), "decoded otherwise than encoded");
	fuzz_check(!mpmu_caps_encode(&again, &found) && !memcmp(&again, &leaves, sizeof(again)),
		   "encoded twice in two ways");
}

static void check_within(const struct mpmu_caps *small, const struct mpmu_caps *large)
{
	fuzz_check(!(small->counters & ~large->counters), "more counters than there are");
	fuzz_check(!(small->features & ~large->features), "more features than there are");
	fuzz_check(!(small->global_ctrl_extra & ~large->global_ctrl_extra), "more of GLOBAL_CTRL");
	fuzz_check(small->version <= large->version, "a later version");
	fuzz_check(small->gp_width <= large->gp_width && small->fixed_width <= large->fixed_width &&
			   small->metrics_width <= large->metrics_width,
		   "wider counters");
}

static void check_offers(const struct mpmu_caps *host, const struct mpmu_caps *wanted)
{
	struct mpmu_caps compat, direct, full, guest = *wanted, again;

	mpmu_caps_offer(&compat, host, MPMU_POLICY_COMPAT);
	mpmu_caps_offer(&direct, host, MPMU_POLICY_DIRECT);
	mpmu_caps_offer(&full, host, MPMU_POLICY_FULL);
	fuzz_check(!memcmp(&compat, &direct, sizeof(compat)), "direct has another model");
	check_within(&compat, &full);
	check_within(&full, host);
	mpmu_caps_clamp(&guest, &full);
	check_within(&guest, &full);
	fuzz_check(mpmu_caps_valid(&compat) && mpmu_caps_valid(&full), "not a valid offer");
	fuzz_check(mpmu_caps_valid(&guest), "clamped, and not valid");
	again = guest;
	mpmu_caps_clamp(&again, &full);
	fuzz_check(!memcmp(&again, &guest, sizeof(guest)), "clamped twice is something else");
}

/* A guest that uses what it can get of this host. */
static void use(struct input *input, const struct mpmu_caps *host)
{
	static struct stub_machine machine;
	static struct stub_vcpu vcpu;
	static u32 msrs[STUB_NR_MSRS];
	struct stub_work work = {.instructions = 9, .cycles = 9, .cpl = 3};
	u32 count, i;

	if (stub_machine_init(&machine, host))
		return;
	stub_vcpu_init(&vcpu, &machine, host);
	stub_vcpu_load(&vcpu, &machine.cpus[0]);
	count = fuzz_msrs(&vcpu.mpmu.caps, msrs);
	for (i = 0; count && i < 20 && input->left; i++) {
		u32 msr = msrs[fuzz_take(input, 1) % count];

		stub_guest_wrmsr(&vcpu, msr, fuzz_value(input, &vcpu.mpmu.caps, msr));
		stub_guest_run(&vcpu, &work);
		stub_check_invariants(&vcpu);
	}
	stub_vcpu_put(&vcpu);
	stub_check_invariants(&vcpu);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input input = {data, size};
	struct mpmu_cpuid leaves, other;
	struct mpmu_caps host, guest, before;
	int result;

	take_leaves(&input, &leaves);
	take_leaves(&input, &other);
	memset(&host, 0x5a, sizeof(host));
	before = host;
	result = mpmu_caps_decode(&host, &leaves);
	fuzz_check(!result || result == -EINVAL, "another error than EINVAL");
	if (result) {
		fuzz_check(!memcmp(&host, &before, sizeof(host)), "changed on an error");
		return 0;
	}
	check_sane(&host);
	check_leaves(&host);
	if (!mpmu_caps_decode(&guest, &other))
		check_offers(&host, &guest);
	/* What any host of guests has. */
	host.features |= host.vendor == MPMU_VENDOR_AMD ? MPMU_FEAT_SVM : MPMU_FEAT_VMCS_GLOBAL_CTRL;
	if (!mpmu_caps_missing(&host))
		use(&input, &host);
	return 0;
}
