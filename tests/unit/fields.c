/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a mail server looks for in a header section.
 */
#include "text/fields.h"
#include "text/header.h"
#include "tap.h"

#include <string.h>

static const struct {
    const char *message;
    bool begins;
} begins[] = {
    { "Subject: x\r\n", true },   { "Subject : x\r\n", true },        { "\r\nbody\r\n", true },
    { "\nbody", true },           { "hello world\r\n", false },       { ": x\r\n", false },
    { " Subject: x\r\n", false }, { "From a@b.test Mon\r\n", false }, { "", false },
    { "Subject", false },         { "S\xc3\xa4: x\r\n", false },
};

static const struct {
    const char *header, *expected;
} without[] = {
    { "A: 1\r\nBcc: x\r\n y\r\nB: 2\r\n\r\n", "A: 1\r\nB: 2\r\n\r\n" },
    { "bcc: x\r\n\r\n", "\r\n" },
    { "BCC: x\r\nBcc: y\r\nA: 1\r\n", "A: 1\r\n" },
    { "A: 1\nReturn-Path: <x>\n\n", "A: 1\n\n" },
    { "A: 1\r\n\r\n", "A: 1\r\n\r\n" },
    { "", "" },
};

static const struct {
    const char *fields;
    bool whole;
} whole[] = {
    { "", true },
    { "A: 1\r\n", true },
    { "A: 1\r\n\tmore\r\nB:\r\n", true },
    { "A: 1", false },
    { "A: 1\n", false },
    { "\r\n", false },
    { "A: 1\r\n\r\n", false },
    { "A: 1\r\n\r\nB: 2\r\n", false },
    { " A: 1\r\n", false },
    { "text\r\n", false },
    { "A: 1\rB: 2\r\n", false },
    { "A: 1\r\r\n", false },
};

static const struct {
    const char *title;
    struct span value;
    const char *expected;
} ids[] = {
    { "as it should be", SPAN(" <a.1@b.test>"), "a.1@b.test" },
    { "as it is copied", SPAN("a.1@b.test"), "a.1@b.test" },
    { "with its field's name", SPAN("Message-ID: <a@b>"), "a@b" },
    { "folded", SPAN("\r\n\t<a@b>"), "a@b" },
    { "folded inside", SPAN(" <a@\r\n b>"), "a@ b" },
    { "with a comment behind", SPAN(" <a@b> (<c@d>)"), "a@b" },
    { "two", SPAN("<a@b> <c@d>"), "a@b" },
    { "blanks inside", SPAN("< a b@c >"), "a b@c" },
    { "quoted", SPAN("<\"a\\\"b\"@c>"), "\"a\\\"b\"@c" },
    { "no end", SPAN("<a@b"), "a@b" },
    { "no beginning", SPAN("a@b> c"), "a@b" },
    { "UTF-8 (RFC 6532)", SPAN("<\xc3\xa4@b>"), "\xc3\xa4@b" },
    { "an end alone", SPAN(">"), "" },
    { "nothing in it", SPAN(" <>"), "" },
    { "nothing", SPAN(""), "" },
    { "none", { NULL, 0 }, "" },
    { "a NUL", SPAN("<a\0b@c>"), "" },
};

static void read_ids(void)
{
    char id[MESSAGE_ID_LIMIT + 1], text[MESSAGE_ID_LIMIT + 3];
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        message_id_read(ids[i].value, id);
        if (!ok(strcmp(id, ids[i].expected) == 0, "Message-ID: %s", ids[i].title))
            printf("# got %s\n", id);
    }
    memset(text, 'x', sizeof text);
    text[0] = '<';
    message_id_read((struct span){ text, sizeof text }, id);
    ok(strlen(id) == MESSAGE_ID_LIMIT && strspn(id, "x") == MESSAGE_ID_LIMIT, "Message-ID: a long one is cut");
}

int main(void)
{
    read_ids();
    static const char *const names[] = { "Bcc", "Return-Path", NULL };
    struct bytes out;
    struct fields f;
    bytes_init(&out, 4096);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        ok(fields_begin(span_of(begins[i].message)) == begins[i].begins, "begins as a message, row %zu",
           i + 1);
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        bytes_clear(&out);
        bool good = fields_without(span_of(without[i].header), names, &out) &&
                    strcmp(bytes_str(&out), without[i].expected) == 0;
        ok(good, "taken out, row %zu", i + 1);
    }
    fields_look(
        SPAN(
            "Received: a\r\nreceived: b\r\nDATE: c\r\nFrom: d\r\nReturn-Path: <>\r\nResent-Bcc: e\r\n\r\nMessage-ID: f\r\n"),
        &f);
    ok(f.received == 2 && f.date && f.from && f.return_path && f.bcc && !f.message_id.p,
       "a header section looked through");
    fields_look(SPAN("Message-Id: <x@y>\r\nMessage-ID: <z@y>\r\n"), &f);
    ok(span_eq_str(f.message_id, " <x@y>") && !f.date && !f.received, "the first Message-ID of another");
    fields_look(SPAN("Message-ID:\r\n"), &f);
    ok(f.message_id.p && f.message_id.n == 0, "one that says nothing is one");
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        ok(fields_whole(span_of(whole[i].fields)) == whole[i].whole, "whole fields, row %zu", i + 1);
    ok(!fields_whole(SPAN("A: \0\r\n")), "no NUL in them");
    bytes_free(&out);
    return done_testing();
}
