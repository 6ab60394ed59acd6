/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pop3d whole: the input is what a client sends, to the session before login (first byte even) or to the
 * mailbox process of a small Maildir (odd). Every line of a reply ends in CRLF, no line has more than one
 * reply, and without a QUIT no message goes.
 */
#include "maildir.h"

#include "../../bin/pop3d/maildrop.c"
#include "../../bin/pop3d/pop3.c"
#include "../../bin/pop3d/wire.c"
/* What session.c names as maildrop.c does. */
#define do_capa session_capa
#define do_quit session_quit
#include "../../bin/pop3d/session.c"

#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

#define MESSAGES 3
#define FRESH 50 /* inputs that one Maildir is used for */

static struct settings settings;
static unsigned runs;

static size_t count_messages_in(const char *folder)
{
    char path[128];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", fuzz_maildir, folder);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

static size_t messages_there(void)
{
    return count_messages_in("new") + count_messages_in("cur");
}

/* Three messages, made anew when some went and now and then. */
static void fresh_maildir(void)
{
    if (runs++ % FRESH != 0 && messages_there() == MESSAGES)
        return;
    struct mail *mail = fuzz_maildir_fresh();
    mail_close(mail);
    fuzz_maildir_put("1.a", "Subject: one\n\ntext\n");
    fuzz_maildir_put("2.b", "Subject: two\n\n.\n..\nno end");
    fuzz_maildir_put("3.c", "Subject: three\n");
}

static void check_replies(int out, size_t lines_in)
{
    struct bytes text;
    size_t replies = 0;
    bytes_init(&text, FUZZ_OUT_LIMIT);
    HOLDS(lseek(out, 0, SEEK_SET) == 0);
    for (ssize_t n = 1; n > 0;) {
        HOLDS(bytes_reserve(&text, 65536));
        n = read(out, text.data + text.len, 65536);
        HOLDS(n >= 0);
        text.len += (size_t)n;
    }
    struct span rest = span_bytes(&text), line;
    HOLDS(rest.n == 0 || rest.p[rest.n - 1] == '\n');
    while (rest.n && span_cut(&rest, '\n', &line)) {
        HOLDS(line.n && line.p[line.n - 1] == '\r');
        replies += span_starts(line, "+OK") || span_starts(line, "-ERR") || span_starts(line, "+ ");
    }
    HOLDS(replies <= lines_in + 1);
    bytes_free(&text);
}

static bool says_quit(struct span input)
{
    for (; input.n; input = span_from(input, 1))
        if (span_istarts(input, "QUIT"))
            return true;
    return false;
}

static size_t count_lines(struct span input)
{
    size_t count = 0;
    for (size_t i = 0; i < input.n; i++)
        count += input.p[i] == '\n';
    return count;
}

static void play(struct serving *serving, bool logged_in, struct span input)
{
    if (!logged_in) {
        session_run(serving);
        return;
    }
    fresh_maildir();
    struct mailbox_start start = { .serving = serving, .conn = serving->conn };
    snprintf(start.maildir, sizeof start.maildir, "%s", fuzz_maildir);
    maildrop_run(&start);
    HOLDS(says_quit(input) || messages_there() == MESSAGES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    settings.hostname = (char *)(uintptr_t) "fuzz.test";
    settings.timeout = 1;
    settings.plaintext_login = true;
    settings.scram = true;
    struct span input = fuzz_span(data + 1, size - 1);
    int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
    HOLDS(in >= 0 && out >= 0 && file_write(in, input) == ST_OK && lseek(in, 0, SEEK_SET) == 0);
    int no_guard = open("/dev/null", O_RDWR | O_CLOEXEC); /* every login fails */
    struct serving serving = { .settings = &settings, .channel = no_guard, .relay = -1, .control = -1 };
    serving.conn = conn_new(in, out);
    HOLDS(serving.conn != NULL);
    play(&serving, data[0] % 2, input);
    check_replies(out, count_lines(input));
    conn_free(serving.conn);
    close(in);
    close(out);
    close(no_guard);
    return 0;
}
