// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A watch on addresses of the host's kernel: how often they are reached, how
// far from an overflow of the guest, and what the host's kernel retires with no
// counter of instructions enabled for it, inside and outside of the windows in
// which the guest has the PMU.  Like the truth it takes nothing from the
// counters: what is enabled it reads from the registers, where traces begin.

#ifndef BX_MPMU_WATCH_H
#define BX_MPMU_WATCH_H

#include "mpmu_magic.h"

class bx_mpmu_watch_c {
public:
  bool active;                          // some address is watched

  void set(unsigned slot, Bit64u addr, Bit64u retired);
  void fill(struct mpmu_watch *w) const;

  // RETIRED and GUEST are instructions so far: all, those of the guest.
  void trace_begin(Bit64u retired, Bit64u guest, bool kernel, bool counted, Bit64u rip);
  void exited(Bit64u guest) { note(MPMU_WATCHES, guest); }
  void overflowed(Bit64u guest);

private:
  enum { EVENTS = MPMU_WATCHES + 1, RECENT = 16 };

  Bit64u address[MPMU_WATCHES];
  Bit64u hits[EVENTS], near_overflow[EVENTS];
  Bit64u missed[2], longest;

  Bit64u then, length;
  bool uncounted;                       // the trace under way is the host's, not counted
  bool inside, leaving;                 // a window; its last part

  bool overflow_seen;
  Bit64u overflow_at;
  struct { unsigned event; Bit64u at; } recent[RECENT];  // not near to one, so far
  unsigned nr_recent;

  void credit(Bit64u retired);
  void note(unsigned event, Bit64u guest);
  void reached(unsigned slot, Bit64u guest);
};

#endif
