/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys of domains in files: what makes a name of one, their states and order, what isn't read or written, and
 * whether DNS has them.
 */
#include "store.h"

#include "store/dkim_keys.h"
#include "trust/dkim.h"
#include "trust/dkim_published.h"

#include <time.h>

static struct settings settings;

static void selectors(void)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { "20261126-rsa", true },
        { "a", true },
        { "mail._x.y", true },
        { "", false },
        { ".a", false },
        { "a.", false },
        { "a..b", false },
        { "A", false },
        { "a/b", false },
        { "..", false },
        { "-a", false },
        { "a b", false },
        { "\xc3\xa4", false },
        { "0123456789012345678901234567890123456789012345678901234567890123", false },
        { "012345678901234567890123456789012345678901234567890123456789012", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok(dkim_selector_valid(span_of(rows[i].text)) == rows[i].valid, "'%s' is %s selector", rows[i].text,
           rows[i].valid ? "a" : "no");
}

static bool has(const struct dkim_keys *keys, size_t i, const char *selector, enum dkim_key_state state)
{
    return i < keys->count && strcmp(keys->list[i].selector, selector) == 0 && keys->list[i].state == state;
}

static void put_key(const char *selector, enum dkim_key_state state)
{
    struct dkim_key key = { .state = state };
    snprintf(key.selector, sizeof key.selector, "%s", selector);
    ok(dkim_key_write(&settings, "a.test", &key, SPAN("secret")) == ST_OK, "%s is written, %s", selector,
       dkim_key_state_word(state));
}

/* As if it had been written so many seconds ago. */
static void age(const char *path, int seconds)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    ok(utimensat(AT_FDCWD, path, times, 0) == 0, "%s is %d s old", path, seconds);
}

static void states(void)
{
    struct dkim_keys keys;
    struct stat info;
    struct bytes text;
    bytes_init(&text, 4096);
    ok(dkim_keys_find(&settings, "a.test", &keys) == ST_NONE &&
           dkim_keys_domains(&settings, &text) == ST_OK && text.len == 0,
       "nobody has keys at first");
    put_key("new", DKIM_KEY_WAITING);
    put_key("old", DKIM_KEY_RETIRED);
    put_key("now", DKIM_KEY_SIGNING);
    ok(stat("dkim/a.test", &info) == 0 && (info.st_mode & 0777) == 0700, "the folder is ours alone");
    ok(stat("dkim/a.test/now.pem", &info) == 0 && (info.st_mode & 0777) == 0600,
       "and so is a key that signs");
    ok(access("dkim/a.test/new.waiting.pem", F_OK) == 0 && access("dkim/a.test/old.retired.pem", F_OK) == 0,
       "the others' names tell their states");
    age("dkim/a.test/now.pem", 100);
    age("dkim/a.test/old.retired.pem", 200);
    put_file("dkim/a.test/notes.txt", "");
    put_file("dkim/a.test/.pem", "");
    put_file("dkim/a.test/Bad.pem", "");
    put_file("dkim/a.test/left.pem.1234.tmp", "");
    ok(dkim_keys_find(&settings, "a.test", &keys) == ST_OK && keys.count == 3 &&
           has(&keys, 0, "old", DKIM_KEY_RETIRED) && has(&keys, 1, "now", DKIM_KEY_SIGNING) &&
           has(&keys, 2, "new", DKIM_KEY_WAITING),
       "three keys are found, the oldest first");
    ok(dkim_key_write(&settings, "a.test", &(struct dkim_key){ "now", DKIM_KEY_WAITING, 0 }, SPAN("x")) ==
               ST_PERM &&
           errno == EEXIST && strcmp(text_of("dkim/a.test/now.pem"), "secret") == 0,
       "no selector is taken twice, in whatever state");
    put_key("more", DKIM_KEY_WAITING);
    ok(access("dkim/a.test/left.pem.1234.tmp", F_OK) != 0 && access("dkim/a.test/notes.txt", F_OK) == 0,
       "what a killed process left goes with the next key that is written");
    ok(dkim_key_remove(&settings, "a.test", &(struct dkim_key){ "more", DKIM_KEY_WAITING, 0 }) == ST_OK,
       "which goes again");
    ok(dkim_key_change(&settings, "a.test", &keys.list[2], DKIM_KEY_SIGNING) == ST_OK &&
           has(&keys, 2, "new", DKIM_KEY_SIGNING) && access("dkim/a.test/new.pem", F_OK) == 0 &&
           access("dkim/a.test/new.waiting.pem", F_OK) != 0,
       "a key changes state");
    ok(dkim_key_read(&settings, "a.test", &keys.list[2], &text) == ST_OK &&
           strcmp(bytes_str(&text), "secret") == 0,
       "and is read");
    bytes_clear(&text);
    chmod("dkim/a.test/new.pem", 0640);
    ok(dkim_key_read(&settings, "a.test", &keys.list[2], &text) == ST_PERM && errno == EACCES &&
           text.len == 0,
       "but not one that others can read");
    chmod("dkim/a.test/new.pem", 0600);
    put_link("new.pem", "dkim/a.test/link.pem");
    ok(dkim_key_read(&settings, "a.test", &(struct dkim_key){ "link", DKIM_KEY_SIGNING, 0 }, &text) ==
           ST_PERM,
       "nor through a link");
    ok(dkim_keys_domains(&settings, &text) == ST_OK && strcmp(bytes_str(&text), "a.test\n") == 0,
       "one domain has keys");
    for (size_t i = 0; i < 3; i++)
        ok(dkim_key_remove(&settings, "a.test", &keys.list[i]) == ST_OK, "%s is removed",
           keys.list[i].selector);
    ok(dkim_key_remove(&settings, "a.test", &keys.list[0]) == ST_TEMP && errno == ENOENT, "once");
    bytes_free(&text);
}

static void many(void)
{
    struct dkim_keys keys;
    mkdir("dkim/many.test", 0700);
    for (int i = 0; i < DKIM_KEYS_LIMIT + 5; i++) {
        put_file(at("dkim/many.test/k%02d.pem", i), "");
        struct timespec times[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
        utimensat(AT_FDCWD, at("dkim/many.test/k%02d.pem", i), times, 0);
    }
    ok(dkim_keys_find(&settings, "many.test", &keys) == ST_OK && keys.count == DKIM_KEYS_LIMIT &&
           has(&keys, 0, "k05", DKIM_KEY_SIGNING) &&
           has(&keys, DKIM_KEYS_LIMIT - 1, at("k%02d", DKIM_KEYS_LIMIT + 4), DKIM_KEY_SIGNING),
       "of more than it has room for the newest are found");
}

static void hostile(void)
{
    static const char *const names[] = { "..",     ".",           "",    "../dkim/a.test", "a/b",
                                         "A.test", "[127.0.0.1]", "a..b" };
    struct dkim_keys keys;
    struct dkim_key key = { "x", DKIM_KEY_SIGNING, 0 };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ok(dkim_keys_find(&settings, names[i], &keys) == ST_NONE &&
               dkim_key_write(&settings, names[i], &key, SPAN("x")) == ST_TEMP,
           "'%s' is no domain", names[i]);
    put_link("/etc", "dkim/link.test");
    ok(dkim_keys_find(&settings, "link.test", &keys) == ST_TEMP, "a link is no folder");
    chmod("dkim", 0);
    ok(geteuid() == 0 || dkim_keys_find(&settings, "a.test", &keys) == ST_TEMP,
       "what can't be looked at isn't absent");
    chmod("dkim", 0700);
}

/* --- DNS that says `record` (NULL: nothing) to the right question. */

struct dns {
    const char *record;
    enum status status;
    struct bytes asked;
};

static enum status answer_txt(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct dns *d = arg;
    bytes_clear(&d->asked);
    bytes_printf(&d->asked, "%s %d", name, type);
    *answer = (struct dns_answer){ .count = 0 };
    bytes_init(&answer->raw, 65535);
    if (d->status != ST_OK)
        return d->status;
    for (struct span rest = span_of(d->record); rest.n;) {
        struct span piece = span_head(rest, 255);
        bytes_add_char(&answer->raw, (char)piece.n);
        bytes_add_span(&answer->raw, piece);
        rest = span_from(rest, piece.n);
    }
    answer->count = 1;
    answer->records[0] = (struct dns_record){ .type = DNS_TXT, .data = span_bytes(&answer->raw) };
    return ST_OK;
}

static void published(void)
{
    struct bytes pem, public, record, other;
    struct signature_key key;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, 4096);
    bytes_init(&other, 4096);
    ok(signature_make(SIGNATURE_RSA_SHA256, &pem) == ST_OK &&
           signature_key_load(span_bytes(&pem), &key) == ST_OK && signature_public(&key, &public) == ST_OK &&
           dkim_record(SIGNATURE_RSA_SHA256, span_bytes(&public), &record),
       "a key and its record");
    const char *p = strstr(bytes_str(&record), "p=");
    const struct {
        const char *name, *before;
        const char *p;
        enum dkim_published is;
    } rows[] = {
        { "its record", "v=DKIM1; k=rsa; ", p, DKIM_PUBLISHED },
        { "the same in other words", "v = DKIM1 ;t=y;n=note; s=email:other; h=sha1:sha256; ", p,
          DKIM_PUBLISHED },
        { "only p=", "", p, DKIM_PUBLISHED },
        { "of another kind", "v=DKIM1; k=ed25519; ", p, DKIM_OTHER },
        { "for another hash", "v=DKIM1; h=sha1; ", p, DKIM_OTHER },
        { "for another service", "s=tlsrpt; ", p, DKIM_OTHER },
        { "another key", "v=DKIM1; ", "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB", DKIM_OTHER },
        { "no base64", "v=DKIM1; ", "p=%", DKIM_OTHER },
        { "revoked", "v=DKIM1; k=rsa; ", "p=", DKIM_REVOKED },
        { "another version", "v=DKIM2; ", p, DKIM_MISSING },
        { "something else", "v=spf1 -all", "", DKIM_MISSING },
        { "nothing at all", "", "", DKIM_MISSING },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes text;
        struct dns d = { .status = ST_OK };
        const struct trust_lookup lookup = { .arg = &d, .ask = answer_txt };
        bytes_init(&text, 8192);
        bytes_init(&d.asked, 512);
        bytes_printf(&text, "%s%s", rows[i].before, rows[i].p);
        d.record = bytes_str(&text);
        enum dkim_published is =
            dkim_published(&lookup, "s1", "a.test", SIGNATURE_RSA_SHA256, span_bytes(&public));
        ok(is == rows[i].is && strcmp(bytes_str(&d.asked), "s1._domainkey.a.test 16") == 0, "%s: %s",
           rows[i].name, dkim_published_word(is));
        bytes_free(&d.asked);
        bytes_free(&text);
    }
    struct dns gone = { .status = ST_NONE }, down = { .status = ST_TEMP };
    const struct trust_lookup to_gone = { .arg = &gone, .ask = answer_txt },
                              to_down = { .arg = &down, .ask = answer_txt };
    bytes_init(&gone.asked, 512);
    bytes_init(&down.asked, 512);
    ok(dkim_published(&to_gone, "s1", "a.test", SIGNATURE_RSA_SHA256, span_bytes(&public)) == DKIM_MISSING,
       "no record: missing");
    ok(dkim_published(&to_down, "s1", "a.test", SIGNATURE_RSA_SHA256, span_bytes(&public)) == DKIM_UNKNOWN,
       "no answer: unknown");
    bytes_free(&gone.asked);
    bytes_free(&down.asked);
    signature_key_free(&key);
    bytes_wipe(&pem);
    bytes_free(&public);
    bytes_free(&record);
    bytes_free(&other);
}

int main(void)
{
    scratch_make("dkim-keys");
    settings.directory = scratch;
    selectors();
    states();
    many();
    hostile();
    published();
    scratch_remove();
    return done_testing();
}
