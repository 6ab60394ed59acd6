/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a queued message's MAIL and RCPT said beside the addresses (text/envelope.h), as lines of its
 * envelope, in this order, each only where it was said:
 *
 *     utf8                     SMTPUTF8
 *     require-tls              REQUIRETLS
 *     return headers           RET; or full
 *     envid QQ314159           ENVID, in xtext
 *     release 1763759545       not before this time (FUTURERELEASE)
 *     junk                     mailboxes here file it as junk
 *
 * and below a recipient, behind a space: notify=success,delay orcpt=rfc822;bob@example.net account=yes, where
 * aliases have been followed; program=0:list, the program of an alias that the message is for
 * (store/programs.h); forwarded=yes, where the sender named another address.
 */
#include "store/queue_private.h"

#include <inttypes.h>
#include <string.h>

/* By bit of NOTIFY_*. */
static const char *const notify_words[] = { "never", "success", "failure", "delay" };
#define NOTIFY_WORDS (sizeof notify_words / sizeof notify_words[0])

/* xtext and what it stands for hold no space, and nothing that ends a line. */
static bool is_word(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
            return false;
    return true;
}

bool queue_write_options(const struct mail_options *o, struct bytes *out)
{
    if (o->smtputf8)
        bytes_add_str(out, "utf8\n");
    if (o->require_tls)
        bytes_add_str(out, "require-tls\n");
    if (o->ret != RET_UNSAID)
        bytes_printf(out, "return %s\n", o->ret == RET_FULL ? "full" : "headers");
    if (o->envid[0])
        bytes_printf(out, "envid %s\n", o->envid);
    if (o->release > 0)
        bytes_printf(out, "release %" PRId64 "\n", o->release);
    if (o->junk)
        bytes_add_str(out, "junk\n");
    return is_word(span_of(o->envid));
}

bool queue_write_recipient_options(const struct rcpt_options *o, struct bytes *out)
{
    const char *before = " notify=";
    for (size_t i = 0; i < NOTIFY_WORDS; i++)
        if (o->notify & 1u << i) {
            bytes_printf(out, "%s%s", before, notify_words[i]);
            before = ",";
        }
    if (o->orcpt[0])
        bytes_printf(out, " orcpt=%s", o->orcpt);
    if (o->account)
        bytes_add_str(out, " account=yes");
    if (o->forwarded)
        bytes_add_str(out, " forwarded=yes");
    if (o->program[0])
        bytes_printf(out, " program=%s", o->program);
    if (o->notify || o->orcpt[0] || o->account || o->forwarded || o->program[0])
        bytes_add_char(out, '\n');
    return is_word(span_of(o->orcpt)) && is_word(span_of(o->program));
}

/* The line at the start of *rest, if it begins with this; *value is what stands behind it. */
static bool take(struct span *rest, const char *key, struct span *value)
{
    struct span after = *rest;
    if (!span_starts(*rest, key) || !span_cut(&after, '\n', value) || !after.p)
        return false;
    *value = span_from(*value, strlen(key));
    *rest = after;
    return true;
}

static bool read_return(struct span value, enum mail_ret *ret)
{
    *ret = span_eq_str(value, "full") ? RET_FULL : RET_HDRS;
    return *ret == RET_FULL || span_eq_str(value, "headers");
}

bool queue_read_options(struct span *rest, struct mail_options *o)
{
    struct span value;
    uint64_t release = 0;
    bool good = true;
    o->smtputf8 = take(rest, "utf8\n", &value);
    o->require_tls = take(rest, "require-tls\n", &value);
    if (take(rest, "return ", &value))
        good = read_return(value, &o->ret);
    if (take(rest, "envid ", &value))
        good = is_word(value) && span_copy(value, o->envid, sizeof o->envid) && good;
    if (take(rest, "release ", &value))
        good = span_u64(value, INT64_MAX, &release) && good;
    o->release = (int64_t)release;
    o->junk = take(rest, "junk\n", &value);
    return good;
}

static bool read_notify(struct span words, unsigned *notify)
{
    struct span word;
    while (span_cut(&words, ',', &word)) {
        size_t i = 0;
        while (i < NOTIFY_WORDS && !span_eq_str(word, notify_words[i]))
            i++;
        if (i == NOTIFY_WORDS)
            return false;
        *notify |= 1u << i;
    }
    return true;
}

bool queue_read_recipient_options(struct span line, struct rcpt_options *o)
{
    struct span word, value;
    while (span_cut(&line, ' ', &word)) {
        value = word;
        if (!is_word(word) || !span_cut(&value, '=', &word) || !value.p)
            return false;
        bool good = span_eq_str(word, "notify")    ? read_notify(value, &o->notify)
                    : span_eq_str(word, "orcpt")   ? span_copy(value, o->orcpt, sizeof o->orcpt)
                    : span_eq_str(word, "account")   ? (o->account = span_eq_str(value, "yes"))
                    : span_eq_str(word, "forwarded") ? (o->forwarded = span_eq_str(value, "yes"))
                    : span_eq_str(word, "program") ? span_copy(value, o->program, sizeof o->program)
                                                   : false;
        if (!good)
            return false;
    }
    return true;
}
