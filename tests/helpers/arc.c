/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * arc verify ZONE FILE..., arc seal ZONE KEY DOMAIN SELECTOR RESULTS FILE...: as trust/arc.h does, now. ZONE
 * has the TXT records, a line "NAME TEXT" each; KEY is a private key in PEM; RESULTS what the seal says
 * behind the server's name. Verifying prints a line "RESULT NEWEST OLDEST-PASS WHY" for each file; sealing
 * verifies, and writes FILE.sealed.
 */
#include "base/clock.h"
#include "base/files.h"
#include "text/header.h"
#include "trust/arc.h"
#include "zone.h"

#include <fcntl.h>
#include <stdio.h>

static void read_zone(struct span rest, struct dns_zone *zone)
{
    struct span line, name;
    struct bytes text;
    bytes_init(&text, 65536);
    while (span_cut(&rest, '\n', &line)) {
        if (!span_cut(&line, ' ', &name) || !line.n)
            continue;
        bytes_clear(&text);
        bytes_printf(&text, "%.*s TXT %.*s", SPAN_FMT(name), SPAN_FMT(line));
        zone_add(zone, bytes_str(&text));
    }
    bytes_free(&text);
}

static void verify(struct dns_zone *zone, struct span message, struct arc_result *result)
{
    const struct trust_lookup lookup = zone_lookup(zone);
    struct dkim_result dkim[DKIM_SIGNATURES];
    struct span header = span_head(message, header_end(message));
    struct dkim_verifier *body = dkim_verify_start(header, clock_now());
    struct arc_verifier *v = arc_verify_start(header, clock_now(), body);
    for (struct span rest = span_from(message, header.n); rest.n; rest = span_from(rest, 1000))
        dkim_verify_body(body, span_head(rest, 1000));
    dkim_verify_end(body, &lookup, dkim);
    arc_verify_end(v, body, &lookup, result);
    arc_verify_free(v);
    dkim_verify_free(body);
}

static enum status sign(void *arg, struct span data, struct bytes *signature)
{
    unsigned char hash[HASH_SIZE];
    return hash_sha256(data, hash) ? signature_sign(arg, hash, signature) : ST_TEMP;
}

static bool seal(char **argv, struct signature_key *key, struct span message, const struct arc_result *chain,
                 const char *file)
{
    struct bytes results, out;
    char path[4096];
    bytes_init(&results, 65536);
    bytes_init(&out, SIZE_MAX / 2);
    bytes_printf(&results, "ARC-Authentication-Results: i=%u; mx.test; %s\r\n", arc_next_instance(chain),
                 argv[5]);
    const struct arc_sealing what = {
        .header = span_head(message, header_end(message)),
        .body = span_from(message, header_end(message)),
        .chain = chain,
        .results = span_bytes(&results),
        .domain = argv[3],
        .selector = argv[4],
        .algorithm = key->algorithm,
        .now = clock_now(),
    };
    enum status st = arc_seal(&what, sign, key, &out);
    bytes_add_span(&out, message);
    snprintf(path, sizeof path, "%s.sealed", file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bool good = (st == ST_OK || st == ST_PERM) && fd >= 0 && file_write(fd, span_bytes(&out)) == ST_OK;
    file_close(fd);
    bytes_free(&out);
    bytes_free(&results);
    return good;
}

int main(int argc, char **argv)
{
    static struct dns_zone zone;
    struct signature_key key;
    struct bytes text, pem, message;
    bool sealing = argc > 6 && strcmp(argv[1], "seal") == 0;
    bytes_init(&text, 1 << 20);
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&message, SIZE_MAX / 2);
    if (argc < 4 || file_read(AT_FDCWD, argv[2], &text) != ST_OK)
        return 64;
    if (sealing &&
        (file_read(AT_FDCWD, argv[3], &pem) != ST_OK || signature_key_load(span_bytes(&pem), &key) != ST_OK))
        return 65;
    read_zone(span_bytes(&text), &zone);
    for (int i = sealing ? 7 : 3; i < argc; i++) {
        struct arc_result result;
        bytes_clear(&message);
        if (file_read(AT_FDCWD, argv[i], &message) != ST_OK)
            return 66;
        verify(&zone, span_bytes(&message), &result);
        if (!sealing)
            printf("%s %u %u %s\n", trust_result_name(result.result), result.newest, result.oldest_pass,
                   result.why);
        else if (!seal(argv + 1, &key, span_bytes(&message), &result, argv[i]))
            return 73;
    }
    if (sealing)
        signature_key_free(&key);
    bytes_free(&message);
    bytes_free(&pem);
    bytes_free(&text);
    return 0;
}
