#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# integrate --report, on the pristine tree and on trees with other patches in the
# same files: each hunk that does not apply is named, with its hook and what to see
# to, and no other; the tree stays as it was.

. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/integrate.sh"

x86=arch/x86/kvm/x86.c
pmu=arch/x86/events/core.c
hunks=$(cat "$MPMU_TOP"/backends/kvm/patches/6.12/*.patch | grep -c '^@@ ')
hooks=$MPMU_TOP/backends/kvm/patches/6.12/hooks

# reported: the file, patch and hook of each hunk in the last report.
reported()
{
	sed -n '/^[^ ].*: 00.*, hunk/{s/: \(00[0-9]*\)-[^,]*, hunk.*/ \1/; N; s/\n    carries: / /; p}' "$work/output"
}

# names NAME EXPECTED: it names these, one a line, and the tree is as it was.
names()
{
	try "$1: the report says that something is left" run 3 "do not apply" --report
	reported >"$work/reported"
	try "$1: it names these hunks alone" diff <(printf '%s\n' "$2") "$work/reported"
	try "$1: each has a line on what to see to" has_checks
	try "$1: tree untouched" untouched
	cp "$work/output" "$work/report"
	refused "$1, integrate" "see what --report names" --any-base
}

has_checks()
{
	[ "$(grep -c '^    check:   [A-Z].*\.$' "$work/output")" = "$(wc -l <"$work/reported")" ]
}

change()
{
	sed -i "$1" "$tree/$2"
	remember
}

# An enterprise kernel rewrites parts of KVM.
test_kvm_rewritten()
{
	new_tree enterprise-kvm
	change 's/Do this here before restoring debug registers/Vendor: debug registers/
		s/if (kvm_vcpu_exit_request(vcpu)) {/if (vendor_exit_request(vcpu)) {/
		/^void kvm_arch_vcpu_put/,/^}/s/kvm_x86_call(vcpu_put)(vcpu)/vendor_vcpu_put(vcpu)/' $x86
	names "KVM rewritten" "$KVM_REWRITTEN"
	try "KVM rewritten: what to see to at the exit" grep -q 'Right after the loop around VM-entry' "$work/report"
}

# Another one has a mend of ours already, and has done something else to perf.
test_perf_patched()
{
	new_tree enterprise-perf
	patch -s -p1 -d "$tree" <"$MPMU_TOP/backends/kvm/patches/6.12/0001-perf-x86-mark-the-counter-that-an-event-leaves-dirty.patch"
	change '/^static void x86_pmu_disable/,/^}/s/cpuc = this_cpu_ptr(.*/cpuc = vendor_events();/' $pmu
	names "perf patched" "$PERF_PATCHED"
	try "perf patched: what is there already is said" has_already
	rm "$tree/kernel/watchdog_perf.c"
	remember
	run 3 "the file is missing" --report
	try "file gone: its hunks are named, and why" test "$(grep -c '^kernel/watchdog_perf.c: 0016' "$work/output")" = 2
	try "file gone: tree untouched" untouched
}

has_already()
{
	[ "$(grep -c "the tree has it already" "$work/report")" = 4 ] &&
		grep -A 2 ': 0001-' "$work/report" | grep -q "has it already"
}

# Where nothing applies, each hunk is named, those of the same lines with what they need.
test_nothing_applies()
{
	new_tree empty
	(cd "$tree" && find . -name '*.[chS]' -exec truncate -s 0 {} +)
	remember
	try "sources empty: hunks of all patches are named" run 3 "do not apply" --report
	try "sources empty: tree untouched" untouched
	reported >"$work/reported"
	try "sources empty: each has a line on what to see to" has_checks
	try "sources empty: a hunk that goes by another one says so" \
		grep -q "it changes lines of 0003-.*, hunk" "$work/output"
	silent "each hook of the list is one that a hunk has" unused
}

# Rows that no hunk was reported with; of documents and build files none was here.
unused()
{
	sed -n 's/^    check:   //p' "$work/output" | sort -u >"$work/used"
	grep -v '^#' "$hooks" | grep -v '^^\(00(47|49)\|0051\|0090\)' |
		sed 's/^[^\t]*\t*//' | grep -vxFf "$work/used" || true
}

test_pristine()
{
	new_tree pristine
	try "pristine: the report has nothing to name" run 0 "all $hunks hunks apply" --report
	try "pristine: tree untouched" untouched
	run 0 "integrated"
	remember
	try "integrated: said" run 0 "integrated already" --report
	try "integrated: tree untouched" untouched
}

KVM_REWRITTEN="$x86 0045 kvm_mpmu_put(
$x86 0045 kvm_mpmu_enter(
$x86 0045 kvm_mpmu_exit("
PERF_PATCHED="$pmu 0001 perf/x86: Mark the counters that an event leaves dirty
$pmu 0001 perf/x86: Mark the counters that an event leaves dirty
$pmu 0001 perf/x86: Mark the counters that an event leaves dirty
arch/x86/events/perf_event.h 0001 perf/x86: Mark the counters that an event leaves dirty
$pmu 0012 x86_pmu_reclaim("

set +e
test_pristine
test_kvm_rewritten
test_perf_patched
test_nothing_applies
done_testing
