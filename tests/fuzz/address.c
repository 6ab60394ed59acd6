/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths and mailboxes: what is accepted is accepted again in the form it was given, and keeps its limits.
 */
#include "fuzz.h"

#include "text/address.h"
#include "text/smtp_path.h"
#include "text/xtext.h"

static void check_address(const struct address *a)
{
    struct span text = span_of(a->text), local = address_local(a), domain = address_domain(a);
    struct span unquoted = address_unquoted(a);
    struct address again;
    HOLDS(text.n < sizeof a->text && (local.n <= ADDRESS_LOCAL_LIMIT || span_istarts(unquoted, "SRS")) &&
          domain.n <= ADDRESS_DOMAIN_LIMIT);
    HOLDS(text.n == 0 || local.n > 0);
    for (size_t i = 0; i < text.n; i++)
        HOLDS((unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f);
    for (size_t i = 0; i < domain.n; i++)
        HOLDS(ascii_lower(domain.p[i]) == domain.p[i] && !strchr("@<> \"\\/", domain.p[i]));
    if (domain.n) {
        HOLDS(text.n == local.n + 1 + domain.n && text.p[local.n] == '@');
        HOLDS(address_parse(text, &again) == ADDRESS_OK && strcmp(again.text, a->text) == 0);
        HOLDS(again.local_length == a->local_length && address_same(a, &again));
    }
    struct bytes path;
    bytes_init(&path, sizeof a->text + 2);
    bytes_printf(&path, "<%s>", a->text);
    struct span rest = span_bytes(&path);
    HOLDS(address_path(&rest, &again) == ADDRESS_OK && rest.n == 0 && strcmp(again.text, a->text) == 0);
    bytes_clear(&path);
    bytes_printf(&path, "<%.*s%s>", SPAN_FMT(unquoted), a->text + local.n);
    rest = span_bytes(&path);
    HOLDS(address_path(&rest, &again) == ADDRESS_OK && rest.n == 0 && strcmp(again.text, a->text) == 0);
    bytes_free(&path);
}

/* What isn't offered isn't taken, and what is kept is fit for a line of the queue's file. */
static void check_mail(struct span input, unsigned offered)
{
    struct smtp_path_mail mail;
    if (smtp_path_read_mail(input, offered, &mail) != SMTP_PATH_OK)
        return;
    check_address(&mail.sender);
    HOLDS(mail.options.smtputf8 ? offered & OFFER_UTF8 : address_is_ascii(&mail.sender));
    HOLDS(xtext_valid(span_of(mail.options.envid)) && (offered & OFFER_DSN || !mail.options.envid[0]));
    HOLDS(!mail.binary || (mail.eight_bit && offered & OFFER_BINARY));
    HOLDS(offered & OFFER_FUTURERELEASE || (!mail.hold_for && !mail.options.release));
    HOLDS(mail.options.release >= 0 && !(mail.hold_for && mail.options.release));
}

static void check_rcpt(struct span input, unsigned offered, bool utf8)
{
    struct smtp_path_rcpt rcpt;
    struct bytes shown;
    if (smtp_path_read_rcpt(input, offered, utf8, &rcpt) != SMTP_PATH_OK)
        return;
    struct span orcpt = span_of(rcpt.options.orcpt);
    HOLDS(!address_is_null(&rcpt.recipient) && (utf8 || address_is_ascii(&rcpt.recipient)));
    check_address(&rcpt.recipient);
    HOLDS(offered & OFFER_DSN || (!orcpt.n && !rcpt.options.notify));
    HOLDS(!(rcpt.options.notify & NOTIFY_NEVER) || rcpt.options.notify == NOTIFY_NEVER);
    bytes_init(&shown, 8 * ENVELOPE_ORCPT_LIMIT);
    HOLDS(!orcpt.n || (orcpt_valid(orcpt, utf8) && orcpt_show(orcpt, utf8, &shown)));
    for (size_t i = 0; i < shown.len; i++)
        HOLDS((unsigned char)shown.data[i] >= ' ' && shown.data[i] != 0x7f);
    bytes_free(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), rest = input;
    struct address a;
    enum address_result result = address_path(&rest, &a);
    bool bare = rest.n == 0 || rest.p[0] == ' ';
    HOLDS(fuzz_within(rest, input) && (result != ADDRESS_OK || rest.p[-1] == '>' || bare));
    HOLDS(result == ADDRESS_OK || (address_is_null(&a) && rest.p == input.p));
    check_address(&a);
    result = address_parse(input, &a);
    HOLDS(result == ADDRESS_OK ? address_domain(&a).n > 0 : address_is_null(&a));
    check_address(&a);
    check_mail(input, (unsigned)size % 64);
    check_rcpt(input, (unsigned)size % 64, size & 1);
    return 0;
}
