/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads: the rules of RFC 5256 3 one by one, its examples, and what strangers might send; sorting and the
 * keyed hash beneath.
 */
#include "tap.h"

#include "base/siphash.h"
#include "base/sort.h"
#include "text/thread.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

/* A message as words: number, date, subject ("re:" in front: a reply; "-": none), then its Message-ID and
 * those it refers to, oldest first. "<x" in place of a reference: In-Reply-To. */
struct row {
    const char *name;
    const char *messages;
    const char *expected;
};

static void add_line(struct threads *t, const char *line)
{
    char text[400], references[400] = "", reply_to[100] = "", id[100] = "";
    struct thread_message m = { .date = 0 };
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
    char *save = NULL, *word = strtok_r(text, " ", &save);
    for (int n = 0; word; word = strtok_r(NULL, " ", &save), n++) {
        if (n == 0) {
            m.number = (uint32_t)atoi(word);
        } else if (n == 1) {
            m.date = atoi(word);
        } else if (n == 2) {
            m.reply = strncmp(word, "re:", 3) == 0;
            m.subject = span_of(strcmp(word, "-") == 0 ? "" : m.reply ? strchr(line, ':') + 1 : word);
            m.subject = span_head(m.subject, strcspn(m.subject.p, " \n"));
        } else if (n == 3) {
            if (strcmp(word, "-") != 0)
                snprintf(id, sizeof id, "<%s@x>", word);
        } else if (word[0] == '<') {
            snprintf(reply_to, sizeof reply_to, "your mail of today %s@x>", word);
        } else {
            snprintf(references + strlen(references), sizeof references - strlen(references), " <%s@x>\r\n",
                     word);
        }
    }
    m.message_id = span_of(id);
    m.references = span_of(references);
    m.in_reply_to = span_of(reply_to);
    ok(threads_add(t, &m) || tap_failed, "added %s", text);
}

static void check(const struct row *r, bool (*build)(struct threads *t))
{
    struct bytes out;
    struct threads *t = threads_new(100, key);
    bytes_init(&out, 10000);
    for (const char *line = r->messages; *line; line += strcspn(line, "\n"), line += *line == '\n')
        add_line(t, line);
    bool built = build(t), more = built;
    for (size_t enough = 1; more; enough = out.len + 1) /* a node at a time */
        more = threads_write(t, enough, &out);
    ok(built && strcmp(bytes_str(&out), r->expected) == 0, "%s: %s", r->name, bytes_str(&out));
    bytes_free(&out);
    threads_free(t);
}

static void references(void)
{
    static const struct row rows[] = {
        { "nothing", "", "" },
        { "one", "1 1 a a", "(1)" },
        { "RFC 5256 4, the example",
          "2 1 a a\n3 2 b b\n4 4 b d f\n6 3 b f b\n7 6 b g h\n23 5 b i d\n44 5 b h f\n96 7 b j g",
          "(2)(3 6 (4 23)(44 7 96))" },
        { "a dummy with two children", "3 1 a a x\n4 2 b b x", "((3)(4))" },
        { "a dummy with one child", "1 1 a a x", "(1)" },
        { "dummies in between", "1 1 a a\n2 2 b b a x y", "(1 2)" },
        { "dummies above dummies", "1 1 a a x y\n2 2 b b x z", "((1)(2))" },
        { "dummies above one", "1 1 a a x y z", "(1)" },
        { "In-Reply-To", "1 1 a a\n2 2 b b <a", "(1 2)" },
        { "References count, not In-Reply-To", "1 1 a a\n2 1 b b\n3 3 c c a <b", "(1 3)(2)" },
        { "by date, not by number", "1 9 a a\n2 1 b b\n3 5 c c", "(2)(3)(1)" },
        { "equal dates, by number", "1 5 a a\n2 5 b b\n3 5 c c", "(1)(2)(3)" },
        { "children by date", "1 1 a a\n2 9 b b a\n3 5 c c a", "(1 (3)(2))" },
        { "a dummy is as old as its first child", "1 9 a a x\n2 2 b b x\n3 5 c c\n4 1 d d",
          "(4)((2)(1))(3)" },
        { "the reply first", "1 2 a a b\n2 1 b b", "(2 1)" },
        { "two of one id", "1 1 a a\n2 2 b a\n3 3 c c a", "(1 3)(2)" },
        { "no ids", "1 1 a -\n2 2 b -", "(1)(2)" },
        { "itself as reference", "1 1 a a a", "(1)" },
        { "itself as last reference", "1 1 a a\n2 2 b b\n3 3 c c b c\n4 4 d d a c", "(1)(2 3 4)" },
        { "a circle of two", "1 1 a a b\n2 2 b b a", "(2 1)" },
        { "a circle of three", "1 1 a a c\n2 2 b b a\n3 3 c c b", "(3 1 2)" },
        { "a circle in references", "1 1 a a b c b c", "(1)" },
        { "others' references link too", "1 1 a a\n2 2 b b\n3 3 c c a b", "(1 2 3)" },
        { "but a message without references breaks that", "1 3 c c a b\n2 1 a a\n3 2 b b", "(2)(3 1)" },
        { "a message's own word counts", "1 3 c c a b\n2 1 a a\n3 2 b b d\n4 1 d d", "(2)(4 3 1)" },
        { "same subject, reply below", "1 1 s a\n2 2 re:s b", "(1 2)" },
        { "same subject, reply before", "1 2 s a\n2 1 re:s b", "(1 2)" },
        { "same subject, no reply", "1 1 s a\n2 2 s b", "((1)(2))" },
        { "same subject, only replies", "1 1 re:s a\n2 2 re:s b", "((1)(2))" },
        { "same subject, three", "1 1 s a\n2 2 s b\n3 3 s c", "((1)(2)(3))" },
        { "same subject, a reply to both", "1 1 s a\n2 2 s b\n3 3 re:s c", "((1)(2)(3))" },
        { "same subject as a dummy's", "1 1 s a x\n2 2 t b x\n3 3 s c", "((1)(2)(3))" },
        { "two dummies of one subject", "1 1 s a x\n2 2 t b x\n3 3 s c y\n4 4 u d y", "((1)(2)(3)(4))" },
        { "no subjects aren't the same", "1 1 - a\n2 2 - b", "(1)(2)" },
        { "subjects below don't count", "1 1 a a\n2 2 s b a\n3 3 re:s c", "(1 2)(3)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], threads_by_references);
}

static void subjects(void)
{
    static const struct row rows[] = {
        { "nothing", "", "" },
        { "one", "1 1 a -", "(1)" },
        { "two", "1 1 a -\n2 2 a -", "(1 2)" },
        { "RFC 5256 3: the first, then its siblings", "1 1 a -\n2 2 b -\n3 3 re:a -\n4 4 a -\n5 5 b -",
          "(1 (3)(4))(2 5)" },
        { "by date of the first", "1 9 a -\n2 5 b -\n3 1 a -", "(3 1)(2)" },
        { "without subject", "1 1 - -\n2 2 a -\n3 3 - -", "(1 3)(2)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], threads_by_subject);
}

static void ids(void)
{
    static const struct {
        const char *name, *id, *references; bool linked;
    } rows[] = {
        { "plain", "<a@b>", "<a@b>", true },
        { "quoted or not (RFC 5256 3)", "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>",
          "<01KF8JCEOCBS0045PS@xxx.yyy.com>", true },
        { "case counts", "<A@b>", "<a@b>", false },
        { "folded", "<a@b>", "<a\r\n @b>", true },
        { "words around", "(id) <a@b> (end)", "message <a@b> of today", true },
        { "unclosed", "<a@b>", "<a@b", false },
        { "opened twice", "<a@b>", "<x <a@b>", true },
        { "empty", "<>", "<>", false },
        { "without '@'", "<ab>", "<ab>", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct threads *t = threads_new(2, key);
        struct bytes out;
        bytes_init(&out, 100);
        threads_add(t, &(struct thread_message){ .number = 1, .message_id = span_of(rows[i].id) });
        threads_add(t, &(struct thread_message){ .number = 2, .references = span_of(rows[i].references) });
        threads_by_references(t);
        threads_write(t, 100, &out);
        ok(strcmp(bytes_str(&out), rows[i].linked ? "(1 2)" : "(1)(2)") == 0, "id, %s: %s", rows[i].name,
           bytes_str(&out));
        bytes_free(&out);
        threads_free(t);
    }
}

enum { MANY = 1000000 };

/* A million messages: `back` links each to the one before (or behind), which makes one thread of them. */
static void deep(bool back, const char *name)
{
    char id[40], reference[40];
    struct threads *t = threads_new(MANY, key);
    struct bytes out;
    bytes_init(&out, 64 << 20);
    bool good = t != NULL;
    for (uint32_t n = 1; good && n <= MANY; n++) {
        snprintf(id, sizeof id, "<%u@x>", n);
        snprintf(reference, sizeof reference, "<%u@x>", back ? n - 1 : n + 1);
        good = threads_add(t, &(struct thread_message){ .number = n,
                                                        .date = back ? n : MANY - n,
                                                        .message_id = span_of(id),
                                                        .references = span_of(reference) });
    }
    good = good && threads_by_references(t);
    while (good && threads_write(t, out.len + 65536, &out))
        ;
    ok(good && !out.failed && span_starts(span_bytes(&out), back ? "(1 2 3 " : "(1000000 999999 ") &&
           span_find(span_bytes(&out), ')') == out.len - 1,
       "a thread of a million messages, %s", name);
    bytes_free(&out);
    threads_free(t);
}

static void large(void)
{
    deep(true, "oldest first");
    deep(false, "newest first");
    struct bytes value, out;
    bytes_init(&value, 4 << 20);
    bytes_init(&out, 4 << 20);
    for (unsigned n = 0; value.len < 1 << 20; n++)
        bytes_printf(&value, "<%u@x> ", n % 50000);
    struct threads *t = threads_new(1000, key);
    bool good = true;
    for (uint32_t n = 1; good && n <= 100; n++)
        good = threads_add(t, &(struct thread_message){ .number = n, .references = span_bytes(&value) });
    good = good && threads_by_references(t) && !threads_write(t, SIZE_MAX, &out);
    ok(good && span_starts(span_bytes(&out), "((1)(2)(3)"), "References of a megabyte, a hundred times");
    threads_free(t);
    t = threads_new(1, key);
    ok(threads_add(t, &(struct thread_message){ .number = 1 }) &&
           !threads_add(t, &(struct thread_message){ .number = 2 }),
       "no more than were told of");
    threads_free(t);
    bytes_free(&value);
    bytes_free(&out);
}

static int by_parity(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (int)(a % 2) - (int)(b % 2);
}

static void sorting(void)
{
    static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 31, 33, 100, 1000, 4097 };
    static struct sort_item items[5000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        bool sorted = true;
        uint64_t x = 12345;
        for (size_t n = 0; n < sizes[i]; n++) {
            x = x * 6364136223846793005 + 1442695040888963407;
            items[n] = (struct sort_item){ x >> 60, (uint32_t)n };
        }
        sorted = sort_items(items, sizes[i], by_parity, NULL);
        for (size_t n = 1; n < sizes[i]; n++) {
            const struct sort_item *a = &items[n - 1], *b = &items[n];
            sorted &= a->key < b->key ||
                      (a->key == b->key &&
                       (a->item % 2 < b->item % 2 || (a->item % 2 == b->item % 2 && a->item < b->item)));
        }
        ok(sorted, "sorted, stable, and by ties: %zu", sizes[i]);
    }
    ok(sort_key_of(-1) < sort_key_of(0) && sort_key_of(INT64_MIN) == 0, "keys of signed numbers");
}

static void hashing(void)
{
    char input[15];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)i;
    struct siphash h = siphash(key, (struct span){ input, 0 });
    ok(h.low == 0xe6a825ba047f81a3 && h.high == 0x930255c71472f66d, "SipHash-2-4-128 of nothing");
    h = siphash(key, (struct span){ input, 1 });
    ok(h.low == 0x44af996bd8c187da && h.high == 0x45fc229b11597634, "of one byte");
}

int main(void)
{
    references();
    subjects();
    ids();
    large();
    sorting();
    hashing();
    return done_testing();
}
