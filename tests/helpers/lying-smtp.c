/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd with a session that lies: the guard, and what it puts on disk, is smtpd's own. The client's first
 * line names the lie; tests/lying-session.t has what must come out, and looks at mail and queue afterwards.
 */
#include "lying.h"
#include "../../bin/smtpd/guard.h"
#include "store/handover.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define SECRET "alice-secret"
#define BODY "Subject: x\r\n\r\nbody\r\n"

/* --- requests */

static void put_login(const char *name, const char *password)
{
    message_start(&packet, VERB_LOGIN);
    message_put_str(&packet, "");
    message_put_str(&packet, name);
    message_put_str(&packet, password);
}

#include "lying_scram.h" /* uses put_login() */

static void login(struct serving *s, const char *name, const char *password)
{
    put_login(name, password);
    ask(s);
}

static void put_mail_bits(const char *helo, const char *path, uint64_t bits)
{
    message_start(&packet, VERB_MAIL);
    message_put_str(&packet, helo);
    message_put_str(&packet, path);
    message_put_u64(&packet, bits);
    message_put_u64(&packet, 0);
    message_put_u64(&packet, RET_UNSAID);
    message_put_str(&packet, "");
    message_put_u64(&packet, 0);
}

static void put_mail(const char *helo, const char *path)
{
    put_mail_bits(helo, path, 0);
}

static void mail(struct serving *s, const char *path)
{
    put_mail("client.test", path);
    ask(s);
}

static void rcpt(struct serving *s, const char *path)
{
    message_start(&packet, VERB_RCPT);
    message_put_str(&packet, path);
    ask(s);
}

/* MAIL and RCPT at once. */
static void mail_and_rcpt(struct serving *s, const char *sender, const char *recipient)
{
    put_mail_bits("client.test", sender, MAIL_AND_RCPT);
    message_put_str(&packet, recipient);
    ask(s);
}

static void author(struct serving *s, const char *address)
{
    message_start(&packet, VERB_AUTHOR);
    message_put_str(&packet, address);
    ask(s);
}

static void commit_called(struct serving *s, uint64_t bits, struct span added, struct span message_id,
                          struct span last)
{
    message_start(&packet, VERB_COMMIT);
    message_put_str(&packet, "");
    message_put_u64(&packet, bits);
    message_put(&packet, added);
    message_put(&packet, message_id);
    message_put(&packet, last);
    ask(s);
}

static void commit_adding(struct serving *s, uint64_t bits, struct span added, struct span last)
{
    commit_called(s, bits, added, SPAN(""), last);
}

static void commit_as(struct serving *s, uint64_t bits, struct span last)
{
    commit_adding(s, bits, SPAN(""), last);
}

static void commit(struct serving *s)
{
    commit_as(s, 0, SPAN(BODY));
}

static void envelope(struct serving *s)
{
    mail(s, "<a@x.test>");
    rcpt(s, "<alice@example.test>");
}

static void piece(struct serving *s, size_t n)
{
    static char bytes[CHANNEL_PIECE + 1];
    memset(bytes, 'x', sizeof bytes);
    message_start(&packet, VERB_PIECE);
    message_put(&packet, (struct span){ bytes, n });
    channel_send(s->channel, &packet);
}

/* The descriptor that the guard gives out for a large message, or -1. */
static int ask_file(struct serving *s)
{
    uint64_t verdict;
    message_start(&packet, VERB_FILE);
    if (!channel_call(s->channel, &packet) || !message_get_u64(&packet, &verdict)) {
        conn_write_str(s->conn, "ended\r\n");
        return -1;
    }
    conn_printf(s->conn, "status %d\r\n", (int)verdict);
    return packet.fd;
}

/* --- the measure, and steps left out */

static void lie_none(struct serving *s)
{
    envelope(s);
    commit(s);
}

static void lie_rcpt_first(struct serving *s)
{
    rcpt(s, "<alice@example.test>");
}

static void lie_commit_first(struct serving *s)
{
    commit(s);
}

static void lie_no_rcpt(struct serving *s)
{
    mail(s, "<a@x.test>");
    commit(s);
}

static void lie_piece_first(struct serving *s)
{
    mail(s, "<a@x.test>");
    piece(s, 10);
    say_answer(s);
}

static void lie_mail_again(struct serving *s)
{
    envelope(s);
    mail(s, "<b@x.test>");
    commit(s);
}

static void lie_refused_rcpt(struct serving *s)
{
    mail(s, "<a@x.test>");
    rcpt(s, "<nobody@example.test>");
    commit(s);
}

static void lie_commit_twice(struct serving *s)
{
    envelope(s);
    commit(s);
    commit(s);
}

/* --- what isn't allowed */

static void lie_relay(struct serving *s)
{
    mail(s, "<a@x.test>");
    rcpt(s, "<b@outside.test>");
    rcpt(s, "<@example.test:b@outside.test>");
    rcpt(s, "<\"b@outside.test\"@example.test>");
    commit(s);
}

static void lie_login(struct serving *s)
{
    login(s, "alice@example.test", SECRET);
}

static void lie_sign_then_login(struct serving *s)
{
    message_start(&packet, GUARD_SIGN);
    message_put_u64(&packet, 0);
    message_put_u64(&packet, 4);
    message_put_str(&packet, "hello");
    ask(s);
    login(s, "alice@example.test", SECRET);
}

static void lie_guesses(struct serving *s)
{
    for (int i = 0; i < 3; i++)
        login(s, "alice@example.test", "wrong");
    login(s, "alice@example.test", SECRET);
    login(s, "alice@example.test", SECRET);
}

static void lie_no_login(struct serving *s)
{
    mail(s, "<alice@example.test>");
    rcpt(s, "<bob@example.test>");
}

static void lie_other_sender(struct serving *s)
{
    login(s, "alice@example.test", SECRET);
    mail(s, "<bob@example.test>");
    rcpt(s, "<b@outside.test>");
}

static void lie_login_twice(struct serving *s)
{
    login(s, "alice@example.test", SECRET);
    login(s, "bob@example.test", "bob-secret");
}

/* A proof that the client never confirmed. */
static void lie_scram_unconfirmed(struct serving *s)
{
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    mail(s, "<alice@example.test>");
}

static void lie_scram_other_sender(struct serving *s)
{
    lie_scram_right(s);
    mail(s, "<bob@example.test>");
}

/* What was begun before a login isn't finished behind it. */
static void lie_scram_envelope(struct serving *s)
{
    envelope(s);
    lie_scram_right(s);
    commit(s);
}

static void lie_author(struct serving *s)
{
    envelope(s);
    author(s, "alice@example.test");
}

#include "lying_commit.h" /* uses envelope() and commit_called() */
#include "lying_sign.h" /* uses login() and what makes an envelope */

/* --- what isn't an address, a size, a message */

static void lie_path_lines(struct serving *s)
{
    mail(s, "<a@x.test>\r\nX-Forged: yes");
}

static void lie_path_control(struct serving *s)
{
    mail(s, "<a\r\nX-Forged:yes@x.test>");
}

static void lie_path_quoted(struct serving *s)
{
    mail(s, "<\"a\r\nX-Forged: yes\"@x.test>");
}

static void lie_path_bare(struct serving *s)
{
    mail(s, "<a@x.test>");
    rcpt(s, "alice@example.test");
}

static void lie_path_up(struct serving *s)
{
    mail(s, "<a@x.test>");
    rcpt(s, "<\"../bob\"@example.test>");
    rcpt(s, "<bob/new@example.test>");
    rcpt(s, "<../bob@example.test>");
}

static void lie_helo(struct serving *s)
{
    put_mail("x\r\nX-Forged: yes\r\n\r\n(", "<a@x.test>");
    ask(s);
    rcpt(s, "<alice@example.test>");
    commit(s);
}

static void lie_too_large(struct serving *s)
{
    static char text[60000];
    memset(text, 'x', sizeof text);
    envelope(s);
    commit_as(s, 0, (struct span){ text, sizeof text });
}

static void lie_pieces(struct serving *s)
{
    envelope(s);
    for (int i = 0; i < 200; i++)
        piece(s, CHANNEL_PIECE);
    commit(s);
}

static void lie_large_piece(struct serving *s)
{
    envelope(s);
    piece(s, CHANNEL_PIECE + 1);
    say_answer(s);
}

static void lie_file_unasked(struct serving *s)
{
    envelope(s);
    commit_as(s, COMMIT_FILE, SPAN(""));
}

static void lie_file_and_bytes(struct serving *s)
{
    envelope(s);
    ask_file(s);
    commit_as(s, COMMIT_FILE, SPAN(BODY));
}

/* Three are the session's right: what it makes of a binary message goes into another one, and so does what it
 * makes of that in 7 bits. */
static void lie_four_files(struct serving *s)
{
    envelope(s);
    for (int i = 0; i < 4; i++)
        ask_file(s);
}

/* Writes on when the guard has said that the message is on disk. */
static int next_file(struct serving *s)
{
    uint64_t verdict;
    put_mail("client.test", "<a@x.test>");
    channel_call(s->channel, &packet);
    message_start(&packet, VERB_RCPT);
    message_put_str(&packet, "<alice@example.test>");
    channel_call(s->channel, &packet);
    message_start(&packet, VERB_FILE);
    return channel_call(s->channel, &packet) && message_get_u64(&packet, &verdict) ? packet.fd : -1;
}

/* Space without a name: what a session's descriptors keep of messages that are long gone. */
static void lie_hoard(struct serving *s)
{
    static const char big[40000];
    int first = next_file(s), last = first;
    ssize_t written = write(first, big, sizeof big);
    for (int i = 0; i < 40; i++)
        last = next_file(s);
    written = written > 0 ? write(last, big, 100) : -1;
    bool one = written == 100 && lseek(first, 0, SEEK_END) == 100;
    conn_write_str(s->conn, one ? "one file\r\n" : "a hoard\r\n");
}

/* A dictionary of names: how many of 1000 are answered. `bits` are those of a MAIL with each. */
static void harvest(struct serving *s, uint64_t bits)
{
    char path[64];
    int answers = 0;
    mail(s, "<a@x.test>");
    for (int i = 0; i < 1000; i++, answers++) {
        snprintf(path, sizeof path, "<name%d@example.test>", i);
        if (bits)
            put_mail_bits("client.test", "<a@x.test>", bits);
        else
            message_start(&packet, VERB_RCPT);
        message_put_str(&packet, path);
        if (!channel_call(s->channel, &packet))
            break;
    }
    conn_printf(s->conn, "%d answers\r\n", answers);
}

static void lie_harvest(struct serving *s)
{
    harvest(s, 0);
}

static void lie_harvest_anew(struct serving *s)
{
    harvest(s, MAIL_AND_RCPT);
}

static void lie_both(struct serving *s)
{
    mail_and_rcpt(s, "<a@x.test>", "<alice@example.test>");
    rcpt(s, "<alice@example.test>");
    commit(s);
}

static void lie_both_refused(struct serving *s)
{
    mail_and_rcpt(s, "<bob@example.test>", "<alice@example.test>");
    rcpt(s, "<alice@example.test>");
}

static void lie_both_relay(struct serving *s)
{
    mail_and_rcpt(s, "<a@x.test>", "<b@y.test>");
    commit(s);
}

static void lie_both_but_one(struct serving *s)
{
    put_mail_bits("client.test", "<a@x.test>", MAIL_AND_RCPT);
    ask(s);
}

static void lie_one_but_both(struct serving *s)
{
    put_mail("client.test", "<a@x.test>");
    message_put_str(&packet, "<alice@example.test>");
    ask(s);
}

static void lie_both_path(struct serving *s)
{
    mail_and_rcpt(s, "<a@x.test>", "alice@example.test");
}

static void lie_late_write(struct serving *s)
{
    envelope(s);
    int fd = ask_file(s);
    if (fd < 0 || write(fd, BODY, strlen(BODY)) < 0)
        conn_write_str(s->conn, "no file\r\n");
    commit_as(s, COMMIT_FILE, SPAN(""));
    if (pwrite(fd, "LATE", 4, 0) != 4)
        conn_write_str(s->conn, "not written\r\n");
}

static void lie_large_file(struct serving *s)
{
    static char block[65536];
    size_t total = 0;
    envelope(s);
    int fd = ask_file(s);
    for (ssize_t n; total < (64u << 20) && (n = write(fd, block, sizeof block)) > 0;)
        total += (size_t)n;
    conn_write_str(s->conn, total < (4u << 20) ? "bounded\r\n" : "UNBOUNDED\r\n");
    commit_as(s, COMMIT_FILE, SPAN(""));
}

/* The file has no name, and the session can give it none. */
static void lie_link_file(struct serving *s)
{
    char from[64], to[PATH_MAX];
    envelope(s);
    int fd = ask_file(s);
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    snprintf(to, sizeof to, "%s/queue/forged", s->settings->spool);
    bool linked = linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ||
                  linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0;
    conn_write_str(s->conn, linked && confined(s) ? "LINKED\r\n" : "no link\r\n");
}

/* --- who sent it: nobody asks that of a client without an address */

static void lie_dns(struct serving *s)
{
    envelope(s);
    message_start(&packet, VERB_DNS);
    message_put_u64(&packet, 1);
    message_put_str(&packet, "secret.far.test");
    message_put_u64(&packet, 16);
    ask(s);
}

static void lie_checked(struct serving *s)
{
    envelope(s);
    message_start(&packet, VERB_CHECKED);
    message_put_u64(&packet, OUTCOME_ACCEPT);
    for (int i = 0; i < 6; i++)
        message_put_str(&packet, "");
    ask(s);
}

static void lie_garbage(struct serving *s)
{
    static char noise[30000] = { VERB_COMMIT };
    memset(noise + 4, 0xff, sizeof noise - 4);
    send_raw(s, noise, sizeof noise);
}

static void lie_break_out(struct serving *s)
{
    struct attempt a = { .conn = s->conn };
    try_all(&a);
    tell(&a, "open the key", opens(s->settings->tls_key, O_RDONLY));
    tell(&a, "open the spool", opens(s->settings->spool, O_RDONLY | O_DIRECTORY));
    conn_write_str(s->conn, a.worked ? "BROKE OUT\r\n" : "confined\r\n");
}

/* --- of one that stands: tests/standing-hostile.t */

/* Requests until the guard waits for somebody to read its replies; in some that it hasn't read is our end of
 * the channel. */
static void lie_hold_reply(struct serving *s)
{
    struct pollfd p = { .fd = s->channel, .events = POLLOUT };
    for (int i = 0; i < 2000 && poll(&p, 1, 300) > 0; i++) {
        put_mail("client.test", "<x@far.test>");
        packet.fd = i % 40 == 0 ? s->channel : -1;
        if (!channel_send(s->channel, &packet))
            break;
    }
    conn_write_str(s->conn, "held\r\n");
    conn_flush(s->conn);
    _exit(0);
}

/* The guard ends the connection, and the session doesn't. */
static void lie_stay(struct serving *s)
{
    message_start(&packet, 99);
    ask(s);
    conn_flush(s->conn);
    for (;;)
        poll(NULL, 0, 1000);
}

static const struct lie lies[] = {
    { "none", lie_none },
    { "both", lie_both },
    { "both-refused", lie_both_refused },
    { "both-relay", lie_both_relay },
    { "both-but-one", lie_both_but_one },
    { "one-but-both", lie_one_but_both },
    { "both-path", lie_both_path },
    { "harvest-anew", lie_harvest_anew },
    { "hold-reply", lie_hold_reply },
    { "stay", lie_stay },
    { "dns", lie_dns },
    { "checked", lie_checked },
    COMMIT_LIES,
    { "rcpt-first", lie_rcpt_first },
    { "commit-first", lie_commit_first },
    { "no-rcpt", lie_no_rcpt },
    { "piece-first", lie_piece_first },
    { "mail-again", lie_mail_again },
    { "refused-rcpt", lie_refused_rcpt },
    { "commit-twice", lie_commit_twice },
    { "relay", lie_relay },
    { "login", lie_login },
    { "sign-then-login", lie_sign_then_login },
    { "guesses", lie_guesses },
    { "no-login", lie_no_login },
    { "other-sender", lie_other_sender },
    { "login-twice", lie_login_twice },
    { "author", lie_author },
    { "scram-unconfirmed", lie_scram_unconfirmed },
    { "scram-other-sender", lie_scram_other_sender },
    { "scram-envelope", lie_scram_envelope },
    SCRAM_LIES,
    { "path-lines", lie_path_lines },
    { "path-control", lie_path_control },
    { "path-quoted", lie_path_quoted },
    { "path-bare", lie_path_bare },
    { "path-up", lie_path_up },
    { "helo", lie_helo },
    { "too-large", lie_too_large },
    { "pieces", lie_pieces },
    { "large-piece", lie_large_piece },
    { "file-unasked", lie_file_unasked },
    { "file-and-bytes", lie_file_and_bytes },
    { "four-files", lie_four_files },
    SIGN_LIES,
    { "hoard", lie_hoard },
    { "harvest", lie_harvest },
    { "late-write", lie_late_write },
    { "large-file", lie_large_file },
    { "link-file", lie_link_file },
    { "garbage", lie_garbage },
    { "break-out", lie_break_out },
    { "standard-error", lie_standard_error },
};

static void session_lies(struct serving *s)
{
    tell_lie(s, lies, sizeof lies / sizeof lies[0]);
}

/* All guards share what serving_waits() writes to: clients from 127.0.0.8 and .9 have guards that abuse
 * it. */
static void abuse_notices(const struct serving *s)
{
    if (s->disk_notices < 0 || strncmp(s->peer.text, "127.0.0.", 8) != 0)
        return;
    if (s->peer.text[8] == '8')
        for (int i = 0; i < 100000 && send(s->disk_notices, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1; i++)
            ;
    if (s->peer.text[8] == '9')
        shutdown(s->disk_notices, SHUT_RDWR);
}

static int guard_tries(struct serving *s)
{
    struct attempt a = { .conn = NULL };
    if (confined(s)) {
        try_all(&a);
        tell(&a, "write the settings", opens(s->settings->file, O_WRONLY));
        try_client(&a, s);
    }
    abuse_notices(s);
    return guard_run(s);
}

static const struct service service = {
    .name = "smtpd",
    .usage = "usage: lying-smtp -c FILE [-l] [-s]\n",
    .flags = "ls",
    .unavailable = "unavailable\r\n",
    .busy = "busy",
    .session = session_lies,
    .guard = guard_tries,
    .guard_paths = guard_paths,
    .stands = guard_stands,
};

int main(int argc, char **argv)
{
    return serve(argc, argv, &service);
}
