# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What `prove` lacks: a record of every finished test (so that a long run can be
# resumed and reported) and one last line that counts passed and failed checks.
package MpmuHarness;

use strict;
use warnings;
use parent 'TAP::Harness';

# A program that died, or broke its plan, without a "not ok" is one failure.
sub count
{
	my ($parser) = @_;
	my $failed = $parser->failed;
	my $skipped = $parser->skipped;

	$failed = 1 if !$failed && $parser->has_problems;
	return ($parser->passed - $skipped, $failed, $skipped || ($parser->skip_all ? 1 : 0));
}

# What a table NAME, MORE... has of this name.
sub more
{
	my ($name, $table) = @_;

	open(my $in, '<', $table) or die "$table: $!\n";
	my ($line) = grep { /^\Q$name\E\t/ } <$in>;
	chomp($line //= '');
	return (split(/\t/, $line))[1, 2];
}

sub record
{
	my ($name, $parser) = @_;
	my ($passed, $failed, $skipped) = count($parser);
	my $seconds = int($parser->end_time - $parser->start_time);
	my $why = $parser->skip_all || '';

	open(my $out, '>>', $ENV{MPMU_RESULTS}) or die "$ENV{MPMU_RESULTS}: $!\n";
	print $out join("\t", $name, $passed, $failed, $skipped, $seconds, $why,
		grep { defined } more($name, $ENV{MPMU_KEYS})), "\n";
	close($out) or die "$ENV{MPMU_RESULTS}: $!\n";
}

sub new
{
	my $self = shift->SUPER::new(@_);

	$self->callback(after_test => sub { record($_[0][0], $_[1]) });
	return $self;
}

1;
