// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Invariant 6 at random: guest programs on a bare PMU and through libmpmu,
 * with world switches, moves, host events and late interrupts in between.
 *
 * MPMU_SEED: the seed (printed); MPMU_OPS: operations altogether;
 * MPMU_ONLY=HOST/GUEST: one pair of models.
 */
#include "twin.h"

#define VCPUS     2
#define ROUND     400
#define MAX_PAIRS 192
#define FOCUS     20
#define MAX_LIST  80

struct random {
	u64 state;
};

static u64 next(struct random *random)
{
	u64 x = random->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static u32 below(struct random *random, u32 limit)
{
	return next(random) % limit;
}

static bool one_in(struct random *random, u32 n)
{
	return !below(random, n);
}

/* What the host did between the guest's steps, to see that it did happen. */
struct tally {
	u64 ops, direct, faults, pmis;
	u64 reclaims, puts, moves, events, samples, late, migrations, lenient;
	u64 shared, swaps, refusals;
};

struct world {
	const struct mpmu_caps *host;
	const struct mpmu_caps *guest;
	u32 flags;
	struct random random;
	struct stub_machine machine;
	struct stub_vcpu vcpus[VCPUS];
	struct twin twins[VCPUS];
	struct twin *current;
	u32 msrs[STUB_NR_MSRS];
	u32 nr_msrs;
	/* In every other round the registers of few PMCs get most accesses. */
	u32 focus[FOCUS];
	u32 nr_focus;
	bool pt;
	/* Some of the host's events are plain. */
	bool shares;
	struct tally tally;
};

struct pair {
	char name[80];
	const struct stub_model *host;
	const struct stub_model *guest;
	/* Of policy direct, and with a consent. */
	u32 flags;
};

static struct pair pairs[MAX_PAIRS];
static u64 seed;
static u64 ops_per_pair;

/* Where a failure is, for the message of whichever check fails. */
static struct {
	const struct pair *pair;
	u64 round;
	u32 op;
} position;

static void say_position(const char *what)
{
	print_error("%s: %s, operation %u\n", what, position.pair->name, position.op);
	print_error("again: MPMU_SEED=%llu MPMU_ONLY=%s build/tests/model/differential.t\n",
		    seed + position.round, position.pair->name);
	fail_msg("%s", what);
}

static u32 pick_pmc(struct random *random, mpmu_pmcs counters)
{
	u32 pmc;

	do {
		pmc = below(random, MPMU_FIXED_BASE + MPMU_MAX_FIXED);
	} while (!stub_has(counters, pmc));
	return pmc;
}

static u64 host_eventsel(struct world *world)
{
	bool amd = world->host->vendor == MPMU_VENDOR_AMD;

	return 0xc0 | STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_USR | STUB_EVENTSEL_OS |
	       STUB_EVENTSEL_INT | (amd ? STUB_EVENTSEL_HOST_ONLY : 0);
}

static bool pmc_taken(const struct stub_cpu *cpu, u32 pmc)
{
	u32 i;

	for (i = 0; i < STUB_HOST_EVENTS; i++)
		if (cpu->perf.events[i].installed && cpu->perf.events[i].pmc == pmc)
			return true;
	return false;
}

static void check_host_event(const struct stub_host_event *event)
{
	if (event->count != event->truth)
		say_position("invariant 7: an event of the host counted wrong");
}

/* Install or remove an event of the host. */
static void change_host_event(struct world *world)
{
	struct stub_machine *machine = &world->machine;
	u32 slot = below(&world->random, STUB_HOST_EVENTS);
	u32 pmc = pick_pmc(&world->random, world->host->counters);
	u64 width = pmc < MPMU_FIXED_BASE ? world->host->gp_width : world->host->fixed_width;
	u64 start =
		one_in(&world->random, 2) ? 0 : stub_width_mask(width) - below(&world->random, 99);

	if (machine->here->perf.displaced)
		return;
	machine->shares = world->shares && one_in(&world->random, 2);
	if (machine->here->perf.events[slot].installed) {
		stub_perf_remove(machine, slot);
		check_host_event(&machine->here->perf.events[slot]);
	} else if (!pmc_taken(machine->here, pmc)) {
		stub_perf_install(machine, slot, pmc, host_eventsel(world), start);
		world->tally.events++;
	}
}

static void random_work(struct random *random, struct stub_work *work)
{
	work->instructions = below(random, 40);
	work->branches = below(random, 10);
	work->cycles = below(random, 80);
	work->edges = below(random, 5);
	work->cpl = below(random, 4);
}

static void host_runs(struct world *world)
{
	struct stub_work work;

	random_work(&world->random, &work);
	stub_perf_run(&world->machine, &work);
}

/* The vCPU is scheduled out and in, here or elsewhere. */
static void reschedule(struct world *world)
{
	struct stub_vcpu *vcpu = world->current->vcpu, *other;
	struct stub_cpu *cpu = &world->machine.cpus[below(&world->random, STUB_CPUS)];
	u32 i;

	world->tally.puts++;
	world->tally.moves += cpu != vcpu->cpu;
	stub_vcpu_put(vcpu);
	host_runs(world);
	for (i = 0; i < VCPUS; i++) {
		other = &world->vcpus[i];
		if (other != vcpu && other->cpu == cpu)
			stub_vcpu_put(other);
	}
	stub_vcpu_load(vcpu, cpu);
}

static void on_other_cpu(struct world *world, void (*action)(struct world *world))
{
	struct stub_cpu *here = world->machine.here;

	world->machine.here = &world->machine.cpus[here == &world->machine.cpus[0]];
	action(world);
	stub_take_interrupts(&world->machine);
	world->machine.here = here;
}

static void reclaim(struct world *world)
{
	world->tally.reclaims++;
	stub_perf_reclaim(&world->machine);
}

static void change_host_event_elsewhere(struct world *world)
{
	on_other_cpu(world, change_host_event);
}

static void (*const disturbances[])(struct world *world) = {
	reclaim, change_host_event, host_runs, reschedule, change_host_event_elsewhere,
};

static void disturb(struct stub_machine *machine, void *data)
{
	struct world *world = data;

	(void)machine;
	while (one_in(&world->random, 4))
		disturbances[below(&world->random, ARRAY_SIZE(disturbances))](world);
}

/* Another vCPU gets its turn; the one before may stay the owner elsewhere. */
static void choose_vcpu(struct world *world)
{
	struct twin *twin = &world->twins[below(&world->random, VCPUS)];
	u32 i;

	if (world->current)
		stub_exit(world->current->vcpu);
	world->current = twin;
	for (i = 0; i < VCPUS; i++)
		if (&world->vcpus[i] != twin->vcpu && world->vcpus[i].cpu == twin->vcpu->cpu)
			stub_vcpu_put(&world->vcpus[i]);
	if (!twin->vcpu->loaded)
		stub_vcpu_load(twin->vcpu, twin->vcpu->cpu);
	world->machine.here = twin->vcpu->cpu;
}

static void put_all(struct world *world)
{
	u32 i;

	stub_exit(world->current->vcpu);
	for (i = 0; i < VCPUS; i++)
		stub_vcpu_put(&world->vcpus[i]);
}

/* D6: the owner of the VM reads the same values, with no CPU concerned. */
static void host_reads(struct world *world)
{
	struct twin *twin = world->current;
	u32 i;

	for (i = 0; i < world->nr_msrs; i++) {
		u64 native, value;

		if (!stub_pmu_rdmsr(&twin->bare, world->msrs[i], &native))
			continue;
		assert_int_equal(stub_host_rdmsr(twin->vcpu, world->msrs[i], &value), MPMU_DONE);
		if (value != native)
			say_position("D6: the owner of the VM reads another value");
	}
}

/* The vCPU's memory moves (it is plain data); what pointed there forgets. */
static void copy_vcpu(struct world *world)
{
	struct stub_vcpu *vcpu = world->current->vcpu;
	struct mpmu_vcpu copy;
	u32 i;

	stub_vcpu_put(vcpu);
	stub_vcpu_evict(vcpu);
	for (i = 0; i < STUB_CPUS; i++)
		mpmu_cpu_forget_vcpu(&world->machine.cpus[i].mpmu, &vcpu->mpmu);
	copy = vcpu->mpmu;
	memset(&vcpu->mpmu, 0xa5, sizeof(vcpu->mpmu));
	vcpu->mpmu = copy;
	stub_vcpu_load(vcpu, vcpu->cpu);
}

static void shuffle(struct random *random, struct mpmu_msr *list, u32 count)
{
	for (; count > 1; count--) {
		u32 i = below(random, count);
		struct mpmu_msr msr = list[i];

		list[i] = list[count - 1];
		list[count - 1] = msr;
	}
}

static u32 save(struct stub_vcpu *vcpu, struct mpmu_msr *list)
{
	u32 count = mpmu_snapshot_size(&vcpu->mpmu);

	assert_true(count <= MAX_LIST);
	vcpu->machine->irqs_off = true;
	mpmu_snapshot_save(&vcpu->cpu->mpmu, &vcpu->mpmu, list);
	vcpu->machine->irqs_off = false;
	return count;
}

static bool same_list(const struct mpmu_msr *a, const struct mpmu_msr *b, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (a[i].index != b[i].index || a[i].value != b[i].value)
			return false;
	return true;
}

static void restore(struct stub_vcpu *vcpu, const struct mpmu_msr *list, u32 count)
{
	u32 err_msr;

	vcpu->machine->irqs_off = true;
	assert_int_equal(
		mpmu_snapshot_restore(&vcpu->cpu->mpmu, &vcpu->mpmu, list, count, &err_msr), 0);
	vcpu->machine->irqs_off = false;
}

/* A new vCPU that has, besides its PMU, what the old one had. */
static void replace_vcpu(struct world *world, struct stub_vcpu *vcpu)
{
	static struct stub_vcpu old;

	stub_vcpu_put(vcpu);
	stub_vcpu_evict(vcpu);
	old = *vcpu;
	mpmu_cpu_forget_vcpu(&world->machine.cpus[0].mpmu, &vcpu->mpmu);
	mpmu_cpu_forget_vcpu(&world->machine.cpus[1].mpmu, &vcpu->mpmu);
	stub_vcpu_init(vcpu, &world->machine, world->guest);
	vcpu->cpu = old.cpu;
	vcpu->filter = old.filter;
	vcpu->lvtpc_masked = old.lvtpc_masked;
	vcpu->pmis = old.pmis;
	vcpu->requests.pmi = old.requests.pmi;
	stub_vcpu_load(vcpu, vcpu->cpu);
	stub_vcpu_set_flags(vcpu, old.mpmu.flags & ~MPMU_VCPU_TOUCHED, 0);
}

/* D7: to another vCPU through a list of MSRs, in any order. */
static void migrate(struct world *world)
{
	struct mpmu_msr list[MAX_LIST], shuffled[MAX_LIST], again[MAX_LIST];
	struct stub_vcpu *vcpu = world->current->vcpu;
	u32 count;

	stub_vcpu_put(vcpu);
	stub_vcpu_load(vcpu, vcpu->cpu);
	count = save(vcpu, list);
	replace_vcpu(world, vcpu);
	memcpy(shuffled, list, sizeof(list));
	shuffle(&world->random, shuffled, count);
	restore(vcpu, shuffled, count);
	if (save(vcpu, again) != count || !same_list(list, again, count))
		say_position("invariant 5: save, restore, save differ");
	world->tally.migrations++;
}

/* Suspend and resume: the host's events are gone, the guest's state is not. */
static void reset_cpu(struct world *world)
{
	struct stub_cpu *cpu = &world->machine.cpus[below(&world->random, STUB_CPUS)];

	put_all(world);
	world->machine.here = cpu;
	stub_make_room(&world->machine);
	stub_cpu_reset(&world->machine, cpu);
	cpu->pmu.status |= world->pt ? STUB_STATUS_PT : 0;
	choose_vcpu(world);
}

/* PT of the host: a status bit that no guest may see, clear or lose. */
static void toggle_pt(struct world *world)
{
	u32 i;

	if (world->host->vendor != MPMU_VENDOR_INTEL)
		return;
	stub_exit(world->current->vcpu);
	world->pt = !world->pt;
	for (i = 0; i < VCPUS; i++)
		stub_vcpu_set_flags(&world->vcpus[i], world->pt ? MPMU_VCPU_HOST_STATUS : 0,
				    world->pt ? 0 : MPMU_VCPU_HOST_STATUS);
	for (i = 0; i < STUB_CPUS; i++) {
		u64 *status = &world->machine.cpus[i].pmu.status;

		if (!world->pt && !(*status & STUB_STATUS_PT))
			say_position("E3: a status bit of the host is lost");
		*status = world->pt ? *status | STUB_STATUS_PT : *status & ~STUB_STATUS_PT;
	}
}

static void (*const interludes[])(struct world *world) = {
	choose_vcpu, choose_vcpu, choose_vcpu, host_reads, copy_vcpu, toggle_pt, migrate,
};

static u64 counter_value(struct random *random, u32 width)
{
	switch (below(random, 8)) {
	case 0:
		return next(random);
	case 1:
		return below(random, 100);
	case 2:
		return 0xffffffffu - below(random, 60);
	default:
		return stub_width_mask(width) - below(random, 60);
	}
}

static u64 eventsel_value(struct random *random, bool amd)
{
	static const u8 intel_events[] = {0xc0, 0xc0, 0xc4, 0x3c, 0x2e};
	static const u8 amd_events[] = {0xc0, 0xc0, 0xc2, 0x76, 0x40};
	u64 value = (amd ? amd_events : intel_events)[below(random, 5)];

	if (one_in(random, 12))
		return one_in(random, 2) ? 0 : next(random);
	value |= one_in(random, 5) ? 0 : STUB_EVENTSEL_ENABLE;
	value |= one_in(random, 4) ? 0 : STUB_EVENTSEL_USR;
	value |= one_in(random, 4) ? 0 : STUB_EVENTSEL_OS;
	value |= one_in(random, 3) ? 0 : STUB_EVENTSEL_INT;
	if (one_in(random, 10))
		value |= 1ull << below(random, 64);
	if (amd && one_in(random, 3))
		value |= (u64)below(random, 4) << 40;
	return value;
}

static u64 mask_value(struct random *random, u64 mask)
{
	if (one_in(random, 20))
		return next(random);
	return one_in(random, 3) ? mask : next(random) & mask;
}

/* A value that makes sense for the register, most of the time. */
static u64 msr_value(struct world *world, u32 msr)
{
	struct random *random = &world->random;
	bool beyond = world->flags & MPMU_VCPU_DIRECT && one_in(random, 3);
	u64 mask = stub_msr_writable(beyond ? world->host : world->guest, msr);
	bool amd = world->guest->vendor == MPMU_VENDOR_AMD;

	if ((msr >= 0x186 && msr < 0x1a0) || (msr >= 0xc0010000 && msr < 0xc0010004) ||
	    (msr >= 0xc0010200 && !(msr & 1)))
		return eventsel_value(random, amd);
	if ((msr >= 0x38d && msr <= 0x392) || (msr >= 0xc0000300 && msr < 0xc0000304))
		return mask_value(random, mask);
	if (msr == 0x329)
		return one_in(random, 4) ? next(random) : next(random) & mask;
	return counter_value(random, msr >= 0x309 && msr < 0x319 ? world->guest->fixed_width
								 : world->guest->gp_width);
}

static u32 any_msr(struct world *world)
{
	if (one_in(&world->random, 40))
		return stub_msr_at(below(&world->random, STUB_NR_MSRS));
	if (world->nr_focus && !one_in(&world->random, 6))
		return world->focus[below(&world->random, world->nr_focus)];
	return world->msrs[below(&world->random, world->nr_msrs)];
}

static u32 any_ecx(struct world *world)
{
	struct random *random = &world->random;

	if (one_in(random, 20))
		return next(random);
	if (one_in(random, 20))
		return 1u << (28 + below(random, 4));
	return below(random, one_in(random, 4) ? 16 : 10) | (one_in(random, 2) ? 1u << 30 : 0);
}

static enum op_kind any_kind(struct world *world)
{
	static const u8 weights[OP_KINDS] = {
		[OP_RDMSR] = 50, [OP_WRMSR] = 70,    [OP_RDPMC] = 25,
		[OP_RUN] = 70,   [OP_EMULATED] = 20, [OP_FASTPATH] = 15,
		[OP_LVTPC] = 35, [OP_MODE] = 3,      [OP_FILTER] = 2,
	};
	u32 left = below(&world->random, 290), kind = 0;

	if (one_in(&world->random, 700))
		return OP_RESET;
	while (left >= weights[kind])
		left -= weights[kind++];
	if (kind == OP_MODE && !(world->guest->features & MPMU_FEAT_SVM))
		return OP_RUN;
	return kind;
}

static struct op any_op(struct world *world)
{
	struct random *random = &world->random;
	struct op op = {.kind = any_kind(world)};

	random_work(random, &op.work);
	switch (op.kind) {
	case OP_RDMSR:
	case OP_WRMSR:
		op.reg = any_msr(world);
		op.value = msr_value(world, op.reg);
		break;
	case OP_RDPMC:
		op.reg = any_ecx(world);
		break;
	case OP_EMULATED:
	case OP_FASTPATH:
		op.value = one_in(random, 2);
		break;
	case OP_LVTPC:
		op.value = one_in(random, 4);
		break;
	case OP_MODE:
		op.value = below(random, ARRAY_SIZE(mode_flags));
		break;
	case OP_FILTER:
		op.value = one_in(random, 2) ? 0 : below(random, ARRAY_SIZE(denials));
		break;
	case OP_RUN:
	case OP_RESET:
	case OP_KINDS:
		break;
	}
	return op;
}

static void list_msrs(struct world *world)
{
	struct stub_pmu pmu = {.bare = true};
	u64 value;
	u32 i;

	stub_pmu_reset(&pmu, world->guest);
	for (i = 0; i < STUB_NR_MSRS; i++)
		if (stub_pmu_rdmsr(&pmu, stub_msr_at(i), &value))
			world->msrs[world->nr_msrs++] = stub_msr_at(i);
}

/* GP counter 0, fixed counters 0 and 3, metrics, and what controls them. */
static void choose_focus(struct world *world)
{
	static const u32 msrs[] = {
		0x0c1,      0x186,      0x309,      0x30c,      0x329,      0x38d,      0x38e,
		0x38f,      0x390,      0x4c1,      0xc0000300, 0xc0000301,
		0xc0000302, 0xc0010000, 0xc0010004, 0xc0010200, 0xc0010201,
	};
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		for (j = 0; j < world->nr_msrs; j++)
			if (world->msrs[j] == msrs[i])
				world->focus[world->nr_focus++] = msrs[i];
}

static u64 hash(const char *text)
{
	u64 value = 0xcbf29ce484222325ull;

	while (*text)
		value = (value ^ (u8)*text++) * 0x100000001b3ull;
	return value;
}

static void world_init(struct world *world, const struct pair *pair, u64 round)
{
	u32 i;

	memset(world, 0, sizeof(*world));
	world->host = &pair->host->caps;
	world->guest = &pair->guest->caps;
	world->flags = pair->flags;
	world->random.state = (seed + round) ^ hash(pair->name);
	list_msrs(world);
	if ((seed + round) & 1)
		choose_focus(world);
	assert_int_equal(stub_machine_init(&world->machine, world->host), 0);
	world->machine.parks = (seed + round) & 2;
	world->shares = (seed + round) & 4;
	for (i = 0; i < VCPUS; i++) {
		stub_vcpu_init(&world->vcpus[i], &world->machine, world->guest);
		stub_vcpu_set_flags(&world->vcpus[i], pair->flags, 0);
		twin_init(&world->twins[i], &world->vcpus[i]);
	}
	world->machine.interruptible = disturb;
	world->machine.data = world;
	choose_vcpu(world);
}

static void step(struct world *world)
{
	struct op op;

	if (one_in(&world->random, 25))
		interludes[below(&world->random, ARRAY_SIZE(interludes))](world);
	if (one_in(&world->random, 300))
		reset_cpu(world);
	if (one_in(&world->random, 150)) {
		world->machine.interruptible = NULL;
		stub_check_round_trip(world->current->vcpu);
		world->machine.interruptible = disturb;
	}
	op = any_op(world);
	if (op.kind == OP_RUN && one_in(&world->random, 3))
		world->current->vcpu->cpu->late_pmi = true;
	if (!twin_do(world->current, &op))
		say_position("invariant 6: mediated differs from native");
	stub_check_invariants(world->current->vcpu);
	world->tally.shared += op.kind == OP_RUN && world->current->vcpu->cpu->pmu.lent;
}

static void add_tally(struct tally *sum, const struct world *world)
{
	u32 i;

	sum->reclaims += world->tally.reclaims;
	sum->puts += world->tally.puts;
	sum->moves += world->tally.moves;
	sum->events += world->tally.events;
	sum->migrations += world->tally.migrations;
	for (i = 0; i < STUB_CPUS; i++)
		sum->samples += world->machine.cpus[i].perf.samples;
	for (i = 0; i < STUB_CPUS; i++) {
		sum->late += world->machine.cpus[i].drained;
		sum->swaps += world->machine.cpus[i].swaps;
		sum->refusals += world->machine.cpus[i].refusals;
	}
	sum->shared += world->tally.shared;
	for (i = 0; i < VCPUS; i++) {
		sum->direct += world->twins[i].direct;
		sum->lenient += world->twins[i].lenient;
		sum->late += world->twins[i].late;
		sum->faults += world->twins[i].faults;
		sum->pmis += world->twins[i].bare_pmis;
	}
}

/* A comparison in which nothing happened proves nothing. */
static void check_tally(const struct tally *sum, bool lenient)
{
	print_message("# %llu operations, %llu direct, %llu #GP, %llu"
		      " PMIs, %llu reclaims, %llu puts, %llu moves, %llu"
		      " host events, %llu host samples, %llu late PMIs, %llu"
		      " migrations, %llu beyond the model, %llu runs beside plain events,"
		      " %llu swaps, %llu refused\n",
		      sum->ops, sum->direct, sum->faults, sum->pmis, sum->reclaims, sum->puts,
		      sum->moves, sum->events, sum->samples, sum->late, sum->migrations,
		      sum->lenient, sum->shared, sum->swaps, sum->refusals);
	if (sum->ops < 10000)
		return;
	assert_true(sum->direct && sum->faults && sum->pmis && sum->reclaims && sum->puts);
	assert_true(sum->moves && sum->events && sum->samples && sum->late && sum->migrations);
	assert_true(sum->shared && sum->swaps);
	assert_int_equal(sum->lenient > 0, lenient);
}

static void run_round(struct world *world, const struct pair *pair)
{
	u32 i;

	world_init(world, pair, position.round);
	for (position.op = 0; position.op < ROUND; position.op++)
		step(world);
	for (i = 0; i < VCPUS; i++) {
		choose_vcpu(world);
		if (!twin_compare(world->current))
			say_position("invariant 6: registers differ in the end");
	}
	put_all(world);
}

static void run_pair(void **state)
{
	const struct pair *pair = *state;
	struct tally sum = {0};
	static struct world world;

	stub_fault_hook = say_position;
	position.pair = pair;
	for (position.round = 0; sum.ops < ops_per_pair; position.round++) {
		run_round(&world, pair);
		sum.ops += ROUND;
		add_tally(&sum, &world);
	}
	check_tally(&sum, pair->flags);
}

static size_t add_pair(size_t count, const struct stub_model *host, const struct stub_model *guest,
		       u32 flags)
{
	const char *only = getenv("MPMU_ONLY");
	struct pair *pair = &pairs[count];

	pair->host = host;
	pair->guest = guest;
	pair->flags = flags;
	snprintf(pair->name, sizeof(pair->name), "%s/%s%s%s", host->name, guest->name,
		 flags & MPMU_VCPU_DIRECT ? "/direct" : "",
		 flags & MPMU_VCPU_UNCORE_RDPMC ? "/uncore" : "");
	count += !only || !strcmp(only, pair->name);
	if (count == MAX_PAIRS)
		abort();
	return count;
}

static size_t make_pairs(void)
{
	static const u32 directs[] = {
		MPMU_VCPU_DIRECT,
		MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC,
	};
	size_t count = 0;
	u32 h, g, i;

	for (h = 0; h < stub_nr_models; h++) {
		for (g = 0; g < stub_nr_models; g++) {
			const struct stub_model *host = &stub_models[h], *guest = &stub_models[g];

			if (!twin_possible(&host->caps, &guest->caps))
				continue;
			count = add_pair(count, host, guest, 0);
			for (i = 0; i < ARRAY_SIZE(directs); i++)
				if (twin_reaches_beyond(&host->caps, &guest->caps, directs[i]))
					count = add_pair(count, host, guest, directs[i]);
		}
	}
	return count;
}

static u64 setting(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static u64 default_ops(void)
{
	static const struct {
		const char *tier;
		u64 ops;
	} tiers[] = {
		{"quick", 100000},
		{"ci", 10000000},
		{"full", 40000000},
	};
	const char *tier = getenv("MPMU_TIER");
	u32 i;

	for (i = 0; tier && i < ARRAY_SIZE(tiers); i++)
		if (!strcmp(tier, tiers[i].tier))
			return tiers[i].ops;
	return 400000;
}

int main(void)
{
	static struct CMUnitTest tests[MAX_PAIRS];
	size_t count = make_pairs(), i;

	seed = setting("MPMU_SEED", 20240607);
	if (!count)
		return 1;
	ops_per_pair = setting("MPMU_OPS", default_ops()) / count;
	print_message("# MPMU_SEED=%llu\n", seed);
	for (i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = pairs[i].name,
			.test_func = run_pair,
			.initial_state = &pairs[i],
		};
	return _cmocka_run_group_tests("mediated equals native", tests, count, NULL, NULL);
}
