/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL in the session, over all steps of a mechanism: the input is what a client sends. The first byte
 * chooses the mechanism and how much the guard, which here is a queue of answers, finds right; it must be
 * asked no more than that, and every challenge is one line.
 */
#include "fuzz.h"

#include "base/files.h"
#include "net/channel.h"
#include "store/sasl.h"

#include <sys/mman.h>
#include <unistd.h>

#define MOST 3 /* questions of one exchange */

static unsigned passwords;

static enum sasl_result password(const struct sasl *s, struct span as, struct span name, struct span word)
{
    HOLDS(as.n <= LOGIN_NAME_LIMIT && name.n && name.n <= LOGIN_NAME_LIMIT && (word.n || s->login) &&
          word.n <= LOGIN_PASSWORD_LIMIT);
    passwords++;
    return SASL_WRONG;
}

static void queue_answers(int channel, unsigned good)
{
    static const char *const texts[] = { "r=abcdef,s=c2FsdA==,i=4096", "v=c2lnbmF0dXJl", "" };
    static struct message m;
    for (unsigned i = 0; i < MOST; i++) {
        message_start(&m, 0);
        message_put_u64(&m, i < good ? ST_OK : ST_PERM);
        message_put_str(&m, i < good ? texts[i] : "");
        HOLDS(channel_send(channel, &m));
    }
}

/* How often the guard was asked; each question well formed, and of those that are the protocol's. */
static unsigned count_questions(int channel)
{
    static struct message m;
    unsigned count = 0;
    while (channel_receive(channel, &m, 0)) {
        HOLDS(m.verb == SASL_FIRST + count);
        count++;
    }
    return count;
}

static void check_challenges(int out, unsigned most)
{
    static char text[65536];
    ssize_t n = pread(out, text, sizeof text, 0);
    unsigned lines = 0;
    HOLDS(n >= 0);
    struct span rest = { text, (size_t)n }, line;
    while (rest.n && span_cut(&rest, '\n', &line)) {
        HOLDS(span_starts(line, "+ ") && line.p[line.n - 1] == '\r');
        lines++;
    }
    HOLDS(lines <= most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const mechanisms[] = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "LOGIN" };
    static const struct settings settings = { .plaintext_login = true, .scram = true };
    if (size == 0)
        return 0;
    unsigned good = data[0] / 4 % (MOST + 1);
    int pair[2], in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
    HOLDS(in >= 0 && out >= 0 && channel_pair(pair) == ST_OK &&
          file_write(in, fuzz_span(data + 1, size - 1)) == ST_OK && lseek(in, 0, SEEK_SET) == 0);
    struct serving serving = { .settings = &settings, .channel = pair[0], .conn = conn_new(in, out) };
    struct sasl sasl = { &serving, "+ ", SPAN("context"), password, data[0] % 4 == 3 };
    queue_answers(pair[1], good);
    passwords = 0;
    enum sasl_result result =
        sasl_authenticate(&sasl, span_of(mechanisms[data[0] % 4]), (struct span){ NULL, 0 });
    HOLDS(result < SASL_RESULTS);
    conn_flush(serving.conn);
    unsigned asked = count_questions(pair[1]);
    HOLDS(asked <= good + 1 && (result != SASL_DONE || (good == MOST && asked == MOST)));
    HOLDS(passwords <= (data[0] % 4 == 0 || data[0] % 4 == 3));
    check_challenges(out, 3);
    conn_free(serving.conn);
    close(in);
    close(out);
    close(pair[0]);
    close(pair[1]);
    return 0;
}
