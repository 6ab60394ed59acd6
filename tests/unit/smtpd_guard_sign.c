/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * By which domains smtpd's guard signs for whom; what a session that lies may have signed is in lying-smtp.t.
 */
#include "smtpd_guard.h"

#include "net/signature.h"
#include "store/dkim_keys.h"

#include <pwd.h>

/* Which domains a connection may sign by. */
static bool signs(struct play *p, const char *domain, size_t keys)
{
    uint64_t leaves, count;
    struct span whose;
    message_start(p->m, VERB_KEYS);
    message_put_u64(p->m, SIGN_SENDER);
    message_put_str(p->m, domain);
    return call(p) == VERDICT_OK && message_get(p->m, &whose) && message_get_u64(p->m, &leaves) &&
           message_get_u64(p->m, &count) && count == keys && span_eq_str(whose, keys ? domain : "");
}

/* Does the reply to MAIL say that there are no keys of its domain? */
static bool keyless(struct play *p, const char *path)
{
    uint64_t origin;
    return mail(p, path) == VERDICT_OK && message_get_u64(p->m, &origin) && origin & ORIGIN_KEYLESS;
}

static void make_keys(struct play *p, const char *domain)
{
    static const enum signature_algorithm algorithms[] = { SIGNATURE_RSA_SHA256, SIGNATURE_ED25519_SHA256 };
    struct bytes pem;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    for (size_t i = 0; i < 2; i++) {
        struct dkim_key key = { .state = DKIM_KEY_SIGNING };
        snprintf(key.selector, sizeof key.selector, "k%zu", i);
        bytes_clear(&pem);
        ok(signature_make(algorithms[i], &pem) == ST_OK &&
               dkim_key_write(&p->settings, domain, &key, span_bytes(&pem)) == ST_OK,
           "a key of %s", domain);
    }
    bytes_wipe(&pem);
}

static void signing(struct play *p)
{
    const struct passwd *other = getpwuid(1);
    char path[256];
    make_keys(p, "here.test");
    make_keys(p, "mail.test");
    make_keys(p, "far.test");
    start(p, "s", NULL);
    ok(mail(p, "<x@mail.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "here.test", 2) && signs(p, "far.test", 2) && signs(p, "none.test", 0),
       "the owner of the spool signs by any domain that has keys");
    stop(p);
    if (!ok(other != NULL, "there is a user with the ID 1"))
        return;
    snprintf(path, sizeof path, "<%s@mail.test>", other->pw_name);
    p->uid = 1;
    start(p, "s", NULL);
    ok(mail(p, path) == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "mail.test", 2) && signs(p, "here.test", 0) && signs(p, "far.test", 0),
       "another user of this machine by that of the sender, which is his name at this host");
    stop(p);
    start(p, "s", NULL);
    ok(mail(p, "<>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "mail.test", 0),
       "and by none where there is no sender");
    stop(p);
    p->uid = getuid();
    start(p, "", "192.0.2.1");
    ok(mail(p, "<alice@here.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "here.test", 0),
       "a stranger by none");
    ok(!keyless(p, "<x@nowhere.test>"), "nor is he told of keys");
    stop(p);
    struct network home = { .prefix = 128 };
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &home.address);
    struct network *none = p->settings.networks;
    p->settings.networks = &home;
    p->settings.network_count = 1;
    start(p, "", "192.0.2.1");
    ok(mail(p, "<x@nowhere.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "here.test", 2) && signs(p, "far.test", 2),
       "who is in networks by any");
    ok(!keyless(p, "<x@nowhere.test>"), "whether another domain has keys isn't said where some are open");
    stop(p);
    start(p, "", "192.0.2.1");
    ok(keyless(p, "<x@nowhere.test>") && !keyless(p, "<>") && !keyless(p, "<x@FAR.test>"),
       "MAIL's reply says that there are none of its domain, and of no other");
    ok(one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK && signs(p, "far.test", 2),
       "and which there are can be asked");
    stop(p);
    start(p, "l", "192.0.2.1");
    ok(mail(p, "<x@nowhere.test>") == VERDICT_OK && one(p, VERB_RCPT, "<alice@here.test>") == VERDICT_OK &&
           signs(p, "here.test", 0),
       "but not by LMTP");
    stop(p);
    p->settings.networks = none;
    p->settings.network_count = 0;
}

int main(void)
{
    struct play p = { .m = malloc(sizeof *p.m), .uid = getuid() };
    make_server(&p);
    signing(&p);
    clear_away(&p);
    return done_testing();
}
