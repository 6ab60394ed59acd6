/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What file names say, and how they are written anew: ours, Dovecot's, mutt's, mbsync's, and nonsense.
 */
#include "tap.h"

#include "store/filename.h"
#include "store/mailbox_ids.h"

#include <string.h>

static const struct {
    const char *name, *base;
    uint32_t validity, uid, flags;
    uint64_t size, wire;
    const char *written; /* seen added, UID 0x17 of 0x5f, size 10, wire 12, keyword letter a known */
} rows[] = {
    { "1.M1.h,S=4321,W=4410,P=5f.17:2,FS", "1.M1.h", 0x5f, 0x17, FLAG_FLAGGED | FLAG_SEEN, 4321, 4410,
      "1.M1.h,S=10,W=12,P=5f.17:2,FS" },
    { "1.M1.h", "1.M1.h", 0, 0, 0, 0, 0, "1.M1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h:2,", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,U=7:2,T", "1.h", 0, 0, FLAG_DELETED, 0, 0, "1.h,S=10,W=12,P=5f.17,U=7:2,ST" },
    { "1.h,X=1,Y:2,a", "1.h", 0, 0, 1, 0, 0, "1.h,S=10,W=12,P=5f.17,X=1,Y:2,Sa" },
    { "1.h:2,Pb", "1.h", 0, 0, 2, 0, 0, "1.h,S=10,W=12,P=5f.17:2,PSb" },
    { "1.h:2,DFRST", "1.h", 0, 0, FLAG_SYSTEM, 0, 0, "1.h,S=10,W=12,P=5f.17:2,DFRST" },
    { "1.h:2,F,extra", "1.h", 0, 0, FLAG_FLAGGED, 0, 0, "1.h,S=10,W=12,P=5f.17:2,FS,extra" },
    { "1.h:1,old", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=5F.17", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=0.17", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=5f.0", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=5f", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=5f.123456789", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=5f.1.2", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,P=1.2,P=5f.17", "1.h", 1, 2, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,S=-1,W=x", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "1.h,S=99999999999999999999", "1.h", 0, 0, 0, 0, 0, "1.h,S=10,W=12,P=5f.17:2,S" },
    { "", "", 0, 0, 0, 0, 0, ",S=10,W=12,P=5f.17:2,S" },
    { ":2,S", "", 0, 0, FLAG_SEEN, 0, 0, ",S=10,W=12,P=5f.17:2,S" },
    { "new\nline\xff,,:2,", "new\nline\xff", 0, 0, 0, 0, 0, "new\nline\xff,S=10,W=12,P=5f.17,:2,S" },
};

static void check(size_t i)
{
    struct filename f;
    char to[FILENAME_LIMIT + 1];
    filename_parse(span_of(rows[i].name), &f);
    ok(span_eq_str(f.base, rows[i].base) && f.validity == rows[i].validity && f.uid == rows[i].uid &&
           f.flags == rows[i].flags && f.size == rows[i].size && f.wire == rows[i].wire,
       "row %zu is read", i);
    struct filename_new n = { .size = 10,
                              .wire = 12,
                              .validity = 0x5f,
                              .uid = 0x17,
                              .flags = f.flags | FLAG_SEEN,
                              .keywords = 1,
                              .info = true };
    bool fits = filename_write(f.base, &f, &n, to);
    ok(fits && strcmp(to, rows[i].written) == 0, "row %zu is written", i);
}

int main(void)
{
    char to[FILENAME_LIMIT + 1], longest[FILENAME_LIMIT + 1];
    struct filename f;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(i);
    struct filename_new copy = {
        .size = 1, .validity = 2, .uid = 3, .flags = 2, .keywords = 2, .info = true, .copy = true
    };
    filename_parse(SPAN("1.h,S=9,U=5,E=abc,P=1.1:2,Pac,more"), &f);
    ok(filename_write(SPAN("new"), &f, &copy, to) && strcmp(to, "new,S=1,P=2.3,E=abc:2,b") == 0,
       "a copy's name: %s", to);
    ok(span_eq_str(f.email_id, "abc"), "an EMAILID");
    copy.email_id = "M1-2-3";
    ok(filename_write(SPAN("new"), &f, &copy, to) && strcmp(to, "new,S=1,P=2.3,E=M1-2-3:2,b") == 0,
       "another EMAILID: %s", to);
    copy.email_id = NULL;
    filename_parse(SPAN("1.h,E=,E=a b,E=\xff,E=x_-9,E=second"), &f);
    ok(span_eq_str(f.email_id, "x_-9"), "the first that is an objectid");
    memset(longest, 'x', FILENAME_LIMIT);
    longest[FILENAME_LIMIT] = '\0';
    filename_parse(span_of(longest), &f);
    ok(f.base.n == FILENAME_LIMIT && !filename_write(f.base, &f, &copy, to), "a name that has no room");
    filename_parse(SPAN("1763752345.M1.h"), &f);
    ok(filename_time(&f) == 1763752345, "the time in a name");
    filename_parse(SPAN("hello"), &f);
    ok(filename_time(&f) == 0, "no time");
    char id[EMAIL_ID_LIMIT + 1];
    email_id_of(SPAN("1.h,P=ff.1:2,S"), "abc", 255, 1, id);
    ok(strcmp(id, "Mabc-ff-1") == 0, "an EMAILID made of the folder's identifiers");
    email_id_of(SPAN("1.h,E=x"), "abc", 255, 1, id);
    ok(strcmp(id, "x") == 0, "the name's own EMAILID");
    email_id_derive("a b\n:'012345678901234567890123456789xxxxxxxxxxxx", UINT32_MAX, UINT32_MAX, id);
    ok(strcmp(id, "Ma_b___012345678901234567890123456789xxx-ffffffff-ffffffff") == 0,
       "no other bytes, no more than fits: %s", id);
    return done_testing();
}
