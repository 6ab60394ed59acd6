/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Charsets to UTF-8; see words.h. Either UTF-8 (and ASCII, which people mislabel it as) or a single byte a
 * character, by the tables of charset_tables.c. What isn't ASCII in a charset that isn't known is U+FFFD.
 *
 * The charsets of many bytes a character (ISO-2022-JP, GB18030, Big5 and the like) are not here: their tables
 * are a megabyte of source, and iconv would open files in a sandbox that has none.
 */
#include "text/charset_tables.h"
#include "text/utf8.h"
#include "text/words.h"

#include <string.h>

static const struct {
    const char *name;      /* the name that MIME prefers stands before the others of the same charset */
    const uint16_t *upper; /* NULL: UTF-8 and ASCII, read as UTF-8 */
    bool other;            /* another name of the one before */
} charsets[] = {
    { "US-ASCII", NULL, false },
    { "ascii", NULL, true },
    { "ANSI_X3.4-1968", NULL, true },
    { "UTF-8", NULL, false },
    { "utf8", NULL, true },
    { "ISO-8859-1", charset_windows_1252, false },
    { "latin1", charset_windows_1252, true },
    { "iso8859-1", charset_windows_1252, true },
    { "ISO-8859-2", charset_iso_8859_2, false },
    { "latin2", charset_iso_8859_2, true },
    { "ISO-8859-3", charset_iso_8859_3, false },
    { "ISO-8859-4", charset_iso_8859_4, false },
    { "ISO-8859-5", charset_iso_8859_5, false },
    { "ISO-8859-6", charset_iso_8859_6, false },
    { "ISO-8859-7", charset_iso_8859_7, false },
    { "ISO-8859-8", charset_iso_8859_8, false },
    { "iso-8859-8-i", charset_iso_8859_8, true },
    { "ISO-8859-9", charset_windows_1254, false },
    { "latin5", charset_windows_1254, true },
    { "ISO-8859-10", charset_iso_8859_10, false },
    { "ISO-8859-13", charset_iso_8859_13, false },
    { "ISO-8859-14", charset_iso_8859_14, false },
    { "ISO-8859-15", charset_iso_8859_15, false },
    { "latin-9", charset_iso_8859_15, true },
    { "ISO-8859-16", charset_iso_8859_16, false },
    { "TIS-620", charset_windows_874, false },
    { "windows-874", charset_windows_874, true },
    { "iso-8859-11", charset_windows_874, true },
    { "windows-1250", charset_windows_1250, false },
    { "cp1250", charset_windows_1250, true },
    { "windows-1251", charset_windows_1251, false },
    { "cp1251", charset_windows_1251, true },
    { "windows-1252", charset_windows_1252, false },
    { "cp1252", charset_windows_1252, true },
    { "windows-1253", charset_windows_1253, false },
    { "windows-1254", charset_windows_1254, false },
    { "windows-1255", charset_windows_1255, false },
    { "windows-1256", charset_windows_1256, false },
    { "windows-1257", charset_windows_1257, false },
    { "windows-1258", charset_windows_1258, false },
    { "KOI8-R", charset_koi8_r, false },
    { "KOI8-U", charset_koi8_u, false },
    { "IBM437", charset_ibm437, false },
    { "cp437", charset_ibm437, true },
    { "IBM850", charset_ibm850, false },
    { "cp850", charset_ibm850, true },
    { "IBM852", charset_ibm852, false },
    { "cp852", charset_ibm852, true },
    { "IBM866", charset_ibm866, false },
    { "cp866", charset_ibm866, true },
    { "macintosh", charset_macintosh, false },
    { "x-mac-roman", charset_macintosh, true },
};

#define CHARSETS (sizeof charsets / sizeof charsets[0])

static size_t find_charset(struct span name)
{
    size_t i = 0;
    while (i < CHARSETS && !span_ieq_str(name, charsets[i].name))
        i++;
    return i;
}

bool charset_known(struct span charset)
{
    return find_charset(charset) < CHARSETS;
}

const char *charset_name(size_t n)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (!charsets[i].other && n-- == 0)
            return charsets[i].name;
    return NULL;
}

bool charset_is_utf8(struct span charset)
{
    size_t at = find_charset(charset);
    return at < CHARSETS && !charsets[at].upper;
}

bool charset_holds(struct span charset, struct span text)
{
    size_t at = find_charset(charset);
    if (at == CHARSETS || !charsets[at].upper)
        return at < CHARSETS && utf8_valid(text);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x80 && charsets[at].upper[c - 0x80] == UTF8_REPLACEMENT)
            return false;
    }
    return true;
}

static void from_table(const uint16_t *upper, struct span text, struct bytes *out)
{
    while (text.n) {
        size_t plain = utf8_ascii_run(text);
        bytes_add_span(out, span_head(text, plain));
        text = span_from(text, plain);
        if (text.n) {
            unsigned char c = (unsigned char)text.p[0];
            utf8_write(upper ? upper[c - 0x80] : UTF8_REPLACEMENT, out);
            text = span_from(text, 1);
        }
    }
}

static void from_utf8(struct span text, struct bytes *out)
{
    while (text.n) {
        uint32_t c;
        size_t good = utf8_ascii_run(text), n;
        while (good < text.n && (n = utf8_read(span_from(text, good), &c)) > 0)
            good += n;
        bytes_add_span(out, span_head(text, good));
        text = span_from(text, good);
        if (text.n) {
            utf8_write(UTF8_REPLACEMENT, out);
            text = span_from(text, 1);
        }
    }
}

bool charset_to_utf8(struct span charset, struct span text, struct bytes *out)
{
    size_t at = find_charset(charset);
    if (at == CHARSETS || charsets[at].upper)
        from_table(at < CHARSETS ? charsets[at].upper : NULL, text, out);
    else
        from_utf8(text, out);
    return !out->failed;
}
