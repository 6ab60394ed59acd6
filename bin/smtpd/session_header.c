/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The header section of a message that comes in, see incoming.h.
 *
 * Return-Path fields are dropped (they are for us to write), Original-Recipient fields where a RCPT brings
 * what goes there instead (RFC 8098 2.3), and Authentication-Results that claim to be ours and come from
 * nobody whom the settings trust (RFC 8601 5), and where a message begins its journey here, missing From,
 * Date and Message-ID are added, and Bcc is dropped, which is nobody else's business. The guard has only the
 * session's word for what the fields From and Sender hold, as it parses no message: a session that its
 * logged-in user took over could forge these, and nothing else.
 */
#include "incoming.h"
#include "base/clock.h"
#include "text/address.h"
#include "text/date.h"
#include "text/fields.h"
#include "text/header.h"
#include "trust/auth_results.h"

static enum verdict ask_author(struct session *s, const struct address_entry *entry)
{
    struct address author;
    if (address_of_entry(entry, &author) != ADDRESS_OK)
        return VERDICT_REFUSED;
    message_start(s->message, VERB_AUTHOR);
    message_put_str(s->message, author.text);
    return ask(s);
}

/* Every address in one From or Sender field must be the user's, and there must be one. */
static enum verdict check_authors(struct session *s, struct span value, size_t *count)
{
    struct address_entry entry;
    enum verdict v = VERDICT_OK;
    bool any = false;
    while (v == VERDICT_OK && address_list_next(&value, &entry)) {
        if (entry.kind == ADDRESS_MAILBOX) {
            any = true;
            v = ++*count > SMTPD_AUTHORS_LIMIT ? VERDICT_REFUSED : ask_author(s, &entry);
        }
        address_entry_free(&entry);
    }
    return v == VERDICT_OK && !any ? VERDICT_REFUSED : v;
}

static void judge_authors(struct incoming *in, struct span header)
{
    struct header_field field;
    enum verdict v = VERDICT_OK;
    size_t count = 0;
    while (v == VERDICT_OK && header_next(&header, &field))
        if (span_ieq_str(field.name, "From") || span_ieq_str(field.name, "Sender"))
            v = check_authors(in->session, field.value, &count);
    if (v == VERDICT_REFUSED)
        in->refusal = "550 5.7.1 An address in From or Sender isn't yours";
    else
        in->trouble = v;
}

static void add_message_id(struct incoming *in)
{
    size_t before = in->head.len;
    bytes_printf(&in->head, "Message-ID: <%llx.%016llx@%s>\r\n", (unsigned long long)clock_now_us(),
                 (unsigned long long)random_u64(), in->session->serving->settings->hostname);
    message_id_read(span_from(span_bytes(&in->head), before), in->message_id);
}

static void add_missing(struct incoming *in, const struct fields *have)
{
    const struct session *s = in->session;
    if (!have->date) {
        bytes_add_str(&in->head, "Date: ");
        date_write(clock_now(), &in->head);
        bytes_add_str(&in->head, "\r\n");
    }
    if (!have->from && s->transaction.mail.sender.text[0])
        bytes_printf(&in->head, "From: <%s>\r\n", s->transaction.mail.sender.text);
    if (!have->message_id.p)
        add_message_id(in);
}

/* Which fields don't go on. */
struct unwanted {
    bool bcc, original_recipient, results;
    const char *hostname;
};

static bool is_unwanted(void *arg, const struct header_field *field)
{
    const struct unwanted *u = arg;
    return span_ieq_str(field->name, "Return-Path") ||
           (u->bcc && (span_ieq_str(field->name, "Bcc") || span_ieq_str(field->name, "Resent-Bcc"))) ||
           (u->original_recipient && span_ieq_str(field->name, "Original-Recipient")) ||
           (u->results && span_ieq_str(field->name, "Authentication-Results") &&
            auth_results_claims(field->value, u->hostname));
}

void judge_header(struct incoming *in)
{
    struct span message = span_bytes(&in->memory);
    struct span header = { message.p, fields_begin(message) ? header_end(message) : 0 };
    unsigned origin = in->session->transaction.origin;
    struct fields have;
    in->header_length = header.n;
    if (!in->seen)
        trust_header(in, header);
    fields_look(header, &have);
    message_id_read(have.message_id, in->message_id);
    if (have.received > SMTPD_RECEIVED_LIMIT)
        in->refusal = "554 5.4.6 The message runs in a loop: too many Received fields";
    else if (origin & ORIGIN_AUTHORS)
        judge_authors(in, header);
    if (origin & ORIGIN_COMPLETE)
        add_missing(in, &have);
    if (message.n && !header.n)
        bytes_add_str(&in->head, "\r\n"); /* it is all body */
    struct unwanted u = {
        .bcc = origin & ORIGIN_COMPLETE && have.bcc,
        .original_recipient = in->session->transaction.orcpt && have.original_recipient,
        .results = origin & ORIGIN_CLAIMS && have.results,
        .hostname = in->session->serving->settings->hostname,
    };
    if (!have.return_path && !u.bcc && !u.original_recipient && !u.results)
        return;
    in->head_length = header.n;
    fields_leaving_out(header, is_unwanted, &u, &in->head);
}
