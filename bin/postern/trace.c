/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern trace ID|ADDRESS|MESSAGE-ID: follows messages through the log.
 *
 * An event is wanted if it has the ID, names the address as sender or recipient, or is that of a message with
 * this Message-ID; then all events of its message are, and those of the reports that were made of it
 * ("bounce=ID"). They are printed message by message, in the order in which each first appears, and as they
 * came within it. What was refused has no ID and stands alone. The log's events are kept in memory while it
 * is read: a message's first lines can become wanted by its last. A report's own Message-ID is its ID and our
 * name.
 */
#include "trace.h"
#include "base/clock.h"
#include "store/queue.h"
#include "text/fields.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define EVENTS_LIMIT 5000000
#define LINE_LIMIT 65536
#define VALUE_LIMIT 16384
#define DEFAULT_SINCE "2 days ago"
#define DEFAULT_SECONDS (2 * 86400)

struct trace {
    const char *what, *file, *since;
    char message_id[MESSAGE_ID_LIMIT + 1]; /* that it may be, as smtpd's log has it */
    char id[QUEUE_ID_LIMIT];               /* that it is or, as a report's Message-ID, begins with; or "" */
    struct event *events;
    size_t count, room;
    void *ids; /* tsearch(3): the messages that are wanted */
    bool more; /* an ID was added by this pass */
    struct bytes value;
    bool colour, json;
    char begun[32]; /* since then, for the ID of an older message */
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_id(struct trace *t, const char *id)
{
    if (!queue_id_valid(id) || tfind(id, &t->ids, by_text))
        return;
    char *copy = strdup(id);
    t->more = copy && tsearch(copy, &t->ids, by_text) ? true : t->more;
}

static bool keep(struct trace *t, const struct event *e)
{
    if (t->count == t->room) {
        size_t more = t->room ? t->room * 2 : 1024;
        struct event *grown = more > EVENTS_LIMIT ? NULL : realloc(t->events, more * sizeof *grown);
        if (!grown)
            return false;
        t->events = grown;
        t->room = more;
    }
    t->events[t->count++] = *e;
    return true;
}

static int read_log(struct trace *t)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    bool journal, fits = true;
    FILE *f = trace_open(t->file, t->since, &journal);
    if (!f)
        return EX_NOINPUT;
    while (fits && (n = getline(&line, &size, f)) >= 0) {
        struct event e;
        struct span text = { line, (size_t)n - (n && line[n - 1] == '\n') };
        if (text.n <= LINE_LIMIT && event_read(text, &e))
            fits = keep(t, &e);
    }
    free(line);
    int result = trace_close(f, journal);
    return fits ? result : complain(EX_TEMPFAIL, "the log is too long; --since can shorten it");
}

/* One of the addresses that a field lists, as log_event() had them from smtpd: parted by commas or blanks. */
static bool names(struct trace *t, const struct event *e, const char *field)
{
    struct span wanted = span_of(t->what);
    if (!event_field(e, field, &t->value))
        return false;
    struct span rest = span_bytes(&t->value), one;
    while (span_cut(&rest, ',', &one)) {
        one = span_trim(one);
        if (one.n && (one.p[0] == '>' || one.p[0] == '|'))
            one = span_from(one, 1);
        size_t end = span_find(one, ' ');
        if (span_ieq(one, wanted) || span_ieq(span_head(one, end), wanted))
            return true;
    }
    return false;
}

static bool is_identified(struct trace *t, const struct event *e)
{
    return event_field(e, "message-id", &t->value) && span_eq_str(span_bytes(&t->value), t->message_id);
}

static void look_at(struct trace *t, struct event *e, bool address)
{
    bool has_id = event_field(e, "id", &t->value);
    bool known = has_id && tfind(bytes_str(&t->value), &t->ids, by_text);
    if (!known && !(address && (names(t, e, "from") || names(t, e, "to") || is_identified(t, e))))
        return;
    e->wanted = true;
    if (event_field(e, "id", &t->value))
        add_id(t, bytes_str(&t->value));
    if (event_field(e, "bounce", &t->value))
        add_id(t, bytes_str(&t->value));
}

/* Until nothing new is found: twice, mostly. */
static void choose(struct trace *t)
{
    bool address = !queue_id_valid(t->what);
    add_id(t, t->id);
    do {
        t->more = false;
        for (size_t i = 0; i < t->count; i++)
            if (!t->events[i].wanted)
                look_at(t, &t->events[i], address);
    } while (t->more);
}

/* ---- printing */

static const char *colour_of(const char *event)
{
    static const struct {
        const char *event, *colour;
    } rows[] = { { "accepted", "\033[32m" }, { "delivered", "\033[32m" },    { "removed", "\033[32m" },
                 { "deferred", "\033[33m" }, { "kept", "\033[33m" },         { "overdue", "\033[33m" },
                 { "failed", "\033[31m" },   { "held", "\033[33m" },         { "released", "\033[32m" },
                 { "dropped", "\033[31m" },  { "expired", "\033[31m" },      { "bounced", "\033[31m" },
                 { "refused", "\033[31m" },  { "undeliverable", "\033[31m" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].event, event) == 0)
            return rows[i].colour;
    return strncmp(event, "not-", 4) == 0 ? "\033[31m" : "";
}

/* What was said, by us or by the other side, comes last in a line. */
static bool is_speech(struct span name)
{
    return span_eq_str(name, "reply") || span_eq_str(name, "text") || span_eq_str(name, "why") ||
           span_eq_str(name, "said");
}

/* The recipients that smtpd accepted: those with > are queued for another server, those with | for a
 * program. */
static void print_recipients(struct span list)
{
    struct span one;
    while (span_cut(&list, ',', &one)) {
        bool queued = one.n && one.p[0] == '>', program = one.n && one.p[0] == '|';
        fputs(queued ? " queued to <" : program ? " queued to program of <" : " to <", stdout);
        say_text(queued || program ? span_from(one, 1) : one);
        putchar('>');
    }
}

static void print_fields(struct trace *t, const struct event *e, bool speech)
{
    struct span rest = span_of(e->text), name;
    while (event_next(&rest, &name, &t->value)) {
        struct span value = span_bytes(&t->value);
        if (span_eq_str(name, "event") || span_eq_str(name, "id") || is_speech(name) != speech)
            continue;
        if (span_eq_str(name, "to")) {
            print_recipients(value);
            continue;
        }
        bool address = span_eq_str(name, "from") || span_eq_str(name, "message-id");
        if (!speech && !span_eq_str(name, "size")) {
            putchar(' ');
            say_text(name);
        }
        fputs(speech ? ": " : address ? " <" : " ", stdout);
        say_text(value);
        fputs(address ? ">" : span_eq_str(name, "size") ? " bytes" : "", stdout);
    }
}

static void print_event(struct trace *t, const struct event *e)
{
    event_field(e, "event", &t->value);
    const char *colour = t->colour ? colour_of(bytes_str(&t->value)) : "";
    size_t program = strlen(e->program);
    fputs("  ", stdout);
    say_text(span_of(e->time));
    fputs(e->time[0] ? "  " : "", stdout);
    say_text(span_of(e->program));
    printf("%*s %s", program < 8 ? (int)(8 - program) : 0, "", colour);
    say_text(span_bytes(&t->value));
    printf("%s%*s", colour[0] ? "\033[0m" : "", t->value.len < 10 ? (int)(10 - t->value.len) : 0, "");
    print_fields(t, e, false);
    print_fields(t, e, true);
    putchar('\n');
}

/* The event as one object: its time (null: the line had none), and all its fields. */
static void print_event_json(struct trace *t, const struct event *e)
{
    struct span rest = span_of(e->text), name;
    char word[64];
    if (e->at)
        printf("{\"time\":%" PRId64, e->at);
    else
        fputs("{\"time\":null", stdout);
    json_pair(",", "program", span_of(e->program));
    while (event_next(&rest, &name, &t->value))
        if (span_copy(name, word, sizeof word) && !strpbrk(word, "\"\\") && strcmp(word, "time") != 0 &&
            strcmp(word, "program") != 0)
            json_pair(",", word, span_bytes(&t->value));
    puts("}");
}

/* All wanted events of the message that the first of them belongs to. */
static void print_message(struct trace *t, size_t first)
{
    struct bytes id;
    bytes_init(&id, VALUE_LIMIT);
    bool has_id = event_field(&t->events[first], "id", &id);
    if (!t->json) { /* whoever may write to the log may have made it up */
        fputs(t->colour ? "\033[1m" : "", stdout);
        say_text(has_id ? span_bytes(&id) : SPAN("(no message)"));
        puts(t->colour ? "\033[0m" : "");
    }
    for (size_t i = first; i < t->count; i++) {
        struct event *e = &t->events[i];
        bool same = e->wanted && (has_id ? event_field(e, "id", &t->value) &&
                                               strcmp(bytes_str(&t->value), bytes_str(&id)) == 0
                                         : i == first);
        if (!same)
            continue;
        (t->json ? print_event_json : print_event)(t, e);
        e->wanted = false;
    }
    bytes_free(&id);
}

static int print_all(struct trace *t)
{
    bool any = false;
    for (size_t i = 0; i < t->count; i++)
        if (t->events[i].wanted) {
            if (any && !t->json)
                putchar('\n');
            any = true;
            print_message(t, i);
        }
    if (any)
        return EX_OK;
    return complain(EX_NOINPUT, "%s: the log says nothing of it%s%s", t->what, t->file ? "" : " since ",
                    t->file ? "" : t->since);
}

/* An address or Message-ID may stand in < >, as it is shown. */
static const char *plain_address(char *word)
{
    size_t n = strlen(word);
    if (n <= 2 || word[0] != '<' || word[n - 1] != '>')
        return word;
    word[n - 1] = '\0';
    return word + 1;
}

static void read_id(struct trace *t)
{
    message_id_read(span_of(t->what), t->message_id);
    struct span whole = span_of(t->message_id), first = span_head(whole, span_find(whole, '@'));
    if (!span_copy(first, t->id, sizeof t->id) || !queue_id_valid(t->id))
        t->id[0] = '\0';
}

/* An ID says when the message came: a message that waits long is followed from its beginning. */
static void since_when(struct trace *t)
{
    struct tm tm;
    int64_t when = t->id[0] ? queue_id_time(t->id) : INT64_MAX;
    time_t begin = (time_t)when;
    if (t->since)
        return;
    t->since = DEFAULT_SINCE;
    if (when < clock_now() - DEFAULT_SECONDS && localtime_r(&begin, &tm) &&
        strftime(t->begun, sizeof t->begun, "%Y-%m-%d %H:%M:%S", &tm))
        t->since = t->begun;
}

static int read_arguments(struct trace *t, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char **to = strcmp(argv[i], "--file") == 0    ? &t->file
                          : strcmp(argv[i], "--since") == 0 ? &t->since
                                                            : &t->what;
        if (to != &t->what && ++i == argc)
            return complain(EX_USAGE, "%s: its value is missing", argv[i - 1]);
        if (to == &t->what && (t->what || argv[i][0] == '-'))
            return complain(EX_USAGE, "%s: one ID, address or Message-ID is expected; see `postern help`",
                            argv[i]);
        *to = to == &t->what ? plain_address(argv[i]) : argv[i];
    }
    return t->what ? EX_OK
                   : complain(EX_USAGE,
                              "which message? An ID, a Message-ID, or the address of a sender or recipient");
}

int trace_command(struct admin *a, int argc, char **argv)
{
    struct trace t = { .colour = terminal_colour(), .json = a->json };
    int result = read_arguments(&t, argc, argv);
    if (result != EX_OK)
        return result;
    read_id(&t);
    since_when(&t);
    bytes_init(&t.value, VALUE_LIMIT);
    result = read_log(&t);
    if (result == EX_OK) {
        choose(&t);
        result = print_all(&t);
    }
    for (size_t i = 0; i < t.count; i++)
        free(t.events[i].text);
    free(t.events);
    tdestroy(t.ids, free);
    bytes_free(&t.value);
    return result;
}
