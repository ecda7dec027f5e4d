/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof of the emulator's PMU from L1's user space, on a stock kernel: every
 * counter, through perf_event_open(), against loops of known length and
 * against the emulator's independent truth.
 *
 * model [-n LENGTH] [-c CPU] [PART...]
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"
#include "emu.h"
#include "audit.h"
#include "pmc.h"

typedef void loop_fn(long n, void *memory);

loop_fn loop_plain, loop_calls, loop_branches, loop_strings, loop_syscalls,
	loop_ud, loop_pages, loop_rep_pages, loop_serialize, loop_line;
void on_ud(int sig, siginfo_t *info, void *context);
void on_ud_restore(void);
extern char line_start[], line_end[];
long around(int fd, unsigned long on, unsigned long off, loop_fn *fn, long n, void *memory);

static long length = 20011;
static int cpu;
static enum core core;

struct loop {
	const char *name;
	loop_fn *fn;
	unsigned int instructions, branches;	/* per n, in user mode */
	unsigned int max;			/* n at most; 0: any */
	unsigned int conditional, calls, returns, loads, stores;
};

static const struct loop loops[] = {
	{ "plain", loop_plain, 2, 1, 0, 1, 0, 0, 0, 0 },
	{ "calls", loop_calls, 4, 3, 0, 1, 1, 1, 1, 1 },
	{ "branches", loop_branches, 4, 3, 0, 2, 0, 0, 0, 0 },
	{ "strings", loop_strings, 8, 1, 2000, 1, 0, 0, 2, 1 },
	{ "syscalls", loop_syscalls, 4, 2, 2000, 1, 0, 0, 0, 0 },
	{ "undefined instructions", loop_ud, 6, 3, 300, 1, 0, 1, 2, 1 },
	{ "page faults", loop_pages, 4, 1, 500, 1, 0, 0, 0, 1 },
	{ "page faults in REP", loop_rep_pages, 0, 0, 200, 0, 0, 0, 0, 0 },
	{ "serializing", loop_serialize, 5, 1, 2000, 1, 0, 0, 0, 0 },
	{ }
};

static unsigned int per_turn(const struct loop *loop, enum truth_kind kind)
{
	switch (kind) {
	case TRUTH_INSTRUCTIONS: return loop->instructions;
	case TRUTH_BRANCHES: return loop->branches;
	case TRUTH_CONDITIONAL: return loop->conditional;
	case TRUTH_CALLS: return loop->calls;
	case TRUTH_RETURNS: return loop->returns;
	case TRUTH_LOADS: return loop->loads;
	case TRUTH_STORES: return loop->stores;
	default: return 0;
	}
}

/* Fresh pages for each run: twice the largest max of a loop that faults. */
#define POOL_PAGES 1024

static void *pool_new(void)
{
	void *pool = mmap(NULL, POOL_PAGES << 12, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pool == MAP_FAILED) {
		perror("Bail out! mmap");
		exit(1);
	}
	return pool;
}

struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

/* Past libc, so that every instruction between fault and return is known. */
static void handle_ud(void)
{
	struct kernel_sigaction action = {
		.handler = on_ud,
		.flags = SA_SIGINFO | 0x04000000 /* SA_RESTORER */,
		.restorer = on_ud_restore,
	};

	if (syscall(SYS_rt_sigaction, SIGILL, &action, NULL, 8))
		perror("Bail out! rt_sigaction");
}

static void pin(int to)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(to, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("Bail out! sched_setaffinity");
}

static long loop_length(const struct loop *loop)
{
	return loop->max && loop->max < length ? loop->max : length;
}

static void run_loop(const struct loop *loop, long n)
{
	void *pool = pool_new();

	loop->fn(n, pool);
	munmap(pool, POOL_PAGES << 12);
}

static void run_all_loops(void)
{
	const struct loop *loop;

	for (loop = loops; loop->name; loop++)
		run_loop(loop, loop_length(loop));
	usleep(2000);
}

/* --- count: a task's own events, as read() returns them --- */

static uint64_t count_once(int fd, const struct loop *loop, long n)
{
	void *pool = pool_new();
	uint64_t value = 0;

	ioctl(fd, PERF_EVENT_IOC_RESET, 0);
	around(fd, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE, loop->fn, n, pool);
	if (!event_read(fd, &value))
		note("the event lost its counter");
	munmap(pool, POOL_PAGES << 12);
	return value;
}

static void check_slope(int fd, struct event e, const struct loop *loop, unsigned int each)
{
	long n = loop_length(loop);
	uint64_t one = count_once(fd, loop, n);
	uint64_t two = count_once(fd, loop, 2 * n);

	check_eq(two - one, (uint64_t)n * each, "count: %s of the %s loop, exact in user mode",
		 e.name, loop->name);
}

static void check_slopes(struct event e, enum truth_kind kind)
{
	struct perf_event_attr attr = event_attr(e);
	const struct loop *loop;
	int fd;

	attr.exclude_kernel = 1;
	attr.pinned = 1;
	fd = event_open(&attr, 0, -1, -1);
	for (loop = loops; loop->name; loop++)
		check_slope(fd, e, loop, per_turn(loop, kind));
	close(fd);
}

static struct event raw_event(enum truth_kind kind)
{
	const struct truth_event *e = truth_event_of(core, kind);

	return (struct event){ PERF_TYPE_RAW, e->select, e->name };
}

/* Zen has no event of calls. */
static void part_count(void)
{
	static const enum truth_kind kinds[] = {
		TRUTH_CONDITIONAL, TRUTH_CALLS, TRUTH_RETURNS, TRUTH_LOADS, TRUTH_STORES,
	};
	const struct event instructions = EVENT_INSTRUCTIONS, branches = EVENT_BRANCHES;
	unsigned int i;

	check_slopes(instructions, TRUTH_INSTRUCTIONS);
	check_slopes(branches, TRUTH_BRANCHES);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (truth_event_of(core, kinds[i])->kind)
			check_slopes(raw_event(kinds[i]), kinds[i]);
}

/* --- truth: every counter at once, against the truth --- */

#define MAX_GROUP 32

struct mix {
	const char *name;
	bool kernel, user;
	unsigned int nr;
	struct event events[4];		/* fill the GP counters in turn */
};

static const struct mix mixes[] = {
	{ "instructions, both modes", true, true, 1, { EVENT_INSTRUCTIONS } },
	{ "instructions, user", false, true, 1, { EVENT_INSTRUCTIONS } },
	{ "instructions, kernel", true, false, 1, { EVENT_INSTRUCTIONS } },
	{ "branches, both modes", true, true, 1, { EVENT_BRANCHES } },
	{ "branches, user", false, true, 1, { EVENT_BRANCHES } },
	{ "branches, kernel", true, false, 1, { EVENT_BRANCHES } },
	{ "a mixture, both modes", true, true, 3,
	  { EVENT_CYCLES, EVENT_INSTRUCTIONS, EVENT_BRANCHES } },
	{ "a mixture, user", false, true, 3,
	  { EVENT_BRANCHES, EVENT_CYCLES, EVENT_INSTRUCTIONS } },
	{ "a mixture, kernel", true, false, 3,
	  { EVENT_INSTRUCTIONS, EVENT_BRANCHES, EVENT_CYCLES } },
	{ }
};

/* Events that only a fixed counter has. */
static const struct event fixed_only[] = {
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, "ref-cycles" },
	{ PERF_TYPE_RAW, 0x0400, "slots" },
};

static void add_event(int *fds, unsigned int *nr, const struct mix *mix, struct event e)
{
	struct perf_event_attr attr = event_attr(e);
	int fd;

	attr.exclude_kernel = !mix->kernel;
	attr.exclude_user = !mix->user;
	attr.exclude_hv = 1;
	attr.pinned = 1;
	fd = event_try(&attr, -1, cpu, -1);
	if (fd >= 0)
		fds[(*nr)++] = fd;
}

static void enable_all(const int *fds, unsigned int nr, unsigned long request)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ioctl(fds[i], request, 0);
}

/* More events than counters: those that find none end up in error, harmlessly. */
static unsigned int open_mix(const struct mix *mix, int *fds, const struct mpmu_regs *r)
{
	unsigned int nr = 0, i;

	if (r->intel) {
		add_event(fds, &nr, mix, fixed_only[0]);
		if (r->fixed_mask & 8)
			add_event(fds, &nr, mix, fixed_only[1]);
	}
	for (i = 0; i < 12; i++)
		add_event(fds, &nr, mix, mix->events[i % mix->nr]);
	return nr;
}

static uint64_t check_mix(const struct mix *mix)
{
	static struct snapshot from, to;
	int fds[MAX_GROUP];
	struct audit a;
	unsigned int nr, i;

	emu_snapshot(&from);
	nr = open_mix(mix, fds, &from.regs);
	enable_all(fds, nr, PERF_EVENT_IOC_ENABLE);
	emu_snapshot(&from);
	run_all_loops();
	emu_snapshot(&to);
	enable_all(fds, nr, PERF_EVENT_IOC_DISABLE);
	for (i = 0; i < nr; i++)
		close(fds[i]);
	a = audit(&from, &to, AUDIT_BOTH);
	if (a.wrong)
		note("wrong counters %#llx of %#llx, one by %lld",
		     (unsigned long long)a.wrong, (unsigned long long)a.active,
		     (long long)a.worst);
	check(a.active && !a.wrong, "truth: %s, equal on every counter", mix->name);
	return a.active;
}

/* Four of this machine's own events at once, in each mode. */
static uint64_t check_own_events(enum truth_kind first)
{
	static const char *const modes[] = { "user", "kernel", "both modes" };
	char name[64];
	struct mix mix = { .name = name };
	uint64_t seen = 0;
	unsigned int mode, i;

	for (i = first; i < first + 4; i++)
		if (truth_event_of(core, i)->kind)
			mix.events[mix.nr++] = raw_event(i);
	for (mode = 0; mode < 3; mode++) {
		snprintf(name, sizeof(name), "%s and %u more, %s", mix.events[0].name, mix.nr - 1,
			 modes[mode]);
		mix.user = mode != 1;
		mix.kernel = mode != 0;
		seen |= check_mix(&mix);
	}
	return seen;
}

static void part_truth(void)
{
	const struct mix *mix;
	struct snapshot now;
	uint64_t seen = 0, want;

	for (mix = mixes; mix->name; mix++)
		seen |= check_mix(mix);
	seen |= check_own_events(TRUTH_CONDITIONAL);
	seen |= check_own_events(TRUTH_FAR);
	emu_snapshot(&now);
	want = now.regs.gp_mask | (now.regs.intel ? now.regs.fixed_mask << 32 : 0);
	check_eq(seen, want, "truth: every counter was used");
}

/* --- topdown: PERF_METRICS, as Linux makes events of it --- */

#define RAW_SLOTS	0x0400
#define RAW_METRIC	0x8000		/* + 0x100 for each field */

static const char *const uses[] = {
	"retiring", "bad speculation", "frontend", "backend", "heavy operations",
	"mispredicted branches", "fetch latency", "memory",
};

static void open_topdown(int *fds, unsigned int fields, bool kernel, bool user)
{
	unsigned int i;

	for (i = 0; i <= fields; i++) {
		struct event e = { PERF_TYPE_RAW, i ? RAW_METRIC + 0x100 * (i - 1) : RAW_SLOTS, "" };
		struct perf_event_attr attr = event_attr(e);

		attr.exclude_kernel = !kernel;
		attr.exclude_user = !user;
		attr.disabled = i == 0;
		attr.pinned = i == 0;
		attr.read_format = PERF_FORMAT_GROUP;
		fds[i] = event_open(&attr, -1, cpu, i ? fds[0] : -1);
	}
}

/* The leader is slots, the others are fractions of it: off by one in 255. */
static void check_topdown(unsigned int fields, bool kernel, bool user, const char *mode)
{
	static struct snapshot from, to;
	const struct counter c = { .kind = TRUTH_SLOTS, .usr = user, .os = kernel, .root = true };
	uint64_t value[10] = { 0 };
	unsigned int i;
	int fds[9];

	open_topdown(fds, fields, kernel, user);
	ioctl(fds[0], PERF_EVENT_IOC_ENABLE, 0);
	emu_snapshot(&from);
	run_all_loops();
	emu_snapshot(&to);
	ioctl(fds[0], PERF_EVENT_IOC_DISABLE, 0);
	if (read(fds[0], value, sizeof(value)) != (ssize_t)((fields + 2) * sizeof(value[0])))
		note("the group lost its counters");
	for (i = 0; i < fields; i++) {
		uint64_t used = truth_sum(&c, from.truth.topdown[i], to.truth.topdown[i]);
		uint64_t slots = truth_sum(&c, from.truth.slots, to.truth.slots);
		double got = value[1] ? 255. * value[2 + i] / value[1] : -1;
		double want = 255. * used / slots;

		if (got < want - 1.5 || got > want + 1.5)
			note("%.2f of 255, the truth is %.2f", got, want);
		check(got >= want - 1.5 && got <= want + 1.5, "topdown: %s, %s, as the truth has it",
		      uses[i], mode);
	}
	for (i = 0; i <= fields; i++)
		close(fds[i]);
}

static void part_topdown(void)
{
	struct snapshot now;

	emu_snapshot(&now);
	if (!now.regs.metrics)
		return;
	check_topdown(now.regs.metrics, true, true, "both modes");
	check_topdown(now.regs.metrics, false, true, "user");
	check_topdown(now.regs.metrics, true, false, "kernel");
}

/* --- shared: the L3 and NB counters of AMD, through Linux' driver --- */

static uint32_t pmu_type(const char *name)
{
	char path[96];
	uint32_t type = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", name);
	f = fopen(path, "r");
	if (f && fscanf(f, "%u", &type) != 1)
		type = 0;
	if (f)
		fclose(f);
	return type;
}

static void check_shared_event(const char *pmu, uint64_t config, uint64_t least)
{
	struct event e = { pmu_type(pmu), config, pmu };
	struct perf_event_attr attr = event_attr(e);
	uint64_t value = 0;
	char line;
	int fd, i;

	if (!check(e.type != 0, "shared: Linux has %s", pmu))
		return;
	fd = event_open(&attr, -1, cpu, -1);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	for (i = 0; i < 500; i++)
		__asm__ volatile("clflush %0" : "=m" (line));
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	event_read(fd, &value);
	close(fd);
	note("%s counts %llu", pmu, (unsigned long long)value);
	check(value >= least, "shared: %s counts", pmu);
}

static void part_shared(void)
{
	check_shared_event("amd_l3", 0xff04, 500);	/* l3_lookup_state, all */
	check_shared_event("amd_l3", 0x0104, 500);	/* misses */
	check_shared_event("amd_df", 0x0007, 1);
}

/* --- sample: one sample per period, where it belongs --- */

#define RING_PAGES 64

struct sampler {
	int fd;
	struct perf_event_mmap_page *page;
	uint64_t samples, lost;
	int64_t skid_min, skid_max;
};

struct sample {
	struct perf_event_header header;
	uint64_t ip;
};

static void sampler_open(struct sampler *s, struct event e, uint64_t period)
{
	struct perf_event_attr attr = event_attr(e);

	attr.exclude_kernel = 1;
	attr.pinned = 1;
	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_IP;
	*s = (struct sampler){ .fd = event_open(&attr, 0, -1, -1), .skid_min = INT64_MAX,
		.skid_max = INT64_MIN };
	s->page = mmap(NULL, (1 + RING_PAGES) << 12, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, 0);
	if (s->page == MAP_FAILED) {
		perror("Bail out! mmap of a ring");
		exit(1);
	}
}

static void sampler_close(struct sampler *s)
{
	munmap(s->page, (1 + RING_PAGES) << 12);
	close(s->fd);
}

/*
 * The k-th sample of the straight line should hit its instruction k * period,
 * less the few that come between enabling and the line.
 */
static void sample_skid(struct sampler *s, uint64_t ip, uint64_t period)
{
	int64_t body = 4098, offset = ip - (uintptr_t)line_start;
	int64_t skid;

	if (ip < (uintptr_t)line_start || ip > (uintptr_t)line_end)
		return;
	if (offset > 4096)	/* the two instructions at the end: 3 and 6 bytes */
		offset = offset >= 4099 ? 4097 : 4096;
	skid = (offset + body - (int64_t)(s->samples * period % body)) % body;
	if (skid > body / 2)
		skid -= body;
	if (skid < s->skid_min)
		s->skid_min = skid;
	if (skid > s->skid_max)
		s->skid_max = skid;
}

static void sampler_drain(struct sampler *s, uint64_t period, bool line)
{
	char *data = (char *)s->page + s->page->data_offset;
	uint64_t size = s->page->data_size, tail = s->page->data_tail;

	while (tail != s->page->data_head) {
		const struct sample *r = (void *)(data + tail % size);

		if (r->header.type == PERF_RECORD_SAMPLE) {
			s->samples++;
			if (line)
				sample_skid(s, r->ip, period);
		} else {
			s->lost += r->header.type == PERF_RECORD_LOST ||
				   r->header.type == PERF_RECORD_THROTTLE;
		}
		tail += r->header.size;
	}
	s->page->data_tail = tail;
}

static void check_samples(struct event e, loop_fn *fn, long n, uint64_t period, const char *what)
{
	struct sampler s;
	uint64_t count = 0;

	sampler_open(&s, e, period);
	around(s.fd, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE, fn, n, NULL);
	event_read(s.fd, &count);
	sampler_drain(&s, period, fn == loop_line);
	note("%s: %llu samples of %s, count %llu", what,
	     (unsigned long long)s.samples, e.name, (unsigned long long)count);
	check_eq(s.samples, count / period, "sample: %s, one per period of %llu %s",
		 what, (unsigned long long)period, e.name);
	check_eq(s.lost, 0, "sample: %s, none lost or throttled", what);
	if (fn == loop_line) {
		note("%s: skid from %lld to %lld", what, (long long)s.skid_min,
		     (long long)s.skid_max);
		check(s.skid_min >= -8 && s.skid_max <= 32,
		      "sample: %s, skid of at most one trace", what);
	}
	sampler_close(&s);
}

static void part_sample(void)
{
	struct event instructions = EVENT_INSTRUCTIONS, branches = EVENT_BRANCHES;

	check_samples(instructions, loop_plain, 1000 * length / 10, 20011, "plain loop");
	check_samples(branches, loop_calls, 1000 * length / 20, 15013, "calls");
	check_samples(instructions, loop_line, 2 * length / 10, 10007, "straight line");
	check_samples(instructions, loop_plain, 1500000, 1009, "thousands");
}

/* --- stability --- */

static void part_cpus(void)
{
	static const struct event e = EVENT_INSTRUCTIONS;
	int nr = sysconf(_SC_NPROCESSORS_ONLN), i, status, bad = 0;

	for (i = 0; i < nr; i++) {
		if (fork())
			continue;
		struct perf_event_attr attr = event_attr(e);
		const struct loop *loop = &loops[0];
		uint64_t one, two;
		int fd;

		pin(i);
		attr.exclude_kernel = 1;
		attr.pinned = 1;
		fd = event_open(&attr, 0, -1, -1);
		one = count_once(fd, loop, 50 * length);
		two = count_once(fd, loop, 100 * length);
		_exit(two - one != 50 * (uint64_t)length * loop->instructions);
	}
	for (i = 0; i < nr; i++) {
		wait(&status);
		bad += status != 0;
	}
	check_eq(bad, 0, "cpus: each of %d counts its own loop at the same time", nr);
}

struct part {
	const char *name;
	void (*run)(void);
};

static const struct part parts[] = {
	{ "count", part_count },
	{ "truth", part_truth },
	{ "topdown", part_topdown },
	{ "shared", part_shared },
	{ "sample", part_sample },
	{ "cpus", part_cpus },
	{ }
};

static void run_part(const char *name)
{
	const struct part *p;

	for (p = parts; p->name; p++)
		if (!strcmp(p->name, name))
			p->run();
}

int main(int argc, char **argv)
{
	static struct snapshot now;
	int option;

	while ((option = getopt(argc, argv, "n:c:")) != -1) {
		if (option == 'n')
			length = atol(optarg);
		else if (option == 'c')
			cpu = atoi(optarg);
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOFBF, 65536);
	handle_ud();
	pin(cpu);
	if (!check(emu_present(), "emulator: answers"))
		return 1;
	emu_count_memory();
	emu_snapshot(&now);
	core = core_of(&now.regs);
	for (; optind < argc; optind++)
		run_part(argv[optind]);
	return tap_end();
}
