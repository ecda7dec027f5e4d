// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The counters of AMD machines that all CPUs share: those of the northbridge,
// which are the data fabric's since Zen, and those of the L3.  They count what
// all CPUs do, whoever reads them, and raise no interrupt.

#ifndef BX_MPMU_UNCORE_H
#define BX_MPMU_UNCORE_H

class bx_mpmu_uncore_c {
public:
  enum { L3 = 6, NB = 16, COUNTERS = L3 + NB };

  // Whether the register, or the index of RDPMC, is one of these.
  static bool rdmsr(Bit32u msr, Bit64u *value);
  static bool wrmsr(Bit32u msr, Bit64u value);
  static bool rdpmc(Bit32u index, Bit64u *value);
  static bool is_index(Bit32u index);
  static void reset(void);

private:
  static Bit64u select[COUNTERS], counter[COUNTERS];
  static Bit64u last_lookups, last_misses;

  static void fold(void);
};

#endif
