#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern doctor, as root, where a real systemd holds the ports: what it says before they are open, that it is content once they are, cold
# and warm, and that it sees a unit that failed, one that isn't enabled, and another's program on a port of ours.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh


set_up() {
    install_postern && postern setup mail.example.test example.test && echo 'resolver 127.0.0.1:1' >>/etc/postern/postern.conf
}

# says STATUS PATTERN CHECK...
says() {
    local status=$1 pattern=$2 is=0
    shift 2
    postern doctor "$@" >"$work/said" 2>&1 || is=$?
    cat "$work/said"
    [ "$is" = "$status" ] && grep -qE -- "$pattern" "$work/said"
}

# The resolver, which isn't there, is an error each time; of the checks that are meant there is none.
content() {
    postern doctor "$@" >"$work/said" 2>&1
    cat "$work/said"
    ! grep -vE '^error   resolver: ' "$work/said" | grep .
}

holds() { # PORT: somebody else listens there
    perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 1, ReuseAddr => 1) or die; open F, ">", $ARGV[1]; close F; sleep' \
        "$1" "$work/holds" >/dev/null 2>&1 &
    pids="$pids $!"
    eventually 60 test -e "$work/holds"
}

check 'a server is set up' set_up || { done_testing; exit; }
check 'nothing is open at first' says 2 'error +units: postern-smtp.socket isn.t active' units ports
check 'postern.target opens it' systemctl enable --now postern.target
check '... and all is well' content units ports
check 'permissions are as they should be' content permissions tables
check 'warm too' systemctl start postern-smtp-warm.socket postern-imaps-warm.socket
exec 3<>/dev/tcp/127.0.0.1/25
read -r -t 60 _ <&3
check '... a listener of ours on port 25 is no stranger' content ports
check '... but not after a new start' says 2 'postern-smtp-warm.socket isn.t enabled' units
exec 3>&-
check 'when they are enabled' systemctl enable postern-smtp-warm.socket postern-imaps-warm.socket
check '... all is well' content units
check 'somebody else listens on port 995' holds 995
check '... and is named' says 2 'error +ports: port 995 is held by .*/perl' ports
check 'without the timer' systemctl stop postern-qrun.timer
check '... it says what that means' says 2 'postern-qrun.timer isn.t active: mail that waits' units
mkdir -p /etc/systemd/system/postern-qrun.service.d
printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >/etc/systemd/system/postern-qrun.service.d/x.conf
systemctl daemon-reload
systemctl start postern-qrun.service 2>/dev/null
check 'a unit fails' eventually 60 systemctl is-failed -q postern-qrun.service
check '... is named' says 2 'postern-qrun.service has failed' units
chmod 644 /etc/postern/secrets
check 'secrets that others can read' says 2 'permissions: /etc/postern/secrets: others' permissions
done_testing
