/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where an address leads in the end; see directory.h.
 *
 * An alias that leads straight back to itself means the account of that name, so that it can keep a copy. Any
 * longer way back to an address is a loop. `postern` refuses tables with loops (alias_draft.c); a file that
 * is included, or an account that was removed, can still make one.
 *
 * What stood behind the delimiter of user+detail goes along to the accounts that it leads to, unless a target
 * has a detail of its own; outside addresses don't get it.
 */
#include "store/directory_private.h"
#include "base/log.h"
#include "store/programs.h"
#include "text/aliases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expansion {
    struct directory *d;
    struct targets *targets;
    size_t first;                             /* targets that the caller had before */
    struct address path[DIRECTORY_DEPTH + 1]; /* the addresses being expanded */
    unsigned depth;
    size_t steps; /* addresses looked at */
    bool reached; /* a target that exists, new or not */
};

/* --- the list */

bool target_same(const struct target *a, const struct target *b)
{
    return address_same(&a->address, &b->address) && !a->program == !b->program &&
           (!a->program || strcmp(a->program, b->program) == 0);
}

/* Takes `program` over. */
static struct target *append(struct targets *t, const struct address *a, char *program)
{
    struct target *more = reallocarray(t->list, t->count + 1, sizeof *more);
    if (!more) {
        free(program);
        return NULL;
    }
    t->list = more;
    more[t->count] = (struct target){ .address = *a, .program = program };
    return &more[t->count++];
}

void target_address(const struct target *t, const struct settings *s, struct address *a)
{
    *a = t->address;
    if (!t->detail[0])
        return;
    size_t local = t->address.local_length + 1 + strlen(t->detail);
    int n = snprintf(a->text, sizeof a->text, "%.*s%c%s@%.*s", SPAN_FMT(address_local(&t->address)),
                     s->recipient_delimiter[0], t->detail, SPAN_FMT(address_domain(&t->address)));
    if (n < 0 || n > ADDRESS_LIMIT || local > ADDRESS_LOCAL_LIMIT)
        *a = t->address;
    else
        a->local_length = local;
}

bool targets_add_outside(struct targets *targets, const struct address *a)
{
    const struct target new = { .address = *a };
    for (size_t i = 0; i < targets->count; i++)
        if (target_same(&targets->list[i], &new)) {
            targets->list[i].forwarded = false;
            return true;
        }
    return append(targets, a, NULL) != NULL;
}

size_t targets_places(const struct targets *targets, const struct targets *more, size_t *places)
{
    size_t all = targets->count;
    for (size_t i = 0; i < more->count; i++) {
        size_t k = 0;
        while (k < targets->count && !target_same(&targets->list[k], &more->list[i]))
            k++;
        places[i] = k < targets->count ? k : all++;
    }
    return all;
}

bool targets_reserve(struct targets *targets, size_t more)
{
    struct target *list = reallocarray(targets->list, targets->count + more + 1, sizeof *list);
    if (list)
        targets->list = list;
    return list != NULL;
}

void targets_join(struct targets *targets, struct targets *more, const size_t *places)
{
    struct target *list = targets->list;
    size_t own = targets->count;
    for (size_t i = 0; i < more->count; i++) {
        struct target *t = &more->list[i];
        if (places[i] < own) {
            list[places[i]].forwarded = list[places[i]].forwarded && t->forwarded;
            list[places[i]].options = t->options;
            free(t->program);
        } else {
            list[targets->count++] = *t;
        }
    }
    free(more->list);
    *more = (struct targets){ .count = 0 };
}

void targets_cut(struct targets *targets, size_t count)
{
    while (targets->count > count)
        free(targets->list[--targets->count].program);
}

void targets_free(struct targets *targets)
{
    targets_cut(targets, 0);
    free(targets->list);
    *targets = (struct targets){ 0 };
}

/* --- adding to it */

static enum status add_target(struct expansion *x, const struct target *new)
{
    struct targets *t = x->targets;
    x->reached = true;
    for (size_t i = 0; i < t->count; i++)
        if (target_same(&t->list[i], new)) {
            t->list[i].forwarded = t->list[i].forwarded && new->forwarded;
            return ST_OK;
        }
    if (t->count - x->first == DIRECTORY_TARGETS) {
        errno = E2BIG;
        return ST_PERM;
    }
    char *program = new->program ? strdup(new->program) : NULL;
    struct target *added = !new->program || program ? append(t, &new->address, program) : NULL;
    if (!added)
        return ST_TEMP;
    added->local = new->local;
    added->account = new->account;
    added->forwarded = new->forwarded;
    memcpy(added->detail, new->detail, sizeof added->detail);
    return ST_OK;
}

static enum status add_outside(struct expansion *x, const struct address *a)
{
    const struct target t = { .address = *a, .forwarded = x->depth > 0 };
    return add_target(x, &t);
}

static enum status add_account(struct expansion *x, const struct found *f, const char *detail)
{
    struct target t = { .address = f->address, .local = true, .account = true };
    snprintf(t.detail, sizeof t.detail, "%s", f->detail[0] ? f->detail : detail);
    return add_target(x, &t);
}

static enum status add_program(struct expansion *x, const struct found *f, const char *detail, unsigned index)
{
    char name[PROGRAM_NAME_LIMIT];
    struct target t = { .address = f->address, .program = name };
    snprintf(t.detail, sizeof t.detail, "%s", f->detail[0] ? f->detail : detail);
    if (programs_name(name, f->key, index))
        return add_target(x, &t);
    errno = E2BIG;
    return ST_PERM;
}

/* --- expanding */

static enum status expand(struct expansion *x, const struct address *a, const char *detail);

static enum status expand_address(struct expansion *x, const struct found *f, const struct address *target,
                                  const char *detail)
{
    enum status st = expand(x, target, f->detail[0] ? f->detail : detail);
    if (st != ST_NONE)
        return st;
    log_event(LOG_WARNING, "alias-target-unknown", "alias", f->address.text, "target", target->text, NULL);
    return ST_OK;
}

/* `line` is the first of `count` bad ones: a file may have very many, and is read at each RCPT. */
static void log_include(struct span path, unsigned line, unsigned count)
{
    char *file = span_dup(path), number[16], lines[16];
    snprintf(number, sizeof number, "%u", line);
    snprintf(lines, sizeof lines, "%u", count);
    log_event(LOG_WARNING, "include-line", "file", file, "line", number, "bad-lines", lines, "why",
              "is no address, and was passed over", NULL);
    free(file);
}

static bool has_only_words(struct span line, struct bytes *word)
{
    const char *wrong = NULL;
    struct address a;
    bool good = true;
    while (good && alias_target_next(&line, word, &wrong))
        good = aliases_address(span_bytes(word), &a);
    return good && !wrong;
}

/* As a header field has them: with names and comments (RFC 5322 3.4). */
static enum status expand_mailboxes(struct expansion *x, const struct found *f, const char *detail,
                                    struct span line, bool *good)
{
    struct address_entry e = { .kind = ADDRESS_MAILBOX };
    struct address parsed, target;
    enum status st = ST_OK;
    while (st == ST_OK && address_list_more(&line, &e)) {
        bool known = e.kind == ADDRESS_MAILBOX &&
                     (e.domain.len ? address_of_entry(&e, &parsed) == ADDRESS_OK
                                   : aliases_address(span_bytes(&e.local), &parsed)) &&
                     directory_canonical(x->d, &parsed, &target) == ST_OK;
        if (known)
            st = expand_address(x, f, &target, detail);
        *good = *good && known;
    }
    address_entry_free(&e);
    return st;
}

/* One line of an included file: addresses, and nothing else. */
static enum status expand_line(struct expansion *x, const struct found *f, const char *detail,
                               struct span line, struct bytes *word, bool *good)
{
    const char *wrong = NULL;
    if ((span_find(line, '<') < line.n || span_find(line, '"') < line.n || span_find(line, '(') < line.n) &&
        !has_only_words(line, word))
        return expand_mailboxes(x, f, detail, line, good);
    enum status st = ST_OK;
    while (st == ST_OK && alias_target_next(&line, word, &wrong)) {
        struct address parsed, target;
        *good = *good && aliases_address(span_bytes(word), &parsed) &&
                directory_canonical(x->d, &parsed, &target) == ST_OK;
        if (*good)
            st = expand_address(x, f, &target, detail);
    }
    *good = *good && !wrong;
    return st;
}

static enum status expand_file(struct expansion *x, const struct found *f, const char *detail,
                               struct span path)
{
    struct bytes text, word;
    struct span rest, line;
    enum status st = directory_include(x->d, path, &text);
    unsigned first = 0, bad = 0;
    bytes_init(&word, ADDRESS_LIMIT);
    rest = span_bytes(&text);
    for (unsigned number = 1; st == ST_OK && span_cut(&rest, '\n', &line); number++) {
        bool good = true;
        line = aliases_uncomment(line);
        if (line.n)
            st = expand_line(x, f, detail, line, &word, &good);
        if (!good && bad++ == 0)
            first = number;
    }
    x->reached = x->reached || st == ST_OK; /* an empty list is one that takes mail */
    int saved = errno;
    if (bad)
        log_include(path, first, bad);
    bytes_free(&word);
    bytes_free(&text);
    errno = saved;
    return st;
}

/* It was valid when it was compiled. */
static enum status compiled_wrong(void)
{
    errno = EBADMSG;
    return ST_TEMP;
}

static enum status expand_targets(struct expansion *x, const struct found *f, const char *detail)
{
    struct span rest = span_bytes(&f->value), line;
    struct address target;
    enum status st = ST_OK;
    unsigned programs = 0;
    while (st == ST_OK && span_cut(&rest, '\n', &line)) {
        if (line.n == 0)
            continue;
        if (line.p[0] == '|')
            st = add_program(x, f, detail, programs++);
        else if (span_istarts(line, ALIASES_INCLUDE))
            st = expand_file(x, f, detail, span_from(line, sizeof ALIASES_INCLUDE - 1));
        else if (address_parse(line, &target) == ADDRESS_OK)
            st = expand_address(x, f, &target, detail);
        else
            st = compiled_wrong();
    }
    return st;
}

static enum status loop(void)
{
    errno = ELOOP;
    return ST_PERM;
}

/* An alias, unless its address is being expanded already. */
static enum status expand_alias(struct expansion *x, const struct found *f, const char *detail)
{
    for (unsigned i = 0; i < x->depth; i++) {
        if (!address_same(&x->path[i], &f->address))
            continue;
        enum status st =
            i + 1 == x->depth ? directory_look(x->d, TABLE_ACCOUNTS, span_of(f->address.text)) : ST_NONE;
        return st == ST_OK ? add_account(x, f, detail) : st == ST_NONE ? loop() : st;
    }
    if (x->depth == DIRECTORY_DEPTH)
        return loop();
    x->path[x->depth++] = f->address;
    enum status st = expand_targets(x, f, detail);
    x->depth--;
    return st;
}

/* `a` is canonical. ST_NONE: ours, and unknown. */
static enum status expand(struct expansion *x, const struct address *a, const char *detail)
{
    struct domain_entry e;
    enum status st = directory_classify(x->d, address_domain(a), &e);
    if (st == ST_NONE)
        return add_outside(x, a);
    if (st != ST_OK)
        return st;
    if (++x->steps > 4 * DIRECTORY_TARGETS) {
        errno = E2BIG;
        return ST_PERM;
    }
    struct found *f = malloc(sizeof *f);
    if (!f)
        return ST_TEMP;
    st = directory_find(x->d, a, &e, f);
    if (st == ST_OK)
        st = f->kind == FOUND_ACCOUNT ? add_account(x, f, detail)
             : f->kind == FOUND_RELAY ? add_outside(x, a)
                                      : expand_alias(x, f, detail);
    int saved = errno;
    bytes_free(&f->value);
    free(f);
    errno = saved;
    return st;
}

enum status directory_expand(struct directory *d, const struct address *a, struct targets *targets)
{
    struct address start;
    struct domain_entry e;
    enum status st = directory_canonical(d, a, &start);
    if (st == ST_OK)
        st = directory_classify(d, address_domain(&start), &e);
    if (st == ST_NONE) {
        errno = EREMOTE;
        return ST_PERM;
    }
    if (st != ST_OK)
        return st;
    struct expansion *x = calloc(1, sizeof *x);
    if (!x)
        return ST_TEMP;
    *x = (struct expansion){ .d = d, .targets = targets, .first = targets->count };
    st = expand(x, &start, "");
    if (st == ST_OK && !x->reached)
        st = ST_NONE; /* an alias none of whose targets exists */
    int saved = errno;
    if (st != ST_OK)
        targets_cut(targets, x->first);
    if (targets->count == 0)
        targets_free(targets);
    free(x);
    errno = saved;
    return st;
}

enum status directory_mailbox(struct directory *d, const struct address *a, struct targets *targets)
{
    struct address account, base;
    char detail[ADDRESS_LOCAL_LIMIT + 1] = "";
    enum status st = directory_account(d, a, &account);
    if (st == ST_NONE && address_part(a, d->settings->recipient_delimiter, &base, detail))
        st = directory_account(d, &base, &account);
    else
        detail[0] = '\0';
    struct target *added = st == ST_OK ? append(targets, &account, NULL) : NULL;
    if (!added)
        return st == ST_OK ? ST_TEMP : st;
    added->local = added->account = true;
    memcpy(added->detail, detail, sizeof detail);
    return ST_OK;
}

enum status directory_may_send_as(struct directory *d, const struct address *account, const struct address *a)
{
    struct targets targets = { 0 };
    struct address as;
    enum status st = directory_canonical(d, a, &as);
    if (st != ST_OK)
        return st == ST_NONE ? ST_PERM : st;
    if (address_same(&as, account))
        return ST_OK;
    st = directory_expand(d, &as, &targets);
    if (st == ST_OK || st == ST_NONE)
        st = ST_PERM;
    for (size_t i = 0; i < targets.count; i++)
        if (targets.list[i].local && address_same(&targets.list[i].address, account))
            st = ST_OK;
    targets_free(&targets);
    return st;
}
