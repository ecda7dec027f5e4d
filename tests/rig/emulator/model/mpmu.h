// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A PMU for the emulated CPU: counters, their registers and their interrupt.
//
// Nothing is counted per instruction.  Each source of events is a running sum
// that the CPU keeps anyway, or that a hook increments; counters fold the
// growth of their source since the last fold.  A fold happens where something
// a counter depends on is about to change, where a register is read, and at a
// deadline before the first counter can wrap.  The CPU compares its icount
// with that deadline where traces end, and calls boundary() when it is due.

#ifndef BX_MPMU_H
#define BX_MPMU_H

#include "mpmu_hooks.h"
#include "mpmu_truth.h"
#include "mpmu_uncore.h"

class BX_CPU_C;
struct cpuid_function_t;
struct mpmu_regs;
struct mpmu_personality;

enum mpmu_source {
  MPMU_NOTHING,
  MPMU_INSTRUCTIONS,
  MPMU_CYCLES,
  MPMU_REF_CYCLES,
  MPMU_SLOTS,
  MPMU_TOPDOWN,                         // the first of 8 uses of slots
  MPMU_TOPDOWN_LAST = MPMU_TOPDOWN + 7,
  MPMU_BRANCHES,
  MPMU_CONDITIONAL,
  MPMU_CONDITIONAL_TAKEN,
  MPMU_NOT_TAKEN,
  MPMU_TAKEN,                           // near
  MPMU_TAKEN_ALL,
  MPMU_CALLS,
  MPMU_RETURNS,
  MPMU_INDIRECT,
  MPMU_FAR,
  MPMU_LOADS,                           // instructions that load
  MPMU_STORES,
  MPMU_MEM_ACCESSES,
  MPMU_INTERRUPTS,
  MPMU_BRANCH_MISSES,
  MPMU_LLC_REFERENCES,
  MPMU_LLC_MISSES,
  MPMU_L1D_MISSES,
  MPMU_LOAD_WALKS,
  MPMU_STORE_WALKS,
  MPMU_DATA_WALKS,
  MPMU_CODE_WALKS,
  MPMU_SOURCES
};

enum {
  MPMU_GP = 16,                         // room for counters of each kind
  MPMU_PMCS = 2 * MPMU_GP,              // GP first, then fixed
  MPMU_SLOTS_MAX = 6,                   // per cycle
  MPMU_USES = 8,                        // of slots: 4, and 4 parts of these
  MPMU_TRACE = 32,                      // longest run between two boundaries
  MPMU_PREDICTOR = 1024,
  MPMU_L1D_LINES = 512,
  MPMU_PENDING = 8,
  MPMU_LBR_REGS = 3 * 32 + 2,           // from, to, info; top, select
  MPMU_PLAIN = 64
};

// What makes a counter run, besides its registers.
enum {
  MPMU_KEY_USER = 1,
  MPMU_KEY_GUEST = 2,
  MPMU_KEY_SVME = 4,
  MPMU_KEYS = 8
};

struct mpmu_event {
  mpmu_source source;
  int of_source, of_cycles;             // weights, after CMASK and INV
  bool per_cycle;                       // by CMASK: as many as cycles at most
};

struct mpmu_pmi {
  Bit64u due;                           // icount
  Bit32u lvtpc;                         // as it was when asserted
  Bit32u pmcs;                          // those that raised it
};

class bx_mpmu_c {
public:
  // Touched by the hooks in the CPU.
  Bit64u deadline;                      // boundary() has work from this icount on
  Bit64u faults;                        // icount steps without an instruction
  Bit64u iterations;                    // of REP, which retire nothing
  Bit64u branch[MPMU_BRANCH_KINDS], branch_misses;
  Bit64u llc_references, llc_misses, l1d_misses;
  Bit64u load_walks, store_walks, code_walks;
  Bit64u loads, stores, interrupts_taken;
  bool predict;                         // somebody counts branch misses
  bool memory;                          // or accesses, or misses of the L1D

  void access(unsigned rw, Bit64u icount);
  void touch_line(Bit64u phy);
  void drop_line(Bit64u phy) { l1d[(phy >> 6) % MPMU_L1D_LINES] = 0; }
  void interrupt(void);

  void init(BX_CPU_C *cpu);
  void reset(void);

  void boundary(void);
  void landing(void);
  void reconfigure(void);
  void changed(void) { deadline = 0; }  // mode, CPL or SVME may differ
  void predict_branch(Bit64u rip, bool taken);

  bool rdmsr(Bit32u index, Bit64u *value, bool *fault);
  bool wrmsr(Bit32u index, Bit64u value, bool *fault);
  bool rdpmc(Bit32u index, Bit64u *value);
  bool rdpmc_escapes(Bit32u index) const;
  void cpuid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;

  bool vmx_can_save(void) const;
  bool vmx_global_ctrl_valid(Bit64u value) const;
  void vmx_entry(bool load, Bit64u value);
  bool vmx_exit_save(Bit64u *value);
  void vmx_exit_load(bool load, Bit64u value);
  Bit64u vmx_exit_debugctl(void);
  void vmx_entry_debugctl(Bit64u value);
  void guest_entered(void);
  void guest_left(void);
  void list_begin(void) { in_list = true; }
  void list_end(void) { in_list = false; }
  bool list_store_lost(Bit32u msr) const;
  void exit_begin(bool retires);
  void exit_end(void) { in_exit = false; }

  bool counts_host_kernel(void) const;
  unsigned slots_per_cycle(void) const;
  void raise_pt(void);
  void dump(struct mpmu_regs *regs);
  void dump_truth(struct mpmu_truth *t) const;
  void record(unsigned dumps);
  void next_record(struct mpmu_record *r);

  static unsigned delay;
  static unsigned mutations;
  static Bit64u flaws;                  // MPMU_FLAW_*
  bool rdpmc_open(void) const;          // to each CPL, by a flaw
  static void configure(void);

private:
  BX_CPU_C *cpu;
  struct {
    struct mpmu_record *dumps;
    unsigned wanted, taken, read;
  } recorder;
  const mpmu_personality *model;
  bool intel;
  unsigned nr_gp, nr_fixed;

  Bit64u pmc[MPMU_PMCS];
  Bit64u eventsel[MPMU_GP];
  Bit64u fixed_ctrl, global_ctrl, global_status;
  Bit64u debugctl;
  Bit64u plain[MPMU_PLAIN];             // registers without a function
  Bit64u lbr[MPMU_LBR_REGS];

  mpmu_event event[MPMU_PMCS];
  Bit32u runs[MPMU_KEYS];               // counters whose own registers allow it
  Bit32u interrupts;                    // counters with their interrupt enabled
  unsigned key;
  bool retiring;                        // the instruction under way is credited
  bool delivering;                      // accesses are those of an event
  Bit64u load_at, store_at;             // the last instruction that did
  bool in_list, in_exit, credit_guest;
  Bit64u last[MPMU_SOURCES];
  Bit64u used;                          // sources of counters that may run
  Bit8u predictor[MPMU_PREDICTOR];
  Bit64u l1d[MPMU_L1D_LINES];

  Bit64s use[MPMU_USES];                // slots, of those in fixed counter 3
  Bit64u metrics_written;               // what PERF_METRICS reads
  bool metrics_counted;                 // no longer that

  mpmu_pmi pending[MPMU_PENDING];
  unsigned nr_pending;
  Bit64u nr_pmis, pt_raised, lvtpc_delivered;
  struct { Bit64u overflows, raised, delivered, dropped; } seen[MPMU_PMCS];

  Bit64u now(unsigned source) const;
  Bit64u events_now(unsigned source) const;
  Bit64u slots_used(unsigned use, Bit64u cycles) const;
  Bit64u instruction(Bit64u icount) const { return icount - faults - iterations; }
  Bit64u retired_accesses(Bit64u seen, Bit64u seen_at) const;
  void forget_accesses(void);
  unsigned current_key(void) const;
  Bit32u active(void) const;
  void fold(void);

  bool metrics_enabled(void) const;
  bool fold_metrics(void);
  Bit64u read_metrics(void) const;
  void write_metrics(Bit64u value);
  Bit64u metrics_until_wrap(void) const;
  void sync(bool retires);
  void take_record(bool entry);
  Bit32u advance(Bit32u counters);
  void overflow(Bit32u wrapped, bool metrics);
  void assert_pmi(Bit32u pmcs);
  void deliver_due(bool all);
  void schedule(void);
  Bit64u until_wrap(unsigned c) const;

  void rebuild(void);
  void rebuild_gp(unsigned i);
  void rebuild_fixed(unsigned i);
  void allow(unsigned c, bool os, bool usr, unsigned host_guest);
  void use_source(unsigned source);
  void use_sources(void);
  void cpuid_intel(Bit32u function, cpuid_function_t *leaf) const;
  void cpuid_amd(Bit32u function, cpuid_function_t *leaf) const;
  void cpuid_leaf_23(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;
  void cpuid_pt(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;
  void cpuid_tfa(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;
  void cpuid_hybrid(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;
  mpmu_source find_event(Bit32u select, Bit32u umask) const;
  mpmu_source decode_intel(Bit64u sel) const;
  mpmu_source decode_amd(Bit64u sel) const;
  mpmu_event filter_event(mpmu_source source, Bit64u sel) const;

  Bit64u counters_mask(void) const;
  Bit64u global_mask(void) const;
  Bit64u status_mask(void) const;
  bool full_width(void) const;
  bool has_metrics(void) const;
  bool has_global(void) const;
  Bit64u inuse(void) const;

  struct reg { unsigned kind, index; };
  reg decode(Bit32u msr) const;
  reg decode_intel_msr(Bit32u msr) const;
  reg decode_amd_msr(Bit32u msr) const;
  Bit64u read_reg(reg r) const;
  Bit64u selector_high(unsigned i) const;
  bool check_reg(reg r, Bit64u value) const;
  void commit_reg(reg r, Bit64u value);
  void clear_status(Bit64u value);
  int find_plain(Bit32u msr) const;
  void note_access(bool write);

  // What flaws make of it: mpmu_flaws.cc
  static void find_flaws(const char *wanted);
  void apply_flaws(void);
  bool dead(unsigned i) const;
  bool lvtpc_stuck(void) const;
  void stick_lvtpc(void);
  Bit64u seen_selector(unsigned i);
  unsigned seen_field(unsigned i, unsigned field);
  Bit64u written(Bit64u value, bool legacy);
  Bit64u flawed_capabilities(Bit64u value) const;
  bool rdpmc_broken(Bit32u index) const;
  bool rdpmc_lax(Bit64u *value) const;
  void cpuid_flaws(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const;
};

// At most one of each per instruction: REP is one, and what it did before a
// fault or an interrupt is not counted twice.
inline void bx_mpmu_c::access(unsigned rw, Bit64u icount)
{
  const Bit64u at = instruction(icount);

  if (delivering)
    return;
  if ((rw & BX_RW) != BX_WRITE && load_at != at) {
    load_at = at;
    loads++;
  }
  if ((rw & BX_WRITE) && store_at != at) {
    store_at = at;
    stores++;
  }
}

// Lines are learnt with the accesses.
inline void bx_mpmu_c::touch_line(Bit64u phy)
{
  Bit64u *line = &l1d[(phy >> 6) % MPMU_L1D_LINES];

  l1d_misses += *line != (phy >> 6 | 1ull << 63);
  *line = phy >> 6 | 1ull << 63;
}

#endif
