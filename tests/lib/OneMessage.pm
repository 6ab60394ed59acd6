# SPDX-License-Identifier: GPL-3.0-or-later
#
# One message at a time by qrun, and what became of it. After OneMessage::from($T), a QrunTest:
#
#     send_one($domain, %o)                 to bob there, with put()'s options: state D (taken), T (waits) or B (bounced), why, taken,
#                                           events of the sinks, log of qrun, bounce. What waits is then removed
#     delivered($domain, $tls, $name, %o)   checks that it was taken over that kind of TLS
#     deferred($domain, $why, $name, %o)    checks that it waits, and that no address was said
# A domain without a dot is one of .test.
package OneMessage;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
our @EXPORT = qw(send_one delivered deferred);

my $T;
sub from { $T = shift }

sub send_one {
    my ($domain, %o) = @_;
    $domain = "$domain.test" if $domain !~ /\./;
    $T->forget;
    my $before = () = $T->mailbox('alice');
    my $log = length $T->log;
    my $id = $T->put('alice@here.test', ["bob\@$domain"], %o);
    $T->qrun;
    my %r = (id => $id, why => $T->why($id), taken => [ $T->taken ], log => substr($T->log, $log), events => join "\n", $T->events);
    my @mail = $T->mailbox('alice');
    $r{state} = $T->queued($id) ? 'T' : @mail > $before ? 'B' : 'D';
    $r{bounce} = $r{state} eq 'B' ? (grep { /bob\@\Q$domain\E/ } @mail)[-1] : '';
    $T->run_as('rm', $T->queued($id)) if $r{state} eq 'T';
    return \%r;
}

sub delivered {
    my ($domain, $tls, $name, %o) = @_;
    my $r = send_one($domain, %o);
    is $r->{state}, 'D', "$name: sent" or diag $r->{why}, $r->{log};
    like $r->{log}, qr/event=connected .*security=$tls\b/, "$name: $tls";
    like $r->{log}, qr/event=delivered .*tls=$tls\b/, "$name: said with the delivery";
    return $r;
}

sub deferred {
    my ($domain, $why, $name, %o) = @_;
    my $r = send_one($domain, %o);
    is $r->{state}, 'T', "$name: waits" or diag $r->{log};
    like $r->{why}, $why, "$name: says why";
    unlike $r->{events}, qr/MAIL FROM/, "$name: no address was said";
    return $r;
}

1;
