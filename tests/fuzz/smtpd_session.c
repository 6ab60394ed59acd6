/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's whole session: the input is what a client says, its first bytes how a guard answers. Every line of
 * the output is a reply, and nothing that the guard would call a lie is ever asked; a message that is handed
 * over has only CRLF line ends.
 */
#include "fuzz.h"

#include "../../bin/smtpd/session.h"
#include "net/resolver.h"
#include "store/sasl.h"
#include "text/fields.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEED 4 /* bytes of the input that are the guard's */

struct other_side {
    int guard, client;       /* the far ends of the session's descriptors */
    const uint8_t *seed;
    unsigned asked;
    struct message m;
    bool mail, rcpt, pieces; /* the guard's state */
    bool lmtp;
    size_t accepted;         /* recipients */
    unsigned keys;           /* given out */
    unsigned scram;          /* steps of an exchange that were right */
    bool checks;            /* who sent it is to be found out */
    unsigned questions;      /* to DNS, about this message */
    bool cr, ended;          /* of the message's bytes */
    unsigned column;         /* of the output */
};

/* --- the guard */

static void check_message(struct other_side *o, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        HOLDS(c != '\0' && o->cr == (c == '\n'));
        o->cr = c == '\r';
    }
}

static unsigned fate(struct other_side *o)
{
    unsigned n = o->asked++;
    return (o->seed[n % SEED] + n / SEED) % 16;
}

static void answer(struct other_side *o, unsigned verdict)
{
    message_start(&o->m, 0);
    message_put_u64(&o->m, verdict);
}

static uint64_t origin(struct other_side *o, unsigned n)
{
    o->checks = n % 4 && o->seed[1] & 64;
    o->questions = 0;
    return n % 4 | (o->checks ? ORIGIN_CHECK : 0) | (o->seed[1] & 128 ? ORIGIN_CLAIMS | ORIGIN_KEYLESS : 0);
}

static void hear_rcpt(struct other_side *o)
{
    static const unsigned verdicts[16] = {
        [9] = VERDICT_NO_RELAY, [10] = VERDICT_NO_USER, [11] = VERDICT_TOO_MANY, [8] = VERDICT_FULL,
        [12] = VERDICT_ALIAS,   [13] = VERDICT_TABLES,  [14] = VERDICT_FAILED
    };
    unsigned n = fate(o);
    HOLDS(o->mail && !o->pieces);
    o->rcpt |= verdicts[n] == VERDICT_OK;
    o->accepted += verdicts[n] == VERDICT_OK;
    answer(o, verdicts[n]);
    if (verdicts[n] == VERDICT_OK)
        message_put_u64(&o->m, o->seed[0] & 1);
}

static void hear_mail(struct other_side *o)
{
    static const unsigned verdicts[16] = {
        [13] = VERDICT_REFUSED, [14] = VERDICT_LOGIN_FIRST, [15] = VERDICT_TABLES
    };
    struct span helo, path;
    uint64_t bits;
    unsigned n = fate(o);
    HOLDS(message_get(&o->m, &helo) && message_get(&o->m, &path) && message_get_u64(&o->m, &bits) &&
          bits <= MAIL_BITS);
    bool rcpt = bits & MAIL_AND_RCPT;
    HOLDS(!rcpt || o->seed[3] & 128);
    o->mail = rcpt || verdicts[n] == VERDICT_OK;
    o->rcpt = o->pieces = o->cr = false;
    o->accepted = 0;
    if (rcpt)
        hear_rcpt(o);
    else
        answer(o, verdicts[n]);
    message_put_u64(&o->m, origin(o, n));
}

static void hear_keys(struct other_side *o)
{
    unsigned n = fate(o);
    answer(o, n == 15 ? VERDICT_FAILED : VERDICT_OK);
    o->keys = n % 3;
    message_put_str(&o->m, o->keys ? "here.test" : "");
    message_put_u64(&o->m, n / 3 % 2); /* it leaves this host */
    message_put_u64(&o->m, o->keys);
    for (unsigned i = 0; i < o->keys; i++) {
        message_put_str(&o->m, "selector");
        message_put_u64(&o->m, i);
    }
}

static void hear_commit(struct other_side *o)
{
    static const unsigned verdicts[16] = { [13] = VERDICT_DISK_FULL, [14] = VERDICT_FAILED };
    struct span tls, added, message_id, last;
    uint64_t bits;
    HOLDS(o->rcpt && message_get(&o->m, &tls) && message_get_u64(&o->m, &bits) &&
          message_get(&o->m, &added) && message_get(&o->m, &message_id) && message_get(&o->m, &last) &&
          message_end(&o->m) && fields_whole(added) && added.n <= SMTPD_FIELDS_LIMIT);
    HOLDS(message_id.n <= MESSAGE_ID_LIMIT && memchr(message_id.p, '\0', message_id.n) == NULL);
    HOLDS(last.n <= CHANNEL_PIECE && !(bits & COMMIT_FILE));
    check_message(o, last);
    HOLDS(!o->cr);
    o->mail = o->rcpt = o->pieces = false;
    answer(o, verdicts[fate(o)]);
    message_put_str(&o->m, "ID");
    for (size_t i = 1; o->lmtp && i < o->accepted; i++) {
        message_put_u64(&o->m, verdicts[fate(o)]);
        message_put_str(&o->m, "ID");
    }
}

/* What DNS may have of a name: texts that the checks read, broken by a byte of the seed. */
static void put_answer(struct other_side *o, const struct dns_query *q)
{
    static const char *const texts[] = {
        "v=spf1 include:a.test mx a:b.test exists:%{i}.c.test exp=d.test -all",
        "v=spf1 redirect=a.test",
        "v=DMARC1; p=reject; sp=none; np=reject; rua=mailto:x@a.test",
        "v=DMARC1; p=quarantine; psd=n; t=y",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "v=DKIM1; p=",
        "v=spf1 +all",
        "%{l}%{s}%{o}"
    };
    unsigned n = fate(o), seed = o->seed[o->asked % SEED];
    const char *text = texts[n % 8];
    struct bytes raw;
    bytes_init(&raw, 4096);
    if (n == 15 || dns_question(q->name, q->type, 7, &raw) != ST_OK) {
        message_put_u64(&o->m, n == 15 ? ST_PERM : ST_TEMP);
        message_put_str(&o->m, "");
        bytes_free(&raw);
        return;
    }
    raw.len -= 11; /* without its OPT record */
    const unsigned char flags[] = { 0x81, n == 14 ? 0x83 : 0x80, 0, 1, 0, n == 13 ? 9 : 1, 0, 0, 0, 0 };
    memcpy(raw.data + 2, flags, sizeof flags);
    size_t length = q->type == DNS_TXT    ? strlen(text) + 1
                    : q->type == DNS_MX   ? 4
                    : q->type == DNS_AAAA ? 16
                                          : 4;
    const unsigned char front[] = { 0xc0, 12, 0, (unsigned char)q->type, 0, 1, 0, 0,
                                    0,    9,  0, (unsigned char)length };
    bytes_add(&raw, front, sizeof front);
    if (q->type == DNS_TXT)
        bytes_add_char(&raw, (char)strlen(text));
    bytes_add(&raw, q->type == DNS_TXT ? text : q->type == DNS_MX ? "\0\1\xc0\x0c" : "\x7f\0\0\2aaaaaaaaaaaa",
              q->type == DNS_TXT ? length - 1 : length);
    if (seed & 1)
        raw.data[raw.len - 1 - seed % raw.len] ^= (char)(seed >> 1);
    message_put_u64(&o->m, seed == 2 ? ST_NONE : ST_OK);
    message_put(&o->m, span_bytes(&raw));
    bytes_free(&raw);
}

static void hear_dns(struct other_side *o)
{
    struct dns_query queries[DNS_QUERIES];
    size_t count;
    HOLDS(o->checks && o->rcpt && !o->pieces && resolver_get_queries(&o->m, queries, &count) && count);
    o->questions += (unsigned)count;
    HOLDS(o->questions <= SMTPD_QUESTIONS_LIMIT);
    answer(o, fate(o) == 15 && o->seed[0] & 64 ? VERDICT_SPENT : VERDICT_OK);
    for (size_t i = 0; i < count; i++)
        put_answer(o, &queries[i]);
}

static void hear_checked(struct other_side *o)
{
    static const unsigned verdicts[OUTCOMES] = {
        [OUTCOME_REFUSE] = VERDICT_POLICY, [OUTCOME_DEFER] = VERDICT_DELAYED
    };
    struct span text;
    uint64_t outcome;
    HOLDS(o->checks && o->rcpt && message_get_u64(&o->m, &outcome) && outcome < OUTCOMES);
    while (o->m.at < o->m.len)
        HOLDS(message_get(&o->m, &text) && memchr(text.p, 0, text.n) == NULL);
    o->checks = false;
    answer(o, fate(o) == 15 ? VERDICT_OK : verdicts[outcome]);
}

/* Its steps in their order, each behind one that was right. */
static void hear_scram(struct other_side *o)
{
    static const char *const texts[] = { "r=abcdef,s=c2FsdA==,i=4096", "v=c2lnbmF0dXJl", "" };
    static const unsigned statuses[16] = { [13] = ST_PERM, [14] = ST_TEMP, [15] = ST_NONE };
    unsigned step = o->m.verb - SASL_FIRST, status = statuses[fate(o)];
    HOLDS(step == 0 || step == o->scram);
    o->scram = status == ST_OK ? step + 1 : 0;
    if (o->scram == 3)
        o->mail = o->rcpt = o->pieces = false;
    answer(o, status);
    message_put_str(&o->m, status == ST_OK ? texts[step] : "");
}

/* False if no answer is wanted. */
static bool hear(struct other_side *o)
{
    struct span field, name, password;
    switch (o->m.verb) {
    case VERB_LOGIN:
        HOLDS(message_get(&o->m, &field) && message_get(&o->m, &name) && message_get(&o->m, &password) &&
              message_end(&o->m) && name.n);
        o->mail = o->rcpt = o->pieces = false;
        o->scram = 0;
        answer(o, fate(o) % 4);
        return true;
    case SASL_FIRST:
    case SASL_FINAL:
    case SASL_ENTER:
        hear_scram(o);
        return true;
    case VERB_MAIL:
        hear_mail(o);
        return true;
    case VERB_RCPT:
        hear_rcpt(o);
        return true;
    case VERB_AUTHOR:
        HOLDS(o->rcpt && !o->pieces);
        answer(o, fate(o) == 15 ? VERDICT_TABLES : fate(o) > 12 ? VERDICT_REFUSED : VERDICT_OK);
        return true;
    case VERB_KEYS:
        HOLDS(o->rcpt && !o->pieces);
        hear_keys(o);
        return true;
    case VERB_SIGN:
        HOLDS(o->rcpt && !o->pieces && o->keys);
        answer(o, fate(o) == 15 ? VERDICT_FAILED : VERDICT_OK);
        message_put_str(&o->m, "a signature");
        return true;
    case VERB_DNS:
        hear_dns(o);
        return true;
    case VERB_CHECKED:
        hear_checked(o);
        return true;
    case VERB_FILE: /* a message that grew when it was encoded; there is none */
        answer(o, VERDICT_DISK_FULL);
        return true;
    case VERB_PIECE:
        HOLDS(o->rcpt && message_get(&o->m, &field) && message_end(&o->m) && field.n &&
              field.n <= CHANNEL_PIECE);
        check_message(o, field);
        o->pieces = true;
        return false;
    case VERB_COMMIT:
        hear_commit(o);
        return true;
    case VERB_REFUSED:
        HOLDS(o->rcpt);
        return false;
    case GUARD_LOG:
        return false;
    default:
        HOLDS(o->m.verb == 0); /* a verb that there isn't */
        return false;
    }
}

/* --- the client */

/* "250 text CRLF" or "250-text CRLF", and no other byte. */
static void check_output(struct other_side *o, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        if (c == '\n') {
            HOLDS(o->ended);
            o->column = 0;
            o->ended = false;
            continue;
        }
        HOLDS(!o->ended);
        o->ended = c == '\r';
        HOLDS(o->ended || (c >= ' ' && c < 127));
        HOLDS(o->column > 2 || ascii_digit(c));
        HOLDS(o->column != 3 || c == ' ' || c == '-');
        o->column++;
    }
}

/* Until both ends are closed. */
static void *play_others(void *arg)
{
    struct other_side *o = arg;
    struct pollfd p[2] = { { .fd = o->guard, .events = POLLIN }, { .fd = o->client, .events = POLLIN } };
    char output[4096];
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents) {
            if (!channel_receive(o->guard, &o->m, -1))
                p[0].fd = -1;
            else if (hear(o))
                channel_send(o->guard, &o->m);
        }
        if (p[1].revents) {
            ssize_t n = recv(o->client, output, sizeof output, 0);
            if (n > 0)
                check_output(o, (struct span){ output, (size_t)n });
            else
                p[1].fd = -1;
        }
        p[0].revents = p[1].revents = 0;
    }
    HOLDS(o->column == 0 && !o->ended);
    return NULL;
}

static bool stands(const struct serving *s)
{
    return s->warm;
}

static enum dns_need asks_dns(const struct serving *s, bool any)
{
    (void)s, (void)any;
    return DNS_NEVER;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings = {
        .message_size = 8000, .timeout = 60, .plaintext_login = true, .scram = true
    };
    static const struct service service = {
        .name = "smtpd", .unavailable = "421 4.3.0 later\r\n", .stands = stands, .asks_dns = asks_dns
    };
    static char hostname[] = "mail.example.test", arc_trust[] = "a.test";
    struct serving serving = { .service = &service, .settings = &settings };
    int client[2], channel[2];
    pthread_t thread;
    if (size < SEED || size > SEED + 16384)
        return 0;
    serving.warm = data[3] & 128;
    settings.hostname = hostname;
    settings.arc_trust = arc_trust;
    settings.dmarc = (enum dmarc_handling)(data[2] & 3);
    settings.spf = (enum spf_handling)(data[2] / 4 % 3);
    serving.peer.known = true;
    serving.peer.address.s6_addr[15] = 2;
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, client) == 0 && channel_pair(channel) == ST_OK);
    int room = 1 << 20;
    setsockopt(client[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    HOLDS(send(client[1], data + SEED, size - SEED, 0) == (ssize_t)(size - SEED));
    shutdown(client[1], SHUT_WR);
    struct other_side *o = calloc(1, sizeof *o);
    HOLDS(o != NULL);
    o->guard = channel[1];
    o->client = client[1];
    o->seed = data;
    o->lmtp = (data[0] & 3) == 2;
    HOLDS(pthread_create(&thread, NULL, play_others, o) == 0);
    serving.channel = channel[0];
    serving.flags[0] = data[0] & 1 ? 's' : o->lmtp ? 'l' : '\0';
    serving.conn = conn_new(client[0], client[0]);
    serving.message = malloc(sizeof *serving.message);
    HOLDS(serving.conn != NULL && serving.message != NULL);
    session_run(&serving);
    conn_free(serving.conn);
    free(serving.message);
    close(client[0]);
    close(channel[0]);
    pthread_join(thread, NULL);
    close(client[1]);
    close(channel[1]);
    free(o);
    return 0;
}
