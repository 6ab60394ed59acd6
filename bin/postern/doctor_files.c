/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: settings, tables, permissions, the queue and upkeep. It is done as who runs the server:
 * what he can't look at, the server can't either.
 */
#include "doctor.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/dkim_keys.h"
#include "store/queue.h"
#include "store/srs.h"
#include "upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define OLD_DAY 86400        /* a message that waits for longer */
#define UPKEEP_SECONDS 7200  /* twice as long as upkeep waits at most */
#define OVERDUE_SECONDS 1800 /* and one that should have been tried by then */

/* --- permissions --- */

enum place { BY_SETTINGS, IN_SPOOL, MAIL_ROOT, SETTINGS_FILE };

static const struct path_rule {
    enum place place;
    const char *name;
    mode_t not ; /* what others must not be allowed */
    bool owned;  /* by the owner of the spool; else by root too */
} rules[] = {
    { SETTINGS_FILE, NULL, 022, false },
    { BY_SETTINGS, "", 022, false },
    { BY_SETTINGS, "domains", 022, false },
    { BY_SETTINGS, "accounts", 022, false },
    { BY_SETTINGS, "aliases", 022, false },
    { BY_SETTINGS, "secrets", 077, true },
    { BY_SETTINGS, "secrets.gdbm", 077, true },
    { BY_SETTINGS, "masters", 077, true },
    { BY_SETTINGS, "masters.gdbm", 077, true },
    { BY_SETTINGS, "route-secrets", 077, true },
    { BY_SETTINGS, SRS_KEY_FILE, 077, true },
    { BY_SETTINGS, DKIM_KEYS_FOLDER, 077, true },
    { IN_SPOOL, "", 077, true },
    { IN_SPOOL, "queue", 077, true },
    { IN_SPOOL, "login.key", 077, true },
    { MAIL_ROOT, NULL, 077, true },
};

static bool rule_path(const struct doctor *d, const struct path_rule *r, struct bytes *path)
{
    const struct settings *s = &d->a->s;
    bytes_clear(path);
    switch (r->place) {
    case MAIL_ROOT:
        return settings_mail_root(s, path);
    case SETTINGS_FILE:
        return bytes_add_str(path, s->file);
    default:
        return bytes_printf(path, "%s%s%s", r->place == IN_SPOOL ? s->spool : s->directory,
                            r->name[0] ? "/" : "", r->name);
    }
}

static void check_path(struct doctor *d, const struct path_rule *r, const char *path, uid_t owner)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        if (errno != ENOENT)
            doctor_found(d, "give it to the owner of the spool", "%s: %s", path, strerror(errno));
        return;
    }
    if (info.st_mode & r->not )
        doctor_found(d,
                     r->not == 022 ? "chmod go-w" : "chmod go=", "%s: others than its owner may %s it (%o)",
                     path, r->not == 022 ? "write" : "read", info.st_mode & 0777);
    if (info.st_uid != owner && (r->owned || info.st_uid != 0))
        doctor_found(d, "give it to the owner of the spool (chown)",
                     "%s: belongs to user %u, the server runs as %u", path, (unsigned)info.st_uid,
                     (unsigned)owner);
}

void doctor_permissions(struct doctor *d)
{
    struct bytes path;
    struct stat info;
    if (stat(d->a->s.spool, &info) != 0) {
        doctor_found(d, "postern setup makes it", "%s: %s", d->a->s.spool, strerror(errno));
        return;
    }
    bytes_init(&path, PATH_MAX);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rule_path(d, &rules[i], &path))
            check_path(d, &rules[i], bytes_str(&path), info.st_uid);
    bytes_free(&path);
}

/* --- tables --- */

static void check_table(struct doctor *d, enum table_name name)
{
    static const char todo[] = "run postern tables";
    char text[PATH_MAX], path[PATH_MAX];
    struct table *table = NULL;
    if (!tables_path(&d->a->s, name, false, text, sizeof text) ||
        !tables_path(&d->a->s, name, true, path, sizeof path))
        return;
    enum status st = table_open(path, &table);
    if (st == ST_NONE) {
        if (access(text, F_OK) == 0)
            doctor_found(d, todo, "%s: was never compiled", text);
        return;
    }
    if (st != ST_OK)
        doctor_found(d, todo, "%s: can't be read: %s", path,
                     errno == EBADMSG ? "it is damaged" : strerror(errno));
    else if (tables_fresh(&d->a->s, name, table) == ST_NONE)
        doctor_found_as(d, SEVERITY_WARNING, todo,
                        "%s: was changed since it was compiled, and the old contents count", text);
    if (table)
        table_close(table);
}

void doctor_tables(struct doctor *d)
{
    for (int t = 0; t < TABLES; t++)
        check_table(d, (enum table_name)t);
    if (d->domain_count == 0)
        doctor_found(d, "postern domain add", "%s/domains: names no domain, so no mail is taken",
                     d->a->s.directory);
}

/* --- the queue --- */

static bool is_held(const struct queue_message *m)
{
    for (size_t i = 0; i < m->recipient_count; i++)
        if (m->recipients[i].mark != QUEUE_HELD && m->recipients[i].mark != QUEUE_DONE)
            return false;
    return true;
}

struct queue_sight {
    size_t old, overdue, damaged, held;
    int64_t oldest; /* seconds since 1970 */
};

static void see_message(int dir, const struct queue_place *p, struct queue_sight *q)
{
    struct queue_message m;
    int64_t now = clock_now();
    enum status st = queue_read_place(dir, p, false, &m);
    if (st == ST_PERM)
        q->damaged++;
    if (st != ST_OK)
        return;
    /* Its sender may have asked for a time (FUTURERELEASE). */
    int64_t since = m.options.release > m.queued ? m.options.release : m.queued;
    if (is_held(&m)) {
        q->held++;
    } else {
        q->old += now - since > OLD_DAY;
        q->overdue += now - (m.next_attempt > since ? m.next_attempt : since) > OVERDUE_SECONDS;
        if (now - since > OLD_DAY && (q->oldest == 0 || since < q->oldest))
            q->oldest = since;
    }
    queue_message_free(&m);
}

void doctor_queue(struct doctor *d)
{
    struct queue_sight q = { 0 };
    struct queue_place *places = NULL;
    size_t count = 0;
    int dir = -1;
    if (access(d->a->s.spool, X_OK) != 0 || queue_open(d->a->s.spool, &dir) != ST_OK ||
        queue_list(dir, false, &places, &count) != ST_OK)
        doctor_found_as(d, SEVERITY_ERROR, "postern setup mends the spool", "%s/queue: %s", d->a->s.spool,
                        strerror(errno));
    for (size_t i = 0; i < count; i++)
        see_message(dir, &places[i], &q);
    free(places);
    file_close(dir);
    if (q.damaged)
        doctor_found_as(d, SEVERITY_ERROR, "the log names them", "%zu messages of the queue are damaged",
                        q.damaged);
    if (q.overdue)
        doctor_found_as(
            d, SEVERITY_ERROR,
            "see that postern-qrun.timer is active, or cron starts qrun; journalctl -u postern-qrun",
            "%zu messages of the queue should have been tried half an hour ago", q.overdue);
    if (q.old)
        doctor_found(d, "postern queue shows what the other sides say",
                     "%zu messages wait for more than a day, the oldest for %" PRId64 " hours", q.old,
                     (clock_now() - q.oldest) / 3600);
    if (q.held)
        doctor_found_as(d, SEVERITY_NOTE, "postern queue release, or drop",
                        "%zu messages of the queue are held", q.held);
}

/* --- upkeep --- */

static bool has_limits(struct doctor *d)
{
    struct bytes text;
    struct span rest, line;
    bool found = d->a->s.quota_storage || d->a->s.quota_messages;
    if (edit_read(d->a, TABLE_ACCOUNTS, &text) == EX_OK)
        for (rest = span_bytes(&text); !found && edit_next(&rest, &line);)
            found = tables_first_word(line).n < line.n;
    bytes_free(&text);
    return found;
}

/* Who has only just asked for it may wait for the next run. */
void doctor_upkeep(struct doctor *d)
{
    const struct settings *s = &d->a->s;
    struct expire_rules folders;
    struct stat info;
    const char *wrong;
    int64_t since = upkeep_last(s), now = clock_now();
    if (expire_rules_read(s, &folders, &wrong) == ST_PERM)
        doctor_found_as(d, SEVERITY_ERROR, "correct it in postern.conf",
                        "expire %s: that can't be a folder's name", wrong);
    else
        expire_rules_free(&folders);
    if (stat(s->file, &info) == 0 && info.st_mtim.tv_sec > since)
        since = info.st_mtim.tv_sec;
    if (now - since > UPKEEP_SECONDS && (s->expiry_count || (s->quota_warnings.count && has_limits(d))))
        doctor_found(d,
                     "systemctl enable --now postern-upkeep.timer, or have cron start postern upkeep --due",
                     "for %" PRId64 " hours nothing has expired, and nobody was warned of a full mailbox",
                     (now - since) / 3600);
}

/* --- settings --- */

static bool trusts_all(const struct settings *s)
{
    for (size_t i = 0; i < s->network_count; i++)
        if (s->networks[i].prefix == 0 || s->networks[i].prefix == 96)
            return true;
    return false;
}

static bool learns_half(const struct settings *s)
{
    return !s->learn_spam[0] != !s->learn_ham[0];
}
static bool other_smtp(const struct settings *s)
{
    return s->smtp_port != 25;
}
static bool other_https(const struct settings *s)
{
    return s->https_port != 443;
}
static bool plaintext(const struct settings *s)
{
    return s->plaintext_login;
}
static bool allow_alone(const struct settings *s)
{
    return s->dns_allow.count && !s->dns_block.count && !s->greylist && s->reverse_dns == REVERSE_OFF &&
           !s->domain_block.count;
}
static bool exempt_alone(const struct settings *s)
{
    return s->dnssec_exempt[0] && !s->trust_anchor[0] && access("/usr/share/dns/root.key", F_OK) != 0;
}
static bool retries_late(const struct settings *s)
{
    return s->retry_first > s->retry_max;
}
static bool notices_never(const struct settings *s)
{
    return s->delay_notice && s->delay_notice >= s->queue_lifetime;
}

static const struct {
    const char *key;
    enum severity severity;
    bool (*found)(const struct settings *s);
    const char *text, *todo;
} setting_rules[] = {
    { "networks", SEVERITY_ERROR, trusts_all, "lets everybody send mail through this server",
      "name your own networks only" },
    { "plaintext-login", SEVERITY_WARNING, plaintext, "lets passwords be sent without TLS", "remove it" },
    { "smtp-port", SEVERITY_WARNING, other_smtp, "no other mail server listens there, but on port 25",
      "remove it" },
    { "https-port", SEVERITY_WARNING, other_https,
      "policies of MTA-STS are on port 443 only, so it finds none (RFC 8461 3.3)", "remove it" },
    { "learn-spam, learn-ham", SEVERITY_WARNING, learns_half,
      "a filter that learns of one kind only goes wrong", "set both" },
    { "dns-allow", SEVERITY_WARNING, allow_alone,
      "is never used: nothing is set that it would make an exception from",
      "remove it, or set dns-block, greylist or reverse-dns" },
    { "dnssec-exempt", SEVERITY_WARNING, exempt_alone,
      "is never used: without a trust anchor nothing is verified",
      "install dns-root-data, or set trust-anchor" },
    { "retry-first", SEVERITY_WARNING, retries_late, "is never used: it is more than retry-max",
      "make it less" },
    { "delay-notice", SEVERITY_WARNING, notices_never,
      "is never used: mail goes back before, by queue-lifetime", "make it less, or 0" },
};

void doctor_settings(struct doctor *d)
{
    for (size_t i = 0; i < sizeof setting_rules / sizeof setting_rules[0]; i++)
        if (setting_rules[i].found(&d->a->s))
            doctor_found_as(d, setting_rules[i].severity, setting_rules[i].todo, "%s: %s",
                            setting_rules[i].key, setting_rules[i].text);
}
