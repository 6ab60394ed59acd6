/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the session's side of SASL shares; see sasl.h.
 */
#ifndef POSTERN_STORE_SASL_PRIVATE_H
#define POSTERN_STORE_SASL_PRIVATE_H

#include "store/sasl.h"

#define SASL_MESSAGE 8192 /* bytes of a response, decoded */

/* Sends a challenge and reads the response to it, decoded; SASL_DONE if one came. */
enum sasl_result sasl_ask(const struct sasl *s, struct span challenge, struct bytes *response);

/* The mechanisms, from the client's first response on. */
enum sasl_result sasl_scram(const struct sasl *s, struct bytes *first);
enum sasl_result sasl_scram_plus(const struct sasl *s, struct bytes *first);

#endif
