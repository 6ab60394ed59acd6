/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The scheduler's own: what its files know of one another.
 *
 *     main.c         options, the lock, the FIFO, the sandbox; then
 *     scheduler.c    one loop: new work in, packets from the children, slots
 *     job.c          a message at work: read, split into parts, and what becomes of it in the end
 *     lifetime.c     how long it is tried
 *     destination.c  a domain: its parts in line, a connector and senders; destination.h names the files that
 *                    share it
 *     local.c        delivery here
 *     program.c      programs that aliases name
 *     learning.c     messages that users moved into or out of Junk, to commands that learn
 *     runner.c       who runs both
 *     forward.c      the sender of what aliases send on
 *     notice.c       who is told what, and when: failures, delays, successes
 *     bounce.c       the report itself on its way to the sender; text/report.c writes it
 *     enqueue.c      what the runner itself brings into the queue
 *     child.c        a sandboxed child: connector.c (DNS, connects), sender.c (SMTP) or fetcher.c (a policy
 *                    by HTTPS)
 */
#ifndef POSTERN_QRUN_QRUN_H
#define POSTERN_QRUN_QRUN_H

#include "hosts.h"
#include "security.h"
#include "verbs.h"

#include "base/settings.h"
#include "net/activation.h"
#include "net/channel.h"
#include "net/sandbox.h"
#include "store/directory.h"
#include "store/queue.h"
#include "store/routes.h"
#include "text/report.h"

#define DESTINATION_BUCKETS 4096
#define JOBS_LIMIT 400 /* messages open at a time; twice as many where they were asked for by name */
/* Descriptors the scheduler may have: the messages', and four for each busy destination. */
#define QRUN_FILES 2048

struct qrun;
struct destination;
struct link;

/* A message at work: locked. */
struct job {
    struct queue_message m; /* its `replies` are those of this attempt where there was one */
    char **hosts;           /* by recipient: who said the reply; NULL: we ourselves */
    bool *expired;          /* by recipient: given up after the queue's lifetime */
    size_t parts;           /* at work or in line */
    bool tried;             /* somebody got an attempt */
    bool forced;            /* asked for by name */
    bool bulk;              /* for many recipients or destinations: lets others go first */
    enum lane lane;
    bool unsynced;          /* marks were written, and not yet synced */
    bool recovered;         /* an earlier run may have made the reports that are owed */
    struct job *next, **at; /* of all that are loaded, and who points here */
};

struct program_run; /* program.c */
struct learner;     /* learning.c */

/* The recipients of a job that go to one destination in one transaction. */
struct part {
    struct job *job;
    struct part *next;
    bool forwarded; /* its recipients were reached by aliases: the sender is rewritten */
    bool lost; /* a connection broke under it */
    size_t count;
    size_t again; /* the first so many of `indexes` have another transaction at once: RESULT_AGAIN */
    size_t bytes; /* that the recipients take in a packet */
    size_t indexes[TRANSACTION_RECIPIENTS];
};

/* An ID in a line. */
struct ticket {
    struct ticket *next;
    bool forced; /* asked for by name: also when it isn't due */
    char id[QUEUE_ID_LIMIT];
};
struct line {
    struct ticket *first, *last;
    size_t count;
};

struct qrun {
    const struct settings *settings;
    int queue_dir, wake;
    struct directory *directory;
    struct routes *routes; /* NULL: there are none */
    struct hosts *hosts;   /* that are dead */
    struct dns_resolver resolver;
    struct bytes anchors, roots; /* DNSSEC's and TLS's */
    int64_t no_dnssec_until;     /* clock_ms(): the resolver passes no signatures on */
    struct sandbox *connector_box, *sender_box;
    struct line forced, scanned; /* to be loaded */
    struct job *jobs;
    size_t job_count;
    struct destination *table[DESTINATION_BUCKETS];
    struct destination *active;                       /* those with children */
    struct destination *waiting_first, *waiting_last; /* those that want a slot */
    size_t active_count, link_count;
    unsigned turn;              /* of slots given */
    uint64_t secret[2];         /* of hashes of what strangers send */
    struct link *settling;      /* links with a result that waits for the disk */
    struct queue_changes later; /* messages removed or deferred, not yet synced */
    bool unsynced;              /* some job is */
    struct program_run *programs; /* running, and behind them those that wait */
    struct learner *learners;     /* accounts whose messages are learned, and behind them those that wait */
    size_t learned;               /* messages, in this run */
    int64_t next_scan;          /* clock_ms() */
    struct message packet;
    struct route_login login; /* on its way to a sender; else wiped */
};

/* --- scheduler.c */
/* Runs until there is nothing left to do. */
void scheduler_run(struct qrun *q);
/* Appends an ID to a line. False: no memory, or too many asked for by name. */
bool line_add(struct line *l, const char *id, bool forced);
/* Takes the first out. False: the line is empty. */
bool line_take(struct line *l, struct ticket *t);

/* --- wake.c */
/* The FIFO: fd 3 from systemd, stdin, or spool/wake, made where missing. -1: none, and everything else
 * works. */
int wake_open(const struct settings *s, const struct activation *given);
/* Empties the FIFO: IDs to `forced`; true if a scan is asked for. Never blocks. */
bool wake_drain(struct qrun *q);

/* --- lane.c */
/* What the message wants of TLS: its envelope, and its header field TLS-Required. */
enum lane lane_of(const struct queue_message *m);

/* --- job.c */
/* Takes a message up: ST_OK also when it is finished already. ST_TEMP: not now; ST_NONE: not there, or not
 * due. */
enum status job_load(struct qrun *q, const struct ticket *t);
/* The outcome for one recipient: mark T, D or F (not yet on disk), the reply, who said it, over which kind of
 * TLS (protection_name(), NULL: there was no connection). */
void job_outcome(struct qrun *q, struct job *j, size_t index, char mark, const char *reply, const char *host,
                 const char *tls);
/* Writes the outcomes of a part into the message's file: jobs_sync() makes them durable. */
void job_put_marks(struct qrun *q, const struct part *p);
/* Seconds from one attempt to the next, at most. */
int64_t job_longest_wait(const struct settings *s);
/* One fsync, if any mark of the message wasn't synced. */
void job_sync_marks(struct job *j);
/* Brings to disk what jobs have changed: one fsync for each job that goes on, and one for each directory. */
void jobs_sync(struct qrun *q);
/* A part is done with: frees it, and when it was the last one the job comes to its end: bounces, then removal
 * or deferral. */
void part_finish(struct qrun *q, struct part *p);

/* --- lifetime.c */
/* When a message is to be tried: sets its `until` where its lifetime can't be counted from its time. */
void lifetime_look(const struct qrun *q, struct job *j);
/* When its lifetime began, in seconds since 1970: as queue_since() says, but not later than now. */
int64_t lifetime_began(const struct qrun *q, const struct job *j);
/* When it goes back to its sender; and is that now, or past? */
int64_t lifetime_ends(const struct qrun *q, const struct job *j);
bool lifetime_is_over(const struct qrun *q, const struct job *j);

/* --- destination*.c */
/* The destination of a hop, or of a domain where that says `direct`, for messages of this lane; made where
 * there is none. NULL: no memory. */
struct destination *destination_get(struct qrun *q, const struct hop *hop, const char *domain,
                                    enum lane lane);
/* The part of the message that is being split that has room; for job.c alone. */
struct part **destination_filling(struct destination *d);
/* So many parts wait there that a further message is better left closed. */
bool destination_is_full(const struct destination *d);
/* Puts a part in line and owns it from now on. It may get its outcome at once. */
void destination_add(struct qrun *q, struct destination *d, struct part *p);
/* Keeps a message's ID until the line is short again. */
void destination_park(struct destination *d, const struct ticket *t);
/* Forgets what was parked because it was due: a scan has found it again. */
void destination_unpark_scanned(struct qrun *q);
/* Starts waiting destinations while there are slots. */
void destination_start_waiting(struct qrun *q);
/* Milliseconds until one that waits may start because of its rate; at most `most`. */
int64_t destinations_pause(const struct qrun *q, int64_t most);
/* For poll(2): descriptors, each with its owner. */
size_t destination_fds(struct qrun *q, int *fds, struct destination **owners, size_t room);
/* A packet, or the end, is there on a descriptor of it. */
void destination_input(struct qrun *q, struct destination *d, int fd);
/* Brings the results that have come to disk, all together, and then gives their senders the next messages. So
 * D is on disk before a connection's next message is sent: a crash repeats at most the one message of each
 * connection that it interrupted. */
void destinations_settle(struct qrun *q);

/* --- local.c */
/* A message for an address of ours. */
struct local_mail {
    const char *sender; /* "" for <> */
    struct span message;
    bool eight_bit;
    const struct mail_options *options;   /* NULL: none */
    const struct rcpt_options *recipient; /* NULL: none */
    const char *id; /* NULL, or an ID for each copy: a queued one's, or of which a mailbox's name is made */
    bool look;      /* it may be there already under that ID: then it is left out */
};
/* Delivers; what aliases lead outside is queued. On ST_TEMP and ST_PERM `why` begins with an enhanced code.
 * On ST_OK *mark is what there is to report if success is asked for: L, X, or D where the address stands for
 * one outside, from which the report will come. */
enum status local_deliver(struct qrun *q, const struct address *to, const struct local_mail *m, char *mark,
                          struct bytes *why);
/* ST_OK: the address is ours. */
enum status local_is(struct qrun *q, const struct address *a);

/* --- program.c */
/* Runs the program for a part of one recipient, whose options name it; owns the part from now on. */
void program_add(struct qrun *q, struct part *p);
/* Starts those that wait while there is room, and gives up those that took too long. */
void program_look(struct qrun *q);
/* For poll(2): their descriptors, `room` at most. */
size_t program_fds(const struct qrun *q, int *fds, size_t room);
/* An answer, or the end, is there on this descriptor. */
void program_input(struct qrun *q, int fd);

/* --- learning.c */
/* Messages of this account wait to be learned, somebody says. */
void learning_wake(struct qrun *q, struct span account);
/* Looks for such messages in all accounts, at most once a minute whoever runs. */
void learning_sweep(struct qrun *q);
/* Begins what there is room for, and gives up what took too long. */
void learning_look(struct qrun *q);
/* As those of program.c. */
size_t learning_fds(const struct qrun *q, int *fds, size_t room);
/* False: the descriptor is none of learning.c's. */
bool learning_input(struct qrun *q, int fd);

/* --- runner.c */
struct runner_request {
    const char *program, *id, *sender, *to, *original; /* as store/programs.h says */
    int fd;                                            /* of a file */
    uint64_t content, size;                            /* where the message is in it */
};
/* A connection to who runs programs, or -1 with errno. */
int runner_connect(const struct qrun *q);
/* clock_ms() until which an answer to what is asked now must have come. */
int64_t runner_until(const struct qrun *q);
/* False: it couldn't be sent. */
bool runner_ask(struct qrun *q, int fd, const struct runner_request *r);
/* The answer that has come, or the connection's end: enum queue_mark, and a line that begins with an enhanced
 * status code. */
char runner_answer(struct qrun *q, int fd, char reply[QUEUE_REPLY_LIMIT]);

/* --- forward.c */
/* The sender with which a part goes out: the message's, or *rewritten. */
const char *forward_sender(struct qrun *q, const struct part *p, struct address *rewritten);

/* --- notice.c */
/* Tells the sender of the failures and successes that are owed, as NOTIFY says, and marks them as told.
 * ST_TEMP: something is still owed. */
enum status notices_settle(struct qrun *q, struct job *j);
/* A message that is about to be deferred: tells its sender, once, when it has waited long enough for that. */
void notice_of_delay(struct qrun *q, struct job *j);

/* --- enqueue.c */
/* Prepares a message under this ID, or under a new one (NULL): as queue_prepare(), but ST_NONE where one with
 * the ID is in the queue from before a crash, by now durably. */
enum status enqueue_prepare(struct qrun *q, const char *id, const struct queue_envelope *e,
                            const struct content *c, struct queue_new *new);
/* Brings it into the queue, durably, to be tried next. False: it is nowhere, and `new` is done with. */
bool enqueue_commit(struct qrun *q, struct queue_new *new);

/* --- bounce.c */
/* Tells the sender about these recipients, durably. ST_OK: done, or nobody is to be told. ST_TEMP: try
 * later. */
enum status bounce_send(struct qrun *q, const struct job *j, enum report_action action, const size_t *indexes,
                        size_t count);

/* --- child.c */
enum child_kind { CHILD_CONNECTOR, CHILD_SENDER, CHILD_FETCHER };
struct tls_state_policy;
struct child_start {
    enum child_kind kind;
    const char *domain; /* connector; fetcher: the host */
    const struct hop *hop; /* connector, sender */
    enum lane lane;     /* connector */
    const struct tls_state_policy *cached; /* connector */
    int socket;                            /* sender, fetcher; else -1 */
    const struct security *security;       /* sender */
    bool no_tls, others;                   /* sender */
};
/* Are DNS answers to be verified? */
bool qrun_has_dnssec(const struct qrun *q);
/* What an earlier run has found out about the resolver. */
void qrun_recall_dnssec(struct qrun *q);
/* Our end of its channel, or -1. The child dies with us. */
int child_start(struct qrun *q, const struct child_start *start);

#endif
