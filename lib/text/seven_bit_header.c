/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header fields in 7 bits; see seven_bit.h. By the field's kind:
 *
 *     text          words with 8-bit bytes, and what stands between them, become encoded words
 *     addresses     the same in display names (quoted or not) and comments; an address can't
 *     parameters    name=VALUE becomes name*=utf-8''VALUE (RFC 2231 4)
 *     others        the same in comments; else the whole field becomes text under the name Downgraded-NAME,
 * as RFC 6857 has it for what programs, not people, read
 *
 * The charset is UTF-8 if the bytes are that, else "unknown-8bit" (RFC 1428): it isn't guessed.
 */
#include "text/seven_bit.h"
#include "text/lexical.h"
#include "text/utf8.h"
#include "text/words.h"

#define LINE 74          /* columns after which a line is folded where it can be */
#define ENCODED_BYTES 20 /* of an unknown charset in one encoded word */
#define HARD_LIMIT 900   /* bytes of a parameter that isn't cut */

enum kind { KIND_TEXT, KIND_ADDRESSES, KIND_PARAMETERS, KIND_OTHER };

static enum kind kind_of(struct span name)
{
    static const struct {
        const char *name;
        enum kind kind;
    } kinds[] = {
        { "From", KIND_ADDRESSES },
        { "Sender", KIND_ADDRESSES },
        { "Reply-To", KIND_ADDRESSES },
        { "To", KIND_ADDRESSES },
        { "Cc", KIND_ADDRESSES },
        { "Bcc", KIND_ADDRESSES },
        { "Resent-From", KIND_ADDRESSES },
        { "Resent-Sender", KIND_ADDRESSES },
        { "Resent-Reply-To", KIND_ADDRESSES },
        { "Resent-To", KIND_ADDRESSES },
        { "Resent-Cc", KIND_ADDRESSES },
        { "Resent-Bcc", KIND_ADDRESSES },
        { "Mail-Followup-To", KIND_ADDRESSES },
        { "Disposition-Notification-To", KIND_ADDRESSES },
        { "Content-Type", KIND_PARAMETERS },
        { "Content-Disposition", KIND_PARAMETERS },
        { "Received", KIND_OTHER },
        { "Return-Path", KIND_OTHER },
        { "Date", KIND_OTHER },
        { "Resent-Date", KIND_OTHER },
        { "Message-ID", KIND_OTHER },
        { "Resent-Message-ID", KIND_OTHER },
        { "In-Reply-To", KIND_OTHER },
        { "References", KIND_OTHER },
        { "MIME-Version", KIND_OTHER },
        { "Content-ID", KIND_OTHER },
        { "Content-Transfer-Encoding", KIND_OTHER },
        { "Content-Language", KIND_OTHER },
        { "Content-Location", KIND_OTHER },
        { "DKIM-Signature", KIND_OTHER },
        { "Authentication-Results", KIND_OTHER },
        { "ARC-Seal", KIND_OTHER },
        { "ARC-Message-Signature", KIND_OTHER },
        { "ARC-Authentication-Results", KIND_OTHER },
        { "Received-SPF", KIND_OTHER },
        { "Autocrypt", KIND_OTHER },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (span_ieq_str(name, kinds[i].name))
            return kinds[i].kind;
    return span_istarts(name, "List-") ? KIND_OTHER : KIND_TEXT;
}

struct encoder {
    struct bytes *out;
    size_t column;
    bool blank;           /* came, and wasn't written yet */
    bool pending_blank;   /* the same before what is pending */
    struct bytes pending; /* words to be encoded together */
    enum seven_bit fault;
};

static bool has_eight_bit(struct span s)
{
    return utf8_ascii_run(s) < s.n;
}

/* As it is; the blank before it is written, folded where the line is long. */
static void add(struct encoder *e, struct span s, bool blank)
{
    if (blank && e->column + 1 + s.n > LINE) {
        bytes_add_str(e->out, "\r\n ");
        e->column = 1;
    } else if (blank) {
        bytes_add_char(e->out, ' ');
        e->column++;
    }
    bytes_add_span(e->out, s);
    e->column += s.n;
}

/* In Q, as nobody knows what it is (RFC 2047 4.2). */
static void encode_unknown(struct span text, struct bytes *out)
{
    for (bool first = true; text.n; first = false) {
        struct span part = span_head(text, ENCODED_BYTES);
        bytes_add_str(out, first ? "=?unknown-8bit?Q?" : " =?unknown-8bit?Q?");
        for (size_t i = 0; i < part.n; i++) {
            if (ascii_alpha(part.p[i]) || ascii_digit(part.p[i]))
                bytes_add_char(out, part.p[i]);
            else
                bytes_printf(out, "=%02X", (unsigned char)part.p[i]);
        }
        bytes_add_str(out, "?=");
        text = span_from(text, part.n);
    }
}

/* Between `before` and `behind`. */
static void add_encoded(struct encoder *e, const char *before, struct span text, const char *behind,
                        bool blank)
{
    struct bytes words;
    struct span rest, word;
    bytes_init(&words, 16 * text.n + 100);
    bytes_add_str(&words, before);
    if (utf8_valid(text))
        words_encode(text, &words);
    else
        encode_unknown(text, &words);
    bytes_add_str(&words, behind);
    rest = span_bytes(&words);
    for (bool first = true; span_cut(&rest, ' ', &word); first = false)
        add(e, word, blank || !first);
    e->out->failed = e->out->failed || words.failed;
    bytes_free(&words);
}

/* The words that are to be encoded, before anything else is written. */
static void flush(struct encoder *e)
{
    if (e->pending.len)
        add_encoded(e, "", span_bytes(&e->pending), "", e->pending_blank);
    e->out->failed = e->out->failed || e->pending.failed;
    bytes_clear(&e->pending);
}

/* A word: `raw` as it stands, `text` what it means. */
static void add_word(struct encoder *e, struct span raw, struct span text)
{
    if (!has_eight_bit(raw)) {
        flush(e);
        add(e, raw, e->blank);
    } else {
        if (!e->pending.len)
            e->pending_blank = e->blank;
        else if (e->blank)
            bytes_add_char(&e->pending, ' ');
        bytes_add_span(&e->pending, text);
    }
    e->blank = false;
}

static size_t blanks(struct span s)
{
    size_t n = 0;
    while (n < s.n && lexical_blank(s.p[n]))
        n++;
    return n;
}

/* --- text */

static void encode_text(struct encoder *e, struct span value)
{
    while (value.n) {
        size_t n = blanks(value);
        e->blank = e->blank || n;
        value = span_from(value, n);
        for (n = 0; n < value.n && !lexical_blank(value.p[n]);)
            n++;
        if (n)
            add_word(e, span_head(value, n), span_head(value, n));
        value = span_from(value, n);
    }
    flush(e);
}

/* --- addresses, and what has comments */

static void encode_comment(struct encoder *e, struct span *value)
{
    struct bytes text;
    struct span before = *value;
    bytes_init(&text, value->n);
    lexical_comment(value, &text);
    struct span raw = { before.p, (size_t)(value->p - before.p) };
    flush(e);
    if (has_eight_bit(raw))
        add_encoded(e, "(", span_bytes(&text), ")", e->blank);
    else
        add(e, raw, e->blank);
    e->blank = false;
    bytes_free(&text);
}

static void encode_quoted(struct encoder *e, struct span *value)
{
    struct bytes text;
    struct span before = *value;
    bytes_init(&text, value->n);
    lexical_quoted(value, &text);
    struct span raw = { before.p, (size_t)(value->p - before.p) };
    if (has_eight_bit(raw) && value->n && value->p[0] == '@')
        e->fault = SEVEN_BIT_ADDRESS;
    add_word(e, raw, span_bytes(&text));
    bytes_free(&text);
}

/* "<...>", or one character that parts others. */
static void pass_special(struct encoder *e, struct span *value)
{
    size_t n = 1;
    if (value->p[0] == '<') {
        n = span_find(*value, '>');
        n += n < value->n;
    }
    struct span raw = span_head(*value, n);
    if (has_eight_bit(raw))
        e->fault = SEVEN_BIT_ADDRESS;
    flush(e);
    add(e, raw, e->blank);
    e->blank = false;
    *value = span_from(*value, n);
}

static bool is_special(char c)
{
    return c == '<' || c == '>' || c == ',' || c == ':' || c == ';';
}

static void encode_atom(struct encoder *e, struct span *value)
{
    size_t n = 0;
    while (n < value->n && !lexical_blank(value->p[n]) && !is_special(value->p[n]) && value->p[n] != '"' &&
           value->p[n] != '(')
        n++;
    struct span raw = span_head(*value, n);
    if (has_eight_bit(raw) && span_find(raw, '@') < raw.n)
        e->fault = SEVEN_BIT_ADDRESS;
    add_word(e, raw, raw);
    *value = span_from(*value, n);
}

static void encode_addresses(struct encoder *e, struct span value)
{
    while (value.n) {
        size_t n = blanks(value);
        e->blank = e->blank || n;
        value = span_from(value, n);
        if (!value.n)
            break;
        if (value.p[0] == '(')
            encode_comment(e, &value);
        else if (value.p[0] == '"')
            encode_quoted(e, &value);
        else if (is_special(value.p[0]))
            pass_special(e, &value);
        else
            encode_atom(e, &value);
    }
    flush(e);
}

/* --- parameters */

/* Bytes up to a ';' outside of quotes. */
static size_t parameter_length(struct span s)
{
    size_t n = 0;
    for (bool quoted = false; n < s.n && (quoted || s.p[n] != ';'); n++) {
        if (quoted && s.p[n] == '\\')
            n++;
        else if (s.p[n] == '"')
            quoted = !quoted;
    }
    return n < s.n ? n : s.n;
}

static void add_percent(struct bytes *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '_')
            bytes_add_char(out, c);
        else
            bytes_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* The boundary stands in the body too, and parts of a parameter (RFC 2231 3) would need each other. */
static void encode_parameter(struct encoder *e, struct span raw)
{
    struct bytes value, text;
    struct span name, rest = span_trim(raw);
    bool named = span_cut(&rest, '=', &name) && rest.p;
    name = span_trim(name);
    rest = span_trim(rest);
    if (!named || has_eight_bit(name) || span_find(name, '*') < name.n || span_ieq_str(name, "boundary")) {
        e->fault = SEVEN_BIT_FIELD;
        return;
    }
    bytes_init(&value, raw.n);
    bytes_init(&text, 4 * raw.n + 100);
    if (rest.n && rest.p[0] == '"')
        lexical_quoted(&rest, &value);
    else
        bytes_add_span(&value, rest);
    bytes_printf(&text, "%.*s*=%s''", SPAN_FMT(name),
                 utf8_valid(span_bytes(&value)) ? "utf-8" : "unknown-8bit");
    add_percent(&text, span_bytes(&value));
    if (text.len > HARD_LIMIT)
        e->fault = SEVEN_BIT_FIELD;
    add(e, span_bytes(&text), true);
    e->out->failed = e->out->failed || text.failed || value.failed;
    bytes_free(&value);
    bytes_free(&text);
}

static void encode_parameters(struct encoder *e, struct span value)
{
    for (bool first = true; value.n; first = false) {
        size_t n = parameter_length(value);
        struct span raw = span_trim(span_head(value, n));
        if (!first)
            add(e, SPAN(";"), false);
        if (!has_eight_bit(raw))
            add(e, raw, true);
        else if (first)
            e->fault = SEVEN_BIT_FIELD;
        else
            encode_parameter(e, raw);
        value = span_from(value, n + 1);
    }
}

/* --- all of it */

static void encode(struct encoder *e, const char *prefix, struct span name, struct span value, enum kind kind)
{
    size_t before = e->out->len;
    bytes_printf(e->out, "%s%.*s:", prefix, SPAN_FMT(name));
    e->column = e->out->len - before;
    e->blank = true;
    e->fault = SEVEN_BIT_OK;
    if (kind == KIND_TEXT)
        encode_text(e, value);
    else if (kind == KIND_PARAMETERS)
        encode_parameters(e, value);
    else
        encode_addresses(e, value);
    bytes_add_str(e->out, "\r\n");
}

/* Encoded words may stand in a comment everywhere, but as words only in a phrase. */
static bool has_eight_bit_outside_comments(struct span value)
{
    while (value.n) {
        size_t n = span_find(value, '(');
        if (has_eight_bit(span_head(value, n)))
            return true;
        value = span_from(value, n);
        if (value.n)
            lexical_comment(&value, NULL);
    }
    return false;
}

enum seven_bit seven_bit_field(const struct header_field *field, struct bytes *out)
{
    struct bytes value;
    struct encoder e = { .out = out };
    enum kind kind = kind_of(field->name);
    bytes_init(&value, field->value.n);
    bytes_init(&e.pending, 2 * field->value.n + 1);
    bool good = header_unfold(field->value, &value);
    bool downgrade = kind == KIND_OTHER && has_eight_bit_outside_comments(span_bytes(&value));
    if (downgrade)
        encode(&e, "Downgraded-", field->name, span_bytes(&value), KIND_TEXT);
    else
        encode(&e, "", field->name, span_bytes(&value), kind);
    if (!good || out->failed)
        e.fault = SEVEN_BIT_FAILED;
    bytes_free(&value);
    bytes_free(&e.pending);
    return e.fault;
}
