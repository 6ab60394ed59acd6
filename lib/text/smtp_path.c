/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT; see smtp_path.h. Each parameter is a row of a table, and may stand there
 * once.
 */
#include "text/smtp_path.h"
#include "text/date.h"
#include "text/xtext.h"

#define SIZE_DIGITS 20 /* RFC 1870 6 */
#define HOLD_DIGITS 9  /* RFC 4865 4 */

/* A parameter: the value without '=', its p NULL where there was none. False: it is wrong. */
struct mail_parameter {
    const char *name;
    unsigned offer; /* OFFER_*; 0: always known */
    bool (*read)(struct span value, struct smtp_path_mail *mail);
};
struct rcpt_parameter {
    const char *name;
    unsigned offer;
    bool (*read)(struct span value, bool utf8, struct rcpt_options *o);
};

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

/* --- MAIL */

/* Up to 20 digits (RFC 1870 6); what is too large to count is as large as can be. */
static bool read_size(struct span value, struct smtp_path_mail *mail)
{
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_digit(value.p[i]))
            return false;
    if (!span_u64(value, INT64_MAX, &mail->size))
        mail->size = INT64_MAX;
    return value.n && value.n <= SIZE_DIGITS;
}

static bool read_body(struct span value, struct smtp_path_mail *mail)
{
    mail->binary = span_ieq_str(value, "BINARYMIME");
    mail->eight_bit = mail->binary || span_ieq_str(value, "8BITMIME");
    return mail->eight_bit || span_ieq_str(value, "7BIT");
}

static bool read_auth(struct span value, struct smtp_path_mail *mail)
{
    (void)mail;
    return value.n != 0;
}

static bool read_utf8(struct span value, struct smtp_path_mail *mail)
{
    mail->options.smtputf8 = true;
    return !value.p;
}

static bool read_require_tls(struct span value, struct smtp_path_mail *mail)
{
    mail->options.require_tls = true;
    return !value.p;
}

static bool read_ret(struct span value, struct smtp_path_mail *mail)
{
    mail->options.ret = span_ieq_str(value, "FULL") ? RET_FULL : RET_HDRS;
    return mail->options.ret == RET_FULL || span_ieq_str(value, "HDRS");
}

static bool read_envid(struct span value, struct smtp_path_mail *mail)
{
    return value.n && xtext_valid(value) && span_copy(value, mail->options.envid, sizeof mail->options.envid);
}

static bool read_hold_for(struct span value, struct smtp_path_mail *mail)
{
    return value.n <= HOLD_DIGITS && mail->options.release == 0 &&
           span_u64(value, UINT32_MAX, &mail->hold_for) && mail->hold_for > 0;
}

static bool read_hold_until(struct span value, struct smtp_path_mail *mail)
{
    return mail->hold_for == 0 && date_read_internet(value, &mail->options.release) &&
           mail->options.release > 0;
}

static const struct mail_parameter mail_parameters[] = {
    { "SIZE", 0, read_size },
    { "BODY", 0, read_body },
    { "AUTH", OFFER_AUTH, read_auth },
    { "SMTPUTF8", OFFER_UTF8, read_utf8 },
    { "RET", OFFER_DSN, read_ret },
    { "ENVID", OFFER_DSN, read_envid },
    { "REQUIRETLS", OFFER_REQUIRE_TLS, read_require_tls },
    { "HOLDFOR", OFFER_FUTURERELEASE, read_hold_for },
    { "HOLDUNTIL", OFFER_FUTURERELEASE, read_hold_until },
};
#define MAIL_PARAMETERS (sizeof mail_parameters / sizeof mail_parameters[0])

enum smtp_path_result smtp_path_read_mail(struct span argument, unsigned offered, struct smtp_path_mail *mail)
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
        size_t i = 0;
        mail->wrong = name;
        while (i < MAIL_PARAMETERS &&
               ((mail_parameters[i].offer & ~offered) || !span_ieq_str(name, mail_parameters[i].name)))
            i++;
        if (i == MAIL_PARAMETERS)
            return SMTP_PATH_UNKNOWN;
        if (seen & 1u << i || !mail_parameters[i].read(value, mail))
            return SMTP_PATH_VALUE;
        seen |= 1u << i;
    }
    if (mail->binary && !(offered & OFFER_BINARY)) {
        mail->wrong = SPAN("BODY");
        return SMTP_PATH_VALUE;
    }
    return mail->options.smtputf8 || address_is_ascii(&mail->sender) ? SMTP_PATH_OK : SMTP_PATH_UTF8;
}

/* --- RCPT */

/* NEVER alone, or any of the others, each once (RFC 3461 4.1). */
static bool read_notify(struct span value, bool utf8, struct rcpt_options *o)
{
    static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" }; /* by bit of NOTIFY_* */
    struct span word;
    (void)utf8;
    if (!value.n || value.p[value.n - 1] == ',')
        return false;
    while (span_cut(&value, ',', &word)) {
        size_t i = 0;
        while (i < sizeof words / sizeof words[0] && !span_ieq_str(word, words[i]))
            i++;
        if (i == sizeof words / sizeof words[0] || o->notify & 1u << i)
            return false;
        o->notify |= 1u << i;
    }
    return !(o->notify & NOTIFY_NEVER) || o->notify == NOTIFY_NEVER;
}

static bool read_orcpt(struct span value, bool utf8, struct rcpt_options *o)
{
    return orcpt_valid(value, utf8) && span_copy(value, o->orcpt, sizeof o->orcpt);
}

static const struct rcpt_parameter rcpt_parameters[] = {
    { "NOTIFY", OFFER_DSN, read_notify },
    { "ORCPT", OFFER_DSN, read_orcpt },
};
#define RCPT_PARAMETERS (sizeof rcpt_parameters / sizeof rcpt_parameters[0])

enum smtp_path_result smtp_path_read_rcpt(struct span argument, unsigned offered, bool utf8,
                                          struct smtp_path_rcpt *rcpt)
{
    struct span rest = argument, name, value;
    unsigned seen = 0;
    *rcpt = (struct smtp_path_rcpt){ .options = { .notify = 0 } };
    enum smtp_path_result result = read_path(&rest, "TO", &rcpt->recipient);
    if (result != SMTP_PATH_OK)
        return result;
    if (address_is_null(&rcpt->recipient))
        return SMTP_PATH_ADDRESS;
    while (next_parameter(&rest, &name, &value)) {
        size_t i = 0;
        rcpt->wrong = name;
        while (i < RCPT_PARAMETERS &&
               ((rcpt_parameters[i].offer & ~offered) || !span_ieq_str(name, rcpt_parameters[i].name)))
            i++;
        if (i == RCPT_PARAMETERS)
            return SMTP_PATH_UNKNOWN;
        if (seen & 1u << i || !rcpt_parameters[i].read(value, utf8, &rcpt->options))
            return SMTP_PATH_VALUE;
        seen |= 1u << i;
    }
    return utf8 || address_is_ascii(&rcpt->recipient) ? SMTP_PATH_OK : SMTP_PATH_UTF8;
}
