/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the table `routes`; see hop.h. What could be guessed is refused: a route that is read wrong sends
 * mail, or a password, to the wrong place.
 */
#include "text/hop.h"
#include "text/domains.h"

#include <arpa/inet.h>
#include <string.h>

#define SUN_PATH_LIMIT 107 /* bytes of a Unix socket's path */
#define LITERAL_LIMIT 64

#define WHERE_WRONG                                                                                          \
    "is no place to send mail to; it looks like smtp:[mail.example.net]:587, smtp:example.net, "             \
    "smtps:[192.0.2.1], "                                                                                    \
    "lmtp:unix:/run/lmtp, lmtp:[127.0.0.1]:24, or direct"

static const char *const tls_words[] = { "may", "none", "encrypt", "verify" };
static const char *const protocol_words[] = { "smtp", "smtps", "lmtp" };

static struct span cut_word(struct span *rest)
{
    size_t n = 0;
    *rest = span_trim(*rest);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    struct span word = span_head(*rest, n);
    *rest = span_from(*rest, n);
    return word;
}

/* 192.0.2.1, 2001:db8::1 or IPv6:2001:db8::1 between brackets: an address literal. */
static bool read_literal(struct span inner, struct hop *h)
{
    char text[LITERAL_LIMIT];
    unsigned char address[16];
    struct span v6 = span_istarts(inner, "IPv6:") ? span_from(inner, 5) : inner;
    struct bytes name;
    bytes_init(&name, sizeof h->name - 1);
    if (span_copy(inner, text, sizeof text) && inet_pton(AF_INET, text, address) == 1)
        bytes_printf(&name, "[%s]", text);
    else if (span_copy(v6, text, sizeof text) && inet_pton(AF_INET6, text, address) == 1)
        bytes_printf(&name, "[IPv6:%s]", text);
    bool good = name.len && span_copy(span_bytes(&name), h->name, sizeof h->name);
    bytes_free(&name);
    return good;
}

/* HOST, [HOST], [ADDRESS], each with :PORT or without. */
static bool read_host(struct span text, struct hop *h)
{
    uint64_t port = 0;
    size_t close = span_find(text, ']');
    struct span host = text, rest;
    if (text.n && text.p[0] == '[') {
        if (close == text.n)
            return false;
        h->exact = true;
        host = span_head(span_from(text, 1), close - 1);
        rest = span_from(text, close + 1);
    } else {
        host = span_head(text, span_find(text, ':'));
        rest = span_from(text, host.n);
    }
    if (rest.n && (rest.p[0] != ':' || !span_u64(span_from(rest, 1), 65535, &port) || port == 0))
        return false;
    h->port = (unsigned)port;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] == 0x7f) /* or not ASCII: a host has its name as DNS has it */
            return false;
    return (h->exact && read_literal(host, h)) || domain_name(host, h->name);
}

static bool read_path(struct span path, struct hop *h)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] == 0x7f) /* or not ASCII */
            return false;
    h->local = h->exact = true;
    return path.n > 1 && path.n <= SUN_PATH_LIMIT && path.p[0] == '/' &&
           span_copy(path, h->name, sizeof h->name);
}

static bool read_where(struct span word, struct hop *h)
{
    if (span_ieq_str(word, "direct")) {
        h->direct = true;
        return true;
    }
    size_t colon = span_find(word, ':');
    struct span first = span_head(word, colon);
    for (size_t i = 0; i < sizeof protocol_words / sizeof protocol_words[0]; i++)
        if (colon < word.n && span_ieq_str(first, protocol_words[i])) {
            h->protocol = (enum hop_protocol)i;
            word = span_from(word, colon + 1);
            if (h->protocol == HOP_LMTP && span_istarts(word, "unix:"))
                return read_path(span_from(word, 5), h);
            if (h->protocol == HOP_LMTP)
                h->exact = true; /* LMTP has no mail exchangers (RFC 2033 5) */
            return read_host(word, h);
        }
    return read_host(word, h);
}

static const char *read_options(struct span rest, struct hop *h)
{
    bool said = false;
    for (struct span word = cut_word(&rest); word.n; word = cut_word(&rest)) {
        bool known = span_ieq_str(word, "auth");
        h->auth = h->auth || known;
        for (size_t i = 0; i < sizeof tls_words / sizeof tls_words[0] && !known; i++)
            if (span_istarts(word, "tls=") && span_ieq_str(span_from(word, 4), tls_words[i])) {
                h->tls = (enum hop_tls)i;
                known = said = true;
            }
        if (!known)
            return "has an option that is none; there are tls=may, tls=none, tls=encrypt, tls=verify, and "
                   "auth";
    }
    if (h->auth && !said)
        h->tls = HOP_TLS_VERIFY;
    if (h->direct && (h->auth || said))
        return "can't have options; they are for hosts that are named";
    if (h->local && (h->auth || h->tls > HOP_TLS_NONE))
        return "can't have auth or TLS on a Unix socket";
    if (h->tls == HOP_TLS_VERIFY && h->name[0] == '[')
        return "can't be verified, as certificates are for names: name the host, or say tls=encrypt";
    if (h->protocol == HOP_SMTPS && h->tls == HOP_TLS_NONE)
        return "can't be without TLS; smtp: can";
    if (h->protocol == HOP_SMTPS && h->tls == HOP_TLS_MAY)
        h->tls = HOP_TLS_ENCRYPT;
    return NULL;
}

const char *hop_read(struct span text, struct hop *h)
{
    *h = (struct hop){ .direct = false };
    struct span where = cut_word(&text);
    return read_where(where, h) ? read_options(text, h) : WHERE_WRONG;
}

void hop_write(const struct hop *h, struct bytes *out)
{
    if (h->direct) {
        bytes_add_str(out, "direct");
        return;
    }
    bool brackets = h->exact && !h->local && h->name[0] != '[';
    bytes_printf(out, "%s:%s%s%s%s", protocol_words[h->protocol], h->local ? "unix:" : "",
                 brackets ? "[" : "", h->name, brackets ? "]" : "");
    if (h->port)
        bytes_printf(out, ":%u", h->port);
    if (h->tls != HOP_TLS_MAY || h->auth)
        bytes_printf(out, " tls=%s", tls_words[h->tls]);
    if (h->auth)
        bytes_add_str(out, " auth");
}

/* "*", a domain, .domain, or an address. */
static bool read_who(struct span word, struct bytes *who)
{
    struct address a;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    bool all = span_eq_str(word, "*"), below = word.n > 1 && word.p[0] == '.';
    bool one = !all && span_find(word, '@') < word.n;
    if (one && (address_parse(word, &a) != ADDRESS_OK || address_is_null(&a)))
        return false;
    if (!all && !one && !domain_name(below ? span_from(word, 1) : word, domain))
        return false;
    for (size_t i = 0; i < word.n; i++)
        bytes_add_char(who, ascii_lower(word.p[i]));
    return !who->failed;
}

const char *hop_line(struct span line, struct bytes *who, struct hop *h)
{
    struct span word = cut_word(&line);
    if (!read_who(word, who))
        return "must begin with a domain, .domain for what is below it, an address, or *";
    return hop_read(line, h);
}
