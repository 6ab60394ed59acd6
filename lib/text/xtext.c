/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * xtext and ORCPT; see xtext.h. What is decoded ends up in header fields of reports, so nothing but printable
 * ASCII, or well-formed UTF-8 without controls, ever comes out as valid.
 */
#include "text/xtext.h"
#include "text/lexical.h"
#include "text/utf8.h"

#define HEX_DIGITS_LIMIT 6 /* of \x{...} */

/* An upper-case hexadecimal digit; -1 for anything else. */
static int hex_digit(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* The byte at the start of *text, which xtext writes with one or three. -1: that isn't xtext. */
static int next_byte(struct span *text)
{
    const char *p = text->p;
    if (is_plain(p[0])) {
        *text = span_from(*text, 1);
        return (unsigned char)p[0];
    }
    if (p[0] != '+' || text->n < 3 || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
        return -1;
    *text = span_from(*text, 3);
    return hex_digit(p[1]) * 16 + hex_digit(p[2]);
}

bool xtext_valid(struct span text)
{
    while (text.n) {
        int c = next_byte(&text);
        if (c < ' ' || c > '~')
            return false;
    }
    return true;
}

bool xtext_decode(struct span text, struct bytes *out)
{
    while (text.n) {
        int c = next_byte(&text);
        if (c < 0)
            return false;
        bytes_add_char(out, (char)c);
    }
    return !out->failed;
}

bool xtext_encode(struct span text, struct bytes *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (is_plain(text.p[i]))
            bytes_add_char(out, text.p[i]);
        else
            bytes_printf(out, "+%02X", (unsigned char)text.p[i]);
    }
    return !out->failed;
}

/* --- ORCPT */

/* "\x{XXXX}" at the start of *text: a character that isn't printable ASCII (RFC 6533 3 EmbeddedUnicodeChar,
 * in which '\', '+' and '=' may stand too, as nothing else can write them). */
static bool next_escaped(struct span *text, uint32_t *character)
{
    size_t n = 3;
    *character = 0;
    if (!span_starts(*text, "\\x{"))
        return false;
    for (; n < text->n && n < 3 + HEX_DIGITS_LIMIT && hex_digit(text->p[n]) >= 0; n++)
        *character = *character * 16 + (uint32_t)hex_digit(text->p[n]);
    if (n == 3 || n == text->n || text->p[n] != '}')
        return false;
    *text = span_from(*text, n + 1);
    return true;
}

static bool is_printable(uint32_t c)
{
    return c >= ' ' && (c < 0x7f || c > 0x9f) && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) &&
           c != 0x2028 && c != 0x2029;
}

/* One character of an address of type "utf-8", appended to `out` (may be NULL): as itself with `utf8`, else
 * escaped where it isn't plain. */
static bool next_utf8(struct span *text, bool raw, bool utf8, struct bytes *out)
{
    uint32_t c = (unsigned char)text->p[0];
    size_t n = 1;
    if (text->p[0] == '\\') {
        if (!next_escaped(text, &c))
            return false;
        n = 0;
    } else if (c >= 0x80) {
        n = raw ? utf8_read(*text, &c) : 0;
        if (n == 0)
            return false;
    } else if (!is_plain(text->p[0])) {
        return false;
    }
    *text = span_from(*text, n);
    if (!is_printable(c))
        return false;
    if (out && (utf8 || (c < 0x80 && is_plain((char)c) && c != '\\')))
        utf8_write(c, out);
    else if (out)
        bytes_printf(out, "\\x{%X}", (unsigned)c);
    return true;
}

/* `type;address`, the type an atom. */
static bool split(struct span value, struct span *type, struct span *address)
{
    *type = span_head(value, span_find(value, ';'));
    *address = span_from(value, type->n + 1);
    for (size_t i = 0; i < type->n; i++)
        if (!lexical_atom_char(type->p[i]))
            return false;
    return type->n && address->n;
}

/* An address in xtext. Postfix writes UTF-8 so too, as type rfc822; where it can't be shown it stays
 * encoded. */
static bool take_xtext(struct span address, bool raw, bool utf8, struct bytes *out)
{
    struct bytes decoded;
    bool good = xtext_valid(address);
    if (good || !raw)
        return good && (!out || xtext_decode(address, out));
    bytes_init(&decoded, address.n);
    struct span rest = SPAN("");
    if ((good = xtext_decode(address, &decoded))) {
        uint32_t c = 0;
        size_t n;
        for (rest = span_bytes(&decoded); rest.n; rest = span_from(rest, n))
            if ((n = utf8_read(rest, &c)) == 0 || !is_printable(c))
                break;
        good = rest.n == 0;
    }
    if (good && out)
        bytes_add_span(out, utf8 ? span_bytes(&decoded) : address);
    bytes_free(&decoded);
    return good;
}

static bool walk(struct span value, bool raw, bool utf8, struct bytes *out)
{
    struct span type, address;
    if (!split(value, &type, &address))
        return false;
    if (out)
        bytes_printf(out, "%.*s; ", SPAN_FMT(type));
    bool international = span_ieq_str(type, "utf-8");
    if (!international)
        return take_xtext(address, raw, utf8, out) && !(out && out->failed);
    while (address.n)
        if (!next_utf8(&address, raw, utf8, out))
            return false;
    return !out || !out->failed;
}

bool recipient_show(struct span address, bool utf8, struct bytes *out)
{
    uint32_t c;
    bool ascii = utf8_ascii_run(address) == address.n;
    bytes_add_str(out, ascii ? "rfc822; " : "utf-8; ");
    if (ascii || utf8)
        return bytes_add_span(out, address);
    for (size_t n; address.n && (n = utf8_read(address, &c)) != 0; address = span_from(address, n)) {
        if (c < 0x80 && is_plain((char)c) && c != '\\')
            bytes_add_char(out, (char)c);
        else
            bytes_printf(out, "\\x{%X}", (unsigned)c);
    }
    return !out->failed;
}

bool orcpt_valid(struct span value, bool utf8)
{
    return walk(value, utf8, false, NULL);
}

bool orcpt_show(struct span value, bool utf8, struct bytes *out)
{
    return walk(value, true, utf8, out);
}

static bool write_utf8(struct span address, bool utf8, struct bytes *out)
{
    while (address.n)
        if (!next_utf8(&address, true, utf8, out))
            return false;
    return !out->failed;
}

bool orcpt_write(struct span value, bool utf8, struct bytes *out)
{
    struct span type, address;
    if (!orcpt_valid(value, true) || !split(value, &type, &address))
        return false;
    if (!span_ieq_str(type, "utf-8") || utf8)
        return bytes_add_span(out, value);
    bytes_printf(out, "%.*s;", SPAN_FMT(type));
    return write_utf8(address, false, out);
}

bool orcpt_make(struct span address, struct bytes *out)
{
    if (utf8_ascii_run(address) == address.n) {
        for (size_t i = 0; i < address.n; i++)
            if (!is_printable((unsigned char)address.p[i]))
                return false;
        bytes_add_str(out, "rfc822;");
        return address.n && xtext_encode(address, out);
    }
    bytes_add_str(out, "utf-8;");
    while (address.n) {
        uint32_t c;
        size_t n = utf8_read(address, &c);
        if (n == 0 || !is_printable(c))
            return false;
        if (c < 0x80 && is_plain((char)c) && c != '\\')
            bytes_add_char(out, (char)c);
        else
            bytes_printf(out, "\\x{%X}", (unsigned)c);
        address = span_from(address, n);
    }
    return !out->failed;
}
