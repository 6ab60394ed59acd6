/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The capabilities; see capabilities.h. CAPABILITY's answer is made from this table and from nothing else,
 * and tests/tree.t looks whether each dialogue that it names is there. The man page lists the standards in
 * prose.
 */
#include "capabilities.h"

enum { BOTH = CAPABLE_BEFORE | CAPABLE_AFTER };

struct capability {
    const char *name;
    const char *standard;
    unsigned when;        /* CAPABLE_BEFORE, CAPABLE_AFTER or both */
    unsigned needs;       /* all of these must hold */
    const char *dialogue; /* tests/dialogues/imapd/NAME.txt */
};

static const struct capability table[] = {
    { "IMAP4rev1", "RFC 3501", BOTH, 0, "login" },
    { "IMAP4rev2", "RFC 9051", BOTH, 0, "imap4rev2" },
    /* Never both (RFC 7888 5): large literals are only taken from users. */
    { "LITERAL-", "RFC 7888", CAPABLE_BEFORE, 0, "literals" },
    { "LITERAL+", "RFC 7888", CAPABLE_AFTER, 0, "literals-after-login" },
    { "SASL-IR", "RFC 4959", CAPABLE_BEFORE, 0, "authenticate" },
    { "ID", "RFC 2971", BOTH, 0, "greeting" },
    { "STARTTLS", "RFC 3501", CAPABLE_BEFORE, CAPABLE_STARTTLS, "starttls" },
    { "AUTH=PLAIN", "RFC 4616", CAPABLE_BEFORE, CAPABLE_PASSWORDS, "authenticate" },
    { "AUTH=SCRAM-SHA-256", "RFC 7677", CAPABLE_BEFORE, CAPABLE_SCRAM, "scram" },
    { "AUTH=SCRAM-SHA-256-PLUS", "RFC 7677", CAPABLE_BEFORE, CAPABLE_SCRAM | CAPABLE_TLS, "scram-plus" },
    { "LOGINDISABLED", "RFC 3501", CAPABLE_BEFORE, CAPABLE_REFUSING, "login-disabled" },
    { "ENABLE", "RFC 5161", CAPABLE_AFTER, 0, "enable" },
    { "UTF8=ACCEPT", "RFC 6855", CAPABLE_AFTER, 0, "utf8-names" },
    { "CONDSTORE", "RFC 7162", CAPABLE_AFTER, 0, "condstore" },
    { "QRESYNC", "RFC 7162", CAPABLE_AFTER, 0, "qresync" },
    { "NAMESPACE", "RFC 2342", CAPABLE_AFTER, 0, "namespace" },
    { "IDLE", "RFC 2177", CAPABLE_AFTER, 0, "idle" },
    { "UNSELECT", "RFC 3691", CAPABLE_AFTER, 0, "selected" },
    { "UIDPLUS", "RFC 4315", CAPABLE_AFTER, 0, "copy-move-expunge" },
    { "MOVE", "RFC 6851", CAPABLE_AFTER, 0, "copy-move-expunge" },
    { "CHILDREN", "RFC 3348", CAPABLE_AFTER, 0, "list" },
    { "LIST-EXTENDED", "RFC 5258", CAPABLE_AFTER, 0, "list-extended" },
    { "LIST-STATUS", "RFC 5819", CAPABLE_AFTER, 0, "list-status" },
    { "STATUS=SIZE", "RFC 8438", CAPABLE_AFTER, 0, "list-status" },
    { "SPECIAL-USE", "RFC 6154", CAPABLE_AFTER, 0, "special-use" },
    { "CREATE-SPECIAL-USE", "RFC 6154", CAPABLE_AFTER, 0, "special-use" },
    { "ESEARCH", "RFC 4731", CAPABLE_AFTER, 0, "esearch" },
    { "SEARCHRES", "RFC 5182", CAPABLE_AFTER, 0, "searchres" },
    { "SORT", "RFC 5256", CAPABLE_AFTER, 0, "sort" },
    { "SORT=DISPLAY", "RFC 5957", CAPABLE_AFTER, 0, "sort-display" },
    { "ESORT", "RFC 5267", CAPABLE_AFTER, 0, "esort" },
    { "THREAD=ORDEREDSUBJECT", "RFC 5256", CAPABLE_AFTER, 0, "thread" },
    { "THREAD=REFERENCES", "RFC 5256", CAPABLE_AFTER, 0, "thread" },
    { "I18NLEVEL=1", "RFC 5255", CAPABLE_AFTER, 0, "i18nlevel" },
    { "WITHIN", "RFC 5032", CAPABLE_AFTER, 0, "within" },
    { "COMPRESS=DEFLATE", "RFC 4978", CAPABLE_AFTER, CAPABLE_COMPRESS, "compress" },
    { "OBJECTID", "RFC 8474", CAPABLE_AFTER, 0, "objectid" },
    { "SAVEDATE", "RFC 8514", CAPABLE_AFTER, 0, "savedate" },
    { "PREVIEW", "RFC 8970", CAPABLE_AFTER, 0, "preview" },
    { "QUOTA", "RFC 9208", CAPABLE_AFTER, 0, "quota" },
    { "QUOTA=RES-STORAGE", "RFC 9208", CAPABLE_AFTER, 0, "quota" },
    { "QUOTA=RES-MESSAGE", "RFC 9208", CAPABLE_AFTER, 0, "quota" },
    { "MULTIAPPEND", "RFC 3502", CAPABLE_AFTER, 0, "multiappend" },
    { "BINARY", "RFC 3516", CAPABLE_AFTER, 0, "binary" },
    { "APPENDLIMIT", "RFC 7889", CAPABLE_AFTER, 0, "append" }, /* with its number */
};

static const struct {
    const char *name;
    unsigned bit, implies;
} enables[] = {
    { "IMAP4rev2", ENABLED_REV2, 0 },
    { "UTF8=ACCEPT", ENABLED_UTF8, 0 },
    { "CONDSTORE", ENABLED_CONDSTORE, 0 },
    { "QRESYNC", ENABLED_QRESYNC, ENABLED_CONDSTORE },
};

#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

void capabilities_write(unsigned state, uint64_t append_limit, struct bytes *out)
{
    bytes_add_str(out, "CAPABILITY");
    for (size_t i = 0; i < ROWS(table); i++) {
        const struct capability *c = &table[i];
        if (!(c->when & state) || (c->needs & ~state))
            continue;
        bytes_add_char(out, ' ');
        bytes_add_str(out, c->name);
        if (span_eq_str(SPAN("APPENDLIMIT"), c->name))
            bytes_printf(out, "=%llu", (unsigned long long)append_limit);
    }
}

unsigned capability_enables(struct span name)
{
    for (size_t i = 0; i < ROWS(enables); i++)
        if (span_ieq_str(name, enables[i].name))
            return enables[i].bit | enables[i].implies;
    return 0;
}

const char *capability_enabled_name(size_t n, unsigned *bit)
{
    if (n >= ROWS(enables))
        return NULL;
    *bit = enables[n].bit;
    return enables[n].name;
}
