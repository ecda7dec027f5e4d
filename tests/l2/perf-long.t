#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# perf as people use it, in a Linux guest with a mediated PMU: stat, stat -d,
# --topdown, record, record -a, top, and groups of more events than counters.
#   perf-long.t [PERSONALITY [CPUS [OPTION OF MACHINE...]]]
#
# Each check comes with a second one: it notices when what perf said is changed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/l2/judge.sh"

LOOPS=1000000

# said NAME COUNT EVENT: the first number that perf stat has for the event.
said()
{
	sed -n "s/^$1 $2 | *//p" <<<"$lines" | awk -v event="$3" '
		$2 == event || index($2, event ":") == 1 { print $1; exit }'
}

# truth NAME COUNT FIELD: of the program's own line, see loop.c.
truth()
{
	local value

	value=$(sed -n "s/^$1 $2 truth //p" <<<"$lines" | awk -v field="$3" '{ print $field }')
	echo $((16#${value:-0}))
}

# within VALUE FROM TO
within()
{
	echo "$1, right is $2 to $3"
	case $1 in '' | *[!0-9]*) return 1 ;; esac
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# stat_instructions NAME: those of the program, and of the kernel at most those that the
# truth has meanwhile, for whomever, beside the start of the program and its end.
stat_instructions()
{
	local user kernel

	user=$(truth "$1" $((2 * loops)) 2) kernel=$(truth "$1" $((2 * loops)) 5)
	within "$(said "$1" $((2 * loops)) instructions)" "$user" $((user + kernel + 300000))
}

# stat_grows NAME EVENT BY: by that, and what the kernel did.
stat_grows()
{
	local once twice

	once=$(said "$1" "$loops" "$2") twice=$(said "$1" $((2 * loops)) "$2")
	within $((${twice:-0} - ${once:-0})) $(($3 - $3 / 50)) $(($3 + $3 / 20))
}

# complete NAME [EXCEPT]: each event of perf stat counted.
complete()
{
	local missing

	[ "$(grep -c "^$1 [0-9]* status 0$" <<<"$lines")" = 2 ] || return 1
	missing=$(grep "^$1 [0-9]* |.*<not " <<<"$lines" | grep -vE "${2:-^$}") || return 0
	echo "$missing"
	return 1
}

# multiplexed NAME EVENTS: so many counted branches for a part of the time; scaled they are right.
multiplexed()
{
	sed -n "s/^$1 $((8 * loops)) | //p" <<<"$lines" | awk -F, -v right="$(truth "$1" $((8 * loops)) 4)" -v events="$2" '
		$3 !~ /^branches/ { next }
		$5 < 99.9 { some++ }
		$1 < 0.95 * right || $1 > 1.05 * right { print $0 ", right is " right; bad = 1 }
		{ seen++ }
		END { print seen " of " events ", " some " for a part of the time"; exit bad || seen != events || !some }'
}

# A group that no machine of this kind can count: the kernel refuses the last event of
# it, and nothing is counted.
too_large()
{
	sed -n "s/^large $loops | //p" <<<"$lines" | awk -F, '
		$3 !~ /^branches/ { next }
		{ seen++; bad += $1 !~ /^<not/; refused += $1 == "<not supported>" }
		END { exit seen != 9 || bad || !refused }'
}

# hottest NAME PERCENT: the loop is at the top of the report, with so much.
hottest()
{
	sed -n "s/^$1 | *//p" <<<"$lines" | awk -v least="$2" '
		$1 ~ /^[0-9.]+%$/ { print; good = $1 + 0 >= least && / loop_body *$/; exit }
		END { exit !good }'
}

# On each CPU the same loop, and all of its overflows.
sampled_all()
{
	local have seen=0 right=$((2 * loops * turn / PERIOD))

	while read -r _ have; do
		within "$have" "$right" $((right + 1)) || return 1
		seen=$((seen + 1))
	done < <(sed -n 's/^record-all cpu //p' <<<"$lines")
	[ "$seen" = "$cpus" ]
}

ended()
{
	grep -qx "$1 status 0" <<<"$lines"
}

# own PLAN: what a machine's own perf is asked, asked in the guest.
own()
{
	grep '^own not ok' <<<"$lines" && return 1
	[ "$(grep -c '^own ok' <<<"$lines")" = "$1" ]
}

quiet()
{
	grep -x end <<<"$lines" && ! grep '^complaint' <<<"$lines"
}

judge()
{
	local part=$((2 * loops)) many=$((8 * loops)) plan=4

	[ -z "$metrics" ] || plan=19
	judged "no complaint, and the guest ends" 's/^end$/complaint/' quiet
	judged "instructions of a loop are exact" "s/^(user $part )[0-9]+/\\10/" l2_grows '' user 1 $((loops * turn))
	judged "branches of a loop are exact" "s/^(user $part [0-9]+ [0-9]+ )/\\11/" l2_grows '' user 3 $((loops * branches))
	judged "a sample per overflow" "s/^(sample $part [0-9]+)/\\11/" l2_samples ''
	judged "perf stat: each event counts" "s/^(stat $part \\| +)[0-9]+( +branches)/\\1<not counted>\\2/" complete stat
	judged "perf stat: instructions are the truth" "s/^(stat $part \\| +)[0-9]+( +instructions)/\\19\\2/" stat_instructions stat
	judged "perf stat: branches grow with the loop" "s/^(stat $part \\| +)([0-9]+ +branches)/\\11\\2/" stat_grows stat branches $((loops * branches))
	# The last level: Linux does not know it of an AMD core, and wants OFFCORE_RSP on Intel.
	judged "perf stat -d: each event but LLC counts" "s/^(detailed $part \\| +)[0-9]+( +L1-dcache-loads)/\\1<not counted>\\2/" complete detailed LLC
	judged "perf stat -d: instructions are the truth" "s/^(detailed $part \\| +)[0-9]+( +instructions)/\\19\\2/" stat_instructions detailed
	judged "perf stat -d${metrics:+, --topdown}: as on a machine of its own" 's/^own ok 2/own not ok 2/' own "$plan"
	judged "groups of 18 events take turns, and are right" "s/^(groups $many \\| )([0-9]+,,branches)/\\11\\2/" multiplexed groups 12
	judged "a weak group of 9 is broken up, and right" "s/^(weak $many \\| )([0-9]+,,branches)/\\11\\2/" multiplexed weak 9
	judged "a group of 9 is refused" "s/^(large $loops \\| )<not [a-z]*>/\\11/" too_large
	judged "perf record ends well" 's/^record status 0/record status 1/' ended record
	judged "perf record: the loop is hottest" 's/^(record \|.*)loop_body/\1main/' hottest record 50
	judged "perf record -a ends well" 's/^record-all status 0/record-all status 1/' ended record-all
	judged "perf record -a: all overflows on each CPU" 's/^(record-all cpu 0 )/\11/' sampled_all
	judged "perf top ends well" 's/^top status 0/top status 1/' ended top
	judged "perf top: the loop is hottest" 's/^(top \|.*)loop_body/\1main/' hottest top 50
}

# run PERSONALITY CPUS METRICS [OPTION...]: the machine has as many.  QEMU passes
# PERF_METRICS on only to guests that need not migrate.
run()
{
	local policy=direct words=''

	personality=$1 cpus=$2 metrics=$3
	shift 3
	[ -z "$metrics" ] || policy=full words='mpmu.cpu=migratable=off mpmu.guest=mpmu.metrics'
	label="$personality, $cpus vCPU, policy $policy"
	l2_boot "$personality" "$LOOPS" "mpmu.policy=$policy $words mpmu.cpus=$cpus" --mem 1280 --cpus "$cpus" "$@"
	result "$status" "$label: the machine passes" "$(l2_what_happened)" || true
}

programs=$("$MPMU_TOP/tests/l1/build")
l2_prepare "${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}" --run "$MPMU_TOP/tests/l2/guest-perf" \
	--add "$MPMU_TOP/tests/l1/main-perf" --add "$programs/slots"
for machine in ${1:-intel-spr amd-zen4}; do
	for number in ${2:-1 2}; do
		run "$machine" "$number" "$([ "$machine" != intel-spr ] || echo metrics)" "${@:3}"
		judge
	done
done
done_testing
