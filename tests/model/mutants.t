#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Tests of the tests: each line of the table breaks the core in one place, and
# some check of tests/unit or tests/model must fail.  What failed is printed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

CC=${CC:-gcc}
FLAGS="-std=gnu11 -O1 -w -Iinclude -Ibackends/stub -Ilibmpmu"
export CMOCKA_MESSAGE_OUTPUT=TAP MPMU_OPS=60000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile_all()
{
	local file

	mkdir -p "$work/core" "$work/stub" "$work/tests" "$work/mutant"
	for file in libmpmu/*.c; do
		# shellcheck disable=SC2086
		$CC $FLAGS -c "$file" -o "$work/core/$(basename "$file" .c).o" || return 1
	done
	for file in backends/stub/*.c; do
		# shellcheck disable=SC2086
		$CC $FLAGS -c "$file" -o "$work/stub/$(basename "$file" .c).o" || return 1
	done
	for file in tests/unit/*.c tests/model/*.c; do
		# shellcheck disable=SC2086
		$CC $FLAGS -c "$file" -o "$work/tests/$(basename "$file" .c).o" || return 1
	done
}

# run_test NAME: link one program with the objects in core and run it.  The limit is
# of its own time, so that a busy machine ends none that would have passed.
run_test()
{
	"$CC" "$work/tests/$1.o" "$work"/stub/*.o "$work"/core/*.o -lcmocka -o "$work/$1.t" || return 1
	(ulimit -t 60 && exec "$work/$1.t") >"$work/output" 2>&1
}

# The searches that take long, the longest one last.
SEARCHES='differential inert ownership park'

# The program of that name first: it is the likely one.
tests_for()
{
	local name all

	all=$(printf '%s\n' tests/unit/*.c tests/model/*.c | sed 's|.*/||; s|\.c$||')
	for name in "$1" $all; do
		[ -e "$work/tests/$name.o" ] || continue
		case " $SEARCHES " in *" $name "*) ;; *) echo "$name" ;; esac
	done | awk '!seen[$0]++'
	tr ' ' '\n' <<<"$SEARCHES"
}

# first_failure FILE: name the check that fails, or return 1.
first_failure()
{
	local name what

	for name in $(tests_for "${1%.c}"); do
		run_test "$name" && continue
		what=$(grep -m 1 '^not ok' "$work/output" | sed 's/^not ok [0-9]* - //') || true
		echo "$name: ${what:-no result at all}"
		return 0
	done
	return 1
}

first_failure_or_none()
{
	first_failure none || true
}

# mutant NAME FILE FROM TO: literal text, its first occurrence.
mutant()
{
	local name=$1 file=$2 object found

	object=$work/core/${file%.c}.o
	cp "$object" "$work/saved.o"
	if ! FROM=$3 TO=$4 perl -0pe 'BEGIN { $n = 0 } $n += s/\Q$ENV{FROM}\E/$ENV{TO}/;
		END { exit !$n }' "libmpmu/$file" >"$work/mutant/$file"; then
		result 1 "$name" "libmpmu/$file has no such text: $3"
		return
	fi
	# shellcheck disable=SC2086
	if ! $CC $FLAGS -c "$work/mutant/$file" -o "$object" 2>"$work/output"; then
		result 1 "$name" "$(cat "$work/output")"
	elif found=$(first_failure "$file"); then
		result 0 "$name -> $found"
	else
		result 1 "$name" "all tests pass on a broken core"
	fi
	cp "$work/saved.o" "$object"
}

[ -e libmpmu/sources.mk ] || skip_all "no core"
compile_all || die 1 mutants "the tests do not build" "make tests"
silent "without a mutation all tests pass" first_failure_or_none

mutant "MSR block one too long" decode.c 'index >= block->count' 'index > block->count'
mutant "counters beyond the model" decode.c 'row->per_pmc ? mpmu_all_pmcs(caps) & mpmu_bit(row->pmc) : caps->counters' 'caps->counters'
mutant "registers without their feature" decode.c '!mpmu_has(caps, row->features)' 0
mutant "RDPMC beyond the model" decode.c 'return mpmu_all_pmcs(&vcpu->caps) & mpmu_bit(*pmc);' 'return true;'
mutant "RDPMC takes any type" decode.c 'ecx - fixed < MPMU_MAX_FIXED' '(ecx & 31) < MPMU_MAX_FIXED'

mutant "compat offers 4 fixed counters" caps.c '(COMPAT_FIXED)' '(4)'
mutant "compat offers the host's version" caps.c 'caps_smaller(host->version, caps_policy_version(desc, policy))' 'host->version'
mutant "model not clamped" caps.c 'guest->counters &= offer->counters;' ''
mutant "widths not clamped" caps.c 'caps_smaller(guest->gp_width, offer->gp_width)' 'guest->gp_width'
mutant "widths grow" caps.c 'caps_smaller(guest->gp_width, offer->gp_width)' 'offer->gp_width'
mutant "version not clamped" caps.c 'guest->version = caps_smaller(guest->version, offer->version);' ''
mutant "features of a later version" intel.c 'caps->features &= ~(u32)MPMU_FEAT_STATUS_SET;' ';'
mutant "GLOBAL_CTRL bits not clamped" caps.c 'metrics ? desc->metrics_ctrl : 0' 'desc->metrics_ctrl'
mutant "any host will do" caps.c 'return desc->missing(host);' 'return NULL;'
mutant "width 0 accepted" caps.c '!*width || *width > 64' '*width > 64'

mutant "exclude entries ignored" filter.c '!filter_listed(excludes,' '!0 && !filter_listed(0 ? excludes : filter->entries, 0 *'
mutant "unit mask ignored" filter.c '(umask & entries[i].mask) == entries[i].match' 'true'
mutant "mask ignored" filter.c '(umask & entries[i].mask)' '(umask)'
mutant "300 entries refused" filter.c 'spec->nr_events > MPMU_FILTER_MAX' 'spec->nr_events >= MPMU_FILTER_MAX'
mutant "unknown flag accepted" filter.c '|| spec->flags & ~MPMU_FILTER_MASKED' ''
mutant "unknown action accepted" filter.c 'spec->action > MPMU_FILTER_DENY' 'spec->action > 2'
mutant "entries not sorted" filter.c 'entries[count - 1].event > entry.event' '0'
mutant "12-bit events cut" filter.c '| eventsel >> 32 << 8' ''

mutant "host's legacy write sign-extends" access.c 'by == MPMU_BY_GUEST && reg.kind == MPMU_KIND_GP_LEGACY)' 'reg.kind == MPMU_KIND_GP_LEGACY)'
mutant "what does not fit a counter faults the host" access.c '(by == MPMU_BY_HOST &&
		(reg.kind' '(0 && (reg.kind'
mutant "no sign extension" access.c 'return ((value & 0xffffffffull) ^ 0x80000000ull) - 0x80000000ull;' 'return value & 0xffffffffull;'
mutant "reserved bits accepted" access.c '*value & ~writable ||' '0 ||'
mutant "IN_TXCP in every counter" access.c 'pmc == desc->in_txcp_gp ?' '1 ?'
mutant "AnyThread of fixed counters" access.c 'MPMU_FIXED_WRITABLE' '0xf'
mutant "STATUS writable by the guest" access.c '|| (by == MPMU_BY_GUEST && access_is_read_only(reg))' ''
mutant "OVF_CTRL and STATUS_SET by the host" access.c '(kind == MPMU_KIND_STATUS) != (by == MPMU_BY_HOST)' '(kind == MPMU_KIND_STATUS) > (by == MPMU_BY_HOST)'
mutant "AMD STATUS by the guest" access.c '(kind == MPMU_KIND_STATUS) != (by == MPMU_BY_HOST)' '(kind == MPMU_KIND_STATUS) < (by == MPMU_BY_HOST)'
mutant "status bits of no counter kept" access.c 'value &= mpmu_all_pmcs(&vcpu->caps);' ''
mutant "selector enabled before the filter" access.c 'mpmu_eventsel_disabled(mpmu_desc(vcpu), value)' 'value'
mutant "FIXED_CTR_CTRL not closed first" access.c 'hw = vcpu->fixed_ctrl_hw & ~mpmu_fixed_fields(changed, MPMU_FIXED_FIELD);' 'hw = value;'
mutant "denied field enabled by a neighbour" access.c 'hw = vcpu->fixed_ctrl_hw & ~' 'hw = value & ~'
mutant "selector write requests nothing" access.c 'if (value & MPMU_SEL_ENABLE)' 'if (0)'
mutant "old request survives a disabling write" access.c 'mpmu_cancel_reprogram(vcpu, mpmu_bit(pmc));' ''
mutant "GLOBAL_INUSE without fixed counters" access.c 'MPMU_FIXED_OS | MPMU_FIXED_USR);
' '0);
'
mutant "GLOBAL_INUSE without PMI" access.c 'mpmu_pmcs_with(vcpu, MPMU_SEL_INT, MPMU_FIXED_PMI) ? INUSE_PMI : 0' '0'
mutant "counter access does not touch" access.c 'by == MPMU_BY_GUEST && access_uses_pmu(reg, false, 0)' 0
mutant "reads of control registers touch" access.c 'by == MPMU_BY_GUEST && access_uses_pmu(reg, false, 0)' 1
mutant "RDPMC does not touch" access.c 'mpmu_touch(vcpu);
	*value = mpmu_counter_read' '*value = mpmu_counter_read'

mutant "GLOBAL_CTRL direct with fewer counters" policy.c '(mpmu_all_pmcs(&vcpu->caps) == mpmu_all_pmcs(&vcpu->host->caps) ||' '(true ||'
mutant "GLOBAL_CTRL direct beside metrics" policy.c 'mpmu_all_pmcs(&vcpu->caps) == mpmu_all_pmcs(&vcpu->host->caps)' 'vcpu->caps.counters == vcpu->host->caps.counters'
mutant "STATUS direct beside PT" policy.c '&& !(vcpu->flags & MPMU_VCPU_HOST_STATUS)' ''
mutant "STATUS_SET direct on Intel" policy.c 'mpmu_desc(vcpu)->status_set_direct &&' ''
mutant "RDPMC direct beside NB counters" policy.c '!policy_may_read_uncore(vcpu)' 0
mutant "NB counters read without a consent" policy.c '(vcpu->flags & consent) == consent' 'vcpu->flags & MPMU_VCPU_DIRECT'
mutant "NB counters read without policy direct" policy.c '(vcpu->flags & consent) == consent' 'vcpu->flags & MPMU_VCPU_UNCORE_RDPMC'
mutant "inert without policy direct" policy.c 'return vcpu->flags & MPMU_VCPU_DIRECT &&' 'return true &&'
mutant "inert, though the core cannot clean it" policy.c '!(beyond & ~mpmu_desc(vcpu)->reachable)' true
mutant "metrics of the host that count with slots" policy.c 'if (beyond & mpmu_bit(MPMU_METRICS) && ' 'if (0 && '
mutant "direct before the first use" policy.c 'if (!mpmu_touched(vcpu))
		return false;' ''
mutant "selectors direct" policy.c 'case MPMU_KIND_NONE:
	case MPMU_KIND_EVENTSEL:' 'case MPMU_KIND_EVENTSEL: return true;
	case MPMU_KIND_NONE:'
mutant "GLOBAL_CTRL lost at the first use" vcpu.c 'mpmu_global_ctrl_write(NULL, vcpu, vcpu->global_ctrl);' ';'
mutant "GLOBAL_CTRL lost at closing" vcpu.c 'vcpu->global_ctrl = mpmu_global_ctrl_read(NULL, vcpu);' ';'
mutant "idle changes go on after a new use" vcpu.c 'vcpu->idle_switches = 0;' ''
mutant "first use requests no intercepts" vcpu.c '_write(NULL, vcpu, vcpu->global_ctrl);
	mpmu_call(vcpu, request_intercepts);' '_write(NULL, vcpu, vcpu->global_ctrl);'

mutant "host's counters exposed" switch.c 'cpu->zero_counters &= ~dirty;' ''
mutant "host's selectors exposed" switch.c 'cpu->zero_eventsels &= ~(u32)dirty;' ''
mutant "every register written" switch.c 'mine & (vcpu->nonzero_counters | ~cpu->zero_counters)' 'mine'
mutant "selector not loaded" switch.c 'mine & (vcpu->nonzero_eventsels | ~cpu->zero_eventsels)' '0'
mutant "dirty counters beyond the model" switch.c 'mpmu_call(vcpu, take_dirty, reachable) |' '(0 & mpmu_call(vcpu, take_dirty, reachable)) |'
mutant "what firmware left stays" switch.c ' | (reachable & ~cpu->cleaned)' ''
mutant "selectors beyond the model stay" switch.c 'if (pmc >= MPMU_FIXED_BASE)
			continue;' 'continue;'
mutant "metrics saved after slots are scrubbed" switch.c '	vcpu->nonzero_counters = (' '	if (metrics)
		vcpu->metrics = mpmu_call(vcpu, rdmsr, desc->metrics);
	vcpu->nonzero_counters = ('
mutant "metrics not scrubbed" switch.c 'mpmu_call(vcpu, wrmsr, desc->metrics, 0);' ';'
mutant "metrics not written after slots" switch.c 'return pmcs | (vcpu->caps.global_ctrl_extra & mpmu_bit(MPMU_METRICS));' 'return pmcs;'
mutant "an overflow of metrics is not waited for" switch.c 'if (pmc == MPMU_METRICS)
		return true;' 'if (pmc == MPMU_METRICS)
		return false;'
mutant "status not restored" switch.c 'mpmu_call(vcpu, wrmsr, desc->status_set, vcpu->global_status);' ';'
mutant "FIXED_CTR_CTRL not loaded" switch.c 'switch_write_fixed_ctrl(vcpu, vcpu->fixed_ctrl_hw);' ';'
mutant "GLOBAL_CTL not loaded (AMD)" switch.c 'mpmu_call(vcpu, wrmsr, desc->global_ctrl, vcpu->global_ctrl);' ';'
mutant "counters not scrubbed" switch.c '		mpmu_call(vcpu, wrmsr, msr, 0);' '		;'
mutant "counters not saved" switch.c '*saved = mpmu_call(vcpu, rdmsr, msr);
	if (!*saved)' 'if (!mpmu_call(vcpu, rdmsr, msr))'
mutant "selectors not scrubbed" switch.c 'switch_for_each(i, vcpu->nonzero_eventsels & ~(u32)vcpu->lent) {' 'switch_for_each(i, 0) {'
mutant "FIXED_CTR_CTRL not scrubbed" switch.c 'if (vcpu->fixed_ctrl_hw) {' 'if (0) {'
mutant "status not scrubbed" registers.c 'mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_clear, status);' ';'
mutant "status of the host taken" switch.c ' & vcpu->reported' ''
mutant "status beyond the model stays" vcpu.c 'vcpu->host->pmcs | mpmu_desc' 'mpmu_all_pmcs(&vcpu->caps) | mpmu_desc'
mutant "status of no counter that a guest sets stays" vcpu.c ' | mpmu_desc(vcpu)->status_settable' ''
mutant "bits beyond the model are saved" registers.c 'mpmu_of_model(vcpu, mpmu_call(vcpu, get_global_ctrl))' 'mpmu_call(vcpu, get_global_ctrl)'
mutant "a write of slots loses metrics" registers.c 'pmc == MPMU_SLOTS && mpmu_has(&vcpu->caps, MPMU_FEAT_METRICS)' 0
mutant "status bits never go away" switch.c '		vcpu->global_status = 0;' ''
mutant "interrupt in flight left behind" switch.c 'mpmu_call(vcpu, drain_pmi, briefly)' '0'
mutant "GLOBAL_CTL not saved (AMD)" switch.c 'vcpu->global_ctrl = mpmu_call(vcpu, rdmsr, msr) & vcpu->moved;' ''
mutant "no disown" switch.c 'mpmu_call(vcpu, disown);' ''
mutant "interrupt not routed" switch.c 'mpmu_call(vcpu, route_pmi);' ''
mutant "interrupt without a target" switch.c 'cpu->pmi_target = vcpu;' ''
mutant "target lost with the owner" switch.c 'disown);
	cpu->owner = NULL;' 'disown);
	cpu->owner = cpu->pmi_target = NULL;'
mutant "host events ignored" switch.c 'if (!from && mpmu_call(vcpu, host_active))' 'if (0)'
mutant "refused entry leaves events displaced" switch.c 'switch_restore(cpu, vcpu);
		return -EAGAIN;' 'return -EAGAIN;'
mutant "every entry acquires" switch.c 'cpu->settled == vcpu || !(cpu->owner || mpmu_touched(vcpu))' '!(cpu->owner || mpmu_touched(vcpu))'
mutant "untouched entry leaves the owner" switch.c '!(cpu->owner || mpmu_touched(vcpu))' '!mpmu_touched(vcpu)'
mutant "untouched entry acquires" switch.c 'if (!mpmu_touched(vcpu)) {' 'if (0) {'
mutant "a latched interrupt goes to the next owner" switch.c ': switch_owed_to_another(cpu, vcpu)' ': false'
mutant "a latched interrupt is forgotten by put" switch.c 'cpu->pmi_latched = true;' ''
mutant "nothing is drained" switch.c 'switch_drain(cpu, cpu->owner, switch_read_status(cpu->owner));' ';'
mutant "drained without an overflow" switch.c 'if (!switch_just_overflowed(vcpu, status))
		return;' ''
mutant "an old overflow is waited for" switch.c '< JUST_WRAPPED;' '< ~0ull;'
mutant "a counter that did not count is waited for" switch.c '(vcpu->enabled & control && mpmu_interrupts(vcpu, pmc))' 'mpmu_interrupts(vcpu, pmc)'
mutant "a counter that raises no interrupt is waited for" switch.c '(vcpu->enabled & control && mpmu_interrupts(vcpu, pmc))' 'vcpu->enabled & control'
mutant "an overflow before its control was changed" switch.c 'vcpu->disabled & control ||' ''
mutant "metrics stay as slots are cleaned" switch.c 'beyond = mpmu_with_metrics(beyond, vcpu->host->pmcs);' ''
mutant "metrics are lent without slots" switch.c 'host & ~mpmu_bit(MPMU_METRICS), ~0ull' 'host, ~0ull'
mutant "patience has no end" switch.c 'vcpu->drain_debt += VAIN_WAIT;' ';'
mutant "patience does not come back" switch.c 'vcpu->drain_debt--;' ';'
mutant "brief waits cost patience" switch.c ' && !briefly)' ')'
mutant "an interrupt that came is still owed" switch.c 'or there. */
	cpu->pmi_latched = false;' 'or there. */'
mutant "an entry is refused for good" switch.c 'cpu->pmi_latched = false;
	return owed;' 'return owed;'
mutant "a vCPU waits for its own interrupt" switch.c ' && cpu->pmi_target != vcpu' ''
mutant "every exit releases" switch.c 'if (cpu->displaced)
		switch_hand_back' 'if (true)
		switch_hand_back'
mutant "exit leaves events displaced" switch.c 'mpmu_release(cpu, MPMU_CAUSE_DISPLACED);
	switch_restore(cpu, vcpu);' 'mpmu_release(cpu, MPMU_CAUSE_DISPLACED);'
mutant "put keeps the PMU" switch.c 'if (cpu->owner == vcpu)
		switch_take_out(cpu, MPMU_CAUSE_PUT, NULL);
	switch_account_idle' 'switch_account_idle'
mutant "reclaim keeps the PMU" switch.c '	mpmu_release(cpu, MPMU_CAUSE_RECLAIM);
}' '}'
mutant "another owner not released" switch.c 'mpmu_release(cpu, MPMU_CAUSE_OTHER);' 'cpu->owner = NULL;'
mutant "who takes over meets the interrupt of the other one" switch.c 'if (next && switch_owed_to_another(cpu, next))' 'if (0)'
mutant "taken over: values beyond the model stay" switch.c '	if (beyond)
		switch_clean(cpu, vcpu, beyond);' ''
mutant "taken over: selectors beyond the model stay" switch.c 'from->nonzero_counters | from->nonzero_eventsels;' 'from->nonzero_counters;'
mutant "taken over: what is left of counters is taken for 0" switch.c 'from->moved & ~from->nonzero_counters;' 'from->moved;'
mutant "taken over: what is left of selectors is taken for 0" switch.c '(u32)from->moved & ~from->nonzero_eventsels;' '(u32)from->moved;'
mutant "taken over: 0 is not known" switch.c 'cpu->zero_counters |= from->moved & ~from->nonzero_counters;' ''
mutant "taken over: another event goes on" switch.c 'from->eventsel_hw[i] == hw' 'true'
mutant "taken over: one event is written again" switch.c 'from->eventsel_hw[i] == hw' 'false'
mutant "taken over: FIXED_CTR_CTRL of the other one" switch.c 'from->fixed_ctrl_hw == vcpu->fixed_ctrl_hw' 'true'
mutant "taken over: let go of before all is written" switch.c 'if (!next)
		switch_let_go(vcpu);' 'switch_let_go(vcpu);'
mutant "taken over: held for good" switch.c 'if (from)
		switch_let_go(from);' ';'
mutant "two CPUs hold one vCPU" switch.c 'if (mpmu_held(vcpu))' 'if (0)'
mutant "held for good" switch.c '__atomic_store_n(&vcpu->held, false, __ATOMIC_RELEASE);' ';'
mutant "an owner is not held" switch.c 'vcpu->held = true;' ''
mutant "a CPU that was reset still holds" switch.c '	switch_lose(cpu);
	memset' '	memset'
mutant "parked means put" switch.c 'if (cpu->owner != vcpu)
		switch_account_idle(vcpu);' 'mpmu_put(cpu, vcpu);'
mutant "evicted, whosever it is" switch.c 'if (!vcpu || cpu->owner == vcpu)' 'if (1)'
mutant "evicted by name alone" switch.c 'if (!vcpu || cpu->owner == vcpu)' 'if (cpu->owner == vcpu)'
mutant "idle beside host events stays" switch.c 'switch_restore(cpu, vcpu);
	switch_account_idle(vcpu);' 'switch_restore(cpu, vcpu);'
mutant "idle between reclaims stays" switch.c 'MPMU_VCPU_ENTERED && switch_account_idle(vcpu)' '0'
mutant "idle PMU never closes" switch.c 'mpmu_untouch(vcpu);' ';'
mutant "counting PMU closes" switch.c 'vcpu->reprogram | vcpu->enabled' '0'
mutant "CPU reset remembers" switch.c 'memset(cpu, 0, sizeof(*cpu));' 'cpu->owner = NULL;'
mutant "forgotten vCPU gets interrupts" switch.c 'if (cpu->pmi_target == vcpu)' 'if (0)'

mutant "owner changes not counted" switch.c 'vcpu->stats->owner_changes[cause]++;' ''
mutant "a put counts as a reclaim" switch.c 'mpmu_release(cpu, MPMU_CAUSE_PUT);' 'mpmu_release(cpu, MPMU_CAUSE_RECLAIM);'
mutant "reads of a switch not counted" switch.c 'moves->read += read;' ''
mutant "what was saved is taken for 0" switch.c 'gps |= 1u << i;' ''
mutant "what was saved of fixed counters is taken for 0" switch.c 'fixed |= 1u << i;' ''
mutant "what was written while saved is taken for 0" registers.c 'mpmu_assign(&vcpu->nonzero_counters, mpmu_bit(pmc), value);' ''
mutant "an image is taken for 0" registers.c 'vcpu->nonzero_eventsels |= (u32)bit;' ';'
mutant "a selector does not enable" registers.c 'mpmu_assign(&vcpu->enabled, bit, hw & MPMU_SEL_ENABLE);' ''
mutant "skipped registers count as written" switch.c 'moves->skipped += vcpu->writable - written;' 'moves->written += vcpu->writable - written;'
mutant "denied events not counted" reprogram.c 'vcpu->stats->denied_events++;' ''
mutant "accesses of the host count as exits" access.c 'by == MPMU_BY_GUEST && reg.kind != MPMU_KIND_NONE' 'reg.kind != MPMU_KIND_NONE'
mutant "reset loses statistics" vcpu.c 'vcpu->stats = stats;' ''

mutant "events with a register of the host count" reprogram.c '(consent || !reprogram_has_extra_register(mpmu_desc(vcpu), eventsel))' '(consent || 1)'
mutant "a deny list consents" reprogram.c 'filter && filter->action == MPMU_FILTER_ALLOW' 'filter'
mutant "an overflow before its counter was disabled" registers.c 'vcpu->disabled |= vcpu->enabled & pmcs;' ''
mutant "an overflow before its fixed counter was disabled" registers.c 'vcpu->disabled |= vcpu->enabled & pmcs;' 'vcpu->disabled |= vcpu->enabled & pmcs & MPMU_GP_MASK;'
mutant "filter ignored" reprogram.c 'mpmu_filter_allows(filter, eventsel)' 'true'
mutant "fixed filter ignored" reprogram.c 'mpmu_filter_allows_fixed(filter, pmc - MPMU_FIXED_BASE)' 'true'
mutant "Host-Only and Guest-Only ignored" reprogram.c '&& reprogram_mode_matches(vcpu, eventsel)' ''
mutant "SVME ignored" reprogram.c 'if (!(vcpu->flags & MPMU_VCPU_SVME))
		return false;' ''
mutant "GuestOnly missing" reprogram.c 'return eventsel | desc->sel_guest_only;' 'return eventsel;'
mutant "HostOnly left in" reprogram.c '~(MPMU_SEL_ENABLE | desc->sel_host_only)' '~(u64)MPMU_SEL_ENABLE'
mutant "zero selector not zero in hardware" reprogram.c 'if (!eventsel)
		return 0;' ''
mutant "new filter takes no effect" reprogram.c 'mpmu_request_reprogram(vcpu, mpmu_enabled_by_guest(vcpu));' ''
mutant "CMASK advances" reprogram.c 'MPMU_SEL_EDGE |' 'MPMU_SEL_EDGE; bits |= 0 &'
mutant "INV without CMASK stops" reprogram.c 'MPMU_SEL_EDGE |' 'MPMU_SEL_EDGE | (1ull << 23) |'
mutant "requests never end" reprogram.c 'mpmu_cancel_reprogram(vcpu, pmcs);
	mpmu_for' 'mpmu_for'
mutant "IN_TX advances" reprogram.c 'desc->sel_in_tx |' ''
mutant "restored PMU stays closed" reprogram.c 'if (vcpu->enabled)
		mpmu_touch(vcpu);' ''

mutant "CPL ignored" emulate.c 'if (emulate_cpl_matches(vcpu, pmc, cpl))' ''
mutant "GLOBAL_CTRL ignored" emulate.c 'pmcs & mpmu_global_ctrl_read(cpu, vcpu)' 'pmcs'
mutant "wrap sets no status" emulate.c 'mpmu_status_set(cpu, vcpu, mpmu_bit(pmc));' ''
mutant "wrap raises nothing" emulate.c 'mpmu_raise_pmi(vcpu);' ';'
mutant "wrap without INT raises" emulate.c 'if (mpmu_interrupts(vcpu, pmc))' ''
mutant "wrap beyond the width" emulate.c 'mpmu_mask(gp ? vcpu->caps.gp_width : vcpu->caps.fixed_width)' '~0ull'
mutant "wrap at another counter's width" emulate.c 'gp ? vcpu->caps.gp_width : vcpu->caps.fixed_width' 'vcpu->caps.gp_width'
mutant "advances the register while the value is saved" emulate.c 'absent & mpmu_bit(pmc)' '0'
mutant "CPL not asked for" reprogram.c '!(~eventsel & (MPMU_SEL_OS | MPMU_SEL_USR))' '1'
mutant "CPL of a fixed counter not asked for" reprogram.c '!(~field & (MPMU_FIXED_OS | MPMU_FIXED_USR))' '1'
mutant "branches not advanced" emulate.c 'return vcpu->counts_branches;' 'return 0;'

mutant "reset leaves GLOBAL_CTRL" vcpu.c 'vcpu->global_ctrl = caps.counters & MPMU_GP_MASK;' ''
mutant "reset of an owner" vcpu.c 'if (mpmu_live(cpu, vcpu))
		mpmu_release(cpu, MPMU_CAUSE_RESET);' ''
mutant "reset stays direct" vcpu.c 'mpmu_untouch(vcpu);
	vcpu_reset_registers' 'vcpu_reset_registers'
mutant "SVME changes nothing" vcpu.c 'mpmu_request_reprogram(vcpu, vcpu_mode_dependent(vcpu));' ';'
mutant "PT changes nothing" vcpu.c 'if (changed & (MPMU_VCPU_HOST_STATUS |' 'if (changed & (0 |'
mutant "policy direct changes nothing" vcpu.c 'MPMU_VCPU_HOST_STATUS | MPMU_VCPU_DIRECT | MPMU_VCPU_UNCORE_RDPMC))' 'MPMU_VCPU_HOST_STATUS | MPMU_VCPU_UNCORE_RDPMC))'
mutant "missing op accepted" vcpu.c '|| !vcpu_ops_complete(ops)' ''

mutant "restore commits what it did not check" snapshot.c '!=
		    MPMU_DONE' '== MPMU_DONE + 5'
mutant "aliases listed twice" snapshot.c 'return known;' 'return false;'
mutant "status not saved" snapshot.c 'case MPMU_KIND_STATUS:
		return true;' 'return true;
	case MPMU_KIND_STATUS:'
mutant "GLOBAL_CTRL not saved" snapshot.c 'case MPMU_KIND_GLOBAL_CTRL:' 'return true; case MPMU_KIND_GLOBAL_CTRL: return false;'

mutant "resident counters read from memory" registers.c 'if (mpmu_absent(cpu, vcpu) & mpmu_bit(pmc))
		value' 'if (1)
		value'
mutant "resident counters written to memory" registers.c 'if (mpmu_absent(cpu, vcpu) & mpmu_bit(pmc))
		mpmu_save_counter' 'if (1)
		mpmu_save_counter'
mutant "resident selector not written" registers.c 'if (!(registers_image_changed(cpu, vcpu, bit) & bit))' 'if (registers_image_changed(cpu, vcpu, bit) & 0)'
mutant "resident GLOBAL_CTL written to memory (AMD)" registers.c 'else if (live)
		mpmu_merge' 'else if (0)
		mpmu_merge'
mutant "resident FIXED_CTR_CTRL not written" registers.c 'if (~absent)
		mpmu_merge_fixed_ctrl' 'if (0)
		mpmu_merge_fixed_ctrl'

mutant "lent: RDPMC and GLOBAL_CTRL stay direct" policy.c 'return !vcpu->lent && (' 'return ('
mutant "lent: a counter of the host is direct" policy.c '!(vcpu->lent & mpmu_bit(reg.pmc)) &&' ''
mutant "lent: the guest starts the event of the host" switch.c 'vcpu->global_ctrl & (~vcpu->lent | swapped)' 'vcpu->global_ctrl'
mutant "lent: the guest does not get what it has enabled" switch.c 'vcpu->global_ctrl & (~vcpu->lent | swapped)' 'vcpu->global_ctrl & ~vcpu->lent'
mutant "lent: an owner that enables a counter is settled" registers.c '	if (cpu && (vcpu->global_ctrl ^ value) & vcpu->lent & vcpu->enabled)
		cpu->settled = NULL;' ''
mutant "lent: an owner that writes GLOBAL_CTRL is not settled" registers.c 'if (cpu && (vcpu->global_ctrl ^ value) & vcpu->lent & vcpu->enabled)' 'if (cpu)'
mutant "lent: GLOBAL_CTRL of the guest lacks bits" registers.c 'if (vcpu->lent)
		return vcpu->global_ctrl;' ''
mutant "lent: GLOBAL_CTRL of the guest is not kept" registers.c 'if (vcpu->lent || !(in_vmcs' 'if (!(in_vmcs'
mutant "lent: control bits of the host are overwritten" registers.c 'if (others)
		value = ' 'if (0)
		value = '
mutant "lent: fields of the host are overwritten" registers.c 'mpmu_fixed_fields(others, MPMU_FIXED_FIELD)' '0'
mutant "lent: an owner that starts a counter is settled" registers.c '		if (vcpu->lent & pmcs)
			cpu->settled = NULL;' ''
mutant "lent: an overflow interrupts as the next control says" registers.c '		mpmu_collect_status(cpu, vcpu);
		if (vcpu->lent & pmcs)' '		if (vcpu->lent & pmcs)'
mutant "lent: the next selector is there too early" access.c '	mpmu_eventsel_hw_write(cpu, vcpu, pmc, mpmu_eventsel_disabled(mpmu_desc(vcpu), value));
	vcpu->eventsel[pmc] = value;' '	vcpu->eventsel[pmc] = value;
	mpmu_eventsel_hw_write(cpu, vcpu, pmc, mpmu_eventsel_disabled(mpmu_desc(vcpu), value));'
mutant "lent: the next FIXED_CTR_CTRL is there too early" access.c '	mpmu_fixed_ctrl_hw_write(cpu, vcpu, hw);
	vcpu->fixed_ctrl = value;' '	vcpu->fixed_ctrl = value;
	mpmu_fixed_ctrl_hw_write(cpu, vcpu, hw);'
mutant "lent: what software sets interrupts" registers.c 'if (mpmu_live(cpu, vcpu) && !vcpu->lent)
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_set' 'if (mpmu_live(cpu, vcpu))
		mpmu_call(vcpu, wrmsr, mpmu_desc(vcpu)->status_set'
mutant "lent: a bit that is cleared is not told" registers.c '	mpmu_collect_status(cpu, vcpu);
	__atomic' '	__atomic'
mutant "lent: saved status bits cannot be cleared" registers.c '__atomic_and_fetch(&vcpu->global_status, ~bits, __ATOMIC_RELAXED);' ''
mutant "lent: status bits of the host are the guest's" registers.c 'vcpu->host->pmcs & ~absent;' 'vcpu->host->pmcs;'
mutant "lent: what was told stays in hardware" registers.c '	mpmu_save_status(vcpu, status);
	vcpu->stats' '	vcpu->stats'
mutant "lent: what was told is loaded" switch.c 'if (vcpu->global_status && !vcpu->lent) {' 'if (vcpu->global_status) {'
mutant "lent: saved values are taken for 0" switch.c '(vcpu->nonzero_counters & vcpu->lent) |' ''
mutant "lent: the interrupt is routed to the guest" switch.c 'if (vcpu->lent)
		return switch_swap_in(cpu, vcpu);
	mpmu_call(vcpu, route_pmi);' 'mpmu_call(vcpu, route_pmi);
	if (vcpu->lent)
		return switch_swap_in(cpu, vcpu);'
mutant "lent: counters of the host are moved" vcpu.c 'vcpu->moved = mpmu_all_pmcs(&vcpu->caps) & ~vcpu->lent;' 'vcpu->moved = mpmu_all_pmcs(&vcpu->caps);'
mutant "lent: drained for another use" switch.c 'if (cpu->owner && !cpu->owner->lent)' 'if (cpu->owner)'
mutant "lent: the owner stays when the set changes" switch.c '	mpmu_release(cpu, MPMU_CAUSE_RECLAIM);
	cpu->lent' '	cpu->lent'
mutant "lent: the same set releases" switch.c 'if (cpu->lent == host)
		return;' ''
mutant "lent: another CPU has the same set" switch.c 'if (vcpu->lent == lent)
		return false;' 'return false;'
mutant "lent: new intercepts are not requested" switch.c 'mpmu_call(vcpu, share, lent);
	mpmu_call(vcpu, request_intercepts);' 'mpmu_call(vcpu, share, lent);'
mutant "lent: VM-exit does not load what the host has" switch.c 'mpmu_call(vcpu, share, lent);' ';'
mutant "lent: a refused swap is done" switch.c 'if (swapped && !mpmu_call(vcpu, share, vcpu->lent & ~swapped)) {' 'if (swapped && !mpmu_call(vcpu, share, vcpu->lent & ~swapped) && 0) {'
mutant "lent: a refused swap leaves events displaced" switch.c '		mpmu_exit(cpu, vcpu);
		return -EAGAIN;' '		return -EAGAIN;'
mutant "lent: swapped once" switch.c 'cpu->settled = swapped ? NULL : vcpu;' 'cpu->settled = vcpu;'
mutant "lent: swapped for good" switch.c 'cpu->settled = swapped ? NULL : vcpu;' 'cpu->settled = NULL;'
mutant "lent: a swapped counter is not loaded" switch.c '		mpmu_counter_write(cpu, vcpu, pmc, *mpmu_saved_counter(vcpu, pmc));' ''
mutant "lent: a swapped counter is not saved" switch.c 'mpmu_save_counter(vcpu, pmc, value);' ';'
mutant "lent: a swapped fixed counter is not started" switch.c 'if (swapped & MPMU_FIXED_MASK)' 'if (0)'
mutant "lent: a swapped counter that wraps is not noticed" switch.c 'if (value < *mpmu_saved_counter(vcpu, pmc))' 'if (0)'
mutant "lent: status of a swapped counter stays" switch.c 'if (wrapped)
		mpmu_collect_status' 'if (0)
		mpmu_collect_status'
mutant "lent: metrics of the guest stay" switch.c 'if (swapped & mpmu_bit(MPMU_METRICS))' 'if (0)'
mutant "lent: an overflow before the put is not told" switch.c '		mpmu_collect_status(cpu, vcpu);
		return 0;' '		return 0;'
mutant "lent: nobody is told" registers.c 'told = registers_tell(vcpu, status);' 'told = false;'
mutant "lent: it is told when the bit is gone" registers.c '	told = registers_tell(vcpu, status);
	mpmu_save_status(vcpu, status);' '	mpmu_save_status(vcpu, status);
	told = registers_tell(vcpu, status);'
mutant "lent: bits without INT interrupt" registers.c 'if (mpmu_interrupts(vcpu, pmc)) {
			mpmu_raise' 'if (1) {
			mpmu_raise'
mutant "lent: taken back in the middle" switch.c '	if (cpu->displaced & ~ALL_DISPLACED)
		switch_swap_out(cpu);' ''
mutant "lent: forgotten at RESET" vcpu.c 'vcpu->lent = lent;' ''
done_testing
