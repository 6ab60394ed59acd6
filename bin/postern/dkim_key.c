/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern dkim: keys, their records, and whether DNS has these. Selectors are the day and the algorithm, such
 * as 20261126-rsa; a second pair of the same day is 20261126b-rsa.
 */
#include "dkim.h"
#include "base/clock.h"
#include "trust/dkim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define RECORD_LIMIT 8192
#define STRING_MOST 255 /* bytes of one string of a TXT record (RFC 1035 3.3) */

static const enum signature_algorithm pair[] = { SIGNATURE_RSA_SHA256, SIGNATURE_ED25519_SHA256 };
#define PAIR (sizeof pair / sizeof pair[0])

/* --- domains --- */

int dkim_domain_argument(const char *text, char domain[ADDRESS_DOMAIN_LIMIT + 1])
{
    if (tables_domain(span_of(text), domain))
        return EX_OK;
    return complain(EX_DATAERR, "%s: is no domain; one looks like example.org", text);
}

int dkim_find(struct admin *a, const char *domain, struct dkim_keys *keys)
{
    if (dkim_keys_find(&a->s, domain, keys) != ST_TEMP)
        return EX_OK;
    return complain(EX_NOPERM, "%s/" DKIM_KEYS_FOLDER "/%s: can't be read: %s", a->s.directory, domain,
                    strerror(errno));
}

static int each_with_keys(struct admin *a, int (*each)(struct admin *a, const char *domain, void *arg),
                          void *arg)
{
    struct bytes domains;
    struct span rest, line;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    int result = EX_OK;
    bytes_init(&domains, 4u << 20);
    if (dkim_keys_domains(&a->s, &domains) != ST_OK)
        result = complain(EX_NOPERM, "%s/" DKIM_KEYS_FOLDER ": can't be read: %s", a->s.directory,
                          strerror(errno));
    for (rest = span_bytes(&domains); span_cut(&rest, '\n', &line);) {
        int one = line.n && span_copy(line, domain, sizeof domain) ? each(a, domain, arg) : EX_OK;
        result = result == EX_OK ? one : result;
    }
    bytes_free(&domains);
    return result;
}

int dkim_each_domain(struct admin *a, int argc, char **argv,
                     int (*each)(struct admin *a, const char *domain, void *arg), void *arg)
{
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    int result = EX_OK;
    if (argc == 0)
        return each_with_keys(a, each, arg);
    for (int i = 0; i < argc; i++) {
        int one = dkim_domain_argument(argv[i], domain);
        one = one == EX_OK ? each(a, domain, arg) : one;
        result = result == EX_OK ? one : result;
    }
    return result;
}

/* --- keys --- */

static int complain_of_key(struct admin *a, const char *domain, const struct dkim_key *key, enum status st)
{
    char path[4096];
    if (!dkim_key_path(&a->s, domain, key, path, sizeof path))
        snprintf(path, sizeof path, "%s", key->selector);
    if (st == ST_PERM && errno == EACCES)
        return complain(EX_NOPERM, "%s: others may read it, so it isn't used; chmod 600", path);
    return complain(EX_NOINPUT, "%s: can't be read: %s", path, strerror(errno));
}

int dkim_public(struct admin *a, const char *domain, const struct dkim_key *key, struct public_key *p)
{
    struct bytes pem;
    struct signature_key private;
    int result = EX_OK;
    bytes_init(&p->key, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&pem, DKIM_KEY_FILE_LIMIT);
    enum status st = dkim_key_read(&a->s, domain, key, &pem);
    if (st != ST_OK) {
        result = complain_of_key(a, domain, key, st);
    } else if (signature_key_load(span_bytes(&pem), &private) != ST_OK) {
        result = complain(EX_DATAERR,
                          "%s: its key %s is no private key for RSA (1024 bits at least) or Ed25519 in PEM",
                          domain, key->selector);
    } else {
        p->algorithm = private.algorithm;
        p->bits = private.bits;
        if (signature_public(&private, &p->key) != ST_OK)
            result = complain(EX_SOFTWARE, "%s: can't tell the public part of %s", domain, key->selector);
        signature_key_free(&private);
    }
    bytes_wipe(&pem);
    return result;
}

static bool has_selector(const struct dkim_keys *keys, const char *selector)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->list[i].selector, selector) == 0)
            return true;
    return false;
}

static void name_key(struct dkim_key *key, char letter, enum signature_algorithm algorithm)
{
    char day[16] = "";
    time_t now = (time_t)clock_now();
    struct tm tm;
    if (gmtime_r(&now, &tm))
        strftime(day, sizeof day, "%Y%m%d", &tm);
    char letters[2] = { letter == 'a' ? '\0' : letter, '\0' };
    snprintf(key->selector, sizeof key->selector, "%s%s-%s", day, letters, signature_key_type(algorithm));
}

/* Names for a pair that the domain hasn't. */
static bool name_pair(const struct dkim_keys *keys, enum dkim_key_state state, struct dkim_key made[PAIR])
{
    for (char letter = 'a'; letter <= 'z'; letter++) {
        bool taken = false;
        for (size_t i = 0; i < PAIR; i++) {
            made[i] = (struct dkim_key){ .state = state };
            name_key(&made[i], letter, pair[i]);
            taken = taken || has_selector(keys, made[i].selector);
        }
        if (!taken)
            return true;
    }
    return false;
}

static int make_one(struct admin *a, const char *domain, const struct dkim_key *key,
                    enum signature_algorithm algorithm)
{
    struct bytes pem;
    int result = EX_OK;
    bytes_init(&pem, DKIM_KEY_FILE_LIMIT);
    if (signature_make(algorithm, &pem) != ST_OK)
        result = complain(EX_SOFTWARE, "%s: can't make a key", domain);
    else if (dkim_key_write(&a->s, domain, key, span_bytes(&pem)) != ST_OK)
        result = complain(EX_CANTCREAT, "%s/" DKIM_KEYS_FOLDER "/%s: can't write the key %s: %s",
                          a->s.directory, domain, key->selector, strerror(errno));
    bytes_wipe(&pem);
    return result;
}

int dkim_make_pair(struct admin *a, const char *domain, enum dkim_key_state state, struct dkim_keys *keys)
{
    struct dkim_key made[PAIR];
    int result = EX_OK;
    size_t done = 0;
    if (keys->count + PAIR > DKIM_KEYS_LIMIT || !name_pair(keys, state, made))
        return complain(EX_UNAVAILABLE,
                        "%s: has %zu keys already; `postern dkim remove` removes those that are retired",
                        domain, keys->count);
    for (; result == EX_OK && done < PAIR; done += result == EX_OK)
        result = make_one(a, domain, &made[done], pair[done]);
    for (size_t i = 0; i < done && result != EX_OK; i++)
        dkim_key_remove(&a->s, domain, &made[i]);
    for (size_t i = 0; i < PAIR && result == EX_OK; i++)
        keys->list[keys->count++] = made[i];
    return result;
}

/* --- records --- */

static void print_strings(struct span text)
{
    while (text.n) {
        struct span piece = span_head(text, STRING_MOST);
        printf(" \"%.*s\"", SPAN_FMT(piece));
        text = span_from(text, piece.n);
    }
}

static int print_record(struct admin *a, const char *domain, const struct dkim_key *key)
{
    struct public_key public;
    struct bytes record;
    bytes_init(&record, RECORD_LIMIT);
    int result = dkim_public(a, domain, key, &public);
    if (result == EX_OK && !dkim_record(public.algorithm, span_bytes(&public.key), &record))
        result = complain(EX_SOFTWARE, "%s: the record of %s is too long", domain, key->selector);
    if (result == EX_OK) {
        printf("%s._domainkey.%s. TXT", key->selector, domain);
        print_strings(span_bytes(&record));
        putchar('\n');
    }
    bytes_free(&record);
    bytes_free(&public.key);
    return result;
}

int dkim_print_records(struct admin *a, const char *domain, const struct dkim_keys *keys,
                       enum dkim_key_state state)
{
    int result = EX_OK;
    for (size_t i = 0; i < keys->count; i++) {
        int one = keys->list[i].state == state ? print_record(a, domain, &keys->list[i]) : EX_OK;
        result = result == EX_OK ? one : result;
    }
    return result;
}

/* --- DNS --- */

static enum status ask_dns(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    const struct asker *asker = arg;
    return dns_ask(&asker->resolver, name, type, answer);
}

int asker_init(struct admin *a, struct asker *asker)
{
    struct bytes error;
    int result = EX_OK;
    bytes_init(&error, 1024);
    if (dns_resolver_init(&asker->resolver, a->s.resolver, &error) != ST_OK)
        result = complain(EX_CONFIG, "%s", bytes_str(&error));
    bytes_free(&error);
    asker->lookup = (struct trust_lookup){ .arg = asker, .ask = ask_dns };
    return result;
}

int asker_ask(struct admin *a, const struct asker *asker, const char *domain, const struct dkim_key *key,
              enum dkim_published *published)
{
    struct public_key public;
    int result = dkim_public(a, domain, key, &public);
    if (result == EX_OK)
        *published =
            dkim_published(&asker->lookup, key->selector, domain, public.algorithm, span_bytes(&public.key));
    bytes_free(&public.key);
    return result;
}
