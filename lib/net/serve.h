/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What smtpd, imapd and pop3d have in common: options, settings, dropping root,
 * activation, the warm listener, and for each connection two processes, session and
 * guard, each in its sandbox, joined by a channel.
 *
 *     serve() ── cold: one connection          smtpd: guard ── session
 *             └─ warm: accepts, a child each    imapd, pop3d: mailbox ─┬─ guard
 *                                                                     └─ session
 *
 * The first process named is the one that lasts as long as the connection (systemd and the warm listener wait
 * for it). Of imapd and pop3d it is the later mailbox process: it never held a secret, as it only waits, in a
 * sandbox, until the session first asks something, which it leaves unread, makes the guard for that, and
 * waits, in the mailbox process's sandbox, for it to say who logged in (store/handover.h). Whoever only
 * connects, or asks nothing that the guard knows, costs two processes. smtpd's guard too begins its work when
 * it is asked something, where it then needs a process that asks DNS (net/resolver.h).
 *
 * A warm listener that has had a connection makes the processes of the next one before it comes (warm.c).
 * Where smtpd takes mail of others' servers, it makes a session only, and its guards serve one connection
 * after another (warm_guards.c).
 *
 * A program describes itself in a `struct service`; its functions get a `struct serving`.
 */
#ifndef POSTERN_NET_SERVE_H
#define POSTERN_NET_SERVE_H

#include "base/settings.h"
#include "net/activation.h"
#include "net/conn.h"
#include "net/sandbox.h"
#include "net/tls.h"

struct serving {
    const struct service *service;
    const struct settings *settings;
    const char *settings_file; /* as given by -c, or NULL */
    struct peer peer;
    struct tls_server *tls; /* NULL where no certificate could be loaded: STARTTLS is then not offered */
    bool implicit_tls;      /* -t */
    char boot[40];          /* the kernel's ID of this boot; "" where it can't be read */
    char flags[8];          /* the program's own option letters that were given, such as "s" */
    int channel;            /* to the other process */
    struct message *message; /* room for one, made before forking: a process needn't allocate it */
    struct conn *conn;      /* session only: the client. With -t the handshake has been done */
    bool handed_over;       /* session only: the client's socket belongs to the mailbox process now */
    int relay;              /* session and mailbox process: the byte stream between them; -1 for smtpd */
    int control;            /* guard and mailbox process: on which the guard names the user; -1 for smtpd */
    bool warm;    /* the listener counts connections at a time */
    int place;    /* held by the first process of a connection that isn't warm; -1: none */
    int milters[SETTINGS_MILTERS]; /* guard: connections to filters, for its session; -1: none */
    int resolver; /* guard: to the process that asks DNS for it (resolver.h); -1 where there is none */
    uint64_t dns_asked; /* guard: the number of its last question to that */
    bool dns_awaited;   /* guard: nobody waited for the answer to it */
    bool standing; /* guard: it may serve another connection (connection.h) */
    int disk_notices; /* standing guard: where serving_waits() tells the listener; else -1 */
    bool noticed;  /* standing guard: it has told in this connection */
    /* Standing guard: what its program keeps, which is nothing that a client said. NULL at first. */
    void *kept;
    int client_in, client_out;         /* mailbox process only: the client's descriptors */
    const struct sandbox *mailbox_box; /* the mailbox process's sandbox; NULL for smtpd */
};

struct mailbox_start; /* store/handover.h */

/* When a connection's guard needs a resolver. */
enum dns_need {
    DNS_NEVER,
    DNS_ON_REQUEST, /* once its session has asked something: who only connects costs no third process */
    DNS_AT_ONCE,
};

struct service {
    const char *name;        /* "smtpd" */
    const char *usage;       /* printed by --help */
    const char *flags;       /* own option letters, such as "su" */
    const char *unavailable; /* one reply line with CRLF for broken settings: "421 4.3.0 ..." */
    const char *busy;        /* over the limit of connections: a line without CRLF, the setting is added */
    /* In the session's sandbox; returns when the connection is over. */
    void (*session)(struct serving *s);
    /* In the guard's sandbox; returns when the session has hung up. For imapd and pop3d: handover_guard. The
     * return value is the exit code. */
    int (*guard)(struct serving *s);
    /* Adds the paths the guard may use; strings must live as long as the settings or be static. */
    size_t (*guard_paths)(const struct settings *s, struct sandbox_path *paths, size_t room);
    /* May this client connect, by the limits that hold over connections? limits_admit. NULL: yes. Before any
     * process is made and any sandbox entered; it may set s->place. NULL: it may; else the setting that is
     * against it, of which the log has been told. */
    const char *(*admit)(struct serving *s);
    /* Is there any such limit for that peer? limits_concern. Given with `admit`. */
    bool (*limited)(const struct serving *s, const struct peer *peer);
    /* May a warm listener's guards serve one connection after another? `guard` keeps nothing of one then but
     * serving.kept, and no user logs in: who took such a guard over would hear what others say to it later.
     * NULL: no. */
    bool (*stands)(const struct serving *s);
    /* Does this connection's guard need a resolver; or, where `any`, could some? NULL: none does. smtpd
     * only. */
    enum dns_need (*asks_dns)(const struct serving *s, bool any);
    /* For which kinds of connections (MILTER_FOR_*) filters are asked about this one's mail. NULL: none.
     * smtpd only. */
    unsigned (*milter_uses)(const struct serving *s);
    /* imapd and pop3d: handover_await, which waits for the login and then calls `mailbox`. True if it did.
     * NULL for smtpd. */
    bool (*await)(struct serving *s);
    bool learns; /* its mailbox process tells qrun of messages to be learned (store/learn.h) */
    /* imapd and pop3d: the protocol after login, in the mailbox process's sandbox. NULL for smtpd. */
    void (*mailbox)(struct mailbox_start *start);
};

/* main() of a handler. */
int serve(int argc, char **argv, const struct service *service);

/* The guard is about to wait for the disk. A standing one tells its warm listener so, once a connection: this
 * is a good moment to make the next connection's session. */
void serving_waits(struct serving *s);

/* Has `flag` been given? */
bool serving_flag(const struct serving *s, char flag);

#endif
