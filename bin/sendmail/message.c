/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The message from standard input, made fit for SMTP.
 *
 * Programs hand in whatever they have: LF or CRLF, an mbox "From " line in front, progress bars full of CR,
 * no header section at all. So a lone CR becomes a line end, NULs go, and a line over LINE_LIMIT is broken;
 * what remains is what smtpd takes. The setting message-size bounds the whole.
 */
#include "sendmail.h"
#include "text/fields.h"
#include "text/header.h"
#include "text/smtp_data.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define LINE_LIMIT (SMTP_DATA_LINE_LIMIT / 2)
#define READ_PIECE 65536
#define NAME_LIMIT 200 /* bytes of a full name */

/* --- lines */

struct lines {
    struct job *job;
    size_t start; /* where the current line begins in the message */
    bool cr;      /* a CR was just seen */
    bool ended;   /* by a dot */
};

static void end_line(struct lines *l)
{
    struct bytes *m = &l->job->message;
    if (!l->job->dots && m->len == l->start + 1 && m->data[l->start] == '.') {
        m->len = l->start;
        l->ended = true;
        return;
    }
    bytes_add(m, "\r\n", 2);
    l->start = m->len;
}

static void add_byte(struct lines *l, char c)
{
    if (l->cr && c != '\n')
        end_line(l);
    l->cr = c == '\r';
    if (l->ended || l->cr || c == '\0')
        return;
    if (c == '\n') {
        end_line(l);
        return;
    }
    if (l->job->message.len - l->start >= LINE_LIMIT)
        end_line(l);
    l->job->eight_bit |= (unsigned char)c > 127;
    bytes_add_char(&l->job->message, c);
}

static int read_lines(struct job *job)
{
    char piece[READ_PIECE];
    struct lines l = { .job = job };
    while (!l.ended && !job->message.failed) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return complain(EX_IOERR, "standard input: %s", strerror(errno));
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n && !l.ended; i++)
            add_byte(&l, piece[i]);
    }
    if (!l.ended && (l.cr || job->message.len > l.start))
        end_line(&l);
    if (job->message.failed)
        return complain(EX_DATAERR, "the message is too big");
    return EX_OK;
}

/* --- fields */

static bool add_list(struct job *job, struct span value)
{
    struct address_entry entry;
    bool good = true;
    while (good && address_list_next(&value, &entry)) {
        if (entry.kind == ADDRESS_MAILBOX) {
            struct bytes text;
            bytes_init(&text, 2 * ADDRESS_NAME_LIMIT + 1);
            bytes_add_span(&text, span_bytes(&entry.local));
            if (entry.domain.len)
                bytes_add_char(&text, '@');
            bytes_add_span(&text, span_bytes(&entry.domain));
            good = add_recipient(job, span_bytes(&text));
            bytes_free(&text);
        }
        address_entry_free(&entry);
    }
    return good;
}

/* The recipients of a resent message are those of its Resent- fields (RFC 5322 3.6.6). */
static bool add_header_recipients(struct job *job, struct span header)
{
    static const char *const names[2][3] = { { "To", "Cc", "Bcc" },
                                             { "Resent-To", "Resent-Cc", "Resent-Bcc" } };
    bool resent = header_count(header, "Resent-To") || header_count(header, "Resent-Cc") ||
                  header_count(header, "Resent-Bcc");
    struct header_field field;
    while (header_next(&header, &field))
        for (size_t i = 0; i < 3; i++)
            if (span_ieq_str(field.name, names[resent][i]) && !add_list(job, field.value))
                return false;
    return true;
}

/* From: "Full Name" <address>; a name that isn't printable ASCII is left out. */
static void add_from(const struct job *job, struct bytes *out)
{
    const char *name = job->full_name ? job->full_name : "";
    bool plain = *name && strlen(name) <= NAME_LIMIT;
    for (const char *p = name; *p && plain; p++)
        plain = *p >= ' ' && *p < 127;
    bytes_add_str(out, "From: ");
    if (plain) {
        bytes_add_char(out, '"');
        for (const char *p = name; *p; p++)
            bytes_printf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
        bytes_add_str(out, "\" ");
    }
    if (address_is_null(&job->sender))
        bytes_printf(out, "<%s@%s>\r\n", job->user, job->domain);
    else
        bytes_printf(out, "<%s>\r\n", job->sender.text);
}

static int complete(struct job *job, struct span message)
{
    static const char *const dropped[] = { "Bcc", "Resent-Bcc", NULL };
    struct span header = { message.p, fields_begin(message) ? header_end(message) : 0 };
    struct bytes out;
    struct fields have;
    fields_look(header, &have);
    if (job->from_header && !add_header_recipients(job, header))
        return EX_DATAERR;
    bytes_init(&out, job->message.limit + 2 * NAME_LIMIT + 2 * ADDRESS_LIMIT);
    if (!have.from)
        add_from(job, &out);
    fields_without(header, dropped, &out);
    if (message.n && !header.n)
        bytes_add_str(&out, "\r\n"); /* it is all body */
    bytes_add_span(&out, span_from(message, header.n));
    bytes_free(&job->message);
    job->message = out;
    return out.failed ? complain(EX_TEMPFAIL, "out of memory") : EX_OK;
}

int message_read(struct job *job)
{
    bytes_init(&job->message, job->settings.message_size);
    int code = read_lines(job);
    if (code != EX_OK)
        return code;
    struct span message = span_bytes(&job->message);
    if (span_starts(message, "From "))
        message = span_from(message, span_find(message, '\n') + 1);
    return complete(job, message);
}
