#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The port of docs/port.md, built as its reader would, against an installed
# library, keeps all promises.  Each row breaks it in one way, and the suite must
# say by name which promise that is.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages make gcc libc6-dev pkg-config perl
DOCUMENT=docs/port.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_LIBDIR=$work/root/lib/pkgconfig

installed()
{
	make -s BUILD="$work/build" PREFIX="$work/root" install
}

# The blocks of the document, each in the file that its heading names.
extract()
{
	mkdir -p "$1"
	awk -v dir="$1" '
		/^## `/ { split($0, parts, "`"); file = dir "/" parts[2] }
		/^```/ { inside = $0 == "```c"; next }
		inside { print >file }' "$DOCUMENT"
	ls "$1"/machine.h "$1"/port.c "$1"/conform.c
}

suite()
{
	# shellcheck disable=SC2046
	gcc -O1 -Wall -Werror $(pkg-config --cflags mpmu) \
		-c "$(pkg-config --variable=conformance mpmu)/conformance.c" -o "$work/suite.o"
}

# build DIR FLAG...: by the command of the document, with the suite built once.
build()
{
	local dir=$1
	shift

	# shellcheck disable=SC2046
	gcc "$@" $(pkg-config --cflags mpmu) "-I$(pkg-config --variable=conformance mpmu)" "$dir/conform.c" \
		"$work/suite.o" $(pkg-config --libs mpmu) -o "$dir/conform"
}

# run DIR: what it prints is in DIR/output; a broken port may run for ever.
run()
{
	LD_LIBRARY_PATH=$work/root/lib timeout 5 stdbuf -oL "$1/conform" >"$1/output" 2>&1
}

documented_command()
{
	local command

	command=$(awk '/^```/ { inside = $0 == "```"; next } inside' "$DOCUMENT")
	(cd "$work/port" && LD_LIBRARY_PATH=$work/root/lib bash -e -c "$command") >"$work/by-command"
	tail -n 1 "$work/by-command"
	grep -q '^# [0-9]* kept, 0 broken, 0 incomplete' "$work/by-command"
}

all_kept()
{
	run "$work/port" || { grep '^not ok' "$work/port/output"; return 1; }
	tail -n 1 "$work/port/output" | grep -x '# 7[0-9] kept, 0 broken, 0 incomplete, [0-8] without a meaning here'
}

# edit DIR OLD NEW...: literally; OLD is in one place.
edit()
{
	perl -0777 -e '
		my ($dir, @edits) = @ARGV;
		my %text;
		for my $file (qw(machine.h port.c conform.c)) {
			open(my $in, "<", "$dir/$file") or die "$file: $!\n";
			$text{$file} = <$in>;
		}
		while (my ($old, $new) = splice(@edits, 0, 2)) {
			my $found = 0;
			for my $file (keys %text) {
				$found += () = $text{$file} =~ /\Q$old\E/g;
				$text{$file} =~ s/\Q$old\E/$new/;
			}
			die "in $found places: $old\n" if $found != 1;
		}
		for my $file (keys %text) {
			open(my $out, ">", "$dir/$file") or die "$file: $!\n";
			print $out $text{$file};
		}' "$@"
}

# names VERDICT PROMISE FILE: is it among what is not kept?
names()
{
	grep "^not ok [0-9]* - " "$3" | sed 's/^not ok [0-9]* - //' |
		awk -v verdict="$1" -v promise="$2" '
		index($0, promise) == 1 && (index($0, "# incomplete") > 0) == (verdict == "incomplete") { found = 1 }
		END { exit !found }'
}

ROWS=0

# breaks NAME PROMISE OLD NEW...: what PROMISE begins with.
breaks()
{
	local name=$1 promise=$2
	shift 2

	ROWS=$((ROWS + 1))
	try "$name: \"$promise\"" broken "$promise" "$@"
}

broken()
{
	local promise=$1 dir=$work/broken
	shift

	rm -rf "$dir"
	cp -r "$work/port" "$dir"
	edit "$dir" "$@" || return 1
	build "$dir" -w || return 1
	! run "$dir" || { echo "nothing is broken"; return 1; }
	names broken "$promise" "$dir/output" ||
		{ echo "what is named:"; grep '^not ok' "$dir/output"; return 1; }
}

# lacks HOOK[|HOOK...] PROMISE...: a port without the hooks, and what is incomplete then.
lacks()
{
	local hook=$1
	shift

	ROWS=$((ROWS + 1))
	try "no hook $hook: \"$1\" is incomplete" incomplete "$hook" "$@"
}

incomplete()
{
	local hook=$1 promise dir=$work/broken
	shift

	rm -rf "$dir"
	cp -r "$work/port" "$dir"
	perl -pi -e 's/\s\.('"$hook"') = \w+,//g if /\.\w+ = \w+,/' "$dir/conform.c"
	build "$dir" -w || return 1
	! run "$dir" || { echo "nothing is missing"; return 1; }
	tail -n 1 "$dir/output" | grep -qE ', [1-9][0-9]* incomplete,' || { echo "none is counted"; return 1; }
	for promise in "$@"; do
		names incomplete "$promise" "$dir/output" || { echo "$promise"; return 1; }
	done
}

try "the library is installed" installed
try "$DOCUMENT has the port" extract "$work/port"
try "the suite compiles from where it is installed" suite
try "the port compiles without a warning" build "$work/port" -Wall -Werror
try "the port keeps all promises" all_kept
try "and by the command of the document" documented_command
result $(($(wc -l <"$work/port/port.c") > 180)) "the port is small"

# What passed before the suite was looked at with such a port.
breaks "-EAGAIN of enter is ignored" "enter: a refusal is no entry" \
	'while (mpmu_enter(ME) == -EAGAIN);' 'while (mpmu_enter(ME) && 0);'
breaks "-EAGAIN of enter is ignored, and its request" "enter: what a refusal asks for" \
	'while (mpmu_enter(ME) == -EAGAIN);' 'while (mpmu_enter(ME) && 0);'
breaks "own never refuses" "own: refuses while" \
	'return !cpu->msr[STATUS] && !(cpu->msr[CTRL] = 0);' 'cpu->msr[CTRL] = 0; return true;'
breaks "own clears the status and agrees" "own: refuses while" \
	'return !cpu->msr[STATUS] &&' 'return !(cpu->msr[STATUS] = 0) &&'
breaks "own refuses, but has stopped the host" "own: a refusal changes nothing" \
	'return !cpu->msr[STATUS] && !(cpu->msr[CTRL] = 0);' 'return !(cpu->msr[CTRL] = 0) && !cpu->msr[STATUS];'
breaks "own leaves GLOBAL_CTRL" "own: GLOBAL_CTRL is 0" '&& !(cpu->msr[CTRL] = 0);' ';'
breaks "disown restores nothing" "disown: control registers" 'cpu->msr[CTRL] = HOST; cpu->to_guest = cpu->masked = false;' ''
breaks "disown leaves GLOBAL_CTRL at 0" "disown: an event of the host counts on" \
	'cpu->msr[CTRL] = HOST; cpu->to_guest' 'cpu->to_guest'
breaks "disown leaves the route" "disown: the interrupt is" 'cpu->to_guest = cpu->masked = false;' 'cpu->masked = false;'
breaks "WRMSR by what does not retire it" "WRMSR: counts as one" \
	'mpmu_wrmsr(ME, msr, value)' 'mpmu_nested_msr_load(ME, msr, value)'
breaks "WRMSR by that, and retired after it" "WRMSR: counts as one" \
	'return mpmu_wrmsr(ME, msr, value) == MPMU_DONE;' 'return retire(mpmu_nested_msr_load(ME, msr, value) == MPMU_DONE);'
breaks "WRMSR by the function of the owner" "WRMSR: counts as one" \
	'mpmu_wrmsr(ME, msr, value)' 'mpmu_owner_write(ME, msr, value)'
breaks "WRMSR by the owner, and retired after it" "WRMSR: counts as one" \
	'return mpmu_wrmsr(ME, msr, value) == MPMU_DONE;' 'return retire(mpmu_owner_write(ME, msr, value) == MPMU_DONE);'
breaks "WRMSR retires twice" "WRMSR: counts as one" \
	'return mpmu_wrmsr(ME, msr, value) == MPMU_DONE;' 'return retire(mpmu_wrmsr(ME, msr, value) == MPMU_DONE);'
breaks "WRMSR never faults" "WRMSR: a reserved bit" \
	'mpmu_wrmsr(ME, msr, value) == MPMU_DONE' 'mpmu_wrmsr(ME, msr, value) != MPMU_NOT_PMU'
breaks "intercepts before reprogramming" "request_reprogram: done before request_intercepts" \
	'if (take(&vcpu->reprogram))' 'if (take(&vcpu->intercepts)) mpmu_vcpu_update_intercepts(&vcpu->mpmu); if (take(&vcpu->reprogram))' \
	'if (take(&vcpu->intercepts))
			mpmu_vcpu_update_intercepts(&vcpu->mpmu);
		if (take(&vcpu->pmi))' 'if (take(&vcpu->pmi))'
breaks "the guest's LVTPC mask is ignored" "request_pmi: a masked LVTPC" \
	'if (vcpu->masked)
		return;' ''
breaks "it is ignored in hardware, too" "LVTPC: the guest's mask holds" \
	'if (vcpu->masked)
		return;' '' \
	'cpu->masked = V->masked;' 'cpu->masked = false;'
breaks "LVTPC stays open at delivery" "LVTPC: Intel masks" 'set_lvtpc(true);' ''
breaks "LVTPC in hardware does not follow the guest's" "LVTPC: unmasked, it lets" \
	'if (mpmu_resident(ME))
		op_route_pmi(&vcpu->mpmu);' ''

# What a port forgets.
breaks "RDPMC is a fault" "RDPMC: reads" 'return retire(mpmu_rdpmc(ME, ecx, v) == MPMU_DONE);' 'return false;'
breaks "RDPMC reads 0" "RDPMC: is a use" 'mpmu_rdpmc(ME, ecx, v) == MPMU_DONE' '(*v = 0, true)'
breaks "RDPMC never faults" "RDPMC: a counter that the guest lacks" 'mpmu_rdpmc(ME, ecx, v) == MPMU_DONE' '(mpmu_rdpmc(ME, ecx, v), true)'
breaks "RDMSR does not retire" "RDMSR: counts as one" 'return retire(mpmu_msr_read(' 'return (mpmu_msr_read('
breaks "RDMSR reads what hardware has" "RDMSR: reads what the guest wrote" \
	'mpmu_msr_read(ME, msr, MPMU_BY_GUEST, value) == MPMU_DONE' '(*value = read_msr(NULL, msr), true)'
breaks "no emulated instruction counts" "emulate: each instruction" 'retire(true)' 'retire(false)'
breaks "emulated instructions count twice" "emulate: each instruction" 'retire(true)' 'retire(retire(true))'
breaks "emulated instructions count as the user's" "emulate: by the CPL" 'MPMU_EVENT_INSTRUCTIONS, 0)' 'MPMU_EVENT_INSTRUCTIONS, 3)'
breaks "emulated instructions are added by hand" "emulate: an overflow is" \
	'mpmu_emulate(ME, MPMU_EVENT_INSTRUCTIONS, 0)' 'vcpu->mpmu.gp[0] += !!(vcpu->mpmu.eventsel_hw[0] & 1 << 22)' \
	'mpmu_enter(ME)' 'mpmu_enter(ME)'
breaks "RESET does nothing" "reset: nothing is left" 'mpmu_vcpu_reset(ME);' ''
breaks "RESET forgets who owns the PMU" "reset: nothing is left" 'mpmu_vcpu_reset(ME);' 'mpmu_vcpu_reset(NULL, &vcpu->mpmu);'
breaks "RESET makes the vCPU anew" "reset:" 'mpmu_vcpu_reset(ME);' 'make();'
breaks "save lists nothing" "save: lists" 'return mpmu_snapshot_size(&vcpu->mpmu);' 'return 0;'
breaks "save lists what an owner had" "save: lists" \
	'put(data);
	mpmu_snapshot_save(ME, list);' 'mpmu_snapshot_save(NULL, &vcpu->mpmu, list);'
breaks "save resets" "save: disturbs nothing" 'mpmu_snapshot_save(ME, list);' 'mpmu_snapshot_save(ME, list); mpmu_vcpu_reset(ME);'
breaks "restore writes as the guest" "restore: another vCPU" \
	'return !mpmu_snapshot_restore(ME, list, count, NULL);' \
	'while (count) if (!exit_wrmsr(list[--count].index, list[count].value)) return false; return true;'
breaks "restore writes up to what is bad" "restore: a list with a bad" \
	'return !mpmu_snapshot_restore(ME, list, count, NULL);' \
	'for (u32 i = 0; i < count; i++) if (mpmu_snapshot_restore(ME, list + i, 1, NULL)) return false; return true;'
breaks "restore takes what is bad" "restore: a list with a bad" \
	'return !mpmu_snapshot_restore(ME, list, count, NULL);' 'mpmu_snapshot_restore(ME, list, count, NULL); return true;'
breaks "CPUs remember a vCPU that is gone" "forget:" 'mpmu_cpu_forget_vcpu(&cpus[i].mpmu, &vcpu->mpmu);' ';'
breaks "this CPU alone forgets" "forget:" 'mpmu_cpu_forget_vcpu(&cpus[i].mpmu,' 'mpmu_cpu_forget_vcpu(&cpus[1].mpmu,'
breaks "one VMCS for all vCPUs" "GLOBAL_CTRL: each vCPU" \
	'return V->ctrl;' 'return vcpus[0].ctrl;' '{ V->ctrl = value; }' '{ vcpus[0].ctrl = value; }' \
	'vcpu->touched ? vcpu->ctrl : 0' 'vcpu->touched ? vcpus[0].ctrl : 0' \
	'vcpu->ctrl = cpu->msr[CTRL];' 'vcpus[0].ctrl = cpu->msr[CTRL];'
breaks "one bitmap for all vCPUs" "set_intercept: each vCPU" \
	'V->direct[msr] = intercept ? V->direct[msr] & ~access : V->direct[msr] | access;' \
	'vcpus[0].direct[msr] = vcpus[1].direct[msr] = intercept ? V->direct[msr] & ~access : V->direct[msr] | access;'
breaks "a vCPU does not put where another comes" "vCPUs: each has" \
	'{ mpmu_put(ME); interrupts(); }' '{ if (vcpu == vcpus) mpmu_put(ME); interrupts(); }' \
	'#define ME   &cpu->mpmu, &vcpu->mpmu' '#define ME &cpu->mpmu, &vcpus[0].mpmu'
breaks "one struct mpmu_cpu for all CPUs" "CPUs: a vCPU that moves" \
	'#define ME   &cpu->mpmu' '#define ME &cpus[0].mpmu'
breaks "put forgets the PMU" "put: no value" '{ mpmu_put(ME);' '{'
breaks "exit forgets the PMU" "reclaim: the host's event counts" 'mpmu_exit(ME);' ''
breaks "events start without a reclaim" "reclaim: an event of the host" \
	'static void host_event(void *data, bool on)
{
	mpmu_reclaim(&cpu->mpmu);' 'static void host_event(void *data, bool on)
{'
breaks "a CPU goes down with an owner" "power: an owner" \
	'mpmu_reclaim(&cpu->mpmu);
	*cpu =' '*cpu ='
breaks "a CPU comes up with what was known of it" "power: nothing is known" \
	'*cpu = (struct cpu){ .msr[CTRL] = HOST };
	mpmu_cpu_reset(&cpu->mpmu);' 'struct mpmu_cpu known = cpu->mpmu; *cpu = (struct cpu){ .mpmu = known, .msr[CTRL] = HOST };'
breaks "a filter is kept, and not told" "filter: holds" 'mpmu_vcpu_filter_changed(&vcpu->mpmu);' ''
breaks "a filter is not used" "filter: holds" 'mpmu_vcpu_reprogram(ME, vcpu->filter)' 'mpmu_vcpu_reprogram(ME, NULL)'

breaks "own agrees to what the host's interrupt has left" "own: no status bit" \
	'return !cpu->msr[STATUS] && !(cpu->msr[CTRL] = 0);' 'cpu->msr[CTRL] = 0; return true;' \
	'cpu->msr[STATUS] = 0;' ';'
breaks "enter is not called" "enter: a vCPU that uses its PMU" 'while (mpmu_enter(ME) == -EAGAIN);' 'while (0);'
breaks "put loses a count" "put: the guest's count" '{ mpmu_put(ME);' '{ mpmu_put(ME); vcpu->mpmu.gp[0] = 0;'
breaks "put loses the last counter" "put: each counter" '{ mpmu_put(ME);' '{ mpmu_put(ME); vcpu->mpmu.gp[3] = 0;'
breaks "put loses the status" "status: an overflow" '{ mpmu_put(ME);' '{ mpmu_put(ME); vcpu->mpmu.global_status = 0;'
breaks "the host clears a counter before the reclaim" "reclaim: the guest loses" \
	'static void host_event(void *data, bool on)
{' 'static void host_event(void *data, bool on)
{
	cpu->msr[COUNTER] = 0;'
breaks "RDPMC exits, and does not retire" "RDPMC: counts as one" '{ V->rdpmc = !intercept; }' '{ }' \
	'return retire(mpmu_rdpmc(ME, ecx, v) == MPMU_DONE);' 'return mpmu_rdpmc(ME, ecx, v) == MPMU_DONE;'

# The interrupt.
breaks "the vector is not told" "route_pmi: an overflow is" 'mpmu_pmi(&cpu->mpmu);' ''
breaks "an interrupt is two" "route_pmi: an overflow is" 'vcpu->pmis++;' 'vcpu->pmis += 2;'
breaks "route_pmi does nothing" "route_pmi: the interrupt is" '{ cpu->to_guest = true; cpu->masked = V->masked; }' '{ }'
breaks "drain_pmi is empty" "drain_pmi: a late interrupt reaches its" \
	'{ cpu->late = false; return !cpu->pmi && !cpu->masked; }' '{ return false; }'
breaks "drain_pmi is always in vain" "drain_pmi: says so after no other" 'return !cpu->pmi && !cpu->masked;' 'return true;'
breaks "drain_pmi is never in vain" "drain_pmi: says so after a wait" 'return !cpu->pmi && !cpu->masked;' 'return false;'
breaks "request_pmi does nothing" "request_pmi: the guest gets" '{ V->pmi = true; }' '{ }'
breaks "request_pmi is two" "request_pmi: the guest gets" '{ V->pmi = true; }' '{ V->pmi = true; V->pmis++; }'
breaks "a late interrupt is the present vCPU's" "drain_pmi: a late interrupt" '{ mpmu_put(ME); interrupts(); }' '{ mpmu_put(ME); }' \
	'cpu->pmi = false;
		mpmu_pmi(&cpu->mpmu);' 'cpu->pmi = false; extern void pmi_of_present(void); pmi_of_present();' \
	'/* The life of a vCPU. */' 'void pmi_of_present(void) { vcpu->pmi = true; }'

# Operations.
breaks "rdmsr cuts" "rdmsr: reads" 'rdmsr, u32 msr) { return read_msr' 'rdmsr, u32 msr) { return (u32)read_msr'
breaks "wrmsr cuts" "wrmsr: counters" '{ write_msr(msr, value); }' '{ write_msr(msr, (u32)value); }'
breaks "wrmsr leaves selectors" "wrmsr: selectors" '{ write_msr(msr, value); }' '{ if (msr / 16 != SEL / 16) write_msr(msr, value); }'
breaks "get_global_ctrl has its own idea" "set_global_ctrl: get_global_ctrl" '{ return V->ctrl; }' '{ return 0xf; }'
breaks "exit does not save GLOBAL_CTRL" "get_global_ctrl: what the guest wrote" \
	'if (vcpu->touched)
		vcpu->ctrl = cpu->msr[CTRL];' ''
breaks "exit does not stop the counters" "exit: the guest's counters" 'cpu->msr[CTRL] = vcpu->touched ? 0 : HOST;' ''
breaks "set_intercept takes no access" "set_intercept: opens" 'V->direct[msr] & ~access : V->direct[msr] | access;' '0 : 3;'
breaks "set_intercept never closes" "set_intercept: closes" 'intercept ? V->direct[msr] & ~access :' 'intercept ? V->direct[msr] :'
breaks "set_rdpmc_intercept does nothing" "set_rdpmc_intercept:" '{ V->rdpmc = !intercept; }' '{ }'
breaks "set_touched does nothing" "set_touched:" '{ V->touched = touched; }' '{ }'
breaks "set_touched is for good" "untouched: and no more" '{ V->touched = touched; }' '{ V->touched |= touched; }'
breaks "an untouched guest runs with the host's events" "untouched: host events stay" 'vcpu->touched ? vcpu->ctrl : 0' 'vcpu->touched ? vcpu->ctrl : HOST'
breaks "host_active is never" "host_active: true" '{ return cpu->running; }' '{ return false; }'
breaks "host_active is always" "host_active: false" '{ return cpu->running; }' '{ return true; }'
breaks "displace does not stop" "displace:" 'cpu->msr[SEL + 1] = cpu->running = false;' 'cpu->running = false;' \
	'cpu->msr[COUNTER + 1] = cpu->event;' ''
breaks "displace does not save" "restore:" 'cpu->event = cpu->msr[COUNTER + 1];' ''
breaks "restore starts from 0" "restore:" 'cpu->msr[COUNTER + 1] = cpu->event;' 'cpu->msr[COUNTER + 1] = 0;'
breaks "take_dirty names none" "take_dirty: names each" 'return dirty;' 'return 0;'
breaks "take_dirty forgets a selector" "take_dirty: names each" \
	'cpu->msr[SEL + 1] = cpu->running = false;' 'cpu->msr[SEL + 1] = 0x1200c0; cpu->running = cpu->msr[COUNTER + 1] = false;' \
	'cpu->dirty |= 2;' ''
breaks "take_dirty names all" "take_dirty: names no" 'return dirty;' 'return 0xff;'
breaks "take_dirty forgets others" "take_dirty: names each" 'cpu->dirty &= ~asked;' 'cpu->dirty = 0;'
breaks "request_reprogram does nothing" "request_reprogram: done before the" '{ V->reprogram = true; }' '{ }'
breaks "request_intercepts does nothing" "request_intercepts:" '{ V->intercepts = true; }' '{ }'

# Registers beside the PMU.
breaks "PERF_CAPABILITIES is 0" "PERF_CAPABILITIES:" ': 1 << 13;' ': 0;'
breaks "PERF_CAPABILITIES is a fault" "PERF_CAPABILITIES:" 'return msr == MISC || msr == CAPABILITIES;' 'return msr == MISC;'
breaks "MISC_ENABLE has no PMU" "MISC_ENABLE:" '1 << 7 | 1 << 11' '1 << 11'
breaks "MISC_ENABLE has PEBS" "MISC_ENABLE:" ' | 1 << 12' ''
breaks "PERF_CAPABILITIES has PEBS, MISC_ENABLE not" "MISC_ENABLE:" ': 1 << 13;' ': 1 << 13 | 3 << 8;'
breaks "DEBUGCTL freezes for good" "DEBUGCTL:" \
	'cpu->msr[STATUS] |= 1ull << i;' 'cpu->msr[STATUS] |= 1ull << i | (cpu->msr[0x1d9] ? 1ull << 59 : 0);' \
	'return mpmu_wrmsr(ME, msr, value) == MPMU_DONE;' 'return msr == 0x1d9 ? write_msr(msr, value), true : mpmu_wrmsr(ME, msr, value) == MPMU_DONE;' \
	'return msr == MISC || msr == CAPABILITIES;' 'if (msr == 0x1d9) *value = cpu->msr[msr]; return msr == MISC || msr == CAPABILITIES || msr == 0x1d9;'

# A port that leaves out what the suite once did not ask for.
lacks guest_rdpmc "RDPMC: reads" "RDPMC: is a use" "RDPMC: counts" "RDPMC: a counter"
lacks guest_emulated "emulate: each" "emulate: by the CPL" "emulate: an overflow"
lacks reset "reset: nothing" "reset: the PMU"
lacks save "save: lists" "save: disturbs" "restore: another"
lacks restore "restore: another" "restore: a list"
lacks remake "forget:"
lacks use_vcpu "vCPUs: each" "set_intercept: each" "restore: another" "GLOBAL_CTRL: each"
lacks use_cpu "CPUs: a vCPU"
lacks power_cycle "power: nothing" "power: an owner"
lacks host_overflow "own: refuses" "own: a refusal" "enter: a refusal"
lacks delay_pmi "drain_pmi: a late interrupt reaches its" "drain_pmi: says so after no other"
# What a port of the fewest lines does without.
lacks 'guest_rdpmc|guest_emulated|reset|save|restore|remake|power_cycle|delay_pmi' \
	"RDPMC: reads" "emulate: each" "reset: nothing" "save: lists" "restore: another" "forget:" \
	"power: nothing" "drain_pmi: a late interrupt reaches its"
result $((ROWS < 40)) "there are at least 40 rows: $ROWS"
done_testing
