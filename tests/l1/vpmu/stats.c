// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vpmu.h"
#include "stats.h"

#define TRACING		"/sys/kernel/tracing"
#define RING_PAGES	1024
#define PAGE		4096

const char *const stat_names[NR_STATS] = {
	[STAT_ENTRY] = "mpmu_owner_entry",
	[STAT_PUT] = "mpmu_owner_put",
	[STAT_RECLAIM] = "mpmu_owner_reclaim",
	[STAT_DISPLACED] = "mpmu_owner_displaced",
	[STAT_OTHER] = "mpmu_owner_other",
	[STAT_RESET] = "mpmu_owner_reset",
	[STAT_READ] = "mpmu_registers_read",
	[STAT_WRITTEN] = "mpmu_registers_written",
	[STAT_SKIPPED] = "mpmu_registers_skipped",
	[STAT_PMIS] = "mpmu_pmis",
	[STAT_DENIED] = "mpmu_denied_events",
	[STAT_COUNTER] = "mpmu_exits_counter",
	[STAT_EVENTSEL] = "mpmu_exits_eventsel",
	[STAT_FIXED_CTRL] = "mpmu_exits_fixed_ctrl",
	[STAT_GLOBAL_CTRL] = "mpmu_exits_global_ctrl",
	[STAT_STATUS] = "mpmu_exits_status",
	[STAT_RDPMC] = "mpmu_exits_rdpmc",
	[STAT_EXITS] = "exits",
};

const char *const trace_names[NR_TRACE_EVENTS] = {
	[TRACE_OWNER] = "kvm_mpmu_owner",
	[TRACE_INTERCEPTS] = "kvm_mpmu_intercepts",
	[TRACE_PMI] = "kvm_mpmu_pmi",
	[TRACE_DENIED] = "kvm_mpmu_denied",
};

static bool read_stat(int fd, const struct kvm_stats_header *header, const char *name,
		      uint64_t *value)
{
	char room[sizeof(struct kvm_stats_desc) + 64];
	struct kvm_stats_desc *desc = (struct kvm_stats_desc *)room;
	size_t size = sizeof(*desc) + header->name_size;
	uint32_t i;

	for (i = 0; size <= sizeof(room) && i < header->num_desc; i++) {
		if (pread(fd, room, size, header->desc_offset + (off_t)(i * size)) != (ssize_t)size)
			return false;
		if (!strcmp(desc->name, name))
			return pread(fd, value, 8, header->data_offset + desc->offset) == 8;
	}
	return false;
}

unsigned int stats_of_vcpu(const struct vcpu *vcpu, struct stats *stats)
{
	struct kvm_stats_header header;
	unsigned int missing = 0;
	int fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL), i;

	memset(stats, 0, sizeof(*stats));
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return NR_STATS;
	for (i = 0; i < NR_STATS; i++)
		missing += !read_stat(fd, &header, stat_names[i], &stats->value[i]);
	close(fd);
	return missing;
}

static int open_stat(const struct vm *vm, enum pmu_stat stat, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), vm->fd,
		 stat_names[stat]);
	return open(path, flags);
}

static bool read_number(int fd, uint64_t *value)
{
	char text[32];
	ssize_t size = read(fd, text, sizeof(text) - 1);

	if (size <= 0)
		return false;
	text[size] = 0;
	*value = strtoull(text, NULL, 0);
	return true;
}

unsigned int stats_of_vm(const struct vm *vm, struct stats *stats)
{
	unsigned int missing = 0;
	int i;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; i < NR_STATS; i++) {
		int fd = open_stat(vm, (enum pmu_stat)i, O_RDONLY);

		missing += !read_number(fd, &stats->value[i]);
		close(fd);
	}
	return missing;
}

bool stats_clear(const struct vm *vm, enum pmu_stat stat)
{
	int fd = open_stat(vm, stat, O_WRONLY);
	bool done = write(fd, "0", 1) == 1;

	close(fd);
	return done;
}

void stats_since(struct stats *stats, const struct stats *before)
{
	int i;

	for (i = 0; i < NR_STATS; i++)
		stats->value[i] -= before->value[i];
}

static bool write_trace(const char *name, const char *value)
{
	char path[128];
	int fd;
	bool done;

	snprintf(path, sizeof(path), TRACING "/%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	done = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return done;
}

static bool enable_events(const char *value)
{
	char path[64];
	bool done = true;
	int i;

	for (i = 0; i < NR_TRACE_EVENTS; i++) {
		snprintf(path, sizeof(path), "events/kvm/%s/enable", trace_names[i]);
		done &= write_trace(path, value);
	}
	return done;
}

bool trace_begin(void)
{
	return write_trace("trace", "0") && enable_events("1");
}

void trace_end(void)
{
	enable_events("0");
}

static const char *const causes[] = {
	[STAT_ENTRY] = "entry", [STAT_PUT] = "put", [STAT_RECLAIM] = "reclaim",
	[STAT_DISPLACED] = "displaced", [STAT_OTHER] = "other", [STAT_RESET] = "reset",
};

static bool add_owner(struct stats *stats, const char *text)
{
	uint64_t read, written, skipped;
	unsigned int vcpu;
	char cause[16];
	size_t i;

	if (sscanf(text, "vcpu %u %15[a-z]: registers read %lu, written %lu, skipped %lu", &vcpu,
		   cause, &read, &written, &skipped) != 5 || vcpu)
		return false;
	stats->value[STAT_READ] += read;
	stats->value[STAT_WRITTEN] += written;
	stats->value[STAT_SKIPPED] += skipped;
	for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (!strcmp(cause, causes[i]))
			return ++stats->value[i];
	return false;
}

static bool add_denied(struct traced *traced, const char *text)
{
	unsigned int vcpu, pmc;
	uint64_t eventsel;

	if (sscanf(text, "vcpu %u pmc %u eventsel %lx", &vcpu, &pmc, &eventsel) != 3)
		return false;
	traced->stats.value[STAT_DENIED]++;
	return !vcpu && pmc == 1 && eventsel == traced->denied;
}

static bool add_intercepts(struct traced *traced, const char *text)
{
	traced->opened += !strcmp(text, "vcpu 0 open\n");
	traced->closed += !strcmp(text, "vcpu 0 closed\n");
	return true;
}

void traced_add(struct traced *traced, enum trace_event event, const char *text)
{
	bool known = true;

	traced->lines++;
	switch (event) {
	case TRACE_OWNER:
		known = add_owner(&traced->stats, text);
		break;
	case TRACE_INTERCEPTS:
		known = add_intercepts(traced, text);
		break;
	case TRACE_PMI:
		known = !strcmp(text, "vcpu 0\n");
		traced->stats.value[STAT_PMIS]++;
		break;
	case TRACE_DENIED:
		known = add_denied(traced, text);
		break;
	case NR_TRACE_EVENTS:
		break;
	}
	if (!known && !traced->strange++)
		printf("# strange: %s", text);
}

/* ... EVENT: TEXT */
static void read_line(const char *text, struct traced *traced)
{
	char name[64];
	int i;

	for (i = 0; i < NR_TRACE_EVENTS; i++) {
		const char *at;

		snprintf(name, sizeof(name), "%s: ", trace_names[i]);
		at = strstr(text, name);
		if (at)
			traced_add(traced, (enum trace_event)i, at + strlen(name));
	}
}

void trace_read(const char *path, struct traced *traced)
{
	FILE *file = fopen(path, "r");
	char text[512];

	while (file && fgets(text, sizeof(text), file))
		read_line(text, traced);
	if (file)
		fclose(file);
}

static uint64_t trace_id(enum trace_event event)
{
	char path[128];
	uint64_t id = 0;
	int fd;

	snprintf(path, sizeof(path), TRACING "/events/kvm/%s/id", trace_names[event]);
	fd = open(path, O_RDONLY);
	read_number(fd, &id);
	close(fd);
	return id;
}

/*
 * Each page of records wakes its reader.  If each record did, its interrupt would
 * come at VM-entry, and the next entry be the next record: no guest gets on so.
 */
int trace_ring_open(struct trace_ring *ring, enum trace_event event, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = trace_id(event),
		.sample_period = 1, .watermark = 1, .wakeup_watermark = PAGE,
		.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN,
	};

	ring->fd = host_event_open(&attr, -1, cpu, -1, 0);
	if (ring->fd < 0)
		return ring->fd;
	ring->page = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring->fd, 0);
	if (ring->page != MAP_FAILED)
		return 0;
	close(ring->fd);
	return -ENOMEM;
}

uint64_t trace_ring_records(const struct trace_ring *ring)
{
	const char *data = (const char *)ring->page + PAGE;
	uint64_t end = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE), at = 0, records = 0;

	while (at < end) {
		const struct perf_event_header *header;

		header = (const struct perf_event_header *)(data + at % (RING_PAGES * PAGE));
		records += header->type == PERF_RECORD_SAMPLE;
		at += header->size;
	}
	return records;
}

void trace_ring_close(struct trace_ring *ring)
{
	munmap(ring->page, (1 + RING_PAGES) * PAGE);
	close(ring->fd);
}
