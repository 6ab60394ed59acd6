/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One GET over HTTPS, on a socket that is connected already: for a sandbox that can open nothing.
 *
 * Not libcurl: what Debian builds on GnuTLS still links OpenSSL's libcrypto (by libssh2, and Kerberos, LDAP,
 * RTMP beside: 30 libraries for one small file), resolves names by itself and reads its certificates from
 * files. HTTP/1.1 for one request is text/http.h. It follows no redirection (RFC 8461 3.3) and understands no
 * compression.
 */
#ifndef POSTERN_NET_HTTPS_H
#define POSTERN_NET_HTTPS_H

#include "base/bytes.h"

enum https_result {
    HTTPS_OK,
    HTTPS_UNTRUSTED, /* the certificate isn't right for the host */
    HTTPS_FAILED,    /* anything else */
};

enum https_type { HTTPS_TEXT_PLAIN, HTTPS_ANY_TYPE };

/* Asks for https://HOST/PATH, with a certificate that `roots` (PEM) vouch for. Another Content-Type than
 * `type` is a failure. All of it takes `ms` at most. HTTPS_OK: the body, within its limit. Else *why has a
 * sentence. */
enum https_result https_get(int socket, const char *host, const char *path, enum https_type type,
                            struct span roots, int ms, struct bytes *body, struct bytes *why);

#endif
