/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pipe-request SOCKET NAME...: asks who runs programs (bin/pipe) for each of these names, with a message of
 * its own. Success if none is run: each answer is a failure, or the end. -m SOCKET: sends malformed requests
 * instead.
 */
#include "net/channel.h"
#include "store/programs.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int reach(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *)&name, sizeof name) == 0 ? fd : -1;
}

/* False: something was run, or nobody answered in time. */
static bool ask(int channel, struct message *m, const char *program, int fields, int fd)
{
    uint64_t mark;
    message_start(m, PROGRAM_RUN);
    const char *texts[] = { program, "0660000000000a-0123456789abcdef", "a@far.test", "list@example.test",
                            "" };
    for (int i = 0; i < 5 && i < fields; i++)
        message_put_str(m, texts[i]);
    for (int i = 5; i < fields; i++)
        message_put_u64(m, i == 6 ? 4 : 0);
    m->fd = fd;
    if (!channel_send(channel, m))
        return false;
    if (!channel_receive(channel, m, 10000))
        return fields != 7;
    printf("%s\n", message_get_u64(m, &mark) ? (const char *)&(char[2]){ (char)mark } : "?");
    return fields == 7 && mark == 'F';
}

int main(int argc, char **argv)
{
    static struct message m;
    bool malformed = argc == 3 && strcmp(argv[1], "-m") == 0, good = argc > 2;
    int fd = memfd_create("message", MFD_CLOEXEC);
    good = good && write(fd, "x\r\n\n", 4) == 4;
    for (int i = 0; malformed && i < 9; i++) {
        int channel = i == 7 ? -1 : reach(argv[2]);
        good = good && (i == 7 || ask(channel, &m, "0:list", i, i == 6 ? -1 : fd));
        close(channel);
    }
    for (int i = 2; !malformed && i < argc; i++) {
        int channel = reach(argv[1]);
        good = good && ask(channel, &m, argv[i], 7, fd);
        close(channel);
    }
    return good ? 0 : 1;
}
