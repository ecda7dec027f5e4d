# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A guest's PMU on the kernel with libmpmu, one personality a test.  Source it
# after machine.sh.

# Lists for one CPU; those that need another one beside the guest's differ.
vpmu_lists='smoke,state,count,count:--host-event,access,put,cost,windows,dumps'
# Each entry of a guest that counts displaces the host's events.
# shellcheck disable=SC2034 # for the tests
vpmu_displaced='vpmu.mediated=Y vpmu.kvm=mediated_pmu_share=0'
vpmu_seed=${MPMU_SEED:-$RANDOM}

# What else the image has.
vpmu_files=()

vpmu_prepare()
{
	local tree program modules

	tree=${MPMU_KERNEL:-$("$MPMU_TOP/tests/kernel/build" mpmu-y)}
	program=$("$MPMU_TOP/tests/l1/vpmu/build")
	mapfile -t modules < <(kernel_modules "$tree")
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-vpmu" "$program" "${modules[@]}" "${vpmu_files[@]}"
	echo "# seed $vpmu_seed (MPMU_SEED repeats it)"
}

# Each list gets the seed.
vpmu_runs()
{
	printf '%s' "$1" | sed "s/\\(,\\|\$\\)/:--seed:$vpmu_seed\\1/g"
}

# vpmu_test LABEL PERSONALITY LISTS APPEND [OPTION...]
vpmu_test()
{
	local label=$1 personality=$2 lists=$3 append=$4
	shift 4

	[ -z "$lists" ] || append="vpmu.run=$(vpmu_runs "$lists") $append"
	machine_test "$label" "$personality" --timeout 600 --append "$append" "$@"
}

# vpmu_personality LABEL PERSONALITY LISTS_OF_2_CPUS [APPEND]
vpmu_personality()
{
	vpmu_test "$1" "$2" "$vpmu_lists" "vpmu.mediated=Y ${4:-}"
	vpmu_test "$1, 2 CPUs" "$2" "$3" "vpmu.mediated=Y ${4:-}" --cpus 2
}
