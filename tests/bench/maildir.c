/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * maildir DIRECTORY COUNT small|big|linked: a Maildir that other software left, the same on every machine,
 * all messages in cur/ with names that say nothing but time and flags.
 *
 *     small   mean 1.6 kB: mostly text, some multipart/alternative, few attachments
 *     big     mean 11 KiB: half text, 30 % multipart/alternative, 20 % with attachment; the last of 10 MiB
 *     linked  only for opening: one small message in every 20,000, the others are links to it
 *
 * Message N of COUNT (from 1, in the order of time) is known by its Message-ID and its sum (sum.h). RARE_WORD
 * is in the body of one in RARE_EVERY, RARE_SUBJECT in the subject of one in SUBJECT_EVERY, and nowhere else:
 * other words alternate consonant and vowel. Prints the octets of all messages with CRLF.
 */
#include "bench.h"
#include "sum.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RARE_WORD "walrus"
#define RARE_EVERY 100
#define RARE_SUBJECT "invoice"
#define SUBJECT_EVERY 50
#define BIGGEST ((size_t)10 << 20)
#define LINKED_EVERY 20000 /* ext4 takes 65,000 links, and the Maildir is copied by links */
#define FIRST_TIME 1790000000
#define WORDS_A_LINE 9

struct kind {
    const char *name;
    unsigned text, alternative;    /* percent; the rest has attachments */
    size_t text_words, part_words; /* means */
    size_t attachment;             /* mean bytes */
    bool biggest, linked;
};

static const struct kind kinds[] = {
    { "small", 82, 97, 145, 85, 2600, false, false },
    { "big", 50, 80, 440, 280, 26500, true, false },
    { "linked", 82, 97, 145, 85, 2600, false, true },
};

struct making {
    const struct kind *kind;
    unsigned long number, count;
    uint64_t random;
    bool biggest;
    const char *rare; /* to be put into the body still; or NULL */
    struct bytes body, header, file;
};

static uint64_t random_of(struct making *m, uint64_t below)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (m->random >> 33) % below;
}

/* Around the mean, up to four times as much, and never nothing. */
static size_t random_size(struct making *m, size_t mean)
{
    size_t size = mean / 4 + random_of(m, mean);
    return random_of(m, 16) == 0 ? size * 4 : size + mean / 8;
}

static void add_word(struct making *m, struct bytes *to)
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    for (uint64_t left = 1 + random_of(m, 4); left; left--) {
        bytes_add_char(to, consonants[random_of(m, sizeof consonants - 1)]);
        bytes_add_char(to, vowels[random_of(m, sizeof vowels - 1)]);
    }
}

/* Lines of words, some of which begin with a dot (for POP3). `end` is what a line ends with. */
static void add_text(struct making *m, size_t words, const char *end)
{
    for (size_t i = 0; i < words; i++) {
        if (i % WORDS_A_LINE == 0 && random_of(m, 40) == 0)
            bytes_add_char(&m->body, '.');
        if (m->rare && i == words / 2) {
            bytes_printf(&m->body, "%s ", m->rare);
            m->rare = NULL;
        }
        add_word(m, &m->body);
        bytes_add_str(&m->body, i % WORDS_A_LINE == WORDS_A_LINE - 1 || i + 1 == words ? end : " ");
    }
}

static void add_alternative(struct making *m, size_t words)
{
    bytes_printf(&m->body, "--alt%lu\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", m->number);
    add_text(m, words, "\r\n");
    bytes_printf(&m->body,
                 "\r\n--alt%lu\r\nContent-Type: text/html; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n\r\n<html><body><p>",
                 m->number);
    add_text(m, words, "<br>\r\n");
    bytes_printf(&m->body, "</p></body></html>\r\n\r\n--alt%lu--\r\n", m->number);
}

static void add_attachment(struct making *m, size_t size)
{
    static const char symbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes_printf(&m->body,
                 "--mix%lu\r\nContent-Type: application/octet-stream; name=\"a%lu.bin\"\r\n"
                 "Content-Disposition: attachment; filename=\"a%lu.bin\"\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\n",
                 m->number, m->number, m->number);
    for (size_t lines = size / 57 + 1; lines; lines--) {
        for (int i = 0; i < 76; i++)
            bytes_add_char(&m->body, symbols[random_of(m, 64)]);
        bytes_add_str(&m->body, "\r\n");
    }
    bytes_printf(&m->body, "\r\n--mix%lu--\r\n", m->number);
}

static void make_body(struct making *m)
{
    const struct kind *k = m->kind;
    uint64_t which = random_of(m, 100);
    if (m->biggest || which >= k->alternative) {
        bytes_printf(&m->header, "Content-Type: multipart/mixed; boundary=\"mix%lu\"\r\n", m->number);
        bytes_printf(&m->body, "--mix%lu\r\nContent-Type: multipart/alternative; boundary=\"alt%lu\"\r\n\r\n",
                     m->number, m->number);
        add_alternative(m, random_size(m, k->part_words));
        bytes_add_str(&m->body, "\r\n");
        add_attachment(m, m->biggest ? BIGGEST * 57 / 78 : random_size(m, k->attachment));
    } else if (which >= k->text) {
        bytes_printf(&m->header, "Content-Type: multipart/alternative; boundary=\"alt%lu\"\r\n", m->number);
        add_alternative(m, random_size(m, k->part_words));
    } else {
        bytes_add_str(&m->header, "Content-Type: text/plain; charset=utf-8\r\n");
        add_text(m, random_size(m, k->text_words), "\r\n");
    }
}

static void make_header(struct making *m)
{
    unsigned long n = m->number;
    char when[32];
    time_t at = FIRST_TIME + (time_t)n;
    struct tm t;
    gmtime_r(&at, &t);
    strftime(when, sizeof when, "%a, %d %b %Y %H:%M:%S +0000", &t);
    bytes_printf(&m->header,
                 "Return-Path: <from%lu@example.test>\r\n"
                 "Received: from mx%lu.example.test (mx%lu.example.test [192.0.2.%lu])\r\n"
                 "\tby mail.example.test with ESMTPS id %08lx\r\n\tfor <alice@example.test>; %s\r\n",
                 n % 977, n % 13, n % 13, n % 250, n, when);
    bytes_add_str(&m->header, "From: \"Sender ");
    add_word(m, &m->header);
    bytes_printf(&m->header,
                 "\" <from%lu@example.test>\r\nTo: Alice <alice@example.test>%s\r\nSubject: ", n % 977,
                 n % 5 == 0 ? ", Bob <bob@example.test>" : "");
    for (uint64_t left = 2 + random_of(m, 6); left; left--) {
        add_word(m, &m->header);
        bytes_add_char(&m->header, ' ');
    }
    bytes_printf(&m->header, "%s\r\nDate: %s\r\nMessage-ID: " SUM_ID "\r\n",
                 n % SUBJECT_EVERY ? "again" : RARE_SUBJECT, when, n);
    if (n % 3 == 0)
        bytes_printf(&m->header, "In-Reply-To: " SUM_ID "\r\n", n - 1);
    bytes_add_str(&m->header, "MIME-Version: 1.0\r\n");
}

/* With LF, as Maildirs have it. */
static void write_file(struct making *m, const char *path)
{
    bytes_clear(&m->file);
    struct span parts[] = { span_bytes(&m->header), span_bytes(&m->body) };
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0, end; i < parts[p].n; i = end + 1) {
            struct span rest = span_from(parts[p], i);
            end = i + span_find(rest, '\r');
            bytes_add(&m->file, rest.p, end - i);
        }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (m->file.failed || fd < 0 || write(fd, m->file.data, m->file.len) != (ssize_t)m->file.len)
        bench_die(path);
    struct timespec times[2] = { { .tv_sec = FIRST_TIME + (time_t)m->number },
                                 { .tv_sec = FIRST_TIME + (time_t)m->number } };
    futimens(fd, times);
    close(fd);
}

static size_t make_message(struct making *m, const char *path)
{
    bytes_clear(&m->header);
    bytes_clear(&m->body);
    m->random = m->number * 2654435761u;
    m->biggest = m->kind->biggest && m->number == m->count;
    m->rare = m->number % RARE_EVERY ? NULL : RARE_WORD;
    make_header(m);
    make_body(m);
    bytes_printf(&m->header, "X-Sum: %016llx\r\n\r\n",
                 (unsigned long long)sum_add(SUM_BEGIN, m->body.data, m->body.len));
    write_file(m, path);
    return m->header.len + m->body.len;
}

static void message_path(char *to, size_t room, const char *directory, unsigned long number)
{
    static const char *const flags[] = { "S", "S", "S", "S", "S", "S", "S", "", "RS", "FS" };
    snprintf(to, room, "%s/cur/%lu.M%luP7.bench:2,%s", directory, FIRST_TIME + number, number,
             flags[number * 7 / 3 % 10]);
}

static size_t make_all(struct making *m, const char *directory)
{
    char path[4096], first[4096] = "";
    size_t octets = 0;
    for (m->number = 1; m->number <= m->count; m->number++) {
        message_path(path, sizeof path, directory, m->number);
        if (!m->kind->linked || m->number % LINKED_EVERY == 1) {
            octets += make_message(m, path);
            snprintf(first, sizeof first, "%s", path);
        } else if (link(first, path) < 0) {
            bench_die(path);
        }
    }
    return octets;
}

int main(int argc, char **argv)
{
    struct making m = { 0 };
    for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, argv[3]) == 0)
            m.kind = &kinds[i];
    if (!m.kind)
        return 64;
    for (const char *const *sub = (const char *const[]){ "", "/cur", "/new", "/tmp", NULL }; *sub; sub++) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s", argv[1], *sub);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            bench_die(path);
    }
    m.count = strtoul(argv[2], NULL, 10);
    bytes_init(&m.header, 65536);
    bytes_init(&m.body, BIGGEST * 2);
    bytes_init(&m.file, BIGGEST * 2);
    printf("%zu\n", make_all(&m, argv[1]));
    bytes_free(&m.header);
    bytes_free(&m.body);
    bytes_free(&m.file);
    return 0;
}
