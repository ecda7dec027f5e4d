#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# backends/kvm/package --check: perf and KVM under Debian's configuration for clouds,
# which differs from the tests' own in nearly everything.  The packages themselves:
# package-long.t; what the script does beside compiling: tests/commands/package.t.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

package=$MPMU_TOP/backends/kvm/package
[ "$(id -u)" = 0 ] || skip_all "only root can install what it builds with"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What may differ from the configuration as shipped, which leaves out what signs modules:
# see the head of the script.  The last ones depend on debugging information.
expected='LOCALVERSION|MPMU|PERF_GUEST_MEDIATED_PMU|SYSTEM_TRUSTED_KEYS|MODULE_SIG_ALL|MODULE_SIG_KEY|BUILD_SALT'
expected="$expected|DEBUG_INFO(_[A-Z0-9_]+)?|PROBE_EVENTS_BTF_ARGS|MODULE_ALLOW_BTF_MISMATCH"

strange()
{
	grep -vE "^[-+]CONFIG_($expected)=" "$1" || true
}

# As shipped, and not as in tests/kernel/config.
shipped='PREEMPT_DYNAMIC=y RANDOMIZE_BASE=y CPU_MITIGATIONS=y MITIGATION_RETPOLINE=y X86_KERNEL_IBT=y
	MODULE_SIG=y SECURITY_LOCKDOWN_LSM=y SECURITY_APPARMOR=y HARDLOCKUP_DETECTOR_PERF=y KVM=m KVM_INTEL=m KVM_AMD=m'

# missing CONFIG: options that are not as shipped.
missing()
{
	local option

	for option in $shipped; do
		grep -qx "CONFIG_$option" "$1" || echo "$option"
	done
}

# unbuilt TREE: objects that are not there, or without libmpmu in them.
unbuilt()
{
	local object

	for object in arch/x86/events/mediated arch/x86/events/intel/core kernel/events/core arch/x86/kvm/kvm-intel arch/x86/kvm/kvm-amd; do
		[ -s "$1/$object.o" ] || echo "$object.o"
	done
	nm "$1/arch/x86/kvm/kvm.o" | grep ' T mpmu_enter$' >/dev/null || echo "kvm.o has no mpmu_enter"
	nm "$1/arch/x86/kvm/kvm-intel.o" | grep ' U __kvm_mpmu_' >/dev/null || echo "kvm-intel.o calls nothing of it"
}

# with_error COMMAND...: while a source of the tree has an error.
with_error()
{
	local source=$tree/arch/x86/kvm/mpmu/choice.c status=0

	cp -p "$source" "$work/source"
	echo '#error planted' >>"$source"
	"$@" || status=$?
	cp -p "$work/source" "$source"
	return "$status"
}

warnings()
{
	grep -w warning "$MPMU_CACHE/log/package-build.log" || true
}

compile()
{
	local tree changes status=0

	"$package" --check --config cloud --out "$work" >"$work/said" 2>&1 || status=$?
	sed 's/^/# /' "$work/said"
	result "$status" "perf and KVM compile, with Debian's configuration for clouds"
	[ "$status" = 0 ] || return 0
	changes=$(sed -n 's/^It would work.*: //p' "$work/said")
	tree=${changes%/*}/linux
	silent "their objects are there, with libmpmu" unbuilt "$tree"
	silent "without a warning of the compiler or of objtool" warnings
	silent "the configuration is as shipped in what matters" missing "$tree/.config"
	silent "and differs in nothing unexpected" strange "$changes"
	try "it has libmpmu" grep -qx '+CONFIG_MPMU=y' "$changes"
	echo +CONFIG_STRANGE=y >"$work/strange"
	try "a strange difference is noticed" test -n "$(strange "$work/strange")"
	try "so is an option that is not as shipped" test -n "$(missing "$work/strange")"
	try "an error: status 1, with its place and the log" with_error ends_with 1 'choice.c.*error: #error planted' "$package" --check
	sed 's/^CONFIG_VIRTUALIZATION=y/# CONFIG_VIRTUALIZATION is not set/' "$tree/../shipped" >"$work/config"
	try "refused: a configuration without KVM" ends_with 3 'CONFIG_MPMU cannot be had' "$package" --check --config "$work/config"
}

compile
done_testing
