/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON on standard output, for programs: what lists have is an object a line. It is only ever written, from
 * our own structures; a JSON library would save the one function that quotes a string, and be loaded by every
 * call. What isn't UTF-8 in a text becomes U+FFFD.
 */
#include "admin.h"

#include <stdio.h>
#include <string.h>

/* The length of a character that text_character() keeps from terminals, and that is one all the same: a
 * control of C1, or a mark of U+2000 to U+207F. 0: it is none. */
static size_t hidden(struct span s, unsigned *value)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.n >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
        *value = p[1];
        return 2;
    }
    if (s.n < 3 || p[0] != 0xe2 || (p[1] | 1) != 0x81 || (p[2] & 0xc0) != 0x80)
        return 0;
    *value = 0x2000 | (p[1] & 1U) << 6 | (p[2] & 0x3fU);
    return 3;
}

void json_string(struct span text)
{
    unsigned value;
    putchar('"');
    while (text.n) {
        unsigned char c = (unsigned char)text.p[0];
        size_t n = c < 0x80 ? 1 : text_character(text);
        if (n == 0 && (n = hidden(text, &value)))
            printf("\\u%04x", value);
        else if (n == 0)
            fputs("\\ufffd", stdout);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            printf("%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)n, text.p);
        text = span_from(text, n ? n : 1);
    }
    putchar('"');
}

void json_pair(const char *before, const char *name, struct span value)
{
    printf("%s\"%s\":", before, name);
    if (value.p)
        json_string(value);
    else
        fputs("null", stdout);
}

void json_words(const char *before, const char *name, struct span words)
{
    struct span word;
    const char *between = "";
    printf("%s\"%s\":[", before, name);
    while ((words = span_trim(words)).n) {
        size_t n = 0;
        while (n < words.n && !strchr(" \t,", words.p[n]))
            n++;
        word = span_head(words, n);
        words = span_from(words, n + 1);
        if (!n)
            continue;
        fputs(between, stdout);
        json_string(word);
        between = ",";
    }
    putchar(']');
}

void json_line(const struct json_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_pair(i ? "," : "{", members[i].name, members[i].value);
    puts("}");
}
