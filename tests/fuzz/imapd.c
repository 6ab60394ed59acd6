/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * imapd whole: the input is what a client sends, to the session before login (first byte even) or to the
 * mailbox process of a small Maildir (odd). Nothing to hold but that it ends, and touches no memory that
 * isn't its own.
 */
#include "maildir.h"

#include "../../bin/imapd/imapd.h"
#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRESH 10  /* inputs that one Maildir is used for */
#define COPIES 5  /* COPYs in an input: each may double the mail */

static struct settings settings;
static unsigned runs;

static void fresh_maildir(void)
{
    if (runs++ % FRESH != 0)
        return;
    struct mail *mail = fuzz_maildir_fresh();
    HOLDS(folder_create(mail, SPAN("A")) == ST_OK);
    mail_close(mail);
    fuzz_maildir_put("1.a", "Subject: one\nFrom: a@example.org\n\ntext\n");
    fuzz_maildir_put("2.b", "Subject: two\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n"
                            "Content-Type: message/rfc822\n\nSubject: in\n\ninner\n--b--\n");
}

static bool copies_too_often(struct span input)
{
    unsigned count = 0;
    for (; input.n; input = span_from(input, 1))
        count += span_istarts(input, "COPY ");
    return count > COPIES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || copies_too_often(fuzz_span(data, size)))
        return 0;
    settings.hostname = (char *)(uintptr_t) "fuzz.test";
    settings.learn_spam = settings.learn_ham = (char *)(uintptr_t) "";
    settings.message_size = 10000;
    settings.timeout = 1;
    settings.plaintext_login = true;
    settings.scram = true;
    int in = memfd_create("input", MFD_CLOEXEC), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    HOLDS(in >= 0 && null >= 0 && file_write(in, fuzz_span(data + 1, size - 1)) == ST_OK &&
          lseek(in, 0, SEEK_SET) == 0);
    struct serving serving = { .settings = &settings, .channel = -1, .relay = -1, .control = -1 };
    serving.conn = conn_new(in, null);
    HOLDS(serving.conn != NULL);
    if (data[0] % 2 == 0) {
        serving.channel = null; /* no guard: every login fails */
        imap_session(&serving);
    } else {
        fresh_maildir();
        struct mailbox_start start = { .serving = &serving, .conn = serving.conn, .context = "a" };
        if (data[0] & 2)
            start.quota = (struct quota){ 2000, 5 };
        snprintf(start.maildir, sizeof start.maildir, "%s", fuzz_maildir);
        imap_mailbox(&start);
    }
    conn_free(serving.conn);
    close(in);
    close(null);
    return 0;
}
