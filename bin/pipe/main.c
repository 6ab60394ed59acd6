/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pipe [-c FILE] [-v]: runs one program that aliases name, or a command that learns, for one message, and
 * ends. systemd starts it for each connection to postern-pipe.socket, as a user of its own that owns nothing
 * of the mail server.
 *
 * Who asks must be the owner of the aliases, root, or the same user; the kernel says who it is. The request
 * names the alias, and the command comes from the compiled aliases, or the settings, alone: whoever could
 * make the queue runner send what it doesn't mean to could run no more than what stands there. It never runs
 * as root.
 */
#include "pipe.h"
#include "base/log.h"
#include "base/options.h"
#include "net/activation.h"
#include "net/channel.h"
#include "net/sandbox.h"
#include "store/programs.h"
#include "store/tables.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define REQUEST_MS 30000
#define HEADER_LIMIT 262144 /* bytes of a header that are looked through */
#define COMMAND_LIMIT 65536
#define WHY_LIMIT (QUEUE_REPLY_LIMIT - 1)

static int usage(void)
{
    fputs("usage: pipe [-c FILE] [-v]\n"
          "Runs a program that aliases name, as the queue runner asks on standard input, a Unix socket. See "
          "pipe(8).\n",
          stdout);
    return EX_OK;
}

static bool may_ask(const struct settings *s, int socket)
{
    struct peer peer;
    struct stat owner;
    char path[PATH_MAX];
    if (!peer_get(socket, &peer) || !peer.local)
        return false;
    if (peer.uid == 0 || peer.uid == getuid())
        return true;
    return tables_path(s, TABLE_ALIASES, true, path, sizeof path) && stat(path, &owner) == 0 &&
           owner.st_uid == peer.uid;
}

static bool get_request(struct message *m, struct request *r)
{
    char recipient[ADDRESS_LIMIT + 4];
    bool good = m->verb == PROGRAM_RUN && message_get_str(m, r->program, sizeof r->program) &&
                message_get_str(m, r->id, sizeof r->id) && message_get_str(m, r->sender, sizeof r->sender) &&
                message_get_str(m, recipient, sizeof recipient) &&
                message_get_str(m, r->original, sizeof r->original) && message_get_u64(m, &r->content) &&
                message_get_u64(m, &r->size) && message_end(m);
    r->fd = m->fd;
    r->learns = good && programs_learns(span_of(r->program));
    return good && r->fd >= 0 && queue_id_valid(r->id) && r->content <= INT64_MAX &&
           r->size <= INT64_MAX / 2 && address_parse(span_of(recipient), &r->recipient) == ADDRESS_OK;
}

/* Has it been at this alias before? Then its Delivered-To stands in the message, if the program kept it. */
static bool loops(const struct request *r)
{
    struct bytes text;
    bool found = false;
    size_t want = r->size < HEADER_LIMIT ? (size_t)r->size : HEADER_LIMIT;
    bytes_init(&text, HEADER_LIMIT);
    if (bytes_reserve(&text, want)) {
        ssize_t n = pread(r->fd, text.data, want, (off_t)r->content);
        text.len = n > 0 ? (size_t)n : 0;
        struct span rest = span_bytes(&text), line;
        while (!found && span_cut(&rest, '\n', &line) && span_trim(line).n)
            found = span_istarts(line, "Delivered-To:") &&
                    span_ieq_str(span_trim(span_from(line, sizeof "Delivered-To:" - 1)), r->recipient.text);
    }
    bytes_free(&text);
    return found;
}

static enum status run(const struct settings *s, const struct request *r, struct bytes *why)
{
    struct bytes command;
    bytes_init(&command, COMMAND_LIMIT);
    enum status st = programs_command(s, span_of(r->program), &command);
    if (st == ST_NONE) {
        bytes_add_str(why, r->learns ? "5.3.5 The settings have no such command any more"
                                     : "5.1.1 The alias names no such program any more");
        st = ST_PERM;
    } else if (st != ST_OK) {
        bytes_add_str(
            why, "4.3.0 The aliases can't be read; they must be readable for the user that runs programs");
    } else if (!r->learns && loops(r)) {
        bytes_add_str(why, "5.4.6 The message has been here before: a loop");
        st = ST_PERM;
    } else {
        st = run_command(s, r, bytes_str(&command), why);
    }
    bytes_free(&command);
    return st;
}

static int serve(const struct settings *s, int socket)
{
    static struct message m;
    static struct request r;
    struct bytes why;
    if (!may_ask(s, socket)) {
        log_event(LOG_ERR, "pipe-refused", "why", "who asks isn't the owner of the aliases", NULL);
        return EX_NOPERM;
    }
    if (!channel_receive(socket, &m, REQUEST_MS) || !get_request(&m, &r)) {
        log_event(LOG_ERR, "pipe-refused", "why", "the request is malformed", NULL);
        return EX_PROTOCOL;
    }
    bytes_init(&why, WHY_LIMIT);
    enum status st = run(s, &r, &why);
    log_event(st == ST_OK ? LOG_INFO : LOG_NOTICE, r.learns ? r.program : "program", "id", r.id, "to",
              r.recipient.text, "from", r.sender, "said", bytes_str(&why), NULL);
    message_start(&m, PROGRAM_ENDED);
    message_put_u64(&m, st == ST_OK ? QUEUE_DONE : st == ST_TEMP ? QUEUE_TODO : QUEUE_FAILED);
    message_put_str(&m, bytes_str(&why));
    bool sent = channel_send(socket, &m);
    bytes_free(&why);
    return sent ? EX_OK : EX_IOERR;
}

static int start(const char *file, const struct activation *on)
{
    struct settings s;
    struct bytes error;
    bytes_init(&error, 4096);
    int code = EX_OK;
    if (getuid() == 0 || geteuid() == 0) {
        bytes_add_str(&error, "it runs what aliases say, and won't as root: give it a user of its own");
        code = EX_CONFIG;
    } else if (on->kind != ACTIVATION_CONNECTED) {
        bytes_add_str(&error, "standard input is no connected socket; see pipe(8)");
        code = EX_USAGE;
    } else if (settings_load(file, &s, &error) != ST_OK) {
        code = EX_CONFIG;
    }
    if (code == EX_OK) {
        code = serve(&s, on->in);
        settings_free(&s);
    } else {
        log_event(LOG_ERR, "cannot-start", "text", bytes_str(&error), NULL);
    }
    bytes_free(&error);
    log_settle();
    return code;
}

int main(int argc, char **argv)
{
    const char *file = NULL;
    struct activation on;
    int c;
    sandbox_first();
    bool known = activation_get(&on);
    log_open("pipe");
    while ((c = getopt_long(argc, argv, ":c:v", options_words, NULL)) != -1) {
        if (c == OPTIONS_HELP)
            return usage();
        if (c == 'c')
            file = optarg;
        else if (c == 'v')
            log_verbose(true);
        else
            return options_wrong("pipe", c, argv);
    }
    if (optind < argc)
        return options_too_much("pipe", argv[optind]);
    if (!known) {
        log_event(LOG_ERR, "cannot-start", "text", on.error, NULL);
        return EX_OSFILE;
    }
    activation_alone(&on);
    return start(file, &on);
}
