// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The truth and the instrument.  The truth counts each retired instruction
// where it commits and asks the CPU for mode and CPL where a trace begins; it
// shares neither sums nor hooks with the counters, so that the two can be
// compared.

#ifndef BX_MPMU_TRUTH_H
#define BX_MPMU_TRUTH_H

#include "mpmu_watch.h"

class BX_CPU_C;

struct mpmu_events {
  Bit64u instructions[2][2];
  Bit64u pmu_rdmsr[2], pmu_wrmsr[2], rdpmc[2];
  Bit64u lvtpc_writes, pmu_auto, vmentries, vmexits_total;
  Bit64u vmexits[MPMU_NR_EXITS];
};

class bx_mpmu_truth_c {
public:
  // Touched by the hooks in the CPU.
  Bit64u retired;
  Bit64u partial;                       // cycles of unfinished REP iterations
  Bit64u branches;
  unsigned place;                       // guest * 2 + user
  bool entering;                        // VMLAUNCH or VMRUN is done, not committed
  bx_mpmu_watch_c watch;

  void init(unsigned cpu);
  void trace_begin(unsigned where) { if (where != place) move(where); }
  void landing(void) { retired += entering; entering = false; }
  void watch_trace(unsigned where, bool counted, Bit64u rip);
  void vmexit(unsigned reason, bool intel);
  Bit64u guest_retired(void) const;

  mpmu_events seen;

  void fill(struct mpmu_truth *t);
  void mark_begin(unsigned region);
  void mark_end(unsigned region);
  void fill(struct mpmu_region *r, unsigned region);
  void report(FILE *out);

private:
  unsigned cpu_id;
  Bit64u retired_then, cycles_then, branches_then;
  struct { Bit64u instructions, branches, cycles, ref_cycles; } at[4];
  struct {
    Bit64u repeats;
    bool open;
    mpmu_events begin, sum;
  } region[MPMU_MAX_REGIONS];

  void move(unsigned where);
  void settle(void);
};

#endif
