// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Registers and counting of the software PMU. */
#include "pmu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void (*stub_fault_hook)(const char *what);

void stub_fault(const char *what, ...)
{
	char text[200];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	if (stub_fault_hook) {
		stub_fault_hook(text);
		return;
	}
	fprintf(stderr, "software PMU: %s\n", text);
	abort();
}

enum kind {
	REG_NONE,
	REG_GP,
	REG_GP_SIGNED,
	REG_FIXED,
	REG_METRICS,
	REG_EVENTSEL,
	REG_FIXED_CTRL,
	REG_GLOBAL_CTRL,
	REG_STATUS,
	REG_STATUS_CLEAR,
	REG_STATUS_SET,
	REG_INUSE,
};

struct reg {
	enum kind kind;
	u32 index;
};

/* Where registers are: @count of them, from @base in steps of @stride. */
struct range {
	u32 base;
	u32 count;
	u32 stride;
	enum kind kind;
	u32 feature;
	u32 version;
};

static const struct range intel_ranges[] = {
	{0x0c1, 32, 1, REG_GP_SIGNED, 0, 1},
	{0x186, 26, 1, REG_EVENTSEL, 0, 1},
	{0x309, 16, 1, REG_FIXED, 0, 2},
	{0x329, 1, 1, REG_METRICS, MPMU_FEAT_METRICS, 2},
	{0x38d, 1, 1, REG_FIXED_CTRL, 0, 2},
	{0x38e, 1, 1, REG_STATUS, MPMU_FEAT_GLOBAL, 2},
	{0x38f, 1, 1, REG_GLOBAL_CTRL, MPMU_FEAT_GLOBAL, 2},
	{0x390, 1, 1, REG_STATUS_CLEAR, MPMU_FEAT_GLOBAL, 2},
	{0x391, 1, 1, REG_STATUS_SET, MPMU_FEAT_STATUS_SET, 4},
	{0x392, 1, 1, REG_INUSE, MPMU_FEAT_GLOBAL, 4},
	{0x4c1, 32, 1, REG_GP, MPMU_FEAT_FW_WRITES, 1},
	{0},
};

static const struct range amd_ranges[] = {
	{0xc0000300, 1, 1, REG_STATUS, MPMU_FEAT_GLOBAL, 2},
	{0xc0000301, 1, 1, REG_GLOBAL_CTRL, MPMU_FEAT_GLOBAL, 2},
	{0xc0000302, 1, 1, REG_STATUS_CLEAR, MPMU_FEAT_GLOBAL, 2},
	{0xc0000303, 1, 1, REG_STATUS_SET, MPMU_FEAT_STATUS_SET, 2},
	{0xc0010000, 4, 1, REG_EVENTSEL, 0, 1},
	{0xc0010004, 4, 1, REG_GP, 0, 1},
	{0xc0010200, 15, 2, REG_EVENTSEL, MPMU_FEAT_PERFCTR_CORE, 1},
	{0xc0010201, 15, 2, REG_GP, MPMU_FEAT_PERFCTR_CORE, 1},
	{0},
};

static bool is_amd(const struct mpmu_caps *caps)
{
	return caps->vendor == MPMU_VENDOR_AMD;
}

static bool in_range(const struct range *range, u32 msr)
{
	u32 offset = msr - range->base;

	return msr >= range->base && offset % range->stride == 0 &&
	       offset / range->stride < range->count;
}

/* A register that counter @index has, or that exists once. */
static bool is_there(const struct mpmu_caps *caps, enum kind kind, u32 index)
{
	switch (kind) {
	case REG_GP:
	case REG_GP_SIGNED:
	case REG_EVENTSEL:
		return stub_has(caps->counters, index);
	case REG_FIXED:
		return stub_has(caps->counters, MPMU_FIXED_BASE + index);
	case REG_METRICS:
	case REG_FIXED_CTRL:
	case REG_GLOBAL_CTRL:
	case REG_STATUS:
	case REG_STATUS_CLEAR:
	case REG_STATUS_SET:
	case REG_INUSE:
		return true;
	case REG_NONE:
		break;
	}
	return false;
}

static struct reg find(const struct mpmu_caps *caps, u32 msr)
{
	const struct range *range = is_amd(caps) ? amd_ranges : intel_ranges;

	for (; range->count; range++) {
		u32 index;

		if (!in_range(range, msr) || caps->version < range->version ||
		    (caps->features & range->feature) != range->feature)
			continue;
		index = (msr - range->base) / range->stride;
		if (is_there(caps, range->kind, index))
			return (struct reg){range->kind, index};
	}
	return (struct reg){REG_NONE, 0};
}

bool stub_msr_is_data(const struct mpmu_caps *caps, u32 msr)
{
	enum kind kind = find(caps, msr).kind;

	if (kind == REG_STATUS_SET)
		return is_amd(caps);
	return kind == REG_GP || kind == REG_GP_SIGNED || kind == REG_FIXED ||
	       kind == REG_METRICS || kind == REG_GLOBAL_CTRL || kind == REG_STATUS || kind == REG_STATUS_CLEAR;
}

bool stub_msr_is_global(const struct mpmu_caps *caps, u32 msr)
{
	enum kind kind = find(caps, msr).kind;

	return kind == REG_GLOBAL_CTRL || kind == REG_STATUS || kind == REG_STATUS_CLEAR ||
	       kind == REG_STATUS_SET;
}

u32 stub_msr_pmc(const struct mpmu_caps *caps, u32 msr)
{
	struct reg reg = find(caps, msr);

	if (reg.kind == REG_GP || reg.kind == REG_GP_SIGNED)
		return reg.index;
	if (reg.kind == REG_FIXED)
		return MPMU_FIXED_BASE + reg.index;
	return reg.kind == REG_METRICS ? STUB_METRICS : 63;
}

void stub_pmu_reset(struct stub_pmu *pmu, const struct mpmu_caps *caps)
{
	bool bare = pmu->bare;

	memset(pmu, 0, sizeof(*pmu));
	pmu->caps = *caps;
	pmu->bare = bare;
	pmu->lvtpc.masked = true;
	if (caps->features & MPMU_FEAT_GLOBAL)
		pmu->global_ctrl.value = caps->counters & MPMU_GP_MASK;
}

bool stub_pmu_of_guest(const struct stub_pmu *pmu, u32 pmc)
{
	return pmu->owned && !stub_has(pmu->lent, pmc);
}

u64 stub_fixed_fields(mpmu_pmcs pmcs)
{
	u64 fields = 0;
	u32 i;

	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (stub_has(pmcs, MPMU_FIXED_BASE + i))
			fields |= 0xfull << (4 * i);
	return fields;
}

static void set(struct stub_reg *reg, u64 value, bool of_guest)
{
	reg->value = value;
	reg->origin = !value ? STUB_OF_NOBODY : of_guest ? STUB_OF_GUEST : STUB_OF_HOST;
}

static void set_of_pmc(struct stub_pmu *pmu, struct stub_reg *reg, u64 value, u32 pmc)
{
	set(reg, value, stub_pmu_of_guest(pmu, pmc));
}

/* A register of both sides is the guest's while anything of that is in it. */
void stub_pmu_set_fixed_ctrl(struct stub_pmu *pmu, u64 value)
{
	set(&pmu->fixed_ctrl, value, pmu->owned && value & ~stub_fixed_fields(pmu->lent));
}

void stub_pmu_set_global_ctrl(struct stub_pmu *pmu, u64 value)
{
	set(&pmu->global_ctrl, value, pmu->owned && value & ~pmu->lent);
}

static void set_status(struct stub_pmu *pmu, u64 bits)
{
	pmu->status |= bits;
	if (pmu->owned)
		pmu->status_of_guest |= bits & ~pmu->lent;
}

static void clear_status(struct stub_pmu *pmu, u64 bits)
{
	pmu->status &= ~bits;
	pmu->status_of_guest &= ~bits;
}

static u64 eventsel_mask(const struct mpmu_caps *caps, u32 index)
{
	u64 mask;

	if (is_amd(caps)) {
		mask = 0xfffd7ffffull;
		if (caps->features & MPMU_FEAT_SVM)
			mask |= STUB_EVENTSEL_GUEST_ONLY | STUB_EVENTSEL_HOST_ONLY;
		return mask;
	}
	mask = 0xffdfffffull;
	if (caps->features & MPMU_FEAT_TSX)
		mask |= index == 2 ? 3ull << 32 : 1ull << 32;
	return mask;
}

static u64 fixed_ctrl_mask(const struct mpmu_caps *caps)
{
	u64 mask = 0;
	u32 i;

	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (stub_has(caps->counters, MPMU_FIXED_BASE + i))
			mask |= 0xbull << (4 * i);
	return mask;
}

mpmu_pmcs stub_pmcs(const struct mpmu_caps *caps)
{
	return caps->counters | (caps->features & MPMU_FEAT_METRICS ? STUB_METRICS_BIT : 0);
}

struct stub_reg *stub_pmu_counter(struct stub_pmu *pmu, u32 pmc)
{
	if (pmc == STUB_METRICS)
		return &pmu->metrics;
	return pmc < MPMU_FIXED_BASE ? &pmu->gp[pmc] : &pmu->fixed[pmc - MPMU_FIXED_BASE];
}

u32 stub_width(const struct mpmu_caps *caps, u32 pmc)
{
	if (pmc == STUB_METRICS)
		return caps->metrics_width;
	return pmc < MPMU_FIXED_BASE ? caps->gp_width : caps->fixed_width;
}

/* Bits of a register that may be written. */
static u64 writable(const struct mpmu_caps *caps, struct reg reg)
{
	switch (reg.kind) {
	case REG_GP:
		return stub_width_mask(caps->gp_width);
	case REG_GP_SIGNED:
		return ~0ull;
	case REG_FIXED:
		return stub_width_mask(caps->fixed_width);
	case REG_EVENTSEL:
		return eventsel_mask(caps, reg.index);
	case REG_FIXED_CTRL:
		return fixed_ctrl_mask(caps);
	case REG_METRICS:
		return stub_width_mask(caps->metrics_width);
	case REG_GLOBAL_CTRL:
		return stub_pmcs(caps);
	case REG_STATUS_CLEAR:
		/* Intel: and OvfBuf, CondChgd. */
		return stub_pmcs(caps) | (is_amd(caps) ? STUB_STATUS_FROZEN : 0x33ull << 58);
	case REG_STATUS_SET:
		return stub_pmcs(caps) | (is_amd(caps) ? STUB_STATUS_FROZEN : 0);
	case REG_STATUS:
	case REG_INUSE:
	case REG_NONE:
		break;
	}
	return 0;
}

u64 stub_msr_writable(const struct mpmu_caps *caps, u32 msr)
{
	return writable(caps, find(caps, msr));
}

static u64 sign_extend(u64 value, u32 width)
{
	return (u64)(s64)(int32_t)value & stub_width_mask(width);
}

static void commit(struct stub_pmu *pmu, struct reg reg, u64 value)
{
	switch (reg.kind) {
	case REG_GP:
		set_of_pmc(pmu, &pmu->gp[reg.index], value, reg.index);
		break;
	case REG_GP_SIGNED:
		set_of_pmc(pmu, &pmu->gp[reg.index], sign_extend(value, pmu->caps.gp_width),
			   reg.index);
		break;
	case REG_FIXED:
		set_of_pmc(pmu, &pmu->fixed[reg.index], value, MPMU_FIXED_BASE + reg.index);
		break;
	case REG_METRICS:
		set_of_pmc(pmu, &pmu->metrics, value, STUB_METRICS);
		pmu->metrics_unsettled = false;
		break;
	case REG_EVENTSEL:
		set_of_pmc(pmu, &pmu->eventsel[reg.index], value, reg.index);
		break;
	case REG_FIXED_CTRL:
		stub_pmu_set_fixed_ctrl(pmu, value);
		break;
	case REG_GLOBAL_CTRL:
		stub_pmu_set_global_ctrl(pmu, value);
		break;
	case REG_STATUS_CLEAR:
		clear_status(pmu, value);
		break;
	case REG_STATUS_SET:
		set_status(pmu, value);
		break;
	case REG_STATUS:
	case REG_INUSE:
	case REG_NONE:
		break;
	}
}

/* Intel faults on what it does not know; AMD drops it. */
bool stub_pmu_wrmsr(struct stub_pmu *pmu, u32 msr, u64 value)
{
	struct reg reg = find(&pmu->caps, msr);
	u64 mask = writable(&pmu->caps, reg);

	if (reg.kind == REG_NONE)
		return false;
	if (!is_amd(&pmu->caps) &&
	    (reg.kind == REG_STATUS || reg.kind == REG_INUSE || value & ~mask))
		return false;
	commit(pmu, reg, value & mask);
	return true;
}

/*
 * Status bits that are not counters are the host's, whoever owns the rest.  But what
 * a guest of AMD has set has to be cleared.
 */
static bool is_strange(const struct stub_pmu *pmu, struct reg reg, u64 value)
{
	u64 mask = writable(&pmu->caps, reg);

	if (reg.kind == REG_STATUS_SET || (reg.kind == REG_STATUS_CLEAR && !is_amd(&pmu->caps)))
		mask &= stub_pmcs(&pmu->caps);
	return value & ~mask;
}

/* Does the write of a guest's value change what is lent to the host? */
static bool hits_lent(const struct stub_pmu *pmu, struct reg reg, u64 value)
{
	switch (reg.kind) {
	case REG_GP:
	case REG_GP_SIGNED:
	case REG_EVENTSEL:
		return stub_has(pmu->lent, reg.index);
	case REG_FIXED:
		return stub_has(pmu->lent, MPMU_FIXED_BASE + reg.index);
	case REG_METRICS:
		return stub_has(pmu->lent, STUB_METRICS);
	case REG_FIXED_CTRL:
		return (value ^ pmu->fixed_ctrl.value) & stub_fixed_fields(pmu->lent);
	case REG_GLOBAL_CTRL:
		return (value ^ pmu->global_ctrl.value) & pmu->lent;
	case REG_STATUS_CLEAR:
	case REG_STATUS_SET:
		return value & pmu->lent;
	case REG_STATUS:
	case REG_INUSE:
	case REG_NONE:
		break;
	}
	return false;
}

void stub_pmu_wrmsr_strict(struct stub_pmu *pmu, u32 msr, u64 value)
{
	struct reg reg = find(&pmu->caps, msr);

	if (reg.kind == REG_NONE)
		stub_fault("WRMSR %#x: no such register", msr);
	else if (!pmu->owned)
		stub_fault("WRMSR %#x while the host owns the PMU", msr);
	else if (hits_lent(pmu, reg, value))
		stub_fault("WRMSR %#x of what is lent to the host", msr);
	else if (is_strange(pmu, reg, value))
		stub_fault("WRMSR %#x: reserved bits in %#llx", msr, (unsigned long long)value);
	else if (reg.kind == REG_GLOBAL_CTRL && value && !is_amd(&pmu->caps))
		stub_fault("WRMSR %#x: GLOBAL_CTRL not 0 in root mode", msr);
	else
		commit(pmu, reg, value);
	if (reg.kind == REG_FIXED && reg.index == STUB_SLOTS - MPMU_FIXED_BASE)
		pmu->metrics_unsettled = pmu->caps.features & MPMU_FEAT_METRICS;
}

u64 stub_pmu_rdmsr_strict(const struct stub_pmu *pmu, u32 msr)
{
	u64 value;

	if (!stub_pmu_rdmsr(pmu, msr, &value))
		stub_fault("RDMSR %#x: no such register", msr);
	if (find(&pmu->caps, msr).kind == REG_METRICS && pmu->metrics_unsettled)
		stub_fault("RDMSR %#x: fixed counter 3 was written before", msr);
	return value;
}

static u64 in_use(const struct stub_pmu *pmu)
{
	u64 use = 0, ctrl = pmu->fixed_ctrl.value;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++) {
		u64 eventsel = pmu->eventsel[i].value;

		use |= eventsel & 0xff ? 1ull << i : 0;
		use |= eventsel & STUB_EVENTSEL_INT ? 1ull << 63 : 0;
	}
	for (i = 0; i < MPMU_MAX_FIXED; i++) {
		use |= ctrl >> (4 * i) & 3 ? 1ull << (MPMU_FIXED_BASE + i) : 0;
		use |= ctrl >> (4 * i) & 8 ? 1ull << 63 : 0;
	}
	return use;
}

bool stub_pmu_rdmsr(const struct stub_pmu *pmu, u32 msr, u64 *value)
{
	struct reg reg = find(&pmu->caps, msr);

	*value = 0;
	switch (reg.kind) {
	case REG_GP:
	case REG_GP_SIGNED:
		*value = pmu->gp[reg.index].value;
		return true;
	case REG_FIXED:
		*value = pmu->fixed[reg.index].value;
		return true;
	case REG_METRICS:
		*value = pmu->metrics.value;
		return true;
	case REG_EVENTSEL:
		*value = pmu->eventsel[reg.index].value;
		return true;
	case REG_FIXED_CTRL:
		*value = pmu->fixed_ctrl.value;
		return true;
	case REG_GLOBAL_CTRL:
		*value = pmu->global_ctrl.value;
		return true;
	case REG_STATUS:
		*value = pmu->status;
		return true;
	case REG_STATUS_CLEAR:
	case REG_STATUS_SET:
		return true;
	case REG_INUSE:
		*value = in_use(pmu);
		return true;
	case REG_NONE:
		break;
	}
	return false;
}

static bool rdpmc_intel(const struct stub_pmu *pmu, u32 ecx, u64 *value)
{
	u32 index = ecx & ~(1u << 30);

	if (ecx == 1u << 29 && pmu->caps.features & MPMU_FEAT_METRICS) {
		*value = pmu->metrics.value;
		return true;
	}
	if (ecx & 1u << 30) {
		if (index >= MPMU_MAX_FIXED ||
		    !stub_has(pmu->caps.counters, MPMU_FIXED_BASE + index))
			return false;
		*value = pmu->fixed[index].value;
		return true;
	}
	if (index >= MPMU_MAX_GP || !stub_has(pmu->caps.counters, index))
		return false;
	*value = pmu->gp[index].value;
	return true;
}

static bool rdpmc_amd(const struct stub_pmu *pmu, u32 ecx, u64 *value)
{
	if (ecx < MPMU_MAX_GP && stub_has(pmu->caps.counters, ecx)) {
		*value = pmu->gp[ecx].value;
		return true;
	}
	if (pmu->caps.features & MPMU_FEAT_RDPMC_UNCORE && ecx >= 6 && ecx < 16) {
		*value = STUB_UNCORE_SECRET;
		return true;
	}
	return false;
}

bool stub_pmu_rdpmc(const struct stub_pmu *pmu, u32 ecx, u64 *value)
{
	*value = 0;
	return is_amd(&pmu->caps) ? rdpmc_amd(pmu, ecx, value) : rdpmc_intel(pmu, ecx, value);
}

/* Events that count something here, per vendor. */
static const struct {
	u8 vendor;
	u16 event;
	size_t amount;
} events[] = {
	{MPMU_VENDOR_INTEL, 0xc0, offsetof(struct stub_work, instructions)},
	{MPMU_VENDOR_INTEL, 0xc4, offsetof(struct stub_work, branches)},
	{MPMU_VENDOR_INTEL, 0x3c, offsetof(struct stub_work, cycles)},
	{MPMU_VENDOR_AMD, 0xc0, offsetof(struct stub_work, instructions)},
	{MPMU_VENDOR_AMD, 0xc2, offsetof(struct stub_work, branches)},
	{MPMU_VENDOR_AMD, 0x76, offsetof(struct stub_work, cycles)},
};

static u32 amount(const struct stub_work *work, size_t offset)
{
	return *(const u32 *)((const char *)work + offset);
}

static u64 gp_events(const struct stub_pmu *pmu, u64 eventsel, const struct stub_work *work)
{
	u64 event = (eventsel & 0xff) | (is_amd(&pmu->caps) ? eventsel >> 24 & 0xf00 : 0);
	size_t i;

	/* No code here runs in a transaction. */
	if (eventsel & STUB_EVENTSEL_UMASK ||
	    (!is_amd(&pmu->caps) && eventsel & STUB_EVENTSEL_IN_TX))
		return 0;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].vendor != pmu->caps.vendor || events[i].event != event)
			continue;
		if (eventsel & (STUB_EVENTSEL_CMASK | STUB_EVENTSEL_EDGE))
			return work->edges;
		return amount(work, events[i].amount);
	}
	return 0;
}

/* Host-Only and Guest-Only: none counts always, else SVME and the mode decide. */
static bool mode_counts(const struct stub_pmu *pmu, u64 eventsel)
{
	u64 only = eventsel & (STUB_EVENTSEL_GUEST_ONLY | STUB_EVENTSEL_HOST_ONLY);

	if (!is_amd(&pmu->caps) || !only)
		return true;
	return pmu->svme &&
	       only & (pmu->guest_mode ? STUB_EVENTSEL_GUEST_ONLY : STUB_EVENTSEL_HOST_ONLY);
}

static bool globally_on(const struct stub_pmu *pmu, u32 pmc)
{
	return !(pmu->caps.features & MPMU_FEAT_GLOBAL) || stub_has(pmu->global_ctrl.value, pmc);
}

static u64 fixed_events(u32 index, const struct stub_work *work)
{
	static const size_t source[] = {
		offsetof(struct stub_work, instructions),
		offsetof(struct stub_work, cycles),
		offsetof(struct stub_work, cycles),
		offsetof(struct stub_work, cycles),
	};
	static const u32 factor[] = {1, 1, 2, 6};

	return index < 4 ? (u64)amount(work, source[index]) * factor[index] : 0;
}

static u64 gp_adds(const struct stub_pmu *pmu, u32 index, const struct stub_work *work)
{
	u64 event = is_amd(&pmu->caps) ? STUB_EVENTSEL_EVENT : 0xff;
	u64 eventsel = pmu->eventsel[index].value;

	if (!(eventsel & STUB_EVENTSEL_ENABLE) || !mode_counts(pmu, eventsel) ||
	    !(eventsel & (work->cpl ? STUB_EVENTSEL_USR : STUB_EVENTSEL_OS)))
		return 0;
	if (pmu->denied_event && (eventsel & event) == pmu->denied_event)
		return 0;
	return gp_events(pmu, eventsel, work);
}

static u64 fixed_adds(const struct stub_pmu *pmu, u32 index, const struct stub_work *work)
{
	u64 field = pmu->fixed_ctrl.value >> (4 * index);

	if (!(field & (work->cpl ? 2 : 1)) || pmu->denied_fixed >> index & 1)
		return 0;
	return fixed_events(index, work);
}

/*
 * Eight fields that count on their own: how far each of them gets is no fraction
 * as in hardware, but nothing of it is anywhere else than in the register.
 */
static u64 metrics_adds(const struct stub_pmu *pmu, const struct stub_work *work)
{
	if (!globally_on(pmu, STUB_SLOTS) || !fixed_adds(pmu, STUB_SLOTS - MPMU_FIXED_BASE, work))
		return 0;
	return (u64)(work->instructions & 0x7f) | (u64)(work->branches & 0x7f) << 8 |
	       (u64)(work->edges & 0x7f) << 16 | (u64)(work->cycles & 0x7f) << 24 |
	       (u64)(work->cycles & 0x3f) << 32 | (u64)(work->instructions & 0x3f) << 56;
}

/* Field by field; true: one of them has overflowed. */
static bool add_to_metrics(struct stub_pmu *pmu, u64 n)
{
	u64 value = 0;
	bool wrapped = false;
	u32 shift;

	for (shift = 0; shift < pmu->caps.metrics_width; shift += 8) {
		u64 sum = (pmu->metrics.value >> shift & 0xff) + (n >> shift & 0xff);

		value |= (sum & 0xff) << shift;
		wrapped |= sum > 0xff;
	}
	set_of_pmc(pmu, &pmu->metrics, value, STUB_METRICS);
	return wrapped;
}

u64 stub_pmu_events(const struct stub_pmu *pmu, u32 pmc, const struct stub_work *work)
{
	if (!stub_has(stub_pmcs(&pmu->caps), pmc) || !globally_on(pmu, pmc))
		return 0;
	if (pmc == STUB_METRICS)
		return metrics_adds(pmu, work);
	return pmc < MPMU_FIXED_BASE ? gp_adds(pmu, pmc, work)
				     : fixed_adds(pmu, pmc - MPMU_FIXED_BASE, work);
}

/* Intel masks LVTPC when it delivers; AMD does not. */
static void raise_pmi(struct stub_pmu *pmu)
{
	if (pmu->lvtpc.masked)
		return;
	pmu->pending[pmu->lvtpc.route] = true;
	pmu->nmi_of_guest |= pmu->owned && pmu->guest_mode && pmu->lvtpc.route == STUB_NMI_OF_HOST;
	pmu->lvtpc.masked = !is_amd(&pmu->caps);
}

static bool interrupts(const struct stub_pmu *pmu, u32 pmc)
{
	if (pmc == STUB_METRICS)
		pmc = STUB_SLOTS;
	if (pmc < MPMU_FIXED_BASE)
		return pmu->eventsel[pmc].value & STUB_EVENTSEL_INT;
	return pmu->fixed_ctrl.value >> (4 * (pmc - MPMU_FIXED_BASE)) & 8;
}

/* Only its owner's code moves a counter. */
static void check_mode(const struct stub_pmu *pmu, u32 pmc)
{
	bool of_guest = stub_pmu_of_guest(pmu, pmc);

	if (pmu->bare || of_guest == pmu->guest_mode)
		return;
	stub_fault("PMC %u of the %s counts in %s mode", pmc, of_guest ? "guest" : "host",
		   pmu->guest_mode ? "guest" : "host");
}

static bool add(struct stub_pmu *pmu, u32 pmc, u64 n)
{
	struct stub_reg *reg = stub_pmu_counter(pmu, pmc);
	u64 next = (reg->value + n) & stub_width_mask(stub_width(&pmu->caps, pmc));
	bool wrapped = next < reg->value;

	set_of_pmc(pmu, reg, next, pmc);
	return wrapped;
}

/* Add to one counter; true: it wants an interrupt. */
static bool advance(struct stub_pmu *pmu, u32 pmc, u64 n)
{
	bool wrapped = pmc == STUB_METRICS ? add_to_metrics(pmu, n) : add(pmu, pmc, n);

	if (!wrapped)
		return false;
	if (pmu->caps.features & MPMU_FEAT_GLOBAL)
		set_status(pmu, 1ull << pmc);
	return interrupts(pmu, pmc);
}

void stub_pmu_run(struct stub_pmu *pmu, const struct stub_work *work)
{
	bool interrupt = false;
	u32 pmc;

	for (pmc = 0; pmc <= STUB_METRICS; pmc++) {
		u64 n = stub_pmu_events(pmu, pmc, work);

		if (!n)
			continue;
		check_mode(pmu, pmc);
		interrupt |= advance(pmu, pmc, n);
	}
	if (interrupt)
		raise_pmi(pmu);
}

mpmu_pmcs stub_pmu_counters_of(const struct stub_pmu *pmu, enum stub_origin origin)
{
	mpmu_pmcs found = 0;
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (pmu->gp[i].value && pmu->gp[i].origin == origin)
			found |= 1ull << i;
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		if (pmu->fixed[i].value && pmu->fixed[i].origin == origin)
			found |= 1ull << (MPMU_FIXED_BASE + i);
	if (pmu->metrics.value && pmu->metrics.origin == origin)
		found |= STUB_METRICS_BIT;
	return found;
}

u32 stub_pmu_eventsels_of(const struct stub_pmu *pmu, enum stub_origin origin)
{
	u32 found = 0, i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		if (pmu->eventsel[i].value && pmu->eventsel[i].origin == origin)
			found |= 1u << i;
	return found;
}
