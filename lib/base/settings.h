/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern.conf: lines `key value`, `#` comments, every key with a default, the
 * last line of a key wins. A wrong key or value is an error that names file, line
 * and key. The table of keys in settings.c parses them, prints them and is what
 * postern.conf(5) documents.
 */
#ifndef POSTERN_BASE_SETTINGS_H
#define POSTERN_BASE_SETTINGS_H

#include "base/bytes.h"
#include "base/status.h"
#include "base/zones.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_DEFAULT_FILE "/etc/postern/postern.conf"

/* An address prefix; IPv4 is kept as IPv4-mapped IPv6 with 96 added to the prefix length. */
struct network {
    struct in6_addr address;
    unsigned prefix;
};

/* A certificate for a name that a client asks for by SNI. */
struct named_certificate {
    char *domain;      /* in lower case; "*.example.org" is every name one label below */
    char *certificate; /* PEM chain */
    char *key;         /* PEM */
};
#define SETTINGS_CERTIFICATES 100

/* A filter that speaks the milter protocol, in the order in which they are asked. */
enum milter_down { MILTER_DOWN_DEFER, MILTER_DOWN_ACCEPT, MILTER_DOWN_REFUSE };
enum { MILTER_FOR_IN = 1, MILTER_FOR_SUBMISSION = 2, MILTER_FOR_ALL = 3 };
struct milter_setting {
    char *address;         /* as it is written: "unix:/run/rspamd.sock", "inet:[::1]:11332" */
    char *path;            /* of a Unix socket; NULL: host and port */
    char *host, *port;
    uint64_t timeout;      /* seconds that an answer may take */
    enum milter_down down; /* what becomes of mail where it doesn't answer */
    unsigned uses;         /* MILTER_FOR_* */
};
#define SETTINGS_MILTERS 16

/* A folder whose messages go when they have been there for so long. */
struct expiry_setting {
    char *folder;     /* as it is written: UTF-8, ".*" behind it for those below; "\Trash": a special use */
    uint64_t seconds; /* not 0 */
};
#define SETTINGS_EXPIRIES 100

/* How full a mailbox is when its owner hears of it: per cent of its quota, ascending. None: never. */
#define QUOTA_WARNINGS 8
struct quota_warnings {
    unsigned percent[QUOTA_WARNINGS];
    size_t count;
};

/* Each includes what stands before it, but for *_MARK, which only notes what its last one would refuse. */
enum helo_check { HELO_OFF, HELO_OWN, HELO_MARK, HELO_REFUSE, HELO_STRICT };
enum reverse_dns { REVERSE_OFF, REVERSE_MARK, REVERSE_REFUSE, REVERSE_STRICT };
enum sender_domain { DOMAIN_OFF, DOMAIN_MARK, DOMAIN_REFUSE };
/* What becomes of a message that the domain in From, or in MAIL FROM, disowns. */
enum dmarc_handling { DMARC_OFF, DMARC_MARK, DMARC_JUNK, DMARC_REFUSE };
enum spf_handling { SPF_OFF, SPF_MARK, SPF_REFUSE };
enum sandbox_mode { SANDBOX_REQUIRE, SANDBOX_TRY, SANDBOX_NONE };

/* Strings are owned by the settings; paths are absolute. */
struct settings {
    char *file;      /* where it was read from, absolute */
    char *directory; /* the folder of that file: the tables lie there */
    char *hostname;  /* our name in greetings, Received and bounces */
    char *addresses; /* IP addresses, blanks between, by which others reach us; "": the interfaces' */
    char *mail;      /* template of an account's Maildir: %d domain, %u local part */
    char *spool;
    char *tls_certificate;    /* PEM chain */
    char *tls_key;            /* PEM */
    struct named_certificate *certificates; /* beside that one */
    size_t certificate_count;
    char **key_files; /* what settings_resolve_keys() found, or NULL */
    struct milter_setting *milters;
    size_t milter_count;
    struct network *networks; /* may relay without login */
    size_t network_count;
    uint64_t message_size; /* bytes; the SIZE we announce */
    uint64_t recipients;   /* a message */
    uint64_t quota_storage;  /* bytes that an account may hold; 0: as much as there is room for */
    uint64_t quota_messages; /* messages; 0: as many */
    struct quota_warnings quota_warnings;
    struct expiry_setting *expiries;
    size_t expiry_count;
    char *recipient_delimiter; /* characters of which the first in user+detail parts the two; "": none */
    char *alias_directories;   /* absolute paths, blanks between: aliases may include files below them */
    bool srs;              /* rewrite the sender of what aliases send on to others' servers */
    char *pipe_socket;     /* where programs that aliases name are run */
    uint64_t pipe_timeout; /* seconds that one may take */
    char *learn_spam, *learn_ham; /* commands that learn what users move into or out of Junk; "": none */
    char *resolver;        /* "", or ADDRESS[:PORT] ([V6]:PORT); "" means /etc/resolv.conf */
    uint64_t smtp_port;    /* where other servers listen */
    uint64_t https_port;   /* where MTA-STS policies are asked for */
    char *ca_file;         /* roots of certificates; "" is the system's */
    char *trust_anchor;    /* DNSSEC's; "": the system's, and nothing is verified where the resolver can't */
    char *dnssec_exempt;   /* domains below which nothing need be signed, parted by blanks */
    uint64_t idle_exit;    /* seconds; a warm listener without connections ends after it */
    uint64_t timeout;      /* seconds a client may be silent before login (after it: 30 minutes at least) */
    uint64_t connections;  /* of one warm listener, in all */
    uint64_t connections_per_source; /* and from one IPv4 address or IPv6 /64; `networks` are exempt */
    uint64_t connection_rate;        /* connections a minute of one source; 0: any number */
    uint64_t login_failures; /* an hour from one source; 0: any number */
    uint64_t messages_per_source;  /* an hour, each recipient one; 0: any number */
    uint64_t messages_per_account; /* the same, of who logged in */
    uint64_t greylist;             /* seconds; 0: off */
    struct zones dns_block, dns_allow; /* of clients' addresses */
    struct zones domain_block;         /* of domains: HELO's and the sender's */
    enum helo_check helo_check;
    enum reverse_dns reverse_dns;
    enum sender_domain sender_domain;
    enum dmarc_handling dmarc;
    enum spf_handling spf;
    char *arc_trust; /* domains, blanks between: sealers whose word on what they got is taken */
    uint64_t dns_defer; /* seconds to put mail off while DNS can't tell who sent it; 0: not at all */
    uint64_t retry_first; /* seconds to the first retry of a deferred message; doubles up to retry_max */
    uint64_t retry_max;
    uint64_t queue_lifetime; /* seconds until a deferred message goes back to its sender */
    uint64_t delay_notice;   /* seconds until the sender of a deferred message is told so; 0: never */
    uint64_t bounce_size;    /* bytes of a message that a bounce brings back whole, if RET=FULL asks so */
    uint64_t destinations;   /* senders that qrun runs at a time */
    uint64_t destination_connections; /* and to one destination */
    uint64_t destination_rate;        /* recipients a minute at one destination; 0: as many as there are */
    bool plaintext_login;    /* allow passwords without TLS: for tests and trusted networks */
    bool scram;              /* offer SCRAM-SHA-256 beside passwords */
    enum sandbox_mode sandbox;
};

/* Reads `file` (NULL: SETTINGS_DEFAULT_FILE). On anything but ST_OK, *error has one line for a person:
 * "FILE:LINE: KEY: what is wrong; what to do", and s is empty. ST_NONE: no such file; ST_PERM: wrong
 * contents. */
enum status settings_load(const char *file, struct settings *s, struct bytes *error);
void settings_free(struct settings *s);

/* All keys with their effective values, in the format that is read, in the table's order. */
void settings_print(const struct settings *s, struct bytes *out);

/* An address, or with a prefix length a network, as settings have it. False for anything else. */
bool settings_parse_network(struct span text, struct network *net);
/* A size as settings have it: bytes, or with K, M, G or T. False for anything else. */
bool settings_parse_size(const char *value, uint64_t *to);

/* The Maildir of an account, from the template: both parts must be free of '/', NUL and not begin with '.';
 * they are lowercased. False (errno EINVAL) for names that make no safe path. */
bool settings_maildir(const struct settings *s, struct span local, struct span domain, struct bytes *path);

/* The directory that all Maildirs are below: the template up to its first part with a '%'. */
bool settings_mail_root(const struct settings *s, struct bytes *path);

/* Follows the links of tls-key and of the keys of `certificates` to the files that they lead to now, so that
 * who has read a certificate goes on with the key that fits it when `postern certificate install` replaces
 * both. True: another than at the last call. */
bool settings_resolve_keys(struct settings *s);
/* The file of a key: 0 is that of tls-key, from 1 on those of `certificates`. The path as it is set where
 * nothing was resolved, or where nothing is there. */
const char *settings_key_file(const struct settings *s, size_t which);
/* The place in `certificates` of the one for a host name, in whatever case; one for the whole name comes
 * before a wildcard's. certificate_count: there is none. */
size_t settings_certificate_of(const struct settings *s, struct span name);

/* Is the address (IPv4-mapped for IPv4) in it? */
bool network_has(const struct network *net, const struct in6_addr *address);
/* Is it in `networks`? */
bool settings_trusts(const struct settings *s, const struct in6_addr *address);

#endif
