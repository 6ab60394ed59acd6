/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * append PORT USER PASSWORD COUNT DIRECTORY: COUNT messages of 4 KiB by APPEND over one IMAP connection, each
 * waiting for the one before, with INBOX selected. INBOX must have been empty, and has COUNT messages then.
 * In turns with them, as what a disk can do changes from moment to moment, as many files of 4 KiB are written
 * below DIRECTORY as a Maildir's are, with the two fsyncs. Prints messages and files a second.
 */
#include "wire.h"

#define MESSAGE_BYTES 4096
#define LINE_BYTES 64
#define TURN 10

static void make_message(char *text)
{
    size_t n = (size_t)sprintf(text, "From: a@example.test\r\nSubject: append\r\n\r\n");
    while (n < MESSAGE_BYTES) {
        size_t line = MESSAGE_BYTES - n < 2 * LINE_BYTES ? MESSAGE_BYTES - n : LINE_BYTES;
        memset(text + n, 'x', line - 2);
        memcpy(text + n + line - 2, "\r\n", 2);
        n += line;
    }
}

static void one_append(struct wire *w, const char *text, size_t size)
{
    char line[64];
    snprintf(line, sizeof line, "x APPEND INBOX (\\Seen) {%d}\r\n", MESSAGE_BYTES);
    wire_say(w, line);
    wire_until(w, "+ ");
    w->len = 0;
    wire_send(w, text, size);
    if (strncmp(wire_until(w, "x "), "x OK", 4) != 0)
        bench_wrong("APPEND");
}

static void check_count(struct wire *w, long count)
{
    char wanted[64];
    wire_imap(w, "x STATUS INBOX (MESSAGES)\r\n");
    snprintf(wanted, sizeof wanted, "(MESSAGES %ld)", count);
    if (!memmem(w->data, w->len, wanted, strlen(wanted)))
        bench_wrong("not all messages are there");
}

int main(int argc, char **argv)
{
    char text[MESSAGE_BYTES + 2];
    struct wire w = { 0 };
    double appends = 0, files = 0;
    if (argc != 6)
        return 64;
    long count = atol(argv[4]);
    int dir = open(argv[5], O_RDONLY | O_DIRECTORY);
    struct bench_files floor = bench_files(dir);
    make_message(text);
    memcpy(text + MESSAGE_BYTES, "\r\n", 2);
    wire_imap_login(&w, argv[1], argv[2], argv[3]);
    wire_imap(&w, "x SELECT INBOX\r\n");
    for (long done = 0; done < count; done += TURN) {
        double begin = bench_now();
        for (long i = done; i < done + TURN && i < count; i++)
            one_append(&w, text, sizeof text);
        double middle = bench_now();
        for (long i = done; i < done + TURN && i < count; i++)
            bench_file(&floor);
        appends += middle - begin;
        files += bench_now() - middle;
    }
    check_count(&w, count);
    wire_imap(&w, "x LOGOUT\r\n");
    bench_files_remove(&floor, dir);
    printf("%.0f %.0f\n", (double)count / appends * 1e6, (double)count / files * 1e6);
    return 0;
}
