/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes a report; see report.h. Replies and addresses come from strangers: only printable ASCII of them gets
 * in, and well-formed UTF-8 of addresses where the message was international (RFC 6533). The original, or its
 * headers, are passed on as they came, but for the headers' line ends; the boundary is random, so nothing in
 * them can end its part.
 */
#include "text/report.h"
#include "text/date.h"
#include "text/reply.h"
#include "text/utf8.h"
#include "text/xtext.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FOLD 900 /* a line is 998 bytes at most (RFC 5322 2.1.1) */

/* By enum report_action: the subject and the words of a report, what is said of a recipient whose reply isn't
 * known, and the status that stands in for one that says nothing. */
static const struct {
    const char *action, *subject, *words, *unknown, *status;
} kinds[] = {
    [REPORT_UNSAID] = { "", "", "", "", "" },
    [REPORT_FAILED] = { "failed", "Your message could not be delivered",
                        "Your message could not be delivered to the addresses below, and no further "
                        "attempt\r\n"
                        "will be made. Of its other recipients, if any, nothing is said here.\r\n",
                        "failed; the server's answer was not recorded", "5.0.0" },
    [REPORT_DELAYED] = { "delayed", "Your message is delayed",
                         "Your message could not be delivered to the addresses below so far. You need not\r\n"
                         "send it again: further attempts will be made, and you will hear if they all\r\n"
                         "fail.\r\n",
                         "waits; the server's answer was not recorded", "4.0.0" },
    [REPORT_DELIVERED] = { "delivered", "Your message was delivered",
                           "As you asked to be told: your message was delivered to the mailboxes of the\r\n"
                           "addresses below, where nothing else is said.\r\n",
                           "delivered", "2.0.0" },
    [REPORT_RELAYED] = { "relayed", "Your message was passed on",
                         "As you asked to be told: your message was passed on to the servers of the\r\n"
                         "addresses below. These don't say whether they deliver it; if they can't, you\r\n"
                         "should hear from them.\r\n",
                         "passed on", "2.0.0" },
    [REPORT_EXPANDED] = { "expanded", "Your message was passed on",
                          "As you asked to be told: the addresses below stand for others, to all of\r\n"
                          "which your message was passed on. You won't hear of each that it arrived.\r\n",
                          "passed on to other addresses", "2.0.0" },
};

static void add_clean(struct bytes *out, const char *text)
{
    for (size_t n = 0; *text && n < FOLD; text++, n++)
        bytes_add_char(out, *text >= ' ' && *text < 0x7f ? *text : '?');
}

/* The same, but characters beyond ASCII stay what they are. */
static void add_international(struct bytes *out, const char *text)
{
    struct span rest = span_head(span_of(text), FOLD);
    while (rest.n) {
        uint32_t c = (unsigned char)rest.p[0];
        size_t n = c < 0x80 ? 1 : utf8_read(rest, &c);
        if (n == 0 || c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            bytes_add_char(out, '?');
        else
            bytes_add(out, rest.p, n);
        rest = span_from(rest, n ? n : 1);
    }
}

static void add_address(struct bytes *out, const char *address, const struct report *r)
{
    if (r->utf8)
        add_international(out, address);
    else
        add_clean(out, address);
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

static enum report_action action_of(const struct report_recipient *one, const struct report *r)
{
    return one->action != REPORT_UNSAID ? one->action : r->action;
}

/* A reply of another class is no status for this action: a server that says 554 to everybody makes mail
 * wait. */
static void add_status(struct bytes *out, const struct report_recipient *one, enum report_action action)
{
    char status[12] = "";
    const char *stands_in = kinds[action].status;
    unsigned code = one->reply ? code_of(one->reply) : 0;
    if (one->expired)
        snprintf(status, sizeof status, "4.4.7");
    else if (one->reply)
        reply_status(one->reply + (code ? strlen(one->reply) > 4 ? 4 : strlen(one->reply) : 0), code, status);
    bool fits = status[0] && (action == REPORT_FAILED || status[0] == stands_in[0]);
    add_field(out, "Status", fits ? status : stands_in);
}

/* What the sender called it (RFC 3464 2.3.1). */
static void add_original(struct bytes *out, const struct rcpt_options *o, bool utf8)
{
    struct bytes shown;
    bytes_init(&shown, 2 * ENVELOPE_ORCPT_LIMIT);
    if (o && o->orcpt[0] && orcpt_show(span_of(o->orcpt), utf8, &shown)) {
        bytes_add_str(out, "Original-Recipient: ");
        bytes_add_span(out, span_bytes(&shown));
        bytes_add_str(out, "\r\n");
    }
    bytes_free(&shown);
}

static void add_final(struct bytes *out, const char *address, const struct report *r)
{
    struct bytes shown;
    bytes_init(&shown, 8 * FOLD);
    recipient_show(span_of(address), r->utf8, &shown);
    bytes_add_str(out, "Final-Recipient: ");
    add_address(out, bytes_str(&shown), r);
    bytes_add_str(out, "\r\n");
    bytes_free(&shown);
}

static void add_remote(struct bytes *out, const struct report_recipient *one)
{
    char host[300];
    struct span name = span_of(one->host);
    size_t bracket = span_find(name, '[');
    span_copy(span_head(name, bracket ? bracket : name.n), host, sizeof host);
    bytes_add_str(out, "Remote-MTA: dns; ");
    add_clean(out, host);
    bytes_add_str(out, "\r\n");
}

static void add_recipient(struct bytes *out, const struct report_recipient *one, const struct report *r)
{
    enum report_action action = action_of(one, r);
    bytes_add_str(out, "\r\n");
    add_original(out, one->options, r->utf8);
    add_final(out, one->address, r);
    add_field(out, "Action", kinds[action].action);
    add_status(out, one, action);
    if (one->host && one->host[0] != '/') /* a socket of this machine has no name in DNS */
        add_remote(out, one);
    if (one->reply) {
        bytes_add_str(out, code_of(one->reply) ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-postern; ");
        add_clean(out, one->reply);
        bytes_add_str(out, "\r\n");
    }
    add_date(out, "Last-Attempt-Date", r->now);
    if (action == REPORT_DELAYED && r->until)
        add_date(out, "Will-Retry-Until", r->until);
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

/* The address that the sender wrote to, where it is another. */
static void add_known_as(struct bytes *out, const struct report_recipient *one, const struct report *r)
{
    struct bytes shown;
    bytes_init(&shown, 2 * ENVELOPE_ORCPT_LIMIT);
    if (one->options && one->options->orcpt[0] && orcpt_show(span_of(one->options->orcpt), r->utf8, &shown)) {
        struct span all = span_bytes(&shown), address = span_from(all, span_find(all, ';') + 2);
        if (address.n && !span_ieq(address, span_of(one->address))) {
            bytes_add_str(out, ", to which <");
            add_address(out, address.p, r);
            bytes_add_str(out, "> leads");
        }
    }
    bytes_free(&shown);
}

/* One recipient for people: who, what happened where not all shared it, what was said. */
static void add_line(struct bytes *out, const struct report_recipient *one, const struct report *r)
{
    enum report_action action = action_of(one, r);
    bytes_add_str(out, "\r\n  <");
    add_address(out, one->address, r);
    bytes_add_str(out, ">");
    add_known_as(out, one, r);
    bytes_add_str(out, "\r\n");
    if (one->expired)
        bytes_add_str(out, "    was tried for as long as mail is kept here. The last answer was:\r\n");
    if (action != r->action)
        bytes_printf(out, "    %s:\r\n", kinds[action].unknown);
    bytes_add_str(out, "    ");
    if (one->host) {
        add_clean(out, one->host);
        bytes_add_str(out, ": ");
    }
    add_clean(out, one->reply ? one->reply : kinds[action].unknown);
    bytes_add_str(out, "\r\n");
}

static void add_words(struct bytes *out, const struct report *r)
{
    bytes_printf(out, "This is the mail server %s.\r\n\r\n", r->hostname);
    bytes_add_str(out,
                  r->for_postmaster
                      ? "A message without a sender (most often a bounce) could not be delivered to the\r\n"
                        "addresses below. Nobody else can be told about it, so you are.\r\n"
                      : kinds[r->action].words);
    if (r->action == REPORT_DELAYED && r->until) {
        bytes_add_str(out, "The last attempt will be made at about ");
        date_write(r->until, out);
        bytes_add_str(out, ".\r\n");
    }
    for (size_t i = 0; i < r->count; i++)
        add_line(out, &r->recipients[i], r);
    bytes_printf(out, "\r\n%s, behind a report for programs.\r\n",
                 r->message.n ? "The message follows" : "The headers of the message follow");
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

static void add_head(struct bytes *out, const struct report *r, const char *boundary, bool eight_bit)
{
    bytes_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <", r->hostname);
    add_address(out, r->to, r);
    bytes_add_str(out, ">\r\n");
    add_date(out, "Date", r->now);
    bytes_printf(
        out, "Subject: %s\r\nMessage-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
        r->for_postmaster ? "A bounce could not be delivered" : kinds[r->action].subject, r->bounce_id,
        r->hostname);
    bytes_printf(
        out, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n%s\r\n",
        boundary, eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static void add_status_part(struct bytes *out, const struct report *r)
{
    add_envid(out, r->envid);
    bytes_printf(out, "Reporting-MTA: dns; %s\r\nX-Postern-Queue-ID: %s\r\n", r->hostname, r->id);
    add_date(out, "Arrival-Date", r->queued);
    for (size_t i = 0; i < r->count; i++)
        add_recipient(out, &r->recipients[i], r);
}

static void begin_part(struct bytes *out, const char *boundary, const char *type, bool eight_bit)
{
    bytes_printf(out, "\r\n--%s\r\nContent-Type: %s\r\n%s\r\n", boundary, type,
                 eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static bool has_eight_bit(struct span s)
{
    return utf8_ascii_run(s) < s.n;
}

/* The words and the status are written first: they, too, say whether it takes the forms of RFC 6533. What
 * follows them is whatever the message was. */
static void add_parts(struct bytes *out, const struct report *r, const char *boundary)
{
    struct bytes words, status;
    struct span original = r->message.n ? r->message : r->header;
    bytes_init(&words, out->limit);
    bytes_init(&status, out->limit);
    add_words(&words, r);
    add_status_part(&status, r);
    bool beyond = has_eight_bit(span_bytes(&words)) || has_eight_bit(span_bytes(&status)) ||
                  has_eight_bit(original) || has_eight_bit(span_of(r->to));
    bool global = r->utf8 && beyond;
    begin_part(out, boundary, global ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
               has_eight_bit(span_bytes(&words)));
    bytes_add_span(out, span_bytes(&words));
    begin_part(out, boundary, global ? "message/global-delivery-status" : "message/delivery-status",
               has_eight_bit(span_bytes(&status)));
    bytes_add_span(out, span_bytes(&status));
    out->failed = out->failed || words.failed || status.failed;
    bytes_free(&words);
    bytes_free(&status);
    begin_part(out, boundary,
               r->message.n ? global ? "message/global" : "message/rfc822"
               : global     ? "message/global-headers"
                            : "text/rfc822-headers",
               has_eight_bit(original));
    if (r->message.n)
        bytes_add_span(out, original);
    else
        add_header(out, original);
    bytes_printf(out, "\r\n--%s--\r\n", boundary);
}

bool report_write(const struct report *r, struct bytes *out, bool *eight_bit)
{
    char boundary[40];
    struct bytes parts;
    snprintf(boundary, sizeof boundary, "postern-%016" PRIx64, r->random);
    bytes_init(&parts, out->limit);
    add_parts(&parts, r, boundary);
    *eight_bit = has_eight_bit(span_bytes(&parts));
    add_head(out, r, boundary, *eight_bit);
    bytes_add_span(out, span_bytes(&parts));
    *eight_bit = *eight_bit || has_eight_bit(span_bytes(out));
    bool good = !parts.failed && !out->failed;
    bytes_free(&parts);
    return good;
}
