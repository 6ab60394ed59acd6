/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The macros that a filter gets before a command: those of Sendmail and Postfix that it can be told, by the
 * names that it asked for, or else by those that are usual. One without a value isn't sent.
 */
#include "session_milter.h"
#include "net/tls.h"

#include <arpa/inet.h>

static const struct peer *peer_of(const struct milters *all)
{
    return &all->session->serving->peer;
}

static void add_address(const struct in6_addr *a, struct bytes *out)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = IN6_IS_ADDR_V4MAPPED(a);
    if (inet_ntop(v4 ? AF_INET : AF_INET6, a->s6_addr + (v4 ? 12 : 0), text, sizeof text))
        bytes_add_str(out, text);
}

static void put_hostname(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->session->serving->settings->hostname);
}

static void put_version(const struct milters *all, struct bytes *out)
{
    (void)all;
    bytes_add_str(out, "Postern");
}

static void put_daemon(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->submission ? "MSA" : "MTA");
}

static void put_client_name(const struct milters *all, struct bytes *out)
{
    milter_client_name(all, out);
}

static void put_client_address(const struct milters *all, struct bytes *out)
{
    if (peer_of(all)->known)
        bytes_add_str(out, peer_of(all)->text);
    else if (peer_of(all)->local)
        bytes_add_str(out, "127.0.0.1");
}

static void put_client(const struct milters *all, struct bytes *out)
{
    milter_client_name(all, out);
    bytes_add_str(out, " [");
    put_client_address(all, out);
    bytes_add_str(out, "]");
}

static void put_client_ptr(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->name);
}

static void put_client_port(const struct milters *all, struct bytes *out)
{
    if (peer_of(all)->known)
        bytes_add_u64(out, peer_of(all)->port);
}

static void put_here(const struct milters *all, struct bytes *out)
{
    if (peer_of(all)->known)
        add_address(&peer_of(all)->here, out);
}

static void put_here_port(const struct milters *all, struct bytes *out)
{
    if (peer_of(all)->known)
        bytes_add_u64(out, peer_of(all)->here_port);
}

/* "TLS1.3 TLS_AES_256_GCM_SHA384" in two parts. */
static struct span tls_part(const struct milters *all, bool second)
{
    struct span rest = span_of(all->session->tls ? tls_description(all->session->conn) : ""), first;
    return span_cut(&rest, ' ', &first) && !second ? first : rest;
}

static void put_tls_version(const struct milters *all, struct bytes *out)
{
    struct span version = tls_part(all, false);
    if (span_starts(version, "TLS1"))
        bytes_printf(out, "TLSv%.*s", SPAN_FMT(span_from(version, 3)));
}

static void put_cipher(const struct milters *all, struct bytes *out)
{
    bytes_add_span(out, tls_part(all, true));
}

static void put_cipher_bits(const struct milters *all, struct bytes *out)
{
    char name[128];
    if (!span_copy(tls_part(all, true), name, sizeof name))
        return;
    if (strstr(name, "128_"))
        bytes_add_str(out, "128");
    else if (strstr(name, "256_") || strstr(name, "CHACHA20"))
        bytes_add_str(out, "256");
}

static void put_id(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->id);
}

static void put_mechanism(const struct milters *all, struct bytes *out)
{
    if (all->login[0])
        bytes_add_str(out, all->session->mechanism);
}

static void put_login(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->login);
}

static void put_sender(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->sender.text);
}

static void put_sender_host(const struct milters *all, struct bytes *out)
{
    bytes_add_span(out, address_domain(&all->sender));
}

static void put_mailer(const struct milters *all, struct bytes *out)
{
    (void)all;
    bytes_add_str(out, "esmtp");
}

/* Of one that was refused: the reply. */
static void put_recipient(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->recipient_reply ? all->recipient_reply : all->recipient.text);
}

/* Of one that was refused: the enhanced code. */
static void put_recipient_host(const struct milters *all, struct bytes *out)
{
    struct span reply = span_from(span_of(all->recipient_reply), 4);
    bytes_add_span(out, all->recipient_reply ? span_head(reply, span_find(reply, ' '))
                                             : address_domain(&all->recipient));
}

static void put_recipient_mailer(const struct milters *all, struct bytes *out)
{
    bytes_add_str(out, all->recipient_reply ? "error" : "esmtp");
}

static const struct macro {
    const char *name;
    void (*put)(const struct milters *all, struct bytes *out);
    const char *usual; /* commands before which it is sent unless the filter wants others */
} macros[] = {
    { "j", put_hostname, "C" },
    { "_", put_client, "C" },
    { "v", put_version, "C" },
    { "{daemon_name}", put_daemon, "C" },
    { "{daemon_addr}", put_here, "C" },
    { "{daemon_port}", put_here_port, "C" },
    { "{if_addr}", put_here, "C" },
    { "{client_addr}", put_client_address, "C" },
    { "{client_name}", put_client_name, "C" },
    { "{client_ptr}", put_client_ptr, "C" },
    { "{client_port}", put_client_port, "C" },
    { "{tls_version}", put_tls_version, "HM" },
    { "{cipher}", put_cipher, "HM" },
    { "{cipher_bits}", put_cipher_bits, "HM" },
    { "i", put_id, "MRTNE" },
    { "{auth_type}", put_mechanism, "M" },
    { "{auth_authen}", put_login, "M" },
    { "{mail_addr}", put_sender, "M" },
    { "{mail_host}", put_sender_host, "M" },
    { "{mail_mailer}", put_mailer, "M" },
    { "{rcpt_addr}", put_recipient, "R" },
    { "{rcpt_host}", put_recipient_host, "R" },
    { "{rcpt_mailer}", put_recipient_mailer, "R" },
};
#define MACROS (sizeof macros / sizeof macros[0])

/* With its braces or without. */
static bool is_named(const struct macro *m, struct span name)
{
    struct span own = span_of(m->name);
    if (name.n > 2 && name.p[0] != '{' && own.p[0] == '{')
        own = span_head(span_from(own, 1), own.n - 2);
    return span_eq(own, name);
}

static void put(const struct milters *all, const struct macro *m, struct milter_packet *p)
{
    struct bytes value;
    bytes_init(&value, 2048);
    m->put(all, &value);
    if (value.len && !value.failed) {
        milter_put(p, span_of(m->name));
        milter_put(p, span_bytes(&value));
    }
    bytes_free(&value);
}

/* What it asked for at this command; p NULL: it didn't say. */
static struct span wanted(const struct milter *m, char command)
{
    static const char stages[MILTER_STAGES] = { MILTER_CONNECT, MILTER_HELO, MILTER_MAIL,      MILTER_RCPT,
                                                MILTER_DATA,    MILTER_END,  MILTER_HEADER_END };
    for (int i = 0; i < MILTER_STAGES; i++)
        if (stages[i] == command)
            return m->options.macros[i];
    return (struct span){ NULL, 0 };
}

void milter_put_macros(const struct milters *all, struct milter *m, char command)
{
    struct milter_packet p;
    struct span names = wanted(m, command), name;
    size_t begun = m->out.len;
    milter_begin(&p, &m->out, MILTER_MACROS);
    milter_put_bytes(&p, (struct span){ &command, 1 });
    size_t empty = m->out.len;
    if (!names.p)
        for (size_t i = 0; i < MACROS; i++)
            if (strchr(macros[i].usual, command))
                put(all, &macros[i], &p);
    while (span_cut(&names, ' ', &name))
        for (size_t i = 0; i < MACROS; i++)
            if (is_named(&macros[i], name))
                put(all, &macros[i], &p);
    milter_finish(&p);
    if (m->out.len == empty)
        m->out.len = begun;
}
