/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lies of smtpd's session about a message that it hands over: what is to stand before it, what the log is to
 * call it, and bits. Part of lying-smtp.c.
 */
#ifndef POSTERN_TESTS_LYING_COMMIT_H
#define POSTERN_TESTS_LYING_COMMIT_H

static void lie_added(struct serving *s)
{
    envelope(s);
    commit_adding(s, 0, SPAN("X-Added: yes\r\n"), SPAN(BODY));
}

static void lie_added_body(struct serving *s)
{
    envelope(s);
    commit_adding(s, 0, SPAN("X-Added: yes\r\n\r\nbody\r\n"), SPAN(BODY));
}

static void lie_added_line(struct serving *s)
{
    envelope(s);
    commit_adding(s, 0, SPAN("X-Added: yes\nT x@far.test\r\n"), SPAN(BODY));
}

static void lie_added_much(struct serving *s)
{
    static char field[SMTPD_FIELDS_LIMIT + 2];
    memset(field, 'x', sizeof field);
    memcpy(field, "X: ", 3);
    memcpy(field + sizeof field - 2, "\r\n", 2);
    envelope(s);
    commit_adding(s, 0, (struct span){ field, sizeof field }, SPAN(BODY));
}

/* What the log would say of it is not for the session to write. */
static void lie_message_id(struct serving *s)
{
    envelope(s);
    commit_called(s, 0, SPAN(""), SPAN("a@b\" to=x@far.test\nevent=accepted id=1"), SPAN(BODY));
}

static void lie_message_id_long(struct serving *s)
{
    static char id[MESSAGE_ID_LIMIT + 1];
    memset(id, 'x', sizeof id);
    envelope(s);
    commit_called(s, 0, SPAN(""), (struct span){ id, sizeof id }, SPAN(BODY));
}

static void lie_junk(struct serving *s)
{
    envelope(s);
    commit_as(s, COMMIT_JUNK, SPAN(BODY));
}

static void lie_bits(struct serving *s)
{
    envelope(s);
    commit_as(s, COMMIT_BITS + 1, SPAN(BODY));
}

#define COMMIT_LIES                                                                                          \
    { "added", lie_added }, { "added-body", lie_added_body }, { "added-line", lie_added_line },              \
    { "added-much", lie_added_much }, { "message-id", lie_message_id },                                      \
    { "message-id-long", lie_message_id_long }, { "junk", lie_junk }, { "bits", lie_bits }

#endif
