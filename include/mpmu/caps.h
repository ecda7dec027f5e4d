/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/**
 * @file
 * @brief Capabilities of a PMU, of the host's and of a guest's model.
 */
#ifndef MPMU_CAPS_H
#define MPMU_CAPS_H

#include <mpmu/types.h>

MPMU_BEGIN_DECLS

/** Vendor protocols: which MSRs, which status protocol, which reserved bits. */
enum mpmu_vendor {
	/** Intel 64 architectural performance monitoring. */
	MPMU_VENDOR_INTEL,
	/** AMD64 core performance counters, with or without PerfMonV2. */
	MPMU_VENDOR_AMD,
};

/** Features of a PMU, bits of mpmu_caps.features. */
enum mpmu_feature {
	/** IA32_PERF_CAPABILITIES.FW_WRITES: full-width IA32_PMCi aliases. */
	MPMU_FEAT_FW_WRITES = 1u << 0,
	/** AMD PerfCtrExtCore: C001_0200 pairs. */
	MPMU_FEAT_PERFCTR_CORE = 1u << 1,
	/** PERF_GLOBAL_CTRL and its status registers exist. */
	MPMU_FEAT_GLOBAL = 1u << 2,
	/** A status bit can be set by software (Intel v4+, AMD PerfMonV2). */
	MPMU_FEAT_STATUS_SET = 1u << 3,
	/** IA32_PERF_METRICS and GLOBAL_CTRL[48] exist, and fixed counter 3. */
	MPMU_FEAT_METRICS = 1u << 4,
	/** Selectors have IN_TX and IN_TXCP (Intel TSX). */
	MPMU_FEAT_TSX = 1u << 5,
	/** RDPMC of indices above the core counters is valid (AMD NB, L3). */
	MPMU_FEAT_RDPMC_UNCORE = 1u << 6,
	/** VM-entry and VM-exit load GLOBAL_CTRL from the VMCS. */
	MPMU_FEAT_VMCS_GLOBAL_CTRL = 1u << 7,
	/**
	 * Of a host: selectors have Guest-Only, so VM-exit stops a guest's counters.
	 * Of a guest: it may set EFER.SVME, and use Host-Only and Guest-Only then.
	 */
	MPMU_FEAT_SVM = 1u << 8,
};

/** What a PMU has.  Plain data; the all-zero value is "no PMU". */
struct mpmu_caps {
	/** Counters that exist, GP and fixed. */
	mpmu_pmcs counters;
	/** Writable bits of GLOBAL_CTRL that are not counters (bit 48, ...). */
	u64 global_ctrl_extra;
	/** enum mpmu_feature bits. */
	u32 features;
	/** Architectural events that exist, CPUID.0AH:EBX inverted; AMD: 0. */
	u32 arch_events;
	/** enum mpmu_vendor. */
	u8 vendor;
	/** Intel: architectural version; AMD: 1, or 2 with PerfMonV2. */
	u8 version;
	/** Width of GP counters in bits, 0 where there are none. */
	u8 gp_width;
	/** Width of fixed counters in bits, 0 where there are none. */
	u8 fixed_width;
	/** Bits of IA32_PERF_METRICS, 8 for each field; 0 without MPMU_FEAT_METRICS. */
	u8 metrics_width;
	/** 0. */
	u8 reserved[3];
};

/** Raw CPUID leaves and MSRs that describe a PMU; 0 where a leaf is absent. */
struct mpmu_cpuid {
	/** CPUID.0AH EAX, EBX, ECX, EDX (Intel). */
	u32 leaf_0a[4];
	/** CPUID.80000022H EAX, EBX (AMD PerfMonV2). */
	u32 leaf_80000022[2];
	/** CPUID.80000001H:ECX (AMD PerfCtrExtCore, SVM, NB and L3). */
	u32 leaf_80000001_ecx;
	/** CPUID.(07H,0):EBX (RTM, HLE). */
	u32 leaf_07_ebx;
	/** CPUID.(07H,1):EAX (ArchPerfmonExt: leaf 23H is valid). */
	u32 leaf_07_1_eax;
	/** CPUID.(23H,0):EAX: which subleaves of 23H are valid. */
	u32 leaf_23_eax;
	/** CPUID.(23H,1) EAX, EBX: GP counters, fixed counters. */
	u32 leaf_23_1[2];
	/** CPUID.(23H,3):EAX: architectural events. */
	u32 leaf_23_3_eax;
	/** IA32_PERF_CAPABILITIES, 0 where absent. */
	u64 perf_capabilities;
	/** enum mpmu_vendor. */
	u8 vendor;
};

/** How much of the host's PMU a guest may be offered. */
enum mpmu_policy {
	/**
	 * The model of Linux' own mediated PMU: version 2, at most 8 GP (AMD: 6)
	 * and 3 fixed counters.
	 */
	MPMU_POLICY_COMPAT,
	/** The host's version, all counters of it, and PERF_METRICS. */
	MPMU_POLICY_FULL,
	/**
	 * The model of MPMU_POLICY_COMPAT, for vCPUs with MPMU_VCPU_DIRECT: fewer
	 * accesses exit.
	 */
	MPMU_POLICY_DIRECT,
};

/**
 * Does the description make sense?  Nothing in it contradicts the rest: the
 * vendor is known and has the features; version and features belong together;
 * there are no counters without a width, a version or the registers that
 * control them; GLOBAL_CTRL has the other bits that the features bring; there is
 * no PERF_METRICS without fixed counter 3; a PMU without counters is all zero but
 * for the vendor; reserved is 0.
 *
 * @param caps the description; NULL makes no sense
 *
 * Pure; any context, as all functions of this file.
 */
bool mpmu_caps_valid(const struct mpmu_caps *caps);

/**
 * Decode the leaves into capabilities.
 *
 * Leaf 23H, where valid, is the authority on which counters exist: it knows of
 * gaps.  MPMU_FEAT_VMCS_GLOBAL_CTRL is not in CPUID: the caller adds it.  Nor is
 * the number of fields of PERF_METRICS: metrics_width is 64, as for eight of them,
 * and the caller lowers it for a machine with four, where bits 63:32 are reserved.
 * PERF_METRICS without fixed counter 3 is ignored: what a guest's CPUID may say.  Refuse
 * a host of that kind (bit 15 of perf_capabilities, and then metrics_width 0): RDPMC
 * and GLOBAL_CTRL of a guest would reach a register that the library does not know.
 *
 * @param caps   result, valid; no PMU where the leaves describe none
 * @param leaves raw leaves, as CPUID returns them
 * @return 0; -EINVAL: NULL, an unknown vendor, or leaves that contradict
 *         themselves: more counters than there can be, counters without a
 *         width, PerfMonV2 without counters or without PerfCtrExtCore.
 *         Nothing changed then.
 *
 * Sources: SDM volume 3, "Architectural Performance Monitoring"; SDM volume 2,
 * "CPUID", "Architectural Performance Monitoring Extended Leaf"; APM volume 3,
 * "CPUID Fn8000_0022 Extended Performance Monitoring and Debug".
 */
int mpmu_caps_decode(struct mpmu_caps *caps, const struct mpmu_cpuid *leaves);

/**
 * The reverse: the leaves that a guest of model @p caps should see.
 *
 * Only the PMU's bits are set.  Leaf 23H is used where 0AH has no room for
 * gaps between counters.  MPMU_FEAT_TSX and MPMU_FEAT_SVM have their bit, as
 * decoding needs it, but are not the PMU's to offer.  AnyThread is shown as
 * deprecated.  MPMU_FEAT_VMCS_GLOBAL_CTRL and metrics_width have no leaf and are
 * left out; all else comes back from mpmu_caps_decode().
 *
 * @param leaves result
 * @param caps   a model
 * @return 0; -EINVAL: NULL, or @p caps is not valid; -EOPNOTSUPP: the vendor's
 *         leaves cannot say it (AMD: no PMU, gaps, or a number of counters
 *         that its version does not have).  Nothing changed on an error.
 */
int mpmu_caps_encode(struct mpmu_cpuid *leaves, const struct mpmu_caps *caps);

/**
 * Name the first requirement that a host PMU does not meet.
 *
 * @return NULL if mediated PMUs are possible, else a static, short English
 *         phrase for a log line, such as "PMU version 4 or later"; "a PMU" for
 *         NULL, an unknown vendor, and a host without one
 */
const char *mpmu_caps_missing(const struct mpmu_caps *host);

/**
 * The largest model that @p policy lets a guest have on @p host.
 *
 * @param offer  result, valid; no PMU for an unknown vendor or policy
 * @param host   what the hardware has; of a description that contradicts
 *               itself, what is left without the contradictions
 * @param policy how much of it
 *
 * Asserted: @p offer and @p host are not NULL.
 */
void mpmu_caps_offer(struct mpmu_caps *offer, const struct mpmu_caps *host,
		     enum mpmu_policy policy);

/**
 * Reduce @p guest to what @p offer has, and to what does not contradict
 * itself; bits beyond are dropped.  The result is valid, whatever @p guest
 * was: a PMU of another vendor, or one without a counter, becomes no PMU.
 *
 * Asserted: @p guest and @p offer are not NULL.
 */
void mpmu_caps_clamp(struct mpmu_caps *guest, const struct mpmu_caps *offer);

/**
 * Name the first obstacle to running a guest of model @p guest on @p host: on
 * migration, before it starts.  For "whatever runs on A may move to B", ask
 * with what mpmu_caps_offer() says of A.
 *
 * There is none if the host can have mediated PMUs, offers all of the model under
 * @p policy, and has registers of the same widths.  mpmu_caps_clamp() would take
 * nothing away then.  Widths count because a wider counter overflows later than
 * the guest expects.  A guest without a PMU runs anywhere.
 *
 * @param guest  the model: mpmu_vcpu.caps, or decoded from the guest's leaves, with the
 *               metrics_width of the machine that it runs on, which no leaf has
 * @param host   what the other hardware has
 * @param policy how much of it is offered there
 * @return NULL: the guest can run; else a static, short English phrase for
 *         what is in the way, such as "fixed counter 3", or the requirement that
 *         mpmu_caps_missing() names; NULL is "a model that contradicts itself",
 *         as any that is not valid, or "a PMU"; an unknown policy offers
 *         nothing
 */
const char *mpmu_caps_obstacle(const struct mpmu_caps *guest, const struct mpmu_caps *host,
			       enum mpmu_policy policy);

MPMU_END_DECLS

#endif
