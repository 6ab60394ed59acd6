/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The words for results; see result.h.
 */
#include "trust/result.h"

const char *trust_result_name(enum trust_result result)
{
    static const char *const names[] = {
        [TRUST_NONE] = "none",         [TRUST_NEUTRAL] = "neutral",     [TRUST_PASS] = "pass",
        [TRUST_FAIL] = "fail",         [TRUST_SOFTFAIL] = "softfail",   [TRUST_POLICY] = "policy",
        [TRUST_TEMPERROR] = "temperror", [TRUST_PERMERROR] = "permerror",
    };
    return names[result];
}
