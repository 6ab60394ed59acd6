#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern dkim and postern dns: keys from their making to their end, with the records as they were printed in a zone on loopback;
# what DNS doesn't have changes nothing, and neither does a DNS that is down.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use SignedZones;
use Test::More;

my $T = QrunTest->new(domain => 'here.test');
my $keys = "$T->{server}/dkim";

sub postern { return $T->postern(@_); }
sub says {
    my ($status, $text, @words) = @_;
    my ($is, $said) = postern(@words);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $is == $status && $said =~ $text, "postern @words: $status, $text" or diag "$is: $said";
    return $said;
}
sub records { my ($said) = @_; return join '', map { "$_\n" } grep { /^[^;].*_domainkey\S* TXT / } split /\n/, $said; }
# STATE => [selectors] of a domain.
sub states {
    my ($domain) = @_;
    my %s;
    push @{ $s{ (split)[3] } }, (split)[1] for split /\n/, (postern('dkim', 'list', $domain))[1];
    return \%s;
}
my ($OK, $USAGE, $DATA, $NOHOST, $NOUSER, $TEMP, $NOPERM) = (0, 64, 65, 68, 67, 75, 77);

# --- the first pair
my @files = glob "$keys/here.test/*";
like join(' ', map { s{.*/}{}r } @files), qr/\A(\d{8})-ed25519\.pem \1-rsa\.pem\z/, 'setup made a pair, named by day and algorithm';
for (@files) {
    is sprintf('%o', (stat)[2] & 0777), 600, 'for its owner only';
    is +(stat _)[4], (stat $T->{conf})[4], 'who runs the server';
}
is sprintf('%o', (stat "$keys/here.test")[2] & 0777), 700, 'and so is their folder';
says $OK, qr/^here\.test \S+-rsa rsa-2048 signing \d{4}-\d\d-\d\d\nhere\.test \S+-ed25519 ed25519 signing \S+\n\z/, 'dkim', 'list';

my $printed = records(says $OK, qr/\n(?:\S+\._domainkey\.here\.test\. TXT (?:"[^"]{1,255}" ?)+\n){2}; how mail/, 'dns');
like $printed, qr/^\S+-rsa\S+ TXT "v=DKIM1; k=rsa; [^"]{239}" "[^"]+"$/m, 'the longer one in strings of 255 bytes';
like $printed, qr/^\S+-ed25519\S+ TXT "v=DKIM1; k=ed25519; [^"]+"$/m, 'the other in one';

# --- DNS
my $z = SignedZones->new($T, 'here.test' => { text => '' });
says $OK, qr/^here\.test \S+-rsa .* missing\nhere\.test \S+-ed25519 .* missing\n\z/, 'dkim', 'list', '--dns';
$z->change('here.test', $printed);
says $OK, qr/^here\.test \S+-rsa .* published\nhere\.test \S+-ed25519 .* published\n\z/, 'dkim', 'list', '--dns';
$z->change('here.test', $printed =~ s/(k=ed25519.*p=)./$1_/r =~ s/p=MII/p=MIJ/r);
says $OK, qr/-rsa .* different\n.*-ed25519 .* different\n\z/, 'dkim', 'list', '--dns', 'here.test';
$z->change('here.test', $printed =~ s/"v=DKIM1; k=ed.*/"v=DKIM1; k=ed25519; p="/r);
says $OK, qr/-rsa .* published\n.*-ed25519 .* revoked\n\z/, 'dkim', 'list', '--dns', 'here.test';
$z->change('here.test', $printed);

# --- rotating
my $before = states('here.test');
my $waiting = says $OK, qr/run `postern dkim rotate` again/, 'dkim', 'rotate', 'here.test';
is scalar(my @lines = split /\n/, records($waiting)), 2, 'two new records';
is_deeply states('here.test')->{signing}, $before->{signing}, 'the old keys sign';
my $new = states('here.test')->{waiting};
is scalar(grep { my $n = $_; grep { $_ eq $n } @{ $before->{signing} } } @$new), 0, 'the new ones have names of their own';
says $TEMP, qr/\Q$new->[0]\E isn't in DNS yet \(missing\).*\n.*\Q$new->[1]\E isn't/, 'dkim', 'rotate';
is_deeply states('here.test')->{signing}, $before->{signing}, 'the old keys still sign';
says $DATA, qr/wait already/, 'dkim', 'make', 'here.test';
$z->change('here.test', $printed . (split /^/, records($waiting))[0]);
says $TEMP, qr/\Q$new->[1]\E isn't in DNS yet/, 'dkim', 'rotate', 'here.test';
is_deeply states('here.test')->{signing}, $before->{signing}, 'one of two is not enough';
$z->change('here.test', $printed . records($waiting));
says $OK, qr/\Q$new->[0]\E signs now/, 'dkim', 'rotate', 'HERE.test';
is_deeply states('here.test'), { signing => $new, retired => $before->{signing} }, 'they have taken the place of the old ones';
my $all = says $OK, qr/these sign no more/, 'dns', 'here.test';
is_deeply [ sort split /^/, records($all) ], [ sort split /^/, $printed . records($waiting) ], 'all four records are to stay for now';

# --- removing
says $TEMP, qr/\Q$before->{signing}[0]\E is still in DNS/, 'dkim', 'remove', 'here.test';
says $DATA, qr/mail is signed with/, 'dkim', 'remove', 'here.test', $new->[0];
is_deeply states('here.test'), { signing => $new, retired => $before->{signing} }, 'nothing was removed';
says $NOUSER, qr/no such key/, 'dkim', 'remove', 'here.test', 'other';
$z->change('here.test', records($waiting));
says $OK, qr/\Q$before->{signing}[1]\E removed/, 'dkim', 'remove', 'here.test', $before->{signing}[1];
says $OK, qr/\Ahere\.test \Q$before->{signing}[0]\E removed\n\z/, 'dkim', 'remove', 'here.test';
is_deeply states('here.test'), { signing => $new }, 'the retired are gone';
says $NOUSER, qr/no retired key/, 'dkim', 'remove', 'here.test';

# --- a DNS that is down, and going on without
$T->end($z->{pid});
postern('dkim', 'make', 'here.test');
my $third = states('here.test')->{waiting};
says $TEMP, qr/DNS doesn't tell.*nothing was changed/, 'dkim', 'rotate', 'here.test';
is_deeply states('here.test'), { signing => $new, waiting => $third }, 'nothing was';
says $OK, qr/ unknown\n/, 'dkim', 'list', '--dns', 'here.test';
says $OK, qr/signs now/, 'dkim', 'rotate', '--now', 'here.test';
is_deeply states('here.test'), { signing => $third, retired => $new }, 'with --now it goes on';
says $TEMP, qr/try again, or with --now/, 'dkim', 'remove', 'here.test';
says $OK, qr/removed/, 'dkim', 'remove', '--now', 'here.test';
says $OK, qr/signs now/, 'dkim', 'rotate', '--now', 'here.test';
isnt states('here.test')->{signing}[0], $third->[0], 'and from new keys to signing in one run';

# --- killed between the two steps of a rotation
my ($old) = map { @$_ } states('here.test')->{retired};
rename "$keys/here.test/$old.retired.pem", "$keys/here.test/$old.pem" or die;
utime 1000, 1000, "$keys/here.test/$old.pem" or die;
says $OK, qr/\A; \Q$old\E signs no more[^\n]*\n\z/, 'dkim', 'rotate', 'here.test';
is scalar @{ states('here.test')->{signing} }, 2, 'the next run ends it, and makes no more';

# --- killed, or failing, at each step of a rotation, and of the making of keys
{
    my $build = $ENV{BUILD} || 'build';
    system('cp', "$build/tests/crash/shim.so", $T->{bin}) == 0 or die;
    $T->run_as('postern', '-c', $T->{conf}, 'domain', 'add', 'crash.test');
    $T->run_as('postern', '-c', $T->{conf}, 'dkim', 'make', 'crash.test');
    my $before = states('crash.test');
    system("cp -a $keys/crash.test $T->{dir}/rotated && rm -f $T->{dir}/rotated/*.waiting.pem && cp -a $keys/crash.test $T->{dir}/waiting") == 0 or die;
    # N, what happens then, which keys there are, the command: how many calls were counted.
    my $hit = sub {
        my ($n, $action, $from, @words) = @_;
        system("rm -rf $keys/crash.test && cp -a $T->{dir}/$from $keys/crash.test && head -c 262144 /dev/zero >$T->{dir}/count && chmod 666 $T->{dir}/count") == 0
            or die;
        local %ENV = (%ENV, LD_PRELOAD => "$T->{bin}/shim.so", SHIM_COUNT => "$T->{dir}/count", SHIM_AT => $n, SHIM_ACTION => $action,
                      SHIM_ERRNO => 28, ASAN_OPTIONS => 'verify_asan_link_order=0:detect_leaks=0');
        $T->run_as('postern', '-c', $T->{conf}, @words);
        return unpack 'Q', $T->slurp("$T->{dir}/count");
    };
    my @bad;
    for my $action (qw(exit fail)) {
        for (my $n = 1; $n < 200 && $hit->($n, $action, 'waiting', 'dkim', 'rotate', '--now', 'crash.test') >= $n; $n++) {
            my $is = states('crash.test');
            my %kinds = map { /-(\w+)$/ => 1 } @{ $is->{signing} };
            my @all = sort map { @$_ } values %$is;
            push @bad, "$action at $n: @{ $is->{signing} // [] } of @all" if keys %kinds != 2 || "@all" ne join ' ', sort map { @$_ } values %$before;
            $T->run_as('postern', '-c', $T->{conf}, 'dkim', 'rotate', '--now', 'crash.test') if $is->{waiting};
            $T->run_as('postern', '-c', $T->{conf}, 'dkim', 'rotate', 'crash.test') if @{ states('crash.test')->{signing} } > 2;
            my $after = states('crash.test');
            push @bad, "$action at $n: then @{ $after->{signing} }" if "@{ $after->{signing} }" ne "@{ $before->{waiting} }";
        }
        for (my $n = 1; $n < 200 && $hit->($n, $action, 'rotated', 'dkim', 'make', 'crash.test') >= $n; $n++) {
            my $is = states('crash.test');
            push @bad, "make, $action at $n" if "@{ $is->{signing} }" ne "@{ $before->{signing} }";
            postern('dkim', 'remove', 'crash.test', @{ $is->{waiting} }) if $is->{waiting};
            push @bad, "make, $action at $n: then not" if $T->run_as('postern', '-c', $T->{conf}, 'dkim', 'make', 'crash.test') != 0;
            push @bad, "make, $action at $n: left behind" if glob "$keys/crash.test/*.tmp";
        }
    }
    is join("\n", @bad), '', 'killed or failing at any call, each kind has a key that signs, none is lost, and the next run ends it';
}

# --- domains
says $OK, qr/signed from now on/, 'domain', 'add', 'also.test', '=', 'here.test';
says $OK, qr/^(?:also\.test \S+ \S+ signing \S+\n){2}\z/, 'dkim', 'list', 'also.test';
says $OK, qr/^/, 'domain', 'add', 'relayed.test', 'relay', 'all';
says $OK, qr/^\z/, 'dkim', 'list', 'relayed.test';
like scalar(says $OK, qr/^relayed\.test\. MX 20 mail\.here\.test\.$/m, 'dns', 'relayed.test'), qr/\A(?!.*relayed\S* TXT)/s, 'a domain that is relayed has no keys';
says $NOHOST, qr/is no domain of this server/, 'dns', 'foreign.test';
says $OK, qr/signed with these from now on/, 'dkim', 'make', 'relayed.test', 'Mail.Here.Test';
ok -d "$keys/mail.here.test", 'the server itself may have keys';
says $OK, qr/signed from now on/, 'domain', 'add', "b\xc3\xbccher.test";
ok -d "$keys/xn--bcher-kva.test", 'a domain is known by its A-label';
says $OK, qr/^\S+\._domainkey\.xn--bcher-kva\.test\. TXT/m, 'dns', "b\xc3\xbccher.test";
says $NOHOST, qr/no domain of this server/, 'dkim', 'make', 'foreign.test';
says $DATA, qr/is no domain/, 'dkim', 'make', '../x';
says $NOHOST, qr/has no keys/, 'dkim', 'rotate', 'foreign.test';
says $USAGE, qr/usage: postern dkim make DOMAIN/, 'dkim', 'make';
says $USAGE, qr/of which domain/, 'dkim', 'remove', '--now';
says $OK, qr/^  dkim list .*\n  dkim make .*\n  dkim rotate .*\n  dkim remove /m, 'dkim', '--help';

# --- keys of another program, and such as can't be used
system("certtool --generate-privkey --key-type rsa --bits 1024 --outfile $keys/relayed.test/mail.pem >/dev/null 2>&1") == 0 or die;
chmod 0600, "$keys/relayed.test/mail.pem";
$T->own;
says $OK, qr/^relayed\.test mail rsa-1024 signing /m, 'dkim', 'list', 'relayed.test';
chmod 0640, "$keys/relayed.test/mail.pem";
says $NOPERM, qr/mail\.pem: others may read it/, 'dkim', 'list', 'relayed.test';
chmod 0600, "$keys/relayed.test/mail.pem";
$T->spew("$keys/relayed.test/mail.pem", "-----BEGIN NOTHING-----\n");
says $DATA, qr/its key mail is no private key/, 'dkim', 'list', 'relayed.test';
says $OK, qr/mail removed/, 'dkim', 'remove', '--now', 'relayed.test', 'mail';

# --- many at once
my @pids = map { $T->start($T->command('postern', '-c', $T->{conf}, 'dkim', 'make', 'also.test')) } 1 .. 4;
my @status = sort { $a <=> $b } map { $T->finish($_) >> 8 } @pids;
is_deeply \@status, [ 0, $DATA, $DATA, $DATA ], 'of four that make keys at a time one does';
is scalar @{ states('also.test')->{waiting} }, 2, 'and two keys wait';
done_testing;
