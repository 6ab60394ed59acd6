/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Received and Return-Path; see trace.h.
 */
#include "text/trace.h"
#include "text/date.h"

#include <string.h>

/* In a domain or address literal, and in a comment, none of these ends or opens anything. */
static bool is_safe(char c, const char *also)
{
    return ascii_alpha(c) || ascii_digit(c) || (c && strchr(also, c));
}

static void add_safe(struct bytes *out, struct span text, size_t limit, const char *also)
{
    text = span_head(text, limit);
    for (size_t i = 0; i < text.n; i++)
        bytes_add_char(out, is_safe(text.p[i], also) ? text.p[i] : '?');
}

/* " (mail.example.org [192.0.2.1])" */
static void add_client(const struct trace *t, struct bytes *out)
{
    bytes_add_str(out, " (");
    if (t->reverse && t->reverse[0])
        add_safe(out, span_of(t->reverse), TRACE_HELO_LIMIT, "-._");
    else if (t->reverse)
        bytes_add_str(out, "unknown");
    bytes_printf(out, "%s[%s%s])", t->reverse ? " " : "", strchr(t->address, ':') ? "IPv6:" : "", t->address);
}

/* "ESMTPSA" and its kin (RFC 3848, RFC 6531 4.3). */
static const char *protocol_name(const struct trace *t)
{
    static const char *const names[2][2][4] = { { { "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" },
                                                  { "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" } },
                                                { { "LMTP", "LMTPA", "LMTPS", "LMTPSA" },
                                                  { "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA" } } };
    if (!t->extended)
        return "SMTP";
    return names[t->lmtp][t->utf8][(t->tls ? 2 : 0) + (t->login ? 1 : 0)];
}

bool trace_received(const struct trace *t, struct bytes *out)
{
    bytes_add_str(out, "Received: ");
    if (t->by_user) {
        bytes_printf(out, "by %s (uid %u)", t->hostname, t->uid);
    } else {
        bytes_add_str(out, "from ");
        if (t->helo.n)
            add_safe(out, t->helo, TRACE_HELO_LIMIT, "-._:[]");
        else
            bytes_add_str(out, "unknown");
        if (t->address)
            add_client(t, out);
        bytes_printf(out, "\r\n\tby %s", t->hostname);
    }
    bytes_printf(out, " with %s id %s", protocol_name(t), t->id);
    if (t->session && t->session[0])
        bytes_printf(out, " (session %s)", t->session);
    if (t->tls && t->tls_description.n) {
        bytes_add_str(out, "\r\n\t(");
        add_safe(out, t->tls_description, TRACE_TLS_LIMIT, "-._: ");
        bytes_add_char(out, ')');
    }
    if (t->recipient && address_domain(t->recipient).n)
        bytes_printf(out, "\r\n\tfor <%s>", t->recipient->text);
    bytes_add_str(out, ";\r\n\t");
    date_write(t->time, out);
    return bytes_add_str(out, "\r\n");
}

bool trace_return_path(const struct address *sender, struct bytes *out)
{
    return bytes_printf(out, "Return-Path: <%s>\r\n", sender->text);
}

bool trace_delivered_to(const struct address *account, char delimiter, const char *detail, struct bytes *out)
{
    bytes_add_str(out, "Delivered-To: ");
    bytes_add_span(out, address_local(account));
    if (detail[0]) {
        bytes_add_char(out, delimiter);
        bytes_add_str(out, detail);
    }
    bytes_add_char(out, '@');
    bytes_add_span(out, address_domain(account));
    return bytes_add_str(out, "\r\n");
}
