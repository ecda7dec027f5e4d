# SPDX-License-Identifier: GPL-2.0-only
# perl objects.pl TREE [FOLDER...]: about how many objects the makefiles of a kernel tree
# (of these folders) list for its configuration, without a run of make.  Conditionals,
# variables and what is included are not looked at, so that it may be some percent off.

use strict;
use warnings;

my $tree = shift or die "usage: objects.pl TREE [FOLDER...]\n";
my (%on, %counted, %seen, %lists);
# The last ones are in makefiles alone that no list names.
my @folders = ('.', 'lib', map { "arch/x86/$_" } qw(. lib pci power video));

open my $config, '<', "$tree/.config" or die "$tree/.config: $!\n";
while (<$config>) {
	$on{$1} = 1 if /^(CONFIG_\w+)=[ym]$/;
}

# count FOLDER OBJECT: it comes of a source, of other objects, or of both.
sub count
{
	my ($folder, $object) = @_;
	my $name = $object =~ s/\.o$//r;

	return if $counted{"$folder/$name"}++;
	delete $counted{"$folder/$name"} unless grep { -e "$tree/$folder/$name.$_" } qw(c S);
	return if $seen{"$folder/$name"}++;
	count($folder, $_) for grep { /\.o$/ } @{$lists{"$folder:$name"} || []};
}

# makefile FOLDER: its lists, by name; those of obj and lib are asked for.
sub makefile
{
	my $folder = shift;
	my ($path) = grep { -e } map { "$tree/$folder/$_" } qw(Kbuild Makefile);

	open my $file, '<', $path // return or return;
	local $/;
	my $text = <$file>;
	$text =~ s/\\\n/ /g;
	while ($text =~ /^[ \t]*([\w.-]+?)-(y|m|objs|\$\((CONFIG_\w+)\))[ \t]*[:+]?=([^#\n]*)/mg) {
		push @{$lists{"$folder:$1"}}, split ' ', $4 if !$3 || $on{$3};
	}
	for my $word (map { @{$lists{"$folder:$_"} || []} } qw(obj lib)) {
		$word =~ s/\$\(SRCARCH\)/x86/;
		push @folders, "$folder/$word" if $word =~ s,/$,,;
		count($folder, $word) if $word =~ /\.o$/;
	}
}

while (defined(my $folder = shift @folders)) {
	$folder =~ s,^(\./)+|/\.$,,g;
	makefile($folder || '.') unless $seen{"makefile $folder"}++;
}
my $wanted = join '|', map { quotemeta } @ARGV;
print scalar(grep { m,^(\./)?($wanted), } keys %counted), "\n";
