// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is computed before an entry, and what asks for it. */
#include "../lib/one.h"

/* Disabled before the request was handled: nothing is left to compute. */
static void request_cancelled(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_rdmsr(0x186);
	one_wrmsr(0x186, GUEST_COUNTS);
	assert_int_equal(one.vcpu.mpmu.reprogram, 1);
	stub_host_wrmsr(&one.vcpu, 0x186, 0);
	assert_int_equal(one.vcpu.mpmu.reprogram, 0);
}

/* Of two fields that are off again, neither is left to compute. */
static void fixed_requests(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	stub_host_wrmsr(&one.vcpu, 0x38d, 0x33);
	assert_int_equal(one.vcpu.mpmu.reprogram, 3ull << MPMU_FIXED_BASE);
	stub_host_wrmsr(&one.vcpu, 0x38d, 0x30);
	assert_int_equal(one.vcpu.mpmu.reprogram, 2ull << MPMU_FIXED_BASE);
	stub_host_wrmsr(&one.vcpu, 0x38d, 0x33);
	stub_host_wrmsr(&one.vcpu, 0x38d, 0);
	assert_int_equal(one.vcpu.mpmu.reprogram, 0);
}

static void same_selector(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_wrmsr(0x186, GUEST_COUNTS);
	stub_enter(&one.vcpu);
	one_wrmsr(0x186, GUEST_COUNTS);
	assert_int_equal(one.vcpu.mpmu.reprogram, 0);
	assert_int_equal(one.vcpu.mpmu.eventsel_hw[0], GUEST_COUNTS);
}

/* A filter that lets the same event through writes no selector again. */
static void same_image(void)
{
	const struct stub_cpu *cpu = &one.machine.cpus[0];
	u64 writes;

	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	one_counts(&one.vcpu);
	stub_vcpu_set_filter(&one.vcpu, NULL);
	assert_int_equal(one.vcpu.mpmu.reprogram, 1);
	writes = cpu->writes;
	stub_enter(&one.vcpu);
	assert_int_equal(one.vcpu.mpmu.reprogram, 0);
	assert_int_equal(cpu->writes, writes);
}

/* A filter that no enabled PMC has to pass is no reason to be called back. */
static void no_request(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	stub_vcpu_set_filter(&one.vcpu, NULL);
	assert_false(one.vcpu.requests.reprogram);
}

static void many_requests(void)
{
	unit_world_init(&one, "intel-v5-8-4", "intel-v5-8-4");
	stub_host_wrmsr(&one.vcpu, 0x186, GUEST_COUNTS);
	stub_host_wrmsr(&one.vcpu, 0x187, GUEST_COUNTS);
	assert_int_equal(one.vcpu.mpmu.reprogram, 3);
	stub_enter(&one.vcpu);
	assert_int_equal(one.vcpu.mpmu.reprogram, 0);
	stub_vcpu_set_filter(&one.vcpu, NULL);
	assert_int_equal(one.vcpu.mpmu.reprogram, 3);
}

static const struct unit_case cases_of_one[] = {
	{"a disabled selector cancels its request", request_cancelled},
	{"a disabled field cancels its request", fixed_requests},
	{"the same selector again changes nothing", same_selector},
	{"the same selector again is not written", same_image},
	{"a new filter with nothing enabled requests nothing", no_request},
	{"requests of two counters", many_requests},
};

int main(void)
{
	UNIT_CASES(cases_of_one);
	return unit_run("reprogram");
}
