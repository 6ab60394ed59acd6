/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON on standard output, for programs: what lists have is an object a line. It is only ever written, from
 * our own structures; a JSON library would save the one function that quotes a string, and be loaded by every
 * call. What isn't UTF-8 in a text becomes U+FFFD.
 */
#include "admin.h"

#include <stdio.h>

void json_string(struct span text)
{
    putchar('"');
    while (text.n) {
        unsigned char c = (unsigned char)text.p[0];
        size_t n = c < 0x80 ? 1 : text_character(text);
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            printf("%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)n, text.p);
        text = span_from(text, n ? n : 1);
    }
    putchar('"');
}

void json_line(const struct json_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s\"%s\":", i ? "," : "{", members[i].name);
        if (members[i].value.p)
            json_string(members[i].value);
        else
            fputs("null", stdout);
    }
    puts("}");
}
