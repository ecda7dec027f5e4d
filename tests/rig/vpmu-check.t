#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# vpmu-check finds nothing wrong with the emulator's PMU, and each way to break it.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
. "$MPMU_TOP/tests/rig/machine.sh"
. "$MPMU_TOP/tests/rig/vpmu-check.sh"

both=sign-extended/large,sign-extended/sign/--write,lvtpc-masked/samples,lose-pmi/interrupts
both=$both,late-pmi/skid,skid-64/skid/--skid/40,dead-general/spin,dead-general/counts
both=$both,dead-upper/group,dead-upper/multiplex,runs-on/stop,firmware-counter/firmware
both=$both,rdpmc-faults/rdpmc,rdpmc-lax/rdpmc-others,rdpmc-open/rdpmc-pce,other-ap/widths
intel=untruncated/start/--write,selector-bits/selector/--write,hybrid-guest/hybrid
intel=$intel,lbr-format/lbr,metrics-bit/capabilities,dead-extra/extra

check_prepare stock
check_test intel intel-v5-8-4 \
	"mpmu.find=$both,$intel mpmu.absent=lbr,extra,txcp,txcp-pair,restore" --cpus 2
check_test amd amd-v2 "mpmu.find=$both,selector-bits/selector \
mpmu.absent=capabilities,lbr,global-ctrl,hybrid,extra,txcp,txcp-pair,restore" --cpus 2
# On CPU 0 the watchdog has tried perf.
check_test 'intel, from the start' intel-v5-8-4 mpmu.wrong=global-ctrl \
	--mutate global-reset --cpus 2
check_test 'intel, its registers not to be written' intel-v5-8-4 \
	"msr.allow_writes=off mpmu.absent=selector,sign,widths,lbr,extra,txcp,txcp-pair,restore"
check_test 'intel with TSX' intel-v4-tsx mpmu.find=txcp-dead/txcp,txcp-dead/txcp-pair
check_test 'intel without full-width writes' intel-nofw mpmu.find=untruncated/start
done_testing
