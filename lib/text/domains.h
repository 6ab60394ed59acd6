/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A line of the table `domains`:
 *
 *     example.org                  ours: its mail is for accounts and aliases here
 *     example.net = example.org    an alias domain: user@example.net is user@example.org, one of ours
 *     example.com relay            another server's, for which this one is a relay (a backup mail exchanger):
 *                                  takes mail for those named in the table `relay-recipients`
 *     example.edu relay all        the same, for any recipient
 *
 * Pure; what the compiled table has as a domain's value is written and read here too.
 */
#ifndef POSTERN_TEXT_DOMAINS_H
#define POSTERN_TEXT_DOMAINS_H

#include "text/address.h"

enum domain_kind { DOMAIN_OURS, DOMAIN_ALIAS, DOMAIN_RELAY, DOMAIN_RELAY_ALL };

struct domain_entry {
    enum domain_kind kind;
    char name[ADDRESS_DOMAIN_LIMIT + 1];   /* in lower case */
    char target[ADDRESS_DOMAIN_LIMIT + 1]; /* of an alias domain; else "" */
};

/* Reads a line that says something. NULL, or what is wrong with it, for a person. */
const char *domain_entry_parse(struct span line, struct domain_entry *e);
/* The value that a compiled table has for it. */
void domain_entry_value(const struct domain_entry *e, struct bytes *value);
/* Such a value again, for the domain `name`. False if it is none. */
bool domain_entry_read(struct span name, struct span value, struct domain_entry *e);
/* A domain name as mail has them (no address literal), in lower case into `to`. */
bool domain_name(struct span text, char to[ADDRESS_DOMAIN_LIMIT + 1]);

#endif
