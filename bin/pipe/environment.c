/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The environment of a command, with the names that Postfix gives:
 *
 *     SENDER              who is told of failures; "" for a bounce
 *     RECIPIENT           the alias, with its detail: list+detail@example.org
 *     ORIGINAL_RECIPIENT  as the sender's server wrote it, where that is known, else RECIPIENT
 *     LOCAL USER LOGNAME  list+detail; list; list
 *     EXTENSION DOMAIN    detail; example.org
 *     QUEUE_ID            for the log
 *     HOME SHELL PATH     of the user that it runs as; /bin/sh; /usr/local/bin:/usr/bin:/bin
 *
 * Addresses come from strangers and commands are shell text: of their characters only those are kept that
 * mean nothing to a shell, the others become '_', as with Postfix' command_expansion_filter. So does a '-' in
 * front, which a program would take for an option.
 */
#include "pipe.h"
#include "text/xtext.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLES 16
#define VALUE_LIMIT 1024

struct environment {
    char **list;
    size_t count;
    bool failed;
};

static bool is_harmless(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!@%-_=+:,./", c));
}

static void add(struct environment *e, const char *name, struct span value, bool from_mail)
{
    char *text = NULL;
    value = span_head(value, VALUE_LIMIT);
    if (e->count + 1 >= VARIABLES || asprintf(&text, "%s=%.*s", name, SPAN_FMT(value)) < 0) {
        e->failed = true;
        return;
    }
    for (char *p = text + strlen(name) + 1; from_mail && *p; p++)
        if (!is_harmless(*p))
            *p = '_';
    if (from_mail && text[strlen(name) + 1] == '-')
        text[strlen(name) + 1] = '_';
    e->list[e->count++] = text;
}

static void add_original(struct environment *e, const struct request *r)
{
    struct bytes original;
    struct span value = span_of(r->original), type;
    bytes_init(&original, VALUE_LIMIT);
    bool known = r->original[0] && span_cut(&value, ';', &type) && xtext_decode(value, &original);
    add(e, "ORIGINAL_RECIPIENT", known ? span_bytes(&original) : span_of(r->recipient.text), true);
    bytes_free(&original);
}

char **environment_make(const struct settings *s, const struct request *r)
{
    struct environment e = { .list = calloc(VARIABLES, sizeof(char *)) };
    char detail[ADDRESS_LOCAL_LIMIT + 1] = "";
    struct address user;
    const struct passwd *own = getpwuid(getuid());
    if (!e.list)
        return NULL;
    if (r->learns || !address_part(&r->recipient, s->recipient_delimiter, &user, detail))
        user = r->recipient;
    add(&e, "SENDER", span_of(r->sender), true);
    add(&e, "RECIPIENT", span_of(r->recipient.text), true);
    add_original(&e, r);
    add(&e, "LOCAL", address_local(&r->recipient), true);
    add(&e, "USER", address_local(&user), true);
    add(&e, "LOGNAME", address_local(&user), true);
    add(&e, "EXTENSION", span_of(detail), true);
    add(&e, "DOMAIN", address_domain(&r->recipient), true);
    add(&e, "QUEUE_ID", span_of(r->id), true);
    add(&e, "HOME", span_of(own ? own->pw_dir : "/"), false);
    add(&e, "SHELL", SPAN("/bin/sh"), false);
    add(&e, "PATH", SPAN("/usr/local/bin:/usr/bin:/bin"), false);
    return e.failed ? NULL : e.list;
}
