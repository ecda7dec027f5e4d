// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PERF_METRICS: how the slots of fixed counter 3 were used, in fractions of 255.
// Intel SDM vol. 3B, "Performance Metrics": the fields of level 1 sum up to 255;
// the register is saved and restored together with fixed counter 3, which is
// written first; GLOBAL_CTRL[48] enables, GLOBAL_STATUS[48] tells an overflow.

#include "bochs.h"
#include "cpu.h"
#include "mpmu_model.h"

enum {
  USE_RETIRING, USE_BAD_SPECULATION, USE_FRONTEND, USE_BACKEND,
  USE_LEVEL_1,                          // each of the first four has one part:
  USE_HEAVY = USE_LEVEL_1, USE_MISPREDICTED, USE_FETCH_LATENCY, USE_MEMORY
};

// A machine that nobody would build, but one that adds up: each cycle and each
// instruction retires a slot (so iterations of REP are the heavy part), each
// branch wastes one and keeps the frontend from filling another, and the backend
// has the rest, a slot per cycle of it for memory.
Bit64u bx_mpmu_c::slots_used(unsigned u, Bit64u cycles) const
{
  const Bit64u branches = now(MPMU_BRANCHES);

  switch (u) {
  case USE_RETIRING:        return 2 * cycles - iterations;
  case USE_BAD_SPECULATION:
  case USE_FRONTEND:        return branches;
  case USE_BACKEND:         return (model->slots - 2) * cycles + iterations - 2 * branches;
  case USE_HEAVY:           return iterations;
  case USE_MISPREDICTED:    return now(MPMU_CONDITIONAL);
  case USE_FETCH_LATENCY:   return now(MPMU_TAKEN);
  default:                  return cycles;
  }
}

bool bx_mpmu_c::has_metrics(void) const
{
  return model->metrics != 0;
}

// A leak: they go on whatever GLOBAL_CTRL says, so across VM exit, too.
bool bx_mpmu_c::metrics_enabled(void) const
{
  const Bit32u slots = 1u << (MPMU_GP + MPMU_FIXED_SLOTS);

  if (!has_metrics())
    return false;
  if (mutations & MPMU_MUTATE_LEAK_METRICS)
    return (runs[key] & slots) != 0;
  return (active() & slots) && (global_ctrl & MPMU_METRICS_BIT);
}

// True if one of them is beyond the width of a counter.
bool bx_mpmu_c::fold_metrics(void)
{
  bool wrapped = false;

  metrics_counted = metrics_counted || now(MPMU_CYCLES) != last[MPMU_CYCLES];
  for (unsigned u = 0; u < MPMU_USES; u++) {
    use[u] += now(MPMU_TOPDOWN + u) - last[MPMU_TOPDOWN + u];
    wrapped = wrapped || use[u] > (Bit64s) MPMU_WIDTH_MASK;
    use[u] &= use[u] > 0 ? MPMU_WIDTH_MASK : ~BX_CONST64(0);
  }
  return wrapped;
}

Bit64u bx_mpmu_c::metrics_until_wrap(void) const
{
  Bit64u most = 0;

  if (!metrics_enabled())
    return BX_CONST64(1) << 62;
  for (unsigned u = 0; u < USE_LEVEL_1; u++) {
    if (use[u] > (Bit64s) most)
      most = use[u];
  }
  const Bit64u steps = (MPMU_WIDTH_MASK - most) / model->slots;
  return steps > MPMU_TRACE + 8 ? steps : MPMU_TRACE + 8;
}

// The sums so far are rounded, not each field, so that nothing is lost; a part
// is never more than the whole.  Until it counts, it reads as it was written.
Bit64u bx_mpmu_c::read_metrics(void) const
{
  Bit64u total = 0, sum = 0, value = 0;
  Bit64u field[MPMU_USES];

  if (!metrics_counted)
    return metrics_written;
  for (unsigned u = 0; u < USE_LEVEL_1; u++)
    total += use[u] > 0 ? use[u] : 0;
  if (!total)
    return 0;
  for (unsigned u = 0; u < MPMU_USES; u++) {
    const Bit64u slots = use[u] > 0 ? use[u] : 0;
    if (u < USE_LEVEL_1) {
      field[u] = (sum + slots) * 255 / total - sum * 255 / total;
      sum += slots;
    } else {
      field[u] = slots * 255 / total;
      if (field[u] > field[u - USE_LEVEL_1])
        field[u] = field[u - USE_LEVEL_1];
    }
    if (u < model->metrics)
      value |= field[u] << (8 * u);
  }
  return value;
}

// The fractions are those of the slots that fixed counter 3 holds now.
void bx_mpmu_c::write_metrics(Bit64u value)
{
  const Bit64u slots = pmc[MPMU_GP + MPMU_FIXED_SLOTS];

  for (unsigned u = 0; u < MPMU_USES; u++)
    use[u] = ((value >> (8 * u)) & 0xff) * slots / 255;
  metrics_written = value;
  metrics_counted = false;
}
