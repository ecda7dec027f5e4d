// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a personality is, and the architecture's numbers that both halves of
// the model use.

#ifndef BX_MPMU_MODEL_H
#define BX_MPMU_MODEL_H

enum { MPMU_WIDTH = 48 };

const Bit64u MPMU_STATUS_PT = BX_CONST64(1) << 55;
const Bit64u MPMU_STATUS_FROZEN = BX_CONST64(1) << 59;
const Bit64u MPMU_DEBUGCTL_FREEZE = BX_CONST64(1) << 12;
const Bit64u MPMU_DEBUGCTL_MASK = BX_CONST64(0x5803);

struct mpmu_personality {
  const char *name;
  unsigned version_intel;               // arch-perfmon, 0 for AMD
  unsigned version_amd;                 // 0 K7, 1 core extension, 2 PerfMonV2
  unsigned nr_gp, nr_fixed;
  bool full_width, vmx_save;
  unsigned extras;                      // MPMU_HAS_*
};

enum { MPMU_LBR = 0x680 };

enum {
  MPMU_HAS_PT = 1,
  MPMU_HAS_TFA = 2,
  MPMU_HAS_HYBRID = 4,                  // CPUs of two kinds, it says
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
