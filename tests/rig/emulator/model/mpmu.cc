// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Counting, overflow and the PMI.  Registers are in mpmu_msr.cc.

#include "bochs.h"
#include "cpu.h"
#include "cpuid.h"
#include "apic.h"
#include "mpmu_model.h"

unsigned bx_mpmu_c::delay;
unsigned bx_mpmu_c::mutations;
Bit64u bx_mpmu_c::flaws;

// How fast a source can grow per step of icount, and whether to stop at each
// instruction when a wrap is near: events that need not come soon would keep
// the CPU stepping for ever.
static const struct { unsigned rate; bool exact; } growth[MPMU_SOURCES] = {
  /* MPMU_NOTHING */        { 0, false },
  /* MPMU_INSTRUCTIONS */   { 1, true },
  /* MPMU_CYCLES */         { 1, true },
  /* MPMU_REF_CYCLES */     { 1, true },
  /* MPMU_SLOTS */          { MPMU_SLOTS_MAX, true },
  /* MPMU_TOPDOWN */        { MPMU_SLOTS_MAX, false }, { MPMU_SLOTS_MAX, false },
                            { MPMU_SLOTS_MAX, false }, { MPMU_SLOTS_MAX, false },
                            { MPMU_SLOTS_MAX, false }, { MPMU_SLOTS_MAX, false },
                            { MPMU_SLOTS_MAX, false }, { MPMU_SLOTS_MAX, false },
  /* MPMU_BRANCHES */       { 1, true },
  /* MPMU_CONDITIONAL */    { 1, true },
  /* ..._TAKEN */           { 1, true },
  /* MPMU_NOT_TAKEN */      { 1, true },
  /* MPMU_TAKEN */          { 1, true },
  /* MPMU_TAKEN_ALL */      { 1, true },
  /* MPMU_CALLS */          { 1, true },
  /* MPMU_RETURNS */        { 1, true },
  /* MPMU_INDIRECT */       { 1, false },
  /* MPMU_FAR */            { 1, false },
  /* MPMU_LOADS */          { 1, true },
  /* MPMU_STORES */         { 1, true },
  /* MPMU_MEM_ACCESSES */   { 2, true },
  /* MPMU_INTERRUPTS */     { 1, false },
  /* MPMU_BRANCH_MISSES */  { 1, false },
  /* MPMU_LLC_REFERENCES */ { 1, false },
  /* MPMU_LLC_MISSES */     { 1, false },
  /* MPMU_L1D_MISSES */     { 8, false },
  /* MPMU_LOAD_WALKS */     { 8, false },
  /* MPMU_STORE_WALKS */    { 8, false },
  /* MPMU_DATA_WALKS */     { 8, false },
  /* MPMU_CODE_WALKS */     { 8, false },
};
static_assert(sizeof(growth) / sizeof(growth[0]) == MPMU_SOURCES, "one for each source");

void bx_mpmu_c::init(BX_CPU_C *owner)
{
  cpu = owner;
  memset(&recorder, 0, sizeof(recorder));
  configure();
  model = mpmu_find_personality(cpu->is_cpu_extension_supported(BX_ISA_VMX));
  intel = model->version_intel != 0;
  nr_gp = model->nr_gp;
  nr_fixed = model->nr_fixed;
  reset();
}

void bx_mpmu_c::reset(void)
{
  memset(pmc, 0, sizeof(pmc));
  memset(eventsel, 0, sizeof(eventsel));
  memset(predictor, 0, sizeof(predictor));
  memset(l1d, 0, sizeof(l1d));
  memset(lbr, 0, sizeof(lbr));
  write_metrics(0);
  fixed_ctrl = global_status = debugctl = 0;
  global_ctrl = (BX_CONST64(1) << nr_gp) - 1;
  nr_pending = 0;
  retiring = delivering = in_list = in_exit = credit_guest = false;
  load_at = store_at = ~(Bit64u) 0;
  for (unsigned i = 0; i < mpmu_nr_plain; i++)
    plain[i] = mpmu_plain[i].reset;
  if (flaws & MPMU_FLAW_GLOBAL_RESET)
    global_ctrl = 0;
  apply_flaws();
  deadline = 0;
  if (!cpu->bx_cpuid)
    bx_mpmu_uncore_c::reset();
}

// The mutations changed.
void bx_mpmu_c::reconfigure(void)
{
  sync(false);
  apply_flaws();
}

// ---------------------------------------------------------------------------
// Sources

// The accesses of an instruction count when it retires.
Bit64u bx_mpmu_c::retired_accesses(Bit64u seen, Bit64u seen_at) const
{
  return seen - (!retiring && seen_at == instruction(cpu->icount));
}

Bit64u bx_mpmu_c::now(unsigned source) const
{
  const Bit64u cycles = cpu->icount - faults + retiring;

  if (source >= MPMU_TOPDOWN && source <= MPMU_TOPDOWN_LAST)
    return slots_used(source - MPMU_TOPDOWN, cycles);
  switch (source) {
  case MPMU_INSTRUCTIONS:   return cycles - iterations;
  case MPMU_CYCLES:         return cycles;
  case MPMU_REF_CYCLES:     return cycles / BX_SMP_PROCESSORS;
  case MPMU_SLOTS:          return cycles * model->slots;
  default:                  return events_now(source);
  }
}

Bit64u bx_mpmu_c::events_now(unsigned source) const
{
  const Bit64u loaded = retired_accesses(loads, load_at);
  const Bit64u stored = retired_accesses(stores, store_at);
  const Bit64u conditional = branch[MPMU_BRANCH_TAKEN] + branch[MPMU_BRANCH_NOT_TAKEN];
  const Bit64u jumps = branch[MPMU_BRANCH_JUMP] + branch[MPMU_BRANCH_JUMP_INDIRECT];
  const Bit64u calls = branch[MPMU_BRANCH_CALL] + branch[MPMU_BRANCH_CALL_INDIRECT];
  const Bit64u taken = branch[MPMU_BRANCH_TAKEN] + jumps + calls + branch[MPMU_BRANCH_RETURN];

  switch (source) {
  case MPMU_BRANCHES:       return taken + branch[MPMU_BRANCH_NOT_TAKEN] + branch[MPMU_BRANCH_FAR];
  case MPMU_CONDITIONAL:    return conditional;
  case MPMU_CONDITIONAL_TAKEN: return branch[MPMU_BRANCH_TAKEN];
  case MPMU_NOT_TAKEN:      return branch[MPMU_BRANCH_NOT_TAKEN];
  case MPMU_TAKEN:          return taken;
  case MPMU_TAKEN_ALL:      return taken + branch[MPMU_BRANCH_FAR];
  case MPMU_CALLS:          return calls;
  case MPMU_RETURNS:        return branch[MPMU_BRANCH_RETURN];
  case MPMU_INDIRECT:       return branch[MPMU_BRANCH_JUMP_INDIRECT] + branch[MPMU_BRANCH_CALL_INDIRECT];
  case MPMU_FAR:            return branch[MPMU_BRANCH_FAR];
  case MPMU_LOADS:          return loaded;
  case MPMU_STORES:         return stored;
  case MPMU_MEM_ACCESSES:   return loaded + stored;
  case MPMU_INTERRUPTS:     return interrupts_taken;
  case MPMU_BRANCH_MISSES:  return branch_misses;
  case MPMU_LLC_REFERENCES: return llc_references;
  case MPMU_LLC_MISSES:     return llc_misses;
  case MPMU_L1D_MISSES:     return l1d_misses;
  case MPMU_LOAD_WALKS:     return load_walks;
  case MPMU_STORE_WALKS:    return store_walks;
  case MPMU_DATA_WALKS:     return load_walks + store_walks;
  case MPMU_CODE_WALKS:     return code_walks;
  default:                  return 0;
  }
}

// What the instruction under way did so far is undone, or is no instruction's.
void bx_mpmu_c::forget_accesses(void)
{
  const Bit64u at = instruction(cpu->icount);

  loads -= load_at == at;
  stores -= store_at == at;
  load_at = store_at = ~(Bit64u) 0;
}

// An interrupt comes in between two instructions, or two iterations of REP,
// and what its delivery pushes is not theirs.
void bx_mpmu_c::interrupt(void)
{
  forget_accesses();
  delivering = true;
  interrupts_taken++;
  deadline = 0;
}

// Two-bit counters, the textbook predictor.
void bx_mpmu_c::predict_branch(Bit64u rip, bool taken)
{
  Bit8u *state = &predictor[(rip ^ (rip >> 10)) % MPMU_PREDICTOR];

  branch_misses += (*state >= 2) != taken;
  if (taken)
    *state += *state < 3;
  else
    *state -= *state > 0;
}

// ---------------------------------------------------------------------------
// Folding

unsigned bx_mpmu_c::current_key(void) const
{
  unsigned k = 0;

  if (cpu->sregs[BX_SEG_REG_CS].selector.rpl == 3)
    k |= MPMU_KEY_USER;
  if (cpu->in_vmx_guest || cpu->in_svm_guest)
    k |= MPMU_KEY_GUEST;
  if (cpu->efer.get_SVME())
    k |= MPMU_KEY_SVME;
  return k;
}

Bit32u bx_mpmu_c::active(void) const
{
  if (intel && (global_status & MPMU_STATUS_FROZEN))
    return 0;
  if (!has_global())
    return runs[key];
  return runs[key] & (Bit32u) ((global_ctrl & 0xffff) | (global_ctrl >> 32) << MPMU_GP);
}

// Add to each counter what its source grew by; return those that wrapped.
Bit32u bx_mpmu_c::advance(Bit32u counters)
{
  const Bit64s cycles = now(MPMU_CYCLES) - last[MPMU_CYCLES];
  Bit32u wrapped = 0;

  for (unsigned c = 0; counters; c++, counters >>= 1) {
    if (!(counters & 1))
      continue;
    const mpmu_event *e = &event[c];
    const Bit64s come = now(e->source) - last[e->source];
    const Bit64s grown = e->per_cycle && come > cycles ? cycles : come;
    const Bit64s delta = e->of_source * grown + e->of_cycles * cycles;
    const Bit64s sum = (Bit64s) pmc[c] + delta;
    if (sum > (Bit64s) MPMU_WIDTH_MASK)
      wrapped |= 1u << c;
    pmc[c] = sum & MPMU_WIDTH_MASK;
  }
  return wrapped;
}

void bx_mpmu_c::fold(void)
{
  const Bit32u counters = active();
  const Bit32u wrapped = counters ? advance(counters) : 0;
  const bool metrics = metrics_enabled() && fold_metrics();

  for (unsigned s = 0; used >> s; s++) {
    if ((used >> s) & 1)
      last[s] = now(s);
  }
  if (wrapped || metrics)
    overflow(wrapped, metrics);
}

// Something that counters depend on is about to change, in the middle of an
// instruction.  If that instruction is sure to retire, it belongs to the state
// that it found.
void bx_mpmu_c::sync(bool retires)
{
  if (retires)
    retiring = true;
  fold();
  deadline = 0;
}

void bx_mpmu_c::boundary(void)
{
  retiring = delivering = false;
  fold();
  key = current_key();
  if (credit_guest) {
    last[MPMU_INSTRUCTIONS]--;
    credit_guest = false;
  }
  if (nr_pending)
    deliver_due(cpu->activity_state != BX_CPU_C::BX_ACTIVITY_STATE_ACTIVE);
  schedule();
}

// The CPU lands in its loop from a fault or VM exit, one icount step further.
// That step is none, unless VMLAUNCH or VMRUN was done and the event that it
// injected faulted: then it stands for them.
void bx_mpmu_c::landing(void)
{
  if (!retiring) {
    faults++;
    forget_accesses();
  }
  in_exit = false;
  boundary();
}

Bit64u bx_mpmu_c::until_wrap(unsigned c) const
{
  const mpmu_event *e = &event[c];
  const Bit64u left = BX_CONST64(1) + MPMU_WIDTH_MASK - pmc[c];
  const unsigned rate = e->of_cycles ? 1 : growth[e->source].rate;
  const Bit64u steps = (left + rate - 1) / rate;

  if (growth[e->source].exact || steps > MPMU_TRACE + 8)
    return steps;
  return MPMU_TRACE + 8;
}

// Set the deadline one trace before the next wrap or PMI; within that distance
// stop after each instruction.
void bx_mpmu_c::schedule(void)
{
  const Bit64u icount = cpu->icount;
  Bit64u near = BX_CONST64(1) << 62;
  Bit32u counters = active();

  for (unsigned c = 0; counters; c++, counters >>= 1) {
    if ((counters & 1) && until_wrap(c) < near)
      near = until_wrap(c);
  }
  if (metrics_until_wrap() < near)
    near = metrics_until_wrap();
  for (unsigned i = 0; i < nr_pending; i++) {
    if (pending[i].due - icount < near)
      near = pending[i].due - icount;
  }
  if (near > MPMU_TRACE) {
    deadline = icount + near - MPMU_TRACE;
  } else {
    deadline = 0;
    cpu->async_event |= BX_ASYNC_EVENT_STOP_TRACE;
  }
}

// ---------------------------------------------------------------------------
// Overflow and PMI

void bx_mpmu_c::overflow(Bit32u wrapped, bool metrics)
{
  const bool asks = metrics && ((interrupts >> (MPMU_GP + MPMU_FIXED_SLOTS)) & 1);

  for (unsigned c = 0; c < MPMU_PMCS; c++)
    seen[c].overflows += (wrapped >> c) & 1;
  if (key & MPMU_KEY_GUEST)
    cpu->truth.watch.overflowed(cpu->truth.guest_retired());
  if (has_global())
    global_status |= (wrapped & 0xffff) | (Bit64u) (wrapped >> MPMU_GP) << 32;
  if (metrics)
    global_status |= MPMU_METRICS_BIT;
  if ((wrapped & interrupts) || asks)
    assert_pmi(wrapped & interrupts);
}

void bx_mpmu_c::assert_pmi(Bit32u pmcs)
{
  const Bit32u lvtpc = cpu->lapic->get_lvt_perfmon();
  const bool masked = (lvtpc & 0x10000) != 0 || (flaws && lvtpc_stuck());

  for (unsigned c = 0; c < MPMU_PMCS; c++) {
    seen[c].raised += (pmcs >> c) & 1;
    seen[c].dropped += masked && ((pmcs >> c) & 1);
  }
  if (intel && (debugctl & MPMU_DEBUGCTL_FREEZE)) {
    if (model->version_intel >= 4)
      global_status |= MPMU_STATUS_FROZEN;
    else
      global_ctrl = 0;
  }
  if (masked)
    return;
  if (intel || (flaws & MPMU_FLAW_LVTPC_MASKED))
    cpu->lapic->mask_lvt_perfmon();
  if (flaws)
    stick_lvtpc();
  if ((mutations & MPMU_MUTATE_LOSE_PMI) && ++nr_pmis % 1000 == 7)
    return;
  if (nr_pending == MPMU_PENDING)
    deliver_due(true);

  mpmu_pmi *p = &pending[nr_pending++];
  p->due = cpu->icount + delay + (mutations & MPMU_MUTATE_SKID_64 ? 64 : 0);
  if (flaws & MPMU_FLAW_LATE_PMI)
    p->due += 6000;
  p->lvtpc = lvtpc;
  p->pmcs = pmcs;
  deliver_due(false);
  deadline = 0;
}

void bx_mpmu_c::deliver_due(bool all)
{
  unsigned kept = 0;

  for (unsigned i = 0; i < nr_pending; i++) {
    const mpmu_pmi p = pending[i];
    if (!all && p.due > cpu->icount) {
      pending[kept++] = p;
      continue;
    }
    lvtpc_delivered++;
    for (unsigned c = 0; c < MPMU_PMCS; c++)
      seen[c].delivered += (p.pmcs >> c) & 1;
    cpu->lapic->deliver(p.lvtpc & 0xff, (p.lvtpc >> 8) & 7, 0);
  }
  nr_pending = kept;
}

void bx_mpmu_c::raise_pt(void)
{
  sync(false);
  if (intel)
    global_status |= MPMU_STATUS_PT;
  pt_raised++;
  assert_pmi(0);
}

// ---------------------------------------------------------------------------
// VM entry and exit

void bx_mpmu_c::vmx_entry(bool load, Bit64u value)
{
  sync(true);
  if (load)
    global_ctrl = value;
}

void bx_mpmu_c::guest_entered(void)
{
  sync(true);
  take_record(true);
  delivering = true;                    // what VM entry injects
  credit_guest = (mutations & MPMU_MUTATE_VMRESUME_CREDIT) != 0;
}

bool bx_mpmu_c::vmx_exit_save(Bit64u *value)
{
  sync(false);
  *value = global_ctrl;
  return !(mutations & MPMU_MUTATE_NO_GLOBAL_SAVE);
}

// The store list in place of the save control.
bool bx_mpmu_c::list_store_lost(Bit32u msr) const
{
  return msr == 0x38f && (mutations & MPMU_MUTATE_NO_GLOBAL_SAVE);
}

void bx_mpmu_c::vmx_exit_load(bool load, Bit64u value)
{
  const Bit64u leaks = BX_CONST64(0x100000001);

  sync(false);
  if (!load)
    return;
  if (mutations & MPMU_MUTATE_LEAK_COUNTER)
    value |= global_ctrl & leaks;
  global_ctrl = value;
}

void bx_mpmu_c::guest_left(void)
{
  take_record(false);
}

// An instruction belongs to the guest to its end, or is undone, before
// GLOBAL_CTRL is the host's.  RETIRES: the exit is a trap in the middle of it.
void bx_mpmu_c::exit_begin(bool retires)
{
  if (retires)
    sync(true);
  else
    forget_accesses();
  guest_left();
  in_exit = true;
}

Bit64u bx_mpmu_c::vmx_exit_debugctl(void)
{
  const Bit64u value = debugctl;

  debugctl = 0;
  return value;
}

void bx_mpmu_c::vmx_entry_debugctl(Bit64u value)
{
  debugctl = value & MPMU_DEBUGCTL_MASK;
}

bool bx_mpmu_c::vmx_can_save(void) const
{
  return model->vmx_save;
}

bool bx_mpmu_c::vmx_global_ctrl_valid(Bit64u value) const
{
  return !(value & ~global_mask());
}

// ---------------------------------------------------------------------------
// What the commands show

unsigned bx_mpmu_c::slots_per_cycle(void) const
{
  return model->slots;
}

void bx_mpmu_c::dump(struct mpmu_regs *r)
{
  fold();
  memset(r, 0, sizeof(*r));
  r->magic = MPMU_MAGIC_REGS;
  r->cpu = cpu->bx_cpuid;
  r->intel = intel;
  r->version = intel ? model->version_intel : model->version_amd;
  r->gp_mask = (1 << nr_gp) - 1;
  r->fixed_mask = (1 << nr_fixed) - 1;
  for (unsigned i = 0; i < MPMU_GP; i++) {
    r->eventsel[i] = eventsel[i];
    r->gp[i] = pmc[i];
    r->fixed[i] = pmc[MPMU_GP + i];
  }
  r->fixed_ctrl = fixed_ctrl;
  r->global_ctrl = has_global() ? global_ctrl : 0;
  r->global_status = global_status;
  r->perf_metrics = read_metrics();
  r->metrics = model->metrics;
  r->slots = model->slots;
  r->signature = model->signature;
  r->debugctl = debugctl;
  r->lvtpc = cpu->lapic->get_lvt_perfmon();
  r->guest_mode = cpu->in_vmx_guest || cpu->in_svm_guest;
  r->pmi_delay = delay;
  r->mutations = mutations | flaws;
}

// What was recorded before is lost.
void bx_mpmu_c::record(unsigned dumps)
{
  free(recorder.dumps);
  memset(&recorder, 0, sizeof(recorder));
  recorder.dumps = (struct mpmu_record *) calloc(dumps, sizeof(*recorder.dumps));
  if (recorder.dumps)
    recorder.wanted = dumps;
}

void bx_mpmu_c::take_record(bool entry)
{
  if (recorder.taken == recorder.wanted)
    return;

  struct mpmu_record *r = &recorder.dumps[recorder.taken++];

  r->magic = MPMU_MAGIC_RECORD;
  r->entry = entry;
  dump(&r->regs);
}

void bx_mpmu_c::next_record(struct mpmu_record *r)
{
  if (recorder.read < recorder.taken)
    *r = recorder.dumps[recorder.read++];
  else
    memset(r, 0, sizeof(*r));
}

void bx_mpmu_c::dump_truth(struct mpmu_truth *t) const
{
  for (unsigned c = 0; c < MPMU_PMCS; c++) {
    struct mpmu_truth_pmc *p = c < MPMU_GP ? &t->gp[c] : &t->fixed[c - MPMU_GP];
    p->overflows = seen[c].overflows;
    p->raised = seen[c].raised;
    p->delivered = seen[c].delivered;
    p->dropped = seen[c].dropped;
  }
  t->lvtpc_delivered = lvtpc_delivered;
  t->pt_raised = pt_raised;
}
