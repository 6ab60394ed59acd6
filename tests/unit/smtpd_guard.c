/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's guard against a session that lies: it is told things in the wrong order, too much, too little, or
 * with bytes that no session sends, and answers with a refusal or ends; nothing is delivered that shouldn't
 * be.
 */
#include "smtpd_guard.h"
#include "store/slots.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/dmarc_results.h"

/* --- scenes: each against a guard of its own */

static void order(struct play *p)
{
    static const unsigned too_early[] = { VERB_RCPT,   VERB_AUTHOR, VERB_DNS,  VERB_PIECE, VERB_FILE,
                                          VERB_COMMIT, VERB_KEYS,   VERB_SIGN, 99,         0 };
    for (size_t i = 0; i < sizeof too_early / sizeof too_early[0]; i++) {
        start(p, "", "192.0.2.1");
        ok(one(p, too_early[i], "<alice@here.test>") == ENDED, "verb %u at the start", too_early[i]);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@far.test>") == VERDICT_OK && commit_with(p, 0, SPAN("x\r\n")) == ENDED,
       "no recipients, COMMIT");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_RCPT, "<nobody@here.test>") == VERDICT_NO_USER &&
           commit_with(p, 0, SPAN("x\r\n")) == ENDED, "no accepted recipient, COMMIT");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           mail(p, "<x@far.test>") == VERDICT_OK && commit_with(p, 0, SPAN("x\r\n")) == ENDED,
       "MAIL forgets the recipients");
    stop(p);
}

static void malformed(struct play *p)
{
    static const char *const paths[] = { "x@far.test", "<x@far.test>\r\nQUIT", "<x@far.test",   "<x>",
                                         "",           "<x@far.test> SIZE=1",  "<x\n@far.test>" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        start(p, "", "192.0.2.1");
        ok(mail(p, paths[i]) == ENDED, "MAIL with a path that is none, row %zu", i + 1);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    start_mail(p, "<x@far.test>", 0);
    ok(call(p) == ENDED, "MAIL with a field too few");
    stop(p);
    start(p, "", "192.0.2.1");
    start_mail(p, "<x@far.test>", 0);
    message_put_u64(p->m, 0);
    message_put_u64(p->m, 0);
    ok(call(p) == ENDED, "MAIL with a field too many");
    stop(p);
    start(p, "", "192.0.2.1");
    start_mail(p, "<x@far.test>", MAIL_BITS + 1);
    message_put_u64(p->m, 0);
    ok(call(p) == ENDED, "MAIL with a bit that nobody knows");
    stop(p);
}

/* --- questions to DNS */

static unsigned questions(struct play *p, size_t count)
{
    message_start(p->m, VERB_DNS);
    message_put_u64(p->m, count);
    for (size_t i = 0; i < count; i++) {
        message_put_str(p->m, "far.test");
        message_put_u64(p->m, 16);
    }
    return call(p);
}

static void envelope(struct play *p)
{
    mail(p, "<x@far.test>");
    message_get_u64(p->m, &p->origin);
    one(p, VERB_RCPT, "<alice@here.test>");
}

/* A message's worth of them, which is allowed. */
static unsigned many_questions(struct play *p)
{
    unsigned v = VERDICT_OK;
    for (size_t n = 0; v == VERDICT_OK && n + 32 <= SMTPD_QUESTIONS_LIMIT; n += 32)
        v = questions(p, 32);
    return v;
}

static void dns(struct play *p)
{
    static const struct {
        const char *name, *flags, *address;
        bool checks;
    } rows[] = {
        { "a stranger", "", "192.0.2.1", true },
        { "this machine, at its own address", "", "192.0.2.25", false },
        { "LMTP", "l", NULL, false },
        { "a user of this machine", "u", NULL, false },
    };
    static const size_t wrong[] = { 0, 33 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(p, rows[i].flags, rows[i].address);
        envelope(p);
        ok(!(p->origin & ORIGIN_CHECK) == !rows[i].checks &&
               questions(p, 1) == (rows[i].checks ? VERDICT_OK : ENDED),
           "questions for %s", rows[i].name);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    mail(p, "<x@far.test>");
    ok(questions(p, 1) == ENDED, "questions without a recipient");
    stop(p);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        start(p, "", "192.0.2.1");
        envelope(p);
        ok(questions(p, wrong[i]) == ENDED, "%zu questions at a time", wrong[i]);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    envelope(p);
    ok(many_questions(p) == VERDICT_OK && questions(p, 32) == ENDED, "more questions than a message needs");
    stop(p);
    start(p, "", "192.0.2.1");
    unsigned v = VERDICT_OK;
    size_t messages = 0;
    for (; v == VERDICT_OK && messages < 100; messages++) {
        envelope(p);
        v = many_questions(p);
    }
    ok(v == VERDICT_SPENT && messages > 10 && questions(p, 1) == ENDED,
       "more than a connection may ask: after %zu messages", messages);
    stop(p);
}

/* What the session found. */
static unsigned checked(struct play *p, uint64_t outcome, const char *reply)
{
    message_start(p->m, VERB_CHECKED);
    message_put_u64(p->m, outcome);
    message_put_str(p->m, outcome == OUTCOME_JUNK ? "" : reply);
    message_put_str(p->m, "fail far.test");
    message_put_str(p->m, "none");
    message_put_str(p->m, "\r\nfail far.test");
    message_put_str(p->m, "");
    message_put_str(p->m, outcome == OUTCOME_JUNK ? reply : ""); /* for reports of DMARC */
    return call(p);
}

#define DEFERRED_SLOTS 16384 /* as in guard_policy_counts.c */

/* A flood of others that DNS hides: one lot of names, or so many that there is room for nobody. */
static bool flood(bool whole)
{
    char path[PATH_MAX];
    struct slots *s;
    struct slot slot;
    int64_t now = clock_now();
    snprintf(path, sizeof path, "%s/spool/slots/deferred", folder);
    bool good = slots_open(path, DEFERRED_SLOTS, &s) == ST_OK;
    for (uint64_t i = 0; good && i < (whole ? 4 * DEFERRED_SLOTS : 100); i++) {
        good = slots_get(s, (struct span){ (const char *)&i, sizeof i }, now, &slot) == ST_OK;
        slot.expires = now + 86400;
        good = good && slots_set(s, &slot, now) == ST_OK;
    }
    slots_close(s);
    return good;
}

static void floods(struct play *p)
{
    p->settings.dns_defer = 1000;
    start(p, "", "198.51.100.7");
    envelope(p);
    ok(flood(false) && checked(p, OUTCOME_DEFER, "451 later") == VERDICT_DELAYED,
       "beside a hundred others one comes again");
    stop(p);
    start(p, "", "203.0.113.7");
    envelope(p);
    ok(flood(true) && checked(p, OUTCOME_DEFER, "451 later") == VERDICT_OK,
       "but who finds no room isn't put off, as he would be each time");
    stop(p);
    p->settings.dns_defer = 1;
}

static void outcomes(struct play *p)
{
    static char long_reply[SMTPD_POLICY_LIMIT + 1], long_line[DMARC_RESULTS_TEXT + 2];
    memset(long_line, 'x', sizeof long_line - 1);
    memset(long_reply, 'x', sizeof long_reply - 1);
    static const struct {
        const char *name;
        uint64_t outcome;
        unsigned verdict;
        bool at_home;
        const char *reply;
    } rows[] = {
        { "accept", OUTCOME_ACCEPT, VERDICT_OK, false, "" },
        { "junk", OUTCOME_JUNK, VERDICT_OK, false, "" },
        { "refuse", OUTCOME_REFUSE, VERDICT_POLICY, false, "550 no" },
        { "one that nobody knows", OUTCOMES, ENDED, false, "" },
        { "what nobody asked for", OUTCOME_ACCEPT, ENDED, true, "" },
        { "a reply that is too long", OUTCOME_REFUSE, ENDED, false, long_reply },
        { "a line for a report that is too long", OUTCOME_JUNK, ENDED, false, long_line },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(p, "", rows[i].at_home ? "192.0.2.25" : "192.0.2.1");
        envelope(p);
        ok(checked(p, rows[i].outcome, rows[i].reply) == rows[i].verdict, "an outcome: %s", rows[i].name);
        if (rows[i].verdict != ENDED)
            ok(checked(p, OUTCOME_ACCEPT, "") == ENDED, "and one only");
        stop(p);
    }
    start(p, "", "192.0.2.1");
    mail(p, "<x@far.test>");
    ok(checked(p, OUTCOME_ACCEPT, "") == ENDED, "none without a recipient");
    stop(p);
    start(p, "", "192.0.2.1");
    envelope(p);
    ok(checked(p, OUTCOME_DEFER, "451 later") == VERDICT_DELAYED, "what DNS hides comes again");
    p->settings.dns_defer = 0;
    stop(p);
    start(p, "", "192.0.2.1");
    envelope(p);
    ok(checked(p, OUTCOME_DEFER, "451 later") == VERDICT_OK, "with the setting 0 it doesn't");
    stop(p);
    p->settings.dns_defer = 1;
    start(p, "", "192.0.2.1");
    unsigned v = VERDICT_DELAYED;
    for (int i = 0; v == VERDICT_DELAYED && i < 90; i++) {
        usleep(100000);
        envelope(p);
        v = checked(p, OUTCOME_DEFER, "451 later");
    }
    ok(v == VERDICT_OK, "nor when its time is over");
    v = VERDICT_POLICY;
    for (int i = 0; v == VERDICT_POLICY && i < 100; i++) {
        envelope(p);
        v = checked(p, OUTCOME_REFUSE, "550 no");
    }
    ok(v == VERDICT_OVER, "too many refusals end it");
    stop(p);
    unsigned before = logged("event=checked");
    start(p, "", "192.0.2.1");
    for (int i = 0; i < 2000; i++) {
        envelope(p);
        checked(p, OUTCOME_ACCEPT, "");
    }
    ok(logged("event=checked") - before < 1000, "2000 messages that never come don't fill the log: %u lines",
       logged("event=checked") - before);
    stop(p);
}

/* --- extensions */

static unsigned mail_saying(struct play *p, const char *path, uint64_t bits, const char *envid,
                            int64_t release)
{
    message_start(p->m, VERB_MAIL);
    message_put_str(p->m, "client.test");
    message_put_str(p->m, path);
    message_put_u64(p->m, bits);
    message_put_u64(p->m, 0);
    message_put_u64(p->m, RET_HDRS);
    message_put_str(p->m, envid);
    message_put_u64(p->m, (uint64_t)release);
    return call(p);
}

static void extensions(struct play *p)
{
    static const struct {
        const char *name, *flags, *path;
        uint64_t bits;
        const char *envid;
        int64_t release; /* from now; 0: none */
        bool good;
    } mails[] = {
        { "nothing strange", "", "<x@far.test>", MAIL_EXTENDED, "QQ+2B1", 0, true },
        { "UTF-8 with SMTPUTF8", "", "<k\xc3\xa4se@far.test>", MAIL_UTF8, "", 0, true },
        { "UTF-8 without it", "", "<k\xc3\xa4se@far.test>", 0, "", 0, false },
        { "what is no UTF-8", "", "<k\xe4se@far.test>", MAIL_UTF8, "", 0, false },
        { "REQUIRETLS, and no signature was given", "", "<x@far.test>", MAIL_REQUIRE_TLS, "", 0, false },
        { "an ENVID that is no xtext", "", "<x@far.test>", 0, "a\nfrom b", 0, false },
        { "a release where nobody submits", "", "<x@far.test>", 0, "", 60, false },
        { "a release too far away", "s", "<alice@here.test>", 0, "", SMTPD_RELEASE_LIMIT + 60, false },
    };
    static const struct {
        const char *name;
        uint64_t notify;
        const char *orcpt;
        bool good;
    } rcpts[] = {
        { "NOTIFY and ORCPT", NOTIFY_SUCCESS | NOTIFY_DELAY, "rfc822;a+2Bb@x.test", true },
        { "NEVER and more", NOTIFY_NEVER | NOTIFY_DELAY, "", false },
        { "a NOTIFY that nobody knows", NOTIFY_BITS + 1, "", false },
        { "an ORCPT without type", 0, "a@x.test", false },
        { "an ORCPT with another line", 0, "rfc822;a\nT b@x.test", false },
        { "an ORCPT in UTF-8 without SMTPUTF8", 0, "utf-8;\xc3\xa4", false },
    };
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++) {
        start(p, mails[i].flags, "192.0.2.1");
        int64_t release = mails[i].release ? clock_now() + mails[i].release : 0;
        unsigned got = mail_saying(p, mails[i].path, mails[i].bits, mails[i].envid, release);
        ok(got == (mails[i].good ? VERDICT_OK : ENDED), "MAIL with %s", mails[i].name);
        stop(p);
    }
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++) {
        start(p, "", "192.0.2.1");
        mail(p, "<x@far.test>");
        ok(rcpt_saying(p, "<alice@here.test>", rcpts[i].notify, rcpts[i].orcpt) ==
               (rcpts[i].good ? VERDICT_OK : ENDED),
           "RCPT with %s", rcpts[i].name);
        stop(p);
    }
    start(p, "", "192.0.2.1");
    mail(p, "<x@far.test>");
    ok(one(p, VERB_RCPT, "<j\xc3\xb6rg@here.test>") == ENDED, "RCPT with UTF-8 without SMTPUTF8");
    stop(p);
}

static void relaying(struct play *p)
{
    start(p, "", "192.0.2.1");
    ok(mail(p, "<alice@here.test>") == VERDICT_OK, "a stranger");
    ok(message_get_u64(p->m, &p->origin) && p->origin == (ORIGIN_CHECK | ORIGIN_CLAIMS), "has no privilege");
    ok(one(p, VERB_RCPT, "<x@far.test>") == VERDICT_NO_RELAY, "can't relay");
    ok(one(p, VERB_RCPT, "<outside@here.test>") == VERDICT_OK, "may use an alias that leads outside");
    ok(one(p, VERB_RCPT, "<c@here.test>") == VERDICT_OK && one(p, VERB_RCPT, "<d@here.test>") == VERDICT_OK &&
           one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_TOO_MANY,
       "has no more recipients than the setting");
    ok(one(p, VERB_AUTHOR, "alice@here.test") == ENDED, "has no authors to ask for");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(login(p, "alice", "alice-secret") == ENDED, "no login without -s");
    stop(p);
}

static void submission(struct play *p)
{
    start(p, "s", "192.0.2.1");
    ok(mail(p, "<alice@here.test>") == VERDICT_LOGIN_FIRST, "submission: login first");
    ok(one(p, VERB_RCPT, "<alice@here.test>") == ENDED, "and nothing without");
    stop(p);
    p->settings.plaintext_login = false;
    start(p, "s", "192.0.2.1");
    ok(login(p, "alice", "alice-secret") == ENDED, "no login before a signature was given");
    stop(p);
    p->settings.plaintext_login = true;
    start(p, "s", "192.0.2.1");
    ok(login(p, "alice", "wrong") == VERDICT_REFUSED && mail(p, "<alice@here.test>") == VERDICT_LOGIN_FIRST,
       "wrong password");
    ok(login(p, "alice", "alice-secret") == VERDICT_OK, "right password");
    ok(mail(p, "<bob@here.test>") == VERDICT_REFUSED, "somebody else's address");
    ok(mail(p, "<alice@here.test>") == VERDICT_OK && one(p, VERB_RCPT, "<x@far.test>") == VERDICT_OK,
       "one's own, to outside");
    ok(one(p, VERB_AUTHOR, "bob@here.test") == VERDICT_REFUSED &&
           one(p, VERB_AUTHOR, "c@here.test") == VERDICT_OK &&
           one(p, VERB_AUTHOR, "no address") == VERDICT_REFUSED,
       "authors");
    ok(login(p, "alice", "alice-secret") == ENDED, "no second login");
    stop(p);
    start(p, "s", "192.0.2.1");
    ok(login_as(p, "bob", "alice", "alice-secret") == VERDICT_REFUSED &&
           mail(p, "<bob@here.test>") == VERDICT_LOGIN_FIRST,
       "nobody's own password makes him another");
    ok(login_as(p, "alice@here.test", "alice", "alice-secret") == VERDICT_OK &&
           mail(p, "<alice@here.test>") == VERDICT_OK,
       "but himself");
    stop(p);
    start(p, "s", "192.0.2.1");
    char long_name[LOGIN_NAME_LIMIT + 2];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ok(login_as(p, long_name, "alice", "alice-secret") == ENDED, "a wish whom to be that is too long");
    stop(p);
    start(p, "s", NULL);
    ok(mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK,
       "a user of this machine");
    ok(login(p, "alice", "alice-secret") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == ENDED,
       "LOGIN forgets what was before it");
    stop(p);
}

static void begin_message(struct play *p)
{
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@far.test>") == VERDICT_OK && one(p, VERB_RCPT, "<bob@here.test>") == VERDICT_OK,
       "a message begins");
}

static void sizes(struct play *p)
{
    int fd = -1, files[FILES];
    begin_message(p);
    ok(piece(p, CHANNEL_PIECE + 1) && commit_with(p, 0, SPAN("x\r\n")) == ENDED, "a piece over the limit");
    stop(p);
    begin_message(p);
    bool sent = true;
    for (int i = 0; i < 40; i++)
        sent &= piece(p, CHANNEL_PIECE);
    ok(sent && commit_with(p, 0, SPAN("x\r\n")) == VERDICT_FAILED,
       "more pieces than memory: nothing is taken");
    stop(p);
    begin_message(p);
    ok(commit_with(p, COMMIT_FILE, SPAN("")) == ENDED, "COMMIT of a file that never was");
    stop(p);
    begin_message(p);
    ok(file(p, &fd) == VERDICT_OK && fd >= 0 && commit_with(p, 0, SPAN("x\r\n")) == ENDED,
       "COMMIT past the file");
    close(fd);
    stop(p);
    begin_message(p);
    for (int i = 0; i < FILES; i++)
        ok(file(p, &files[i]) == VERDICT_OK && files[i] >= 0, "file %d", i);
    ok(file(p, &fd) == ENDED, "one more");
    for (int i = 0; i < FILES; i++)
        close(files[i]);
    stop(p);
    begin_message(p);
    ok(file(p, &fd) == VERDICT_OK && ftruncate(fd, 3 << 20) == 0 &&
           commit_with(p, COMMIT_FILE, SPAN("")) == ENDED,
       "a file over the setting message-size");
    close(fd);
    stop(p);
    ok(count("mail/here.test/bob/new") <= 0 && count("mail/here.test/bob/tmp") <= 0, "nothing was delivered");
}

static void delivery(struct play *p)
{
    char path[PATH_MAX], line[1000];
    bool forged = false, received = false;
    begin_message(p);
    ok(commit_with(p, 0, SPAN("Subject: x\r\n\r\nx\r\n")) == VERDICT_OK, "a message");
    ok(commit_with(p, 0, SPAN("x\r\n")) == ENDED, "COMMIT twice");
    stop(p);
    ok(count("mail/here.test/bob/new") == 1 && count("mail/here.test/bob/tmp") == 0, "was delivered once");
    snprintf(path, sizeof path, "cat %s/mail/here.test/bob/new/*", folder);
    FILE *f = popen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        forged |= strncmp(line, "X-Forged", 8) == 0;
        received |= strncmp(line, "Received: from h??X-Forged:?yes", 15) == 0;
    }
    ok(f && pclose(f) == 0 && received && !forged, "its trace can't be forged");
}

/* What the session adds, and junk. */
static void added(struct play *p)
{
    static const struct {
        const char *fields;
        bool good;
    } rows[] = {
        { "Authentication-Results: mail.test;\r\n\tspf=pass\r\n", true },
        { "no field\r\n", false },
        { "A: 1\r\n\r\nbody\r\n", false },
        { "A: 1\nB: 2\r\n", false },
        { "A: 1", false },
    };
    static char large[SMTPD_FIELDS_LIMIT + 8];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin_message(p);
        ok(commit_adding(p, 0, span_of(rows[i].fields), SPAN("Subject: x\r\n\r\nx\r\n")) ==
               (rows[i].good ? VERDICT_OK : ENDED),
           "fields that the session adds, row %zu", i + 1);
        stop(p);
    }
    memset(large, 'x', sizeof large);
    memcpy(large, "A: ", 3);
    memcpy(large + SMTPD_FIELDS_LIMIT - 2, "\r\n", 2);
    begin_message(p);
    ok(commit_adding(p, 0, (struct span){ large, SMTPD_FIELDS_LIMIT }, SPAN("\r\nx\r\n")) == VERDICT_OK,
       "as many as may be");
    stop(p);
    memcpy(large + SMTPD_FIELDS_LIMIT - 2, "xx\r\n", 4);
    begin_message(p);
    ok(commit_adding(p, 0, (struct span){ large, SMTPD_FIELDS_LIMIT + 2 }, SPAN("\r\nx\r\n")) == ENDED,
       "and more");
    stop(p);
    begin_message(p);
    ok(commit_with(p, COMMIT_BITS + 1, SPAN("x\r\n")) == ENDED, "a bit that nobody knows");
    stop(p);
    int before = count("mail/here.test/bob/new");
    ok(count("mail/here.test/bob/.Junk") < 0, "no folder for junk so far");
    begin_message(p);
    ok(commit_with(p, COMMIT_JUNK, SPAN("Subject: x\r\n\r\nx\r\n")) == VERDICT_OK, "junk");
    stop(p);
    ok(count("mail/here.test/bob/.Junk/new") == 1 && count("mail/here.test/bob/new") == before,
       "lies in Junk");
}

/* RCPT of who says that name in HELO; connected to 192.0.2.25. */
static unsigned rcpt_as(struct play *p, const char *helo)
{
    start_mail_as(p, helo, "<x@far.test>", MAIL_EXTENDED);
    message_put_u64(p->m, 0);
    unsigned v = call(p);
    return v == VERDICT_OK ? one(p, VERB_RCPT, "<bob@here.test>") : v;
}

static void own_name(struct play *p)
{
    static const char *const own[] = { "mail.test", "Mail.TEST", "mail.test.", "[192.0.2.25]", "192.0.2.25" };
    static const char *const others[] = {
        "here.test", "x.mail.test", "mail.test.x", "[192.0.2.1]", "mail", ""
    };
    start(p, "", "192.0.2.1");
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        ok(rcpt_as(p, own[i]) == VERDICT_POLICY, "a stranger that calls itself %s", own[i]);
    char said[SMTPD_POLICY_LIMIT];
    ok(message_get_str(p->m, said, sizeof said) &&
           strcmp(said, "550 5.7.1 That is our name, not yours (helo-check)") == 0,
       "is told: %s", said);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ok(rcpt_as(p, others[i]) == VERDICT_OK, "one that calls itself %s", others[i]);
    stop(p);
    start(p, "", "192.0.2.25");
    ok(rcpt_as(p, "mail.test") == VERDICT_OK, "this machine may say its name");
    stop(p);
    start(p, "", "127.0.0.9");
    ok(rcpt_as(p, "mail.test") == VERDICT_OK, "and by loopback");
    stop(p);
    p->settings.helo_check = HELO_OFF;
    start(p, "", "192.0.2.1");
    ok(rcpt_as(p, "mail.test") == VERDICT_OK, "with the check off nobody minds");
    stop(p);
    p->settings.helo_check = HELO_OWN;
}

int main(void)
{
    struct play p = { .m = malloc(sizeof *p.m), .uid = getuid() };
    make_server(&p);
    order(&p);
    malformed(&p);
    dns(&p);
    outcomes(&p);
    floods(&p);
    extensions(&p);
    relaying(&p);
    submission(&p);
    sizes(&p);
    delivery(&p);
    added(&p);
    own_name(&p);
    clear_away(&p);
    return done_testing();
}
