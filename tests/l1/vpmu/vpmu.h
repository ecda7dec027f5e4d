/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tests of a guest's PMU: what they share. */
#ifndef VPMU_H
#define VPMU_H

#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/types.h>

#include "../emu.h"
#include "pmu.h"

/* Options of the command line. */
struct options {
	unsigned int seed;
	int cpu;
	int scale;		/* divides the length of long tests */
	uint64_t exits;		/* that host events are measured over, 0: a few thousand */
	unsigned int swap;	/* instructions that an entry beside a counter of both hides, at most */
	bool host_event;	/* a host event is on the CPU all the time */
	const char *host;	/* what else of the host is there, see host_title() */
	uint64_t mutate;	/* MPMU_MUTATE_*, once the test list starts */
	int nr_gp;		/* general counters of a guest, 0: any number */
	const char *only;	/* part of the name of what is to run, or "" */
};

extern struct options options;

/* TAP */
bool check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Equal to the bit for one seed. */
uint64_t random_below(uint64_t limit);

/* Address of a function of the kernel, or the end of the program. */
uint64_t kernel_function(const char *name);

/* A VM with its PMU, or the end of the program. */
struct machine {
	struct vm vm;
	struct pmu pmu;
};

void machine_start(struct machine *machine, const struct vm_config *config);
void machine_stop(struct machine *machine);
int machine_run(struct machine *machine);

/* Host events: instructions on a CPU, or of this thread.  -errno on failure. */
#define HOST_EXCLUDE_GUEST	0x01
#define HOST_EXCLUDE_HOST	0x02
#define HOST_EXCLUDE_USER	0x04
#define HOST_EXCLUDE_KERNEL	0x08
#define HOST_DISABLED		0x10
#define HOST_PINNED		0x20
#define HOST_TASK		0x40
#define HOST_CGROUP		0x80

/* Of a task, of a CPU (pid -1), or of a control group's directory on a CPU. */
int host_event_of(int pid, int cpu, unsigned int flags, uint64_t period);
int host_event(int cpu, unsigned int flags, uint64_t period);
/* perf_event_open(), closed at exec; what it returns, or a negative errno. */
int host_event_open(const struct perf_event_attr *attr, int pid, int cpu, int group,
		    unsigned long flags);
/* In between this task may use RDPMC: no counter of others has a value then. */
int host_reader_begin(void **page);
void host_reader_end(int fd, void *page);
/* A trace of a CPU by PT, disabled, the same each time. */
int host_trace(int cpu);
void host_event_enable(int fd, bool on);
uint64_t host_event_read(int fd);
void host_event_close(int fd);
void spin_between_reclaims(void);

/*
 * What a host has on its PMU for as long as it runs: none, watchdog, event (one, that
 * samples), both, 9 (events).  How a table calls it, or NULL; -errno on failure.
 */
const char *host_title(const char *name);
int host_begin(const char *name, int cpu);

/* All of a text into a file of the kernel's. */
bool write_file(const char *path, const char *text);
/* Do values of a guest stay in the registers while it does not run?  By default. */
void park_guests(bool park);
/* Do plain events of the host count on beside a guest? */
bool host_shares(void);

/* Does the kernel's log have that text? */
int log_count(const char *text);
void log_clear(void);

/*
 * Between two instructions of the guest, a vCPU goes on as another, whose VM has the
 * same memory, or in a new VM on the other CPU; of one vCPU at a time, whose MSRs have
 * been listed.
 */
void vcpu_list_msrs(struct vcpu *vcpu);
void vcpu_move_to(struct vcpu *vcpu, struct vcpu *other);
void vcpu_move_to_new(struct vcpu *vcpu);

/* The first vCPU in a thread of its own, on that CPU to begin with. */
struct runner {
	struct machine *machine;
	pthread_t thread;
	volatile pid_t tid;
	volatile bool done;
	int cpu;
	int status;
};

void runner_start(struct runner *runner, struct machine *machine, int cpu);
int runner_end(struct runner *runner);

/*
 * Interrupts of counter 0 until there were so many, as NMI or fixed vector; how
 * often it wrapped so far, on whichever CPU; and whether each wrap was handled
 * once.
 */
void pmi_job(const struct pmu *pmu, struct guest_job *job, enum guest_body body, uint64_t hits,
	     bool vector);
uint64_t overflows(void);
void judge_pmis(const struct guest_result *result, uint64_t wraps, uint64_t hits, const char *how);
/* A host event comes and goes on the guest's CPU, ordered by another CPU. */
struct reclaimer {
	pthread_t thread;
	volatile bool stop;
	volatile uint64_t rounds;
	bool traces;		/* the event is one of PT */
	int more_pauses;	/* than one between two rounds */
};

void reclaimer_start(struct reclaimer *reclaimer);
void reclaimer_stop(struct reclaimer *reclaimer);

/* Is this one of those that --only wants? */
bool wanted(const char *name);

/*
 * Count a loop, with all counters, in windows of N and 2N turns; how many
 * counters were wrong.
 */
unsigned int count_wrong(struct machine *machine, enum guest_body body, uint64_t turns, bool user);
/* The same where the vCPU changes its CPU in a window: compare with the disassembly only. */
unsigned int count_wrong_elsewhere(struct machine *machine, enum guest_body body, uint64_t turns,
				   bool user);

/*
 * Everything that has a tracepoint, displaced at each exit for a while or not; a
 * reclaim needs another CPU.
 */
void do_everything(struct machine *machine, bool displaced);
/* The selector that this has denied in GP counter 1. */
uint64_t denied_event(const struct pmu *pmu);

/* By a filter, or no longer: in general counters and in the fixed one. */
int deny_instructions(const struct machine *machine, bool deny);

/* Programs: one per test list. */
int test_count(void);
int test_tpr(void);
int test_access(void);
int test_put(void);
int test_park(void);
int test_cost(void);
int test_pmi(void);
int test_pt(void);
int test_pair(void);
int test_smoke(void);
int test_exits(void);
int test_peer(void);
int test_metrics(void);
int test_host(void);
int test_nmi(void);
int test_windows(void);
int test_dumps(void);
int test_state(void);
int test_live(void);
int test_wait(void);
int test_power(void);
int test_sleep(void);
int test_soak(void);
int test_choice(void);
int test_misuse(void);
int test_stats(void);
int test_trace(void);
int test_tools(void);

#endif
