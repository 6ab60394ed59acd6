/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A DNS in memory (tests/helpers/zone.h) from a table of TXT records, which keeps what it was asked, in
 * order, blanks between. The text "!" is a server that doesn't answer, "-" a name without TXT records.
 */
#ifndef POSTERN_TESTS_ANSWERS_H
#define POSTERN_TESTS_ANSWERS_H

#include "../helpers/zone.h"

struct answer_row {
    const char *name, *text;
};

struct answers {
    struct dns_zone zone;
    char asked[4096];
};

static enum status answers_ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct answers *t = arg;
    size_t n = strlen(t->asked);
    snprintf(t->asked + n, sizeof t->asked - n, "%s%s", n ? " " : "", name);
    return zone_ask(&t->zone, name, type, answer);
}

static void answers_expect(void *arg, const struct dns_query *queries, size_t count)
{
    zone_expect(&((struct answers *)arg)->zone, queries, count);
}

/* The last of `rows` has no name. `t` was used before, or is all zeros. */
static struct trust_lookup answers_lookup(struct answers *t, const struct answer_row *rows)
{
    char line[2048];
    zone_clear(&t->zone);
    t->asked[0] = '\0';
    for (; rows->name; rows++) {
        bool silent = strcmp(rows->text, "!") == 0, other = strcmp(rows->text, "-") == 0;
        snprintf(line, sizeof line, "%s %s%s", rows->name,
                 silent  ? "TIMEOUT"
                 : other ? "A 192.0.2.1"
                         : "TXT ",
                 silent || other ? "" : rows->text);
        zone_add(&t->zone, line);
    }
    return (struct trust_lookup){ .arg = t, .ask = answers_ask, .expect = answers_expect };
}

#endif
