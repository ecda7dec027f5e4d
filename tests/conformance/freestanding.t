#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The conformance suite needs the library, and nothing else of its port.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compiles()
{
	"$1" -std=gnu11 -ffreestanding -fno-stack-protector -O2 -Wall -Wextra -Werror -Iinclude \
		-Ibackends/stub -c tests/conformance/conformance.c -o "$work/$1.o"
}

foreign_symbols()
{
	nm -u "$work/$1.o" | awk '{ print $2 }' | grep -vxE 'mpmu_[a-z_]+|mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_' || true
}

foreign_includes()
{
	grep -n '^#include' tests/conformance/conformance.[ch] | grep -vE '"conformance.h"|<mpmu/[a-z]+\.h>' || true
}

for cc in gcc clang; do
	try "it compiles freestanding ($cc)" compiles "$cc"
	silent "it calls the library alone ($cc)" foreign_symbols "$cc"
done
silent "it includes the library's headers alone" foreign_includes
done_testing
