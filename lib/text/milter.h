/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The packets of the milter protocol, version 6, as a mail server speaks it (what libmilter of Sendmail 8.14
 * and later answers): four bytes of length, one of a command or answer, then its data. Numbers are
 * big-endian, strings end in NUL. Pure: it takes bytes and makes bytes.
 *
 * What a filter answers is believed for its decision and for nothing else: every length is checked, an answer
 * that isn't of its form is `bad`, and a reply for the client comes out as lines that no client can misread.
 */
#ifndef POSTERN_TEXT_MILTER_H
#define POSTERN_TEXT_MILTER_H

#include "base/bytes.h"

#define MILTER_VERSION 6
#define MILTER_OLDEST 2            /* versions that are understood */
#define MILTER_CHUNK 65535         /* bytes of a body in one packet */
#define MILTER_ANSWER_LIMIT 262144 /* bytes of an answer, its code included */
#define MILTER_REPLY_LIMIT 4096    /* bytes of a reply for the client */
#define MILTER_REPLY_LINES 32      /* lines of it */

/* Commands, which are also the names of the stages in macros and steps. */
enum {
    MILTER_NEGOTIATE = 'O',
    MILTER_MACROS = 'D',
    MILTER_CONNECT = 'C',
    MILTER_HELO = 'H',
    MILTER_MAIL = 'M',
    MILTER_RCPT = 'R',
    MILTER_DATA = 'T',    /* from version 4 on */
    MILTER_UNKNOWN = 'U', /* from version 3 on */
    MILTER_HEADER = 'L',
    MILTER_HEADER_END = 'N',
    MILTER_BODY = 'B',
    MILTER_END = 'E',
    MILTER_ABORT = 'A',
    MILTER_QUIT = 'Q',
    MILTER_QUIT_NEXT = 'K', /* QUIT_NC: another client follows on the same connection */
};

/* Answers. */
enum {
    MILTER_CONTINUE = 'c',
    MILTER_ACCEPT = 'a',
    MILTER_DISCARD = 'd',
    MILTER_REJECT = 'r',
    MILTER_TEMPFAIL = 't',
    MILTER_REPLY = 'y', /* 4xx or 5xx with its text */
    MILTER_SHUTDOWN = '4',
    MILTER_CONNECTION_FAIL = 'f',
    MILTER_SKIP = 's',
    MILTER_PROGRESS = 'p',
    /* and at the end of a message, before the last answer: */
    MILTER_ADD_HEADER = 'h',
    MILTER_INSERT_HEADER = 'i',
    MILTER_CHANGE_HEADER = 'm',
    MILTER_CHANGE_FROM = 'e',
    MILTER_ADD_RCPT = '+',
    MILTER_ADD_RCPT_ESMTP = '2',
    MILTER_DELETE_RCPT = '-',
    MILTER_REPLACE_BODY = 'b',
    MILTER_QUARANTINE = 'q',
};

/* What a filter may do to messages: all of SMFIF_*. */
#define MILTER_ACTIONS 0x1ffu

/* Steps (SMFIP_*): what a filter wants left out, or doesn't answer, beside these. */
#define MILTER_STEPS 0x1fffffu
#define MILTER_STEP_SKIP 0x400u             /* we understand MILTER_SKIP */
#define MILTER_STEP_REJECTED_RCPT 0x800u    /* it wants to know of recipients that were refused too */
#define MILTER_STEP_LEADING_SPACE 0x100000u /* header values with the space behind the colon, both ways */

/* The stages for which a filter may say which macros it wants, in SMFIM_*'s order. */
enum milter_stage {
    MILTER_AT_CONNECT,
    MILTER_AT_HELO,
    MILTER_AT_MAIL,
    MILTER_AT_RCPT,
    MILTER_AT_DATA,
    MILTER_AT_END,
    MILTER_AT_HEADER_END,
    MILTER_STAGES,
};

struct milter_options {
    uint32_t version, actions, steps;
    struct span macros[MILTER_STAGES]; /* names, blanks between; p NULL: it didn't say */
};

/* --- what is sent. Each appends one packet */

struct milter_packet {
    struct bytes *out;
    size_t at;
};
void milter_begin(struct milter_packet *p, struct bytes *out, char command);
/* A string with its NUL. A NUL within it would end it early: it is cut there. */
void milter_put(struct milter_packet *p, struct span string);
void milter_put_bytes(struct milter_packet *p, struct span bytes);
/* Writes the length. False: *out is over its limit. */
bool milter_finish(struct milter_packet *p);

bool milter_put_negotiate(struct bytes *out, uint32_t actions, uint32_t steps);
bool milter_put_command(struct bytes *out, char command);
/* HELO, MAIL, RCPT, UNKNOWN, HEADER: strings. */
bool milter_put_strings(struct bytes *out, char command, const struct span *strings, size_t count);
/* `family` is '4', '6' with an address and port; 'U': neither. */
bool milter_put_connect(struct bytes *out, struct span name, char family, unsigned port, struct span address);

/* --- what comes back */

enum milter_result {
    MILTER_INCOMPLETE, /* more bytes are needed */
    MILTER_PACKET,
    MILTER_BAD, /* nothing that comes behind this can be understood */
};

/* The packet that `in` begins with: *used bytes with its length, its code, its data within `in`. */
enum milter_result milter_take(struct span in, size_t *used, char *code, struct span *data);

/* The answer to MILTER_NEGOTIATE. False: no such answer, or it wants what isn't offered. */
bool milter_read_options(struct span data, struct milter_options *o);
/* Does this filter want `command`, and does it answer? */
bool milter_wants(const struct milter_options *o, char command);
bool milter_answers(const struct milter_options *o, char command);
/* MILTER_REPLY: appends lines "550 5.7.1 text", CRLF between them and none at the end; what isn't printable
 * ASCII becomes '?'. False: it is none of 4xx or 5xx, or not of one code, or too long. */
bool milter_read_reply(struct span data, struct bytes *reply);
/* Header modifications. `indexed`: INSERT and CHANGE. False where it isn't of that form or the name is
 * none. */
bool milter_read_header(struct span data, bool indexed, uint32_t *index, struct span *name,
                        struct span *value);
/* The first string of ADD_RCPT, DELETE_RCPT, CHANGE_FROM and their like. False: there is none. */
bool milter_read_string(struct span data, struct span *string);

/* Appends a header field's value as filters get it: line ends are LF, and the space behind the colon is left
 * away unless `leading_space`. */
bool milter_value(struct span value, bool leading_space, struct bytes *out);
/* Appends "Name: value CRLF" of what a filter wants for a field: its lines' ends become CRLF, and a line that
 * isn't folded is. */
bool milter_field(struct span name, struct span value, bool leading_space, struct bytes *out);

#endif
