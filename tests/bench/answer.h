/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Is an IMAP answer the right one? `check` is a list of what must hold, with commas between; "-" asks for
 * nothing:
 *
 *     fetches=N, expunges=N   so many FETCH or EXPUNGE responses
 *     hits=N                  so many numbers behind SEARCH
 *     exists=N, messages=N    what the last EXISTS, or STATUS's MESSAGES, says
 *     has=WORD, lacks=WORD    each FETCH response has this in it, or none has
 *     numbered                FETCH response N has the Message-ID of message N of maildir.c
 *     sums                    each literal is a message of maildir.c whose body is whole
 */
#ifndef POSTERN_TESTS_ANSWER_H
#define POSTERN_TESTS_ANSWER_H

#include "sum.h"

#include <ctype.h>

struct answer {
    unsigned long fetches, expunges, hits, exists, messages; /* found */
    const char *check;
    char *wrong; /* what is wrong first, or NULL */
};

static inline void answer_wrong(struct answer *a, const char *what, unsigned long found)
{
    if (!a->wrong && asprintf(&a->wrong, "%s: %lu", what, found) < 0)
        abort();
}

/* Looks at one FETCH response, literals included. */
static inline void answer_fetch(struct answer *a, unsigned long number, const char *line, size_t n)
{
    char word[64];
    for (const char *at = a->check; *at; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        at += length;
        if (strncmp(word, "has=", 4) == 0 && !memmem(line, n, word + 4, strlen(word + 4)))
            answer_wrong(a, "a FETCH response lacks an item", number);
        if (strncmp(word, "lacks=", 6) == 0 && memmem(line, n, word + 6, strlen(word + 6)))
            answer_wrong(a, "a FETCH response has what it must not have", number);
        if (strcmp(word, "numbered") == 0 && !sum_is_number(line, n, number))
            answer_wrong(a, "a FETCH response is about another message", number);
    }
}

static inline unsigned long answer_numbers(const char *from, const char *to)
{
    unsigned long count = 0;
    for (const char *p = from; p < to; p++)
        count += *p == ' ' && isdigit((unsigned char)p[1]);
    return count;
}

static inline void answer_response(struct answer *a, const char *line, size_t n)
{
    char *word;
    unsigned long number = strtoul(line + 2, &word, 10);
    if (strncmp(word, " FETCH ", 7) == 0) {
        a->fetches++;
        answer_fetch(a, number, line, n);
    } else if (strncmp(word, " EXPUNGE", 8) == 0)
        a->expunges++;
    else if (strncmp(word, " EXISTS", 7) == 0)
        a->exists = number;
    else if (strncmp(line, "* SEARCH", 8) == 0)
        a->hits += answer_numbers(line + 8, line + n);
    else if (strncmp(line, "* STATUS ", 9) == 0 && (word = memmem(line, n, "MESSAGES ", 9)))
        a->messages = strtoul(word + 9, NULL, 10);
}

/* The length of a response with its CRLF and the literals in it. The answer ends with a whole line. */
static inline size_t answer_span(struct answer *a, const char *p, const char *end)
{
    const char *at = p, *lf;
    bool sums = strstr(a->check, "sums") != NULL;
    while ((lf = memchr(at, '\n', (size_t)(end - at)))) {
        const char *open = lf > p + 2 && lf[-2] == '}' ? memrchr(at, '{', (size_t)(lf - at)) : NULL;
        at = lf + 1;
        if (!open)
            return (size_t)(at - p);
        size_t length = strtoul(open + 1, NULL, 10);
        if (length > (size_t)(end - at))
            break;
        if (sums && !sum_is_right(at, length))
            answer_wrong(a, "a body isn't whole; octets", length);
        at += length;
    }
    answer_wrong(a, "the answer ends within a response; octets left", (size_t)(end - p));
    return (size_t)(end - p);
}

/* NULL if the whole answer (its last line is the tagged one) is as `check` says, else what is wrong, from
 * malloc. */
static inline char *answer_check(const char *data, size_t n, const char *check)
{
    struct answer a = { .check = check };
    const char *end = data + n;
    for (const char *p = data; p < end;) {
        size_t length = answer_span(&a, p, end);
        if (*p == '*')
            answer_response(&a, p, length);
        p += length;
    }
    const struct {
        const char *name;
        unsigned long found;
    } counts[] = { { "fetches=", a.fetches },
                   { "expunges=", a.expunges },
                   { "hits=", a.hits },
                   { "exists=", a.exists },
                   { "messages=", a.messages } };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const char *wanted = strstr(check, counts[i].name);
        if (wanted && strtoul(wanted + strlen(counts[i].name), NULL, 10) != counts[i].found)
            answer_wrong(&a, counts[i].name, counts[i].found);
    }
    return a.wrong;
}

#endif
