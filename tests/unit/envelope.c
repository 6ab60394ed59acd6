/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What senders want to hear, and what goes along behind an alias (RFC 3461).
 */
#include "text/envelope.h"
#include "text/xtext.h"
#include "tap.h"

#include <string.h>

/* NOTIFY as bits; what is told; what goes along to several, and how RCPT has it. */
static const struct {
    unsigned notify;
    bool success, failure, delay;
    unsigned several;
    const char *written;
} rows[] = {
    { 0, false, true, true, 0, "" },
    { NOTIFY_NEVER, false, false, false, NOTIFY_NEVER, "NEVER" },
    { NOTIFY_SUCCESS, true, false, false, NOTIFY_NEVER, "SUCCESS" },
    { NOTIFY_FAILURE, false, true, false, NOTIFY_FAILURE, "FAILURE" },
    { NOTIFY_DELAY, false, false, true, NOTIFY_DELAY, "DELAY" },
    { NOTIFY_SUCCESS | NOTIFY_FAILURE, true, true, false, NOTIFY_FAILURE, "SUCCESS,FAILURE" },
    { NOTIFY_SUCCESS | NOTIFY_DELAY, true, false, true, NOTIFY_DELAY, "SUCCESS,DELAY" },
    { NOTIFY_FAILURE | NOTIFY_DELAY, false, true, true, NOTIFY_FAILURE | NOTIFY_DELAY, "FAILURE,DELAY" },
    { NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, true, true, true, NOTIFY_FAILURE | NOTIFY_DELAY,
      "SUCCESS,FAILURE,DELAY" },
};

static const struct {
    const char *said, *alias, *wanted;
} orcpts[] = {
    { "", "list@here.test", "rfc822;list@here.test" },
    { "rfc822;first@else.test", "list@here.test", "rfc822;first@else.test" },
    { "", "a+b@here.test", "rfc822;a+2Bb@here.test" },
    { "", "j\xc3\xb6rg@here.test", "utf-8;j\\x{F6}rg@here.test" },
    { "", "j\xc3\xb6+b@here.test", "utf-8;j\\x{F6}\\x{2B}b@here.test" },
    { "", "a\nb@here.test", "" },
    { "", "", "" },
};

static const struct {
    const char *value;
    bool utf8;
    const char *wanted; /* NULL: not valid */
} written[] = {
    { "rfc822;a+2Bb@x.test", false, "rfc822;a+2Bb@x.test" },
    { "utf-8;\xc3\xbc@x.test", true, "utf-8;\xc3\xbc@x.test" },
    { "utf-8;\xc3\xbc@x.test", false, "utf-8;\\x{FC}@x.test" },
    { "utf-8;\\x{FC}\\x{2B}@x.test", false, "utf-8;\\x{FC}\\x{2B}@x.test" },
    { "a@x.test", false, NULL },
};

/* Two recipients that lead to one address: NOTIFY and ORCPT of both, and what becomes of them. */
static const struct {
    unsigned first, second;
    const char *orcpt_first, *orcpt_second;
    unsigned notify;
    const char *orcpt;
} both[] = {
    { 0, 0, "rfc822;a@x", "rfc822;b@x", 0, "rfc822;a@x" },
    { 0, 0, "", "rfc822;b@x", 0, "rfc822;b@x" },
    { NOTIFY_NEVER, NOTIFY_NEVER, "rfc822;a@x", "rfc822;b@x", NOTIFY_NEVER, "rfc822;a@x" },
    { NOTIFY_NEVER, 0, "rfc822;a@x", "rfc822;b@x", 0, "rfc822;b@x" },
    { NOTIFY_NEVER, 0, "rfc822;a@x", "", 0, "" },
    { 0, NOTIFY_NEVER, "rfc822;a@x", "rfc822;b@x", 0, "rfc822;a@x" },
    { NOTIFY_NEVER, NOTIFY_DELAY, "rfc822;a@x", "rfc822;b@x", NOTIFY_DELAY, "rfc822;b@x" },
    { 0, NOTIFY_NEVER, "", "rfc822;b@x", 0, "" },
    { NOTIFY_SUCCESS, NOTIFY_FAILURE, "rfc822;a@x", "rfc822;b@x", NOTIFY_SUCCESS | NOTIFY_FAILURE,
      "rfc822;b@x" },
    { NOTIFY_FAILURE, NOTIFY_SUCCESS, "rfc822;a@x", "rfc822;b@x", NOTIFY_SUCCESS | NOTIFY_FAILURE,
      "rfc822;a@x" },
    { 0, NOTIFY_SUCCESS, "", "rfc822;b@x", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, "rfc822;b@x" },
};

static void told_of_both(void)
{
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        struct rcpt_options a = { .notify = both[i].first }, b = { .notify = both[i].second }, to;
        span_copy(span_of(both[i].orcpt_first), a.orcpt, sizeof a.orcpt);
        span_copy(span_of(both[i].orcpt_second), b.orcpt, sizeof b.orcpt);
        rcpt_options_both(both[i].first || a.orcpt[0] ? &a : NULL, &b, &to);
        ok(to.notify == both[i].notify && strcmp(to.orcpt, both[i].orcpt) == 0,
           "of two recipients with one address, row %zu: %u %s", i, to.notify, to.orcpt);
    }
}

int main(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rcpt_options o = { .notify = rows[i].notify }, several, one;
        ok(rcpt_wants(&o, NOTIFY_SUCCESS) == rows[i].success &&
               rcpt_wants(&o, NOTIFY_FAILURE) == rows[i].failure &&
               rcpt_wants(&o, NOTIFY_DELAY) == rows[i].delay,
           "NOTIFY=%s: what is told", rows[i].written);
        rcpt_options_behind_alias(&o, SPAN("x@y"), true, &several);
        rcpt_options_behind_alias(&o, SPAN("x@y"), false, &one);
        ok(several.notify == rows[i].several && one.notify == rows[i].notify, "NOTIFY=%s: behind an alias",
           rows[i].written);
        bytes_clear(&out);
        notify_write(o.notify, &out);
        ok(strcmp(bytes_str(&out), rows[i].written) == 0, "NOTIFY=%s: written", rows[i].written);
    }
    ok(!rcpt_wants(NULL, NOTIFY_SUCCESS) && rcpt_wants(NULL, NOTIFY_FAILURE), "nothing was said at all");
    for (size_t i = 0; i < sizeof orcpts / sizeof orcpts[0]; i++) {
        struct rcpt_options o = { .notify = 0 }, to;
        span_copy(span_of(orcpts[i].said), o.orcpt, sizeof o.orcpt);
        rcpt_options_behind_alias(orcpts[i].said[0] ? &o : NULL, span_of(orcpts[i].alias), false, &to);
        ok(strcmp(to.orcpt, orcpts[i].wanted) == 0, "ORCPT of row %zu: %s", i, to.orcpt);
    }
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        bytes_clear(&out);
        bool good = orcpt_write(span_of(written[i].value), written[i].utf8, &out);
        ok(good == (written[i].wanted != NULL) && (!good || strcmp(bytes_str(&out), written[i].wanted) == 0),
           "ORCPT as RCPT has it: row %zu", i);
    }
    bytes_free(&out);
    told_of_both();
    return done_testing();
}
