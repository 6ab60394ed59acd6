/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One message to several Maildirs as the guard does it: prepare all, publish all, finish all. Says "done"
 * when the reply would be 250, "failed" when it would be 452.
 *
 *     deliver [-j] MAILDIR... <MESSAGE     (CRLF, below 64 KiB); -j: as junk
 */
#include "say.h"

#include "store/junk.h"
#include "store/maildir.h"

#include <string.h>
#include <unistd.h>

#define MAILDIRS 8
#define MESSAGE_LIMIT 65536

int main(int argc, char **argv)
{
    static char message[MESSAGE_LIMIT];
    struct maildir_delivery d[MAILDIRS];
    char folder[FOLDER_NAME_LIMIT + 1];
    bool junk = argc > 1 && strcmp(argv[1], "-j") == 0;
    argc -= junk;
    argv += junk;
    int count = argc - 1 < MAILDIRS ? argc - 1 : MAILDIRS, prepared = 0;
    ssize_t n = read(STDIN_FILENO, message, sizeof message);
    struct content c = { .trace = SPAN("Return-Path: <s@sender.test>\r\n"),
                         .memory = { message, n < 0 ? 0 : (size_t)n },
                         .fd = -1,
                         .size = (uint64_t)n };
    while (
        prepared < count &&
        maildir_prepare(argv[prepared + 1],
                        junk && junk_folder(argv[prepared + 1], "mx.test", folder) == ST_OK ? folder : NULL,
                        "mx.test", &c, &d[prepared]) == ST_OK)
        prepared++;
    if (prepared < count) {
        while (prepared-- > 0)
            maildir_abort(&d[prepared]);
        need(ST_TEMP, "delivery");
    }
    bool all = true;
    for (int i = 0; i < count; i++)
        if (maildir_publish(&d[i]) != ST_OK) {
            maildir_abort(&d[i]);
            all = false;
        }
    for (int i = 0; i < count; i++)
        if (d[i].new_dir >= 0 && maildir_finish(&d[i]) != ST_OK)
            all = false;
    need(all ? ST_OK : ST_TEMP, "delivery");
    say("done\n");
    return 0;
}
