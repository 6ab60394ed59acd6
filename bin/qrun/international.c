/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What needs SMTPUTF8, see international.h: a local part that isn't ASCII, or a byte above 127 in the header
 * section of a message that came with SMTPUTF8. (In one that came without, such bytes are as old as mail, and
 * are passed on as they always were.) Header sections of parts aren't looked at. A domain alone needs it only
 * where its own spelling is to be kept: DNS and every server know its A-labels.
 */
#include "international.h"
#include "net/idna.h"
#include "text/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 8192
#define HEADER_LIMIT (1 << 20) /* as long as smtpd takes them */

static bool is_ascii(const char *text)
{
    return utf8_ascii_run(span_of(text)) == strlen(text);
}

/* Is there a byte above 127 before the empty line? What can't be read says no: sending will say so. */
static bool header_needs(const struct transaction *t)
{
    char piece[PIECE];
    char before = '\n';
    uint64_t at = 0;
    while (at < t->size && at < HEADER_LIMIT) {
        size_t want = t->size - at < PIECE ? (size_t)(t->size - at) : PIECE;
        ssize_t n = pread(t->fd, piece, want, t->content + (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++) {
            if (piece[i] & 0x80)
                return true;
            if (piece[i] == '\n' && before == '\n')
                return false;
            if (piece[i] != '\r')
                before = piece[i];
        }
        at += (uint64_t)n;
    }
    return false;
}

static bool local_needs(const char *address)
{
    const char *at = strrchr(address, '@');
    return utf8_ascii_run(span_of(address)) < (at ? (size_t)(at - address) : strlen(address));
}

static void to_ascii(char *text, size_t size)
{
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    char *at = strrchr(text, '@');
    if (at && idna_to_ascii(span_of(at + 1), domain))
        snprintf(at + 1, size - (size_t)(at + 1 - text), "%s", domain);
}

static void refuse(struct transaction *t, size_t i)
{
    struct reply *r = &t->recipients[i].reply;
    if (t->recipients[i].mark)
        return;
    t->recipients[i].mark = QUEUE_FAILED;
    t->recipients[i].skipped = true;
    reply_start(r);
    r->length = (size_t)snprintf(r->text, sizeof r->text,
                                 "5.6.7 The message needs SMTPUTF8, which the server doesn't offer");
}

/* Those that are left are ASCII. False: nobody is. */
static bool downgrade(struct transaction *t, bool all)
{
    size_t kept = 0;
    to_ascii(t->sender, sizeof t->sender);
    for (size_t i = 0; i < t->count; i++) {
        to_ascii(t->recipients[i].address, sizeof t->recipients[i].address);
        if (all || !is_ascii(t->recipients[i].address))
            refuse(t, i);
        kept += !t->recipients[i].skipped;
    }
    return kept != 0;
}

bool international_prepare(const struct smtp *s, struct transaction *t)
{
    bool named = !is_ascii(t->sender); /* somebody isn't ASCII */
    bool all = local_needs(t->sender) || (t->utf8 && header_needs(t));
    for (size_t i = 0; i < t->count; i++)
        named = named || !is_ascii(t->recipients[i].address);
    t->says_utf8 = s->ehlo.utf8 && (named || all);
    return t->says_utf8 || !(named || all) || downgrade(t, all);
}
