#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each command on the pages of the site is run by a test, and the table here says by
# which; that test must have the command's program and options in it.  Commands that no
# test runs have a reason: of a reader's own machine (yours), or owed.

. "$(dirname "$0")/../lib/common.sh"
. "$MPMU_TOP/tests/lib/tap.sh"
cd "$MPMU_TOP"

need_packages make perl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The command; the file of the test, with what it runs inside; the words that these must
# have where they are others than the command's own, separated by |.
# shellcheck disable=SC2016 # as it stands on the pages
tested='
./run	tests/l2/run.t
./run --mutate NAME	tests/l2/run-long.t
./check	tests/releases/check-long.t	/srv/libmpmu/check
./check --quick	tests/releases/check-long.t	/srv/libmpmu/check $tier|MPMU_RELEASES_TIER
./check --full	tests/commands/check.t
./check --full TEST...	tests/commands/check.t	check" --full "${@:3}"
sysctl kernel.nmi_watchdog=0	tests/kernel/preflight.t tests/kernel/main-preflight	echo 0 >/proc/sys/kernel/nmi_watchdog
backends/kvm/preflight	tests/kernel/preflight.t
backends/kvm/preflight --json	tests/kernel/preflight.t tests/kernel/main-preflight
backends/kvm/integrate LINUX_DIR	tests/kernel/integrate.t
backends/kvm/integrate --check LINUX_DIR	tests/kernel/integrate.t
backends/kvm/integrate --report LINUX_DIR	tests/kernel/integrate-report.t
backends/kvm/integrate --revert LINUX_DIR	tests/kernel/integrate.t
backends/kvm/integrate LINUX_DIR --check	tests/kernel/integrate.t
backends/kvm/integrate LINUX_DIR --report	tests/kernel/integrate-report.t
backends/kvm/integrate LINUX_DIR --revert	tests/kernel/integrate.t
backends/kvm/package	tests/kernel/package-long.t
backends/kvm/package --out DIR	tests/kernel/package-long.t
backends/kvm/package --config FILE --out DIR	tests/commands/package.t
cd DIR && apt-get install ./linux-image-*-mpmu-*.deb ./linux-headers-*-mpmu-*.deb	tests/kernel/package-long.t	apt install -y "./$image" "./$headers"
uname -r	tests/kernel/package-long.t tests/kernel/boot-package
apt-get remove linux-image-RELEASE linux-headers-RELEASE	tests/kernel/package-long.t	apt remove -y "linux-image-$kernel" "linux-headers-$kernel"
make bindeb-pkg	tests/kernel/package-long.t backends/kvm/package	backends/kvm/package --config cloud|bindeb-pkg
echo Y >/sys/module/kvm_intel/parameters/enable_mediated_pmu	tests/l2/run.t tests/l2/host	parameter=/sys/module/kvm_$vendor/parameters/enable_mediated_pmu
echo direct >/sys/module/kvm_intel/parameters/mediated_pmu_policy	tests/kernel/vpmu-choice.t tests/l1/vpmu/vpmu-choice.c	parameter_write("mediated_pmu_policy", "direct")
cat /sys/module/kvm_intel/parameters/enable_mediated_pmu	tests/l2/run.t tests/l2/host	parameter=/sys/module/kvm_$vendor/parameters/enable_mediated_pmu
gcc $(pkg-config --cflags mpmu) -I$(pkg-config --variable=conformance mpmu) conform.c $(pkg-config --variable=conformance mpmu)/conformance.c $(pkg-config --libs mpmu) -o conform	tests/conformance/port.t	documented_command
./conform	tests/conformance/port.t	documented_command
cp -r backends/skeleton ../port && cd ../port	tests/conformance/skeleton.t	cp -r "$MPMU_TOP/backends/skeleton"
make MPMU=../libmpmu check	tests/conformance/skeleton.t	MPMU="$MPMU_TOP"|"$port/port" >
tests/model/mutate -j2	tests/model/mutate-long.t
tests/model/mutate switch.c decode.c:find	tests/model/mutate-long.t	mutate --tests unit/filter emulate.c:counting
tests/rig/machine --personality amd-zen4 --kernel BZIMAGE --initrd CPIO	tests/rig/machine.t	--personality|--kernel|--initrd
tests/releases/root RELEASE	tests/releases/check-long.t	"$here/root" "$release"
vpmu-check	tests/commands/vpmu-check.t
tests/bench/peer amd-zen4	tests/bench/peer-long.t	/tests/bench/peer"
tests/bench/peer --report	tests/commands/peer.t
perf stat	tests/l2/perf-long.t tests/l2/guest-perf
perf stat -d	tests/l2/perf-long.t tests/l2/guest-perf
perf stat --topdown	tests/l2/perf-long.t tests/l2/guest-perf
perf record	tests/l2/perf-long.t tests/l2/guest-perf
'

# A target of make; the test; the words that it shares with what make would run.
targets='
make site	tests/static/site.t	docs/Doxyfile
make abi	tests/static/abi.t	libmpmu/libmpmu.abi
make golden	tests/model/golden.c	MPMU_GOLDEN
make fuzz	tests/fuzz/short.t	tests/fuzz/run
make coverage	tests/coverage/coverage.t	tests/coverage/run
make install	tests/static/install.t	install
make vpmu-check	tests/commands/vpmu-check.t	vpmu-check
'

reasons='
reboot	yours: it ends whatever runs; package-long.t boots what is installed in the emulator
perf stat -e cycles:H	yours: it shows what a host counts beside its guests, and has no right answer
backends/kvm/package --config bare --out DIR	owed: hours of compiling; package-long.t does the same for clouds
tests/model/mutate --show '"'switch.c mpmu_exit b0c6e1f7 if never'"'	owed: it prints a difference, and no test reads it
tests/model/mutate --keep	owed: it writes tests/model/mutants, which no test may
tests/bench/core --write	owed: it writes docs/performance.md, which no test may; core.t runs it without
tests/bench/peer --write	owed: it writes docs/figures.md, which no test may; peer-long.t runs it without
'

# commands FILE...: of blocks without a language each line, of others those after "$ ";
# in the text what begins with a program that people start, or with one of this tree that
# has arguments.  Comments and what pads them are left out.
commands()
{
	perl -e '
		my %program = map { $_ => 1 } qw(make perf sysctl apt-get apt dpkg modprobe reboot virsh cat echo);
		my %said;
		sub say_it { my $c = join " ", split " ", shift =~ s/\s+# .*//r; print "$c\n" if length $c && !$said{$c}++; }
		for my $file (@ARGV) {
			open my $in, "<", $file or die "$file: $!\n";
			my ($block, $part) = (undef, "");
			while (<$in>) {
				chomp;
				if (/^```(.*)/) { $block = defined $block ? undef : $1; next; }
				if (defined $block) {
					next unless $block eq "" || s/^\$ //;
					if (s/\\$//) { $part .= $_; next; }
					say_it("$part$_");
					$part = "";
					next;
				}
				while (/`([^`]+)`/g) {
					my $span = $1;
					my ($set, $first, $more) = $span =~ /^((?:[A-Z_]+=\S+ )*)(\S+)( .*)?$/ or next;
					say_it($span) if $first =~ m{^\./\w+$} && -x $first || $more && $program{$first} ||
						($more || $set) && $first =~ m{/} && (-x $first || $first =~ /\.t$/);
				}
			}
		}' "$@"
}

# row TABLE COMMAND: the rest of its row.
row()
{
	COMMAND=$2 awk -F'\t' -v OFS='\t' '$1 == ENVIRON["COMMAND"] { print $2, $3; exit }' <<<"$1"
}

# own_words COMMAND: its program, options and variables, a line for each.
own_words()
{
	local word program=''

	for word in $1; do
		case $word in
		-*) echo "$word" ;;
		*=*) [ -n "$program" ] || echo "${word%%=*}" ;;
		*) [ -n "$program" ] || { program=$word; echo "${word##*/}"; } ;;
		esac
	done
}

# lacking FILES: of the words on standard input those that no file has.
lacking()
{
	local file word

	for file in $1; do
		[ -f "$file" ] || echo "no file $file"
	done
	while read -r word; do
		# shellcheck disable=SC2086 # a word per file
		grep -qsF -e "$word" $1 || echo "$1: nothing of \"$word\""
	done
}

# itself COMMAND: is it a test, with these variables?
itself()
{
	local file=${1##* }

	case $file in
	build/*.t) file=${file#build/} file=${file%.t}.c ;;
	*.t) ;;
	*) return 1 ;;
	esac
	own_words "$1" | grep -v '\.t$' | lacking "$file"
}

# judge COMMAND: why it is not accounted for; nothing, if it is.
judge()
{
	local found

	if found=$(row "$tested" "$1") && [ -n "$found" ]; then
		if [ -n "${found#*$'\t'}" ]; then tr '|' '\n' <<<"${found#*$'\t'}"; else own_words "$1"; fi |
			lacking "${found%%$'\t'*}"
	elif found=$(row "$targets" "$1") && [ -n "$found" ]; then
		lacking "${found%%$'\t'*}" <<<"${found#*$'\t'}"
		grep -qF -e "${found#*$'\t'}" <<<"$(make -n BUILD="$work/build" "${1#make }" 2>&1)" ||
			echo "make -n ${1#make }: nothing of \"${found#*$'\t'}\""
	elif found=$(row "$reasons" "$1") && [ -n "$found" ]; then
		grep -qE '^(yours|owed): .{20}' <<<"$found" || echo "no reason"
	else
		itself "$1" || echo "no test is named"
	fi
}

# unaccounted FILE...
unaccounted()
{
	local command

	commands "$@" >"$work/commands"
	while IFS= read -r command; do
		judge "$command" </dev/null | COMMAND=$command perl -ne 'print "$ENV{COMMAND}: $_"'
	done <"$work/commands"
}

# Rows of commands that no page has any more.
stale()
{
	printf '%s\n' "$tested" "$targets" "$reasons" | cut -f1 | grep . | sort -u | comm -23 - <(sort -u "$work/all")
}

# noticed NAME FINDING LINE...: a page with these lines.
noticed()
{
	local finding=$2

	printf '%s\n' "${@:3}" >"$work/page.md"
	try "noticed: $1" grep -qF -e "$finding" <(unaccounted "$work/page.md")
}

pages=(README.md CAVEATS.md CONTRIBUTING.md docs/*.md)
commands "${pages[@]}" >"$work/all"
result $(($(wc -l <"$work/all") < 40)) "there are at least 40 commands: $(wc -l <"$work/all")"
silent "each is run by a test, or has a reason" unaccounted "${pages[@]}"
silent "no row is of a command that is gone" stale
noticed "a command in a block" 'backends/kvm/integrate --force LINUX_DIR: no test is named' \
	'```' 'backends/kvm/integrate --force LINUX_DIR   # planted' '```'
noticed "one with output below it" 'vpmu-check --planted: no test is named' '```text' '$ vpmu-check --planted' 'ok' '```'
# shellcheck disable=SC2016 # as it stands on a page
noticed "one in the text" 'make planted: no test is named' 'Then `make planted` does it.'
# shellcheck disable=SC2016
noticed "a test that is not there" 'tests/kernel/planted.t: no' 'Then `MPMU_SEED=1 tests/kernel/planted.t`.'
# shellcheck disable=SC2016
noticed "a variable that the test does not know" 'nothing of "MPMU_PLANTED"' '`MPMU_PLANTED=1 tests/kernel/soak-long.t`'
tested=$'vpmu-check --planted\ttests/commands/vpmu-check.t'
noticed "a test that lacks the option" 'nothing of "--planted"' '```' 'vpmu-check --planted' '```'
reasons=$'reboot\tyours: no'
noticed "a reason that is none" 'reboot: no reason' '```' 'reboot' '```'
done_testing
