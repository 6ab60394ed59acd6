/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guard's loop: it answers the session's requests from a table of verbs and ends
 * the connection at the first that is unknown, malformed or untimely.
 *
 * Each program has its own table, ended by a row with verb 0. Verbs below GUARD_OWN are common: signature
 * (when the program has a TLS key) and log. `states` is a set of bits that the program defines; a verb is
 * timely if the guard's current state is among them.
 */
#ifndef POSTERN_NET_GUARD_H
#define POSTERN_NET_GUARD_H

#include "net/channel.h"
#include "net/tls_key.h"

enum { GUARD_SIGN = 1, GUARD_LOG = 2, GUARD_OWN = 16 };

enum guard_next {
    GUARD_REPLY,  /* send the reply and go on */
    GUARD_SILENT, /* go on without a reply */
    GUARD_DONE,   /* send the reply and leave the loop */
    GUARD_END,    /* end the connection without another word */
};

struct guard {
    int channel;
    unsigned state;      /* one bit of the program's states */
    void *program;       /* what the program keeps */
    const char *peer;    /* for the log */
    struct tls_key *key; /* or NULL */
    unsigned log_lines;  /* written for the session so far */
    bool unheard;        /* nobody took an answer */
};

struct guard_verb {
    unsigned verb;
    unsigned states;
    const char *name; /* for the log, when it was untimely */
    /* Reads `m`, then makes the reply in the same m, beginning with message_start(m, 0). message_end() must
     * have been asked before acting. A descriptor that came along is closed by the loop; one that the reply
     * takes along is closed after sending. */
    enum guard_next (*run)(struct guard *g, struct message *m);
};

/* For a verb with work left for which the session needn't wait: sends the reply now. When that work is done
 * `run` returns GUARD_SILENT. The next request is read only then, and none where nobody took the reply. */
void guard_answer(struct guard *g, struct message *m);

/* Runs until the session hangs up, misbehaves, or a verb ends it. True if a verb said GUARD_DONE. */
bool guard_loop(struct guard *g, const struct guard_verb *verbs);

/* The session's side of the common verbs. The channel as void pointer makes it a tls_sign: pass an int's
 * address. */
enum status guard_sign(void *channel, unsigned which, unsigned algorithm, struct span input,
                       struct bytes *signature);
/* Something for the log from the session: an event word, to which "session-" is put in front, and free text,
 * which is escaped and cut. */
void guard_log(int channel, const char *event, struct span text);

#endif
