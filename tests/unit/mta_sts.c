/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS: records, policies and the hosts they cover; and the HTTP that brings them.
 */
#include "tap.h"

#include "text/http.h"
#include "text/mta_sts.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *text;
    enum status expected;
    const char *id;
} records[] = {
    { "as in the RFC", "v=STSv1; id=20160831085700Z;", ST_OK, "20160831085700Z" },
    { "without the last delimiter", "v=STSv1;id=a", ST_OK, "a" },
    { "blanks around the delimiters", "v=STSv1 \t; id=a1 ; ", ST_OK, "a1" },
    { "an extension", "v=STSv1; id=a; x-y.z_1=what:ever,+", ST_OK, "a" },
    { "an extension first", "v=STSv1; q=1; id=a;", ST_OK, "a" },
    { "the first of two ids", "v=STSv1; id=a; id=b;", ST_OK, "a" },
    { "32 characters", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345;", ST_OK,
      "abcdefghijklmnopqrstuvwxyz012345" },
    { "33 characters", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456;", ST_PERM, "" },
    { "an id with a hyphen", "v=STSv1; id=a-b;", ST_PERM, "" },
    { "an empty id", "v=STSv1; id=;", ST_PERM, "" },
    { "no id", "v=STSv1;", ST_PERM, "" },
    { "no delimiter", "v=STSv1", ST_PERM, "" },
    { "an empty field", "v=STSv1;; id=a", ST_PERM, "" },
    { "a field without a value", "v=STSv1; id=a; x", ST_PERM, "" },
    { "an extension's value with a blank", "v=STSv1; id=a; x=b c", ST_PERM, "" },
    { "another version", "v=STSv2; id=a;", ST_NONE, "" },
    { "another case", "V=STSv1; id=a;", ST_NONE, "" },
    { "SPF", "v=spf1 -all", ST_NONE, "" },
    { "a blank in front", " v=STSv1; id=a;", ST_NONE, "" },
    { "nothing", "", ST_NONE, "" },
};

static void read_records(void)
{
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        char id[STS_ID_LIMIT];
        enum status st = sts_record_read(span_of(records[i].text), id);
        ok(st == records[i].expected && (st != ST_OK || strcmp(id, records[i].id) == 0), "record: %s",
           records[i].name);
    }
}

static const struct {
    const char *name, *text;
    enum status expected;
    enum sts_mode mode;
    uint64_t max_age;
    size_t count;
} policies[] = {
    { "as in the RFC",
      "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n",
      ST_OK, STS_MODE_ENFORCE, 604800, 3 },
    { "CRLF, and no line end at the end", "version: STSv1\r\nmode: testing\r\nmx: a.test\r\nmax_age: 1",
      ST_OK, STS_MODE_TESTING, 1, 1 },
    { "any order", "max_age:5\nmx:a.test\nmode:enforce\nversion:STSv1\n", ST_OK, STS_MODE_ENFORCE, 5, 1 },
    { "blanks behind", "version: STSv1 \nmode: enforce\t\nmx: a.test \nmax_age: 5 \n", ST_OK,
      STS_MODE_ENFORCE, 5, 1 },
    { "an empty line", "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 5\n\n", ST_OK, STS_MODE_ENFORCE,
      5, 1 },
    { "none needs no mx", "version: STSv1\nmode: none\nmax_age: 5\n", ST_OK, STS_MODE_NONE, 5, 0 },
    { "enforce needs one", "version: STSv1\nmode: enforce\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "an extension", "version: STSv1\nmode: none\nmax_age: 5\nx-new: some thing \xc3\xa4\n", ST_OK,
      STS_MODE_NONE, 5, 0 },
    { "the first of two modes", "version: STSv1\nmode: none\nmode: enforce\nmax_age: 5\nmax_age: 6\n", ST_OK,
      STS_MODE_NONE, 5, 0 },
    { "a year at most", "version: STSv1\nmode: none\nmax_age: 9999999999\n", ST_OK, STS_MODE_NONE,
      STS_MAX_AGE, 0 },
    { "eleven digits", "version: STSv1\nmode: none\nmax_age: 00000000001\n", ST_PERM, 0, 0, 0 },
    { "a negative age", "version: STSv1\nmode: none\nmax_age: -1\n", ST_PERM, 0, 0, 0 },
    { "no age", "version: STSv1\nmode: none\n", ST_PERM, 0, 0, 0 },
    { "no mode", "version: STSv1\nmx: a.test\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "no version", "mode: none\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "another version", "version: STSv2\nmode: none\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "another mode", "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "a line that is no field", "version: STSv1\nmode: none\nmax_age: 5\nhello\n", ST_PERM, 0, 0, 0 },
    { "a web page", "<!DOCTYPE html>\n<html><body>Not found: </body></html>\n", ST_PERM, 0, 0, 0 },
    { "an mx that is an address", "version: STSv1\nmode: enforce\nmx: a b\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "a wildcard inside", "version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "a wildcard alone", "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 5\n", ST_PERM, 0, 0, 0 },
    { "nothing", "", ST_PERM, 0, 0, 0 },
};

static void read_policies(void)
{
    static struct sts_policy p;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        enum status st = sts_policy_read(span_of(policies[i].text), &p);
        bool good = st == policies[i].expected;
        if (st == ST_OK)
            good = good && p.mode == policies[i].mode && p.max_age == policies[i].max_age &&
                   p.count == policies[i].count;
        ok(good, "policy: %s", policies[i].name);
    }
    char *many = calloc(1, STS_TEXT_LIMIT + 64);
    strcpy(many, "version: STSv1\nmode: enforce\nmax_age: 5\n");
    for (int i = 0; i < STS_PATTERNS; i++)
        strcat(many, "mx: a.test\n");
    ok(sts_policy_read(span_of(many), &p) == ST_OK && p.count == STS_PATTERNS,
       "policy: as many mx as there may be");
    strcat(many, "mx: a.test\n");
    ok(sts_policy_read(span_of(many), &p) == ST_PERM, "policy: one more");
    size_t n = strlen(many);
    memset(many + n, '\n', STS_TEXT_LIMIT + 1 - n);
    ok(sts_policy_read((struct span){ many, STS_TEXT_LIMIT + 1 }, &p) == ST_PERM, "policy: too long");
    free(many);
}

static const struct {
    const char *pattern, *host;
    bool expected;
} hosts[] = {
    { "mx.example.com", "mx.example.com", true },      { "MX.example.com.", "mx.Example.com", true },
    { "mx.example.com", "mx.example.com.", true },     { "mx.example.com", "a.mx.example.com", false },
    { "*.example.com", "mx.example.com", true },       { "*.example.com", "a.mx.example.com", false },
    { "*.example.com", "example.com", false },         { "*.example.com", ".example.com", false },
    { "*.example.com", "mx.example.com.evil", false }, { "example.com", "mxexample.com", false },
};

static void cover(void)
{
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        static struct sts_policy p;
        char text[200];
        snprintf(text, sizeof text, "version: STSv1\nmode: enforce\nmx: %s\nmax_age: 5\n", hosts[i].pattern);
        enum status st = sts_policy_read(span_of(text), &p);
        ok(st == ST_OK && sts_policy_covers(&p, hosts[i].host) == hosts[i].expected, "%s %s %s",
           hosts[i].pattern, hosts[i].expected ? "covers" : "doesn't cover", hosts[i].host);
    }
}

static const struct {
    const char *name, *text;
    enum status expected;
    unsigned status;
    bool plain, chunked;
    uint64_t length;
} heads[] = {
    { "a plain one",
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n", ST_OK, 200,
      true, false, 5 },
    { "LF alone", "HTTP/1.0 200 OK\ncontent-type:TEXT/PLAIN\n\n", ST_OK, 200, true, false, 0 },
    { "chunks", "HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", ST_OK, 200, false, true, 0 },
    { "no reason", "HTTP/1.1 301\r\nLocation: https://elsewhere/\r\n\r\n", ST_OK, 301, false, false, 0 },
    { "an interim one", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 no\r\n\r\n", ST_OK, 404, false, false, 0 },
    { "another type", "HTTP/1.1 200 OK\r\nContent-Type: text/plainer\r\n\r\n", ST_OK, 200, false, false, 0 },
    { "not all", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", ST_NONE, 0, false, false, 0 },
    { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", ST_PERM, 0, false,
      false, 0 },
    { "length beside chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      ST_PERM, 0, false, false, 0 },
    { "gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ST_PERM, 0, false,
      false, 0 },
    { "a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", ST_PERM, 0, false, false, 0 },
    { "a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", ST_PERM, 0, false, false,
      0 },
    { "a bare CR", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", ST_PERM, 0, false, false, 0 },
    { "another protocol", "SSH-2.0-x\r\n\r\n", ST_PERM, 0, false, false, 0 },
    { "a status too high", "HTTP/1.1 600 x\r\n\r\n", ST_PERM, 0, false, false, 0 },
};

static void read_heads(void)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct http_head h;
        size_t used;
        enum status st = http_head_read(span_of(heads[i].text), &h, &used);
        bool good = st == heads[i].expected;
        if (st == ST_OK)
            good = good && h.status == heads[i].status && h.plain == heads[i].plain &&
                   h.chunked == heads[i].chunked && h.length == heads[i].length &&
                   used == strlen(heads[i].text);
        ok(good, "head: %s", heads[i].name);
    }
}

static const struct {
    const char *name, *text;
    enum status expected;
    const char *body;
} chunks[] = {
    { "two", "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", ST_OK, "abc0123456789" },
    { "a trailer", "1\r\na\r\n0\r\nX: y\r\n\r\n", ST_OK, "a" },
    { "not all of a chunk", "5\r\nab", ST_NONE, "" },
    { "not all of the end", "1\r\na\r\n0\r\n", ST_NONE, "" },
    { "no end of a chunk", "1\r\nab\r\n0\r\n\r\n", ST_PERM, "" },
    { "no size", "\r\n\r\n", ST_PERM, "" },
    { "a size too large", "fffffffff\r\n", ST_PERM, "" },
    { "more than there is room for", "ffff\r\n", ST_PERM, "" },
};

static void read_chunks(void)
{
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct bytes out;
        bytes_init(&out, 1000);
        enum status st = http_chunks_read(span_of(chunks[i].text), &out);
        ok(st == chunks[i].expected && (st != ST_OK || strcmp(bytes_str(&out), chunks[i].body) == 0),
           "chunks: %s", chunks[i].name);
        bytes_free(&out);
    }
}

int main(void)
{
    read_records();
    read_policies();
    cover();
    read_heads();
    read_chunks();
    return done_testing();
}
