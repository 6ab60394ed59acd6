/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM for many messages in one process, as trust/dkim.h does it, for the tests with peers:
 *
 *     dkim keys FOLDER DOMAIN              makes FOLDER/rsa.pem and FOLDER/ed25519.pem, and writes their records to FOLDER/zone
 *     dkim sign FOLDER DOMAIN CANON IN OUT signs each file of IN with them into OUT; CANON is simple/relaxed and so on
 *     dkim verify ZONE IN                  prints "FILE RESULT RESULT ..." of each file, the newest signature first
 *
 * A zone has a line a record: its name, a blank, its text. Bodies are given in pieces of odd sizes.
 */
#include "base/clock.h"
#include "base/files.h"
#include "trust/dkim.h"

#include "text/header.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_LIMIT ((size_t)64 << 20)

static const char *const names[] = { "rsa", "ed25519" };
static const enum signature_algorithm algorithms[] = { SIGNATURE_RSA_SHA256, SIGNATURE_ED25519_SHA256 };

static void need(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "dkim: %s\n", what);
        exit(1);
    }
}

static void read_file(const char *folder, const char *name, const char *end, struct bytes *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, end);
    bytes_clear(out);
    need(file_read(AT_FDCWD, path, out) == ST_OK, path);
}

static void write_file(const char *folder, const char *name, struct span text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    need(f && fwrite(text.p, 1, text.n, f) == text.n && fclose(f) == 0, path);
}

static int make_keys(const char *folder, const char *domain)
{
    struct bytes zone, pem, public;
    struct signature_key key;
    char name[64];
    bytes_init(&zone, 65536);
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    for (int i = 0; i < 2; i++) {
        bytes_clear(&pem);
        bytes_clear(&public);
        need(signature_make(algorithms[i], &pem) == ST_OK, "no key was made");
        need(signature_key_load(span_bytes(&pem), &key) == ST_OK, "and can be loaded");
        need(signature_public(&key, &public) == ST_OK, "has a public part");
        bytes_printf(&zone, "%s._domainkey.%s ", names[i], domain);
        dkim_record(algorithms[i], span_bytes(&public), &zone);
        bytes_add_str(&zone, "\n");
        snprintf(name, sizeof name, "%s.pem", names[i]);
        write_file(folder, name, span_bytes(&pem));
        signature_key_free(&key);
    }
    write_file(folder, "zone", span_bytes(&zone));
    bytes_free(&zone);
    bytes_wipe(&pem);
    bytes_free(&public);
    return 0;
}

/* Each file of a folder, in no order. */
static void each(const char *folder, void (*what)(void *arg, const char *name, struct span message),
                 void *arg)
{
    struct bytes message;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    need(dir, folder);
    bytes_init(&message, FILE_LIMIT);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        read_file(folder, entry->d_name, "", &message);
        what(arg, entry->d_name, span_bytes(&message));
    }
    closedir(dir);
    bytes_free(&message);
}

/* The next piece of a body: sizes that meet line ends at every place. */
static struct span piece_of(struct span *body, size_t *turn)
{
    static const size_t sizes[] = { 1, 4096, 3, 61, 2, 1000, 7 };
    struct span piece = span_head(*body, sizes[(*turn)++ % (sizeof sizes / sizeof sizes[0])]);
    *body = span_from(*body, piece.n);
    return piece;
}

struct signing {
    struct dkim_signing what;
    struct signature_key keys[2];
    const char *out;
};

static enum status sign_hash(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    struct signing *s = arg;
    return signature_sign(&s->keys[key], hash, signature);
}

static void sign_one(void *arg, const char *name, struct span message)
{
    struct signing *s = arg;
    struct bytes out;
    size_t head = header_end(message), turn = 0;
    bytes_init(&out, FILE_LIMIT);
    struct dkim_signer *signer = dkim_sign_start(span_head(message, head), &s->what);
    need(signer, name);
    for (struct span body = span_from(message, head); body.n;)
        dkim_sign_body(signer, piece_of(&body, &turn));
    need(dkim_sign_end(signer, sign_hash, s, &out) == ST_OK, name);
    dkim_sign_free(signer);
    bytes_add_span(&out, message);
    write_file(s->out, name, span_bytes(&out));
    bytes_free(&out);
}

static int sign_all(char **argv)
{
    struct signing s = { .what = { .domain = argv[1], .count = 2, .now = clock_now(), .lifetime = 86400 } };
    struct bytes pem;
    s.what.header = span_starts(span_of(argv[2]), "relaxed/") ? DKIM_RELAXED : DKIM_SIMPLE;
    s.what.body = strstr(argv[2], "/relaxed") ? DKIM_RELAXED : DKIM_SIMPLE;
    s.out = argv[4];
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    for (int i = 0; i < 2; i++) {
        read_file(argv[0], names[i], ".pem", &pem);
        need(signature_key_load(span_bytes(&pem), &s.keys[i]) == ST_OK, "the key can't be loaded");
        s.what.keys[i].selector = names[i];
        s.what.keys[i].algorithm = algorithms[i];
    }
    each(argv[3], sign_one, &s);
    for (int i = 0; i < 2; i++)
        signature_key_free(&s.keys[i]);
    bytes_wipe(&pem);
    return 0;
}

/* An answer with the first record of that name. */
static enum status ask_zone(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct span rest = span_bytes(arg), line, first;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    while (type == DNS_TXT && span_cut(&rest, '\n', &line)) {
        if (!span_cut(&line, ' ', &first) || !span_ieq_str(first, name))
            continue;
        for (; line.n; line = span_from(line, 255)) {
            struct span string = span_head(line, 255);
            bytes_add_char(&answer->raw, (char)(unsigned char)string.n);
            bytes_add_span(&answer->raw, string);
        }
        answer->count = 1;
        answer->records[0].type = DNS_TXT;
        answer->records[0].data = span_bytes(&answer->raw);
        return ST_OK;
    }
    return ST_NONE;
}

static void verify_one(void *arg, const char *name, struct span message)
{
    const struct trust_lookup lookup = { arg, ask_zone, NULL };
    struct dkim_result results[DKIM_SIGNATURES];
    size_t head = header_end(message), turn = 0;
    struct dkim_verifier *v = dkim_verify_start(span_head(message, head), clock_now());
    need(v, name);
    for (struct span body = span_from(message, head); body.n;)
        dkim_verify_body(v, piece_of(&body, &turn));
    size_t count = dkim_verify_end(v, &lookup, results);
    printf("%s", name);
    for (size_t i = 0; i < count; i++)
        printf(" %s", trust_result_name(results[i].result));
    printf("%s\n", count ? "" : " none");
    dkim_verify_free(v);
}

static int verify_all(const char *zone, const char *folder)
{
    struct bytes text;
    bytes_init(&text, FILE_LIMIT);
    need(file_read(AT_FDCWD, zone, &text) == ST_OK, zone);
    each(folder, verify_one, &text);
    bytes_free(&text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "keys") == 0)
        return make_keys(argv[2], argv[3]);
    if (argc == 7 && strcmp(argv[1], "sign") == 0)
        return sign_all(argv + 2);
    if (argc == 4 && strcmp(argv[1], "verify") == 0)
        return verify_all(argv[2], argv[3]);
    fprintf(stderr, "usage: dkim keys|sign|verify ...\n");
    return 64;
}
