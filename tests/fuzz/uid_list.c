/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of UIDs of Dovecot and Courier: every UID that is found is below the next one, and every base that is
 * listed is found.
 */
#include "fuzz.h"

#include "store/uid_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct uid_list list = { 0 };
    if (uid_list_read(input, &list) == ST_OK) {
        HOLDS(list.validity && list.next);
        for (size_t i = 0; i < list.count; i++) {
            HOLDS(list.items[i].base.n && fuzz_within(list.items[i].base, input));
            uint32_t uid = uid_list_find(&list, list.items[i].base);
            HOLDS(uid && uid < list.next);
        }
    }
    uid_list_free(&list);
    return 0;
}
