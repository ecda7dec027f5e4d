// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the library asks of a backend at each switch, in order, per model of the
 * stub: compared with tests/model/golden.  A change of order or number is seen
 * as a diff there, after `make golden`.
 */

#include "../lib/unit.h"

#define GOLDEN   "tests/model/golden"
#define MAX_TEXT 40000
#define LAST48   0xffffffffffffull

static struct {
	char text[MAX_TEXT];
	size_t used;
} trace;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	trace.used += vsnprintf(trace.text + trace.used, MAX_TEXT - trace.used, format, args);
	va_end(args);
	assert_true(trace.used < MAX_TEXT);
}

static u64 trace_rdmsr(const struct mpmu_vcpu *vcpu, u32 msr)
{
	u64 value = stub_ops.rdmsr(vcpu, msr);

	note("rdmsr %#x: %#llx\n", msr, value);
	return value;
}

static void trace_wrmsr(const struct mpmu_vcpu *vcpu, u32 msr, u64 value)
{
	note("wrmsr %#x, %#llx\n", msr, value);
	stub_ops.wrmsr(vcpu, msr, value);
}

static u64 trace_get_global_ctrl(const struct mpmu_vcpu *vcpu)
{
	u64 value = stub_ops.get_global_ctrl(vcpu);

	note("get_global_ctrl: %#llx\n", value);
	return value;
}

static void trace_set_global_ctrl(const struct mpmu_vcpu *vcpu, u64 value)
{
	note("set_global_ctrl %#llx\n", value);
	stub_ops.set_global_ctrl(vcpu, value);
}

static void trace_set_intercept(const struct mpmu_vcpu *vcpu, u32 msr, u32 access, bool intercept)
{
	note("set_intercept %#x, %s%s, %d\n", msr, access & MPMU_READ ? "r" : "",
	     access & MPMU_WRITE ? "w" : "", intercept);
	stub_ops.set_intercept(vcpu, msr, access, intercept);
}

static void trace_set_rdpmc_intercept(const struct mpmu_vcpu *vcpu, bool intercept)
{
	note("set_rdpmc_intercept %d\n", intercept);
	stub_ops.set_rdpmc_intercept(vcpu, intercept);
}

static void trace_set_touched(const struct mpmu_vcpu *vcpu, bool touched)
{
	note("set_touched %d\n", touched);
	stub_ops.set_touched(vcpu, touched);
}

static bool trace_host_active(const struct mpmu_vcpu *vcpu)
{
	bool active = stub_ops.host_active(vcpu);

	note("host_active: %d\n", active);
	return active;
}

static bool trace_share(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	bool shared = stub_ops.share(vcpu, host);

	note("share: %#llx, %d\n", host, shared);
	return shared;
}

static bool trace_own(const struct mpmu_vcpu *vcpu)
{
	bool owned = stub_ops.own(vcpu);

	note("own: %d\n", owned);
	return owned;
}

static mpmu_pmcs trace_take_dirty(const struct mpmu_vcpu *vcpu, mpmu_pmcs counters)
{
	mpmu_pmcs dirty = stub_ops.take_dirty(vcpu, counters);

	note("take_dirty: %#llx\n", dirty);
	return dirty;
}

static bool trace_drain_pmi(const struct mpmu_vcpu *vcpu, bool briefly)
{
	bool in_vain = stub_ops.drain_pmi(vcpu, briefly);

	note("drain_pmi %d: %d\n", briefly, in_vain);
	return in_vain;
}

#define PLAIN(name)                                            \
	static void trace_##name(const struct mpmu_vcpu *vcpu) \
	{                                                      \
		note(#name "\n");                              \
		stub_ops.name(vcpu);                           \
	}
PLAIN(displace)
PLAIN(restore)
PLAIN(disown)
PLAIN(route_pmi)
PLAIN(request_pmi)
PLAIN(request_reprogram)
PLAIN(request_intercepts)

/* A slot that is missing here does not compile. */
static const struct mpmu_ops trace_ops = {
#define MPMU_OP(ret, name, args) .name = trace_##name,
#include <mpmu/ops.def>
#undef MPMU_OP
};

/* The registers of a vendor that the guest writes here. */
static struct {
	u32 eventsel, counter, fixed_ctrl, global_ctrl;
} map;

static const struct mpmu_filter_spec deny_all = {.action = MPMU_FILTER_ALLOW};
static struct mpmu_filter filter;

/* Guests that have what their host has, one for each model; and two that have less. */
static const struct subject {
	const char *name;
	const char *model;
	u32 flags;
} directs[] = {
	{"intel-spr-direct", "intel-spr", MPMU_VCPU_DIRECT},
	{"amd-v2-nb-direct", "amd-v2-nb", MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC},
};
static struct subject subjects[40];
static const struct subject *subject;

static void configure(struct unit_world *world)
{
	struct mpmu_caps caps = world->machine.host.caps;

	if (subject->flags)
		mpmu_caps_offer(&caps, &world->machine.host.caps, MPMU_POLICY_DIRECT);
	stub_vcpu_init(&world->vcpu, &world->machine, &caps);
	stub_vcpu_set_flags(&world->vcpu, subject->flags, 0);
	stub_vcpu_load(&world->vcpu, &world->machine.cpus[0]);
}

static void enter(struct unit_world *world)
{
	stub_enter(&world->vcpu);
}

static void leave(struct unit_world *world)
{
	stub_exit(&world->vcpu);
}

static void put(struct unit_world *world)
{
	stub_vcpu_put(&world->vcpu);
	stub_vcpu_load(&world->vcpu, &world->machine.cpus[0]);
}

static void guest_wrmsr(struct stub_vcpu *vcpu, u32 msr, u64 value)
{
	assert_true(stub_guest_wrmsr(vcpu, msr, value));
}

static void use(struct unit_world *world)
{
	guest_wrmsr(&world->vcpu, map.eventsel, 0x5300c0);
}

static void use_metrics(struct stub_vcpu *vcpu)
{
	guest_wrmsr(vcpu, 0x30c, 0x500);
	guest_wrmsr(vcpu, 0x329, 0x10203040);
	guest_wrmsr(vcpu, map.fixed_ctrl, 0xb0b3);
	guest_wrmsr(vcpu, map.global_ctrl, 3 | 9ull << 32 | 1ull << 48);
}

static void use_more(struct unit_world *world)
{
	guest_wrmsr(&world->vcpu, map.counter, LAST48 >> 8);
	guest_wrmsr(&world->vcpu, map.eventsel, 0x5300c0);
	if (map.fixed_ctrl)
		guest_wrmsr(&world->vcpu, map.fixed_ctrl, 0xb3);
	guest_wrmsr(&world->vcpu, map.global_ctrl, 3 | (map.fixed_ctrl ? 1ull << 32 : 0));
	if (world->vcpu.mpmu.caps.features & MPMU_FEAT_METRICS)
		use_metrics(&world->vcpu);
	if (subject->flags)
		guest_wrmsr(&world->vcpu, map.global_ctrl, stub_pmcs(&world->machine.host.caps));
	stub_exit(&world->vcpu);
}

/* What is due before the next entry, without the entry. */
static void reprogram(struct unit_world *world)
{
	struct stub_vcpu *vcpu = &world->vcpu;

	world->machine.irqs_off = true;
	vcpu->requests.reprogram = false;
	mpmu_vcpu_reprogram(&vcpu->cpu->mpmu, &vcpu->mpmu, vcpu->filter);
	world->machine.irqs_off = false;
}

static void intercepts(struct unit_world *world)
{
	world->machine.irqs_off = true;
	world->vcpu.requests.intercepts = false;
	mpmu_vcpu_update_intercepts(&world->vcpu.mpmu);
	world->machine.irqs_off = false;
}

static void run(struct unit_world *world, u64 instructions)
{
	stub_guest_run(&world->vcpu, &(struct stub_work){.instructions = instructions});
	stub_exit(&world->vcpu);
}

static void count(struct unit_world *world)
{
	run(world, 7);
}

/* Counter 0 and a PMI, which stays on its way while it is late. */
static void overflow(struct unit_world *world)
{
	stub_guest_mask_lvtpc(&world->vcpu, false);
	guest_wrmsr(&world->vcpu, map.counter, stub_width_mask(world->machine.host.caps.gp_width) - 3);
	world->machine.here->late_pmi = true;
	run(world, 7);
}

static void reclaim(struct unit_world *world)
{
	stub_perf_reclaim(&world->machine);
}

static void host_event(struct unit_world *world)
{
	bool amd = world->machine.host.caps.vendor == MPMU_VENDOR_AMD;

	stub_perf_install(&world->machine, 0, 1,
			  0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_OS |
				  (amd ? STUB_EVENTSEL_HOST_ONLY : 0),
			  0);
}

static void host_event_ends(struct unit_world *world)
{
	stub_perf_remove(&world->machine, 0);
}

static void deny(struct unit_world *world)
{
	assert_int_equal(mpmu_filter_compile(&filter, world->machine.host.caps.vendor, &deny_all), 0);
	stub_vcpu_set_filter(&world->vcpu, &filter);
}

static void allow(struct unit_world *world)
{
	stub_vcpu_set_filter(&world->vcpu, NULL);
}

static void emulate(struct unit_world *world)
{
	stub_guest_emulated(&world->vcpu, false, 0);
}

static void emulate_overflow(struct unit_world *world)
{
	guest_wrmsr(&world->vcpu, map.counter, stub_width_mask(world->machine.host.caps.gp_width));
	emulate(world);
}

static void read_all(struct unit_world *world)
{
	struct mpmu_msr list[80];

	assert_true(mpmu_snapshot_size(&world->vcpu.mpmu) <= ARRAY_SIZE(list));
	world->machine.irqs_off = true;
	mpmu_snapshot_save(&world->vcpu.cpu->mpmu, &world->vcpu.mpmu, list);
	world->machine.irqs_off = false;
}

static void stop(struct unit_world *world)
{
	guest_wrmsr(&world->vcpu, map.eventsel, 0);
	if (map.fixed_ctrl)
		guest_wrmsr(&world->vcpu, map.fixed_ctrl, 0);
	stub_exit(&world->vcpu);
}

/* Idle until the next put closes the intercepts; the last is not counted here. */
static void idle(struct unit_world *world)
{
	u32 i;

	for (i = 0; i < 7; i++) {
		put(world);
		enter(world);
		leave(world);
	}
}

static void reset(struct unit_world *world)
{
	stub_vcpu_reset(&world->vcpu);
}

/* In this order; a step without a name is not traced. */
static const struct step {
	const char *name;
	void (*run)(struct unit_world *world);
} steps[] = {
	{"a model is given", configure},
	{NULL, intercepts},
	{"enter, untouched", enter},
	{"exit, untouched", leave},
	{"the first selector is enabled: touch", use},
	{"it is reprogrammed", reprogram},
	{"intercepts are applied", intercepts},
	{"enter, the first time", enter},
	{"exit, resident", leave},
	{"enter, resident", enter},
	{NULL, use_more},
	{NULL, reprogram},
	{NULL, count},
	{"all is read, resident", read_all},
	{"put", put},
	{"enter, after put", enter},
	{NULL, leave},
	{"reclaim", reclaim},
	{"enter, after reclaim", enter},
	{NULL, leave},
	{"an instruction is emulated", emulate},
	{"an emulated instruction overflows", emulate_overflow},
	{NULL, enter},
	{NULL, overflow},
	{"put, with an interrupt on its way", put},
	{NULL, enter},
	{NULL, leave},
	{"a filter denies all: it changes", deny},
	{"it is reprogrammed", reprogram},
	{NULL, allow},
	{NULL, reprogram},
	{NULL, reclaim},
	{NULL, host_event},
	{"enter, displaced", enter},
	{"exit, displaced", leave},
	{NULL, host_event_ends},
	{"enter, after the host's event", enter},
	{NULL, stop},
	{NULL, reprogram},
	{NULL, idle},
	{"put, idle for long: untouch", put},
	{NULL, intercepts},
	{NULL, use},
	{NULL, enter},
	{"reset, resident", reset},
};

static void path_of(char *path, size_t size, const char *model)
{
	snprintf(path, size, GOLDEN "/%s", model);
}

static void make_trace(const char *model)
{
	static struct unit_world world;
	bool amd = unit_caps(model)->vendor == MPMU_VENDOR_AMD;
	size_t i, before;

	memset(&world, 0, sizeof(world));
	memset(&trace, 0, sizeof(trace));
	map.eventsel = amd ? 0xc0010200 : 0x186;
	map.counter = amd ? 0xc0010201 : 0x4c1;
	map.fixed_ctrl = amd ? 0 : 0x38d;
	map.global_ctrl = amd ? 0xc0000301 : 0x38f;
	note("# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n");
	assert_int_equal(stub_machine_init(&world.machine, unit_caps(model)), 0);
	world.machine.host.ops = &trace_ops;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		before = trace.used;
		if (steps[i].name)
			note("\n## %s\n", steps[i].name);
		steps[i].run(&world);
		if (!steps[i].name)
			trace.used = before;
	}
	trace.text[trace.used] = 0;
}

static void save(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(trace.text, 1, trace.used, file), trace.used);
	fclose(file);
}

/* Name the section of the first line that differs. */
static void compare(const char *path)
{
	static char golden[MAX_TEXT];
	const char *section = "", *ours = trace.text, *theirs = golden;
	FILE *file = fopen(path, "r");
	u32 line = 1;

	assert_non_null(file);
	golden[fread(golden, 1, MAX_TEXT - 1, file)] = 0;
	fclose(file);
	while (*ours && strcspn(ours, "\n") == strcspn(theirs, "\n") &&
	       !memcmp(ours, theirs, strcspn(ours, "\n"))) {
		if (*ours == '#')
			section = ours;
		ours += strcspn(ours, "\n") + 1;
		theirs += strcspn(theirs, "\n") + (theirs[strcspn(theirs, "\n")] != 0);
		line++;
	}
	if (*ours || *theirs)
		fail_msg("%s:%u, %.*s: \"%.*s\" was \"%.*s\"; if that is meant: make golden", path,
			 line, (int)strcspn(section, "\n"), section, (int)strcspn(ours, "\n"), ours,
			 (int)strcspn(theirs, "\n"), theirs);
}

static void check_subject(void **state)
{
	char path[100];

	subject = *state;
	path_of(path, sizeof(path), subject->name);
	make_trace(subject->model);
	if (getenv("MPMU_GOLDEN"))
		save(path);
	compare(path);
}

int main(void)
{
	u32 count = 0, i;

	for (i = 0; i < stub_nr_models; i++)
		if (!mpmu_caps_missing(&stub_models[i].caps))
			subjects[count++] = (struct subject){stub_models[i].name,
							     stub_models[i].name, 0};
	unit_count = unit_rows(unit_tests, unit_count, subjects, sizeof(subjects[0]), count,
			       check_subject);
	UNIT_TABLE(directs, check_subject);
	return unit_run("golden traces");
}
