// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registers that stay where a vCPU left them: every state of two CPUs and three
 * vCPUs that counting, moving, host events, tasks with RDPMC, other guests, CPUs
 * that go offline and ends of vCPUs lead to, by a search that visits each once.
 * In each, counts are exact, no interrupt is lost or doubled, and nobody holds or
 * sees what is not his.  Ports that forget one duty are found out.
 *   MPMU_STATES=N	no more states of each
 */
#include "states.h"

#define LAST 0xffffffffffffull
#define ONE  (&(struct stub_work){.instructions = 1})

/* A duty of the port that it forgets. */
enum broken {
	NOTHING,
	LOAD_ELSEWHERE,
	TASK_WITH_RDPMC,
	FOREIGN_GUEST,
	OFFLINE,
	END,
	NR_BROKEN,
};

static struct world {
	struct stub_machine machine;
	struct stub_vcpu vcpus[VCPUS];
	/* What their counters hold, and interrupts that they have to get. */
	u64 truth[VCPUS];
	u32 pmis[VCPUS];
} world;

static enum broken broken;
/* The counter of the host's events, and whether they go on beside a guest. */
static u32 host_pmc;
static bool shares;
/* Situations that must have been met. */
static struct {
	u32 states;
	u32 parked;
	u32 taken_over;
	u32 refused;
	u32 elsewhere;
	u32 both;
} met;

static bool intel(void)
{
	return world.machine.host.caps.vendor == MPMU_VENDOR_INTEL;
}

static u32 counter_msr(void)
{
	return intel() ? 0x4c1 : 0xc0010201;
}

static struct stub_cpu *cpu_at(u32 c)
{
	return &world.machine.cpus[c];
}

static bool loaded_on(const struct stub_cpu *cpu)
{
	u32 v;

	for (v = 0; v < VCPUS; v++)
		if (world.vcpus[v].loaded && world.vcpus[v].cpu == cpu)
			return true;
	return false;
}

static void start(struct stub_vcpu *vcpu)
{
	stub_vcpu_init(vcpu, &world.machine, &world.machine.host.caps);
	stub_vcpu_load(vcpu, vcpu->cpu);
	unit_wrmsr(vcpu, intel() ? 0x186 : 0xc0010200, 0x5300c0);
	stub_guest_mask_lvtpc(vcpu, false);
	stub_enter(vcpu);
	stub_vcpu_put(vcpu);
}

static void start_world(const char *model)
{
	u32 v;

	memset(&world, 0, sizeof(world));
	assert_int_equal(stub_machine_init(&world.machine, unit_caps(model)), 0);
	for (v = 0; v < VCPUS; v++)
		start(&world.vcpus[v]);
	world.machine.parks = true;
	world.machine.shares = shares;
}

/* What can happen, to a vCPU, on a CPU; false: not now. */

static bool load(u32 v, u32 c)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	if (vcpu->loaded || loaded_on(cpu_at(c)))
		return false;
	met.elsewhere += mpmu_held(&vcpu->mpmu) && vcpu->cpu != cpu_at(c);
	if (broken == LOAD_ELSEWHERE)
		vcpu->cpu = cpu_at(c);
	stub_vcpu_load(vcpu, cpu_at(c));
	return true;
}

static bool put(u32 v, u32 c)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	if (!vcpu->loaded || vcpu->cpu != cpu_at(c))
		return false;
	stub_vcpu_put(vcpu);
	met.parked += mpmu_held(&vcpu->mpmu);
	return true;
}

/* All that it has to get has come. */
static bool is_settled(u32 v)
{
	return world.vcpus[v].pmis == world.pmis[v];
}

static bool all_are_settled(void)
{
	u32 v;

	for (v = 0; v < VCPUS; v++)
		if (!is_settled(v))
			return false;
	return true;
}

/* The guest's handler. */
static void acknowledge(struct stub_vcpu *vcpu)
{
	stub_guest_mask_lvtpc(vcpu, false);
	unit_wrmsr(vcpu, intel() ? 0x390 : 0xc0000302, 1);
}

static bool run(u32 v, u32 c)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	if (!vcpu->loaded || vcpu->cpu != cpu_at(c))
		return false;
	world.machine.here = vcpu->cpu;
	met.taken_over += vcpu->cpu->mpmu.owner && vcpu->cpu->mpmu.owner != &vcpu->mpmu;
	met.refused += vcpu->cpu->late_pmi && vcpu->cpu->mpmu.owner != &vcpu->mpmu;
	if (is_settled(v))
		acknowledge(vcpu);
	stub_guest_run(vcpu, ONE);
	stub_exit(vcpu);
	world.truth[v]++;
	return true;
}

static bool overflow(u32 v, u32 c, bool late)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	/* Two on their way at a time are as many states again, and nothing new. */
	if (!vcpu->loaded || vcpu->cpu != cpu_at(c) || !all_are_settled())
		return false;
	world.machine.here = vcpu->cpu;
	acknowledge(vcpu);
	unit_wrmsr(vcpu, counter_msr(), LAST);
	vcpu->cpu->late_pmi = late;
	stub_guest_run(vcpu, ONE);
	stub_exit(vcpu);
	world.truth[v] = 0;
	world.pmis[v]++;
	return true;
}

static bool overflow_now(u32 v, u32 c)
{
	return overflow(v, c, false);
}

static bool overflow_late(u32 v, u32 c)
{
	return overflow(v, c, true);
}

/* A call that was meant for what has changed since. */
static bool stray_evict(u32 v, u32 c)
{
	world.machine.here = cpu_at(c);
	world.machine.irqs_off = true;
	if (world.vcpus[v].cpu == cpu_at(c))
		mpmu_evict(&cpu_at(c)->mpmu, &world.vcpus[v].mpmu);
	world.machine.irqs_off = false;
	return true;
}

/* The owner of the VM reads it from any CPU. */
static bool read_by_owner(u32 v, u32 c)
{
	u64 value;

	if (!load(v, c))
		return false;
	assert_int_equal(stub_host_rdmsr(&world.vcpus[v], counter_msr(), &value), MPMU_DONE);
	if (value != world.truth[v])
		stub_fault("vCPU %u: its owner reads %llu instead of %llu", v,
			   (unsigned long long)value, (unsigned long long)world.truth[v]);
	stub_vcpu_put(&world.vcpus[v]);
	return true;
}

static bool end(u32 v, u32 c)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	if (vcpu->loaded || loaded_on(cpu_at(c)) || !is_settled(v))
		return false;
	world.machine.here = cpu_at(c);
	if (broken == END)
		mpmu_cpu_forget_vcpu(&vcpu->cpu->mpmu, &vcpu->mpmu);
	stub_vcpu_end(vcpu);
	start(vcpu);
	world.truth[v] = world.pmis[v] = 0;
	return true;
}

/* The rest happens to a CPU. */

static bool host_event(u32 v, u32 c)
{
	struct stub_cpu *cpu = cpu_at(c);
	struct stub_host_event *event = &cpu->perf.events[0];

	(void)v;
	world.machine.here = cpu;
	if (!event->installed) {
		stub_perf_install(&world.machine, 0, host_pmc,
				  0x4300c0 | (intel() ? 0 : STUB_EVENTSEL_HOST_ONLY), 0);
		return true;
	}
	stub_perf_run(&world.machine, ONE);
	stub_perf_remove(&world.machine, 0);
	if (event->count != event->truth)
		stub_fault("an event of the host has counted %llu instead of %llu",
			   (unsigned long long)event->count, (unsigned long long)event->truth);
	return true;
}

static bool task(u32 v, u32 c)
{
	(void)v;
	if (loaded_on(cpu_at(c)))
		return false;
	world.machine.here = cpu_at(c);
	if (broken != TASK_WITH_RDPMC)
		stub_make_room(&world.machine);
	stub_task_rdpmc(&world.machine);
	return true;
}

static bool foreign(u32 v, u32 c)
{
	(void)v;
	if (loaded_on(cpu_at(c)))
		return false;
	world.machine.here = cpu_at(c);
	if (broken != FOREIGN_GUEST)
		stub_make_room(&world.machine);
	stub_foreign_run(&world.machine, ONE);
	return true;
}

/* What was on its way has come. */
static bool interrupt(u32 v, u32 c)
{
	(void)v;
	if (!cpu_at(c)->pmu.pending[STUB_VECTOR_OF_GUEST])
		return false;
	world.machine.here = cpu_at(c);
	cpu_at(c)->late_pmi = false;
	stub_take_interrupts(&world.machine);
	return true;
}

static bool offline(u32 v, u32 c)
{
	struct stub_cpu *cpu = cpu_at(c);

	(void)v;
	if (loaded_on(cpu) || cpu->perf.events[0].installed)
		return false;
	world.machine.here = cpu;
	if (broken != OFFLINE)
		stub_make_room(&world.machine);
	cpu->late_pmi = false;
	stub_take_interrupts(&world.machine);
	stub_cpu_reset(&world.machine, cpu);
	return true;
}

static const struct op {
	const char *name;
	bool (*run)(u32 v, u32 c);
	/* To each vCPU; else it is the CPU's. */
	bool of_vcpu;
} ops[] = {
	{"load", load, true},
	{"put", put, true},
	{"run", run, true},
	{"overflow", overflow_now, true},
	{"overflow, late", overflow_late, true},
	{"stray evict", stray_evict, true},
	{"read by the owner", read_by_owner, true},
	{"end and start", end, true},
	{"host event", host_event, false},
	{"task with RDPMC", task, false},
	{"another guest", foreign, false},
	{"interrupt", interrupt, false},
	{"offline and back", offline, false},
};

static u64 value_of(const struct stub_vcpu *vcpu)
{
	u32 c;

	for (c = 0; c < STUB_CPUS; c++)
		if (mpmu_resident(&cpu_at(c)->mpmu, &vcpu->mpmu) && !(vcpu->mpmu.lent & 1))
			return cpu_at(c)->pmu.gp[0].value;
	return vcpu->mpmu.gp[0];
}

static bool on_its_way(const struct stub_vcpu *vcpu)
{
	u32 c;

	for (c = 0; c < STUB_CPUS; c++)
		if (cpu_at(c)->pmu.pending[STUB_VECTOR_OF_GUEST] &&
		    cpu_at(c)->mpmu.pmi_target == &vcpu->mpmu)
			return true;
	return vcpu->requests.pmi;
}

static void check_state(void)
{
	u32 v, holders = 0;

	for (v = 0; v < VCPUS; v++) {
		const struct stub_vcpu *vcpu = &world.vcpus[v];

		if (value_of(vcpu) != world.truth[v])
			stub_fault("vCPU %u has counted %llu instead of %llu", v,
				   (unsigned long long)value_of(vcpu),
				   (unsigned long long)world.truth[v]);
		if (vcpu->pmis + on_its_way(vcpu) != world.pmis[v])
			stub_fault("vCPU %u: %u interrupts and %u on the way of %u", v, vcpu->pmis,
				   on_its_way(vcpu), world.pmis[v]);
		holders += mpmu_held(&vcpu->mpmu);
	}
	met.both += holders == 2;
}

static void check_invariants(void)
{
	u32 v;

	for (v = 0; v < VCPUS; v++)
		stub_check_invariants(&world.vcpus[v]);
}

static u32 name_of(const struct mpmu_vcpu *vcpu, const u8 *order)
{
	return vcpu ? 1 + order[stub_vcpu_of(vcpu) - world.vcpus] : 0;
}

/*
 * What tells states apart: not counts and statistics, nor a target of interrupts
 * that none is on its way to, nor where a vCPU ran that left nothing there.
 */
static u64 key_of_cpu(u64 hash, const struct stub_cpu *cpu, const u8 *order)
{
	bool targeted = cpu->mpmu.pmi_latched || cpu->pmu.pending[STUB_VECTOR_OF_GUEST];

	hash = mix(hash, name_of(cpu->mpmu.owner, order));
	if (cpu->mpmu.lent)
		hash = mix(hash, cpu->mpmu.lent << 1 | (cpu->mpmu.settled != NULL));
	hash = mix(hash, targeted ? name_of(cpu->mpmu.pmi_target, order) : 0);
	hash = mix(hash, cpu->mpmu.pmi_latched | cpu->mpmu.displaced << 1 | cpu->late_pmi << 2 |
				 cpu->pmu.pending[STUB_VECTOR_OF_GUEST] << 3 |
				 cpu->pmu.pending[STUB_NMI_OF_HOST] << 4 |
				 cpu->perf.events[0].installed << 5 | cpu->pmu.lvtpc.masked << 6 |
				 cpu->pmu.lvtpc.route << 7);
	return mix(hash, (cpu->mpmu.zero_counters ? 1 : 0) | (cpu->pmu.status ? 2 : 0));
}

static u64 key_of_vcpu(u64 hash, const struct stub_vcpu *vcpu, u32 swap)
{
	u32 v = vcpu - world.vcpus;

	if (vcpu->loaded || mpmu_held(&vcpu->mpmu))
		hash = mix(hash, (vcpu->cpu - world.machine.cpus) ^ swap);
	hash = mix(hash, vcpu->loaded | vcpu->lvtpc_masked << 1 | vcpu->requests.pmi << 2 |
				 vcpu->requests.reprogram << 3 | vcpu->requests.intercepts << 4 |
				 vcpu->touched << 5 | mpmu_held(&vcpu->mpmu) << 6 |
				 is_settled(v) << 7);
	if (vcpu->mpmu.lent)
		hash = mix(hash, vcpu->mpmu.lent);
	return mix(hash, vcpu->mpmu.global_status);
}

/* With the vCPUs, and the CPUs, by other names. */
static u64 key_named(const u8 *order, u32 swap)
{
	u64 hash = 0xcbf29ce484222325ull;
	u32 i, v;

	for (i = 0; i < STUB_CPUS; i++)
		hash = key_of_cpu(hash, cpu_at(i ^ swap), order);
	for (i = 0; i < VCPUS; i++)
		for (v = 0; v < VCPUS; v++)
			if (order[v] == i)
				hash = key_of_vcpu(hash, &world.vcpus[v], swap);
	return hash;
}

static u64 key(void)
{
	u64 least = ~0ull;
	u32 i;

	for (i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
		u64 named = key_named(orders[i / 2], i % 2);

		least = named < least ? named : least;
	}
	return least;
}

#define SLOTS_OF_SET (1u << 20)
static u64 *visited;

/* False: it is there. */
static bool visit(u64 hash)
{
	u32 slot = (u32)hash % SLOTS_OF_SET;

	hash += !hash;
	for (; visited[slot]; slot = (slot + 1) % SLOTS_OF_SET)
		if (visited[slot] == hash)
			return false;
	visited[slot] = hash;
	return true;
}

/* States whose successors have not been looked at. */
static struct frontier {
	struct frontier *next;
	struct world world;
} *first, *last;

static void push(void)
{
	struct frontier *state = malloc(sizeof(*state));

	assert_non_null(state);
	assert_true(++met.states < SLOTS_OF_SET / 2);
	state->next = NULL;
	state->world = world;
	if (first)
		last->next = state;
	else
		first = state;
	last = state;
}

static void pop(void)
{
	struct frontier *next = first->next;

	free(first);
	first = next;
}

static jmp_buf found;
static char fault[200];

static void note_fault(const char *what)
{
	snprintf(fault, sizeof(fault), "%s", what);
	longjmp(found, 1);
}

/* At the place where it was, as vCPUs and machine point to each other. */
static void expand(const struct frontier *state)
{
	u32 i, v, c;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		for (v = 0; v < (ops[i].of_vcpu ? VCPUS : 1); v++)
			for (c = 0; c < STUB_CPUS; c++) {
				world = state->world;
				if (!ops[i].run(v, c))
					continue;
				check_state();
				if (!visit(key()))
					continue;
				check_invariants();
				push();
			}
}

/* True: no state is wrong. */
static bool search(const char *model)
{
	const char *few = getenv("MPMU_STATES");
	const u32 limit = few ? (u32)atoi(few) : SLOTS_OF_SET / 2;
	volatile bool right = true;

	memset(&met, 0, sizeof(met));
	visited = calloc(SLOTS_OF_SET, sizeof(*visited));
	assert_non_null(visited);
	start_world(model);
	visit(key());
	push();
	stub_fault_hook = note_fault;
	if (setjmp(found))
		right = false;
	for (; first && right && met.states < limit; pop())
		expand(first);
	stub_fault_hook = unit_fail;
	while (first)
		pop();
	free(visited);
	return right;
}

struct row {
	const char *name;
	const char *model;
	enum broken broken;
	const char *fault;
	bool shares;
	u32 host_pmc;
};

#define INTEL "intel-v4-small"
#define AMD   "amd-v2"

static const struct row rows[] = {
	{"parked: every state is right (Intel)", INTEL, NOTHING, NULL, false, 1},
	{"parked: every state is right (AMD)", AMD, NOTHING, NULL, false, 1},
	{"parked beside an event of the host (Intel)", INTEL, NOTHING, NULL, true, 1},
	{"parked beside an event of the host (AMD)", AMD, NOTHING, NULL, true, 1},
	{"parked, with one counter for both (Intel)", INTEL, NOTHING, NULL, true, 0},
	{"parked, with one counter for both (AMD)", AMD, NOTHING, NULL, true, 0},
	{"parked: a load elsewhere without a call (Intel)", INTEL, LOAD_ELSEWHERE, "invariant 9", false, 1},
	{"parked: a load elsewhere without a call (AMD)", AMD, LOAD_ELSEWHERE, "invariant 9", false, 1},
	{"parked: a task with RDPMC beside a guest (Intel)", INTEL, TASK_WITH_RDPMC, "can read", false, 1},
	{"parked: a task with RDPMC beside a guest (AMD)", AMD, TASK_WITH_RDPMC, "can read", false, 1},
	{"parked: a guest of another library counts for it", AMD, FOREIGN_GUEST, "has counted", false, 1},
	{"parked: offline without a call", INTEL, OFFLINE, "has counted", false, 1},
	{"parked: the end without a call", INTEL, END, "owns the PMU", false, 1},
};

static void check_row(void **state)
{
	const struct row *row = *state;
	bool right;

	broken = row->broken;
	host_pmc = row->host_pmc;
	shares = row->shares;
	right = search(row->model);
	if (broken == NOTHING) {
		if (!right)
			fail_msg("%s", fault);
		print_message("# %u states\n", met.states);
		assert_true(met.states > 1000 && met.parked && met.taken_over && met.refused &&
			    met.elsewhere && met.both);
		return;
	}
	assert_false(right);
	if (!strstr(fault, row->fault))
		fail_msg("found \"%s\" instead of \"%s\"", fault, row->fault);
}

int main(void)
{
	UNIT_TABLE(rows, check_row);
	return unit_run("park");
}
