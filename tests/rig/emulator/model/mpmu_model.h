// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a personality is, and the architecture's numbers that the parts of the
// model share.

#ifndef BX_MPMU_MODEL_H
#define BX_MPMU_MODEL_H

enum {
  MPMU_WIDTH = 48,
  MPMU_FIXED_SLOTS = 3                  // the fixed counter of slots
};

const Bit64u MPMU_WIDTH_MASK = (BX_CONST64(1) << MPMU_WIDTH) - 1;
const Bit64u MPMU_IN_TX = BX_CONST64(1) << 32, MPMU_IN_TXCP = BX_CONST64(1) << 33;
const Bit64u MPMU_STATUS_PT = BX_CONST64(1) << 55;
const Bit64u MPMU_STATUS_FROZEN = BX_CONST64(1) << 59;
const Bit64u MPMU_METRICS_BIT = BX_CONST64(1) << 48;   // of control and status
const Bit64u MPMU_DEBUGCTL_FREEZE = BX_CONST64(1) << 12;
const Bit64u MPMU_DEBUGCTL_MASK = BX_CONST64(0x5803);

// Bits of IA32_PERF_CAPABILITIES.
enum {
  MPMU_CAP_LBR_INFO = 0x05,             // format of the LBRs: with LBR_INFO
  MPMU_CAP_LBR_ARCH = 0x3f,             // none but architectural ones
  MPMU_CAP_PEBS_TRAP = 1 << 6,
  MPMU_CAP_PEBS_REGS = 1 << 7,
  MPMU_CAP_PEBS_3 = 3 << 8,
  MPMU_CAP_PEBS_4 = 4 << 8,
  MPMU_CAP_SMM_FREEZE = 1 << 12,
  MPMU_CAP_FULL_WIDTH = 1 << 13,
  MPMU_CAP_PEBS_BASELINE = 1 << 14,
  MPMU_CAP_METRICS = 1 << 15,
  MPMU_CAP_PEBS_TIMING = 1 << 17
};

// Beyond what CPUID leaf 0AH and PERF_CAPABILITIES say.
enum {
  MPMU_HAS_PT = 1,
  MPMU_HAS_TFA = 2,
  MPMU_HAS_HYBRID = 4,                  // CPUs of two kinds, it says
  MPMU_HAS_LBR = 8,                     // of Skylake's kind, which record nothing
  MPMU_HAS_EXTRA_REGS = 16,             // those of load latency and the frontend
  MPMU_HAS_LEAF_23 = 32,
  MPMU_HAS_UNCORE = 64,                 // NB and L3 counters of AMD
  MPMU_HAS_TSX = 128                    // IN_TX and IN_TXCP; nothing begins a transaction
};

// Whose events it has.
enum mpmu_core {
  MPMU_CORE_SKYLAKE = 1,
  MPMU_CORE_SUNNY_COVE = 2,             // Ice Lake
  MPMU_CORE_GOLDEN_COVE = 4,            // Sapphire Rapids and later
  MPMU_CORE_ZEN = 8,
  MPMU_CORE_INTEL = 7
};

struct mpmu_personality {
  const char *name;
  unsigned version_intel;               // arch-perfmon, 0 for AMD
  unsigned version_amd;                 // 0 K7, 1 core extension, 2 PerfMonV2
  unsigned nr_gp, nr_fixed;
  Bit64u capabilities;
  bool vmx_save;
  unsigned extras;                      // MPMU_HAS_*
  mpmu_core core;
  unsigned slots;                       // per cycle
  unsigned metrics;                     // fields of PERF_METRICS
  Bit32u signature;                     // CPUID leaf 1 EAX; 0: the processor model's own
};

const mpmu_personality *mpmu_find_personality(bool intel);

// Registers that an operating system expects and that do nothing here.
struct mpmu_plain_msr {
  Bit32u index;
  bool intel, amd;
  Bit64u reset, writable;
};

extern const mpmu_plain_msr mpmu_plain[];
extern const unsigned mpmu_nr_plain;

#endif
