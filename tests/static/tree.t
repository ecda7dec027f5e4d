#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What holds for every tracked file: licence, words, scripts, style.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

# Data that cannot carry a licence line; REUSE.toml has it.
is_data()
{
	case $1 in
	*/patches/* | LICENSES/* | */KERNEL-BASE | *.abi) return 0 ;;
	esac
	return 1
}

# Licence of a path: the first glob that matches decides.
expected_licence()
{
	case $1 in
	backends/kvm/* | Kconfig) echo "GPL-2.0-only" ;;
	tests/rig/emulator/*.cc | tests/rig/emulator/*.h) echo "LGPL-2.1-or-later" ;;
	*) echo "GPL-2.0-only OR BSD-2-Clause" ;;
	esac
}

# Line 1, or line 2 after #!; a file may choose the common licence anywhere
# outside include/, libmpmu/ and backends/stub, which need exactly that one.
check_licences()
{
	local file line found

	git ls-files | while read -r file; do
		if [ ! -f "$file" ] || is_data "$file"; then continue; fi
		line=$(head -n 1 "$file")
		case $line in '#!'*) line=$(sed -n 2p "$file") ;; esac
		found=$(sed -n 's/.*SPDX-License-Identifier: \([^*>]*[^*> -]\).*/\1/p' <<<"$line")
		case $found in
		"$(expected_licence "$file")" | "GPL-2.0-only OR BSD-2-Clause") ;;
		'') echo "$file: no SPDX line at the top" ;;
		*) echo "$file: licence is \"$found\", expected \"$(expected_licence "$file")\"" ;;
		esac
	done
}

check_licence_texts()
{
	local id

	for id in GPL-2.0-only BSD-2-Clause LGPL-2.1-or-later; do
		[ -s "LICENSES/$id.txt" ] || echo "LICENSES/$id.txt is missing"
		grep -rqsF "$id" REUSE.toml include libmpmu backends tests check || echo "$id is not used"
	done
}

# The patterns are written so that they do not match this file.
check_words()
{
	git grep -nIE '(^|[^A-Za-z0-9._/-])/(work|farm|root)/|[.]library' -- . || true
	git grep -nIE 'deb[.]debian[.]org|security[.]debian[.]org|registry[.]npmjs|snapshot[.]debian' -- . || true
	git grep -nIwE 'TOD[O]|FIXM[E]|XX[X]' -- . ':!LICENSES' ':!*.patch' || true
}

check_shell()
{
	git ls-files | while read -r file; do
		[ -f "$file" ] || continue
		case $(head -n 1 "$file") in
		'#!'*sh | '# SPDX'*) ;;
		*) continue ;;
		esac
		head -n 3 "$file" | grep -qE '^#!.*sh$|shellcheck shell=' || continue
		shellcheck -x --source-path=SCRIPTDIR -e SC1091,SC2016 -f gcc "$file" || true
	done
}

check_white_space()
{
	git grep -nIE '[ 	]+$' -- '*.c' '*.h' '*.S' '*.cc' '*.sh' '*.t' '*.def' || true
	git grep -nIE '^ {8}' -- '*.c' '*.h' '*.S' '*.sh' '*.t' || true
}

check_tiers()
{
	local file

	git ls-files 'tests/*.t' | while read -r file; do
		[ -x "$file" ] || echo "$file is not executable"
		head -n 1 "$file" | grep -q '^#!' || echo "$file has no #! line"
		case $file in
		tests/*/*/*) echo "$file: no line of tests/tiers reaches that deep" ;;
		esac
	done
}

silent "every file names its licence on line 1" check_licences
silent "licence texts are there, each in use" check_licence_texts
silent "no machine path, registry host or open end in a tracked file" check_words
silent "shellcheck finds nothing" check_shell
silent "no trailing white space, no indentation with spaces" check_white_space
silent "every test can be found and run" check_tiers
done_testing
