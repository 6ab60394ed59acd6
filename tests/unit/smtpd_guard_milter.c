/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What smtpd's guard lets a session do in the name of a filter, which it has only the session's word for: the
 * envelope changes within bounds, and where there are no filters not at all.
 */
#include "smtpd_guard.h"

static char address[] = "unix:filter";
static struct milter_setting filters[] = { { .address = address, .timeout = 30, .uses = MILTER_FOR_ALL } };

static void use_filters(struct play *p, unsigned uses)
{
    filters[0].uses = uses;
    p->settings.milters = uses ? filters : NULL;
    p->settings.milter_count = uses ? 1 : 0;
}

static unsigned milter(struct play *p, uint64_t place)
{
    message_start(p->m, VERB_MILTER);
    message_put_u64(p->m, place);
    return call(p);
}

static bool has_begun(struct play *p, const char *to)
{
    return mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_RCPT, to) == VERDICT_OK;
}

static void without(struct play *p)
{
    static const unsigned verbs[] = { VERB_SENDER, VERB_ADD, VERB_REMOVE };
    static const struct {
        const char *name, *flags;
        unsigned uses;
    } rows[] = { { "no filters", "", 0 },
                 { "filters for submission only", "", MILTER_FOR_SUBMISSION },
                 { "LMTP, which knows none", "l", MILTER_FOR_ALL } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *from = rows[i].flags[0] ? NULL : "192.0.2.1";
        use_filters(p, rows[i].uses);
        for (size_t k = 0; k < 3; k++) {
            start(p, rows[i].flags, from);
            ok(has_begun(p, "<alice@here.test>") && one(p, verbs[k], "<bob@here.test>") == ENDED,
               "%s: verb %u", rows[i].name, verbs[k]);
            stop(p);
        }
        start(p, rows[i].flags, from);
        ok(milter(p, 0) == ENDED, "%s: no connection to one", rows[i].name);
        stop(p);
    }
    use_filters(p, MILTER_FOR_ALL);
}

static void connections(struct play *p)
{
    start(p, "", "192.0.2.1");
    ok(milter(p, 0) == VERDICT_OK && p->m->fd >= 0, "a connection to a filter");
    close(p->m->fd);
    ok(milter(p, 0) == VERDICT_FAILED && p->m->fd < 0, "is given once");
    ok(milter(p, 1) == ENDED, "and one that there isn't ends it all");
    stop(p);
}

static void wrong(struct play *p)
{
    static const char *const paths[] = { "bob@here.test", "<bob@here.test", "", "<bob>",
                                         "<b\303\266b@here.test>" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        start(p, "", "192.0.2.1");
        ok(has_begun(p, "<alice@here.test>") && one(p, VERB_ADD, paths[i]) == ENDED,
           "ADD of what is no path, row %zu", i + 1);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    ok(has_begun(p, "<alice@here.test>") && one(p, VERB_ADD, "<>") == ENDED, "ADD of nobody");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_ADD, "<alice@here.test>") == ENDED,
       "ADD before a recipient");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(has_begun(p, "<alice@here.test>") && piece(p, 10) && one(p, VERB_REMOVE, "<alice@here.test>") == ENDED,
       "REMOVE behind a piece of the message");
    stop(p);
}

static void additions(struct play *p)
{
    start(p, "", "192.0.2.1");
    ok(has_begun(p, "<alice@here.test>") && one(p, VERB_ADD, "<x@far.test>") == VERDICT_NO_RELAY &&
           one(p, VERB_ADD, "<nobody@here.test>") == VERDICT_NO_USER,
       "a stranger's message gets no recipient elsewhere, and none that there isn't");
    ok(one(p, VERB_ADD, "<bob@here.test>") == VERDICT_OK && one(p, VERB_ADD, "<c@here.test>") == VERDICT_OK &&
           one(p, VERB_ADD, "<d@here.test>") == VERDICT_TOO_MANY,
       "and no more than a message may have");
    stop(p);
    p->settings.recipients = 1000;
    start(p, "", "192.0.2.1");
    has_begun(p, "<alice@here.test>");
    unsigned n = 0;
    while (n < 1000 && one(p, VERB_ADD, "<bob@here.test>") == VERDICT_OK)
        n++;
    ok(n == SMTPD_FILTER_ADDS, "%u are added", n);
    stop(p);
    p->settings.recipients = 3;
    start(p, "s", NULL);
    ok(has_begun(p, "<alice@here.test>") && one(p, VERB_ADD, "<x@far.test>") == VERDICT_OK,
       "a user's may go elsewhere");
    stop(p);
}

static void removals(struct play *p)
{
    int before = count("mail/here.test/alice/new"), bobs = count("mail/here.test/bob/new");
    start(p, "", "192.0.2.1");
    ok(has_begun(p, "<c@here.test>") && one(p, VERB_RCPT, "<bob@here.test>") == VERDICT_OK &&
           one(p, VERB_RCPT, "<d@here.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<alice@here.test>") == VERDICT_NO_USER,
       "what wasn't a recipient isn't removed, though mail goes there");
    ok(one(p, VERB_REMOVE, "<c@here.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<bob@here.test>") == VERDICT_OK &&
           commit_with(p, 0, SPAN("x\r\n")) == VERDICT_OK &&
           count("mail/here.test/alice/new") == (before < 0 ? 1 : before + 1) &&
           count("mail/here.test/bob/new") == bobs,
       "a mailbox to which another recipient leads has the message all the same");
    ok(has_begun(p, "<c@here.test>") && one(p, VERB_RCPT, "<d@here.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<d@here.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<d@here.test>") == VERDICT_NO_USER &&
           one(p, VERB_ADD, "<bob@here.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<bob@here.test>") == VERDICT_OK,
       "the last one, twice; and one that was added");
    ok(one(p, VERB_REMOVE, "<C@HERE.test>") == VERDICT_OK && commit_with(p, 0, SPAN("x\r\n")) == ENDED,
       "no recipient is left to COMMIT for");
    stop(p);
}

static bool queue_has(const char *text)
{
    char command[sizeof folder + 100];
    snprintf(command, sizeof command, "grep -rqs '%s' %s/spool/queue", text, folder);
    return system(command) == 0;
}

/* What a recipient wanted to be told goes with it, also where another recipient leads to the same address. */
static void asked(struct play *p)
{
    start(p, "s", NULL);
    ok(mail(p, "<alice@here.test>") == VERDICT_OK &&
           rcpt_saying(p, "<x@far.test>", NOTIFY_NEVER, "") == VERDICT_OK &&
           rcpt_saying(p, "<outside@here.test>", NOTIFY_SUCCESS, "") == VERDICT_OK &&
           one(p, VERB_RCPT, "<x@far.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<outside@here.test>") == VERDICT_OK &&
           commit_with(p, 0, SPAN("x\r\n")) == VERDICT_OK,
       "a message for one address, to which three recipients lead");
    ok(queue_has("^T x@far.test") && !queue_has("notify="), "one is removed, and with it what it asked for");
    ok(mail(p, "<alice@here.test>") == VERDICT_OK &&
           rcpt_saying(p, "<x@far.test>", NOTIFY_NEVER, "") == VERDICT_OK &&
           one(p, VERB_RCPT, "<x@far.test>") == VERDICT_OK &&
           one(p, VERB_REMOVE, "<x@far.test>") == VERDICT_OK &&
           commit_with(p, 0, SPAN("x\r\n")) == VERDICT_OK,
       "another time the last one is removed, which asked for nothing");
    ok(queue_has("notify=never"), "and it is as if it hadn't been there");
    stop(p);
}

static void senders(struct play *p)
{
    start(p, "", "192.0.2.1");
    ok(has_begun(p, "<alice@here.test>") && one(p, VERB_SENDER, "<y@elsewhere.test>") == VERDICT_OK &&
           one(p, VERB_SENDER, "<>") == VERDICT_OK,
       "a stranger's sender");
    stop(p);
    start(p, "s", "192.0.2.1");
    ok(login(p, "alice", "alice-secret") == VERDICT_OK && mail(p, "<alice@here.test>") == VERDICT_OK &&
           one(p, VERB_RCPT, "<bob@here.test>") == VERDICT_OK &&
           one(p, VERB_SENDER, "<y@elsewhere.test>") == VERDICT_REFUSED &&
           one(p, VERB_SENDER, "<prvs=alice@here.test>") == VERDICT_OK &&
           one(p, VERB_SENDER, "<>") == VERDICT_OK && one(p, VERB_SENDER, "<alice@here.test>") == VERDICT_OK,
       "a user's, which stays where he may write");
    stop(p);
}

/* What a session can do as often as it likes. */
static void bounds(struct play *p)
{
    char path[64];
    unsigned n = 0, v = VERDICT_NO_USER, before = logged("event=filtered");
    start(p, "", "192.0.2.1");
    for (; v == VERDICT_NO_USER && n < 1000; n++) {
        if (n % 10 == 0)
            has_begun(p, "<alice@here.test>");
        snprintf(path, sizeof path, "<user%u@here.test>", n);
        v = one(p, VERB_ADD, path);
    }
    ok(v == VERDICT_OVER && n < 100, "who has tried %u names by ADD has tried enough", n);
    stop(p);
    start(p, "", "192.0.2.1");
    for (n = 0; n < 2000; n++) {
        if (n % 10 == 0)
            has_begun(p, "<alice@here.test>");
        one(p, VERB_SENDER, "<y@elsewhere.test>");
    }
    ok(logged("event=filtered") - before < 1000, "and 2000 senders don't fill the log: %u lines",
       logged("event=filtered") - before);
    before = logged("event=filtered");
    ok(commit_with(p, 0, SPAN("x\r\n")) == VERDICT_OK && has_begun(p, "<alice@here.test>") &&
           one(p, VERB_SENDER, "<y@elsewhere.test>") == VERDICT_OK && logged("event=filtered") == before + 1,
       "but it tells what is done to messages that are taken");
    stop(p);
}

static void files(struct play *p)
{
    int fd;
    unsigned n = 0;
    start(p, "", "192.0.2.1");
    has_begun(p, "<alice@here.test>");
    while (n < 1000 && file(p, &fd) == VERDICT_OK && fd >= 0) {
        close(fd);
        n++;
    }
    ok(n == SMTPD_FILES_LIMIT, "%u files for one message", n);
    stop(p);
    start(p, "", "192.0.2.1");
    has_begun(p, "<alice@here.test>");
    int last = -1, before = count("mail/here.test/alice/new");
    for (n = 0; n < 5 && file(p, &fd) == VERDICT_OK; n++) {
        close(last);
        last = fd;
        ok(lseek(fd, 0, SEEK_END) == 0 && write(fd, "Subject: x\r\n", 12) == 12, "file %u is empty", n);
    }
    ok(commit_with(p, COMMIT_FILE, SPAN("")) == VERDICT_OK && count("mail/here.test/alice/new") == before + 1,
       "the last one is taken");
    close(last);
    stop(p);
}

int main(void)
{
    struct play p = { .m = malloc(sizeof *p.m), .uid = getuid() };
    char command[sizeof folder + 10];
    make_server(&p);
    without(&p);
    connections(&p);
    wrong(&p);
    additions(&p);
    removals(&p);
    asked(&p);
    senders(&p);
    bounds(&p);
    files(&p);
    use_filters(&p, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ok(system(command) == 0, "cleared away");
    settings_free(&p.settings);
    free(p.m);
    return done_testing();
}
