// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Flaws that virtual PMUs were reported to have, one switch each: for tests of
// programs that look for them.

#include "bochs.h"
#include "cpu.h"
#include "cpuid.h"
#include "mpmu_model.h"

#include <string.h>

static const struct {
  const char *name;
  Bit64u flaw;
} flaw_names[] = {
#define ROW(name, flaw) { name, flaw },
  MPMU_FLAW_NAMES(ROW)
#undef ROW
};

enum {
  SELECTOR_EN = 1 << 22,
  FIRMWARE_SELECTOR = 0x4300c0,         // instructions, no interrupt
  OFFCORE_EVENT = 0x01b7,               // up to Ice Lake
  OFFCORE_EVENT_GLC = 0x012a,
  SOON = 500,                           // events
  STORM = 200                           // interrupts
};

// What they need to know of a CPU, apart from the PMU that all have.
static struct {
  Bit64u ran[MPMU_PMCS];                // controls that a counter last ran by
  bool lvtpc_stuck;
  bool planted;                         // what firmware leaves running
  unsigned untruncated;                 // writes
} kept[BX_MAX_SMP_THREADS_SUPPORTED];

void bx_mpmu_c::find_flaws(const char *wanted)
{
  flaws = 0;
  for (const auto &f : flaw_names) {
    if (strstr(wanted, f.name))
      flaws |= f.flaw;
  }
}

// The processor was reset, or the flaws changed.
void bx_mpmu_c::apply_flaws(void)
{
  const unsigned last = nr_gp - 1;

  if (kept[cpu->bx_cpuid].planted && eventsel[last] == FIRMWARE_SELECTOR)
    eventsel[last] = 0;
  memset(&kept[cpu->bx_cpuid], 0, sizeof(kept[0]));
  if (flaws & MPMU_FLAW_FIRMWARE_COUNTER) {
    eventsel[last] = FIRMWARE_SELECTOR;
    kept[cpu->bx_cpuid].planted = true;
  }
  rebuild();
}

// A general counter that counts nothing when it is on.
bool bx_mpmu_c::dead(unsigned i) const
{
  if (flaws & MPMU_FLAW_DEAD_GENERAL)
    return true;
  return (flaws & MPMU_FLAW_DEAD_UPPER) && i >= nr_gp / 2;
}

static bool is_offcore(Bit64u sel)
{
  return (sel & 0xffff) == OFFCORE_EVENT || (sel & 0xffff) == OFFCORE_EVENT_GLC;
}

// The selector that decides what counter i does.
Bit64u bx_mpmu_c::seen_selector(unsigned i)
{
  Bit64u sel = eventsel[i], *ran = &kept[cpu->bx_cpuid].ran[i];

  if (flaws & MPMU_FLAW_RUNS_ON) {
    if (sel & SELECTOR_EN)
      *ran = sel;
    else if (*ran)
      sel = *ran;
  }
  if (dead(i))
    sel &= ~(Bit64u) SELECTOR_EN;
  if (flaws & MPMU_FLAW_SELECTOR_BITS)
    sel &= ~(BX_CONST64(0xf) << 32);
  if (intel && (flaws & MPMU_FLAW_TXCP_DEAD) && (sel & MPMU_IN_TXCP))
    sel &= ~(Bit64u) SELECTOR_EN;
  if (intel && (flaws & MPMU_FLAW_DEAD_EXTRA) && is_offcore(sel))
    sel = (sel & ~BX_CONST64(0xffff)) | 0xc0;
  return sel;
}

unsigned bx_mpmu_c::seen_field(unsigned i, unsigned field)
{
  Bit64u *ran = &kept[cpu->bx_cpuid].ran[MPMU_GP + i];

  if (!(flaws & MPMU_FLAW_RUNS_ON))
    return field;
  if (field)
    *ran = field;
  return (unsigned) *ran;
}

// What a counter holds after a write.  A sign that is not cut to the width makes it
// overflow soon, and the interrupt's handler writes it again: that has an end here, or
// the machine would hang.
Bit64u bx_mpmu_c::written(Bit64u value, bool legacy)
{
  if (legacy || (flaws & MPMU_FLAW_SIGN_EXTENDED))
    value = (Bit64u) (Bit64s) (Bit32s) value;
  if (legacy && (flaws & MPMU_FLAW_UNTRUNCATED) && kept[cpu->bx_cpuid].untruncated++ < STORM)
    return MPMU_WIDTH_MASK - SOON;
  return value & MPMU_WIDTH_MASK;
}

bool bx_mpmu_c::lvtpc_stuck(void) const
{
  return kept[cpu->bx_cpuid].lvtpc_stuck;
}

// An interrupt is on its way.
void bx_mpmu_c::stick_lvtpc(void)
{
  kept[cpu->bx_cpuid].lvtpc_stuck = intel && (flaws & MPMU_FLAW_LVTPC_MASKED);
}

Bit64u bx_mpmu_c::flawed_capabilities(Bit64u value) const
{
  if (flaws & MPMU_FLAW_LBR_FORMAT)
    value = (value & ~BX_CONST64(0x3f)) | 5;
  if (flaws & MPMU_FLAW_METRICS_BIT)
    value |= 1 << 15;
  return value;
}

// In user mode alone: Linux would die of it.
bool bx_mpmu_c::rdpmc_broken(Bit32u index) const
{
  const bool fixed = intel && index >> 16 == 0x4000;
  const bool user = current_key() & MPMU_KEY_USER;

  return (flaws & MPMU_FLAW_RDPMC_FAULTS) && user && (fixed || index == nr_gp - 1);
}

// Of an index that there is not.
bool bx_mpmu_c::rdpmc_lax(Bit64u *value) const
{
  *value = 0;
  return (flaws & MPMU_FLAW_RDPMC_LAX) != 0;
}

bool bx_mpmu_c::rdpmc_open(void) const
{
  return (flaws & MPMU_FLAW_RDPMC_OPEN) != 0;
}

void bx_mpmu_c::cpuid_flaws(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  const bool ap = (flaws & MPMU_FLAW_OTHER_AP) && cpu->bx_cpuid;

  if (ap && intel && function == 0xa)
    leaf->eax = (leaf->eax & ~0xff0000u) | 40 << 16;
  if (ap && !intel && function == 0x80000022 && leaf->eax)
    leaf->ebx--;
  if (!(flaws & MPMU_FLAW_HYBRID_GUEST) || !intel)
    return;
  if (function == 1)
    leaf->ecx |= 1u << 31;
  if (function == 7 && !subfunction)
    leaf->edx |= 1 << 15;
}
