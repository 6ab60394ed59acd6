# SPDX-License-Identifier: GPL-3.0-or-later
#
# For shell tests that need a machine of their own, where they install, enable and hold ports as they like; to be sourced first, from
# the root of the tree. It starts the test again on such a machine (tests/with-systemd), or skips it where there is no root; there
# it sources tap.sh and sets $PATH and $BUILD.
#
#     install_postern    `make install` below /usr/local, and systemd told of it: user, folders and units are there, nothing is enabled

if [ "$(id -u)" != 0 ]; then
    echo '1..0 # SKIP needs root: it has a machine of its own, in namespaces'
    exit 0
fi
if [ -z "${ON_OWN_MACHINE:-}" ]; then
    ON_OWN_MACHINE=yes exec tests/with-systemd "tests/${0##*/}"
fi
. tests/tap.sh

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
BUILD=${BUILD:-build}

install_postern() {
    make -s install BUILD="$BUILD" PREFIX=/usr/local && systemd-sysusers &&
        systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/postern.conf && systemctl daemon-reload
}
