// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The commands of mpmu_magic.h, and the report file.

#define NEED_CPU_REG_SHORTCUTS 1
#include "bochs.h"
#include "cpu.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static FILE *report_file;

static void write_report(void)
{
  if (!report_file)
    return;
  for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++)
    BX_CPU(i)->truth.report(report_file);
  fclose(report_file);
  report_file = NULL;
}

// The runner ends the emulator with SIGTERM once it has the verdict.
static void terminate(int)
{
  write_report();
  _exit(0);
}

static void open_report(void)
{
  const char *name = getenv("MPMU_REPORT");
  static bool done;

  if (done)
    return;
  done = true;
  signal(SIGTERM, terminate);
  if (!name || !*name)
    return;
  report_file = fopen(name, "w");
  if (!report_file) {
    perror(name);
    exit(2);
  }
  setlinebuf(report_file);
  atexit(write_report);
}

void BX_CPU_C::mpmu_init(void)
{
  open_report();
  truth.init(bx_cpuid);
  mpmu.init(this);
  truth.set_slots(mpmu.slots_per_cycle());
}

void BX_CPU_C::mpmu_hook_accesses(void)
{
  mpmu_accesses = mpmu.memory || truth.memory;
}

// Of the counters and the truth, for whoever counts them.
void BX_CPU_C::mpmu_access(unsigned rw, Bit64u phy)
{
  if (truth.memory)
    truth.access(rw);
  if (!mpmu.memory)
    return;
  mpmu.access(rw, icount);
  if (phy != MPMU_NO_ADDRESS)
    mpmu.touch_line(phy);
}

static void count_memory(void)
{
  for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++) {
    BX_CPU(i)->truth.memory = true;
    BX_CPU(i)->mpmu_hook_accesses();
  }
}

static void mutate(Bit64u mutations)
{
  bx_mpmu_c::mutations = (Bit32u) mutations;
  bx_mpmu_c::flaws = mutations >> MPMU_FLAW_SHIFT << MPMU_FLAW_SHIFT;
  for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++)
    BX_CPU(i)->mpmu.reconfigure();
}

// A store of the guest: it may fault, and then all of the command starts again.
void BX_CPU_C::mpmu_answer(const void *data, unsigned size)
{
  const Bit64u *words = (const Bit64u *) data;

  for (unsigned i = 0; i < size / 8; i++)
    write_virtual_qword(BX_SEG_REG_DS, RDI + 8 * i, words[i]);
}

void BX_CPU_C::mpmu_command(unsigned command, unsigned arg)
{
  union {
    struct mpmu_truth truth;
    struct mpmu_regs regs;
    struct mpmu_region region;
    struct mpmu_watch watch;
    struct mpmu_record record;
    Bit64u present;
  } answer;

  switch (command) {
  case MPMU_CMD_MARK_BEGIN:
    truth.mark_begin(arg % MPMU_MAX_REGIONS);
    break;
  case MPMU_CMD_MARK_END:
    truth.mark_end(arg % MPMU_MAX_REGIONS);
    break;
  case MPMU_CMD_READ_TRUTH:
    truth.fill(&answer.truth);
    mpmu.dump_truth(&answer.truth);
    mpmu_answer(&answer.truth, sizeof(answer.truth));
    break;
  case MPMU_CMD_READ_REGS:
    mpmu.dump(&answer.regs);
    mpmu_answer(&answer.regs, sizeof(answer.regs));
    break;
  case MPMU_CMD_READ_REGION:
    truth.fill(&answer.region, arg % MPMU_MAX_REGIONS);
    mpmu_answer(&answer.region, sizeof(answer.region));
    break;
  case MPMU_CMD_RAISE_PT:
    mpmu.raise_pt();
    break;
  case MPMU_CMD_RAISE_NMI:
    deliver_NMI();
    break;
  case MPMU_CMD_SET_PMI_DELAY:
    bx_mpmu_c::delay = RDI > 4000 ? 4000 : RDI;
    break;
  case MPMU_CMD_PRESENT:
    answer.present = MPMU_MAGIC_PRESENT;
    mpmu_answer(&answer.present, sizeof(answer.present));
    break;
  case MPMU_CMD_LOG:
    if (report_file)
      fprintf(report_file, "cpu %u log %u: %llu (%#llx)\n", bx_cpuid, arg,
              (unsigned long long) RDI, (unsigned long long) RDI);
    break;
  case MPMU_CMD_SET_MUTATE:
    mutate(RDI);
    break;
  case MPMU_CMD_WATCH:
    truth.watch.set(arg % MPMU_WATCHES, RDI, truth.retired);
    break;
  case MPMU_CMD_READ_WATCH:
    truth.watch.fill(&answer.watch);
    mpmu_answer(&answer.watch, sizeof(answer.watch));
    break;
  case MPMU_CMD_RECORD:
    mpmu.record(RDI > MPMU_MAX_RECORDS ? MPMU_MAX_RECORDS : (unsigned) RDI);
    break;
  case MPMU_CMD_READ_RECORD:
    mpmu.next_record(&answer.record);
    mpmu_answer(&answer.record, sizeof(answer.record));
    break;
  case MPMU_CMD_COUNT_MEMORY:
    count_memory();
    break;
  }
}
