/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tokens of IMAP commands: atoms, strings, numbers, sets, flags, and the arguments of APPEND and
 * STORE. See parse.h.
 *
 * Strict where leniency could be misread later (8-bit bytes only in literals and, as UTF-8, in quoted strings
 * (RFC 6855 3, RFC 9051 4.3), NUL nowhere, exactly one space between arguments), because a client that is
 * told BAD today is repaired tomorrow.
 */
#include "parse.h"

#include "store/mailbox.h"
#include "text/date.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define SET_RANGES 65536 /* ranges of one set: more than fit into a line */

void parser_init(struct parser *p, struct span in, struct bytes *text)
{
    *p = (struct parser){ .in = in.p ? in : SPAN(""), .text = text };
    bytes_clear(text);
    if (!bytes_reserve(text, in.n + 1))
        parse_fail(p, "Out of memory");
}

bool parse_fail(struct parser *p, const char *error)
{
    if (!p->error)
        p->error = error;
    return false;
}

char parse_peek(const struct parser *p)
{
    return p->at < p->in.n ? p->in.p[p->at] : 0;
}

bool parse_char(struct parser *p, char c)
{
    if (p->at >= p->in.n || p->in.p[p->at] != c)
        return false;
    p->at++;
    return true;
}

bool parse_space(struct parser *p)
{
    return parse_char(p, ' ') || parse_fail(p, "Missing argument");
}

bool parse_end(struct parser *p)
{
    return p->error == NULL && (p->at == p->in.n || parse_fail(p, "Too many arguments"));
}

/* RFC 3501 9: atom-specials are these, controls and everything beyond ASCII. */
static bool is_atom_char(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool parse_run(struct parser *p, const char *also, const char *except, struct span *s)
{
    size_t start = p->at;
    while (p->at < p->in.n) {
        char c = p->in.p[p->at];
        if (c == 0 || strchr(except, c) || !(is_atom_char(c) || strchr(also, c)))
            break;
        p->at++;
    }
    *s = (struct span){ p->in.p + start, p->at - start };
    return s->n > 0;
}

bool parse_tag(struct parser *p, struct span *tag)
{
    return (parse_run(p, "]", "+", tag) && tag->n <= TAG_LIMIT) || parse_fail(p, "Missing or bad tag");
}

bool parse_atom(struct parser *p, struct span *atom)
{
    return parse_run(p, "", "", atom) || parse_fail(p, "Atom expected");
}

static bool parse_quoted(struct parser *p, struct span *s)
{
    size_t start = p->text->len;
    p->at++;
    while (p->at < p->in.n) {
        char c = p->in.p[p->at++];
        if (c == '"') {
            *s = (struct span){ p->text->data ? p->text->data + start : "", p->text->len - start };
            return utf8_valid(*s) || parse_fail(p, "What isn't UTF-8 must be sent as a literal");
        }
        if (c == '\\') {
            c = parse_peek(p);
            if (c != '"' && c != '\\')
                return parse_fail(p, "Only \\\" and \\\\ may be escaped in a quoted string");
            p->at++;
        }
        if (c == 0 || c == '\r' || c == '\n')
            return parse_fail(p, "Quoted strings hold no NUL and no line ends; send a literal");
        if (!bytes_add_char(p->text, c))
            return parse_fail(p, "Out of memory");
    }
    return parse_fail(p, "Quoted string without end");
}

/* `{n}`, `{n+}`; p stands behind it then. */
static bool parse_braces(struct parser *p, uint32_t *size, bool *plus)
{
    if (!parse_char(p, '{') || !parse_number(p, size))
        return parse_fail(p, "Bad literal");
    *plus = parse_char(p, '+');
    return parse_char(p, '}') || parse_fail(p, "Bad literal");
}

static bool parse_literal(struct parser *p, struct span *s)
{
    uint32_t size;
    bool plus;
    if (!parse_braces(p, &size, &plus))
        return false;
    if (!parse_char(p, '\r') || !parse_char(p, '\n') || p->in.n - p->at < size)
        return parse_fail(p, "Bad literal");
    *s = (struct span){ p->in.p + p->at, size };
    p->at += size;
    return !memchr(s->p, 0, s->n) || parse_fail(p, "NUL in a literal");
}

/* An opening literal `{n}` or `{n+}` at the end of the input, that is without its bytes: APPEND's message.
 * Its size may be of more than 32 bits (RFC 9051 9, number64), so that it can be refused for that. */
static bool parse_literal_head(struct parser *p, uint64_t *size, bool *plus)
{
    size_t start = p->at + 1;
    if (!parse_char(p, '{'))
        return parse_fail(p, "The message must be a literal");
    while (ascii_digit(parse_peek(p)))
        p->at++;
    if (!span_u64((struct span){ p->in.p + start, p->at - start }, INT64_MAX, size))
        return parse_fail(p, "Bad literal");
    *plus = parse_char(p, '+');
    return (parse_char(p, '}') && p->at == p->in.n) || parse_fail(p, "Bad literal");
}

bool parse_string(struct parser *p, struct span *s)
{
    if (parse_peek(p) == '"')
        return parse_quoted(p, s);
    if (parse_peek(p) == '{')
        return parse_literal(p, s);
    return parse_fail(p, "String expected");
}

bool parse_astring(struct parser *p, struct span *s)
{
    if (parse_peek(p) == '"' || parse_peek(p) == '{')
        return parse_string(p, s);
    return parse_run(p, "]", "", s) || parse_fail(p, "String expected");
}

bool parse_list_mailbox(struct parser *p, struct span *s)
{
    if (parse_peek(p) == '"' || parse_peek(p) == '{')
        return parse_string(p, s);
    return parse_run(p, "]%*", "", s) || parse_fail(p, "Mailbox pattern expected");
}

bool parse_number(struct parser *p, uint32_t *n)
{
    size_t start = p->at;
    uint64_t value;
    while (ascii_digit(parse_peek(p)))
        p->at++;
    if (!span_u64((struct span){ p->in.p + start, p->at - start }, UINT32_MAX, &value))
        return parse_fail(p, "Number expected, of 32 bits");
    *n = (uint32_t)value;
    return true;
}

bool parse_number64(struct parser *p, uint64_t *n)
{
    size_t start = p->at;
    while (ascii_digit(parse_peek(p)))
        p->at++;
    return span_u64((struct span){ p->in.p + start, p->at - start }, INT64_MAX, n) ||
           parse_fail(p, "Number expected, of 63 bits");
}

bool parse_id(struct parser *p)
{
    struct span s;
    if (!parse_char(p, '('))
        return parse_atom(p, &s) && (span_ieq_str(s, "NIL") || parse_fail(p, "NIL or a list expected")) &&
               parse_end(p);
    for (unsigned count = 0; !parse_char(p, ')'); count++) {
        if (count > 0 && !parse_space(p))
            return false;
        bool nil = count % 2 == 1 && span_istarts(span_from(p->in, p->at), "NIL");
        if (nil)
            p->at += 3;
        else if (!parse_string(p, &s))
            return false;
    }
    return parse_end(p);
}

/* seq-number: nz-number or '*', which is 0 here */
static bool parse_sequence_number(struct parser *p, uint32_t *n)
{
    *n = 0;
    if (parse_char(p, '*'))
        return true;
    return (parse_number(p, n) && *n > 0) || parse_fail(p, "Bad message set");
}

static bool set_add(struct set *set, struct range r)
{
    if (set->count == SET_RANGES)
        return false;
    if (set->count == set->room) {
        size_t room = set->room ? set->room * 2 : 16;
        struct range *more = realloc(set->ranges, room * sizeof *more);
        if (!more)
            return false;
        set->ranges = more;
        set->room = room;
    }
    set->ranges[set->count++] = r;
    return true;
}

bool parse_set(struct parser *p, struct set *set)
{
    *set = (struct set){ .saved = parse_char(p, '$') };
    if (set->saved)
        return true;
    do {
        struct range r;
        if (!parse_sequence_number(p, &r.first))
            return parse_fail(p, "Bad message set");
        r.last = r.first;
        if (parse_char(p, ':') && !parse_sequence_number(p, &r.last))
            return false;
        if (!set_add(set, r))
            return parse_fail(p, "Message set too long");
    } while (parse_char(p, ','));
    return true;
}

void set_free(struct set *set)
{
    free(set->ranges);
    *set = (struct set){ 0 };
}

static bool parse_flag(struct parser *p, struct flag_list *flags)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } system[] = {
        { "Seen", FLAG_SEEN },       { "Answered", FLAG_ANSWERED }, { "Flagged", FLAG_FLAGGED },
        { "Deleted", FLAG_DELETED }, { "Draft", FLAG_DRAFT },
    };
    bool is_system = parse_char(p, '\\');
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    if (!is_system) {
        if (flags->keyword_count == KEYWORDS_LIMIT)
            return parse_fail(p, "Too many flags");
        flags->keywords[flags->keyword_count++] = name;
        return true;
    }
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        if (span_ieq_str(name, system[i].name)) {
            flags->system |= system[i].bit;
            return true;
        }
    return parse_fail(p, "No such system flag, or one that can't be set");
}

/* `(\Seen $Work)`. With `bare`, also without parentheses (STORE). \Recent and unknown system flags are
 * refused. */
static bool parse_flags(struct parser *p, bool bare, struct flag_list *flags)
{
    *flags = (struct flag_list){ 0 };
    bool list = parse_char(p, '(');
    if (!list && !bare)
        return parse_fail(p, "Flag list expected");
    if (list && parse_char(p, ')'))
        return true;
    do {
        if (!parse_flag(p, flags))
            return false;
    } while (parse_char(p, ' '));
    return !list || parse_char(p, ')') || parse_fail(p, "Flag list without end");
}

bool parse_store(struct parser *p, enum store_mode *mode, bool *silent, struct flag_list *flags)
{
    *mode = parse_char(p, '+') ? STORE_ADD : parse_char(p, '-') ? STORE_REMOVE : STORE_SET;
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    *silent = span_ieq_str(name, "FLAGS.SILENT");
    if (!*silent && !span_ieq_str(name, "FLAGS"))
        return parse_fail(p, "FLAGS or FLAGS.SILENT expected");
    return parse_space(p) && parse_flags(p, true, flags) && parse_end(p);
}

static bool parse_append_message(struct parser *p, struct append_message *m)
{
    struct span date;
    if (parse_peek(p) == '(' && !(parse_flags(p, false, &m->flags) && parse_space(p)))
        return false;
    if (parse_peek(p) == '"') {
        if (!parse_string(p, &date) || !date_read_imap(date, &m->date))
            return parse_fail(p, "Bad date-time");
        if (m->date <= 0)
            m->date = 1; /* a file from before 1970 */
        if (!parse_space(p))
            return false;
    }
    m->utf8 = span_istarts(span_from(p->in, p->at), "UTF8 (");
    if (m->utf8)
        p->at += sizeof "UTF8 (" - 1;
    m->binary = parse_char(p, '~');
    if (m->utf8 && !m->binary)
        return parse_fail(p, "A literal8 belongs behind UTF8");
    return parse_literal_head(p, &m->size, &m->plus);
}

bool parse_append(struct parser *p, struct append_args *args)
{
    memset(args, 0, sizeof *args);
    return parse_astring(p, &args->folder) && parse_space(p) && parse_append_message(p, &args->message);
}

bool parse_append_more(struct parser *p, bool utf8, struct append_message *message, bool *end)
{
    memset(message, 0, sizeof *message);
    if (utf8 && !parse_char(p, ')'))
        return parse_fail(p, "UTF8 without its ')'");
    *end = p->at == p->in.n;
    if (*end)
        return p->error == NULL;
    return (parse_char(p, ' ') || parse_fail(p, "Too many arguments")) && parse_append_message(p, message);
}
