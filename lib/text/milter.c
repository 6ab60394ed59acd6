/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packets of the milter protocol; see milter.h.
 */
#include "text/milter.h"
#include "text/lexical.h"

#define LENGTH 4 /* bytes of a packet's length */
#define NAME_LIMIT 256

/* --- sent */

void milter_begin(struct milter_packet *p, struct bytes *out, char command)
{
    *p = (struct milter_packet){ .out = out, .at = out->len };
    bytes_add(out, "\0\0\0\0", LENGTH);
    bytes_add_char(out, command);
}

void milter_put_bytes(struct milter_packet *p, struct span bytes)
{
    bytes_add_span(p->out, bytes);
}

void milter_put(struct milter_packet *p, struct span string)
{
    bytes_add_span(p->out, span_head(string, span_find(string, '\0')));
    bytes_add_char(p->out, '\0');
}

/* In network order. */
static void put_number(struct milter_packet *p, uint32_t number, unsigned bytes)
{
    while (bytes--)
        bytes_add_char(p->out, (char)(unsigned char)(number >> 8 * bytes));
}

bool milter_finish(struct milter_packet *p)
{
    struct bytes *out = p->out;
    if (out->failed)
        return false;
    size_t n = out->len - p->at - LENGTH;
    for (unsigned i = 0; i < LENGTH; i++)
        out->data[p->at + i] = (char)(unsigned char)(n >> 8 * (LENGTH - 1 - i));
    return true;
}

bool milter_put_negotiate(struct bytes *out, uint32_t actions, uint32_t steps)
{
    struct milter_packet p;
    milter_begin(&p, out, MILTER_NEGOTIATE);
    put_number(&p, MILTER_VERSION, 4);
    put_number(&p, actions, 4);
    put_number(&p, steps, 4);
    return milter_finish(&p);
}

bool milter_put_command(struct bytes *out, char command)
{
    return milter_put_strings(out, command, NULL, 0);
}

bool milter_put_strings(struct bytes *out, char command, const struct span *strings, size_t count)
{
    struct milter_packet p;
    milter_begin(&p, out, command);
    for (size_t i = 0; i < count; i++)
        milter_put(&p, strings[i]);
    return milter_finish(&p);
}

bool milter_put_connect(struct bytes *out, struct span name, char family, unsigned port, struct span address)
{
    struct milter_packet p;
    milter_begin(&p, out, MILTER_CONNECT);
    milter_put(&p, name);
    milter_put_bytes(&p, (struct span){ &family, 1 });
    if (family != 'U') {
        put_number(&p, port, 2);
        milter_put(&p, address);
    }
    return milter_finish(&p);
}

/* --- received */

static uint32_t number_at(struct span s, size_t at)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum milter_result milter_take(struct span in, size_t *used, char *code, struct span *data)
{
    if (in.n < LENGTH)
        return MILTER_INCOMPLETE;
    uint32_t n = number_at(in, 0);
    if (n == 0 || n > MILTER_ANSWER_LIMIT)
        return MILTER_BAD;
    if (in.n - LENGTH < n)
        return MILTER_INCOMPLETE;
    *used = LENGTH + n;
    *code = in.p[LENGTH];
    *data = (struct span){ in.p + LENGTH + 1, n - 1 };
    return MILTER_PACKET;
}

/* A string that ends in NUL, from the start of *rest. */
static bool take_string(struct span *rest, struct span *string)
{
    size_t n = span_find(*rest, '\0');
    if (n == rest->n)
        return false;
    *string = span_head(*rest, n);
    *rest = span_from(*rest, n + 1);
    return true;
}

/* SETSYMLIST: a stage and its names, any number of times. */
static bool read_macros(struct span rest, struct milter_options *o)
{
    struct span names;
    while (rest.n) {
        if (rest.n < 4)
            return false;
        uint32_t stage = number_at(rest, 0);
        rest = span_from(rest, 4);
        if (stage >= MILTER_STAGES || !take_string(&rest, &names))
            return false;
        o->macros[stage] = names;
    }
    return true;
}

bool milter_read_options(struct span data, struct milter_options *o)
{
    *o = (struct milter_options){ .version = 0 };
    if (data.n < 12)
        return false;
    o->version = number_at(data, 0);
    o->actions = number_at(data, 4);
    o->steps = number_at(data, 8);
    return o->version >= MILTER_OLDEST && o->version <= MILTER_VERSION && !(o->actions & ~MILTER_ACTIONS) &&
           !(o->steps & ~MILTER_STEPS) && read_macros(span_from(data, 12), o);
}

/* What the bits of `steps` mean for each command. */
static const struct step {
    char command;
    uint32_t oldest; /* version that has it */
    uint32_t left_out, no_answer;
} steps[] = {
    { MILTER_CONNECT, 2, 0x1, 0x1000 },      { MILTER_HELO, 2, 0x2, 0x2000 },
    { MILTER_MAIL, 2, 0x4, 0x4000 },         { MILTER_RCPT, 2, 0x8, 0x8000 },
    { MILTER_BODY, 2, 0x10, 0x80000 },       { MILTER_HEADER, 2, 0x20, 0x80 },
    { MILTER_HEADER_END, 2, 0x40, 0x40000 }, { MILTER_UNKNOWN, 3, 0x100, 0x20000 },
    { MILTER_DATA, 4, 0x200, 0x10000 },
};

static const struct step *find_step(char command)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].command == command)
            return &steps[i];
    return NULL;
}

bool milter_wants(const struct milter_options *o, char command)
{
    const struct step *s = find_step(command);
    return !s || (o->version >= s->oldest && !(o->steps & s->left_out));
}

bool milter_answers(const struct milter_options *o, char command)
{
    const struct step *s = find_step(command);
    return s ? !(o->steps & s->no_answer) : command == MILTER_END;
}

/* --- a reply for the client */

static bool is_code(struct span line)
{
    return line.n >= 3 && (line.p[0] == '4' || line.p[0] == '5') && ascii_digit(line.p[1]) &&
           ascii_digit(line.p[2]) && (line.n == 3 || line.p[3] == ' ' || line.p[3] == '-');
}

/* libmilter wants a percent sign doubled. */
static void add_text(struct span text, struct bytes *reply)
{
    for (size_t i = 0; i < text.n; i++) {
        bool printable = text.p[i] >= ' ' && text.p[i] <= '~';
        if (text.p[i] == '%' && i + 1 < text.n && text.p[i + 1] == '%')
            i++;
        bytes_add_char(reply, printable ? text.p[i] : '?');
    }
}

/* The first line of *rest without its end, which is LF or CRLF. */
static bool take_line(struct span *rest, struct span *line)
{
    if (!span_cut(rest, '\n', line))
        return false;
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

bool milter_read_reply(struct span data, struct bytes *reply)
{
    struct span text, line, code = { NULL, 0 };
    size_t before = reply->len, lines = 0;
    if (!take_string(&data, &text))
        return false;
    while (text.n && take_line(&text, &line)) {
        if (!is_code(line) || ++lines > MILTER_REPLY_LINES || (code.n && !span_eq(code, span_head(line, 3))))
            return false;
        code = span_head(line, 3);
        bytes_add_str(reply, lines > 1 ? "\r\n" : "");
        bytes_add_span(reply, code);
        bytes_add_char(reply, text.n ? '-' : ' ');
        add_text(span_from(line, 4), reply);
    }
    return lines && !reply->failed && reply->len - before <= MILTER_REPLY_LIMIT;
}

/* --- modifications */

static bool is_field_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!lexical_name_char(name.p[i]))
            return false;
    return name.n && name.n <= NAME_LIMIT;
}

bool milter_read_header(struct span data, bool indexed, uint32_t *index, struct span *name,
                        struct span *value)
{
    *index = 0;
    if (indexed) {
        if (data.n < 4)
            return false;
        *index = number_at(data, 0);
        data = span_from(data, 4);
    }
    return take_string(&data, name) && take_string(&data, value) && !data.n && is_field_name(*name);
}

bool milter_read_string(struct span data, struct span *string)
{
    return take_string(&data, string);
}

bool milter_value(struct span value, bool leading_space, struct bytes *out)
{
    if (!leading_space && value.n && value.p[0] == ' ')
        value = span_from(value, 1);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r' || i + 1 == value.n || value.p[i + 1] != '\n')
            bytes_add_char(out, value.p[i]);
    return !out->failed;
}

/* Line ends at the end of a value, which would end the header section. */
static struct span without_ends(struct span value)
{
    while (value.n && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
        value.n--;
    return value;
}

/* An empty line would end the header section: it is left away, and so are blanks alone, which look like
 * one. */
bool milter_field(struct span name, struct span value, bool leading_space, struct bytes *out)
{
    struct span rest = without_ends(value), line;
    bytes_add_span(out, name);
    bytes_add_str(out, leading_space ? ":" : ": ");
    for (bool first = true; take_line(&rest, &line); first = false) {
        if (!first && !span_trim(line).n)
            continue;
        if (!first)
            bytes_add_str(out, line.p[0] == ' ' || line.p[0] == '\t' ? "\r\n" : "\r\n\t");
        for (size_t i = 0; i < line.n; i++)
            bytes_add_char(out, line.p[i] == '\r' ? ' ' : line.p[i]);
    }
    return bytes_add_str(out, "\r\n");
}
