/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths and mailboxes: what is accepted is accepted again in the form it was given, and keeps its limits.
 */
#include "fuzz.h"

#include "text/address.h"
#include "text/smtp_path.h"

static void check_address(const struct address *a)
{
    struct span text = span_of(a->text), local = address_local(a), domain = address_domain(a);
    struct address again;
    HOLDS(text.n < sizeof a->text && (local.n <= ADDRESS_LOCAL_LIMIT || span_istarts(local, "SRS")) && domain.n <= ADDRESS_DOMAIN_LIMIT);
    HOLDS(text.n == 0 || local.n > 0);
    for (size_t i = 0; i < text.n; i++)
        HOLDS(text.p[i] >= ' ' && text.p[i] <= '~');
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
    bytes_free(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), rest = input;
    struct address a;
    struct smtp_path_mail mail;
    enum address_result result = address_path(&rest, &a);
    HOLDS(fuzz_within(rest, input) && (result != ADDRESS_OK || rest.p[-1] == '>'));
    HOLDS(result == ADDRESS_OK || (address_is_null(&a) && rest.p == input.p));
    check_address(&a);
    result = address_parse(input, &a);
    HOLDS(result == ADDRESS_OK ? address_domain(&a).n > 0 : address_is_null(&a));
    check_address(&a);
    if (smtp_path_read_mail(input, size & 1, &mail) == SMTP_PATH_OK)
        check_address(&mail.sender);
    if (smtp_path_read_rcpt(input, &a) == SMTP_PATH_OK) {
        HOLDS(!address_is_null(&a));
        check_address(&a);
    }
    return 0;
}
