/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rewriting senders; see srs.h.
 *
 * The hash is compared without regard to case, as libsrs2 does: servers on the way may change it. That leaves
 * some 22 bits, which is what keeps strangers from making us send "bounces" where they like; each guess costs
 * a RCPT, of which a connection has few (guard.c).
 */
#include "store/srs.h"
#include "base/files.h"
#include "base/log.h"
#include "net/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define KEY_LIMIT 4096
#define HASH_TEXT 4
#define DAY 86400
#define SLOTS 1024

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

enum status srs_key(const struct settings *s, struct bytes *key)
{
    char path[PATH_MAX];
    bytes_init(key, KEY_LIMIT);
    int n = snprintf(path, sizeof path, "%s/" SRS_KEY_FILE, s->directory);
    if (n < 0 || (size_t)n >= sizeof path)
        return ST_TEMP;
    enum status st = file_read(AT_FDCWD, path, key);
    if (st == ST_OK && span_trim(span_bytes(key)).n == 0)
        st = ST_NONE;
    if (st == ST_TEMP || st == ST_PERM)
        log_event(LOG_ERR, "srs-key-unusable", "file", path, "why", strerror(errno), NULL);
    return st == ST_PERM ? ST_TEMP : st;
}

/* The next secret of the key. */
static bool next_secret(struct span *key, struct span *secret)
{
    while (span_cut(key, '\n', secret)) {
        while (secret->n && secret->p[secret->n - 1] == '\r')
            secret->n--;
        if (secret->n)
            return true;
    }
    return false;
}

static bool make_hash(struct span secret, struct span text, char out[HASH_TEXT + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char h[HASH_SHA1_SIZE];
    char lower[2 * ADDRESS_LIMIT];
    if (text.n > sizeof lower)
        return false;
    for (size_t i = 0; i < text.n; i++)
        lower[i] = ascii_lower(text.p[i]);
    if (!hash_hmac_sha1(secret, (struct span){ lower, text.n }, h))
        return false;
    unsigned bits = (unsigned)h[0] << 16 | (unsigned)h[1] << 8 | h[2];
    for (int i = 0; i < HASH_TEXT; i++)
        out[i] = digits[bits >> (18 - 6 * i) & 63];
    out[HASH_TEXT] = '\0';
    return true;
}

/* What is hashed: the pieces without the '=' between them. */
static void join(struct bytes *to, struct span a, struct span b, struct span c)
{
    bytes_init(to, 2 * ADDRESS_LIMIT);
    bytes_add_span(to, a);
    bytes_add_span(to, b);
    bytes_add_span(to, c);
}

static bool check_hash(struct span key, struct span hash, struct span a, struct span b, struct span c)
{
    struct bytes text;
    struct span secret;
    char expected[HASH_TEXT + 1];
    bool good = false;
    join(&text, a, b, c);
    while (!good && hash.n == HASH_TEXT && next_secret(&key, &secret))
        good = make_hash(secret, span_bytes(&text), expected) && span_ieq_str(hash, expected);
    bytes_free(&text);
    return good;
}

static int digit32(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    const char *at = c ? strchr(base32, c) : NULL;
    return at ? (int)(at - base32) : -1;
}

static bool is_recent(struct span stamp, int64_t now)
{
    int high = stamp.n == 2 ? digit32(stamp.p[0]) : -1, low = stamp.n == 2 ? digit32(stamp.p[1]) : -1;
    if (high < 0 || low < 0)
        return false;
    int64_t age = (now / DAY % SLOTS - (high * 32 + low) + SLOTS) % SLOTS;
    return age <= SRS_DAYS;
}

static bool is_separator(char c)
{
    return c == '=' || c == '+' || c == '-';
}

static bool has_tag(struct span local, const char *tag)
{
    return local.n > 5 && span_istarts(local, tag) && is_separator(local.p[4]);
}

bool srs_is(const struct address *a)
{
    return has_tag(address_unquoted(a), "SRS0") || has_tag(address_unquoted(a), "SRS1");
}

static enum status finish(const struct bytes *text, struct address *out)
{
    bool good = !text->failed && address_parse(span_bytes(text), out) == ADDRESS_OK;
    return good ? ST_OK : ST_PERM;
}

/* The second server on a way: the first one's name, and its address without the tag. */
static void split_chain(const struct address *sender, struct span *host, struct span *rest)
{
    struct span local = address_unquoted(sender), hash;
    if (has_tag(local, "SRS0")) {
        *host = address_domain(sender);
        *rest = span_from(local, 4);
        return;
    }
    *rest = span_from(local, 5);
    span_cut(rest, '=', &hash);
    span_cut(rest, '=', host);
}

/* Does what stands in the local part lead back to an address? */
static bool leads_back(struct span host, struct span rest)
{
    struct bytes text;
    struct address back;
    bytes_init(&text, ADDRESS_LIMIT);
    bytes_printf(&text, "SRS0%.*s@%.*s", SPAN_FMT(rest), SPAN_FMT(host));
    bool good = host.n && finish(&text, &back) == ST_OK && srs_is(&back);
    bytes_free(&text);
    return good;
}

enum status srs_forward(struct span key, const struct address *sender, struct span ours, int64_t now,
                        struct address *out)
{
    struct span secret, host = address_domain(sender), user = address_unquoted(sender), stamp = SPAN("");
    char hash[HASH_TEXT + 1], day[3] = { base32[now / DAY / 32 % 32], base32[now / DAY % 32] };
    struct bytes text;
    bool chained = srs_is(sender);
    if (user.n == 0 || user.p[0] == '"' || host.n == 0 || !next_secret(&key, &secret))
        return ST_PERM;
    if (chained)
        split_chain(sender, &host, &user);
    else
        stamp = span_of(day);
    join(&text, stamp, host, user);
    bool good = (!chained || leads_back(host, user)) && make_hash(secret, span_bytes(&text), hash);
    bytes_clear(&text);
    bytes_printf(&text, "%s=%s=%s%s%.*s=%.*s@%.*s", chained ? "SRS1" : "SRS0", hash, chained ? "" : day,
                 chained ? "" : "=", SPAN_FMT(host), SPAN_FMT(user), SPAN_FMT(ours));
    enum status st = good ? finish(&text, out) : ST_PERM;
    bytes_free(&text);
    return st;
}

enum status srs_reverse(struct span key, const struct address *a, int64_t now, struct address *out)
{
    struct span rest = span_from(address_unquoted(a), 5), hash, stamp = SPAN(""), host;
    struct bytes text;
    bool chained = has_tag(address_unquoted(a), "SRS1");
    if (!srs_is(a) || !span_cut(&rest, '=', &hash) || (!chained && !span_cut(&rest, '=', &stamp)) ||
        !span_cut(&rest, '=', &host) || host.n == 0 || rest.n == 0 ||
        !check_hash(key, hash, stamp, host, rest) || (!chained && !is_recent(stamp, now)))
        return ST_PERM;
    bytes_init(&text, ADDRESS_LIMIT);
    bytes_printf(&text, "%s%.*s@%.*s", chained ? "SRS0" : "", SPAN_FMT(rest), SPAN_FMT(host));
    enum status st = finish(&text, out);
    bytes_free(&text);
    return st;
}
