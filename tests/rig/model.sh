# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The PMU model's proofs on the stock kernel: what model-intel.t and
# model-amd.t share.  Source it after machine.sh.

# personality	version	general	fixed: what Linux must find
models='
intel-v5-8-4	5	8	4
intel-v5-8-3	5	8	3
intel-v5-nosave	5	8	4
intel-v3	3	8	3
intel-nofw	5	8	4
amd-v2	2	6	0
amd-core6	0	6	0
amd-k7	0	4	0
'

model_prepare()
{
	local tree programs

	tree=$("$MPMU_TOP/tests/kernel/build" stock)
	programs=$("$MPMU_TOP/tests/guest/build")
	machine_prepare "$tree" "$MPMU_TOP/tests/guest/main-model" "$programs"/{model,registers}
}

# model_test LABEL PERSONALITY PARTS [OPTION...]
model_test()
{
	local label=$1 personality=$2 parts=$3 name version gp fixed
	shift 3

	read -r name version gp fixed < <(printf '%s' "$models" | grep "^$personality	")
	machine_test "$label" "$name" --timeout 180 \
		--append "mpmu.version=$version mpmu.gp=$gp mpmu.fixed=$fixed mpmu.parts=$parts" "$@"
}

# Deterministic: two runs print the same, figures included.
model_repeat()
{
	local personality=$1 parts=$2

	model_test "$personality once" "$personality" "$parts"
	cp "$MACHINE_CONSOLE" "$MACHINE_WORK/once"
	model_test "$personality again" "$personality" "$parts"
	try "$personality: two runs print the same" cmp "$MACHINE_WORK/once" "$MACHINE_CONSOLE"
}
