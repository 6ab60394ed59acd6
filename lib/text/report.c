/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes a report; see report.h. Replies and addresses come from strangers: only printable ASCII of them gets
 * in. The original's headers are passed on as they came, but for line ends; the boundary is random, so
 * nothing in them can end its part.
 */
#include "text/report.h"
#include "text/date.h"
#include "text/reply.h"
#include "text/xtext.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FOLD 900 /* a line is 998 bytes at most (RFC 5322 2.1.1) */

/* By enum report_action. */
static const struct {
    const char *action, *subject, *words, *unknown, *status;
} kinds[] = {
    [REPORT_FAILED] = { "failed", "Your message could not be delivered",
                        "Your message could not be delivered to the addresses below, and no further "
                        "attempt\r\n"
                        "will be made. To the other recipients, if any, it was delivered.\r\n",
                        "failed; the server's answer was not recorded", "5.0.0" },
    [REPORT_DELIVERED] = { "delivered", "Your message was delivered",
                           "As you asked to be told: your message was delivered to the mailboxes of the\r\n"
                           "addresses below.\r\n",
                           "delivered", "2.0.0" },
    [REPORT_EXPANDED] = { "expanded", "Your message was passed on",
                          "As you asked to be told: each address below stands for several others, and your\r\n"
                          "message was passed on to these. Whether it arrives there isn't reported, but for\r\n"
                          "failures where you asked for them.\r\n",
                          "expanded", "2.0.0" },
};

static void add_clean(struct bytes *out, const char *text)
{
    for (size_t n = 0; *text && n < FOLD; text++, n++)
        bytes_add_char(out, *text >= ' ' && *text < 0x7f ? *text : '?');
}

/* An address of the envelope: UTF-8 that was checked, if not ASCII. */
static void add_address(struct bytes *out, const char *text, bool utf8)
{
    if (utf8)
        bytes_add_str(out, text);
    else
        add_clean(out, text);
}

static void add_field(struct bytes *out, const char *name, const char *value)
{
    bytes_printf(out, "%s: ", name);
    add_clean(out, value);
    bytes_add_str(out, "\r\n");
}

static void add_date(struct bytes *out, const char *name, int64_t when)
{
    bytes_printf(out, "%s: ", name);
    date_write(when, out);
    bytes_add_str(out, "\r\n");
}

static unsigned code_of(const char *reply)
{
    uint64_t code;
    return span_u64(span_head(span_of(reply), 3), 599, &code) && code >= 200 ? (unsigned)code : 0;
}

static void add_status(struct bytes *out, const struct report_recipient *r, enum report_action action)
{
    char status[12] = "";
    unsigned code = r->reply ? code_of(r->reply) : 0;
    if (r->expired)
        snprintf(status, sizeof status, "4.4.7");
    else if (r->reply)
        reply_status(r->reply + (code ? strlen(r->reply) > 4 ? 4 : strlen(r->reply) : 0), code, status);
    add_field(out, "Status", status[0] ? status : kinds[action].status);
}

/* What the sender called it (RFC 3464 2.3.1), and who it was in the end. */
static void add_names(struct bytes *out, const struct report_recipient *r, bool utf8)
{
    const struct rcpt_options *o = r->options;
    struct bytes shown;
    bytes_init(&shown, 2 * ENVELOPE_ORCPT_LIMIT);
    if (o && o->orcpt[0] && orcpt_show(span_of(o->orcpt), utf8, &shown))
        bytes_printf(out, "Original-Recipient: %s\r\n", bytes_str(&shown));
    bytes_clear(&shown);
    if (recipient_show(span_of(r->address), utf8, &shown))
        bytes_printf(out, "Final-Recipient: %s\r\n", bytes_str(&shown));
    bytes_free(&shown);
}

static void add_recipient(struct bytes *out, const struct report_recipient *r, const struct report *report)
{
    char host[300];
    bytes_add_str(out, "\r\n");
    add_names(out, r, report->utf8);
    add_field(out, "Action", kinds[report->action].action);
    add_status(out, r, report->action);
    if (r->host) {
        struct span name = span_of(r->host);
        span_copy(span_head(name, span_find(name, '[') ? span_find(name, '[') : name.n), host, sizeof host);
        bytes_add_str(out, "Remote-MTA: dns; ");
        add_clean(out, host);
        bytes_add_str(out, "\r\n");
    }
    if (r->reply) {
        bytes_add_str(out, r->host && code_of(r->reply) ? "Diagnostic-Code: smtp; "
                                                        : "Diagnostic-Code: x-postern; ");
        add_clean(out, r->reply);
        bytes_add_str(out, "\r\n");
    }
    add_date(out, "Last-Attempt-Date", report->now);
}

/* The name that the sender gave the envelope (RFC 3464 2.2.1). */
static void add_envid(struct bytes *out, const char *envid)
{
    struct bytes shown;
    bytes_init(&shown, ENVELOPE_ENVID_LIMIT);
    if (envid && envid[0] && xtext_decode(span_of(envid), &shown))
        add_field(out, "Original-Envelope-Id", bytes_str(&shown));
    bytes_free(&shown);
}

static void add_words(struct bytes *out, const struct report *r)
{
    bytes_printf(out, "This is the mail server %s.\r\n\r\n", r->hostname);
    bytes_add_str(out,
                  r->for_postmaster
                      ? "A message without a sender (most often a bounce) could not be delivered to the\r\n"
                        "addresses below. Nobody else can be told about it, so you are.\r\n"
                      : kinds[r->action].words);
    for (size_t i = 0; i < r->count; i++) {
        const struct report_recipient *one = &r->recipients[i];
        bytes_add_str(out, "\r\n  <");
        add_address(out, one->address, r->utf8);
        bytes_add_str(out, ">\r\n");
        if (one->expired)
            bytes_add_str(out, "    was tried for as long as mail is kept here. The last answer was:\r\n");
        bytes_add_str(out, "    ");
        if (one->host) {
            add_clean(out, one->host);
            bytes_add_str(out, ": ");
        }
        add_clean(out, one->reply ? one->reply : kinds[r->action].unknown);
        bytes_add_str(out, "\r\n");
    }
    bytes_add_str(out, "\r\nThe headers of the message follow, behind a report for programs.\r\n");
}

/* Lines as they are, but each ended by CRLF, none longer than it may be, and no NUL. */
static void add_header(struct bytes *out, struct span header)
{
    struct span line;
    while (span_cut(&header, '\n', &line)) {
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0)
            break;
        line = span_head(line, FOLD);
        for (size_t i = 0; i < line.n; i++)
            bytes_add_char(out, line.p[i] == '\0' || line.p[i] == '\r' ? '?' : line.p[i]);
        bytes_add_str(out, "\r\n");
    }
}

static bool has_eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return true;
    return false;
}

/* Are there 8-bit bytes in what it will hold? */
static bool is_eight_bit(const struct report *r)
{
    bool found = has_eight_bit(r->header) || (r->utf8 && has_eight_bit(span_of(r->to)));
    for (size_t i = 0; r->utf8 && !found && i < r->count; i++)
        found = has_eight_bit(span_of(r->recipients[i].address)) ||
                (r->recipients[i].options && r->recipients[i].options->orcpt[0]);
    return found;
}

static void begin_part(struct bytes *out, const char *boundary, const char *type, bool eight_bit)
{
    bytes_printf(out, "\r\n--%s\r\nContent-Type: %s\r\n%s\r\n", boundary, type,
                 eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static void write_header(const struct report *r, const char *boundary, bool eight_bit, struct bytes *out)
{
    bytes_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <", r->hostname);
    add_address(out, r->to, r->utf8);
    bytes_add_str(out, ">\r\n");
    add_date(out, "Date", r->now);
    bytes_printf(
        out, "Subject: %s\r\nMessage-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
        r->for_postmaster ? "A bounce could not be delivered" : kinds[r->action].subject, r->bounce_id,
        r->hostname);
    bytes_printf(
        out, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n%s",
        boundary, eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

bool report_write(const struct report *r, struct bytes *out, bool *eight_bit)
{
    char boundary[40];
    *eight_bit = is_eight_bit(r);
    bool global = r->utf8 && *eight_bit; /* RFC 6533 */
    snprintf(boundary, sizeof boundary, "postern-%016" PRIx64, r->random);
    write_header(r, boundary, *eight_bit, out);
    begin_part(out, boundary, global ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", global);
    add_words(out, r);
    begin_part(out, boundary, global ? "message/global-delivery-status" : "message/delivery-status", global);
    add_envid(out, r->envid);
    bytes_printf(out, "Reporting-MTA: dns; %s\r\nX-Postern-Queue-ID: %s\r\n", r->hostname, r->id);
    add_date(out, "Arrival-Date", r->queued);
    for (size_t i = 0; i < r->count; i++)
        add_recipient(out, &r->recipients[i], r);
    begin_part(out, boundary, global ? "message/global-headers" : "text/rfc822-headers", *eight_bit);
    add_header(out, r->header);
    bytes_printf(out, "\r\n--%s--\r\n", boundary);
    return !out->failed;
}
