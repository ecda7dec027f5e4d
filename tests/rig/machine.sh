# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Tests that run in emulated machines: boot one, and take its TAP over.
# Source it after common.sh and tap.sh.

MACHINE_BOOT=()
MACHINE_WORK=$(mktemp -d)
trap 'rm -rf "$MACHINE_WORK"' EXIT

# kernel_modules TREE: what KVM needs, as arguments for initramfs.
kernel_modules()
{
	printf '%s\n' "$1/virt/lib/irqbypass.ko" "$1/arch/x86/kvm/kvm.ko" \
		"$1/arch/x86/kvm/kvm-intel.ko" "$1/arch/x86/kvm/kvm-amd.ko"
}

# The console's TAP, renumbered and labelled; each plan inside is checked.
take_tap()
{
	local label=$1 line seen=0

	while IFS= read -r line; do
		case $line in
		'ok '*' - '*)
			seen=$((seen + 1))
			result 0 "$label: ${line#* - }" ;;
		'not ok '*' - '*)
			seen=$((seen + 1))
			result 1 "$label: ${line#* - }" || true ;;
		'1..'*)
			[ "$seen" = "${line#1..}" ] ||
				result 1 "$label: a program printed its whole plan" "$line, $seen seen" || true
			seen=0 ;;
		'Bail out!'*)
			result 1 "$label: $line" || true ;;
		'# '*)
			printf '# %s: %s\n' "$label" "${line#\# }" ;;
		esac
	done
	[ "$seen" = 0 ] || result 1 "$label: the last program ended early" || true
}

# machine_prepare TREE MAIN FILE...: from now on machine_test boots TREE's
# kernel with an initramfs in which MAIN is what init runs.
machine_prepare()
{
	local tree=$1 main=$2 initrd=$MACHINE_WORK/initrd.cpio
	shift 2

	"$MPMU_TOP/tests/rig/initramfs" "$initrd" "$main:/main" "$@"
	MACHINE_BOOT=(--kernel "$tree/arch/x86/boot/bzImage" --initrd "$initrd")
}

# machine_test LABEL PERSONALITY [OPTION...]: one boot, its TAP.  Without
# machine_prepare, options say what to boot.  The console stays in
# $MACHINE_CONSOLE.
machine_test()
{
	local label=$1 personality=$2 status=0
	shift 2

	MACHINE_CONSOLE=$MACHINE_WORK/console
	"$MPMU_TOP/tests/rig/machine" --quiet --personality "$personality" \
		"${MACHINE_BOOT[@]}" --console "$MACHINE_CONSOLE" "$@" \
		2>"$MACHINE_WORK/errors" || status=$?
	take_tap "$label" <"$MACHINE_CONSOLE"
	[ "$status" -le 1 ] || tail -n 15 "$MACHINE_CONSOLE" >>"$MACHINE_WORK/errors"
	result "$status" "$label: the machine passes" "$(cat "$MACHINE_WORK/errors")" || true
}
