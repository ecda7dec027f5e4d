// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The shared counters of AMD machines.  Processor Programming Reference of
// family 19h model 11h, "L3 Cache PMC" and "Data Fabric Performance Monitor
// Counters": MSRs C001_0230 to 023B, and from C001_0240 on; RDPMC 10 to 15, and 6
// to 9, 16 and up.

#include "bochs.h"
#include "cpu.h"
#include "mpmu_model.h"

Bit64u bx_mpmu_uncore_c::select[COUNTERS];
Bit64u bx_mpmu_uncore_c::counter[COUNTERS];
Bit64u bx_mpmu_uncore_c::last_lookups, bx_mpmu_uncore_c::last_misses;

// The CPUs look something up in the L3 for each page walk and each flushed
// line; the latter are misses.
static Bit64u lookups(void)
{
  Bit64u sum = 0;

  for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++) {
    const bx_mpmu_c *m = &BX_CPU(i)->mpmu;
    sum += m->llc_references + m->load_walks + m->store_walks + m->code_walks;
  }
  return sum;
}

static Bit64u misses(void)
{
  Bit64u sum = 0;

  for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++)
    sum += BX_CPU(i)->mpmu.llc_misses;
  return sum;
}

// L3: l3_lookup_state (event 04h) of misses, or of all.  Data fabric: anything.
void bx_mpmu_uncore_c::fold(void)
{
  const Bit64u all = lookups(), missed = misses();

  for (unsigned i = 0; i < COUNTERS; i++) {
    const bool l3_misses = i < L3 && (select[i] & 0xffff) == 0x0104;
    if (!(select[i] & (1 << 22)))
      continue;
    counter[i] += l3_misses ? missed - last_misses : all - last_lookups;
    counter[i] &= MPMU_WIDTH_MASK;
  }
  last_lookups = all;
  last_misses = missed;
}

// The number of the counter whose pair of registers MSR is in.
static unsigned number(Bit32u msr)
{
  const Bit32u l3 = msr - 0xc0010230, nb = msr - 0xc0010240;

  if (l3 < 2 * bx_mpmu_uncore_c::L3)
    return l3 / 2;
  if (nb < 2 * bx_mpmu_uncore_c::NB)
    return bx_mpmu_uncore_c::L3 + nb / 2;
  return bx_mpmu_uncore_c::COUNTERS;
}

bool bx_mpmu_uncore_c::rdmsr(Bit32u msr, Bit64u *value)
{
  const unsigned i = number(msr);

  if (i == COUNTERS)
    return false;
  fold();
  *value = msr & 1 ? counter[i] : select[i];
  return true;
}

bool bx_mpmu_uncore_c::wrmsr(Bit32u msr, Bit64u value)
{
  const unsigned i = number(msr);

  if (i == COUNTERS)
    return false;
  fold();
  if (msr & 1)
    counter[i] = value & MPMU_WIDTH_MASK;
  else
    select[i] = value;
  return true;
}

bool bx_mpmu_uncore_c::is_index(Bit32u index)
{
  return index >= 6 && index < 6 + COUNTERS;
}

// Four of the fabric's, those of the L3, and then the rest of the fabric's.
bool bx_mpmu_uncore_c::rdpmc(Bit32u index, Bit64u *value)
{
  if (!is_index(index))
    return false;
  fold();
  if (index < 10)
    *value = counter[L3 + index - 6];
  else
    *value = counter[index < 16 ? index - 10 : L3 + index - 12];
  return true;
}

void bx_mpmu_uncore_c::reset(void)
{
  memset(select, 0, sizeof(select));
  memset(counter, 0, sizeof(counter));
}
