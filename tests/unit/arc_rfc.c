/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The example of RFC 8617, appendix B: three sets on a message that lists.example.org changed. Its keys, of
 * 512 bits, aren't published, so that no signature of it can be verified; all else can: that it is a chain of
 * three, by whom the seals are, what the body hashes to, and what each sealer saw. Keys of 512 bits wouldn't
 * be believed either (RFC 8301).
 */
#include "tap.h"

#include "arc.h"
#include "trust/arc_private.h"
#include "trust/auth_results.h"

#define SET_3                                                                                                \
    "ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=\r\n"                                  \
    "        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7\r\n"                           \
    "        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==\r\n"                                             \
    "ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"                                    \
    "        clochette.example.org; h=message-id:date:from:to:subject; s=\r\n"                               \
    "        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZY\r\n"                           \
    "        LQ=; b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf\r\n"                           \
    "        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==\r\n"                                                            \
    "ARC-Authentication-Results: i=3; clochette.example.org; spf=fail\r\n"                                   \
    "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\r\n"                                              \
    "    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,\r\n"                           \
    "    ams.2.gmail.example=pass, as.1.lists.example.org=pass,\r\n"                                         \
    "    ams.1.lists.example.org=fail (message has been altered))\r\n"
#define SET_2                                                                                                \
    "ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=\r\n"                              \
    "        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE\r\n"                           \
    "        8jjLXWpRNuh81yqnT1/jHn086RwezGw==\r\n"                                                          \
    "ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"                                    \
    "        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=\r\n"                           \
    "        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44\r\n"                           \
    "        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5\r\n"                           \
    "        9WSqI9s9DfyKDfWg==\r\n"                                                                         \
    "ARC-Authentication-Results: i=2; gmail.example; spf=fail\r\n"                                           \
    "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\r\n"                                              \
    "    header.i=@example.org; dmarc=fail; arc=pass\r\n"                                                    \
    "    (as.1.lists.example.org=pass, ams.1.lists.example.org=pass)\r\n"
#define SET_1                                                                                                \
    "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;\r\n"                             \
    "         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/\r\n"                           \
    "        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==\r\n"                                                       \
    "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"                                    \
    "        lists.example.org; h=message-id:date:from:to:subject; s=\r\n"                                   \
    "        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL\r\n"                           \
    "        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y\r\n"                           \
    "        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==\r\n"                                                             \
    "ARC-Authentication-Results: i=1; lists.example.org; spf=pass\r\n"                                       \
    "    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)\r\n"                                             \
    "    header.i=@d1.example; dmarc=pass\r\n"
#define REST                                                                                                 \
    "Message-ID: <54B84785.1060301@d1.example>\r\nDate: Thu, 14 Jan 2015 15:00:01 -0800\r\n"                 \
    "From: John Q Doe <jqd@d1.example>\r\nTo: arc@dmarc.example\r\nSubject: [List 2] Example 1\r\n\r\n"      \
    "Hey gang,\r\nThis is a test message.\r\n--J.\r\n"

static struct arc_result judge(const char *message)
{
    struct dns_zone zone = { 0 };
    struct trust_lookup lookup = zone_lookup(&zone);
    struct arc_result result;
    arc_verify_free(verify(&lookup, span_of(message), &result));
    zone_clear(&zone);
    return result;
}

/* What the sealer of this set says DMARC came to. */
static bool says(const char *set, unsigned instance, const char *server, const char *dmarc)
{
    char id[DNS_NAME_LIMIT];
    unsigned version, number;
    struct span rest = span_of(set);
    struct header_field field;
    struct auth_results_reader reader;
    struct auth_result result;
    bool said = false;
    if (!header_named(&rest, SPAN("ARC-Authentication-Results"), &field) ||
        !auth_results_open(field.value, id, sizeof id, &version, &number, &reader) || number != instance ||
        strcmp(id, server) != 0)
        return false;
    while (auth_results_next(&reader, &result))
        said = said || (strcmp(result.method, "dmarc") == 0 && strcmp(result.result, dmarc) == 0);
    return said && !reader.bad;
}

int main(void)
{
    struct arc_result whole = judge(SET_3 SET_2 SET_1 REST), gap = judge(SET_3 SET_1 REST);
    struct arc_result other = judge(SET_3 SET_2 SET_1 REST "More.\r\n");
    ok(whole.newest == 3 && !whole.ended && strcmp(whole.domain, "clochette.example.org") == 0 &&
           strcmp(whole.selector, "clochette") == 0,
       "a chain of three, the newest seal by clochette.example.org (%u, %s)", whole.newest, whole.domain);
    ok(whole.result == TRUST_FAIL && strstr(whole.why, "key"), "its keys aren't published (%s)", whole.why);
    ok(other.result == TRUST_FAIL && strstr(other.why, "body"),
       "a body with a line more isn't what it hashed (%s)", other.why);
    ok(gap.result == TRUST_FAIL && strcmp(gap.why, whole.why) != 0,
       "without the second set it is no chain (%s)", gap.why);
    ok(says(SET_1, 1, "lists.example.org", "pass"), "lists.example.org saw it pass");
    ok(says(SET_2, 2, "gmail.example", "fail"), "gmail.example didn't");
    ok(says(SET_3, 3, "clochette.example.org", "fail"), "nor did clochette.example.org");
    return done_testing();
}
