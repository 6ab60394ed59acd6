/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL in the session: which mechanisms there are, the client's responses, PLAIN and LOGIN; see sasl.h. SCRAM
 * is sasl_scram.c. What was read of passwords is wiped.
 *
 * Limits: SASL_LINE a response as it comes (RFC 4954 4), SASL_MESSAGE decoded.
 */
#include "store/sasl.h"
#include "store/sasl_private.h"
#include "text/base64.h"

#define SASL_LINE 12288

bool sasl_takes_passwords(const struct settings *s, bool tls)
{
    return tls || s->plaintext_login;
}

bool sasl_offered(const struct settings *s, bool tls)
{
    return s->scram || sasl_takes_passwords(s, tls);
}

static bool offers_scram(const struct settings *s, bool tls)
{
    (void)tls;
    return s->scram;
}

static bool offers_scram_plus(const struct settings *s, bool tls)
{
    return s->scram && tls;
}

static enum sasl_result decode(struct span line, struct bytes *response)
{
    bytes_clear(response);
    if (base64_decode(line, response))
        return SASL_DONE;
    return response->failed ? SASL_TOO_LONG : SASL_NOT_BASE64;
}

enum sasl_result sasl_ask(const struct sasl *s, struct span challenge, struct bytes *response)
{
    struct conn *conn = s->serving->conn;
    struct span line;
    struct bytes encoded;
    bytes_init(&encoded, 2 * SASL_MESSAGE);
    bool ok = base64_encode(challenge, &encoded);
    conn_printf(conn, "%s%s\r\n", s->prompt, bytes_str(&encoded));
    bytes_free(&encoded);
    if (!ok)
        return SASL_TEMP;
    switch (conn_line(conn, SASL_LINE, &line)) {
    case CONN_OK:
        return span_eq_str(line, "*") ? SASL_CANCELLED : decode(line, response);
    case CONN_TOO_LONG:
        return SASL_TOO_LONG;
    case CONN_BARE:
    case CONN_NUL:
        return SASL_BAD_LINE;
    case CONN_GONE:
    case CONN_TIMEOUT:
        break;
    }
    return SASL_GONE;
}

enum sasl_result sasl_judged(uint64_t says)
{
    switch (says) {
    case ST_OK:
        return SASL_DONE;
    case ST_TEMP:
        return SASL_TEMP;
    case ST_PERM:
        return SASL_WRONG;
    case LOGIN_SAYS_DISABLED:
        return SASL_DISABLED;
    case LOGIN_SAYS_LIMITED:
        return SASL_LIMITED;
    case LOGIN_SAYS_NO_ACCOUNT:
        return SASL_NO_ACCOUNT;
    default:
        return SASL_OVER;
    }
}

static enum sasl_result ask_password(const struct sasl *s, struct span as, struct span name,
                                     struct span password)
{
    if (!name.n || name.n > LOGIN_NAME_LIMIT || as.n > LOGIN_NAME_LIMIT || password.n > LOGIN_PASSWORD_LIMIT)
        return SASL_WRONG;
    return s->password(s, as, name, password);
}

enum sasl_result sasl_password(const struct sasl *s, struct span name, struct span password)
{
    return ask_password(s, SPAN(""), name, password);
}

static enum sasl_result run_plain(const struct sasl *s, struct bytes *first)
{
    struct span as, name, password;
    if (!login_split_plain(span_bytes(first), &as, &name, &password))
        return SASL_MALFORMED;
    return ask_password(s, as, name, password);
}

/* No standard; the name and the password by two challenges whose words some clients look at. */
static enum sasl_result run_login(const struct sasl *s, struct bytes *first)
{
    struct bytes password;
    bytes_init(&password, SASL_MESSAGE);
    enum sasl_result result = sasl_ask(s, SPAN("Password:"), &password);
    if (result == SASL_DONE)
        result = sasl_password(s, span_bytes(first), span_bytes(&password));
    bytes_wipe(&password);
    return result;
}

static const struct mechanism {
    const char *name;
    const char *challenge; /* the first, which an initial response answers in advance */
    bool login;            /* only where LOGIN is wanted */
    bool (*offered)(const struct settings *s, bool tls);
    enum sasl_result absent; /* what it comes to where it isn't offered */
    enum sasl_result (*run)(const struct sasl *s, struct bytes *first);
} mechanisms[] = {
    { "PLAIN", "", false, sasl_takes_passwords, SASL_PLAINTEXT, run_plain },
    { "LOGIN", "Username:", true, sasl_takes_passwords, SASL_PLAINTEXT, run_login },
    { "SCRAM-SHA-256", "", false, offers_scram, SASL_UNKNOWN, sasl_scram },
    { "SCRAM-SHA-256-PLUS", "", false, offers_scram_plus, SASL_UNKNOWN, sasl_scram_plus },
};
#define MECHANISMS (sizeof mechanisms / sizeof mechanisms[0])

void sasl_write_mechanisms(struct conn *to, const struct settings *s, bool tls, bool login,
                           const char *before)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (mechanisms[i].offered(s, tls) && (login || !mechanisms[i].login)) {
            conn_write_str(to, before);
            conn_write_str(to, mechanisms[i].name);
        }
}

enum sasl_result sasl_authenticate(const struct sasl *s, struct span mechanism, struct span initial)
{
    const struct mechanism *row = mechanisms, *end = mechanisms + MECHANISMS;
    struct bytes first;
    while (row < end && !(span_ieq_str(mechanism, row->name) && (s->login || !row->login)))
        row++;
    if (row == end)
        return SASL_UNKNOWN;
    if (!row->offered(s->serving->settings, conn_layer(s->serving->conn) != NULL))
        return row->absent;
    conn_mask(s->serving->conn, true);
    bytes_init(&first, SASL_MESSAGE);
    enum sasl_result result = SASL_DONE;
    if (!initial.p)
        result = sasl_ask(s, span_of(row->challenge), &first);
    else if (!span_eq_str(initial, "="))
        result = decode(initial, &first);
    if (result == SASL_DONE)
        result = row->run(s, &first);
    bytes_wipe(&first);
    return result;
}
