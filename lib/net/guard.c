/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guard's loop and the verbs that all guards share; see guard.h.
 *
 * Nothing that a session says is believed: an unknown or untimely verb, a field too many or too
 * few, and the loop ends, which ends the connection.
 */
#include "net/guard.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GUARD_LOG_LINES 200 /* a connection may have this many lines in the log; the rest is dropped */
#define SIGNATURE_LIMIT 1024
#define SIGN_INPUT_LIMIT 1024
#define EVENT_LIMIT 32

static enum guard_next run_sign(struct guard *g, struct message *m)
{
    uint64_t which, algorithm;
    struct span input;
    if (!message_get_u64(m, &which) || which > SETTINGS_CERTIFICATES || !message_get_u64(m, &algorithm) ||
        !message_get(m, &input) || !message_end(m) || input.n > SIGN_INPUT_LIMIT || !g->key)
        return GUARD_END;
    struct bytes signature;
    bytes_init(&signature, SIGNATURE_LIMIT);
    enum status st = tls_key_sign(g->key, (unsigned)which, (unsigned)algorithm, input, &signature);
    message_start(m, 0);
    message_put_u64(m, st);
    message_put(m, span_bytes(&signature));
    bytes_free(&signature);
    return GUARD_REPLY;
}

static enum guard_next run_log(struct guard *g, struct message *m)
{
    char said[EVENT_LIMIT], event[EVENT_LIMIT + 8];
    struct span text;
    if (!message_get_str(m, said, sizeof said) || !message_get(m, &text) || !message_end(m))
        return GUARD_END;
    if (g->log_lines < GUARD_LOG_LINES) {
        char copy[LOG_VALUE_LIMIT];
        snprintf(copy, sizeof copy, "%.*s", (int)(text.n < sizeof copy ? text.n : sizeof copy - 1), text.p);
        snprintf(event, sizeof event, "session-%s", said); /* it may not claim our own events */
        log_event(LOG_INFO, event, "peer", g->peer, "says", copy, NULL);
    }
    g->log_lines++;
    return GUARD_SILENT;
}

static const struct guard_verb common_verbs[] = {
    { GUARD_SIGN, ~0u, "sign", run_sign },
    { GUARD_LOG, ~0u, "log", run_log },
    { 0, 0, NULL, NULL },
};

static const struct guard_verb *find_verb(const struct guard_verb *verbs, unsigned verb)
{
    while (verbs->verb && verbs->verb != verb)
        verbs++;
    return verbs->verb ? verbs : NULL;
}

static enum guard_next answer(struct guard *g, const struct guard_verb *verbs, struct message *m)
{
    char number[16];
    const struct guard_verb *v = find_verb(m->verb < GUARD_OWN ? common_verbs : verbs, m->verb);
    snprintf(number, sizeof number, "%u", m->verb);
    if (!v || !(v->states & g->state)) {
        log_event(LOG_WARNING, "session-lied", "peer", g->peer, "verb", v ? v->name : number, "why",
                  v ? "untimely" : "unknown", NULL);
        return GUARD_END;
    }
    int came = m->fd;
    enum guard_next next = v->run(g, m);
    if (came >= 0)
        close(came);
    if (next == GUARD_END)
        log_event(LOG_WARNING, "guard-ended", "peer", g->peer, "verb", v->name, NULL);
    return next;
}

void guard_answer(struct guard *g, struct message *m)
{
    if (!channel_send(g->channel, m))
        g->unheard = true;
    if (m->fd >= 0)
        close(m->fd);
}

bool guard_loop(struct guard *g, const struct guard_verb *verbs)
{
    struct message *m = malloc(sizeof *m);
    bool done = false;
    while (m && !done && !g->unheard && channel_receive(g->channel, m, -1)) {
        enum guard_next next = answer(g, verbs, m);
        if (next == GUARD_END)
            break;
        if (next == GUARD_SILENT)
            continue;
        guard_answer(g, m);
        done = next == GUARD_DONE && !g->unheard;
    }
    free(m);
    return done;
}

enum status guard_sign(void *channel, unsigned which, unsigned algorithm, struct span input,
                       struct bytes *signature)
{
    struct message *m = malloc(sizeof *m);
    uint64_t st = ST_TEMP;
    struct span got;
    if (!m)
        return ST_TEMP;
    message_start(m, GUARD_SIGN);
    message_put_u64(m, which);
    message_put_u64(m, algorithm);
    message_put(m, input);
    bool ok = channel_call(*(int *)channel, m) && message_get_u64(m, &st) && message_get(m, &got) &&
              message_end(m) && st == ST_OK && bytes_add_span(signature, got);
    free(m);
    return ok ? ST_OK : ST_PERM;
}

void guard_log(int channel, const char *event, struct span text)
{
    struct message *m = malloc(sizeof *m);
    if (!m)
        return;
    message_start(m, GUARD_LOG);
    message_put_str(m, event);
    message_put(m, span_head(text, LOG_VALUE_LIMIT - 1));
    channel_send(channel, m);
    free(m);
}
