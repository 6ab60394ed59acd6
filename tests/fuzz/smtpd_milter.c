/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a filter says to smtpd's session, all of it, from the negotiation on: the input is its answers, for
 * two messages, the second a large one in a file. Every line that the client gets is a reply, and what is
 * handed over is lines that end in CRLF, without NUL, with a header section that begins with a field.
 */
#include "fuzz.h"

#include "../../bin/smtpd/session.h"
#include "text/fields.h"

#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE_LINES 16000 /* of 79 bytes: more than stays in memory */

struct sides {
    int guard, client, filter; /* the far ends of the session's descriptors */
    int given;                 /* what the guard gives as the filter's connection; -1: it has */
    int file;                  /* the last one that it gave out; -1: none */
    struct bytes pieces;
    struct message m;
    unsigned column;
    bool cr;
};

static void check_message(struct span message)
{
    bool cr = false;
    for (size_t i = 0; i < message.n; i++) {
        HOLDS(message.p[i] && cr == (message.p[i] == '\n'));
        cr = message.p[i] == '\r';
    }
    HOLDS(!cr && (!message.n || (message.p[message.n - 1] == '\n' && fields_begin(message))));
}

static void answer(struct sides *o, unsigned verdict)
{
    message_start(&o->m, 0);
    message_put_u64(&o->m, verdict);
}

static void hear_commit(struct sides *o)
{
    struct span tls, added, message_id, last;
    uint64_t bits;
    HOLDS(message_get(&o->m, &tls) && message_get_u64(&o->m, &bits) && message_get(&o->m, &added) &&
          message_get(&o->m, &message_id) && message_get(&o->m, &last) && message_end(&o->m) &&
          !(bits & COMMIT_FILE) == (o->file < 0));
    HOLDS(message_id.n <= MESSAGE_ID_LIMIT && memchr(message_id.p, '\0', message_id.n) == NULL);
    if (o->file >= 0) {
        off_t size = lseek(o->file, 0, SEEK_END);
        void *map = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, o->file, 0) : NULL;
        HOLDS(map != MAP_FAILED && last.n == 0);
        check_message((struct span){ map, (size_t)size });
        if (map)
            munmap(map, (size_t)size);
    } else {
        HOLDS(bytes_add_span(&o->pieces, last));
        check_message(span_bytes(&o->pieces));
    }
    answer(o, VERDICT_OK);
    message_put_str(&o->m, "ID");
}

static void forget_message(struct sides *o)
{
    if (o->file >= 0)
        close(o->file);
    o->file = -1;
    bytes_clear(&o->pieces);
}

/* False if no answer is wanted. */
static bool hear(struct sides *o)
{
    struct span field;
    switch (o->m.verb) {
    case VERB_MAIL:
        forget_message(o);
        answer(o, VERDICT_OK);
        message_put_u64(&o->m, ORIGIN_FILTER);
        message_put_str(&o->m, "ID");
        message_put_str(&o->m, "");
        message_put_str(&o->m, "");
        return true;
    case VERB_MILTER:
        answer(o, o->given >= 0 ? VERDICT_OK : VERDICT_FAILED);
        o->m.fd = o->given;
        return true;
    case VERB_FILE:
        if (o->file >= 0)
            close(o->file);
        o->file = memfd_create("message", MFD_CLOEXEC);
        HOLDS(o->file >= 0);
        answer(o, VERDICT_OK);
        o->m.fd = o->file;
        return true;
    case VERB_PIECE:
        HOLDS(message_get(&o->m, &field) && message_end(&o->m) && bytes_add_span(&o->pieces, field));
        return false;
    case VERB_COMMIT:
        hear_commit(o);
        return true;
    case VERB_RCPT:
    case VERB_SENDER:
    case VERB_ADD:
    case VERB_REMOVE:
        HOLDS(message_get(&o->m, &field) && message_end(&o->m) && field.n >= 2 && field.p[0] == '<' &&
              field.p[field.n - 1] == '>');
        answer(o, VERDICT_OK);
        return true;
    case VERB_KEYS: /* none */
        answer(o, VERDICT_REFUSED);
        return true;
    default:
        HOLDS(o->m.verb == GUARD_LOG || o->m.verb == VERB_REFUSED);
        return false;
    }
}

/* "250 text CRLF" or "250-text CRLF", and no other byte. */
static void check_output(struct sides *o, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        HOLDS(o->cr == (c == '\n'));
        o->cr = c == '\r';
        HOLDS(o->cr || c == '\n' || (c >= ' ' && c < 127));
        HOLDS(o->cr || c == '\n' || o->column > 2 || ascii_digit(c));
        HOLDS(o->column != 3 || c == ' ' || c == '-');
        o->column = c == '\n' ? 0 : o->column + 1;
    }
}

static void *play_others(void *arg)
{
    struct sides *o = arg;
    struct pollfd p[3] = { { .fd = o->guard, .events = POLLIN },
                           { .fd = o->client, .events = POLLIN },
                           { .fd = o->filter, .events = POLLIN } };
    static char output[65536];
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (poll(p, 3, -1) < 0)
            continue;
        if (p[0].revents) {
            if (!channel_receive(o->guard, &o->m, -1)) {
                p[0].fd = -1;
            } else if (hear(o)) {
                channel_send(o->guard, &o->m);
                if (o->m.fd >= 0 && o->m.fd == o->given) {
                    close(o->given);
                    o->given = -1;
                }
            }
        }
        for (int i = 1; i < 3; i++) {
            ssize_t n = p[i].revents ? recv(p[i].fd, output, sizeof output, 0) : 0;
            if (p[i].revents && n <= 0)
                p[i].fd = -1;
            else if (n > 0 && i == 1)
                check_output(o, (struct span){ output, (size_t)n });
        }
    }
    HOLDS(o->column == 0 && !o->cr);
    return NULL;
}

/* What the client says: made once. */
static struct span dialogue(void)
{
    static struct bytes said;
    if (said.len)
        return span_bytes(&said);
    bytes_init(&said, FUZZ_OUT_LIMIT);
    bytes_add_str(
        &said,
        "EHLO client.test\r\nMAIL FROM:<a@far.test> SIZE=9\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<c@here.test>\r\nDATA\r\n"
        "From: a@far.test\r\nSubject: s\r\n folded\r\n\r\nbody\r\n..dot\r\n.\r\nNONSENSE\r\n"
        "MAIL FROM:<a@far.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\nSubject: large\r\n\r\n");
    for (int i = 0; i < LARGE_LINES; i++)
        bytes_printf(&said, "%077d\r\n", i);
    bytes_add_str(&said, ".\r\nQUIT\r\n");
    return span_bytes(&said);
}

static void *say(void *arg)
{
    struct span rest = dialogue();
    const int *client = arg;
    ssize_t n;
    while (rest.n && (n = send(*client, rest.p, rest.n, MSG_NOSIGNAL)) > 0)
        rest = span_from(rest, (size_t)n);
    shutdown(*client, SHUT_WR);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char hostname[] = "mail.example.test", address[] = "unix:filter";
    static struct milter_setting milter = { .address = address, .timeout = 60, .uses = MILTER_FOR_ALL };
    static struct settings settings = {
        .message_size = 3000000, .timeout = 60, .hostname = hostname, .milters = &milter, .milter_count = 1
    };
    static const struct service service = { .name = "smtpd", .unavailable = "421 4.3.0 later\r\n" };
    struct serving serving = { .service = &service, .settings = &settings };
    int client[2], channel[2], filter[2], room = 1 << 20;
    pthread_t others, saying;
    if (size < 1 || size > 16384)
        return 0;
    milter.down = (enum milter_down)(data[0] % 3);
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, client) == 0 && channel_pair(channel) == ST_OK &&
          socketpair(AF_UNIX, SOCK_STREAM, 0, filter) == 0);
    setsockopt(filter[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    HOLDS(send(filter[1], data + 1, size - 1, 0) == (ssize_t)(size - 1));
    shutdown(filter[1], SHUT_WR);
    struct sides *o = calloc(1, sizeof *o);
    HOLDS(o != NULL);
    *o = (struct sides){ .guard = channel[1], .client = client[1], .filter = filter[1], .given = filter[0], .file = -1 };
    bytes_init(&o->pieces, FUZZ_OUT_LIMIT);
    serving.channel = channel[0];
    serving.conn = conn_new(client[0], client[0]);
    serving.message = malloc(sizeof *serving.message);
    HOLDS(serving.conn != NULL && serving.message != NULL &&
          pthread_create(&others, NULL, play_others, o) == 0 &&
          pthread_create(&saying, NULL, say, &client[1]) == 0);
    session_run(&serving);
    conn_free(serving.conn);
    free(serving.message);
    close(client[0]);
    close(channel[0]);
    pthread_join(others, NULL);
    pthread_join(saying, NULL);
    close(client[1]);
    close(channel[1]);
    close(filter[1]);
    if (o->given >= 0)
        close(o->given);
    forget_message(o);
    bytes_free(&o->pieces);
    free(o);
    return 0;
}
