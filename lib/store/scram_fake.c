/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inventing verifiers; see scram_fake.h. The key is SPOOL/login.key, 32 random bytes, made by whoever needs
 * it first and finds none: written apart and then published, so that of two that do so at once both use one.
 * When it is lost, invented salts change once and nothing else happens.
 */
#include "store/scram_fake.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "net/hash.h"
#include "store/scram_verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT_MOST UINT32_MAX

struct key {
    unsigned char bytes[HASH_SIZE];
};

static enum status read_key(const char *path, struct key *key)
{
    struct bytes contents;
    bytes_init(&contents, sizeof key->bytes);
    enum status st = file_read(AT_FDCWD, path, &contents);
    if (st == ST_OK && contents.len != sizeof key->bytes) {
        errno = EBADMSG;
        st = ST_TEMP;
    }
    if (st == ST_OK)
        memcpy(key->bytes, contents.data, sizeof key->bytes);
    bytes_wipe(&contents);
    return st;
}

static enum status make_key(const char *path)
{
    char apart[PATH_MAX];
    struct key key;
    if (snprintf(apart, sizeof apart, "%s.%016" PRIx64, path, random_u64()) >= PATH_MAX)
        return ST_TEMP;
    random_bytes(key.bytes, sizeof key.bytes);
    enum status st =
        file_replace(AT_FDCWD, apart, (struct span){ (char *)key.bytes, sizeof key.bytes }, 0600);
    if (st == ST_OK)
        st = file_publish(AT_FDCWD, apart, AT_FDCWD, path);
    if (st == ST_OK)
        return file_sync_dir(AT_FDCWD, path);
    int why = errno;
    unlink(apart);
    errno = why;
    return why == EEXIST ? ST_OK : st;
}

static enum status get_key(const struct settings *s, struct key *key)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/login.key", s->spool) >= PATH_MAX)
        return ST_TEMP;
    enum status st = read_key(path, key);
    if (st == ST_NONE && (st = make_key(path)) == ST_OK)
        st = read_key(path, key);
    if (st == ST_OK)
        return ST_OK;
    log_event(LOG_ERR, "login-key-unusable", "file", path, "reason",
              errno == EBADMSG ? "it isn't of 32 bytes" : strerror(errno), "do",
              "remove it, or let postern read it", NULL);
    return ST_TEMP;
}

/* HMAC(key, what LF name) */
static bool derive(const struct key *key, const char *what, struct span name, unsigned char out[HASH_SIZE])
{
    struct bytes text;
    bytes_init(&text, name.n + 32);
    bytes_printf(&text, "%s\n", what);
    bytes_add_span(&text, name);
    bool ok = !text.failed && hash_hmac_sha256((struct span){ (const char *)key->bytes, sizeof key->bytes },
                                               span_bytes(&text), out);
    bytes_free(&text);
    return ok;
}

struct form {
    uint64_t iterations, salt_length, count;
};

static bool next_form(struct span *mix, struct form *f)
{
    struct span line, iterations, salt;
    if (!span_cut(mix, '\n', &line) || !span_cut(&line, ' ', &iterations) || !span_cut(&line, ' ', &salt))
        return false;
    return span_u64(iterations, SCRAM_ITERATIONS_MOST, &f->iterations) &&
           span_u64(salt, SCRAM_SALT_LIMIT, &f->salt_length) && f->salt_length &&
           span_u64(line, COUNT_MOST, &f->count);
}

/* The form that one of the table's verifiers has, chosen by `number`. */
static struct form choose(struct span mix, uint64_t number)
{
    struct form f, chosen = { SCRAM_ITERATIONS, SCRAM_SALT, 0 };
    uint64_t all = 0;
    for (struct span rest = mix; next_form(&rest, &f);)
        all += f.count;
    if (all == 0)
        return chosen;
    number %= all;
    for (struct span rest = mix; next_form(&rest, &f); number -= f.count) {
        chosen = f;
        if (number < f.count)
            break;
    }
    return chosen;
}

enum status scram_fake(const struct settings *s, struct span name, struct span mix, struct scram_verifier *v)
{
    struct key key;
    unsigned char drawn[HASH_SIZE];
    uint64_t number = 0;
    _Static_assert(SCRAM_SALT_LIMIT == 2 * HASH_SIZE, "the longest salt is made of two hashes");
    enum status st = get_key(s, &key);
    if (st != ST_OK)
        return st;
    *v = (struct scram_verifier){ 0 };
    bool ok = derive(&key, "form", name, drawn) && derive(&key, "salt", name, v->salt) &&
              derive(&key, "more salt", name, v->salt + HASH_SIZE) &&
              derive(&key, "stored key", name, v->stored_key) &&
              derive(&key, "server key", name, v->server_key);
    explicit_bzero(&key, sizeof key);
    memcpy(&number, drawn, sizeof number);
    struct form f = choose(mix, number);
    v->iterations = (unsigned)f.iterations;
    v->salt_length = f.salt_length;
    return ok ? ST_OK : ST_TEMP;
}
