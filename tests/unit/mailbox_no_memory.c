/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A refresh for which memory runs out, at each allocation in turn: what it doesn't tell the next one does,
 * and nothing is told or shown twice.
 */
#include "refusal.h"
#include "store.h"
#include "../helpers/one_message.h"

enum { FLAGGED = 150, ADDED = 90, EXPUNGED = 3 };

static struct mail *mail;

static struct mailbox *open_box(void)
{
    struct mailbox *box = NULL;
    if (mailbox_open(mail, SPAN("box"), false, &box) != ST_OK)
        exit(1);
    return box;
}

static void fill(size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_file(at("m/.box/cur/%zu.M1P1.host:2,", 1000 + first + i), "x\n");
}

/* Somebody else flags, removes and adds messages, behind those that this round's refresh is told of. */
static void change(struct mailbox *other, size_t round)
{
    static size_t indexes[FLAGGED];
    static unsigned char results[FLAGGED];
    struct flags_store flags = { .change = round % 2 ? FLAGS_REMOVE : FLAGS_ADD,
                                 .flags = FLAG_FLAGGED,
                                 .unchanged_since = UINT64_MAX };
    struct mailbox_changes c;
    for (size_t i = 0; i < FLAGGED; i++)
        indexes[i] = i;
    if (mailbox_store(other, indexes, FLAGGED, &flags, results) != ST_OK)
        exit(1);
    for (size_t i = 0; i < EXPUNGED; i++)
        indexes[i] = FLAGGED + i;
    if (mailbox_expunge(other, indexes, EXPUNGED, &c) != ST_OK)
        exit(1);
    mailbox_changes_free(&c);
    fill(FLAGGED + (round + 1) * ADDED, ADDED);
    if (mailbox_refresh(other, false, &c) != ST_OK || c.added != ADDED)
        exit(1);
    mailbox_changes_free(&c);
}

struct told {
    size_t added, changed, expunged;
    bool once; /* none of these twice */
};

static void add_told(struct told *told, const struct mailbox_changes *c)
{
    told->added += c->added;
    told->changed += c->changed_count;
    told->expunged += c->expunged_count;
    for (size_t i = 1; i < c->changed_count; i++)
        told->once = told->once && c->changed[i] > c->changed[i - 1];
}

static bool shows_the_same(const struct mailbox *box, const struct mailbox *other)
{
    if (box->count != other->count)
        return false;
    for (size_t i = 0; i < box->count; i++)
        if (mailbox_uid(box, i) != mailbox_uid(other, i))
            return false;
    return true;
}

/* False: something is missing, or is there twice. */
static bool refresh_refused(struct mailbox *box, const struct mailbox *other, long allocations)
{
    struct told told = { .once = true };
    struct mailbox_changes c;
    size_t before = box->count;
    left = allocations;
    enum status st = mailbox_refresh(box, false, &c);
    left = -1;
    if (st == ST_OK)
        add_told(&told, &c);
    bool same = st == ST_OK || box->count == before; /* else numbers are shown that nobody was told of */
    mailbox_changes_free(&c);
    for (int i = 0; i < 2; i++) {
        same = same && mailbox_refresh(box, false, &c) == ST_OK;
        add_told(&told, &c);
        mailbox_changes_free(&c);
    }
    if (same && told.once && told.added == ADDED && told.changed == FLAGGED && told.expunged == EXPUNGED &&
        shows_the_same(box, other))
        return true;
    printf("# allocation %ld: %d, then %zu added, %zu changed, %zu expunged, %zu shown of %zu\n", allocations,
           st, told.added, told.changed, told.expunged, box->count, other->count);
    return false;
}

int main(void)
{
    size_t round = 0;
    bool right = true;
    scratch_make("no-memory");
    if (mail_open("m", "mx.test", &mail) != ST_OK || folder_create(mail, SPAN("box")) != ST_OK)
        return 1;
    fill(0, FLAGGED + ADDED);
    struct mailbox *other = open_box(), *box = open_box();
    do {
        change(other, round);
        refused = false;
        right = refresh_refused(box, other, (long)round) && right;
        round++;
    } while (refused && round < 200);
    ok(right && !refused, "each of %zu allocations of a refresh refused: all is told, once", round - 1);
    mailbox_close(box);
    mailbox_close(other);
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
