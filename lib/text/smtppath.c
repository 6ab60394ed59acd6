/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT; see smtppath.h.
 */
#include "text/smtppath.h"

enum { SEEN_SIZE = 1, SEEN_BODY = 2, SEEN_AUTH = 4 };

static enum smtppath_result read_path(struct span *text, const char *keyword, struct address *a)
{
    struct span colon = SPAN(":");
    if (!span_istarts(*text, keyword))
        return SMTPPATH_SYNTAX;
    *text = span_from(*text, span_of(keyword).n);
    if (!span_starts(*text, colon.p))
        return SMTPPATH_SYNTAX;
    *text = span_from(*text, colon.n);
    switch (address_path(text, a)) {
    case ADDRESS_OK:
        break;
    case ADDRESS_TOO_LONG:
        return SMTPPATH_TOO_LONG;
    default:
        return SMTPPATH_ADDRESS;
    }
    return text->n == 0 || text->p[0] == ' ' ? SMTPPATH_OK : SMTPPATH_SYNTAX;
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
static bool read_size(struct span value, struct smtppath_mail *mail)
{
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_digit(value.p[i]))
            return false;
    if (!span_u64(value, INT64_MAX, &mail->size))
        mail->size = INT64_MAX;
    return value.n && value.n <= 20;
}

static bool read_body(struct span value, struct smtppath_mail *mail)
{
    mail->eight_bit = span_ieq_str(value, "8BITMIME");
    return mail->eight_bit || span_ieq_str(value, "7BIT");
}

enum smtppath_result smtppath_read_mail(struct span argument, bool auth, struct smtppath_mail *mail)
{
    struct span rest = argument, name, value;
    unsigned seen = 0;
    *mail = (struct smtppath_mail){ .size = 0 };
    enum smtppath_result result = read_path(&rest, "FROM", &mail->sender);
    if (result != SMTPPATH_OK)
        return result;
    if (!address_is_null(&mail->sender) && !address_domain(&mail->sender).n)
        return SMTPPATH_ADDRESS;
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
            return SMTPPATH_UNKNOWN;
        }
        if (!good || seen & bit)
            return SMTPPATH_VALUE;
        seen |= bit;
    }
    return SMTPPATH_OK;
}

enum smtppath_result smtppath_read_rcpt(struct span argument, struct address *recipient)
{
    struct span rest = argument, name, value;
    enum smtppath_result result = read_path(&rest, "TO", recipient);
    if (result != SMTPPATH_OK)
        return result;
    if (address_is_null(recipient))
        return SMTPPATH_ADDRESS;
    return next_parameter(&rest, &name, &value) ? SMTPPATH_UNKNOWN : SMTPPATH_OK;
}
