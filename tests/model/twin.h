/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One guest program on two PMUs: a bare one of the guest's model, and one of
 * the host's model through libmpmu.  Both must read the same (invariant 6).
 */
#ifndef MPMU_TESTS_TWIN_H
#define MPMU_TESTS_TWIN_H


#include "../lib/unit.h"

enum op_kind {
	OP_RDMSR,
	OP_WRMSR,
	OP_RDPMC,
	OP_RUN,
	OP_EMULATED,
	OP_FASTPATH,
	OP_LVTPC,
	OP_MODE,
	OP_FILTER,
	OP_RESET,
	OP_KINDS,
};

static const char *const op_names[OP_KINDS] = {
	"rdmsr",    "wrmsr", "rdpmc", "run",    "emulated",
	"fastpath", "lvtpc", "mode",  "filter", "reset",
};

/* One step of a guest program. */
struct op {
	enum op_kind kind;
	/* MSR or ECX. */
	u32 reg;
	/* WRMSR: value; LVTPC: masked; MODE, FILTER: which; EMULATED: branch. */
	u64 value;
	struct stub_work work;
};

/* OP_MODE: EFER.SVME and who runs, L1 or its guest. */
static const u32 mode_flags[] = {
	0,
	MPMU_VCPU_SVME,
	MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE,
};

/* OP_FILTER: an event and a fixed counter that the owner of the VM denies. */
static const struct {
	u32 intel;
	u32 amd;
	u32 fixed;
} denials[] = {
	{0, 0, 0}, {0xc0, 0xc0, 0}, {0xc4, 0xc2, 1}, {0x3c, 0x76, 2 | 4}, {0xff, 0xff, 8},
};

struct twin {
	struct stub_vcpu *vcpu;
	struct stub_pmu bare;
	u32 bare_pmis;
	/* Bits beyond the model that the guest has written. */
	u64 beyond;
	u64 filter[8];
	/* What this comparison has seen; lenient: done, though the model lacks it. */
	u64 faults;
	u64 direct;
	u64 late;
	u64 lenient;
};

static inline bool twin_is_amd(const struct twin *twin)
{
	return twin->bare.caps.vendor == MPMU_VENDOR_AMD;
}

static inline void twin_init(struct twin *twin, struct stub_vcpu *vcpu)
{
	memset(twin, 0, sizeof(*twin));
	twin->vcpu = vcpu;
	twin->bare.bare = true;
	stub_pmu_reset(&twin->bare, &vcpu->mpmu.caps);
	twin->bare.lvtpc.route = STUB_VECTOR_OF_GUEST;
}

static inline void bare_reset(struct twin *twin)
{
	struct stub_pmu old = twin->bare;

	stub_pmu_reset(&twin->bare, &old.caps);
	twin->bare.lvtpc.route = STUB_VECTOR_OF_GUEST;
	twin->bare.denied_event = old.denied_event;
	twin->bare.denied_fixed = old.denied_fixed;
}

static inline void bare_filter(struct twin *twin, u64 which)
{
	twin->bare.denied_event = twin_is_amd(twin) ? denials[which].amd : denials[which].intel;
	twin->bare.denied_fixed = denials[which].fixed;
}

static inline struct stub_work one_instruction(const struct op *op)
{
	return (struct stub_work){
		.instructions = 1,
		.branches = op->value,
		.cpl = op->work.cpl,
	};
}

static inline bool bare_do(struct twin *twin, const struct op *op, u64 *value)
{
	struct stub_work work;
	bool done = true;

	*value = 0;
	switch (op->kind) {
	case OP_RDMSR:
		done = stub_pmu_rdmsr(&twin->bare, op->reg, value);
		break;
	case OP_WRMSR:
		done = stub_pmu_wrmsr(&twin->bare, op->reg, op->value);
		break;
	case OP_RDPMC:
		done = stub_pmu_rdpmc(&twin->bare, op->reg, value);
		break;
	case OP_RUN:
		stub_pmu_run(&twin->bare, &op->work);
		break;
	case OP_EMULATED:
	case OP_FASTPATH:
		work = one_instruction(op);
		stub_pmu_run(&twin->bare, &work);
		break;
	case OP_LVTPC:
		twin->bare.lvtpc.masked = op->value;
		break;
	case OP_MODE:
		twin->bare.svme = mode_flags[op->value] & MPMU_VCPU_SVME;
		twin->bare.guest_mode = mode_flags[op->value] & MPMU_VCPU_GUEST_MODE;
		break;
	case OP_FILTER:
		bare_filter(twin, op->value);
		break;
	case OP_RESET:
		bare_reset(twin);
		break;
	case OP_KINDS:
		break;
	}
	twin->bare_pmis += twin->bare.pending[STUB_VECTOR_OF_GUEST];
	twin->bare.pending[STUB_VECTOR_OF_GUEST] = false;
	return done;
}

/* The old filter is in use until the new one is set. */
static inline void mediated_filter(struct twin *twin, u64 which)
{
	u64 event = twin_is_amd(twin) ? denials[which].amd : denials[which].intel;
	struct mpmu_filter_spec spec = {
		.action = MPMU_FILTER_DENY,
		.fixed_bitmap = denials[which].fixed,
		.nr_events = 1,
		.events = &event,
	};
	struct mpmu_filter *filter = (struct mpmu_filter *)twin->filter;

	assert_true(mpmu_filter_size(1) <= sizeof(twin->filter));
	stub_exit(twin->vcpu);
	if (!which) {
		stub_vcpu_set_filter(twin->vcpu, NULL);
		return;
	}
	assert_int_equal(mpmu_filter_compile(filter, twin->bare.caps.vendor, &spec), 0);
	stub_vcpu_set_filter(twin->vcpu, filter);
}

/* What is pending before RESET has been delivered on the bare PMU. */
static inline void mediated_reset(struct twin *twin)
{
	stub_enter(twin->vcpu);
	stub_vcpu_set_flags(twin->vcpu, 0, MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE);
	stub_vcpu_reset(twin->vcpu);
}

static inline bool mediated_do(struct twin *twin, const struct op *op, u64 *value)
{
	struct stub_vcpu *vcpu = twin->vcpu;
	u64 exits = vcpu->exits;
	bool done = true;

	*value = 0;
	switch (op->kind) {
	case OP_RDMSR:
		done = stub_guest_rdmsr(vcpu, op->reg, value);
		twin->direct += done && vcpu->exits == exits;
		break;
	case OP_WRMSR:
		done = stub_guest_wrmsr(vcpu, op->reg, op->value);
		twin->direct += done && vcpu->exits == exits;
		break;
	case OP_RDPMC:
		done = stub_guest_rdpmc(vcpu, op->reg, value);
		twin->direct += done && vcpu->exits == exits;
		break;
	case OP_RUN:
		stub_guest_run(vcpu, &op->work);
		break;
	case OP_EMULATED:
		stub_guest_emulated(vcpu, op->value, op->work.cpl);
		break;
	case OP_FASTPATH:
		stub_guest_fastpath(vcpu, op->value, op->work.cpl);
		break;
	case OP_LVTPC:
		stub_guest_mask_lvtpc(vcpu, op->value);
		break;
	case OP_MODE:
		stub_vcpu_set_flags(vcpu, mode_flags[op->value],
				    ~mode_flags[op->value] &
					    (MPMU_VCPU_SVME | MPMU_VCPU_GUEST_MODE));
		break;
	case OP_FILTER:
		mediated_filter(twin, op->value);
		break;
	case OP_RESET:
		mediated_reset(twin);
		break;
	case OP_KINDS:
		break;
	}
	return done;
}

/* Interrupts that are late arrive now, on whichever CPU. */
static inline void twin_settle(struct twin *twin)
{
	struct stub_machine *machine = twin->vcpu->machine;
	u32 i;

	for (i = 0; i < STUB_CPUS; i++) {
		if (!machine->cpus[i].late_pmi &&
		    !machine->cpus[i].pmu.pending[STUB_VECTOR_OF_GUEST])
			continue;
		stub_exit(twin->vcpu);
		machine->here = &machine->cpus[i];
		machine->here->late_pmi = false;
		twin->late += machine->here->pmu.pending[STUB_VECTOR_OF_GUEST];
		stub_take_interrupts(machine);
	}
	machine->here = twin->vcpu->cpu;
}

/* Performance interrupts, those included that the next entry delivers. */
static inline u32 mediated_pmis(const struct twin *twin)
{
	return twin->vcpu->pmis + (twin->vcpu->requests.pmi && !twin->vcpu->lvtpc_masked);
}

static inline bool mediated_masked(const struct twin *twin)
{
	return twin->vcpu->lvtpc_masked || (twin->vcpu->requests.pmi && !twin_is_amd(twin));
}

static inline void twin_print(const struct op *op)
{
	print_error("  %s reg %#x value %#llx work %u/%u/%u/%u cpl %u\n", op_names[op->kind],
		    op->reg, op->value, op->work.instructions, op->work.branches, op->work.cycles,
		    op->work.edges, op->work.cpl);
}

/* Bits of the host's that one of the global registers has beyond the model's. */
static inline u64 bits_beyond(const struct twin *twin, u32 msr)
{
	const struct mpmu_caps *model = &twin->bare.caps, *host = &twin->vcpu->mpmu.host->caps;

	if (!(twin->vcpu->mpmu.flags & MPMU_VCPU_DIRECT) || !stub_msr_is_global(model, msr) ||
	    !stub_msr_is_data(model, msr))
		return 0;
	return stub_pmcs(host) & ~stub_pmcs(model);
}

/* Bits of no counter that AMD's STATUS_SET takes where it is direct; no model has them. */
static inline u64 bits_frozen(const struct twin *twin, u32 msr)
{
	return twin_is_amd(twin) && stub_msr_is_global(&twin->bare.caps, msr) ? STUB_STATUS_FROZEN : 0;
}

static inline u64 sets_frozen(const struct twin *twin, const struct op *op)
{
	bool direct = !(mpmu_msr_intercepts(&twin->vcpu->mpmu, op->reg) & MPMU_WRITE);

	return op->reg == 0xc0000303 && direct ? op->value & STUB_STATUS_FROZEN : 0;
}

/* What RDPMC reads of an index that the model lacks, where it is direct. */
static inline bool reads_beyond(const struct twin *twin, u32 ecx, u64 value)
{
	u32 flags = twin->vcpu->mpmu.flags;

	if (flags & MPMU_VCPU_UNCORE_RDPMC && twin_is_amd(twin) && ecx >= 6 && ecx < 16 &&
	    value == STUB_UNCORE_SECRET)
		return true;
	return flags & MPMU_VCPU_DIRECT && !value;
}

/*
 * Where the mediated PMU has done what the model lacks, it may have; then the bare
 * one does the part that its model has.
 */
static inline void make_lenient(struct twin *twin, struct op *op, bool done, u64 *value)
{
	u64 beyond = bits_beyond(twin, op->reg), frozen = bits_frozen(twin, op->reg);

	if (op->kind == OP_WRMSR && done) {
		twin->beyond |= (op->value & beyond) | sets_frozen(twin, op);
		twin->lenient += !!(op->value & beyond);
		op->value &= ~(beyond | frozen);
	} else if (op->kind == OP_RDMSR && done) {
		*value &= ~((beyond | frozen) & twin->beyond);
	}
}

/* RDPMC of an index that the model lacks, and nothing was read by it. */
static inline bool is_lenient(struct twin *twin, const struct op *op, u64 value)
{
	bool lenient = op->kind == OP_RDPMC && !mpmu_rdpmc_valid(&twin->vcpu->mpmu, op->reg) &&
		       reads_beyond(twin, op->reg, value);

	twin->lenient += lenient;
	return lenient;
}

/* Do @op on both; false and a message where they differ. */
static inline bool twin_do(struct twin *twin, const struct op *asked)
{
	struct op adapted = *asked, *op = &adapted;
	u64 native, mediated;
	bool mediated_done = mediated_do(twin, op, &mediated), native_done;

	make_lenient(twin, op, mediated_done, &mediated);
	native_done = bare_do(twin, op, &native);
	if (mediated_done && is_lenient(twin, op, mediated))
		mediated_done = false;
	twin_settle(twin);
	twin->faults += !native_done;
	if (native_done == mediated_done && (!native_done || native == mediated) &&
	    twin->bare_pmis == mediated_pmis(twin) &&
	    twin->bare.lvtpc.masked == mediated_masked(twin))
		return true;
	twin_print(op);
	print_error("  native: %s %#llx, %u PMIs, LVTPC %d\n", native_done ? "done" : "#GP",
		    native, twin->bare_pmis, twin->bare.lvtpc.masked);
	print_error("  mediated: %s %#llx, %u PMIs, LVTPC %d\n",
		    mediated_done ? "done" : "#GP", mediated, mediated_pmis(twin),
		    mediated_masked(twin));
	return false;
}

/* All registers of the model, as the guest reads them. */
static inline bool twin_compare(struct twin *twin)
{
	u32 i;

	for (i = 0; i < STUB_NR_MSRS; i++) {
		struct op op = {.kind = OP_RDMSR, .reg = stub_msr_at(i)};
		u64 value;

		if (stub_pmu_rdmsr(&twin->bare, op.reg, &value) && !twin_do(twin, &op))
			return false;
	}
	return true;
}

/* Can a guest of model @guest exist on @host, and look the same there? */
static inline bool twin_possible(const struct mpmu_caps *host, const struct mpmu_caps *guest)
{
	struct mpmu_caps clamped = *guest;

	if (mpmu_caps_missing(host) || host->vendor != guest->vendor)
		return false;
	mpmu_caps_clamp(&clamped, host);
	return clamped.counters == guest->counters && clamped.version == guest->version &&
	       clamped.gp_width == host->gp_width &&
	       (!clamped.fixed_width || clamped.fixed_width == host->fixed_width) &&
	       (!clamped.metrics_width || clamped.metrics_width == host->metrics_width) &&
	       clamped.features == guest->features;
}

/*
 * Does the host have what policy direct lets such a guest reach, with a consent or
 * without?  PERF_METRICS would count with fixed counter 3 of a model without it.
 */
static inline bool twin_reaches_beyond(const struct mpmu_caps *host, const struct mpmu_caps *guest,
				       u32 flags)
{
	mpmu_pmcs beyond = stub_pmcs(host) & ~stub_pmcs(guest);
	bool uncore = host->features & MPMU_FEAT_RDPMC_UNCORE;

	if (flags & MPMU_VCPU_UNCORE_RDPMC)
		return uncore;
	if (!beyond || (uncore && !(guest->features & MPMU_FEAT_GLOBAL)))
		return false;
	return !(stub_has(beyond, STUB_METRICS) && stub_has(guest->counters, STUB_SLOTS));
}

#endif
