#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Theorems about the core by a bounded model checker: any machine, any model, any
# value, any registers, within the bounds that are printed.  Each fails on a core
# that is broken for the purpose.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages gcc libc6-dev perl binutils
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PROOF_LOG=$work/log

holds()
{
	tests/proof/prove "$@" || { grep -E 'FAILURE|rror' "$PROOF_LOG" || tail -n 5 "$PROOF_LOG"; return 1; }
	grep -q '^VERIFICATION SUCCESSFUL' "$PROOF_LOG"
}

# fails FILE OLD NEW CLAIM THEOREM VENDOR COUNTERS ENTRIES: CLAIM does not hold on a
# core with NEW for OLD in FILE.
fails()
{
	local file=$1 old=$2 new=$3 claim=$4
	shift 4

	rm -rf "$work/core"
	cp -r libmpmu "$work/core"
	perl -0777 -pi -e 'BEGIN { ($old, $new) = splice @ARGV, 0, 2 } s/\Q$old\E/$new/ == 1 or die "not there: $old\n"' \
		"$old" "$new" "$work/core/$file" || return 1
	! tests/proof/prove --core "$work/core" "$@" || { echo "it holds"; return 1; }
	grep -q "$claim: FAILURE" "$PROOF_LOG" || { grep -E 'FAILURE|rror' "$PROOF_LOG"; return 1; }
}

while IFS=$'\t' read -r theorem counters entries what; do
	for vendor in intel amd; do
		try "$what: $vendor, at most $counters counters, $entries entries" \
			holds "$theorem" "$vendor" "$counters" "$entries"
	done
done <<'THEOREMS'
direct_needs_no_check	48	1	a direct register needs no check on write
no_denied_event_by_a_write	4	1	no denied event is enabled by a write
no_denied_event_by_reprogramming	2	1	no denied event is enabled by reprogramming
nothing_is_left	2	1	after a release nothing of the guest is in hardware
restore_is_all_or_nothing	4	2	a restore is all or nothing
THEOREMS

try "a width that is not looked at is noticed" fails policy.c \
	'return mpmu_width(&vcpu->caps, pmc) == mpmu_width(&vcpu->host->caps, pmc);' 'return true;' \
	'direct: the machine .* what the core [a-z]*' direct_needs_no_check intel 48 1
try "a selector that a write enables is noticed" fails access.c \
	'mpmu_eventsel_disabled(mpmu_desc(vcpu), value)' value \
	'write: nothing is enabled by it' no_denied_event_by_a_write intel 1 1
try "a filter that is not asked is noticed" fails reprogram.c 'return allowed;' 'return true;' \
	'reprogram: no denied event is enabled' no_denied_event_by_reprogramming amd 1 1
try "a counter that is not scrubbed is noticed" fails switch.c '		mpmu_call(vcpu, wrmsr, msr, 0);' '		;' \
	'no value of the guest is in hardware' nothing_is_left amd 1 1
try "PERF_METRICS that are not scrubbed are noticed" fails switch.c \
	'mpmu_call(vcpu, wrmsr, desc->metrics, 0);' ';' \
	'no value of the guest is in hardware' nothing_is_left intel 2 1
try "status bits beyond the model that are left are noticed" fails vcpu.c \
	'(vcpu->host->pmcs &' '(mpmu_all_pmcs(&vcpu->caps) &' \
	'no value of the guest is in hardware' nothing_is_left amd 2 1
try "status bits of no counter that are left are noticed" fails vcpu.c ' | mpmu_desc(vcpu)->status_settable' '' \
	'no value of the guest is in hardware' nothing_is_left amd 2 1
try "bits beyond the model in a direct register are noticed" fails policy.c 'vcpu->flags & MPMU_VCPU_DIRECT &&' '' \
	'direct: the machine .* what the core [a-z]*' direct_needs_no_check intel 48 1
try "a list of which the last entry is not checked is noticed" fails snapshot.c \
	'if (i < count) {' 'if (i + 1 < count) {' 'restore: .*' restore_is_all_or_nothing intel 4 2
done_testing
