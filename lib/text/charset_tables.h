/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The upper halves of single-byte charsets, for charset.c: the Unicode character of each byte from 0x80 on,
 * U+FFFD where it has none.
 */
#ifndef POSTERN_TEXT_CHARSET_TABLES_H
#define POSTERN_TEXT_CHARSET_TABLES_H

#include <stdint.h>

extern const uint16_t charset_iso_8859_2[128];
extern const uint16_t charset_iso_8859_3[128];
extern const uint16_t charset_iso_8859_4[128];
extern const uint16_t charset_iso_8859_5[128];
extern const uint16_t charset_iso_8859_6[128];
extern const uint16_t charset_iso_8859_7[128];
extern const uint16_t charset_iso_8859_8[128];
extern const uint16_t charset_iso_8859_10[128];
extern const uint16_t charset_iso_8859_13[128];
extern const uint16_t charset_iso_8859_14[128];
extern const uint16_t charset_iso_8859_15[128];
extern const uint16_t charset_iso_8859_16[128];
extern const uint16_t charset_windows_874[128];
extern const uint16_t charset_windows_1250[128];
extern const uint16_t charset_windows_1251[128];
extern const uint16_t charset_windows_1252[128];
extern const uint16_t charset_windows_1253[128];
extern const uint16_t charset_windows_1254[128];
extern const uint16_t charset_windows_1255[128];
extern const uint16_t charset_windows_1256[128];
extern const uint16_t charset_windows_1257[128];
extern const uint16_t charset_windows_1258[128];
extern const uint16_t charset_koi8_r[128];
extern const uint16_t charset_koi8_u[128];
extern const uint16_t charset_ibm437[128];
extern const uint16_t charset_ibm850[128];
extern const uint16_t charset_ibm852[128];
extern const uint16_t charset_ibm866[128];
extern const uint16_t charset_macintosh[128];

#endif
