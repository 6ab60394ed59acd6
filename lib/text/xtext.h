/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * xtext (RFC 3461 4): how parameters of MAIL and RCPT carry any bytes: printable ASCII, but what is '+', '='
 * or anything else is "+XX" in upper-case hexadecimal. And the form of internationalised addresses in ORCPT
 * (RFC 6533 3): UTF-8, or "\x{XXXX}" for a character where only ASCII may stand.
 */
#ifndef POSTERN_TEXT_XTEXT_H
#define POSTERN_TEXT_XTEXT_H

#include "base/bytes.h"

/* Is it xtext, and what it stands for only printable ASCII? */
bool xtext_valid(struct span text);
/* Appends what it stands for. False if it isn't xtext, or over out's limit. */
bool xtext_decode(struct span text, struct bytes *out);
/* Appends `text` as xtext. False over out's limit. */
bool xtext_encode(struct span text, struct bytes *out);

/* The value of ORCPT: `type;address` with an atom as type. "rfc822" and others carry xtext; "utf-8" (RFC 6533
 * 3) carries utf-8-addr-xtext or, where `utf8` allows it, utf-8-addr-unitext. Printable, and not empty. With
 * `utf8` xtext may also stand for UTF-8, as Postfix writes it. */
bool orcpt_valid(struct span value, bool utf8);
/* Appends "type; address" as Original-Recipient has it: decoded. A "utf-8" address stays as utf-8-addr-xtext
 * where it isn't `utf8` that is being written. False if the value isn't valid, or over out's limit. */
bool orcpt_show(struct span value, bool utf8, struct bytes *out);
/* Appends "rfc822; address", or where the address isn't ASCII "utf-8; address", in UTF-8 or escaped. */
bool recipient_show(struct span address, bool utf8, struct bytes *out);
/* Appends the value as RCPT has it: as it is, but a "utf-8" address as utf-8-addr-xtext unless `utf8`. False
 * if it isn't valid, or over out's limit. */
bool orcpt_write(struct span value, bool utf8, struct bytes *out);
/* Appends the value for an address: "rfc822", or "utf-8" as utf-8-addr-xtext where it isn't ASCII. False if
 * it can't be one, or over out's limit. */
bool orcpt_make(struct span address, struct bytes *out);

#endif
