// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Events: which code is what on which core, what filters make of it, and which
// counters run when.
//
// The codes are those of tools/perf/pmu-events in Linux (skylakex, icelakex,
// sapphirerapids, graniterapids, amdzen4, amdzen5) and of the tables of generic
// cache events in arch/x86/events.

#include "bochs.h"
#include "cpu.h"
#include "mpmu_model.h"

#define SKL MPMU_CORE_SKYLAKE
#define SNC MPMU_CORE_SUNNY_COVE
#define GLC MPMU_CORE_GOLDEN_COVE
#define COVES (SNC | GLC)
#define INTEL MPMU_CORE_INTEL
#define ZEN MPMU_CORE_ZEN

struct event_code {
  unsigned cores;
  Bit32u select, umask;                 // umask ~0: any other
  mpmu_source source;
};

#define TOPDOWN(use) ((mpmu_source) (MPMU_TOPDOWN + (use)))

static const event_code events[] = {
  // Exact.
  { INTEL, 0x3c, 0x00, MPMU_CYCLES },
  { INTEL, 0x3c, 0x01, MPMU_REF_CYCLES },
  { COVES, 0x3c, 0x08, MPMU_REF_CYCLES },       // distributed among threads
  { COVES, 0xec, 0x02, MPMU_CYCLES },           // the same
  { INTEL, 0xc0, 0x00, MPMU_INSTRUCTIONS },
  { INTEL, 0xc0, 0x01, MPMU_INSTRUCTIONS },     // PREC_DIST
  { COVES, 0xa4, 0x01, MPMU_SLOTS },
  { COVES, 0xa4, 0x02, TOPDOWN(3) },
  { GLC,   0xa4, 0x04, TOPDOWN(1) },
  { GLC,   0xa4, 0x08, TOPDOWN(5) },
  { GLC,   0xa4, 0x10, TOPDOWN(7) },
  { COVES, 0xc2, 0x02, TOPDOWN(0) },            // UOPS_RETIRED.SLOTS
  { INTEL, 0xc4, 0x00, MPMU_BRANCHES },
  { INTEL, 0xc4, 0x04, MPMU_BRANCHES },
  { SKL,   0xc4, 0x01, MPMU_CONDITIONAL },
  { COVES, 0xc4, 0x01, MPMU_CONDITIONAL_TAKEN },
  { COVES, 0xc4, 0x11, MPMU_CONDITIONAL },
  { INTEL, 0xc4, 0x10, MPMU_NOT_TAKEN },
  { INTEL, 0xc4, 0x20, MPMU_TAKEN },
  { INTEL, 0xc4, 0x02, MPMU_CALLS },
  { INTEL, 0xc4, 0x08, MPMU_RETURNS },
  { INTEL, 0xc4, 0x40, MPMU_FAR },
  { COVES, 0xc4, 0x80, MPMU_INDIRECT },
  { INTEL, 0xd0, 0x81, MPMU_LOADS },
  { INTEL, 0xd0, 0x82, MPMU_STORES },
  { INTEL, 0xd0, 0x83, MPMU_MEM_ACCESSES },
  { INTEL, 0xcb, 0x01, MPMU_INTERRUPTS },
  { ZEN, 0x76,  ~0u,  MPMU_CYCLES },
  { ZEN, 0x120, 0x01, MPMU_REF_CYCLES },
  { ZEN, 0xc0,  ~0u,  MPMU_INSTRUCTIONS },
  { ZEN, 0xc2,  ~0u,  MPMU_BRANCHES },
  { ZEN, 0xc4,  ~0u,  MPMU_TAKEN_ALL },
  { ZEN, 0xc6,  ~0u,  MPMU_FAR },
  { ZEN, 0xc8,  ~0u,  MPMU_RETURNS },
  { ZEN, 0xcc,  ~0u,  MPMU_INDIRECT },
  { ZEN, 0xd1,  ~0u,  MPMU_CONDITIONAL },
  { ZEN, 0x29,  0x01, MPMU_LOADS },
  { ZEN, 0x29,  0x02, MPMU_STORES },
  { ZEN, 0x29,  0x03, MPMU_MEM_ACCESSES },
  { ZEN, 0x29,  0x04, MPMU_MEM_ACCESSES },
  { ZEN, 0x29,  0x07, MPMU_MEM_ACCESSES },
  { ZEN, 0x40,  ~0u,  MPMU_MEM_ACCESSES },
  { ZEN, 0x2c,  ~0u,  MPMU_INTERRUPTS },

  // Plausible.
  { INTEL, 0xc5, 0x00, MPMU_BRANCH_MISSES },
  { INTEL, 0xc5, 0x04, MPMU_BRANCH_MISSES },
  { SKL,   0xc5, 0x01, MPMU_BRANCH_MISSES },
  { COVES, 0xc5, 0x11, MPMU_BRANCH_MISSES },    // none but conditional ones are missed
  { INTEL, 0x2e, 0x4f, MPMU_LLC_REFERENCES },
  { INTEL, 0x2e, 0x41, MPMU_LLC_MISSES },
  { INTEL, 0xd1, 0x20, MPMU_LLC_MISSES },
  { SKL | SNC, 0xb7, 0x01, MPMU_LLC_MISSES },   // OFFCORE_RSP, whatever is asked for
  { SKL | SNC, 0xbb, 0x01, MPMU_LLC_MISSES },
  { GLC,   0x2a, 0x01, MPMU_LLC_MISSES },
  { GLC,   0x2b, 0x01, MPMU_LLC_MISSES },
  { INTEL, 0x51, 0x01, MPMU_L1D_MISSES },
  { INTEL, 0xd1, 0x08, MPMU_L1D_MISSES },
  { INTEL, 0x24, 0xe1, MPMU_L1D_MISSES },       // all that the L2 is asked for
  { INTEL, 0x24, 0xe7, MPMU_L1D_MISSES },
  { INTEL, 0x24, 0xff, MPMU_L1D_MISSES },
  { INTEL, 0x24, 0x27, MPMU_LLC_REFERENCES },   // what the L2 does not have
  { INTEL, 0x24, 0x3f, MPMU_LLC_REFERENCES },
  { SKL | SNC, 0x08, 0x0e, MPMU_LOAD_WALKS },
  { SKL | SNC, 0x49, 0x0e, MPMU_STORE_WALKS },
  { SKL | SNC, 0x85, 0x0e, MPMU_CODE_WALKS },
  { GLC,   0x12, 0x0e, MPMU_LOAD_WALKS },
  { GLC,   0x13, 0x0e, MPMU_STORE_WALKS },
  { GLC,   0x11, 0x0e, MPMU_CODE_WALKS },
  { ZEN, 0xc3,  ~0u,  MPMU_BRANCH_MISSES },
  { ZEN, 0x60,  0xc8, MPMU_L1D_MISSES },
  { ZEN, 0x60,  0xe8, MPMU_L1D_MISSES },
  { ZEN, 0x60,  ~0u,  MPMU_LLC_REFERENCES },
  { ZEN, 0x64,  ~0u,  MPMU_LLC_MISSES },
  { ZEN, 0x43,  0xff, MPMU_L1D_MISSES },
  { ZEN, 0x44,  0xff, MPMU_L1D_MISSES },
  { ZEN, 0x45,  0xff, MPMU_DATA_WALKS },
  { ZEN, 0x45,  0xf0, MPMU_DATA_WALKS },
  { ZEN, 0x85,  ~0u,  MPMU_CODE_WALKS },
};

static const mpmu_source fixed_events[] = {
  MPMU_INSTRUCTIONS, MPMU_CYCLES, MPMU_REF_CYCLES, MPMU_SLOTS,
};

mpmu_source bx_mpmu_c::find_event(Bit32u select, Bit32u umask) const
{
  for (const event_code &e : events) {
    if ((e.cores & model->core) && e.select == select && (e.umask == umask || e.umask == ~0u))
      return e.source;
  }
  return MPMU_NOTHING;
}

mpmu_source bx_mpmu_c::decode_intel(Bit64u sel) const
{
  return find_event(sel & 0xff, (sel >> 8) & 0xff);
}

mpmu_source bx_mpmu_c::decode_amd(Bit64u sel) const
{
  return find_event((sel & 0xff) | ((sel >> 32) & 0xf) << 8, (sel >> 8) & 0xff);
}

// One event per cycle, slots apart: events that come together are taken to fill
// cycles one by one.  CMASK up to that maximum counts the cycles with an event,
// beyond it none; INV counts the others.  EDGE leaves events that come alone as
// they are; those that come in each cycle never rise.
mpmu_event bx_mpmu_c::filter_event(mpmu_source source, Bit64u sel) const
{
  const unsigned cmask = (sel >> 24) & 0xff;
  const bool invert = (sel >> 23) & 1, edge = (sel >> 18) & 1;
  const bool steady = source <= MPMU_SLOTS;
  const unsigned most = source == MPMU_SLOTS ? model->slots : 1;
  mpmu_event e = { source, source != MPMU_NOTHING, 0, cmask != 0 };

  if (source == MPMU_NOTHING)
    return e;
  if (edge && steady) {
    e.of_source = 0;
    return e;
  }
  if (!cmask)
    return e;
  if (cmask > most) {
    e.of_source = 0;
    e.of_cycles = invert;
  } else if (source == MPMU_SLOTS) {
    e.of_source = 0;
    e.of_cycles = !invert;
  } else if (invert) {
    e.of_source = -1;
    e.of_cycles = 1;
  }
  return e;
}

// Host-Only and Guest-Only: none or both count always; without SVME any of
// them counts never.
void bx_mpmu_c::allow(unsigned c, bool os, bool usr, unsigned host_guest)
{
  const bool leaks = c == 0 && (mutations & MPMU_MUTATE_LEAK_COUNTER);

  for (unsigned k = 0; k < MPMU_KEYS; k++) {
    const bool user = k & MPMU_KEY_USER, guest = k & MPMU_KEY_GUEST;
    bool here = user ? usr : os;
    if (host_guest && !leaks) {
      here = here && (k & MPMU_KEY_SVME);
      here = here && (host_guest == 3 || host_guest == (guest ? 1u : 2u));
    }
    if (here)
      runs[k] |= 1u << c;
  }
}

void bx_mpmu_c::rebuild_gp(unsigned i)
{
  const Bit64u sel = flaws ? seen_selector(i) : eventsel[i];
  const unsigned host_guest = intel ? 0 : (sel >> 40) & 3;

  if (!(sel & (1 << 22)) || (intel && (sel & MPMU_IN_TX)))
    return;
  event[i] = filter_event(intel ? decode_intel(sel) : decode_amd(sel), sel);
  if (event[i].of_source || event[i].of_cycles)
    allow(i, sel & (1 << 17), sel & (1 << 16), host_guest);
  if (sel & (1 << 20))
    interrupts |= 1u << i;
}

void bx_mpmu_c::rebuild_fixed(unsigned i)
{
  const unsigned control = (fixed_ctrl >> (4 * i)) & 0xf;
  const unsigned field = flaws ? seen_field(i, control) : control;
  const unsigned c = MPMU_GP + i;

  event[c].source = fixed_events[i];
  event[c].of_source = 1;
  event[c].of_cycles = 0;
  event[c].per_cycle = false;
  allow(c, field & 1, field & 2, 0);
  if (field & 8)
    interrupts |= 1u << c;
}

// What was not kept up to date is, from now on.
void bx_mpmu_c::use_source(unsigned source)
{
  used |= BX_CONST64(1) << source;
  last[source] = now(source);
}

// Of counters that may run in some mode; metrics run with fixed counter 3.
void bx_mpmu_c::use_sources(void)
{
  Bit32u counters = 0;

  for (Bit32u in_key : runs)
    counters |= in_key;
  for (unsigned c = 0; counters >> c; c++) {
    if ((counters >> c) & 1)
      use_source(event[c].source);
  }
  if (!has_metrics() || !((counters >> (MPMU_GP + MPMU_FIXED_SLOTS)) & 1))
    return;
  for (unsigned u = 0; u < MPMU_USES; u++)
    use_source(MPMU_TOPDOWN + u);
}

void bx_mpmu_c::rebuild(void)
{
  interrupts = 0;
  used = 0;
  memset(runs, 0, sizeof(runs));
  use_source(MPMU_CYCLES);
  use_source(MPMU_INSTRUCTIONS);
  for (unsigned i = 0; i < nr_gp; i++)
    rebuild_gp(i);
  for (unsigned i = 0; i < nr_fixed; i++)
    rebuild_fixed(i);
  use_sources();
  predict = (used >> MPMU_BRANCH_MISSES) & 1;
  memory = (used & (BX_CONST64(1) << MPMU_LOADS | BX_CONST64(1) << MPMU_STORES |
    BX_CONST64(1) << MPMU_MEM_ACCESSES | BX_CONST64(1) << MPMU_L1D_MISSES)) != 0;
  cpu->mpmu_hook_accesses();
}
