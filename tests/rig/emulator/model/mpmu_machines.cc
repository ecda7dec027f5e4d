// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Personalities: what CPUID shows of the PMU, and the registers around it.

#include "bochs.h"
#include "cpu.h"
#include "cpuid.h"
#include "mpmu_model.h"

#include <stdlib.h>

static const Bit64u FULL_WIDTH = MPMU_CAP_FULL_WIDTH;

// Real machines, from public facts:
// - CPUID leaf 0AH: dumps in Bochs' cpu/cpudb (corei7_skylake-x.txt 07300404,
//   603H; corei7_icelake-u.txt, tigerlake.txt 08300805, 0FH, 8604H).
// - PERF_CAPABILITIES: Intel SDM vol. 4 (345H) and vol. 3B for what each bit is;
//   which of them a machine has as Linux reports it at boot ("PEBS fmt3",
//   "PEBS fmt4+-baseline", "32-deep LBR", "full-width counters") and uses it
//   (arch/x86/events/intel/core.c, perf_metrics and pebs_timing_info).  The
//   sum was not compared with a machine.
// - Family, model, stepping: Linux' intel-family.h and microcode names
//   (06-55-07, 06-55-04, 06-6a-06, 06-8f-08, 06-ad-01); EPYC 9654 is 25-17-1
//   (freebsd-src #2392), EPYC 9275F 26-2-1 (likwid #665).
// - Slots per cycle, fields of PERF_METRICS: 4, 5 and 6 wide; 4 fields on Ice
//   Lake, 8 since Sapphire Rapids (Linux' num_topdown_events).
// - GLOBAL_CTRL saved at VM exit: since Sapphire Rapids (SDM vol. 3D, "VM-Exit
//   Controls"; KVM's "save IA32_PERF_GLOBAL_CTRL").
static const Bit64u SKYLAKE = MPMU_CAP_LBR_INFO | MPMU_CAP_PEBS_TRAP | MPMU_CAP_PEBS_REGS |
  MPMU_CAP_PEBS_3 | MPMU_CAP_SMM_FREEZE | MPMU_CAP_FULL_WIDTH;
static const Bit64u WITH_METRICS = MPMU_CAP_PEBS_TRAP | MPMU_CAP_PEBS_REGS | MPMU_CAP_PEBS_4 |
  MPMU_CAP_SMM_FREEZE | MPMU_CAP_FULL_WIDTH | MPMU_CAP_PEBS_BASELINE | MPMU_CAP_METRICS;
static const Bit64u ICE_LAKE = WITH_METRICS | MPMU_CAP_LBR_INFO;
static const Bit64u SAPPHIRE_RAPIDS = WITH_METRICS | MPMU_CAP_LBR_ARCH;
static const Bit64u GRANITE_RAPIDS = SAPPHIRE_RAPIDS | MPMU_CAP_PEBS_TIMING;

enum {
  SERVER = MPMU_HAS_EXTRA_REGS,
  WITH_LBR = SERVER | MPMU_HAS_LBR
};

#define SKL MPMU_CORE_SKYLAKE
#define SNC MPMU_CORE_SUNNY_COVE
#define GLC MPMU_CORE_GOLDEN_COVE
#define ZEN MPMU_CORE_ZEN

static const mpmu_personality personalities[] = {
  // name, arch-perfmon, AMD, GP, fixed, capabilities, GLOBAL_CTRL saved at exit, extras,
  //   core, slots per cycle, fields of metrics, signature
  { "intel-skx",       4, 0, 4, 3, SKYLAKE,         false, WITH_LBR, SKL, 4, 0, 0x50657 },
  { "intel-skx-tfa",   4, 0, 4, 3, SKYLAKE,         false, WITH_LBR | MPMU_HAS_TFA, SKL, 4, 0, 0x50654 },
  { "intel-icx",       5, 0, 8, 4, ICE_LAKE,        false, WITH_LBR, SNC, 5, 4, 0x606a6 },
  { "intel-spr",       5, 0, 8, 4, SAPPHIRE_RAPIDS, true,  SERVER, GLC, 6, 8, 0x806f8 },
  { "intel-gnr",       5, 0, 8, 4, GRANITE_RAPIDS,  true,  SERVER | MPMU_HAS_LEAF_23, GLC, 6, 8, 0xa06d1 },
  { "amd-zen4",        0, 2, 6, 0, 0,               false, MPMU_HAS_UNCORE, ZEN, 6, 0, 0xa10f11 },
  { "amd-zen5",        0, 2, 6, 0, 0,               false, MPMU_HAS_UNCORE, ZEN, 8, 0, 0xb00f21 },

  // Machines that lack something, or have nothing but what a test is about.
  { "intel-v5-8-4",    5, 0, 8, 4, FULL_WIDTH, true,  0, GLC, 6, 0, 0 },
  { "intel-v5-8-3",    5, 0, 8, 3, FULL_WIDTH, true,  0, GLC, 6, 0, 0 },
  { "intel-v5-nosave", 5, 0, 8, 4, FULL_WIDTH, false, 0, GLC, 6, 0, 0 },
  { "intel-v3",        3, 0, 8, 3, FULL_WIDTH, false, 0, GLC, 6, 0, 0 },
  { "intel-nofw",      5, 0, 8, 4, 0,          true,  0, GLC, 6, 0, 0 },
  { "intel-v5-pt",     5, 0, 8, 4, FULL_WIDTH, true,  MPMU_HAS_PT, GLC, 6, 0, 0 },
  { "intel-hybrid",    5, 0, 8, 4, FULL_WIDTH, true,  MPMU_HAS_HYBRID, GLC, 6, 0, 0 },
  { "intel-v4-tfa",    4, 0, 4, 3, FULL_WIDTH, true,  MPMU_HAS_TFA | MPMU_HAS_LBR, SKL, 6, 0, 0x50654 },
  { "intel-v4-tsx",    4, 0, 4, 3, FULL_WIDTH, true,  MPMU_HAS_TFA | MPMU_HAS_LBR | MPMU_HAS_TSX,
    SKL, 6, 0, 0x50654 },
  { "amd-v2",          0, 2, 6, 0, 0,          false, 0, ZEN, 6, 0, 0 },
  { "amd-core6",       0, 1, 6, 0, 0,          false, 0, ZEN, 6, 0, 0 },
  { "amd-k7",          0, 0, 4, 0, 0,          false, 0, ZEN, 6, 0, 0 },
};

static const char *const mutation_names[] = {
  "vmresume-credit", "lose-pmi", "sticky-status", "status-set-ignored",
  "no-global-save", "skid-64", "leak-counter", "leak-metrics", "rdpmc-l3",
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
  { 0x0000001a6, true,  false, 0, ALL },        // OFFCORE_RSP, which filter nothing
  { 0x0000001a7, true,  false, 0, ALL },
  { 0x0000003f6, true,  false, 0, ALL },        // for PEBS: latency of loads, frontend
  { 0x0000003f7, true,  false, 0, ALL },
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
  { 0xc001102e,  false, true,  0, ALL },        // BP_CFG of Zen 4
};
const unsigned mpmu_nr_plain = sizeof(mpmu_plain) / sizeof(mpmu_plain[0]);
static_assert(sizeof(mpmu_plain) / sizeof(mpmu_plain[0]) <= MPMU_PLAIN, "room for each");

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
  find_flaws(wanted);
  if (*wanted && !mutations && !flaws) {
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

void bx_mpmu_c::cpuid_tfa(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 7 && !subfunction)
    leaf->edx |= 1 << 13;
  if ((model->extras & MPMU_HAS_TSX) && function == 7 && !subfunction)
    leaf->ebx |= 1 << 11 | 1 << 4;              // RTM, HLE
}

// A big core, on a machine that has small ones, too.
void bx_mpmu_c::cpuid_hybrid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 7 && !subfunction)
    leaf->edx |= 1 << 15;
  if (function == 0x1a)
    leaf->eax = 0x40000001;
}

// Intel SDM vol. 2A, CPUID leaf 23H: what leaf 0AH says, as sub-leaves: counters,
// and the 8 architectural events.  No dump of a machine was at hand.
void bx_mpmu_c::cpuid_leaf_23(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (function == 0)
    leaf->eax = 0x24;
  if (function == 7 && subfunction == 1)
    leaf->eax |= 1 << 8;
  if (function != 0x23 && function != 0x24)
    return;
  leaf->eax = leaf->ebx = leaf->ecx = leaf->edx = 0;
  if (function == 0x24)
    return;
  if (subfunction == 0)
    leaf->eax = 1 << 0 | 1 << 1 | 1 << 3;
  if (subfunction == 1) {
    leaf->eax = (1 << nr_gp) - 1;
    leaf->ebx = (1 << nr_fixed) - 1;
  }
  if (subfunction == 3)
    leaf->eax = 0xff;
}

void bx_mpmu_c::cpuid_intel(Bit32u function, cpuid_function_t *leaf) const
{
  const Bit32u events = nr_fixed > 3 ? 8 : 7;   // slots are the last

  if (function == 1) {
    if (model->signature)
      leaf->eax = model->signature;
    leaf->ecx &= ~((1 << 2) | (1 << 4));        // no debug store
    leaf->edx &= ~(1 << 21);
  }
  if (function == 6) {
    leaf->eax &= 1 << 2;                        // no power management, only ARAT
    leaf->ecx = 0;
  }
  if (function == 0xa) {
    leaf->eax = model->version_intel | nr_gp << 8 | MPMU_WIDTH << 16 | events << 24;
    leaf->ebx = 0;
    leaf->ecx = model->version_intel >= 5 ? (1 << nr_fixed) - 1 : 0;
    leaf->edx = nr_fixed | MPMU_WIDTH << 5;
    if (model->version_intel >= 5)
      leaf->edx |= 1 << 15;                     // no AnyThread
  }
}

// The leaf of PerfMonV2: EPYC 9654 and Ryzen 9000 have 16 counters of the data
// fabric (freebsd-src #2392, likwid #746).  No LBRs, no UMC counters here.
void bx_mpmu_c::cpuid_amd(Bit32u function, cpuid_function_t *leaf) const
{
  const bool uncore = (model->extras & MPMU_HAS_UNCORE) != 0;

  if ((function == 1 || function == 0x80000001) && model->signature)
    leaf->eax = model->signature;
  if (function == 0x80000000 && model->version_amd >= 2)
    leaf->eax = 0x80000022;
  if (function == 0x80000001) {
    leaf->ecx &= ~(1 << 23 | 1 << 24 | 1 << 28);
    if (model->version_amd >= 1)
      leaf->ecx |= 1 << 23;
    if (uncore)
      leaf->ecx |= 1 << 24 | 1 << 28;
  }
  if (function == 0x80000022 && model->version_amd >= 2) {
    leaf->eax = 1;
    leaf->ebx = nr_gp | (uncore ? bx_mpmu_uncore_c::NB << 10 : 0);
    leaf->ecx = leaf->edx = 0;
  }
}

void bx_mpmu_c::cpuid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
  if (model->extras & MPMU_HAS_PT)
    cpuid_pt(function, subfunction, leaf);
  if (model->extras & MPMU_HAS_TFA)
    cpuid_tfa(function, subfunction, leaf);
  if (model->extras & MPMU_HAS_HYBRID)
    cpuid_hybrid(function, subfunction, leaf);
  if (model->extras & MPMU_HAS_LEAF_23)
    cpuid_leaf_23(function, subfunction, leaf);
  if (intel)
    cpuid_intel(function, leaf);
  else
    cpuid_amd(function, leaf);
  if (flaws)
    cpuid_flaws(function, subfunction, leaf);
}
