/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A policy from its web server (RFC 8461 3.3); see fetcher.h. It reads the policy too: what leaves this
 * process is known to be one, and is written by ourselves.
 */
#include "fetcher.h"
#include "verbs.h"

#include "net/channel.h"
#include "net/https.h"
#include "store/tls_results.h"
#include "store/tls_state.h"
#include "text/mta_sts.h"

#include <stdlib.h>

#define PATH "/.well-known/mta-sts.txt"
#define WHY_LIMIT 200

static enum tls_result fetch(const struct fetcher_start *start, struct bytes *policy, struct bytes *why)
{
    static struct sts_policy read; /* large */
    struct bytes body;
    bytes_init(&body, STS_TEXT_LIMIT);
    int ms = start->timeout < FETCH_MS / 1000 ? (int)start->timeout * 1000 : FETCH_MS;
    enum https_result got =
        https_get(start->socket, start->host, PATH, HTTPS_TEXT_PLAIN, start->roots, ms, &body, why);
    enum tls_result result = got == HTTPS_OK          ? TLS_RESULT_SUCCESS
                             : got == HTTPS_UNTRUSTED ? TLS_RESULT_WEBPKI_INVALID
                                                      : TLS_RESULT_FETCH_ERROR;
    if (got == HTTPS_OK &&
        (sts_policy_read(span_bytes(&body), &read) != ST_OK || !sts_policy_print(&read, policy))) {
        bytes_add_str(why, "the text isn't a policy");
        result = TLS_RESULT_POLICY_INVALID;
    }
    bytes_free(&body);
    return result;
}

void fetcher_run(int channel, const struct fetcher_start *start)
{
    struct bytes policy, why;
    struct message *m = malloc(sizeof *m);
    bytes_init(&policy, TLS_STATE_POLICY_LIMIT);
    bytes_init(&why, WHY_LIMIT);
    if (m) {
        enum tls_result result = fetch(start, &policy, &why);
        message_start(m, VERB_FETCHED);
        message_put_u64(m, result);
        message_put_str(m, bytes_str(&why));
        message_put_str(m, result == TLS_RESULT_SUCCESS ? bytes_str(&policy) : "");
        channel_send(channel, m);
    }
    bytes_free(&policy);
    bytes_free(&why);
    free(m);
}
