/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A PMU in software, strict where hardware is: it counts, overflows, raises
 * its interrupt, and reports (stub_fault) what no hypervisor may do to it.
 */
#ifndef STUB_PMU_H
#define STUB_PMU_H

#include <mpmu/mpmu.h>

/* The first n GP and fixed counters: less than 64 and 32 of them. */
#define GP(n)    ((1ull << (n)) - 1)
#define FIXED(n) (GP(n) << MPMU_FIXED_BASE)

/* Whose value a register holds; a register that holds 0 is nobody's. */
enum stub_origin {
	STUB_OF_NOBODY,
	STUB_OF_HOST,
	STUB_OF_GUEST,
};

struct stub_reg {
	u64 value;
	enum stub_origin origin;
};

/* Where LVTPC sends the performance interrupt. */
enum stub_route {
	STUB_NMI_OF_HOST,
	STUB_VECTOR_OF_GUEST,
	STUB_NR_ROUTES,
};

/* What a stretch of code does: numbers of events, at one CPL. */
struct stub_work {
	u32 instructions;
	u32 branches;
	u32 cycles;
	/* What a selector with CMASK or EDGE counts. */
	u32 edges;
	u32 cpl;
};

struct stub_pmu {
	struct mpmu_caps caps;
	/* A bare PMU has one user; the checks of ownership are off. */
	bool bare;
	/* Between the ops own() and disown(). */
	bool owned;
	/* PMCs that are the host's all the same. */
	mpmu_pmcs lent;
	/* VMX non-root or SVM guest; for AMD with EFER.SVME. */
	bool guest_mode;
	bool svme;
	struct stub_reg gp[MPMU_MAX_GP];
	struct stub_reg eventsel[MPMU_MAX_GP];
	struct stub_reg fixed[MPMU_MAX_FIXED];
	/* As hardware derives it from fixed counter 3, that has to be written first. */
	struct stub_reg metrics;
	bool metrics_unsettled;
	struct stub_reg fixed_ctrl;
	struct stub_reg global_ctrl;
	u64 status;
	/* Bits of status that a guest caused. */
	u64 status_of_guest;
	struct {
		enum stub_route route;
		bool masked;
	} lvtpc;
	/* Interrupts that have been raised and not taken; by PMCs of a guest, too. */
	bool pending[STUB_NR_ROUTES];
	bool nmi_of_guest;
	/* A bare PMU behaves as under an event filter that denies these. */
	u64 denied_event;
	u32 denied_fixed;
};

/* One model of a PMU, by name. */
struct stub_model {
	const char *name;
	struct mpmu_caps caps;
};

extern const struct stub_model stub_models[];
extern const u32 stub_nr_models;

/* NULL: no model of that name. */
const struct stub_model *stub_model_find(const char *name);

#define STUB_EVENTSEL_EVENT      0xf000000ffull
#define STUB_EVENTSEL_UMASK      0xff00ull
#define STUB_EVENTSEL_USR        (1ull << 16)
#define STUB_EVENTSEL_OS         (1ull << 17)
#define STUB_EVENTSEL_EDGE       (1ull << 18)
#define STUB_EVENTSEL_INT        (1ull << 20)
#define STUB_EVENTSEL_ENABLE     (1ull << 22)
#define STUB_EVENTSEL_CMASK      0xff000000ull
#define STUB_EVENTSEL_IN_TX      (1ull << 32)
#define STUB_EVENTSEL_GUEST_ONLY (1ull << 40)
#define STUB_EVENTSEL_HOST_ONLY  (1ull << 41)

/* PERF_METRICS in sets of PMCs, and what counts for it: fixed counter 3. */
#define STUB_METRICS             48
#define STUB_METRICS_BIT         (1ull << STUB_METRICS)
#define STUB_SLOTS               (MPMU_FIXED_BASE + 3)

/* Status bit of Intel PT: never a counter's, always the host's. */
#define STUB_STATUS_PT           (1ull << 55)
/* Those of a freeze, of LBRs and of counters.  AMD's STATUS_SET sets them. */
#define STUB_STATUS_FROZEN       (3ull << 58)

/* What RDPMC of an index above the core counters yields where it is valid. */
#define STUB_UNCORE_SECRET       0x5ec4e7ull

/* Reset: architectural values, nothing pending, LVTPC masked. */
void stub_pmu_reset(struct stub_pmu *pmu, const struct mpmu_caps *caps);

/* RDMSR, WRMSR, RDPMC as the instruction; false is #GP(0). */
bool stub_pmu_rdmsr(const struct stub_pmu *pmu, u32 msr, u64 *value);
bool stub_pmu_wrmsr(struct stub_pmu *pmu, u32 msr, u64 value);
bool stub_pmu_rdpmc(const struct stub_pmu *pmu, u32 ecx, u64 *value);

/* WRMSR by a careful driver: a dropped bit or a stranger's bit is a fault. */
void stub_pmu_wrmsr_strict(struct stub_pmu *pmu, u32 msr, u64 value);

/* RDMSR by a careful driver; PERF_METRICS may be what fixed counter 3 made of it. */
u64 stub_pmu_rdmsr_strict(const struct stub_pmu *pmu, u32 msr);

/* Is @msr a counter, GLOBAL_CTRL or a status register that may be direct? */
bool stub_msr_is_data(const struct mpmu_caps *caps, u32 msr);

/* Is it one of those that speak for all counters? */
bool stub_msr_is_global(const struct mpmu_caps *caps, u32 msr);

/* The PMC that @msr is the counter of; 63: none. */
u32 stub_msr_pmc(const struct mpmu_caps *caps, u32 msr);

/* Bits that a write of @msr may set; 0 where it does not exist. */
u64 stub_msr_writable(const struct mpmu_caps *caps, u32 msr);

/* Code runs. */
void stub_pmu_run(struct stub_pmu *pmu, const struct stub_work *work);

/* Counters, and PERF_METRICS, of a model. */
mpmu_pmcs stub_pmcs(const struct mpmu_caps *caps);

/* The register that PMC @pmc, or PERF_METRICS, counts in, and its width. */
struct stub_reg *stub_pmu_counter(struct stub_pmu *pmu, u32 pmc);
u32 stub_width(const struct mpmu_caps *caps, u32 pmc);

/* How much would @work add to PMC @pmc as it is programmed and enabled now? */
u64 stub_pmu_events(const struct stub_pmu *pmu, u32 pmc, const struct stub_work *work);

/* Counters and selectors that hold a non-zero value of @origin. */
mpmu_pmcs stub_pmu_counters_of(const struct stub_pmu *pmu, enum stub_origin origin);
u32 stub_pmu_eventsels_of(const struct stub_pmu *pmu, enum stub_origin origin);

/* The fields of FIXED_CTR_CTRL that are of these PMCs. */
u64 stub_fixed_fields(mpmu_pmcs pmcs);

/* Is the PMC a guest's? */
bool stub_pmu_of_guest(const struct stub_pmu *pmu, u32 pmc);

/* The host writes a control register, with what is the guest's in it. */
void stub_pmu_set_fixed_ctrl(struct stub_pmu *pmu, u64 value);
void stub_pmu_set_global_ctrl(struct stub_pmu *pmu, u64 value);

/* Report what hardware does not forgive: print and abort, or the hook. */
extern void (*stub_fault_hook)(const char *what);
void stub_fault(const char *what, ...) __attribute__((format(printf, 1, 2)));

static inline bool stub_has(mpmu_pmcs set, u32 pmc)
{
	return set >> pmc & 1;
}

static inline u64 stub_width_mask(u32 width)
{
	return width < 64 ? (1ull << width) - 1 : ~0ull;
}

#endif
