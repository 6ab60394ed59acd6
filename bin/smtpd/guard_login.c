/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logins in smtpd's guard: on submission only, a password under TLS only (or with plaintext-login), SCRAM
 * everywhere (store/sasl.h has its rules). One login a connection; it forgets the transaction before it.
 */
#include "guard_private.h"
#include "store/sasl.h"

#include <errno.h>
#include <string.h>

static void forget_transaction(struct guard *guard)
{
    struct smtp_guard *g = guard->program;
    guard_forget_envelope(&g->envelope);
    guard->state = GUARD_IDLE;
}

static enum verdict verdict_of(unsigned says)
{
    if (says == LOGIN_SAYS_DISABLED)
        return VERDICT_DISABLED;
    if (says == LOGIN_SAYS_LIMITED)
        return VERDICT_LIMITED;
    return says == LOGIN_SAYS_NO_ACCOUNT ? VERDICT_NO_USER : guard_verdict((enum status)says);
}

enum guard_next guard_login(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span as, name, password;
    bool allowed = guard_is_submission(g) && (g->key.given || g->settings->plaintext_login);
    if (!message_get(m, &as) || !message_get(m, &name) || !message_get(m, &password) || !message_end(m) ||
        !allowed || g->login.done || as.n > LOGIN_NAME_LIMIT || name.n > LOGIN_NAME_LIMIT ||
        password.n > LOGIN_PASSWORD_LIMIT)
        return GUARD_END;
    forget_transaction(guard);
    enum status st = login_check(&g->login, as, name, password);
    bool over = st == ST_PERM && errno == EACCES;
    unsigned says = login_says(st, errno);
    if (st == ST_OK)
        sasl_guard_done(guard, &g->login, "PLAIN");
    else if (says == ST_PERM && !over)
        sasl_guard_failed(guard, as, name, "PLAIN");
    explicit_bzero(m->data, m->len);
    guard_reply(m, over ? VERDICT_OVER : verdict_of(says));
    return over ? GUARD_DONE : GUARD_REPLY;
}

enum guard_next guard_scram_first(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    return guard_is_submission(g) ? sasl_guard_first(guard, &g->login, g->serving, m) : GUARD_END;
}

enum guard_next guard_scram_final(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    return sasl_guard_final(guard, &g->login, m);
}

enum guard_next guard_scram_enter(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct bytes none;
    bytes_init(&none, 0);
    bool good = sasl_guard_enter(guard, &g->login, m, &none);
    bytes_free(&none);
    if (!good)
        return GUARD_END;
    forget_transaction(guard);
    message_start(m, 0);
    message_put_u64(m, ST_OK);
    message_put_str(m, "");
    return GUARD_REPLY;
}
