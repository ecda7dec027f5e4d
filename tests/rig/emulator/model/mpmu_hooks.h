// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the instrumentation hooks of the CPU do for the PMU model.

#ifndef BX_MPMU_HOOKS_H
#define BX_MPMU_HOOKS_H

#define BX_MPMU_BRANCH()                                \
  (BX_CPU_THIS_PTR mpmu.branches++, BX_CPU_THIS_PTR truth.branches++)

#define BX_MPMU_CONDITIONAL(rip, taken) do {            \
  BX_MPMU_BRANCH();                                     \
  if (BX_CPU_THIS_PTR mpmu.predict)                     \
    BX_CPU_THIS_PTR mpmu.predict_branch((rip), (taken)); \
} while (0)

#define BX_MPMU_ACCESS(rw) do {                         \
  if ((rw) != BX_WRITE) BX_CPU_THIS_PTR mpmu.loads++;   \
  if ((rw) != BX_READ) BX_CPU_THIS_PTR mpmu.stores++;   \
} while (0)

// A flushed line is fetched again by whatever touches it next.
#define BX_MPMU_CLFLUSH()                               \
  (BX_CPU_THIS_PTR mpmu.llc_references++, BX_CPU_THIS_PTR mpmu.llc_misses++)

#endif
