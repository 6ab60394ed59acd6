/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pop3d with a session that lies: everything is pop3d's own (guard, hand-over, sandboxes), only the session
 * has been taken over by somebody hostile. The client's first line names the lie; tests/lying-session.t has
 * what must come out.
 *
 * A mailbox process that is reached says whose it is, and what it can do that it must not be able to.
 */
#include "lying.h"
#include "store/handover.h"
#include "store/login.h"

enum { LOGIN = GUARD_OWN, START }; /* as in lib/store/handover.c */

static void put_login(const char *name, const char *password)
{
    message_start(&packet, LOGIN);
    message_put_str(&packet, "");
    message_put_str(&packet, name);
    message_put_str(&packet, password);
    message_put_str(&packet, "");
}

#include "lying_scram.h" /* uses put_login() */

static void login(struct serving *s, const char *name, const char *password)
{
    put_login(name, password);
    ask(s);
}

/* --- lies: malformed packets */

static void lie_empty(struct serving *s)
{
    send_raw(s, "", 0);
}

static void lie_short(struct serving *s)
{
    send_raw(s, "\020\0", 2);
}

static void lie_garbage(struct serving *s)
{
    unsigned char noise[4096];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    send_raw(s, noise, sizeof noise);
}

static void lie_huge(struct serving *s)
{
    static char huge[sizeof packet.data + 1] = { LOGIN };
    send_raw(s, huge, sizeof huge);
}

static void lie_length(struct serving *s)
{
    uint32_t words[] = { LOGIN, 0xffffffff, 0x61616161, 4, 0x61616161 };
    send_raw(s, words, sizeof words);
}

static void lie_wrapped_length(struct serving *s)
{
    uint32_t words[] = { LOGIN, 4, 0x61616161, 0xfffffffc, 0, 0 };
    send_raw(s, words, sizeof words);
}

static void lie_unknown(struct serving *s)
{
    message_start(&packet, 99);
    ask(s);
}

static void lie_zero(struct serving *s)
{
    message_start(&packet, 0);
    ask(s);
}

static void lie_missing_field(struct serving *s)
{
    message_start(&packet, LOGIN);
    message_put_str(&packet, "");
    message_put_str(&packet, "alice@example.test");
    message_put_str(&packet, "alice-secret");
    ask(s);
}

static void lie_field_too_many(struct serving *s)
{
    put_login("alice@example.test", "alice-secret");
    message_put_str(&packet, "");
    ask(s);
}

static void lie_long_context(struct serving *s)
{
    char context[HANDOVER_CONTEXT + 2];
    memset(context, 'x', sizeof context - 1);
    context[sizeof context - 1] = '\0';
    message_start(&packet, LOGIN);
    message_put_str(&packet, "");
    message_put_str(&packet, "alice@example.test");
    message_put_str(&packet, "alice-secret");
    message_put_str(&packet, context);
    ask(s);
}

static void lie_long_name(struct serving *s)
{
    static char name[60000];
    memset(name, 'a', sizeof name - 1);
    login(s, name, "alice-secret");
}

static void lie_nul_name(struct serving *s)
{
    message_start(&packet, LOGIN);
    message_put_str(&packet, "");
    message_put(&packet, SPAN("alice@example.test\0bob@example.test"));
    message_put_str(&packet, "alice-secret");
    message_put_str(&packet, "");
    ask(s);
}

/* --- lies: the wrong thing at the wrong time */

static void lie_login(struct serving *s)
{
    login(s, "alice@example.test", "alice-secret");
}

static void login_as(struct serving *s, const char *as, const char *name, const char *password)
{
    message_start(&packet, LOGIN);
    message_put_str(&packet, as);
    message_put_str(&packet, name);
    message_put_str(&packet, password);
    message_put_str(&packet, "");
    ask(s);
}

/* Somebody's own password, for another's mail. */
static void lie_as_other(struct serving *s)
{
    login_as(s, "alice@example.test", "bob@example.test", "bob-secret");
    login(s, "alice@example.test*bob@example.test", "bob-secret");
}

static void lie_as_master(struct serving *s)
{
    login_as(s, "alice@example.test", "admin", "bob-secret");
    login_as(s, "alice@example.test", "admin", "admin-secret");
}

static void lie_scram_master(struct serving *s)
{
    first_of(s, "alice@example.test*admin");
    prove(s, "admin-secret");
    enter(s);
}

static void lie_long_as(struct serving *s)
{
    static char name[60000];
    memset(name, 'a', sizeof name - 1);
    login_as(s, name, "alice@example.test", "alice-secret");
}

static void lie_five_guesses(struct serving *s)
{
    for (int i = 0; i < 3; i++)
        login(s, "alice@example.test", "wrong");
    login(s, "alice@example.test", "alice-secret");
    login(s, "alice@example.test", "alice-secret");
}

static void put_start(void)
{
    message_start(&packet, START);
    message_put_str(&packet, "alice@example.test");
    message_put_str(&packet, "/tmp");
    message_put_u64(&packet, 1);
    message_put_str(&packet, "");
}

static void lie_start(struct serving *s)
{
    put_start();
    ask(s);
}

/* Claims a login on every descriptor there is, and leaves as after one. */
static void lie_claim(struct serving *s)
{
    put_start();
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (fd != STDOUT_FILENO && fd != STDERR_FILENO && fd != s->client_out)
            send(fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    handover_session(s);
}

static void lie_hand_over(struct serving *s)
{
    handover_session(s);
}

static void lie_two_logins(struct serving *s)
{
    login(s, "alice@example.test", "alice-secret");
    login(s, "bob@example.test", "bob-secret");
    put_start();
    channel_send(s->relay, &packet);
    handover_session(s);
}

/* A signature that is refused makes no TLS, under which a password would be taken. */
static void lie_sign_then_login(struct serving *s)
{
    message_start(&packet, GUARD_SIGN);
    message_put_u64(&packet, 0);
    message_put_u64(&packet, 4);
    message_put_str(&packet, "hello");
    ask(s);
    login(s, "alice@example.test", "alice-secret");
}

/* Every algorithm there is, with what is no hash; two tries a connection. */
static void lie_sign_much(struct serving *s)
{
    for (unsigned algorithm = 0; algorithm < 4; algorithm++) {
        message_start(&packet, GUARD_SIGN);
        message_put_u64(&packet, 0);
        message_put_u64(&packet, algorithm);
        message_put_str(&packet, "sign this text, which is no hash of a handshake");
        ask(s);
    }
}

/* A hash that could be a handshake's, by a key that nobody configured. */
static void lie_sign_other_key(struct serving *s)
{
    static const unsigned numbers[] = { 1, 99, 100000 };
    for (unsigned i = 0; i < 3; i++) {
        message_start(&packet, GUARD_SIGN);
        message_put_u64(&packet, numbers[i]);
        message_put_u64(&packet, 14); /* ECDSA with SHA-256 */
        message_put_str(&packet, "01234567890123456789012345678901");
        ask(s);
    }
}

static void lie_sign_long(struct serving *s)
{
    static char text[30000];
    memset(text, 'x', sizeof text - 1);
    message_start(&packet, GUARD_SIGN);
    message_put_u64(&packet, 0);
    message_put_u64(&packet, 4);
    message_put_str(&packet, text);
    ask(s);
}

/* --- lies: too much */

static void lie_flood(struct serving *s)
{
    for (int i = 0; i < 20000; i++)
        guard_log(s->channel, "flood", SPAN("of lines"));
    login(s, "alice@example.test", "wrong");
}

static void lie_log(struct serving *s)
{
    guard_log(s->channel, "x\npop3d[1]: event=forged",
              SPAN("a\" b\r\npop3d[1]: event=forged user=\"root\033[2J"));
    guard_log(s->channel, "login", SPAN("user=root"));
    login(s, "alice@example.test", "wrong");
}

static void lie_descriptors(struct serving *s)
{
    for (int i = 0; i < 6000; i++) {
        message_start(&packet, GUARD_LOG);
        message_put_str(&packet, "descriptor");
        message_put_str(&packet, "");
        packet.fd = s->client_in;
        channel_send(s->channel, &packet);
    }
    login(s, "alice@example.test", "wrong");
}

/* Descriptors that come with a stream are nobody's, and none makes the guard stumble. */
static void lie_many_descriptors(struct serving *s)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec part = { .iov_base = packet.data, .iov_len = packet.len };
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.space,
                        .msg_controllen = sizeof control.space };
    put_login("alice@example.test", "alice-secret");
    part.iov_len = packet.len;
    memset(&control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(8 * sizeof(int));
    for (int i = 0; i < 8; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &s->client_in, sizeof(int));
    sendmsg(s->channel, &h, MSG_NOSIGNAL);
    say_answer(s);
}

/* --- breaking out */

static void lie_break_out(struct serving *s)
{
    struct attempt a = { .conn = s->conn };
    try_all(&a);
    tell(&a, "open the settings", opens(s->settings->file, O_RDONLY));
    tell(&a, "open the key", opens(s->settings->tls_key, O_RDONLY));
    tell(&a, "open the spool", opens(s->settings->spool, O_RDONLY | O_DIRECTORY));
    conn_write_str(s->conn, a.worked ? "BROKE OUT\r\n" : "confined\r\n");
}

static void try_mailbox(const struct mailbox_start *start)
{
    struct attempt a = { .conn = start->conn };
    char path[2 * PATH_MAX];
    const struct settings *settings = start->serving->settings;
    try_all(&a);
    snprintf(path, sizeof path, "%s/../bob", start->maildir);
    tell(&a, "open bob's mail", opens(path, O_RDONLY | O_DIRECTORY));
    snprintf(path, sizeof path, "%s/../bob/new/x", start->maildir);
    tell(&a, "write bob's mail", opens(path, O_WRONLY | O_CREAT));
    snprintf(path, sizeof path, "%s/cur/fifo", start->maildir);
    tell(&a, "make a FIFO in the mail", mkfifo(path, 0600) == 0);
    tell(&a, "make a link in the mail", symlink("/etc/passwd", path) == 0);
    tell(&a, "open the settings", opens(settings->file, O_RDONLY));
    tell(&a, "open the key", opens(settings->tls_key, O_RDONLY));
    snprintf(path, sizeof path, "%s/secrets", settings->directory);
    tell(&a, "open the secrets", opens(path, O_RDONLY));
    tell(&a, "open the spool", opens(settings->spool, O_RDONLY | O_DIRECTORY));
    snprintf(path, sizeof path, "%s/new", start->maildir);
    conn_write_str(start->conn,
                   opens(path, O_RDONLY | O_DIRECTORY) ? "own mail open\r\n" : "OWN MAIL CLOSED\r\n");
    conn_write_str(start->conn, a.worked ? "BROKE OUT\r\n" : "confined\r\n");
}

/* In the mailbox process. */
static void mailbox_reached(struct mailbox_start *start)
{
    conn_printf(start->conn, "MAILBOX %s\r\n", start->account.text);
    if (confined(start->serving))
        try_mailbox(start);
}

/* The guard tries it too, before it does its work; standard error has what it could do. */
static void try_guard(const struct serving *s)
{
    struct attempt a = { .conn = NULL };
    struct bytes root;
    bytes_init(&root, PATH_MAX);
    settings_mail_root(s->settings, &root);
    try_all(&a);
    tell(&a, "open all mail", opens(bytes_str(&root), O_RDONLY | O_DIRECTORY));
    tell(&a, "write the settings", opens(s->settings->file, O_WRONLY));
    try_client(&a, s);
    bytes_free(&root);
}

static int guard_run(struct serving *s)
{
    if (confined(s))
        try_guard(s);
    return handover_guard(s);
}

static const struct lie lies[] = {
    { "empty", lie_empty },
    { "short", lie_short },
    { "garbage", lie_garbage },
    { "huge", lie_huge },
    { "length", lie_length },
    { "wrapped-length", lie_wrapped_length },
    { "unknown", lie_unknown },
    { "zero", lie_zero },
    { "missing-field", lie_missing_field },
    { "field-too-many", lie_field_too_many },
    { "long-context", lie_long_context },
    { "long-name", lie_long_name },
    { "nul-name", lie_nul_name },
    { "login", lie_login },
    { "as-other", lie_as_other },
    { "as-master", lie_as_master },
    { "long-as", lie_long_as },
    { "scram-master", lie_scram_master },
    { "five-guesses", lie_five_guesses },
    { "start", lie_start },
    { "claim", lie_claim },
    { "hand-over", lie_hand_over },
    { "two-logins", lie_two_logins },
    SCRAM_LIES,
    { "sign-then-login", lie_sign_then_login },
    { "sign-much", lie_sign_much },
    { "sign-long", lie_sign_long },
    { "sign-other-key", lie_sign_other_key },
    { "flood", lie_flood },
    { "log", lie_log },
    { "descriptors", lie_descriptors },
    { "many-descriptors", lie_many_descriptors },
    { "break-out", lie_break_out },
    { "standard-error", lie_standard_error },
};

static void session_lies(struct serving *s)
{
    tell_lie(s, lies, sizeof lies / sizeof lies[0]);
}

static const struct service service = {
    .name = "pop3d",
    .usage = "usage: lying-pop3 -c FILE\n",
    .flags = "",
    .unavailable = "unavailable\r\n",
    .busy = "busy",
    .session = session_lies,
    .guard = guard_run,
    .guard_paths = handover_guard_paths,
    .await = handover_await,
    .mailbox = mailbox_reached,
};

int main(int argc, char **argv)
{
    return serve(argc, argv, &service);
}
