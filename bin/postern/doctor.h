/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: what its parts share. Each check is a function that looks at one thing and says what it
 * found, if anything: a row of the table in doctor.c gives it its name and how bad what it finds is.
 */
#ifndef POSTERN_DOCTOR_H
#define POSTERN_DOCTOR_H

#include "admin.h"
#include "records.h"
#include "trust/lookup.h"

/* Worse ones are greater. A note leaves the exit status 0. */
enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

#define DOCTOR_DOMAINS 1000  /* that are looked at */
#define DOCTOR_FINDINGS 2000 /* that are told */

struct finding {
    enum severity severity;
    const char *check;
    char *text, *todo; /* text may hold what strangers wrote: it is escaped where it is printed */
};

struct doctor {
    struct admin *a;
    const char *proc;        /* /proc, or what is to be taken for it */
    const char *outside;     /* a host to which port 25 is tried */
    const char *signed_name; /* a domain that is signed */
    bool json;
    struct host_addresses own;
    struct dns_resolver resolver;
    struct trust_lookup lookup;
    bool asks; /* the resolver answers */
    struct domain_entry *domains;
    size_t domain_count;
    const char *check;      /* the one that runs */
    enum severity severity; /* of its row */
    struct finding *findings;
    size_t count;
};

/* What the running check found: one line for a person, and one that says what to do. With its row's severity,
 * or another. */
void doctor_found(struct doctor *d, const char *todo, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_found_as(struct doctor *d, enum severity severity, const char *todo, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* --- doctor_accounts.c */
void doctor_passwords(struct doctor *d);
/* --- the checks; doctor_dns.c. Those of domains do nothing where the resolver doesn't answer. */
void doctor_resolver(struct doctor *d);
void doctor_dnssec(struct doctor *d);
void doctor_addresses(struct doctor *d);
void doctor_host(struct doctor *d);
void doctor_reverse(struct doctor *d);
void doctor_tlsa(struct doctor *d);
void doctor_mx(struct doctor *d);
void doctor_services(struct doctor *d);
/* --- doctor_mail.c: the records about mail's origin */
void doctor_spf(struct doctor *d);
void doctor_dkim(struct doctor *d);
void doctor_dmarc(struct doctor *d);
void doctor_tls_reports(struct doctor *d);
/* The TXT records of `label`.DOMAIN that begin with `version`: how many, and the text of the first. False:
 * can't tell, which is told. */
bool doctor_text(struct doctor *d, const char *label, const char *domain, const char *version,
                 struct bytes *text, size_t *count);
/* --- doctor_sts.c */
void doctor_sts(struct doctor *d);
void doctor_autoconfig(struct doctor *d);
/* --- doctor_tls.c */
void doctor_certificate_found(struct doctor *d);
void doctor_certificate(struct doctor *d);
void doctor_certificate_key(struct doctor *d);
void doctor_certificate_name(struct doctor *d);
void doctor_certificate_chain(struct doctor *d);
void doctor_certificate_days(struct doctor *d);
/* --- doctor_host.c */
void doctor_sandbox(struct doctor *d);
void doctor_inotify(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_inodes(struct doctor *d);
void doctor_clock(struct doctor *d);
/* --- doctor_ports.c */
void doctor_units(struct doctor *d);
void doctor_ports(struct doctor *d);
void doctor_port_out(struct doctor *d);
/* Does anybody listen on that port of mail's, on whatever address? */
bool doctor_listens(const struct doctor *d, unsigned port);
/* A connected socket that doesn't block, within ten seconds; -1 with errno. */
int doctor_connect(const struct in6_addr *address, uint64_t port);
/* --- doctor_files.c */
void doctor_permissions(struct doctor *d);
void doctor_tables(struct doctor *d);
void doctor_queue(struct doctor *d);
void doctor_upkeep(struct doctor *d);
void doctor_settings(struct doctor *d);

/* --- doctor.c: the name of the check; NULL: there are no more. */
const char *doctor_check(size_t at);

#endif
