// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the instrumentation hooks of the CPU do for the PMU model.  The counters
// and the truth have a sum each, here and everywhere.

#ifndef BX_MPMU_HOOKS_H
#define BX_MPMU_HOOKS_H

// Each branch is one of these.
enum mpmu_branch {
  MPMU_BRANCH_TAKEN,                    // conditional
  MPMU_BRANCH_NOT_TAKEN,
  MPMU_BRANCH_JUMP,
  MPMU_BRANCH_JUMP_INDIRECT,
  MPMU_BRANCH_CALL,
  MPMU_BRANCH_CALL_INDIRECT,
  MPMU_BRANCH_RETURN,
  MPMU_BRANCH_FAR,
  MPMU_BRANCH_KINDS
};

#define BX_MPMU_BRANCH(kind) do {                       \
  BX_CPU_THIS_PTR mpmu.branch[kind]++;                  \
  BX_CPU_THIS_PTR truth.branch[kind]++;                 \
} while (0)

#define BX_MPMU_CONDITIONAL(rip, taken) do {            \
  BX_MPMU_BRANCH((taken) ? MPMU_BRANCH_TAKEN : MPMU_BRANCH_NOT_TAKEN); \
  if (BX_CPU_THIS_PTR mpmu.predict)                     \
    BX_CPU_THIS_PTR mpmu.predict_branch((rip), (taken)); \
} while (0)

// WHAT is a constant, so that this is one of the five.
#define BX_MPMU_UNCONDITIONAL(what)                     \
  BX_MPMU_BRANCH((what) == BX_INSTR_IS_CALL ? MPMU_BRANCH_CALL : \
    (what) == BX_INSTR_IS_CALL_INDIRECT ? MPMU_BRANCH_CALL_INDIRECT : \
    (what) == BX_INSTR_IS_RET ? MPMU_BRANCH_RETURN :    \
    (what) == BX_INSTR_IS_JMP_INDIRECT ? MPMU_BRANCH_JUMP_INDIRECT : \
    MPMU_BRANCH_JUMP)

const Bit64u MPMU_NO_ADDRESS = ~BX_CONST64(0);

// Every access comes by here: one test, unless someone counts them.
#define BX_MPMU_ACCESS(rw, phy) do {                    \
  if (unlikely(BX_CPU_THIS_PTR mpmu_accesses))       \
    BX_CPU_THIS_PTR mpmu_access((rw), (phy));           \
} while (0)

// What string instructions do at once has no address here.
#define BX_MPMU_MEMORY(rw) BX_MPMU_ACCESS((rw), MPMU_NO_ADDRESS)

// A flushed line is fetched again by whatever touches it next.
#define BX_MPMU_CLFLUSH(phy) do {                       \
  BX_CPU_THIS_PTR mpmu.llc_references++;                \
  BX_CPU_THIS_PTR mpmu.llc_misses++;                    \
  BX_CPU_THIS_PTR mpmu.drop_line(phy);                  \
} while (0)

#define BX_MPMU_INTERRUPT() do {                        \
  BX_CPU_THIS_PTR mpmu.interrupt();                     \
  BX_CPU_THIS_PTR truth.interrupt((BX_CPU_THIS_PTR in_vmx_guest | \
    BX_CPU_THIS_PTR in_svm_guest) * 2 + (CPL == 3));    \
} while (0)

// A page walk, by what the access was.
#define BX_MPMU_WALK(rw) do {                           \
  if ((rw) == BX_EXECUTE)                               \
    BX_CPU_THIS_PTR mpmu.code_walks++;                  \
  else if ((rw) & BX_WRITE)                             \
    BX_CPU_THIS_PTR mpmu.store_walks++;                 \
  else                                                  \
    BX_CPU_THIS_PTR mpmu.load_walks++;                  \
} while (0)

#endif
