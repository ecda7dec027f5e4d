# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Mutants of C text: every change of one operator, constant, condition, result,
# statement or row of a table.  A mutant is named by file, function, text of the
# line and change, so that its name outlives edits elsewhere.
package MpmuMutants;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);

my %SWAPS = (
	'==' => ['!='], '!=' => ['=='],
	'<' => ['<=', '>='], '<=' => ['<', '>'], '>' => ['>=', '<='], '>=' => ['>', '<'],
	'&&' => ['||'], '||' => ['&&'],
	'&' => ['|'], '|' => ['&'], '^' => ['|'], '<<' => ['>>'], '>>' => ['<<'],
	'&=' => ['|=', '='], '|=' => ['&=', '='],
	'+' => ['-'], '-' => ['+'], '*' => ['+'], '/' => ['*'],
	'+=' => ['-=', '='], '++' => ['--'], '--' => ['++'],
	'true' => ['false'], 'false' => ['true'],
);
my %BINARY = map { $_ => 1 } qw(& * + -);
my $WORD = qr/^[A-Za-z_]\w*$/;
my $TYPE = qr/^(?:const|static|extern|struct|enum|union|u8|u16|u32|u64|int|char|bool|void|mpmu_pmcs)$/;
my $HEAD = qr/^(?:if|while|for|switch|\w+_for_each_\w+)$/;

# Tokens are [text, position, function, no code]; comments are none.  Only the
# values of macros are looked at in the preprocessor's lines.
sub tokenize
{
	my ($text) = @_;
	my @tokens;
	my $macro;

	pos($text) = 0;
	while (pos($text) < length($text)) {
		if ($text =~ /\G(?:[ \t]|\\\n)+|\G\/\*.*?\*\//gcs) {
			next;
		} elsif ($text =~ /\G\n/gc) {
			$macro = undef;
		} elsif ($text =~ /\G#[ \t]*define[ \t]+(\w+)(?:\([^)]*\))?/gc) {
			$macro = $1;
		} elsif ($text =~ /\G#[^\n]*/gc) {
			next;
		} elsif ($text =~ /\G(\w+|"(?:[^"\\]|\\.)*"|->|<<=|>>=|[-+&|=!<>*\/^]=|\+\+|--|&&|\|\||<<|>>|.)/gcs) {
			push @tokens, [$1, pos($text) - length($1), $macro, defined $macro];
		}
	}
	place(\@tokens);
	return \@tokens;
}

# Name what each token is part of; what is in no body stays without a name.
sub place
{
	my ($tokens) = @_;
	my ($depth, $name, $table, $skip) = (0);

	for my $i (0 .. $#$tokens) {
		my $token = $tokens->[$i];
		next if defined $token->[2];
		if ($depth == 0) {
			$skip = 1 if $token->[0] =~ /^(?:struct|enum)$/ && $tokens->[$i + 2][0] eq '{';
			($name, $table) = ($token->[0], 0)
				if !defined $name && $token->[0] =~ $WORD && $tokens->[$i + 1][0] eq '(';
			($name, $table) = ($token->[0], 1)
				if !defined $name && $token->[0] =~ $WORD && $tokens->[$i + 1][0] =~ /^[\[=]$/;
			($name, $skip) = () if $token->[0] eq ';';
		}
		$depth-- if $token->[0] eq '}';
		@$token[2, 3] = ($name, $table) if $depth > 0 && !$skip;
		$depth++ if $token->[0] eq '{';
		($name, $skip) = () if $token->[0] eq '}' && $depth == 0;
	}
}

# Index of the bracket that closes the one at $open.
sub closing
{
	my ($tokens, $open) = @_;
	my $depth = 0;

	for my $i ($open .. $#$tokens) {
		$depth++ if $tokens->[$i][0] =~ /^[({\[]$/;
		$depth-- if $tokens->[$i][0] =~ /^[)}\]]$/;
		return $i if $depth == 0;
	}
	die "a bracket is not closed\n";
}

# Index of the token that ends what begins at $from: one of $ends, outside
# brackets; undef if the macro ends before.
sub ending
{
	my ($tokens, $from, $ends) = @_;

	for (my $i = $from; $i <= $#$tokens && ($tokens->[$i][2] // "") eq $tokens->[$from][2]; $i++) {
		return $i if $tokens->[$i][0] =~ $ends;
		$i = closing($tokens, $i) if $tokens->[$i][0] =~ /^[({\[]$/;
	}
	return undef;
}

# The words before the name of a function: what it returns.
sub result_types
{
	my ($text) = @_;
	my %types;

	$types{$2} = $1 while $text =~ /^([a-z][\w *]*?[ *])(\w+)\(/mg;
	return \%types;
}

package MpmuMutants::File;

# All mutants of one file; each is {file, function, text, change, from, to, by}.
sub new
{
	my ($class, $file, $text) = @_;
	my $self = bless {file => $file, text => $text, found => [], head => 0}, $class;
	my $tokens = $self->{tokens} = MpmuMutants::tokenize($text);

	$self->{types} = MpmuMutants::result_types($text);
	for my $i (0 .. $#$tokens) {
		next if !defined $tokens->[$i][2];
		$self->operators($i);
		$self->constants($i);
		$self->conditions($i);
		$self->statements($i);
		$self->rows($i);
	}
	$self->name_all;
	return $self;
}

sub token { return $_[0]{tokens}[$_[1]][0] // ''; }
sub begin { return $_[0]{tokens}[$_[1]][1]; }
sub after { return $_[0]->begin($_[1]) + length($_[0]->token($_[1])); }

# Replace the tokens from $first to $last.
sub add
{
	my ($self, $change, $first, $last, $by) = @_;
	my $from = $self->begin($first);
	my $line = rindex($self->{text}, "\n", $from) + 1;

	push @{$self->{found}}, {
		file => $self->{file}, function => $self->{tokens}[$first][2], line => $line,
		change => $change, from => $from, to => $self->after($last), by => $by,
	};
}

sub source
{
	my ($self, $first, $last) = @_;

	return substr($self->{text}, $self->begin($first), $self->after($last) - $self->begin($first));
}

sub operators
{
	my ($self, $i) = @_;
	my ($before, $token) = ($self->token($i - 1), $self->token($i));

	if ($token =~ /^[!~]$/) {
		$self->add("$token dropped", $i, $i, ' ');
	} elsif ($token eq '?') {
		$self->add('? never', $i, $i, '&& 0 ?');
		$self->add('? always', $i, $i, '|| 1 ?');
	}
	return if !$SWAPS{$token};
	return if $BINARY{$token} && ($before !~ /^[\w)\]]+$/ || $before =~ /^(?:return|case)$/);
	return if $token eq '*' && ($before =~ $TYPE || $self->token($i - 2) =~ $TYPE);
	$self->add("$token to $_", $i, $i, $_) for @{$SWAPS{$token}};
}

# Numbers one more, one less and 0; names of constants 0.
sub constants
{
	my ($self, $i) = @_;
	my $token = $self->token($i);

	if ($token =~ /^(0x[0-9a-f]+|[0-9]+)u?l?l?$/i) {
		my $digits = $1;

		$self->add("$token + 1", $i, $i, "($token + 1)");
		$self->add("$token - 1", $i, $i, "($token - 1)") if $digits =~ /[1-9a-f]/;
		$self->add("$token to 0", $i, $i, '0') if $digits =~ /[2-9a-f]|1./;
	} elsif ($token =~ /^[A-Z][A-Z0-9_]+$/ && $token ne 'NULL' && $self->token($i + 1) ne '(' &&
		 $self->token($i - 1) ne 'case') {
		$self->add("$token to 0", $i, $i, '0');
	}
}

sub conditions
{
	my ($self, $i) = @_;
	my $token = $self->token($i);
	my ($open, $close);

	return if $token !~ /^(?:if|while)$/;
	$open = $i + 1;
	$close = MpmuMutants::closing($self->{tokens}, $open);
	$self->add("$token negated", $open, $close, '(!' . $self->source($open, $close) . ')');
	$self->add("$token never", $open, $close, '(0)');
	$self->add("$token always", $open, $close, '(1)') if $token eq 'if';
}

# Does a statement begin at this token?
sub begins
{
	my ($self, $i) = @_;
	my ($before, $open, $depth) = ($self->token($i - 1), $i - 1, 0);

	return 0 if $i < $self->{head};
	return 1 if $before =~ /^(?:[;{}]|else)$/;
	return 1 if $before eq ':' && $self->token($i - 3) eq 'case';
	return 0 if $before ne ')';
	for (; $open >= 0; $open--) {
		$depth++ if $self->token($open) eq ')';
		$depth-- if $self->token($open) eq '(';
		last if $depth == 0;
	}
	return $self->token($open - 1) =~ $HEAD;
}

sub statements
{
	my ($self, $i) = @_;
	my $token = $self->token($i);
	my $end;

	return if $self->{tokens}[$i][3] || !$self->begins($i);
	$self->{head} = MpmuMutants::closing($self->{tokens}, $i + 1) if $token eq 'for';
	if ($token eq 'case') {
		$self->add('dropped', $i, MpmuMutants::ending($self->{tokens}, $i, qr/^:$/), ' ');
		return;
	}
	return if $token =~ $HEAD || $token !~ /^(?:\w+|\*|\+\+|--)$/ || $token =~ /^(?:else|do|default)$/;
	$end = MpmuMutants::ending($self->{tokens}, $i, qr/^;$/);
	if ($token eq 'return') {
		$self->results($i, $end);
	} elsif ($token =~ $TYPE) {
		$self->initials($i, $end);
	} else {
		$self->add('dropped', $i, $end, ';');
	}
}

sub results
{
	my ($self, $i, $end) = @_;
	my $type = $self->{types}{$self->{tokens}[$i][2]} // '';
	my $value;

	return if $end == $i + 1;
	$value = $self->source($i + 1, $end - 1);
	return if $value =~ /^(?:true|false)$/;
	if ($type =~ /\bbool\b/) {
		$self->add('result negated', $i + 1, $end - 1, "!($value)");
		return;
	}
	$self->add('result to 0', $i + 1, $end - 1, '0') if $value !~ /^(?:0|NULL)$/;
	$self->add('result + 1', $i + 1, $end - 1, "($value) + 1") if $type !~ /\*/ && $value ne '0';
}

sub initials
{
	my ($self, $i, $end) = @_;

	for my $at ($i .. $end) {
		next if $self->token($at) ne '=' || $self->token($at + 1) =~ /^[{0]$/ ||
			$self->token($at - 2) eq '*';
		my $last = MpmuMutants::ending($self->{tokens}, $at, qr/^[,;]$/) - 1;
		$self->add('starts as 0', $at + 1, $last, '0');
	}
}

# Rows of a table, and fields of a structure.
sub rows
{
	my ($self, $i) = @_;
	my ($tokens, $end) = ($self->{tokens});

	return if !$tokens->[$i][3] || $self->token($i - 1) !~ /^[{,]$/;
	return if $self->token($i) !~ /^(?:[.{\[]|[A-Z][A-Z0-9_]+)$/;
	return if $self->token($i) =~ /^[A-Z]/ && $self->token($i + 1) ne '(';
	$end = MpmuMutants::ending($tokens, $i, qr/^[,}]$/) // return;
	$self->add('dropped', $i, $end - ($self->token($end) eq '}'), ' ');
}

# Where a line, or a change on it, occurs again, the name says which one.
sub name_all
{
	my ($self) = @_;
	my (%lines, %changes);

	for my $mutant (@{$self->{found}}) {
		my ($text) = substr($self->{text}, $mutant->{line}) =~ /^\s*(.*)/;
		my $lines = $lines{"$mutant->{function} $text"} //= [];

		push @$lines, $mutant->{line} if !@$lines || $lines->[-1] != $mutant->{line};
		$mutant->{text} = $text;
		$mutant->{hash} = substr(Digest::MD5::md5_hex($text), 0, 8);
		$mutant->{hash} .= '/' . @$lines if @$lines > 1;
		my $count = ++$changes{"$mutant->{function} $mutant->{hash} $mutant->{change}"};
		$mutant->{change} .= " #$count" if $count > 1;
		$mutant->{line_number} = 1 + (substr($self->{text}, 0, $mutant->{from}) =~ tr/\n//);
		$mutant->{name} = join(' ', @$mutant{qw(file function hash change)});
	}
}

sub mutants { return @{$_[0]{found}}; }

# The file with the mutation.
sub mutate
{
	my ($self, $mutant) = @_;
	my $text = $self->{text};

	substr($text, $mutant->{from}, $mutant->{to} - $mutant->{from}) = $mutant->{by};
	return $text;
}

# The lines that change, as a diff has them.
sub diff
{
	my ($self, $mutant) = @_;
	my $end = index($self->{text}, "\n", $mutant->{to});
	my $old = substr($self->{text}, $mutant->{line}, $end - $mutant->{line});
	my $new = $old;

	substr($new, $mutant->{from} - $mutant->{line}, $mutant->{to} - $mutant->{from}) = $mutant->{by};
	return join("\n", (map { "-$_" } split(/\n/, $old)), (map { "+$_" } split(/\n/, $new)));
}

1;
