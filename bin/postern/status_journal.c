/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The journal by libsystemd, which is opened only here, when it is needed (its decompression libraries would
 * else be loaded by every small command). Of 200,000 lines this takes a quarter of a second where
 * journalctl(1) takes two: an event that only has to be counted is known by its field POSTERN_EVENT, and
 * nothing else of its line is looked at.
 *
 * Only what runs in our slice is read, or logs as mail (under inetd, by syslog): lines of others that look
 * like ours may be in a journal.
 */
#include "status_log.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#define LIBSYSTEMD "libsystemd.so.0"
#define MESSAGE_LIMIT 65536

struct journal_reader {
    void *library;
    sd_journal *journal;
    __typeof__(&sd_journal_open) open;
    __typeof__(&sd_journal_close) close;
    __typeof__(&sd_journal_add_match) add_match;
    __typeof__(&sd_journal_add_disjunction) add_disjunction;
    __typeof__(&sd_journal_seek_realtime_usec) seek;
    __typeof__(&sd_journal_next) next;
    __typeof__(&sd_journal_get_realtime_usec) time;
    __typeof__(&sd_journal_get_data) data;
};

/* A function's pointer is got by way of its bytes: ISO C has no cast from dlsym's. */
static bool find(struct journal_reader *j, const char *name, void *to)
{
    void *symbol = dlsym(j->library, name);
    memcpy(to, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool load(struct journal_reader *j)
{
    j->library = dlopen(LIBSYSTEMD, RTLD_NOW | RTLD_LOCAL);
    return j->library && find(j, "sd_journal_open", &j->open) && find(j, "sd_journal_close", &j->close) &&
           find(j, "sd_journal_add_match", &j->add_match) &&
           find(j, "sd_journal_add_disjunction", &j->add_disjunction) &&
           find(j, "sd_journal_seek_realtime_usec", &j->seek) && find(j, "sd_journal_next", &j->next) &&
           find(j, "sd_journal_get_realtime_usec", &j->time) && find(j, "sd_journal_get_data", &j->data);
}

struct journal_reader *journal_reader_open(int64_t since)
{
    struct journal_reader *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    bool good = load(j) && j->open(&j->journal, SD_JOURNAL_LOCAL_ONLY) >= 0 &&
                j->add_match(j->journal, "_SYSTEMD_SLICE=postern.slice", 0) >= 0 &&
                j->add_disjunction(j->journal) >= 0 &&
                j->add_match(j->journal, "SYSLOG_FACILITY=2", 0) >= 0 &&
                j->seek(j->journal, (uint64_t)since * 1000000) >= 0;
    if (good)
        return j;
    journal_reader_close(j);
    return NULL;
}

void journal_reader_close(struct journal_reader *j)
{
    if (j->journal)
        j->close(j->journal);
    if (j->library)
        dlclose(j->library);
    free(j);
}

/* Of "FIELD=value"; false: the entry hasn't got it. */
static bool field(struct journal_reader *j, const char *name, struct span *value)
{
    const void *data;
    size_t n, head = strlen(name) + 1;
    if (j->data(j->journal, name, &data, &n) < 0 || n < head)
        return false;
    *value = (struct span){ (const char *)data + head, n - head };
    return true;
}

/* Whether more than its name counts. */
static bool is_alone(struct span event)
{
    return !span_eq_str(event, "refused") && !span_eq_str(event, "checked");
}

static bool read_entry(struct journal_reader *j, struct bytes values[4])
{
    struct span text;
    char *line = NULL;
    for (size_t i = 0; i < 4; i++)
        bytes_clear(&values[i]);
    if (field(j, "POSTERN_EVENT", &text) && is_alone(text))
        return bytes_add_span(&values[0], text);
    if (field(j, "MESSAGE", &text) && text.n < MESSAGE_LIMIT && span_starts(text, "event="))
        line = span_dup(text);
    if (line)
        status_log_fields(line, values);
    free(line);
    return line != NULL;
}

bool journal_reader_next(struct journal_reader *j, struct bytes values[4], struct counted *e, bool *failed)
{
    int more;
    uint64_t at;
    while ((more = j->next(j->journal)) > 0) {
        if (j->time(j->journal, &at) < 0 || !read_entry(j, values))
            continue;
        *e = (struct counted){ (int64_t)(at / 1000000), bytes_str(&values[0]), bytes_str(&values[1]),
                               bytes_str(&values[2]), bytes_str(&values[3]) };
        return true;
    }
    *failed = more < 0;
    return false;
}
