/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: counts what the log has, from where reading it begins (status_kept.h), and keeps of the
 * journal what will not be read again.
 */
#include "status_log.h"
#include "base/files.h"
#include "trace.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define LINE_LIMIT 65536
#define VALUE_LIMIT 16384
#define KEPT_FILE "status-counts"
#define KEPT_LIMIT ((size_t)16 << 20)

void status_log_fields(const char *text, struct bytes values[4])
{
    static const char *const fields[] = { "event", "outcome", "setting", "why" };
    const struct event e = { .text = (char *)text };
    for (size_t i = 0; i < 4; i++)
        event_field(&e, fields[i], &values[i]);
}

/* What was kept of the log. No link is followed, as the spool's owner isn't who reads it. */
static void read_kept(struct status_log *l, struct overview *o)
{
    struct bytes file;
    int dir = open(o->a->s.spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bytes_init(&file, KEPT_LIMIT);
    l->keep = !o->log && geteuid() == 0 && dir >= 0;
    if (l->keep && file_read_beneath(dir, KEPT_FILE, &file) != ST_OK)
        bytes_clear(&file);
    kept_start(&l->kept, span_bytes(&file), &o->counts);
    if (o->log)
        l->kept.read_since = INT64_MIN;
    bytes_free(&file);
    if (dir >= 0)
        close(dir);
}

int status_log_open(struct status_log *l, struct overview *o)
{
    char since[32];
    *l = (struct status_log){ .keep = false };
    for (size_t i = 0; i < 4; i++)
        bytes_init(&l->values[i], VALUE_LIMIT);
    read_kept(l, o);
    progress_begin(&l->progress);
    l->journal = l->keep ? journal_reader_open(l->kept.read_since) : NULL;
    if (l->journal)
        return EX_OK;
    snprintf(since, sizeof since, "@%" PRId64, l->kept.read_since);
    l->lines = trace_open(o->log, since, &l->from_journalctl);
    return l->lines ? EX_OK : EX_NOINPUT;
}

static void count(struct status_log *l, struct overview *o, const struct counted *e)
{
    int64_t since = l->kept.read_since;
    if (e->at < since)
        return;
    count_event(&o->counts, e);
    if (l->keep)
        kept_add(&l->kept, e);
    if (l->progress.shown && since > 0 && e->at > since && e->at <= o->counts.now)
        progress_part(&l->progress, "reading the log", (uint64_t)(e->at - since),
                      (uint64_t)(o->counts.now - since));
}

static int read_journal(struct status_log *l, struct overview *o)
{
    struct counted e;
    bool failed;
    while (journal_reader_next(l->journal, l->values, &e, &failed))
        count(l, o, &e);
    journal_reader_close(l->journal);
    return failed ? complain(EX_IOERR, "the journal can't be read") : EX_OK;
}

static int read_lines(struct status_log *l, struct overview *o)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, l->lines)) >= 0) {
        struct event e;
        struct span text = { line, (size_t)n - (n && line[n - 1] == '\n') };
        if (text.n > LINE_LIMIT || !event_read(text, &e))
            continue;
        status_log_fields(e.text, l->values);
        struct counted counted = { e.at, bytes_str(&l->values[0]), bytes_str(&l->values[1]),
                                   bytes_str(&l->values[2]), bytes_str(&l->values[3]) };
        count(l, o, &counted);
        free(e.text);
    }
    free(line);
    return trace_close(l->lines, l->from_journalctl);
}

/* That it can't be written is no failure: all is read again then. */
static void write_kept(struct status_log *l, const struct overview *o)
{
    struct bytes file;
    char path[4096];
    bool changed = kept_finish(&l->kept, &file) && l->keep && o->log_known && geteuid() != 0;
    if (changed && (size_t)snprintf(path, sizeof path, "%s/%s", o->a->s.spool, KEPT_FILE) < sizeof path)
        file_replace(AT_FDCWD, path, span_bytes(&file), 0600);
    bytes_free(&file);
}

int status_log_read(struct status_log *l, struct overview *o)
{
    bool opened = l->journal || l->lines;
    int result = l->journal ? read_journal(l, o) : opened ? read_lines(l, o) : EX_OK;
    o->log_known = opened && result == EX_OK;
    progress_end(&l->progress);
    count_finish(&o->counts);
    write_kept(l, o);
    kept_free(&l->kept);
    for (size_t i = 0; i < 4; i++)
        bytes_free(&l->values[i]);
    return result;
}
