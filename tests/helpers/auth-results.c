/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Authentication-Results for tests that compare ours with others'. Lines of standard input, in fields with
 * tabs between:
 *
 *     start ID INSTANCE, method METHOD RESULT, comment TEXT, reason TEXT, property TYPE NAME VALUE, end
 *                     write a field: it is printed at `end`, and a line with a dot behind it
 *     read VALUE      the value of a field: prints its authserv-id, then a line for each result (method,
 *                     result, reason, properties as type.name=value, tabs between), then a dot, or "bad"
 *                     where it can't be read
 *     claims ID VALUE prints yes or no
 *
 * The bytes 1 and 2 stand for LF and CR.
 */
#include "trust/auth_results.h"

#include <stdio.h>
#include <stdlib.h>

#define PARTS 4

static void unescape(char *s)
{
    for (; *s; s++)
        *s = *s == 1 ? '\n' : *s == 2 ? '\r' : *s;
}

static void read_value(const char *value)
{
    struct auth_results_reader reader;
    struct auth_result r;
    char id[256];
    unsigned version;
    if (!auth_results_open(span_of(value), id, sizeof id, &version, NULL, &reader)) {
        puts("bad");
        return;
    }
    puts(id);
    while (auth_results_next(&reader, &r)) {
        printf("%s\t%s\t%s", r.method, r.result, r.reason);
        for (size_t i = 0; i < r.count; i++)
            printf("\t%s.%s=%s", r.properties[i].type, r.properties[i].name, r.properties[i].value);
        puts("");
    }
    puts(reader.bad ? "bad" : ".");
}

static void obey(struct auth_results *w, struct bytes *out, char *part[PARTS])
{
    if (strcmp(part[0], "start") == 0) {
        bytes_clear(out);
        auth_results_start(w, out, part[1], (unsigned)atoi(part[2]));
    } else if (strcmp(part[0], "method") == 0) {
        auth_results_method(w, part[1], part[2]);
    } else if (strcmp(part[0], "comment") == 0) {
        auth_results_comment(w, part[1]);
    } else if (strcmp(part[0], "reason") == 0) {
        auth_results_reason(w, part[1]);
    } else if (strcmp(part[0], "property") == 0) {
        auth_results_property(w, part[1], part[2], part[3]);
    } else if (strcmp(part[0], "end") == 0 && auth_results_end(w)) {
        printf("%s.\n", bytes_str(out));
    } else if (strcmp(part[0], "read") == 0) {
        read_value(part[1]);
    } else if (strcmp(part[0], "claims") == 0) {
        puts(auth_results_claims(span_of(part[2]), part[1]) ? "yes" : "no");
    }
    fflush(stdout);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    struct bytes out;
    bytes_init(&out, 1 << 20);
    struct auth_results w = { .out = &out };
    while ((n = getline(&line, &room, stdin)) > 0) {
        char *part[PARTS] = { line, "", "", "" };
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        for (size_t i = 1; i < PARTS; i++) {
            char *tab = strchr(part[i - 1], '\t');
            if (!tab)
                break;
            *tab = '\0';
            part[i] = tab + 1;
        }
        for (size_t i = 0; i < PARTS; i++)
            if (part[i][0])
                unescape(part[i]);
        obey(&w, &out, part);
    }
    free(line);
    bytes_free(&out);
    return 0;
}
