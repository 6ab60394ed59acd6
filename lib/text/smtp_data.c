/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of DATA; see smtp_data.h.
 *
 *     state      means                            next byte
 *     START      at the beginning of a line       '.' DOT; else TEXT
 *     TEXT       within a line                    CR: CR; LF: fault; else TEXT
 *     CR         a CR within a line               LF: START; else fault, TEXT
 *     DOT        a dot began the line (dropped)   CR: DOT_CR; else TEXT
 *     DOT_CR     a dot and a CR                   LF: the end; else fault, TEXT
 *
 * In chunks a dot is no different from any other byte.
 */
#include "text/smtp_data.h"

#include <string.h>

enum { START, TEXT, CR, DOT, DOT_CR };

void smtp_data_init(struct smtp_data *d)
{
    *d = (struct smtp_data){ .state = START };
}

void smtp_data_init_chunks(struct smtp_data *d)
{
    *d = (struct smtp_data){ .state = START, .chunked = true };
}

static bool has_eight_bit(const char *p, size_t n)
{
    uint64_t word, all = 0;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        all |= word;
    }
    for (; n; p++, n--)
        all |= (unsigned char)*p;
    return (all & 0x8080808080808080U) != 0;
}

static void emit(struct smtp_data *d, const char *p, size_t n, struct bytes *out)
{
    d->size += n;
    if (!(d->found & SMTP_DATA_EIGHT_BIT) && has_eight_bit(p, n))
        d->found |= SMTP_DATA_EIGHT_BIT;
    if (out && !(d->found & SMTP_DATA_FAULTS))
        bytes_add(out, p, n);
}

/* In TEXT: everything up to the line's CR, with its CRLF if that is there whole. */
static size_t read_text(struct smtp_data *d, struct span in, struct bytes *out)
{
    const char *lf = memchr(in.p, '\n', in.n);
    size_t limit = lf ? (size_t)(lf - in.p) : in.n;
    const char *cr = memchr(in.p, '\r', limit);
    size_t stop = cr ? (size_t)(cr - in.p) : limit;
    if (memchr(in.p, '\0', stop))
        d->found |= SMTP_DATA_NUL;
    d->line += stop;
    if (d->line > SMTP_DATA_LINE_LIMIT)
        d->found |= SMTP_DATA_LONG;
    if (d->line > SMTP_DATA_LINE_MOST)
        d->found |= SMTP_DATA_OVER;
    if (cr && lf == cr + 1) {
        emit(d, in.p, stop + 2, out);
        d->state = START;
        return stop + 2;
    }
    emit(d, in.p, stop, out);
    if (stop == in.n)
        return stop;
    if (cr)
        d->state = CR;
    else
        d->found |= SMTP_DATA_BARE;
    return stop + 1;
}

/* One step from a state other than TEXT; how many bytes it took. */
static size_t step(struct smtp_data *d, char c, struct bytes *out)
{
    switch (d->state) {
    case START:
        d->line = 0;
        d->state = c == '.' && !d->chunked ? DOT : TEXT;
        return d->state == DOT;
    case DOT:
        d->state = c == '\r' ? DOT_CR : TEXT;
        return c == '\r';
    case DOT_CR:
        d->ended = c == '\n';
        break;
    default: /* CR */
        if (c == '\n') {
            emit(d, "\r\n", 2, out);
            d->state = START;
            return 1;
        }
    }
    if (d->ended)
        return 1;
    d->found |= SMTP_DATA_BARE;
    d->state = TEXT;
    return 0;
}

size_t smtp_data_read(struct smtp_data *d, struct span in, struct bytes *out)
{
    size_t at = 0;
    while (at < in.n && !d->ended) {
        if (d->state == TEXT)
            at += read_text(d, span_from(in, at), out);
        else
            at += step(d, in.p[at], out);
    }
    return at;
}

void smtp_data_end_chunks(struct smtp_data *d, struct bytes *out)
{
    if (d->state == CR)
        d->found |= SMTP_DATA_BARE;
    else if (d->state == TEXT)
        emit(d, "\r\n", 2, out);
    d->ended = true;
}
