/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Warnings of a mailbox that fills: at which thresholds, once for each crossing, also where several look at
 * the same time, after a crash at each step, and whatever the mailbox's owner made of the file that says what
 * was told.
 */
#include "store.h"

#include "store/queue.h"
#include "store/quota_warning.h"

#include <sys/wait.h>

static struct mail *mail;
static struct address alice;
static struct settings settings = { .hostname = (char *)(uintptr_t) "mx.test",
                                    .quota_warnings = { { 50, 80, 95 }, 3 } };

static void levels(void)
{
    static const struct quota_warnings w = { { 1, 50, 100 }, 3 };
    static const struct {
        uint64_t used, limit;
        unsigned level;
    } rows[] = {
        { 0, 100, 0 },
        { 1, 100, 1 },
        { 49, 100, 1 },
        { 50, 100, 50 },
        { 99, 100, 50 },
        { 100, 100, 100 },
        { 5000, 100, 100 },
        { 5000, 0, 0 },
        { UINT64_MAX / 2, UINT64_MAX, 1 },
        { UINT64_MAX / 2 + 1, UINT64_MAX, 50 },
        { UINT64_MAX, UINT64_MAX, 100 },
        { 1, 3, 1 },
        { 1, 2, 50 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok(quota_warning_level(&w, rows[i].used, rows[i].limit) == rows[i].level, "%llu of %llu: %u",
           (unsigned long long)rows[i].used, (unsigned long long)rows[i].limit, rows[i].level);
    ok(quota_warning_level(&(struct quota_warnings){ .count = 0 }, 100, 100) == 0, "none");
}

static enum status run(uint64_t bytes, uint64_t messages, bool *warned)
{
    const struct quota_warning w = { &settings, &alice, "m", mail, { bytes, messages } };
    return quota_warning_run(&w, warned);
}

/* A run with limits of 1000 KiB and `messages`: "warned", "quiet" or "failed". */
static const char *ran(uint64_t messages)
{
    bool warned;
    enum status st = run(1000 << 10, messages, &warned);
    return st != ST_OK ? "failed" : warned ? "warned" : "quiet";
}

static bool is(const char *word, uint64_t messages)
{
    return strcmp(ran(messages), word) == 0;
}

/* The mailbox holds so many KiB besides warnings. */
static void hold(int kib)
{
    char *text = calloc(1, (size_t)kib * 1024 + 1);
    if (!text)
        abort();
    memset(text, 'x', (size_t)kib * 1024);
    put_file("m/cur/1.M1.host:2,S", text);
    free(text);
    quota_forget(mail_dir(mail));
}

/* How many warnings are there; they are removed. */
static size_t warnings(void)
{
    size_t n = 0;
    char name[256];
    while (files_in("m/new", name, sizeof name) > 0) {
        unlink(at("m/new/%s", name));
        n++;
    }
    quota_forget(mail_dir(mail));
    return n;
}

static void crossings(void)
{
    bool warned;
    hold(400);
    ok(is("quiet", 0) && warnings() == 0 && text_of("m/postern-quota")[0] == 0,
       "below: nothing, and no file");
    hold(510);
    ok(is("warned", 0) && warnings() == 1, "a threshold is crossed");
    ok(is("quiet", 0) && is("quiet", 0) && warnings() == 0, "which is told once");
    hold(700);
    ok(is("quiet", 0) && warnings() == 0, "more, but no other threshold");
    hold(960);
    ok(is("warned", 0) && warnings() == 1, "two at once are told once");
    hold(1200);
    ok(is("quiet", 0) && warnings() == 0, "and more is nothing new");
    hold(700);
    ok(is("quiet", 0) && warnings() == 0, "it fell below some");
    hold(810);
    ok(is("warned", 0) && warnings() == 1, "and comes to one of them again");
    ok(is("warned", 1) && warnings() == 1, "another limit, of messages");
    ok(is("quiet", 1) && warnings() == 0, "told once");
    ok(run(0, 0, &warned) == ST_OK && !warned, "no limit");
    ok(is("quiet", 1), "and the limit again");
    settings.quota_warnings.count = 0;
    hold(990);
    ok(is("quiet", 1), "no thresholds");
    settings.quota_warnings.count = 3;
    hold(1);
    ok(is("quiet", 0) && strstr(text_of("m/postern-quota"), "\nwarned 0 0\n"), "all is well again");
}

/* What a crash leaves: an ID that is on its way, with its message or without, in new/ or read already. */
static void crashes(void)
{
    static const char *const places[] = { NULL, "new", "cur" };
    hold(510);
    for (size_t i = 0; i < 3; i++) {
        char name[256];
        put_file("m/postern-quota", "postern-quota 1\nwarned 0 0\n");
        ok(is("warned", 0) && files_in("m/new", name, sizeof name) == 1, "a warning");
        char *told = strdup(text_of(at("m/new/%s", name))), *id = told ? strstr(told, "Message-ID: <") : NULL;
        if (!id)
            abort();
        id[13 + 31] = 0;
        put_file("m/postern-quota", at("postern-quota 1\nwarned 0 0\nwarning %s\n", id + 13));
        if (!places[i])
            unlink(at("m/new/%s", name));
        else if (rename(at("m/new/%s", name), at("m/%s/%s", places[i], name)) != 0)
            abort();
        quota_forget(mail_dir(mail));
        ok(is(places[i] ? "quiet" : "warned", 0), "after a crash: %s",
           places[i] ? "it is there" : "it is delivered");
        char again[256];
        size_t there = files_in("m/new", again, sizeof again) + (places[i] && i == 2 ? 1 : 0);
        ok(there == 1 && (i == 2 || strncmp(again, name, 30) == 0), "once, under its own name");
        ok(!strstr(text_of("m/postern-quota"), "\nwarning") && is("quiet", 0), "and that is remembered");
        unlink(at("m/cur/%s", name));
        warnings();
        free(told);
    }
    put_file("m/postern-quota", "postern-quota 1\nwarned 0 0\nwarning 0123456789abcd-0123456789abcdef\n");
    hold(1);
    ok(is("quiet", 0) && warnings() == 0 && !strstr(text_of("m/postern-quota"), "warning"),
       "it isn't due any more: it isn't sent");
}

static void odd_files(void)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "empty", "" },
        { "another's", "hello\n" },
        { "half a line", "postern-quota 1\nwarned 8" },
        { "numbers that can't be", "postern-quota 1\nwarned 101 0\n" },
        { "a wrong ID", "postern-quota 1\nwarned 0 0\nwarning ../../../../etc/passwd\n" },
        { "a long ID",
          "postern-quota 1\nwarned 0 0\nwarning 0123456789abcd-0123456789abcdef0123456789abcdef\n" },
    };
    hold(510);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_file("m/postern-quota", rows[i].text);
        ok(is("warned", 0) && warnings() == 1 && is("quiet", 0), "%s: it is told anew", rows[i].name);
    }
    unlink("m/postern-quota");
    put_file("secret", "secret\n");
    put_link("../secret", "m/postern-quota");
    ok(is("warned", 0) && is("quiet", 0) && warnings() == 1 && text_of("secret")[0] == 's',
       "a link is replaced");
    unlink("m/postern-quota");
    mkfifo("m/postern-quota", 0600);
    alarm(60);
    ok(is("warned", 0) && is("quiet", 0) && warnings() == 1, "so is a FIFO");
    unlink("m/postern-quota");
    mkdir("m/postern-quota", 0700);
    ok(is("failed", 0) && is("failed", 0) && warnings() == 0,
       "where nothing can be remembered nothing is sent, again and again");
    rmdir("m/postern-quota");
}

static void many_at_once(void)
{
    hold(510);
    pid_t pids[8];
    for (size_t i = 0; i < 8; i++)
        if ((pids[i] = fork()) == 0) {
            struct mail *own;
            bool warned;
            const struct quota_warning w = { &settings, &alice, "m", NULL, { 1000 << 10, 0 } };
            struct quota_warning mine = w;
            if (mail_open("m", "mx.test", &own) != ST_OK)
                _exit(1);
            mine.mail = own;
            _exit(quota_warning_run(&mine, &warned) != ST_OK);
        }
    bool good = true;
    for (size_t i = 0; i < 8; i++) {
        int how;
        good = waitpid(pids[i], &how, 0) == pids[i] && how == 0 && good;
    }
    size_t count = warnings();
    ok(good && count == 1, "eight look at once, and there is one warning: %zu", count);
}

static void the_text(void)
{
    char name[256];
    unlink("m/postern-quota");
    address_parse(SPAN("j\xc3\xb6rg@example.test"), &alice);
    hold(510);
    ok(is("warned", 2) && files_in("m/new", name, sizeof name) == 1, "one to read");
    const char *text = text_of(at("m/new/%s", name));
    static const char *const parts[] = {
        "\nDelivered-To: j\xc3\xb6rg@example.test\n",
        "\nFrom: Postmaster <postmaster@example.test>\n",
        "\nTo: j\xc3\xb6rg@example.test\n",
        "\nSubject: Your mailbox is filling up: 51%\n",
        "\nAuto-Submitted: auto-generated\n",
        "\nContent-Type: text/plain; charset=utf-8\n",
        "\nContent-Transfer-Encoding: 8bit\n",
        "\n    It holds 510.0 KiB of the 1000.0 KiB that it may hold: 51%\n",
        "\n    It has 1 of the 2 messages that it may have: 50%\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ok(strstr(text, parts[i]), "it says%.*s", (int)strcspn(parts[i] + 1, "\n"), parts[i] + 1);
    ok(strstr(text, "\nDate: ") && strstr(text, "\nMessage-ID: <") && !strchr(text, '\r'),
       "and has its fields");
    ok(strstr(name, ",S=") != NULL, "its size stands in its name");
    warnings();
}

int main(void)
{
    scratch_make("quota-warning");
    address_parse(SPAN("alice@example.test"), &alice);
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    levels();
    crossings();
    crashes();
    odd_files();
    many_at_once();
    the_text();
    mail_close(mail);
    if (chdir("/") == 0)
        scratch_remove();
    return done_testing();
}
