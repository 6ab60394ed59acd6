/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing a stranger's message that an alias sends on (ARC, RFC 8617), by the domain of the address for which
 * it came: who gets it then sees that we checked it, and what that came to, though SPF fails by our address
 * and a list's footer may have broken the author's signature.
 *
 * It is the last that is done to a message, as is signing of what is submitted, and done by the same keys;
 * the guard says by which, and sees what it signs (guard_sign.c). A seal is a help for the next server, and
 * no condition for ours: a message that can't be sealed goes on without.
 */
#include "session_seal.h"
#include "session_sign.h"
#include "session_trust.h"
#include "session_view.h"
#include "base/clock.h"

static enum status sign_data(void *keys, struct span data, struct bytes *signature)
{
    return data.n > CHANNEL_PIECE ? ST_PERM : sign_with(keys, 0, data, signature);
}

/* The set, of a message whose header is `header` then. */
static enum status make_set(const struct incoming *in, const struct message_view *v, struct sign_keys *k,
                            struct span header, struct bytes *set)
{
    const struct trust *t = in->trust;
    struct bytes results;
    struct arc_sealing what = {
        .header = header,
        .body = v->body,
        .chain = &t->chain,
        .domain = k->domain,
        .selector = k->selectors[0],
        .algorithm = k->algorithms[0],
        .now = clock_now(),
    };
    bytes_init(&results, SMTPD_FIELDS_LIMIT);
    enum status st = ST_PERM;
    if (trust_results(in, arc_next_instance(&t->chain), &results)) {
        what.results = span_bytes(&results);
        st = arc_seal(&what, sign_data, k, set);
    }
    bytes_free(&results);
    return st;
}

/* On top of what others have added. False: there is no room. */
static bool put_set(struct incoming *in, struct bytes *set)
{
    if (set->len + in->added.len > in->added.limit || !bytes_add_span(set, span_bytes(&in->added)))
        return false;
    bytes_clear(&in->added);
    if (!bytes_add_span(&in->added, span_bytes(set)))
        in->trouble = VERDICT_FAILED;
    return true;
}

static bool seal(struct incoming *in, struct sign_keys *k)
{
    struct message_view v;
    struct bytes header, set;
    bool good = view_open(in, &v);
    bytes_init(&header, in->added.limit + v.header.n);
    bytes_init(&set, 2 * in->added.limit);
    bytes_add_span(&header, span_bytes(&in->added));
    good = good && bytes_add_span(&header, v.header) &&
           make_set(in, &v, k, span_bytes(&header), &set) == ST_OK && put_set(in, &set);
    bytes_free(&set);
    bytes_free(&header);
    view_close(&v);
    return good;
}

void session_seal(struct incoming *in)
{
    const struct trust *t = in->trust;
    struct sign_keys k;
    if (!t || !t->arc || t->chain.temporary || !arc_next_instance(&t->chain))
        return;
    in->trouble = sign_find_keys(in->session, SIGN_SEAL, SPAN(""), &k);
    if (in->trouble != VERDICT_OK || !k.count || seal(in, &k) || in->session->ended)
        return;
    guard_log(in->session->serving->channel, "not-sealed",
              SPAN("too much is to be sealed, or a filter changed the chain of seals, or there is no From"));
}
