/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of smtpd's extensions; see extensions.h. What isn't listed now isn't taken either, so an
 * extension is advertised, and its parameters are known, by one row.
 */
#include "extensions.h"
#include "base/clock.h"
#include "store/sasl.h"
#include "text/date.h"
#include "text/smtp_path.h"

#include <string.h>

/* When a row holds. */
enum {
    ALWAYS = 0,
    UNDER_TLS = 1,  /* encrypted */
    CAN_TLS = 2,    /* not yet, and it could be */
    CAN_LOGIN = 4,  /* AUTH is possible as the connection stands */
    SUBMISSION = 8, /* mail begins here */
};

struct extension {
    const char *name, *rfc;
    unsigned when;                                           /* all of these */
    unsigned offer;                                          /* OFFER_* */
    void (*value)(const struct session *s, struct conn *to); /* writes what stands behind the name; or NULL */
    const char *dialogue;                                    /* tests/dialogues/smtpd/NAME.txt */
};

static void write_size(const struct session *s, struct conn *to)
{
    conn_write_str(to, " ");
    conn_write_u64(to, s->serving->settings->message_size);
}

static void write_mechanisms(const struct session *s, struct conn *to)
{
    sasl_write_mechanisms(to, s->serving->settings, s->tls, true, " ");
}

/* A message's recipients are limited; messages of a connection and domains of a message aren't. */
static void write_limits(const struct session *s, struct conn *to)
{
    uint64_t most = s->serving->settings->recipients;
    if (s->lmtp && most > SMTPD_LMTP_RECIPIENTS)
        most = SMTPD_LMTP_RECIPIENTS;
    conn_write_str(to, " RCPTMAX=");
    conn_write_u64(to, most);
}

/* For how long, and until when, a message may be held (RFC 4865 4). */
static void write_release(const struct session *s, struct conn *to)
{
    struct bytes until;
    (void)s;
    bytes_init(&until, 32);
    date_write_internet(clock_now() + SMTPD_RELEASE_LIMIT, &until);
    conn_printf(to, " %d %s", SMTPD_RELEASE_LIMIT, bytes_str(&until));
    bytes_free(&until);
}

static const struct extension table[] = {
    { "PIPELINING", "RFC 2920", ALWAYS, 0, NULL, "rfc2920-pipelining" },
    { "SIZE", "RFC 1870", ALWAYS, 0, write_size, "rfc1870-6152-parameters" },
    { "STARTTLS", "RFC 3207", CAN_TLS, 0, NULL, "starttls" },
    { "AUTH", "RFC 4954", CAN_LOGIN, OFFER_AUTH, write_mechanisms, "rfc4954-auth" },
    { "8BITMIME", "RFC 6152", ALWAYS, 0, NULL, "rfc1870-6152-parameters" },
    { "CHUNKING", "RFC 3030", ALWAYS, 0, NULL, "rfc3030-chunking" },
    { "BINARYMIME", "RFC 3030", ALWAYS, OFFER_BINARY, NULL, "rfc3030-binarymime" },
    { "SMTPUTF8", "RFC 6531", ALWAYS, OFFER_UTF8, NULL, "rfc6531-smtputf8" },
    { "DSN", "RFC 3461", ALWAYS, OFFER_DSN, NULL, "rfc3461-dsn" },
    { "REQUIRETLS", "RFC 8689", UNDER_TLS, OFFER_REQUIRE_TLS, NULL, "rfc8689-requiretls" },
    { "LIMITS", "RFC 9422", ALWAYS, 0, write_limits, "rfc9422-limits" },
    { "FUTURERELEASE", "RFC 4865", SUBMISSION, OFFER_FUTURERELEASE, write_release, "rfc4865-futurerelease" },
    { "ENHANCEDSTATUSCODES", "RFC 2034", ALWAYS, 0, NULL, "greeting" },
};
#define ROWS (sizeof table / sizeof table[0])

static unsigned state_of(const struct session *s)
{
    bool can = s->serving->tls && !s->serving->peer.local; /* a Unix socket leads nowhere else */
    return (s->tls ? UNDER_TLS
            : can  ? CAN_TLS
                   : 0) |
           (login_offered(s) ? CAN_LOGIN : 0) | (s->submission ? SUBMISSION : 0);
}

void extensions_write(struct session *s)
{
    unsigned state = state_of(s);
    for (size_t i = 0; i < ROWS; i++) { /* the last row always holds */
        if (table[i].when & ~state)
            continue;
        conn_write_str(s->conn, i + 1 < ROWS ? "250-" : "250 ");
        conn_write_str(s->conn, table[i].name);
        if (table[i].value)
            table[i].value(s, s->conn);
        conn_write_str(s->conn, "\r\n");
    }
}

bool extensions_hold(const struct session *s, const char *name)
{
    unsigned state = state_of(s);
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(table[i].name, name) == 0)
            return !(table[i].when & ~state);
    return false;
}

unsigned extensions_offered(const struct session *s)
{
    unsigned state = state_of(s), offered = 0;
    for (size_t i = 0; s->extended && i < ROWS; i++)
        if (!(table[i].when & ~state))
            offered |= table[i].offer;
    return offered;
}
