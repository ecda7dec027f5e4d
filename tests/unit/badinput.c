// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bad input: what the comment of each public function says about it.  Each row
 * is named after its function; tests/static/badinput.t misses none.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/unit.h"

#define BOTH       (MPMU_READ | MPMU_WRITE)
#define NO_PMU_MSR 0xffffffffu
#define MODEL      "intel-v5-8-4"

/* All that a call may change. */
static struct state {
	struct unit_world world;
	struct mpmu_caps caps;
	struct mpmu_cpuid leaves;
	struct mpmu_host host;
	u64 filter[8];
	u64 value;
	u32 err_msr;
} s;

static const struct mpmu_caps *model, *amd;
static struct mpmu_caps twisted;
static struct mpmu_ops no_drain;
static struct mpmu_vcpu unmade;
static struct mpmu_stats stats;
static struct mpmu_msr many[200];
static u64 foreign[8];
static const u64 garbage[8] = {~0ull};

static const u64 reserved_bit = 1ull << 40;
static const struct mpmu_cpuid leaves_of_nobody = {.vendor = 7};
static const struct mpmu_caps of_nobody = {.vendor = 7, .counters = 1, .version = 1};
static const struct mpmu_cpuid leaves_of_17 = {.leaf_0a = {0x07300402, 0, 0, 17 | 48 << 5}};
static const struct mpmu_filter_spec empty = {.action = MPMU_FILTER_DENY};
static const struct mpmu_filter_spec no_events = {.nr_events = 1};
static const struct mpmu_filter_spec action = {.action = 2};
static const struct mpmu_filter_spec flag = {.flags = 2};
static const struct mpmu_filter_spec huge = {.nr_events = 301, .events = &reserved_bit};
static const struct mpmu_filter_spec reserved = {
	.flags = 1, .nr_events = 1, .events = &reserved_bit};

#define FILTER  ((void *)s.filter)
#define FOREIGN ((void *)foreign)
#define CPU     (&s.world.machine.cpus[0].mpmu)
#define VCPU    (&s.world.vcpu.mpmu)

/* A vCPU that counts its instructions, loaded, and outputs that hold something. */
static void setup(void)
{
	memset(&s, 0x5a, sizeof(s));
	model = unit_caps(MODEL);
	amd = unit_caps("amd-v2");
	twisted = *model;
	twisted.gp_width = 0;
	no_drain = stub_ops;
	no_drain.drain_pmi = NULL;
	unit_world_init(&s.world, MODEL, MODEL);
	assert_true(stub_guest_wrmsr(&s.world.vcpu, 0x186, 0x5100c0));
	stub_enter(&s.world.vcpu);
	stub_exit(&s.world.vcpu);
	s.world.machine.irqs_off = true;
	assert_int_equal(mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &empty), 0);
	assert_int_equal(mpmu_filter_compile(FOREIGN, MPMU_VENDOR_AMD, &empty), 0);
}

/* Lists of any length: many of one register, with a bad one last if asked. */
static int restore_many(u32 last)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct mpmu_msr){.index = 0xc1, .value = i};
	many[i - 1].index = last;
	return mpmu_snapshot_restore(CPU, VCPU, many, ARRAY_SIZE(many), &s.err_msr);
}

static u64 counter_after(u32 cpl)
{
	mpmu_emulate(CPU, VCPU, MPMU_EVENT_INSTRUCTIONS, cpl);
	mpmu_msr_read(CPU, VCPU, 0xc1, MPMU_BY_HOST, &s.value);
	return s.value;
}

static bool is(const char *got, const char *want)
{
	return got && !strcmp(got, want);
}

/* Defined: name, what is bad, call, result, and whether it may change anything. */
#define DEFINED(X)                                                                                 \
	X(valid_null, "mpmu_caps_valid: NULL", mpmu_caps_valid(NULL), false, false)                \
	X(valid_twisted, "mpmu_caps_valid: contradiction", mpmu_caps_valid(&twisted), false,       \
	  false)                                                                                   \
	X(decode_caps, "mpmu_caps_decode: NULL caps", mpmu_caps_decode(NULL, &leaves_of_17),       \
	  -EINVAL, false)                                                                          \
	X(decode_leaves, "mpmu_caps_decode: NULL leaves", mpmu_caps_decode(&s.caps, NULL),         \
	  -EINVAL, false)                                                                          \
	X(decode_vendor, "mpmu_caps_decode: unknown vendor",                                       \
	  mpmu_caps_decode(&s.caps, &leaves_of_nobody), -EINVAL, false)                            \
	X(decode_count, "mpmu_caps_decode: 17 fixed counters",                                     \
	  mpmu_caps_decode(&s.caps, &leaves_of_17), -EINVAL, false)                                \
	X(encode_leaves, "mpmu_caps_encode: NULL leaves", mpmu_caps_encode(NULL, model), -EINVAL,  \
	  false)                                                                                   \
	X(encode_caps, "mpmu_caps_encode: NULL caps", mpmu_caps_encode(&s.leaves, NULL), -EINVAL,  \
	  false)                                                                                   \
	X(encode_twisted, "mpmu_caps_encode: contradiction",                                       \
	  mpmu_caps_encode(&s.leaves, &twisted), -EINVAL, false)                                   \
	X(missing_null, "mpmu_caps_missing: NULL", is(mpmu_caps_missing(NULL), "a PMU"), true,     \
	  false)                                                                                   \
	X(offer_policy, "mpmu_caps_offer: unknown policy",                                         \
	  (mpmu_caps_offer(&s.caps, model, 7), s.caps.counters), 0, true)                          \
	X(offer_vendor, "mpmu_caps_offer: unknown vendor",                                         \
	  (mpmu_caps_offer(&s.caps, &of_nobody, MPMU_POLICY_FULL), s.caps.counters), 0, true)      \
	X(offer_twisted, "mpmu_caps_offer: contradiction",                                         \
	  (mpmu_caps_offer(&s.caps, &twisted, MPMU_POLICY_FULL), mpmu_caps_valid(&s.caps)), true,  \
	  true)                                                                                    \
	X(clamp_twisted, "mpmu_caps_clamp: contradiction",                                         \
	  (s.caps = twisted, mpmu_caps_clamp(&s.caps, model), mpmu_caps_valid(&s.caps)), true,     \
	  true)                                                                                    \
	X(clamp_vendor, "mpmu_caps_clamp: another vendor",                                         \
	  (s.caps = *amd, mpmu_caps_clamp(&s.caps, model), s.caps.counters), 0, true)              \
	X(obstacle_guest, "mpmu_caps_obstacle: NULL guest",                                        \
	  is(mpmu_caps_obstacle(NULL, model, 0), "a model that contradicts itself"), true, false)  \
	X(obstacle_host, "mpmu_caps_obstacle: NULL host",                                          \
	  is(mpmu_caps_obstacle(model, NULL, 0), "a PMU"), true, false)                            \
	X(obstacle_policy, "mpmu_caps_obstacle: unknown policy",                                   \
	  !mpmu_caps_obstacle(model, model, 7), false, false)                                      \
	X(size_huge, "mpmu_filter_size: any number",                                               \
	  mpmu_filter_size(~0u) ==                                                                 \
		  sizeof(struct mpmu_filter) + sizeof(struct mpmu_filter_entry) * 0xffffffffull,   \
	  true, false)                                                                             \
	X(compile_filter, "mpmu_filter_compile: NULL filter",                                      \
	  mpmu_filter_compile(NULL, MPMU_VENDOR_INTEL, &empty), -EINVAL, false)                    \
	X(compile_spec, "mpmu_filter_compile: NULL spec",                                          \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, NULL), -EINVAL, false)                    \
	X(compile_events, "mpmu_filter_compile: NULL events",                                      \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &no_events), -EINVAL, false)              \
	X(compile_vendor, "mpmu_filter_compile: unknown vendor",                                   \
	  mpmu_filter_compile(FILTER, 7, &empty), -EINVAL, false)                                  \
	X(compile_action, "mpmu_filter_compile: unknown action",                                   \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &action), -EINVAL, false)                 \
	X(compile_flag, "mpmu_filter_compile: unknown flag",                                       \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &flag), -EINVAL, false)                   \
	X(compile_huge, "mpmu_filter_compile: 301 entries",                                        \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &huge), -E2BIG, false)                    \
	X(compile_reserved, "mpmu_filter_compile: reserved bit of a masked entry",                 \
	  mpmu_filter_compile(FILTER, MPMU_VENDOR_INTEL, &reserved), -EINVAL, false)               \
	X(allows_null, "mpmu_filter_allows: NULL filter", mpmu_filter_allows(NULL, 0xc0), true,    \
	  false)                                                                                   \
	X(allows_bits, "mpmu_filter_allows: all bits", mpmu_filter_allows(FILTER, ~0ull), true,    \
	  false)                                                                                   \
	X(fixed_null, "mpmu_filter_allows_fixed: NULL filter", mpmu_filter_allows_fixed(NULL, 99), \
	  true, false)                                                                             \
	X(fixed_index, "mpmu_filter_allows_fixed: index 32", mpmu_filter_allows_fixed(FILTER, 32), \
	  true, false)                                                                             \
	X(restore_null, "mpmu_snapshot_restore: NULL list",                                        \
	  mpmu_snapshot_restore(CPU, VCPU, NULL, 1, &s.err_msr), -EINVAL, false)                   \
	X(restore_none, "mpmu_snapshot_restore: NULL list of none",                                \
	  mpmu_snapshot_restore(CPU, VCPU, NULL, 0, NULL), 0, false)                               \
	X(restore_err, "mpmu_snapshot_restore: NULL err_msr",                                      \
	  mpmu_snapshot_restore(CPU, VCPU, (struct mpmu_msr[]){{0x10, 0}}, 1, NULL), -EINVAL,      \
	  false)                                                                                   \
	X(restore_bad, "mpmu_snapshot_restore: names the bad one",                                 \
	  (restore_many(0x10), s.err_msr), 0x10, true)                                             \
	X(restore_long, "mpmu_snapshot_restore: more than there are", restore_many(0xc1), 0, true) \
	X(init_host, "mpmu_host_init: NULL host", mpmu_host_init(NULL, &stub_ops, model), -EINVAL, \
	  false)                                                                                   \
	X(init_ops, "mpmu_host_init: NULL ops", mpmu_host_init(&s.host, NULL, model), -EINVAL,     \
	  false)                                                                                   \
	X(init_op, "mpmu_host_init: one op is NULL", mpmu_host_init(&s.host, &no_drain, model),    \
	  -EINVAL, false)                                                                          \
	X(init_caps, "mpmu_host_init: NULL caps", mpmu_host_init(&s.host, &stub_ops, NULL),        \
	  -EINVAL, false)                                                                          \
	X(init_twisted, "mpmu_host_init: contradiction",                                           \
	  mpmu_host_init(&s.host, &stub_ops, &twisted), -EINVAL, false)                            \
	X(init_old, "mpmu_host_init: a PMU that is too old",                                       \
	  mpmu_host_init(&s.host, &stub_ops, unit_caps("intel-v2")), -EOPNOTSUPP, false)           \
	X(configure_null, "mpmu_vcpu_configure: NULL caps", mpmu_vcpu_configure(VCPU, NULL),       \
	  -EINVAL, false)                                                                          \
	X(configure_twisted, "mpmu_vcpu_configure: contradiction",                                 \
	  mpmu_vcpu_configure(VCPU, &twisted), -EINVAL, false)                                     \
	X(configure_vendor, "mpmu_vcpu_configure: another vendor's is no PMU",                     \
	  (mpmu_vcpu_configure(VCPU, amd), VCPU->caps.counters), 0, true)                          \
	X(reset_cpu, "mpmu_vcpu_reset: NULL cpu is on none",                                       \
	  (mpmu_put(CPU, VCPU), mpmu_vcpu_reset(NULL, VCPU), VCPU->eventsel[0]), 0, true)          \
	X(evict_any, "mpmu_evict: NULL is any vCPU", (mpmu_evict(CPU, NULL), mpmu_held(VCPU)),     \
	  false, true)                                                                             \
	X(share_lacking, "mpmu_share: bits that the machine lacks",                                \
	  (mpmu_share(CPU, 1ull << 31), mpmu_enter(CPU, VCPU)), 0, true)                           \
	X(nmi_nobody, "mpmu_nmi: of nobody", mpmu_nmi(&s.world.machine.cpus[1].mpmu),              \
	  false, false)                                                                            \
	X(enter_elsewhere, "mpmu_enter: another CPU holds it",                                     \
	  mpmu_enter(&s.world.machine.cpus[1].mpmu, VCPU), -EINVAL, false)                         \
	X(exists_any, "mpmu_msr_exists: any MSR", mpmu_msr_exists(VCPU, NO_PMU_MSR), false, false) \
	X(read_any, "mpmu_msr_read: any MSR",                                                      \
	  mpmu_msr_read(CPU, VCPU, NO_PMU_MSR, MPMU_BY_HOST, &s.value), MPMU_NOT_PMU, false)       \
	X(read_cpu, "mpmu_msr_read: NULL cpu",                                                     \
	  (mpmu_put(CPU, VCPU), mpmu_msr_read(NULL, VCPU, 0x186, MPMU_BY_HOST, &s.value)),         \
	  MPMU_DONE, true)                                                                         \
	X(load_any, "mpmu_nested_msr_load: any MSR",                                               \
	  mpmu_nested_msr_load(CPU, VCPU, NO_PMU_MSR, 0), MPMU_NOT_PMU, false)                     \
	X(load_bits, "mpmu_nested_msr_load: reserved bits",                                        \
	  mpmu_nested_msr_load(CPU, VCPU, 0x186, ~0ull), MPMU_GP, false)                           \
	X(write_any, "mpmu_owner_write: any MSR",                                                  \
	  mpmu_owner_write(CPU, VCPU, NO_PMU_MSR, 0), MPMU_NOT_PMU, false)                         \
	X(write_bits, "mpmu_owner_write: reserved bits",                                           \
	  mpmu_owner_write(CPU, VCPU, 0x186, ~0ull), MPMU_GP, false)                               \
	X(wrmsr_any, "mpmu_wrmsr: any MSR", mpmu_wrmsr(CPU, VCPU, NO_PMU_MSR, 0), MPMU_NOT_PMU,    \
	  false)                                                                                   \
	X(wrmsr_bits, "mpmu_wrmsr: reserved bits", mpmu_wrmsr(CPU, VCPU, 0x38f, ~0ull), MPMU_GP,   \
	  false)                                                                                   \
	X(rdpmc_any, "mpmu_rdpmc: any ECX", mpmu_rdpmc(CPU, VCPU, ~0u, &s.value), MPMU_GP, false)  \
	X(rdpmc_valid_any, "mpmu_rdpmc_valid: any ECX", mpmu_rdpmc_valid(VCPU, ~0u), false, false) \
	X(reprogram_null, "mpmu_vcpu_reprogram: NULL filter",                                      \
	  (mpmu_vcpu_reprogram(CPU, VCPU, NULL), 0), 0, false)                                     \
	X(flags_unknown, "mpmu_vcpu_set_flags: bits that are not the backend's",                   \
	  (mpmu_vcpu_set_flags(VCPU, 1u << 31 | MPMU_VCPU_ENTERED, ~0u), 0), 0, false)             \
	X(flags_both, "mpmu_vcpu_set_flags: set and cleared",                                      \
	  (mpmu_vcpu_set_flags(VCPU, MPMU_VCPU_SVME, MPMU_VCPU_SVME),                              \
	   VCPU->flags & MPMU_VCPU_SVME),                                                          \
	  MPMU_VCPU_SVME, true)                                                                    \
	X(intercepts_any, "mpmu_msr_intercepts: any MSR", mpmu_msr_intercepts(VCPU, NO_PMU_MSR),   \
	  BOTH, false)                                                                             \
	X(nested_any, "mpmu_nested_msr_intercepts: any MSR",                                       \
	  mpmu_nested_msr_intercepts(VCPU, NO_PMU_MSR, 0), BOTH, false)                            \
	X(nested_bits, "mpmu_nested_msr_intercepts: unknown access",                               \
	  mpmu_nested_msr_intercepts(VCPU, 0xc1, 8), BOTH, false)                                  \
	X(resident_null, "mpmu_resident: NULL cpu", mpmu_resident(NULL, VCPU), false, false)       \
	X(pmi_nobody, "mpmu_pmi: of nobody", (mpmu_pmi(&s.world.machine.cpus[1].mpmu), 0), 0,      \
	  false)                                                                                   \
	X(emulate_event, "mpmu_emulate: unknown event", (mpmu_emulate(CPU, VCPU, 7, 3), 0), 0,     \
	  false)                                                                                   \
	X(emulate_user, "mpmu_emulate: CPL 3", counter_after(3), 1, true)                          \
	X(emulate_cpl, "mpmu_emulate: CPL 7 is the user's", counter_after(7), 1, true)             \
	X(emulate_kernel, "mpmu_emulate: CPL 0 is not", counter_after(0), 0, true)

/* Asserted: name, what is bad, call. */
#define ASSERTED(X)                                                                               \
	X(a_offer, "mpmu_caps_offer: NULL offer", mpmu_caps_offer(NULL, model, 0))                \
	X(a_offer_host, "mpmu_caps_offer: NULL host", mpmu_caps_offer(&s.caps, NULL, 0))          \
	X(a_clamp, "mpmu_caps_clamp: NULL guest", mpmu_caps_clamp(NULL, model))                   \
	X(a_clamp_offer, "mpmu_caps_clamp: NULL offer", mpmu_caps_clamp(&s.caps, NULL))           \
	X(a_allows, "mpmu_filter_allows: not compiled", mpmu_filter_allows((void *)&garbage, 0))  \
	X(a_size, "mpmu_snapshot_size: NULL", mpmu_snapshot_size(NULL))                           \
	X(a_save, "mpmu_snapshot_save: NULL vcpu", mpmu_snapshot_save(CPU, NULL, many))           \
	X(a_save_list, "mpmu_snapshot_save: NULL list", mpmu_snapshot_save(CPU, VCPU, NULL))      \
	X(a_restore, "mpmu_snapshot_restore: NULL vcpu",                                          \
	  mpmu_snapshot_restore(CPU, NULL, many, 0, NULL))                                        \
	X(a_init, "mpmu_vcpu_init: NULL vcpu",                                                    \
	  mpmu_vcpu_init(NULL, &s.world.machine.host, &stats))                                    \
	X(a_init_host, "mpmu_vcpu_init: NULL host", mpmu_vcpu_init(&unmade, NULL, &stats))        \
	X(a_init_stats, "mpmu_vcpu_init: NULL stats",                                             \
	  mpmu_vcpu_init(&unmade, &s.world.machine.host, NULL))                                   \
	X(a_configure, "mpmu_vcpu_configure: NULL vcpu", mpmu_vcpu_configure(NULL, model))        \
	X(a_configure_un, "mpmu_vcpu_configure: not made", mpmu_vcpu_configure(&unmade, model))   \
	X(a_reset, "mpmu_vcpu_reset: NULL vcpu", mpmu_vcpu_reset(CPU, NULL))                      \
	X(a_forget, "mpmu_cpu_forget_vcpu: NULL cpu", mpmu_cpu_forget_vcpu(NULL, VCPU))           \
	X(a_forget_vcpu, "mpmu_cpu_forget_vcpu: NULL vcpu", mpmu_cpu_forget_vcpu(CPU, NULL))      \
	X(a_cpu_reset, "mpmu_cpu_reset: NULL", mpmu_cpu_reset(NULL))                              \
	X(a_exists, "mpmu_msr_exists: NULL", mpmu_msr_exists(NULL, 0xc1))                         \
	X(a_read, "mpmu_msr_read: NULL vcpu",                                                     \
	  mpmu_msr_read(CPU, NULL, 0xc1, MPMU_BY_HOST, &s.value))                                 \
	X(a_read_value, "mpmu_msr_read: NULL value",                                              \
	  mpmu_msr_read(CPU, VCPU, 0xc1, MPMU_BY_HOST, NULL))                                     \
	X(a_read_by, "mpmu_msr_read: unknown initiator",                                          \
	  mpmu_msr_read(CPU, VCPU, 0xc1, 2, &s.value))                                            \
	X(a_load, "mpmu_nested_msr_load: NULL vcpu", mpmu_nested_msr_load(CPU, NULL, 0xc1, 0))    \
	X(a_write, "mpmu_owner_write: NULL vcpu", mpmu_owner_write(CPU, NULL, 0xc1, 0))           \
	X(a_wrmsr, "mpmu_wrmsr: NULL vcpu", mpmu_wrmsr(CPU, NULL, 0xc1, 0))                       \
	X(a_rdpmc, "mpmu_rdpmc: NULL vcpu", mpmu_rdpmc(CPU, NULL, 0, &s.value))                   \
	X(a_rdpmc_value, "mpmu_rdpmc: NULL value", mpmu_rdpmc(CPU, VCPU, 0, NULL))                \
	X(a_rdpmc_valid, "mpmu_rdpmc_valid: NULL", mpmu_rdpmc_valid(NULL, 0))                     \
	X(a_reprogram, "mpmu_vcpu_reprogram: NULL vcpu", mpmu_vcpu_reprogram(CPU, NULL, NULL))    \
	X(a_reprogram_foreign, "mpmu_vcpu_reprogram: filter of another vendor",                   \
	  mpmu_vcpu_reprogram(CPU, VCPU, FOREIGN))                                                \
	X(a_filter_changed, "mpmu_vcpu_filter_changed: NULL", mpmu_vcpu_filter_changed(NULL))     \
	X(a_set_flags, "mpmu_vcpu_set_flags: NULL", mpmu_vcpu_set_flags(NULL, 0, 0))              \
	X(a_intercepts, "mpmu_msr_intercepts: NULL", mpmu_msr_intercepts(NULL, 0xc1))             \
	X(a_rdpmc_int, "mpmu_rdpmc_intercepted: NULL", mpmu_rdpmc_intercepted(NULL))              \
	X(a_nested, "mpmu_nested_msr_intercepts: NULL",                                           \
	  mpmu_nested_msr_intercepts(NULL, 0xc1, BOTH))                                           \
	X(a_nested_rdpmc, "mpmu_nested_rdpmc_intercepted: NULL",                                  \
	  mpmu_nested_rdpmc_intercepted(NULL, true))                                              \
	X(a_update, "mpmu_vcpu_update_intercepts: NULL", mpmu_vcpu_update_intercepts(NULL))       \
	X(a_enter, "mpmu_enter: NULL cpu", mpmu_enter(NULL, VCPU))                                \
	X(a_enter_vcpu, "mpmu_enter: NULL vcpu", mpmu_enter(CPU, NULL))                           \
	X(a_enter_un, "mpmu_enter: not made", mpmu_enter(CPU, &unmade))                           \
	X(a_exit, "mpmu_exit: NULL cpu", mpmu_exit(NULL, VCPU))                                   \
	X(a_exit_vcpu, "mpmu_exit: NULL vcpu", mpmu_exit(CPU, NULL))                              \
	X(a_put, "mpmu_put: NULL cpu", mpmu_put(NULL, VCPU))                                      \
	X(a_put_vcpu, "mpmu_put: NULL vcpu", mpmu_put(CPU, NULL))                                 \
	X(a_park, "mpmu_park: NULL cpu", mpmu_park(NULL, VCPU))                                   \
	X(a_park_vcpu, "mpmu_park: NULL vcpu", mpmu_park(CPU, NULL))                              \
	X(a_evict, "mpmu_evict: NULL cpu", mpmu_evict(NULL, VCPU))                                \
	X(a_held, "mpmu_held: NULL", mpmu_held(NULL))                                             \
	X(a_reclaim, "mpmu_reclaim: NULL", mpmu_reclaim(NULL))                                    \
	X(a_share, "mpmu_share: NULL", mpmu_share(NULL, 1))                                       \
	X(a_nmi, "mpmu_nmi: NULL", mpmu_nmi(NULL))                                                \
	X(a_drain, "mpmu_drain: NULL", mpmu_drain(NULL))                                          \
	X(a_pmi, "mpmu_pmi: NULL", mpmu_pmi(NULL))                                                \
	X(a_emulate, "mpmu_emulate: NULL vcpu", mpmu_emulate(CPU, NULL, MPMU_EVENT_BRANCHES, 3))

struct defined_row {
	const char *id;
	s64 (*call)(void);
	s64 result;
	/* The result is in what it changes. */
	bool changes;
};

#define DEFINED_CALL(name, id, call, result, changes) \
	static s64 name(void)                         \
	{                                             \
		return (call);                        \
	}
DEFINED(DEFINED_CALL)

#define DEFINED_ROW(name, id, call, result, changes) {id, name, result, changes},
static const struct defined_row defined[] = {DEFINED(DEFINED_ROW)};

static void check_defined(void **state)
{
	const struct defined_row *row = *state;
	static struct state before;

	setup();
	memcpy(&before, &s, sizeof(s));
	assert_int_equal(row->call(), row->result);
	/* An access that is refused is counted all the same. */
	before.world.vcpu.stats = s.world.vcpu.stats;
	if (!row->changes)
		assert_memory_equal(&before, &s, sizeof(s));
}

#ifdef MPMU_DEBUG
struct asserted_row {
	const char *id;
	void (*call)(void);
};

#define ASSERTED_CALL(name, id, call) \
	static void name(void)        \
	{                             \
		(void)(call);         \
	}
ASSERTED(ASSERTED_CALL)

#define ASSERTED_ROW(name, id, call) {id, name},
static const struct asserted_row asserted[] = {ASSERTED(ASSERTED_ROW)};

/* Up to its end, which the writer may reach in pieces; what does not fit is dropped. */
static void read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	char piece[256];
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		if ((size_t)got > size - 1 - length)
			got = (ssize_t)(size - 1 - length);
		memcpy(text + length, piece, (size_t)got);
		length += (size_t)got;
	}
	text[length] = 0;
}

/* In a process of its own; what it says ends up in @text. */
static int status_of(void (*call)(void), char *text, size_t size)
{
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(pipes[1], STDERR_FILENO);
		/* What goes wrong ends this process, and not just the test. */
		signal(SIGSEGV, SIG_DFL);
		stub_fault_hook = NULL;
		call();
		_exit(0);
	}
	close(pipes[1]);
	read_all(pipes[0], text, size);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* gcc has the name of the function in an assertion, clang all of its head. */
static bool noticed_by(const char *text, const char *id)
{
	char name[80], head[80];
	int length = (int)strcspn(id, ":");

	snprintf(name, sizeof(name), " %.*s: Assertion", length, id);
	snprintf(head, sizeof(head), " %.*s(", length, id);
	return strstr(text, name) || (strstr(text, head) && strstr(text, "): Assertion"));
}

/* The function that is named must be the one that notices. */
static void check_asserted(void **state)
{
	const struct asserted_row *row = *state;
	char text[4000];
	int status;

	setup();
	status = status_of(row->call, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !noticed_by(text, row->id))
		fail_msg("not asserted: status %#x, \"%s\"", status, text);
}
#endif

int main(void)
{
	UNIT_TABLE(defined, check_defined);
#ifdef MPMU_DEBUG
	UNIT_TABLE(asserted, check_asserted);
#endif
	return unit_run("badinput");
}
