/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes in one file; see mbox.h. A line begins a message where it begins with "From ", has a date (unless
 * the file's first has none either), and stands behind an empty line: "From here on..." in a letter that
 * nobody quoted is text then. A Content-Length counts only where what follows that many bytes is the end or
 * such a line; a message's sender could have written the field.
 */
#include "text/mbox.h"
#include "text/date.h"
#include "text/header.h"

#define FROM_LIMIT 1000 /* bytes of a line that begins a message; a longer one is text */
#define SENDER_LIMIT 320

static const struct {
    const char *name;
    enum mbox_format format;
} formats[] = {
    { "mboxo", MBOX_O }, { "mboxrd", MBOX_RD }, { "mboxcl", MBOX_CL }, { "mboxcl2", MBOX_CL2 },
};

/* The fields that are the file's own. */
static const char *const own_fields[] = { "Status", "X-Status", "X-Keywords", "Content-Length",
                                          "X-UID",  "X-IMAP",   "X-IMAPbase" };

static const struct {
    char letter;
    bool extended; /* in X-Status, else in Status */
    unsigned flag;
} letters[] = {
    { 'R', false, MBOX_SEEN },   { 'A', true, MBOX_ANSWERED }, { 'F', true, MBOX_FLAGGED },
    { 'D', true, MBOX_DELETED }, { 'T', true, MBOX_DRAFT },
};
#define LETTERS (sizeof letters / sizeof letters[0])

bool mbox_format_of(struct span name, enum mbox_format *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (span_eq_str(name, formats[i].name)) {
            *format = formats[i].format;
            return true;
        }
    return false;
}

static bool is_own_field(struct span name)
{
    for (size_t i = 0; i < sizeof own_fields / sizeof own_fields[0]; i++)
        if (span_ieq_str(name, own_fields[i]))
            return true;
    return false;
}

/* The first line, with its line end. */
static struct span first_line(struct span s)
{
    return span_head(s, span_find(s, '\n') + 1);
}

/* The length of the empty line that s begins with; 0: it begins with none. */
static size_t empty_line(struct span s)
{
    return span_starts(s, "\n") ? 1 : span_starts(s, "\r\n") ? 2 : 0;
}

/* Seconds east of UTC that the line says behind the year, where date_read() doesn't look; 0 if it doesn't. */
static int64_t late_zone(struct span line)
{
    uint64_t hhmm;
    if (line.n < 10 || !span_u64(span_from(line, line.n - 4), 2400, &hhmm) ||
        !span_u64(span_head(span_from(line, line.n - 10), 4), 9999, &(uint64_t){ 0 }))
        return 0;
    char sign = line.p[line.n - 5];
    int64_t seconds = (int64_t)(hhmm / 100 * 60 + hhmm % 100) * 60;
    return line.p[line.n - 6] != ' ' ? 0 : sign == '+' ? seconds : sign == '-' ? -seconds : 0;
}

/* The date may stand behind a sender of several words. */
static bool from_date(struct span line, int64_t *date)
{
    int zone;
    struct span rest = span_from(line, strlen("From ")), word;
    while (rest.n) {
        if (rest.p[0] != ' ' && date_read(rest, date, &zone)) {
            *date -= late_zone(rest);
            return true;
        }
        span_cut(&rest, ' ', &word);
    }
    return false;
}

static bool is_from(const struct mbox *m, struct span s)
{
    int64_t date;
    if (!span_starts(s, "From "))
        return false;
    struct span line = first_line(span_head(s, FROM_LIMIT));
    return (line.n < FROM_LIMIT || line.n == s.n) && (!m->dated || from_date(span_trim(line), &date));
}

bool mbox_open(struct span file, enum mbox_format format, struct mbox *m)
{
    int64_t date;
    size_t n;
    *m = (struct mbox){ .format = format };
    while ((n = empty_line(file)))
        file = span_from(file, n);
    m->rest = file;
    m->dated =
        span_starts(file, "From ") && from_date(span_trim(first_line(span_head(file, FROM_LIMIT))), &date);
    return file.n == 0 || is_from(m, file);
}

static void read_flags(struct span value, bool extended, unsigned *flags)
{
    for (size_t i = 0; i < LETTERS; i++)
        if (letters[i].extended == extended && span_find(value, letters[i].letter) < value.n)
            *flags |= letters[i].flag;
}

/* What the header says: true with *length where it gives one. */
static bool read_header(struct mbox_message *message, uint64_t *length)
{
    static const struct span names[] = {
        { "Status", 6 },          { "X-Status", 8 }, { "X-Keywords", 10 },
        { "Content-Length", 14 }, { "X-IMAP", 6 },   { "Subject", 7 },
        { "Date", 4 },
    };
    enum { STATUS, X_STATUS, KEYWORDS, LENGTH, IMAP, SUBJECT, DATE, COUNT };
    struct span values[COUNT];
    int zone;
    header_pick(message->header, names, COUNT, values);
    read_flags(values[STATUS], false, &message->flags);
    read_flags(values[X_STATUS], true, &message->flags);
    message->keywords = span_trim(values[KEYWORDS]);
    message->internal =
        values[IMAP].p && span_starts(span_trim(values[SUBJECT]), "DON'T DELETE THIS MESSAGE");
    if (message->date == 0 && values[DATE].p && !date_read(values[DATE], &message->date, &zone))
        message->date = 0;
    return values[LENGTH].p && span_u64(span_trim(values[LENGTH]), UINT64_MAX, length);
}

/* Where the message's text ends if its body is so long: SIZE_MAX if it can't be. */
static size_t sized_end(const struct mbox *m, size_t header, uint64_t length)
{
    if (length > m->rest.n - header)
        return SIZE_MAX;
    size_t end = header + (size_t)length;
    struct span after = span_from(m->rest, end);
    bool line = end > 0 && m->rest.p[end - 1] == '\n';
    if (!line && empty_line(after)) /* the end of the last line isn't counted */
        after = span_from(after, empty_line(after));
    else if (!line && after.n)
        return SIZE_MAX;
    while (empty_line(after))
        after = span_from(after, empty_line(after));
    return after.n == 0 || is_from(m, after) ? end : SIZE_MAX;
}

/* Where the message's text ends, by the next line that begins one, or by the end. */
static size_t searched_end(const struct mbox *m)
{
    struct span s = m->rest;
    for (size_t at = 0; at < s.n;) {
        const char *found = memmem(s.p + at, s.n - at, "\nFrom ", 6);
        if (!found)
            break;
        size_t line = (size_t)(found - s.p) + 1, before = line - 1;
        if (before && s.p[before - 1] == '\r')
            before--;
        if ((before == 0 || s.p[before - 1] == '\n') && is_from(m, span_from(s, line)))
            return before;
        at = line;
    }
    size_t end = s.n;
    if (end == empty_line(s))
        return 0;
    if (end >= 2 && s.p[end - 1] == '\n' && s.p[end - 2] == '\n')
        return end - 1;
    return end >= 3 && memcmp(s.p + end - 3, "\n\r\n", 3) == 0 ? end - 2 : end;
}

bool mbox_next(struct mbox *m, struct mbox_message *message)
{
    uint64_t length;
    size_t n, end = SIZE_MAX;
    *message = (struct mbox_message){ 0 };
    while ((n = empty_line(m->rest)))
        m->rest = span_from(m->rest, n);
    if (m->rest.n == 0)
        return false;
    struct span from = first_line(m->rest);
    if (!from_date(span_trim(span_head(from, FROM_LIMIT)), &message->date))
        message->date = 0;
    m->rest = span_from(m->rest, from.n);
    size_t header = header_end(m->rest);
    message->header = span_head(m->rest, header);
    if (read_header(message, &length) && m->format != MBOX_O && m->format != MBOX_RD)
        end = sized_end(m, header, length);
    message->sized = end != SIZE_MAX;
    message->text = span_head(m->rest, message->sized ? end : searched_end(m));
    message->header = span_head(message->header, message->text.n); /* the empty line may be the file's */
    m->rest = span_from(m->rest, message->text.n);
    if (message->sized && message->text.n && message->text.p[message->text.n - 1] != '\n')
        m->rest = span_from(m->rest, empty_line(m->rest));
    return true;
}

/* How many bytes ">" precede the "From " at `at`, where they are all that the line has before it; SIZE_MAX:
 * it stands within a line. */
static size_t marks_before(struct span s, size_t at)
{
    size_t i = at;
    while (i > 0 && s.p[i - 1] == '>')
        i--;
    return i == 0 || s.p[i - 1] == '\n' ? at - i : SIZE_MAX;
}

/* Puts `s`, which begins at the beginning of a line, with one ">" less or more before lines that begin with
 * "From " behind `least` or more of them, `most` at most. */
static bool put_quoted(struct span s, bool less, size_t least, size_t most, mbox_put *put, void *to)
{
    size_t done = 0;
    for (size_t at = 0; at < s.n;) {
        const char *found = memmem(s.p + at, s.n - at, "From ", 5);
        if (!found)
            break;
        size_t from = (size_t)(found - s.p), marks = marks_before(s, from);
        at = from + 5;
        if (marks == SIZE_MAX || marks < least || marks > most)
            continue;
        size_t line = from - marks;
        if (!put(to, (struct span){ s.p + done, line - done }) || (!less && !put(to, SPAN(">"))))
            return false;
        done = less ? line + 1 : line;
    }
    return put(to, span_from(s, done));
}

/* The next of the fields that are the file's own: where its lines stand in `header`. A line behind it that is
 * no field isn't its own. */
static bool next_own(struct span *rest, struct span *lines)
{
    struct header_field f;
    while (header_next(rest, &f)) {
        if (!is_own_field(f.name))
            continue;
        size_t n = 0;
        do
            n += first_line(span_from(f.whole, n)).n;
        while (n < f.whole.n && (f.whole.p[n] == ' ' || f.whole.p[n] == '\t'));
        *lines = span_head(f.whole, n);
        return true;
    }
    return false;
}

struct quoting {
    bool less;
    size_t least, most;
};

static bool put_header(struct span header, const struct quoting *q, mbox_put *put, void *to)
{
    struct span rest = header, lines;
    size_t done = 0;
    while (next_own(&rest, &lines)) {
        size_t at = (size_t)(lines.p - header.p);
        if (!put_quoted((struct span){ header.p + done, at - done }, q->less, q->least, q->most, put, to))
            return false;
        done = at + lines.n;
    }
    return put_quoted(span_from(header, done), q->less, q->least, q->most, put, to);
}

bool mbox_read(const struct mbox *m, const struct mbox_message *message, mbox_put *put, void *to)
{
    bool plain = m->format == MBOX_CL2 || (m->format == MBOX_ANY && message->sized);
    bool one = m->format == MBOX_O || m->format == MBOX_CL;
    struct quoting q = { .less = true, .least = plain ? SIZE_MAX : 1, .most = one ? 1 : SIZE_MAX - 1 };
    struct span body = span_from(message->text, message->header.n);
    return put_header(message->header, &q, put, to) && put_quoted(body, true, q.least, q.most, put, to);
}

/* The sender that the message was delivered with, if it can stand there. */
static struct span return_path(struct span header)
{
    struct header_field f;
    if (!header_find(header, "Return-Path", &f))
        return SPAN("MAILER-DAEMON");
    struct span path = span_trim(f.value);
    if (path.n > 2 && path.p[0] == '<' && path.p[path.n - 1] == '>')
        path = (struct span){ path.p + 1, path.n - 2 };
    bool good = path.n > 0 && path.n <= SENDER_LIMIT && path.p[0] != '<';
    for (size_t i = 0; good && i < path.n; i++)
        good = path.p[i] > ' ' && path.p[i] < 0x7f;
    return good ? path : SPAN("MAILER-DAEMON");
}

/* "Fri Nov 21 09:55:06 1997", in UTC, from how mail and IMAP write it. */
static void add_from_line(struct span header, int64_t date, struct bytes *out)
{
    struct bytes mail, imap;
    bytes_init(&mail, 64);
    bytes_init(&imap, 64);
    date_write(date, &mail);
    date_write_imap(date, &imap);
    const char *i = bytes_str(&imap) + 1;
    bytes_add_str(out, "From ");
    bytes_add_span(out, return_path(header));
    bytes_printf(out, "  %.3s %.3s %.2s %.8s %.4s\n", bytes_str(&mail), i + 3, i, i + 12, i + 7);
    bytes_free(&mail);
    bytes_free(&imap);
}

/* The header section without the empty line that ends it, or that will when it gets a line end. */
static struct span fields_of(struct span header)
{
    size_t n = header.n;
    if (n && header.p[n - 1] == '\n')
        n--;
    if (n && header.p[n - 1] == '\r')
        n--;
    return n == 0 || header.p[n - 1] == '\n' ? span_head(header, n) : header;
}

static void add_fields(unsigned flags, struct span keywords, struct bytes *out)
{
    bytes_add_str(out, flags & MBOX_SEEN ? "Status: RO\n" : "Status: O\n");
    if (flags & ~(unsigned)MBOX_SEEN) {
        bytes_add_str(out, "X-Status: ");
        for (size_t i = 0; i < LETTERS; i++)
            if (letters[i].extended && flags & letters[i].flag)
                bytes_add_char(out, letters[i].letter);
        bytes_add_char(out, '\n');
    }
    if (keywords.n) {
        bytes_add_str(out, "X-Keywords: ");
        bytes_add_span(out, keywords);
        bytes_add_char(out, '\n');
    }
}

/* A `put` that knows whether a line is open. */
struct lines {
    mbox_put *put;
    void *to;
    bool open;
};

static bool put_lines(void *lines, struct span piece)
{
    struct lines *l = lines;
    if (piece.n)
        l->open = piece.p[piece.n - 1] != '\n';
    return piece.n == 0 || l->put(l->to, piece);
}

/* The file's fields come last in the header section: before, a message that begins with a blank would become
 * part of them. */
bool mbox_write(struct span message, int64_t date, unsigned flags, struct span keywords, mbox_put *put,
                void *to)
{
    static const struct quoting q = { .less = false, .least = 0, .most = SIZE_MAX - 1 };
    struct lines l = { put, to, false };
    struct bytes from, own;
    struct span header = span_head(message, header_end(message)), fields = fields_of(header);
    bytes_init(&from, 1024);
    bytes_init(&own, 8192);
    add_from_line(header, date, &from);
    add_fields(flags, keywords, &own);
    bool good = !from.failed && !own.failed && put_lines(&l, span_bytes(&from)) &&
                put_header(fields, &q, put_lines, &l) && (!l.open || put_lines(&l, SPAN("\n"))) &&
                put_lines(&l, span_bytes(&own)) &&
                put_quoted(span_from(message, fields.n), false, q.least, q.most, put_lines, &l);
    bytes_free(&from);
    bytes_free(&own);
    return good && put_lines(&l, l.open ? SPAN("\n\n") : SPAN("\n"));
}
