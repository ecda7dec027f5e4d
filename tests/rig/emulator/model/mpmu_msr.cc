// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Personalities and registers: what CPUID shows, which MSR is what, and what
// a write may do.

#include "bochs.h"
#include "cpu.h"
#include "cpuid.h"
#include "apic.h"
#include "mpmu_model.h"

#include <stdlib.h>

static const mpmu_personality personalities[] = {
  // name, arch-perfmon, AMD, GP, fixed, full-width, GLOBAL_CTRL saved at exit, extras
  { "intel-v5-8-4",    5, 0, 8, 4, true,  true,  0 },
  { "intel-v5-8-3",    5, 0, 8, 3, true,  true,  0 },
  { "intel-v5-nosave", 5, 0, 8, 4, true,  false, 0 },
  { "intel-v3",        3, 0, 8, 3, true,  false, 0 },
  { "intel-nofw",      5, 0, 8, 4, false, true,  0 },
  { "intel-v5-pt",     5, 0, 8, 4, true,  true,  MPMU_HAS_PT },
  { "intel-hybrid",    5, 0, 8, 4, true,  true,  MPMU_HAS_HYBRID },
  { "intel-v4-tfa",    4, 0, 4, 3, true,  true,  MPMU_HAS_TFA },
  { "amd-v2",          0, 2, 6, 0, true,  false, 0 },
  { "amd-core6",       0, 1, 6, 0, true,  false, 0 },
  { "amd-k7",          0, 0, 4, 0, true,  false, 0 },
};

static const char *const mutation_names[] = {
  "vmresume-credit", "lose-pmi", "sticky-status", "status-set-ignored",
  "no-global-save", "skid-64", "leak-counter",
};

static const Bit64u ALL = ~(Bit64u) 0;

// MISC_ENABLE: fast strings, perfmon present, no BTS, no PEBS.
const mpmu_plain_msr mpmu_plain[] = {
  { 0x0000001a0, true,  false, 0x1881, BX_CONST64(0x400c51888) },
  { 0x000000017, true,  false, 0, 0 },
  { 0x00000008b, true,  true,  BX_CONST64(0x2b00000000000000) >> 24, 0 },
  { 0x0000000ce, true,  false, 0x16 << 8, 0 },
  { 0x0000000cf, true,  false, 0, 0 },
  { 0x0000000e7, true,  true,  0, ALL },
  { 0x0000000e8, true,  true,  0, ALL },
  { 0x000000140, true,  false, 0, 0 },
  { 0x000000179, true,  true,  0, 0 },
  { 0x00000017a, true,  true,  0, ALL },
  { 0x000000198, true,  false, 0, 0 },
  { 0x000000199, true,  false, 0, 0xffff },
  { 0x00000019a, true,  false, 0, 0x1f },
  { 0x00000019b, true,  false, 0, 0x1ffffff },
  { 0x00000019c, true,  false, 0, 0xaaa },
  { 0x0000001a2, true,  false, 100 << 16, 0 },
  { 0x0000001ad, true,  false, 0x16, 0 },
  { 0x0000001b0, true,  false, 6, 0xf },
  { 0x0000001b1, true,  false, 0, 0xaaa },
  { 0x0000001b2, true,  false, 0, 0x1ffffff },
  { 0x00000010f, true,  false, 0, 7 },          // TSX_FORCE_ABORT
  { MPMU_LBR,    true,  false, 0, 0 },          // all LBRs of a Skylake, which are off
  { 0x000000485, true,  false, 0x600441e0, 0 }, // VMX_MISC as ever, and PT in VMX operation
  { 0x000000560, true,  false, 0, ALL },        // PT, which traces nothing
  { 0x000000561, true,  false, 0x7f, ALL },
  { 0x000000570, true,  false, 0, ALL },
  { 0x000000571, true,  false, 0, ALL },
  { 0x000000572, true,  false, 0, ALL },
  { 0xc0010010,  false, true,  0, ALL },
  { 0xc0010015,  false, true,  0x01000010, ALL },
  { 0xc001001f,  false, true,  0, ALL },
  { 0xc0010055,  false, true,  0, ALL },
  { 0xc0010140,  false, true,  0, 0 },
  { 0xc0010141,  false, true,  0, 0 },
  { 0xc0011020,  false, true,  0, ALL },
  { 0xc0011022,  false, true,  0, ALL },
  { 0xc0011029,  false, true,  2, ALL },
  { 0xc001102a,  false, true,  0, ALL },
};
const unsigned mpmu_nr_plain = sizeof(mpmu_plain) / sizeof(mpmu_plain[0]);

const mpmu_personality *mpmu_find_personality(bool intel)
{
  const char *wanted = getenv("MPMU_PERSONALITY");

  if (!wanted || !*wanted)
    wanted = intel ? "intel-v5-8-4" : "amd-v2";
  for (const mpmu_personality &p : personalities) {
    if (!strcmp(p.name, wanted) && intel == (p.version_intel != 0))
      return &p;
  }
  fprintf(stderr, "mpmu: no personality %s on this CPU model\n", wanted);
  exit(2);
}

void bx_mpmu_c::configure(void)
{
  const char *wanted = getenv("MPMU_MUTATE");
  const char *instructions = getenv("MPMU_PMI_DELAY");
  unsigned known = 0;

  mutations = 0;
  delay = instructions ? atoi(instructions) : 0;
  if (!wanted)
    return;
  for (const char *name : mutation_names) {
    if (strstr(wanted, name))
      mutations |= 1 << known;
    known++;
  }
  if (*wanted && !mutations) {
    fprintf(stderr, "mpmu: no mutation %s\n", wanted);
    exit(2);
  }
}

// ---------------------------------------------------------------------------
// CPUID

// PT with a table of output regions, and nothing that is optional.
void bx_mpmu_c::cpuid_pt(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 7 && !subfunction)
    leaf->ebx |= 1 << 25;
  if (function == 0x14) {
    leaf->eax = leaf->ebx = leaf->edx = 0;
    leaf->ecx = subfunction ? 0 : 3;
  }
}

// Software knows by the model number that a counter is subject to it: Skylake-X.
void bx_mpmu_c::cpuid_tfa(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 1)
    leaf->eax = 0x50654;
  if (function == 7 && !subfunction)
    leaf->edx |= 1 << 13;
}

// A big core, on a machine that has small ones, too.
void bx_mpmu_c::cpuid_hybrid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 7 && !subfunction)
    leaf->edx |= 1 << 15;
  if (function == 0x1a)
    leaf->eax = 0x40000001;
}

void bx_mpmu_c::cpuid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  const Bit32u slots = nr_fixed > 3 ? 8 : 7;

  if (model->extras & MPMU_HAS_PT)
    cpuid_pt(function, subfunction, leaf);
  if (model->extras & MPMU_HAS_TFA)
    cpuid_tfa(function, subfunction, leaf);
  if (model->extras & MPMU_HAS_HYBRID)
    cpuid_hybrid(function, subfunction, leaf);
  if (intel && function == 1) {
    leaf->ecx &= ~((1 << 2) | (1 << 4));        // no debug store
    leaf->edx &= ~(1 << 21);
  }
  if (intel && function == 6) {
    leaf->eax &= 1 << 2;                        // no power management, only ARAT
    leaf->ecx = 0;
  }
  if (intel && function == 0xa) {
    leaf->eax = model->version_intel | nr_gp << 8 | MPMU_WIDTH << 16 | slots << 24;
    leaf->ebx = 0;
    leaf->ecx = model->version_intel >= 5 ? (1 << nr_fixed) - 1 : 0;
    leaf->edx = nr_fixed | MPMU_WIDTH << 5;
    if (model->version_intel >= 5)
      leaf->edx |= 1 << 15;                     // no AnyThread
  }
  if (!intel && function == 0x80000000 && model->version_amd >= 2)
    leaf->eax = 0x80000022;
  if (!intel && function == 0x80000001) {
    leaf->ecx &= ~(1 << 23 | 1 << 24 | 1 << 28);
    if (model->version_amd >= 1)
      leaf->ecx |= 1 << 23;
  }
  if (!intel && function == 0x80000022 && model->version_amd >= 2) {
    leaf->eax = 1;
    leaf->ebx = nr_gp;
    leaf->ecx = leaf->edx = 0;
  }
}

// ---------------------------------------------------------------------------
// Events

struct event_code {
  Bit32u select, umask;                 // umask ~0: any
  mpmu_source source;
};

static mpmu_source find_event(const event_code *codes, unsigned n, Bit32u select, Bit32u umask)
{
  for (unsigned i = 0; i < n; i++) {
    if (codes[i].select == select && (codes[i].umask == umask || codes[i].umask == ~0u))
      return codes[i].source;
  }
  return MPMU_NOTHING;
}

static const event_code intel_events[] = {
  { 0x3c, 0x00, MPMU_CYCLES },
  { 0x3c, 0x01, MPMU_REF_CYCLES },
  { 0xc0, 0x00, MPMU_INSTRUCTIONS },
  { 0xc4, 0x00, MPMU_BRANCHES },
  { 0xc5, 0x00, MPMU_BRANCH_MISSES },
  { 0x2e, 0x4f, MPMU_LLC_REFERENCES },
  { 0x2e, 0x41, MPMU_LLC_MISSES },
  { 0xa4, 0x01, MPMU_SLOTS },
  { 0xd0, 0x81, MPMU_LOADS },
  { 0xd0, 0x82, MPMU_STORES },
  { 0xd0, 0x83, MPMU_MEM_ACCESSES },
};

static const event_code amd_events[] = {
  { 0x76,  ~0u,  MPMU_CYCLES },
  { 0x120, 0x01, MPMU_REF_CYCLES },
  { 0xc0,  ~0u,  MPMU_INSTRUCTIONS },
  { 0xc2,  ~0u,  MPMU_BRANCHES },
  { 0xc3,  ~0u,  MPMU_BRANCH_MISSES },
  { 0x60,  ~0u,  MPMU_LLC_REFERENCES },
  { 0x64,  ~0u,  MPMU_LLC_MISSES },
  { 0x29,  0x01, MPMU_LOADS },
  { 0x29,  0x02, MPMU_STORES },
  { 0x29,  0x03, MPMU_MEM_ACCESSES },
  { 0x29,  0x04, MPMU_MEM_ACCESSES },
  { 0x29,  0x07, MPMU_MEM_ACCESSES },
};

static const mpmu_source fixed_events[] = {
  MPMU_INSTRUCTIONS, MPMU_CYCLES, MPMU_REF_CYCLES, MPMU_SLOTS,
};

mpmu_source bx_mpmu_c::decode_intel(Bit64u sel) const
{
  return find_event(intel_events, sizeof(intel_events) / sizeof(intel_events[0]),
                    sel & 0xff, (sel >> 8) & 0xff);
}

mpmu_source bx_mpmu_c::decode_amd(Bit64u sel) const
{
  return find_event(amd_events, sizeof(amd_events) / sizeof(amd_events[0]),
                    (sel & 0xff) | ((sel >> 32) & 0xf) << 8, (sel >> 8) & 0xff);
}

// One event per cycle at most, slots apart.  CMASK up to that maximum counts
// the cycles with an event, beyond it none; INV counts the others.  EDGE leaves
// events that come alone as they are; those that come in each cycle never rise.
static mpmu_event filter_event(mpmu_source source, Bit64u sel)
{
  const unsigned cmask = (sel >> 24) & 0xff;
  const bool invert = (sel >> 23) & 1, edge = (sel >> 18) & 1;
  const bool steady = source <= MPMU_SLOTS;
  const unsigned most = source == MPMU_SLOTS ? MPMU_SLOTS_PER_CYCLE : 1;
  mpmu_event e = { source, source != MPMU_NOTHING, 0 };

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
  const Bit64u sel = eventsel[i];
  const unsigned host_guest = intel ? 0 : (sel >> 40) & 3;

  event[i] = filter_event(intel ? decode_intel(sel) : decode_amd(sel), sel);
  if (!(sel & (1 << 22)))
    return;
  if (event[i].of_source || event[i].of_cycles)
    allow(i, sel & (1 << 17), sel & (1 << 16), host_guest);
  if (sel & (1 << 20))
    interrupts |= 1u << i;
}

void bx_mpmu_c::rebuild_fixed(unsigned i)
{
  const unsigned field = (fixed_ctrl >> (4 * i)) & 0xf;
  const unsigned c = MPMU_GP + i;

  event[c].source = fixed_events[i];
  event[c].of_source = 1;
  event[c].of_cycles = 0;
  allow(c, field & 1, field & 2, 0);
  if (field & 8)
    interrupts |= 1u << c;
}

void bx_mpmu_c::rebuild(void)
{
  interrupts = 0;
  predict = false;
  memset(runs, 0, sizeof(runs));
  for (unsigned i = 0; i < nr_gp; i++) {
    rebuild_gp(i);
    predict = predict || event[i].source == MPMU_BRANCH_MISSES;
  }
  for (unsigned i = 0; i < nr_fixed; i++)
    rebuild_fixed(i);
}

// ---------------------------------------------------------------------------
// Registers

enum {
  REG_NONE, REG_ABSENT, REG_SELECTOR, REG_COUNTER, REG_COUNTER_FULL, REG_FIXED,
  REG_CAPABILITIES, REG_FIXED_CTRL, REG_STATUS, REG_CTRL, REG_STATUS_CLEAR,
  REG_STATUS_SET, REG_INUSE, REG_DEBUGCTL, REG_PLAIN
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
};

static const msr_range amd_singles[] = {
  { 0xc0000300, 2, REG_STATUS },
  { 0xc0000301, 2, REG_CTRL },
  { 0xc0000302, 2, REG_STATUS_CLEAR },
  { 0xc0000303, 2, REG_STATUS_SET },
  { 0x000001d9, 0, REG_DEBUGCTL },
};

static unsigned find_single(const msr_range *r, unsigned n, Bit32u msr, unsigned version)
{
  for (unsigned i = 0; i < n; i++) {
    if (r[i].first == msr)
      return version >= r[i].room ? r[i].kind : (unsigned) REG_ABSENT;
  }
  return REG_NONE;
}

bx_mpmu_c::reg bx_mpmu_c::decode_intel_msr(Bit32u msr) const
{
  for (const msr_range &r : intel_ranges) {
    const unsigned limit = r.kind == REG_FIXED ? nr_fixed : nr_gp;
    if (msr < r.first || msr >= r.first + r.room)
      continue;
    if (msr - r.first >= limit || (r.kind == REG_COUNTER_FULL && !full_width()))
      return { REG_ABSENT, 0 };
    return { r.kind, msr - r.first };
  }
  return { find_single(intel_singles, sizeof(intel_singles) / sizeof(intel_singles[0]),
                       msr, model->version_intel), 0 };
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

static bool is_lbr(Bit32u msr)
{
  return (msr >= MPMU_LBR && msr < 0x6e0) || (msr >= 0xdc0 && msr < 0xde0) || msr == 0x1c9;
}

// What a register is an extra of, 0 for those that all have.
static unsigned extra(Bit32u msr)
{
  if ((msr >= 0x560 && msr <= 0x572) || msr == 0x485)
    return MPMU_HAS_PT;
  return msr == 0x10f || msr == MPMU_LBR ? MPMU_HAS_TFA : 0;
}

int bx_mpmu_c::find_plain(Bit32u msr) const
{
  if ((model->extras & MPMU_HAS_TFA) && is_lbr(msr))
    msr = MPMU_LBR;
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
  return model->full_width;
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
  return counters_mask();
}

// Beyond the counters: PT, LBR and counter freeze, ASCI, uncore, DS, changed.
Bit64u bx_mpmu_c::status_mask(void) const
{
  Bit64u mask = counters_mask();

  if (!intel)
    return mask | BX_CONST64(3) << 58;
  mask |= MPMU_STATUS_PT | BX_CONST64(3) << 62;
  if (model->version_intel >= 4)
    mask |= BX_CONST64(0xf) << 58;
  return mask;
}

Bit64u bx_mpmu_c::inuse(void) const
{
  Bit64u used = 0;

  for (unsigned i = 0; i < nr_gp; i++)
    used |= (Bit64u) ((eventsel[i] & 0xff) != 0) << i;
  for (unsigned i = 0; i < nr_fixed; i++)
    used |= (Bit64u) (((fixed_ctrl >> (4 * i)) & 3) != 0) << (32 + i);
  if (interrupts)
    used |= BX_CONST64(1) << 63;
  return used;
}

Bit64u bx_mpmu_c::read_reg(reg r) const
{
  switch (r.kind) {
  case REG_SELECTOR:      return eventsel[r.index];
  case REG_COUNTER:
  case REG_COUNTER_FULL:  return pmc[r.index];
  case REG_FIXED:         return pmc[MPMU_GP + r.index];
  case REG_CAPABILITIES:  return full_width() ? 0x2000 : 0;
  case REG_FIXED_CTRL:    return fixed_ctrl;
  case REG_STATUS:        return global_status;
  case REG_CTRL:          return global_ctrl;
  case REG_INUSE:         return inuse();
  case REG_DEBUGCTL:      return debugctl;
  case REG_PLAIN:         return plain[r.index];
  default:                return 0;
  }
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
  case REG_SELECTOR:      return !(value >> 32 || (value & any_thread));
  case REG_COUNTER_FULL:
  case REG_FIXED:         return !beyond;
  case REG_FIXED_CTRL:    return !(value & ~fields);
  case REG_CTRL:          return !(value & ~global_mask());
  case REG_STATUS_CLEAR:
  case REG_STATUS_SET:    return !(value & ~status_mask());
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
  const Bit64u width = (BX_CONST64(1) << MPMU_WIDTH) - 1;

  switch (r.kind) {
  case REG_SELECTOR:
    eventsel[r.index] = intel ? value : value & amd_selector;
    rebuild();
    break;
  case REG_COUNTER:
    pmc[r.index] = (Bit64u) (Bit64s) (Bit32s) value & width;
    break;
  case REG_COUNTER_FULL:
    pmc[r.index] = value & width;
    break;
  case REG_FIXED:
    pmc[MPMU_GP + r.index] = value & width;
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
  case REG_DEBUGCTL:
    debugctl = value & MPMU_DEBUGCTL_MASK;
    break;
  case REG_PLAIN:
    plain[r.index] &= ~mpmu_plain[r.index].writable;
    plain[r.index] |= value & mpmu_plain[r.index].writable;
    break;
  }
}

static bool is_pmu(unsigned kind)
{
  return kind != REG_PLAIN && kind != REG_DEBUGCTL && kind != REG_CAPABILITIES;
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

  if (r.kind == REG_NONE)
    return false;
  *fault = r.kind == REG_ABSENT;
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

// Intel: type in bits 30 to 16 of the index; AMD: core counters only.
bool bx_mpmu_c::rdpmc(Bit32u index, Bit64u *value)
{
  const unsigned type = index >> 16, number = index & 0xffff;
  unsigned c;

  cpu->truth.seen.rdpmc[cpu->in_vmx_guest || cpu->in_svm_guest]++;
  if (type == 0 && number < nr_gp)
    c = number;
  else if (intel && type == 0x4000 && number < nr_fixed)
    c = MPMU_GP + number;
  else
    return false;
  fold();
  *value = pmc[c];
  return true;
}
