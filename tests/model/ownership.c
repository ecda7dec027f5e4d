// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ownership, exhaustively: two CPUs, three vCPUs that count and overflow, and all
 * orders of what may happen to them, up to so many steps.  It runs on the core and
 * the stub themselves, breadth first, so what it finds is a shortest way to it.
 * After each step all comes to rest on a copy: every count and every interrupt
 * must be there, and nothing of a guest may be left in hardware.
 *
 * MPMU_PATH='step; step; ...' takes the steps that a failure has printed.
 */
#include "states.h"

/* The guests' counter overflows at the next instruction, and the one of the host. */
#define START                 0xffffffffffffull
#define MASK                  0xffffffffffffull

enum verb {
	LOAD, PUT, ENTER, EXIT, PROGRAM, RUN, HANDLE, READ,
	BE_LATE, ARRIVE, RECLAIM, OPEN, CLOSE, HOST_RUN,
	NR_VERBS,
};

/* A step is a byte: what, and with which vCPU and CPU. */
#define STEP(verb, vcpu, cpu) ((u8)(((verb) * VCPUS + (vcpu)) * STUB_CPUS + (cpu)))

/* Where: a vCPU and a CPU; of steps of a CPU alone, vCPU 0. */
struct place {
	u32 v;
	u32 c;
};

/* What the guest knows of its one counter. */
struct guest {
	bool programmed;
	/* It has had an interrupt, and not handled it. */
	bool interrupted;
	u64 value;
	/* Overflows less interrupts. */
	s64 owed;
};

struct world {
	struct stub_machine machine;
	struct stub_vcpu vcpus[VCPUS];
	struct guest guests[VCPUS];
};

/* A hypervisor that is wrong in one way, or in none. */
struct port {
	const char *name;
	const char *model;
	/* The counter of the host's event, which is plain: then guests run beside it. */
	u32 host_pmc;
	bool shares;
	/* A put leaves the registers where they are. */
	bool forgets_put;
	/* The host uses the PMU without a reclaim. */
	bool forgets_reclaim;
	/* Operations in place of the stub's. */
	bool (*drain_pmi)(const struct mpmu_vcpu *vcpu, bool briefly);
	void (*disown)(const struct mpmu_vcpu *vcpu);
	bool (*share)(const struct mpmu_vcpu *vcpu, mpmu_pmcs host);
	/* What the search must find; NULL: nothing. */
	const char *finds;
};

static struct world world, first;
static const struct port *port;
static struct mpmu_ops ops;

/* The first thing that is wrong on the path that is being taken. */
static char wrong[200];
static jmp_buf stopped;

static void stop(const char *what)
{
	snprintf(wrong, sizeof(wrong), "%s", what);
	longjmp(stopped, 1);
}

static bool is_amd(void)
{
	return world.machine.host.caps.vendor == MPMU_VENDOR_AMD;
}

static u32 counter_msr(void)
{
	return is_amd() ? 0xc0010201 : 0x4c1;
}

static struct stub_cpu *cpu_at(u32 c)
{
	return &world.machine.cpus[c];
}

/* The vCPU that is loaded there. */
static struct stub_vcpu *loaded_on(u32 c)
{
	u32 v;

	for (v = 0; v < VCPUS; v++) {
		if (world.vcpus[v].loaded && world.vcpus[v].cpu == cpu_at(c))
			return &world.vcpus[v];
	}
	return NULL;
}

/* From here on this CPU executes; in a guest, IRQs are off for the stub. */
static void go_on_at(u32 c)
{
	struct stub_vcpu *vcpu = loaded_on(c);

	world.machine.here = cpu_at(c);
	world.machine.irqs_off = vcpu && vcpu->in_guest;
}

/* An interrupt that is not the guest's ends guest mode. */
static void exit_on(u32 c)
{
	struct stub_vcpu *vcpu = loaded_on(c);

	go_on_at(c);
	if (vcpu)
		stub_exit(vcpu);
	else
		stub_take_interrupts(&world.machine);
}

/* What changes here is seen by the guest as soon as it is entered. */
static void see_interrupts(u32 v, u32 before)
{
	struct guest *guest = &world.guests[v];

	if (world.vcpus[v].pmis == before)
		return;
	guest->owed -= world.vcpus[v].pmis - before;
	guest->interrupted = true;
	if (guest->owed < 0)
		stop("an interrupt without an overflow");
}

static bool can_load(struct place at)
{
	return !world.vcpus[at.v].loaded && !loaded_on(at.c);
}

static void do_load(struct place at)
{
	/* Nor does it ask the CPU that has the registers. */
	if (port->forgets_put)
		world.vcpus[at.v].cpu = cpu_at(at.c);
	stub_vcpu_load(&world.vcpus[at.v], cpu_at(at.c));
}

/* On the CPU where it is loaded. */
static bool is_loaded(struct place at)
{
	return world.vcpus[at.v].loaded && world.vcpus[at.v].cpu == cpu_at(at.c);
}

static bool in_host(struct place at)
{
	return is_loaded(at) && !world.vcpus[at.v].in_guest;
}

static bool in_guest(struct place at)
{
	return is_loaded(at) && world.vcpus[at.v].in_guest;
}

/* What is latched then comes when IRQs are open again, which is not at once. */
static void do_put(struct place at)
{
	struct stub_vcpu *vcpu = &world.vcpus[at.v];

	world.machine.irqs_off = true;
	if (!port->forgets_put)
		mpmu_put(&vcpu->cpu->mpmu, &vcpu->mpmu);
	world.machine.irqs_off = false;
	vcpu->loaded = false;
}

static void do_enter(struct place at)
{
	stub_enter(&world.vcpus[at.v]);
}

static void do_exit(struct place at)
{
	stub_exit(&world.vcpus[at.v]);
}

static bool can_program(struct place at)
{
	return in_guest(at) && !world.guests[at.v].programmed;
}

static void arm(u32 v)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	unit_wrmsr(vcpu, counter_msr(), START);
	unit_wrmsr(vcpu, is_amd() ? 0xc0000302 : 0x390, 1);
	stub_guest_mask_lvtpc(vcpu, false);
	world.guests[v].value = START;
}

/* From its first use on the PMU is worth a switch. */
static void do_program(struct place at)
{
	unit_wrmsr(&world.vcpus[at.v], is_amd() ? 0xc0010200 : 0x186, 0x5300c0);
	arm(at.v);
	world.guests[at.v].programmed = true;
}

static bool can_run(struct place at)
{
	struct guest *guest = &world.guests[at.v];

	return in_guest(at) && guest->programmed && guest->value != 1;
}

/* A late interrupt lets the guest go on for a while. */
static void do_run(struct place at)
{
	static const struct stub_work work = {.instructions = 1};
	struct guest *guest = &world.guests[at.v];

	guest->value = (guest->value + 1) & MASK;
	guest->owed += !guest->value;
	if (cpu_at(at.c)->late_pmi)
		stub_pmu_run(&cpu_at(at.c)->pmu, &work);
	else
		stub_guest_run(&world.vcpus[at.v], &work);
}

static bool can_handle(struct place at)
{
	return in_guest(at) && world.guests[at.v].interrupted;
}

static void do_handle(struct place at)
{
	world.guests[at.v].interrupted = false;
	arm(at.v);
}

/* The owner of the VM reads a counter of a vCPU that nobody runs. */
static bool can_read(struct place at)
{
	return in_host(at) || (!world.vcpus[at.v].loaded && world.vcpus[at.v].cpu == cpu_at(at.c) &&
			       !loaded_on(at.c));
}

static void do_read(struct place at)
{
	const struct guest *guest = &world.guests[at.v];
	u64 value, status;

	stub_host_rdmsr(&world.vcpus[at.v], counter_msr(), &value);
	stub_host_rdmsr(&world.vcpus[at.v], is_amd() ? 0xc0000300 : 0x38e, &status);
	if (guest->programmed && value != guest->value)
		stop("a counter does not have its count");
	if (guest->programmed && status != (guest->value != START))
		stop("the status does not tell of an overflow");
}

/* The next interrupt, not one that the local APIC has latched. */
static bool can_be_late(struct place at)
{
	const struct stub_cpu *cpu = cpu_at(at.c);

	return !at.v && !cpu->late_pmi && !cpu->pmu.pending[STUB_VECTOR_OF_GUEST];
}

static void do_be_late(struct place at)
{
	cpu_at(at.c)->late_pmi = true;
}

static bool can_arrive(struct place at)
{
	return !at.v && cpu_at(at.c)->late_pmi;
}

static void do_arrive(struct place at)
{
	cpu_at(at.c)->late_pmi = false;
	exit_on(at.c);
}

static bool can_reclaim(struct place at)
{
	return !at.v;
}

static void do_reclaim(struct place at)
{
	exit_on(at.c);
	stub_perf_reclaim(&world.machine);
}

/* An event of the host, on the guests' counter or on another one. */
static bool can_open(struct place at)
{
	return !at.v && !cpu_at(at.c)->perf.events[0].installed;
}

static void do_open(struct place at)
{
	exit_on(at.c);
	if (port->forgets_reclaim)
		cpu_at(at.c)->mpmu.owner = NULL;
	world.machine.shares = port->shares;
	stub_perf_install(&world.machine, 0, port->host_pmc,
			  0x5300c0 | (is_amd() ? STUB_EVENTSEL_HOST_ONLY : 0), START);
}

static bool has_event(struct place at)
{
	return !at.v && cpu_at(at.c)->perf.events[0].installed;
}

static void do_close(struct place at)
{
	exit_on(at.c);
	stub_perf_remove(&world.machine, 0);
}

/* The host counts twice, which makes its event overflow. */
static bool can_host_run(struct place at)
{
	struct stub_vcpu *vcpu = loaded_on(at.c);

	return has_event(at) && cpu_at(at.c)->perf.events[0].truth < 2 && !(vcpu && vcpu->in_guest);
}

static void do_host_run(struct place at)
{
	static const struct stub_work work = {.instructions = 1};

	go_on_at(at.c);
	stub_perf_run(&world.machine, &work);
}

static const struct {
	const char *name;
	bool (*can)(struct place at);
	void (*go)(struct place at);
} verbs[] = {
	[LOAD] = {"load", can_load, do_load},
	[PUT] = {"put", in_host, do_put},
	[ENTER] = {"enter", in_host, do_enter},
	[EXIT] = {"exit", in_guest, do_exit},
	[PROGRAM] = {"program", can_program, do_program},
	[RUN] = {"run", can_run, do_run},
	[HANDLE] = {"handle", can_handle, do_handle},
	[READ] = {"read", can_read, do_read},
	[BE_LATE] = {"be late", can_be_late, do_be_late},
	[ARRIVE] = {"arrive", can_arrive, do_arrive},
	[RECLAIM] = {"reclaim", can_reclaim, do_reclaim},
	[OPEN] = {"open", can_open, do_open},
	[CLOSE] = {"close", has_event, do_close},
	[HOST_RUN] = {"host runs", can_host_run, do_host_run},
};

#define STEPS STEP(NR_VERBS, 0, 0)

static u32 verb_of(u8 step)
{
	return step / (VCPUS * STUB_CPUS);
}

static struct place place_of(u8 step)
{
	return (struct place){step / STUB_CPUS % VCPUS, step % STUB_CPUS};
}

static bool can_take(u8 step)
{
	return verbs[verb_of(step)].can(place_of(step));
}

/* A PMU is one vCPU's at most, and a vCPU has one PMU at most. */
static void check_owners(void)
{
	u32 c;

	for (c = 0; c < STUB_CPUS; c++) {
		if (!cpu_at(c)->mpmu.owner != !cpu_at(c)->pmu.owned)
			stop("the owner is not the one that hardware has");
		if (cpu_at(c)->mpmu.owner && cpu_at(c)->mpmu.owner == cpu_at(!c)->mpmu.owner)
			stop("a vCPU owns two PMUs");
	}
}

static void take(u8 step)
{
	u32 v, before[VCPUS];

	for (v = 0; v < VCPUS; v++)
		before[v] = world.vcpus[v].pmis;
	go_on_at(place_of(step).c);
	verbs[verb_of(step)].go(place_of(step));
	for (v = 0; v < VCPUS; v++)
		see_interrupts(v, before[v]);
	check_owners();
}

/* All interrupts come, all vCPUs leave, the host takes the PMUs. */
static void quiesce(void)
{
	u32 v, c;

	for (c = 0; c < STUB_CPUS; c++) {
		if (cpu_at(c)->late_pmi)
			take(STEP(ARRIVE, 0, c));
		exit_on(c);
	}
	for (v = 0; v < VCPUS; v++) {
		if (world.vcpus[v].loaded)
			take(STEP(PUT, v, world.vcpus[v].cpu == cpu_at(1)));
	}
	for (c = 0; c < STUB_CPUS; c++)
		take(STEP(RECLAIM, 0, c));
}

static void check_rest(u32 v)
{
	struct stub_vcpu *vcpu = &world.vcpus[v];

	take(STEP(LOAD, v, 0));
	take(STEP(ENTER, v, 0));
	take(STEP(EXIT, v, 0));
	take(STEP(READ, v, 0));
	take(STEP(PUT, v, 0));
	if (world.guests[v].owed)
		stop("an interrupt is lost");
	stub_check_invariants(vcpu);
}

static void check_hardware(u32 c)
{
	const struct stub_host_event *event = &cpu_at(c)->perf.events[0];

	if (stub_pmu_counters_of(&cpu_at(c)->pmu, STUB_OF_GUEST) ||
	    stub_pmu_eventsels_of(&cpu_at(c)->pmu, STUB_OF_GUEST) || cpu_at(c)->pmu.status_of_guest)
		stop("something of a guest is left in hardware");
	go_on_at(c);
	stub_take_interrupts(&world.machine);
	if (event->plain && event->installed)
		stub_perf_remove(&world.machine, 0);
	else
		stub_perf_displace(&world.machine);
	if (event->count != event->truth)
		stop("an event of the host does not have its count");
}

static void come_to_rest(void)
{
	u32 v, c;

	quiesce();
	for (v = 0; v < VCPUS; v++)
		check_rest(v);
	quiesce();
	for (c = 0; c < STUB_CPUS; c++)
		check_hardware(c);
}

/* Two vCPUs count already, the third one has not used its PMU. */
static void make_world(void)
{
	u32 v;

	memset(&world, 0, sizeof(world));
	assert_int_equal(stub_machine_init(&world.machine, unit_caps(port->model)), 0);
	ops = stub_ops;
	if (port->drain_pmi)
		ops.drain_pmi = port->drain_pmi;
	if (port->disown)
		ops.disown = port->disown;
	if (port->share)
		ops.share = port->share;
	world.machine.host.ops = &ops;
	for (v = 0; v < VCPUS; v++) {
		stub_vcpu_init(&world.vcpus[v], &world.machine, unit_caps(port->model));
		if (v == VCPUS - 1)
			break;
		do_load((struct place){v, 0});
		do_program((struct place){v, 0});
		stub_exit(&world.vcpus[v]);
		stub_vcpu_put(&world.vcpus[v]);
	}
	first = world;
}

/* By its fields: what lies between them is the compiler's. */
static u64 mix_reg(u64 hash, const struct stub_reg *reg)
{
	return mix(mix(hash, reg->value), reg->origin);
}

static u64 mix_words(u64 hash, const u64 *words, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		hash = mix(hash, words[i]);
	return hash;
}

/*
 * What decides about the future: no statistics.  How long a wait in vain may last
 * is left out, as it decides how many polls there are, and nothing else.
 */
static u64 hash_vcpu(u32 v)
{
	const struct stub_vcpu *vcpu = &world.vcpus[v];
	const struct mpmu_vcpu *core = &vcpu->mpmu;
	const struct guest *guest = &world.guests[v];
	u64 hash;

	hash = mix_words(0, core->eventsel, MPMU_MAX_GP);
	hash = mix_words(hash, core->eventsel_hw, MPMU_MAX_GP);
	hash = mix_words(hash, core->gp, MPMU_MAX_GP);
	hash = mix_words(hash, core->fixed, MPMU_MAX_FIXED);
	hash = mix(mix(hash, core->fixed_ctrl), core->fixed_ctrl_hw);
	hash = mix(mix(hash, core->global_ctrl), core->global_status);
	hash = mix(mix(hash, core->reprogram), core->enabled);
	hash = mix(mix(hash, core->disabled), core->nonzero_counters);
	hash = mix(mix(hash, core->nonzero_eventsels), core->flags);
	hash = mix(mix(hash, core->idle_switches), core->held);
	hash = mix(hash, core->lent);
	hash = mix(hash, vcpu->vmcs_host_global_ctrl);
	hash = mix(hash, vcpu->loaded | vcpu->in_guest << 1 | vcpu->touched << 2 |
				 vcpu->lvtpc_masked << 3 | vcpu->requests.pmi << 4 |
				 vcpu->requests.reprogram << 5 | vcpu->requests.intercepts << 6 |
				 vcpu->rdpmc_direct << 7 | guest->programmed << 8 |
				 guest->interrupted << 9);
	return mix(mix(mix(hash, vcpu->vmcs_global_ctrl), guest->value), guest->owed);
}

static u64 hash_pmu(u64 hash, const struct stub_pmu *pmu)
{
	u32 i;

	for (i = 0; i < MPMU_MAX_GP; i++)
		hash = mix_reg(mix_reg(hash, &pmu->gp[i]), &pmu->eventsel[i]);
	for (i = 0; i < MPMU_MAX_FIXED; i++)
		hash = mix_reg(hash, &pmu->fixed[i]);
	hash = mix_reg(mix_reg(hash, &pmu->fixed_ctrl), &pmu->global_ctrl);
	hash = mix(mix(hash, pmu->status), pmu->status_of_guest);
	return mix(hash, pmu->owned | pmu->guest_mode << 1 | pmu->svme << 2 |
				 pmu->pending[STUB_NMI_OF_HOST] << 3 |
				 pmu->pending[STUB_VECTOR_OF_GUEST] << 4 |
				 pmu->lvtpc.masked << 5 | pmu->lvtpc.route << 6 |
				 pmu->nmi_of_guest << 7 | pmu->lent << 8);
}

static u64 hash_perf(u64 hash, const struct stub_perf *perf)
{
	u32 i;

	for (i = 0; i < STUB_HOST_EVENTS; i++) {
		const struct stub_host_event *event = &perf->events[i];

		hash = mix(mix(hash, event->installed), event->pmc);
		hash = mix(mix(hash, event->eventsel), event->start);
		hash = mix(mix(hash, event->count), event->truth);
	}
	hash = mix(mix(hash, perf->global_ctrl), perf->fixed_ctrl);
	hash = mix(mix(hash, perf->lent), perf->dirty);
	return mix(hash, perf->running | perf->displaced << 1);
}

static u64 hash_cpu(u32 c)
{
	const struct stub_cpu *cpu = cpu_at(c);
	u64 hash;

	hash = mix(mix(0, cpu->mpmu.zero_counters), cpu->mpmu.zero_eventsels);
	hash = mix(mix(hash, cpu->mpmu.cleaned), cpu->mpmu.pmi_latched);
	hash = mix(mix(hash, cpu->mpmu.displaced), cpu->mpmu.lent);
	hash = mix(hash, cpu->mpmu.settled != NULL);
	return mix(hash_perf(hash_pmu(hash, &cpu->pmu), &cpu->perf), cpu->late_pmi);
}

static u32 rank_of(const struct mpmu_vcpu *vcpu, const u8 *order)
{
	u32 i;

	for (i = 0; vcpu && i < VCPUS; i++) {
		if (vcpu == &world.vcpus[order[i]].mpmu)
			return i;
	}
	return VCPUS;
}

/* CPUs, and vCPUs, are alike: of all orders of them one stands for the state. */
static u64 hash_order(const u64 *vcpus, const u64 *cpus, const u8 *order, u32 c)
{
	u64 hash = 0;
	u32 i;

	for (i = 0; i < VCPUS; i++)
		hash = mix(hash, vcpus[order[i]] + (world.vcpus[order[i]].cpu == cpu_at(c)));
	for (i = 0; i < STUB_CPUS; i++) {
		const struct mpmu_cpu *core = &cpu_at(c ^ i)->mpmu;

		hash = mix(hash, cpus[c ^ i]);
		hash = mix(hash,
			   rank_of(core->owner, order) * 8 + rank_of(core->pmi_target, order));
	}
	return hash;
}

static u64 hash_world(void)
{
	u64 vcpus[VCPUS], cpus[STUB_CPUS], hash, least = ~0ull;
	u32 i;

	for (i = 0; i < VCPUS; i++)
		vcpus[i] = hash_vcpu(i);
	for (i = 0; i < STUB_CPUS; i++)
		cpus[i] = hash_cpu(i);
	for (i = 0; i < STUB_CPUS * ARRAY_SIZE(orders); i++) {
		hash = hash_order(vcpus, cpus, orders[i / STUB_CPUS], i % STUB_CPUS);
		if (hash < least)
			least = hash;
	}
	return least;
}

/* States that were found, as the step that led to each and where from. */
struct state {
	u32 parent;
	u8 step;
};

static struct state *states;
static u64 *seen;
static u32 count, limit;

/* Is it new?  The table is never more than half full. */
static bool remember(u64 hash)
{
	u64 at = hash % (2ull * limit);

	while (seen[at] && seen[at] != hash)
		at = (at + 1) % (2ull * limit);
	if (seen[at])
		return false;
	seen[at] = hash;
	return true;
}

/* The steps to a state, the last one first. */
static u32 path_to(u32 at, u8 *path)
{
	u32 length = 0;

	for (; at; at = states[at].parent)
		path[length++] = states[at].step;
	return length;
}

#define MAX_DEPTH 64

static void go_to(u32 at)
{
	u8 path[MAX_DEPTH];
	u32 length = path_to(at, path);

	world = first;
	while (length)
		take(path[--length]);
}

static void print_step(char *text, size_t size, u8 step)
{
	snprintf(text + strlen(text), size - strlen(text), "%s %u %u; ", verbs[verb_of(step)].name,
		 place_of(step).v, place_of(step).c);
}

/* Everything that may follow a state; false: something is wrong after step *step. */
static bool expand(u32 at, const struct world *here, u8 *step)
{
	for (*step = 0; *step < STEPS && count < limit; (*step)++) {
		world = *here;
		if (!can_take(*step))
			continue;
		if (setjmp(stopped))
			return false;
		take(*step);
		if (!remember(hash_world()))
			continue;
		states[count++] = (struct state){at, *step};
		come_to_rest();
	}
	return true;
}

/* Returns the path to what is wrong, or an empty one. */
static void search(char *path, size_t size, u32 *depth)
{
	static struct world here;
	u32 at, next = 1;
	u8 step, steps[MAX_DEPTH];

	count = 1;
	*depth = 0;
	path[0] = 0;
	world = first;
	remember(hash_world());
	for (at = 0; at < count && count < limit; at++) {
		if (at == next) {
			next = count;
			(*depth)++;
		}
		go_to(at);
		here = world;
		if (!expand(at, &here, &step)) {
			u32 length = path_to(at, steps);

			while (length)
				print_step(path, size, steps[--length]);
			print_step(path, size, step);
			return;
		}
	}
}

/* The steps by name, until something is wrong. */
static void replay(const char *volatile path)
{
	char step[40];
	u8 i;

	world = first;
	if (setjmp(stopped))
		return;
	while (*path) {
		for (i = 0; i < STEPS; i++) {
			step[0] = 0;
			print_step(step, sizeof(step), i);
			if (!strncmp(path, step, strlen(step)))
				break;
		}
		if (i == STEPS || !can_take(i))
			stop("no such step, or not here");
		take(i);
		path += strlen(step);
	}
	come_to_rest();
}

static void check_port(void **state)
{
	const char *tier = getenv("MPMU_TIER"), *given = getenv("MPMU_PATH"), *few = getenv("MPMU_STATES");
	char path[1000];
	u32 depth;

	port = *state;
	wrong[0] = 0;
	stub_fault_hook = stop;
	if (setjmp(stopped))
		fail_msg("%s: at the start", wrong);
	make_world();
	if (given) {
		replay(given);
		print_message("# %s: %s\n", port->name, wrong[0] ? wrong : "nothing is wrong");
		return;
	}
	limit = few ? (u32)atoi(few) : tier && !strcmp(tier, "full") ? 600000 : 30000;
	states = calloc(limit + STEPS, sizeof(*states));
	seen = calloc(2ull * limit, sizeof(*seen));
	assert_true(states && seen);
	search(path, sizeof(path), &depth);
	free(states);
	free(seen);
	if (!port->finds && wrong[0])
		fail_msg("%s: again: MPMU_PATH='%s' build/tests/model/ownership.t", wrong, path);
	print_message("# %s: %u states, all of at most %u steps among them: %s\n", port->name,
		      count, depth, wrong[0] ? wrong : "nothing is wrong");
	if (!port->finds)
		return;
	print_message("# MPMU_PATH='%s'\n", path);
	assert_non_null(strstr(wrong, port->finds));
	/* What was found is there again, one step after the other. */
	wrong[0] = 0;
	replay(path);
	assert_non_null(strstr(wrong, port->finds));
}

static bool wait_for_nothing(const struct mpmu_vcpu *vcpu, bool briefly)
{
	return !vcpu && briefly;
}

static void forget_target(const struct mpmu_vcpu *vcpu)
{
	stub_ops.disown(vcpu);
	world.machine.here->mpmu.pmi_target = NULL;
}

static bool share_nothing(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	(void)host;
	return stub_ops.share(vcpu, 0);
}

static bool stop_nothing(const struct mpmu_vcpu *vcpu, mpmu_pmcs host)
{
	return vcpu && (host || true);
}

static const struct port ports[] = {
	{.name = "Intel", .model = "intel-v5-8-3"},
	{.name = "AMD", .model = "amd-v2"},
	{.name = "Intel, shared", .model = "intel-v5-8-3", .shares = true, .host_pmc = 1},
	{.name = "AMD, shared", .model = "amd-v2", .shares = true, .host_pmc = 1},
	{.name = "Intel, the same counter", .model = "intel-v5-8-3", .shares = true},
	{.name = "AMD, the same counter", .model = "amd-v2", .shares = true},
	{.name = "a vCPU that moves while its registers are elsewhere",
	 .model = "intel-v5-8-3",
	 .forgets_put = true,
	 .finds = "on another CPU than the vCPU's"},
	{.name = "a host that does not reclaim",
	 .model = "amd-v2",
	 .forgets_reclaim = true,
	 .finds = "the host uses a PMU that a guest owns"},
	{.name = "no wait for a late interrupt",
	 .model = "amd-v2",
	 .drain_pmi = wait_for_nothing,
	 .finds = "an interrupt of the guest is on its way"},
	{.name = "a late interrupt whose vCPU is forgotten",
	 .model = "intel-v5-8-3",
	 .disown = forget_target,
	 .finds = "an interrupt is lost"},
	{.name = "an event that is stopped, though it need not be",
	 .model = "intel-v5-8-3",
	 .shares = true,
	 .host_pmc = 1,
	 .share = share_nothing,
	 .finds = "an event of the host does not have its count"},
	{.name = "an event that is not stopped for the guest",
	 .model = "intel-v5-8-3",
	 .shares = true,
	 .share = stop_nothing,
	 .finds = "of what is lent to the host"},
};

int main(void)
{
	UNIT_TABLE(ports, check_port);
	return unit_run("ownership");
}
