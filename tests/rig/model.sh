# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The PMU model's proofs on the stock kernel: what model-intel.t and
# model-amd.t share.  Source it after machine.sh.

# personality	version	general	fixed	events: what Linux must find
models='
intel-skx	4	4	3	Skylake,
intel-skx-tfa	4	4	3	Skylake,
intel-icx	5	8	4	Icelake,
intel-spr	5	8	4	Sapphire_Rapids,
intel-gnr	5	8	4	Granite_Rapids,
amd-zen4	2	6	0	16_amd_df,6_amd_l3,
amd-zen5	2	6	0	16_amd_df,6_amd_l3,
intel-v5-8-4	5	8	4	Sapphire_Rapids,
intel-v5-8-3	5	8	3	Sapphire_Rapids,
intel-v5-nosave	5	8	4	Sapphire_Rapids,
intel-v4-tsx	4	4	3	Skylake,
intel-v3	3	8	3	Sapphire_Rapids,
intel-nofw	5	8	4	Sapphire_Rapids,
amd-v2	2	6	0
amd-core6	0	6	0
amd-k7	0	4	0
'

model_prepare()
{
	local tree programs

	tree=$("$MPMU_TOP/tests/kernel/build" stock)
	programs=$("$MPMU_TOP/tests/l1/build")
	machine_prepare "$tree" "$MPMU_TOP/tests/l1/main-model" "$programs"/{model,registers}
}

# model_test LABEL PERSONALITY PARTS [OPTION...]
model_test()
{
	local label=$1 personality=$2 parts=$3 name version gp fixed events
	shift 3

	read -r name version gp fixed events < <(printf '%s' "$models" | grep "^$personality	")
	machine_test "$label" "$name" --timeout 180 \
		--append "mpmu.version=$version mpmu.gp=$gp mpmu.fixed=$fixed mpmu.events=$events mpmu.parts=$parts" "$@"
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
