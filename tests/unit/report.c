/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reports: the fields of each action and form, and what strangers may not put into them.
 */
#include "text/report.h"
#include "tap.h"

#include <string.h>

static const struct rcpt_options bob = { .orcpt = "rfc822;Bob+2Bx@else.test" };
static const struct rcpt_options uni = { .orcpt = "utf-8;j\xc3\xb6rg@else.test" };

static const struct row {
    const char *name;
    enum report_action action;
    struct report_recipient one;
    const char *envid;
    bool utf8;
    const char *has[6];
    const char *hasnt[4];
} rows[] = {
    { "failed",
      REPORT_FAILED,
      { "a@x.test", "550 5.1.1 no such user", "mx.x.test[192.0.2.1]", false, &bob, REPORT_UNSAID },
      "QQ+2B1",
      false,
      { "\r\n\r\nOriginal-Envelope-Id: QQ+1\r\nReporting-MTA: dns; mail.here.test\r\n",
        "\r\n\r\nOriginal-Recipient: rfc822; Bob+x@else.test\r\nFinal-Recipient: rfc822; a@x.test\r\nAction: "
        "failed\r\n"
        "Status: 5.1.1\r\nRemote-MTA: dns; mx.x.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        "Last-Attempt-Date: ",
        "\r\nArrival-Date: ", "  <a@x.test>, to which <Bob+x@else.test> leads\r\n    mx.x.test[192.0.2.1]: 550 5.1.1 no such user\r\n" },
      { "Will-Retry-Until" } },
    { "failed, no code",
      REPORT_FAILED,
      { "a@x.test", "550 no", "mx", false, NULL, REPORT_UNSAID },
      "",
      false,
      { "Action: failed\r\nStatus: 5.0.0\r\n" },
      { "Original-" } },
    { "failed, by us",
      REPORT_FAILED,
      { "a@x.test", "5.4.4 No address", NULL, false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Status: 5.4.4\r\nDiagnostic-Code: x-postern; 5.4.4 No address\r\n" },
      { "Remote-MTA" } },
    { "failed, said at a socket",
      REPORT_FAILED,
      { "a@x.test", "550 5.1.1 no", "/run/lmtp", false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n" },
      { "Remote-MTA" } },
    { "failed, forgotten",
      REPORT_FAILED,
      { "a@x.test", NULL, NULL, false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Status: 5.0.0\r\nLast-Attempt-Date" },
      { "Diagnostic-Code" } },
    { "expired",
      REPORT_FAILED,
      { "a@x.test", "451 4.2.1 later", "mx", true, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Status: 4.4.7\r\n", "was tried for as long as mail is kept here" },
      { "Status: 4.2.1" } },
    { "delayed",
      REPORT_DELAYED,
      { "a@x.test", "451 4.2.1 later", "mx", false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Action: delayed\r\nStatus: 4.2.1\r\n", "\r\nWill-Retry-Until: Thu, 1 Jan 1970 01:00:00 +0000\r\n",
        "The last attempt will be made at about Thu, 1 Jan 1970 01:00:00 +0000." },
      { "" } },
    { "delayed by a server that says no to everybody",
      REPORT_DELAYED,
      { "a@x.test", "554 5.7.1 no", "mx", false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Action: delayed\r\nStatus: 4.0.0\r\n" },
      { "Status: 5" } },
    { "relayed among delivered",
      REPORT_DELIVERED,
      { "a@x.test", "250 2.0.0 queued", "mx", false, NULL, REPORT_RELAYED },
      NULL,
      false,
      { "Action: relayed\r\nStatus: 2.0.0\r\n", "  <a@x.test>\r\n    passed on:\r\n    mx: 250" },
      { "Will-Retry-Until" } },
    { "expanded",
      REPORT_EXPANDED,
      { "a@x.test", "2.1.5 Delivered here", NULL, false, NULL, REPORT_UNSAID },
      NULL,
      false,
      { "Action: expanded\r\nStatus: 2.1.5\r\n", "stand for others" },
      { "Remote-MTA" } },
    { "what would end a line or isn't ASCII",
      REPORT_FAILED,
      { "j\xc3\xb6\r\nrg@x.test", "550 5.1.1 \xff\r\nAction: delivered", "mx\nX: y[1]", false, &uni,
        REPORT_UNSAID },
      "a+0D+0Ab",
      false,
      { "Final-Recipient: utf-8; j\\x{F6}\\x{D}\\x{A}rg@x.test\r\n",
        "smtp; 550 5.1.1 ???Action: delivered\r\n", "Remote-MTA: dns; mx?X: y\r\n",
        "Original-Recipient: utf-8; j\\x{F6}rg@else.test\r\n", "Original-Envelope-Id: a??b\r\n" },
      { "\nAction: delivered", "\nX: y", "\nrg@", "\nb" } },
    { "international",
      REPORT_FAILED,
      { "j\xc3\xb6rg@x.test", "550 5.1.1 no", "mx", false, &uni, REPORT_UNSAID },
      NULL,
      true,
      { "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: "
        "8bit\r\n\r\nReporting-MTA",
        "Original-Recipient: utf-8; j\xc3\xb6rg@else.test\r\nFinal-Recipient: utf-8; j\xc3\xb6rg@x.test\r\n",
        "Content-Type: message/global-headers\r\n\r\nSubject: x\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n" },
      { "message/delivery-status" } },
    { "international, hostile",
      REPORT_FAILED,
      { "a\xff\xc2\x85\xe2\x80\xa8\n@x.test", "550 5.1.1 no", "mx", false, NULL, REPORT_UNSAID },
      NULL,
      true,
      { "Final-Recipient: utf-8; a????@x.test\r\n" },
      { "\xff" } },
};

static void check(const struct row *row)
{
    struct bytes out;
    bool eight_bit, good = true;
    struct report r = { .action = row->action,
                        .envid = row->envid,
                        .hostname = "mail.here.test",
                        .id = "ID",
                        .bounce_id = "ID2",
                        .to = "alice@here.test",
                        .utf8 = row->utf8,
                        .now = 1,
                        .until = 3600,
                        .recipients = &row->one,
                        .count = 1,
                        .header = SPAN("Subject: x\r\n\r\nnot this") };
    bytes_init(&out, 1 << 20);
    good = report_write(&r, &out, &eight_bit);
    for (size_t i = 0; i < 6 && row->has[i]; i++)
        if (!strstr(bytes_str(&out), row->has[i])) {
            good = false;
            printf("# lacks: %s\n", row->has[i]);
        }
    for (size_t i = 0; i < 4 && row->hasnt[i] && row->hasnt[i][0]; i++)
        if (strstr(bytes_str(&out), row->hasnt[i])) {
            good = false;
            printf("# has: %s\n", row->hasnt[i]);
        }
    if (!ok(good && !strstr(bytes_str(&out), "not this"), "%s", row->name))
        printf("# %s\n", bytes_str(&out));
    bytes_free(&out);
}

static void whole_message(void)
{
    struct report_recipient one = { .address = "a@x.test" };
    struct report r = { .action = REPORT_FAILED,
                        .hostname = "h",
                        .id = "I",
                        .bounce_id = "J",
                        .to = "j\xc3\xb6rg@x.test",
                        .recipients = &one,
                        .count = 1,
                        .header = SPAN("Subject: x\r\n"),
                        .message = SPAN("Subject: x\r\n\r\nb\xc3\xb6"
                                        "dy\r\n.\r\n") };
    struct bytes out;
    bool eight_bit;
    bytes_init(&out, 1 << 20);
    ok(report_write(&r, &out, &eight_bit) && eight_bit, "with a message that has 8-bit bytes");
    ok(strstr(bytes_str(&out), "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                               "Subject: x\r\n\r\nb\xc3\xb6"
                               "dy\r\n.\r\n\r\n--postern-0000000000000000--\r\n") != NULL,
       "as it was");
    ok(strstr(bytes_str(&out), "\r\nTo: <j??rg@x.test>\r\n") != NULL, "its own header is ASCII");
    bytes_clear(&out);
    r.utf8 = true;
    ok(report_write(&r, &out, &eight_bit) && strstr(bytes_str(&out), "\r\nTo: <j\xc3\xb6rg@x.test>\r\n") &&
           strstr(bytes_str(&out), "Content-Type: message/global\r\n"),
       "an international one");
    bytes_free(&out);
    bytes_init(&out, 600);
    ok(!report_write(&r, &out, &eight_bit), "no room: said");
    bytes_free(&out);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
    whole_message();
    return done_testing();
}
