// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Registers: which MSR is what, and what a write may do.

#include "bochs.h"
#include "cpu.h"
#include "apic.h"
#include "mpmu_model.h"

enum {
  REG_NONE, REG_ABSENT, REG_SELECTOR, REG_COUNTER, REG_COUNTER_FULL, REG_FIXED,
  REG_CAPABILITIES, REG_FIXED_CTRL, REG_STATUS, REG_CTRL, REG_STATUS_CLEAR,
  REG_STATUS_SET, REG_INUSE, REG_METRICS, REG_DEBUGCTL, REG_LBR, REG_PLAIN
};

struct msr_range {
  Bit32u first, room;
  unsigned kind;
};

static const msr_range intel_ranges[] = {
  { 0x0c1, 8, REG_COUNTER },
  { 0x186, 8, REG_SELECTOR },
  { 0x4c1, 8, REG_COUNTER_FULL },
  { 0x309, 4, REG_FIXED },
};

static const msr_range intel_singles[] = {
  { 0x345, 0, REG_CAPABILITIES },
  { 0x38d, 0, REG_FIXED_CTRL },
  { 0x38e, 0, REG_STATUS },
  { 0x38f, 0, REG_CTRL },
  { 0x390, 0, REG_STATUS_CLEAR },
  { 0x391, 4, REG_STATUS_SET },         // room: the version that brought it
  { 0x392, 4, REG_INUSE },
  { 0x1d9, 0, REG_DEBUGCTL },
  { 0x329, 0, REG_METRICS },
};

static const msr_range amd_singles[] = {
  { 0xc0000300, 2, REG_STATUS },
  { 0xc0000301, 2, REG_CTRL },
  { 0xc0000302, 2, REG_STATUS_CLEAR },
  { 0xc0000303, 2, REG_STATUS_SET },
  { 0x000001d9, 0, REG_DEBUGCTL },
};

static const msr_range lbr_ranges[] = {
  { 0x680, 32, REG_LBR },               // from
  { 0x6c0, 32, REG_LBR },               // to
  { 0xdc0, 32, REG_LBR },               // info
  { 0x1c9, 1, REG_LBR },                // top of stack
  { 0x1c8, 1, REG_LBR },                // select
};

enum { LBR_TOP = 96 };

static unsigned find_single(const msr_range *r, unsigned n, Bit32u msr, unsigned version)
{
  for (unsigned i = 0; i < n; i++) {
    if (r[i].first == msr)
      return version >= r[i].room ? r[i].kind : (unsigned) REG_ABSENT;
  }
  return REG_NONE;
}

// Their number counts through the ranges.
static unsigned find_lbr(Bit32u msr)
{
  unsigned before = 0;

  for (const msr_range &r : lbr_ranges) {
    if (msr >= r.first && msr < r.first + r.room)
      return before + msr - r.first;
    before += r.room;
  }
  return MPMU_LBR_REGS;
}

bx_mpmu_c::reg bx_mpmu_c::decode_intel_msr(Bit32u msr) const
{
  const unsigned l = model->extras & MPMU_HAS_LBR ? find_lbr(msr) : (unsigned) MPMU_LBR_REGS;

  if (l < MPMU_LBR_REGS)
    return { REG_LBR, l };
  for (const msr_range &r : intel_ranges) {
    const unsigned limit = r.kind == REG_FIXED ? nr_fixed : nr_gp;
    if (msr < r.first || msr >= r.first + r.room)
      continue;
    if (msr - r.first >= limit || (r.kind == REG_COUNTER_FULL && !full_width()))
      return { REG_ABSENT, 0 };
    return { r.kind, msr - r.first };
  }
  const reg r = { find_single(intel_singles, sizeof(intel_singles) / sizeof(intel_singles[0]),
                              msr, model->version_intel), 0 };
  if (r.kind == REG_METRICS && !has_metrics())
    return { REG_ABSENT, 0 };
  return r;
}

bx_mpmu_c::reg bx_mpmu_c::decode_amd_msr(Bit32u msr) const
{
  const Bit32u k7 = msr - 0xc0010000, core = msr - 0xc0010200;

  if (k7 < 4)
    return { REG_SELECTOR, k7 };
  if (k7 < 8)
    return { REG_COUNTER_FULL, k7 - 4 };
  if (core < 12) {
    if (model->version_amd < 1 || core / 2 >= nr_gp)
      return { REG_ABSENT, 0 };
    return { core & 1 ? (unsigned) REG_COUNTER_FULL : (unsigned) REG_SELECTOR, core / 2 };
  }
  return { find_single(amd_singles, sizeof(amd_singles) / sizeof(amd_singles[0]),
                       msr, model->version_amd), 0 };
}

// What a register is an extra of, 0 for those that all have: OFFCORE_RSP, too, which
// Linux' driver writes without asking.
static unsigned extra(Bit32u msr)
{
  if ((msr >= 0x560 && msr <= 0x572) || msr == 0x485)
    return MPMU_HAS_PT;
  if (msr == 0x3f6 || msr == 0x3f7)
    return MPMU_HAS_EXTRA_REGS;
  return msr == 0x10f ? MPMU_HAS_TFA : 0;
}

int bx_mpmu_c::find_plain(Bit32u msr) const
{
  if (extra(msr) & ~model->extras)
    return -1;
  for (unsigned i = 0; i < mpmu_nr_plain; i++) {
    const mpmu_plain_msr *p = &mpmu_plain[i];
    if (p->index == msr && (intel ? p->intel : p->amd))
      return i;
  }
  return -1;
}

bx_mpmu_c::reg bx_mpmu_c::decode(Bit32u msr) const
{
  const reg r = intel ? decode_intel_msr(msr) : decode_amd_msr(msr);
  const int p = r.kind == REG_NONE ? find_plain(msr) : -1;

  if (p >= 0)
    return { REG_PLAIN, (unsigned) p };
  return r;
}

bool bx_mpmu_c::full_width(void) const
{
  return !intel || (model->capabilities & MPMU_CAP_FULL_WIDTH);
}

bool bx_mpmu_c::has_global(void) const
{
  return intel || model->version_amd >= 2;
}

Bit64u bx_mpmu_c::counters_mask(void) const
{
  return ((BX_CONST64(1) << nr_gp) - 1) | ((BX_CONST64(1) << nr_fixed) - 1) << 32;
}

Bit64u bx_mpmu_c::global_mask(void) const
{
  return counters_mask() | (has_metrics() ? MPMU_METRICS_BIT : 0);
}

// Beyond the counters: PT, LBR and counter freeze, ASCI, uncore, DS, changed.
Bit64u bx_mpmu_c::status_mask(void) const
{
  Bit64u mask = global_mask();

  if (!intel)
    return mask | BX_CONST64(3) << 58;
  mask |= MPMU_STATUS_PT | BX_CONST64(3) << 62;
  if (model->version_intel >= 4)
    mask |= BX_CONST64(0xf) << 58;
  return mask;
}

// Whether they are enabled does not matter, for the PMI neither.
Bit64u bx_mpmu_c::inuse(void) const
{
  Bit64u used = 0;
  bool asks = false;

  for (unsigned i = 0; i < nr_gp; i++) {
    used |= (Bit64u) ((eventsel[i] & 0xff) != 0) << i;
    asks |= (eventsel[i] >> 20) & 1;
  }
  for (unsigned i = 0; i < nr_fixed; i++) {
    const unsigned field = fixed_ctrl >> (4 * i);
    used |= (Bit64u) ((field & 3) != 0) << (32 + i);
    asks |= (field >> 3) & 1;
  }
  return used | (Bit64u) asks << 63;
}

Bit64u bx_mpmu_c::read_reg(reg r) const
{
  switch (r.kind) {
  case REG_SELECTOR:      return eventsel[r.index];
  case REG_COUNTER:
  case REG_COUNTER_FULL:  return pmc[r.index];
  case REG_FIXED:         return pmc[MPMU_GP + r.index];
  case REG_CAPABILITIES:  return flawed_capabilities(model->capabilities);
  case REG_METRICS:       return read_metrics();
  case REG_FIXED_CTRL:    return fixed_ctrl;
  case REG_STATUS:        return global_status;
  case REG_CTRL:          return global_ctrl;
  case REG_INUSE:         return inuse();
  case REG_DEBUGCTL:      return debugctl;
  case REG_LBR:           return lbr[r.index];
  case REG_PLAIN:         return plain[r.index];
  default:                return 0;
  }
}

// Bits of selector i beyond 31 that Intel takes.  IN_TXCP is that of PMC 2 alone.
Bit64u bx_mpmu_c::selector_high(unsigned i) const
{
  const Bit64u tsx = i == 2 ? MPMU_IN_TX | MPMU_IN_TXCP : MPMU_IN_TX;

  if (flaws & MPMU_FLAW_SELECTOR_BITS)
    return BX_CONST64(0xf) << 32;
  return model->extras & MPMU_HAS_TSX ? tsx : 0;
}

// Intel faults on what AMD drops in silence.
bool bx_mpmu_c::check_reg(reg r, Bit64u value) const
{
  const Bit64u beyond = value >> MPMU_WIDTH;
  const Bit64u field = model->version_intel >= 5 ? 0xb : 0xf;
  const Bit64u any_thread = model->version_intel >= 5 ? 1 << 21 : 0;
  Bit64u fields = 0;

  if (!intel)
    return true;
  for (unsigned i = 0; i < nr_fixed; i++)
    fields |= field << (4 * i);
  switch (r.kind) {
  case REG_SELECTOR:      return !((value & ~selector_high(r.index)) >> 32 || (value & any_thread));
  case REG_COUNTER_FULL:
  case REG_FIXED:         return !beyond;
  case REG_FIXED_CTRL:    return !(value & ~fields);
  case REG_CTRL:          return !(value & ~global_mask());
  case REG_STATUS_CLEAR:
  case REG_STATUS_SET:    return !(value & ~status_mask());
  case REG_METRICS:       return model->metrics == MPMU_USES || !(value >> (8 * model->metrics));
  case REG_DEBUGCTL:      return !(value & ~MPMU_DEBUGCTL_MASK);
  case REG_CAPABILITIES:
  case REG_STATUS:
  case REG_INUSE:         return false;
  default:                return true;
  }
}

void bx_mpmu_c::clear_status(Bit64u value)
{
  if (mutations & MPMU_MUTATE_STICKY_STATUS)
    value &= ~BX_CONST64(0x100000001);
  global_status &= ~value;
}

void bx_mpmu_c::commit_reg(reg r, Bit64u value)
{
  const Bit64u amd_selector = BX_CONST64(0x30fffd7ffff);

  switch (r.kind) {
  case REG_SELECTOR:
    eventsel[r.index] = intel ? value : value & amd_selector;
    rebuild();
    break;
  case REG_COUNTER:
    pmc[r.index] = written(value, true);
    break;
  case REG_COUNTER_FULL:
    pmc[r.index] = written(value, false);
    break;
  case REG_FIXED:
    pmc[MPMU_GP + r.index] = written(value, false);
    if (r.index == MPMU_FIXED_SLOTS)
      write_metrics(0);                 // fractions of what it was
    break;
  case REG_FIXED_CTRL:
    fixed_ctrl = value;
    rebuild();
    break;
  case REG_CTRL:
    global_ctrl = value & global_mask();
    break;
  case REG_STATUS_CLEAR:
    clear_status(value);
    break;
  case REG_STATUS_SET:
    if (!(mutations & MPMU_MUTATE_STATUS_SET_IGNORED))
      global_status |= value & status_mask();
    break;
  case REG_METRICS:
    write_metrics(value);
    break;
  case REG_DEBUGCTL:
    debugctl = value & MPMU_DEBUGCTL_MASK;
    break;
  case REG_LBR:
    lbr[r.index] = r.index == LBR_TOP ? value & 31 : value;
    break;
  case REG_PLAIN:
    plain[r.index] &= ~mpmu_plain[r.index].writable;
    plain[r.index] |= value & mpmu_plain[r.index].writable;
    break;
  }
}

static bool is_pmu(unsigned kind)
{
  return kind != REG_PLAIN && kind != REG_LBR && kind != REG_DEBUGCTL &&
    kind != REG_CAPABILITIES;
}

void bx_mpmu_c::note_access(bool write)
{
  const unsigned mode = cpu->in_vmx_guest || cpu->in_svm_guest;

  if (in_list)
    cpu->truth.seen.pmu_auto++;
  else if (write)
    cpu->truth.seen.pmu_wrmsr[mode]++;
  else
    cpu->truth.seen.pmu_rdmsr[mode]++;
}

// Both return whether the register is one of the model's.
bool bx_mpmu_c::rdmsr(Bit32u index, Bit64u *value, bool *fault)
{
  const reg r = decode(index);

  *fault = r.kind == REG_ABSENT;
  if ((model->extras & MPMU_HAS_UNCORE) && bx_mpmu_uncore_c::rdmsr(index, value))
    return true;
  if (r.kind == REG_NONE)
    return false;
  if (is_pmu(r.kind)) {
    note_access(false);
    fold();
  }
  *value = read_reg(r);
  return true;
}

bool bx_mpmu_c::wrmsr(Bit32u index, Bit64u value, bool *fault)
{
  const reg r = decode(index);

  *fault = false;
  if ((model->extras & MPMU_HAS_UNCORE) && bx_mpmu_uncore_c::wrmsr(index, value))
    return true;
  if (r.kind == REG_NONE)
    return false;
  if (is_pmu(r.kind))
    note_access(true);
  *fault = r.kind == REG_ABSENT || !check_reg(r, value);
  if (*fault)
    return true;
  sync(!in_exit);
  commit_reg(r, value);
  return true;
}

// Intel: type in bits 30 to 16 of the index; AMD: beyond the core counters are
// those that all CPUs share.
bool bx_mpmu_c::rdpmc(Bit32u index, Bit64u *value)
{
  const unsigned type = index >> 16, number = index & 0xffff;

  cpu->truth.seen.rdpmc[cpu->in_vmx_guest || cpu->in_svm_guest]++;
  if (rdpmc_broken(index))
    return false;
  if ((model->extras & MPMU_HAS_UNCORE) && bx_mpmu_uncore_c::rdpmc(index, value))
    return true;
  fold();
  if (type == 0 && number < nr_gp)
    *value = pmc[number];
  else if (intel && type == 0x4000 && number < nr_fixed)
    *value = pmc[MPMU_GP + number];
  else if (has_metrics() && index == 0x20000000)
    *value = read_metrics();
  else
    return rdpmc_lax(value);
  return true;
}

// A hole in the intercept of RDPMC.
bool bx_mpmu_c::rdpmc_escapes(Bit32u index) const
{
  return (mutations & MPMU_MUTATE_RDPMC_L3) && (model->extras & MPMU_HAS_UNCORE) &&
    bx_mpmu_uncore_c::is_index(index);
}
