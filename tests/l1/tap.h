/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TAP from the programs that run inside an emulated machine. */
#ifndef TEST_TAP_H
#define TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static int tap_count;
static int tap_failed;

__attribute__((format(printf, 1, 2)))
static inline void note(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	printf("# %s\n", line);
	fflush(stdout);
}

static inline bool result(bool ok, const char *name)
{
	tap_count++;
	tap_failed += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", tap_count, name);
	fflush(stdout);
	return ok;
}

__attribute__((format(printf, 2, 3)))
static inline bool check(bool ok, const char *format, ...)
{
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return result(ok, name);
}

__attribute__((format(printf, 3, 4)))
static inline bool check_eq(uint64_t got, uint64_t want, const char *format, ...)
{
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (got != want)
		note("%s: got %llu (%#llx), want %llu (%#llx), off by %lld", name,
		     (unsigned long long)got, (unsigned long long)got,
		     (unsigned long long)want, (unsigned long long)want,
		     (long long)(got - want));
	return result(got == want, name);
}

static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	fflush(stdout);
	return tap_failed != 0;
}

#endif
