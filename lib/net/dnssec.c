/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asks by libunbound; see dnssec.h. The one file that includes it. Debian's is built with nettle, not
 * OpenSSL.
 *
 * ub_resolve() works in the calling process, on an event loop of its own. The asynchronous calls are not
 * used: they start a thread or a process. Its answer's packet is read by dns_read(), like any other.
 *
 * libunbound answers some names by itself (RFC 6761), among them all of "test.": those are left to the
 * resolver, as dns_ask() does.
 */
#include "net/dnssec.h"
#include "base/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#define SYSTEM_ANCHORS "/usr/share/dns/root.key"
#define SERVER_TEXT (INET6_ADDRSTRLEN + IF_NAMESIZE + 8)
#define EXEMPT_LIMIT 256 /* bytes of one name */
#define QUESTION_LIMIT 512
#define TYPE_DNSKEY 48
#define CLASS_IN 1

struct dnssec {
    struct ub_ctx *context;
};

static const struct {
    const char *name, *value;
} options[] = {
    /* One process, few questions: no room for a thousand. */
    { "msg-cache-slabs:", "1" },
    { "rrset-cache-slabs:", "1" },
    { "infra-cache-slabs:", "1" },
    { "key-cache-slabs:", "1" },
    { "num-queries-per-thread:", "64" },
    { "outgoing-range:", "32" },
    /* Questions that nobody asked. */
    { "trust-anchor-signaling:", "no" },
    { "root-key-sentinel:", "no" },
};

static const char *const left_to_resolver[] = { "test.", "invalid.", "home.arpa.", "localhost." };

enum status dnssec_read_anchors(const char *file, struct bytes *anchors, struct bytes *error)
{
    bool system = !file[0];
    enum status st = file_read(AT_FDCWD, system ? SYSTEM_ANCHORS : file, anchors);
    if (st == ST_NONE && system)
        return ST_NONE;
    if (st != ST_OK)
        bytes_printf(error, "trust-anchor: %s: %s", system ? SYSTEM_ANCHORS : file,
                     st == ST_PERM ? "larger than 64 KiB" : strerror(errno));
    return st;
}

static void server_text(const struct sockaddr_in6 *server, char text[SERVER_TEXT])
{
    char address[INET6_ADDRSTRLEN], zone[IF_NAMESIZE] = "";
    if (IN6_IS_ADDR_V4MAPPED(&server->sin6_addr))
        inet_ntop(AF_INET, server->sin6_addr.s6_addr + 12, address, sizeof address);
    else
        inet_ntop(AF_INET6, &server->sin6_addr, address, sizeof address);
    bool has_zone = server->sin6_scope_id && if_indextoname(server->sin6_scope_id, zone);
    snprintf(text, SERVER_TEXT, "%s%s%s@%u", address, has_zone ? "%" : "", has_zone ? zone : "",
             ntohs(server->sin6_port));
}

static bool add_anchors(struct ub_ctx *context, struct span text)
{
    struct span line, record;
    bool good = true;
    while (good && span_cut(&text, '\n', &line)) {
        span_cut(&line, ';', &record);
        record = span_trim(record);
        char *copy = record.n ? span_dup(record) : NULL;
        good = !record.n || (copy && ub_ctx_add_ta(context, copy) == 0);
        free(copy);
    }
    return good;
}

static bool add_exempt(struct ub_ctx *context, const char *exempt)
{
    struct span rest = span_of(exempt), name;
    char one[EXEMPT_LIMIT];
    bool good = true;
    while (good && span_cut(&rest, ' ', &name))
        if (name.n)
            good =
                span_copy(name, one, sizeof one) && ub_ctx_set_option(context, "domain-insecure:", one) == 0;
    return good;
}

static bool set_servers(struct ub_ctx *context, const struct dns_resolver *r)
{
    bool good = true;
    for (size_t i = 0; i < r->count && good; i++) {
        char text[SERVER_TEXT];
        server_text(&r->servers[i], text);
        good = ub_ctx_set_fwd(context, text) == 0;
    }
    return good;
}

enum status dnssec_open(const struct dns_resolver *r, struct span anchors, const char *exempt,
                        struct dnssec **out)
{
    struct dnssec *d = calloc(1, sizeof *d);
    *out = NULL;
    if (d)
        d->context = ub_ctx_create();
    if (!d || !d->context) {
        free(d);
        return ST_TEMP;
    }
    ub_ctx_debugout(d->context, NULL);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        ub_ctx_set_option(d->context, options[i].name, options[i].value);
    if (!set_servers(d->context, r) || !add_anchors(d->context, anchors) || !add_exempt(d->context, exempt)) {
        ub_ctx_delete(d->context);
        free(d);
        return ST_PERM;
    }
    for (size_t i = 0; i < sizeof left_to_resolver / sizeof left_to_resolver[0]; i++)
        ub_ctx_zone_remove(d->context, left_to_resolver[i]); /* after this no option can be set */
    *out = d;
    return ST_OK;
}

bool dnssec_works(struct dnssec *d)
{
    struct ub_result *result = NULL;
    bool works = ub_resolve(d->context, ".", TYPE_DNSKEY, CLASS_IN, &result) == 0 && result->secure;
    ub_resolve_free(result);
    return works;
}

/* Into our own form, by our own reader. */
static enum status take(const struct ub_result *result, const char *name, enum dns_type type,
                        struct dns_answer *answer)
{
    const unsigned char *packet = result->answer_packet;
    if (result->bogus || result->answer_len < 2 ||
        !bytes_add(&answer->raw, packet, (size_t)result->answer_len))
        return ST_TEMP;
    return dns_read(answer, name, type, (uint16_t)(packet[0] << 8 | packet[1]));
}

enum status dnssec_ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct dnssec *d = arg;
    struct bytes question;
    struct ub_result *result = NULL;
    bytes_init(&question, QUESTION_LIMIT);
    enum status st = dns_question(name, type, 0, &question); /* is it a name at all? */
    bytes_free(&question);
    if (st != ST_OK)
        return st;
    if (ub_resolve(d->context, name, (int)type, CLASS_IN, &result) != 0)
        return ST_TEMP;
    st = take(result, name, type, answer);
    answer->bogus = result->bogus;
    answer->secure = result->secure && !result->bogus;
    ub_resolve_free(result);
    return st;
}
