# SPDX-License-Identifier: GPL-3.0-or-later
#
# A strict reader of what an IMAP server says (RFC 3501 9, RFC 9051 9, RFC 3516, RFC 7162, RFC 8474, RFC 8514, RFC 8970), written from the
# grammars and from nothing else. Whatever isn't in them ends in die, with the place.
#
#     my $g = ImapGrammar->new($bytes, utf8 => 1);     utf8: quoted strings may hold UTF-8 (ENABLE UTF8=ACCEPT or IMAP4rev2)
#     my @answers = $g->responses;     [{ kind => 'fetch', number => 1, items => { 'BODY[1]<0>' => ..., ENVELOPE => [...] } },
#                                       { kind => 'tagged', tag => 'a', condition => 'OK', text => ... }, { kind => 'other', text => ... }]
# Strings are byte strings, NIL is undef. BODYSTRUCTURE is { type, subtype, size, lines, parts => [...], message => {...}, ... }.
package ImapGrammar;
use strict;
use warnings;

my $ATOM = qr/[^\x00-\x20\x7f-\xff(){%*"\\\]]/;
my $MONTHS = qr/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/;

sub new {
    my ($class, $bytes, %options) = @_;
    return bless {text => \$bytes, at => 0, depth => 0, %options}, $class;
}

sub fail {
    my ($g, $why) = @_;
    my $from = $g->{at} > 60 ? $g->{at} - 60 : 0;
    my $around = substr(${$g->{text}}, $from, 120);
    $around =~ s/([^\x20-\x7e])/sprintf '\x%02x', ord $1/ge;
    die "$why at byte $g->{at}: ...$around...\n";
}

# What matches at the place, or undef. Without a capture, which would copy the whole text each time.
my %anchored;
sub try {
    my ($g, $pattern) = @_;
    my $from = $g->{at};
    my $here = $anchored{$pattern} //= qr/\G$pattern/;
    pos(${$g->{text}}) = $from;
    return undef unless ${$g->{text}} =~ /$here/gc;
    $g->{at} = pos ${$g->{text}};
    return substr ${$g->{text}}, $from, $g->{at} - $from;
}

sub must {
    my ($g, $pattern, $what) = @_;
    return $g->try($pattern) // $g->fail($what || "expected $pattern");
}

sub at_end { my ($g) = @_; return $g->{at} >= length ${$g->{text}} }

sub number {
    my ($g) = @_;
    my $n = $g->must(qr/[0-9]{1,19}/, 'number expected');
    $g->fail('more than 63 bits') if length $n == 19 && $n gt '9223372036854775807';
    return $n;
}

sub literal {
    my ($g, $binary) = @_;
    my $n = $g->number;
    $g->must(qr/\}\r\n/, 'a literal opens with {n} CRLF');
    $g->fail("a literal of $n bytes is cut off") if $g->{at} + $n > length ${$g->{text}};
    my $value = substr(${$g->{text}}, $g->{at}, $n);
    $g->fail('NUL in a literal') if !$binary && index($value, "\0") >= 0;
    $g->{at} += $n;
    return $value;
}

sub quoted {
    my ($g) = @_;
    # Walked over in pieces: a string may be longer than a quantifier counts.
    my $value = '';
    while (!defined $g->try(qr/"/)) {
        my $piece = $g->try(qr/[^\x00\r\n"\\]{1,1000}/);
        if (!defined $piece) {
            $piece = $g->must(qr/\\["\\]/, 'bad byte or escape in a quoted string');
            $piece = substr($piece, 1);
        }
        $value .= $piece;
    }
    if ($value =~ /[\x80-\xff]/) {
        $g->fail('8-bit bytes in a quoted string') if !$g->{utf8};
        my $copy = $value;
        $g->fail('no UTF-8 in a quoted string') if !utf8::decode($copy);
    }
    return $value;
}

sub string {
    my ($g) = @_;
    return $g->literal(0) if defined $g->try(qr/\{/);
    return $g->quoted if defined $g->try(qr/"/);
    return $g->fail('string expected');
}

sub nstring {
    my ($g) = @_;
    return defined $g->try(qr/NIL/) ? undef : $g->string;
}

sub space { my ($g) = @_; $g->must(qr/ /, 'exactly one space expected') }

# Most are made of short quoted strings and NIL: these are read at once.
my $SHORT = qr/NIL|"[^\x00\r\n"\\\x80-\xff]{0,1000}"/;
my $ADDRESS = qr/\((?:$SHORT) (?:$SHORT) (?:$SHORT) (?:$SHORT)\)/;

sub address {
    my ($g) = @_;
    if (defined(my $short = $g->try($ADDRESS))) {
        return [map { $_ eq 'NIL' ? undef : substr($_, 1, -1) } $short =~ /^\(($SHORT) ($SHORT) ($SHORT) ($SHORT)\)$/];
    }
    $g->must(qr/\(/, 'address expected');
    my @fields = ($g->nstring);
    for (1 .. 3) { $g->space; push @fields, $g->nstring }
    $g->must(qr/\)/, 'address without end');
    return \@fields;
}

# Groups are opened and closed in turn (RFC 3501 7.4.2).
sub addresses {
    my ($g) = @_;
    return undef if defined $g->try(qr/NIL/);
    $g->must(qr/\(/, 'address list expected');
    my (@list, $group);
    do {
        my $a = $g->address;
        my ($name, $route, $mailbox, $host) = @$a;
        if (!defined $host) {
            $g->fail('a group marker has a name or a route') if defined $name || defined $route;
            $g->fail($group ? 'a group in a group' : 'a group that ends and never began') if !!$group == defined $mailbox;
            $group = !$group;
        } elsif (!defined $mailbox) {
            $g->fail('a host without a mailbox');
        }
        push @list, $a;
    } until defined $g->try(qr/\)/);
    $g->fail('a group without end') if $group;
    return \@list;
}

sub envelope {
    my ($g) = @_;
    $g->must(qr/\(/, 'envelope expected');
    my @e = ($g->nstring);
    $g->space; push @e, $g->nstring;
    for (1 .. 6) { $g->space; push @e, $g->addresses }
    for (1 .. 2) { $g->space; push @e, $g->nstring }
    $g->must(qr/\)/, 'envelope without end');
    return \@e;
}

sub parameters {
    my ($g) = @_;
    return undef if defined $g->try(qr/NIL/);
    $g->must(qr/\(/, 'parameters expected');
    my @list;
    do { push @list, $g->string; $g->space; push @list, $g->string } while defined $g->try(qr/ /);
    $g->must(qr/\)/, 'parameters without end');
    return \@list;
}

# SP disposition SP language SP location: all that extension data have here.
sub extensions {
    my ($g, $b) = @_;
    $g->space;
    if (defined $g->try(qr/\(/)) {
        $b->{disposition} = $g->string; $g->space;
        $b->{disposition_parameters} = $g->parameters;
        $g->must(qr/\)/, 'disposition without end');
    } else { $g->must(qr/NIL/, 'disposition expected') }
    $g->space;
    if (defined $g->try(qr/\(/)) {
        do { push @{$b->{language}}, $g->string } while defined $g->try(qr/ /);
        $g->must(qr/\)/, 'language list without end');
    } else { $b->{language} = $g->nstring }
    $g->space;
    $b->{location} = $g->nstring;
}

sub body {
    my ($g, $extended) = @_;
    my %b;
    $g->fail('deeper than 200') if ++$g->{depth} > 200;
    $g->must(qr/\(/, 'body expected');
    if (substr(${$g->{text}}, $g->{at}, 1) eq '(') {
        push @{$b{parts}}, $g->body($extended) while substr(${$g->{text}}, $g->{at}, 1) eq '(';
        $g->space;
        @b{qw(type subtype)} = ('multipart', $g->string);
        if ($extended) { $g->space; $b{parameters} = $g->parameters; $g->extensions(\%b) }
    } else {
        $b{type} = $g->string; $g->space;
        $b{subtype} = $g->string; $g->space;
        $g->fail('a multipart without parts') if lc $b{type} eq 'multipart';
        $b{parameters} = $g->parameters; $g->space;
        $b{id} = $g->nstring; $g->space;
        $b{description} = $g->nstring; $g->space;
        $b{encoding} = $g->string; $g->space;
        $b{size} = $g->number;
        my $message = lc $b{type} eq 'message' && (lc $b{subtype} eq 'rfc822' || ($g->{utf8} && lc $b{subtype} eq 'global'));
        if ($message) {
            $g->space; $b{envelope} = $g->envelope;
            $g->space; $b{message} = $g->body($extended);
        }
        if ($message || lc $b{type} eq 'text') { $g->space; $b{lines} = $g->number }
        if ($extended) { $g->space; $b{md5} = $g->nstring; $g->extensions(\%b) }
    }
    $g->must(qr/\)/, 'body without end');
    $g->{depth}--;
    return \%b;
}

sub date_time {
    my ($g) = @_;
    return $g->must(qr/"[ 0-3][0-9]-$MONTHS-[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] [-+][0-9]{4}"/, 'date-time expected');
}

sub flags {
    my ($g) = @_;
    $g->must(qr/\(/, 'flag list expected');
    return [] if defined $g->try(qr/\)/);
    my @flags;
    do { push @flags, $g->must(qr/\\?$ATOM+/, 'flag expected') } while defined $g->try(qr/ /);
    $g->must(qr/\)/, 'flag list without end');
    return \@flags;
}

my $PARTS = qr/[1-9][0-9]*(?:\.[1-9][0-9]*)*/;

# BODY[...]: the section is a name as the answer has it.
sub section {
    my ($g) = @_;
    my $name = $g->try(qr/$PARTS/) // '';
    my $word = $g->try($name eq '' ? qr/(?:HEADER|TEXT)(?:\.FIELDS(?:\.NOT)?)?/ : qr/\.(?:HEADER|TEXT|MIME)(?:\.FIELDS(?:\.NOT)?)?/);
    $name .= $word // '';
    if ($name =~ /FIELDS/) {
        $name .= $g->must(qr/ \(/, 'header list expected') . join ' ', @{$g->header_list};
        $name .= ')';
    }
    $g->must(qr/\]/, 'section without end');
    my $origin = $g->try(qr/<[0-9]{1,19}>/);
    return "[$name]" . ($origin // '');
}

sub header_list {
    my ($g) = @_;
    my @names;
    do {
        push @names, $g->try(qr/(?:$ATOM|\])+/) // $g->string;
    } while defined $g->try(qr/ /);
    $g->must(qr/\)/, 'header list without end');
    return \@names;
}

my %ITEMS = (
    UID => sub { $_[0]->must(qr/[1-9][0-9]{0,9}/) },
    FLAGS => \&flags,
    INTERNALDATE => \&date_time,
    'RFC822.SIZE' => \&number,
    ENVELOPE => \&envelope,
    BODY => sub { $_[0]->body(0) },
    BODYSTRUCTURE => sub { $_[0]->body(1) },
    RFC822 => \&nstring,
    'RFC822.HEADER' => \&nstring,
    'RFC822.TEXT' => \&nstring,
    PREVIEW => \&nstring,
    SAVEDATE => sub { defined $_[0]->try(qr/NIL/) ? undef : $_[0]->date_time },
    EMAILID => sub { $_[0]->must(qr/\([A-Za-z0-9_-]{1,255}\)/, 'objectid expected') },
    THREADID => sub { $_[0]->must(qr/NIL|\([A-Za-z0-9_-]{1,255}\)/, 'objectid or NIL expected') },
    MODSEQ => sub { $_[0]->must(qr/\([1-9][0-9]{0,18}\)/, 'mod-sequence expected') },
);

sub fetch_item {
    my ($g, $items) = @_;
    my ($name, $value);
    if (defined $g->try(qr/BODY\[/)) {
        $name = 'BODY' . $g->section; $g->space;
        $value = $g->nstring;
    } elsif (defined $g->try(qr/BINARY\[/)) {
        $name = 'BINARY[' . ($g->try($PARTS) // '') . $g->must(qr/\](?:<[0-9]{1,19}>)?/); $g->space;
        $value = defined $g->try(qr/~\{/) ? $g->literal(1) : $g->nstring;
    } elsif (defined $g->try(qr/BINARY\.SIZE\[/)) {
        $name = 'BINARY.SIZE[' . ($g->try($PARTS) // '') . $g->must(qr/\]/); $g->space;
        $value = $g->number;
    } else {
        $name = $g->must(qr/[A-Z0-9.]+/, 'item of FETCH expected');
        $g->fail("unknown item $name") if !$ITEMS{$name};
        $g->space;
        $value = $ITEMS{$name}->($g);
    }
    $g->fail("$name twice with different values")
        if exists $items->{$name} && !ref $value && ($items->{$name} // '') ne ($value // '');
    $items->{$name} = $value;
}

sub fetch {
    my ($g, $number) = @_;
    my %items;
    $g->must(qr/\(/);
    do { $g->fetch_item(\%items) } while defined $g->try(qr/ /);
    $g->must(qr/\)\r\n/, 'FETCH without end');
    return {kind => 'fetch', number => $number, items => \%items};
}

# One response, whole.
sub response {
    my ($g) = @_;
    if (defined $g->try(qr/\* /)) {
        if (defined(my $start = $g->try(qr/[1-9][0-9]{0,9} FETCH /))) {
            return $g->fetch(0 + ($start =~ /(\d+)/)[0]);
        }
        my $text = $g->must(qr/[^\r\n\x00]*/);
        $g->must(qr/\r\n/, 'CRLF expected');
        $g->fail('unknown untagged response')
            if $text !~ /^(?:[0-9]+ (?:EXISTS|RECENT|EXPUNGE)|(?:OK|NO|BAD|BYE|PREAUTH) .|(?:FLAGS|LIST|LSUB|STATUS|SEARCH|ESEARCH|SORT|THREAD|CAPABILITY|ENABLED|ID|NAMESPACE|VANISHED|QUOTA|QUOTAROOT)(?: |$))/;
        return {kind => 'other', text => $text};
    }
    if (defined $g->try(qr/\+ /)) {
        my $text = $g->must(qr/[^\r\n\x00]*/);
        $g->must(qr/\r\n/, 'CRLF expected');
        return {kind => 'continue', text => $text};
    }
    my $tag = $g->must(qr/(?:(?!\+)$ATOM|\])+/, 'tag expected');
    $g->space;
    my $condition = $g->must(qr/OK|NO|BAD/, 'OK, NO or BAD expected');
    my $text = $g->must(qr/ [^\r\n\x00]+/, 'text expected');
    $g->must(qr/\r\n/, 'CRLF expected');
    return {kind => 'tagged', tag => $tag, condition => $condition, text => substr($text, 1)};
}

sub responses {
    my ($g) = @_;
    my @all;
    push @all, $g->response while !$g->at_end;
    return @all;
}

1;
