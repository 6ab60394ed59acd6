/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL in the guard; see sasl.h. An honest session has refused what may not be by the rules of channel
 * binding; one that asks all the same is not honest, and the connection ends.
 *
 * What the client must bind to: tls-server-end-point is computed here, from the certificate; of tls-exporter
 * only the session can know the value, as it alone has the connection's keys.
 */
#include "base/log.h"
#include "store/sasl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_LIMIT 2048
#define END_POINT_LIMIT 64

static const struct flag {
    const char *gs2; /* the GS2 header begins so */
    bool plus;       /* with -PLUS, which is under TLS; else without */
    bool without_tls;
    bool end_point; /* the data are ours */
    size_t data;    /* bytes of data that the session gives along */
} flags[] = {
    { "n,", false, false, false, 0 },
    { "y,", false, true, false, 0 },
    { "p=tls-exporter,", true, false, false, SCRAM_KEY },
    { "p=tls-server-end-point,", true, false, true, 0 },
};

bool sasl_guard_tls(const struct guard *g)
{
    return g->key && g->key->given > 0;
}

void sasl_guard_failed(const struct guard *g, struct span as, struct span user, const char *mechanism)
{
    char shown[2 * LOGIN_NAME_LIMIT + 2];
    snprintf(shown, sizeof shown, "%.*s%s%.*s", SPAN_FMT(span_head(as, LOGIN_NAME_LIMIT)), as.n ? "*" : "",
             SPAN_FMT(span_head(user, LOGIN_NAME_LIMIT)));
    log_event(LOG_NOTICE, "login-failed", "user", shown, "peer", g->peer, "tls",
              sasl_guard_tls(g) ? "yes" : "no", "mechanism", mechanism, NULL);
}

void sasl_guard_done(const struct guard *g, const struct login *l, const char *mechanism)
{
    log_event(LOG_INFO, "login", "user", l->account.text, "peer", g->peer, "tls",
              sasl_guard_tls(g) ? "yes" : "no", "mechanism", mechanism, "master",
              l->master[0] ? l->master : NULL, "password", l->password[0] ? l->password : NULL, NULL);
}

static enum guard_next answer(struct message *m, enum status st, int why, struct bytes *text)
{
    message_start(m, 0);
    message_put_u64(m, login_says(st, why));
    message_put(m, st == ST_OK ? span_bytes(text) : SPAN(""));
    bytes_free(text);
    return GUARD_REPLY;
}

/* How the header says that the client binds; NULL if it may not do so here. */
static const struct flag *find_flag(const struct guard *g, bool plus, struct span gs2, struct span data)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const struct flag *f = &flags[i];
        if (!span_starts(gs2, f->gs2))
            continue;
        bool tls = sasl_guard_tls(g);
        return f->plus == plus && (tls || !plus) && !(tls && f->without_tls) && data.n == f->data ? f : NULL;
    }
    return NULL;
}

enum guard_next sasl_guard_first(struct guard *g, struct login *l, const struct serving *s, struct message *m)
{
    struct scram_request r;
    struct bytes text, end_point;
    uint64_t plus;
    if (!message_get_u64(m, &plus) || !message_get(m, &r.gs2) || !message_get(m, &r.bare) ||
        !message_get(m, &r.name) || !message_get(m, &r.nonce) || !message_get(m, &r.binding_data) ||
        !message_end(m) || r.gs2.n + r.bare.n > SCRAM_MESSAGE_LIMIT || r.name.n > LOGIN_NAME_LIMIT ||
        r.nonce.n > SCRAM_NONCE_LIMIT || !s->settings->scram)
        return GUARD_END;
    r.plus = plus != 0;
    const struct flag *f = find_flag(g, r.plus, r.gs2, r.binding_data);
    if (!f)
        return GUARD_END;
    bytes_init(&text, ANSWER_LIMIT);
    bytes_init(&end_point, END_POINT_LIMIT);
    enum status st = ST_TEMP;
    int why = 0;
    if (!f->end_point || (s->tls && tls_server_end_point(s->tls, g->key->which, &end_point))) {
        if (f->end_point)
            r.binding_data = span_bytes(&end_point);
        st = login_scram_first(l, &r, &text);
        why = errno;
    }
    bytes_free(&end_point);
    enum guard_next next = answer(m, st, why, &text);
    return st == ST_PERM && why == EACCES ? GUARD_END : next;
}

enum guard_next sasl_guard_final(struct guard *g, struct login *l, struct message *m)
{
    struct span without_proof, proof;
    unsigned char copy[SCRAM_KEY];
    char name[LOGIN_NAME_LIMIT + 1];
    struct bytes text;
    if (!message_get(m, &without_proof) || !message_get(m, &proof) || !message_end(m) ||
        without_proof.n > SCRAM_MESSAGE_LIMIT || proof.n != sizeof copy)
        return GUARD_END;
    memcpy(copy, proof.p, sizeof copy);
    snprintf(name, sizeof name, "%s", login_scram_name(l));
    const char *mechanism = login_scram_mechanism(l);
    bytes_init(&text, ANSWER_LIMIT);
    enum status st = login_scram_final(l, without_proof, copy, &text);
    int why = errno;
    if (st == ST_PERM && why == EBADMSG)
        log_event(LOG_WARNING, "channel-binding-wrong", "user", name, "peer", g->peer, "why",
                  "the client is bound to another channel or nonce: somebody may be in between", NULL);
    if (st != ST_OK && why != EPROTO && login_says(st, why) == st)
        sasl_guard_failed(g, SPAN(""), span_of(name), mechanism);
    answer(m, st, why, &text);
    return st == ST_PERM && why == EPROTO ? GUARD_END : GUARD_REPLY;
}

bool sasl_guard_enter(struct guard *g, struct login *l, struct message *m, struct bytes *context)
{
    struct span said;
    const char *mechanism = login_scram_mechanism(l);
    if (!message_get(m, &said) || !message_end(m) || !bytes_add_span(context, said) || !login_scram_enter(l))
        return false;
    sasl_guard_done(g, l, mechanism);
    return true;
}
