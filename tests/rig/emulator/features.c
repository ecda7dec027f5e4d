// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Proof of what the PMU model makes of an event: masks, inversion, edges,
 * caches, memory, halts, and the interrupt of another source, on a stock kernel.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <time.h>

#include "../../l1/tap.h"
#include "../../l1/audit.h"
#include "../../l1/pmc.h"

#define CMASK(n)	((uint64_t)(n) << 24)
#define INV		(1ULL << 23)
#define EDGE		(1ULL << 18)

/* The vendor's raw codes. */
struct codes {
	uint64_t instructions, cycles, branches, misses;
	uint64_t llc_misses, loads, stores;
};

static const struct codes intel = {
	0x00c0, 0x003c, 0x00c4, 0x00c5, 0x412e, 0x81d0, 0x82d0,
};

static const struct codes amd = {
	0x00c0, 0x0076, 0x00c2, 0x00c3, 0x0964, 0x0129, 0x0229,
};

static unsigned int width;		/* slots per cycle */

static unsigned char line[4096] __attribute__((aligned(4096)));

/* Everything that the events are about, REP for cycles that retire nothing. */
static __attribute__((noinline)) void work(void)
{
	for (volatile int i = 0; i < 100; i++) {
		void *to = line + 1024, *from = line;
		unsigned long n = 64;

		__asm__ volatile("cld; rep movsb"
				 : "+D" (to), "+S" (from), "+c" (n) : : "memory");
		__asm__ volatile("clflush %0" : "+m" (line[i * 8]));
		line[i * 8]++;
	}
}

static int open_raw(uint64_t config, int group)
{
	struct event e = { PERF_TYPE_RAW, config, "" };
	struct perf_event_attr attr = event_attr(e);

	attr.exclude_kernel = 1;
	attr.disabled = group < 0;
	return event_open(&attr, 0, -1, group);
}

/* Instructions, cycles and X over the same work. */
static void measure(const struct codes *c, uint64_t config, uint64_t value[3])
{
	const uint64_t configs[3] = { c->instructions, c->cycles, config };
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = open_raw(configs[i], i ? fd[0] : -1);
	ioctl(fd[0], PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
	work();
	ioctl(fd[0], PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
	for (int i = 0; i < 3; i++) {
		if (!event_read(fd[i], &value[i]))
			value[i] = ~0ULL;
	}
	for (int i = 2; i >= 0; i--)
		close(fd[i]);
}

static uint64_t plain(const struct codes *c, uint64_t config)
{
	uint64_t value[3];

	measure(c, config, value);
	return value[2];
}

static void part_masks(const struct codes *c)
{
	uint64_t v[3];

	measure(c, c->instructions | CMASK(1), v);
	check_eq(v[2], v[0], "masks: CMASK 1 counts each instruction");
	check(v[1] > v[0], "masks: REP takes cycles that retire nothing");
	measure(c, c->instructions | CMASK(2), v);
	check_eq(v[2], 0, "masks: CMASK 2 counts none");
	measure(c, c->instructions | CMASK(1) | INV, v);
	check_eq(v[2], v[1] - v[0], "masks: INV counts the other cycles");
	measure(c, c->instructions | CMASK(16) | INV, v);
	check_eq(v[2], v[1], "masks: INV beyond the maximum counts all cycles");
	measure(c, c->instructions | INV, v);
	check_eq(v[2], v[0], "masks: INV without CMASK changes nothing");
	measure(c, c->branches | EDGE | CMASK(1), v);
	check_eq(v[2], plain(c, c->branches), "masks: EDGE counts events that come alone");
}

static void part_slots(const struct codes *c)
{
	const uint64_t slots = 0x01a4;
	uint64_t v[3];

	measure(c, slots, v);
	check_eq(v[2], width * v[1], "masks: %u slots per cycle", width);
	measure(c, slots | CMASK(width), v);
	check_eq(v[2], v[1], "masks: each cycle has %u slots", width);
	measure(c, slots | CMASK(width + 1), v);
	check_eq(v[2], 0, "masks: no cycle has one more");
}

static void part_events(const struct codes *c)
{
	uint64_t misses = plain(c, c->misses), branches = plain(c, c->branches);

	check(misses > 0 && misses < branches / 2, "events: a branch is missed now and then");
	check_eq(plain(c, c->llc_misses), 100, "events: each CLFLUSH is a miss");
	check(plain(c, c->loads) >= 200, "events: loads");
	check(plain(c, c->stores) >= 200, "events: stores");
	check_eq(plain(c, 0x01ff), 0, "events: an unknown one never comes");
}

/* What `perf stat -d` asks for, on the cores that there are. */
struct cache_codes {
	unsigned int cores;
	uint64_t l1d, store_walks;
};

static const struct cache_codes cache_codes[] = {
	{ CORE_SKYLAKE | CORE_SUNNY_COVE, 0x0151, 0x0e49 },
	{ CORE_GOLDEN_COVE, 0xe124, 0x0e13 },
	{ CORE_ZEN, 0xc860, 0xf045 },
};

#define FRESH_PAGES 256

static void touch(volatile char *pages)
{
	for (size_t i = 0; i < FRESH_PAGES << 12; i += 512)
		pages[i] = 1;
}

/*
 * Fresh pages are new to the TLB.  Of those that were there before, each of the
 * 8 lines made room for a later one's, as they are many times what the L1D has.
 */
static uint64_t count_touches(uint64_t config, bool fresh)
{
	char *pages = mmap(NULL, FRESH_PAGES << 12, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_raw(config, -1);
	uint64_t value = 0;

	if (!fresh)
		touch(pages);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	touch(pages);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	event_read(fd, &value);
	close(fd);
	munmap(pages, FRESH_PAGES << 12);
	return value;
}

static void part_caches(enum core core)
{
	const struct cache_codes *c = cache_codes;
	uint64_t misses, walks;

	while (!(c->cores & core))
		c++;
	misses = count_touches(c->l1d, false);
	walks = count_touches(c->store_walks, true);
	note("%llu misses of the L1D, %llu page walks", (unsigned long long)misses,
	     (unsigned long long)walks);
	check(misses >= 8 * FRESH_PAGES && misses < 9 * FRESH_PAGES,
	      "caches: each line that made room misses the L1D");
	check(walks >= FRESH_PAGES && walks < 4 * FRESH_PAGES,
	      "caches: each page that is new takes a page walk");
}

/* The clock runs in HLT, the counters do not. */
static void part_halt(const struct codes *c)
{
	const struct timespec second = { 1, 0 };
	struct event e = { PERF_TYPE_RAW, c->cycles, "" };
	struct perf_event_attr attr = event_attr(e);
	uint64_t cycles = 0, then;
	int fd = event_open(&attr, -1, 0, -1);

	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	then = __builtin_ia32_rdtsc();
	nanosleep(&second, NULL);
	then = __builtin_ia32_rdtsc() - then;
	event_read(fd, &cycles);
	close(fd);
	check(cycles && cycles < then / 2, "halt: cycles stop");
}

/* Linux acknowledges what it takes for an event of processor trace. */
static void part_trace(const struct codes *c)
{
	struct event e = { PERF_TYPE_RAW, c->instructions, "" };
	struct perf_event_attr attr = event_attr(e);
	static struct snapshot before, after;
	int fd;

	attr.sample_period = 1ULL << 40;
	fd = event_open(&attr, 0, -1, -1);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	emu_snapshot(&before);
	MPMU_MAGIC_NOP(MPMU_CMD_RAISE_PT, 0);
	work();
	emu_snapshot(&after);
	close(fd);
	check_eq(after.truth.pt_raised, before.truth.pt_raised + 1, "trace: raised");
	check_eq(after.truth.lvtpc_delivered, before.truth.lvtpc_delivered + 1,
		 "trace: delivered through LVTPC");
	check_eq(after.regs.global_status & (1ULL << 55), 0, "trace: acknowledged");
}

int main(void)
{
	static struct snapshot s;
	const struct codes *codes;

	work();
	emu_snapshot(&s);
	codes = s.regs.intel ? &intel : &amd;
	width = s.regs.slots;
	part_masks(codes);
	if (core_of(&s.regs) & CORE_COVES)
		part_slots(codes);
	part_events(codes);
	part_caches(core_of(&s.regs));
	part_halt(codes);
	if (s.regs.intel)
		part_trace(codes);
	return tap_end();
}
