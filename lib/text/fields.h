/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a mail server looks for in the header section of a message that passes through,
 * and what it takes out.
 */
#ifndef POSTERN_TEXT_FIELDS_H
#define POSTERN_TEXT_FIELDS_H

#include "text/header.h"

struct fields {
    size_t received; /* Received fields: how many servers it went through */
    bool date, from, return_path;
    struct span message_id; /* the value of the first Message-ID field; p is NULL where there is none */
    bool bcc; /* Bcc or Resent-Bcc */
    bool original_recipient;
    bool results; /* Authentication-Results */
};

/* One pass over a header section (see text/header.h). */
void fields_look(struct span header, struct fields *f);
/* What a Message-ID field's value, or a copy of it, identifies the message by (RFC 5322 3.6.4): what stands
 * between < and >, or all of it where these are missing, without line ends, and without blanks at its ends;
 * its first MESSAGE_ID_LIMIT bytes, where it is longer than any program makes them. "" if there is nothing,
 * and where it holds a NUL. No more is looked at: what strangers write there needn't be of any form. */
#define MESSAGE_ID_LIMIT 512
void message_id_read(struct span value, char id[MESSAGE_ID_LIMIT + 1]);
/* Appends the header section without the fields of these names (an array that NULL ends). False if *out is
 * over its limit. */
bool fields_without(struct span header, const char *const *names, struct bytes *out);
/* The same for fields of which `unwanted` says so. */
bool fields_leaving_out(struct span header, bool (*unwanted)(void *arg, const struct header_field *field),
                        void *arg, struct bytes *out);
/* Are these header fields, each whole and with CRLF at its end, and nothing else? Also true of nothing. */
bool fields_whole(struct span fields);
/* Does the message begin as messages do: with a field, or with the empty line of an empty header section?
 * What doesn't is all body, and needs an empty line in front before fields are put there. */
bool fields_begin(struct span message);

#endif
