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
	{ "snapshot", test_snapshot },
	{ "migrate", test_migrate },
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

void bare_main(const char *command_line)
{
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
