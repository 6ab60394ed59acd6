/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keys with which a domain signs now: which of those in its folder they are, and what they sign verifies
 * with what DNS has of them.
 */
#include "store.h"
#include "../helpers/zone.h"

#include "base/log.h"
#include "text/header.h"
#include "trust/dkim.h"
#include "trust/dkim_keyring.h"

#define NOW 1795700000

static struct settings settings;
static struct dns_zone zone;

/* A key's file, so many seconds old, and its record. */
static void make(const char *selector, enum dkim_key_state state, enum signature_algorithm algorithm, int age)
{
    struct dkim_key key = { .state = state };
    struct signature_key opened;
    struct bytes pem, public, record;
    char path[1200];
    struct timespec times[2] = { { .tv_sec = NOW - age }, { .tv_sec = NOW - age } };
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, 4096);
    snprintf(key.selector, sizeof key.selector, "%s", selector);
    bytes_printf(&record, "%s._domainkey.a.test TXT ", selector);
    bool good =
        signature_make(algorithm, &pem) == ST_OK &&
        dkim_key_write(&settings, "a.test", &key, span_bytes(&pem)) == ST_OK &&
        dkim_key_path(&settings, "a.test", &key, path, sizeof path) &&
        utimensat(AT_FDCWD, path, times, 0) == 0 && signature_key_load(span_bytes(&pem), &opened) == ST_OK &&
        signature_public(&opened, &public) == ST_OK && dkim_record(algorithm, span_bytes(&public), &record);
    ok(good, "key %s, %s, %d s old", selector, dkim_key_state_word(state), age);
    signature_key_free(&opened);
    zone_add(&zone, bytes_str(&record));
    bytes_wipe(&pem);
    bytes_free(&public);
    bytes_free(&record);
}

/* The selectors in use, with blanks between them. */
static const char *in_use(const char *domain)
{
    static char text[256];
    struct dkim_keyring k;
    enum status st = dkim_keyring_open(&settings, domain, &k);
    text[0] = '\0';
    for (size_t i = 0; st == ST_OK && i < k.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", k.keys[i].selector);
    if (st == ST_OK)
        dkim_keyring_close(&k);
    return st == ST_NONE ? "none" : st == ST_OK ? text : "trouble";
}

static void is_used(const char *domain, const char *wanted, const char *name)
{
    const char *is = in_use(domain);
    ok(strcmp(is, wanted) == 0, "%s: %s", name, is);
}

static void choice(void)
{
    is_used("a.test", "none", "no folder");
    make("e1", DKIM_KEY_SIGNING, SIGNATURE_ED25519_SHA256, 300);
    is_used("a.test", "e1", "one key");
    make("r1", DKIM_KEY_SIGNING, SIGNATURE_RSA_SHA256, 400);
    is_used("a.test", "r1 e1", "one of each kind, RSA first, whichever is older");
    make("e2", DKIM_KEY_WAITING, SIGNATURE_ED25519_SHA256, 10);
    make("e0", DKIM_KEY_RETIRED, SIGNATURE_ED25519_SHA256, 5);
    is_used("a.test", "r1 e1", "neither what waits nor what is retired");
    make("e3", DKIM_KEY_SIGNING, SIGNATURE_ED25519_SHA256, 20);
    is_used("a.test", "r1 e3", "of two of a kind the newer");
    chmod("dkim/a.test/e3.pem", 0604);
    is_used("a.test", "r1 e1", "not one that others can read");
    chmod("dkim/a.test/e3.pem", 0600);
    put_file("dkim/a.test/new.pem", "no key");
    is_used("a.test", "r1 e3", "nor what is no key, however new");
    put_link("../a.test/e1.pem", "dkim/a.test/link.pem");
    is_used("a.test", "r1 e3", "nor a link");
    put_file("dkim/b.test", "");
    is_used("b.test", "trouble", "a folder that can't be read isn't none");
    is_used("../a.test", "none", "no domain");
}

static void signing(void)
{
    static const char message[] = "From: Mail Delivery System <MAILER-DAEMON@A.test>\r\nTo: <x@b.test>\r\n"
                                  "Subject: report\r\n\r\nThe message could not be delivered.\r\n";
    struct dkim_result results[DKIM_SIGNATURES];
    const struct trust_lookup lookup = zone_lookup(&zone);
    struct bytes fields;
    bytes_init(&fields, 16384);
    ok(dkim_keyring_sign(&settings, "A.test", SPAN(message), NOW, &fields) == ST_OK, "a message is signed");
    bytes_add_str(&fields, message);
    struct span all = span_bytes(&fields), header = span_head(all, header_end(all));
    struct dkim_verifier *v = dkim_verify_start(header, NOW);
    dkim_verify_body(v, span_from(all, header.n));
    size_t n = dkim_verify_end(v, &lookup, results);
    ok(n == 2 && strcmp(results[0].selector, "r1") == 0 && strcmp(results[1].selector, "e3") == 0,
       "by two keys");
    for (size_t i = 0; i < n; i++)
        ok(results[i].result == TRUST_PASS && strcmp(results[i].domain, "a.test") == 0, "%s: %s %s",
           results[i].selector, trust_result_name(results[i].result), results[i].why);
    dkim_verify_free(v);
    bytes_clear(&fields);
    ok(dkim_keyring_sign(&settings, "c.test", SPAN(message), NOW, &fields) == ST_NONE && fields.len == 0,
       "a domain without keys signs nothing");
    ok(dkim_keyring_sign(&settings, "a.test", SPAN("To: x\r\n\r\n"), NOW, &fields) == ST_TEMP &&
           fields.len == 0,
       "nor is anything signed that has no From");
    bytes_free(&fields);
}

int main(void)
{
    if (!freopen("/dev/null", "w", stderr)) /* the log */
        return 1;
    log_open("dkim_keyring");
    scratch_make("dkim-keyring");
    settings.directory = scratch;
    choice();
    signing();
    scratch_remove();
    return done_testing();
}
