/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a server may challenge a client with: whatever it is, the client says nothing that it mustn't, and
 * never believes it.
 */
#include "fuzz.h"

#include "net/sasl_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes first, out;
    struct span rest = fuzz_span(data, size), one;
    struct sasl_client *c = sasl_client_new(SASL_OFFERS_SCRAM, true, SPAN("user"), SPAN("pencil"));
    bytes_init(&first, SASL_CLIENT_MESSAGE);
    bytes_init(&out, SASL_CLIENT_MESSAGE);
    HOLDS(c && sasl_client_first(c, &first));
    while (span_cut(&rest, '\n', &one)) {
        struct bytes said;
        bool with_nonce =
            one.n > 2 && one.p[0] == 'r' && one.p[2] == 'N'; /* else nothing could ever begin rightly */
        bytes_init(&said, 2 * SASL_CLIENT_MESSAGE);
        if (with_nonce)
            bytes_printf(&said, "r=%s%.*s", strstr(bytes_str(&first), ",r=") + 3,
                         SPAN_FMT(span_from(one, 3)));
        else
            bytes_add_span(&said, one);
        enum status st = sasl_client_answer(c, span_bytes(&said), &out);
        HOLDS(st == ST_OK || st == ST_PERM);
        HOLDS(!out.len || strncmp(bytes_str(&out), "c=biws,r=", 9) == 0);
        HOLDS(!sasl_client_done(c));
        bytes_free(&said);
    }
    sasl_client_free(c);
    bytes_free(&first);
    bytes_free(&out);
    return 0;
}
