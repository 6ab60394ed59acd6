/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages that a `postern queue` command means; see queue.h.
 */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

/* "--sender A" and "--sender=A": the value, and *at stands on the last argument taken. */
static bool take_value(const char *name, int argc, char **argv, int *at, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(argv[*at], name, n) != 0 || (argv[*at][n] != '\0' && argv[*at][n] != '='))
        return false;
    if (argv[*at][n] == '=')
        *value = argv[*at] + n + 1;
    else
        *value = *at + 1 < argc ? argv[++*at] : "";
    return true;
}

int selection_read(struct selection *s, struct admin *a, int argc, char **argv)
{
    *s = (struct selection){ .a = a, .dir = -1, .ids = argv, .width = terminal_width() };
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *value = word;
        if (take_value("--sender", argc, argv, &i, &value))
            s->sender = value;
        else if (take_value("--recipient", argc, argv, &i, &value))
            s->recipient = value;
        else if (take_value("--domain", argc, argv, &i, &value))
            s->domain = value;
        else if (strcmp(word, "--json") == 0)
            s->json = true;
        else if (strcmp(word, "all") == 0)
            s->all = true;
        else if (word[0] == '-')
            return complain(EX_USAGE, "%s: no such option; `postern help` shows them", word);
        else
            s->ids[s->id_count++] = argv[i]; /* never ahead of i */
        if (!value[0])
            return complain(EX_USAGE, "%s: its value is missing", word);
    }
    if (s->id_count && (s->all || selection_filters(s)))
        return complain(EX_USAGE, "IDs, `all` and filters exclude each other");
    return EX_OK;
}

bool selection_filters(const struct selection *s)
{
    return s->sender || s->recipient || s->domain;
}

static bool is_address(const char *text, const char *wanted)
{
    struct span w = span_of(wanted);
    if (w.n >= 2 && w.p[0] == '<' && w.p[w.n - 1] == '>')
        w = span_head(span_from(w, 1), w.n - 2);
    return span_ieq(span_of(text), w);
}

bool selection_has(const struct selection *s, const struct queue_recipient *r)
{
    if (r->mark == QUEUE_DONE || r->mark == QUEUE_BOUNCED)
        return false;
    const char *at = strrchr(r->address.text, '@');
    return (!s->recipient || is_address(r->address.text, s->recipient)) &&
           (!s->domain || (at && strcasecmp(at + 1, s->domain) == 0));
}

static bool is_meant(const struct selection *s, const struct queue_message *m)
{
    if (s->sender && !is_address(m->sender, s->sender))
        return false;
    if (!s->recipient && !s->domain)
        return true;
    for (size_t i = 0; i < m->recipient_count; i++)
        if (selection_has(s, &m->recipients[i]))
            return true;
    return false;
}

/* One message that an argument names. */
static int one(struct selection *s, const char *id, bool lock, selection_act *act)
{
    struct queue_message m;
    if (!queue_id_valid(id))
        return complain(EX_DATAERR, "%s: is no ID of a message; `postern queue` shows them", id);
    enum status st = queue_read(s->dir, id, lock, &m);
    if (st == ST_OK) {
        s->seen++;
        int result = act(s, &m);
        queue_message_free(&m);
        return result;
    }
    if (st == ST_NONE)
        return complain(EX_NOINPUT, "%s: isn't in the queue; it was sent, or bounced", id);
    if (st == ST_PERM)
        return complain(EX_DATAERR, "%s: the file is damaged; it lies in the spool as it is", id);
    if (errno == EWOULDBLOCK)
        return complain(EX_TEMPFAIL, "%s: is being sent just now; look again in a moment", id);
    return complain(EX_TEMPFAIL, "%s: %s", id, strerror(errno));
}

/* One of all. What left meanwhile is passed over. */
static int one_of_all(struct selection *s, const struct queue_place *place, bool lock, selection_act *act)
{
    struct queue_message m;
    const char *id = place->id;
    enum status st = queue_read_place(s->dir, place, lock, &m);
    if (st == ST_NONE)
        return EX_OK;
    if (st != ST_OK && errno == EWOULDBLOCK)
        return complain(EX_TEMPFAIL, "%s: is being sent just now, and was left alone", id);
    if (st != ST_OK)
        return complain(EX_DATAERR, "%s: %s", id, st == ST_PERM ? "the file is damaged" : strerror(errno));
    int result = EX_OK;
    if (is_meant(s, &m)) {
        s->seen++;
        result = act(s, &m);
    }
    queue_message_free(&m);
    return result;
}

static int each_of_all(struct selection *s, bool lock, selection_act *act)
{
    struct queue_place *places;
    size_t count;
    int result = EX_OK;
    if (queue_list(s->dir, false, &places, &count) != ST_OK)
        return complain(EX_IOERR, "the queue can't be listed: %s", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        int status = one_of_all(s, &places[i], lock, act);
        result = status == EX_OK ? result : status;
    }
    free(places);
    return result;
}

int selection_each(struct selection *s, bool lock, selection_act *act)
{
    int result = EX_OK;
    if (queue_open(s->a->s.spool, &s->dir) != ST_OK)
        return complain(EX_NOINPUT, "%s/queue: %s", s->a->s.spool, strerror(errno));
    if (s->id_count == 0)
        result = each_of_all(s, lock, act);
    for (size_t i = 0; i < s->id_count; i++) {
        int status = one(s, s->ids[i], lock, act);
        result = status == EX_OK ? result : status;
    }
    if (queue_sync(s->dir, &s->later) != ST_OK)
        result = complain(EX_IOERR, "%s/queue: %s", s->a->s.spool, strerror(errno));
    close(s->dir);
    return result;
}
