/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * imap PORT USER PASSWORD <SCRIPT: commands over one IMAP connection, each timed from its first byte to the
 * last of its answer. A line of the script is one of
 *
 *     NAME CHECK COMMAND    prints `NAME MICROSECONDS OCTETS`, the octets being those of the answer, which
 *                           must be OK and as CHECK says (answer.h). NAME "-" prints nothing
 *     ! COMMAND             a shell command, while the connection is open
 */
#include "answer.h"
#include "wire.h"

#define LINE_LIMIT 4096

static void one_command(struct wire *w, const char *name, const char *check, const char *command)
{
    char line[LINE_LIMIT + 8];
    snprintf(line, sizeof line, "x %s\r\n", command);
    double begin = bench_now();
    wire_imap(w, line);
    double took = bench_now() - begin;
    char *wrong = answer_check(w->data, w->len, check);
    if (wrong) {
        fprintf(stderr, "%s: not %s, but %s\n", command, check, wrong);
        exit(1);
    }
    if (strcmp(name, "-") != 0)
        printf("%s %.0f %zu\n", name, took, w->len);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[LINE_LIMIT];
    struct wire w = { 0 };
    if (argc != 4)
        return 64;
    wire_imap_login(&w, argv[1], argv[2], argv[3]);
    while (fgets(line, sizeof line, stdin)) {
        char *rest = line, *name = strsep(&rest, " ");
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(name, "!") == 0) {
            if (!rest || system(rest) != 0)
                bench_die("the shell command failed");
            continue;
        }
        char *check = strsep(&rest, " ");
        if (!check || !rest)
            return 64;
        if (rest[strlen(rest) - 1] == '\n')
            rest[strlen(rest) - 1] = '\0';
        one_command(&w, name, check, rest);
    }
    wire_imap(&w, "x LOGOUT\r\n");
    return 0;
}
