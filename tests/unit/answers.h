/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A resolver for tests of lib/trust: TXT records from a table. What was asked is kept, in order, blanks
 * between. A name exists if a row is for it or for something below it; the text "!" is a server that doesn't
 * answer, "-" a name without TXT records.
 */
#ifndef POSTERN_TESTS_ANSWERS_H
#define POSTERN_TESTS_ANSWERS_H

#include "trust/lookup.h"

#include <stdio.h>
#include <stdlib.h>

struct answer_row {
    const char *name, *text;
};

struct answers {
    const struct answer_row *rows; /* the last has no name */
    char asked[4096];
    size_t questions, expected;
};

static bool answers_below(const char *name, const char *parent)
{
    size_t n = strlen(name), m = strlen(parent);
    return n >= m && strcmp(name + n - m, parent) == 0 && (n == m || name[n - m - 1] == '.');
}

/* In character-strings of 100 bytes. */
static void answers_add(struct dns_answer *a, const char *text)
{
    char data[2048];
    size_t n = 0;
    for (size_t left = strlen(text); left;
         text += data[n], left -= (size_t)data[n], n += 1u + (size_t)data[n]) {
        data[n] = (char)(left < 100 ? left : 100);
        memcpy(data + n + 1, text, (size_t)data[n]);
    }
    a->records[a->count++] = (struct dns_record){ .type = DNS_TXT, .data = { (char *)a->raw.len, n } };
    bytes_add(&a->raw, data, n);
}

static enum status answers_ask(void *arg, const char *name, enum dns_type type, struct dns_answer *a)
{
    struct answers *t = arg;
    bool exists = false;
    size_t n = strlen(t->asked);
    snprintf(t->asked + n, sizeof t->asked - n, "%s%s", n ? " " : "", name);
    t->questions++;
    *a = (struct dns_answer){ .count = 0 };
    bytes_init(&a->raw, 65535);
    span_copy(span_of(name), a->canonical, sizeof a->canonical);
    for (const struct answer_row *r = t->rows; r->name; r++) {
        exists |= answers_below(r->name, name);
        if (strcmp(r->name, name) != 0)
            continue;
        if (strcmp(r->text, "!") == 0)
            return ST_TEMP;
        if (type == DNS_TXT && strcmp(r->text, "-") != 0)
            answers_add(a, r->text);
    }
    for (size_t i = 0; i < a->count; i++)
        a->records[i].data.p = a->raw.data + (size_t)a->records[i].data.p;
    a->rcode = exists ? 0 : 3;
    return a->count ? ST_OK : ST_NONE;
}

static void answers_expect(void *arg, const struct dns_query *queries, size_t count)
{
    struct answers *t = arg;
    (void)queries;
    t->expected += count;
}

/* `rows` must outlive it. */
static struct trust_lookup answers_lookup(struct answers *t, const struct answer_row *rows)
{
    *t = (struct answers){ .rows = rows };
    return (struct trust_lookup){ .arg = t, .ask = answers_ask, .expect = answers_expect };
}

#endif
