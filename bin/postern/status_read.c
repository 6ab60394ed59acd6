/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: reads what it shows.
 *
 * Connections are those that the kernel has established to our ports (proc_pid_net(5)): everybody may see
 * them, and it makes no difference whether a unit is warm or cold, or how many processes serve one. Whose
 * port it is, `postern doctor` says. The journal is opened as root, everything else is read as the owner of
 * the spool. What can't be read is unknown, and not 0.
 */
#include "status.h"
#include "base/clock.h"
#include "base/files.h"
#include "certificate.h"
#include "net/sandbox.h"
#include "queue.h"
#include "status_log.h"
#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SOCKETS_LIMIT ((size_t)64 << 20)
#define COUNT_PATIENCE 5000 /* milliseconds for a mailbox that has to be counted */
#define ESTABLISHED "01"

const struct status_protocol status_protocols[] = {
    { "smtp", 25 },   { "submission", 587 }, { "submissions", 465 }, { "imap", 143 },
    { "imaps", 993 }, { "pop3", 110 },       { "pop3s", 995 },
};

/* --- connections --- */

static struct span next_word(struct span *line)
{
    *line = span_trim(*line);
    size_t n = span_find(*line, ' ');
    struct span w = span_head(*line, n);
    *line = span_from(*line, n);
    return w;
}

/* A line of /proc/net/tcp: its number, the local address, the remote one, the state. */
static void count_socket(struct overview *o, struct span line)
{
    char port[8];
    next_word(&line);
    struct span local = next_word(&line);
    next_word(&line);
    if (!span_eq_str(next_word(&line), ESTABLISHED) ||
        !span_copy(span_from(local, span_find(local, ':') + 1), port, sizeof port))
        return;
    unsigned long number = strtoul(port, NULL, 16);
    for (size_t i = 0; i < STATUS_PROTOCOLS; i++)
        o->connections[i] += status_protocols[i].port == number;
}

static void read_sockets(struct overview *o, const char *file)
{
    char path[4096];
    struct bytes text;
    struct span rest, line;
    snprintf(path, sizeof path, "%s/net/%s", o->proc, file);
    bytes_init(&text, SOCKETS_LIMIT);
    if (file_read(AT_FDCWD, path, &text) == ST_OK) {
        o->connections_known = true;
        for (rest = span_bytes(&text); span_cut(&rest, '\n', &line);)
            count_socket(o, line);
    }
    bytes_free(&text);
}

/* --- the spool --- */

static int count_message(struct selection *s, struct queue_message *m)
{
    struct overview *o = s->arg;
    bool waits = false, held = false;
    for (size_t i = 0; i < m->recipient_count; i++) {
        waits = waits || m->recipients[i].mark == QUEUE_TODO;
        held = held || m->recipients[i].mark == QUEUE_HELD;
    }
    o->queued++;
    o->waiting += waits;
    o->held += held;
    if (o->counts.now - m->queued > o->oldest)
        o->oldest = o->counts.now - m->queued;
    return EX_OK;
}

static int read_queue(struct overview *o)
{
    struct selection s = { .a = o->a, .arg = o };
    int result = selection_each(&s, false, count_message);
    o->queue_known = result == EX_OK;
    return result;
}

static void read_mailbox(struct overview *o, const struct address *account, struct mailbox_size *box)
{
    struct bytes path;
    int dir = -1;
    *box = (struct mailbox_size){ .known = false };
    span_copy(span_of(account->text), box->account, sizeof box->account);
    bytes_init(&path, 4096);
    if (directory_quota_of(&o->a->s, account, &box->quota) == ST_OK &&
        settings_maildir(&o->a->s, address_local(account), address_domain(account), &path))
        dir = open(bytes_str(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0) {
        box->known = quota_look(dir, &box->quota, COUNT_PATIENCE, &box->used) == ST_OK;
        close(dir);
    }
    bytes_free(&path);
}

static bool add_mailbox(struct overview *o, const struct address *account)
{
    if (o->mailbox_count == o->mailbox_room) {
        size_t more = o->mailbox_room ? 2 * o->mailbox_room : 64;
        struct mailbox_size *grown = realloc(o->mailboxes, more * sizeof *grown);
        if (!grown)
            return false;
        o->mailboxes = grown;
        o->mailbox_room = more;
    }
    read_mailbox(o, account, &o->mailboxes[o->mailbox_count++]);
    return true;
}

static int largest_first(const void *a, const void *b)
{
    const struct mailbox_size *x = a, *y = b;
    return x->used.bytes != y->used.bytes ? (x->used.bytes < y->used.bytes ? 1 : -1)
                                          : strcmp(x->account, y->account);
}

static int read_mailboxes(struct overview *o)
{
    struct bytes text, domain;
    struct span rest, line;
    struct address account;
    bool fits = true;
    int result = edit_read(o->a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK && (result = edit_first_domain(o->a, &domain)) == EX_OK) {
        for (rest = span_bytes(&text); fits && edit_next(&rest, &line);)
            if (tables_address(tables_first_word(line), span_bytes(&domain), &account))
                fits = add_mailbox(o, &account);
        bytes_free(&domain);
    }
    bytes_free(&text);
    if (!fits)
        result = complain(EX_OSERR, "out of memory");
    o->mailboxes_known = result == EX_OK;
    if (o->mailbox_count)
        qsort(o->mailboxes, o->mailbox_count, sizeof *o->mailboxes, largest_first);
    return result;
}

static int read_certificates(struct overview *o)
{
    const struct settings *s = &o->a->s;
    struct bytes error;
    int result = EX_OK;
    o->certificates = calloc(s->certificate_count + 1, sizeof *o->certificates);
    if (!o->certificates)
        return complain(EX_OSERR, "out of memory");
    bytes_init(&error, 4096);
    for (size_t i = 0; i <= s->certificate_count; i++) {
        struct certificate_info info;
        struct certificate_left *c = &o->certificates[o->certificate_count++];
        c->file = i ? s->certificates[i - 1].certificate : s->tls_certificate;
        bytes_clear(&error);
        c->known = certificate_read(c->file, s->hostname, &info, &error) == ST_OK;
        c->to = c->known ? info.to : 0;
        if (!c->known)
            result = complain(EX_NOINPUT, "%s", bytes_str(&error));
        certificate_free(&info);
    }
    bytes_free(&error);
    return result;
}

int overview_read(struct overview *o)
{
    static int (*const parts[])(struct overview *) = { read_queue, read_mailboxes, read_certificates };
    struct bytes error;
    struct status_log log;
    o->counts.now = clock_now();
    int result = status_log_open(&log, o);
    read_sockets(o, "tcp");
    read_sockets(o, "tcp6");
    bytes_init(&error, 4096);
    enum status dropped = sandbox_drop_root(o->a->s.spool, &error);
    if (dropped != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    bytes_free(&error);
    int status = status_log_read(&log, o);
    result = status == EX_OK ? result : status;
    for (size_t i = 0; dropped == ST_OK && i < sizeof parts / sizeof parts[0]; i++) {
        status = parts[i](o);
        result = status == EX_OK ? result : status;
    }
    return result;
}

void overview_free(struct overview *o)
{
    free(o->mailboxes);
    free(o->certificates);
}
