/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password checks; see login.h. Opens the tables for each check and keeps nothing.
 *
 * A hash costs 16 MiB and tens of milliseconds, so only LOGIN_SLOTS of them run at a time on
 * this machine, whatever number of connections asks: each holds a lock on one of so many files in
 * spool/slots. Who gets none within SLOT_WAIT_MS, or can't lock, gets ST_TEMP: it fails closed. The kernel
 * frees the slots of those who die.
 *
 * What a failure takes is counted from before the hash, so that how long a hash took, which differs from
 * scheme to scheme, doesn't tell who has an account.
 */
#include "store/login.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "store/directory.h"
#include "store/last_login.h"
#include "store/login_private.h"
#include "store/password.h"
#include "store/secrets.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOGIN_SLOTS 4
#define SLOT_WAIT_MS 10000
#define SLOT_POLL_MS 20
#define FIRST_DELAY_MS 500 /* after a failure; doubles with those of the connection or of its source */
#define DOUBLINGS 4
#define MIX_LIMIT 4096

void login_init(struct login *l, const struct settings *s, const struct peer *peer)
{
    *l = (struct login){ .settings = s, .peer = peer };
}

static void pause_ms(int64_t ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static int try_slot(const struct settings *s, unsigned slot)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/slots/login.%u", s->spool, slot) >= PATH_MAX)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && file_lock(fd, 0) == ST_OK)
        return fd;
    int saved = fd >= 0 ? EWOULDBLOCK : errno;
    file_close(fd);
    errno = saved;
    return -1;
}

int login_take_slot(const struct settings *s)
{
    int64_t deadline = clock_ms() + SLOT_WAIT_MS;
    unsigned first = (unsigned)(random_u64() % LOGIN_SLOTS);
    do {
        for (unsigned i = 0; i < LOGIN_SLOTS; i++) {
            int fd = try_slot(s, (first + i) % LOGIN_SLOTS);
            if (fd >= 0)
                return fd;
            if (errno != EWOULDBLOCK) {
                log_event(LOG_ERR, "login-slots-unusable", "spool", s->spool, "reason", strerror(errno), "do",
                          "run postern setup again", NULL);
                return -1;
            }
        }
        pause_ms(SLOT_POLL_MS);
    } while (clock_ms() < deadline);
    log_event(LOG_WARNING, "login-slots-busy", "reason", "too many logins at once", NULL);
    return -1;
}

static void name_key(struct span name, struct bytes *key)
{
    bytes_clear(key);
    for (size_t i = 0; i < name.n; i++)
        bytes_add_char(key, ascii_lower(name.p[i]));
}

enum status login_find(const struct settings *s, struct span name, bool mix, struct login_found *found)
{
    struct directory *d = NULL;
    struct table *secrets = NULL;
    struct bytes domain;
    struct address asked;
    found->account = (struct address){ .local_length = 0 };
    bytes_init(&found->key, ADDRESS_LIMIT + LOGIN_NAME_LIMIT);
    bytes_init(&found->secret, SECRETS_VALUE_LIMIT);
    bytes_init(&found->mix, MIX_LIMIT);
    bytes_init(&domain, ADDRESS_DOMAIN_LIMIT);
    name_key(name, &found->key);
    enum status st = directory_open_as_needed(s, &d);
    if (st == ST_OK)
        st = tables_open(s, TABLE_SECRETS, &secrets);
    if (st == ST_OK && mix && table_get(secrets, SPAN(SECRETS_MIX), &found->mix) == ST_TEMP)
        st = ST_TEMP;
    if (st == ST_OK && span_find(name, '@') == name.n)
        st = directory_first_domain(d, &domain);
    if (st == ST_OK && !tables_address(name, span_bytes(&domain), &asked))
        st = ST_NONE;
    if (st == ST_OK) {
        name_key(span_of(asked.text), &found->key);
        enum status known = directory_account(d, &asked, &found->account);
        st = status_worse(known, table_get(secrets, span_of(asked.text), &found->secret));
    }
    bytes_free(&domain);
    table_close(secrets);
    directory_close(d);
    return st;
}

void login_found_free(struct login_found *found)
{
    bytes_free(&found->key);
    bytes_wipe(&found->secret);
    bytes_free(&found->mix);
}

enum status login_admit(const struct login *l, const char *user, struct span secret)
{
    const char *peer = l->peer ? l->peer->text : NULL;
    if (!secrets_value_admits(secret, l->peer)) {
        log_event(LOG_NOTICE, "login-refused", "user", user, "peer", peer, "why", "not from this address",
                  "setting", "allow_nets", NULL);
        errno = EPERM;
        return ST_PERM;
    }
    if (secrets_value_disabled(secret)) {
        log_event(LOG_NOTICE, "login-disabled", "user", user, "peer", peer, "why",
                  "the account is disabled, and the password right", NULL);
        errno = EKEYREVOKED;
        return ST_PERM;
    }
    return ST_OK;
}

void login_record(const struct login *l)
{
    char name[sizeof l->master + 1];
    if (!l->service)
        return;
    snprintf(name, sizeof name, "%s%s", l->master[0] ? "*" : "",
             l->master[0]     ? l->master
             : l->password[0] ? l->password
                              : "-");
    if (!last_login_note(l->settings, &l->account, name, l->service,
                         l->peer && l->peer->text[0] ? l->peer->text : "-"))
        log_event(LOG_WARNING, "last-login-unusable", "user", l->account.text, "why", strerror(errno), NULL);
}

/* The app passwords first: their hashes are fast, and who has one needn't pay for the other. Who has none
 * pays for both, as one does for an account that isn't there, but for microseconds. */
enum status login_try(struct login *l, struct span secret, struct span password)
{
    struct span rest = secrets_value_extra(secret);
    struct secrets_app app;
    l->password[0] = '\0';
    while (secrets_app_next(&rest, &app))
        if (password_check(app.hash, password) == ST_OK)
            return span_copy(app.name, l->password, sizeof l->password) ? ST_OK : ST_TEMP;
    return password_check(secrets_value_hash(secret), password);
}

/* With a slot held. errno as for login_check(). */
static enum status check_found(struct login *l, const struct login_found *found, bool has_secret,
                               struct span name, struct span password)
{
    struct span key = span_bytes(&found->key), secret = span_bytes(&found->secret);
    enum status st = login_limits_ask(l, key);
    errno = EUSERS;
    if (st != ST_OK)
        return st;
    st = has_secret ? login_try(l, secret, password) : password_check_nobody(name, password);
    int why = EPERM;
    if (st == ST_OK) {
        st = login_admit(l, found->account.text, secret);
        why = errno;
    }
    if (st == ST_PERM && why == EPERM)
        l->failures = login_limits_failed(l, key);
    if (st == ST_OK)
        login_limits_passed(l, key);
    errno = why;
    return st;
}

static enum status check(struct login *l, struct span as, struct span name, struct span password,
                         int64_t *since)
{
    struct login_found found;
    struct span master;
    enum status st = login_find(l->settings, name, false, &found);
    int slot = st == ST_TEMP || st == ST_PERM ? -1 : login_take_slot(l->settings);
    *since = clock_ms();
    if (slot < 0)
        st = ST_TEMP;
    else if (login_is_master(l, &found, st, name, &as, &master))
        st = login_check_master(l, as, master, password);
    else if ((st = check_found(l, &found, st == ST_OK, name, password)) == ST_OK)
        l->account = found.account;
    int why = errno;
    file_close(slot);
    login_found_free(&found);
    errno = why;
    return st;
}

bool login_begin(struct login *l)
{
    login_forget(l);
    if (l->done || l->tries >= LOGIN_TRIES) {
        errno = EACCES;
        return false;
    }
    l->tries++;
    return true;
}

void login_delay(const struct login *l, int64_t since)
{
    unsigned times = l->tries > l->failures ? l->tries : l->failures;
    times = times > DOUBLINGS + 1 ? DOUBLINGS + 1 : times;
    int64_t left = since + (FIRST_DELAY_MS << (times - 1)) - clock_ms();
    if (left > 0)
        pause_ms(left);
}

enum status login_check(struct login *l, struct span as, struct span name, struct span password)
{
    int64_t since = clock_ms();
    if (!login_begin(l))
        return ST_PERM;
    enum status st = ST_PERM;
    errno = EPERM;
    if (as.n <= LOGIN_NAME_LIMIT && name.n <= LOGIN_NAME_LIMIT && password.n <= LOGIN_PASSWORD_LIMIT)
        st = check(l, as, name, password, &since);
    l->done = st == ST_OK;
    if (l->done) {
        login_record(l);
        return ST_OK;
    }
    int why = st == ST_PERM ? errno : EAGAIN;
    login_delay(l, since);
    errno = why;
    return st;
}

unsigned login_says(enum status st, int why)
{
    if (st == ST_PERM && why == EKEYREVOKED)
        return LOGIN_SAYS_DISABLED;
    if (st == ST_PERM && why == EUSERS)
        return LOGIN_SAYS_LIMITED;
    return st == ST_PERM && why == ENOENT ? LOGIN_SAYS_NO_ACCOUNT : st;
}

bool login_split_plain(struct span message, struct span *as, struct span *name, struct span *password)
{
    *as = span_head(message, span_find(message, '\0'));
    if (as->n == message.n)
        return false;
    struct span rest = span_from(message, as->n + 1);
    *name = span_head(rest, span_find(rest, '\0'));
    if (name->n == 0 || name->n == rest.n)
        return false;
    *password = span_from(rest, name->n + 1);
    if (span_eq(*as, *name))
        *as = SPAN("");
    return password->n && span_find(*password, '\0') == password->n;
}
