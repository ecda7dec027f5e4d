#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who may include what: docs/design.md, "Layout".  Each rule is checked against
# a planted offender as well, so that a rule that cannot fail is noticed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

# FILES (glob), an include that is allowed (regular expression), one that is not
RULES='
include/mpmu/types.h	[<"](mpmu_port\.h)[">]				<mpmu/vcpu.h>
include/mpmu/*.h	[<"](mpmu/)?[a-z_]+\.(h|def)[">]			<linux/types.h>
libmpmu/internal.h	[<"]mpmu/[a-z_]+\.(h|def)[">]			<stdint.h>
libmpmu/*.c		("internal\.h"|<mpmu/[a-z_]+\.(h|def)>)		<string.h>
backends/kvm/*		(<(linux|asm|uapi|kvm|mpmu|trace)/[a-z0-9_./-]+>|"(?!.*libmpmu/)[a-z0-9_./-]+")	"../../libmpmu/internal.h"
backends/stub/*		(<(mpmu/)?[a-z_]+\.(h|def)>|"(?!.*libmpmu/)[a-z0-9_./-]+")	<linux/kvm.h>
backends/skeleton/*	(<(mpmu/)?[a-z_]+\.(h|def)>|"(?!.*libmpmu/)[a-z0-9_./-]+")	<linux/kvm.h>
backends/bare/*		(<(mpmu/)?[a-z_]+\.(h|def)>|"(?!.*libmpmu/)[a-z0-9_./-]+")	<linux/kvm.h>
'

# Where MSR numbers may stand in the core.
MSR_FILES='libmpmu/(decode|intel|amd)[a-z_]*\.[ch]'
MSR_NUMBER='\b0x(c001[0-9a-f]{4}|c00003[0-9a-f]{2}|38[def]|39[01]|309|30a|329|345|4c[1-8]|18[6-9]|19[0-3]|3f1|1c4|1d9|1a0)\b'

# allowed FILE: the pattern of the first rule that matches.
allowed()
{
	local glob pattern offender

	while read -r glob pattern offender; do
		# shellcheck disable=SC2254
		case $1 in $glob) echo "$pattern"; return ;; esac
	done <<<"$RULES"
}

# offences NAME FILE: the includes in FILE that no rule allows to NAME.
offences()
{
	local pattern
	pattern=$(allowed "$1")

	[ -n "$pattern" ] || return 0
	grep -nE '^[[:space:]]*#[[:space:]]*include' "$2" | sed 's/#[[:space:]]*include[[:space:]]*/#include /' |
		grep -vP "#include ($pattern)\s*(/\*.*)?$" | sed "s|^|$1:|"
	return 0
}

sources()
{
	git ls-files 'include/*' 'libmpmu/*' 'backends/*' | grep -E '\.(h|c|S|def)$' || true
}

check_direction()
{
	local file

	sources | while read -r file; do
		[ ! -f "$file" ] || offences "$file" "$file"
	done
}

# Plant the offender of each rule in a file of that rule's folder.
check_rules()
{
	local glob pattern offender

	while read -r glob pattern offender; do
		[ -n "$glob" ] || continue
		[ -n "$(offences "${glob/\*/planted}" <(echo "#include $offender"))" ] ||
			echo "the rule for $glob allows $offender"
	done <<<"$RULES"
}

check_host_ifdefs()
{
	git grep -nE '^[[:space:]]*#[[:space:]]*(if|elif|ifdef|ifndef)' -- 'libmpmu/*' 'include/mpmu/*' |
		grep -vE '#[[:space:]]*ifndef (_*MPMU_|_*LIBMPMU_)[A-Z_0-9]+$' |
		grep -vE '^include/mpmu/types.h:[0-9]+:#ifdef __cplusplus$' || true
}

check_msr_numbers()
{
	git grep -niE "$MSR_NUMBER" -- 'libmpmu/*' 'include/mpmu/*' | grep -vE "^$MSR_FILES:" || true
}

check_forbidden_calls()
{
	git grep -nwE '(k|v|kv)?(m|z|c|re)alloc|k?free|printk|pr_(err|warn|info)|printf|EXPORT_SYMBOL(_GPL)?' \
		-- 'libmpmu/*' | grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)' || true
}

silent "includes go in one direction" check_direction
silent "each rule rejects its offender" check_rules
silent "no conditional on a host in the core" check_host_ifdefs
silent "MSR numbers only in the decoder and the vendor tables" check_msr_numbers
silent "no allocation, printing or export in the core" check_forbidden_calls
done_testing
