/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a session of smtpd that lies may ask to have signed: by other domains, too early, too late, too much,
 * or what isn't for that. The keys of all domains are called rsa and ed; tests/lying-smtp.t makes them.
 */
#ifndef POSTERN_TESTS_LYING_SIGN_H
#define POSTERN_TESTS_LYING_SIGN_H

static void put_sign(uint64_t use, const char *domain, const char *selector, struct span data)
{
    message_start(&packet, VERB_SIGN);
    message_put_u64(&packet, use);
    message_put_str(&packet, domain);
    message_put_str(&packet, selector);
    message_put(&packet, data);
}

static void sign(struct serving *s, const char *domain, const char *selector)
{
    put_sign(SIGN_SENDER, domain, selector, SPAN("0123456789abcdef0123456789abcdef"));
    ask(s);
}

static void seal(struct serving *s, const char *domain, const char *hashed)
{
    put_sign(SIGN_SEAL, domain, "rsa", span_of(hashed));
    ask(s);
}

/* What the guard says that may be signed with: how many keys, of which domain. */
static void keys(struct serving *s, uint64_t use, const char *domain)
{
    struct span whose;
    uint64_t verdict, leaves, count;
    message_start(&packet, VERB_KEYS);
    message_put_u64(&packet, use);
    message_put_str(&packet, domain);
    if (channel_call(s->channel, &packet) && message_get_u64(&packet, &verdict) &&
        message_get(&packet, &whose) && message_get_u64(&packet, &leaves) && message_get_u64(&packet, &count))
        conn_printf(s->conn, "%d keys of <%.*s>\r\n", (int)count, SPAN_FMT(whose));
    else
        conn_write_str(s->conn, "ended\r\n");
}

static void submission(struct serving *s)
{
    login(s, "alice@example.test", SECRET);
    mail(s, "<alice@example.test>");
    rcpt(s, "<b@outside.test>");
}

static void lie_sign_own(struct serving *s)
{
    submission(s);
    keys(s, SIGN_SENDER, "EXAMPLE.test");
    sign(s, "example.test", "rsa");
    sign(s, "example.test", "ed");
    commit(s);
}

static void lie_sign_stranger(struct serving *s)
{
    mail(s, "<alice@example.test>");
    rcpt(s, "<bob@example.test>");
    keys(s, SIGN_SENDER, "example.test");
    sign(s, "example.test", "rsa");
}

static void lie_sign_other(struct serving *s)
{
    submission(s);
    keys(s, SIGN_SENDER, "other.test");
    sign(s, "other.test", "rsa");
}

static void lie_sign_refused_author(struct serving *s)
{
    submission(s);
    author(s, "bob@other.test");
    sign(s, "other.test", "rsa");
}

static void lie_sign_author(struct serving *s)
{
    submission(s);
    author(s, "alice@third.test");
    keys(s, SIGN_SENDER, "third.test");
    sign(s, "third.test", "rsa");
    mail(s, "<alice@example.test>");
    rcpt(s, "<b@outside.test>");
    sign(s, "third.test", "rsa");
}

static void lie_sign_early(struct serving *s)
{
    login(s, "alice@example.test", SECRET);
    mail(s, "<alice@example.test>");
    sign(s, "example.test", "rsa");
}

static void lie_sign_late(struct serving *s)
{
    submission(s);
    commit(s);
    sign(s, "example.test", "rsa");
}

static void lie_sign_waiting(struct serving *s)
{
    submission(s);
    sign(s, "example.test", "next");
}

static void lie_sign_path(struct serving *s)
{
    submission(s);
    sign(s, "example.test", "../other.test/rsa");
}

static void lie_sign_short(struct serving *s)
{
    submission(s);
    put_sign(SIGN_SENDER, "example.test", "rsa", SPAN("0123456789abcdef"));
    ask(s);
}

static void lie_sign_many(struct serving *s)
{
    submission(s);
    for (int i = 0; i <= SMTPD_SIGNATURES_LIMIT; i++)
        sign(s, "example.test", "ed");
}

#define AN_ARC_SEAL "arc-authentication-results:i=1; x\r\narc-seal:i=1; a=rsa-sha256; d=example.test; b="

static void sealed(struct serving *s, const char *path)
{
    mail(s, "<a@x.test>");
    rcpt(s, path);
}

static void lie_seal_own(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    keys(s, SIGN_SEAL, "");
    seal(s, "example.test", AN_ARC_SEAL);
    seal(s, "example.test", "subject:x\r\narc-message-signature:i=1; d=example.test; b=");
}

static void lie_seal_kept(struct serving *s)
{
    sealed(s, "<alice@example.test>");
    keys(s, SIGN_SEAL, "");
    seal(s, "example.test", AN_ARC_SEAL);
}

static void lie_seal_other(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    keys(s, SIGN_SEAL, "other.test");
    seal(s, "other.test", AN_ARC_SEAL);
}

static void lie_seal_dkim(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    seal(s, "example.test", "from:alice@example.test\r\ndkim-signature:v=1; d=example.test; b=");
}

static void lie_seal_dkim_behind(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    seal(s, "example.test", AN_ARC_SEAL "\r\ndkim-signature:v=1; d=example.test; b=");
}

static void lie_seal_hash(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    seal(s, "example.test", "0123456789abcdef0123456789abcdef");
}

static void lie_seal_as_sender(struct serving *s)
{
    sealed(s, "<forward@example.test>");
    sign(s, "example.test", "rsa");
}

#define SIGN_LIES                                                                                           \
    { "sign-own", lie_sign_own }, { "sign-stranger", lie_sign_stranger },                                   \
    { "sign-other", lie_sign_other }, { "sign-refused-author", lie_sign_refused_author },                   \
    { "sign-author", lie_sign_author }, { "sign-early", lie_sign_early },                                   \
    { "sign-late", lie_sign_late }, { "sign-waiting", lie_sign_waiting },                                   \
    { "sign-path", lie_sign_path }, { "sign-short", lie_sign_short }, { "sign-many", lie_sign_many },       \
    { "seal-own", lie_seal_own }, { "seal-kept", lie_seal_kept }, { "seal-other", lie_seal_other },         \
    { "seal-dkim", lie_seal_dkim }, { "seal-dkim-behind", lie_seal_dkim_behind },                           \
    { "seal-hash", lie_seal_hash }, { "seal-as-sender", lie_seal_as_sender }

#endif
