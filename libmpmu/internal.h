/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the core share.  Nothing here is visible to a backend.
 */
#ifndef MPMU_INTERNAL_H
#define MPMU_INTERNAL_H

#include <mpmu/mpmu.h>

/* Bits of a selector that both vendors place alike. */
#define MPMU_SEL_EVENT      0x000000ffull
#define MPMU_SEL_UMASK      0x0000ff00ull
#define MPMU_SEL_USR        (1ull << 16)
#define MPMU_SEL_OS         (1ull << 17)
#define MPMU_SEL_EDGE       (1ull << 18)
#define MPMU_SEL_INT        (1ull << 20)
#define MPMU_SEL_ENABLE     (1ull << 22)
#define MPMU_SEL_CMASK      0xff000000ull

/* One fixed counter's field of FIXED_CTR_CTRL. */
#define MPMU_FIXED_OS       1u
#define MPMU_FIXED_USR      2u
#define MPMU_FIXED_PMI      8u
#define MPMU_FIXED_FIELD    0xfu
#define MPMU_FIXED_WRITABLE (MPMU_FIXED_OS | MPMU_FIXED_USR | MPMU_FIXED_PMI)

/*
 * PERF_METRICS is handled as a PMC, by its bit of GLOBAL_CTRL and status.  It
 * counts while fixed counter 3 (slots) does, and has no control of its own.
 */
#define MPMU_METRICS        48
#define MPMU_SLOTS          (MPMU_FIXED_BASE + 3)
/* Its width where that is unknown: all of its fields. */
#define MPMU_METRICS_WIDTH  64

/* Owner changes in a row without an enabled PMC after which intercepts close. */
#define MPMU_IDLE_SWITCHES  8

/* What an MSR is; all code but the decoder knows registers by kind. */
enum mpmu_kind {
	MPMU_KIND_NONE,
	MPMU_KIND_GP,
	MPMU_KIND_GP_LEGACY,
	MPMU_KIND_FIXED,
	MPMU_KIND_METRICS,
	MPMU_KIND_EVENTSEL,
	MPMU_KIND_FIXED_CTRL,
	MPMU_KIND_GLOBAL_CTRL,
	MPMU_KIND_STATUS,
	MPMU_KIND_STATUS_CLEAR,
	MPMU_KIND_STATUS_SET,
	MPMU_KIND_INUSE,
};

/* A decoded MSR; pmc is 0 for kinds that are not of one PMC. */
struct mpmu_reg {
	enum mpmu_kind kind;
	u32 pmc;
};

/* What one MSR is, in models that have all of these features. */
struct mpmu_msr_row {
	u32 features;
	u8 kind;
	/* It is of one PMC, and exists where that does. */
	bool per_pmc;
	u8 pmc;
};

/* MSRs first, first + 1, ...; none: count is 0. */
struct mpmu_msr_block {
	const struct mpmu_msr_row *rows;
	u32 first;
	u32 count;
};

/*
 * A table of blocks is indexed by a few bits of the number, so that none has to
 * be searched.  The compiler refuses two blocks in one slot; a block ends where
 * its slot does.
 */
#define MPMU_MSR_SLOTS     64
#define MPMU_MSR_SLOT(msr) ((msr) / 32 % MPMU_MSR_SLOTS)
#define MPMU_MSR_BLOCK(first_, rows_) \
	[MPMU_MSR_SLOT(first_)] = {(rows_), (first_), MPMU_ARRAY_SIZE(rows_)}

/* Rows of a block: of one PMC, of four in a row, of none. */
#define MPMU_MSR_OF(kind_, pmc_, features_) \
	{.features = (features_), .kind = (kind_), .per_pmc = true, .pmc = (pmc_)}
#define MPMU_MSR_OF_4(kind_, pmc_, features_)                                                     \
	MPMU_MSR_OF(kind_, pmc_, features_), MPMU_MSR_OF(kind_, (pmc_) + 1, features_),           \
		MPMU_MSR_OF(kind_, (pmc_) + 2, features_), MPMU_MSR_OF(kind_, (pmc_) + 3, features_)
#define MPMU_MSR_SINGLE(kind_, features_) {.features = (features_), .kind = (kind_)}

/* Events whose count depends on a register that no guest has: some unit masks. */
struct mpmu_extra_event {
	u8 event;
	/* Unit mask bits that are compared, and their value. */
	u8 mask;
	u8 match;
};

/* One vendor's protocol: the only place where vendors differ. */
struct mpmu_desc {
	/* Every MSR that a guest of this vendor may have, by MPMU_MSR_SLOT(). */
	const struct mpmu_msr_block *blocks;
	const struct mpmu_extra_event *extra_events;
	u8 nr_extra_events;
	/* Newest version that the core knows. */
	u8 max_version;
	/* Version and GP counters that policy compat offers at most. */
	u8 compat_version;
	u8 compat_gp;
	/* GP counters beyond these need wide_gp_feature. */
	u8 narrow_gp;
	u32 wide_gp_feature;
	/* Features that PMUs of this vendor may have. */
	u32 features;
	/* Architectural events that CPUID may name. */
	u32 arch_events;
	/* Bits of GLOBAL_CTRL that come with PERF_METRICS. */
	u64 metrics_ctrl;
	/* PMCs, PERF_METRICS among them, that the MSR numbers below can reach. */
	mpmu_pmcs reachable;

	/* MSRs that hardware is driven with; 0: there is none. */
	u32 gp;
	u32 eventsel;
	u32 fixed;
	u32 metrics;
	u32 fixed_ctrl;
	u32 global_ctrl;
	u32 status;
	u32 status_clear;
	u32 status_set;
	u32 gp_stride;

	/* Reserved bits and read-only registers fault; else they are ignored. */
	bool strict;
	/* STATUS_SET may be direct where the other global registers are. */
	bool status_set_direct;
	/* Bits that are no counter's, and that a guest sets by it then. */
	u64 status_settable;
	/* ECX of RDPMC for fixed counter 0, and for PERF_METRICS; 0: there is none. */
	u32 rdpmc_fixed;
	u32 rdpmc_metrics;
	/* Bits of the status registers that are no counter, and may be written. */
	u64 status_extra;
	/* Selector bits: writable always, those that name the event. */
	u64 sel_writable;
	u64 sel_event;
	/* Selector bits of a hypervisor: count outside, or inside, its guests. */
	u64 sel_host_only;
	u64 sel_guest_only;
	/* Selector bits of transactions: count in them alone; and not what they abort. */
	u64 sel_in_tx;
	u64 sel_in_txcp;
	/* The one GP counter that has the second. */
	u8 in_txcp_gp;
	/* Selectors (event and unit mask) by enum mpmu_event. */
	u64 events[2];
	/* Fixed counters by enum mpmu_event. */
	mpmu_pmcs fixed_events[2];

	/* What the leaves say, into caps that are 0; -EINVAL: too much, or a contradiction. */
	int (*decode)(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves);
	/* The reverse, into leaves that are 0. */
	void (*encode)(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps);
	/* Give a version all that came with it, and nothing that came later. */
	void (*match_version)(struct mpmu_caps *caps);
	/* The first thing that a host lacks for mediated PMUs, or NULL. */
	const char *(*missing)(const struct mpmu_caps *host);
};

extern const struct mpmu_desc mpmu_intel;
extern const struct mpmu_desc mpmu_amd;

/* Spelled so that a host may have a macro "noinline". */
#define MPMU_NOINLINE __attribute__((__noinline__))
/* For size: what makes and restores VMs, and what few switches of the PMU need. */
#define MPMU_COLD __attribute__((__cold__))

#define MPMU_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* In halves on 32-bit machines, where a scan of 64 bits needs a library. */
static inline u32 mpmu_first_pmc(mpmu_pmcs set)
{
	u32 low = (u32)set;

	if (sizeof(long) == sizeof(set))
		return __builtin_ctzl((unsigned long)set);
	return low ? __builtin_ctz(low) : 32 + __builtin_ctz((u32)(set >> 32));
}

/* Visit the PMCs of a set, lowest first. */
#define mpmu_for_each_pmc(pmc, set)                                                   \
	for (mpmu_pmcs left_ = (set); left_ && ((pmc) = mpmu_first_pmc(left_), true); \
	     left_ &= left_ - 1)

/* Visit every MSR that a guest of a vendor may have. */
#define mpmu_for_each_msr(msr, desc)                                                           \
	for (const struct mpmu_msr_block *block_ = (desc)->blocks;                             \
	     block_ < (desc)->blocks + MPMU_MSR_SLOTS; block_++)                               \
		for ((msr) = block_->first; (msr) - block_->first < block_->count; (msr)++)

static inline mpmu_pmcs mpmu_bit(u32 pmc)
{
	return 1ull << pmc;
}

static inline void mpmu_assign(mpmu_pmcs *set, mpmu_pmcs bit, bool member)
{
	*set = member ? *set | bit : *set & ~bit;
}

/* Values of a register that is width bits wide. */
static inline u64 mpmu_mask(u32 width)
{
	return width >= 64 ? ~0ull : (1ull << width) - 1;
}

static inline u32 mpmu_fixed_field(u64 ctrl, u32 pmc)
{
	return (ctrl >> (4 * (pmc - MPMU_FIXED_BASE))) & MPMU_FIXED_FIELD;
}

static inline u32 mpmu_width(const struct mpmu_caps *caps, u32 pmc)
{
	if (pmc == MPMU_METRICS)
		return caps->metrics_width;
	return pmc < MPMU_FIXED_BASE ? caps->gp_width : caps->fixed_width;
}

/* All that GLOBAL_CTRL enables and the status reports: counters, PERF_METRICS. */
static inline mpmu_pmcs mpmu_all_pmcs(const struct mpmu_caps *caps)
{
	return caps->counters | caps->global_ctrl_extra;
}

/* PERF_METRICS counts with fixed counter 3, and goes where that goes. */
static inline mpmu_pmcs mpmu_with_metrics(mpmu_pmcs pmcs, mpmu_pmcs of)
{
	return pmcs & mpmu_bit(MPMU_SLOTS) ? pmcs | (of & mpmu_bit(MPMU_METRICS)) : pmcs;
}

/* Both sides want these: the guest has them while it runs, the host otherwise. */
static inline mpmu_pmcs mpmu_contended(const struct mpmu_vcpu *vcpu)
{
	mpmu_pmcs counting = vcpu->lent & vcpu->enabled & vcpu->global_ctrl;

	return mpmu_with_metrics(counting, vcpu->lent);
}

/* The PMC whose control decides. */
static inline u32 mpmu_controlling(u32 pmc)
{
	return pmc == MPMU_METRICS ? MPMU_SLOTS : pmc;
}

static inline bool mpmu_has(const struct mpmu_caps *caps, u32 features)
{
	return (caps->features & features) == features;
}

/*
 * Bits of GLOBAL_CTRL or the status.  Where these are direct, hardware may hold
 * others, of counters beyond the model.
 */
static inline mpmu_pmcs mpmu_of_model(const struct mpmu_vcpu *vcpu, u64 bits)
{
	return bits & mpmu_all_pmcs(&vcpu->caps);
}

static inline bool mpmu_touched(const struct mpmu_vcpu *vcpu)
{
	return vcpu->flags & MPMU_VCPU_TOUCHED;
}

/* Promises of the caller, looked at by debug builds. */
#define mpmu_assert_vcpu(vcpu)     mpmu_assert((vcpu) && (vcpu)->host)
#define mpmu_assert_cpu(cpu, vcpu) mpmu_assert((cpu) && (vcpu) && (vcpu)->host)
#define mpmu_assert_initiator(by)  mpmu_assert((by) == MPMU_BY_GUEST || (by) == MPMU_BY_HOST)

/* In hardware or saved?  Not in the hardware of another CPU: the caller saw to that. */
static inline bool mpmu_live(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu)
{
	mpmu_assert(!mpmu_held(vcpu) || mpmu_resident(cpu, vcpu));
	return mpmu_resident(cpu, vcpu);
}

static inline void mpmu_raise_pmi(struct mpmu_vcpu *vcpu)
{
	vcpu->stats->pmis++;
	mpmu_call(vcpu, request_pmi);
}

/* decode.c */
const struct mpmu_desc *mpmu_desc_of(u32 vendor);
struct mpmu_reg mpmu_decode(const struct mpmu_vcpu *vcpu, u32 msr);
bool mpmu_decode_rdpmc(const struct mpmu_vcpu *vcpu, u32 ecx, u32 *pmc);

static inline const struct mpmu_desc *mpmu_desc(const struct mpmu_vcpu *vcpu)
{
	return vcpu->host->desc;
}

/* registers.c: where a register's value is, live or saved. */
static inline u32 mpmu_counter_msr(const struct mpmu_desc *desc, u32 pmc)
{
	if (pmc < MPMU_FIXED_BASE)
		return desc->gp + pmc * desc->gp_stride;
	if (pmc == MPMU_METRICS)
		return desc->metrics;
	return desc->fixed + pmc - MPMU_FIXED_BASE;
}

u32 mpmu_eventsel_msr(const struct mpmu_desc *desc, u32 pmc);
bool mpmu_global_ctrl_in_vmcs(const struct mpmu_vcpu *vcpu);
mpmu_pmcs mpmu_absent(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu);
u64 *mpmu_saved_counter(struct mpmu_vcpu *vcpu, u32 pmc);
void mpmu_save_counter(struct mpmu_vcpu *vcpu, u32 pmc, u64 value);
u64 mpmu_fixed_fields(mpmu_pmcs pmcs, u32 field);
void mpmu_merge(const struct mpmu_vcpu *vcpu, u32 msr, u64 value, u64 others);
void mpmu_merge_fixed_ctrl(const struct mpmu_vcpu *vcpu, u64 value, mpmu_pmcs others);
u64 mpmu_counter_read(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc);
void mpmu_counter_write(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 value);
u64 mpmu_global_ctrl_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu);
void mpmu_global_ctrl_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 value);
u64 mpmu_status_read(const struct mpmu_cpu *cpu, const struct mpmu_vcpu *vcpu);
void mpmu_status_set(const struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits);
void mpmu_status_clear(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 bits);
void mpmu_save_status(struct mpmu_vcpu *vcpu, mpmu_pmcs status);
bool mpmu_collect_status(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu);
void mpmu_eventsel_hw_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u32 pmc, u64 hw);
void mpmu_fixed_ctrl_hw_write(struct mpmu_cpu *cpu, struct mpmu_vcpu *vcpu, u64 hw);

/* access.c */
enum mpmu_result mpmu_check_write(const struct mpmu_vcpu *vcpu, u32 msr, enum mpmu_initiator by,
				  u64 value);

/* reprogram.c */
u64 mpmu_eventsel_disabled(const struct mpmu_desc *desc, u64 eventsel);
mpmu_pmcs mpmu_pmcs_with(const struct mpmu_vcpu *vcpu, u64 bits, u32 field);
mpmu_pmcs mpmu_enabled_by_guest(const struct mpmu_vcpu *vcpu);
bool mpmu_interrupts(const struct mpmu_vcpu *vcpu, u32 pmc);
void mpmu_request_reprogram(struct mpmu_vcpu *vcpu, mpmu_pmcs pmcs);
void mpmu_cancel_reprogram(struct mpmu_vcpu *vcpu, mpmu_pmcs pmcs);

/* vcpu.c */
void mpmu_count_registers(struct mpmu_vcpu *vcpu);
void mpmu_touch(struct mpmu_vcpu *vcpu);
void mpmu_untouch(struct mpmu_vcpu *vcpu);

/* switch.c */
void mpmu_release(struct mpmu_cpu *cpu, enum mpmu_cause cause);

#endif
