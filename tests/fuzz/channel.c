/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A packet from the other process of a connection, whatever it holds.
 */
#include "fuzz.h"

#include "net/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message *m = malloc(sizeof *m);
    HOLDS(m);
    message_start(m, 1);
    m->len = 0;
    /* The first byte chooses what is asked for; the rest is the packet. */
    unsigned choice = size ? data[0] : 0;
    if (size > 1 && size - 1 <= sizeof m->data) {
        memcpy(m->data, data + 1, size - 1);
        m->len = size - 1;
    }
    struct span packet = { (const char *)m->data, m->len };
    m->at = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t value;
        struct span field;
        char text[20];
        switch (choice >> i & 3) {
        case 0:
            message_get_u64(m, &value);
            break;
        case 1:
            if (message_get_str(m, text, sizeof text))
                HOLDS(memchr(text, '\0', sizeof text));
            break;
        default:
            if (message_get(m, &field))
                HOLDS(fuzz_within(field, packet));
        }
        HOLDS(m->at <= m->len);
    }
    HOLDS(!message_end(m) || (m->at == m->len && !m->bad));
    free(m);
    return 0;
}
