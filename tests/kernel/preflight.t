#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# backends/kvm/preflight tells which machines can give their counters to guests, and
# what each policy would offer there.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"

tree=$("$MPMU_TOP/tests/kernel/build" stock)
guest=$("$MPMU_TOP/tests/l1/build")
machine_prepare "$tree" "$MPMU_TOP/tests/kernel/main-preflight" \
	"$MPMU_TOP/backends/kvm/preflight" "$guest/opener"

# personality	exit status	a line that it prints
machines='
intel-v5-8-4	0	ok  PMU version 4 or later (it is 5)
intel-v5-nosave	0	-   VM exit does not save PERF_GLOBAL_CTRL: its MSR list is used instead
intel-v4-tfa	0	ok  PMU version 4 or later (it is 4)
intel-v3	1	no  PMU version 4 or later (it is 3)
intel-nofw	1	no  full-width writes to counters
amd-v2	0	ok  PerfMonV2
amd-core6	1	no  PerfMonV2
intel-skx	0	ok  PMU version 4 or later (it is 4)
intel-spr	0	ok  VM exit saves PERF_GLOBAL_CTRL
amd-zen4	0	-   RDPMC reaches NB and L3 counters. With mediated_pmu_uncore_rdpmc=Y policy direct does not
'

# personality	policy	version	GP	fixed	metrics	what exits (docs/msr-policy.md)
offers='
intel-v5-8-4	compat	2	8	3	no	eventsel, FIXED_CTR_CTRL, GLOBAL_CTRL, status, RDPMC
intel-v5-8-4	direct	2	8	3	no	eventsel, FIXED_CTR_CTRL
intel-v5-8-4	full	5	8	4	no	eventsel, FIXED_CTR_CTRL
intel-v4-tfa	compat	2	3	3	no	eventsel, FIXED_CTR_CTRL, GLOBAL_CTRL, status, RDPMC
intel-v4-tfa	direct	2	3	3	no	eventsel, FIXED_CTR_CTRL, GLOBAL_CTRL, status, RDPMC
intel-v4-tfa	full	4	3	3	no	eventsel, FIXED_CTR_CTRL, GLOBAL_CTRL, status, RDPMC
amd-v2	compat	2	6	0	no	eventsel
amd-v2	direct	2	6	0	no	eventsel
amd-v2	full	2	6	0	no	eventsel
intel-skx	compat	2	4	3	no	eventsel, FIXED_CTR_CTRL
intel-skx	full	4	4	3	no	eventsel, FIXED_CTR_CTRL
intel-spr	compat	2	8	3	no	eventsel, FIXED_CTR_CTRL, GLOBAL_CTRL, status, RDPMC
intel-spr	direct	2	8	3	no	eventsel, FIXED_CTR_CTRL
intel-spr	full	5	8	4	yes	eventsel, FIXED_CTR_CTRL
amd-zen4	compat	2	6	0	no	eventsel, RDPMC
amd-zen4	direct	2	6	0	no	eventsel, RDPMC
amd-zen4	full	2	6	0	no	eventsel, RDPMC
'

# has_row POLICY VERSION GP FIXED METRICS EXITS
has_row()
{
	grep -qF "# first: $(printf '%-8s%-9s%-4s%-7s%-9s%s' "$@")" "$MACHINE_CONSOLE"
}

no_row()
{
	! grep -qE '^# first: (compat|direct|full) ' "$MACHINE_CONSOLE"
}

# The same for scripts: parsed by a library, and made the lines of the table again.
json_agrees()
{
	sed -n 's/^# json: //p' "$MACHINE_CONSOLE" | tr -d '\r' | perl -MJSON::PP -0777 -ne '
		my $j = decode_json($_);
		printf "can %s\nwatchdog %s\n", map { defined ? $_ ? "yes" : "no" : "?" } @$j{qw(mediated nmi_watchdog)};
		printf "# %-3s %s\n", !defined $_->{met} ? "?" : $_->{met} ? "ok" : "no", $_->{name} for @{$j->{requirements}};
		printf "# %-8s%-9s%-4s%-7s%-9s%s\n", @$_{qw(name version gp fixed)}, $_->{metrics} ? "yes" : "no",
			join(", ", @{$_->{exits}}) for @{$j->{policies}};
		print "# -   $_\n" for @{$j->{notes}};' >"$MACHINE_WORK/json" || return 1
	grep -qx "can $1" "$MACHINE_WORK/json" && grep -qx 'watchdog yes' "$MACHINE_WORK/json" || return 1
	# Between the two runs nothing changed; only the text has a heading and blank lines.
	diff <(sed -n '/^# first: /s/first: //p' "$MACHINE_CONSOLE" | tr -d '\r' | grep -vE '^# (policy .*)?$' | sort) \
		<(grep '^#' "$MACHINE_WORK/json" | sort)
}

# answer STATUS
answer()
{
	case $1 in 0) echo yes ;; 1) echo no ;; *) echo '?' ;; esac
}

while IFS=$'\t' read -r personality status line; do
	[ -n "$personality" ] || continue
	machine_test "$personality" "$personality" --timeout 120 --append "mpmu.status=$status nmi_watchdog=1"
	try "$personality: says \"$line\"" grep -qF "# first: $line" "$MACHINE_CONSOLE"
	try "$personality: --json says the same" json_agrees "$(answer "$status")"
	[ "$status" = 0 ] || try "$personality: no policy offers anything" no_row
	while IFS=$'\t' read -r name policy version gp fixed metrics exits; do
		[ "$name" != "$personality" ] ||
			try "$personality: policy $policy" has_row "$policy" "$version" "$gp" "$fixed" "$metrics" "$exits"
	done <<<"$offers"
done <<<"$machines"
done_testing
