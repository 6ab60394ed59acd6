/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT; see smtp_path.h.
 */
#include "text/smtp_path.h"

enum { SEEN_SIZE = 1, SEEN_BODY = 2, SEEN_AUTH = 4 };

static enum smtp_path_result read_path(struct span *text, const char *keyword, struct address *a)
{
    struct span colon = SPAN(":");
    if (!span_istarts(*text, keyword))
        return SMTP_PATH_SYNTAX;
    *text = span_from(*text, span_of(keyword).n);
    if (!span_starts(*text, colon.p))
        return SMTP_PATH_SYNTAX;
    *text = span_from(*text, colon.n);
    switch (address_path(text, a)) {
    case ADDRESS_OK:
        break;
    case ADDRESS_TOO_LONG:
        return SMTP_PATH_TOO_LONG;
    default:
        return SMTP_PATH_ADDRESS;
    }
    return text->n == 0 || text->p[0] == ' ' ? SMTP_PATH_OK : SMTP_PATH_SYNTAX;
}

/* The next parameter at *rest, "KEYWORD[=value]" (RFC 5321 4.1.2 esmtp-param). False at the end. */
static bool next_parameter(struct span *rest, struct span *name, struct span *value)
{
    while (rest->n && rest->p[0] == ' ')
        *rest = span_from(*rest, 1);
    if (!rest->n)
        return false;
    size_t end = span_find(*rest, ' ');
    *value = span_head(*rest, end);
    *rest = span_from(*rest, end);
    size_t equals = span_find(*value, '=');
    *name = span_head(*value, equals);
    *value = equals < value->n ? span_from(*value, equals + 1) : (struct span){ NULL, 0 };
    return true;
}

/* Up to 20 digits (RFC 1870 6); what is too large to count is as large as can be. */
static bool read_size(struct span value, struct smtp_path_mail *mail)
{
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_digit(value.p[i]))
            return false;
    if (!span_u64(value, INT64_MAX, &mail->size))
        mail->size = INT64_MAX;
    return value.n && value.n <= 20;
}

static bool read_body(struct span value, struct smtp_path_mail *mail)
{
    mail->eight_bit = span_ieq_str(value, "8BITMIME");
    return mail->eight_bit || span_ieq_str(value, "7BIT");
}

enum smtp_path_result smtp_path_read_mail(struct span argument, bool auth, struct smtp_path_mail *mail)
{
    struct span rest = argument, name, value;
    unsigned seen = 0;
    *mail = (struct smtp_path_mail){ .size = 0 };
    enum smtp_path_result result = read_path(&rest, "FROM", &mail->sender);
    if (result != SMTP_PATH_OK)
        return result;
    if (!address_is_null(&mail->sender) && !address_domain(&mail->sender).n)
        return SMTP_PATH_ADDRESS;
    while (next_parameter(&rest, &name, &value)) {
        unsigned bit;
        bool good;
        if (span_ieq_str(name, "SIZE")) {
            bit = SEEN_SIZE;
            good = read_size(value, mail);
        } else if (span_ieq_str(name, "BODY")) {
            bit = SEEN_BODY;
            good = read_body(value, mail);
        } else if (auth && span_ieq_str(name, "AUTH")) {
            bit = SEEN_AUTH;
            good = value.n != 0;
        } else {
            return SMTP_PATH_UNKNOWN;
        }
        if (!good || seen & bit)
            return SMTP_PATH_VALUE;
        seen |= bit;
    }
    return SMTP_PATH_OK;
}

enum smtp_path_result smtp_path_read_rcpt(struct span argument, struct address *recipient)
{
    struct span rest = argument, name, value;
    enum smtp_path_result result = read_path(&rest, "TO", recipient);
    if (result != SMTP_PATH_OK)
        return result;
    if (address_is_null(recipient))
        return SMTP_PATH_ADDRESS;
    return next_parameter(&rest, &name, &value) ? SMTP_PATH_UNKNOWN : SMTP_PATH_OK;
}
