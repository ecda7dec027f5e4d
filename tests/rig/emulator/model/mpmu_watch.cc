// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses under watch, and instructions of the host that nobody counts.

#include "bochs.h"
#include "cpu.h"
#include "mpmu_model.h"

// A new address starts all counts again.
void bx_mpmu_watch_c::set(unsigned slot, Bit64u addr, Bit64u retired)
{
  Bit64u kept[MPMU_WATCHES];

  memcpy(kept, address, sizeof(kept));
  memset(this, 0, sizeof(*this));
  memcpy(address, kept, sizeof(kept));
  address[slot] = addr;
  then = retired;
  for (unsigned s = 0; s < MPMU_WATCHES; s++)
    active = active || address[s];
}

// What ran since the last trace began belongs to the state that it began with.
void bx_mpmu_watch_c::credit(Bit64u retired)
{
  const Bit64u ran = retired - then;

  then = retired;
  if (!uncounted)
    return;
  missed[inside] += ran;
  if (inside)
    length += ran;
}

void bx_mpmu_watch_c::trace_begin(Bit64u retired, Bit64u guest, bool kernel, bool counted, Bit64u rip)
{
  credit(retired);
  uncounted = kernel && !counted;
  if (!kernel)
    return;
  if (leaving && counted) {
    inside = leaving = false;
    if (length > longest)
      longest = length;
  }
  for (unsigned s = 0; s < MPMU_WATCHES; s++) {
    if (rip == address[s])
      reached(s, guest);
  }
}

void bx_mpmu_watch_c::reached(unsigned slot, Bit64u guest)
{
  if (slot == MPMU_WATCH_BEGIN) {
    inside = true;
    leaving = false;
    length = 0;
  }
  if (slot == MPMU_WATCH_END)
    leaving = inside;
  note(slot, guest);
}

// The guest's next overflow may come near, too.
void bx_mpmu_watch_c::note(unsigned event, Bit64u guest)
{
  hits[event]++;
  if (overflow_seen && guest - overflow_at <= MPMU_NEAR)
    near_overflow[event]++;
  else
    recent[nr_recent++ % RECENT] = { event, guest };
}

void bx_mpmu_watch_c::overflowed(Bit64u guest)
{
  const unsigned n = nr_recent < RECENT ? nr_recent : (unsigned) RECENT;

  for (unsigned i = 0; i < n; i++)
    near_overflow[recent[i].event] += guest - recent[i].at <= MPMU_NEAR;
  nr_recent = 0;
  overflow_seen = true;
  overflow_at = guest;
}

void bx_mpmu_watch_c::fill(struct mpmu_watch *w) const
{
  memset(w, 0, sizeof(*w));
  w->magic = MPMU_MAGIC_WATCH;
  for (unsigned s = 0; s < MPMU_WATCHES; s++) {
    w->hits[s] = hits[s];
    w->near_overflow[s] = near_overflow[s];
  }
  w->exits = hits[MPMU_WATCHES];
  w->exits_near_overflow = near_overflow[MPMU_WATCHES];
  w->missed[0] = missed[0];
  w->missed[1] = missed[1];
  w->longest = longest;
}

// ---------------------------------------------------------------------------
// Does a counter of instructions count the host's kernel?  This reads what
// software wrote, and none of what the model made of it.

static bool selects_host_kernel(Bit64u sel, bool intel, bool svme)
{
  const Bit64u enabled = 1 << 22 | 1 << 17;
  const unsigned host_guest = (sel >> 40) & 3;

  if ((sel & enabled) != enabled)
    return false;
  if (intel)
    return (sel & 0xffff) == 0xc0;
  if ((sel & 0xff) != 0xc0 || ((sel >> 32) & 0xf))
    return false;
  return !host_guest || (svme && (host_guest & 2));
}

bool bx_mpmu_c::counts_host_kernel(void) const
{
  const Bit64u on = has_global() ? global_ctrl : ~(Bit64u) 0;
  const bool svme = cpu->efer.get_SVME();

  if (intel && (global_status & MPMU_STATUS_FROZEN))
    return false;
  for (unsigned i = 0; i < nr_gp; i++) {
    if (((on >> i) & 1) && selects_host_kernel(eventsel[i], intel, svme))
      return true;
  }
  return intel && ((on >> 32) & 1) && (fixed_ctrl & 1);
}
