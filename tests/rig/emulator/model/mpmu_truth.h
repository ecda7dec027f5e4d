// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The truth and the instrument.  The truth counts each retired instruction
// where it commits and asks the CPU for mode and CPL where a trace begins; it
// shares no sum with the counters, so that the two can be compared.  What tells
// it of branches, interrupts, loads and stores tells them, too.

#ifndef BX_MPMU_TRUTH_H
#define BX_MPMU_TRUTH_H

#include "mpmu_hooks.h"
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
  Bit64u branch[MPMU_BRANCH_KINDS];
  unsigned place;                       // guest * 2 + user
  bool entering;                        // VMLAUNCH or VMRUN is done, not committed
  bool memory;                          // loads and stores count
  bx_mpmu_watch_c watch;

  void init(unsigned cpu);
  void trace_begin(unsigned where) { quiet = false; if (where != place) move(where); }
  void landing(void);
  void access(unsigned rw);
  void interrupt(unsigned where);
  void watch_trace(unsigned where, bool counted, Bit64u rip);
  void vmexit(unsigned reason, bool intel);
  Bit64u guest_retired(void) const;

  mpmu_events seen;

  void fill(struct mpmu_truth *t);
  void mark_begin(unsigned region);
  void mark_end(unsigned region);
  void fill(struct mpmu_region *r, unsigned region);
  void report(FILE *out);
  void set_slots(unsigned per_cycle) { slots = per_cycle; }

private:
  // What is summed up for each place, in one go: a place is left at each system
  // call and interrupt.
  enum {
    RETIRED, PARTIAL, LOADS, STORES, INTERRUPTS,
    BRANCHES,                           // the first of each kind
    SUMS = BRANCHES + MPMU_BRANCH_KINDS
  };

  unsigned cpu_id, slots;
  Bit64u then[SUMS], ref_cycles_then;
  struct {
    Bit64u sum[SUMS], ref_cycles;
  } at[4];
  bool quiet;                           // an event is delivered
  Bit64u loaded_at, stored_at;          // the last instruction that did
  Bit64u loads, stores, interrupts;
  struct {
    Bit64u repeats;
    bool open;
    mpmu_events begin, sum;
  } region[MPMU_MAX_REGIONS];

  void move(unsigned where);
  void settle(void);
  void take_back(void);
  Bit64u branches_at(unsigned p) const;
  void fill_counts(struct mpmu_truth *t, unsigned p) const;
  void fill_topdown(struct mpmu_truth *t, unsigned p) const;
};

// An instruction that did not retire yet has the number of those that did.
inline void bx_mpmu_truth_c::access(unsigned rw)
{
  const bool writes = rw & BX_WRITE, reads = (rw & BX_RW) != BX_WRITE;  // shadow stack, too

  if (quiet | entering)
    return;
  if (reads && loaded_at != retired) {
    loaded_at = retired;
    loads++;
  }
  if (writes && stored_at != retired) {
    stored_at = retired;
    stores++;
  }
}

#endif
