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
    { "Subject: x\r\n", true },      { "Subject : x\r\n", true },  { "\r\nbody\r\n", true }, { "\nbody", true },
    { "hello world\r\n", false },    { ": x\r\n", false },         { " Subject: x\r\n", false },
    { "From a@b.test Mon\r\n", false }, { "", false },             { "Subject", false },
    { "S\xc3\xa4: x\r\n", false },
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

int main(void)
{
    static const char *const names[] = { "Bcc", "Return-Path", NULL };
    struct bytes out;
    struct fields f;
    bytes_init(&out, 4096);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        ok(fields_begin(span_of(begins[i].message)) == begins[i].begins, "begins as a message, row %zu", i + 1);
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        bytes_clear(&out);
        bool good = fields_without(span_of(without[i].header), names, &out) &&
                    strcmp(bytes_str(&out), without[i].expected) == 0;
        ok(good, "taken out, row %zu", i + 1);
    }
    fields_look(SPAN("Received: a\r\nreceived: b\r\nDATE: c\r\nFrom: d\r\nReturn-Path: <>\r\nResent-Bcc: e\r\n\r\nMessage-ID: f\r\n"), &f);
    ok(f.received == 2 && f.date && f.from && f.return_path && f.bcc && !f.message_id, "a header section looked through");
    fields_look(SPAN("Message-Id: <x@y>\r\n"), &f);
    ok(f.message_id && !f.date && !f.received, "another");
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        ok(fields_whole(span_of(whole[i].fields)) == whole[i].whole, "whole fields, row %zu", i + 1);
    ok(!fields_whole(SPAN("A: \0\r\n")), "no NUL in them");
    bytes_free(&out);
    return done_testing();
}
