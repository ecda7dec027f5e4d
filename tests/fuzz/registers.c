// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Streams of register accesses, guest code and what a host does in between:
 * mediated equals native, and the invariants hold after each step.
 */
#include "fuzz.h"

#define MAX_STEPS 300

struct stream {
	struct input input;
	const struct mpmu_caps *host;
	const struct mpmu_caps *guest;
	struct stub_machine machine;
	struct stub_vcpu vcpu;
	struct twin twin;
	u32 msrs[STUB_NR_MSRS];
	u32 nr_msrs;
};

static u32 any_msr(struct stream *stream)
{
	u32 choice = fuzz_take(&stream->input, 1);

	if (choice == 0xff)
		return fuzz_take(&stream->input, 4);
	return stream->msrs[choice % stream->nr_msrs];
}

static struct stub_work any_work(struct input *input)
{
	u32 cpl = fuzz_take(input, 1);

	return (struct stub_work){
		.instructions = fuzz_take(input, 1),
		.branches = cpl >> 2 & 7,
		.cycles = fuzz_take(input, 1),
		.edges = cpl >> 5,
		.cpl = cpl & 3,
	};
}

static void guest_step(struct stream *stream, enum op_kind kind)
{
	struct op op = {.kind = kind};
	struct input *input = &stream->input;

	switch (kind) {
	case OP_RDMSR:
		op.reg = any_msr(stream);
		break;
	case OP_WRMSR:
		op.reg = any_msr(stream);
		op.value = fuzz_value(input, stream->guest, op.reg);
		break;
	case OP_RDPMC:
		op.reg = fuzz_take(input, 1);
		op.reg = (op.reg & 0x3f) | (op.reg >> 6) << 29;
		break;
	case OP_RUN:
		op.work = any_work(input);
		break;
	case OP_MODE:
		if (!(stream->guest->features & MPMU_FEAT_SVM))
			return;
		op.value = fuzz_take(input, 1) % ARRAY_SIZE(mode_flags);
		break;
	case OP_FILTER:
		op.value = fuzz_take(input, 1) % ARRAY_SIZE(denials);
		break;
	case OP_RESET:
	case OP_KINDS:
		break;
	default:
		op.value = fuzz_take(input, 1) & 1;
		op.work.cpl = 3 * (fuzz_take(input, 1) & 1);
		break;
	}
	fuzz_check(twin_do(&stream->twin, &op), "invariant 6: mediated differs from native");
}

static void reclaim(struct stream *stream)
{
	stub_exit(&stream->vcpu);
	stub_perf_reclaim(&stream->machine);
}

static void move(struct stream *stream)
{
	u32 to = fuzz_take(&stream->input, 1) % STUB_CPUS;

	stub_vcpu_put(&stream->vcpu);
	stub_vcpu_load(&stream->vcpu, &stream->machine.cpus[to]);
}

static void host_event(struct stream *stream)
{
	bool amd = stream->host->vendor == MPMU_VENDOR_AMD;
	u32 flags = STUB_EVENTSEL_ENABLE | STUB_EVENTSEL_OS | STUB_EVENTSEL_INT;
	struct stub_host_event *event = &stream->machine.here->perf.events[0];

	stub_exit(&stream->vcpu);
	if (!event->installed) {
		stub_perf_install(&stream->machine, 0, 0,
				  0xc0 | flags | (amd ? STUB_EVENTSEL_HOST_ONLY : 0), 0);
		return;
	}
	stub_perf_remove(&stream->machine, 0);
	fuzz_check(event->count == event->truth, "invariant 7: an event of the host counted wrong");
}

static void host_runs(struct stream *stream)
{
	struct stub_work work = any_work(&stream->input);

	stub_exit(&stream->vcpu);
	stub_perf_run(&stream->machine, &work);
}

/* It counts metrics, too, and leaves both behind. */
static void host_slots(struct stream *stream)
{
	if (!stub_has(stream->host->counters, STUB_SLOTS))
		return;
	stub_exit(&stream->vcpu);
	stub_perf_install(&stream->machine, 1, STUB_SLOTS, 0, 0);
	host_runs(stream);
	stub_perf_remove(&stream->machine, 1);
}

/* Policy direct and the consent, by two bits. */
static void policy(struct stream *stream)
{
	u32 flags = MPMU_VCPU_DIRECT * (fuzz_take(&stream->input, 1) & 3);

	stub_vcpu_set_flags(&stream->vcpu, flags, MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC);
}

static void late(struct stream *stream)
{
	stream->vcpu.cpu->late_pmi = true;
}

static void round_trip(struct stream *stream)
{
	stub_check_round_trip(&stream->vcpu);
}

static void cpu_reset(struct stream *stream)
{
	stub_vcpu_put(&stream->vcpu);
	stub_cpu_reset(&stream->machine, stream->vcpu.cpu);
	stub_vcpu_load(&stream->vcpu, stream->vcpu.cpu);
}

static void (*const host_steps[])(struct stream *stream) = {
	reclaim, move, host_event, host_runs, late, round_trip, cpu_reset, host_slots, policy,
};

static void step(struct stream *stream)
{
	u32 kind = fuzz_take(&stream->input, 1) % (OP_KINDS + ARRAY_SIZE(host_steps));

	if (kind < OP_KINDS)
		guest_step(stream, kind);
	else
		host_steps[kind - OP_KINDS](stream);
	stub_check_invariants(&stream->vcpu);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct stream stream;
	u32 i;

	memset(&stream, 0, sizeof(stream));
	stream.input = (struct input){data, size};
	fuzz_pair(&stream.input, &stream.host, &stream.guest);
	stream.nr_msrs = fuzz_msrs(stream.guest, stream.msrs);
	stub_machine_init(&stream.machine, stream.host);
	stub_vcpu_init(&stream.vcpu, &stream.machine, stream.guest);
	twin_init(&stream.twin, &stream.vcpu);
	stub_vcpu_load(&stream.vcpu, &stream.machine.cpus[0]);
	for (i = 0; i < MAX_STEPS && stream.input.left; i++)
		step(&stream);
	fuzz_check(twin_compare(&stream.twin), "invariant 6: a register differs at the end");
	stub_vcpu_put(&stream.vcpu);
	stub_check_invariants(&stream.vcpu);
	return 0;
}
