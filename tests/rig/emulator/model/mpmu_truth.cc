// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The truth, the regions and the report.

#include "bochs.h"
#include "cpu.h"

static const char *const mode_name[2] = { "root", "guest" };

void bx_mpmu_truth_c::init(unsigned cpu)
{
  memset(this, 0, sizeof(*this));
  cpu_id = cpu;
  loaded_at = stored_at = ~(Bit64u) 0;
}

// The instruction under way did not retire: a fault, an exit, or an interrupt
// before it, or in the middle of a REP.
void bx_mpmu_truth_c::take_back(void)
{
  loads -= loaded_at == retired;
  stores -= stored_at == retired;
  loaded_at = stored_at = ~(Bit64u) 0;
}

// Nothing may have run where it comes since that place was entered.
void bx_mpmu_truth_c::interrupt(unsigned where)
{
  take_back();
  if (where != place)
    move(where);
  interrupts++;
  quiet = true;
}

// VMLAUNCH and VMRUN retired though what they injected did not get through.
void bx_mpmu_truth_c::landing(void)
{
  if (!entering)
    take_back();
  retired += entering;
  entering = false;
}

// Credit what ran since the last call to the place where it ran.
void bx_mpmu_truth_c::settle(void)
{
  const Bit64u ref_cycles = (retired + partial) / BX_SMP_PROCESSORS;
  Bit64u now[SUMS] = { retired, partial, loads, stores, interrupts };

  for (unsigned k = 0; k < MPMU_BRANCH_KINDS; k++)
    now[BRANCHES + k] = branch[k];
  for (unsigned s = 0; s < SUMS; s++) {
    at[place].sum[s] += now[s] - then[s];
    then[s] = now[s];
  }
  at[place].ref_cycles += ref_cycles - ref_cycles_then;
  ref_cycles_then = ref_cycles;
  seen.instructions[place >> 1][place & 1] = at[place].sum[RETIRED];
}

void bx_mpmu_truth_c::move(unsigned where)
{
  settle();
  place = where;
}

Bit64u bx_mpmu_truth_c::guest_retired(void) const
{
  return at[2].sum[RETIRED] + at[3].sum[RETIRED] + (place >= 2 ? retired - then[RETIRED] : 0);
}

void bx_mpmu_truth_c::watch_trace(unsigned where, bool counted, Bit64u rip)
{
  watch.trace_begin(retired, guest_retired(), where == 0, counted, rip);
}

static bool is_interrupt(unsigned reason, bool intel)
{
  return intel ? reason <= 1 : reason == 0x60 || reason == 0x61;
}

void bx_mpmu_truth_c::vmexit(unsigned reason, bool intel)
{
  unsigned index = reason;

  if (watch.active && !is_interrupt(reason, intel))
    watch.exited(guest_retired());
  if (!intel && reason >= 0x400)
    index = MPMU_EXIT_AMD_0X400 + (reason - 0x400);
  if (index >= MPMU_NR_EXITS)
    index = MPMU_EXIT_INVALID;
  seen.vmexits_total++;
  seen.vmexits[index]++;
}

Bit64u bx_mpmu_truth_c::branches_at(unsigned p) const
{
  Bit64u branches = 0;

  for (unsigned k = 0; k < MPMU_BRANCH_KINDS; k++)
    branches += at[p].sum[BRANCHES + k];
  return branches;
}

void bx_mpmu_truth_c::fill_counts(struct mpmu_truth *t, unsigned p) const
{
  const Bit64u *sum = at[p].sum, *kind = sum + BRANCHES;
  Bit64u counts[MPMU_TRUTH_COUNTS];

  counts[MPMU_TRUTH_CONDITIONAL] = kind[MPMU_BRANCH_TAKEN] + kind[MPMU_BRANCH_NOT_TAKEN];
  counts[MPMU_TRUTH_TAKEN] = branches_at(p) - kind[MPMU_BRANCH_NOT_TAKEN] - kind[MPMU_BRANCH_FAR];
  counts[MPMU_TRUTH_CALLS] = kind[MPMU_BRANCH_CALL] + kind[MPMU_BRANCH_CALL_INDIRECT];
  counts[MPMU_TRUTH_RETURNS] = kind[MPMU_BRANCH_RETURN];
  counts[MPMU_TRUTH_FAR] = kind[MPMU_BRANCH_FAR];
  counts[MPMU_TRUTH_LOADS] = sum[LOADS];
  counts[MPMU_TRUTH_STORES] = sum[STORES];
  counts[MPMU_TRUTH_INTERRUPTS] = sum[INTERRUPTS];
  for (unsigned c = 0; c < MPMU_TRUTH_COUNTS; c++)
    t->counts[c][p >> 1][p & 1] = counts[c];
}

// The uses of slots of mpmu_metrics.cc, from what is known here.
void bx_mpmu_truth_c::fill_topdown(struct mpmu_truth *t, unsigned p) const
{
  const unsigned guest = p >> 1, user = p & 1;
  const Bit64u instructions = t->instructions[guest][user], cycles = t->cycles[guest][user];
  const Bit64u retiring = instructions + cycles, wasted = t->branches[guest][user];
  const Bit64u uses[MPMU_TRUTH_USES] = {
    retiring, wasted, wasted, slots * cycles - retiring - 2 * wasted,
    cycles - instructions, t->counts[MPMU_TRUTH_CONDITIONAL][guest][user],
    t->counts[MPMU_TRUTH_TAKEN][guest][user], cycles,
  };

  for (unsigned u = 0; u < MPMU_TRUTH_USES; u++)
    t->topdown[u][guest][user] = uses[u];
}

void bx_mpmu_truth_c::fill(struct mpmu_truth *t)
{
  settle();
  memset(t, 0, sizeof(*t));
  t->magic = MPMU_MAGIC_TRUTH;
  t->cpu = cpu_id;
  for (unsigned p = 0; p < 4; p++) {
    const unsigned guest = p >> 1, user = p & 1;
    const Bit64u cycles = at[p].sum[RETIRED] + at[p].sum[PARTIAL];
    t->instructions[guest][user] = at[p].sum[RETIRED];
    t->branches[guest][user] = branches_at(p);
    t->cycles[guest][user] = cycles;
    t->ref_cycles[guest][user] = at[p].ref_cycles;
    t->slots[guest][user] = cycles * slots;
    fill_counts(t, p);
    fill_topdown(t, p);
  }
}

// ---------------------------------------------------------------------------
// Regions.  All of mpmu_events is u64, so regions add and subtract as arrays.

static const unsigned EVENT_WORDS = sizeof(mpmu_events) / sizeof(Bit64u);

static void add(mpmu_events *sum, const mpmu_events *end, const mpmu_events *begin)
{
  Bit64u *s = (Bit64u *) sum;
  const Bit64u *e = (const Bit64u *) end, *b = (const Bit64u *) begin;

  for (unsigned i = 0; i < EVENT_WORDS; i++)
    s[i] += e[i] - b[i];
}

// The mark itself is outside: it retires after the call.
void bx_mpmu_truth_c::mark_begin(unsigned r)
{
  settle();
  region[r].repeats++;
  region[r].open = true;
  region[r].begin = seen;
  region[r].begin.instructions[place >> 1][place & 1]++;
}

void bx_mpmu_truth_c::mark_end(unsigned r)
{
  if (!region[r].open)
    return;
  settle();
  region[r].open = false;
  add(&region[r].sum, &seen, &region[r].begin);
}

void bx_mpmu_truth_c::fill(struct mpmu_region *out, unsigned r)
{
  mpmu_events e = region[r].sum;

  settle();
  if (region[r].open)
    add(&e, &seen, &region[r].begin);
  memset(out, 0, sizeof(*out));
  out->magic = MPMU_MAGIC_REGION;
  out->region = r;
  out->repeats = region[r].repeats;
  memcpy(out->instructions, e.instructions, sizeof(e.instructions));
  memcpy(out->pmu_rdmsr, e.pmu_rdmsr, sizeof(e.pmu_rdmsr));
  memcpy(out->pmu_wrmsr, e.pmu_wrmsr, sizeof(e.pmu_wrmsr));
  memcpy(out->rdpmc, e.rdpmc, sizeof(e.rdpmc));
  out->lvtpc_writes = e.lvtpc_writes;
  out->pmu_auto = e.pmu_auto;
  out->vmentries = e.vmentries;
  out->vmexits_total = e.vmexits_total;
  memcpy(out->vmexits, e.vmexits, sizeof(e.vmexits));
}

// ---------------------------------------------------------------------------
// The report

static void report_events(FILE *out, const char *prefix, const mpmu_events *e)
{
  for (unsigned m = 0; m < 2; m++) {
    fprintf(out, "%s %s: kernel instructions %llu, user instructions %llu, "
            "PMU rdmsr %llu, wrmsr %llu, rdpmc %llu\n", prefix, mode_name[m],
            e->instructions[m][0], e->instructions[m][1],
            e->pmu_rdmsr[m], e->pmu_wrmsr[m], e->rdpmc[m]);
  }
  fprintf(out, "%s: LVTPC writes %llu, PMU accesses by lists %llu, VM entries %llu, exits %llu\n",
          prefix, e->lvtpc_writes, e->pmu_auto, e->vmentries, e->vmexits_total);
  for (unsigned i = 0; i < MPMU_NR_EXITS; i++) {
    if (e->vmexits[i])
      fprintf(out, "%s: exit %u: %llu\n", prefix, i, e->vmexits[i]);
  }
}

void bx_mpmu_truth_c::report(FILE *out)
{
  char prefix[32];

  settle();
  snprintf(prefix, sizeof(prefix), "cpu %u", cpu_id);
  report_events(out, prefix, &seen);
  for (unsigned r = 0; r < MPMU_MAX_REGIONS; r++) {
    if (!region[r].repeats)
      continue;
    mark_end(r);
    snprintf(prefix, sizeof(prefix), "cpu %u region %u", cpu_id, r);
    fprintf(out, "%s: repeats %llu\n", prefix, region[r].repeats);
    report_events(out, prefix, &region[r].sum);
  }
}
