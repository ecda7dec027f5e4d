// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The list of tests, and their verdict. */
#include "suite.h"

static u32 checks, failed;

void check(bool ok, const char *name)
{
	checks++;
	failed += !ok;
	print("%sok %u - %s\n", ok ? "" : "not ", (u64)checks, name);
}

void check_eq(u64 got, u64 want, const char *name)
{
	if (got != want)
		print("# got %x, want %x\n", got, want);
	check(got == want, name);
}

/*
 * Nothing is ever freed.  A VMCS may have anything in it: something else each
 * time, as some values suit some fields.
 */
struct vcpu_pages *alloc_vcpu_pages(void)
{
	static const u8 dirt[] = { 0xa5, 0xff, 0x01 };
	static u64 used, count;
	const u64 size = sizeof(struct vcpu_pages);
	struct vcpu_pages *pages;
	u64 start = used ? used : (u64)image_end;

	start = (start + VCPU_MEMORY - 1) & -VCPU_MEMORY;
	if (start + size > memory_end) {
		print("too little memory: %u KiB wanted\n", size / 1024);
		return NULL;
	}
	used = start + size;
	pages = memset((void *)start, 0, size);
	if (guest_mode == &vmx)
		memset(pages->control, dirt[count++ % sizeof(dirt)], sizeof(pages->control));
	return pages;
}

/* What another CPU is to do: one thing at a time. */
static struct {
	void (*volatile work)(void *data);
	void *data;
} errand;

static void run_errands(void)
{
	for (;;) {
		irqs_window();
		if (!errand.work)
			continue;
		errand.work(errand.data);
		__atomic_store_n(&errand.work, NULL, __ATOMIC_SEQ_CST);
	}
}

void cpu_run(u32 index, void (*work)(void *data), void *data)
{
	if (!index) {
		work(data);
		return;
	}
	errand.data = data;
	__atomic_store_n(&errand.work, work, __ATOMIC_SEQ_CST);
	while (errand.work)
		irqs_window();
}

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "conform", test_conform },
	{ "count", test_count },
	{ "share", test_share },
	{ "pmi", test_pmi },
	{ "access", test_access },
	{ "filter", test_filter },
	{ "idle", test_idle },
	{ "snapshot", test_snapshot },
	{ "migrate", test_migrate },
	{ "state", test_state },
	{ "profile", test_profile },
	{ "bad", test_bad },
	{ "refused", test_refused },
};

/* Is NAME a word of LINE? */
static bool has_word(const char *line, const char *name)
{
	while (*line) {
		u32 i = 0;

		while (name[i] && line[i] == name[i])
			i++;
		if (!name[i] && (!line[i] || line[i] == ' '))
			return true;
		while (*line && *line++ != ' ')
			;
	}
	return false;
}

void bare_main(u32 cpu, const char *arguments)
{
	static char command_line[128];

	if (cpu)
		run_errands();
	memcpy(command_line, arguments, sizeof(command_line) - 1);
	for (u32 i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!has_word(command_line, tests[i].name))
			continue;
		print("# %s\n", tests[i].name);
		if (guest_mode || tests[i].run == test_refused)
			tests[i].run();
		else
			check(false, "this machine runs guests");
	}
	print("1..%u\n", (u64)checks);
	if (failed || !checks)
		print("MPMU-VERDICT: FAIL %u of %u checks\n", (u64)failed, (u64)checks);
	else
		print("MPMU-VERDICT: PASS\n");
}
