/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of passwd-files: Dovecot's, shadow(5)'s, and what isn't one; extra fields and quota rules.
 */
#include "tap.h"

#include "store/passwd_file.h"

#include <string.h>

static const struct {
    const char *name, *line, *stored; /* NULL: refused */
    bool locked, shadow;
    int64_t expires;
    const char *home, *extra;
} rows[] = {
    { "user and password", "a@b:{SSHA}x", "{SSHA}x", false, false, -1, "", "" },
    { "all fields", "a@b:{SSHA}x:1:2:g:/h:/s:u=1:2 v", "{SSHA}x", false, false, -1, "/h", "u=1:2 v" },
    { "no scheme", "a:$6$x$y", "{CRYPT}$6$x$y", false, false, -1, "", "" },
    { "libpam-pwdfile's crypt", "a:abJnggxhB/yWI[13]", "{CRYPT}abJnggxhB/yWI", false, false, -1, "", "" },
    { "its MD5", "a:8292[34]", "{PLAIN-MD5}8292", false, false, -1, "", "" },
    { "its digest", "a:8292[56]:::", "{DIGEST-MD5}8292", false, false, -1, "", "" },
    { "a bracket of another kind", "a:x[12]", "{CRYPT}x[12]", false, false, -1, "", "" },
    { "a bracket in plain text", "a:{PLAIN}x[13]", "{PLAIN}x[13]", false, false, -1, "", "" },
    { "no password", "a", "", false, false, -1, "", "" },
    { "an empty one", "a::1:2::/h::", "", false, false, -1, "/h", "" },
    { "passwd(5)", "a:x:1000:1000:A,,,:/home/a:/bin/sh", "", false, false, -1, "/home/a", "" },
    { "shadow(5)", "a:$6$x$y:19000:0:99999:7:::", "{CRYPT}$6$x$y", false, true, -1, "", "" },
    { "locked", "a:!$6$x$y:19000:0:99999:7:::", "{CRYPT}$6$x$y", true, true, -1, "", "" },
    { "without any", "a:*:19000:0:99999:7:::", "", false, true, -1, "", "" },
    { "never set", "a:!:19000::::::", "", false, true, -1, "", "" },
    { "expiring", "a:$6$x$y:19000:0:99999:7::20000:", "{CRYPT}$6$x$y", false, true, INT64_C(1728000000), "",
      "" },
    { "eight numbers aren't shadow(5)'s nine fields", "a:$6$x$y:1:2::::", "{CRYPT}$6$x$y", false, false, -1,
      "", "" },
    { "nor nine with words", "a:{SSHA}x:1:2::/h::u=1:2", "{SSHA}x", false, false, -1, "/h", "u=1:2" },
    { "{CRYPT} of none", "a:{CRYPT}*", "", false, false, -1, "", "" },
    { "a brace alone", "a:{SSHA", NULL, false, false, -1, "", "" },
};

static void lines(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct passwd_entry e;
        const char *why = passwd_entry_read(span_of(rows[i].line), "CRYPT", &e);
        ok(!why == (rows[i].stored != NULL) &&
               (why || (strcmp(bytes_str(&e.stored), rows[i].stored) == 0 && e.locked == rows[i].locked &&
                        e.shadow == rows[i].shadow && e.expires == rows[i].expires &&
                        span_eq_str(e.home, rows[i].home) && span_eq_str(e.extra, rows[i].extra))),
           "%s: %s", rows[i].name, why ? why : bytes_str(&e.stored));
        passwd_entry_free(&e);
    }
    struct passwd_entry e;
    ok(!passwd_entry_read(SPAN("a:secret"), "PLAIN", &e) &&
           strcmp(bytes_str(&e.stored), "{PLAIN}secret") == 0,
       "another default scheme");
    passwd_entry_free(&e);
    ok(passwd_entry_read(SPAN("a:x\0y"), "PLAIN", &e) != NULL, "a NUL");
    passwd_entry_free(&e);
}

#define UNSET QUOTA_UNSET
static const struct {
    const char *word;
    enum passwd_extra expected;
    uint64_t bytes, messages;
} extras[] = {
    { "nologin", PASSWD_HONOURED, UNSET, UNSET },
    { "allow_nets=10.0.0.0/8", PASSWD_HONOURED, UNSET, UNSET },
    { "userdb_quota_rule=*:storage=1G", PASSWD_HONOURED, UINT64_C(1) << 30, UNSET },
    { "userdb_quota_rule=*:storage=1000", PASSWD_HONOURED, 1024000, UNSET },
    { "userdb_quota_rule=*:bytes=1000", PASSWD_HONOURED, 1000, UNSET },
    { "userdb_quota_rule=*:storage=10M:messages=500", PASSWD_HONOURED, 10485760, 500 },
    { "userdb_quota_rule=*:storage=0", PASSWD_HONOURED, 0, UNSET },
    { "userdb_quota_rule=*:messages=7", PASSWD_HONOURED, UNSET, 7 },
    { "userdb_quota_rule=*:storage=", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_rule=*:storage=1G:mails=1", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_rule=*:storage=99999999999999999G", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_rule=*:storage=+10%%", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_rule=Trash:storage=1G", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_rule2=*:storage=1G", PASSWD_KEPT, UNSET, UNSET },
    { "userdb_quota_storage_size=2G", PASSWD_HONOURED, UINT64_C(2) << 30, UNSET },
    { "userdb_quota_message_count=9", PASSWD_HONOURED, UNSET, 9 },
    { "userdb_mail=maildir:~/Maildir", PASSWD_KEPT, UNSET, UNSET },
    { "proxy", PASSWD_REFUSED, UNSET, UNSET },
    { "proxy=y", PASSWD_REFUSED, UNSET, UNSET },
    { "proxy=no", PASSWD_KEPT, UNSET, UNSET },
    { "nopassword", PASSWD_REFUSED, UNSET, UNSET },
    { "user=other", PASSWD_REFUSED, UNSET, UNSET },
    { "proxying", PASSWD_KEPT, UNSET, UNSET },
    { "=", PASSWD_KEPT, UNSET, UNSET },
};

int main(void)
{
    lines();
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        struct span name;
        struct quota q = { UNSET, UNSET };
        enum passwd_extra got = passwd_extra_read(span_of(extras[i].word), &name, &q);
        ok(got == extras[i].expected && q.bytes == extras[i].bytes && q.messages == extras[i].messages,
           "%s: %d", extras[i].word, (int)got);
    }
    return done_testing();
}
