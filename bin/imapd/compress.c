/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * COMPRESS (RFC 4978): from behind its tagged OK on, both directions are deflated.
 *
 * What came behind the command is taken as compressed, whether it was read with it or comes later: a client
 * must wait for the answer, and one that sent more in plain is a broken stream, not sometimes a command.
 */
#include "imapd.h"

#include "net/deflate.h"

static void start_deflate(struct imap *i)
{
    deflate_start(i->conn, i->deflate);
    i->deflate = NULL;
}

void command_compress(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span mechanism;
    parser_init(&p, argument, &i->text);
    if (!parse_atom(&p, &mechanism) || !parse_end(&p))
        return reply_bad(i, &p);
    if (!span_ieq_str(mechanism, "DEFLATE")) {
        i->bad++;
        return reply(i, "BAD No such mechanism");
    }
    if (deflate_is_on(i->conn))
        return reply(i, "NO [COMPRESSIONACTIVE] DEFLATE is active already");
    i->deflate = deflate_new();
    if (!i->deflate)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    i->behind_reply = start_deflate;
    reply(i, "OK DEFLATE active");
}
